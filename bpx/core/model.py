"""Layers, a loss and their arrays on one device: everything that computes."""

from __future__ import annotations

import contextlib
import copy
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from bpx.arguments import check_count
from bpx.backend.base import Array, Backend, check_float_dtype
from bpx.backend.portable import hold, release
from bpx.backend.precision import check_precision
from bpx.backend.selection import BackendSpec, get_backend, restore_backend
from bpx.backend.transfer import read_real
from bpx.backend.trees import list_leaves
from bpx.core import samples
from bpx.core.backpropagation import forward_pass, make_gradients
from bpx.core.fusion import list_passes
from bpx.core.occupancy import Occupancy
from bpx.errors import BackendError, FixedAttributeError, InputError
from bpx.layers.activations import Sigmoid, Softmax
from bpx.layers.base import Layer, Params
from bpx.layers.members import MemberColumns, MemberLinear, Members
from bpx.layers.stack import check_sample, find_first_trained, find_sample_shapes, unfreeze
from bpx.losses import Loss, MeanOverMembers, get_loss
from bpx.naming import Pickled
from bpx.rng import WEIGHTS, generator, step_keys

if TYPE_CHECKING:
    from bpx.core.state import TrainingState

PREDICT_ROWS = 8192
"""Samples that go through the network at a time where no gradient is wanted."""

LASTING_PROGRAMS = 4
"""Programs whose recordings a network keeps from one call to the next."""

MOST_PROGRAMS = 64
"""Programs that a network keeps."""

Data = tuple[Array, Array, "Array | None"]
"""Samples, targets and weights on the network's device."""


