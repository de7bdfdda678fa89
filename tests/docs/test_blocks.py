"""Every command line and every Python block of the documentation runs, in order, page by page.

The pages speak of `photos`, `photo.jpg`, `photos.csv`, `test.csv`, `bears.csv`, `run` and a service on port 8000; a
folder here has small ones of these. Training takes the smallest network, unless the page names another one. Searches
and downloads ask a local server.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import functools
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from click.testing import CliRunner
from playwright.sync_api import Browser, Error

import fieldguide
from fieldguide.cli import cli
from service.cli import cli as service_cli
from tests.docs.blocks import PAGES, ROOT, RUN, SHOWN, Block, blocks_of
from tests.support.photo_search import ColouredPhotos
from tests.support.photos import COLOURS, draw, write_folder
from tests.support.server import RunningServer
from trainer.cli import main as trainer_cli

SMALL: dict[str, Any] = {"backbone": "tiny", "epochs": 1, "head_epochs": 1, "batch_size": 8}
PROGRAMS = {
    ("fieldguide",): cli,
    ("python", "-m", "fieldguide"): cli,
    ("python", "-m", "trainer"): trainer_cli,
    ("python", "-m", "service"): service_cli,
}
TRAINING = ("fit", "lr-find")
COLLECTING = ("search", "download")
ADDRESS = "http://127.0.0.1:8000"
WITH_CODE = [page for page in PAGES if any(block.language in RUN and not block.not_run for block in blocks_of(page))]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the pages speak of. Do not change it."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("home")
    write_folder(folder / "photos")
    draw("red", 99).save(folder / "photo.jpg")
    new = write_folder(folder / "new", each=2, first=50)
    for name, images in (("photos.csv", folder / "photos"), ("test.csv", new)):
        with open(folder / name, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("path", "label", "species", "tags", "coarse"))
            for path in sorted(images.rglob("*.jpg")):
                label = path.parent.name
                writer.writerow(
                    (path.relative_to(folder), label, label, f"{label};photo", list(COLOURS).index(label) > 0)
                )
    small = {key: value for key, value in SMALL.items() if key != "epochs"}
    fieldguide.fit(folder / "photos", out=folder / "run", cache=folder / "cache", epochs=2, progress=False, **small)
    return folder


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[RunningServer]:
    """The service that the pages ask; every origin may."""
    with RunningServer(home / "run" / "bundle", "--cors-origins", "*") as running:
        yield running


@pytest.fixture(scope="module")
def provider() -> Iterator[ColouredPhotos]:
    """Where the pages search for photos."""
    with ColouredPhotos() as running:
        running.minute = running.day = 1_000
        yield running


class Reader:
    """A reader who types what a page says, in a folder of their own."""

    def __init__(self, home: Path, folder: Path, server: RunningServer, provider: ColouredPhotos) -> None:
        self._home, self._folder, self._server, self._provider = home, folder, server, provider
        rows = [f"{provider.url(f'image/{number}')},{number % 2}" for number in range(1000, 1010)]
        (folder / "bears.csv").write_text("\n".join(["url,label", *rows, ""]))
        self._names: dict[str, Any] = {"__name__": "__main__"}
        for name in ("photos", "new"):
            shutil.copytree(home / name, folder / name)
        for name in ("photo.jpg", "photos.csv", "test.csv"):
            shutil.copy(home / name, folder / name)

    def follow(self, block: Block) -> None:
        """Run a block; what it needs of an earlier training is there."""
        made = re.findall(r"(?:--out[ =]|out=\")([\w.-]+)", block.code)
        if "run" not in made and re.search(r"\brun\b", block.code) and not (self._folder / "run").exists():
            shutil.copytree(self._home / "run", self._folder / "run")
        for name in made:  # the reader has not made it yet
            path = self._folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        if block.language == "python":
            code = block.code.replace(ADDRESS, self._server.url)
            exec(compile(code, str(block), "exec"), self._names)
            return
        for line in block.commands:
            self._type(line)

    def _type(self, line: str) -> None:
        words = shlex.split(line, comments=True)
        program = next((start for start in PROGRAMS if tuple(words[: len(start)]) == start), None)
        if program is None:
            command = line.replace(ADDRESS, self._server.url)
            path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
            done = subprocess.run(
                ["bash", "-euc", command], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{line}: {done.stderr}"
            assert '"status":4' not in done.stdout.replace(" ", ""), f"{line}: {done.stdout}"
        elif words[len(program)] == "serve":
            self._serve(words[len(program) + 1 :])
        else:
            self._run(PROGRAMS[program], words[len(program) :])

    def _serve(self, words: list[str]) -> None:
        """Start the service as the page says, but on a free port, and stop it when it is ready."""
        bundle, *flags = words
        with RunningServer(Path(bundle), *flags, "--port", "0"):
            pass

    def _run(self, group: click.Group, words: list[str]) -> None:
        if words[0] in TRAINING:
            given = {word.partition("=")[0] for word in words}
            sized = "--sizes" in given
            for name, value in SMALL.items():
                option = f"--{name.replace('_', '-')}"
                if option not in given and not (sized and name == "epochs"):
                    words += [option, str(value)]
            words += ["--device", "cpu"]
        if words[0] in COLLECTING:
            words += ["--allow-private", *(["--api", self._provider.openverse] if words[0] == "search" else [])]
            words += ["--count", "6"] if "--count" in words else []  # the last one counts
        result = CliRunner().invoke(group, words, prog_name="fieldguide")
        assert result.exit_code == 0, f"{shlex.join(words)}: {result.output}"


@pytest.fixture
def reader(
    home: Path, server: RunningServer, provider: ColouredPhotos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Reader:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIELDGUIDE_CACHE", str(home / "cache"))
    local = {"allow_private": True, "progress": False}
    for name, options in (
        *(("fit", SMALL), ("lr_find", SMALL), ("show_batch", {"backbone": "tiny"})),
        *(("search", {"api": provider.openverse, **local}), ("download", local)),
    ):
        monkeypatch.setattr(fieldguide, name, smaller(getattr(fieldguide, name), options))
    return Reader(home, tmp_path, server, provider)


def smaller(function: Any, options: dict[str, Any]) -> Any:
    """The function with options of a small training, unless others are given."""

    @functools.wraps(function)
    def call(*arguments: Any, **given: Any) -> Any:
        wanted = {name: value for name, value in options.items() if not (name == "epochs" and "sizes" in given)}
        return function(*arguments, **{**wanted, **given})

    return call


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_says_can_be_typed(page: Path, reader: Reader) -> None:
    followed = 0
    for block in blocks_of(page):
        if block.language in RUN and not block.not_run:
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    reader.follow(block)
            except Exception as error:
                raise AssertionError(f"{block}: {error}") from error
            followed += 1
    assert followed


@pytest.mark.browser
def test_the_javascript_of_a_page_asks_the_service(browser: Browser, home: Path, server: RunningServer) -> None:
    (block,) = [block for block in blocks_of(ROOT / "docs" / "serving.md") if block.language == "javascript"]
    code = block.code.replace(ADDRESS, server.url)
    photo = base64.b64encode((home / "photo.jpg").read_bytes()).decode()
    page = browser.new_page()
    asked = "async (text) => predict(new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))]))"
    page.route(f"{server.url}/own", lambda route: route.fulfill(body="<p>A page.</p>", content_type="text/html"))
    page.goto(f"{server.url}/own")
    page.add_script_tag(content=code)
    assert page.evaluate(asked, photo)["label"] in COLOURS
    with pytest.raises(Error, match="not an image"):
        page.evaluate(asked, base64.b64encode(b"text").decode())
    page.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_block_says_what_it_is(page: Path) -> None:
    for block in blocks_of(page):
        assert block.language in (*RUN, *SHOWN), f"{block}: the language {block.language!r} is unknown"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_make_has_the_targets_that_a_page_names(page: Path) -> None:
    named = {
        target
        for block in blocks_of(page)
        if block.language == "bash"
        for line in block.commands
        if line.startswith("make ")
        for target in re.findall(r"(?<= )[a-z-]+(?= |$)", line.partition("#")[0])
    }
    for target in named:
        subprocess.run(["make", "--dry-run", target, "BUNDLE=b", "IMAGES=i"], cwd=ROOT, check=True, capture_output=True)


def test_the_documentation_has_many_blocks_that_run() -> None:
    blocks = [block for page in PAGES for block in blocks_of(page) if block.language in RUN]
    assert sum(not block.not_run for block in blocks) > 25
    assert all(len(block.not_run) > 5 for block in blocks if block.not_run)
