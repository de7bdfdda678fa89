"""What `fieldguide check` finds of the faults that the sample was planted with: precision and recall of each kind.

    python -m tests.benchmarks.check [--seeds 5] [--thorough]

Every number is over all seeds together. An image counts once for a kind, a class for `shortcuts`. Of a group of
duplicates, those images count that are not the planted original: a pair is one fault.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import fieldguide
from fieldguide import Check
from trainer.sample import Planted, Sample

# Planted fault -> the kind that finds it. An exact duplicate in another folder has two labels.
KINDS: Mapping[str, str] = {
    "truncated": "undecodable",
    "not_an_image": "undecodable",
    "exact_duplicate": "exact-duplicates",
    "near_duplicate": "near-duplicates",
    "dark": "too-dark",
    "light": "too-light",
    "blurred": "blurred",
    "one_colour": "one-colour",
    "wrong_suffix": "wrong-suffix",
    "animated": "animated",
    "tiny": "too-small",
    "class_by_size": "shortcuts",
}
Fault = frozenset[str]


def planted_faults(sample: Sample) -> dict[str, set[Fault]]:
    """Kind -> what should be found: paths, pairs of paths, or a class."""
    expected: dict[str, set[Fault]] = {kind: set() for kind in [*KINDS.values(), "conflicting-labels"]}
    for planted in sample.planted:
        if planted.fault in KINDS:
            expected[_kind(planted)].add(frozenset({planted.path, planted.duplicate_of or planted.path}))
    return expected


def found_faults(check: Check) -> dict[str, set[Fault]]:
    """The same of what was found; a group of three is three pairs."""
    found: dict[str, set[Fault]] = {}
    for finding in check.findings:
        if finding.kind == "shortcuts":
            found[finding.kind] = {frozenset({detail.split("'")[1]}) for detail in finding.details}
        elif all(image.group is None for image in finding.images):
            found[finding.kind] = {frozenset({image.path}) for image in finding.images}
        else:
            groups: dict[int | None, list[str]] = {}
            for image in finding.images:
                groups.setdefault(image.group, []).append(image.path)
            found[finding.kind] = {
                frozenset({one, other})
                for paths in groups.values()
                for number, one in enumerate(paths)
                for other in paths[number + 1 :]
            }
    return found


def score(seeds: int, *, thorough: bool) -> dict[str, tuple[int, int, int]]:
    """Kind -> number of faults that are found and planted, found, and planted."""
    both, found_count, planted_count = Counter[str](), Counter[str](), Counter[str]()
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            sample = fieldguide.sample(Path(folder) / "sample", seed=seed)
            found = found_faults(fieldguide.check(sample.folder, thorough=thorough, device="cpu", progress=False))
            expected = planted_faults(sample)
            for kind in expected.keys() | found.keys():
                here, there = found.get(kind, set()), expected.get(kind, set())
                both[kind] += len(here & there)
                found_count[kind] += len(here)
                planted_count[kind] += len(there)
    return {kind: (both[kind], found_count[kind], planted_count[kind]) for kind in sorted(found_count | planted_count)}


def _kind(planted: Planted) -> str:
    if planted.fault == "exact_duplicate" and planted.path[0] != planted.true_label:
        return "conflicting-labels"
    return KINDS[planted.fault]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--thorough", action="store_true")
    arguments = parser.parse_args()
    print(f"{'kind':<20} {'planted':>8} {'found':>6} {'precision':>10} {'recall':>7}")
    for kind, (both, found, planted) in score(arguments.seeds, thorough=arguments.thorough).items():
        precision = f"{both / found:.2f}" if found else "-"
        recall = f"{both / planted:.2f}" if planted else "-"
        print(f"{kind:<20} {planted:>8} {found:>6} {precision:>10} {recall:>7}")


if __name__ == "__main__":
    main()
