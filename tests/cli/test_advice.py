"""What messages advise can be done: in Python as it is written, and on the command line by options that exist."""

import ast
import inspect
import pathlib
import re
import shlex

import pytest

import bpx

PACKAGE = pathlib.Path(bpx.__file__).parent

PYTHON = re.compile(
    r"\b(?P<argument>[a-z_]{2,})=(?!=)(?=['\"\[({0-9A-Zb]|\s*$|[.;,)]|\{)"  # name=value, and name= alone
    r"|\bbpx\.(?P<public>\w+(?:\.\w+)?)"
    r"|\b(?:pass|give|raise|lower) (?P<named>[a-z]+_[a-z_]+)\b"
)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")

NOT_ON_THE_COMMAND_LINE = {
    "arguments.py": "of Python's arguments; the command line checks its options first",
    "backend/registry.py": "backends of others",
    "backend/selection.py": "pickles",
    "backend/transfer.py": "arrays of devices",
    "callbacks": "no command has callbacks",
    "core": "networks, arrays and penalties made by hand",
    "explanation/explaining.py:optimizer": "bpx explain has plain gradient descent alone",
    "explanation/explaining.py:SGD": "the same",
    "files/onnx.py": "no command exports",
    "files/onnx_training.py": "no command exports",
    "files/pytorch.py": "no command exchanges state dicts",
    "gradient_check.py": "no command checks gradients",
    "health": "no command diagnoses",
    "layers/members.py:shared_input": "bpx train joins members itself",
    "losses/members.py": "--loss does not take it",
    "metrics": "no command takes metrics",
    "naming.py": "pickles",
    "training/fit.py": "the arguments that a call of fit does not have",
    "network.py": "Python's own",
    "optimizers": "settings that no option has",
    "perceptron.py": "bpx train chooses what suits the loss",
    "recipes/model_file.py:load": "what no command reads",
    "plot": "--plot draws what the command holds",
    "sklearn": "estimators",
    "tables/fitting.py:drop": "a text in place of a list",
    "training/batches.py": "a function of the user's own",
    "training/callback.py": "no command has callbacks",
    "training/class_weights.py": "no command weighs classes",
    "training/data.py": "generators",
    "training/fit_run.py": "batches and schedules",
    "training/interrupts.py": "bpx train has a line of its own",
    "training/iterables.py": "batches",
    "training/lbfgs.py": "--optimizer does not take it",
    "training/mapped.py": "files larger than memory",
    "training/settings.py": "of Python's arguments",
    "training/streams.py": "generators",
    "training/checkpoints/checkpointer.py:checkpoint": "a single checkpoint is resumed in Python alone",
}
"""Modules, or one argument in a module, whose advice no command gives, and why."""


def _write(node):
    """Return a literal as a reader sees it; values that are filled in become 'X'."""
    if isinstance(node, ast.Constant):
        return node.value
    return "".join(part.value if isinstance(part, ast.Constant) else "'X'" for part in node.values)


