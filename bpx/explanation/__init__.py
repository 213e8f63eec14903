"""Backpropagation on one's own network, number by number: `explain`, its `Trace`, and the page that shows it."""

from bpx.explanation.chain import Chain, Factor, Path
from bpx.explanation.explaining import explain
from bpx.explanation.lab_page import lab
from bpx.explanation.page_file import write_page
from bpx.explanation.pagedata import page_data
from bpx.explanation.quantity import Quantity
from bpx.explanation.step_trace import LayerTrace, StepTrace
from bpx.explanation.trace import Trace

__all__ = [
    "Chain",
    "Factor",
    "LayerTrace",
    "Path",
    "Quantity",
    "StepTrace",
    "Trace",
    "explain",
    "lab",
    "page_data",
    "write_page",
]
