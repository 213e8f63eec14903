"""Training: ``fit``, what it keeps between calls, and the run that callbacks see."""

from bpx.training.fitting import fit  # all else is imported by the first fit

__all__ = ["fit"]
