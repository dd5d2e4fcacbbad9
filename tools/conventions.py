"""What the names and kinds of arguments say about their types."""

from __future__ import annotations

# Kinds of the op table (see rushlight/ir/op.py).
KINDS = {
    "Tensor": "Tensor", "Tensor?": "Tensor | None", "Tensor[]": "Sequence[Tensor]", "Operand": "Tensor | Scalar",
    "Operand?": "Tensor | Scalar | None", "Number": "Scalar", "Number?": "Scalar | None", "int": "int", "int?": "int | None",
    "int[]": "int | Sequence[int]", "int[]?": "int | Sequence[int] | None", "float": "float", "bool": "bool", "str": "str",
    "dtype": "dtype", "dtype?": "dtype | None", "any": "Any",
}  # fmt: skip

_TENSORS = (
    "input target mask index source src anchor positive negative input1 input2 x1 x2 x y a b A B M L LD LU LU_data LU_pivots "
    "pivots tau vec vec2 mat2 tensor1 tensor2 grid theta log_probs query key value query logits offsets weights "
    "running_mean running_var bias pos_weight per_sample_weights window attn_mask key_padding_mask in_proj_weight in_proj_bias "
    "out_proj_weight out_proj_bias q_proj_weight k_proj_weight v_proj_weight bias_k bias_v static_k static_v real imag abs angle "
    "weight w_ih w_hh b_ih b_hh sorter the_template fweights aweights prepend append input_mask other_mask hx _random_samples "
    "tensor indices lengths data batch_sizes prob count LU_pivots"
).split()
_SIZES = "kernel_size stride padding dilation output_padding output_size size sizes s".split()

# By the name of an argument that the source leaves open (`Any`); a default of None adds `| None`.
NAMES = {
    **dict.fromkeys(_TENSORS, "Tensor"),
    **dict.fromkeys(_SIZES, "int | Sequence[int]"),
    "tensors": "Sequence[Tensor]", "other": "Tensor | Scalar", "out": "Tensor", "dtype": "dtype", "layout": "layout",
    "device": "Device", "memory_format": "memory_format", "generator": "Generator", "dim": "int | Sequence[int]",
    "axis": "int | Sequence[int]", "dims": "int | Sequence[int]", "alpha": "Scalar", "beta": "Scalar", "keepdim": "bool",
    "source_dim": "int", "size_average": "bool", "reduce": "bool", "exponent": "Tensor | Scalar", "fill_value": "Scalar",
    "output_ratio": "float | Sequence[float]", "scale_factor": "float | Sequence[float]", "correction": "float", "p": "float",
    "callable": "Callable[..., Any]", "distance_function": "Callable[[Tensor, Tensor], Tensor]", "buffer": "Any",
    "indices_or_sections": "int | Sequence[int]", "shifts": "int | Sequence[int]", "min": "Tensor | Scalar",
    "max": "Tensor | Scalar", "nan": "float", "posinf": "float", "neginf": "float", "eps": "float", "dx": "float",
    "tol": "float | Tensor", "atol": "float | Tensor", "rtol": "float | Tensor", "rcond": "float | Tensor",
    "ord": "float | str", "normalized_shape": "Sequence[int]", "shape": "Sequence[int]", "n": "int", "upper": "bool",
    "threshold": "float", "maxnorm": "float",
}  # fmt: skip

