"""Views and in-place writes: what random programs once got wrong, and the rules that users meet."""

from __future__ import annotations

import copy
import pickle

import pytest

import rushlight as rl

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("library", [rl, torch], ids=["rushlight", "pytorch"])
class TestBoth:
    def test_activation_in_place_on_a_view_keeps_what_it_saved(self, library) -> None:
        x = library.ones(2, 2, requires_grad=True)
        y = x * 1
        y[0].exp_()
        y.sum().backward()
        assert x.grad.tolist() == [[pytest.approx(2.718281828)] * 2, [1, 1]]

    def test_layout_in_place_keeps_sharing(self, library) -> None:
        x = library.arange(6.0).view(2, 3).clone()
        row = x[0]
        assert x.t_() is x and tuple(x.shape) == (3, 2)
        x[0, 0] = 9
        x.unsqueeze_(0).squeeze_()
        assert row.tolist() == [9, 1, 2] and x.tolist() == [[9, 3], [1, 4], [2, 5]]

    def test_writes_through_every_alias(self, library) -> None:
        x = library.zeros(2, 3)
        flat, turned, first = x.view(-1), x.t(), x[0]
        turned[2, 1] = 1
        flat[0] = 2
        first.add_(1)
        x[:, 1] *= 5
        assert x.tolist() == [[3, 5, 1], [0, 0, 1]]
        assert flat.tolist() == [3, 5, 1, 0, 0, 1] and first.tolist() == [3, 5, 1]

    def test_expanded_memory_cannot_be_written(self, library) -> None:
        x = library.ones(3, 1)
        with pytest.raises(RuntimeError):
            x.expand(3, 4).add_(1)
        x.expand(3, 1).add_(1)
        assert x.tolist() == [[2], [2], [2]]

    def test_leaves_are_protected(self, library) -> None:
        w = library.ones(2, requires_grad=True)
        for write in (
            lambda: w.add_(1),
            lambda: w[0].zero_(),
            lambda: w.view(2, 1).mul_(2),
            lambda: w.__setitem__(0, 1.0),
        ):
            with pytest.raises(RuntimeError, match="leaf"):
                write()
        view = library.ones(4).view(2, 2).requires_grad_()
        with pytest.raises(RuntimeError, match="leaf"):
            view.exp_()
        with library.no_grad():
            w.add_(1)
        assert w.tolist() == [2, 2] and w.is_leaf and w.requires_grad

    def test_views_of_a_leaf_that_is_a_view(self, library) -> None:
        w = library.arange(4.0).view(2, 2).requires_grad_()
        part = w[0]
        w.sum().item()
        loss = (part * 3).sum() + w.t().sum()
        loss.backward()
        assert w.grad.tolist() == [[4, 4], [1, 1]]

    def test_truncated_history(self, library) -> None:
        w = library.tensor([2.0], requires_grad=True)
        state = library.zeros(2)
        for _ in range(3):
            state = state.detach()
            state[0] = w[0] * 3
            state.sum().item()
        state.sum().backward()
        assert w.grad.tolist() == [3]

    def test_base_written_with_a_gradient_shows_in_its_views(self, library) -> None:
        w = library.tensor([2.0, 3.0], requires_grad=True)
        base = library.zeros(2)
        view = base.view(2, 1)
        base.mul_(0).add_(w)
        assert view.requires_grad and not view.is_leaf
        (view * view).sum().backward()
        assert w.grad.tolist() == [4, 6]

    def test_saved_values_that_change_are_refused(self, library) -> None:
        w = library.ones(2, requires_grad=True)
        y = w.exp()
        y.add_(1)
        with pytest.raises(RuntimeError, match="inplace operation"):
            y.sum().backward()
        x = library.ones(2)
        y = w * x
        y.sum().item()
        x.zero_()
        with pytest.raises(RuntimeError, match="inplace operation"):
            y.sum().backward()

    def test_data_is_not_counted(self, library) -> None:
        w = library.ones(2, requires_grad=True)
        y = w * w
        w.data.mul_(1)
        w.data.t().add_(0)
        y.sum().backward()
        assert w.grad.tolist() == [2, 2]

    def test_in_place_keeps_its_own_operand(self, library) -> None:
        data, w = library.tensor([3.0, 4.0]), library.tensor([1.0, 2.0], requires_grad=True)
        data.tolist()
        data.mul_(w)
        data.tolist()
        data.sum().backward()
        assert w.grad.tolist() == [3, 4] and data.tolist() == [3, 8]

    def test_accumulated_gradients_have_their_own_memory(self, library) -> None:
        a, b = library.ones(3, requires_grad=True), library.ones(3, requires_grad=True)
        for _ in range(2):
            (a + b).sum().backward()
        a.grad.zero_()
        assert b.grad.tolist() == [2, 2, 2]

    def test_zero_dim_mask(self, library) -> None:
        x = library.tensor(2.0)
        x[x > 1] = 5
        x[x < 1] *= 2
        assert x.item() == 5

    def test_flip_is_a_copy(self, library) -> None:
        x = library.rand(1, 4, 3)
        x.tolist()
        y = x.flip(0)
        x.zero_()
        assert y.abs().sum().item() > 0

    def test_strided_windows(self, library) -> None:
        x = library.arange(6.0)
        x.unfold(0, 2, 2).add_(10)
        x.as_strided((2, 2), (3, 1), 0).mul_(0)
        assert x.tolist() == [0, 0, 12, 0, 0, 15]
        assert library.arange(6.0).view(2, 3).t().as_strided((2,), (1,), 1).tolist() == [1, 2]

    def test_copies(self, library) -> None:
        w = library.arange(4.0).view(2, 2).t().requires_grad_()
        w.sum().backward()
        for other in (copy.deepcopy(w), pickle.loads(pickle.dumps(w)), copy.copy(w)):
            assert other.tolist() == [[0, 2], [1, 3]] and other.requires_grad
        twin = copy.deepcopy({"a": w, "b": w})
        assert twin["a"] is twin["b"] and twin["a"].grad.tolist() == [[1, 1], [1, 1]]
        with pytest.raises(RuntimeError):
            copy.deepcopy(w * 2)


def test_a_write_below_shared_elements_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="clone"):
        rl.ones(3, 1).expand(3, 4)[:, 0].add_(1)
