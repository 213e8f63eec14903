"""Training: ``fit``, what it keeps between calls, and the run that callbacks see."""

from bpx.training.fitting import fit
from bpx.training.run import Run
from bpx.training.state import TrainingState

__all__ = ["Run", "TrainingState", "fit"]
