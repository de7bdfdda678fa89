"""The files for places that run a container for you. No validator for them can be had: this is what we know of them."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping

import pytest

from service.settings import Settings
from tests.deploy.checks import (
    DEPLOY,
    LONGEST_STOP_S,
    SLOWEST_BYTES_PER_S,
    key_problems,
    load_yaml,
    path_problems,
    setting_problems,
)

COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
KILLED = "it is killed before it has stopped"
PORTS = "the ports differ"


def space_problems(text: str) -> list[str]:
    _, header, body = text.split("---\n", 2)
    values = load_yaml(header)
    found = key_problems(
        values,
        ("title", "emoji", "colorFrom", "colorTo", "sdk", "app_port", "short_description"),
        optional=("license",),
    )
    if found:
        return found
    if values["sdk"] != "docker":
        found.append("it is not built from the Dockerfile")
    if values["app_port"] != Settings().port:
        found.append(PORTS)
    found += [f"{key} is no colour" for key in ("colorFrom", "colorTo") if values[key] not in COLOURS]
    if len(values["short_description"]) > 60:
        found.append("short_description is longer than 60 characters")
    if "/v1/predict" not in body:
        found.append("it does not show how to ask")
    return found


def fly_problems(text: str) -> list[str]:
    values = tomllib.loads(text)
    found = key_problems(
        values, ("app", "kill_signal", "kill_timeout", "build", "env", "http_service", "vm", "metrics")
    )
    if found:
        return found
    http = values["http_service"]
    found = key_problems(
        http,
        (
            *("internal_port", "force_https", "auto_stop_machines", "auto_start_machines", "min_machines_running"),
            *("concurrency", "checks"),
        ),
    )
    if found:
        return found
    found = setting_problems(values["env"])
    found += path_problems(values["metrics"]["path"], *(check["path"] for check in http["checks"]))
    if {str(http["internal_port"]), str(values["metrics"]["port"]), values["env"].get("FIELDGUIDE_PORT")} != {"8000"}:
        found.append(PORTS)
    if values["kill_timeout"] <= LONGEST_STOP_S or values["kill_signal"] != "SIGTERM":
        found.append(KILLED)
    if not http["force_https"]:
        found.append("photos travel without TLS")
    found += [
        "memory is sold in steps of 256 MB" for vm in values["vm"] if int(vm["memory"].removesuffix("mb")) % 256 != 0
    ]
    return found


def render_problems(text: str) -> list[str]:
    (web,) = load_yaml(text)["services"]
    found = key_problems(
        web,
        (
            *("type", "name", "runtime", "dockerfilePath", "dockerContext", "plan", "healthCheckPath"),
            *("maxShutdownDelaySeconds", "envVars"),
        ),
    )
    if found:
        return found
    if (web["type"], web["runtime"]) != ("web", "docker"):
        found.append("it is no web service that is built from the Dockerfile")
    variables = {entry["key"]: entry["value"] for entry in web["envVars"]}
    if variables.pop("PORT", None) != variables.get("FIELDGUIDE_PORT"):
        found.append(PORTS)
    found += setting_problems(variables) + path_problems(web["healthCheckPath"])
    if web["maxShutdownDelaySeconds"] <= LONGEST_STOP_S:
        found.append(KILLED)
    return found


def cloud_run_problems(text: str) -> list[str]:
    values = load_yaml(text)
    found = key_problems(values, ("apiVersion", "kind", "metadata", "spec"))
    if found:
        return found
    template = values["spec"]["template"]["spec"]
    (container,) = template["containers"]
    found = key_problems(template, ("containerConcurrency", "timeoutSeconds", "containers")) + key_problems(
        container, ("name", "image", "ports", "env", "resources", "startupProbe", "livenessProbe")
    )
    if found:
        return found
    if (values["apiVersion"], values["kind"]) != ("serving.knative.dev/v1", "Service"):
        found.append("it is no service of Knative")
    variables = {entry["name"]: entry["value"] for entry in container["env"]}
    probes = [container["startupProbe"], container["livenessProbe"]]
    found += setting_problems(variables) + path_problems(*(probe["httpGet"]["path"] for probe in probes))
    ports = {*(port["containerPort"] for port in container["ports"]), *(probe["httpGet"]["port"] for probe in probes)}
    if ports != {int(variables.get("FIELDGUIDE_PORT", 0))}:
        found.append(PORTS)
    if any(probe["timeoutSeconds"] > probe["periodSeconds"] for probe in probes):
        found.append("a probe may take longer than its period")
    if template["timeoutSeconds"] < Settings().max_body_bytes / SLOWEST_BYTES_PER_S + Settings().deadline_s:
        found.append("a request is cut before its deadline")
    if not container["resources"]["limits"]["memory"].endswith("Mi"):
        found.append("the memory has no unit")
    return found


CHECKS: Mapping[str, Callable[[str], list[str]]] = {
    "space/README.md": space_problems,
    "fly/fly.toml": fly_problems,
    "render/render.yaml": render_problems,
    "cloud-run/service.yaml": cloud_run_problems,
}


@pytest.mark.parametrize("name", CHECKS)
def test_the_file_is_right(name: str) -> None:
    assert CHECKS[name]((DEPLOY / name).read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("name", "right", "wrong", "problem"),
    [
        ("space/README.md", "app_port: 8000", "app_port: 7860", PORTS),
        ("space/README.md", "sdk: docker", "sdk: gradio", "it is not built from the Dockerfile"),
        ("space/README.md", "app_port", "port", "app_port is missing"),
        ("space/README.md", "colorTo: gray", "colorTo: black", "colorTo is no colour"),
        ("fly/fly.toml", "internal_port = 8000", "internal_port = 8080", PORTS),
        ("fly/fly.toml", 'path = "/readyz"', 'path = "/health"', "/health is no route"),
        ("fly/fly.toml", "FIELDGUIDE_PORT", "PORT", "PORT is no setting"),
        ("fly/fly.toml", "kill_timeout = 15", "kill_timeout = 5", KILLED),
        ("fly/fly.toml", "force_https = true", "force_https = false", "photos travel without TLS"),
        ("fly/fly.toml", '"1024mb"', '"1000mb"', "memory is sold in steps of 256 MB"),
        ("fly/fly.toml", "[metrics]", "[metric]", "metric is no key of it"),
        (
            "render/render.yaml",
            "runtime: docker",
            "runtime: python",
            "it is no web service that is built from the Docker",
        ),
        ("render/render.yaml", "/readyz", "/healthz", "/healthz is no route"),
        ("render/render.yaml", 'value: "8000"', 'value: "10000"', PORTS),
        ("render/render.yaml", "Seconds: 15", "Seconds: 5", KILLED),
        ("cloud-run/service.yaml", "path: /livez", "path: /live", "/live is no route"),
        ("cloud-run/service.yaml", "containerPort: 8000", "containerPort: 8080", PORTS),
        ("cloud-run/service.yaml", "timeoutSeconds: 720", "timeoutSeconds: 30", "a request is cut before its deadline"),
        ("cloud-run/service.yaml", "containerConcurrency: 8", "concurrency: 8", "concurrency is no key of it"),
        ("cloud-run/service.yaml", "1024Mi", '"1024"', "the memory has no unit"),
        (
            "cloud-run/service.yaml",
            "timeoutSeconds: 1\n",
            "timeoutSeconds: 2\n",
            "a probe may take longer than its period",
        ),
    ],
)
def test_a_planted_mistake_is_found(name: str, right: str, wrong: str, problem: str) -> None:
    text = (DEPLOY / name).read_text("utf-8")
    assert right in text
    assert any(found.startswith(problem) for found in CHECKS[name](text.replace(right, wrong, 1)))
