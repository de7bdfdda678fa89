from __future__ import annotations

import concurrent.futures
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.support.bundles import make_image, write_tiny_bundle
from tests.support.server import RunningServer, read_response, run_serve


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_it_cleanly(bundle_path: Path, sig: signal.Signals) -> None:
    with RunningServer(bundle_path) as server:
        httpx.get(server.url + "/livez")
        assert server.stop(sig) == 0
        assert "Traceback" not in server.log
        assert server.log.rstrip().endswith("stopped")


@pytest.mark.parametrize("delay_s", [0.05, 0.2, 0.35])
def test_a_signal_during_the_start_stops_it_cleanly(bundle_path: Path, delay_s: float) -> None:
    command = [sys.executable, "-m", "service", "serve", str(bundle_path), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(delay_s)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    # Before the interpreter has come to our first line the signal's own default holds.
    assert process.returncode in (0, -signal.SIGTERM), errors
    assert "Traceback" not in errors


def test_requests_in_progress_are_answered_before_it_stops(bundle_path: Path) -> None:
    image = make_image("red")
    with RunningServer(bundle_path) as server, server.connect() as connection:
        head = f"POST /analyze HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {len(image)}\r\n\r\n"
        connection.sendall(head.encode() + image[:10])
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        connection.sendall(image[10:])
        status, _, body = read_response(connection)
        assert (status, body) == (200, b'{"result":"red"}')
        assert server.stop() == 0


def test_requests_that_do_not_finish_are_cancelled(bundle_path: Path) -> None:
    with RunningServer(bundle_path, "--drain-s", "1") as server, server.connect() as connection:
        connection.sendall(
            b"POST /analyze HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 99\r\n\r\nabc"
        )
        time.sleep(0.2)
        start = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - start < 6
        assert "Traceback" not in server.log


def test_refused_bundles(bundle_path: Path, tmp_path: Path) -> None:
    altered = shutil.copytree(bundle_path, tmp_path / "altered")
    (altered / "model.onnx").write_bytes(b"something else")
    for path in (altered, tmp_path / "missing", tmp_path):
        done = run_serve(str(path), "--port", "0")
        assert done.returncode == 3
        assert done.stderr.startswith("error: bundle refused: ")
        assert done.stderr.count("\n") == 1


def test_settings_from_flags_and_environment(bundle_path: Path) -> None:
    environ = {"FIELDGUIDE_MAX_PIXELS": "1000", "FIELDGUIDE_MAX_BODY_BYTES": "5", "FIELDGUIDE_LOG_LEVEL": "info"}
    with RunningServer(bundle_path, "--max-body-bytes", "9999", environ=environ) as server:
        limits = httpx.get(server.url + "/v1/model").json()["limits"]
        assert limits == {"max_pixels": 1000, "max_side_ratio": 50, "max_body_bytes": 9999}
        image = {"file": make_image(size=(40, 30))}
        assert "1,000 pixels" in httpx.post(server.url + "/analyze", files=image).json()["detail"]


def test_the_log_has_one_line_for_each_request_and_paths_cannot_forge_lines(bundle_path: Path) -> None:
    with RunningServer(bundle_path) as server:
        httpx.get(server.url + "/nothing%0aINFO%20forged", headers={"X-Request-ID": "abc"})
        time.sleep(0.1)
        (line,) = [line for line in server.log.splitlines() if "nothing" in line]
        assert "GET /nothing%0aINFO%20forged 404" in line
        assert line.endswith("abc")


def test_many_at_once(tmp_path: Path) -> None:
    colours = ["red", "green", "blue"] * 20
    with (
        RunningServer(write_tiny_bundle(tmp_path / "b.zip"), "--threads", "4") as server,
        httpx.Client(base_url=server.url, timeout=30) as client,
        concurrent.futures.ThreadPoolExecutor(8) as threads,
    ):
        responses = threads.map(
            lambda colour: client.post("/analyze", files={"file": make_image(colour)}).json(), colours
        )
        assert [response["result"] for response in responses] == colours
