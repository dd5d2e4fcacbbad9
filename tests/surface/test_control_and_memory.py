"""Control flow as functions, memory taken over, streams of the CPU, and the older names of things."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")


def test_cond() -> None:
    for t in (rushlight, torch):
        x = t.tensor([1.0, -2.0])
        assert t.cond(x.sum() > 0, lambda x: x + 1, lambda x: x * 2, (x,)).tolist() == [2, -4]
        assert t.cond(True, lambda a, b: a + b, lambda a, b: a, [x, x]).tolist() == [2, -4]
        with pytest.raises(RuntimeError):
            t.cond(x > 0, lambda v: v, lambda v: v, (x,))
        with pytest.raises(RuntimeError):
            t.cond(x.sum() > 0, lambda v: v, 3, (x,))
        with pytest.raises(RuntimeError):
            t.cond(x.sum() > 0, lambda v: v, lambda v: v, (1,))
    w = rushlight.tensor([3.0], requires_grad=True)
    rushlight.cond(w > 0, lambda w: w * w, lambda w: -w, (w,)).backward()
    assert w.grad.tolist() == [6]


def test_while_loop() -> None:
    for t in (rushlight, torch):
        i, x = t._higher_order_ops.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (t.tensor(0), t.ones(2)))
        assert i.item() == 3 and x.tolist() == [8, 8]
    zero, pair = rushlight.tensor(0), rushlight.ones(2)
    with pytest.raises(RuntimeError, match="as many"):
        rushlight.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1,), (zero, pair))
    with pytest.raises(RuntimeError, match="value 1 .*as before"):
        rushlight.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x[:1]), (zero, pair))


def test_set_takes_memory_over() -> None:
    for t in (rushlight, torch):
        source = t.arange(6.0)
        x = t.zeros(2)
        assert x.set_(source) is x and x.tolist() == [0, 1, 2, 3, 4, 5]
        part = t.tensor([]).set_(source.untyped_storage(), 1, (2, 2), (2, 1))
        source[3] = 30
        assert part.tolist() == [[1, 2], [30, 4]] and x[3].item() == 30
        assert t.tensor([]).set_(source.storage(), 4, (2,)).tolist() == [4, 5]
        assert t.ones(3).set_().shape == (0,) and t.ones(3).set_(source, 1, (2,), (2,)).tolist() == [1, 30]
        with pytest.raises(RuntimeError):
            t.ones(2).set_(t.zeros(3, dtype=t.int64))


def test_module_load() -> None:
    for t in (rushlight, torch):
        parameter = t.nn.Parameter(t.ones(2), requires_grad=False)
        assert parameter.module_load(t.zeros(2)).tolist() == [0, 0] and parameter.tolist() == [0, 0]
        assigned = parameter.module_load(t.full((2,), 5.0), assign=True)
        assert assigned.tolist() == [5, 5] and not isinstance(assigned, t.nn.Parameter)


def test_questions_about_tensors() -> None:
    for t in (rushlight, torch):
        x = t.ones(2)
        assert (
            x.const_data_ptr() == x.data_ptr() and x.name is None and not x.is_distributed() and not t.is_distributed(x)
        )
        assert not any((x.is_xla, x.is_ipu, x.is_mtia, x.is_vulkan, x.is_maia)) and x.storage_type() is t.FloatStorage
        assert isinstance(x.storage(), t.FloatStorage) and not isinstance(x.storage(), t.LongStorage)
        assert (
            t.LongStorage([1, 2]).tolist() == [1, 2] and len(t.FloatStorage(3)) == 3 and t.IntStorage.dtype is t.int32
        )
        assert t.has_lapack and t.has_spectral and issubclass(t.OutOfMemoryError, RuntimeError)


def test_streams_and_events_of_the_cpu() -> None:
    for t in (rushlight, torch):
        stream, event = t.Stream(device="cpu"), t.Event("cpu")
        assert repr(stream) == "torch.Stream device_type=cpu, device_index=-1, stream_id=0"
        assert repr(event) == "torch.Event device_type=cpu, device_index=-1, event_flag=0, event_id=0"
        assert stream == t.Stream(device="cpu")
    first, last = (rushlight.Event(enable_timing=True) for _ in range(2))
    with rushlight.Stream() as stream:
        first.record()
        y = rushlight.ones(2) + 1
        stream.record_event(last)
    stream.synchronize()
    assert y.tolist() == [2, 2] and stream.query() and last.query() and first.elapsed_time(last) >= 0
    with pytest.raises(RuntimeError, match="enable_timing"):
        rushlight.Event().elapsed_time(last)
    with pytest.raises(RuntimeError):
        rushlight.Stream("cuda")


def test_autocast_by_device() -> None:
    assert rushlight.get_autocast_cpu_dtype() is rushlight.bfloat16 and not rushlight.is_autocast_cpu_enabled()
    with rushlight.autocast("cpu"):
        assert rushlight.is_autocast_cpu_enabled()
    rushlight.set_autocast_cpu_dtype(rushlight.float16)
    try:
        assert rushlight.get_autocast_dtype("cpu") is rushlight.float16
    finally:
        rushlight.set_autocast_cpu_dtype(rushlight.bfloat16)
    assert rushlight.autocast_increment_nesting() == 1 and rushlight.autocast_decrement_nesting() == 0


def test_functions_ask_for_torch_function_through_nn_functional() -> None:
    F = rushlight.nn.functional

    class Mine:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return "mine"

    assert not F.has_torch_function((rushlight.ones(1),)) and F.has_torch_function_unary(Mine())
    assert F.has_torch_function_variadic(1, Mine())
    assert F.handle_torch_function(rushlight.add, (Mine(),), Mine()) == "mine"
    with pytest.raises(AttributeError, match="no attribute 'nowhere'"):
        F.nowhere  # noqa: B018


@pytest.mark.parametrize("mode", [0, 1, 2])
@pytest.mark.parametrize(("last", "padding"), [(False, -1), (True, -1), (False, 2)])
def test_embedding_bag(mode: int, last: bool, padding: int) -> None:
    found = []
    for t in (rushlight, torch):
        table, at = t.arange(12.0).reshape(4, 3).sin(), t.tensor([0, 1, 2, 3, 1])
        starts = t.tensor([0, 2, 5] if last else [0, 2])
        found.append(t.embedding_bag(table, at, starts, False, mode, False, None, last, padding))
    np.testing.assert_allclose(found[0][0].numpy(), found[1][0].numpy(), rtol=1e-6)
    if mode == 2:
        assert found[0][3].tolist() == found[1][3].tolist()
    if mode:
        assert [part.tolist() for part in found[0][1:3]] == [part.tolist() for part in found[1][1:3]]
    with pytest.raises(RuntimeError, match="mode=7"):
        rushlight.embedding_bag(rushlight.eye(3), rushlight.tensor([0]), rushlight.tensor([0]), mode=7)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("metric", [False, True])
def test_lobpcg(largest: bool, metric: bool) -> None:
    source = np.random.default_rng(0)
    A, B = (x @ x.T + 3 * np.eye(30) for x in source.normal(size=(2, 30, 30)))
    rushlight.manual_seed(0)
    given = {"B": rushlight.tensor(B)} if metric else {}
    values, vectors = rushlight.lobpcg(rushlight.tensor(A), k=3, largest=largest, tol=1e-8, **given)
    B = B if metric else np.eye(30)
    inverse = np.linalg.inv(np.linalg.cholesky(B))
    exact = np.linalg.eigvalsh(inverse @ A @ inverse.T)
    np.testing.assert_allclose(values.numpy(), exact[::-1][:3] if largest else exact[:3], rtol=1e-7)
    np.testing.assert_allclose(A @ vectors.numpy(), B @ vectors.numpy() * values.numpy(), atol=1e-4)
    batch = rushlight.lobpcg(rushlight.tensor(np.stack([A, 2 * A])), k=1)[0]
    np.testing.assert_allclose(batch[:, 0].numpy(), np.linalg.eigvalsh(A)[-1] * np.array([1, 2]), rtol=1e-7)


def test_lobpcg_refuses() -> None:
    with pytest.raises(ValueError, match="eigh"):
        rushlight.lobpcg(rushlight.eye(4), k=2)
    with pytest.raises(NotImplementedError, match="gradient"):
        rushlight.lobpcg(rushlight.eye(9).requires_grad_(), k=2)
