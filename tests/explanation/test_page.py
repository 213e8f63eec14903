"""`render_page` without a browser: what it refuses, and that data cannot break out of their place in the page."""

from __future__ import annotations

import base64
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bpx.errors import InputError
from bpx.explanation.page import MAX_PAGE_BYTES, render_page

_spec = importlib.util.spec_from_file_location("page_data", Path(__file__).with_name("page_data.py"))
assert _spec is not None
assert _spec.loader is not None
page_data = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(page_data)


def _small(**changes: Any) -> dict[str, Any]:
    layers = [page_data.linear(2, 1)]
    return {**page_data.network(layers, {"kind": "squared_error", "reduction": "mean"}, np.ones((2, 1))), **changes}


def _embedded(page: str) -> Any:
    (text,) = re.findall(r'<script type="application/json" id="bpx-data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


def _unpack(packed: dict[str, Any]) -> Any:
    dtype = {"float32": "<f4", "float64": "<f8"}[packed["dtype"]]
    flat = np.frombuffer(base64.b64decode(packed["base64"]), dtype=dtype)
    return flat.reshape(packed["shape"]).astype(np.float64)


def test_both_placeholders_are_filled_and_the_data_come_back() -> None:
    data = _small(title="A title")
    page = render_page(data)
    assert "__BPX_" not in page
    assert "<title>A title</title>" in page
    assert _embedded(page) == json.loads(json.dumps(data))


@pytest.mark.parametrize(
    "text",
    ["</script><script>alert(1)</script>", "<!--<script>", "a & b", "\u2028\u2029", "__BPX_DATA__", "\\1 \\g<0>"],
)
def test_text_in_the_data_stays_text(text: str) -> None:
    plain = render_page(_small(title="x"))
    page = render_page(_small(title=text, class_names=[text]))
    assert page.count("<script") == plain.count("<script")
    assert page.count("</script") == plain.count("</script")
    data = re.search(r'id="bpx-data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert not set("<>&\u2028\u2029") & set(data[1])
    assert _embedded(page)["title"] == text
    assert _embedded(page)["class_names"] == [text]


def test_long_arrays_are_packed_without_loss() -> None:
    rng = np.random.default_rng(0)
    double = rng.normal(size=(10, 20))
    single = double.astype(np.float32)
    data = _small()
    data["snapshots"] = [{"step": 0, "loss": 1.0, "params": [{"weight": double, "bias": single.ravel()}]}]
    data["samples"] = {"x": double.tolist(), "y": np.arange(3)}
    (params,) = _embedded(render_page(data))["snapshots"][0]["params"]
    assert params["weight"]["dtype"] == "float64"
    assert params["bias"]["dtype"] == "float32"
    np.testing.assert_array_equal(_unpack(params["weight"]), double)
    np.testing.assert_array_equal(_unpack(params["bias"]), single.ravel())
    samples = _embedded(render_page(data))["samples"]
    np.testing.assert_array_equal(_unpack(samples["x"]), double)
    assert samples["y"] == [0, 1, 2]


def test_numbers_that_are_not_finite_survive() -> None:
    data = _small(losses={"step": [0, 1, 2], "loss": [1.0, float("nan"), float("inf")]})
    data["snapshots"] = [{**data["snapshots"][0], "loss": float("nan")}]
    embedded = _embedded(render_page(data))
    np.testing.assert_array_equal(_unpack(embedded["losses"]["loss"]), [1.0, np.nan, np.inf])
    assert embedded["snapshots"][0]["loss"] is None


def test_a_missing_entry_is_named() -> None:
    data = _small()
    del data["samples"], data["loss"]
    with pytest.raises(InputError, match=r"missing: loss, samples"):
        render_page(data)


def test_another_format_is_refused() -> None:
    with pytest.raises(InputError, match=r"format 'bpx-explain/1', got 'bpx-explain/0'"):
        render_page(_small(format="bpx-explain/0"))


def test_a_page_that_is_too_large_is_refused_unless_asked_for() -> None:
    large = _small(notes=["x" * MAX_PAGE_BYTES])
    with pytest.raises(InputError, match=r"more than 1,000,000; give fewer snapshots or samples"):
        render_page(large)
    assert len(render_page(large, max_bytes=None)) > MAX_PAGE_BYTES


def test_the_page_names_no_address_to_load_from() -> None:
    page = render_page(_small())
    assert "default-src 'none'" in page
    assert not re.search(r"""(?:src|href|action)\s*=\s*["']?(?!#)\w""", page.split("<script>")[0])
    assert not re.search(r"@import|url\((?!#)|XMLHttpRequest|WebSocket|sendBeacon|importScripts", page)


def test_the_page_has_the_licenses_of_what_it_bundles() -> None:
    page = render_page(_small())
    for name in ("preact", "temml", "d3-array", "d3-contour", "d3-scale"):
        assert re.search(rf"^(?:.*>)?{name} \d+\.\d+\.\d+ \((?:MIT|ISC)\)$", page, re.MULTILINE), name
    assert page.count("Permission ") >= 10
