"""POST /: the page without JavaScript. A plain form sends a photo, and a plain page answers."""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from string import Template

from starlette.requests import Request
from starlette.responses import Response

from service.pixels import ImageError
from service.prediction import Prediction
from service.predictor import Predictor
from service.problem import Problem, image_problem
from service.responses import check_finite
from service.settings import DEFAULT_TOP_K
from service.web import record
from service.web.engine import Engine
from service.web.routes.endpoint import UPLOAD_PROBLEMS, Operation, describe
from service.web.routes.inference import classify_image
from service.web.upload.upload import UPLOAD_BODY, Upload, UploadLimits, read_upload
from service.wording import MAX_NAMED, is_one_of, wording

_UNSURE = ' class="unsure"'
_HTML = "text/html; charset=utf-8"
FORM = """\
<p>Without JavaScript this page takes one photo at a time, and shows its answer on a page of its own.</p>
<form class="plain-form" method="post" enctype="multipart/form-data" action="./">
  <p><label for="plain-file">Choose a photo</label></p>
  <p><input id="plain-file" type="file" name="file" accept="image/*" required></p>
  <p><button class="button" type="submit">What is in this photo?</button></p>
</form>"""
NO_FORM = """\
<p>This service needs an API key. Without JavaScript this page cannot send one, so it cannot be used here. Turn
JavaScript on, or send the photo with a program: <a href="openapi.json">openapi.json</a> says how.</p>"""


class FormHandler:
    """The handler. A browser gets its errors as pages too; a program gets them as problems."""

    def __init__(self, engine: Engine, uploads: UploadLimits, *, needs_key: bool, headers: Mapping[str, str]) -> None:
        """Keep what the handler needs.

        Args:
            engine: The model and its threads.
            uploads: Limits on request bodies.
            needs_key: Whether requests need an API key, which a form cannot send.
            headers: Those of every page.
        """
        self._engine = engine
        self._uploads = uploads
        self._needs_key = needs_key
        self._headers = {**headers, "Cache-Control": "no-store"}
        self._template = Template((resources.files("service.web.routes.page") / "answer.html").read_text("utf-8"))

    @describe(
        Operation(
            name="",
            summary="Classify an image, with a page as the response",
            body=UPLOAD_BODY,
            responses={"text/html": str},
            problems=(403, *UPLOAD_PROBLEMS),
            public=True,
        )
    )
    async def post(self, request: Request) -> Response:
        """Classify the photo of the form."""
        try:
            return await self._answer(request)
        except (Problem, ImageError) as error:
            if "text/html" not in request.headers.get("accept", ""):
                raise
            problem = error if isinstance(error, Problem) else image_problem(error)
            page = self._page("No answer", f'<p class="error">{html.escape(problem.detail)}</p>')
            headers = {**problem.headers, **self._headers}
            raise Problem(problem.status, problem.detail, headers=headers, page=page) from error

    async def _answer(self, request: Request) -> Response:
        if self._needs_key:
            raise Problem(
                403,
                "This form cannot be used: the service needs an API key, and a form cannot send one. Turn JavaScript "
                "on, or send the photo to /v1/predict with the key.",
            )
        self._engine.permits.check()
        predictor = self._engine.predictor
        upload = await read_upload(request, limits=self._uploads)
        with self._engine.permits.take():
            prediction = await self._engine.run(functools.partial(_classify, upload, predictor))
        answer = wording(prediction, predictor.chosen, readable=_readable).answer.rstrip(".")
        page = self._page(predictor.name, prediction_html(prediction, predictor), title=f"{answer} · {predictor.name}")
        return Response(page, headers=self._headers, media_type=_HTML)

    def _page(self, name: str, answer: str, *, title: str = "") -> str:
        form = NO_FORM if self._needs_key else FORM
        return self._template.substitute(
            title=html.escape(title or name), name=html.escape(name), answer=answer, form=form
        )


def prediction_html(prediction: Prediction, predictor: Predictor) -> str:
    """Return the answer as HTML: the label or labels, and a bar for each of the best classes."""
    words = wording(prediction, predictor.chosen, readable=_readable)
    picture = prediction.picture
    lines = [
        f'<p class="eyebrow">{words.introduction}</p>' if words.introduction else "",
        f"<h2{'' if words.is_sure else _UNSURE}>{html.escape(words.answer)}</h2>",
        _choices(words.choices),
        f'<p class="note">{words.note}</p>' if words.note else "",
        f'<ol class="bars">\n{_bars(prediction)}\n</ol>',
        f'<p class="facts">{html.escape(picture.format)} · {picture.width:,} × {picture.height:,} pixels · '
        f"{html.escape(predictor.name)}, version {html.escape(predictor.version)}</p>",
    ]
    return "\n".join(filter(None, lines))


def _choices(choices: Sequence[str]) -> str:
    """Name a few labels; show many on demand."""
    if not choices:
        return ""
    if len(choices) <= MAX_NAMED:
        return f'<p class="note">One of these: {html.escape(", ".join(choices))}.</p>'
    items = "".join(f"<li>{html.escape(name)}</li>" for name in choices)
    summary = f"<summary>The {len(choices):,} classes that it may be</summary>"
    return f'<details class="choices">{summary}<ul class="every">{items}</ul></details>'


def _bars(prediction: Prediction) -> str:
    given = {label.label for label in prediction.labels}
    if is_one_of(prediction):
        given = {*(prediction.label_set or ())}
    return "\n".join(
        f'<li class="{"given" if label.label in given else ""}">'
        f'<span class="name">{html.escape(_readable(label.label))}</span> '
        f'<span class="percent">{label.probability:.1%}</span> '
        f'<meter class="track" min="0" max="1" value="{label.probability:.4f}">{label.probability:.1%}</meter></li>'
        for label in prediction.ranked[:DEFAULT_TOP_K]
    )


def _readable(label: str) -> str:
    return re.sub("[-_]+", " ", label).strip() or label


def _classify(upload: Upload, predictor: Predictor) -> Prediction:
    """Run on a worker thread: from the body of the request to the prediction."""
    data = upload.take_image()
    record.current().lap("parse")
    prediction = classify_image(data, predictor)
    check_finite(prediction)
    return prediction
