"""Pictures of a training and of what came of it, drawn with matplotlib (extra ``plot``), which is imported on use.

Every function draws on the axes that it is given, or on those of a new figure, and returns them: to change a picture,
change them. No function needs a display. Colors are distinct with any color vision, and where they carry meaning,
marker shapes, line styles or numbers carry it too.
"""

from bpx.plot.boundary import decision_boundary
from bpx.plot.confusion import confusion_matrix
from bpx.plot.curves import learning_curves
from bpx.plot.histograms import gradient_histograms, weight_histograms
from bpx.plot.predictions import predictions
from bpx.plot.rates import learning_rates
from bpx.plot.report import training_report
from bpx.plot.saving import save

__all__ = [
    "confusion_matrix",
    "decision_boundary",
    "gradient_histograms",
    "learning_curves",
    "learning_rates",
    "predictions",
    "save",
    "training_report",
    "weight_histograms",
]
