"""The unit, judged by systemd itself, and the script that installs it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service.console import EXIT_NOT_STARTED
from service.settings import Settings, all_settings
from tests.support.bundles import make_image, write_tiny_bundle
from tests.support.installation import SYSTEMD, Machine
from tests.support.programs import program, replaced
from tests.support.server import RunningServer, exchange, upload

UNIT = (SYSTEMD / "bears.service").read_text(encoding="utf-8")
KEYS = (SYSTEMD / "api-keys.conf").read_text(encoding="utf-8")
SCRIPT = (SYSTEMD / "install.sh").read_text(encoding="utf-8")
# Of `systemd-analyze security`, from 0 (nothing can happen) to 10. What remains: it has a network, and reads /proc.
EXPOSURE = 1.1


def values(text: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)


def check_unit(text: str, folder: Path) -> list[str]:
    """Return what is wrong with a unit."""
    path = folder / "bears.service"
    path.write_text(text.replace("/opt/bears/current/venv/bin/python", sys.executable))
    command = program("systemd-analyze")
    result = subprocess.run([command, "verify", path], capture_output=True, text=True, check=False)
    # Only what concerns this unit: systemd looks at the machine's others, too.
    if wrong := [line for line in result.stderr.splitlines() if "bears.service" in line]:
        return wrong
    result = subprocess.run([command, "security", "--offline=true", path], capture_output=True, text=True, check=False)
    exposure = re.search(r"exposure level for bears.service: ([\d.]+)", result.stdout)
    assert exposure, result
    variables = re.findall(r"(FIELDGUIDE_\w+)=", text.replace("FIELDGUIDE_...", ""))
    settings = Settings()
    found = {
        f"it is exposed more than {EXPOSURE}: {exposure[1]}": float(exposure[1]) > EXPOSURE,
        "it is killed before it has finished": float(values(text, "TimeoutStopSec")[0])
        <= settings.grace_s + settings.drain_s,
        "it is started again if its bundle was refused": str(EXIT_NOT_STARTED)
        not in values(text, "RestartPreventExitStatus")[0].split(),
        "it is not started again": values(text, "Restart") != ["on-failure"],
        "it has too few files for its connections": int(values(text, "LimitNOFILE")[0]) < 2 * settings.max_connections,
        "it has no memory limit, or may be swapped": values(text, "MemoryMax") != ["1024M"]
        or values(text, "MemorySwapMax") != ["0"],
        "it has more or less than one core": values(text, "CPUQuota") != ["100%"],
        "it can be reached from elsewhere": "FIELDGUIDE_HOST=127.0.0.1" not in text,
        "a setting does not exist": not {*variables} <= {setting.variable for setting in all_settings()},
    }
    return [message for message, wrong in found.items() if wrong]


def test_the_unit_is_right(tmp_path: Path) -> None:
    assert check_unit(UNIT, tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("MemoryDenyWriteExecute=yes", "MemoryDenyWritExecute=yes", "Unknown key"),
        ("ExecStart=/opt", "ExecStart=opt", "executable"),
        ("WantedBy=multi-user.target\n", "WantedBy=multi-user.target\nAfter=x\n", "Unknown key"),
        ("DynamicUser=yes\n", "", "exposed"),
        ("SystemCallFilter=@system-service\n", "", "exposed"),
        ("TimeoutStopSec=15", "TimeoutStopSec=5", "killed before"),
        ("RestartPreventExitStatus=2 3", "RestartPreventExitStatus=2", "refused"),
        ("Restart=on-failure", "Restart=no", "not started again"),
        ("LimitNOFILE=4096", "LimitNOFILE=256", "too few files"),
        ("MemoryMax=1024M\n", "", "memory limit"),
        ("CPUQuota=100%", "CPUQuota=250%", "one core"),
        ("FIELDGUIDE_HOST=127.0.0.1", "FIELDGUIDE_HOST=0.0.0.0", "reached"),
        ("FIELDGUIDE_PORT", "FIELDGUIDE_PORTS", "does not exist"),
    ],
)
def test_mistakes_in_the_unit_are_found(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert message in "; ".join(check_unit(replaced(UNIT, (old, new)), tmp_path))


def check_keys(text: str) -> list[str]:
    """Return what is wrong with the part of the unit for API keys."""
    (credential,) = values(text, "LoadCredential")
    name, _, path = credential.partition(":")
    found = {
        "the script puts the keys elsewhere": f'"$root{path}"' not in SCRIPT,
        "the service looks elsewhere": values(text, "Environment") != [f"FIELDGUIDE_API_KEYS_FILE=%d/{name}"],
    }
    return [message for message, wrong in found.items() if wrong]


def test_the_keys_are_where_the_service_looks() -> None:
    assert check_keys(KEYS) == []
    assert check_keys(replaced(KEYS, ("/etc/bears/keys.txt", "/etc/keys.txt")))
    assert check_keys(replaced(KEYS, ("API_KEYS_FILE", "API_KEY_FILE")))
    assert check_keys(replaced(KEYS, ("%d/keys", "%d/key")))


_FORBID = """
import ctypes, mmap, os, sys
assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0  # PR_SET_MDWE, which exec keeps
try:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
except PermissionError:
    os.execv(sys.argv[1], sys.argv[1:])
