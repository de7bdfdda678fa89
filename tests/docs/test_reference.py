"""The pages of docs/reference are those of this code, and nothing is missing on them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.routing import Route, Router

import fieldguide
from docs.generate import pages
from docs.generate.commands import commands_page
from fieldguide.cli import cli
from service.console import SectionedCommand, SectionedOption
from service.settings import Settings, all_settings
from service.web.app import create_app
from service.web.engine import Engine
from service.web.routes.endpoint import Endpoint, operation_of
from tests.service.web.telemetry.test_drift import METRICS
from tests.support.bundles import make_image, metrics_json, write_tiny_bundle
from tests.support.server import RunningServer
from trainer.recipe import Recipe, to_plain

PROGRAMS = {"fieldguide": cli}


def page(name: str) -> str:
    return (pages.FOLDER / name).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """What stands under a heading of level two."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading {heading!r}"
    return found[1]


def test_the_pages_are_up_to_date() -> None:
    made = pages.all_pages()
    assert {path.name for path in pages.FOLDER.iterdir()} == set(made), "run `make docs`"
    for name, text in made.items():
        assert page(name) == text, f"{name} is not up to date: run `make docs`"


def test_writing_the_pages_deletes_old_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "FOLDER", tmp_path)
    (tmp_path / "old.md").touch()
    pages.write_pages()
    assert {path.name for path in tmp_path.iterdir()} == set(pages.all_pages())


def test_the_index_names_every_page() -> None:
    others = {path.name for path in pages.FOLDER.iterdir()} - {"README.md"}
    assert set(re.findall(r"\]\((.+?)\)", page("README.md"))) == others


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_option_and_argument_of_every_command(program: str) -> None:
    group = PROGRAMS[program]
    assert len(group.commands) >= 3
    for name, command in {"": group, **group.commands}.items():
        text = section(page("commands.md"), f"{program} {name}".strip())
        context = click.Context(command, parent=click.Context(group, **group.context_settings))
        for parameter in command.get_params(context):
            if isinstance(parameter, click.Argument):
                assert f"| `{parameter.make_metavar(context)}` |" in text
            for spelling in parameter.opts if isinstance(parameter, click.Option) else ():
                assert re.search(rf"`.*(?<![\w-]){spelling}(?![\w-]).*` \|", text), f"{name} has no {spelling}"


class Lazy(click.Group):
    """A group whose commands are made when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["show", "secret"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        many = click.Option(["--many"], type=click.IntRange(1, 9), default=3, show_default=True, help="How many.")
        grouped = SectionedOption(["--side"], section="Sizes", help="Side in pixels  [SIDE; default: the photo's]")
        hidden = click.Option(["--hidden"], hidden=True, help="A hidden one.")
        files = click.Argument(["files"], nargs=-1, required=True, metavar="FILE...")
        return SectionedCommand(
            cmd_name,
            params=[files, grouped, many, hidden],
            help="Show\nfiles.\n\nThen end.",
            hidden=cmd_name == "secret",
            sections=("Sizes",),
        )


def test_commands_of_any_group() -> None:
    text = commands_page(Lazy("tool", help="A tool."), "tool")
    assert "| [`tool show`](#tool-show) | Show files. |" in text
    shown = section(text, "tool show")
    assert shown.startswith("\nShow files.\n\nThen end.\n\n```text\ntool show [OPTIONS] FILE...\n```\n")
    assert "| `FILE...` | one or more |" in shown
    sizes, options = shown.partition("**General**")[::2]
    assert "**Sizes**" in sizes
    assert "| `--side TEXT` | the photo's | Side in pixels. Variable: `SIDE`. |" in sizes
    assert "| `--many INTEGER RANGE` | `3` | How many. Values: `1<=x<=9`. |" in options
    assert "secret" not in text
    assert "hidden" not in text


def keys(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        yield from keys(value, f"{prefix}{name}.") if isinstance(value, Mapping) else (prefix + name,)


def test_every_key_of_a_recipe() -> None:
    found = re.findall(r"^\| `(.+?)` \|", page("recipe.md"), re.MULTILINE)
    assert sorted(found) == sorted(keys(to_plain(Recipe())))


def test_every_setting_of_the_service() -> None:
    text = page("settings.md")
    assert len(all_settings()) == len(dataclasses.fields(Settings))
    for setting in all_settings():
        assert re.search(rf"^\|.* `{setting.variable}` \|", text, re.MULTILINE), setting.name
        assert (f"| `{setting.flag}` |" in text) != setting.secret


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a service with a drift reference returns at /metrics after one prediction."""
    replace = {"metrics.json": metrics_json(METRICS)}
    bundle = write_tiny_bundle(tmp_path_factory.mktemp("reference") / "bundle", replace=replace)
    with RunningServer(bundle) as server:
        sent = {"content": make_image(), "headers": {"Content-Type": "image/png"}}
        assert httpx.post(server.url + "/v1/predict", **sent).status_code == 200  # type: ignore[arg-type]
        return httpx.get(server.url + "/metrics").text


