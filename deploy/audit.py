"""Looks up the known vulnerabilities of every locked package: `make audit`, and once a week a workflow.

    python deploy/audit.py

pip-audit asks the package index, so this needs the internet. Unlike pip-audit alone, it asks for the packages of every
Python and system, and fails if one could not be looked up. A finding of deploy/locks/ignored.toml passes until its day.
Exit codes: 0 nothing is known, 1 something is, 2 the look-up itself failed.
"""

from __future__ import annotations

import datetime
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

LOCKS = Path(__file__).parent / "locks"
IGNORED = LOCKS / "ignored.toml"
TIMEOUT_S = 600
Package = tuple[str, str]  # name, version


class AuditFailed(Exception):
    """The answer does not say whether anything is known."""


@dataclass(frozen=True)
class Finding:
    """A known vulnerability of a locked package."""

    package: Package
    names: tuple[str, ...]
    fixed: tuple[str, ...]

    def is_ignored(self, ignored: Mapping[str, datetime.date], today: datetime.date) -> bool:
        """Whether one of its names may pass until today or later."""
        return any(name in ignored and today <= ignored[name] for name in self.names)


def read_lock(text: str) -> set[Package]:
    """Every package of a lock, whatever Python or system it is for."""
    return set(re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", text, re.MULTILINE))


def rounds(packages: Iterable[Package]) -> list[list[Package]]:
    """The packages in groups with no name twice: pip-audit takes one version of each."""
    groups: list[dict[str, str]] = []
    for name, version in sorted(packages):
        free = next((group for group in groups if name not in group), None)
        if free is None:
            groups.append(free := {})
        free[name] = version
    return [list(group.items()) for group in groups]


def read_answer(text: str, asked: Iterable[Package]) -> list[Finding]:
    """What pip-audit's JSON says about these packages, each of which it must name."""
    try:
        answers = {item["name"]: item for item in json.loads(text)["dependencies"]}
        missing = [f"{name} {version}" for name, version in asked if answers.get(name, {}).get("version") != version]
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise AuditFailed(
                f"could not be looked up: {', '.join(missing[:3])}{more}; is the package index reachable?"
            )
        return [
            Finding((name, item["version"]), (found["id"], *found["aliases"]), tuple(found["fix_versions"]))
            for name, item in answers.items()
            for found in item["vulns"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise AuditFailed(f"pip-audit's answer is not understood ({error!r}): {text[:200]!r}") from error


def read_ignored(text: str) -> dict[str, datetime.date]:
    """Name of a vulnerability -> last day on which it passes."""
    found = {}
    for entry in tomllib.loads(text).get("ignored", []):
        known = entry.keys() == {"id", "reason", "until"} and entry["reason"]
        if not known or type(entry["until"]) is not datetime.date:
            raise AuditFailed(f"{IGNORED.name}: each entry needs an id, a reason and a date `until`, not {entry}")
        found[entry["id"]] = entry["until"]
    return found


def ask(packages: Iterable[Package]) -> str:
    """The JSON of pip-audit about these packages. Asks the package index."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{name}=={version}\n" for name, version in packages)
        file.flush()
        command = [sys.executable, "-m", "pip_audit", "--requirement", file.name, "--disable-pip", "--no-deps"]
        options = ["--format", "json", "--aliases", "on", "--desc", "off", "--progress-spinner", "off"]
        done = subprocess.run([*command, *options], check=False, capture_output=True, text=True, timeout=TIMEOUT_S)
    if not done.stdout:  # with a finding it ends with 1, too
        raise AuditFailed(f"pip-audit: {(done.stderr.strip() or 'no answer').splitlines()[-1]}")
    return done.stdout


def audit(ask: Callable[[Iterable[Package]], str], today: datetime.date) -> int:
    """Ask about every lock, and print a line for each finding."""
    locks = {path.stem: read_lock(path.read_text(encoding="utf-8")) for path in sorted(LOCKS.glob("*.txt"))}
    packages = set.union(*locks.values())
    ignored = read_ignored(IGNORED.read_text(encoding="utf-8"))
    findings = [finding for group in rounds(packages) for finding in read_answer(ask(group), group)]
    failing = [finding for finding in findings if not finding.is_ignored(ignored, today)]
    for finding in findings:
        name, version = finding.package
        where = ", ".join(lock for lock, names in locks.items() if finding.package in names)
        fixed = f"fixed in {', '.join(finding.fixed)}" if finding.fixed else "not fixed yet"
        passes = "" if finding in failing else "  (ignored)"
        print(f"{name} {version}  {' '.join(finding.names)}  {fixed}  locked for: {where}{passes}")
    for name in sorted(ignored.keys() - {name for finding in findings for name in finding.names}):
        print(f"{name} is not found any more: remove it from {IGNORED.name}")
    passed = len(findings) - len(failing)
    print(f"{len(packages)} locked packages, {len(failing)} known vulnerabilities, {passed} ignored")
    return 1 if failing else 0


def main() -> int:
    """Look up everything."""
    try:
        return audit(ask, datetime.datetime.now(datetime.UTC).date())
    except (AuditFailed, subprocess.TimeoutExpired) as error:
        print(f"audit: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
