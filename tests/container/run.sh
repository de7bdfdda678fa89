#!/usr/bin/env bash
# Builds the Dockerfile and tries the image, on a machine without a container engine. `make container-test` runs it.
#
#   tests/container/run.sh [-m 512m] [-c 2] [-k] BUNDLE
#
# It builds with buildah on a stand-in of the base image, which debootstrap and this machine's Python make, and runs the
# container with podman and crun as its own user: read-only, without capabilities, with seccomp and no-new-privileges, in
# its own network and control group. Then it asks the service (check.py), stops it in the middle of a request, and starts
# it without a bundle. It prints KEY=VALUE lines; exit code 0 only if every check passed. Needs root, Debian or Ubuntu.
#
#   tests/container/run.sh -t trainer -m 4g       builds the other target, and trains in it (trainer.sh): about 20 GB of disk
#
#   -m, -c  memory and processors of the container       -k  keep its log
#   CT_HOME  folder for the images (/var/tmp/container-test)        CT_REBASE=1  make the base image again
#   CT_USER  run as this user in place of the image's own           CT_FILES  open files that are allowed
set -euo pipefail
ORIG=("$@")
TAG=fieldguide:container-test TARGET=service PORT=8000 URLPATH=/readyz MEM=512m CPUS=2 WAIT=60 KEEP=0
while getopts m:c:kt: o; do case $o in
  t) TARGET=$OPTARG TAG=fieldguide-$OPTARG:container-test;; m) MEM=$OPTARG;; c) CPUS=$OPTARG;; k) KEEP=1;; *) exit 2;; esac; done
shift $((OPTIND-1))
[ "$TARGET" = trainer ] || BUNDLE=$(realpath "${1:?the bundle to serve}")
CTX=$(realpath "$(dirname "$0")/../.."); F=$CTX/Dockerfile
PYTHON=$CTX/.venv/bin/python; cd "$CTX"
CT_HOME=${CT_HOME:-/var/tmp/container-test}; mkdir -p "$CT_HOME"/{run,tmp,bases}
STORE=(--root "$CT_HOME/store" --runroot "$CT_HOME/run" --storage-driver overlay)
B=(buildah "${STORE[@]}")
PD=(podman "${STORE[@]}" --tmpdir "$CT_HOME/tmp" --cgroup-manager cgroupfs --runtime crun --log-level fatal)
T0=$EPOCHREALTIME
secs() { awk -v a="$1" -v b="${2:-$EPOCHREALTIME}" 'BEGIN{printf "%.2f",b-a}'; }
step() { echo "step_$1_s=$(secs "$2")"; }
FAILS=0; check() { local n=$1; shift; if "$@" >/dev/null 2>&1; then echo "check_$n=ok"; else echo "check_$n=FAIL"; FAILS=$((FAILS+1)); fi; }

