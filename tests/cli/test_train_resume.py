"""``bpx train --checkpoint`` and ``--resume``: a training that is broken off ends with the same bits."""

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import bpx
from bpx.backend import threads

OPTIONS = ("moons", "--hidden", "6", "--dropout", "0.2", "--seed", "5")
posix = pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C otherwise, and has no SIGKILL")


@pytest.fixture
def uninterrupted(as_json, tmp_path):
    """Return ``train(epochs)``, which gives the bytes of the model of a training in one go, and its JSON."""

    def train(epochs):
        model = tmp_path / "in_one_go.safetensors"
        data = as_json("train", *OPTIONS, "--epochs", epochs, "--output", model)
        return _parameters(model), data

    return train


def _parameters(model):
    return [{name: array.tobytes() for name, array in part.items()} for part in bpx.load(model).params]


def test_more_epochs_are_as_if_asked_for_at_once(as_json, uninterrupted, tmp_path):
    folder, model = tmp_path / "run", tmp_path / "net.safetensors"
    assert as_json("train", *OPTIONS, "--epochs", 4, "--checkpoint", folder)["epochs"] == 4
    data = as_json("train", "--resume", folder, "--epochs", 9, "--output", model)
    parameters, at_once = uninterrupted(9)
    assert _parameters(model) == parameters
    assert data["epochs"] == 9
    for name in ("loss", "accuracy", "held_out_loss", "seed", "hidden", "rows"):
        assert data[name] == at_once[name]
    # What was asked for last is kept: the folder alone says it all.
    assert as_json("train", "--resume", folder) | {"seconds": 0} == data | {"seconds": 0}


def test_fewer_epochs_than_are_done_are_refused_and_forgotten(as_json, mistake, tmp_path):
    folder, model = tmp_path / "run", tmp_path / "net.safetensors"
    first = as_json("train", *OPTIONS, "--epochs", 4, "--checkpoint", folder)
    before = (folder / "command.json").read_bytes()
    line = mistake("train", "--resume", folder, "--epochs", 3, "-o", model, "--json")
    assert "has done 4 epochs, more than the 3 asked for; ask for at least 4 epochs in all" in line
    assert not model.exists()
    assert (folder / "command.json").read_bytes() == before
    assert as_json("train", "--resume", folder)["loss"] == first["loss"]


def test_a_new_training_that_cannot_begin_leaves_no_trace_of_one(as_json, mistake, tmp_path, monkeypatch):
    from bpx.cli.prepared_training import PreparedTraining

    def refuse(self, **how):
        raise bpx.InputError("not like this")

    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(PreparedTraining, "train", refuse)
        mistake("train", *OPTIONS, "--epochs", 1, "--checkpoint", folder, "--json")
    assert as_json("train", *OPTIONS, "--epochs", 1, "--checkpoint", folder)["epochs"] == 1


