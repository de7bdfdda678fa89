#!/usr/bin/env bash
# Makes a stand-in of the base image python:X.Y-slim, for a machine that cannot fetch it: Debian's base by debootstrap, and
# this machine's Python. run.sh reads this file; it needs root on Debian or Ubuntu, and CT_HOME and B (buildah) of run.sh.

# make_base X.Y NAME
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
