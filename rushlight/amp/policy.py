"""Which functions autocast changes on the CPU, and how. Names are PyTorch's; methods go by the name of their function."""

from __future__ import annotations

from typing import Any

import rushlight

# Products: computed in the region's dtype.
LOWER = (
    "addbmm", "addmm", "baddbmm", "bmm", "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "linalg.vecdot", "linear", "matmul", "mm", "prelu", "scaled_dot_product_attention",
)  # fmt: skip
# Made of such products, and change with them.
MADE_OF_PRODUCTS = (
    "chain_matmul", "inner", "linalg.matrix_power", "linalg.multi_dot", "lstm", "matrix_power", "rnn_relu", "rnn_relu_cell", "rnn_tanh",
    "rnn_tanh_cell", "tensordot",
)  # fmt: skip
# As these, but that their new state is made of the old one too, and has the wider dtype of both.
WITH_STATE = ("gru", "gru_cell", "lstm_cell")
# Sums and functions that need the range or the precision: computed in float32.
FLOAT32 = (
    "adaptive_avg_pool3d", "adaptive_max_pool3d", "avg_pool3d", "binary_cross_entropy", "binary_cross_entropy_with_logits", "cdist",
    "cholesky", "cholesky_inverse", "cholesky_solve", "cosine_embedding_loss", "cross_entropy", "ctc_loss", "fft.fft", "fft.fft2",
    "fft.fftn", "fft.hfft", "fft.ifft", "fft.ifft2", "fft.ifftn", "fft.ihfft", "fft.irfft", "fft.irfft2", "fft.irfftn",
    "fft.rfft", "fft.rfft2", "fft.rfftn", "fractional_max_pool2d", "fractional_max_pool3d", "geqrf", "grid_sample",
    "grid_sampler", "hinge_embedding_loss", "huber_loss", "inverse", "kl_div", "l1_loss", "linalg.cholesky", "linalg.cholesky_ex",
    "linalg.cond", "linalg.eig", "linalg.eigh", "linalg.eigvals", "linalg.eigvalsh", "linalg.householder_product", "linalg.inv",
    "linalg.inv_ex", "linalg.lstsq", "linalg.matrix_rank", "linalg.qr", "linalg.solve", "linalg.svd", "linalg.svdvals",
    "linalg.tensorinv", "linalg.tensorsolve", "lu_solve", "margin_ranking_loss", "max_pool3d", "max_unpool2d", "max_unpool3d",
    "mse_loss", "multi_margin_loss", "multilabel_margin_loss", "nanquantile", "nll_loss", "orgqr", "ormqr", "pinverse",
    "poisson_nll_loss", "polar", "prod", "qr", "quantile", "smooth_l1_loss", "soft_margin_loss", "stft", "svd", "trace",
    "triangular_solve", "triplet_margin_loss", "view_as_complex",
)  # fmt: skip
# Joining: in the widest floating dtype among the tensors.
WIDEST = ("cat", "index_copy", "stack")


def functions_of(names: tuple[str, ...]) -> set[Any]:
    """The function objects behind these names: functions of `torch` and of its rooms, methods, operators."""
    found: set[Any] = set()
    for name in names:
        room, _, last = name.rpartition(".")
        homes = [getattr(rushlight, room)] if room else [rushlight, rushlight.nn.functional, rushlight.Tensor]
        found.update(getattr(home, last) for home in homes if hasattr(home, last))
    if "matmul" in names:
        found.update((rushlight.Tensor.__matmul__, rushlight.Tensor.__rmatmul__))
    return found