def test_a_finished_training_is_not_trained_again(as_json, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    first = as_json("train", *OPTIONS, "--epochs", 2, "--checkpoint", folder)
    files = sorted(path.name for path in folder.iterdir())
    assert as_json("train", "--resume", folder)["loss"] == first["loss"]
    assert sorted(path.name for path in folder.iterdir()) == files


def test_checkpoints_come_and_go_as_asked(as_json, tmp_path):
    folder = tmp_path / "run"
    as_json("train", *OPTIONS, "--epochs", 6, "--checkpoint", folder, "--checkpoint-every", 2, "--keep", 2)
    names = sorted(path.name for path in folder.glob("*.safetensors"))
    assert names == ["checkpoint-000000000032.safetensors", "checkpoint-000000000048.safetensors"]
    other = tmp_path / "other"
    as_json("train", *OPTIONS, "--epochs", 1, "--checkpoint", other, "--checkpoint-every", "3 steps", "--keep", 9)
    assert len(list(other.glob("*.safetensors"))) == 3  # after 3, 6 and the last, 8


def test_a_run_that_was_killed_before_its_first_checkpoint_starts_anew(as_json, uninterrupted, tmp_path):
    folder = tmp_path / "run"
    as_json("train", *OPTIONS, "--epochs", 3, "--checkpoint", folder)
    for path in folder.glob("*.safetensors"):
        path.unlink()
    model = tmp_path / "net.safetensors"
    as_json("train", "--resume", folder, "-o", model)
    assert _parameters(model) == uninterrupted(3)[0]


def _started(start, folder, model, epochs):
    """Start a training in a process of its own; return it once it has written a checkpoint."""
    arguments = [*OPTIONS, "--epochs", str(epochs), "--checkpoint", folder, "--output", model]
    running = start("main(sys.argv[1:])", "train", *arguments, "--checkpoint-every", "20", cwd=folder.parent)
    until = time.monotonic() + 60
    while not list(folder.glob("checkpoint-*.safetensors")):
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    return running


@posix
@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
def test_a_training_that_is_broken_off_ends_with_the_same_bits(start, process, uninterrupted, tmp_path, how):
    folder, model = tmp_path / "run", tmp_path / "net.safetensors"
    epochs = 600
    running = _started(start, folder, model, epochs)
    running.send_signal(how)
    stdout, stderr = running.communicate(timeout=60)
    assert not model.exists()
    if how == signal.SIGINT:
        assert running.returncode == 130
        assert stderr.startswith("bpx: interrupted ")
        assert stderr.endswith(f"; go on with: bpx train --resume {folder}\n")
        assert stderr.count("\n") == 1
        assert "final loss" not in stdout
    # From another folder: the run knows its paths.
    ran = process("train", "--resume", folder, "--json", cwd=os.sep)
    assert (ran.returncode, ran.stderr) == (0, "")
    parameters, data = uninterrupted(epochs)
    assert _parameters(model) == parameters
    resumed = json.loads(ran.stdout)
    for name in ("loss", "accuracy", "epochs"):
        assert resumed[name] == data[name]
    assert resumed["output"] == str(model)


@posix
def test_ctrl_c_without_a_checkpoint_says_that_nothing_is_kept(start):
    code = (
        "import bpx.recipes.building as p\nmade = p.mlp\n"
        "def told(*sizes, **options):\n    print('ready', flush=True)\n    return made(*sizes, **options)\n"
        "p.mlp = told\n"
        "main(['train', 'moons', '--epochs', '10000000', '--json'])"
    )
    running = start(code)
    assert running.stdout.readline() == "ready\n"
    time.sleep(0.5)
    running.send_signal(signal.SIGINT)
    stdout, stderr = running.communicate(timeout=60)
    assert (running.returncode, stdout) == (130, "")
    assert stderr.startswith("bpx: interrupted")
    assert stderr.count("\n") == 1


def test_a_checkpoint_that_cannot_be_written(command, monkeypatch, tmp_path):
    from bpx.training.checkpoints import folder as folders

    def full(path, content):
        raise bpx.InputError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(folders, "write_whole", full)
    result = command("train", *OPTIONS, "--epochs", 2, "--checkpoint", tmp_path / "goes_on")
    assert result.exit_code == 0
    assert result.stderr.startswith("bpx: warning: cannot write ")
    assert "No space left on device; training goes on" in result.stderr
    assert result.stderr.count("\n") == 1
    result = command(
        "train", *OPTIONS, "--epochs", 2, "--checkpoint", tmp_path / "ends", "--on-checkpoint-error", "raise"
    )
    assert result.exit_code == 2
    assert "No space left on device; there is none yet" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("spec", ["numpy", "array-api-strict:device1"])
def test_a_run_moves_to_another_backend_with_a_warning(command, as_json, tmp_path, spec):
    folder = tmp_path / "run"
    as_json("train", *OPTIONS, "--epochs", 2, "--checkpoint", folder, "--backend", "numpy")
    result = command("train", "--resume", folder, "--epochs", 3, "--backend", spec, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["backend"] == spec
    assert ("bpx: warning: the checkpoint was written on numpy" in result.stderr) == (spec != "numpy")


def test_the_environment_does_not_move_a_run(as_json, tmp_path):
    folder, spec = tmp_path / "run", "array-api-strict:device1"
    as_json("train", *OPTIONS, "--epochs", 1, "--checkpoint", folder, env={"BPX_BACKEND": spec})
    assert as_json("train", "--resume", folder, "--epochs", 2, env={"BPX_BACKEND": "numpy"})["backend"] == spec


def test_a_run_knows_its_paths_from_everywhere(as_json, monkeypatch, tmp_path):
    pytest.importorskip("polars", reason="tables need polars: the extra table")
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(here)
    (here / "data.csv").write_text("size,kind\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(40)))
    arguments = ("--target", "kind", "--preset", "fast", "--schedule", "constant", "--epochs", 1)
    arguments += ("--checkpoint", "run", "--output", "net.safetensors")
    as_json("train", "data.csv", *arguments)
    (here / "net.safetensors").unlink()
    monkeypatch.chdir(elsewhere)
    as_json("train", "--resume", here / "run", "--epochs", 2)
    assert (here / "net.safetensors").exists()
    assert not list(elsewhere.iterdir())


@pytest.fixture
def run_folder(as_json, tmp_path):
    folder = tmp_path / "run"
    as_json("train", *OPTIONS, "--epochs", 1, "--checkpoint", folder)
    return folder


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("moons",), "DATASET (moons) cannot be given"),
        (
            ("--hidden", "8"),
            "--hidden cannot be given; what can be: --epochs, --backend, --threads, --output, --card, --plot",
        ),
        (("--learning-rate", "0.1", "--seed", "5"), "--learning-rate, --seed cannot be given"),
        (("--checkpoint", "other"), "--checkpoint cannot be given"),
        (("--epochs", "0"), "--epochs must be at least 1, got 0"),
        (("--keep", "0"), "--keep must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_changed_on_the_way(mistake, run_folder, arguments, words):
    assert words in mistake("train", "--resume", run_folder, *arguments)


def test_a_folder_that_holds_a_training_is_not_begun_anew(mistake, run_folder):
    line = mistake("train", *OPTIONS, "--checkpoint", run_folder)
    assert "holds a training already" in line
    assert f"bpx train --resume {run_folder}" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--checkpoint-every", "0"), "--checkpoint-every must be at least 1, got 0"),
        (("--checkpoint-every", "2 days"), "--checkpoint-every is a number of epochs, or text such as '500 steps'"),
        (("--on-checkpoint-error", "rise"), "did you mean 'raise'?"),
        (("--checkpoint", "file.txt"), "--checkpoint file.txt is a file; name a folder"),
        (("--checkpoint", "file.txt/run"), "cannot make the folder"),
    ],
)
def test_bad_options(mistake, monkeypatch, tmp_path, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("")
    assert words in mistake("train", *OPTIONS, "--epochs", 1, "--json", *arguments)


def test_nothing_to_go_on_with(mistake, tmp_path):
    assert "is no folder" in mistake("train", "--resume", tmp_path / "nowhere")
    assert "holds no command.json" in mistake("train", "--resume", tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not what 'bpx train --checkpoint' wrote"),
        ("[]", "is not what 'bpx train --checkpoint' wrote"),
        ('{"format": "bpx-run", "version": 2, "options": {}}', "of another format or version"),
        ('{"format": "bpx-run", "version": 1, "options": {"dataset": "moons"}}', "is not what"),
        ('{"format": "bpx-run", "version": 1, "options": {"dataset": "moons", "drop": [], "size": 3}}', "is not what"),
        ('{"format": "bpx-run", "version": 1, "options": {"dataset": "moons", "drop": []}, "more": 1}', "is not what"),
        ('{"format": "bpx-run", "version": 1, "options": {"dataset": "moon", "drop": []}}', "did you mean 'moons'?"),
        ('{"format": "bpx-run", "version": 1, "options": {"dataset": "moons", "drop": [], "epochs": "3"}}', "--epochs"),
    ],
)
def test_a_plan_that_was_edited(mistake, run_folder, content, words):
    (run_folder / "command.json").write_text(content)
    assert words in mistake("train", "--resume", run_folder)


@posix
def test_a_second_command_is_told_who_trains(start, process, tmp_path):
    folder = tmp_path / "run"
    running = _started(start, folder, tmp_path / "net.safetensors", 1000000)
    before = (folder / "command.json").read_bytes()
    for arguments in (("--resume", folder, "--epochs", 5), (*OPTIONS, "--checkpoint", folder)):
        ran = process("train", *arguments)
        assert ran.returncode == 2
        assert f"{folder} is in use: process {running.pid} on " in ran.stderr
        assert ran.stderr.count("\n") == 1
    assert (folder / "command.json").read_bytes() == before
    running.kill()
    running.communicate()
    assert process("train", "--resume", folder, "--epochs", 1).stderr.count("more than the 1 asked for") == 1


def _edit(folder, **changes):
    content = json.loads((folder / "command.json").read_text())
    content.update(changes)
    (folder / "command.json").write_text(json.dumps(content))


@pytest.mark.parametrize("how", ["edited", "from elsewhere", "of an older bpx", "through a link", "with dots"])
def test_somebody_elses_folder_names_no_files_outside_it(as_json, mistake, monkeypatch, tmp_path, how):
    folder, victim, mine = tmp_path / "run", tmp_path / "victim.txt", tmp_path / "mine.safetensors"
    folder.mkdir()
    output = tmp_path / "net.safetensors" if how in ("from elsewhere", "of an older bpx") else folder / "net"
    as_json("train", *OPTIONS, "--epochs", 1, "--checkpoint", folder, "-o", output)
    victim.write_text("precious")
    if how == "edited":
        _edit(folder, output=str(victim))
    elif how == "from elsewhere":
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another home"))
        monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "another home"))
        output.write_text("precious")
        victim = output
    elif how == "of an older bpx":
        _edit(folder, seal=None)
        output.write_text("precious")
        victim = output
    elif how == "through a link":
        (folder / "out").symlink_to(tmp_path, target_is_directory=True)
        _edit(folder, output="out/victim.txt")
    else:
        _edit(folder, output="../victim.txt")
    line = mistake("train", "--resume", folder)
    assert "names files outside its folder" in line
    assert victim.name in line
    assert "--output" in line
    assert victim.read_text() == "precious"
    assert as_json("train", "--resume", folder, "--output", mine)["output"] == str(mine)
    assert victim.read_text() == "precious"
    as_json("train", "--resume", folder)  # said once, it is known


