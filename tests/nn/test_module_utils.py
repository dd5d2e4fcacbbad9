"""torch.nn.modules.utils, beside PyTorch's."""

from __future__ import annotations

from collections import OrderedDict

import pytest

from rushlight.nn.modules import utils as ours

theirs = pytest.importorskip("torch.nn.modules.utils")


def test_numbers_become_tuples():
    for name in ("_single", "_pair", "_triple", "_quadruple"):
        for x in (3, 2.5, [1, 2], (4,), "ab"):
            assert getattr(ours, name)(x) == getattr(theirs, name)(x)
    assert ours._ntuple(5)(1) == theirs._ntuple(5)(1)
    assert ours._reverse_repeat_tuple((1, 2, 3), 2) == theirs._reverse_repeat_tuple((1, 2, 3), 2)
    assert ours._list_with_default([None, 3], [7, 8, 9]) == theirs._list_with_default([None, 3], [7, 8, 9])
    with pytest.raises(ValueError):
        ours._list_with_default([1, 2], [3])


def test_prefixes():
    states = []
    for utils in (ours, theirs):
        state = OrderedDict({"module.a.weight": 1, "module.b": 2, "c": 3})
        state._metadata = OrderedDict({"": {"version": 1}, "module": {"version": 2}, "module.a": {"version": 3}})
        utils.consume_prefix_in_state_dict_if_present(state, "module.")
        states.append((dict(state), dict(state._metadata)))
    assert states[0] == states[1]
