"""Prometheus with the files of deploy/compose, beside a service; and which metrics a text of PromQL names."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from tests.support.programs import free_port, program, replaced
from tests.test_packaging import ROOT

COMPOSE = ROOT / "deploy" / "compose"
DASHBOARD: dict[str, Any] = json.loads((COMPOSE / "grafana/dashboards/service.json").read_text(encoding="utf-8"))


def alert_rules(text: str) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def queries(dashboard: dict[str, Any]) -> list[str]:
    """Every query of a dashboard, with a time in place of Grafana's variable."""
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return [text.replace("$__rate_interval", "5s") for text in found]


def selectors(promql: str) -> list[tuple[str, dict[str, str]]]:
    """Return each metric that PromQL names, with its matchers: label -> operator and value."""
    found = re.findall(r"\b([a-zA-Z_]\w*)\{([^}]*)\}", promql)
    matcher = r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"'
    return [(name, {m[0]: m[1] + m[2] for m in re.findall(matcher, text)}) for name, text in found]


def labels_named(promql: str) -> set[str]:
    """Return the labels of `by (...)` and `on (...)`."""
    lists = re.findall(r"\b(?:by|on) \(([^)]*)\)", promql)
    return {label.strip() for text in lists for label in text.split(",")}


class Prometheus:
    """Prometheus in its own process, which asks three times a second. Ready on entry, gone on exit."""

    def __init__(self, folder: Path, target: str, *, key: str = "none") -> None:
        self._port = free_port()
        config = (COMPOSE / "prometheus.yml").read_text(encoding="utf-8")
        pairs = (("bears:8000", target), ("scrape_interval: 15s", "scrape_interval: 300ms"))
        pairs += (("evaluation_interval: 15s", "evaluation_interval: 300ms"),)
        (folder / "prometheus.yml").write_text(replaced(config, *pairs))
        (folder / "metrics-key").write_text(key)
        shutil.copy(COMPOSE / "alerts.yml", folder)
        command = [program("prometheus"), f"--config.file={folder}/prometheus.yml"]
        command += [f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{self._port}"]
        self._log = folder / "log"
        with self._log.open("w") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)

    def __enter__(self) -> Prometheus:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self._get("/-/ready")
            except OSError:
                time.sleep(0.1)
            else:
                return self
        self.__exit__()
        raise AssertionError(f"Prometheus did not start:\n{self._log.read_text()}")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)

    def query(self, promql: str) -> list[dict[str, Any]]:
        """Return the series of an instant query."""
        data = self.api("query", query=promql)
        series: list[dict[str, Any]] = data["result"]
        return series

    def api(self, path: str, **parameters: str) -> dict[str, Any]:
        answer = json.loads(self._get(f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}"))
        assert answer["status"] == "success", answer
        data: dict[str, Any] = answer["data"]
        return data

    def wait_for_scrapes(self, count: int) -> dict[str, Any]:
        """Wait until the target was asked so often; returns what Prometheus says of it."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            scrapes = self.query("count_over_time(up[1m])")
            if scrapes and int(scrapes[0]["value"][1]) >= count:
                target: dict[str, Any] = self.api("targets")["activeTargets"][0]
                return target
            time.sleep(0.2)
        raise AssertionError(f"Prometheus asked too seldom:\n{self._log.read_text()}")

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=10) as response:
            body: bytes = response.read()
            return body
