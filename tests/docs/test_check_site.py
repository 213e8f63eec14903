"""scripts/check_site.py: what it finds in a site, and what it lets pass."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "check_site.py"
spec = importlib.util.spec_from_file_location("check_site", SCRIPT)
check_site = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check_site)


@pytest.fixture
def site(tmp_path):
    """A site without a fault, of two pages, a style and a script."""
    (tmp_path / "_static").mkdir()
    (tmp_path / "reference").mkdir()
    (tmp_path / "_static" / "site.css").write_text(
        "@import 'more.css'; p { background: url(data:image/png;base64,AA) }"
    )
    (tmp_path / "_static" / "site.js").write_text("")
    (tmp_path / "_static" / "template.html").write_text("<a href='{{ path }}'></a>")
    (tmp_path / "index.html").write_text(
        "<link rel='stylesheet' href='_static/site.css?v=1'><script src='_static/site.js'></script>"
        "<link rel='canonical' href='https://example.org/'><h1 id='top'>Start</h1><a href='#top'></a>"
        "<a href='reference/bpx.ReLU.html#bpx.ReLU'></a><a href='https://example.org'></a><a href='mailto:a@b.c'></a>"
    )
    (tmp_path / "reference" / "bpx.ReLU.html").write_text(
        "<h1>bpx.ReLU<a href='#bpx.ReLU'>#</a></h1><dt id='bpx.ReLU'></dt><a href='../index.html'></a>"
    )
    return tmp_path


def _add(site, html):
    (site / "index.html").write_text((site / "index.html").read_text() + html)
    return list(check_site.find_faults(site, ["bpx.ReLU"]))


def test_a_good_site_has_no_fault(site):
    assert _add(site, "") == []


@pytest.mark.parametrize(
    "html, fault",
    [
        ("<a href='gone.html'></a>", "index.html leads to gone.html, which is not there"),
        ("<img src='gone.png'>", "index.html leads to gone.png, which is not there"),
        ("<a href='#gone'></a>", "index.html leads to #gone, and index.html has no such place"),
        (
            "<a href='reference/bpx.ReLU.html#gone'></a>",
            "index.html leads to reference/bpx.ReLU.html#gone, and reference/bpx.ReLU.html has no such place",
        ),
        ("<script src='https://cdn.example/a.js'></script>", "index.html loads https://cdn.example/a.js"),
        ("<link rel='stylesheet' href='//cdn.example/a.css'>", "index.html loads //cdn.example/a.css"),
        ("<iframe src='http://example.org/'></iframe>", "index.html loads http://example.org/"),
    ],
)
def test_each_fault_is_named(site, html, fault):
    assert _add(site, html) == [fault]


@pytest.mark.parametrize("css", ["@import 'https://fonts.example/a.css';", 'p { src: url( "//fonts.example/a.woff") }'])
def test_a_style_that_asks_another_server_is_a_fault(site, css):
    (site / "_static" / "site.css").write_text(css)
    (fault,) = _add(site, "")
    assert fault.startswith("_static/site.css loads ")
    assert "//fonts.example/a." in fault


def test_a_public_name_without_its_page_is_a_fault(site):
    (site / "reference" / "bpx.Tanh.html").write_text("<h1>Tanh</h1>")
    assert list(check_site.find_faults(site, ["bpx.ReLU", "bpx.Tanh", "bpx.SGD"])) == [
        "bpx.Tanh has no page reference/bpx.Tanh.html of that title",
        "bpx.SGD has no page reference/bpx.SGD.html of that title",
    ]


def test_a_folder_without_pages_is_a_fault(tmp_path):
    assert list(check_site.find_faults(tmp_path)) == [f"{tmp_path} has no pages"]
