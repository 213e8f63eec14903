"""``Network.fit``: the arguments of a training, and what it returns."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bpx.history import History
    from bpx.network import Network
    from bpx.optimizers import Optimizer
    from bpx.regularization import Clip, Penalty


def fit(
    net: Network,
    x: Any,
    y: Any = None,
    *,
    epochs: int,
    batch_size: int | None = None,
    optimizer: str | Optimizer = "adam",
    validation_data: Any = None,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | str | None = None,
    metrics: Iterable[Any] = (),
    callbacks: Iterable[Any] = (),
    shuffle: bool | Callable[[int], Any] = True,
    progress: bool | None = None,
    penalties: Penalty | Sequence[Penalty] = (),
    clip: Clip | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | str = 1,
    keep: int | None = 3,
    on_checkpoint_error: str = "warn",
    resume: str | os.PathLike[str] | None = None,
    memory_limit: int | None = None,
) -> History:
    """Train the network by backpropagation.

    Parameters
    ----------
    x : array_like (samples, n_in), or iterable of batches
        An array is moved to the network's device once; one that is mapped from a file (``numpy.memmap``,
        ``numpy.load(..., mmap_mode="r")``) and larger than ``memory_limit`` is read in blocks. Without ``y``: batches
        ``(x, y)`` or ``(x, y, sample_weight)`` from an iterable that can be gone through anew for each epoch (a list, a
        PyTorch ``DataLoader``), or a function that returns one; if it takes an argument, it is given the epoch's
        number, from 1.
    y : array_like, or None with an iterable of batches
        Targets: (samples, n_out), or (samples,) for one output; integer classes (samples,) or one-hot rows for
        cross_entropy.
    epochs : int
        Passes over the samples. A training that is resumed counts from its first start.
    batch_size : int or None
        Samples of a step; None takes the whole set at each step. The last batch of an epoch may be smaller. Batches of
        an iterable are taken as they are.
    optimizer : str or Optimizer
        "sgd", "adam", "adamw", "rmsprop", or one with settings. Called again with the same settings, its state goes on.
    validation_data : tuple (x, y) or (x, y, sample_weight), iterable of batches, or None
        Evaluated after each epoch. Arrays may be mapped from files. A list counts as a tuple.
    sample_weight : array_like (samples,) or None
        Weights of the samples in the loss.
    class_weight : dict, "balanced" or None
        Weights of classes, by number; a class that is not named has 1. "balanced" gives class c the weight
        ``n / (k * n_c)``, with k classes that occur and n samples, n_c of them of class c (counted by their weights). A
        sample's weight in the loss is its own times that of its class.
    metrics : iterable of str, callable or pair (str, callable)
        Measured after each epoch on the training data, where that is in memory, and on the validation data:
        "accuracy", "top_3_accuracy" (any k), "macro_f1", "roc_auc" (mean of each class against the rest), "r2",
        "mean_absolute_error", or functions ``f(y_true, y_pred)`` of NumPy arrays. ``y_true`` holds class ids (n,), or
        values (n,) or (n, n_out); ``y_pred`` probabilities for the cross-entropies, outputs otherwise.
    callbacks : iterable
        See `bpx.Callback`; a function is called with the run after each epoch.
    shuffle : bool or callable
        Whether each epoch visits the samples in an order of its own; without batches that changes nothing. A function
        of the epoch's number, from 0 over all calls, returns the order itself. Data that is read in blocks is shuffled
        by blocks, see Notes.
    progress : bool or None
        Whether a progress bar is shown on standard error; None: where that is a terminal and training takes a while.
    penalties : Penalty or sequence of Penalty
        `bpx.L1`, `bpx.L2`: added to the loss.
    clip : Clip or None
        `bpx.ClipValue` or `bpx.ClipNorm`: limits the gradients.
    checkpoint : path or None
        Folder for checkpoints, from which the training can be resumed to the same bits. One that holds those of another
        training is refused. Each file is also a network for `bpx.load`.
    checkpoint_every : int or str
        Epochs between two checkpoints, or "500 steps", "30 seconds". Whatever it is, one is written at the end of
        training and on Ctrl-C.
    keep : int or None
        How many checkpoints stay, the newest; None keeps all.
    on_checkpoint_error : str
        What happens when a checkpoint cannot be written (a full disk, a read-only folder): "warn" goes on training,
        "raise" ends it. The last whole one stays in either case.
    resume : path or None
        Folder of checkpoints, whose newest good one is gone on from, or one of its files. The network, the data and the
        settings must be the same; ``epochs`` may grow. Further checkpoints go there too, unless ``checkpoint`` says
        otherwise. With ``checkpoint`` naming the same folder, a training whose folder is still empty starts anew.
    memory_limit : int or None
        Bytes that samples, targets and weights of data read in blocks may take at a time; None is 512 MiB.

    Returns
    -------
    History

    Raises
    ------
    InputError
        If an argument or an array is not as described, before any work (a batch of an iterable, or a block of a mapped
        array: when it is read); if a checkpoint is of another training, saying what differs.
    FileFormatError
        If there are checkpoints to resume, but none that is good.
    DivergenceError
        If a loss turns NaN or infinite; names epoch and batch.
    BackendError
        If the device runs out of memory; names the batch.
    Interrupted
        If Ctrl-C was pressed; the batch is finished and, with ``checkpoint``, saved first. A second Ctrl-C does not
        wait.

    Warns
    -----
    CheckpointWarning
        If a checkpoint cannot be written, or a damaged one is passed over.

    Notes
    -----
    Weights, shuffles and dropout masks are functions of the network's seed, the epoch and the step, so that a resumed
    training sees the same ones. For an iterable of batches this holds if it gives the same batches in the same epoch
    again; those before the checkpoint are gone through and dropped.

    Shuffling by blocks: of a mapped array, chunks of neighboring rows are put in a seeded order, up to 16 or so of them
    together are a block, and the rows of a block are put in a seeded order before batches are cut from it. Of an
    iterable, up to 64 batches in a row are a block, and their rows are exchanged; ``shuffle=False`` takes them as they
    come. A block takes at most a sixth of ``memory_limit``; while one is in use, a thread makes the next.

    Examples
    --------
    >>> import bpx
    >>> x, y = bpx.datasets.moons(200, seed=0)
    >>> net = bpx.mlp([2, 16, 1], loss="binary_cross_entropy", seed=0)
    >>> history = net.fit(x, y, epochs=40, batch_size=20, optimizer=bpx.Adam(0.01), metrics=["accuracy"])
    >>> history.metrics["accuracy"][-1] > 0.9
    True
    """
    from bpx.training.run import Run

    run = Run(
        net, x, y, epochs=epochs, batch_size=batch_size, optimizer=optimizer, validation_data=validation_data,
        sample_weight=sample_weight, class_weight=class_weight, metrics=metrics, callbacks=callbacks, shuffle=shuffle,
        progress=progress, penalties=penalties, clip=clip, checkpoint=checkpoint, checkpoint_every=checkpoint_every,
        keep=keep, on_checkpoint_error=on_checkpoint_error, resume=resume, memory_limit=memory_limit,
    )  # fmt: skip
    return run.train()
