"""Small training steps on NumPy, recorded once and replayed: a third of such a step is Python between the calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise, repeat
from typing import Any, NamedTuple

import numpy as np

from bpx.backend.base import Array, Body
from bpx.backend.tape import Tape
from bpx.backend.trees import are_same, list_leaves, overwrite, rebuild

TAPE_BYTES = 1024 * 1024
"""Memory of a step that is still worth a tape: in larger ones NumPy computes nearly all of the time."""

KEPT_BYTES = 128 * 1024
"""Memory of a tape that a network keeps between two trainings; to write it again takes as long as about 20 steps."""

PLAIN_STEPS = 100
"""Steps of one kind that run plainly before one is recorded: a short training is not worth a tape."""

LONG_CALL = 64
"""Steps of one call that are worth a tape at once in a small network: one costs about 25 steps and saves a third."""

Loop = Callable[..., tuple[Any, np.ndarray]]


class ReplayedLoop:
    """The loop over steps: plainly at first, then from tapes, one for each shape of batch.

    The first step after a tape is written is made both ways, and the tape is used if the bits are equal.

    Parameters
    ----------
    body : callable
        As for `Backend.loop`. What it does must not depend on the values in its arrays.
    plainly : callable
        The plain loop over the same body.
    """

    def __init__(self, body: Body, plainly: Loop) -> None:
        self._body, self._plainly = body, plainly
        self._refused: set[Any] = set()
        self.drop()

    def drop(self) -> None:
        """Forget the tapes, and with them the arrays they work on."""
        self._carried: list[Array] = []
        self._data: list[Array] = []
        self._players: dict[Any, Player] = {}
        self._made: Counter[Any] = Counter()

    def release(self) -> None:
        """Let go of the data; small tapes and the count of steps stay for the next training of the same arrays."""
        if all(player.can_move and player.nbytes <= KEPT_BYTES for player in self._players.values()):
            for player in self._players.values():
                player.move(None)
            self._data = []
        else:
            self.drop()

    def _follow(self, carried: list[Array], data: list[Array]) -> None:
        """Have the tapes work on these arrays; forget them where they cannot."""
        fits = are_same(carried, self._carried)
        if fits and not are_same(data, self._data):
            fits = all(player.move(data) for player in self._players.values())
        if not fits:
            self.drop()
        self._carried, self._data = carried, data

    @property
    def nbytes(self) -> int:
        """Bytes of the memory that the tapes work in."""
        return sum(player.nbytes for player in list(self._players.values()))

    def __call__(self, carry: Any, data: Any, inputs: tuple[Any, ...], length: int) -> tuple[Any, np.ndarray]:
        kind = tuple(None if column is None else _find_shape(column[0]) for column in inputs)
        if kind in self._refused:
            return self._plainly(carry, data, inputs, length)
        carried = list_leaves(carry)
        self._follow(carried, list_leaves(data))
        losses = np.empty(length)
        plain = 0 if kind in self._players else self._count_plain(kind, carried, length)
        if plain:
            if _is_too_large(carried):
                self._refused.add(kind)
                plain = length
            self._made[kind] += plain
            losses[:plain] = self._run_plainly(carry, data, _cut(inputs, 0, plain), plain)
        if plain < length:
            losses[plain:] = self._play(kind, carry, data, _cut(inputs, plain, length), length - plain)
        return carry, losses

    def _count_plain(self, kind: Any, carried: list[Array], length: int) -> int:
        """Return how many of the steps come before a tape is written."""
        if self._made[kind] and length >= LONG_CALL and _count_bytes(carried) <= KEPT_BYTES:
            return 0
        plain = max(0, PLAIN_STEPS - self._made[kind])
        return plain if length - plain >= 3 else length

    def _play(self, kind: Any, carry: Any, data: Any, inputs: tuple[Any, ...], length: int) -> np.ndarray:
        """Make steps from a tape, which is written first where there is none; plainly if that cannot be done."""
        inputs = tuple(_number_rows(column) for column in inputs)
        steps = zip(*(repeat(None, length) if column is None else column for column in inputs), strict=True)
        losses = np.empty(length)
        done = 0
        if kind not in self._players:
            player = self._write_tape(carry, data, steps, losses)
            done = 2
            if player is None:
                self._refused.add(kind)
                losses[done:] = self._run_plainly(carry, data, _cut(inputs, done, length), length - done)
                return losses
            self._players[kind] = player
        self._players[kind].run(steps, losses[done:])
        return losses

    def _run_plainly(self, carry: Any, data: Any, inputs: tuple[Any, ...], length: int) -> np.ndarray:
        """Make steps call by call, with their results written into the arrays of ``carry``."""
        arrays = list_leaves(carry)
        after, losses = self._plainly(rebuild(carry, iter(arrays)), data, inputs, length)
        overwrite(arrays, list_leaves(after))
        return losses

    def _write_tape(self, carry: Any, data: Any, steps: Iterator[Any], losses: np.ndarray) -> Player | None:
        """Make two steps, the first on a tape, the second from it; without a tape if that fails."""
        arrays = list_leaves(carry)
        before, first, second = [array.copy() for array in arrays], next(steps), next(steps)
        player: Player | None = None
        try:
            player = Player(self._body, carry, data, first)
            losses[0] = player.loss
        except Exception:  # whatever it is, it comes of the tape: steps of this kind have been made before
            overwrite(arrays, before)
            after, losses[0] = self._body(rebuild(carry, iter(before)), data, first)
            overwrite(arrays, list_leaves(after))
        copies = [array.copy() for array in arrays]
        after, losses[1] = self._body(rebuild(carry, iter(copies)), data, second)
        if player is not None:
            played = np.empty(1)
            player.run(iter([second]), played)
            pairs = zip([*arrays, played], [*list_leaves(after), losses[1:2]], strict=True)
            if all(mine.tobytes() == theirs.tobytes() for mine, theirs in pairs):
                return player
        overwrite(arrays, list_leaves(after))
        return None


def _cut(inputs: tuple[Any, ...], start: int, stop: int) -> tuple[Any, ...]:
    """Return the inputs of some of the steps."""
    return tuple(None if column is None else column[start:stop] for column in inputs)


def _find_shape(value: Any) -> tuple[int, ...]:
    """Return the shape of what a step is given; of a slice, that of the row numbers it stands for."""
    return (value.stop - value.start,) if type(value) is slice else np.shape(value)


def _number_rows(column: Any) -> Any:
    """Return a column of inputs, slices in it as row numbers: a tape copies rows, because it reads at fixed places."""
    if column is None or type(column[0]) is not slice:
        return column
    return list(np.array([rows.start for rows in column])[:, None] + np.arange(*_find_shape(column[0])))


def _is_too_large(carried: list[Array]) -> bool:
    """Tell whether the gradients alone would not fit a tape; copies of what is trained would cost memory too."""
    return _count_bytes(carried) > 3 * TAPE_BYTES  # weights, and at most two slots for each


def _count_bytes(arrays: list[Array]) -> int:
    return sum(int(array.nbytes) for array in arrays)


class Place(NamedTuple):
    """Where an array of the data, or its transpose, is an operand of a call."""

    call: int
    argument: int
    leaf: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _find_places(calls: list[tuple[Any, tuple[Any, ...]]], data: list[Array]) -> list[Place] | None:
    """Return where the data is an operand of the calls; None if what an operand is cannot be told from its address."""
    starts = [leaf.__array_interface__["data"][0] for leaf in data]
    spans = sorted((start, start + leaf.nbytes) for start, leaf in zip(starts, data, strict=True))
    apart = all(end <= start for (_, end), (start, _) in pairwise(spans))  # x may be its own target
    if not (apart and all(leaf.flags.c_contiguous for leaf in data)):
        return None
    places = []
    for number, (_, arguments) in enumerate(calls):
        for i, operand in enumerate(arguments):
            if not isinstance(operand, np.ndarray):
                continue
            address = operand.__array_interface__["data"][0]
            for leaf, start in enumerate(starts):
                if start <= address < start + data[leaf].nbytes:
                    if address != start or operand.dtype != data[leaf].dtype:
                        return None
                    places.append(Place(number, i, leaf, operand.shape, operand.strides))
                    break
    return places


def _find_layout(array: Array) -> Any:
    return array.shape, array.strides, array.dtype


class Player:
    """A step on a tape, with buffers for what changes from step to step.

    Parameters
    ----------
    body : callable
    carry, data
        Arrays that the steps read and write.
    inputs : tuple
        Those of the step that is made while the tape is written.

    Attributes
    ----------
    nbytes : int
        Memory of the arrays that the tape made.
    can_move : bool
        Whether the same calls can be made with other data.
    """

    def __init__(self, body: Body, carry: Any, data: Any, inputs: tuple[Any, ...]) -> None:
        tape = Tape(TAPE_BYTES)
        self._calls = tape.calls
        self._buffers = [rebuild(part, (np.array(leaf) for leaf in list_leaves(part))) for part in inputs]
        self._set = list(inputs)
        try:
            trees = (carry, data, tuple(self._buffers))
            after, loss = body(*(rebuild(tree, map(tape.wrap, list_leaves(tree))) for tree in trees))
            for old, new in zip(list_leaves(carry), map(tape.unwrap, list_leaves(after)), strict=True):
                if not np.may_share_memory(old, new):
                    old[...] = new
                    tape.calls.append((np.copyto, (old, new)))
            self.loss: np.ndarray = tape.unwrap(loss)
        finally:
            tape.close()
        leaves = list_leaves(data)
        self.nbytes = TAPE_BYTES - tape.room
        self._layouts = [_find_layout(leaf) for leaf in leaves]
        places = _find_places(self._calls, leaves)
        self.can_move, self._places = places is not None, places or []

    def move(self, data: list[Array] | None) -> bool:
        """Work on other data of the same layout from now on, on none in between; False if that cannot be done."""
        if data is not None and not (self.can_move and [_find_layout(leaf) for leaf in data] == self._layouts):
            return False
        views: dict[Any, Any] = {}
        for place in self._places:
            function, arguments = self._calls[place.call]
            if data is not None and place[2:] not in views:
                leaf = data[place.leaf]
                views[place[2:]] = np.ndarray(place.shape, leaf.dtype, leaf, 0, place.strides)
            changed = list(arguments)
            changed[place.argument] = views.get(place[2:])
            self._calls[place.call] = (function, tuple(changed))
        return True

    def run(self, steps: Iterator[Any], losses: np.ndarray) -> None:
        """Make a step for each entry of ``steps``; write the losses."""
        calls, loss = self._calls, self.loss
        for i, inputs in enumerate(steps):
            self._put(inputs)
            for function, arguments in calls:
                function(*arguments)
            losses[i] = loss

    def _put(self, inputs: tuple[Any, ...]) -> None:
        """Write a step's inputs into the buffers, those that changed."""
        for i, part in enumerate(inputs):
            if part is not self._set[i]:
                self._set[i] = part
                if isinstance(part, tuple):
                    for buffer, value in zip(self._buffers[i], part, strict=True):
                        buffer[...] = value
                else:
                    self._buffers[i][...] = part
