"""`fieldguide check` beside cleanvision and imagededup, on the same images, one after the other in one run.

    python -m venv /tmp/others && /tmp/others/bin/pip install cleanvision imagededup
    python -m tests.benchmarks.check_vs_others photos --others /tmp/others/bin/python

Each runs in a process of its own and with all cores; the time is that of its own call, without imports. Then: how many
images each one finds of every kind, and some of those that only one of them finds. They are not always the same kind:
"light" of cleanvision is about the brightest images, "odd_size" about the area.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# A kind of ours -> the issue of cleanvision that is nearest to it.
CLEANVISION = {
    "too-dark": "dark",
    "too-light": "light",
    "blurred": "blurry",
    "one-colour": "low_information",
    "odd-aspect": "odd_aspect_ratio",
    "too-small": "odd_size",
    "too-large": "odd_size",
    "exact-duplicates": "exact_duplicates",
    "near-duplicates": "near_duplicates",
}
_LISTED = 5

_OWN = """
import json, sys, time
from pathlib import Path
import fieldguide
started = time.monotonic()
check = fieldguide.check(sys.argv[1], progress=False)
seconds = time.monotonic() - started
root = Path(check.to_dict()["root"])
found = {finding.kind: [str(root / image.path) for image in finding.images] for finding in check.findings}
print(json.dumps({"seconds": seconds, "found": found}))
"""

_CLEANVISION = """
import contextlib, io, json, sys, time
from cleanvision import Imagelab
with contextlib.redirect_stdout(io.StringIO()):
    started = time.monotonic()
    lab = Imagelab(data_path=sys.argv[1])
    lab.find_issues()
    seconds = time.monotonic() - started
found = {
    name.removeprefix("is_").removesuffix("_issue"): [str(path) for path in lab.issues.index[lab.issues[name]]]
    for name in lab.issues.columns
    if name.startswith("is_")
}
print(json.dumps({"seconds": seconds, "found": found}))
"""

_IMAGEDEDUP = """
import json, logging, sys, time
from pathlib import Path
logging.disable(logging.CRITICAL)
from imagededup.methods import PHash
started = time.monotonic()
method = PHash(verbose=False)
encodings = method.encode_images(image_dir=sys.argv[1], recursive=True)
pairs = method.find_duplicates(encoding_map=encodings, max_distance_threshold=int(sys.argv[2]))
seconds = time.monotonic() - started
found = [str(Path(sys.argv[1]) / name) for name, others in pairs.items() if others]
print(json.dumps({"seconds": seconds, "found": {"duplicates": found}}))
"""


def run(interpreter: str, program: str, *arguments: str) -> tuple[float, dict[str, set[str]]]:
    """Seconds, and kind -> absolute paths; seconds are infinite if the program failed, whose last words are printed."""
    command = [interpreter, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"failed: {done.stderr.strip().splitlines()[-1]}")
        return math.inf, {}
    value = json.loads(done.stdout.splitlines()[-1])
    return value["seconds"], {kind: set(paths) for kind, paths in value["found"].items()}


def compare(title: str, ours: set[str], theirs: set[str], root: Path) -> None:
    print(f"{title:<44} {len(ours):>6} {len(theirs):>6} {len(ours & theirs):>6}")
    for name, only in (("only fieldguide", ours - theirs), ("only the other", theirs - ours)):
        for path in sorted(only)[:_LISTED]:
            print(f"    {name}: {Path(path).relative_to(root)}")


def compare_all(
    own: Mapping[str, set[str]], cleanvision: Mapping[str, set[str]], imagededup: set[str], root: Path
) -> None:
    print(f"{'images':<44} {'ours':>6} {'theirs':>6} {'both':>6}")
    for kind, issue in CLEANVISION.items():
        compare(f"{kind} / cleanvision {issue}", own.get(kind, set()), cleanvision.get(issue, set()), root)
    duplicates = set().union(*(own.get(kind, set()) for kind in ("exact-duplicates", "near-duplicates")))
    duplicates |= own.get("conflicting-labels", set())
    compare("all duplicates / imagededup PHash", duplicates, imagededup, root)
    both = {*CLEANVISION, "conflicting-labels"}
    for kind in [kind for kind in own if kind not in both]:
        print(f"{kind + ' / neither has it':<44} {len(own[kind]):>6}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--others", required=True, help="Python with cleanvision and imagededup")
    parser.add_argument("--distance", default="10", help="of imagededup; 10 is its default")
    arguments = parser.parse_args()
    root = arguments.data.resolve()
    count = sum(path.is_file() for path in root.rglob("*"))
    own_seconds, own = run(sys.executable, _OWN, str(root))
    cleanvision_seconds, cleanvision = run(arguments.others, _CLEANVISION, str(root))
    imagededup_seconds, imagededup = run(arguments.others, _IMAGEDEDUP, str(root), arguments.distance)
    print(f"{count:,} files in {root}")
    for name, seconds in (
        ("fieldguide check", own_seconds),
        ("cleanvision, every issue", cleanvision_seconds),
        ("imagededup, PHash", imagededup_seconds),
    ):
        print(f"{name:<26} {seconds:7.1f} s  {count / seconds:7.0f} images/s")
    compare_all(own, cleanvision, imagededup.get("duplicates", set()), root)


if __name__ == "__main__":
    main()
