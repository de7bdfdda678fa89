"""The checks of `make container-test` fail if they should: on a stand-in of an engine, without a container."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container import trial
from tests.container.__main__ import MATRIX
from tests.container.engine import Container, Engine, NotReady
from tests.container.load import Volley, connections_at_once, largest_volleys
from tests.container.trial import HARDENED, Result, Trial
from tests.support.bundles import make_image, write_tiny_bundle
from tests.support.server import RunningServer

# An engine that runs no container: it answers as Docker does, from the files beside it, and writes down its commands.
FAKE = """#!/bin/sh
cd "$(dirname "$0")"
echo "$@" >> commands
shift
case "$1" in
  run) echo c1;;
  port) cat address;;
  container) cat container.json;;
  image) cat image.json;;
  logs) echo "error: bundle refused";;
  wait) echo 3;;
esac
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    bundle = write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "b")
    flags = ("--max-pixels", "200000", "--max-body-bytes", "300000", "--threads", "1", "--queue-per-slot", "1")
    with RunningServer(bundle, *flags) as running:
        yield running


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    program = tmp_path / "engine"
    program.write_text(FAKE)
    program.chmod(0o755)
    (tmp_path / "container.json").write_text(json.dumps([{"State": {"Running": False, "ExitCode": 3}}]))
    config = {"User": "65532:65532", "Entrypoint": ["python", "-m", "service"]}
    (tmp_path / "image.json").write_text(json.dumps([{"Config": config, "Healthcheck": {"Test": ["CMD", "true"]}}]))
    return Engine({"CT_COMMAND": f"{program} --quiet", "CT_TAG": "image:1", "CT_RUN_OPTIONS": "--a=1 --network=x"})


def commands(tmp_path: Path) -> list[str]:
    return (tmp_path / "commands").read_text().splitlines()


def test_the_matrix_has_every_restriction_once_alone_and_all_together() -> None:
    assert len({trial.name for trial in MATRIX}) == len(MATRIX)
    for option in HARDENED:
        assert [trial for trial in MATRIX if trial.options == (option,)]
    assert {trial.user for trial in MATRIX} == {"", "0", "12345", "1000670000:0"}
    assert {"0.5", "2"} <= {trial.cpus for trial in MATRIX}
    assert any(trial.largest and trial.memory == "256m" for trial in MATRIX)
    assert any(trial.files == 128 for trial in MATRIX)
    assert not all(trial.network for trial in MATRIX)


def test_options_of_a_container() -> None:
    options = Trial(name="x", options=HARDENED, user="5", memory="256m", cpus="0.5", files=128).run_options("/b")
    expected = ["--memory=256m", "--memory-swap=256m", "--cpus=0.5", "--user=5", "--ulimit=nofile=128:128", *HARDENED]
    assert {"--volume=/b:/bundle:ro", *expected} <= set(options)


def test_a_check_that_is_false_or_raises_has_failed() -> None:
    result = Result(trial=Trial(name="x"))
    result.check("good", passed=True)
    result.check("bad", lambda: False)
    result.check("raises", lambda: bool(1 / 0))
    assert (result.checks, result.failures) == (3, ["bad", "raises"])
    assert "division by zero" in result.notes[0]


@pytest.mark.parametrize(
    ("too_large", "statuses", "is_right"),
    [
        (False, {200: 3}, True),
        (False, {200: 1, 429: 5}, True),
        (False, {429: 5}, False),
        (False, {200: 2, 0: 1}, False),
        (False, {200: 2, 500: 1}, False),
        (True, {422: 2, 429: 1}, True),
        (True, {200: 3}, False),
    ],
)
def test_what_is_a_right_answer_to_a_large_image(too_large: bool, statuses: dict[int, int], is_right: bool) -> None:
    assert Volley(kind="PNG", too_large=too_large, statuses=Counter(statuses)).is_right == is_right


def test_the_largest_images_and_slightly_larger_ones_are_sent(server: RunningServer) -> None:
    volleys = list(largest_volleys(server.url))
    assert {volley.too_large for volley in volleys} == {True, False}
    assert {kind.split(",")[0] for kind in (volley.kind for volley in volleys)} >= {
        "PNG",
        "JPEG",
        "WebP",
        "GIF",
        "BMP",
        "AVIF",
    }
    assert [volley for volley in volleys if not volley.is_right] == []
    assert {sum(volley.statuses.values()) for volley in volleys} == {5}


def test_connections_are_counted(tmp_path: Path) -> None:
    with RunningServer(write_tiny_bundle(tmp_path / "b"), "--max-connections", "7") as running:
        host, port = running.address
        assert connections_at_once(f"{host}:{port}") == 7
        assert connections_at_once(f"{host}:{port}", most=3) == 3


def test_the_engine_publishes_the_port_and_removes_the_container(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "address").write_text("127.0.0.1:4567\n")
    with engine.run(["--read-only"]) as container:
        assert container.url == "http://127.0.0.1:4567"
    run, *_, removed = commands(tmp_path)
    assert "--network=x --publish 127.0.0.1::8000 --read-only image:1" in run
    assert removed.endswith("rm --force c1")
    with engine.run([], network=False) as container:
        assert container.address == ""
    assert "--a=1 --network=none image:1" in commands(tmp_path)[-2]


def test_a_container_that_ends_is_reported_with_its_log(engine: Engine) -> None:
    container = Container(engine, "c1")
    container.address = "127.0.0.1:1"
    with pytest.raises(NotReady, match="exit code 3: error: bundle refused"):
        container.wait_until_ready()


def test_an_image_that_has_what_it_must_not_have_fails(engine: Engine, tmp_path: Path) -> None:
    """The shell of this engine finds every program, and torch; its containers end at once."""
    (tmp_path / "address").write_text("127.0.0.1:4567\n")
    result = trial.try_image(engine, str(write_tiny_bundle(tmp_path / "bundle")))
    programs = ["no_pip", "no_gcc", "no_cc", "no_git", "no_torch"]
    assert result.failures == ["signed_bundle_is_served", "bill_of_materials", *programs]
    assert result.checks == 16


def test_what_runs_inside_reports_and_asks(server: RunningServer) -> None:
    script = Path(trial.__file__).with_name("inside.py").read_text()
    environ = {**os.environ, "FIELDGUIDE_PORT": str(server.address[1])}

    def inside(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-", *arguments]
        return subprocess.run(command, input=script, capture_output=True, text=True, env=environ, check=False)

    assert inside("ready").returncode == 0
    answer = json.loads(inside("ask", base64.b64encode(make_image("green")).decode()).stdout)
    assert answer["label"] == "green"
    if sys.platform == "linux":
        report = json.loads(inside().stdout)
        assert {"uid", "capabilities", "read_only", "writable", "resident_bytes", "networks"} <= set(report)
