#!/usr/bin/env bash
# Builds the Dockerfile and tries the image: `make container-test`, and with --matrix `make container-test-matrix`.
#
#   tests/container/run.sh BUNDLE [--matrix | --places] [--memory 512m] [--cpus 2]
#
# With an engine: docker, else podman, if it runs and has or fetches the official base image. The container's port is
# published on 127.0.0.1. This path has been run with podman on a base image made by base.sh, and not yet with Docker nor
# with the official base image.
#
# Without one: builds with buildah on a stand-in of the base image (base.sh), and runs podman and crun in mount, network
# and control group namespaces of its own. Needs root on Debian or Ubuntu; installs what is missing.
#
# Then `python -m tests.container` starts containers and asks them everything. Exit code 0 only if every check passed.
#
#   CT_TARGET=trainer  builds the image for training, and trains in it: `make container-test-trainer`, trainer.sh
#   CT_CONTEXT  folder with the Dockerfile (this clone)
#   CT_ENGINE  none, or how the engine is called    CT_BUILD_OPTIONS, CT_RUN_OPTIONS  more options for it
#   CT_HOME  folder for images (/var/tmp/container-test; delete it when you are done)    CT_REBASE=1  make the base again
set -euo pipefail
HERE=$(realpath "$(dirname "$0")"); ROOT=$(realpath "$HERE/../.."); CTX=${CT_CONTEXT:-$ROOT}; F=$CTX/Dockerfile
TARGET=${CT_TARGET:-}
if [ "$TARGET" != trainer ]; then BUNDLE=$(realpath "${1:?the bundle to serve}"); set -- "$BUNDLE" "${@:2}"; fi
PYTHON=$ROOT/.venv/bin/python; cd "$ROOT"
export CT_TAG=fieldguide${TARGET:+-$TARGET}:container-test
BASE=$(sed -n 's/^ARG PYTHON_IMAGE=//p' "$F")
export CT_HOME=${CT_HOME:-/var/tmp/container-test}
try_image() { if [ "$TARGET" = trainer ]; then bash "$HERE/trainer.sh" "$PYTHON"; else "$PYTHON" -m tests.container "$@"; fi; }
T0=$EPOCHREALTIME
secs() { awk -v a="$1" -v b="${2:-$EPOCHREALTIME}" 'BEGIN{printf "%.2f",b-a}'; }
step() { echo "step_$1_s=$(secs "$2")"; }
sizes() { # $1 size of the image  $2 size of its base
  awk -v s="$1" -v b="$2" 'BEGIN{printf "image_size_mb=%.0f app_layers_mb=%.0f\n",s/1e6,(s-b)/1e6}'; }

# ---------------------------------------------------------------- with an engine
works() { # whether this engine runs, and has or fetches the base image
  $1 info >/dev/null 2>&1 || return 1
  $1 image inspect "$BASE" >/dev/null 2>&1 || timeout 120 $1 pull -q "$BASE" >/dev/null 2>&1
}
ENGINE=${CT_ENGINE:-}
if [ -z "$ENGINE" ]; then
  ENGINE=none
  for each in docker podman; do if command -v $each >/dev/null && works $each; then ENGINE=$each; break; fi; done
fi
if [ "$ENGINE" != none ]; then
  echo "engine=$ENGINE base=$BASE"; t=$EPOCHREALTIME
  $ENGINE build ${CT_BUILD_OPTIONS:-} ${TARGET:+--target "$TARGET"} -t "$CT_TAG" "$CTX" >/dev/null || { echo build=FAIL; exit 1; }
  step build "$t"
  sizes "$($ENGINE image inspect "$CT_TAG" --format '{{.Size}}')" "$($ENGINE image inspect "$BASE" --format '{{.Size}}')"
  export CT_COMMAND=$ENGINE; mkdir -p "$CT_HOME"
  try_image "$@"
  exit
fi

# ---------------------------------------------------------------- without an engine
[ "${CT_INNER:-}" = 1 ] || echo "engine=none"; mkdir -p "$CT_HOME"/{run,tmp,bases}
STORE=(--root "$CT_HOME/store" --runroot "$CT_HOME/run" --storage-driver overlay)
B=(buildah "${STORE[@]}")
PD=(podman "${STORE[@]}" --tmpdir "$CT_HOME/tmp" --cgroup-manager cgroupfs --runtime crun --log-level fatal)
. "$HERE/base.sh"

