"""CUDA kernels written from bpx's own functions: an update or a loss is called once with symbols that write C.

One kernel updates all parameters of a network, and two take a loss forward and backward: on a GPU a small step is not
arithmetic but the number of kernels. No GPU has run what is written here; it is used at ``BPX_CUDA_UNTRIED=1`` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from bpx.backend.base import Array

THREADS = 256
"""Threads of a block."""

TYPES = {"float32": "float", "float64": "double"}

HEAD = """
#ifndef INFINITY
#define INFINITY (1.0 / 0.0)
#endif
typedef {type} T;
__device__ inline T larger(T a, T b) {{ return (a != a || a > b) ? a : b; }}
__device__ inline T smaller(T a, T b) {{ return (a != a || a < b) ? a : b; }}
"""

MOST_ROWS = 16_384
"""Rows up to which a loss is taken by kernels of its own: one block adds their parts up."""

MOST_BLOCKS = 2048


class UnfollowedError(Exception):
    """A function does something that a symbol cannot write."""


class Writer:
    """The body of a kernel while it is written: statements, and sums over all rows, which are known only afterwards.

    Parameters
    ----------
    rows, columns : int
        Of the matrices, where there are some.
    """

    def __init__(self, rows: int = 0, columns: int = 0) -> None:
        self.shapes = {"matrix": (rows, columns), "column": (rows, 1), "element": (rows,), "number": ()}
        self.statements: list[str] = []
        self.totals: list[str] = []

    def name(self, expression: str) -> str:
        """Write a statement that computes something, and return its name."""
        name = f"t{len(self.statements)}"
        self.statements.append(f"const T {name} = {expression};")
        return name


class Symbol:
    """An array as the text of one of its elements: of element ``j`` of row ``r``, where it is a matrix.

    Parameters
    ----------
    writer : Writer
    code : str
        An expression of C.
    kind : {"matrix", "column", "element", "number"}
        A matrix, a column beside it, an array that is gone through element by element, or a number.
    total : bool
        Whether it is a number that a sum over all rows went into, so that no row can use it.
    """

    def __init__(self, writer: Writer, code: str, kind: str, total: bool = False) -> None:
        self.writer, self.code, self.kind, self.total = writer, code, kind, total

    @property
    def shape(self) -> tuple[int, ...]:
        return self.writer.shapes[self.kind]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def join(self, form: str, *others: Any) -> Symbol:
        """Return what a formula of C makes of this symbol and others, or Python numbers."""
        operands = (self, *others)
        if not all(isinstance(operand, (Symbol, int, float)) for operand in operands):
            raise UnfollowedError(f"operands {', '.join(type(operand).__name__ for operand in operands)}")
        codes = [operand.code if isinstance(operand, Symbol) else f"(T){operand!r}" for operand in operands]
        symbols = [operand for operand in operands if isinstance(operand, Symbol)]
        total = any(symbol.total for symbol in symbols)
        kinds = {symbol.kind for symbol in symbols} - {"number"}
        if (total and kinds) or ("element" in kinds and len(kinds) > 1):
            raise UnfollowedError(f"{', '.join(sorted(kinds))} with {'a sum over all rows' if total else 'each other'}")
        kind = next((each for each in ("matrix", "column", "element") if each in kinds), "number")
        code = f"({form.format(*codes)})"
        if kind != "matrix" and not total:  # a matrix has one for each column, which are gone through where it is used
            code = self.writer.name(code)
        return Symbol(self.writer, code, kind, total)

    def __add__(self, y: Any) -> Symbol:
        return self.join("{} + {}", y)

    def __sub__(self, y: Any) -> Symbol:
        return self.join("{} - {}", y)

    def __rsub__(self, y: Any) -> Symbol:
        return self.join("{1} - {0}", y)

    def __mul__(self, y: Any) -> Symbol:
        return self.join("{} * {}", y)

    def __truediv__(self, y: Any) -> Symbol:
        return self.join("{} / {}", y)

    def __rtruediv__(self, y: Any) -> Symbol:
        return self.join("{1} / {0}", y)

    def __gt__(self, y: Any) -> Symbol:
        return self.join("{} > {}", y)

    def __lt__(self, y: Any) -> Symbol:
        return self.join("{} < {}", y)

    def __neg__(self) -> Symbol:
        return self.join("-{}")

    __radd__, __rmul__ = __add__, __mul__

    def reduce(self, start: str, form: str) -> Symbol:
        """Return what a loop over the columns of a row makes of a matrix: a column."""
        if self.kind != "matrix":
            raise UnfollowedError(f"the columns of a {self.kind}")
        name = f"t{len(self.writer.statements)}"
        loop = f"for (int j = 0; j < columns; ++j) {name} = {form.format(name, self.code)};"
        self.writer.statements.append(f"T {name} = {start}; {loop}")
        return Symbol(self.writer, name, "column")

    def sum_all(self) -> Symbol:
        """Return the sum over all rows and columns."""
        if self.kind not in ("matrix", "column"):
            raise UnfollowedError(f"the sum of a {self.kind}")
        row = self.reduce("0", "{} + {}") if self.kind == "matrix" else self
        self.writer.totals.append(row.code)
        return Symbol(self.writer, f"totals[{len(self.writer.totals) - 1}]", "number", total=True)


def _sum(x: Symbol, /, *, axis: int | None = None, keepdims: bool = False) -> Symbol:
    if axis is None:
        return x.sum_all()
    if axis not in (1, -1) or not keepdims:
        raise UnfollowedError("a sum over the rows")
    return x.reduce("0", "{} + {}")


def _max(x: Symbol, /, *, axis: int | None = None, keepdims: bool = False) -> Symbol:
    if axis not in (1, -1) or not keepdims:
        raise UnfollowedError("a maximum over the rows")
    return x.reduce("-INFINITY", "larger({}, {})")


def _reshape(x: Symbol, /, shape: Any) -> Symbol:
    if shape != (-1,):
        raise UnfollowedError(f"the shape {shape}")
    return x  # flat: all that can come after it is a sum of everything


def _write(form: str) -> Callable[..., Symbol]:
    return lambda x, *others: x.join(form, *others)


SYMBOLIC = SimpleNamespace(
    abs=_write("fabs({})"),
    exp=_write("exp({})"),
    log=_write("log({})"),
    log1p=_write("log1p({})"),
    max=_max,
    maximum=_write("larger({}, {})"),
    minimum=_write("smaller({}, {})"),
    reshape=_reshape,
    sign=_write("(T)(({0} > 0) - ({0} < 0))"),
    sqrt=_write("sqrt({})"),
    sum=_sum,
    vecdot=lambda x, y: (x * y).sum_all(),
    where=_write("{} ? {} : {}"),
)
"""The functions of the array API standard that a symbol can write."""


def write_update(kernel: Callable[..., Any], sizes: Sequence[int], slots: int, numbers: int, dtype: str) -> str:
    """Return the source of a kernel ``bpx_update`` that updates arrays of some sizes in place.

    Its arguments are pointers: for each array those to it, its gradient and its slots, then those to the numbers.

    Raises
    ------
    UnfollowedError
        If the update does what a symbol cannot write.
    """
    writer, each = Writer(), range(2 + slots)
    arrays = [Symbol(writer, f"a{i}", "element") for i in each]
    results = kernel(SYMBOLIC, *arrays, *(Symbol(writer, f"n{i}", "number") for i in range(numbers)))
    if not all(isinstance(result, Symbol) and not result.total for result in results):
        raise UnfollowedError("what an update returns is no array")
    types = ["const T*" if i == 1 else "T*" for i in each]  # the gradient is read only
    arguments = [f"{types[i]} a{i}_{k}" for k in range(len(sizes)) for i in each]
    arguments += [f"const T* n{i}_0" for i in range(numbers)]
    finding, first = [], 0
    for k, size in enumerate(sizes):
        pointers = " ".join(f"q{i} = a{i}_{k};" for i in each)
        finding.append(f"if (g < {first + size}LL) {{ k = g - {first}LL; {pointers} }}")
        first += size
    lines = [
        f'extern "C" __global__ void bpx_update({", ".join(arguments)}) {{',
        *(f"const T n{i} = *n{i}_0;" for i in range(numbers)),
        f"for (long long g = blockIdx.x * (long long) blockDim.x + threadIdx.x; g < {first}LL;",
        "     g += (long long) blockDim.x * gridDim.x) {",
        "long long k = 0;",
        *(f"{types[i]} q{i} = a{i}_0;" for i in each),
        " else ".join(finding),
        *(f"const T a{i} = q{i}[k];" for i in each),
        *writer.statements,
        *(f"q{i}[k] = {r.code};" for i, r in zip((i for i in each if i != 1), results, strict=True)),
        "} }",
    ]
    return HEAD.format(type=TYPES[dtype]) + "\n".join(lines)


def write_loss(loss: Any, rows: int, columns: int, dtype: str) -> str:
    """Return the source of two kernels that take a loss of matrices ``z`` and ``y`` forward and backward.

    ``bpx_loss_rows(z, y, dz, parts)`` writes the gradient, and each row's parts of the sums over all rows;
    ``bpx_loss_value(parts, value)``, in one block, adds them up and writes the loss.

    Raises
    ------
    UnfollowedError
        If the loss does what a symbol cannot write.
    """
    writer = Writer(rows, columns)
    value, cache = loss.forward(SYMBOLIC, *(Symbol(writer, f"{name}[j]", "matrix") for name in "zy"), None)
    dz = loss.backward(SYMBOLIC, cache)
    if not (isinstance(value, Symbol) and value.total and isinstance(dz, Symbol) and dz.kind == "matrix"):
        raise UnfollowedError("the loss is no sum over all rows, or its gradient no matrix")
    n = len(writer.totals)
    lines = [
        'extern "C" __global__ void bpx_loss_rows(const T* zs, const T* ys, T* dzs, T* parts) {',
        f"const long long rows = {rows}LL; const int columns = {columns};",
        "for (long long r = blockIdx.x * (long long) blockDim.x + threadIdx.x; r < rows;",
        "     r += (long long) blockDim.x * gridDim.x) {",
        "const T* z = zs + r * columns; const T* y = ys + r * columns; T* dz = dzs + r * columns;",
        *writer.statements,
        f"for (int j = 0; j < columns; ++j) dz[j] = {dz.code};",
        *(f"parts[{k} * rows + r] = {code};" for k, code in enumerate(writer.totals)),
        "} }",
        'extern "C" __global__ void bpx_loss_value(const T* parts, T* value) {',
        f"const long long rows = {rows}LL; __shared__ T sums[{n}][{THREADS}]; T totals[{n}];",
        f"for (int k = 0; k < {n}; ++k) {{",
        "T sum = 0; for (long long r = threadIdx.x; r < rows; r += blockDim.x) sum += parts[k * rows + r];",
        "sums[k][threadIdx.x] = sum; }",
        "__syncthreads();",
        "for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {",
        f"if (threadIdx.x < half) for (int k = 0; k < {n}; ++k)",
        "    sums[k][threadIdx.x] += sums[k][threadIdx.x + half];",
        "__syncthreads(); }",
        f"for (int k = 0; k < {n}; ++k) totals[k] = sums[k][0];",
        f"if (threadIdx.x == 0) *value = {value.code};",
        "}",
    ]
    return HEAD.format(type=TYPES[dtype]) + "\n".join(lines)


def count_blocks(elements: int) -> int:
    """Return how many blocks a kernel gets that goes through so many elements."""
    return max(1, min(MOST_BLOCKS, -(-elements // THREADS)))


class UpdateKernel:
    """The update of all parameters as one kernel.

    Parameters
    ----------
    cupy : module
    update : callable
        As `bpx.optimizers.base.Optimizer.update`.
    slots : int
        How many arrays are kept for each parameter.
    """

    def __init__(self, cupy: Any, update: Callable[..., Any], slots: int) -> None:
        self._cupy, self._update, self._slots = cupy, update, slots
        self._made: dict[Any, Any] = {}

    def __call__(self, params: list[Array], grads: list[Array], slots: list[list[Array]], numbers: Any) -> bool:
        if not params:
            return True
        key = (tuple(w.size for w in params), len(numbers), str(params[0].dtype))
        if key not in self._made:
            self._made[key] = self._make(*key)
        kernel = self._made[key]
        if kernel is None:
            return False
        arguments: list[Any] = []
        for w, dw, kept in zip(params, grads, slots, strict=True):
            arguments += [w, self._cupy.ascontiguousarray(dw), *kept]
        arguments += [self._cupy.asarray(number, dtype=w.dtype) for number in numbers]
        kernel((count_blocks(sum(key[0])),), (THREADS,), tuple(arguments))
        return True

    def _make(self, sizes: tuple[int, ...], numbers: int, dtype: str) -> Any:
        """Return the kernel; None where the update cannot be followed."""
        try:
            source = write_update(self._update, sizes, self._slots, numbers, dtype)
        except Exception:  # whatever an update of the user's does with a symbol: it is made as it is
            return None
        return self._cupy.RawModule(code=source).get_function("bpx_update")


class LossKernels:
    """A loss forward and backward as two kernels, for targets of its outputs' shape and samples without weights.

    Parameters
    ----------
    cupy : module
    loss : Loss
    """

    def __init__(self, cupy: Any, loss: Any) -> None:
        self._cupy, self._loss = cupy, loss
        self._made: dict[Any, Any] = {}

    def __call__(self, z: Array, y: Array, weight: Array | None) -> tuple[Array, Array] | None:
        if weight is not None or z.ndim != 2 or y.shape != z.shape or y.dtype != z.dtype or z.shape[0] > MOST_ROWS:
            return None
        key = (z.shape, str(z.dtype))
        if key not in self._made:
            self._made[key] = self._make(*key)
        if self._made[key] is None:
            return None
        by_rows, value_of, parts = self._made[key]
        cupy, dz = self._cupy, self._cupy.empty(z.shape, dtype=z.dtype)
        value, room = cupy.empty((), dtype=z.dtype), cupy.empty((parts, z.shape[0]), dtype=z.dtype)
        given = (cupy.ascontiguousarray(z), cupy.ascontiguousarray(y), dz, room)
        by_rows((count_blocks(z.shape[0]),), (THREADS,), given)
        value_of((1,), (THREADS,), (room, value))
        return value, dz

    def _make(self, shape: tuple[int, int], dtype: str) -> Any:
        """Return both kernels and how many parts a row has; None where the loss cannot be followed."""
        try:
            source = write_loss(self._loss, *shape, dtype)
        except Exception:  # whatever a loss of the user's does with a symbol: it is taken as it is
            return None
        module = self._cupy.RawModule(code=source)
        names = ("bpx_loss_rows", "bpx_loss_value")
        return (
            *(module.get_function(name) for name in names),
            source.count("parts[", 0, source.index("bpx_loss_value")),
        )
