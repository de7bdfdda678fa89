"""All pages, and the index."""

from __future__ import annotations

from pathlib import Path

from docs.generate.commands import commands_page
from docs.generate.markdown import link, table
from docs.generate.metrics import metrics_page
from docs.generate.recipe import recipe_page
from docs.generate.routes import routes_page
from docs.generate.settings import settings_page
from fieldguide.cli import cli

FOLDER = Path(__file__).resolve().parents[1] / "reference"
_NOTICE = "Made from the code by `make docs`; do not edit it here."
_COMMANDS = """\
# Commands

`python -m trainer` has the commands up to `export`, and `python -m service` those after it. Exit codes: 0 done, 1 the
work failed, 2 wrong use, 3 the bundle was refused or the service could not start, 130 interrupted (Ctrl-C).

"""
# Page -> what it says, in the order of the index.
_CONTENTS = {
    "commands.md": "every command, its arguments and its options",
    "recipe.md": "every setting of a training: the keys of a recipe file",
    "settings.md": "every setting of the service: flags and environment variables",
    "routes.md": "the HTTP API: every route, its parameters, bodies and responses",
    "metrics.md": "every metric that Prometheus gets from the service, and its labels",
}


def all_pages() -> dict[str, str]:
    """Name of the file in docs/reference -> its Markdown."""
    bodies = {
        "README.md": _index(),
        "commands.md": _COMMANDS + commands_page(cli, "fieldguide"),
        "recipe.md": recipe_page(),
        "settings.md": settings_page(),
        "routes.md": routes_page(),
        "metrics.md": metrics_page(),
    }
    return {name: _with_notice(body) for name, body in bodies.items()}


def write_pages() -> None:
    """Write every page, and delete those that are no longer made."""
    pages = all_pages()
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def _index() -> str:
    rows = [(link(name, name), says) for name, says in _CONTENTS.items()]
    return "\n".join(["# Reference", "", *table(("page", "what it lists"), rows)])


def _with_notice(body: str) -> str:
    """The page, which says below its heading where it comes from."""
    heading, _, rest = body.partition("\n")
    return f"{heading}\n\n{_NOTICE}\n{rest.rstrip()}\n"
