"""The handlers: what the page asks for, and what a person decides."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.cores import usable_cores
from service.predictor import Predictor
from service.problem import Problem
from trainer.catalog import Row
from trainer.cleaning.browsing import QueueRequest
from trainer.cleaning.changes import ChangeError, edits_of, parse_changes, undo_of
from trainer.cleaning.history import new_action
from trainer.cleaning.session import NOTHING_CHANGED
from trainer.cleaning.views import HASH_CHARACTERS, Json, Views
from trainer.cleaning.web.images import PHOTO_PIXELS, THUMB_PIXELS, read_image, render, render_heatmap, size_of
from trainer.errors import TrainerError

T = TypeVar("T")

_MOST_BODY_BYTES = 4 << 20
_MOST_ITEMS = 500
_MOST_TEXT = 1000  # characters of a search
_SIMILAR = 8
_ACTION = re.compile("[0-9a-f]{16}")
_FOR_EVER = "private, max-age=31536000, immutable"
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(kw_only=True)
class Tools:
    """What may be known about single images; each of it may be missing, or come later.

    Attributes:
        predictor: The model of the run, for heatmaps.
        similar: The most similar images with their similarities.
        found: What a check found about an image alone.
    """

    predictor: Callable[[], Predictor | None] = lambda: None
    similar: Callable[[int, int], Sequence[tuple[int, float]]] = lambda _image, _count: ()
    found: Callable[[Row], Sequence[str]] = lambda _: ()


@dataclass(frozen=True, kw_only=True)
class Handlers:
    """The handlers. What takes a while is done in threads: images in one for each core, the rest in one."""

    views: Views
    tools: Tools
    _images: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(usable_cores()))
    _decisions: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(1))

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/api/state", self.state),
            Route("/api/ids", self.ids),
            Route("/api/queue", self.queue),
            Route("/api/summary", self.summary),
            Route("/api/images/{image:int}", self.details),
            Route("/images/{image:int}/thumb", self.thumb),
            Route("/images/{image:int}/photo", self.photo),
            Route("/images/{image:int}/heatmap", self.heatmap),
            Route("/api/edits", self.edits, methods=["POST"]),
            Route("/api/undo", self.undo, methods=["POST"]),
            Route("/api/finish", self.finish, methods=["POST"]),
        ]

    async def state(self, request: Request) -> Response:
        """State."""
        del request

        def answer() -> Json:
            with self.views.session.reading():
                return self.views.state()

        return await self._answer(answer)

    async def ids(self, request: Request) -> Response:
        """The ids of all images, or groups, of a queue, in order: what a page shows stays so while it is judged."""
        asked = _queue_request(request.query_params)

        def answer() -> Json:
            with self.views.session.reading():
                ids = self.views.ids(asked)
            if ids is None:
                raise Problem(404, f"There is no queue {asked.name!r:.40}.")
            return {"ids": ids}

        return await self._answer(answer)

    async def queue(self, request: Request) -> Response:
        """A part of a queue."""
        asked = _queue_request(request.query_params)

        def answer() -> Json:
            with self.views.session.reading():
                page = self.views.page(asked)
            if page is None:
                raise Problem(404, f"There is no queue {asked.name!r:.40}.")
            return page

        return await self._answer(answer)

    async def details(self, request: Request) -> Response:
        """What is known about one image."""
        image = self._image(request)

        def answer() -> Json:
            row, root = self.views.session.subject.rows[image], self.views.session.subject.root
            size = size_of(read_image(root, row))
            similar = self.tools.similar(image, _SIMILAR)
            with self.views.session.reading():
                return {
                    **self.views.details(image),
                    "width": size.width,
                    "height": size.height,
                    "bytes": size.bytes,
                    "neighbours": [
                        {**self.views.item(other), "similarity": round(similarity, 3)} for other, similarity in similar
                    ],
                    "found": list(self.tools.found(row)),
                }

        return await self._answer(answer, self._images)

    async def summary(self, request: Request) -> Response:
        """What was changed."""
        del request

        def answer() -> Json:
            replayed = self.views.session.replayed()
            with self.views.session.reading():
                return self.views.summary(replayed)

        return await self._answer(answer)

    async def thumb(self, request: Request) -> Response:
        """A small image."""
        return await self._image_response(request, THUMB_PIXELS)

    async def photo(self, request: Request) -> Response:
        """A large image."""
        return await self._image_response(request, PHOTO_PIXELS)

    async def heatmap(self, request: Request) -> Response:
        """Where the model sees a class."""
        image, label = self._image(request), request.query_params.get("label", "")

        def draw() -> bytes:
            predictor = self.tools.predictor()
            if predictor is None:
                raise Problem(404, "There is no model that gives heatmaps.")
            subject = self.views.session.subject
            return render_heatmap(read_image(subject.root, subject.rows[image]), predictor, label)

        content = await anyio.to_thread.run_sync(draw, limiter=self._images)
        return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})

    async def edits(self, request: Request) -> Response:
        """Save what a person decided."""
        value = self._decision(await _read_body(request), allowed={"edits", "action"})
        session, action = self.views.session, _action(value) or new_action()

        def answer() -> Json:
            with session.reading():
                saved = session.saved(action)
                if saved is not None:  # its answer was lost, and the page sends it again
                    return self.views.changed(saved)
                changes = parse_changes(value.get("edits"), session)
                return self.views.changed(session.save(edits_of(changes, session, action=action)))

        return await self._save(answer)

    async def undo(self, request: Request) -> Response:
        """Take back an action: the latest one, if none is named."""
        value = self._decision(await _read_body(request), allowed={"action"})
        name, session = _action(value), self.views.session

        def answer() -> Json:
            with session.reading():
                undone = session.latest_action() if name is None else session.action(name)
                if undone:
                    return self.views.changed(session.save(undo_of(undone)))
                saved = session.saved(name) if name is not None else NOTHING_CHANGED
                if saved is None:
                    raise Problem(409, "There is no such action.")
                return self.views.changed(replace(saved, action=""))  # it was taken back already

        return await self._save(answer)

    async def finish(self, request: Request) -> Response:
        """Write cleaned.csv."""
        self._decision(await _read_body(request), allowed=set())
        return await self._save(lambda: self.views.finished(self.views.session.write_cleaned()))

    async def _image_response(self, request: Request, pixels: int) -> Response:
        image, subject = self._image(request), self.views.session.subject
        row = subject.rows[image]
        content = await anyio.to_thread.run_sync(
            lambda: render(read_image(subject.root, row), pixels), limiter=self._images
        )
        is_version = request.query_params.get("v") == (row.sha256 or "")[:HASH_CHARACTERS]
        headers = {"Cache-Control": _FOR_EVER if is_version else "no-store"}
        return Response(content, media_type="image/jpeg", headers=headers)

    async def _save(self, answer: Callable[[], Json]) -> Response:
        try:
            return await self._answer(answer)
        except ChangeError as error:
            raise Problem(400, str(error)) from error
        except OSError as error:
            full = error.errno in _FULL
            where = error.filename or self.views.session.subject.edits
            what = "free space" if full else "make it writable"
            raise Problem(
                507 if full else 503,
                f"Nothing was saved: {where} cannot be written ({error.strerror or error}). {what.capitalize()}, and "
                "try again.",
            ) from error

    async def _answer(self, answer: Callable[[], Json], limiter: anyio.CapacityLimiter | None = None) -> Response:
        try:
            value = await anyio.to_thread.run_sync(answer, limiter=limiter or self._decisions)
        except TrainerError as error:  # edits.jsonl was damaged meanwhile
            raise Problem(409, f"{error}.") from error
        content = json.dumps(value, ensure_ascii=False, allow_nan=False).encode(errors="replace")
        return Response(content, media_type="application/json", headers={"Cache-Control": "no-store"})

    def _decision(self, body: bytes, *, allowed: set[str]) -> dict[str, Any]:
        """Read a body. A page that was left open while another run got its port must not decide about that run."""
        value = _object(body, allowed=allowed | {"catalog"})
        if value.get("catalog", self.views.catalog_digest) != self.views.catalog_digest:
            raise Problem(409, "This page shows other images than the server has: reload it. Nothing was saved.")
        return value

    def _image(self, request: Request) -> int:
        image: int = request.path_params["image"]
        if image >= len(self.views.session.subject.rows):
            raise Problem(404, f"There is no image with the id {image}.")
        return image


def _queue_request(query: Mapping[str, str]) -> QueueRequest:
    asked = QueueRequest(
        name=query.get("name", ""),
        offset=_whole_number(query, "offset", 0, high=1 << 40),
        limit=_whole_number(query, "limit", 60, high=_MOST_ITEMS),
        label=query.get("class", ""),
        search=query.get("search", "")[:_MOST_TEXT],
        hide_judged=query.get("hide_judged", "false").lower() in ("true", "1"),
        ids=_listed(query),
    )
    if asked.name == "class" and not asked.label and asked.ids is None:
        raise Problem(400, "The queue 'class' needs the name of a class: class=NAME.")
    return asked


def _action(value: Mapping[str, Any]) -> str | None:
    action = value.get("action")
    if action is not None and not (isinstance(action, str) and _ACTION.fullmatch(action)):
        raise Problem(400, "'action' must be the id of an action: 16 hexadecimal digits.")
    return action


def _listed(query: Mapping[str, str]) -> tuple[int, ...] | None:
    """The ids that are asked for, instead of a part of the queue."""
    if "ids" not in query:
        return None
    ids = query["ids"].split(",")
    if len(ids) > _MOST_ITEMS or not all(number.isascii() and number.isdigit() and len(number) < 10 for number in ids):
        raise Problem(400, f"'ids' must be at most {_MOST_ITEMS} whole numbers with commas between them.")
    return tuple(map(int, ids))


def _whole_number(query: Mapping[str, str], name: str, default: int, *, high: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= high):
        raise Problem(400, f"{name!r} must be a whole number from 0 to {high}.")
    return int(text)


async def _read_body(request: Request) -> bytes:
    """Read the body, at most 4 MB; raises Problem 413 or 415."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "The body must be application/json.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BODY_BYTES:
            raise Problem(413, f"The body is larger than {_MOST_BODY_BYTES:,} bytes.")
    return bytes(body)


def _object(body: bytes, *, allowed: set[str]) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "The body is not JSON.") from error
    if not isinstance(value, dict) or value.keys() - allowed:
        raise Problem(400, f"The body must be an object with {' and '.join(sorted(allowed)) or 'nothing in it'}.")
    return value
