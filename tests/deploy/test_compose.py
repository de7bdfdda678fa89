"""compose.yaml: its schema, what it publishes, and the service's start line on its port, without a container engine."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner

from service.settings import Settings, all_settings
from tests.deploy.checks import load_yaml
from tests.support.bundles import make_image, write_tiny_bundle
from tests.support.programs import replaced
from tests.support.prometheus import COMPOSE
from tests.test_packaging import ROOT

TEXT = (COMPOSE / "compose.yaml").read_text(encoding="utf-8")
# Without the image for training, which comes last.
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").partition(" AS trainer\n")[0]
NAME = "bears"


def check(text: str, folder: Path) -> list[str]:
    """Return what is wrong with a compose file: first by its schema, then by what we promise."""
    path = folder / "compose.yaml"
    path.write_text(text)
    result = CliRunner().invoke(check_jsonschema, ["--builtin-schema", "vendor.compose-spec", str(path)])
    if result.exit_code:
        return [result.output]
    file = load_yaml(text)
    services: dict[str, dict[str, Any]] = file["services"]
    service = services[NAME]
    wrong = [f"{name}: {problem}" for name, each in services.items() for problem in check_any(each)]
    published = [f"{name} {port}" for name, each in services.items() for port in each.get("ports", [])]
    if published != [f"{NAME} ${{PUBLISH:-8000}}:8000", "grafana 127.0.0.1:3000:3000"]:
        wrong.append(f"published: {published}")
    if (service.get("build"), service["image"]) != (".", "registry.example.org/bears:1"):
        wrong.append("the service is not built here, or has another image")
    if not service.get("read_only") or not services["prometheus"].get("read_only"):
        wrong.append("a root file system can be written")
    if service["cpus"] != 1 or service["memswap_limit"] != service["mem_limit"]:
        wrong.append("not one core, or photos may be swapped to the disk")
    if seconds(service["stop_grace_period"]) <= Settings().grace_s + Settings().drain_s:
        wrong.append("it is killed before it has finished")
    variables = {setting.variable for setting in all_settings()}
    wrong += [f"no setting {name}" for name in service["environment"].keys() - variables]
    wrong += [f"{path} is missing" for path in mounted(services) if not (COMPOSE / path).exists()]
    wrong += [f"{name} may reach the internet" for name in ("prometheus",) if services[name]["networks"] != ["metrics"]]
    if not (file["networks"]["metrics"] or {}).get("internal"):
        wrong.append("the network of the metrics is not internal")
    return wrong + check_grafana(services["grafana"]["environment"])


def check_any(service: dict[str, Any]) -> list[str]:
    """Return what is wrong with any of the services."""
    found = {
        "its image has no version": not re.search(r":v?\d+[\d.]*$", service["image"]),
        "it has capabilities": service.get("cap_drop") != ["ALL"],
        "it may get new privileges": service.get("security_opt") != ["no-new-privileges:true"],
        "its memory has no limit": "mem_limit" not in service,
        "it is not started again": service.get("restart") != "unless-stopped",
        "its log grows without a bound": "max-size" not in service.get("logging", {}).get("options", {}),
    }
    return [message for message, wrong in found.items() if wrong]


def check_grafana(environ: dict[str, str]) -> list[str]:
    """Return what is wrong with who may do what in Grafana."""
    expected = {
        "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_AUTH_DISABLE_LOGIN_FORM": "true",
    }
    wrong = [f"{name} is not {value}" for name, value in expected.items() if environ.get(name) != value]
    return wrong + [f"{name} is a password" for name in environ if "PASSWORD" in name or "SECRET_KEY" in name]


def mounted(services: dict[str, dict[str, Any]]) -> list[str]:
    """Return the files and folders of ours that are mounted."""
    volumes = [volume for service in services.values() for volume in service.get("volumes", [])]
    return [volume.split(":")[0] for volume in volumes if volume.startswith(".")]


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def test_the_file_is_right(tmp_path: Path) -> None:
    assert check(TEXT, tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    read_only: true", "    readonly: true", "readonly"),
        ("    cpus: 1\n", "    cpus: [1]\n", "cpus"),
        ("    cpus: 1\n", "    cpus: 2\n", "not one core"),
        ("prometheus:v3.13.2", "prometheus:latest", "prometheus: its image has no version"),
        ("grafana:12.4.0", "grafana", "grafana: its image has no version"),
        ('"127.0.0.1:3000:3000"', '"3000:3000"', "published"),
        ("    # Its page has no password", '    ports: ["9090:9090"]\n    #', "published"),
        ("    memswap_limit: 1024m\n", "    memswap_limit: 2048m\n", "swapped"),
        ("stop_grace_period: 15s", "stop_grace_period: 5s", "killed"),
        ("FIELDGUIDE_API_KEYS:", "FIELDGUIDE_API_KEY:", "no setting FIELDGUIDE_API_KEY"),
        ("./alerts.yml:", "./alert.yml:", "./alert.yml is missing"),
        ("    internal: true", "    internal: false", "not internal"),
        ("ORG_ROLE: Viewer", "ORG_ROLE: Admin", "ORG_ROLE is not Viewer"),
        ("      GF_AUTH_BASIC", "      GF_SECURITY_ADMIN_PASSWORD: admin\n      GF_AUTH_BASIC", "is a password"),
        ("cap_drop: [ALL]", "cap_drop: [NET_RAW]", "has capabilities"),
    ],
)
def test_mistakes_are_found(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert message in "; ".join(check(replaced(TEXT, (old, new)), tmp_path))


def check_provisioning(sources: str, dashboards: str) -> list[str]:
    """Return what does not fit between Grafana's files and where compose.yaml puts them."""
    grafana = yaml.safe_load(TEXT)["services"]["grafana"]
    places = dict(volume.removesuffix(":ro").split(":") for volume in grafana["volumes"])
    source, provider = yaml.safe_load(sources)["datasources"][0], yaml.safe_load(dashboards)["providers"][0]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    found = {
        "the source is not Prometheus of the compose file": source["url"] != "http://prometheus:9090",
        "the source can be changed": source["editable"] is not False or source["access"] != "proxy",
        "there is no dashboard where Grafana looks": provider["options"]["path"] != places["./grafana/dashboards"],
        "the first page is not ours": home != f"{places['./grafana/dashboards']}/service.json",
        "Grafana looks elsewhere": places["./grafana/provisioning"] != "/etc/grafana/provisioning",
    }
    return [message for message, wrong in found.items() if wrong]