def test_files_in_the_folder_move_with_it(as_json, tmp_path):
    folder, moved = tmp_path / "run", tmp_path / "moved"
    folder.mkdir()
    as_json("train", *OPTIONS, "--epochs", 1, "--checkpoint", folder, "-o", folder / "net.safetensors")
    (folder / "net.safetensors").unlink()
    _edit(folder, seal=None)
    folder.rename(moved)
    as_json("train", "--resume", moved)
    assert (moved / "net.safetensors").is_file()


def test_a_picture_may_be_given_again_where_there_was_one(as_json, mistake, run_folder, tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib: the extra plot")
    assert "the training was begun without it" in mistake("train", "--resume", run_folder, "--plot", tmp_path / "a.png")
    folder = tmp_path / "drawn"
    as_json("train", *OPTIONS, "--epochs", 1, "--checkpoint", folder, "--plot", tmp_path / "a.png")
    _edit(folder, plot=str(tmp_path / "victim.png"))
    assert "--plot" in mistake("train", "--resume", folder)
    as_json("train", "--resume", folder, "--plot", tmp_path / "b.png")
    assert (tmp_path / "b.png").is_file()
    assert not (tmp_path / "victim.png").exists()


WRONG = [None, True, 1.5, -1, 10**400, "", "\0", "\ud800", "x" * 5000, [], ["\0"], [1], {}, {"a": 1}, float("nan")]


def test_a_plan_of_wrong_types_is_one_line(command, run_folder):
    content = json.loads((run_folder / "command.json").read_text())
    places = [(None, name) for name in content] + [("options", name) for name in content["options"]]
    refused = 0
    for part, name in places:
        for wrong in WRONG:
            edited = json.loads(json.dumps(content))
            (edited if part is None else edited[part])[name] = wrong
            (run_folder / "command.json").write_text(json.dumps(edited))
            result = command("train", "--resume", run_folder, "--epochs", 1, "--json")
            assert result.exit_code in (0, 2), (name, wrong)
            if result.exit_code:
                assert result.stderr.startswith("bpx: ")
                assert result.stderr.count("\n") == 1
                refused += 1
    assert refused > 0.7 * len(places) * len(WRONG)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "\xff", "9" * 10_000, "NaN", " " * 11_000_000])
