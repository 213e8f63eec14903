"""``pytest --passed-in REPORT``: continuous integration runs the tests of the command line and of tables once."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

REPORT = """<testsuites><testsuite>
<testcase classname="tests.cli.test_xor_command" name="test_passed"/>
<testcase classname="tests.cli.test_xor_command" name="{passed}"/>
<testcase classname="tests.cli.test_xor_command" name="{failed}"><failure message="wrong"/></testcase>
<testcase classname="tests.cli.test_xor_command" name="{skipped}"><skipped message="no library"/></testcase>
<testcase classname="tests.test_passed_in" name="test_what_passed_is_left_out_and_nothing_else"/>
</testsuite></testsuites>
"""


def _collect(*options):
    paths = ["tests/cli/test_xor_command.py", "tests/test_passed_in.py"]
    line = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *options, *paths]
    ran = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return [line for line in ran.stdout.splitlines() if "::" in line]


def test_what_passed_is_left_out_and_nothing_else(tmp_path):
    every = _collect()
    names = [name.partition("::")[2] for name in every if name.startswith("tests/cli/")]
    passed, failed, skipped = names[:3]
    report = tmp_path / "report.xml"
    report.write_text(REPORT.format(passed=passed, failed=failed, skipped=skipped), "utf-8")
    left = _collect(f"--passed-in={report}")
    assert left == [name for name in every if name != f"tests/cli/test_xor_command.py::{passed}"]
    assert len(left) == len(every) - 1
