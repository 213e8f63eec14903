"""The pages of the documentation do what they say: their code runs and prints what stands below it, commands too.

In a page, blocks of Python run one after the other with the same names. A block of text right behind one is what it
prints, or the error that it raises. Of the shell, the commands of bpx run; what is installed has to be an extra.
A page with cells is a notebook, which runs as the build of the site runs it: every cell, in order; its blocks of Python
are there to be read.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

spec = importlib.util.spec_from_file_location("readme_blocks", ROOT / "scripts" / "readme_blocks.py")
readme_blocks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(readme_blocks)

TEXTS = sorted([*DOCS.glob("*.md"), *(DOCS / "tutorials").glob("*.md")])
NOTEBOOKS = [page for page in TEXTS if "```{code-cell}" in page.read_text("utf-8")]
PAGES = [page for page in TEXTS if page not in NOTEBOOKS]

OTHER_TESTS = {
    "distributed.md": "tests/distributed",
    "onnx.md": "tests/test_onnx_training.py, tests/cli/test_export_command.py",
    "write-a-backend.md": "tests/backend/test_others.py",
}
"""Pages whose Python other tests run, with what it needs."""

FOLLOWED = {"table-to-onnx.md": ("onnx", "ndonnx", "onnxruntime", "polars")}
"""Pages whose Python and commands work on each other's files, with the modules that they need."""

pytestmark = pytest.mark.skipif(not PAGES, reason="needs the checkout, for the pages")


@pytest.fixture(autouse=True)
def forget_own_classes():
    """Take the classes that a page defines off the lists of kinds again."""
    from bpx.layers import LAYERS
    from bpx.losses import KINDS
    from bpx.optimizers.base import KINDS as OPTIMIZER_KINDS
    from bpx.optimizers.schedules import KINDS as SCHEDULE_KINDS

    lists = [LAYERS, KINDS, OPTIMIZER_KINDS, SCHEDULE_KINDS]
    before = [dict(kinds) for kinds in lists]
    yield
    for kinds, known in zip(lists, before, strict=True):
        kinds.clear()
        kinds.update(known)


def _read(page):
    return readme_blocks.blocks(page.read_text("utf-8"))


def _claims(page):
    """Return the page's blocks of Python, each with the text that stands right behind it, or None."""
    text = page.read_text("utf-8")
    claimed = r"```python\n(?P<code>.*?)```\n(?:\n```text\n(?P<claim>.*?)```\n)?"
    return [(found["code"], found["claim"]) for found in re.finditer(claimed, text, flags=re.DOTALL)]


def _run(code, page, names):
    """Run a block of Python, and return what it printed, or the error of bpx that it raised."""
    import bpx

    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(code, page.name, "exec"), names)
    except bpx.BpxError as error:
        return f"{printed.getvalue()}{type(error).__name__}: {error}"
    return printed.getvalue()


def _ids(pages):
    return [pytest.param(page, id=page.relative_to(DOCS).as_posix()) for page in pages]


@pytest.mark.slow
@pytest.mark.parametrize("page", _ids(p for p in PAGES if _claims(p) and p.name not in {*OTHER_TESTS, *FOLLOWED}))
def test_the_code_of_a_page_does_what_the_page_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names = {"__name__": "__main__"}
    for code, claim in _claims(page):
        came = _run(code, page, names)
        if claim is None:
            assert not re.search(r"^\w+(Error|Interrupted): ", came, flags=re.MULTILINE), code
        else:
            assert came.split() == claim.split(), code