def test_a_plan_that_is_no_plan(mistake, run_folder, text):
    (run_folder / "command.json").write_bytes(text.encode("latin-1"))
    assert "is not what 'bpx train --checkpoint' wrote" in mistake("train", "--resume", run_folder)


@pytest.mark.parametrize("every", ["\u00b2", "9" * 5000])
def test_an_interval_that_is_no_number(mistake, every):
    assert mistake("train", *OPTIONS, "--checkpoint-every", every)


def test_data_that_has_changed_since(as_json, mistake, tmp_path):
    pytest.importorskip("polars", reason="tables need polars: the extra table")
    table, folder = tmp_path / "data.csv", tmp_path / "run"
    rows = [f"{i},{'ab'[i % 2]}" for i in range(40)]
    table.write_text("size,kind\n" + "\n".join(rows) + "\n")
    as_json("train", table, "--target", "kind", "--epochs", 1, "--preset", "fast", "--checkpoint", folder)
    rows[7] = "1000,b"
    table.write_text("size,kind\n" + "\n".join(rows) + "\n")
    assert "is of another training" in mistake("train", "--resume", folder, "--epochs", 2, "--json")
    table.unlink()
    assert "no such file" in mistake("train", "--resume", folder)


@pytest.mark.parametrize("change", ["a category renamed", "half of the rows", "rows reversed"])
def test_networks_of_a_table_that_has_changed_since_are_not_mixed(as_json, mistake, tmp_path, change):
    pytest.importorskip("polars", reason="tables need polars: the extra table")
    table, folder, output = tmp_path / "data.csv", tmp_path / "run", tmp_path / "net.safetensors"
    rows = [f"{i % 7},{'abc'[i % 3]},{i % 3 * 10 + i % 7}" for i in range(60)]
    table.write_text("size,kind,y\n" + "\n".join(rows) + "\n")
    as_json("train", table, "--target", "y", "--epochs", 2, "--checkpoint", folder)
    changed = {
        "a category renamed": [row.replace("a", "z") for row in rows],
        "half of the rows": rows[:30],
        "rows reversed": rows[::-1],
    }[change]
    table.write_text("size,kind,y\n" + "\n".join(changed) + "\n")
    line = mistake("train", "--resume", folder, "-o", output, "--json")
    assert "network-1/trained.safetensors is of another training, which cannot be resumed here: data.x" in line
    assert "bring back the data" in line
    assert not output.exists()
    table.write_text("size,kind,y\n" + "\n".join(rows) + "\n")
    as_json("train", "--resume", folder, "-o", output)


