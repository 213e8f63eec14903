#!/usr/bin/env bash
# Runs what needs a CUDA device, in one call of at most eight minutes, and writes the report into a folder:
#
#     scripts/gpu_check.sh OUTDIR
#
# Parts run in order of importance, each with a limit of its own; what is left out, and why, stands at the end of the report.
# Needs an environment with `pip install -e ".[test,cupy]"` (for CUDA 13 `cupy-cuda13x`), with ".[torch]" and ".[jax]" for
# their parts, and ".[cli]" for those of the command line. PYTHON chooses the interpreter (default: python3), LIMIT the
# seconds of the whole (default: 480). Leaves in OUTDIR:
#     report.txt               everything below, as it was printed
#     machine.txt              date, card, driver, library versions, usable backends, missing packages
#     tests_cupy.txt           pytest -m gpu --backend cupy
#     tests_torch.txt          pytest -m gpu --backend torch:cuda, where PyTorch has CUDA
#     predict, fits, steps     scripts/benchmark.py --only cuda-predict, cuda-fits, cuda-steps, each as .txt, .json and .md
#     tests_jax.txt            pytest -m gpu --backend jax:gpu:0, where JAX has CUDA
#     tests_cards.txt          tests/distributed/test_cards.py: sums over two cards by NCCL, where there are two
#     cli.txt                  what `bpx backends` says: without it the command line's parts are left out
#     compare_backends.txt     scripts/compare_backends.py --require cupy; its data in backends.json, its chart in .png
#     xor.txt, digits.txt      bpx xor and bpx train digits on the GPU
# Tests run on several processes where pytest-xdist is installed; all processes share the one device.
# Exit code 0 means that what the packages here allow ran on a GPU and passed; 1, that a part failed or had no time left; 2,
# that there is no GPU or no CuPy to check.
set -euo pipefail

if [ "$#" -ne 1 ]; then
  echo "usage: scripts/gpu_check.sh OUTDIR" >&2
  exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
deadline=$(($(date +%s) + ${LIMIT:-480}))
# From here on all output goes to the terminal and into the report alike. The pipe is closed and awaited at the end, so
# that the report is whole when this script returns.
exec 3>&1 4>&2 > >(exec tee "$out/report.txt") 2>&1
tee_pid=$!
trap 'code=$?; exec 1>&3 2>&4; wait "$tee_pid" || true; exit "$code"' EXIT

echo "== machine"
if ! "$python" - <<'PY' | tee "$out/machine.txt"; then
import datetime
import importlib.metadata
import importlib.util
import platform
import subprocess
import sys