def test_every_metric_and_label_of_a_running_service(scraped: str) -> None:
    text = page("metrics.md")
    families = list(text_string_to_metric_families(scraped))
    assert any(family.name == "fieldguide_drift_psi" for family in families)
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        listed = f"- `{name}`" if name.endswith("_created") else f"| `{name}` | {family.type} |"
        assert listed in text
        for label in {label for sample in family.samples for label in sample.labels}:
            assert re.search(rf"^\| `{name}` .*`{label}`", text, re.MULTILINE) or name.endswith("_created")
            assert f"\n### {label}\n" in text


@pytest.mark.parametrize("label", ["route", "stage", "cause", "of", "le"])
def test_every_value_of_a_label(label: str, scraped: str) -> None:
    explained = re.search(rf"^### {label}\n(.*?)(?=^##|\Z)", page("metrics.md"), re.MULTILINE | re.DOTALL)
    assert explained
    values = set(re.findall(rf'\b{label}="(.+?)"', scraped))
    assert values
    for value in values:
        assert f"`{value}`" in explained[1]


def test_every_route_of_the_application() -> None:
    text = page("routes.md")
    engine = Engine(threads=1)
    app = create_app(engine, Settings())
    engine.close()
    assert isinstance(app, Router)
    found = set(re.findall(r"^## ([A-Z]+ /.*)$", text, re.MULTILINE))
    expected = set()
    for route in app.routes:
        assert isinstance(route, Route)
        assert isinstance(route.endpoint, Endpoint)
        path = route.path.replace(":path}", "}")
        expected |= {
            f"{method} {path}" for method, handler in route.endpoint.handlers.items() if operation_of(handler).name
        }
    assert found == expected
    assert {"POST /analyze", "GET /livez", "GET /readyz", "GET /metrics", "POST /models/{name}"} <= found


def test_a_route_with_its_parameters_bodies_and_responses() -> None:
    shown = section(page("routes.md"), "POST /v1/predict")
    assert "| `top_k` | query | `integer` from 1 to 999999999999999999 | `5` | how many classes" in shown
    assert "| `multipart/form-data` | [UploadForm](#uploadform) |" in shown
    assert "| 200 | `image/png` | bytes |" in shown
    (problems,) = re.findall(r"Problems: (.+?) \(", shown)
    explained = section(page("routes.md"), "Problems")
    for status in problems.split(", "):
        assert f"\n| {status} | " in explained


def test_the_python_page_names_every_public_name() -> None:
    text = (pages.FOLDER.parent / "python.md").read_text(encoding="utf-8")
    attributes = {
        name
        for kind in (fieldguide.Run, fieldguide.Predictor, fieldguide.LRFind)
        for name in vars(kind)
        if not name.startswith("_")
    }
    for name in {*fieldguide.__all__, *attributes}:
        assert re.search(rf"\b{name}\b", text), f"docs/python.md does not name {name}"
