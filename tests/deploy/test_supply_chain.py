"""What is locked, the bills of materials of the locks and of an image, and what a look-up of vulnerabilities says."""

from __future__ import annotations

import datetime
import io
import json
import re
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement

from deploy import audit, sbom
from service import __version__
from tests.test_packaging import ROOT

LOCKS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "deploy" / "locks").glob("*.txt"))}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SERVICE = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
TODAY = datetime.date(2026, 6, 1)


# Locks


def test_there_is_a_lock_for_each_image_and_for_the_workflows() -> None:
    assert set(LOCKS) == {"service", "trainer", "release"}


@pytest.mark.parametrize(
    ("lock", "requirements"),
    [
        ("service", SERVICE),
        ("trainer", [*SERVICE, *EXTRAS["trainer"], *EXTRAS["heic"]]),
        ("release", PROJECT["dependency-groups"]["release"]),
    ],
)
def test_a_lock_has_every_dependency_in_versions_that_are_accepted(lock: str, requirements: list[str]) -> None:
    locked = audit.read_lock(LOCKS[lock])
    for requirement in map(Requirement, requirements):
        versions = [version for name, version in locked if name == requirement.name]
        assert versions, requirement
        assert all(version in requirement.specifier for version in versions), requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes_and_none_an_address(lock: str) -> None:
    packages = re.split(r"^(?=[a-z0-9-]+==)", LOCKS[lock], flags=re.MULTILINE)[1:]
    assert len(packages) == len(audit.read_lock(LOCKS[lock]))
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", package) for package in packages)
    assert not re.search(r"://|^-|@ ", LOCKS[lock], re.MULTILINE)


@pytest.mark.parametrize("name", ["torch", "torchvision", "onnx", "timm", "fieldguide", "matplotlib"])
def test_nothing_of_a_training_is_locked_for_the_service(name: str) -> None:
    assert name not in {locked for locked, _ in audit.read_lock(LOCKS["service"])}


def test_the_service_and_the_trainer_have_the_same_versions() -> None:
    # The trainer compares torch with the onnxruntime that will serve, and images with the Pillow that will decode them.
    assert audit.read_lock(LOCKS["service"]) <= audit.read_lock(LOCKS["trainer"])


def test_a_release_is_built_by_what_is_locked() -> None:
    script = ROOT / "deploy" / "dist.sh"
    subprocess.run(["bash", "-n", script], check=True)
    assert script.stat().st_mode & 0o111
    installs = re.findall(r'"\$\{install\[@\]\}" (.*)', script.read_text(encoding="utf-8"))
    assert installs == [
        "--require-hashes --requirement deploy/locks/release.txt",
        "--require-hashes --requirement deploy/locks/service.txt",
        "--no-deps --no-index dist/*.whl",
    ]


# Bills of materials


def is_valid(text: str) -> bool:
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def components(text: str) -> set[tuple[str, str]]:
    return {(found["name"], found["version"]) for found in json.loads(text)["components"]}


def bill(lock: str) -> str:
    """What the command of `make sbom` writes."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.search(r"cyclonedx-py (requirements deploy/locks/\$\$lock\.txt .*?) --output-file", makefile)
    assert found
    words = found[1].replace("$$lock", lock).split()
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", *words, "--output-file", "-"]
    return subprocess.run(command, check=True, capture_output=True, cwd=ROOT, text=True).stdout


@pytest.mark.parametrize("lock", ["service", "trainer"])
def test_the_bill_of_a_lock_names_what_is_locked(lock: str) -> None:
    text = bill(lock)
    assert is_valid(text)
    assert components(text) == audit.read_lock(LOCKS[lock])
    assert not {"serialNumber", "timestamp"} & {*json.loads(text), *json.loads(text)["metadata"]}  # the same next time


def test_a_bill_with_a_mistake_is_not_valid() -> None:
    document = sbom.document(image_files({}))
    assert is_valid(json.dumps(document))
    assert not is_valid(json.dumps(document | {"bomFormat": "another"}))
    assert not is_valid(json.dumps(document | {"components": [{"name": "without a type"}]}))


IMAGE = {
    "opt/fieldguide/service/__init__.py": f'__version__ = "{__version__}"\n',
    "opt/fieldguide/Pillow-13.0.dist-info/METADATA": "Name: Pillow\nVersion: 13.0\nLicense-Expression: MIT-CMU\n\nText",
    "opt/fieldguide/Pillow-13.0.dist-info/RECORD": "PIL/Image.py,sha256=x,1\nPillow-13.0.dist-info/METADATA,,\n",
    "opt/fieldguide/PIL/Image.py": "",
    # Its modules were removed.
    "opt/fieldguide/protobuf-7.dist-info/METADATA": "Name: protobuf\nVersion: 7\n",
    "opt/fieldguide/protobuf-7.dist-info/RECORD": "google/protobuf/any.py,sha256=x,1\nprotobuf-7.dist-info/RECORD,,\n",
    # It never had any.
    "opt/fieldguide/cuda_toolkit-13.dist-info/METADATA": "Name: cuda_toolkit\nVersion: 13\n",
    "opt/fieldguide/cuda_toolkit-13.dist-info/RECORD": "../bin/x,,\ncuda_toolkit-13.dist-info/RECORD,,\n",
    "usr/lib/os-release": 'NAME="Debian"\nVERSION_ID="13"\nID=debian\n',
    "usr/local/include/python3.13/patchlevel.h": '#define PY_VERSION      \t"3.13.7"\n',
    "var/lib/dpkg/status": (
        "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.41-12+deb13u1\n\n"
        "Package: removed\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n"
    ),
}


def image(changes: dict[str, str | None], prefix: str = "") -> bytes:
    """The files of an image as `docker export` gives them."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, text in (IMAGE | changes).items():
            if text is not None:
                member = tarfile.TarInfo(prefix + name)
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
    return stream.getvalue()


