#!/usr/bin/env bash
# Trains simtrack-s14 on one CUDA device in at most MINUTES (8): half a minute to measure, then as many epochs as fit.
#
#     benchmarks/train_on_cuda.sh START VIDEOS STILLS HELD_OUT OUT
#     DRY=1 benchmarks/train_on_cuda.sh ...        the same path on a CPU at a tiny size; its weights mean nothing
#
# START is what trackbench.training.start_weights writes, cut to the blocks that are used where space counts; VIDEOS and
# STILLS are folders of sequences and of stills, HELD_OUT one of sequences. LEAVE_OUT names sequences of VIDEOS, as a TOML
# array. OUT then holds weights.safetensors, small.safetensors (int8), log.csv and validation.csv. PYTHON names the
# interpreter.
set -euo pipefail
here=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
absolute() { case $1 in /*) echo "$1" ;; *) echo "$here/$1" ;; esac; }
start=$(absolute "$1") videos=$(absolute "$2") stills=$(absolute "$3") held_out=$(absolute "$4") out=$(absolute "$5")
python=${PYTHON:-python}
began=$SECONDS limit=$((${MINUTES:-8} * 60))
if [ -n "${DRY:-}" ]; then
    own=(--device cpu --workers 0 --set batch=4 --set data.samples=8 --set validation.pairs=2)
    probe=0.1 epoch=8 most=2
else
    own=(--device cuda --set batch=64 --set precision=bf16 --set data.samples=16384)
    probe=0.5 epoch=16384 most=1000
fi
recipe=(simtrack-s14 --set "options.backbone_file=$start" --set "data.sets.videos.source=$videos"
    --set "data.sets.stills.source=$stills" --set "data.sets.videos.leave_out=${LEAVE_OUT:-[]}" "${own[@]}")
"$python" -m trackbench train "${recipe[@]}" --out "$out/probe" --minutes "$probe" --log-every 1 \
    --set schedule.epochs=1000 --set validation.every=0 --quiet
# Samples a second without the first steps, an epoch's validation and the start beside it.
rate=$(tail -n +3 "$out/probe/log.csv" | awk -F, '{ sum += 1 / $(NF - 1); rows++ } END { print rows / sum }')
left=$((limit - (SECONDS - began) - 60))
epochs=$(awk -v rate="$rate" -v left="$left" -v epoch="$epoch" -v most="$most" \
    'BEGIN { n = int(rate * left / epoch); print (n < 2 ? 2 : (n > most ? most : n)) }')
echo "$rate samples/s: $epochs epochs of $epoch samples in $left s"
rm -rf "$out/probe"
"$python" -m trackbench train "${recipe[@]}" --out "$out" --minutes "$(awk -v s="$left" 'BEGIN { print s / 60 }')" \
    --set "schedule.epochs=$epochs" --set "validation.dataset=$held_out" --set "validation.every=$((epochs / 4 + 1))"
"$python" -m trackbench train simtrack-s14 --out "$out" --export "$out/small.safetensors"
cat "$out/validation.csv"