if [ "${CT_INNER:-}" != 1 ]; then
  exec 9>"$CT_HOME/lock"; flock 9                         # one run at a time per CT_HOME
  t=$EPOCHREALTIME; need=()
  for p in buildah:buildah podman:podman crun:crun debootstrap:debootstrap ip:iproute2 curl:curl strip:binutils; do
    command -v "${p%%:*}" >/dev/null || need+=("${p#*:}"); done
  if [ ${#need[@]} -gt 0 ]; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${need[@]}" >"$CT_HOME/apt.log" 2>&1 \
      || { tail -5 "$CT_HOME/apt.log" >&2; exit 1; }; fi
  step packages "$t"

  # what buildah 1.28 cannot take is taken out of a copy: digests (the stand-in has another) and COPY --link
  sed -E 's/^(FROM[^@]*|ARG[^@]*)@sha256:[0-9a-f]{64}/\1/I; s/^((COPY|ADD)[^#]*) --link( |=true )/\1 /I' "$F" >"$CT_HOME/Dockerfile.used"
  cmp -s "$F" "$CT_HOME/Dockerfile.used" || echo "note=Dockerfile adapted (digest or --link removed): diff $F $CT_HOME/Dockerfile.used"
  t=$EPOCHREALTIME; made=0 name=""                         # every python:X.Y-slim* the Dockerfile names (or CT_BASES)
  for ref in $({ grep -oE 'python:3\.[0-9]+(\.[0-9]+)?-slim[a-z-]*' "$CT_HOME/Dockerfile.used" || true; echo ${CT_BASES:-}; } | tr ' ' '\n' | grep . | sort -u); do
    made=0
    v=$(grep -oE '3\.[0-9]+' <<<"$ref" | head -1); name=localhost/$ref
    if [ -n "${CT_REBASE:-}" ] || ! "${B[@]}" inspect --type image "$name" >/dev/null 2>&1; then make_base "$v" "$name"; made=1; fi
    echo "base=$ref made=$made base_size_mb=$("${PD[@]}" image inspect "$name" --format '{{.Size}}' | awk '{printf "%.0f",$1/1e6}')"
  done; step base "$t"

  t=$EPOCHREALTIME                                         # build, with the host's CA and pip settings lent to RUN only
  vol=(); ca=${PIP_CERT:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}
  [ -r "$ca" ] && vol+=(-v "$ca:/etc/ssl/certs/ca-certificates.crt:ro")
  { echo '[global]'; [ -r "$ca" ] && echo 'cert = /etc/ssl/certs/ca-certificates.crt'; echo "timeout = ${PIP_DEFAULT_TIMEOUT:-60}"
    [ -d "${PIP_FIND_LINKS:-/nonexistent}" ] && echo "find-links = $PIP_FIND_LINKS"; } >"$CT_HOME/pip.conf"
  vol+=(-v "$CT_HOME/pip.conf:/etc/pip.conf:ro"); [ -d "${PIP_FIND_LINKS:-/nonexistent}" ] && vol+=(-v "$PIP_FIND_LINKS:$PIP_FIND_LINKS:ro")
  layers=--layers; [ "${CT_LAYERS:-1}" = 0 ] && layers=--no-cache
  if ! "${B[@]}" bud --isolation chroot --force-rm --pull-never --format docker $layers "${vol[@]}" -f "$CT_HOME/Dockerfile.used" ${TARGET:+--target "$TARGET"} -t "$CT_TAG" "$CTX" >"$CT_HOME/build.log" 2>&1; then
    tail -20 "$CT_HOME/build.log" >&2; "${B[@]}" rm -a >/dev/null 2>&1 || true; echo build=FAIL; exit 1; fi
  step build "$t"
  base_size=0; [ -z "$name" ] || base_size=$("${PD[@]}" image inspect "$name" --format '{{.Size}}')
  sizes "$("${PD[@]}" image inspect "$CT_TAG" --format '{{.Size}}')" "$base_size"
  # private mount, cgroup and network namespaces: nothing of the host is changed
  rc=0; CT_INNER=1 CT_ENGINE=none unshare --mount --cgroup --net --propagation private bash "$HERE/run.sh" "$@" || rc=$?
  find /sys/fs/cgroup -depth -type d -path '*/container-test*' -exec rmdir {} \; 2>/dev/null || true
  echo "total_s=$(secs "$T0")"; exit $rc
fi

# inside the namespaces
cgmounts=$(awk '$3=="cgroup"||$3=="cgroup2"{print $2}' /proc/mounts)
if grep -q ' cgroup rw' /proc/mounts || grep -qE '^[^ ]+ [^ ]+ cgroup ' /proc/mounts; then   # v1 or hybrid: crun refuses hybrid
  (cd /; for m in $cgmounts; do umount "$m"; done
   for c in cpu cpuacct cpuset memory devices freezer blkio pids; do mkdir -p /sys/fs/cgroup/$c; mount -t cgroup -o $c cgroup /sys/fs/cgroup/$c || true; done
   mkdir -p /sys/fs/cgroup/systemd; mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd || true)
fi
ip link set lo up; mkdir -p /run/netns; mount -t tmpfs ctnetns /run/netns
ip netns add svc; ip link add ct0 type veth peer name eth0 netns svc
ip addr add 10.88.77.1/24 dev ct0; ip link set ct0 up
ip -n svc addr add 10.88.77.2/24 dev eth0; ip -n svc link set eth0 up; ip -n svc link set lo up
files=$(ulimit -Hn)
export CT_COMMAND="${PD[*]}" CT_ADDRESS=10.88.77.2:8000
export CT_RUN_OPTIONS="--network=ns:/run/netns/svc --log-driver=k8s-file --health-interval=disable --read-only-tmpfs=false \
  --cgroup-parent=/container-test --ulimit=nofile=$files:$files --ulimit=nproc=4096:4096 ${CT_RUN_OPTIONS:-}"
try_image "$@"