@pytest.mark.slow
@pytest.mark.parametrize("page", _ids(NOTEBOOKS))
def test_the_cells_of_a_notebook_run(page, tmp_path, monkeypatch):
    matplotlib = pytest.importorskip("matplotlib", reason="needs matplotlib, for the pictures of the notebooks")
    matplotlib.use("agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.chdir(tmp_path)
    cells = [block.text for block in _read(page) if block.language.startswith("{code-cell}")]
    assert cells
    names = {"__name__": "__main__"}
    for cell in cells:
        code = re.sub(r"\A(?::[\w-]+:.*\n)+", "", cell)  # what MyST-NB is told of the cell
        exec(compile(code, page.name, "exec"), names)
    pyplot.close("all")


def _commands(page):
    """Return the commands of a page's blocks of the shell, lines that end in a backslash joined."""
    shell = "".join(block.text for block in _read(page) if block.language == "sh")
    return [line for line in shell.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]


@pytest.mark.slow
@pytest.mark.parametrize("page", _ids(page for page in TEXTS if _commands(page) and page.name not in FOLLOWED))
def test_the_commands_of_a_page_run(page, tmp_path, monkeypatch):
    """In one folder, in their order, with the table that the page of the command line makes up."""
    if any("bpx export" in line for line in _commands(page)):
        pytest.importorskip("ndonnx", reason="ndonnx is not installed")
    monkeypatch.chdir(tmp_path)
    exec(_claims(DOCS / "command-line.md")[0][0], {"__name__": "__main__"})
    for line in _commands(page):
        _run_commands(line, tmp_path)


NUMBER = r"\d+(?:\.\d*)?(?:e[+-]?\d+)?"

TRAINED = re.compile(rf"final loss|R2 |\s+\d+\s+{NUMBER}\s*$|\[{NUMBER}")
"""Lines that hold what a training ended with; its last digits are not the same on every machine."""


def _pieces(text):
    """Return what a text shows in one go, as lists of words with whether a training made them: "..." parts them."""
    pieces = [[]]
    for line in text.splitlines():
        if line.strip() == "...":
            pieces.append([])
        else:
            pieces[-1] += [(word, bool(TRAINED.match(line))) for word in line.split()]
    return pieces


def _is_same_word(came, word, trained):
    """Say whether a word came that stands in a text; the numbers in it to 2 %, where a training made them."""
    if came == word or not trained:
        return came == word
    numbers, expected = re.findall(NUMBER, came), re.findall(NUMBER, word)
    same_text = re.sub(NUMBER, "0", came) == re.sub(NUMBER, "0", word)
    return same_text and [float(n) for n in numbers] == pytest.approx([float(n) for n in expected], rel=0.02)


def _check_text(printed, text):
    """Check that a text shows all that was printed, in its order, but for lines in place of which it says "..."."""
    words, (first, *others) = printed.split(), _pieces(text)

    def stands(piece, at):
        found = words[at : at + len(piece)]
        return len(found) == len(piece) and all(
            _is_same_word(came, word, trained) for came, (word, trained) in zip(found, piece, strict=True)
        )

    assert stands(first, 0), f"{text}\n{printed}"
    at = len(first)
    for piece in others:
        at = next((i for i in range(at, len(words)) if stands(piece, i)), None) if piece else len(words)
        assert at is not None, f"{' '.join(word for word, _ in piece)}\n{printed}"
        at += len(piece)
    assert at == len(words), f"{text}\n{printed}"


def _run_commands(line, folder):
    """Run those commands of a line that are bpx's, and return what they printed."""
    printed = ""
    for command in re.split(r"\s+(?:&&|\|\|)\s+|\s*;\s+", line):
        words = shlex.split(command, comments=True)
        if words[:1] == ["bpx"] or words[:3] == ["python3", "-m", "bpx"]:
            arguments = words[1:] if words[0] == "bpx" else words[3:]
            ran = subprocess.run(
                [sys.executable, "-m", "bpx", *arguments], cwd=folder, capture_output=True, text=True, check=False
            )
            assert ran.returncode == 0, f"{command}\n{ran.stderr}"
            printed += ran.stdout + ran.stderr
    return printed


@pytest.mark.slow
@pytest.mark.parametrize("page", _ids(page for page in PAGES if page.name in FOLLOWED))
def test_a_page_can_be_followed_from_top_to_bottom(page, tmp_path, monkeypatch):
    """Its Python and its commands run in one folder, and print what stands behind them, what is left out marked."""
    for module in FOLLOWED[page.name]:
        pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    names, printed, texts = {"__name__": "__main__"}, "", 0
    for block in _read(page):
        if block.language == "python":
            printed = _run(block.text, page, names)
        elif block.language == "sh":
            printed = _run_commands(block.text.replace("\\\n", " ").strip(), tmp_path)
        elif block.language == "text":
            texts += 1
            _check_text(printed, block.text)
    assert texts


@pytest.mark.parametrize("page", _ids(TEXTS))
def test_what_a_page_installs_is_an_extra(page):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    named = re.findall(r"(?:\"\.|bpx-backprop)\[([\w,-]+)\]", page.read_text("utf-8"))
    for name in (part for names in named for part in names.split(",")):
        assert name in extras


def _linked(page):
    return re.findall(r"\]\((?!\w+:)([^)#\s]+)", page.read_text("utf-8"))


@pytest.mark.skipif(not (ROOT / ".ci" / "run").is_file(), reason="needs the checkout, to follow the links in it")
@pytest.mark.parametrize("page", _ids(page for page in TEXTS if _linked(page)))
def test_the_links_of_a_page_lead_somewhere(page):
    """Those to generated pages are followed by scripts/check_site.py."""
    for link in _linked(page):
        if not re.match(r"(\.\./)?(reference|examples|repository|source)/", link):
            target = page.parent / link
            assert target.is_file() or target.with_suffix(".md").is_file(), link


def test_the_figures_on_the_page_of_speed_are_those_that_were_measured():
    measured = (ROOT / "scripts" / "benchmarks" / "results" / "cpu.md").read_text("utf-8")
    row = r"^\|[^|]*\| ([^|]*bpx[^|]* / [^|]*?) \| ([^|]+?) \| ([\d. ]+?) \|"
    rows = re.findall(row, (DOCS / "speed.md").read_text("utf-8"), flags=re.MULTILINE)
    assert len(rows) > 15
    for case, limit, runs in rows:
        assert f"| {case} | {limit} | {runs} |" in measured