def _list_messages():
    """Return place and text of each piece of text with a blank that is no docstring and not what an object shows."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
        inner -= {id(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)}
        inner |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        shows = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name in ("__repr__", "__str__")]
        inner |= {id(part) for function in shows for part in ast.walk(function)}
        for node in ast.walk(tree):
            is_text = isinstance(node, ast.JoinedStr) or (
                isinstance(node, ast.Constant) and isinstance(node.value, str)
            )
            if is_text and id(node) not in inner and " " in _write(node) and path.name != "markup.py":  # HTML
                yield path.relative_to(PACKAGE).as_posix(), _write(node)


MESSAGES = list(_list_messages())


def _list_options():
    typer = pytest.importorskip("typer", reason="the command line needs typer and rich: the extra cli")
    from bpx.cli.app import app

    commands = typer.main.get_command(app).commands
    return {name: {text for option in found.params for text in option.opts} for name, found in commands.items()}


def _is_of_python_alone(place, match):
    name = match["argument"] or match["public"] or match["named"]
    whole = [place, *(str(parent) for parent in pathlib.PurePosixPath(place).parents), f"{place}:{name}"]
    return any(one in NOT_ON_THE_COMMAND_LINE for one in whole)


def test_the_scan_finds_what_is_known_to_be_there():
    found = {
        (match["argument"] or match["public"] or match["named"]) for _, m in MESSAGES for match in PYTHON.finditer(m)
    }
    assert found >= {"missing", "task", "unseen", "drop", "categories_max", "detail", "training", "clip", "ClipNorm"}
    assert found >= {"max_bytes", "resume", "dtype", "backend", "to_numpy", "memory_limit", "sample_shape"}
    assert {name for _, m in MESSAGES for name in OPTION.findall(m)} >= {"--drop", "--missing", "--task", "--unseen"}


def test_python_has_what_messages_advise():
    """Each ``name=`` is an argument of something public, and each ``bpx.Name`` is there."""
    import bpx.plot
    import bpx.sklearn

    public = [getattr(bpx, name) for name in dir(bpx) if not name.startswith("_")]
    public += [getattr(bpx.plot, name) for name in bpx.plot.__all__]
    classes = [bpx.Network, *(getattr(bpx.sklearn, name) for name in bpx.sklearn.__all__)]
    public += [method for one in classes for method in vars(one).values() if callable(method)]
    public += classes
    from bpx.explanation import write_page
    from bpx.tables import Preprocessor, read_table

    public += [Preprocessor.fit, Preprocessor.transform, read_table, write_page]
    arguments = set()
    for one in public:
        for each in (one, getattr(one, "__init__", None)):
            try:
                arguments |= set(inspect.signature(each).parameters)
            except (TypeError, ValueError):
                continue
    for place, message in MESSAGES:
        if place.startswith("cli/"):
            continue
        for match in PYTHON.finditer(message):
            if match["argument"] or match["named"]:
                name = match["argument"] or match["named"]
                known = name in arguments or name == "classes"  # as scikit-learn writes it
                assert known, f"{place} advises {name}=, which nothing public takes: {message!r}"
            else:
                thing = bpx
                for part in match["public"].split("."):
                    assert hasattr(thing, part), (
                        f"{place} advises bpx.{match['public']}, which is not there: {message!r}"
                    )
                    thing = getattr(thing, part)


OTHER_PROGRAMS = {"--version", "--help", "--logdir", "--map-by", "--mpi"}
"""Options of every command, and those of TensorBoard, mpirun and srun."""


def test_commands_have_the_options_that_messages_advise():
    every = set.union(*_list_options().values())
    named = {(place, option) for place, message in MESSAGES for option in OPTION.findall(message)}
    assert len(named) > 40
    missing = {(place, option) for place, option in named if option not in every | OTHER_PROGRAMS}
    assert not missing


@pytest.mark.parametrize("command", ["train", "predict", "evaluate", "explain", "xor", "backends"])
def test_no_command_advises_what_python_alone_can_do(command):
    from bpx.cli.advice import offer_options, translate

    options = _list_options()
    every, seen = set.union(*options.values()), 0
    with offer_options(options[command]):
        for place, message in MESSAGES:
            if place.startswith("cli/") or not PYTHON.search(message):
                continue
            if all(_is_of_python_alone(place, match) for match in PYTHON.finditer(message)):
                continue
            seen += 1
            told = translate(message)
            left = [m for m in PYTHON.finditer(told) if not _is_of_python_alone(place, m)]
            assert not left, f"{place}: {told!r} advises {left[0][0]!r}: add it to bpx/cli/advice.py"
            assert set(OPTION.findall(told)) <= every
    assert seen > 10


def test_what_is_excused_is_there():
    for excused in NOT_ON_THE_COMMAND_LINE:
        assert (PACKAGE / excused.partition(":")[0]).exists(), excused


# -- the advice, tried ----------------------------------------------------------------------------------------


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """Write tables that something is the matter with; be in their folder."""
    pytest.importorskip("polars", reason="tables need polars: the extra table")
    monkeypatch.chdir(tmp_path)
    rows = range(400)
    write = {
        "cities.csv": ["the city,x,y", *(f"city{i % 150},{i % 7},{'ab'[i % 3 == 0]}" for i in rows)],
        "gaps.csv": ["x,y", *(f"{'' if i % 9 == 4 else i % 7},{'ab'[i % 3 == 0]}" for i in rows)],
        "kinds.csv": ["kind,x,y", *(f"{'uvw'[i % 3]},{i % 7},{'ab'[i % 3 == 0]}" for i in rows)],
        "others.csv": ["kind,x,y", *(f"{'stuvw'[i % 5]},{i % 7},{'ab'[i % 3 == 0]}" for i in rows)],
        "dates.csv": ["day,x,y", *(f"2024-03-{1 + i % 28:02},{i % 7},{'ab'[i % 3 == 0]}" for i in rows)],
        "many.csv": ["x,y", *(f"{i % 7},name {i // 2}" for i in range(210))],
    }
    for name, lines in write.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    return tmp_path


TRIED = [
    (("train", "cities.csv", "--target", "y", "--strict"), "leave the column out (--drop 'the city')",
     ("--drop", "the city")),
    (("train", "cities.csv", "--target", "y", "--strict"), "declare it (--category 'the city')",
     ("--category", "the city")),
    (("train", "cities.csv", "--target", "y", "--strict"), "or raise --categories-max", ("--categories-max", "150")),
    (("train", "gaps.csv", "--target", "y", "--strict"), "leave the columns out (--drop), or pass --missing impute",
     ("--missing", "impute")),
    (("train", "dates.csv", "--target", "y", "--strict"), "leave the column out (--drop day)", ("--drop", "day")),
    (("train", "moons", "--optimizer", "sgd", "--learning-rate", "1e9"), "try a lower learning rate, inputs and "
     "targets scaled to zero mean and unit variance, or --clip 1.0", ("--clip", "1.0")),
    (("predict", "kinds.model", "others.csv"), "or pass --unseen ignore", ("--unseen", "ignore")),
    (("evaluate", "kinds.model", "others.csv"), "or pass --unseen ignore", ("--unseen", "ignore")),
    (("explain", "kinds.model", "others.csv"), "or pass --unseen ignore", ("--unseen", "ignore")),
]  # fmt: skip


@pytest.fixture
def models(command, tables):
    """Train what the advice is tried on."""
    for arguments in (
        ("train", "kinds.csv", "--target", "y", "--strict", "-o", "kinds.model"),
        ("train", "moons", "--hidden", "400,400", "--dropout", "0.1", "-o", "wide.model"),
    ):
        result = command(*arguments, "--epochs", 1)
        assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize(("arguments", "advice", "further"), TRIED, ids=[f"{a[0]} {a[1]} {f}" for a, _, f in TRIED])
def test_what_is_advised_helps(command, models, arguments, advice, further):
    if arguments[0] == "train":
        arguments = (*arguments, "--epochs", "2", "--json")
    result = command(*arguments)
    assert result.exit_code == 2, result.stdout
    assert advice in result.stderr
    assert shlex.join(further[:1]) in result.stderr
    again = command(*arguments, *further)
    if further == ("--clip", "1.0"):  # keeps the gradients in bounds, not the loss of so large a step
        again = command(*("1" if one == "1e9" else one for one in arguments), *further)
    assert again.exit_code == 0, again.stderr


def test_notes_advise_options_too(command, as_json, models):
    text = " ".join(command("explain", "wide.model", "moons").stdout.split())
    assert "--detail full keeps every number" in text
    assert "--training shows them as in training" in text
    data = as_json("explain", "wide.model", "moons")
    assert not any("explain(" in note for note in data["notes"])
    assert data["trace"]["detail"] == "summary"
    full = as_json("explain", "wide.model", "moons", "--detail", "full", "--training")
    assert full["trace"]["detail"] == "full"
    assert any("as in training" in note for note in full["notes"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("explain", "xor", "--detail", "ful"), "did you mean 'full'?"),
        (("explain", "xor", "--html", "page.html", "--detail", "full"), "not for --html"),
        (("explain", "xor", "--max-bytes", "5"), "--max-bytes is for the page that --html writes"),
        (("explain", "xor", "--html", "page.html", "--max-bytes", "-1"), "--max-bytes must be at least 0"),
        (("train", "moons", "--clip", "0"), "--clip must be above 0"),
        (("train", "moons", "--categories-max", "9"), "--categories-max is for files"),
        (("train", "x.csv", "--categories-max", "0"), "--categories-max must be at least 1"),
    ],
)
def test_the_new_options_say_what_they_take(mistake, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert words in mistake(*arguments)


def test_clip_is_that_of_fit(as_json):
    data, options = as_json("train", "moons", "--epochs", 3, "--clip", "0.05"), {"epochs": 3}
    assert data["loss"] != as_json("train", "moons", "--epochs", options["epochs"])["loss"]
    assert data["loss"] == as_json("train", "moons", "--epochs", 3, "--clip", "0.05")["loss"]
    assert data["clip"] == 0.05
