"""Data that ships with bpx: the truth table of XOR, three toys in the plane, and real handwritten digits.

Everything comes as NumPy arrays in a `Dataset`, which unpacks as ``x, y``.
"""

from bpx.datasets.catalog import load, names
from bpx.datasets.dataset import Dataset
from bpx.datasets.optical_digits import digits
from bpx.datasets.toys import circles, moons, spirals, xor

__all__ = ["Dataset", "circles", "digits", "load", "moons", "names", "spirals", "xor"]
