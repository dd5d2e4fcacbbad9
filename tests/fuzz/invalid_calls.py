"""Random calls of the whole public API, most of them wrong: what is called, with what, and what may come of it.

A call is drawn from a seed and written against a library, so that the same call can be made of PyTorch. Arguments are guessed from
the names of parameters, or taken from the samples of the op table with one or two of them exchanged.
"""

from __future__ import annotations

import inspect
import itertools
import linecache
import random
import time
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

import rushlight
from rushlight.errors import MissingNameError
from rushlight.functional import FUNCTIONS, METHODS
from rushlight.functional.intercept import body_of
from rushlight.ir.op import TABLE

# What a wrong call may raise; a RecursionError is a RuntimeError to Python, and a bug here. Beside these, what PyTorch raises too:
# AttributeError where an argument has not what is asked of a tensor (functions that are Python there as here), and an AssertionError
# or KeyError that is raised on purpose, with a message.
DOCUMENTED = (TypeError, ValueError, RuntimeError, IndexError, MissingNameError, ImportError)
SECOND = 1.0  # of processor time: a call that takes longer hangs

# These read or write files and standard input, talk about the process, or change the state of all calls that follow.
LEFT_OUT = {
    "manual_seed", "seed", "set_rng_state", "set_default_dtype", "set_default_tensor_type", "set_num_threads", "set_printoptions",
    "from_file", "share_memory_", "storage", "untyped_storage", "set_data", "backwards", "grads", "astype", "copy", "data_ptr", "compile",
    "__array_namespace__", "save", "load", "set_grad_enabled", "set_flush_denormal", "use_deterministic_algorithms",
}  # fmt: skip

SHAPES = (
    (), (0,), (1,), (3,), (5,), (2, 3), (3, 3), (3, 1), (0, 3), (2, 3, 4), (2, 3, 3), (2, 0, 3), (1, 2, 4, 4), (2, 3, 5, 5), (1, 1, 3, 3, 3),
)  # fmt: skip
DTYPES = ("float32",) * 6 + ("float64", "int64", "int64", "int32", "uint8", "bool", "float16", "bfloat16", "complex64")
TEXTS = ("mean", "sum", "none", "same", "valid", "constant", "reflect", "replicate", "circular", "zeros", "bilinear", "nearest", "bicubic",
         "relu", "linear", "fro", "nuc", "left", "right", "ij", "xy", "ortho", "", "no such thing", "cpu", "cuda", "amax", "reduced")  # fmt: skip
TENSORS = set(
    "input other self tensor tensor1 tensor2 x x1 x2 y a b q k v vec vec1 vec2 mat mat1 mat2 batch1 batch2 weight bias target mask index indices src source "
    "values query key value running_mean running_var condition grad anchor positive negative out a_max exponent end boundaries "
    "sorted_sequence input1 input2 input3 log_probs targets input_lengths target_lengths L A B LU_data LU_pivots pivots tau offsets".split()
)
WHOLE = set(
    "dim dim0 dim1 dim2 axis axis0 axis1 k n m groups start_dim end_dim diagonal offset step start length num_classes in_features out_features in_channels "
    "out_channels kernel_size stride padding dilation output_size num_embeddings embedding_dim padding_idx hidden_size input_size num_layers num_heads "
    "embed_dim d_model nhead upscale_factor downscale_factor num_groups num_features split_size chunks sections repeats steps num_samples n_fft hop_length "
    "win_length order ord p bins size source destination shifts num_parameters step_size T_max T_0 total_iters last_epoch".split()
)  # fmt: skip
COUNTS = ("num_layers", "num_encoder_layers", "num_decoder_layers", "order")
SIZES = set(
    "size shape sizes dims kernel_size stride padding dilation output_size normalized_shape repeats shifts split_sizes tile_dims s axes milestones".split()
)
SWITCHES = set(
    "keepdim unbiased largest sorted descending stable training inplace align_corners ceil_mode bias affine batch_first bidirectional".split()
)
NUMBERS_ = set(
    "alpha beta eps lr momentum weight_decay negative_slope lambd threshold value fill_value min max p margin rho gamma factor mean std".split()
)


