"""A small run with planted faults, and the page of `clean` on it, served in this process."""

from __future__ import annotations

import asyncio
import csv
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uvicorn
from PIL import Image

from tests.support.cleaning import write_untrained_run
from tests.support.photos import COLOURS, draw
from tests.support.trainer import fit
from trainer.cleaning.session import Session
from trainer.cleaning.web.access import Access
from trainer.cleaning.web.app import create_app
from trainer.cleaning.web.routes import Handlers
from trainer.cleaning.web.server import Address, listen
from trainer.run import RunFolder
from trainer.run.clean import open_cleaning

EACH = 24  # images of a class
WRONG = {"blue": ("red", (3, 9)), "green": ("blue", (5, 11)), "red": ("green", (7,))}  # label -> (wrong label, numbers)
# Names of files that a page must show as text and never run.
NASTY = {
    "<img src=x onerror=alert(1)>.png": ("red", 20),
    "שלום \u202egnp.png": ("green", 20),
    "🍏🍎 " + "long " * 40 + ".png": ("blue", 20),
}
_FEATURES = 24


@dataclass(frozen=True)
class ServedPage:
    """The page of a run.

    url      its origin
    opening  the address with the token, which opens it once
    session  its decisions
    """

    url: str
    opening: str
    session: Session


def write_photos(root: Path) -> Path:
    """A CSV of noisy colours: some have the wrong label, some are copies of others, one shows none of the colours."""
    root.mkdir(parents=True)
    rows: list[tuple[str, str, str]] = []
    for colour in COLOURS:
        wrong, numbers = WRONG[colour]
        for number in range(EACH):
            path = f"{colour}-{number:02}.png"
            draw(colour, number, width=96, height=72).save(root / path)
            rows.append((path, wrong if number in numbers else colour, "valid" if number % 4 == 0 else "train"))
    for name, (colour, number) in NASTY.items():
        draw(colour, 100 + number).save(root / name)
        rows.append((name, colour, "train"))
    for colour in ("blue", "red"):
        shutil.copyfile(root / f"{colour}-02.png", root / f"{colour}-copy.png")
        rows.append((f"{colour}-copy.png", colour, "train"))
    _scene().save(root / "scene.png")
    _scene().save(root / "scene-again.jpg", quality=80)
    rows += [("scene.png", "red", "train"), ("scene-again.jpg", "red", "train")]
    x = np.arange(96)
    stripes = np.broadcast_to(((x // 6) % 2 * 255)[None, :, None], (72, 96, 3)).astype(np.uint8)
    Image.fromarray(stripes).save(root / "stripes.png")
    rows.append(("stripes.png", "green", "train"))
    return _write_table(root / "photos.csv", ("path", "label", "split"), rows)


def write_tagged_photos(root: Path) -> Path:
    """A CSV whose images have two colours, and the names of both as tags; some lack one, some have one too many."""
    root.mkdir(parents=True)
    rows = []
    pairs = [("blue", "green"), ("green", "red"), ("blue", "red")]
    for number in range(48):
        left, right = pairs[number % 3]
        picture = Image.new("RGB", (96, 72))
        for position, colour in enumerate((left, right)):
            picture.paste(draw(colour, number, width=48, height=72), (48 * position, 0))
        picture.save(root / f"{number:02}.png")
        labels = {7: [left], 19: [left, right, *({*COLOURS} - {left, right})]}.get(number, [left, right])
        rows.append((f"{number:02}.png", ";".join(sorted(labels)), "valid" if number % 4 == 0 else "train"))
    return _write_table(root / "photos.csv", ("path", "label", "split"), rows)


def write_run(home: Path, table: Path) -> Path:
    """Fit a tiny network, and write the features that a pretrained one would give: those of the colours."""
    result = fit(table, home / "run")
    assert result.exit_code == 0, result.output
    return _with_features(home / "run")


def write_tagged_run(home: Path, table: Path) -> Path:
    """The same of images with several labels, without a network: there are no heatmaps and no top losses."""
    return _with_features(write_untrained_run(table, home / "run", label_delimiter=";"))


@contextmanager
def served(run: Path, *, port: int = 0) -> Iterator[ServedPage]:
    """Serve the page of a run, all its queues worked out."""
    cleaning = open_cleaning(run)
    cleaning.background.start()
    cleaning.background.wait(60)
    listener = listen(Address(port=port))
    port = listener.getsockname()[1]
    access = Access(port)
    app = create_app(Handlers(views=cleaning.views, tools=cleaning.tools), access)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    url = f"http://127.0.0.1:{port}"
    try:
        yield ServedPage(url=url, opening=f"{url}/open?token={access.token}", session=cleaning.session)
    finally:
        server.should_exit = server.force_exit = True
        thread.join()
        listener.close()


def _with_features(path: Path) -> Path:
    run = RunFolder(path)
    catalog = run.read_catalog(run.read_recipe(), None)
    features = np.stack([_features(catalog.root / row.path) for row in catalog.rows])
    np.save(run.features, features.astype(np.float16), allow_pickle=False)
    return path


def _scene() -> Image.Image:
    """A picture with more in it than noise, so that it is recognised when it is saved again."""
    random = np.random.default_rng(7)
    coarse = (COLOURS["red"] + random.integers(-60, 61, (9, 12, 3))).clip(0, 255).astype(np.uint8)
    return Image.fromarray(coarse).resize((192, 144), Image.Resampling.BICUBIC)


def _features(path: Path) -> np.ndarray:
    """The mean colour of each of six parts of an image, and its contrast; in the order of `_FEATURES` numbers."""
    with Image.open(path) as image:
        parts = np.asarray(image.convert("RGB").resize((3, 2), Image.Resampling.BOX), dtype=np.float32).ravel() / 255
        contrast = np.asarray(image.convert("L"), dtype=np.float32).std() / 32
    random = np.random.default_rng(int(parts.sum() * 1e6))
    return np.concatenate([parts, [contrast], random.normal(0, 0.02, _FEATURES - len(parts) - 1)]).clip(-4, 4)


def _write_table(path: Path, names: tuple[str, ...], rows: list[tuple[str, str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(sorted(rows))
    return path
