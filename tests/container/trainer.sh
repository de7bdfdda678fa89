# Tries the image for training, on the CPU: `tests/container/run.sh -t trainer -m 4g` sources this in its namespaces.
#
# As the image's own user: read-only, without capabilities and network, with only /tmp and /runs to write to. It makes the
# sample, stops a training as `docker stop` does, continues it, and verifies its bundle. A GPU was never tried.
RUNS=$CT_HOME/runs; rm -rf "$RUNS"; install -d -o "${CT_USER:-65532}" "$RUNS"
OPTIONS=(--network none --log-driver k8s-file --read-only --read-only-tmpfs=false --tmpfs /tmp:rw,nosuid,nodev,size=64m
  --cap-drop all --security-opt no-new-privileges --ulimit nofile="$H:$H" --ulimit nproc=4096:4096
  --cgroup-parent /container-test --memory "$MEM" --memory-swap "$MEM" --cpus "$CPUS" --pids-limit 512
  ${CT_USER:+--user "$CT_USER"} --volume "$RUNS:/runs")
fieldguide() { "${PD[@]}" run --rm "${OPTIONS[@]}" "$TAG" "$@"; }

for tool in pip gcc cc git; do
  check no_$tool bash -c '! "$@"' _ "${PD[@]}" run --rm "${OPTIONS[@]}" --entrypoint sh "$TAG" -c "command -v $tool"; done
check nothing_to_run_is_help fieldguide
t=$EPOCHREALTIME; check sample fieldguide sample /runs/digits; step sample "$t"

# A training that is stopped ends as after Ctrl-C, and continues.
t=$EPOCHREALTIME
"${PD[@]}" run -d --name $C "${OPTIONS[@]}" "$TAG" fit /runs/digits --recipe /runs/digits-recipe.toml --epochs 2 --out /runs/1 \
  >"$CT_HOME/cid"
end=$(( $(date +%s)+300 )); while [ "$(date +%s)" -lt "$end" ] && ! grep -qs epoch "$RUNS/1/history.jsonl"; do sleep 0.1; done
step first_epoch "$t"
check training_began grep -q epoch "$RUNS/1/history.jsonl"
t=$EPOCHREALTIME; "${PD[@]}" stop -t 15 $C >/dev/null 2>&1; step stop "$t"
check stopped_as_by_ctrl_c [ "$("${PD[@]}" inspect $C --format '{{.State.ExitCode}}')" = 130 ]
check bill_of_materials bill
check says_how_to_continue bash -c '"$@" 2>&1 | grep -q "continue with: fieldguide resume /runs/1"' _ "${PD[@]}" logs $C
t=$EPOCHREALTIME; fieldguide resume /runs/1 >"$CT_HOME/resume.log" 2>&1 || cat "$CT_HOME/resume.log" >&2; step resume "$t"
check bundle_verified fieldguide verify /runs/1/bundle
check report grep -q '<svg\|data:image' "$RUNS/1/report.html"
check same_bundle_here "$PYTHON" -m fieldguide verify "$RUNS/1/bundle"

# Two processes, as on two GPUs. They need more than 2 GB of memory.
two_processes() {
  "${PD[@]}" run --rm "${OPTIONS[@]}" --entrypoint python "$TAG" -m torch.distributed.run --nproc-per-node 2 -m fieldguide \
    fit /runs/digits --recipe /runs/digits-recipe.toml --epochs 0 --device cpu --out /runs/3 >"$CT_HOME/two_processes.log" 2>&1; }
check two_processes two_processes

# torch.compile needs a compiler: the training says so, and goes on without it.
t=$EPOCHREALTIME; fieldguide fit /runs/digits --recipe /runs/digits-recipe.toml --epochs 1 --compile --out /runs/2 >"$CT_HOME/compile.log" 2>&1 || true
step fit_with_compile "$t"
check compile_is_done_without grep -q 'continuing without --compile' "$CT_HOME/compile.log"
check bundle_without_compile fieldguide verify /runs/2/bundle
