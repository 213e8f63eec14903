"""Tables for networks: reading files, finding what the columns are, encoding them, and writing predictions.

>>> from bpx.tables import Preprocessor, prepare, read_table, write_predictions

Training takes ``prepare(read_table("data.csv"), "species")``: arrays for `fit`, and the `Preprocessor` whose `to_dict`
goes into the model file. Prediction takes ``Preprocessor.from_dict``, reads with
``read_table(path, text=fitted.text_columns, types=fitted.types, known_texts=fitted.known_texts)`` and what else
`read_table` was told in training, encodes with `Preprocessor.transform`, and turns the network's predictions back with
`Preprocessor.decode_target`.

Polars (extra ``table``) is imported when a table is first used, not with this package.
"""

from bpx.tables.parsing import parse_columns
from bpx.tables.preparing import Prepared, prepare
from bpx.tables.preprocessor import Preprocessor
from bpx.tables.reading import read_table
from bpx.tables.splitting import split
from bpx.tables.target import ClassTarget, NumberTarget
from bpx.tables.writing import predictions_table, write_predictions

__all__ = [
    "ClassTarget",
    "NumberTarget",
    "Prepared",
    "Preprocessor",
    "parse_columns",
    "predictions_table",
    "prepare",
    "read_table",
    "split",
    "write_predictions",
]