class Model(Pickled):
    """Layers in a row, a loss, and the arrays that training changes, in one dtype on one backend.

    What a layer, a pass or a step needs of a network is here; `bpx.Network` adds what people do with one. Layers, loss,
    dtype and backend are fixed when it is made.

    Attributes
    ----------
    layers : tuple of Layer
    loss : Loss
    dtype : str
    seed : int
        Of the first weights, the shuffles and the dropout masks.
    backend : Backend
        Where the arrays live; `to` moves them.
    precision : str
        How the operands of matrix products are rounded; `to` changes it.
    training : TrainingState or None
        The optimizer's arrays and all counters; None before the first training.
    seed_was_given : bool
        Whether a caller chose the seed, and not the operating system.
    occupancy : Occupancy
        Held by the call that is training the network; a copy or a pickle of a network is free.
    input_shape, output_shape : tuple of int or None
        Shapes of one sample; None where any will do.
    first_trained : int
        Number of the first layer that has parameters to train.
    n_keys : int
        How many keys the random masks of a step take.
    stateful : bool
        Whether a layer keeps running statistics.
    """

    layers: tuple[Layer, ...]
    loss: Loss
    dtype: str
    seed: int
    backend: Backend
    precision: str
    training: TrainingState | None
    seed_was_given: bool = True
    _row_work: int | None = None

    _FIXED = frozenset({
        "layers", "loss", "dtype", "backend", "precision", "input_shape", "output_shape", "first_trained", "n_keys",
        "stateful",
    })  # fmt: skip

    def __init__(
        self,
        layers: Sequence[Layer],
        loss: str | Loss,
        dtype: str,
        seed: int | None,
        backend: BackendSpec,
        precision: str,
    ) -> None:
        self._define(layers, loss, dtype, seed, backend, precision)
        self._check_last_layer()
        self.reset()

    @classmethod
    def without_arrays(cls, **definition: Any) -> Self:
        """Return a network that has no arrays yet, for `adopt` to give it some: nothing is drawn for it.

        Parameters
        ----------
        **definition
            All arguments of `Model`, by name.

        Raises
        ------
        InputError, BackendError
            As for `bpx.Network`.
        """
        net = cls.__new__(cls)
        net._define(**definition)
        net._params, net._state, net.training = [], [], None
        return net

    def _define(
        self,
        layers: Sequence[Layer],
        loss: str | Loss,
        dtype: str,
        seed: int | None,
        backend: BackendSpec,
        precision: str,
    ) -> None:
        """Check and keep what is fixed when a network is made."""
        if isinstance(layers, Layer) or not isinstance(layers, Iterable):
            raise InputError(f"layers must be a sequence of layers, got {layers!r}")
        self.layers = tuple(layers)
        for layer in self.layers:
            if not isinstance(layer, Layer):
                hint = " (an instance, with parentheses)" if isinstance(layer, type) else ""
                raise InputError(f"layers must hold layers{hint}, got {layer!r}")
        if not self.layers:
            raise InputError("a network needs at least one layer")
        check_float_dtype(dtype)
        self.loss = get_loss(loss)
        self.dtype = dtype
        self.precision = check_precision(precision, dtype)
        self.seed = int.from_bytes(os.urandom(4), "little") if seed is None else check_count("seed", seed, 0)
        self.seed_was_given = seed is not None
        self.input_shape, self.output_shape = find_sample_shapes(self.layers)
        self._check_members()
        if self.output_shape is not None:
            self.loss.count_targets(self.output_shape[-1])
        self.backend = get_backend(backend)
        self.backend.require_dtype(dtype)
        self.first_trained = find_first_trained(self.layers)
        self.n_keys = sum(layer.n_keys for layer in self.layers)
        self.stateful = any(layer.stateful for layer in self.layers)
        self._programs: dict[Any, Any] = {}
        self.occupancy = Occupancy()

    def _check_last_layer(self) -> None:
        """Raise if outputs would be squashed twice; a file of an earlier bpx may hold such a network all the same."""
        last = self.layers[-1]
        if self.loss.targets in ("classes", "probabilities") and isinstance(last, (Sigmoid, Softmax)):
            raise InputError(
                f"the loss {self.loss.name} takes logits, and applies {type(last).__name__} or its like itself; leave "
                "that last layer out"
            )

    def _check_members(self) -> None:
        """Raise if the outputs are those of members and the loss is not, or the other way round."""
        if self.output_shape is None or (len(self.output_shape) == 2) == isinstance(self.loss, MeanOverMembers):
            return
        if len(self.output_shape) == 1:
            raise InputError(f"the loss {self.loss.name!r} needs outputs of members, which bpx.MemberLinear makes")
        if any(isinstance(layer, (Members, MemberColumns, MemberLinear)) for layer in self.layers):
            raise InputError(
                f"each sample has outputs of {self.output_shape[0]} members; their loss is "
                f"bpx.MeanOverMembers(loss=...), got {self.loss.name!r}"
            )

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._FIXED and hasattr(self, name):
            ways = {
                "backend": "net.to(...) moves the network",
                "precision": f"net.to(precision={value!r}) changes it",
            }
            way = ways.get(name) or (
                "make a new network with bpx.Network(layers, loss=..., dtype=...), and take these weights along by "
                "new.params = net.params"
            )  # fmt: skip
            raise FixedAttributeError(
                f"{name} is fixed when a network is made, because its arrays, optimizer state and compiled programs "
                f"depend on it; {way}"
            )
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if name in self._FIXED:
            raise FixedAttributeError(f"{name} is fixed when a network is made, and a network without it is none")
        super().__delattr__(name)

    # -- the arrays ---------------------------------------------------------------------------------------

    def reset(self) -> Self:
        """Start over: the first weights, no optimizer state, the first shuffle. Returns the network.

        Raises
        ------
        BusyError
            If the network is being trained.
        """
        self.occupancy.require_free("reset cannot be called")
        draw = generator(self.seed, WEIGHTS)
        self._params = [self._copy_in(layer.init(draw)) for layer in self.layers]
        self._state = [self._copy_in(layer.init_state()) for layer in self.layers]
        self.training = None
        return self

    def _copy_in(self, arrays: Params) -> Params:
        """Return host arrays on the network's device in its dtype, none of them shared with the caller."""
        cast = {name: np.array(array, dtype=self.dtype, order="C") for name, array in arrays.items()}
        return {name: self.backend.asarray(array) for name, array in cast.items()}

    @property
    def params(self) -> list[Params]:
        """The parameters, one dict a layer; Linear: ``{"weight": (n_in, n_out), "bias": (n_out,)}``.

        These are the network's own arrays: training overwrites them. Assigning a list of the same shapes copies it, and
        a training continues from what was assigned.

        Raises
        ------
        BusyError
            If the network is being trained in another thread, and they are assigned, or on JAX read.
        """
        self._require_readable()
        return self._params

    @params.setter
    def params(self, value: Sequence[Params]) -> None:
        self._params = self._check_and_copy("params", self._params, value)
        if self.training is not None:
            from bpx.core.step import keep_moving_weights

            keep_moving_weights(self, self.training)

    @property
    def state(self) -> list[Params]:
        """The running statistics, one dict a layer; BatchNorm: ``{"running_mean": (n,), "running_var": (n,)}``."""
        self._require_readable()
        return self._state

    @state.setter
    def state(self, value: Sequence[Params]) -> None:
        self._state = self._check_and_copy("state", self._state, value)

    def _require_readable(self) -> None:
        """Raise while a training in another thread has the arrays, on a backend that takes them away meanwhile."""
        if self.backend.donates:
            self.occupancy.require_not_elsewhere(f"on {self.backend.name} weights cannot be read or computed with")

    def _check_and_copy(self, kind: str, old: list[Params], new: Sequence[Params]) -> list[Params]:
        self.occupancy.require_not_elsewhere(f"{kind} cannot be assigned")
        if len(new) != len(old):
            raise InputError(f"{kind} must be a list of {len(old)} dicts, one for each layer, got {len(new)}")
        arrays = [{name: read_real(f"{name} of {kind}", a) for name, a in part.items()} for part in new]
        for i, (mine, theirs) in enumerate(zip(old, arrays, strict=True)):
            shapes = {name: tuple(array.shape) for name, array in mine.items()}
            got = {name: tuple(array.shape) for name, array in theirs.items()}
            if shapes != got:
                raise InputError(f"{kind} of layer {i} ({self.layers[i]!r}) must have shapes {shapes}, got {got}")
        return [self._copy_in(part) for part in arrays]

    def adopt(self, params: list[Params] | None = None, state: list[Params] | None = None) -> None:
        """Take over arrays that lie on the network's device in its dtype already, without a copy: they are its own now.

        A training step may have overwritten the old ones, and a backend whose arrays do not change returns new ones.
        """
        self._params = self._params if params is None else params
        self._state = self._state if state is None else state

    @property
    def n_params(self) -> int:
        """How many numbers the parameters hold."""
        return sum(int(np.prod(array.shape)) for part in self._params for array in part.values())

    def count_work(self, rows: int) -> int:
        """Return the multiplications of a batch's largest product, counted as if in float32: float64 takes twice."""
        if self._row_work is None:
            weights = [math.prod(w.shape) for part in self._params for w in part.values() if w.ndim > 1]
            self._row_work = max(weights, default=0) * (2 if self.dtype == "float64" else 1)
        return rows * self._row_work

    # -- copies -------------------------------------------------------------------------------------------

    def to(self, backend: BackendSpec = None, *, precision: str | None = None) -> Self:
        """Move the network, with its optimizer state, to another backend or device. Returns the network.

        Parameters
        ----------
        backend : str, Backend or None
            As for `get_backend`; None with a ``precision``: where it is.
        precision : str or None
            How the operands of its matrix products are rounded from now on, as for `bpx.Network`; None: as before.

        Raises
        ------
        BackendError
            If the backend cannot be used here, or does not have the network's dtype; the network stays where it was.
        InputError
            If there is no such precision, or none but "float32" for the network's dtype.
        BusyError
            If the network is being trained.

        Examples
        --------
        >>> import bpx
        >>> bpx.mlp([2, 3, 1], loss="squared_error").to(precision="bfloat16").precision
        'bfloat16'
        """
        self.occupancy.require_free("the network cannot be moved")
        if precision is not None:
            check_precision(precision, self.dtype)
        if backend is not None or precision is None:
            self._convert(get_backend(backend), self.dtype)
        return self._round(self.precision if precision is None else precision)

    def copy(self, *, dtype: str | None = None, backend: BackendSpec = None, precision: str | None = None) -> Self:
        """Return a network that would train on exactly as this one would, and shares no array with it.

        Parameters
        ----------
        dtype : str or None
            Of the copy; None: the same.
        backend : str, Backend or None
            Where it lives; None: the same.
        precision : str or None
            Of its matrix products; None: the same.

        Raises
        ------
        InputError
            If there are no networks of this dtype, or none of it with this precision.
        BackendError
            If the backend cannot be used here, or does not have this dtype.
        BusyError
            If the network is on JAX and being trained in another thread.
        """
        if dtype is not None:
            check_float_dtype(dtype)
        dtype = self.dtype if dtype is None else dtype
        precision = self.precision if precision is None else precision
        check_precision(precision, dtype)
        other = copy.deepcopy(self)
        if backend is not None or dtype != self.dtype:
            other._convert(self.backend if backend is None else get_backend(backend), dtype)
        return other._round(precision)

    def _round(self, precision: str) -> Self:
        """Round the operands of products to a precision from now on."""
        if precision != self.precision:
            vars(self).update(precision=precision, _programs={})
        return self

    def _convert(self, target: Backend, dtype: str) -> None:
        """Move every array to a backend and a dtype; nothing is changed unless all can be."""
        source = self.backend
        target.require_dtype(dtype)

        def convert(array: Array) -> Array:
            return target.asarray(np.array(source.to_numpy(array), dtype=dtype))

        params, state = (
            [{n: convert(a) for n, a in part.items()} for part in old] for old in (self._params, self._state)
        )
        if self.training is not None:
            self.training.convert(convert)
        vars(self).update(backend=target, dtype=dtype, _params=params, _state=state, _programs={}, _row_work=None)

    @contextlib.contextmanager
    def placed_on(self, backend: Backend) -> Iterator[None]:
        """Have the network live on another backend in the block, and come back after it."""
        home = self.backend
        self.occupancy.require_free("the network cannot be moved")
        self._convert(backend, self.dtype)
        try:
            yield
        finally:
            self._convert(home, self.dtype)

    def __copy__(self) -> Self:
        return self.copy()  # two networks that share their arrays would train each other

    def __getstate__(self) -> dict[str, Any]:
        arrays = {"_params": hold(self.params), "_state": hold(self.state)}
        kept = {name: value for name, value in vars(self).items() if name not in ("occupancy", "_row_work")}
        return {**kept, **arrays, "_programs": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        try:
            state["backend"].require_dtype(state["dtype"])
        except BackendError:
            state["backend"] = restore_backend(state["backend"].spec, state["dtype"])
        arrays = {name: release(state[name]) for name in ("_params", "_state")}
        vars(self).update({"precision": "float32", **state}, **arrays, occupancy=Occupancy())

    # -- computing ----------------------------------------------------------------------------------------

    @property
    def xp(self) -> Any:
        """The functions that its layers compute with: the backend's, products rounded to the network's precision."""
        if self.precision == "float32":
            return self.backend.xp
        return self.keep_program("xp", lambda: self.backend.namespace(self.precision))

    def place_samples(self, x: Any, look: bool = True, backend: Backend | None = None) -> Array:
        """Return samples, checked, on the device; see `bpx.core.samples.place_features`."""
        backend = self.backend if backend is None else backend
        xs = samples.place_features(backend, x, self.input_shape, self.dtype, look)
        if self.input_shape is None:
            check_sample(self.layers, tuple(xs.shape[1:]))
        return xs

    def place(self, x: Any, y: Any, sample_weight: Any, whole: bool = True, backend: Backend | None = None) -> Data:
        """Return samples, targets and weights, checked, on the device, or on another backend.

        Where this is not the ``whole`` set but a batch of it, all its weights may be 0.

        Raises
        ------
        InputError
            If one of them is not what the network takes.
        """
        samples.check_together(x=x, y=y, sample_weight=sample_weight)
        backend = self.backend if backend is None else backend
        with backend.computing():
            xs = self.place_samples(x, backend=backend)
            n_out = self.output_shape[-1] if self.output_shape else None
            ys = samples.place_targets(backend, y, self.loss, xs.shape[0], n_out, self.dtype, xs.shape[1])
            return xs, ys, samples.place_weights(backend, sample_weight, xs.shape[0], self.dtype, whole)

    def make_contexts(self, training: bool, keys: Iterable[Any] | None, state: Sequence[Params]) -> list[Any]:
        """Return what each layer's forward pass is told, given one step's keys and the running statistics."""
        if not self.stateful and not (training and self.n_keys):
            return [None] * len(self.layers)
        each = iter(() if keys is None else keys)
        return [layer.context(training, each, s) for layer, s in zip(self.layers, state, strict=True)]

    def compute_gradients(
        self, x: Array, y: Array, weight: Array | None, *, training: bool = False
    ) -> tuple[Array, list[Params]]:
        """Return loss and gradients, of frozen parameters too, as arrays of the device, for samples placed there."""

        def make() -> Any:
            gradients = make_gradients(self.xp, tuple(map(unfreeze, self.layers)), self.loss)

            def of_batch(params: Any, state: Any, keys: Any, x: Array, y: Array, weight: Array | None) -> Any:
                return gradients(params, self.make_contexts(training, keys, state), x, y, weight)[:2]

            return self.backend.compile(of_batch)

        step = self.training.step if self.training else 0
        keys = tuple(step_keys(self.seed, step, 1, self.n_keys)[0].tolist())
        with self.backend.computing(), self.backend.threads(self.count_work(x.shape[0]), updates=True):
            program = self.keep_program(("gradients", training), make)
            return self._run(program, keys, x, y, weight)  # type: ignore[no-any-return]

    def compute_pieces(self, x: Array) -> Iterator[Array]:
        """Yield the last layer's outputs for samples on the device, those of some thousands of rows at a time."""
        program = self.keep_program("outputs", lambda: self.backend.repeat(self.make_outputs()))
        work = self.count_work(min(x.shape[0], PREDICT_ROWS))
        for part in self.cut(x.shape[0]):
            rows = x if x.shape[0] <= PREDICT_ROWS else x[part, ...]
            with self.backend.threads(work):
                z = self._run(program, rows)
            yield z

    @staticmethod
    def cut(rows: int) -> list[slice]:
        """Return rows some thousands at a time."""
        return [slice(start, min(start + PREDICT_ROWS, rows)) for start in range(0, rows, PREDICT_ROWS)]

    def make_outputs(self) -> Callable[[Any, Any, Array], Array]:
        """Return ``outputs(params, state, x)``, compiled where the backend can."""
        xp = self.xp
        forwards = [forward for forward, _ in list_passes(xp, self.backend, self.layers)]

        def outputs(params: Any, state: Any, x: Array) -> Array:
            return forward_pass(xp, forwards, params, x, self.make_contexts(False, (), state))

        return self.backend.compile(outputs)

    def compute_outputs(self, x: Array) -> Array:
        """Return the last layer's outputs (samples, n_out) for samples on the device."""
        return self._join(list(self.compute_pieces(x)))

    def compute_predictions(self, x: Array) -> Array:
        """Return what the outputs mean to a person: probabilities for the cross-entropies, the outputs otherwise.

        Parameters
        ----------
        x : array
            Samples on the device. Where calls are recorded (`Backend.repeats`), NaN among them is found on the way.

        Raises
        ------
        InputError
            If it is.
        """
        xp, probabilities = self.backend.xp, self.loss.probabilities
        if not self.backend.repeats:
            return self._join([probabilities(xp, z) for z in self.compute_pieces(x)])

        def make() -> Any:
            outputs = self.make_outputs()

            def predict(params: Any, state: Any, x: Array) -> tuple[Array, Array]:
                return probabilities(xp, outputs(params, state, x)), samples.look_at_features(xp, x)

            return self.backend.repeat(predict)

        pieces = [x] if x.shape[0] <= PREDICT_ROWS else [x[part, ...] for part in self.cut(x.shape[0])]
        made = [self.run_recorded("predictions", make, rows) for rows in pieces]
        for (_, total), rows in zip(made, pieces, strict=True):
            samples.judge_features(self.backend, rows, float(total))
        return self._join([array for array, _ in made])

    def run_recorded(self, key: Any, make: Callable[[], Any], *arrays: Array) -> Any:
        """Return what ``make()``'s program, which the backend may record, makes of the network's arrays and others."""
        with self.backend.threads(self.count_work(arrays[0].shape[0])):
            return self._run(self.keep_program(key, make), *arrays)

    def _join(self, pieces: list[Array]) -> Array:
        return pieces[0] if len(pieces) == 1 else self.backend.xp.concat(pieces)

    def _run(self, program: Callable[..., Any], *arguments: Any) -> Any:
        """Call a program with the arrays of the network, which another thread's training may take away at any moment.

        Raises
        ------
        BusyError
            If it has.
        """
        if not self.backend.donates:
            return program(self._params, self._state, *arguments)
        params, state = self.params, self.state
        try:
            return program(params, state, *arguments)
        except (RuntimeError, ValueError):  # JAX raises either
            self._require_readable()
            if params is self._params:
                raise
            return self._run(program, *arguments)  # that training has ended in the meantime, and left other arrays

    # -- programs -----------------------------------------------------------------------------------------

    def keep_program(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return the program of a key, which ``make()`` makes on first use; `to` forgets all.

        Of more than `MOST_PROGRAMS` those made first are forgotten: a key may hold what nobody will ask for again, such
        as an optimizer's function that was made for one training.
        """
        program = self._programs.get(key)
        if program is None:
            program = self._programs[key] = make()
            for old in list(self._programs)[:-MOST_PROGRAMS]:
                self._programs.pop(old, None)
        return program

    def release_programs(self) -> None:
        """Tell the programs that a training has ended; of those whose recordings outlive it, some are dropped.

        What remains are the recordings of the programs used last, however many a network is trained by.
        """
        programs = list(self._programs.values())
        for program in programs:
            if hasattr(program, "release"):
                program.release()
        lasting = [program for program in programs if getattr(program, "last_used", 0)]
        for program in sorted(lasting, key=lambda each: each.last_used)[:-LASTING_PROGRAMS]:
            program.drop()

    def drop_recordings(self) -> None:
        """Let go of what programs have recorded, and of its memory."""
        for program in self._programs.values():
            if hasattr(program, "drop"):
                program.drop()

    def count_bytes(self) -> dict[str, int]:
        """Return how many bytes the network's arrays take, and the recordings of its programs."""
        size = np.dtype(self.dtype).itemsize

        def count(tree: Any) -> int:
            return size * sum(int(np.prod(array.shape)) for array in list_leaves(tree))

        return {
            "parameters": count(self._params),
            "statistics": count(self._state),
            "optimizer": count(self.training.slots) if self.training else 0,
            "recordings": sum(int(getattr(program, "nbytes", 0)) for program in list(self._programs.values())),
        }
