from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from tests.support.bundles import make_image
from tests.support.faulty import NOT_A_NUMBER, RAISES, image_of
from tests.support.server import RunningServer

RAW = {"Content-Type": "image/png"}


def entries(server: RunningServer) -> list[dict[str, Any]]:
    time.sleep(0.1)
    return [json.loads(line, parse_constant=lambda name: name * 1000) for line in server.log.splitlines()]


def test_one_json_object_a_line(bundle_path: Path) -> None:
    with RunningServer(bundle_path, "--log-format", "json") as server:
        headers = {**RAW, "X-Request-ID": "mine"}
        image = make_image("red")
        httpx.post(server.url + "/v1/predict?top_k=1", content=image, headers=headers)
        httpx.get(server.url + "/nothing%0a{}")
        found = entries(server)
        assert server.stop() == 0
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"]) for entry in found)
    answered, unknown = found[-2:]
    assert set(answered.pop("ms")) == {"receive", "queue", "parse", "decode", "infer", "encode", "total"}
    assert answered.pop("time")
    assert 0.5 < answered.pop("probability") <= 1
    assert answered == {
        "level": "info", "id": "mine", "method": "POST", "path": "/v1/predict", "route": "/v1/predict", "status": 200,
        "bytes": len(image), "format": "PNG", "width": 80, "height": 60, "label": "red",
    }  # fmt: skip
    assert unknown["path"] == "/nothing%0a%7B%7D"
    assert (unknown["status"], unknown["route"]) == (404, None)


def test_internal_errors_are_in_the_log_with_their_traceback(bundle_path: Path) -> None:
    with RunningServer(bundle_path, "--log-format", "json", module="tests.support.faulty") as server:
        for fault in (RAISES, NOT_A_NUMBER):
            headers = {**RAW, "X-Request-ID": f"fault-{fault}"}
            httpx.post(server.url + "/v1/predict", content=image_of(fault), headers=headers)
        errors = [entry for entry in entries(server) if entry["level"] == "error"]
    assert len(errors) == 2
    assert "fault-103" in errors[0]["message"]
    assert "a secret of the implementation" in errors[0]["exception"]
    assert "not a finite number" in errors[1]["exception"]


def test_readable_lines_on_a_terminal(bundle_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "service", "serve", str(bundle_path), "--port", "0"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        text = b""
        while b"ready on" not in text:
            text += os.read(ours, 1000)
        process.terminate()
        process.wait(timeout=10)
    os.close(ours)
    assert re.search(rb"^\d{4}-\d\d-\d\d \S+ INFO colours version 1", text, re.MULTILINE)


def test_json_without_a_terminal(bundle_path: Path) -> None:
    with RunningServer(bundle_path, "--log-format", "auto") as server:
        assert entries(server)[-1]["message"].startswith("ready on ")
