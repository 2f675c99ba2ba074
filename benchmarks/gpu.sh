#!/bin/sh
# What a GPU makes of it, in at most 8 minutes, as JSON lines with the card's name:
#
#   benchmarks/gpu.sh OUT.jsonl            on a machine with an NVIDIA GPU and a torch that can use it
#   benchmarks/gpu.sh --dry-run OUT.jsonl  the same commands, tiny and on the processor
#
# Needs `pip install '.[training,warp]'` in .venv, or PYTHON=/its/python. Each part has its own limit; one
# that fails or runs past it leaves a line that says so, and the exit code is 1.
set -u
cd "$(dirname "$0")/.." || exit 2
device=cuda worlds="4096 8192 16384 32768" family=valve_turn
sim="--seconds 10" train="--runs 3 --seconds 2"
run="--recipe pearl-valve-turn --success 0.9 --limit-s 180 --settings backend=warp evaluation_interval=5"
if [ "${1-}" = --dry-run ]; then
  shift
  device=cpu worlds=2 sim="--seconds 0.1 --control-period-s 0.0025" train="--runs 1 --seconds 0.01"
  run="--recipe pearl-point-robot --success 0 --limit-s 60 --settings num_iterations=1 num_gradient_steps=1
    num_initial_steps=20 tasks_per_iteration=1 num_prior_steps=20 num_posterior_steps=20 num_test_tasks=2"
fi
[ $# = 1 ] || { echo "usage: benchmarks/gpu.sh [--dry-run] OUT.jsonl" >&2; exit 2; }
out=$1 python=${PYTHON:-.venv/bin/python} failed=0
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
if [ $device = cuda ]; then
  card=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1)
  [ -n "$card" ] || { echo "nvidia-smi finds no GPU" >&2; exit 2; }
else
  card="none: a dry run on the processor"
fi

# part NAME LIMIT_S COMMAND...: its lines, each with the card's name; a line of its own where it failed
part() {
  name=$1 limit=$2
  shift 2
  timeout -k 10 "$limit" "$@" > "$work/lines"
  code=$?
  if [ $code != 0 ]; then
    failed=1
    echo "{\"bench\": \"$name\", \"failed\": $code, \"limit_s\": $limit}" >> "$work/lines"
  fi
  grep '^{' "$work/lines" | sed "s|^{|{\"card\": \"$card\", |" >> "$work/all"
}

for count in $worlds; do
  part "sim, $count worlds" 60 "$python" -m sim2real.cli bench sim --backend warp --device $device \
    --families $family --worlds "$count" $sim
done
part train 90 "$python" -m sim2real.cli bench train --device $device $train
part time_to_success 220 "$python" benchmarks/time_to_success.py --out "$work/run" --device $device $run
mv "$work/all" "$out"
exit $failed