def test_checkpoints_that_are_all_damaged(mistake, run_folder):
    for path in run_folder.glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:100])
    assert "holds no checkpoint that can be read" in mistake("train", "--resume", run_folder, "--json")


def test_threads_are_kept_for_the_rest_of_the_training(as_json, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    for arguments, number in (
        ((*OPTIONS, "--epochs", 1, "--checkpoint", folder, "--threads", 1), 1),
        (("--resume", folder, "--epochs", 2), 1),
        (("--resume", folder, "--epochs", 3, "--threads", 2), 2),
    ):
        monkeypatch.setattr("bpx.backend.threads._chosen", None)
        as_json("train", *arguments)
        assert threads.get_chosen() == number
        assert os.environ["NPROC"] == str(number)
        assert json.loads((folder / "command.json").read_text())["threads"] == number


def test_a_key_is_made_once_by_many_at_once_and_anew_where_a_crash_left_half_of_one(monkeypatch, tmp_path):
    from bpx.cli.seal import is_sealed, make_seal

    monkeypatch.setenv("LOCALAPPDATA" if os.name == "nt" else "XDG_STATE_HOME", str(tmp_path))
    names = {"output": "net.safetensors"}
    for left in (None, b"", b"half"):
        key = tmp_path / "bpx" / "key"
        key.unlink(missing_ok=True)
        if left is not None:
            key.write_bytes(left)
        seal = make_seal(names)
        assert is_sealed(names, seal)
        assert not is_sealed({"output": "other"}, seal)
        assert [path.name for path in key.parent.iterdir()] == ["key"]
    key.unlink()
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: make_seal(names), range(40))) - {None}) == 1
