#!/usr/bin/env bash
# Tries the image for training, on the CPU: run.sh starts this with the engine in CT_COMMAND and CT_RUN_OPTIONS.
#
# As the image's own user: read-only, without capabilities and network, with only /tmp and /runs to write to. It makes the
# sample, stops a training as `docker stop` does, continues it, and verifies its bundle. A GPU was never tried.
set -euo pipefail
PYTHON=$1; TAG=$CT_TAG C=ctest FAILS=0
step() { echo "step_$1_s=$(awk -v a="$2" -v b="$EPOCHREALTIME" 'BEGIN{printf "%.2f",b-a}')"; }
check() { local n=$1; shift; if "$@" >/dev/null 2>&1; then echo "check_$n=ok"; else echo "check_$n=FAIL"; FAILS=$((FAILS+1)); fi; }
engine() { $CT_COMMAND "$@"; }
RUNS=$CT_HOME/runs; rm -rf "$RUNS"; install -d -o 65532 "$RUNS"
OPTIONS=(--network=none --read-only --tmpfs "/tmp:rw,nosuid,nodev,size=64m" --cap-drop all --security-opt no-new-privileges
  --memory 4g --memory-swap 4g --pids-limit 512 --volume "$RUNS:/runs")
for option in ${CT_RUN_OPTIONS:-}; do [[ $option == --network=* ]] || OPTIONS+=("$option"); done
fieldguide() { engine run --rm "${OPTIONS[@]}" "$TAG" "$@"; }
bill() { engine export $C | "$PYTHON" -m tests.container.bill deploy/locks/trainer.txt; }
engine rm -f $C >/dev/null 2>&1 || true
trap 'engine rm -f $C >/dev/null 2>&1 || true' EXIT

not() { ! "$@"; }
says_how_to_continue() { engine logs $C 2>&1 | grep -q "continue with: fieldguide resume /runs/1"; }
for tool in pip gcc cc git; do
  check no_$tool not engine run --rm "${OPTIONS[@]}" --entrypoint sh "$TAG" -c "command -v $tool"; done
check nothing_to_run_is_help fieldguide
t=$EPOCHREALTIME; check sample fieldguide sample /runs/digits; step sample "$t"

# A training that is stopped ends as after Ctrl-C, and continues.
t=$EPOCHREALTIME
engine run -d --name $C "${OPTIONS[@]}" "$TAG" fit /runs/digits --recipe /runs/digits-recipe.toml --epochs 2 --out /runs/1 \
  >"$CT_HOME/cid"
end=$(( $(date +%s)+300 )); while [ "$(date +%s)" -lt "$end" ] && ! grep -qs epoch "$RUNS/1/history.jsonl"; do sleep 0.1; done
step first_epoch "$t"
check training_began grep -q epoch "$RUNS/1/history.jsonl"
t=$EPOCHREALTIME; engine stop -t 15 $C >/dev/null 2>&1; step stop "$t"
check stopped_as_by_ctrl_c [ "$(engine inspect $C --format '{{.State.ExitCode}}')" = 130 ]
check bill_of_materials bill
check says_how_to_continue says_how_to_continue
t=$EPOCHREALTIME; fieldguide resume /runs/1 >"$CT_HOME/resume.log" 2>&1 || cat "$CT_HOME/resume.log" >&2; step resume "$t"
check bundle_verified fieldguide verify /runs/1/bundle
check report grep -q '<svg\|data:image' "$RUNS/1/report.html"
check same_bundle_here "$PYTHON" -m fieldguide verify "$RUNS/1/bundle"

# Two processes, as on two GPUs. They need more than 2 GB of memory.
two_processes() {
  engine run --rm "${OPTIONS[@]}" --entrypoint python "$TAG" -m torch.distributed.run --nproc-per-node 2 -m fieldguide \
    fit /runs/digits --recipe /runs/digits-recipe.toml --epochs 0 --device cpu --out /runs/3 >"$CT_HOME/two_processes.log" 2>&1; }
check two_processes two_processes

# torch.compile needs a compiler: the training says so, and goes on without it.
t=$EPOCHREALTIME; fieldguide fit /runs/digits --recipe /runs/digits-recipe.toml --epochs 1 --compile --out /runs/2 >"$CT_HOME/compile.log" 2>&1 || true
step fit_with_compile "$t"
check compile_is_done_without grep -q 'continuing without --compile' "$CT_HOME/compile.log"
check bundle_without_compile fieldguide verify /runs/2/bundle
echo "fails=$FAILS"; [ $FAILS = 0 ]
