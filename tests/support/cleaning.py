"""A few images with decisions about them, and the page's server in this process."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.torch import save_file
from starlette.testclient import TestClient

from tests.support.photos import COLOURS, draw, write_folder
from tests.support.trainer import fit
from trainer.catalog import Row, hash_files
from trainer.cleaning.duplicates import exact_duplicates
from trainer.cleaning.queues import Entry, ImageQueue, Queue
from trainer.cleaning.session import Session, Subject
from trainer.cleaning.views import Views
from trainer.cleaning.web.access import Access
from trainer.cleaning.web.app import create_app
from trainer.cleaning.web.routes import Handlers, Tools
from trainer.model import load_backbone
from trainer.recipe import DataSource, Recipe
from trainer.run.folder import RunFolder
from trainer.run.inputs import complete_recipe, read_recipe_catalog

URL = "http://127.0.0.1:8000"


def write_subject(folder: Path, *, each: int = 3, delimiter: str | None = None) -> Subject:
    """A few JPEG images of each colour; the last one is a copy of the first under another label.

    With a delimiter, every image has two labels: its colour and `photo`.
    """
    paths = {}
    for label in COLOURS:
        (folder / "photos" / label).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            path = folder / "photos" / label / f"{number}.jpg"
            draw(label, number).save(path, quality=95)
            paths[path] = label
    copy = folder / "photos" / "red" / "copy.jpg"
    copy.write_bytes((folder / "photos" / "blue" / "0.jpg").read_bytes())
    paths[copy] = "red"
    rows = [
        Row(
            path=path.relative_to(folder / "photos").as_posix(),
            labels=frozenset({label} if delimiter is None else {label, "photo"}),
            split="valid" if path.stem == "1" else "train",
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path, label in paths.items()
    ]
    return Subject(
        name="colours",
        source=str(folder),
        rows=tuple(sorted(rows, key=lambda row: row.path)),
        root=folder / "photos",
        classes=tuple(COLOURS) if delimiter is None else (*COLOURS, "photo"),
        label_delimiter=delimiter,
        edits=folder / "edits.jsonl",
        cleaned=folder / "cleaned.csv",
        next_command=lambda: "fieldguide fit cleaned.csv --out run-2",
    )


def image_of(subject: Subject, path: str) -> int:
    """The id of an image."""
    return next(image for image, row in enumerate(subject.rows) if row.path == path)


def suspects(subject: Subject, *, expected: int = 2) -> ImageQueue:
    """Every image is suspect, the last one most, and should be green."""
    ids = np.arange(len(subject.rows), dtype=np.int64)[::-1]
    entry = Entry(reason="It looks green.", proposal="green", probability=0.9)
    return ImageQueue(name="wrong", ids=ids, entry=lambda _: entry, expected=expected)


def write_trained_run(home: Path) -> Path:
    """A run of photos of which two are wrong: a red one among the blue, and a copy of a green one, among the red.

    Its network starts from a file of weights, so that it has features. Returns HOME/run.
    """
    photos = write_folder(home / "photos")
    draw("red", 50).save(photos / "blue" / "wrong.jpg", quality=95)
    shutil.copy(photos / "green" / "000.jpg", photos / "red" / "copy.jpg")
    weights = home / "weights.safetensors"
    save_file(load_backbone("tiny", seed=5).body.state_dict(), weights)
    done = fit(photos, home / "run", "--weights", weights, "--epochs", "1")
    assert done.exit_code == 0, done.output
    return home / "run"


def write_untrained_run(data: Path, run: Path, *, features: bool = True, **source: Any) -> Path:
    """A run as it is before its training, without a network: features are the colours of both halves of each image.

    `source` are settings of a `DataSource`.
    """
    folder = RunFolder(run)
    recipe = Recipe(name="colours", data=DataSource(path=str(data), **source))
    catalog = read_recipe_catalog(recipe)
    hashes = hash_files([catalog.file_of(row) for row in catalog.rows], threads=1)
    catalog = catalog.with_hashes(hashes.digests)
    folder.create(complete_recipe(recipe, catalog, name="colours"))
    catalog.write_csv(folder.catalog)
    if features:
        small = [Image.open(catalog.file_of(row)).convert("RGB").resize((4, 2)) for row in catalog.rows]
        np.save(folder.features, np.stack([np.asarray(image, dtype=np.float16).ravel() / 255 for image in small]))
    return run


class Page:
    """The server of the page for a subject, and a browser that has opened it."""

    def __init__(
        self,
        subject: Subject,
        *,
        queues: Sequence[Queue] | None = None,
        tools: Tools | None = None,
        opened: bool = True,
    ) -> None:
        self.subject = subject
        self.session = Session(subject)
        self.views = Views(self.session, has_heatmaps=False, has_predictions=False)
        self.views.queues.add([suspects(subject), exact_duplicates(subject.rows)] if queues is None else queues)
        self.access = Access(8000)
        app = create_app(Handlers(views=self.views, tools=tools or Tools()), self.access)
        self.client = TestClient(app, base_url=URL, follow_redirects=False, raise_server_exceptions=False)
        if opened:
            assert self.client.get("/open", params={"token": self.access.token}).status_code == 303

    def state(self) -> dict[str, Any]:
        """State."""
        return self.get("/api/state")

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """What a GET answers."""
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        value: dict[str, Any] = answer.json()
        return value

    def post(self, path: str, body: Any, *, status: int = 200) -> dict[str, Any]:
        """What a POST of the page itself answers."""
        answer = self.client.post(path, json=body, headers={"Origin": URL})
        assert answer.status_code == status, answer.text
        value: dict[str, Any] = answer.json()
        return value

    def decide(self, *changes: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Changed, of changes of one action."""
        return self.post("/api/edits", {"edits": changes, **more})

    def undo(self, **named: str) -> dict[str, Any]:
        """Changed, of an undo."""
        return self.post("/api/undo", named)
