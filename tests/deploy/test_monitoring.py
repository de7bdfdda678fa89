"""The dashboard and the alerts name only what a real service has; promtool and Prometheus judge the rest."""

from __future__ import annotations

import copy
import itertools
import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.bundles import make_image, metrics_json, write_tiny_bundle
from tests.support.programs import program, replaced
from tests.support.prometheus import (
    COMPOSE,
    DASHBOARD,
    Prometheus,
    alert_rules,
    labels_named,
    queries,
    selectors,
)
from tests.support.server import RunningServer
from tests.test_packaging import ROOT

ALERTS = (COMPOSE / "alerts.yml").read_text(encoding="utf-8")
ALERT_TESTS = (COMPOSE / "alerts.test.yml").read_text(encoding="utf-8")
KEY = "a-key-of-this-test"
REFERENCE = {
    "class_fractions": [0.5, 0.25, 0.25],
    "confidence_counts": [1, 1, 2, 36],
    "confidence_edges": [0, 0.25, 0.5, 0.75, 1],
}
# Metrics that Prometheus itself makes, and labels that it adds to all.
OF_PROMETHEUS = {"up": set[str](), "ALERTS": {"alertname", "alertstate", "severity"}}
ADDED = {"job", "instance"}
# Their values come from the service alone, so every value that is named must exist.
FIXED_VALUES = {"route", "stage", "cause", "of"}