SOURCES = (COMPOSE / "grafana/provisioning/datasources/prometheus.yml").read_text(encoding="utf-8")
DASHBOARDS = (COMPOSE / "grafana/provisioning/dashboards/files.yml").read_text(encoding="utf-8")


def test_grafana_finds_its_source_and_its_dashboard() -> None:
    assert check_provisioning(SOURCES, DASHBOARDS) == []
    assert check_provisioning(replaced(SOURCES, ("prometheus:9090", "localhost:9090")), DASHBOARDS)
    assert check_provisioning(replaced(SOURCES, ("editable: false", "editable: true")), DASHBOARDS)
    assert check_provisioning(SOURCES, replaced(DASHBOARDS, ("/etc/grafana/dashboards", "/var/lib/dashboards")))


def start_line() -> tuple[list[str], dict[str, str]]:
    """Return the command and the variables of the service's container: those of the image, then those of the file."""
    entrypoint, command = (
        re.findall(rf"^{name} \[(.*)\]$", DOCKERFILE, re.MULTILINE)[-1] for name in ("ENTRYPOINT", "CMD")
    )
    line = re.findall(r'"([^"]+)"', f"{entrypoint}, {command}")
    of_image = dict(re.findall(r"(FIELDGUIDE_\w+|PYTHONUNBUFFERED)=(\S+)", DOCKERFILE))
    of_file = yaml.safe_load(TEXT)["services"][NAME]["environment"]
    return line, {**of_image, **{name: value for name, value in of_file.items() if value is not None}}


def test_the_start_line_answers_on_the_port_of_the_file(tmp_path: Path) -> None:
    service = yaml.safe_load(TEXT)["services"][NAME]
    port = int(service["ports"][0].rsplit(":", 1)[1])
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            pytest.skip(f"port {port} is in use")
    line, variables = start_line()
    assert line[0] == "python"
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "FIELDGUIDE_BUNDLE": "", **variables}
    environ["FIELDGUIDE_BUNDLE"] = str(write_tiny_bundle(tmp_path / "bundle"))
    process = subprocess.Popen([sys.executable, *line[1:]], env=environ, cwd=tmp_path, stderr=subprocess.PIPE)
    try:
        health = [sys.executable, *service["healthcheck"]["test"][2:]]
        deadline = time.monotonic() + 30
        while (healthy := subprocess.run(health, capture_output=True, check=False).returncode) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.1)
        assert healthy == 0
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/predict", make_image("green"), {"Content-Type": "image/png"}
        )
        with urllib.request.urlopen(request) as response:
            assert b'"green"' in response.read()
    finally:
        process.terminate()
        _, log = process.communicate(timeout=20)
    assert process.returncode == 0, log
