from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import onnx
import pytest

from service.bundle import read_bundle
from service.bundle.places import BUNDLE_PLACES
from service.settings import all_settings
from tests.service.bundle.helpers import edited
from tests.support.bundles import (
    ABSTAIN,
    COLOURS,
    make_files,
    make_head,
    make_image,
    make_model,
    metrics_json,
    write_tiny_bundle,
)
from tests.support.server import RunningServer


def run(*arguments: str | Path, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service", *map(str, arguments)]
    env = {**os.environ, **(environ or {})}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = []
    for number in range(12):
        path = tmp_path / f"{number}.png"
        path.write_bytes(make_image(COLOURS[number % 3]))
        paths.append(path)
    return paths


def test_predict(bundle_path: Path, photos: list[Path]) -> None:
    done = run("predict", bundle_path, *photos)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        [str(path), COLOURS[number % 3]] for number, path in enumerate(photos)
    ]


def test_predict_as_json_is_the_response_over_http(bundle_path: Path, photos: list[Path], client: httpx.Client) -> None:
    done = run("predict", bundle_path, *photos, "--json", "--top-k", "2")
    assert (done.returncode, done.stderr) == (0, "")
    response = json.loads(done.stdout)
    assert list(response) == ["images"]
    assert [image["path"] for image in response["images"]] == [str(path) for path in photos]
    for path, image in zip(photos, response["images"], strict=True):
        expected = client.post("/v1/predict?top_k=2", files={"file": path.read_bytes()}).json()
        del image["path"], image["timing_ms"], expected["timing_ms"]
        assert image == expected


def test_predict_continues_after_files_that_are_not_images(
    bundle_path: Path, photos: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "half.png").write_bytes(make_image(size=(200, 200))[:300])
    given = [photos[0], tmp_path / "missing.png", tmp_path, tmp_path / "notes.txt", tmp_path / "half.png", photos[1]]
    done = run("predict", bundle_path, *given, "--json")
    images: list[dict[str, Any]] = json.loads(done.stdout)["images"]
    assert done.returncode == 1
    assert [image["path"] for image in images] == [str(path) for path in given]
    assert [image.get("status") for image in images] == [None, 404, 400, 415, 422, None]
    assert set(images[1]) == {"path", "type", "title", "status", "detail"}
    assert len(done.stderr.splitlines()) == 4

    text = run("predict", bundle_path, *given)
    assert text.returncode == 1
    assert len(text.stdout.splitlines()) == 2
    assert f"{tmp_path / 'missing.png'}: There is no such file." in text.stderr.splitlines()
    folder = f"{tmp_path}: This is a folder, not an image; name the images in it, such as FOLDER/*.jpg."
    assert folder in text.stderr.splitlines()


