"""The network that people hold: what it computes is `Model`'s; here are its training, its showing and its keeping."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Never

import numpy as np

from bpx.backend.base import Array
from bpx.backend.selection import BackendSpec
from bpx.backend.transfer import convert_like
from bpx.core.file_rows import (
    MappedArrays,
    check_limit,
    is_larger,
    join,
    join_lists,
    may_be_in_files,
    open_arrays,
    predict_rows,
)
from bpx.core.model import Model
from bpx.errors import InputError
from bpx.layers.base import Layer, Params
from bpx.losses import Loss

if TYPE_CHECKING:  # what is needed for training alone is imported by the first training
    from bpx.core.regularization import Clip, Penalty
    from bpx.optimizers import Optimizer
    from bpx.training.history import History


class Network(Model):
    """Layers in a row, trained by backpropagation.

    Parameters
    ----------
    layers : sequence of Layer
        From input to output.
    loss : str or Loss
        "squared_error", "absolute_error", "huber", "quantile" (the median), "cross_entropy", "binary_cross_entropy",
        "poisson", or a Loss with settings such as ``Quantile(0.9)``. The cross-entropies take logits: the last layer is
        linear.
    dtype : str
        "float32" or "float64".
    seed : int or None
        Seed of weights, shuffles and dropout masks: the same seed gives the same numbers on every backend. None takes
        one from the operating system, kept in ``net.seed``.
    backend : str, Backend or None
        As for `get_backend`.
    precision : {"float32", "tf32", "bfloat16"}
        How the operands of matrix products are rounded: not, or to a mantissa of 10 or 7 bits, which GPUs multiply
        several times as fast. Sums, weights, optimizer state and all else stay in float32. For dtype "float32" alone.

    Raises
    ------
    InputError
        If the layers do not fit each other, or an argument has a value that it cannot have.
    BackendError
        If the backend cannot be used here, or does not have this dtype.

    See Also
    --------
    mlp : Build a multilayer perceptron.
    load : Read a network from its file.
    check_gradients : Hold gradients against central differences.
    explain : Take a training step apart.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.Network([bpx.Linear(2, 2), bpx.Sigmoid(), bpx.Linear(2, 1)], loss="squared_error", dtype="float64")
    >>> x, y = bpx.datasets.xor()
    >>> history = net.fit(x, y, epochs=3)
    >>> len(history.loss)
    3
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        loss: str | Loss = "squared_error",
        dtype: str = "float32",
        seed: int | None = 0,
        backend: BackendSpec = None,
        precision: str = "float32",
    ) -> None:
        super().__init__(layers, loss, dtype, seed, backend, precision)

    # -- learning -----------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        epochs: int,
        batch_size: int | Literal["auto"] | None = "auto",
        accumulate: int = 1,
        optimizer: str | Optimizer = "adam",
        validation_data: Any = None,
        sample_weight: Any = None,
        rows: Any = None,
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
        prefetch: bool = True,
        distributed: bool = False,
        **unknown: Never,
    ) -> History:
        """Train the network by backpropagation.

        Parameters
        ----------
        x : array_like (samples, n_in), list of arrays, or iterable of batches
            An array is moved to the network's device once; one that is mapped from a file (``numpy.memmap``,
            ``numpy.load(..., mmap_mode="r")``) and larger than ``memory_limit`` is read in blocks. A list of NumPy's
            arrays (n_i, n_in), one for each file, is one array with the rows of all, those of one after those of
            the other; together larger than ``memory_limit``, they are read in blocks, and never joined. Without ``y``:
            batches ``(x, y)`` or ``(x, y, sample_weight)`` from an iterable that starts again for each
            epoch (a list, a PyTorch ``DataLoader``), or a function that returns one; if it takes an argument, it is
            given the epoch's number, from 1.
        y : array_like, or None with an iterable of batches
            Targets: (samples, n_out), or (samples,) for one output; integer classes (samples,) or one-hot rows for
            cross_entropy. Beside a list of arrays one array, or a list of as many, of the same lengths; so are the
            weights of samples.
        epochs : int
            Passes over the samples. A training that is resumed counts from its first start.
        batch_size : int, "auto" or None
            Samples of a step; None takes the whole set at each step. "auto" takes the whole set where it has up to
            200 samples or the optimizer is L-BFGS, and 32 otherwise. The last batch of an epoch may be smaller. Batches
            of an iterable are taken as they are.
        accumulate : int
            Batches of a step, at least 1. Their gradients are added up, each by its share of the samples (or of the sum
            of their weights), before the weights move: a step is that of one batch as large as all of them, up to
            rounding, computed one batch after the other. The last step of an epoch may have fewer. Layers
            that look at a batch, as `BatchNorm` does, see each one by itself.
        optimizer : str or Optimizer
            "sgd", "adam", "adamw", "rmsprop", "lbfgs", or one with settings. Called again with the same settings, it
            continues from its state. With `bpx.Averaged` the network's parameters are averages over the steps.
        validation_data : tuple (x, y) or (x, y, sample_weight), iterable of batches, or None
            Evaluated after each epoch. Arrays may be mapped from files, or lists of them. A list of two or three
            counts as a tuple.
        sample_weight : array_like (samples,) or None
            Weights of the samples in the loss.
        rows : array_like of int (n,), or None
            Numbers, from 0, of the rows of ``x``, ``y`` and ``sample_weight`` to train on, if these are arrays in
            memory. The training is the same, to the bit, as one on ``x[rows]`` and ``y[rows]``, but makes no copy of
            them, which saves memory in a cross-validation. It does copy them where a step takes the whole set, or where
            there are metrics.
        class_weight : dict, "balanced" or None
            Weights of classes, by number; a class that is not named has 1. "balanced" gives class c the weight
            ``n / (k * n_c)``, with k classes that occur and n samples, n_c of them of class c (counted by their
            weights). A sample's weight in the loss is its own times that of its class.
        metrics : iterable of str, callable or pair (str, callable)
            Measured after each epoch on the training data, where that is in memory, and on the validation data:
            "accuracy", "balanced_accuracy", "top_3_accuracy" (any k), "macro_f1", "matthews_corrcoef", "roc_auc" and
            "average_precision" (means of each class against the rest), "log_loss", "brier_score", "r2",
            "mean_absolute_error", or functions ``f(y_true, y_pred)`` of NumPy arrays. ``y_true`` holds class ids (n,),
            or values (n,) or (n, n_out); ``y_pred`` probabilities for the cross-entropies, outputs otherwise.
        callbacks : iterable
            See `bpx.Callback`; a function is called with the run after each epoch.
        shuffle : bool or callable
            Whether each epoch visits the samples in an order of its own; without batches that changes nothing. A
            function of the epoch's number, from 0 over all calls, returns the order itself. Data that is read in blocks
            is shuffled by blocks, see Notes.
        progress : bool or None
            Whether a progress bar is shown, on standard error or in a notebook; None: where that is a terminal or a
            notebook runs this, and training takes a while.
        penalties : Penalty or sequence of Penalty
            `bpx.L1`, `bpx.L2`: added to the loss, for weights alone (``layer.weight_names``), not biases.
        clip : Clip or None
            `bpx.ClipValue` or `bpx.ClipNorm`: limits the gradients.
        checkpoint : path or None
            Folder for checkpoints, from which the training can be resumed to the same bits. One that holds those of
            another training is refused. Each file is also a network for `bpx.load`.
        checkpoint_every : int or str
            Epochs between two checkpoints, or "500 steps", "30 seconds". Whatever it is, one is written at the end of
            training and on Ctrl-C.
        keep : int or None
            How many checkpoints stay, the newest; None keeps all.
        on_checkpoint_error : str
            What happens when a checkpoint cannot be written (a full disk, a read-only folder): "warn" continues the
            training, "raise" ends it. The last whole one stays in either case.
        resume : path or None
            Folder of checkpoints, or one of its files: the training continues from the newest checkpoint that can be
            read. The network, the data and the settings must be the same; ``epochs`` may grow. Further checkpoints are
            written to the same folder, unless ``checkpoint`` says otherwise. Where ``checkpoint`` and ``resume`` name
            the same folder and it is still empty, the training starts from the beginning.
        memory_limit : int or None
            Bytes that samples, targets and weights of data read in blocks may take at a time; None is 512 MiB. With
            ``distributed`` it is that of all ranks together, for arrays in files.
        prefetch : bool
            Whether data read in blocks is read in a thread, while the block before it is in use. False: in the thread
            that called ``fit``, block after block, as sources need that belong to the thread that opened them (a
            connection of SQLite, a handle of a graphical interface).
        distributed : bool
            Whether the processes that ``mpirun``, ``srun`` or ``torchrun`` started train this network together: all
            call this method with the same arguments and the same data, and each takes a part of every batch, so that
            the numbers are those of one process up to rounding. Started alone, it changes nothing. See Notes.

        Returns
        -------
        History

        Raises
        ------
        UnknownArgumentError
            If there is an argument of another name; says where a learning rate belongs.
        InputError
            If an argument or an array is not as described, before any work (a batch of an iterable, or a block of a
            mapped array: when it is read); if a checkpoint is of another training, saying what differs.
        FileFormatError
            If there are checkpoints to resume, but none that is good.
        DivergenceError
            If a loss turns NaN or infinite; names epoch and batch.
        BackendError
            If the device runs out of memory; names the batch.
        BusyError
            If the network is being trained already, by another thread or by the call whose callback this is.
        Interrupted
            If Ctrl-C was pressed; the batch is finished and, with ``checkpoint``, saved first. A second Ctrl-C does not
            wait.

        Warns
        -----
        CheckpointWarning
            If a checkpoint cannot be written, or a damaged one is passed over.

        Notes
        -----
        Weights, shuffles and dropout masks are functions of the network's seed, the epoch and the step, so that a
        resumed training sees the same ones. For an iterable of batches this holds if it gives the same batches in the
        same epoch again; those before the checkpoint are drawn and dropped.

        Steps of several batches take little more memory than one batch. Measured on NumPy, 784-1024-1024-10, Adam,
        8,192 samples a step: beside data, weights and the optimizer's state 166 MiB as one batch, 69 as 8 batches
        of 1,024, in 1.07 times the time, 52 as 32 of 256, in 1.75 times; the gradients and their sum are 7 MiB each.

        Shuffling by blocks: of a mapped array, chunks of neighboring rows are put in a seeded order, up to 16 or so of
        them together are a block, and the rows of a block are put in a seeded order before batches are cut from it. Of
        an iterable, up to 64 batches in a row are a block, and their rows are exchanged; ``shuffle=False`` takes them
        as they come. A block takes at most a sixth of ``memory_limit``; while one is in use, a thread makes the next.
        Arrays of a batch may be filled with the next batch as soon as that is asked for.

        Batches that cannot be read in that thread: where this shows before the first of an epoch, and the iterable can
        start again, they are read where ``fit`` was called, with a warning; otherwise the exception has a note that
        names ``prefetch=False``. Batches of ``validation_data`` are always read where ``fit`` was called.

        With ``distributed``, a batch of b rows is shared out among P processes, the ranks: rank r takes the rows from
        ``r * b // P`` to before ``(r + 1) * b // P``, and one sum over all of loss and gradients makes a step. Rank 0
        calls the callbacks, shows the progress and writes and reads checkpoints, which any number of ranks resume. Its
        parameters, and its seed where ``seed=None``, are taken over by all. An exception is raised on all ranks, or
        ends all of them. L-BFGS and generators are refused, and so are layers of your own with random masks or running
        statistics. On Ctrl-C or SIGTERM, to any rank, all end with a checkpoint.

        Examples
        --------
        >>> import bpx
        >>> x, y = bpx.datasets.moons(200, seed=0)
        >>> net = bpx.mlp([2, 16, 1], loss="binary_cross_entropy", seed=0)
        >>> history = net.fit(x, y, epochs=40, batch_size=20, optimizer=bpx.Adam(0.01), metrics=["accuracy"])
        >>> history.metrics["accuracy"][-1] > 0.9
        True
        """
        from bpx.training.fit import fit, refuse_unknown

        if unknown:
            refuse_unknown(unknown, optimizer)
        return fit(
            self, x, y, epochs=epochs, batch_size=batch_size, accumulate=accumulate, optimizer=optimizer,
            validation_data=validation_data, sample_weight=sample_weight, rows=rows, class_weight=class_weight,
            metrics=metrics, callbacks=callbacks, shuffle=shuffle, progress=progress, penalties=penalties, clip=clip,
            checkpoint=checkpoint, checkpoint_every=checkpoint_every, keep=keep,
            on_checkpoint_error=on_checkpoint_error, resume=resume, memory_limit=memory_limit, prefetch=prefetch,
            distributed=distributed,
        )  # fmt: skip

    def gradients(
        self, x: Any, y: Any, sample_weight: Any = None, *, training: bool = False
    ) -> tuple[float, list[Params]]:
        """Return the loss of a batch and its gradient with respect to every parameter, frozen ones too.

        Parameters
        ----------
        x : array_like (samples, n_in)
        y : array_like
            Targets, as for `fit`.
        sample_weight : array_like (samples,) or None
        training : bool
            Whether layers behave as in training (dropout's mask of the next step, the batch's own statistics).

        Returns
        -------
        loss : float
            As the loss reduces it: mean over the batch or sum.
        gradients : list of dict
            Shaped like ``net.params``; arrays of x's library.

        Examples
        --------
        >>> import bpx
        >>> net = bpx.mlp([2, 2, 1], loss="squared_error", dtype="float64")
        >>> loss, gradients = net.gradients(*bpx.datasets.xor())
        >>> gradients[0]["weight"].shape
        (2, 2)
        """
        placed = self.place(x, y, sample_weight)
        value, grads = self.compute_gradients(*placed, training=training)
        return float(value), [{n: convert_like(x, g, self.backend) for n, g in part.items()} for part in grads]

    def evaluate(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        metrics: Iterable[Any] = (),
        *,
        memory_limit: int | None = None,
        distributed: bool = False,
    ) -> dict[str, float]:
        """Return the loss, where the targets are classes the accuracy, and further metrics.

        Parameters
        ----------
        x : array_like (samples, n_in), or list of arrays
            Of files, mapped or a list of them, as for `fit`.
        y : array_like
            Targets, as for `fit`.
        sample_weight : array_like (samples,) or None
        metrics : iterable of str, callable or pair (str, callable)
            As for `fit`.
        memory_limit : int or None
            Bytes from which on samples in files are read in pieces, each a sixth of it, of several ranks their part
            of that; None is 512 MiB. Metrics that need all predictions keep these beside it.
        distributed : bool
            Whether the samples are shared out among the ranks, as for `fit`. All have the same parameters, call this
            method with the same data, and get the same numbers.

        Returns
        -------
        dict
            ``"loss"``: mean over the samples (or sum, as the loss reduces); ``"accuracy"``: share of samples in [0, 1]
            whose class is right, for the cross-entropies, and for outputs of a sigmoid or softmax layer.

        Examples
        --------
        >>> import bpx
        >>> net = bpx.mlp([2, 2, 1], loss="binary_cross_entropy")
        >>> sorted(net.evaluate(*bpx.datasets.xor()))
        ['accuracy', 'loss']
        """
        from bpx.core.evaluation import check_metrics, measure, measure_at_once
        from bpx.metrics import list_metrics

        chosen = list_metrics(metrics)
        if distributed:
            from bpx.distributed.communicator import connect

            communicator = connect(self.backend, "evaluate")
            if communicator is not None:
                from bpx.core.together import measure_together

                return measure_together(self, communicator, x, y, sample_weight, chosen, memory_limit)
        if memory_limit is not None or may_be_in_files(x):
            opened = open_arrays(self, x, y, sample_weight, check_limit(memory_limit))
            if isinstance(opened, MappedArrays):
                check_metrics(self, chosen, None)
                return measure(self, opened.read_pieces(), chosen)
            x, y, sample_weight = opened
        if sample_weight is None and not chosen and self.backend.repeats:
            return measure_at_once(self, x, y)
        data = self.place(x, y, sample_weight)
        check_metrics(self, chosen, data[1])
        return measure(self, [data], chosen)

    def predict(self, x: Any, *, memory_limit: int | None = None, distributed: bool = False) -> Array:
        """Return what the network makes of samples: probabilities for the cross-entropies, outputs otherwise.

        Parameters
        ----------
        x : array_like (samples, n_in), or list of arrays
            Of files, mapped or a list of them, as for `fit`.
        memory_limit : int or None
            As for `evaluate`; the predictions come on top, as a whole.
        distributed : bool
            Whether the samples are shared out among the ranks, as for `fit`. All call this method with the same
            samples, and each gets all predictions.

        Returns
        -------
        array (samples, n_out)
            Of x's library and device, in the network's dtype.

        Raises
        ------
        InputError
            If x is not what the network takes.
        BusyError
            On JAX, if the network is being trained in another thread: the steps take the weights over. The same is true
            of `evaluate` and `gradients`, and of all that reads weights. Other libraries compute with the weights as
            they are at that moment; callbacks can read them everywhere.

        Examples
        --------
        >>> import bpx
        >>> net = bpx.mlp([2, 3], loss="cross_entropy")
        >>> float(net.predict([[0.0, 0.0]]).sum())
        1.0
        """
        if distributed:
            from bpx.distributed.communicator import connect

            communicator = connect(self.backend, "predict")
            if communicator is not None:
                from bpx.core.together import predict_together

                return convert_like(x, predict_together(self, communicator, x, memory_limit), self.backend)
        if memory_limit is not None or may_be_in_files(x):
            limit, (rows, _, _) = check_limit(memory_limit), join_lists(self, x)
            if is_larger(self, rows, limit):
                with self.backend.computing():
                    return convert_like(x, self._join(predict_rows(self, rows, limit)), self.backend)
            x = join(rows)
        with self.backend.computing():
            samples = self.place_samples(x, look=not self.backend.repeats)
            made = self.compute_predictions(samples)
            if not any(self._params):  # layers that only pass samples on may return the caller's own memory
                made = self.backend.copy(made)
            return convert_like(x, made, self.backend)

    # -- showing, keeping ---------------------------------------------------------------------------------

    def summary(self) -> str:
        """Return a table of the layers, their output shapes and their parameters: text, and HTML in notebooks."""
        from bpx.display import summarize

        return summarize(self)

    def memory(self) -> dict[str, int]:
        """Return how many bytes the network holds, by what they are for.

        Returns
        -------
        dict of str to int
            ``"parameters"``, ``"statistics"`` (those of `BatchNorm`), ``"optimizer"`` (the arrays of its state), and
            ``"recordings"``: buffers and working memory of what was recorded to be run again. On CuPy and on PyTorch
            with CUDA these are CUDA graphs, as far as the library counts their memory; on NumPy tapes of small steps,
            of which those of up to 128 KiB stay after a fit; on JAX and others none that bpx knows of.

        See Also
        --------
        release : lets go of the recordings.

        Examples
        --------
        >>> import bpx
        >>> bpx.mlp([2, 3, 1], loss="squared_error").memory()
        {'parameters': 52, 'statistics': 0, 'optimizer': 0, 'recordings': 0}
        """
        return self.count_bytes()

    def release(self) -> None:
        """Let go of what was recorded to be run again; the next calls record it anew where that pays.

        Parameters, running statistics, the optimizer's state and all numbers to come stay as they are. What is recorded
        goes with the network too, and with the arrays that it reads, such as those that `reset` replaces.

        Raises
        ------
        BusyError
            If the network is being trained.

        See Also
        --------
        memory : how much it is.

        Examples
        --------
        >>> import bpx
        >>> net = bpx.mlp([2, 3, 1], loss="squared_error")
        >>> history = net.fit(*bpx.datasets.xor(), epochs=20)
        >>> net.release()
        >>> net.memory()["recordings"]
        0
        """
        self.occupancy.require_free("recordings cannot be released")
        self.drop_recordings()

    def save(self, path: str | os.PathLike[str], *, card: str | None = None) -> None:
        """Write architecture and weights to a safetensors file, which `bpx.load` reads.

        Parameters
        ----------
        path : path
            Written beside and renamed, so that an older file stays whole until the new one is.
        card : str or None
            Text about the network for people, such as a model card in Markdown: what it is for, what it was trained on,
            where it fails. It stands in the file's metadata, and ``bpx show`` prints it.

        Raises
        ------
        InputError
            If the file cannot be written there, the network has more layers than a file describes, or the card is no
            text of up to a million characters.

        References
        ----------
        M. Mitchell et al., "Model cards for model reporting", 2019.

        Examples
        --------
        >>> import os, tempfile, bpx
        >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
        >>> bpx.mlp([2, 3]).save(path, card="# Three classes of points in the plane")
        >>> bpx.load(path).n_params
        9
        """
        from bpx.files import save

        save(self, path, card=card)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return weights and running statistics under PyTorch's names and in its layout.

        Layer i of the network is module i of a ``torch.nn.Sequential`` that has a module for every layer, activations
        and dropout included. `Linear` gives ``"i.weight"``, transposed to (n_out, n_in), and ``"i.bias"``; `LayerNorm`
        ``"i.weight"`` and ``"i.bias"``; `BatchNorm` these and ``"i.running_mean"``, ``"i.running_var"`` and
        ``"i.num_batches_tracked"``. The arrays of a `Residual` have the positions of both, as in ``"3.0.weight"``:
        those of a subclass of ``Sequential`` whose ``forward`` returns ``x + super().forward(x)``. So have those of
        `Columns`; layers that PyTorch does not have give their arrays as they are.

        Returns
        -------
        dict of numpy.ndarray
            Copies on the host, in the network's dtype, contiguous. ``num_batches_tracked`` is an int64 without axes:
            the training steps of this network so far. PyTorch uses it only where ``momentum=None``, which bpx does not
            have.

        See Also
        --------
        load_state_dict : the way back.

        Notes
        -----
        bpx's own files, of ``net.save``, keep the architecture too; a state dict is arrays alone.

        Examples
        --------
        >>> import bpx
        >>> net = bpx.mlp([2, 3, 1], loss="binary_cross_entropy")
        >>> {key: array.shape for key, array in net.state_dict().items()}
        {'0.weight': (3, 2), '0.bias': (3,), '2.weight': (1, 3), '2.bias': (1,)}

        To PyTorch through a file, whose other end is ``model.load_state_dict(safetensors.torch.load_file(path))``, or
        with no file by ``torch.from_numpy`` of each array:

        >>> import os, tempfile, safetensors.numpy
        >>> path = os.path.join(tempfile.mkdtemp(), "weights.safetensors")
        >>> safetensors.numpy.save_file(net.state_dict(), path)

        And from PyTorch, whose end is ``safetensors.torch.save_file(model.state_dict(), path)``:

        >>> other = bpx.mlp([2, 3, 1], loss="binary_cross_entropy", seed=1)
        >>> other.load_state_dict(safetensors.numpy.load_file(path))
        >>> bool((other.predict([[0.0, 1.0]]) == net.predict([[0.0, 1.0]])).all())
        True
        """
        from bpx.files.pytorch import make_state_dict

        return make_state_dict(self)

    def load_state_dict(self, arrays: Mapping[str, Any]) -> None:
        """Take over weights and running statistics that have PyTorch's names and layout.

        Every array of the network must be there, in its shape, and no other; nothing is changed unless all fit. Only
        ``num_batches_tracked`` may be missing, and is not used. The state of the optimizer stays as it is: for a fresh
        start of the training call ``net.reset()`` first.

        Parameters
        ----------
        arrays : mapping of str to array_like
            As `state_dict` describes them, of any floating-point dtype; copied, and converted to the network's. Tensors
            of a PyTorch ``model.state_dict()`` are taken as they are, on any device.

        Raises
        ------
        InputError
            If names are missing or unexpected, a shape is wrong, or an array holds no real numbers; the message lists
            all that is wrong.

        See Also
        --------
        state_dict : the names and layouts, and the way through a file.

        Examples
        --------
        >>> import bpx
        >>> net = bpx.mlp([2, 1], loss="squared_error")
        >>> net.load_state_dict({"0.weight": [[1.0, 2.0]], "0.bias": [0.5]})
        >>> float(net.predict([[3.0, 4.0]])[0, 0])
        11.5
        """
        from bpx.files.pytorch import load_state_dict

        load_state_dict(self, arrays)

    def export_onnx(
        self, path: str | os.PathLike[str], *, logits: bool = False, sample_shape: Sequence[int] | None = None
    ) -> None:
        """Write the network as an ONNX file, for prediction in other runtimes.

        The graph has one input, ``"x"`` of shape (batch, n_in) with a batch of any size, and one output, ``"y"``: what
        `Network.predict` returns, in the network's dtype. Dropout is not in it, and BatchNorm uses its running
        statistics. Weights are stored under the names and in the layout of `Network.state_dict`.

        Parameters
        ----------
        path : path
            Written beside and renamed, so that an older file stays whole until the new one is.
        logits : bool
            Whether ``"y"`` is the last layer's outputs, where predictions are probabilities (the cross-entropies; for
            ``poisson``, rates).
        sample_shape : sequence of int or None
            Shape of one sample, for a network that takes several, as one that starts with `Flatten` does.

        Raises
        ------
        InputError
            If onnx is not installed, or ndonnx where something is to be traced; a layer or a loss of your own does what
            no graph can hold (the message names it and the reason); ``sample_shape`` is missing or does not fit; the
            weights are larger than an ONNX file can be; or the file cannot be written.

        Warns
        -----
        FileWarning
            If the network has a ``precision`` below "float32": the file computes in float32.

        See Also
        --------
        export_training_onnx : a step of training as a file.

        Notes
        -----
        Losses and most layers of bpx name ONNX operators, of opset 17 (2022). A part that names none, as is usual for
        a layer of your own, is traced: its ``forward``, or the loss's ``probabilities``, is called with arrays of
        ndonnx, which record what is done to them. They have a shape, in which None stands for the batch's length, and
        no numbers. A file with such a part says opset 21 (2024). Of bpx's layers, `Embedding`, `PiecewiseLinear`,
        `Periodic`, `PBLD`, `Members` and `MemberLinear` are traced.

        ONNX Runtime has no erf in double precision, so in a float64 network the exact `GELU` takes it in float32, which
        is off by up to 1e-7. Settings such as ``eps`` are float32 in ONNX.

        Examples
        --------
        In ONNX Runtime, after ``net.export_onnx("net.onnx")``::

            session = onnxruntime.InferenceSession("net.onnx")
            (y,) = session.run(None, {"x": x.astype(net.dtype)})
        """
        from bpx.files.onnx import export_onnx

        export_onnx(self, path, logits=logits, sample_shape=sample_shape)

    def export_training_onnx(
        self,
        path: str | os.PathLike[str],
        *,
        batch_size: int,
        optimizer: str | Optimizer = "adam",
        steps_per_epoch: int | None = None,
        sample_shape: Sequence[int] | None = None,
    ) -> None:
        """Write one step of training as an ONNX file, for other runtimes to train with.

        The graph is traced from the code that `fit` runs: forward, backward and update. Its inputs are a batch, ``"x"``
        and ``"y"``, and the state of the training; its outputs are ``"loss"``, a scalar, and for each part of the state
        what it is after the step, by the same name with ``"next."`` before it and in the same order. A loop feeds these
        back, and needs nothing else: learning rates, bias corrections and the keys of dropout masks follow in the graph
        from the count of steps, which is part of the state.

        The file holds the state to begin with: the network's parameters and running statistics, and the counts and the
        optimizer's arrays of the training that `fit` would continue; of arrays that are all one number, that number.
        Begin with zeros for the whole state, ``"started"`` false among them: the step then takes what is stored. With
        ``"started"`` true it takes what it is given, such as parameters of your own.

        Parameters
        ----------
        path : path
            Written beside and renamed, so that an older file stays whole until the new one is.
        batch_size : int
            Samples of a batch, at least 1; the file takes batches of this size alone.
        optimizer : str or Optimizer
            As for `fit`; all but "lbfgs".
        steps_per_epoch : int or None
            Where the schedule of the learning rate counts epochs, steps of one.
        sample_shape : sequence of int or None
            Shape of one sample, for a network that takes several, as one that starts with `Flatten` does.

        Raises
        ------
        InputError
            If onnx or ndonnx is not installed; ``batch_size`` is no whole number of at least 1; there is no such
            optimizer, or it is L-BFGS; the schedule counts epochs and ``steps_per_epoch`` is missing; ``sample_shape``
            is missing or does not fit; no parameter is trained; the arrays are larger than an ONNX file can be; a
            layer, loss, optimizer or schedule of your own does what no graph can hold (the message names it and the
            reason); or the file cannot be written.

        Warns
        -----
        FileWarning
            If the network has a ``precision`` below "float32": the file computes in float32.

        See Also
        --------
        export_onnx : the network for prediction.

        Notes
        -----
        ========================  ==========================  ====================================================
        input                     dtype, shape                what it is
        ========================  ==========================  ====================================================
        ``x``                     the network's, (batch, …)   samples
        ``y``                     int32, (batch,)             classes, where the loss takes classes (cross_entropy)
        ``y``                     the network's, (batch, …)   targets, for any other loss
        ``step``                  int32, ()                   steps of the optimizer so far
        ``keys``                  int32, (n,)                 keys of this step's dropout masks, where there are any
        ``0.weight`` …            the network's               parameters, named and laid out as in ``net.params``
        ``1.running_mean`` …      the network's               running statistics, as in ``net.state``
        ``0.weight.slot0`` …      the network's               the optimizer's arrays, such as Adam's moments
        ``started``               bool, ()                    whether the state that is given counts
        ========================  ==========================  ====================================================

        The metadata of the file say the same of it: ``loss``, ``optimizer``, ``batch_size``, and ``inputs`` and
        ``outputs`` as JSON. Targets are not checked: a class that is not there is one-hot without a one. Penalties,
        limits on gradients and weights of samples are not in the file. Frozen parameters are returned as they came.
        Keys may be given by the caller instead, any numbers; fed back, the masks are those of `fit`. With
        `bpx.Averaged` parameters are averages, and the last slot of each is the parameter that the steps move.
        Operators are those of ndonnx's opset (21, of 2024); of float64 networks the numbers of a step are float64 too.

        Examples
        --------
        In ONNX Runtime, after ``net.export_training_onnx("step.onnx", batch_size=32)``, with ``x`` and ``y`` of the
        file's dtypes::

            dtypes = {"tensor(float)": "float32", "tensor(int32)": "int32", "tensor(bool)": "bool"}
            session = onnxruntime.InferenceSession("step.onnx")
            state = {i.name: numpy.zeros(i.shape, dtypes[i.type]) for i in session.get_inputs()}
            for x, y in batches:
                loss, *after = session.run(None, {**state, "x": x, "y": y})
                state = dict(zip([i.name for i in session.get_inputs()[2:]], after))
        """
        from bpx.files.onnx_training import export_training_onnx

        export_training_onnx(
            self,
            path,
            batch_size=batch_size,
            optimizer=optimizer,
            steps_per_epoch=steps_per_epoch,
            sample_shape=sample_shape,
        )

    def __repr__(self) -> str:
        layers = ", ".join(map(repr, self.layers))
        precision = "" if self.precision == "float32" else f", precision={self.precision!r}"
        return (
            f"Network([{layers}], loss={self.loss.name!r}, dtype={self.dtype!r}, seed={self.seed}, "
            f"backend={self.backend.spec!r}{precision})"
        )

    def _repr_html_(self) -> str:
        from bpx.display import make_html

        return make_html(self)


def load(path: str | os.PathLike[str], backend: BackendSpec = None) -> Network:
    """Read a network from a file that `Network.save` wrote.

    Parameters
    ----------
    path : path
    backend : str, Backend or None
        Where the network is to live, as for `get_backend`; the file does not say.

    Returns
    -------
    Network
        With the saved weights; its optimizer starts anew. A checkpoint of ``fit`` is read like any other file of a
        network; to resume its training, use ``fit(..., resume=path)``.

    Raises
    ------
    FileFormatError
        If the file is truncated or damaged, is no safetensors file, holds another format or version, or arrays that do
        not fit the architecture.
    InputError
        If there is no such file, or it cannot be read.

    Warns
    -----
    FileWarning
        If the file was written by an earlier bpx, without a checksum.

    See Also
    --------
    Network.save : Write a network to its file.
    Network : Layers, a loss and their parameters.
    FileFormatError : A file is damaged or of another kind.

    Examples
    --------
    >>> import os, tempfile, bpx
    >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
    >>> bpx.mlp([2, 3]).save(path)
    >>> bpx.load(path).n_params
    9
    """
    return load_with_extra(path, backend)[0]


def load_with_extra(path: str | os.PathLike[str], backend: BackendSpec = None) -> tuple[Network, dict[str, Any] | None]:
    """Read a network and the plain data kept with it, both from the same file even if that is replaced meanwhile.

    Raises
    ------
    FileFormatError, InputError
        As for `load`.
    """
    from bpx.files.array_file import describe_fault
    from bpx.files.network_file import check_arrays, fill, open_network, read_architecture, read_extra

    with open_network(path) as file:
        architecture = read_architecture(file)
        try:
            net = Network.without_arrays(**architecture, backend=backend)
        except InputError as error:
            raise describe_fault(path, f": the network it describes cannot be built: {error}") from error
        check_arrays(file, net.layers)
        fill(file, net)
        return net, read_extra(file)
