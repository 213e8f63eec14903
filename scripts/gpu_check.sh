#!/usr/bin/env bash
# Runs every check that needs a CUDA device, in one call, and writes the report into a folder:
#
#     scripts/gpu_check.sh OUTDIR
#
# Needs an environment with `pip install -e ".[test,cupy]"` (for CUDA 13 `cupy-cuda13x`), and with ".[torch]" for the PyTorch part.
# PYTHON chooses the interpreter (default: python3). Leaves in OUTDIR:
#     report.txt               everything below, as it was printed
#     machine.txt              date, card, driver, library versions, usable backends
#     tests_cupy.txt           pytest -m gpu --backend cupy
#     tests_torch.txt          pytest -m gpu --backend torch:cuda, where PyTorch has CUDA
#     tests_jax.txt            pytest -m gpu --backend jax:gpu:0, where JAX has CUDA
#     compare_backends.txt     scripts/compare_backends.py --require cupy; its data in backends.json, its chart in .png
#     xor.txt, digits.txt      bpx xor and bpx train digits on the GPU
#     benchmark.txt            scripts/benchmark.py --only cuda; its data in cuda.json, its tables in cuda.md
# Tests run on several processes where pytest-xdist is installed; all processes share the one device.
# Exit code 0 means that all of it ran on a GPU and passed; 2, that there is no GPU or no CuPy to check.
set -euo pipefail

if [ "$#" -ne 1 ]; then
  echo "usage: scripts/gpu_check.sh OUTDIR" >&2
  exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
# From here on all output goes to the terminal and into the report alike. The pipe is closed and awaited at the end, so
# that the report is whole when this script returns.
exec 3>&1 4>&2 > >(exec tee "$out/report.txt") 2>&1
tee_pid=$!
trap 'code=$?; exec 1>&3 2>&4; wait "$tee_pid" || true; exit "$code"' EXIT

echo "== machine"
if ! "$python" - <<'PY' | tee "$out/machine.txt"; then
import datetime
import importlib.metadata
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
run() {  # run NAME COMMAND...: print, keep the output in NAME.txt, go on after a failure
  local name=$1
  shift
  printf '\n== %s: %s\n' "$name" "$*"
  if ! "$@" 2>&1 | tee "$out/$name.txt"; then
    echo "== $name FAILED"
    failed=1
  fi
}

# A backend named by --backend must run: where it cannot, its tests fail instead of being skipped.
# pytest ends with 5 when it selects no test, which counts as a failure here too.
workers=()
if "$python" -c "import xdist" 2> /dev/null; then workers=(-n 8 -p no:benchmark); fi  # that plugin warns beside xdist
run tests_cupy "$python" -m pytest -q "${workers[@]}" -m gpu --backend cupy
if "$python" -c "import sys, torch; sys.exit(not torch.cuda.is_available())" 2> /dev/null; then
  run tests_torch "$python" -m pytest -q "${workers[@]}" -m gpu --backend torch:cuda
else
  printf '\n== tests_torch: left out, there is no PyTorch with CUDA here\n'
fi
if "$python" -c "import sys, jax; sys.exit(jax.default_backend() != 'gpu')" 2> /dev/null; then
  run tests_jax env XLA_PYTHON_CLIENT_PREALLOCATE=false "$python" -m pytest -q "${workers[@]}" -m gpu --backend jax:gpu:0
else
  printf '\n== tests_jax: left out, there is no JAX with CUDA here\n'
fi
run compare_backends "$python" scripts/compare_backends.py --require cupy \
  --json "$out/backends.json" --plot "$out/backends.png"
run xor "$python" -m bpx xor --backend cupy --json
run digits "$python" -m bpx train digits --backend cupy --json
run benchmark "$python" scripts/benchmark.py --only cuda --json "$out/cuda.json" --markdown "$out/cuda.md"

printf '\n== outcome: %s\n' "$([ "$failed" -eq 0 ] && echo passed || echo FAILED)"
exit "$failed"
