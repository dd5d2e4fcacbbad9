"""PyTorch's own operator samples (`op_db`, which its wheel carries) run under Rushlight and under PyTorch.

`python -m tests.parity.op_db` prints how many entries agree and what is missing or differs. `translate.py` turns PyTorch's
tensors and functions into Rushlight's, `compare.py` says when two results agree, `check.py` runs an entry, `report.py`
adds up.
"""

import pytest

torch = pytest.importorskip("torch", reason="the oracle is PyTorch: make oracle")
pytest.importorskip("expecttest", reason="PyTorch's operator samples need it: pip install 'rushlight[parity]'")
torch.set_num_threads(1)
