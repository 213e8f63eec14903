"""Real handwritten digits, small enough to ship: the UCI optical digits."""

from __future__ import annotations

import numpy as np

from bpx.datasets.dataset import Dataset

__all__ = ["digits"]


def digits() -> Dataset:
    """Return 1,797 handwritten digits as images of 8x8 pixels.

    Returns
    -------
    Dataset
        `x`, shape (1797, 64), float64: images row by row, whole numbers from 0 (paper) to 16 (ink); divide by 16 for
        values from 0 to 1. `y`, shape (1797,), int64: the digit, 0 to 9. Each call returns arrays of its own.

    See Also
    --------
    bpx.datasets.load : A data set by its name.
    bpx.datasets.Dataset : Data, as ``x, y``.

    Notes
    -----
    These are the data of scikit-learn's ``load_digits``, in the same order. The file holds integers in NumPy's
    compressed format and is read with ``allow_pickle=False``.

    References
    ----------
    E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998,
    https://doi.org/10.24432/C50P49. CC BY 4.0.

    Examples
    --------
    >>> import bpx.datasets
    >>> x, y = bpx.datasets.digits()
    >>> for row in x[0].reshape(8, 8):
    ...     print("".join(" .:-=+*#%"[int(value) // 2] for value in row).rstrip())
      :*=
      *#+#:
     .#. +=
     :*  ==
     :=  ==
     :+  *-
     .#:+*
      -*+
    >>> int(y[0])
    0
    """
    from importlib.resources import files  # many modules, so not before it is needed

    with files("bpx.datasets").joinpath("data/digits.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        images, labels = arrays["images"], arrays["labels"]
    return Dataset(
        name="digits",
        x=images.astype(np.float64),
        y=labels.astype(np.int64),
        feature_names=tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8)),
        class_names=tuple("0123456789"),
        description="Handwritten digits of 13 people as images of 8x8 pixels with values from 0 to 16.",
        source="E. Alpaydin, C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning "
        "Repository, https://doi.org/10.24432/C50P49, CC BY 4.0.",
    )