# Where the same name means something else: "function.argument".
EXCEPTIONS = {
    **{f"conv{n}d.padding": "int | Sequence[int] | str" for n in (1, 2, 3)},
    **{f"conv{n}d.bias": "Tensor" for n in (1, 2, 3)},
    **dict.fromkeys(("scatter.value", "scatter_.value"), "Scalar"),
    **dict.fromkeys(("scatter.src", "scatter_.src"), "Tensor | Scalar"),
    **dict.fromkeys(("index_fill.value", "index_fill_.value", "fill.value", "fill_.value"), "Tensor | Scalar"),
    **dict.fromkeys(("movedim.source", "movedim.destination", "moveaxis.source", "moveaxis.destination"), "int | Sequence[int]"),
    **dict.fromkeys(("norm.p", "cond.p"), "float | str"),
    **dict.fromkeys(("bernoulli.p", "bernoulli_.p"), "float | Tensor"),
    **dict.fromkeys(("index_put.indices", "index_put_.indices"), "Sequence[Tensor | None]"),
    **dict.fromkeys(("ctc_loss.input_lengths", "ctc_loss.target_lengths"), "Tensor | Sequence[int]"),
    **dict.fromkeys(("addcmul.value", "addcdiv.value", "addcmul_.value", "addcdiv_.value"), "Scalar"),
    **{f"{name}.input": "Tensor | Scalar" for name in ("add", "sub", "subtract", "div", "divide", "true_divide", "pow", "float_power")},
    "gaussian_nll_loss.var": "Tensor | float",
    "clamp_min.min": "Tensor | Scalar",
    "gradient.spacing": "Any",
    "histogram.bins": "int | Tensor",
    "histogram.weight": "Tensor",
    "dropout.p": "float",
    "as_strided.stride": "Sequence[int]",
    "as_strided_.stride": "Sequence[int]",
    "tensordot.dims": "Any",
    "rrelu.a": "float",
    **{
        f"{name}.{argument}": "Tensor | None"
        for name in ("batch_norm", "instance_norm", "native_batch_norm", "native_layer_norm", "native_group_norm")
        for argument in ("running_mean", "running_var", "weight", "bias")
    },
    "sym_float.a": "Any",
    **dict.fromkeys(("lerp.weight", "lerp_.weight"), "Tensor | Scalar"),
    "sym_int.a": "Any",
    "sym_not.a": "Any",
    "embedding_renorm_.max_norm": "float",
    "segment_reduce.reduce": "str",
    "adaptive_avg_pool2d.output_size": "int | Sequence[int | None]",
    "adaptive_avg_pool3d.output_size": "int | Sequence[int | None]",
    "copy_.src": "Tensor | Scalar",
    "new_tensor.data": "object",
    "ldexp.other": "Tensor | Scalar",
    "frombuffer.buffer": "Any",
    "lstm.hx": "Sequence[Tensor]",
    "lstm_cell.hx": "Sequence[Tensor]",
    "set_rng_state.new_state": "Tensor",
}  # fmt: skip

# The options of functions that make tensors: what `**options: Factory` and `Like` in signatures.pyi stand for.
FACTORY = (
    "dtype: dtype | None = None, layout: layout | None = None, device: Device = None, requires_grad: bool = False, "
    "pin_memory: bool = False"
)
LIKE = FACTORY + ", memory_format: memory_format | None = None"

_TUPLE = "tuple[Tensor, ...]"
_TWO, _THREE = "tuple[Tensor, Tensor]", "tuple[Tensor, Tensor, Tensor]"
# What a function returns that the source leaves open: one tensor, but for these.
RETURNS = {
    **dict.fromkeys(
        (
            "split", "chunk", "unbind", "hsplit", "vsplit", "dsplit", "unsafe_split", "unsafe_chunk", "split_with_sizes",
            "unsafe_split_with_sizes", "gradient",
        ), _TUPLE,
    ),
    **dict.fromkeys(("gru", "rnn_tanh", "rnn_relu", "lstm_cell", "_pack_padded_sequence", "_pad_packed_sequence", "native_dropout"), _TWO),
    **dict.fromkeys(
        ("lstm", "svd_lowrank", "pca_lowrank", "native_layer_norm", "native_group_norm", "native_batch_norm", "_native_batch_norm_legit"),
        _THREE,
    ),
    "multi_head_attention_forward": "tuple[Tensor, Tensor | None]",
    "promote_types": "dtype", "can_cast": "bool", "histogramdd": "return_types.histogramdd",
    **{
        f"{name}_with_indices": _TWO
        for name in (
            *(f"max_pool{n}d" for n in (1, 2, 3)), *(f"adaptive_max_pool{n}d" for n in (1, 2, 3)),
            *(f"fractional_max_pool{n}d" for n in (2, 3)),
        )
    },
    **{
        name: f"return_types.{name}"
        for name in (
            "sort", "topk", "kthvalue", "mode", "cummax", "cummin", "aminmax", "frexp", "histogram", "slogdet", "qr", "svd",
            "lu_unpack", "geqrf", "triangular_solve",
        )
    },
    **{
        f"linalg.{name}": f"return_types.linalg_{name}"
        for name in (
            "eig", "eigh", "qr", "svd", "slogdet", "inv_ex", "cholesky_ex", "lu", "lu_factor", "lu_factor_ex", "ldl_factor",
            "ldl_factor_ex", "solve_ex", "lstsq",
        )
    },
    "linalg.LinAlgError": "",
}  # fmt: skip
