"""Which nodes become one kernel, and what holds at the borders between passes for the Programs of many models."""

from __future__ import annotations

import copy

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from checks import check_code, check_fused, check_graph, check_program, groups_of, programs_of
from models import PROGRAMS, tensor

import rushlight as torch
from rushlight.compile.fuse import TOTAL
from rushlight.nn import functional as F


@pytest.fixture(autouse=True)
def fresh(clean_modes):
    """Pending work is run before and after."""


@pytest.fixture
def x() -> torch.Tensor:
    return tensor(40, 50)


@pytest.fixture
def w() -> torch.Tensor:
    return tensor(50, 30, seed=1)


@pytest.fixture
def bias() -> torch.Tensor:
    return tensor(30, seed=2)


# -- what becomes one group --------------------------------------------------------------------------------------------


def test_a_pointwise_chain_is_one_nest(x):
    assert groups_of(lambda: ((x * 2 + 1).tanh() - x).relu()) == ["nest: mul add tanh sub relu"]


def test_a_chain_into_a_reduction_and_out_of_it_is_one_nest(x):
    assert groups_of(lambda: ((x * 2).sum(1, keepdim=True) * 3).exp()) == ["nest: mul sum mul exp"]


def test_two_reductions_over_the_same_dimensions_share_a_walk(x):
    assert groups_of(lambda: (x.sum(1), x.amax(1))) == ["nest: sum amax"]


def test_gradients_of_a_split_are_put_together_without_zeros(x):
    """The pieces' kernels add the zero that the sum of arrays of zeros would (-0.0 becomes 0.0); then they are joined."""
    weights = [tensor(40, n, seed=n) for n in (20, 10, 20)]
    weights[1][3] = -0.0

    def gradient():
        y = x.detach().requires_grad_()
        sum((part * weight).sum() for part, weight in zip(y.split((20, 10, 20), 1), weights)).backward()
        return y.grad

    groups = groups_of(gradient)
    assert "cat: cat" in groups and not any("slice_write" in group for group in groups)
    found = gradient().numpy()
    assert np.array_equal(found, torch.cat(weights, 1).numpy()) and not np.signbit(found[3, 20:30]).any()


def test_a_number_in_common_makes_no_group(x):
    other, rate = tensor(40, 50, seed=3), tensor(1, seed=4).sum()
    assert groups_of(lambda: (x * rate, other * rate)) == ["nest: mul", "nest: mul"]
    assert groups_of(lambda: (x * other, x + rate)) == ["nest: mul add"]


def test_the_updates_of_parameters_are_groups_of_their_own():
    layers = [torch.nn.Parameter(tensor(40, 50, seed=seed)) for seed in range(3)]
    optimizer = torch.optim.Adam(layers, lr=0.1)
    for p in layers:
        p.grad = tensor(40, 50, seed=9)
    optimizer.step()
    groups = groups_of(optimizer.step)
    assert len(groups) == 3 and len(set(groups)) == 1