# Name -> label -> the values seen.
Exposed = Mapping[str, Mapping[str, set[str]]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A service with API keys, whose bundle says how it predicts its validation images, after some requests."""
    metrics = metrics_json({"accuracy": 0.975, "images": 40, "reference": REFERENCE})
    bundle = write_tiny_bundle(tmp_path_factory.mktemp("monitoring") / "bundle", replace={"metrics.json": metrics})
    with RunningServer(bundle, environ={"FIELDGUIDE_API_KEYS": KEY}) as running:
        for _ in range(3):
            ask(running, "/v1/predict", make_image())
        ask(running, "/v1/predict", b"not an image")
        for path in ("/readyz", "/livez", "/v2/health/live", "/metrics"):
            ask(running, path)
        yield running


def ask(server: RunningServer, path: str, body: bytes | None = None) -> str:
    headers = {"X-API-Key": KEY, "Content-Type": "application/octet-stream"}
    request = urllib.request.Request(server.url + path, body, headers)
    try:
        with urllib.request.urlopen(request) as response:
            text: str = response.read().decode()
            return text
    except urllib.error.HTTPError as error:
        return str(error)


@pytest.fixture(scope="module")
def exposed(server: RunningServer) -> Exposed:
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(ask(server, "/metrics")):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def check_names(promql: str, exposed: Exposed) -> list[str]:
    """Return what PromQL names that no metric of the service has."""
    wrong = [f"{name} has no matchers" for name in re.findall(r"\b(?:fieldguide|process)_\w+(?![\w{])", promql)]
    known = set(ADDED)
    for name, matchers in selectors(promql):
        if name not in exposed and name not in OF_PROMETHEUS:
            wrong.append(f"no metric {name}")
            continue
        labels = {*exposed.get(name, ()), *OF_PROMETHEUS.get(name, ())}
        known |= labels
        wrong += [f"{name} has no label {label}" for label in matchers.keys() - labels - ADDED]
        if matchers.get("job") != "=bears":
            wrong.append(f"{name} is not of our job alone")
        for label in matchers.keys() & labels & FIXED_VALUES:
            operator, pattern = re.fullmatch(r"(=~|!~|!=|=)(.*)", matchers[label]).groups()  # type: ignore[union-attr]
            choices = pattern.split("|") if "~" in operator and "(" not in pattern else [pattern]
            if not all(any(re.fullmatch(choice, value) for value in exposed[name][label]) for choice in choices):
                wrong.append(f"{name} has no {label} {pattern}")
    return wrong + [f"no label {label}" for label in labels_named(promql) - known]


def check_dashboard(dashboard: dict[str, Any], exposed: Exposed) -> list[str]:
    """Return what is wrong with a dashboard: names, data source, places of the panels."""
    panels = dashboard["panels"]
    wrong = [problem for text in queries(dashboard) for problem in check_names(text, exposed)]
    if len({panel["id"] for panel in panels}) < len(panels):
        wrong.append("two panels have one id")
    source = yaml.safe_load((COMPOSE / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"][0]
    for panel in panels:
        place, title = panel["gridPos"], panel["title"]
        if place["x"] < 0 or place["x"] + place["w"] > 24:
            wrong.append(f"{title} leaves the page")
        if not panel["description"] or not panel["fieldConfig"]["defaults"]["unit"]:
            wrong.append(f"{title} has no description or unit")
        used = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        if any(reference != {"type": source["type"], "uid": source["uid"]} for reference in used):
            wrong.append(f"{title} has another data source")
        if len({target["refId"] for target in panel["targets"]}) < len(panel["targets"]):
            wrong.append(f"two queries of {title} have one refId")
        for target in panel["targets"]:
            named = {label for name, _ in selectors(target["expr"]) for label in exposed.get(name, ())} | ADDED
            legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            wrong += [f"{title} has no label {label} for its legend" for label in legend - named]
    for one, other in itertools.combinations(panels, 2):
        if overlap(one["gridPos"], other["gridPos"]):
            wrong.append(f"{one['title']} and {other['title']} overlap")
    return wrong


def overlap(a: dict[str, int], b: dict[str, int]) -> bool:
    return (
        a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]
    )


def promtool(*arguments: str | Path) -> str:
    """Return the output of promtool if it found a mistake, else nothing."""
    result = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)
    return result.stdout + result.stderr if result.returncode else ""


def check_alerts(text: str, folder: Path, exposed: Exposed, tests: str = ALERT_TESTS) -> list[str]:
    """Return what is wrong with alerts and their unit tests."""
    (folder / "alerts.yml").write_text(text)
    (folder / "alerts.test.yml").write_text(tests)
    for arguments in (("check", "rules", folder / "alerts.yml"), ("test", "rules", folder / "alerts.test.yml")):
        if found := promtool(*arguments):
            return [found]
    wrong = []
    cases = [case for group in yaml.safe_load(tests)["tests"] for case in group["alert_rule_test"]]
    for rule in alert_rules(text):
        name, notes = rule["alert"], rule["annotations"]
        wrong += check_names(rule["expr"], exposed)
        if rule["labels"]["severity"] not in ("critical", "warning"):
            wrong.append(f"{name} has an unknown severity")
        if not notes.get("summary") or not notes.get("description"):
            wrong.append(f"{name} does not say what it is")
        if notes.get("runbook") != f"docs/operations.md#{name.lower()}":
            wrong.append(f"{name} does not say what to do")
        fires = {"exp_alerts" in case for case in cases if case["alertname"] == name}
        if fires != {True, False}:
            wrong.append(f"{name} is not tested both firing and not firing")
    return wrong


def test_the_dashboard_is_right(exposed: Exposed) -> None:
    assert check_dashboard(DASHBOARD, exposed) == []


def test_every_metric_of_the_service_itself_is_on_the_dashboard(exposed: Exposed) -> None:
    named = {name for text in queries(DASHBOARD) for name, _ in selectors(text)}
    own = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in exposed if name.startswith("fieldguide_")}
    assert own - {re.sub(r"_bucket$", "", name) for name in named} <= {
        *("fieldguide_requests", "fieldguide_rejected", "fieldguide_abstained")
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fieldguide_queue_depth", "fieldguide_queue_length", "no metric fieldguide_queue_length"),
        ("sum by (cause)", "sum by (motive)", "no label motive"),
        ('stage=\\"decode\\"', 'stage=\\"decoding\\"', "no stage decoding"),
        ('fieldguide_in_flight{job=\\"bears\\"}', "fieldguide_in_flight", "has no matchers"),
        ('process_open_fds{job=\\"bears\\"}', 'process_open_fds{job=\\"x\\"}', "not of our job"),
        ("{{of}}, {{instance}}", "{{if}}, {{instance}}", "no label if for its legend"),
        ('"uid": "prometheus"', '"uid": "other"', "another data source"),
        ('"id": 2,', '"id": 1,', "two panels have one id"),
        ('"x": 12, "y": 5,', '"x": 11, "y": 5,', "overlap"),
        ('"x": 18, "y": 37, "w": 6', '"x": 18, "y": 37, "w": 7', "leaves the page"),
        ('"refId": "B"', '"refId": "A"', "one refId"),
    ],
)
def test_mistakes_in_the_dashboard_are_found(old: str, new: str, message: str, exposed: Exposed) -> None:
    text = (COMPOSE / "grafana/dashboards/service.json").read_text(encoding="utf-8")
    assert message in "; ".join(check_dashboard(json.loads(replaced(text, (old, new))), exposed))


def check_promql(texts: list[str], folder: Path) -> str:
    """Return what promtool says against queries."""
    rules = [{"record": f"query:{number}", "expr": text} for number, text in enumerate(texts)]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    return promtool("check", "rules", folder / "rules.yml")


def test_promtool_takes_every_query_of_the_dashboard(tmp_path: Path) -> None:
    assert check_promql(queries(DASHBOARD), tmp_path) == ""


def test_a_query_that_is_not_promql_is_found(tmp_path: Path) -> None:
    dashboard = copy.deepcopy(DASHBOARD)
    dashboard["panels"][3]["targets"][0]["expr"] += ")"
    assert "unexpected right parenthesis" in check_promql(queries(dashboard), tmp_path)


def test_the_alerts_are_right(tmp_path: Path, exposed: Exposed) -> None:
    assert check_alerts(ALERTS, tmp_path, exposed) == []


def test_the_memory_alert_knows_the_limit_of_the_compose_file() -> None:
    limit = re.search(r"mem_limit: (\d+)m\n", (COMPOSE / "compose.yaml").read_text())
    assert limit
    for text in (ALERTS, (COMPOSE / "grafana/dashboards/service.json").read_text()):
        assert str(int(limit[1]) * 2**20) in text


# One mistake for each alert. promtool reports by name what does not fire, or fires, as its unit test says.
ONE_EACH = {
    "ServiceDown": ('up{job="bears"} == 0', 'up{job="bears"} > 1'),
    "ServiceNotReady": ('route="/readyz"', 'route="/ready"'),
    "ServiceRestarts": ("[15m]) > 2", "[15m]) > 3"),
    "Errors": ("> 0.02", "> 0.2"),
    "Rejections": ("> 0.05", "> 0.02"),
    "Slow": ("queue|decode|infer", "receive|queue|decode|infer"),
    "SlotsLost": ("fieldguide_slots_lost", "fieldguide_lost_slots"),
    "MemoryNearLimit": ("0.9 * 1073741824", "0.8 * 1073741824"),
    "Drift": (">= 200", ">= 20"),
}


def test_a_mistake_in_each_alert_is_found_by_its_unit_test(tmp_path: Path, exposed: Exposed) -> None:
    (found,) = check_alerts(replaced(ALERTS, *ONE_EACH.values()), tmp_path, exposed)
    assert (
        set(re.findall(r"alertname: (\w+)", found)) == set(ONE_EACH) == {rule["alert"] for rule in alert_rules(ALERTS)}
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("expr: up{job=", "expr: up{job", "unexpected"),
        ('{job="bears"} > 0.9', "> 0.9", "MemoryNearLimit"),
        (' - fieldguide_drift_psi_by_chance{job="bears"}', "", "Drift"),
        ("severity: warning", "severity: medium", "medium"),
        ("operations.md#slow\n", "operations.md#fast\n", "fast"),
    ],
)
def test_other_mistakes_in_the_alerts_are_found(
    old: str, new: str, message: str, tmp_path: Path, exposed: Exposed
) -> None:
    assert message in "; ".join(check_alerts(replaced(ALERTS, (old, new)), tmp_path, exposed))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("alertname: SlotsLost}", "alertname: Slow}", "SlotsLost is not tested both"),
        ("values: 1x8 0x20", "values: 1x28", "ServiceDown"),
    ],
)
def test_mistakes_in_the_tests_of_the_alerts_are_found(
    old: str, new: str, message: str, tmp_path: Path, exposed: Exposed
) -> None:
    tests = replaced(ALERT_TESTS, (old, new))
    assert message in "; ".join(check_alerts(ALERTS, tmp_path, exposed, tests))


def test_every_alert_is_explained() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (\w+)$", page, re.MULTILINE)
    assert {rule["alert"] for rule in alert_rules(ALERTS)} <= set(headings)


def test_promtool_takes_the_configuration_and_finds_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "alerts.yml").write_text(ALERTS)
    (tmp_path / "metrics-key").write_text("none")
    config = (COMPOSE / "prometheus.yml").read_text()
    (tmp_path / "prometheus.yml").write_text(config)
    assert promtool("check", "config", tmp_path / "prometheus.yml") == ""
    (tmp_path / "prometheus.yml").write_text(replaced(config, ("scrape_interval", "scrape_interwal")))
    assert "scrape_interwal" in promtool("check", "config", tmp_path / "prometheus.yml")
    (tmp_path / "prometheus.yml").write_text(replaced(config, ("- alerts.yml", "- alert.yml")))
    assert "alert.yml" in promtool("check", "config", tmp_path / "prometheus.yml")


@pytest.fixture(scope="module")
def both(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, Prometheus]]:
    """Prometheus with the key of the service, and without; together, since its start takes seconds."""
    address = server.url.removeprefix("http://")
    with (
        Prometheus(tmp_path_factory.mktemp("with"), address, key=KEY) as knowing,
        Prometheus(tmp_path_factory.mktemp("without"), address) as other,
    ):
        yield knowing, other


def test_a_real_prometheus_reads_the_service_with_its_key(both: tuple[Prometheus, Prometheus]) -> None:
    prometheus = both[0]
    target = prometheus.wait_for_scrapes(3)
    assert (target["health"], target["lastError"]) == ("up", "")
    empty = [text for text in queries(DASHBOARD) if not prometheus.query(text)]
    assert empty == ['ALERTS{job="bears", alertstate="firing"}']
    rules = prometheus.api("rules")["groups"][0]["rules"]
    assert len(rules) == len(alert_rules(ALERTS))
    assert {(rule["health"], rule["state"]) for rule in rules} == {("ok", "inactive")}


def test_without_a_key_the_alert_for_a_service_that_is_down_begins(both: tuple[Prometheus, Prometheus]) -> None:
    prometheus = both[1]
    target = prometheus.wait_for_scrapes(3)
    assert target["health"] == "down"
    assert "401" in target["lastError"]
    rules = prometheus.api("rules")["groups"][0]["rules"]
    assert {rule["name"]: rule["state"] for rule in rules}["ServiceDown"] == "pending"
