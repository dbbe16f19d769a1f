#!/usr/bin/env bash
# Everything that needs a CUDA device, in at most eight minutes: its tests, then its measurements.
#
#     benchmarks/on_cuda.sh [FOLDER]          writes FOLDER/tests.txt, on_cuda.json and on_cuda.md (default: cuda_results)
#     DRY=1 benchmarks/on_cuda.sh [FOLDER]    the same path on a CPU at a tiny size; says nothing of speed
#
# PYTHON names the interpreter. The exit code is that of the first part that failed; the second part runs all the same.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python}
out=${1:-cuda_results}
mkdir -p "$out"
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
if [ -n "${DRY:-}" ]; then
    tests=(tests/nn/test_graphs.py -m "" -k "not compiled") dry=(--dry)
else
    tests=(tests -m cuda) dry=()
fi
timeout 180 "$python" -m pytest -p no:cacheprovider "${tests[@]}" 2>&1 | tee "$out/tests.txt" | tail -n 15
tested=${PIPESTATUS[0]}
timeout 290 "$python" -m benchmarks.on_cuda --out "$out" --seconds 270 ${dry[@]+"${dry[@]}"}
measured=$?
[ "$tested" -eq 0 ] || { echo "tests: exit code $tested, see $out/tests.txt"; exit "$tested"; }
exit "$measured"
