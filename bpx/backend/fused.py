"""Functions that work element by element, as one pass over memory: what `cupy.fuse` makes of bpx's own source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bpx.backend.trees import list_leaves, rebuild


class Fused:
    """A function of arrays as one kernel; where the library cannot follow it, the function as it is.

    Parameters
    ----------
    fuse : callable
        ``fuse(kernel_name=name)(function)``, as `cupy.fuse`: for functions that return an array or a tuple of some.
    function : callable
        ``function(*arrays)``. Arguments and result may be nested; the result may hold arrays that were given.
    name : str
        Of the kernel.
    out_of_memory : callable
        Tells an exception that says so from those that say that the function cannot be followed.
    """

    def __init__(
        self,
        fuse: Callable[..., Any],
        function: Callable[..., Any],
        name: str,
        out_of_memory: Callable[[BaseException], bool],
    ) -> None:
        self._function, self._out_of_memory = function, out_of_memory
        self._taken: Any = None
        self._returned: Any = None
        self._kernel: Callable[..., Any] | None = fuse(kernel_name=name)(self._flatten)
        self._works = False

    def __call__(self, *arguments: Any) -> Any:
        if self._kernel is None:
            return self._function(*arguments)
        arrays = list_leaves(arguments)
        self._taken = arguments if self._taken is None else self._taken
        try:
            made = self._kernel(*arrays)
        except Exception as error:
            if self._works or self._out_of_memory(error):
                raise
            self._kernel = None
            return self._function(*arguments)
        if not self._works:
            self._works, self._taken = True, rebuild(self._taken, iter(range(len(arrays))))
        results = made if isinstance(made, tuple) else (made,)
        return rebuild(self._returned, (arrays[~k] if k < 0 else results[k] for k in list_leaves(self._returned)))

    def _flatten(self, *arrays: Any) -> Any:
        """Return each new array of the result once, and note where they and the given ones belong."""
        tree = self._function(*rebuild(self._taken, iter(arrays)))
        places = {id(array): ~i for i, array in enumerate(arrays)}
        new: list[Any] = []
        for leaf in list_leaves(tree):
            if id(leaf) not in places:
                places[id(leaf)] = len(new)
                new.append(leaf)
        self._returned = rebuild(tree, (places[id(leaf)] for leaf in list_leaves(tree)))
        return tuple(new) if len(new) > 1 else new[0]