def test_predict_reads_standard_input(bundle_path: Path, photos: list[Path]) -> None:
    """`-` was the name of a file that does not exist."""
    command = [sys.executable, "-m", "service", "predict", str(bundle_path), "-", str(photos[1])]
    with photos[2].open("rb") as image:
        done = subprocess.run(command, stdin=image, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert [line.split()[:2] for line in done.stdout.decode().splitlines()] == [
        ["-", "blue"],
        [str(photos[1]), "green"],
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"-: Standard input is empty")


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_serve_starts_without_standard_streams(bundle_path: Path, free_port: int, closed: str) -> None:
    """It ended with 1 and said nothing, since there was nowhere to say it."""
    command = [sys.executable, "-m", "service", "serve", str(bundle_path), "--port", str(free_port), "--grace-s", "0"]
    with subprocess.Popen(["sh", "-c", f'exec "$@" {closed}', "sh", *command]) as process:
        with httpx.Client(base_url=f"http://127.0.0.1:{free_port}") as session:
            for _ in range(300):
                with contextlib.suppress(httpx.TransportError):
                    if session.get("/readyz").status_code == 200:
                        break
                time.sleep(0.02)
            assert session.post("/analyze", content=make_image("green")).json() == {"result": "green"}
            assert str(Path(f"/proc/{process.pid}/fd/2").readlink()) == "/dev/null"  # and no connection
        process.terminate()
        assert process.wait(timeout=10) == 0


def test_predict_shows_when_it_is_not_sure(plain_path: Path, multilabel_path: Path, photos: list[Path]) -> None:
    assert "(unsure)" in run("predict", plain_path, photos[1]).stdout
    assert "green  green 9" in run("predict", multilabel_path, photos[1]).stdout
    black = photos[0].with_name("black.png")
    black.write_bytes(make_image("black"))
    assert "(no label)" in run("predict", multilabel_path, black).stdout


def test_predict_says_what_it_does_not_know(doubtful_path: Path, tmp_path: Path) -> None:
    colours = {"red": "red", "#a0a0a0": "grey", "white": "white"}
    paths = [tmp_path / f"{name}.png" for name in colours.values()]
    for path, colour in zip(paths, colours, strict=True):
        path.write_bytes(make_image(colour, shade=1))
    red, grey, white = run("predict", doubtful_path, *paths).stdout.splitlines()
    assert re.search(r"red\.png +red +red 99\.9 %, .*  set: red$", red)
    assert re.search(r"grey\.png +\(unsure\) +red 33\.3 %, .*  set: red, green, blue$", grey)
    assert re.search(r"white\.png +\(unknown\) ", white)
    found = json.loads(run("predict", doubtful_path, *paths, "--json").stdout)["images"]
    assert [(item["label"], item.get("abstained")) for item in found] == [
        ("red", None),
        (None, "unsure"),
        (None, "unknown"),
    ]
    assert [round(item["ood"], 2) for item in found] == [0, 0.63, 1]
    assert found[0]["set"] == ["red"]
    without = json.loads(run("predict", doubtful_path, *paths, "--json", "--abstain", "off").stdout)["images"]
    assert [item["label"] for item in without] == ["red"] * 3
    assert not any("abstained" in item or "ood" in item for item in without)
    assert without[1]["set"] == list(COLOURS)


def test_verify_says_when_a_model_does_not_know(doubtful_path: Path) -> None:
    said = run("verify", doubtful_path).stdout
    assert (
        "unknown (model.onnx)      darkest colour over 0.7, as 1.0 % of the images of its classes may be; set on 296"
        in said
    )
    assert (
        "unsure (model.int8.onnx)  certainty under 0.8; of its answers at most 2.0 % are wrong, with a confidence of "
        "95.0 %; it answers 83.0 % of 296 images; optimistic, since these images chose more than this\n"
    ) in said
    assert "set (model.onnx)          has the right label for 95.0 % of images; from 296 images\n" in said


def test_file_names_cannot_control_the_terminal(bundle_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\nb.png"
    path.write_bytes(make_image())
    done = run("predict", bundle_path, path, tmp_path / "\x1bmissing")
    assert "\x1b" not in done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == len(done.stderr.splitlines()) == 1


def test_verify(bundle_path: Path) -> None:
    done = run("verify", bundle_path)
    assert (done.returncode, done.stderr) == (0, "")
    for text in (
        "colours, version 1",
        read_bundle(bundle_path).digest,
        "red, green, blue",
        "model.onnx      accuracy 0.975",
    ):
        assert text in done.stdout
    assert "model.onnx, model.int8.onnx: 3 golden images agree" in done.stdout


def test_verify_as_json(multilabel_path: Path) -> None:
    report = json.loads(run("verify", multilabel_path, "--json").stdout)
    assert report["name"] == "tags"
    assert report["task"] == "multilabel"
    assert report["models"] == {
        "model.onnx": {"temperature": 1.0, "thresholds": [0.6] * 3, "metrics": {"accuracy": 0.975, "images": 40}}
    }
    assert report["limits_of_use"] == ["It was made for tests."]
    assert report["warnings"] == []


def test_verify_shows_the_metrics_of_the_validation_images(tmp_path: Path) -> None:
    """It said `none` for every bundle of the trainer, whose metrics have a level more."""
    metrics = {"validation": {"accuracy": 0.9375, "images": 16}, "reference": {"class_fractions": [0.5, 0.25, 0.25]}}
    bundle = write_tiny_bundle(tmp_path / "b", replace={"metrics.json": metrics_json(metrics)})
    assert "model.onnx accuracy 0.9375, images 16\n" in run("verify", bundle).stdout


def test_verify_warns_of_an_int8_model_that_cannot_run_here(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "b", with_int8=True, replace={"model.int8.onnx": make_model(-make_head(3))})
    done = run("verify", bundle)
    assert done.returncode == 0
    assert done.stderr.startswith("warning: model.int8.onnx is left aside: golden/0.jpeg: model.int8.onnx is ")
    assert "models     model.onnx: 3 golden images agree" in done.stdout


def test_verify_shows_warnings(tmp_path: Path) -> None:
    files = make_files()
    golden = json.loads(files["golden/golden.json"])
    golden["images"][0]["pixels_sha256"] = "0" * 64
    path = write_tiny_bundle(tmp_path / "b", replace={"golden/golden.json": json.dumps(golden).encode()})
    done = run("verify", path)
    assert done.returncode == 0
    assert done.stderr.startswith("warning: model.onnx: golden/0.jpeg decodes to other pixels")
    assert len(json.loads(run("verify", path, "--json").stdout)["warnings"]) == 1


def test_a_model_file_can_be_chosen(tmp_path: Path, photos: list[Path], plain_path: Path) -> None:
    unsure = edited("spec.json", lambda spec: spec["models"]["model.int8.onnx"].update(abstain=ABSTAIN))
    bundle = write_tiny_bundle(tmp_path / "b", with_int8=True, replace=unsure)
    for model, expected in (("fp32", "red"), ("int8", None)):
        found = json.loads(run("predict", bundle, photos[0], "--json", "--model", model).stdout)
        assert found["images"][0]["label"] == expected
    done = run("sizing", bundle, "--seconds", "0", "--photo", photos[0], "--model", "int8")
    assert "model       model.int8.onnx: it was asked for\n" in done.stdout
    missing = run("predict", plain_path, photos[0], "--model", "int8")
    assert missing.returncode == 3
    assert "model.int8.onnx was asked for and cannot be used: the bundle has no model.int8.onnx" in missing.stderr


def test_sizing(bundle_path: Path, photos: list[Path]) -> None:
    done = run("sizing", bundle_path, "--seconds", "0.1", "--megapixels", "1", "--core-hour", "0.04")
    assert (done.returncode, done.stderr) == (0, "")
    assert "bundle      colours, version 1\n" in done.stdout
    assert "photos      generated, 1.0 megapixels" in done.stdout
    assert " a month" in done.stdout
    report = json.loads(run("sizing", bundle_path, "--seconds", "0", "--photo", photos[0], "--json").stdout)
    assert report["photos"] == "1 of your own"
    assert report["sizing"]["cores"] == 1
    assert report["sizing"]["memory_bytes"] > report["footprint"]["service_bytes"] > 50_000_000
    assert report["cost"] is None


def test_sizing_with_a_photo_that_is_not_one(bundle_path: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.jpg"
    notes.write_text("hello")
    done = run("sizing", bundle_path, "--photo", notes)
    assert done.returncode == 1
    assert done.stderr.startswith("error: a photo cannot be measured: ")
    assert run("sizing", bundle_path, "--utilization", "1.5").returncode == 2


def test_refused_bundles(bundle_path: Path, tmp_path: Path, photos: list[Path]) -> None:
    altered = shutil.copytree(bundle_path, tmp_path / "altered")
    (altered / "card.md").write_text("better than it is")
    for arguments in (
        ["verify", altered],
        ["predict", altered, photos[0]],
        ["sizing", altered],
        ["verify", tmp_path / "missing"],
    ):
        done = run(*arguments)
        assert done.returncode == 3
        assert done.stdout == ""
        assert done.stderr.startswith("error: bundle refused: ")
        assert done.stderr.count("\n") == 1


def flip_one_bit(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)


def remake(folder: Path, name: str, data: bytes) -> None:
    """Change a file, and every hash with it."""
    (folder / name).write_bytes(data)
    listed = json.loads((folder / "manifest.json").read_text())
    listed["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest = json.dumps(listed).encode()
    (folder / "manifest.json").write_bytes(manifest)
    (folder / "manifest.sha256").write_text(f"{hashlib.sha256(manifest).hexdigest()}  manifest.json\n")


def with_model(folder: Path, change: Callable[[onnx.ModelProto], object]) -> None:
    model = onnx.load_from_string((folder / "model.onnx").read_bytes())
    change(model)
    remake(folder, "model.onnx", model.SerializeToString())


def keep_weights_outside(model: onnx.ModelProto) -> None:
    weights = model.graph.initializer[0]
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="/etc/passwd")


FILES = (
    "card.md", "golden/0.jpeg", "golden/golden.json", "head.npy", "manifest.json", "manifest.sha256", "metrics.json",
    "model.onnx", "spec.json",
)  # fmt: skip
DAMAGE: dict[str, Callable[[Path], object]] = {
    **{f"a bit of {name}": functools.partial(flip_one_bit, name=name) for name in FILES},
    "a missing file": lambda folder: (folder / "card.md").unlink(),
    "an extra file": lambda folder: (folder / "extra.py").write_text("print('hello')"),
    "a link to another file": lambda folder: (
        (folder / "card.md").unlink(),
        (folder / "card.md").symlink_to("spec.json"),
    ),
    "another golden image, hashes remade": lambda folder: remake(
        folder, "golden/0.jpeg", make_image("blue", encoding="JPEG")
    ),
    "external data, hashes remade": lambda folder: with_model(folder, keep_weights_outside),
    "a foreign operator, hashes remade": lambda folder: with_model(
        folder, lambda model: setattr(model.graph.node[0], "domain", "org.example")
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_bundle_is_refused_with_one_line(bundle_path: Path, tmp_path: Path, damage: str) -> None:
    folder = shutil.copytree(bundle_path, tmp_path / "damaged")
    DAMAGE[damage](folder)
    for arguments in (["verify", folder], ["serve", folder, "--port", "0", "--log-level", "error"]):
        done = run(*arguments)
        assert done.returncode == 3
        assert done.stdout == ""
        assert done.stderr.startswith("error: bundle refused: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["serve", "b", "--port", "x"],
        ["serve", "b", "--threads", "-1"],
        ["serve", "b", "--no-such-flag"],
        ["predict", "b"],
        ["predict", "b", "a.png", "--top-k", "0"],
        ["verify"],
        ["verify", "a", "b"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_wrong_value_in_the_environment() -> None:
    done = run("serve", "b", environ={"FIELDGUIDE_PORT": "http"})
    assert done.returncode == 2
    message = "error: FIELDGUIDE_PORT must be a whole number from 0 to 65535, not 'http'."
    assert done.stderr == f"{message} See 'python -m service serve --help'.\n"


@pytest.mark.skipif(any(place.exists() for place in BUNDLE_PLACES), reason="there is a bundle")
def test_without_a_bundle_serve_says_where_it_looked() -> None:
    done = run("serve")
    assert done.returncode == 3
    places = ", ".join(map(str, BUNDLE_PLACES))
    message = f"there is no bundle: name one, set FIELDGUIDE_BUNDLE, or put one at {places}"
    assert done.stderr == f"error: bundle refused: {message}\n"


def test_serve_takes_the_bundle_that_the_environment_names(tmp_path: Path) -> None:
    done = run("serve", environ={"FIELDGUIDE_BUNDLE": str(tmp_path / "b"), "FIELDGUIDE_PORT": "0"})
    assert (done.returncode, done.stderr) == (3, f"error: bundle refused: there is no bundle at {tmp_path / 'b'}\n")


def test_serve_starts_with_what_shells_and_clusters_add_to_the_environment(bundle_path: Path) -> None:
    environ = {
        "FIELDGUIDE_PORT": "tcp://10.96.12.34:8000",
        "FIELDGUIDE_HOST": "",
        "FIELDGUIDE_BUNDLE": f"{bundle_path}\r\n",
        "FIELDGUIDE_MAX_PIXELS": " 1000\r",
    }
    with RunningServer(None, environ=environ) as server:
        assert "FIELDGUIDE_PORT is passed over: 'tcp://10.96.12.34:8000'" in server.log
        assert httpx.get(f"{server.url}/v1/model").json()["limits"]["max_pixels"] == 1000


def test_help_lists_every_setting() -> None:
    text = run("serve", "--help").stdout
    for setting in all_settings():
        assert setting.flag in text
        assert setting.variable in text
    assert run().returncode == 2
    assert "predict" in run("--help").stdout
    assert run("--version").stdout == "fieldguide 0.1.0\n"