class Maker:
    """Draws arguments; `library` says whose."""

    def __init__(self, seed: int, library: ModuleType):
        self.random, self.numbers, self.torch = random.Random(seed), np.random.default_rng(seed), library

    def tensor(self) -> Any:
        r, torch = self.random, self.torch
        name, shape = r.choice(DTYPES), r.choice(SHAPES)
        made = torch.tensor(self.array(shape, name)).to(getattr(torch, name))
        way = r.random()
        if way < 0.15 and made.is_floating_point():
            made.requires_grad_()
        elif way < 0.25 and made.dim() > 1:
            made = made.transpose(0, -1)
        elif way < 0.3:
            made = made.expand(2, *shape)
        elif way < 0.33 and made.is_floating_point():
            made = made * r.choice((float("nan"), float("inf"), 1e38))
        return made

    def array(self, shape: tuple[int, ...], name: str) -> np.ndarray:
        x = self.numbers.standard_normal(shape) * 3
        if name == "complex64":
            return np.asarray(x + 1j, np.complex64)
        return np.asarray(np.rint(x), np.int64) if "int" in name else np.asarray(x)

    def whole(self) -> int:
        r = self.random
        return (
            r.choice((0, 1, 2, 3, 4, -1, -2))
            if r.random() < 0.9
            else r.choice((-3, -7, 100, 2**33, 2**40, 2**62, -(2**63), 2**63, 2**64, 2**70))
        )

    def sizes(self) -> Any:
        return self.random.choice((tuple, list))(
            [self.whole() for _ in range(self.random.choice((0, 1, 2, 2, 2, 3, 4)))]
        )

    def number(self) -> Any:
        return self.random.choice(
            (0.0, 0.5, 1.0, 2.0, -1.0, 0.1, 1, 0, -3, float("nan"), float("inf"), -float("inf"), 1e300, 1 + 2j, True)
        )

    def wild(self) -> Any:
        """Anything at all."""
        r, torch = self.random, self.torch
        kind = r.randrange(17)
        if kind == 0:
            return r.choice((None, True, False, ..., NotImplemented))
        if kind == 1:
            return r.choice(TEXTS)
        if kind == 2:
            return r.choice(
                (
                    object(),
                    object,
                    len,
                    lambda *a: a[0],
                    {},
                    {"a": 1},
                    set(),
                    range(3),
                    b"ab",
                    slice(None),
                    slice(1, 0, 2),
                    slice(0, 2, -1),
                    3j,
                )
            )
        if kind == 3:
            return [self.tensor() for _ in range(r.randrange(3))]
        if kind == 4:
            return tuple(self.tensor() for _ in range(r.randrange(4)))
        if kind == 5:
            return getattr(torch, r.choice(DTYPES))
        if kind == 6:
            return r.choice((torch.device("cpu"), torch.strided, torch.contiguous_format, torch.channels_last))
        if kind == 7:
            return self.array(r.choice(SHAPES), r.choice(("float64", "int64")))
        if kind == 8:
            return r.choice((np.float32(1.5), np.int64(2), np.array("text"), np.array([object()]), np.bool_(True)))
        if kind == 9:
            return [self.wild() for _ in range(r.randrange(3))] if r.random() < 0.5 else [None, 1, "a"]
        if kind == 10:
            return r.choice((torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.Generator()))
        return (self.whole, self.number, self.sizes, self.tensor, self.tensor, self.whole)[kind - 11]()

    def guess(self, name: str, kind: str = "") -> Any:
        """A value for a parameter of this name, and now and then anything else."""
        r, torch = self.random, self.torch
        if name in COUNTS:  # a request for 2**62 layers is no wrong call
            return r.choice((0, 1, 2, -1, 1.5, None, "two"))
        if r.random() < 0.12:
            return self.wild()
        if name in ("tensors", "matrices", "arrays", "xs", "parameters", "params"):
            return [self.tensor() for _ in range(r.randrange(4))]
        if name == "dtype":
            return r.choice((None, getattr(torch, r.choice(DTYPES))))
        if name in ("generator", "device", "layout", "out", "names", "memory_format"):
            return None if r.random() < 0.9 else self.wild()
        if name in (
            "reduction",
            "mode",
            "padding_mode",
            "nonlinearity",
            "activation",
            "reduce",
            "side",
            "indexing",
            "norm",
            "approximate",
            "rounding_mode",
            "equation",
        ):
            return r.choice(TEXTS)
        if name in SWITCHES:
            return r.random() < 0.5
        fits = [
            choice
            for names, choice in (
                (TENSORS, self.tensor),
                (WHOLE, self.whole),
                (SIZES, self.sizes),
                (NUMBERS_, self.number),
            )
            if name in names
        ]
        return r.choice(fits)() if fits else r.choice((self.tensor, self.whole, self.number, self.sizes))()

    def arguments(self, function: Any, skip: int = 0) -> tuple[list, dict]:
        """By the function's signature; parameters with defaults are given now and then."""
        r = self.random
        try:
            parameters = list(inspect.signature(function).parameters.values())[skip:]
        except (TypeError, ValueError):
            return [self.wild() for _ in range(r.randrange(3))], {}
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        positional = True
        for p in parameters:
            if p.kind is p.VAR_POSITIONAL:
                args += [self.guess(p.name) for _ in range(r.randrange(3))]
                positional = False
            elif p.kind is p.VAR_KEYWORD:
                continue
            elif p.default is not p.empty and r.random() < 0.7:
                positional = False
            elif positional and p.kind is not p.KEYWORD_ONLY:
                if r.random() < 0.015:
                    continue  # one too few
                args.append(self.guess(p.name))
            elif p.kind is not p.POSITIONAL_ONLY:
                kwargs[p.name] = self.guess(p.name)
        if r.random() < 0.01:
            args.append(self.wild())
        if r.random() < 0.005:
            kwargs["nonsense"] = self.wild()
        return args, kwargs

    def sample(self, name: str) -> tuple[list, dict]:
        """A sample of the op table, with one or two arguments exchanged."""
        args, kwargs = self.random.choice(TABLE[name].samples())
        given = [self.translated(a) for a in args]
        named = {k: self.translated(v) for k, v in kwargs.items()}
        for _ in range(self.random.choice((0, 1, 1, 1, 2))):
            at = self.random.randrange(len(given) + len(named)) if given or named else None
            if at is not None and at < len(given):
                given[at] = self.guess(TABLE[name].params[at].name if at < len(TABLE[name].params) else "")
            elif at is not None:
                key = list(named)[at - len(given)]
                named[key] = self.guess(key)
        return given, named

    def translated(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            made = self.torch.tensor(value)
            return made.requires_grad_() if made.is_floating_point() and self.random.random() < 0.2 else made
        if isinstance(value, list):
            return [self.translated(v) for v in value]
        return getattr(self.torch, value.name) if isinstance(value, rushlight.dtype) else value


# --- what is called -----------------------------------------------------------------------------------------------


def _public(room: Any, kind: Any = None) -> list[str]:
    names = [n for n in dir(room) if not n.startswith("_") and n not in LEFT_OUT]
    if kind is not None:
        return [n for n in names if isinstance(getattr(room, n), type) and issubclass(getattr(room, n), kind)]
    return [n for n in names if inspect.isroutine(getattr(room, n, None)) and getattr(room, n).__module__ != "typing"]


def _surface() -> list[tuple[str, str]]:
    nn, optim = rushlight.nn, rushlight.optim
    found = [("function", n) for n in FUNCTIONS if n not in LEFT_OUT]
    found += [("method", n) for n in dir(rushlight.Tensor) if not n.startswith("_") and n not in LEFT_OUT]
    found += [
        (room, n)
        for room in ("nn.functional", "linalg", "fft", "special", "nn.init", "nn.utils")
        for n in _public(_room(rushlight, room))
    ]
    found += [("module", n) for n in _public(nn, nn.Module)] * 3
    found += [("optimizer", n) for n in _public(optim, optim.Optimizer)] * 4
    found += [("scheduler", n) for n in _public(optim.lr_scheduler, optim.lr_scheduler.LRScheduler)] * 2
    return found + [("operator", n) for n in OPERATORS] * 4


def _room(library: ModuleType, path: str) -> Any:
    for part in path.split("."):
        library = getattr(library, part)
    return library


def _set_item(x: Any, key: Any, value: Any) -> Any:
    x[key] = value
    return x


def _in_place(x: Any, y: Any) -> Any:
    x += y
    return x


OPERATORS: dict[str, tuple[int, Callable[..., Any]]] = {
    "getitem": (1, lambda x, k: x[k]), "setitem": (2, _set_item), "add": (1, lambda x, y: x + y), "radd": (1, lambda x, y: y + x),
    "mul": (1, lambda x, y: x * y), "sub": (1, lambda x, y: x - y), "div": (1, lambda x, y: x / y), "floordiv": (1, lambda x, y: x // y),
    "mod": (1, lambda x, y: x % y), "pow": (1, lambda x, y: x**y), "rpow": (1, lambda x, y: y**x), "matmul": (1, lambda x, y: x @ y),
    "and": (1, lambda x, y: x & y), "shift": (1, lambda x, y: x << y), "lt": (1, lambda x, y: x < y), "eq": (1, lambda x, y: x == y),
    "iadd": (1, _in_place), "bool": (0, bool), "int": (0, int), "float": (0, float), "len": (0, len), "iter": (0, list), "contains": (1, lambda x, y: y in x),
    "format": (1, lambda x, y: format(x, y)), "index": (0, lambda x: [1, 2, 3][x]), "neg": (0, lambda x: -x), "invert": (0, lambda x: ~x), "hash": (0, hash),
    "complex": (0, complex), "repr": (0, repr), "numpy": (0, np.asarray),
}  # fmt: skip


class Call:
    """One call; `run` makes it and computes what it returns."""

    def __init__(self, seed: int, library: ModuleType = rushlight, surface: list[tuple[str, str]] | None = None):
        self.seed, self.torch = seed, library
        self.maker = Maker(seed, library)
        self.kind, self.name = self.maker.random.choice(surface or SURFACE)
        self.args: list[Any] = []
        self.kwargs: dict[str, Any] = {}

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.kind} {self.name}({', '.join([*map(_show, self.args), *(f'{k}={_show(v)}' for k, v in self.kwargs.items())])})"

    def given(self) -> Iterator[Any]:
        """The arguments, and what is in them."""
        todo = [*self.args, *self.kwargs.values()]
        while todo:
            value = todo.pop()
            yield value
            if isinstance(value, (tuple, list)):
                todo += value

    def run(self) -> Any:
        result = getattr(self, f"_{self.kind.replace('.', '_')}", self._from_room)()
        for t in itertools.islice(result, 50) if isinstance(result, (tuple, list)) else (result,):
            if isinstance(t, self.torch.Tensor):
                t.tolist() if t.numel() < 10_000 else t.sum()
                if t.requires_grad and t.numel() < 10_000 and self.maker.random.random() < 0.3:
                    (t.abs() if t.is_complex() else t).sum().backward()
        return result

    def _function(self) -> Any:
        op = TABLE.get(self.name)
        if op is not None and op.samples is not None and self.maker.random.random() < 0.5:
            self.args, self.kwargs = self.maker.sample(self.name)
        else:
            self.args, self.kwargs = self.maker.arguments(body_of(FUNCTIONS[self.name]))
        return getattr(self.torch, self.name)(*self.args, **self.kwargs)

    def _method(self) -> Any:
        x = self.maker.tensor()
        own = METHODS.get(self.name, getattr(rushlight.Tensor, self.name))
        self.args, self.kwargs = self.maker.arguments(own, 1) if callable(own) else ([], {})
        self.args.insert(0, x)
        found = getattr(x, self.name)
        return found(*self.args[1:], **self.kwargs) if callable(found) else found

    def _from_room(self) -> Any:
        self.args, self.kwargs = self.maker.arguments(getattr(_room(rushlight, self.kind), self.name))
        return getattr(_room(self.torch, self.kind), self.name)(*self.args, **self.kwargs)

    def _module(self) -> Any:
        cls = getattr(rushlight.nn, self.name)
        self.args, self.kwargs = self.maker.arguments(cls)
        module = getattr(self.torch.nn, self.name)(*self.args, **self.kwargs)
        repr(module)
        inputs, named = self.maker.arguments(cls.forward, 1)
        if self.maker.random.random() < 0.5:
            inputs = [self.maker.tensor() for _ in inputs]
        self.args += ["then", *inputs]
        return module(*inputs, **named)

    def _optimizer(self) -> Any:
        cls = getattr(rushlight.optim, self.name)
        self.args, self.kwargs = self.maker.arguments(cls)
        if self.maker.random.random() < 0.8 and self.args:
            self.args[0] = [self.torch.nn.Parameter(self.torch.ones(shape)) for shape in ((2, 3), (3,))]
        optimizer = getattr(self.torch.optim, self.name)(*self.args, **self.kwargs)
        repr(optimizer)
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = self.torch.ones_like(p)
        optimizer.step()
        return [p for group in optimizer.param_groups for p in group["params"]]

    def _scheduler(self) -> Any:
        optimizer = self.torch.optim.SGD([self.torch.nn.Parameter(self.torch.ones(2))], lr=0.1)
        self.args, self.kwargs = self.maker.arguments(getattr(rushlight.optim.lr_scheduler, self.name), 1)
        scheduler = getattr(self.torch.optim.lr_scheduler, self.name)(optimizer, *self.args, **self.kwargs)
        optimizer.step()
        scheduler.step(*([1.0] if self.name == "ReduceLROnPlateau" else []))
        return scheduler.get_last_lr()

    def _operator(self) -> Any:
        count, function = OPERATORS[self.name]
        self.args = [self.maker.tensor(), *(self.maker.wild() for _ in range(count))]
        return function(*self.args)


def _show(value: Any) -> str:
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}{' grad' if getattr(value, 'requires_grad', False) else ''}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(_show, value)) + "]"
    return repr(value)[:60]