def image_files(changes: dict[str, str | None], prefix: str = "") -> sbom.ImageFiles:
    return sbom.ImageFiles(io.BytesIO(image(changes, prefix)))


@pytest.mark.parametrize("prefix", ["", "./"])
def test_the_bill_of_an_image_names_what_is_really_in_it(prefix: str) -> None:
    document = sbom.document(image_files({}, prefix))
    assert is_valid(json.dumps(document))
    assert [found["purl"] for found in document["components"]] == [
        "pkg:deb/debian/libc6@2.41-12%2Bdeb13u1?arch=amd64&distro=debian-13",
        "pkg:generic/python@3.13.7",
        "pkg:pypi/cuda-toolkit@13",
        f"pkg:pypi/fieldguide@{__version__}",
        "pkg:pypi/pillow@13.0",
    ]
    assert document["components"][-1]["licenses"] == [{"expression": "MIT-CMU"}]


@pytest.mark.parametrize(
    "missing",
    [
        *("opt/fieldguide/service/__init__.py", "opt/fieldguide/Pillow-13.0.dist-info/RECORD", "usr/lib/os-release"),
        *("usr/local/include/python3.13/patchlevel.h", "var/lib/dpkg/status"),
    ],
)
def test_a_bill_with_a_gap_is_not_written(missing: str) -> None:
    command = [sys.executable, ROOT / "deploy" / "sbom.py"]
    done = subprocess.run(command, check=False, capture_output=True, input=image({missing: None}))
    assert done.returncode == 1
    assert not done.stdout
    assert done.stderr.decode().startswith("sbom: the image has no /")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("data", [b"", b"not an archive" * 100, image({})[:5000]])
def test_no_image_gives_no_bill(data: bytes) -> None:
    done = subprocess.run([sys.executable, ROOT / "deploy" / "sbom.py"], check=False, capture_output=True, input=data)
    assert done.returncode == 1
    assert not done.stdout


def test_the_same_image_gives_the_same_bytes() -> None:
    command = [sys.executable, ROOT / "deploy" / "sbom.py"]
    first, second = (subprocess.check_output(command, input=image({})) for _ in range(2))
    assert first == second
    assert is_valid(first.decode())


# Known vulnerabilities


def answer(packages: Iterable[audit.Package], vulnerable: dict[str, list[dict[str, Any]]]) -> str:
    """What pip-audit prints with --format json."""
    items = [{"name": name, "version": version, "vulns": vulnerable.get(name, [])} for name, version in packages]
    return json.dumps({"dependencies": items, "fixes": []})


HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["13.0.1"], "aliases": ["CVE-2026-12345", "GHSA-xxxx-yyyy-zzzz"]}
UNFIXED = {"id": "GHSA-aaaa-bbbb-cccc", "fix_versions": [], "aliases": []}


def test_nothing_known_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[audit.Package] = []

    def ask(packages: Iterable[audit.Package]) -> str:
        names = [name for name, _ in packages]
        assert len(names) == len(set(names))  # pip-audit refuses two versions of a package
        asked.extend(packages)
        return answer(packages, {})

    assert audit.audit(ask, TODAY) == 0
    assert set(asked) == set.union(*map(audit.read_lock, LOCKS.values()))
    assert len({version for name, version in asked if name == "numpy"}) > 1  # of every Python
    assert capsys.readouterr().out == f"{len(asked)} locked packages, 0 known vulnerabilities, 0 ignored\n"