# ---------------------------------------------------------------- stand-in base image
make_base() { # $1 = X.Y  $2 = full image name
  local v=$1 name=$2 tar="$CT_HOME/bases/python-$1.tar" code suite py r c m uri
  code=$(. /etc/os-release; echo "$VERSION_CODENAME"); suite=$code
  py=$(ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$v".* 2>/dev/null | sort -V | tail -1 || true)
  [ -z "${CT_NO_PYENV:-}" ] || py=""
  if [ -z "$py" ]; then case $v in 3.11) suite=bookworm;; 3.13) suite=trixie;;
    *) echo "no Python $v on this machine: neither pyenv nor Debian has it" >&2; return 1;; esac; fi
  if [ ! -s "$tar" ] || [ -n "${CT_REBASE:-}" ]; then
    r=$CT_HOME/bases/rootfs-$v; rm -rf --one-file-system "$r"; mkdir -p "$r"
    uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $code" 2>/dev/null | head -1)
    local inc=ca-certificates,netbase,tzdata
    if [ -n "$py" ]; then inc+=,libssl3,libffi8,libsqlite3-0,libbz2-1.0,liblzma5,zlib1g,libreadline8,libncursesw6,libuuid1
    else inc+=,python3,python3-pip,python3-venv; fi
    debootstrap --variant=minbase --include="$inc" "$suite" "$r" ${uri:+"$uri"} >"$CT_HOME/bases/debootstrap-$v.log" 2>&1 \
      || { tail -5 "$CT_HOME/bases/debootstrap-$v.log" >&2; return 1; }
    if [ -n "$py" ]; then   # same layout as the official image: /usr/local/bin/python, site-packages
      tar -C "$py" --exclude='site-packages/*' --exclude=test --exclude=tests --exclude=idlelib --exclude=tkinter \
          --exclude='*_tkinter*' --exclude=__pycache__ --exclude='*.a' --exclude='config-3*' --exclude='bin/pip*' \
          --exclude='bin/idle*' --exclude='bin/2to3*' --exclude='*-gdb.py' -cf - bin lib include \
        | tar -C "$r/usr/local" --no-same-owner -xf -
      strip --strip-unneeded "$r"/usr/local/lib/libpython*.so.1.0 "$r"/usr/local/lib/python*/lib-dynload/*.so 2>/dev/null || true
      chroot "$r" sh -ec 'ldconfig; /usr/local/bin/python3 -m ensurepip --default-pip'
      sed -i '1s|^#!.*/bin/python[0-9.]*$|#!/usr/local/bin/python3|' "$r"/usr/local/bin/pydoc* "$r"/usr/local/bin/pip* || true
    else                    # Debian's python: use a venv in the Dockerfile (dist-packages, not site-packages)
      rm -f "$r"/usr/lib/python3*/EXTERNALLY-MANAGED
      ln -sf /usr/bin/python3 "$r/usr/local/bin/python"; ln -sf /usr/bin/python3 "$r/usr/local/bin/python3"
      ln -sf /usr/bin/pip3 "$r/usr/local/bin/pip"
    fi >>"$CT_HOME/bases/debootstrap-$v.log" 2>&1
    rm -rf "$r"/var/lib/apt/lists/* "$r"/var/cache/apt/* "$r"/var/cache/debconf/*-old "$r"/usr/share/{doc,man,info}/* "$r"/var/log/*
    find "$r"/usr/share/locale -mindepth 1 -maxdepth 1 -exec rm -rf {} +
    find "$r" -xdev -name __pycache__ -prune -exec rm -rf {} +
    chroot "$r" /usr/local/bin/python -c 'import ssl,sqlite3,ctypes,lzma,bz2,zlib,hashlib,sys; assert sys.version.startswith("'"$v"'.")'
    tar -C "$r" --one-file-system -cf "$tar.tmp" . && mv "$tar.tmp" "$tar"; rm -rf --one-file-system "$r"
  fi
  c=$("${B[@]}" from scratch); m=$("${B[@]}" mount "$c"); tar -C "$m" -xf "$tar"
  "${B[@]}" umount "$c" >/dev/null
  "${B[@]}" config --env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin --env LANG=C.UTF-8 --cmd python3 "$c"
  "${B[@]}" commit -q --format docker --rm "$c" "$name" >/dev/null
}

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
  if ! "${B[@]}" bud --isolation chroot --force-rm --pull-never --format docker $layers "${vol[@]}" -f "$CT_HOME/Dockerfile.used" --target "$TARGET" -t "$TAG" "$CTX" >"$CT_HOME/build.log" 2>&1; then
    tail -20 "$CT_HOME/build.log" >&2; "${B[@]}" rm -a >/dev/null 2>&1 || true; echo build=FAIL; exit 1; fi
  step build "$t"
  sz=$("${PD[@]}" image inspect "$TAG" --format '{{.Size}}'); bs=0; [ -z "$name" ] || bs=$("${PD[@]}" image inspect "$name" --format '{{.Size}}')
  echo "image_size_mb=$(awk -v s="$sz" 'BEGIN{printf "%.0f",s/1e6}') app_layers_mb=$(awk -v s="$sz" -v b="$bs" 'BEGIN{printf "%.0f",(s-b)/1e6}')"
  echo "check_build=ok"
  # private mount, cgroup and network namespaces: nothing of the host is changed
  rc=0; CT_INNER=1 CT_T0=$T0 unshare --mount --cgroup --net --propagation private bash "$0" "${ORIG[@]}" || rc=$?
  find /sys/fs/cgroup -depth -type d -path '*/container-test*' -exec rmdir {} \; 2>/dev/null || true
  echo "total_s=$(secs "$T0")"; exit $rc