@pytest.mark.parametrize("total", ["sum", "amax", "amin"])
def test_a_total_of_rows_is_taken_row_by_row(total):
    many = tensor(TOTAL // 64, 128, seed=5)
    found = []
    groups = groups_of(lambda: found.append(getattr(many.softmax(1) - many, total)()) or found[-1])
    assert [group.split()[-1] for group in groups] == [total, total]
    rows = np.exp(many.numpy().astype(np.float64))
    expected = getattr(np, total)(rows / rows.sum(1, keepdims=True) - many.numpy())
    np.testing.assert_allclose(found[-1].item(), expected, rtol=1e-5)


def test_a_mean_of_a_normalised_batch_reads_it_once():
    many = tensor(300, 200, seed=6)
    groups = groups_of(lambda: F.layer_norm(many, (200,)).square().mean())
    assert groups[1:] == ["nest: sum", "nest: div"]


def test_softmax_is_one_nest_of_three_levels(x):
    fused = programs_of(lambda: x.softmax(1))[-1].stages["fuse"]
    assert len(fused.groups) == 1 and fused.groups[0].reduced == (1,)
    assert max(fused.groups[0].levels.values()) == 2


def test_layer_norm_is_one_nest(x):
    weight, offset = tensor(50, seed=3), tensor(50, seed=4)
    assert len(groups_of(lambda: F.layer_norm(x, (50,), weight, offset))) == 1


def test_bias_and_activation_are_the_epilogue_of_a_product(x, w, bias):
    assert groups_of(lambda: F.relu(x @ w + bias)) == ["matmul: matmul add relu"]
    assert groups_of(lambda: F.linear(x, w.t(), bias).tanh()) == ["matmul: matmul add tanh"]


def test_what_waits_goes_into_an_epilogue_of_its_shape(x, w):
    other = tensor(40, 30, seed=5)
    assert groups_of(lambda: (x @ w) * (other * 2).exp()) == ["matmul: matmul mul exp mul"]


def test_a_convolution_takes_bias_and_activation():
    image, weight, offset = tensor(1, 2, 6, 6), tensor(3, 2, 3, 3), tensor(3)
    assert groups_of(lambda: F.relu(F.conv2d(image, weight, offset))) == ["convolution: convolution add relu"]


def test_adam_goes_into_the_product_that_makes_the_gradient():
    found = [
        g for program in programs_of(PROGRAMS["adam"]) for g in program.stages["fuse"].groups if "addcdiv" in str(g)
    ]
    led = [g for g in found if g.leader == "matmul"]
    assert {g.shape for g in led} == {(20, 12), (5, 20)}


# -- what does not -----------------------------------------------------------------------------------------------------


def test_readers_of_a_total_come_after_it():
    big = tensor(300, 200)
    assert big.numel() > TOTAL
    assert groups_of(lambda: big / big.sum()) == ["nest: sum", "nest: div"]
    assert groups_of(lambda: big.sum((0, 1), keepdim=True) * 2) == ["nest: sum", "nest: mul"]


@pytest.mark.parametrize(
    "look_up",
    [
        lambda table, index: table.gather(1, index),
        lambda table, index: table.index_select(1, index[0]),
        lambda table, index: table[index[:, 0]],
        lambda table, index: F.embedding(index, table),
        lambda table, index: table.flip(0),
        lambda table, index: table.roll(3, 1),
        lambda table, index: F.pad(table[None], (1, 2), mode="reflect"),
    ],
)
def test_look_ups_find_their_table_and_index_in_memory(x, look_up):
    """Whatever is computed first, of the result's shape or not, is a group of its own."""
    index = torch.tensor(np.arange(40 * 50).reshape(40, 50) % 39)

    def run():
        return look_up(x.exp(), index + 1)

    groups = [g for g in programs_of(run)[-1].stages["fuse"].groups if any(n.op.name == "exp" for n in g.nodes)]
    assert [len(g.nodes) for g in groups] == [1]
    assert np.allclose(
        run().numpy(), look_up(torch.tensor(x.exp().numpy()), torch.tensor((index + 1).numpy())).numpy(), rtol=1e-6
    )


def test_requirements_stay_out_of_epilogues(x, w):
    target = tensor(40, 30).sigmoid()
    target.tolist()
    groups = groups_of(lambda: F.binary_cross_entropy((x @ w).sigmoid(), target, reduction="none"))
    assert (
        groups[0] == "matmul: matmul sigmoid" and "binary_cross_entropy_part" in groups[-1] and groups[-1][:4] == "nest"
    )
    whole = torch.tensor(np.arange(12).reshape(3, 4))
    groups = groups_of(lambda: (whole.double() @ whole.double().t()) + (whole[:, :3] // 2).double())
    assert "matmul: matmul" in groups and any("divide" in g for g in groups if g.startswith("nest"))


def test_what_waits_in_another_shape_has_a_kernel_of_its_own(x, w, bias):
    assert groups_of(lambda: (x @ w) * (bias * 2).exp()) == ["matmul: matmul", "nest: mul exp", "nest: mul"]


def test_other_reduced_dimensions_are_another_kernel(x):
    assert groups_of(lambda: (x.sum(0), x.sum(1))) == ["nest: sum", "nest: sum"]


def test_views_of_what_a_kernel_makes_are_read_by_the_next(x):
    assert groups_of(lambda: (x * 2).t() + 1) == ["nest: mul", "nest: add"]
    assert groups_of(lambda: (x * 2).reshape(50, 40) + 1) == ["nest: mul", "nest: add"]


def test_a_reduction_of_a_product_is_another_kernel(x, w, bias):
    assert groups_of(lambda: (x @ w + bias).sum(0)) == ["matmul: matmul add", "nest: sum"]


def test_long_chains_are_cut():
    one = tensor(8)

    def chain():
        y = one
        for _ in range(400):
            y = y * 1.0001 + 0.5
        return y

    groups = programs_of(chain)[-1].stages["fuse"].groups
    assert len(groups) > 1 and max(len(g.nodes) for g in groups) < 200


@pytest.mark.parametrize("reduced", [False, True])
def test_values_that_are_read_twice_are_walked_once(reduced):
    """Each value is read by the two after it: walked as a tree, there would be 2^40 of them."""

    def fibonacci():
        a, b = tensor(6, 8), tensor(6, 8, seed=1)
        if reduced:
            a, b = a.sum(1, keepdim=True), b.sum(1, keepdim=True)
        for _ in range(60):
            a, b = b, (a + b) * 0.5
        return b

    code = programs_of(fibonacci)[-1].run.code
    assert len(code.lowering.instructions) < 6


@pytest.mark.parametrize(
    "look_up",
    [
        lambda x, at: F.embedding(at, x),
        lambda x, at: x[at],
        lambda x, at: x.index_select(0, at),
        lambda x, at: x.gather(0, at[:, None]),
        lambda x, at: x[at.clone()],
    ],
)
def test_an_index_made_of_a_number_is_in_memory(x, look_up):
    """A tensor of one element that is made of Python numbers is computed by its readers, except by those that look up."""

    def steps():
        return [look_up(x, torch.empty(1, dtype=torch.int64).fill_(number)) * 2 for number in (3, 0)]

    programs_of(steps)
    for found, row in zip(steps(), (3, 0)):
        assert np.array_equal(found.numpy()[0], 2 * x.numpy()[row, : found.shape[1]])


# -- what holds at every border ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_every_pass_of_every_program(name):
    found = programs_of(PROGRAMS[name])
    assert found
    for program in found:
        check_program(program)


def test_steps_have_several_instructions_and_parameters_stay_in_place():
    """The checks above see what they are for: kernels side by side, memory used twice, outputs over leaves."""
    codes = [p.run.code for name in ("adam", "images", "language") for p in programs_of(PROGRAMS[name])]
    assert any(len(step.instructions) > 1 for code in codes for step in code.steps)
    assert any(code.lowering.donated for code in codes)
    for code in codes:
        storages = [s for s in code.lowering.layout.temporaries if s.first >= 0]
        if len(storages) > 20:
            assert code.arena < sum(-(-s.size // 64) * 64 for s in storages)


# -- the checks themselves ---------------------------------------------------------------------------------------------


@pytest.fixture
def trained():
    """The last training step of a perceptron, as a Program that a test may damage."""
    program = programs_of(PROGRAMS["adam"])[-1]
    code, fused = program.run.code, program.stages["fuse"]
    kept = [(s, s.offset, s.first, s.last) for s in code.lowering.layout.temporaries]
    donated, steps = dict(code.lowering.donated), [list(step.instructions) for step in code.steps]
    groups = list(fused.groups)
    yield program
    for s, offset, first, last in kept:
        s.offset, s.first, s.last = offset, first, last
    code.lowering.donated.clear()
    code.lowering.donated.update(donated)
    for step, instructions in zip(code.steps, steps, strict=True):
        step.instructions[:] = instructions
    fused.groups[:] = groups
    check_program(program)


def damaged(check, *given) -> bool:
    try:
        check(*given)
    except AssertionError:
        return True
    return False


def test_the_checks_notice_overlapping_memory(trained):
    live = [s for s in trained.run.code.lowering.layout.temporaries if s.first >= 0]
    pairs = [(a, b) for a in live for b in live if a is not b and a.first <= b.last and b.first <= a.last]
    pairs[0][0].offset = pairs[0][1].offset
    assert damaged(check_code, trained.run.code)


def test_the_checks_notice_steps_that_conflict(trained):
    code = trained.run.code
    first = next(n for n in range(1, len(code.steps)) if code.steps[n].call is None and code.steps[n - 1].call is None)
    code.steps[first - 1].instructions.extend(code.steps[first].instructions)
    assert damaged(check_code, code)


def test_the_checks_notice_a_leaf_read_after_it_was_replaced(trained):
    code = trained.run.code
    output, leaf = next(iter(code.lowering.donated.items()))
    reads = [s for i in code.lowering.instructions for s in i.reads if s.kind == "leaf" and s.index == leaf]
    late = copy.copy(code.steps[-1].instructions[0])
    late.reads = [*late.reads, reads[0]]
    late.writes = []
    assert reads[0].kind == "leaf" and output in code.lowering.donated
    code.steps[-1].instructions.append(late)
    early = next(
        n
        for n, s in enumerate(code.steps)
        for i in s.instructions
        if any(w.kind == "output" and w.index == output for w in i.writes)
    )
    assert damaged(check_code, code) or early == len(code.steps) - 1


def test_the_checks_notice_groups_out_of_order(trained):
    fused = trained.stages["fuse"]
    fused.groups.reverse()
    assert damaged(check_fused, fused)


def test_the_checks_notice_a_node_out_of_order(trained):
    graph = trained.stages["simplify"].copy()
    graph.nodes.reverse()
    assert damaged(check_graph, graph, "simplify")