def test_what_is_known_is_printed_and_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.audit(lambda packages: answer(packages, {"pillow": [HOLE, UNFIXED]}), TODAY) == 1
    first, second, total = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"pillow \S+  PYSEC-2026-1 CVE-2026-12345 GHSA-xxxx-yyyy-zzzz  fixed in 13\.0\.1  locked for: service, trainer",
        first,
    )
    assert "GHSA-aaaa-bbbb-cccc  not fixed yet" in second
    assert "2 known vulnerabilities" in total


def ignoring(day: str, name: str = "CVE-2026-12345") -> str:
    return f'[[ignored]]\nid = "{name}"\nreason = "the service opens no TIFF"\nuntil = {day}\n'


@pytest.mark.parametrize(
    ("day", "code", "total"),
    [
        ("2026-06-02", 0, "0 known vulnerabilities, 1 ignored"),
        ("2026-06-01", 0, "0 known vulnerabilities, 1 ignored"),
        ("2026-05-31", 1, "1 known vulnerabilities, 0 ignored"),
    ],
)
def test_a_finding_is_ignored_until_its_day(
    day: str, code: int, total: str, ignored: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    ignored(ignoring(day))
    assert audit.audit(lambda packages: answer(packages, {"pillow": [HOLE]}), TODAY) == code
    assert total in capsys.readouterr().out


def test_what_is_ignored_without_need_is_said(
    ignored: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    ignored(ignoring("2026-07-01", "CVE-2020-1"))
    assert audit.audit(lambda packages: answer(packages, {}), TODAY) == 0
    assert "CVE-2020-1 is not found any more: remove it from ignored.toml" in capsys.readouterr().out


@pytest.fixture
def ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes another ignored.toml."""
    monkeypatch.setattr(audit, "IGNORED", tmp_path / "ignored.toml")
    return lambda text: (tmp_path / "ignored.toml").write_text(text, encoding="utf-8") and None


@pytest.mark.parametrize(
    "text",
    [
        '[[ignored]]\nid = "CVE-1"\nuntil = 2026-07-01\n',
        '[[ignored]]\nid = "CVE-1"\nreason = ""\nuntil = 2026-07-01\n',
        '[[ignored]]\nid = "CVE-1"\nreason = "why"\nuntil = "soon"\n',
        '[[ignored]]\nid = "CVE-1"\nreason = "why"\n',
        '[[ignored]]\nid = "CVE-1"\nreason = "why"\nuntil = 2026-07-01\nforever = true\n',
    ],
)
def test_what_is_ignored_needs_a_reason_and_a_day(text: str) -> None:
    with pytest.raises(audit.AuditFailed, match="needs an id, a reason and a date"):
        audit.read_ignored(text)


PILLOW = [("pillow", "13.0.0")]


@pytest.mark.parametrize(
    "text",
    [
        # What pip-audit says of a package that the index does not know; it ends with 0.
        '{"dependencies": [{"name": "pillow", "skip_reason": "Dependency not found"}], "fixes": []}',
        '{"dependencies": [], "fixes": []}',
        '{"dependencies": [{"name": "pillow", "version": "12.0", "vulns": []}], "fixes": []}',
    ],
)
def test_a_package_that_was_not_looked_up_is_no_good_news(text: str) -> None:
    with pytest.raises(audit.AuditFailed, match=r"could not be looked up: pillow 13\.0\.0"):
        audit.read_answer(text, PILLOW)


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[]", "{}", '{"dependencies": [{"name": "pillow", "version": "13.0.0"}]}']
)
def test_another_answer_is_no_good_news(text: str) -> None:
    with pytest.raises(audit.AuditFailed, match="not understood"):
        audit.read_answer(text, PILLOW)


def test_the_look_up_that_fails_ends_with_2_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 1, "", "Traceback ...\nConnectionError: no network\n")

    monkeypatch.setattr(subprocess, "run", fails)
    assert audit.main() == 2
    assert capsys.readouterr().err == "audit: pip-audit: ConnectionError: no network\n"


def test_the_options_are_those_of_pip_audit() -> None:
    # Nothing is asked: the packages are only collected.
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--dry-run",
        "--disable-pip",
        "--no-deps",
        "--progress-spinner",
        "off",
    ]
    options = ["--format", "json", "--aliases", "on", "--desc", "off", "--requirement", "deploy/locks/service.txt"]
    subprocess.run([*command, *options], check=True, capture_output=True, cwd=ROOT)