fi

# ---------------------------------------------------------------- run (inside the namespaces)
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
C=ctest; "${PD[@]}" rm -f $C >/dev/null 2>&1 || true
cleanup() { "${PD[@]}" rm -f -t 2 $C >/dev/null 2>&1 || true; }; trap cleanup EXIT
H=${CT_FILES:-$(ulimit -Hn)}
start() { # more options of `podman run`
  "${PD[@]}" run -d --name $C --network ns:/run/netns/svc --log-driver k8s-file --health-interval disable \
    --read-only --read-only-tmpfs=false --tmpfs /tmp:rw,nosuid,nodev,size=64m --cap-drop all \
    --security-opt no-new-privileges --ulimit nofile="$H:$H" --ulimit nproc=4096:4096 --cgroup-parent /container-test \
    --memory "$MEM" --memory-swap "$MEM" --cpus "$CPUS" --pids-limit 512 ${CT_USER:+--user "$CT_USER"} "$@" "$TAG" \
    >"$CT_HOME/cid" 2>"$CT_HOME/run.err" || { cat "$CT_HOME/run.err" >&2; echo run=FAIL; exit 1; }
}
user=$("${PD[@]}" image inspect "$TAG" --format '{{.Config.User}}')
check numeric_nonroot_user grep -qE '^[1-9][0-9]*(:|$)' <<<"$user"
ep=$("${PD[@]}" image inspect "$TAG" --format '{{json .Config.Entrypoint}}'); check exec_form_entrypoint bash -c '[[ $1 != *"/bin/sh"* ]]' _ "$ep"

bill() { "${PD[@]}" export $C | "$PYTHON" -m tests.container.bill "deploy/locks/$TARGET.txt"; }
if [ "$TARGET" = trainer ]; then . tests/container/trainer.sh; echo "fails=$FAILS"; exit $((FAILS > 0)); fi

# Without a bundle it ends with 3 and one line.
start; sleep 0.2; code=$("${PD[@]}" wait $C)
check without_a_bundle_code_3 [ "$code" = 3 ]
check without_a_bundle_one_line bash -c '[ "$("$@" 2>&1 | wc -l)" = 1 ]' _ "${PD[@]}" logs $C
"${PD[@]}" rm -f $C >/dev/null 2>&1

t=$EPOCHREALTIME; start --volume "$BUNDLE:/bundle:ro"
echo "podman_run_returned_s=$(secs "$t")"
url=http://10.88.77.2:$PORT$URLPATH; up=0; end=$(( $(date +%s)+WAIT ))
while [ "$(date +%s)" -lt "$end" ]; do
  [ "$(curl -s -o "$CT_HOME/health.out" -m 2 -w '%{http_code}' "$url" || true)" = 200 ] && { up=1; break; }
  [ "$("${PD[@]}" inspect $C --format '{{.State.Running}}')" = true ] || break; sleep 0.05; done
