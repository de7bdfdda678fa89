"""Clients that generators write from the OpenAPI document, run against a real service.

They need `openapi-python-client` (pipx or uv tool), `openapi-typescript` and `tsc` of typescript 5 (npm), and node.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.bundles import make_image
from tests.support.server import RunningServer

pytestmark = pytest.mark.slow

KEY = "a-key-of-the-variable"
PYTHON_CLIENT = """
import io, sys
from fieldguide_client import AuthenticatedClient, Client
from fieldguide_client.api.default import analyze, get_model, hugging_face, is_ready, predict, v2_model_infer
from fieldguide_client.models import (
    ClassificationResponse, InferenceRequest, ImageClassificationRequest, ProblemDetails, UploadForm,
)
from fieldguide_client.types import File

url, key = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=key) if key else Client(base_url=url)
def photo():
    return File(payload=open("photo.png", "rb"), file_name="photo.png", mime_type="image/png")
form = predict.sync(client=client, body=UploadForm(file=photo()), top_k=2, heatmap=True)
assert isinstance(form, ClassificationResponse), form
assert (form.label, len(form.predictions)) == ("green", 2), form
assert form.heatmap.box
body = predict.sync(client=client, body=photo())
assert body.label == "green", body
assert analyze.sync(client=client, body=photo()).result == "green"
details = get_model.sync(client=client)
assert details.classes == ["red", "green", "blue"], details
assert is_ready.sync(client=client).status.value == "ready"
import base64
text = base64.b64encode(open("photo.png", "rb").read()).decode()
scores = hugging_face.sync("colours", client=client, body=ImageClassificationRequest(inputs=text))
assert scores[0].label == "green", scores
tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [text]}
inferred = v2_model_infer.sync("colours", client=client, body=InferenceRequest.from_dict({"inputs": [tensor]}))
assert inferred.outputs[0].data == ["green"] or len(inferred.outputs) == 2, inferred
problem = predict.sync(client=client, body=File(payload=io.BytesIO(b"hello")))
assert isinstance(problem, ProblemDetails), problem
print("done")
"""
TYPESCRIPT_CLIENT = """
import type { components, operations } from "./schema";

declare const process: { argv: string[] };
type Answer = operations["predict"]["responses"]["200"]["content"]["application/json"];
type Form = operations["predict"]["requestBody"]["content"]["multipart/form-data"];
type Query = NonNullable<operations["predict"]["parameters"]["query"]>;
type Details = components["schemas"]["ModelDetailsResponse"];
type Problem = components["schemas"]["ProblemDetails"];

const [, , url, key, photo] = process.argv;
const headers: Record<string, string> = key ? { "X-API-Key": key } : {};
const field: keyof Form = "file";
const query: Query = { top_k: 2, heatmap: true };
const text = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));

async function ask(bytes: BlobPart): Promise<Response> {
  const body = new FormData();
  body.append(field, new Blob([bytes]), "photo.png");
  return fetch(`${url}/v1/predict?${text}`, { method: "POST", headers, body });
}

const answer = await (await ask(Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0)))).json() as Answer;
if (!("label" in answer)) throw new Error("not of a model with one label");
const best: string | null = answer.label;
const model = await (await fetch(`${url}/v1/model`, { headers })).json() as Details;
const problem = await (await ask("hello")).json() as Problem;
console.log(JSON.stringify([best, answer.predictions.length, model.classes, problem.status]));
"""


@pytest.fixture(scope="module", params=["", KEY], ids=["keyless", "with a key"])
def served(request: pytest.FixtureRequest, bundle_path: Path) -> Iterator[tuple[str, str]]:
    """Address and API key of a service."""
    environ = {"FIELDGUIDE_API_KEYS": request.param} if request.param else {}
    with RunningServer(bundle_path, environ=environ) as running:
        yield running.url, request.param


def run(*command: str | Path, folder: Path) -> str:
    environ = {**os.environ, "PYTHONPATH": str(folder / "client")}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def prepare(folder: Path, url: str, *programs: str) -> None:
    """Write the document and a photo to the folder; skips the test without the programs."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    (folder / "openapi.json").write_bytes(httpx.get(f"{url}/openapi.json").content)
    (folder / "photo.png").write_bytes(make_image("green"))


def test_a_python_client_is_generated_without_a_warning_and_works(served: tuple[str, str], tmp_path: Path) -> None:
    url, key = served
    prepare(tmp_path, url, "openapi-python-client")
    (tmp_path / "config.yml").write_text("post_hooks: []\n")
    output = run(
        "openapi-python-client", "generate", "--path", "openapi.json", "--output-path", "client",
        "--config", "config.yml", "--fail-on-warning", folder=tmp_path,
    )  # fmt: skip
    assert "warning" not in output.lower()
    assert run(sys.executable, "-c", PYTHON_CLIENT, url, key, folder=tmp_path) == "done\n"


def test_a_typescript_client_is_generated_and_works(served: tuple[str, str], tmp_path: Path) -> None:
    url, key = served
    prepare(tmp_path, url, "openapi-typescript", "tsc", "node")
    (tmp_path / "client.ts").write_text(TYPESCRIPT_CLIENT)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    run("openapi-typescript", "openapi.json", "-o", "schema.ts", folder=tmp_path)
    run(
        "tsc", "--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler",
        "--lib", "es2022,dom", "client.ts", folder=tmp_path,
    )  # fmt: skip
    photo = base64.b64encode(make_image("green")).decode()
    output = run("node", "client.js", url, key, photo, folder=tmp_path)
    assert json.loads(output) == ["green", 2, ["red", "green", "blue"], 415]