SURFACE = _surface()


def outcome(call: Call) -> tuple[BaseException | None, float]:
    """What the call raised, and how long it took on the processor."""
    begin = time.process_time()
    raised: BaseException | None = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call.run()
        except Exception as error:
            raised = error
    return raised, time.process_time() - begin


def complaint(call: Call) -> tuple[str, str]:
    """What is wrong with how the call ended, and how it is known among others; ("", what it raised) if nothing is."""
    error, seconds = outcome(call)
    if seconds > SECOND and outcome(Call(call.seed))[1] > SECOND:
        return f"took {seconds:.1f} s", f"hang {call.name}"
    if error is None:
        return "", "nothing"
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    text = [v for v in call.given() if isinstance(v, (str, np.ndarray)) and np.asarray(v).dtype.kind in "UO"]
    if text and isinstance(error, TypeError):
        return "", "TypeError"  # NumPy refuses text as it refuses it everywhere
    if str(error) and not type(error).__module__.startswith(("numpy", "llvmlite")):
        if isinstance(error, DOCUMENTED) and not isinstance(error, RecursionError):
            return "", next(kind.__name__ for kind in type(error).__mro__ if kind in DOCUMENTED)
        if isinstance(error, AttributeError) and not type(error.obj).__module__.startswith("rushlight"):
            return "", "AttributeError of an argument"
        if isinstance(error, AttributeError) and any(error.obj is value for value in call.given()):
            return "", "AttributeError of an argument"
        if trace is not None and linecache.getline(
            trace.tb_frame.f_code.co_filename, trace.tb_lineno
        ).lstrip().startswith("raise "):
            return "", f"{type(error).__name__}, on purpose"
    where = (
        f"{trace.tb_frame.f_code.co_filename.rpartition('rushlight/')[2]}:{trace.tb_lineno}"
        if trace is not None
        else ""
    )
    return f"{type(error).__name__}: {str(error)[:200]} at {where}", f"{type(error).__name__} {where}"


def beside(seed: int, library: ModuleType) -> str:
    """How a call ends here and in PyTorch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine, theirs = outcome(Call(seed))[0], outcome(Call(seed, library))[0]
    if mine is None or theirs is None:
        return "both return" if mine is theirs else "refused here only" if theirs is None else "refused there only"
    caught = type(theirs).__name__ in {kind.__name__ for kind in type(mine).__mro__}
    return "same class" if caught else f"{type(mine).__name__} here, {type(theirs).__name__} there"