if [ $up = 0 ]; then echo check_ready=FAIL; "${PD[@]}" inspect $C --format 'exit_code={{.State.ExitCode}}'; "${PD[@]}" logs --tail 30 $C >&2; exit 1; fi
echo "startup_s=$(secs "$t")"; echo check_ready=ok
for tool in pip gcc cc git; do check no_$tool bash -c '! "$@"' _ "${PD[@]}" exec $C sh -c "command -v $tool"; done
check bill_of_materials bill
check no_torch bash -c '! "$@"' _ "${PD[@]}" exec $C python -c "import torch"
"$PYTHON" -m tests.container.check "http://10.88.77.2:$PORT" "$BUNDLE" || FAILS=$((FAILS+1))
pid=$("${PD[@]}" inspect $C --format '{{.State.Pid}}')
cgm=$(awk -F: '$2=="memory"{print "/sys/fs/cgroup/memory" $3}' /proc/$pid/cgroup); peak=memory.max_usage_in_bytes lim=memory.limit_in_bytes
[ -n "$cgm" ] || { cgm=/sys/fs/cgroup$(awk -F: '$1=="0"{print $3}' /proc/$pid/cgroup); peak=memory.peak lim=memory.max; }   # cgroup v2
pids=$(cat "$cgm/cgroup.procs")
for q in $pids; do cat /proc/$q/smaps_rollup 2>/dev/null; done | awk '/^Rss:/{r+=$2}/^Pss:/{p+=$2}END{printf "rss_mb=%.1f pss_mb=%.1f ",r/1024,p/1024}'
echo "cgroup_usage_peak_mb=$(awk '{printf "%.1f",$1/1048576}' "$cgm/$peak" 2>/dev/null) limit_mb=$(awk '{printf "%.0f",$1/1048576}' "$cgm/$lim" 2>/dev/null) processes=$(wc -w <<<"$pids") threads=$(ls /proc/$pid/task | wc -l)"
[ "${CT_USER:-}" = 0 ] || check uid_not_root bash -c '! grep -qE "^Uid:\s+0\s" /proc/'"$pid"'/status'
check no_capabilities  grep -qE '^CapEff:\s+0000000000000000' /proc/$pid/status
check no_new_privs     grep -qE '^NoNewPrivs:\s+1' /proc/$pid/status
check seccomp          grep -qE '^Seccomp:\s+2' /proc/$pid/status
inside=/proc/$pid/root; check rootfs_readonly bash -c '! touch "$1"/usr/.w' _ "$inside"
"${PD[@]}" exec $C sh -c 'touch /tmp/.w' >/dev/null 2>&1 && echo check_tmp_writable=ok || echo "note=no shell or /tmp not writable"
if "${PD[@]}" image inspect "$TAG" --format '{{json .HealthCheck}}' 2>/dev/null | grep -q Test; then
  check dockerfile_healthcheck "${PD[@]}" healthcheck run $C; else echo check_dockerfile_healthcheck=absent; fi
# SIGTERM while an upload arrives: it is answered before the service ends.
head -c 300000 /dev/urandom >"$CT_HOME/upload"
curl -s -o "$CT_HOME/upload.out" -w '%{http_code}' --limit-rate 150k -H 'Content-Type: application/octet-stream' --data-binary @"$CT_HOME/upload" \
  "http://10.88.77.2:$PORT/v1/predict" >"$CT_HOME/upload.code" & upload=$!
sleep 0.5
t=$EPOCHREALTIME; "${PD[@]}" stop -t 15 $C >/dev/null 2>&1; echo "sigterm_stop_s=$(secs "$t")"
wait $upload || true; check answers_an_upload_while_it_stops grep -q '^415$' "$CT_HOME/upload.code"
code=$("${PD[@]}" inspect $C --format '{{.State.ExitCode}}'); echo "stop_exit_code=$code"
check stops_with_0 [ "$code" = 0 ]
"${PD[@]}" logs $C >"$CT_HOME/service.log" 2>&1 || true; [ $KEEP = 1 ] && echo "log=$CT_HOME/service.log"
echo "fails=$FAILS"; [ $FAILS = 0 ]
