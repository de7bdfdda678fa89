"""What the page says if the model does not know, or not exactly."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import DESKTOP, upload
from tests.support.bundles import make_image, write_tiny_bundle
from tests.support.server import RunningServer

WHITE, GREY, RED = (make_image(colour, shade=1) for colour in ("white", "#a0a0a0", "red"))
UNKNOWN = "This does not look like anything that I know."
PLAIN = {**DESKTOP, "java_script_enabled": False}


def opened_about(page: Page) -> str:
    page.locator("summary").filter(has_text="How good it is").click()
    return page.locator("#quality").inner_text()


@pytest.mark.browser
def test_unknown_unsure_and_known(visit: Any, doubtful: RunningServer) -> None:
    page = visit(doubtful)
    upload(page, WHITE)
    expect(page.locator("h2")).to_have_text(UNKNOWN)
    expect(page.locator(".note")).to_have_text("The nearest classes:")
    expect(page.locator(".bars li")).to_have_count(3)
    expect(page.locator(".given")).to_have_count(0)
    expect(page.locator("#status")).to_have_text(f"{UNKNOWN} The nearest class is red, 33.3%.")
    expect(page).to_have_title("Unknown · doubtful")
    upload(page, GREY)
    expect(page.locator("h2")).to_have_text("I am not sure.")
    expect(page.locator(".note")).to_have_text("One of these: red, green, blue.")
    expect(page.locator(".given")).to_have_count(0)
    expect(page.locator("#status")).to_have_text("I am not sure. One of these: red, green, or blue.")
    expect(page).to_have_title("Not sure · doubtful")
    upload(page, RED)
    expect(page.locator("h2")).to_have_text("red")
    expect(page.locator(".note")).to_have_count(0)
    expect(page).to_have_title("red · doubtful")


@pytest.mark.browser
def test_the_page_says_when_the_model_does_not_know(visit: Any, doubtful: RunningServer, server: RunningServer) -> None:
    text = opened_about(visit(doubtful))
    assert "By mistake it says that of about 1% of photos of its own classes, as set on 296 photos." in text
    assert "with 95% confidence, at most 2% of its answers are wrong, for photos like the 296 photos" in text
    assert "It answered 83% of them. That is optimistic" in text
    assert "in 95% of cases (296 photos)" in text
    assert "confidence" not in opened_about(visit(server))


@pytest.mark.browser
def test_a_class_that_is_less_probable_than_not_is_only_perhaps_right(visit: Any, server: RunningServer) -> None:
    page = visit(server)
    upload(page, GREY)
    expect(page.locator("h2")).to_have_text("Not sure; perhaps red.")
    expect(page.locator(".given")).to_have_count(1)
    expect(page.locator("#status")).to_have_text("Not sure; perhaps red, 33.3%.")
    expect(page).to_have_title("Perhaps red · colours")


@pytest.mark.browser
def test_a_few_labels_are_shown_in_place_of_one_that_is_more_likely_wrong_than_right(
    visit: Any, tmp_path: Path
) -> None:
    with RunningServer(write_tiny_bundle(tmp_path / "few", label_set={"quantile": 1})) as server:
        page = visit(server)
        upload(page, GREY)
        expect(page.locator(".eyebrow")).to_have_text("One of these:")
        expect(page.locator(".chips li")).to_have_text(["red", "green", "blue"])
        expect(page.locator(".given")).to_have_count(3)
        expect(page.locator("#status")).to_have_text("One of these: red, green, or blue.")
        text = httpx.post(server.url, files={"file": GREY}).text
        assert "<h2>red, green, blue</h2>" in text
        assert text.count('class="given"') == 3


@pytest.mark.browser
def test_a_label_that_is_likely_stays_and_the_set_is_below_it(visit: Any, tmp_path: Path) -> None:
    """A few classes are named; many are listed on demand."""
    few = write_tiny_bundle(tmp_path / "few", label_set={"quantile": 1})
    many = write_tiny_bundle(tmp_path / "many", classes=[f"c-{n}" for n in range(12)], label_set={"quantile": 1})
    with RunningServer(few) as server:
        page = visit(server)
        upload(page, RED)
        expect(page.locator("h2")).to_have_text("red")
        expect(page.locator(".note")).to_have_text("One of these: red, green, blue.")
        expect(page.locator(".given")).to_have_count(1)
    with RunningServer(many) as server:
        page = visit(server)
        upload(page, RED)
        expect(page.locator("h2")).to_have_text("c 0")
        expect(page.locator(".choices li").first).to_be_hidden()
        page.get_by_text("The 12 classes that it may be").click()
        expect(page.locator(".choices li")).to_have_count(12)
        text = httpx.post(server.url, files={"file": RED}).text
    assert "<h2>c 0</h2>" in text
    assert "<summary>The 12 classes that it may be</summary>" in text
    assert "<li>c 11</li>" in text


@pytest.mark.browser
def test_several_photos_and_their_table(visit: Any, doubtful: RunningServer) -> None:
    page = visit(doubtful)
    files = [
        {"name": f"{name}.png", "mimeType": "image/png", "buffer": data}
        for name, data in (("white", WHITE), ("grey", GREY), ("red", RED))
    ]
    page.set_input_files("#pick", files)
    expect(page.locator("#strip-count")).to_have_text("3 of 3 classified")
    assert page.locator(".thumb-label").all_text_contents() == ["Unknown", "Not sure", "red"]
    assert page.locator(".thumb-probability").all_text_contents() == ["", "", "99.9%"]
    page.locator(".thumb").nth(2).click()
    expect(page).to_have_title("red · doubtful")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save all as CSV").click()
    text = download.value.path().read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["label"] for row in rows] == ["", "", "red"]
    assert [row["abstained"] for row in rows] == ["unknown", "unsure", ""]
    assert [row["set"] for row in rows] == ["red; green; blue", "red; green; blue", "red"]


@pytest.mark.browser
def test_without_javascript(visit: Any, doubtful: RunningServer) -> None:
    page = visit(doubtful, window=PLAIN)
    for data, answer, note, title in (
        (WHITE, UNKNOWN, ["The nearest classes:"], "This does not look like anything that I know · doubtful"),
        (GREY, "I am not sure.", ["One of these: red, green, blue."], "I am not sure · doubtful"),
        (RED, "red", [], "red · doubtful"),
    ):
        page.set_input_files("#plain-file", {"name": "photo.png", "mimeType": "image/png", "buffer": data})
        page.get_by_role("button", name="What is in this photo?").click()
        expect(page.locator("h2")).to_have_text(answer)
        expect(page.locator(".note")).to_have_text(note)
        expect(page.locator(".given")).to_have_count(1 if data is RED else 0)
        expect(page).to_have_title(title)
        expect(page.locator("h1")).to_have_text("doubtful")


def test_without_javascript_the_rest_is_said_too(client: httpx.Client, multilabel_client: httpx.Client) -> None:
    assert ">Not sure; perhaps red.</h2>" in client.post("/", files={"file": GREY}).text
    assert ">Nothing recognised</h2>" in multilabel_client.post("/", files={"file": make_image("black")}).text
