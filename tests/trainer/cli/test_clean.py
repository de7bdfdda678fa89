"""The command `clean`: its page in a process of its own, what it prints, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import time
from pathlib import Path

import httpx
import pytest

from tests.support.clean_server import RunningPage
from tests.support.cleaning import write_untrained_run
from tests.support.photos import draw, write_folder
from tests.support.runs import tree
from tests.support.trainer import error_of, table, trainer
from trainer.cleaning.edits import read_edits


@pytest.fixture
def run(photos: Path, tmp_path: Path) -> Path:
    """A run with features, without a network; one of its images is in the wrong folder."""
    draw("red", 50).save(photos / "blue" / "wrong.jpg", quality=95)
    return write_untrained_run(photos, tmp_path / "run")


def test_what_is_decided_survives_a_kill_and_ctrl_c_ends_with_the_next_command(run: Path, photos: Path) -> None:
    before = tree(photos)
    with RunningPage(run) as page:
        page.wait_for_queues()
        suspect = page.get("/api/queue", name="wrong", limit=1)["items"][0]
        assert (suspect["path"], suspect["proposal"]) == ("blue/wrong.jpg", "red")
        page.decide({"kind": "relabel", "ids": [suspect["id"]], "labels": ["red"]})
        removed = page.decide({"kind": "remove", "ids": [1, 2]})
        os.kill(page.process.pid, signal.SIGKILL)  # right after the answer
        assert page.stop() == -signal.SIGKILL
        assert not (run / "cleaned.csv").exists()
    with RunningPage(run) as page:
        assert page.get("/api/state")["edits"]["removed"] == 2
        undone = page.client.post("/api/undo", json={"action": removed["action"]}).json()
        assert [item["status"] for item in undone["items"]] == ["none", "none"]
        page.decide({"kind": "keep", "ids": [4]})
        assert page.stop(signal.SIGINT) == 0
        assert "Traceback" not in page.log
        assert f"1 image relabelled, 0 removed, 37 left: {run / 'cleaned.csv'}" in page.log
        assert f"next: fieldguide fit {run / 'cleaned.csv'} --recipe {run / 'recipe.toml'}" in page.log
    rows = {Path(row["path"]).name: row for row in table(run / "cleaned.csv")}
    assert rows["wrong.jpg"]["label"] == "red"
    assert {row["split"] for row in rows.values()} == {"train", "valid"}
    assert tree(photos) == before


def test_two_pages_on_one_run_see_what_the_other_decides(run: Path) -> None:
    with RunningPage(run) as one, RunningPage(run) as other:
        assert one.url != other.url
        names = {next(iter(page.client.cookies)) for page in (one, other)}
        assert len(names) == 2  # browsers send cookies of one port to the other
        one.decide({"kind": "remove", "ids": [3]})
        assert other.get("/api/queue", name="everything", ids="3")["items"][0]["status"] == "removed"
        other.decide({"kind": "keep", "ids": [3]})
        assert one.get("/api/queue", name="everything", ids="3")["items"][0]["status"] == "kept"
        assert one.client.get(other.address).status_code == 403  # it was used
    assert [edit.kind for edit in read_edits(run / "edits.jsonl")] == ["remove", "keep"]


def test_the_browser_gets_the_address_in_a_private_file_that_is_removed(run: Path, tmp_path: Path) -> None:
    """The browser is a program that keeps its arguments: nobody may read the token from a command line."""
    seen, temporary = tmp_path / "seen", tmp_path / "tmp"
    temporary.mkdir()
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {seen}.part && mv {seen}.part {seen}\n')
    browser.chmod(0o755)
    environ = {**os.environ, "BROWSER": f"{browser} %s", "TMPDIR": str(temporary)}
    with RunningPage(run, browser=True, environ=environ) as page:
        deadline = time.monotonic() + 20
        while not seen.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        opened = seen.read_text()
        token = page.address.rpartition("=")[2]
        assert opened.startswith("file://")
        assert token not in opened
        file = Path(opened.removeprefix("file://"))
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        (address,) = re.findall(r'url=([^"]+)"', file.read_text())
        assert address == page.address
        gone_on = httpx.get(address, headers={"Sec-Fetch-Site": "cross-site"})
        assert (gone_on.status_code, file.parent.exists()) == (200, False)
    with RunningPage(run, browser=True, environ=environ) as page:  # never opened
        pass
    assert [path for path in temporary.iterdir() if path.name.startswith("fieldguide")] == []


def test_write_says_what_was_changed_and_what_no_longer_applies(run: Path, photos: Path) -> None:
    with RunningPage(run) as page:
        items = page.get("/api/queue", name="everything")["items"]
        one, other = [item for item in items if item["split"] == "train"][:2]
        page.decide(
            {"kind": "relabel", "ids": [one["id"]], "labels": ["sky"]}, {"kind": "remove", "ids": [other["id"]]}
        )
    with open(run / "edits.jsonl", "a") as file:
        gone = {"kind": "keep", "id": "x", "sha256": ["0"], "labels": ["red"], "path": "gone.jpg"}
        file.write(json.dumps(gone) + "\n")
    (run / "cleaned.csv").unlink()
    done = trainer("clean", run, "--write")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[:2] == [
        "does not apply: gone.jpg: no image has these bytes any more",
        f"1 image relabelled, 1 removed, 36 left: {run / 'cleaned.csv'}",
    ]
    value = json.loads(trainer("clean", run, "--write", "--json").stdout)
    assert value["relabelled"] == {one["path"]: ["blue"]}
    assert value["removed"] == [other["path"]]
    assert value["unapplied"] == [{"id": "x", "path": "gone.jpg", "reason": "no image has these bytes any more"}]
    assert value["next"].startswith(f"fieldguide fit {run / 'cleaned.csv'}")


def test_a_second_run_with_the_same_decisions_has_the_same_table(run: Path) -> None:
    with RunningPage(run) as page:
        page.decide({"kind": "remove", "ids": [1]})
        finished = page.client.post("/api/finish", json={}).json()
        content = (run / "cleaned.csv").read_bytes()
        assert finished["rows"] == 36
    assert (run / "cleaned.csv").read_bytes() == content


def test_nothing_is_written_if_nothing_was_decided(run: Path) -> None:
    with RunningPage(run) as page:
        assert page.stop() == 0
        assert page.log.splitlines()[-1] == "nothing was decided"
    assert not (run / "cleaned.csv").exists()
    assert not (run / "edits.jsonl").exists()


def test_images_that_nothing_was_trained_on(photos: Path, tmp_path: Path, cache: Path) -> None:
    out = tmp_path / "out"
    draw("red", 50).save(photos / "blue" / "wrong.jpg", quality=95)
    (photos / "red" / "broken.jpg").write_bytes(b"not an image")
    before = tree(photos)
    arguments = ("clean", photos, "--out", out, "--cache", cache, "--device", "cpu", "--write")
    first = trainer(*arguments)
    assert first.exit_code == 0, first.output
    assert {path.name for path in out.iterdir()} == {
        *("recipe.toml", "catalog.csv", "features.npy", "unreadable.csv", "cleaned.csv")
    }
    assert first.stdout.splitlines()[0] == f"0 images relabelled, 0 removed, 37 left: {out / 'cleaned.csv'}"
    features = (out / "features.npy").stat().st_mtime_ns
    with RunningPage(photos, "--out", out) as page:
        state = page.wait_for_queues()
        assert state["queues"][0]["name"] == "wrong"
        assert page.get("/api/queue", name="wrong", limit=1)["items"][0]["path"] == "blue/wrong.jpg"
        page.decide({"kind": "remove", "ids": [0]})
    assert (out / "features.npy").stat().st_mtime_ns == features
    assert tree(photos) == before
    draw("green", 60).save(photos / "green" / "new.jpg", quality=95)
    (photos / "green" / "000.jpg").unlink()
    grown = trainer(*arguments)
    assert grown.exit_code == 0, grown.output
    assert "1 new image, and 1 that is gone, since" in grown.stderr
    assert "1 removed, 36 left" in grown.stdout
    assert (out / "features.npy").stat().st_mtime_ns != features
    assert "is of" in error_of(trainer("clean", write_folder(tmp_path / "other"), "--out", out, "--write"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("photos",),
            "'photos' is not a run, which has a recipe.toml. To clean images that nothing was trained on, add",
        ),
        (("nothing", "--out", "out"), "nothing: there is no such folder or file"),
        (("photos", "--out", "photos/out"), "photos/out is in"),
        (("run", "--out", "out"), "--out is for images that nothing was trained on; leave it out"),
        (("run", "--label-column", "x"), "--label-column is for images that nothing was trained on; leave it out"),
        (("run", "--host", "0.0.0.0"), "other machines could reach the page at 0.0.0.0, so it needs --allow-remote,"),
        (("run", "--host", "photos.example", "--allow-remote"), "it needs --allow-remote, --tls-cert and --tls-key"),
        (("run", "--tls-cert", "recipe.toml"), "--tls-cert and --tls-key belong together; give both files"),
        (("run", "--tls-cert", "a.pem", "--tls-key", "b.pem"), "a.pem cannot be read; give the files of a TLS"),
        (("run", "--host", "no host"), "other machines could reach the page at no host"),
        (("run", "--root", "elsewhere"), "are not under"),
    ],
)
def test_what_is_refused_is_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_untrained_run(write_folder(tmp_path / "photos", each=3), tmp_path / "run", features=False)
    done = trainer("clean", *arguments, "--no-browser")
    assert done.exit_code in (1, 2)
    assert message in error_of(done)


def test_a_certificate_that_is_none_is_refused(run: Path) -> None:
    recipe = run / "recipe.toml"
    done = trainer("clean", run, "--no-browser", "--tls-cert", recipe, "--tls-key", recipe)
    assert done.exit_code == 2
    assert "are not a certificate and its key" in error_of(done)


def test_a_port_that_is_taken_is_refused(run: Path) -> None:
    with RunningPage(run) as page:
        done = trainer("clean", run, "--no-browser", "--port", page.url.rpartition(":")[2])
    assert done.exit_code == 2
    assert "Address already in use; give another --host, or --port 0 for any port that is free" in error_of(done)


def test_a_damaged_file_of_edits_is_named(run: Path) -> None:
    (run / "edits.jsonl").write_text("{}\n")
    done = trainer("clean", run, "--write")
    assert done.exit_code == 2
    assert "edits.jsonl, line 1, is not an edit" in error_of(done)
    assert not (run / "cleaned.csv").exists()


def test_a_run_without_its_features_computes_them_anew(run: Path, cache: Path) -> None:
    shutil.rmtree(cache, ignore_errors=True)
    (run / "features.npy").unlink()
    done = trainer("clean", run, "--write", "--cache", cache, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert "has no features.npy: they are computed now, once" in done.stderr
    assert (run / "features.npy").exists()
