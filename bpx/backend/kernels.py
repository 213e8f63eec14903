"""CUDA kernels written from bpx's own functions: each is called once with symbols that write C.

An activation and the bias before it are one kernel, its backward pass is one, one updates all parameters of a network,
and two take a loss forward and backward: on a GPU a small step is not arithmetic but the number of kernels, and a wide
one waits for memory, which is read and written 16 bytes at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol

import numpy as np

from bpx.backend.base import Array, name_dtype
from bpx.backend.trees import list_leaves, rebuild

THREADS = 256
"""Threads of a block."""

TYPES = {"float32": "float", "float64": "double", "bool": "bool"}

PACKS = {"T": "Numbers", "bool": "Flags", "Half": "Halves"}
"""What elements of a type that are read and written together are called."""

HEAD = """
#ifndef INFINITY
#define INFINITY (1.0 / 0.0)
#endif
typedef {type} T;
typedef unsigned short Half;
__device__ inline T larger(T a, T b) {{ return (a != a || a > b) ? a : b; }}
__device__ inline T smaller(T a, T b) {{ return (a != a || a < b) ? a : b; }}
__device__ inline Half to_bfloat16(float x) {{
    union {{ float number; unsigned bits; }} u;
    u.number = x;
    if ((u.bits & 0x7fffffffu) > 0x7f800000u) return (Half)((u.bits >> 16) | 0x40u);
    return (Half)((u.bits + 0x7fffu + ((u.bits >> 16) & 1u)) >> 16);
}}
"""
"""Before every kernel. Rounding is that of `bpx.backend.precision.round_mantissa`: to nearest, ties to even."""

MOST_ROWS = 16_384
"""Rows up to which a loss is taken by kernels of its own: one block adds their parts up."""

MOST_BLOCKS = 2048

MOST_SHAPES = 32
"""Shapes of batches for which a loss is compiled: that takes a fifth of a second for each."""

MOST_KEPT = 64
"""Functions whose kernels are kept for the networks to come."""

MOST_POINTERS = 480
"""Arguments of a kernel: every card takes 4096 bytes of them."""

MOST_ELEMENTS = 2**30
"""Of arrays that a kernel goes through with 32-bit numbers."""


class Compiler(Protocol):
    """What kernels ask of a library of arrays."""

    def compile(self, code: str, *names: str) -> list[Callable[..., None]]:
        """Return ``launch(blocks, *arguments)`` for each kernel; arguments are arrays and NumPy's int32."""

    def contiguous(self, array: Array) -> Array:
        """Return an array whose rows lie one after the other."""

    def empty(self, shape: tuple[int, ...], dtype: str) -> Array:
        """Return an array of any values on the device; for "bfloat16" what the library has for it."""

    def number(self, number: Array, like: Array) -> Array:
        """Return an array without axes in the dtype of another."""

    def address(self, array: Array) -> int:
        """Return where an array begins."""


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

    def name(self, expression: str, type: str) -> str:
        """Write a statement that computes something, and return its name."""
        name = f"t{len(self.statements)}"
        self.statements.append(f"const {type} {name} = {expression};")
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
    type : {"T", "bool", "Half"}
        A number, true or false, or the bits of a number that is rounded to bfloat16.
    """

    dtype = None  # what is computed with it is of one dtype

    def __init__(self, writer: Writer, code: str, kind: str, total: bool = False, type: str = "T") -> None:
        self.writer, self.code, self.kind, self.total, self.type = writer, code, kind, total, type

    @property
    def shape(self) -> tuple[int, ...]:
        return self.writer.shapes[self.kind]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def join(self, form: str, *others: Any, type: str = "T") -> Symbol:
        """Return what a formula of C makes of this symbol and others, or Python numbers."""
        operands = (self, *others)
        if not all(isinstance(operand, (Symbol, int, float)) for operand in operands):
            raise UnfollowedError(f"operands {', '.join(operand.__class__.__name__ for operand in operands)}")
        codes = [operand.code if isinstance(operand, Symbol) else f"(T){operand!r}" for operand in operands]
        symbols = [operand for operand in operands if isinstance(operand, Symbol)]
        total = any(symbol.total for symbol in symbols)
        kinds = {symbol.kind for symbol in symbols} - {"number"}
        if (total and kinds) or ("element" in kinds and len(kinds) > 1):
            raise UnfollowedError(f"{', '.join(sorted(kinds))} with {'a sum over all rows' if total else 'each other'}")
        kind = next((each for each in ("matrix", "column", "element") if each in kinds), "number")
        code = f"({form.format(*codes)})"
        if kind != "matrix" and not total:  # a matrix has one for each column, which are gone through where it is used
            code = self.writer.name(code, type)
        return Symbol(self.writer, code, kind, total, type)

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
        return self.join("{} > {}", y, type="bool")

    def __lt__(self, y: Any) -> Symbol:
        return self.join("{} < {}", y, type="bool")

    def __ge__(self, y: Any) -> Symbol:
        return self.join("{} >= {}", y, type="bool")

    def __le__(self, y: Any) -> Symbol:
        return self.join("{} <= {}", y, type="bool")

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
    astype=lambda x, dtype: x.join("(T){}"),
    exp=_write("exp({})"),
    log=_write("log({})"),
    log1p=_write("log1p({})"),
    logaddexp=_write("larger({0}, {1}) + log1p(exp(-fabs({0} - {1})))"),
    max=_max,
    maximum=_write("larger({}, {})"),
    minimum=_write("smaller({}, {})"),
    reciprocal=_write("1 / {}"),
    reshape=_reshape,
    round_operand=lambda x: x.join("to_bfloat16({})", type="Half"),
    sign=_write("(T)(({0} > 0) - ({0} < 0))"),
    sqrt=_write("sqrt({})"),
    sum=_sum,
    tanh=_write("tanh({})"),
    vecdot=lambda x, y: (x * y).sum_all(),
    where=_write("{} ? {} : {}"),
    zeros_like=lambda x: 0.0,
)
"""The functions of the array API standard that a symbol can write."""


def _join(dtype: str, lines: Sequence[str]) -> str:
    """Return a whole source, whose kernels have the names that they are written with."""
    return "\n".join(('extern "C" {', HEAD.format(type=TYPES[dtype]), *lines, "}"))


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
        f"__global__ void bpx_update({', '.join(arguments)}) {{",
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
    return _join(dtype, lines)


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
        "__global__ void bpx_loss_rows(const T* zs, const T* ys, T* dzs, T* parts) {",
        f"const long long rows = {rows}LL; const int columns = {columns};",
        "for (long long r = blockIdx.x * (long long) blockDim.x + threadIdx.x; r < rows;",
        "     r += (long long) blockDim.x * gridDim.x) {",
        "const T* z = zs + r * columns; const T* y = ys + r * columns; T* dz = dzs + r * columns;",
        *writer.statements,
        f"for (int j = 0; j < columns; ++j) dz[j] = {dz.code};",
        *(f"parts[{k} * rows + r] = {code};" for k, code in enumerate(writer.totals)),
        "} }",
        "__global__ void bpx_loss_value(const T* parts, T* value) {",
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
    return _join(dtype, lines)


class Pass(NamedTuple):
    """A kernel that goes through arrays element by element, as it is written.

    Attributes
    ----------
    source : str
    returned : object
        What the function returns, with the number of a new array, or ``~i`` for the i-th that was given, in its places.
    dtypes : list of str
        Of the new arrays.
    """

    source: str
    returned: Any
    dtypes: list[str]


def write_pass(
    function: Callable[..., Any], kernel: str, tree: Any, given: Sequence[tuple[str, int]], width: int
) -> Pass:
    """Write a kernel for a function of arrays that works element by element.

    Its arguments are pointers to the arrays that are given, those to the new ones, and the number of elements.

    Parameters
    ----------
    function : callable
        ``function(xp, *arrays)``.
    kernel : str
        Its name.
    tree : tuple
        Of arguments, nested as the function takes them.
    given : sequence of (dtype, columns)
        Of each array, its dtype, and how many columns it has if it is a row that all rows share; otherwise 0.
    width : int
        Elements that are read and written together; rows are a multiple of them.

    Raises
    ------
    UnfollowedError
        If the function does what a symbol cannot write.
    """
    writer = Writer()
    symbols = [
        Symbol(writer, f"a{i}", "element", type="bool" if d == "bool" else "T") for i, (d, _) in enumerate(given)
    ]
    result = function(SYMBOLIC, *rebuild(tree, iter(symbols)))
    places = {id(symbol): ~i for i, symbol in enumerate(symbols)}
    new: list[Symbol] = []
    for leaf in list_leaves(result):
        if not isinstance(leaf, Symbol) or leaf.kind != "element":
            raise UnfollowedError("what a pass returns is no array")
        if id(leaf) not in places:
            places[id(leaf)] = len(new)
            new.append(leaf)
    returned = rebuild(result, (places[id(leaf)] for leaf in list_leaves(result)))
    dtype = next(d for d, _ in given if d != "bool")
    reads = [symbol.type for symbol in symbols]
    writes = [symbol.type for symbol in new]
    arguments = [f"const {PACKS[type]}* x{i}" for i, type in enumerate(reads)]
    arguments += [*(f"{PACKS[type]}* y{i}" for i, type in enumerate(writes)), "int size"]
    sizes = {"T": np.dtype(dtype).itemsize, "bool": 1, "Half": 2}
    lines = [
        *(f"struct alignas({width * sizes[type]}) {name} {{ {type} e[{width}]; }};" for type, name in PACKS.items()),
        f"__global__ void {kernel}({', '.join(arguments)}) {{",
        f"for (int v = blockIdx.x * blockDim.x + threadIdx.x; v < size / {width}; v += blockDim.x * gridDim.x) {{",
        *(
            f"const {PACKS[type]} u{i} = x{i}[{f'v % {columns // width}' if columns else 'v'}];"
            for i, (type, (_, columns)) in enumerate(zip(reads, given, strict=True))
        ),
        *(f"{PACKS[type]} w{i};" for i, type in enumerate(writes)),
        f"for (int i = 0; i < {width}; ++i) {{",
        *(f"const {type} a{i} = u{i}.e[i];" for i, type in enumerate(reads)),
        *writer.statements,
        *(f"w{i}.e[i] = {symbol.code};" for i, symbol in enumerate(new)),
        "}",
        *(f"y{i}[v] = w{i};" for i in range(len(new))),
        "} }",
    ]
    dtypes = {"T": dtype, "bool": "bool", "Half": "bfloat16"}
    return Pass(_join(dtype, lines), returned, [dtypes[type] for type in writes])


def count_blocks(elements: int) -> int:
    """Return how many blocks a kernel gets that goes through so many elements."""
    return max(1, min(MOST_BLOCKS, -(-elements // THREADS)))


def _find_columns(shape: tuple[int, ...], whole: tuple[int, ...]) -> int:
    """Return 0 for an array of the whole shape, the columns of one that is its last axis alone, and -1 for others."""
    return 0 if shape == whole else shape[0] if shape == whole[-1:] else -1


class PassKernel:
    """A function that works element by element, as one kernel; where it cannot be one, the function as it is.

    Parameters
    ----------
    compiler : Compiler
    xp : namespace
        With which the function is called as it is.
    function : callable
        ``function(xp, *arrays)``. Arguments and result may be nested; the result may hold arrays that were given.
    name : str
        Of the kernel.
    """

    def __init__(self, compiler: Compiler, xp: Any, function: Callable[..., Any], name: str) -> None:
        self._compiler, self._xp, self._function, self._name = compiler, xp, function, name
        self._made: dict[Any, Any] = {}

    def __call__(self, *arguments: Any) -> Any:
        leaves = list_leaves(arguments)
        shape = tuple(leaves[0].shape)
        if not all(hasattr(leaf, "ndim") for leaf in leaves):
            return self._function(self._xp, *arguments)
        given = tuple((name_dtype(x), _find_columns(tuple(x.shape), shape)) for x in leaves)
        if not self._is_simple(given, shape):
            return self._function(self._xp, *arguments)
        arrays = [self._compiler.contiguous(leaf) for leaf in leaves]
        size = int(np.prod(shape))
        width = self._find_width(arrays, given, size)
        key = given, width
        if key not in self._made:
            self._made[key] = self._make(arguments, given, width)
        if self._made[key] is None:
            return self._function(self._xp, *arguments)
        launch, returned, dtypes = self._made[key]
        new = [self._compiler.empty(shape, dtype) for dtype in dtypes]
        launch(count_blocks(size // width), *arrays, *new, np.int32(size))
        return rebuild(returned, (leaves[~k] if k < 0 else new[k] for k in list_leaves(returned)))

    @staticmethod
    def _is_simple(given: Sequence[tuple[str, int]], shape: tuple[int, ...]) -> bool:
        """Tell whether arrays are of one dtype and shape, rows that all rows share and flags among them."""
        numbers = {dtype for dtype, _ in given} - {"bool"}
        rows = all(columns >= 0 for _, columns in given)
        return len(numbers) == 1 and numbers <= set(TYPES) and rows and 0 < int(np.prod(shape)) < MOST_ELEMENTS

    def _find_width(self, arrays: list[Array], given: Sequence[tuple[str, int]], size: int) -> int:
        """Return how many elements can be read together: 16 bytes of them, where all rows and arrays begin at such."""
        width = 16 // max(np.dtype(dtype).itemsize for dtype, _ in given)
        even = all(n % width == 0 for n in (size, *(columns for _, columns in given)))
        return width if even and not any(self._compiler.address(array) % 16 for array in arrays) else 1

    def _make(self, arguments: tuple[Any, ...], given: Sequence[tuple[str, int]], width: int) -> Any:
        """Return the kernel, what it returns, and the dtypes of that; None where the function cannot be followed."""
        try:
            source, returned, dtypes = write_pass(self._function, self._name, arguments, given, width)
        except Exception:  # whatever a function of the user's does with a symbol: it is called as it is
            return None
        return self._compiler.compile(source, self._name)[0], returned, dtypes


class UpdateKernel:
    """The update of all parameters as one kernel; of more arrays than a kernel takes, as several.

    Parameters
    ----------
    compiler : Compiler
    update : callable
        As `bpx.optimizers.base.Optimizer.update`.
    slots : int
        How many arrays are kept for each parameter.
    """

    def __init__(self, compiler: Compiler, update: Callable[..., Any], slots: int) -> None:
        self._compiler, self._update, self._slots = compiler, update, slots
        self._made: dict[Any, Any] = {}

    def __call__(self, params: list[Array], grads: list[Array], slots: list[list[Array]], numbers: Any) -> bool:
        compiler, most = self._compiler, MOST_POINTERS // (2 + self._slots)
        parts = [slice(start, start + most) for start in range(0, len(params), most)]
        keys = [(tuple(_count(w) for w in params[part]), len(numbers), name_dtype(params[0])) for part in parts]
        for key in keys:
            if key not in self._made:
                self._made[key] = self._make(*key)
        if any(self._made[key] is None for key in keys):
            return False
        for part, key in zip(parts, keys, strict=True):
            arguments: list[Any] = []
            for w, dw, kept in zip(params[part], grads[part], slots[part], strict=True):
                arguments += [w, compiler.contiguous(dw), *kept]
            arguments += [compiler.number(number, params[0]) for number in numbers]
            self._made[key](count_blocks(sum(key[0])), *arguments)
        return True

    def _make(self, sizes: tuple[int, ...], numbers: int, dtype: str) -> Any:
        """Return the kernel; None where the update cannot be followed."""
        try:
            source = write_update(self._update, sizes, self._slots, numbers, dtype)
        except Exception:  # whatever an update of the user's does with a symbol: it is made as it is
            return None
        return self._compiler.compile(source, "bpx_update")[0]


def _count(array: Array) -> int:
    return int(np.prod(array.shape))


class LossKernels:
    """A loss forward and backward as two kernels, for targets of its outputs' shape and samples without weights.

    Parameters
    ----------
    compiler : Compiler
    loss : Loss
    """

    def __init__(self, compiler: Compiler, loss: Any) -> None:
        self._compiler, self._loss = compiler, loss
        self._made: dict[Any, Any] = {}

    def __call__(self, z: Array, y: Array, weight: Array | None) -> tuple[Array, Array] | None:
        shape = tuple(z.shape)
        if weight is not None or z.ndim != 2 or y.shape != z.shape or y.dtype != z.dtype or shape[0] > MOST_ROWS:
            return None
        key = (shape, name_dtype(z))
        if key not in self._made:
            self._made[key] = self._make(*key) if len(self._made) < MOST_SHAPES else None
        if self._made[key] is None:
            return None
        by_rows, value_of, parts = self._made[key]
        compiler, dtype = self._compiler, key[1]
        dz, value, room = (compiler.empty(s, dtype) for s in (shape, (), (parts, shape[0])))
        by_rows(count_blocks(shape[0]), compiler.contiguous(z), compiler.contiguous(y), dz, room)
        value_of(1, room, value)
        return value, dz

    def _make(self, shape: tuple[int, int], dtype: str) -> Any:
        """Return both kernels and how many parts a row has; None where the loss cannot be followed."""
        try:
            source = write_loss(self._loss, *shape, dtype)
        except Exception:  # whatever a loss of the user's does with a symbol: it is taken as it is
            return None
        kernels = self._compiler.compile(source, "bpx_loss_rows", "bpx_loss_value")
        return (*kernels, source.count("parts[", 0, source.index("bpx_loss_value")))


class Kernels:
    """The kernels of a device, kept for all networks: to compile one takes a tenth of a second.

    Parameters
    ----------
    compiler : Compiler
    xp : namespace
        Of the device.
    """

    def __init__(self, compiler: Compiler, xp: Any) -> None:
        self._compiler, self._xp = compiler, xp
        self._kept: dict[Any, Any] = {}

    def fuse(self, function: Callable[..., Any], name: str) -> PassKernel:
        """Return a function that works element by element as a kernel."""
        return self._keep((function, name), lambda: PassKernel(self._compiler, self._xp, function, name))  # type: ignore[no-any-return]

    def fuse_update(self, update: Callable[..., Any], slots: int) -> UpdateKernel:
        """Return an update of all parameters as a kernel."""
        return self._keep((update, slots), lambda: UpdateKernel(self._compiler, update, slots))  # type: ignore[no-any-return]

    def fuse_loss(self, loss: Any) -> LossKernels:
        """Return a loss as two kernels."""
        return self._keep(("loss", loss), lambda: LossKernels(self._compiler, loss))  # type: ignore[no-any-return]

    def _keep(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what belongs to a key; the oldest makes room. What a user's class does not hash is made each time."""
        try:
            hash(key)
        except TypeError:
            return make()
        made = self._kept.pop(key, None) or make()
        self._kept[key] = made
        while len(self._kept) > MOST_KEPT:
            self._kept.pop(next(iter(self._kept)), None)
        return made
