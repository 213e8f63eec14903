"""What the estimators use of scikit-learn that it does not promise to keep: all such names are imported here.

scikit-learn's own guide for developers of estimators names some of these functions, and none of them is public. The
least and the newest release that they were tried with stand in ``pyproject.toml``, and a job of the public workflow
tries them with the next one. What only its public interface is needed for is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sklearn.base import _fit_context as fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.utils._array_api import (
    check_same_namespace,
    get_namespace,
    get_namespace_and_device,
    supported_float_dtypes,
)
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.optimize import _check_optimize_result as check_optimize_result
from sklearn.utils.validation import _check_feature_names as check_feature_names
from sklearn.utils.validation import _check_n_features as check_n_features
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import _check_y as check_y

__all__ = [
    "Interval", "Options", "SilentTasks", "StrOptions", "Tasks", "TellsCallbacks", "check_feature_names",
    "check_n_features", "check_optimize_result", "check_same_namespace", "check_sample_weight", "check_y",
    "fit_context", "get_namespace", "get_namespace_and_device", "supported_float_dtypes",
]  # fmt: skip


class Tasks:
    """A fit told to scikit-learn's callbacks: a task, made of steps in a row, each a task of its own.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext
        Of the whole.
    data : dict
        What every hook is told: the estimator, X, y, and metadata.
    """

    def __init__(self, context: Any, data: Mapping[str, Any]) -> None:
        self._context, self._data = context, data
        self._step: Any = None

    @property
    def listened(self) -> bool:
        """Whether there is a callback to tell."""
        return bool(self._context._callbacks)

    def begin(self) -> None:
        """Tell that the whole begins."""
        self._context.call_on_fit_task_begin(**self._data)

    def begin_step(self, name: str) -> None:
        """Tell that its next step begins."""
        self._step = self._context.subcontext(task_name=name).call_on_fit_task_begin(**self._data)

    def end_step(self, make_fitted: Callable[[], dict[str, Any]]) -> bool:
        """Tell that the step has ended; return whether a callback asks to end the fit.

        Parameters
        ----------
        make_fitted : callable
            Returns the attributes that a copy of the estimator is given to be as if the fit had ended here; called if a
            callback wants that copy.
        """
        step, self._step = self._step, None
        return bool(step.call_on_fit_task_end(**self._data, reconstruction_attributes=make_fitted))

    def drop_step(self) -> None:
        """End a step that was begun and is not to be made."""
        if self._step is not None:
            self._step.call_on_fit_task_end(estimator=self._data["estimator"])
            self._step = None

    def split(self, name: str, steps: int) -> Tasks:
        """Begin the next step as a task that has steps itself, and return it."""
        tasks = Tasks(self._context.subcontext(task_name=name, max_subtasks=steps), self._data)
        tasks.begin()
        return tasks

    def end(self, make_fitted: Callable[[], dict[str, Any]] | None = None) -> None:
        """Tell that the whole has ended."""
        attributes: Any = {} if make_fitted is None else make_fitted
        self._context.call_on_fit_task_end(**self._data, reconstruction_attributes=attributes)


class SilentTasks(Tasks):
    """A fit of which another process tells scikit-learn's callbacks."""

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    @property
    def listened(self) -> bool:
        """Whether there is a callback to tell, in the process that tells them."""
        return bool(getattr(self._estimator, "_skl_callbacks", ()))

    def begin(self) -> None:
        """Tell nobody."""

    def end(self, make_fitted: Callable[[], dict[str, Any]] | None = None) -> None:
        """Tell nobody."""


class TellsCallbacks(CallbackSupportMixin):  # type: ignore[misc]
    """An estimator with ``set_callbacks``: scikit-learn's callbacks are told of its fit and of the steps of it.

    Notes
    -----
    A method that tells them is decorated with `fit_context`, which ends what `tell_callbacks` has begun.

    References
    ----------
    scikit-learn enhancement proposal 23 (SLEP023), "Callback API".
    """

    def tell_callbacks(self, steps: int, X: Any, y: Any, sample_weight: Any = None, *, leads: bool = True) -> Tasks:
        """Begin to tell the callbacks of a fit.

        Parameters
        ----------
        steps : int
            How many there are at most.
        X, y : array-like
            The samples and targets that they are shown.
        sample_weight : array-like or None
        leads : bool
            Whether this process tells them, of those that train together.

        Returns
        -------
        Tasks
            The fit, begun.
        """
        if not leads:
            return SilentTasks(self)
        context = self._init_callback_context(max_subtasks=steps)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        tasks = Tasks(context, {"estimator": self, "X": X, "y": y, "metadata": metadata})
        tasks.begin()
        return tasks
