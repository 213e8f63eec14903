"""Networks in files: bpx's own, PyTorch's names and layout of weights, and ONNX."""

from bpx.files.network_file import load_extra, read_card, save

__all__ = ["load_extra", "read_card", "save"]