"""


def test_the_model_runs_where_memory_is_never_writable_and_executable(tmp_path: Path) -> None:
    """As with MemoryDenyWriteExecute=."""
    within = [sys.executable, "-c", _FORBID]
    if subprocess.run([*within, "/bin/true"], capture_output=True, check=False).returncode:
        pytest.skip("this kernel has no PR_SET_MDWE (Linux 6.3)")
    with RunningServer(write_tiny_bundle(tmp_path / "bundle"), within=within) as server:
        for kind in ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP"):
            image = make_image("blue", encoding=kind)
            status, _, body = exchange(server, upload("/v1/predict?heatmap=true", image))
            assert (status, b'"blue"' in body) == (200, True), kind


def check_script(script: str, folder: Path) -> list[str]:
    """Install, install a new version, then a broken one, then go back; return what went wrong on the way."""
    machine = Machine(folder, script)
    (machine.site / "keys.txt").write_text("a-key-of-16-characters\n")
    wrong = []

    def expect(what: str, right: bool) -> None:
        if not right:
            wrong.append(what)

    result = machine.install()
    expect(f"it does not install: {result.stderr}", result.returncode == 0)
    first = machine.link("current")
    (pip,) = [call for call in machine.calls if call.startswith("pip ")] or [""]
    expect("packages without hashes", "--require-hashes" in pip and "--only-binary :all:" in pip)
    kept = machine.root / "etc" / "bears" / "keys.txt"
    expect("others may read the keys", kept.exists() and kept.stat().st_mode & 0o777 == 0o600)
    expect("the service may not read its files", (machine.home / first / "service").stat().st_mode & 0o777 == 0o755)
    units = machine.root / "etc" / "systemd" / "system"
    expect("no unit", (units / "bears.service").exists() and (units / "bears.service.d" / "api-keys.conf").exists())
    order = [call.split()[1] for call in machine.calls if call.startswith("systemctl")]
    expect("not enabled before it is started", order[:2] == ["daemon-reload", "enable"] and "restart" in order)

    machine.install()
    expect("a second time is not the same", machine.link("current") == first and not machine.link("previous"))
    expect("packages were installed again", sum(call.startswith("pip ") for call in machine.calls) == 1)

    (machine.site / "bundle" / "manifest.json").write_text('{"version": "2"}')
    expect("a new version is refused", machine.install().returncode == 0)
    second = machine.link("current")
    expect("it does not know the version before", machine.link("previous") == first != second)

    (machine.site / "bundle" / "broken").write_text("")
    result = machine.install()
    expect("a broken version is no failure", result.returncode == 1 and "went back" in result.stderr)
    expect("a broken version stays", (machine.link("current"), machine.link("previous")) == (second, first))

    expect("it does not go back", machine.install("--rollback").returncode == 0)
    expect("it goes back wrongly", (machine.link("current"), machine.link("previous")) == (first, second))
    (machine.site / "bundle" / "broken").unlink()
    (machine.site / "bundle" / "manifest.json").write_text('{"version": "3"}')
    machine.install()
    expect("old versions stay", len(list((machine.home / "releases").iterdir())) == 2)
    return wrong


def test_the_script_installs_updates_and_goes_back(tmp_path: Path) -> None:
    assert check_script(SCRIPT, tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (" --require-hashes", "", "without hashes"),
        ("install -m 600", "install -m 644", "may read the keys"),
        ("u=rwX,go=rX", "u=rwX,go=", "may not read its files"),
        ('        point current "$old"\n', "", "broken version stays"),
        ('point previous "$old"', "true", "version before"),
        ("    systemctl enable --quiet bears.service\n", "", "not enabled"),
        ('[ ! -e "$release/complete" ] || return 0', "true", "installed again"),
        ("    remove_old_releases\n", "", "old versions stay"),
    ],
)
def test_mistakes_in_the_script_are_found(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert message in "; ".join(check_script(replaced(SCRIPT, (old, new)), tmp_path))


def test_a_caddyfile_of_the_user_is_left_alone(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    file = machine.root / "etc" / "caddy" / "Caddyfile"
    file.parent.mkdir(parents=True)
    file.write_text("example.com {\n}\n")
    assert "left alone" in machine.install().stdout
    assert file.read_text() == "example.com {\n}\n"
    file.write_text("# The Caddyfile is an easy way to configure your Caddy web server.\n:80 {\n}\n")
    assert "https://bears.example.org" in machine.install().stdout
    assert file.read_text() == (SYSTEMD / "Caddyfile").read_text()
    assert "systemctl reload-or-restart caddy.service" in machine.calls
    assert "https://bears.example.org" in machine.install().stdout  # it is ours now


def test_the_script_refuses_where_it_cannot_work(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    refused = {
        "there is no version before": machine.install("--rollback"),
        "unknown argument --back": machine.install("--back"),
        "there is no python9": machine.install(PYTHON="python9"),
        "does not fit": machine.install(PYTHON=old_python(tmp_path)),
        "in a home folder": machine.install(PREFIX="/home/me/.local/python"),
    }
    shutil.rmtree(machine.site / "bundle")
    refused["bundle is missing"] = machine.install()
    machine.without_systemctl()
    refused["has no systemd"] = machine.install(PATH=str(tmp_path / "programs"))
    (tmp_path / "programs" / "id").unlink()
    (tmp_path / "programs" / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "programs" / "id").chmod(0o755)
    refused["needs root: sudo ./install.sh"] = machine.install(PATH=str(tmp_path / "programs") + ":/bin", DESTDIR="")
    for message, result in refused.items():
        assert result.returncode == 1, message
        assert message in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert not machine.home.exists()


def old_python(folder: Path) -> str:
    path = folder / "python3.9"
    path.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n')
    path.chmod(0o755)
    return str(path)


def test_shellcheck_finds_nothing() -> None:
    result = subprocess.run(
        [program("shellcheck"), SYSTEMD / "install.sh"], capture_output=True, text=True, check=False
    )
    assert result.stdout == ""
