"""What `explain` returns: training steps and the chain rule of each parameter."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpx.arguments import check_count
from bpx.backend.base import Backend
from bpx.errors import InputError
from bpx.explanation.chain import Chain, ChainRule
from bpx.explanation.page import MAX_PAGE_BYTES, render_page
from bpx.explanation.page_summary import SNAPSHOT_BYTES, count_bytes, make_summary_data, needs_summary
from bpx.explanation.pagedata import make_page_data, make_target_rows
from bpx.explanation.snapshots import Recording, Snapshot, fetch_arrays
from bpx.explanation.step_trace import StepTrace
from bpx.explanation.symbols import Symbol, WeightKey, list_shapes, make_parameter_symbol, parse_weight
from bpx.explanation.text import write_step, write_step_html
from bpx.losses import Loss
from bpx.markup import format_number, make_frame, make_paragraph
from bpx.naming import Pickled
from bpx.optimizers import Optimizer
from bpx.writing import write_whole

FORMAT = "bpx-trace/1"
"""What a trace's plain data say of themselves."""

MAX_PATHS = 1000
"""Paths of a chain that are kept apart, unless asked otherwise."""


@dataclass(eq=False, repr=False)
class Trace(Pickled):
    """Training steps with every quantity of their forward pass, error, backward pass and update.

    Attributes
    ----------
    steps : list of StepTrace
    samples : int
        Rows of the batch.
    network, loss, optimizer, backend, dtype : str
        What was explained, in words.
    detail : str
        "full": every number is kept; "summary": norms and histograms.
    notes : tuple of str
        What a reader must know: that numbers were summarized, that layers behave as in prediction ...

    See Also
    --------
    explain : Take a training step apart.
    bpx.explanation.StepTrace : One training step.
    bpx.explanation.Chain : The chain rule of one parameter.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.mlp([2, 2, 1], activation="sigmoid", output="sigmoid", loss="squared_error", dtype="float64")
    >>> trace = bpx.explain(net, *bpx.datasets.xor())
    >>> trace.steps[0].layers[0]["z"].formula.text
    'z⁽¹⁾ = x W⁽¹⁾ + b⁽¹⁾'
    >>> trace.chain("0.weight[1,0]").difference < 1e-12
    True
    """

    steps: list[StepTrace]
    samples: int
    network: str
    loss: str
    optimizer: str
    backend: str
    dtype: str
    detail: str
    notes: tuple[str, ...]
    symbols: list[Symbol]
    _backend: Backend
    _optimizer: Optimizer
    _loss: Loss
    _targets: np.ndarray

    def chain(self, weight: str, sample: int | None = None, *, step: int = 0, max_paths: int = MAX_PATHS) -> Chain:
        """Return the chain rule of a single parameter: the factors whose products add up to its gradient.

        ``dL/dw = sum over samples and paths of dz/dw * (a factor for each layer crossed) * dL/d(output)``; every factor
        is what the layer's own backward pass makes of a unit vector.

        Parameters
        ----------
        weight : str
            ``LAYER.NAME[INDEX]``, counted from 0: "0.weight[1,0]", "2.bias[0]".
        sample : int or None
            Row of the batch whose share is wanted; None: the sum over the batch, which is the gradient.
        step : int
            Which step of the trace.
        max_paths : int
            How many products to keep apart at most. Where there are more, those that agree up to some layer are summed;
            with the gradient that arrives there as their last factor, the sum stays the same.

        Returns
        -------
        Chain

        Raises
        ------
        InputError
            If there is no such parameter, sample or step, or the step's arrays are gone because its trace is a summary.
        """
        step, max_paths = check_count("step", step, 0), check_count("max_paths", max_paths)
        if step >= len(self.steps):
            raise InputError(f"the trace has steps 0 to {len(self.steps) - 1}, got step {step}")
        if sample is not None and check_count("sample", sample, 0) >= self.samples:
            raise InputError(f"the batch has samples 0 to {self.samples - 1}, got sample {sample}")
        key = parse_weight(weight, list_shapes([record.params for record in self.steps[0].records]))
        layers = self.steps[step].make_derivatives(self._backend)
        if not layers:
            raise InputError(
                f"the arrays of step {step} are gone, because a summary keeps those of step 0 alone; "
                "use explain(..., detail='full')"
            )
        symbol = make_parameter_symbol(layers[key.layer].record.layer, key.name, self.symbols[key.layer + 1])
        return ChainRule(layers, self.symbols).find(key, symbol, sample, max_paths)

    def steepest(self) -> str:
        """Return the key of a parameter worth a look: of the first layer that has weights, the one of largest gradient.

        Raises
        ------
        InputError
            If the network has no parameters.
        """
        for i, record in enumerate(self.steps[0].records):
            for name, gradient in record.grads.items():
                size = np.abs(self._backend.to_numpy(gradient))
                index = np.unravel_index(int(size.argmax()), size.shape)
                return str(WeightKey(i, name, tuple(map(int, index))))
        raise InputError("the network has no parameters, so there is no chain rule to follow")

    def to_dict(self) -> dict[str, Any]:
        """Return the trace as plain data: numbers, strings, lists and dicts."""
        return {
            "format": FORMAT, "network": self.network, "loss": self.loss, "optimizer": self.optimizer,
            "backend": self.backend, "dtype": self.dtype, "samples": self.samples, "detail": self.detail,
            "notes": list(self.notes), "steps": [step.to_dict() for step in self.steps],
        }  # fmt: skip

    def to_json(self, indent: int | None = None) -> str:
        """Return the trace as JSON; numbers have all their digits, and what is not finite is null."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    def to_html(self, path: str | os.PathLike[str], *, max_bytes: int | None = MAX_PAGE_BYTES, **names: Any) -> None:
        """Write the trace as a page to walk through: one HTML file, which needs no other and no network connection.

        The page computes every number again from the parameters before each step; its updates are plain gradient
        descent. It shows the batch as its samples, and the steps of the trace as moments of a training, as many as kept
        their arrays and have room. Of a network with so many parameters that they leave no room for anything else, it
        shows the first step in summaries, and says so.

        Parameters
        ----------
        path : path
            Written beside and renamed, so that it is there whole or not at all.
        max_bytes : int or None
            The largest page to write; None for any size.
        **names
            ``title``, ``feature_names``, ``class_names``, ``image_shape``, ``notes``, ``sample`` and ``weight``, as for
            `bpx.explanation.page_data`.

        Raises
        ------
        InputError
            If the page cannot show a layer or the loss, would be larger than ``max_bytes``, or cannot be written there.

        Examples
        --------
        >>> import os, tempfile, bpx
        >>> net = bpx.mlp([2, 2, 1], activation="sigmoid", output="sigmoid", loss="squared_error")
        >>> path = os.path.join(tempfile.mkdtemp(), "step.html")
        >>> bpx.explain(net, *bpx.datasets.xor()).to_html(path)
        >>> os.path.getsize(path) < 1_000_000
        True
        """
        write_whole(path, self._render(max_bytes, **names).encode())

    def _render(self, max_bytes: int | None = MAX_PAGE_BYTES, **names: Any) -> str:
        """Return the page of the trace."""
        first = self.steps[0].records
        n_params = sum(int(np.prod(w.shape)) for record in first for w in record.params.values())
        if needs_summary(n_params, self.dtype, max_bytes):
            kept = {name: names[name] for name in ("title", "notes") if name in names}
            return render_page(self.summarize_page(**kept), max_bytes=max_bytes)
        layers = [record.layer for record in first]
        moments = [
            Snapshot(
                step.number,
                step.loss,
                fetch_arrays(self._backend, [record.params for record in step.records]),
                fetch_arrays(self._backend, [record.state for record in step.records]),
            )
            for step in self._choose_moments(n_params)
        ]
        recording = Recording(moments, [step.number for step in self.steps], [step.loss for step in self.steps])
        x, y = (
            self._backend.to_numpy(self.steps[0].records[0].x),
            make_target_rows(self._targets, int(self.steps[0].records[-1].y.shape[-1])),
        )
        notes = (*self.notes, *names.pop("notes", ()))
        data = make_page_data(layers, self._loss, x, y, recording, self._optimizer, notes=notes, **names)
        return render_page(data, max_bytes=max_bytes)

    def _choose_moments(self, n_params: int) -> list[StepTrace]:
        """Return the steps that kept their arrays, or as many of them as a page has room for, spread over all."""
        steps = [step for step in self.steps if step.records]
        size = count_bytes(n_params, self.dtype)
        most = max(2, SNAPSHOT_BYTES // max(size, 1))
        if len(steps) <= most:
            return steps
        return [steps[k] for k in np.linspace(0, len(steps) - 1, most).round().astype(int)]

    def summarize_page(self, title: str | None = None, notes: Sequence[str] = ()) -> dict[str, Any]:
        """Return the first step in summaries, as `bpx.explanation.page.render_page` takes it.

        Parameters
        ----------
        title : str or None
            None: the number of parameters.
        notes : sequence of str
            Sentences to show above.
        """
        return make_summary_data(
            self.steps[0], network=self.network, loss=self.loss, optimizer=self.optimizer, samples=self.samples,
            losses=[step.loss for step in self.steps], title=title, notes=notes,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        first, last = self.steps[0].loss, self.steps[-1].loss_after
        return f"Trace({self.network}; {len(self)} of {self.optimizer}, loss {first:.6g} to {last:.6g})"

    def __str__(self) -> str:
        """Return the trace as tables; of several steps the first and the last, and the losses of all."""
        head = [
            f"{self.network}",
            f"loss {self.loss}, {self.optimizer}, {self.samples} samples, {self.dtype} on {self.backend}",
            *(line for note in self.notes for line in textwrap.wrap(note, 110)),
        ]
        steps = self.steps
        shown = [steps[0]] if len(steps) == 1 else [steps[0], steps[-1]]
        blocks = ["\n".join(head)]
        if len(steps) > 1:
            losses = "  ".join(format_number(step.loss) for step in steps[:10]) + ("  ..." if len(steps) > 10 else "")
            blocks.append(f"{len(steps)} steps, losses {losses}; after the last {format_number(steps[-1].loss_after)}")
        return "\n\n".join([*blocks, *map(write_step, shown)])

    def _repr_html_(self) -> str:
        """Return the page of the trace in a frame of its own, where it has one, and the first step to unfold."""
        try:
            frame = make_frame(self._render(), f"One training step of {self.network}")
        except InputError:
            frame = ""
        step = self.steps[0]
        losses = f"loss {format_number(step.loss)} before the update, {format_number(step.loss_after)} after it"
        end = format_number(self.steps[-1].loss_after)
        more = f"; {len(self)} steps in all, loss {end} at the end" if len(self) > 1 else ""
        return (
            frame
            + "".join(map(make_paragraph, [f"{self.network}: {losses}{more}", *self.notes]))
            + write_step_html(step)
        )
