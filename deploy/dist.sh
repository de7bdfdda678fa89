#!/usr/bin/env bash
# For maintainers: builds dist/, the source distribution and the wheel of a release, and tries the wheel. `make dist` and
# the release workflow run it. Everything that runs here is locked with its hashes; only the network's index is needed.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
install=(-m pip install --quiet --disable-pip-version-check --only-binary :all:)

"${PYTHON:-python3}" -m venv "$work/tools"
"$work/tools/bin/python" "${install[@]}" --require-hashes --requirement deploy/locks/release.txt
# The wheel is built from the source distribution: what is missed there is missed here, not at the user's.
"$work/tools/bin/uv" build --quiet --clear --out-dir dist --python "$work/tools/bin/python" \
    --build-constraints deploy/locks/release.txt --require-hashes

# The wheel, beside the packages that the service has in its image.
"${PYTHON:-python3}" -m venv "$work/tried"
"$work/tried/bin/python" "${install[@]}" --require-hashes --requirement deploy/locks/service.txt
"$work/tried/bin/python" "${install[@]}" --no-deps --no-index dist/*.whl
cd "$work"
version=$("$work/tried/bin/fieldguide" --version)
"$work/tried/bin/python" -m service serve --help >"$work/help"
grep -q -- --max-body-bytes "$work/help"
"$work/tried/bin/python" -m pip check --quiet
echo "dist/: $version"
