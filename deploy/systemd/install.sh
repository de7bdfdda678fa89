#!/usr/bin/env bash
# For a Linux machine with systemd and Python 3.11 to 3.13: installs the service, or a new version of it, and starts it.
#
#   sudo ./install.sh              install this folder's service and bundle; if it does not become ready, go back
#   sudo ./install.sh --rollback   go back to the version before
#
# Run: on Debian 12 with systemd 252 and Caddy 2.6: first, new and broken version, API keys, --rollback; 8 s with a fast
# network. Validated: shellcheck.
#
#   /opt/bears/releases/ID      service, bundle and packages of a version; ID is a hash of them
#   /opt/bears/current          link to the one that runs; /opt/bears/previous: to the one before
#   /etc/bears/keys.txt         API keys, if there is a file keys.txt beside this script
#   /etc/bears/settings         yours, optional: FIELDGUIDE_...=value lines
#
# It may be run again at any time. It needs the internet for the packages of deploy/locks/service.txt.
# Variables: PYTHON (python3), DESTDIR (a folder in place of /, for tests).
set -euo pipefail
umask 022

here=$(cd "$(dirname "$0")" && pwd)
root=${DESTDIR:-}
home=$root/opt/bears
python=${PYTHON:-python3}
lock=$here/deploy/locks/service.txt

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

check_machine() {
    [ "$(id -u)" -eq 0 ] || [ -n "$root" ] || fail "needs root: sudo ./install.sh"
    command -v systemctl >/dev/null || fail "this machine has no systemd; see docs/deploy.md for other ways"
    command -v "$python" >/dev/null || fail "there is no $python; install Python 3.11 to 3.13, or set PYTHON"
    "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' ||
        fail "$("$python" --version) does not fit: install Python 3.11 to 3.13, and set PYTHON=python3.13"
    case $("$python" -c 'import sys; print(sys.base_prefix)') in
        /home/* | /root/*) fail "the service cannot read $python in a home folder: apt install python3, or set PYTHON" ;;
    esac
    "$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$python has no venv: apt install python3-venv"
}

check_folder() {
    local path
    for path in service bundle deploy/locks/service.txt bears.service Caddyfile; do
        [ -e "$here/$path" ] || fail "$here/$path is missing; 'fieldguide deploy systemd BUNDLE --out DIR' writes it"
    done
}

# The same files and the same Python give the same ID.
release_id() {
    {
        "$python" --version
        cd "$here"
        find service bundle deploy/locks -type f ! -path '*/__pycache__/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
    } | sha256sum | cut -c 1-12
}

# A version is complete or is made again: the file `complete` is written last.
make_release() {
    local release=$1
    [ ! -e "$release/complete" ] || return 0
    rm -rf "$release"
    mkdir -p "$release"
    "$python" -m venv "$release/venv"
    # Wheels alone, each with its hash: nothing of a package runs while it is installed.
    "$release/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir \
        --only-binary :all: --require-hashes --requirement "$lock"
    cp -R "$here/service" "$here/bundle" "$release/"
    # Compiled now, since the service cannot write.
    "$release/venv/bin/python" -m compileall -q "$release/service"
    chmod -R u=rwX,go=rX "$release"
    touch "$release/complete"
}

target() { [ ! -L "$home/$1" ] || readlink "$home/$1"; }

# Point a link at a version in one step: the service never sees half of one.
point() {
    ln -sfn "$2" "$home/$1.new"
    mv -T "$home/$1.new" "$home/$1"
}

install_units() {
    local units=$root/etc/systemd/system
    mkdir -p "$units" "$root/etc/bears"
    install -m 644 "$here/bears.service" "$units/bears.service"
    if [ -e "$here/keys.txt" ]; then
        install -m 600 "$here/keys.txt" "$root/etc/bears/keys.txt"
        mkdir -p "$units/bears.service.d"
        install -m 644 "$here/api-keys.conf" "$units/bears.service.d/api-keys.conf"
    fi
    systemctl daemon-reload
    systemctl enable --quiet bears.service
}

restart_and_wait() {
    # After several failed starts systemd refuses to start it before this.
    systemctl reset-failed bears.service 2>/dev/null || true
    systemctl restart bears.service || return 1
    for _ in $(seq 60); do
        "$python" -c 'import urllib.request as r; r.urlopen("http://127.0.0.1:8000/readyz", timeout=2)' 2>/dev/null &&
            return 0
        ! systemctl is-failed --quiet bears.service || return 1
        sleep 0.5
    done
    return 1
}

switch_to() {
    local new=$1 old
    old=$(target current)
    point current "$new"
    if ! restart_and_wait; then
        echo "install.sh: it does not become ready. The end of its log: journalctl -u bears -n 20" >&2
        [ -n "$old" ] && [ "$old" != "$new" ] || fail "there is no other version to go back to"
        point current "$old"
        restart_and_wait || fail "the version before ($old) does not become ready either"
        fail "went back to the version before ($old), which runs"
    fi
    [ -z "$old" ] || [ "$old" = "$new" ] || point previous "$old"
}

remove_old_releases() {
    local release
    for release in "$home"/releases/*; do
        case releases/${release##*/} in
            "$(target current)" | "$(target previous)") ;;
            *) rm -rf "$release" ;;
        esac
    done
}

# Caddy's own example and our file are replaced. A file of yours is not.
install_caddyfile() {
    local file=$root/etc/caddy/Caddyfile
    if ! command -v caddy >/dev/null; then
        echo "Caddy is not installed: the service answers on 127.0.0.1:8000 alone. 'apt install caddy', then run this again."
    elif [ -e "$file" ] && ! grep -q -e 'The Caddyfile is an easy way to configure' -e '^# Caddyfile of bears' "$file"; then
        echo "$file is yours and was left alone: add the blocks of $here/Caddyfile, then 'systemctl reload caddy'."
    else
        caddy validate --adapter caddyfile --config "$here/Caddyfile" >/dev/null 2>&1 ||
            fail "this version of Caddy refuses the Caddyfile: caddy validate --config $here/Caddyfile"
        install -m 644 -D "$here/Caddyfile" "$file"
        systemctl reload-or-restart caddy.service
        echo "Caddy is in front: https://bears.example.org, once that name leads to this machine."
    fi
}

check_machine
if [ "${1:-}" = --rollback ]; then
    [ -n "$(target previous)" ] || fail "there is no version before this one"
    switch_to "$(target previous)"
    echo "The version before runs: $(target current)."
elif [ $# -gt 0 ]; then
    fail "unknown argument $1; there is only --rollback"
else
    check_folder
    id=$(release_id)
    make_release "$home/releases/$id"
    install_units
    switch_to "releases/$id"
    remove_old_releases
    echo "The service is ready: version $id."
    install_caddyfile
fi