print("date     ", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"))
print("python   ", platform.python_version(), platform.machine())
try:
    query = ["nvidia-smi", "--query-gpu=index,name,driver_version,memory.total", "--format=csv,noheader"]
    cards = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip().splitlines()
except (OSError, subprocess.CalledProcessError) as error:
    cards = [f"nvidia-smi did not answer: {error}"]
for card in cards:
    print("card     ", card)
for name in ("bpx-backprop", "numpy", "array-api-compat", "cupy-cuda12x", "cupy-cuda13x", "torch", "jax"):
    try:
        print(f"{name:16}", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        print(f"{name:16}", "not installed")

wanted = {
    "pytest": "all tests", "xdist": "tests on several processes (they take longer)", "typer": "the command line's parts",
    "torch": "PyTorch's parts", "jax": "JAX's parts", "sklearn": "tests of bpx.sklearn", "matplotlib": "charts",
    "scipy": "tests of L-BFGS", "array_api_strict": "nothing here",
}
absent = [name for name in wanted if importlib.util.find_spec(name) is None]
print("\nmissing packages:", "none" if not absent else "")
for name in absent:
    print(f"  {name:14} without it: {wanted[name]}")

import bpx

print()
for status in bpx.backends():
    print(f"{status.name:16}", ", ".join(map(str, status.devices)) if status.available else f"no: {status.reason}")
cupy = next(status for status in bpx.backends() if status.name == "cupy")
if not cupy.available:
    print(f"\nNothing to check: the cupy backend does not work here: {cupy.reason}")
    sys.exit(2)
PY
  echo "gpu_check: a CUDA device and CuPy are needed; see the reason above" >&2
  exit 2
fi

failed=0
left_out=()
has() { "$python" -c "import sys, importlib.util as u; sys.exit(u.find_spec('$1') is None)"; }
leave_out() {  # leave_out NAME REASON
  printf '\n== %s: left out, %s\n' "$1" "$2"
  left_out+=("$1: $2")
}
run() {  # run NAME SECONDS COMMAND...: print, keep the output in NAME.txt, go on after a failure
  local name=$1 limit=$2 left status=0
  shift 2
  left=$((deadline - $(date +%s)))
  if [ "$left" -lt 10 ]; then
    leave_out "$name" "no time is left"
    failed=1
    return
  fi
  if [ "$left" -lt "$limit" ]; then limit=$left; fi
  printf '\n== %s (at most %s s): %s\n' "$name" "$limit" "$*"
  local began=$SECONDS
  # Ctrl-C first, so that a test run still says what it has done
  timeout --signal=INT --kill-after=10 "$limit" "$@" 2>&1 | tee "$out/$name.txt" || status=$?
  echo "== $name: $((SECONDS - began)) s"
  if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
    left_out+=("$name: stopped at its limit of $limit s, what it had printed is in $name.txt")
    failed=1
  elif [ "$status" -ne 0 ]; then
    echo "== $name FAILED"
    failed=1
  fi
}

# A backend named by --backend must run: where it cannot, its tests fail instead of being skipped.
# pytest ends with 5 when it selects no test, which counts as a failure here too.
workers=()
if has xdist; then workers=(-n 8 -p no:benchmark); fi  # that plugin warns beside xdist
without=()
cli_missing="the command line does not start: typer, rich or what they need is missing"
cli=0
if has typer && "$python" -m bpx backends > "$out/cli.txt" 2>&1; then cli=1; fi
if [ "$cli" -eq 0 ]; then
  without=(--ignore=tests/cli)
  leave_out "the command line's tests" "$cli_missing"
fi
tests() {  # tests NAME SECONDS BACKEND FILES...
  local name=$1 limit=$2 backend=$3
  shift 3
  if ! has pytest; then
    leave_out "$name" "pytest cannot be imported"
    return
  fi
  run "$name" "$limit" "$python" -m pytest -q "${workers[@]}" "${without[@]}" -m gpu --backend "$backend" "$@"
}
measure() {  # measure NAME CASE SECONDS: it begins no further comparison when the time is up, and then reports
  local seconds=$3 left=$((deadline - $(date +%s) - 20))
  if [ "$left" -lt "$seconds" ]; then seconds=$((left > 1 ? left : 1)); fi
  run "$1" $((seconds + 20)) "$python" scripts/benchmark.py --threads 1 --only "$2" --seconds "$seconds" \
    --json "$out/$1.json" --markdown "$out/$1.md"
}
torch_cuda=0 jax_cuda=0
if "$python" -c "import sys, torch; sys.exit(not torch.cuda.is_available())" 2> /dev/null; then torch_cuda=1; fi
if "$python" -c "import sys, jax; sys.exit(jax.default_backend() != 'gpu')" 2> /dev/null; then jax_cuda=1; fi
export XLA_PYTHON_CLIENT_PREALLOCATE=false  # JAX shares the card with the others
if [ "$jax_cuda" -eq 1 ]; then export JAX_PLATFORMS=cuda,cpu; fi

apart=--ignore=tests/distributed/test_cards.py  # its tests start processes, and come below
tests tests_cupy 120 cupy "$apart"
if [ "$torch_cuda" -eq 1 ]; then
  tests tests_torch 90 torch:cuda "$apart"
else
  leave_out tests_torch "there is no PyTorch with CUDA here"
fi
measure predict cuda-predict 15
measure fits cuda-fits 25
measure steps cuda-steps 110
if [ "$jax_cuda" -eq 1 ]; then
  tests tests_jax 60 jax:gpu:0 "$apart"
else
  leave_out tests_jax "there is no JAX with CUDA here"
fi
# Each test starts two processes, so one after the other.
if ! "$python" -c "import sys, cupy; sys.exit(cupy.cuda.runtime.getDeviceCount() < 2)" 2> /dev/null; then
  leave_out tests_cards "there is one card here, and sums over cards need two"
elif ! has mpi4py && [ "$torch_cuda" -eq 0 ]; then
  leave_out tests_cards "there is no mpi4py and no PyTorch with CUDA, which start processes"
else
  workers=()
  tests tests_cards 100 cupy tests/distributed/test_cards.py
fi
run compare_backends 40 "$python" scripts/compare_backends.py --require cupy \
  --json "$out/backends.json" --plot "$out/backends.png"
if [ "$cli" -eq 1 ]; then
  run xor 20 "$python" -m bpx xor --backend cupy --json
  run digits 20 "$python" -m bpx train digits --backend cupy --json
else
  leave_out "xor, digits" "$cli_missing"
fi

printf '\n== left out: %s\n' "${#left_out[@]}"
if [ "${#left_out[@]}" -gt 0 ]; then printf '   %s\n' "${left_out[@]}"; fi
printf '\n== outcome: %s\n' "$([ "$failed" -eq 0 ] && echo "passed, but for what was left out" || echo FAILED)"
exit "$failed"
