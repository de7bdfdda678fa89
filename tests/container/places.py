"""The image that `fieldguide deploy` gives to each place, with the port, variables, user and size that it has there."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

import yaml

from fieldguide.deployment.targets import TARGETS
from tests.container.trial import HARDENED, Trial
from tests.test_packaging import ROOT

DEPLOY = ROOT / "deploy"
_SPACE_USER = "1000"


def _yaml(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text("utf-8"))


def _listed(variables: Mapping[str, Any]) -> tuple[str, ...]:
    """NAME=VALUE of each variable that has a value in the file."""
    return tuple(f"{name}={value}" for name, value in variables.items() if value is not None)


def _place(name: str, variables: Mapping[str, Any], **options: Any) -> Trial:
    return Trial(name=name, environment=_listed(variables), is_mounted=False, **options)


def places() -> tuple[Trial, ...]:
    """One trial for each place that runs the image."""
    (create,) = [line for line in TARGETS["space"].commands if "repos create" in line]
    space = create.partition("--env ")[2].split("=", 1)
    render = {entry["key"]: entry["value"] for entry in _yaml("render/render.yaml")["services"][0]["envVars"]}
    (container,) = _yaml("cloud-run/service.yaml")["spec"]["template"]["spec"]["containers"]
    cloud_run = {entry["name"]: entry["value"] for entry in container["env"]}
    compose = _yaml("compose/compose.yaml")["services"]["bears"]
    fly = tomllib.loads((DEPLOY / "fly" / "fly.toml").read_text("utf-8"))
    return (
        _place("Hugging Face Space", dict([space]), user=_SPACE_USER, memory="16g"),
        _place("Fly.io", fly["env"], memory=fly["vm"][0]["memory"].removesuffix("b"), cpus="1"),
        _place("Render, its smallest plan", render, memory="512m", cpus="0.5"),
        _place("Cloud Run", {**cloud_run, "PORT": "8000"}, memory="1024m", cpus="1"),
        _place("Compose", compose["environment"], options=HARDENED, memory=compose["mem_limit"], cpus="1"),
        _place("Kubernetes", {"FIELDGUIDE_THREADS": "1"}, options=HARDENED, memory="1024m"),
    )
