"""What can listen to a training: the protocol, and the listeners that come with bpx."""

from bpx.callbacks.early_stopping import EarlyStopping
from bpx.callbacks.log_files import CSVLog, JSONLinesLog
from bpx.callbacks.model_files import Checkpoint
from bpx.callbacks.plateau import ReduceOnPlateau
from bpx.callbacks.protocol import Callback, as_callbacks
from bpx.callbacks.reports import LearningRateRecorder, ProgressPrinter
from bpx.callbacks.tensorboard import TensorBoard

__all__ = [
    "CSVLog",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "JSONLinesLog",
    "LearningRateRecorder",
    "ProgressPrinter",
    "ReduceOnPlateau",
    "TensorBoard",
    "as_callbacks",
]
