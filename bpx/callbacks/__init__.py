"""The callbacks that come with bpx; what a callback is stands in `bpx.training.callback`."""

from bpx.callbacks.early_stopping import EarlyStopping
from bpx.callbacks.log_files import CSVLog, JSONLinesLog
from bpx.callbacks.model_files import Checkpoint
from bpx.callbacks.plateau import ReduceOnPlateau
from bpx.callbacks.reports import LearningRateRecorder, ProgressPrinter
from bpx.callbacks.tensorboard import TensorBoard

__all__ = [
    "CSVLog",
    "Checkpoint",
    "EarlyStopping",
    "JSONLinesLog",
    "LearningRateRecorder",
    "ProgressPrinter",
    "ReduceOnPlateau",
    "TensorBoard",
]
