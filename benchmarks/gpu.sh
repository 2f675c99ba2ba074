#!/bin/sh
# What a GPU makes of it, in at most 8 minutes, as JSON lines with the card's name:
#
#   benchmarks/gpu.sh OUT.jsonl            on a machine with an NVIDIA GPU and a torch that can use it
#   benchmarks/gpu.sh --dry-run OUT.jsonl  the same commands, tiny and on the processor, in their own time
#
# Needs `pip install '.[training,warp]'` in .venv, or PYTHON=/its/python. Each part has its own limit, the
# first a long one, since it compiles; the training has what is left. A part that fails or runs past its
# limit leaves a line that says so, and the exit code is 1.
set -u
cd "$(dirname "$0")/.." || exit 2
device=cuda worlds="4096 8192 16384 32768" time_s=470 first_s=150 each_s=40 train_s=110
sim="--seconds 10" train="--runs 3 --seconds 1.5"
run="--recipe pearl-valve-turn --success 0.9 --settings backend=warp evaluation_interval=5"
if [ "${1-}" = --dry-run ]; then
  shift
  device=cpu worlds=2 time_s=4500 first_s=900 train_s=3000
  sim="--seconds 0.1 --control-period-s 0.0025" train="--runs 1 --seconds 0.01 --threads 1"
  run="--recipe pearl-point-robot --success 0 --settings num_iterations=1 num_gradient_steps=1
    num_initial_steps=20 tasks_per_iteration=1 num_prior_steps=20 num_posterior_steps=20 num_test_tasks=2"
fi
[ $# = 1 ] || { echo "usage: benchmarks/gpu.sh [--dry-run] OUT.jsonl" >&2; exit 2; }
out=$1 python=${PYTHON:-.venv/bin/python} failed=0 begun=$(date +%s)
if [ $device = cuda ]; then
  card=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1)
  [ -n "$card" ] || { echo "nvidia-smi finds no GPU" >&2; exit 2; }
else
  card="none: a dry run on the processor"
fi
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

left() { echo $((time_s - $(date +%s) + begun)); }

# part NAME LIMIT_S COMMAND...: its lines, each with the card's name; a line of its own where it failed
part() {
  name=$1 limit=$2
  shift 2
  : > "$work/lines"
  [ "$limit" -le "$(left)" ] || limit=$(left)
  code=124
  [ "$limit" -le 0 ] || { timeout -k 5 "$limit" "$@" > "$work/lines"; code=$?; }
  if [ $code != 0 ]; then
    failed=1
    echo "{\"bench\": \"$name\", \"failed\": $code, \"limit_s\": $limit}" >> "$work/lines"
  fi
  grep '^{' "$work/lines" | sed "s|^{|{\"card\": \"$card\", |" >> "$work/all"
}

limit=$first_s
for count in $worlds; do
  part "sim, $count worlds" "$limit" "$python" -m sim2real.cli bench sim --backend warp --device $device \
    --families valve_turn --worlds "$count" $sim
  limit=$each_s
done
part train "$train_s" "$python" -m sim2real.cli bench train --device $device $train
part time_to_success "$(left)" "$python" benchmarks/time_to_success.py --out "$work/run" --device $device \
  --limit-s "$(($(left) > 40 ? $(left) - 25 : 15))" $run
mv "$work/all" "$out"
exit $failed
