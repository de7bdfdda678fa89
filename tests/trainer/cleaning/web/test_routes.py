"""What the page asks for and decides, over HTTP."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.cleaning import URL, Page, image_of, suspects, write_subject
from tests.support.full_disk import no_file_over
from trainer.cleaning.edits import read_edits
from trainer.cleaning.queues import Group, GroupQueue
from trainer.cleaning.web.routes import Tools


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page(write_subject(tmp_path))


def status_of(page: Page, image: int) -> str:
    found: str = page.get(f"/api/images/{image}")["status"]
    return found


def queue_state(state: dict[str, object], name: str) -> dict[str, object]:
    return next(queue for queue in state["queues"] if queue["name"] == name)  # type: ignore[attr-defined]


def test_state_says_everything_but_the_images(page: Page) -> None:
    state = page.state()
    assert (state["name"], state["task"], state["images"]) == ("colours", "classification", 10)
    assert state["classes"] == [
        {"name": "blue", "count": 3, "is_new": False},
        {"name": "green", "count": 3, "is_new": False},
        {"name": "red", "count": 4, "is_new": False},
    ]
    assert [queue["name"] for queue in state["queues"]] == ["wrong", "exact-duplicates", "everything"]
    assert state["edits"] == {"relabelled": 0, "removed": 0, "kept": 0, "not_duplicates": 0, "unapplied": 0}
    assert state["can_undo"] is None


def test_a_queue_keeps_its_order_while_its_images_are_decided(page: Page) -> None:
    before = page.get("/api/queue", name="wrong", offset=2, limit=3)
    assert before["count"] == 10
    assert [item["id"] for item in before["items"]] == [7, 6, 5]
    assert {item["proposal"] for item in before["items"]} == {"green"}
    page.decide({"kind": "keep", "ids": [7, 9]}, {"kind": "remove", "ids": [6]})
    after = page.get("/api/queue", name="wrong", offset=2, limit=3)
    assert [(item["id"], item["status"]) for item in after["items"]] == [(7, "kept"), (6, "removed"), (5, "none")]
    left = page.get("/api/queue", name="wrong", hide_judged="true")
    assert [item["id"] for item in left["items"]] == page.get("/api/ids", name="wrong", hide_judged="true")["ids"]
    assert {7, 9, 6}.isdisjoint(item["id"] for item in left["items"])
    assert page.get("/api/queue", name="wrong", ids="5,7")["items"][1]["status"] == "kept"


def test_search_and_class_narrow_every_queue(page: Page) -> None:
    found = page.get("/api/queue", name="wrong", search="RED/")
    assert {item["path"].split("/")[0] for item in found["items"]} == {"red"}
    blue = image_of(page.subject, "blue/1.jpg")
    page.decide({"kind": "relabel", "ids": [blue], "labels": ["sky"]})
    for name in ("blue", "sky"):  # before and after
        assert blue in [item["id"] for item in page.get("/api/queue", **{"name": "class", "class": name})["items"]]
    assert page.get("/api/queue", name="exact-duplicates", search="copy")["count"] == 1
    assert page.get("/api/queue", name="exact-duplicates", search="green")["count"] == 0
    assert page.get("/api/queue", name="everything", search="")["count"] == 10


def test_every_kind_of_change_does_what_it_says(page: Page) -> None:
    red, green = image_of(page.subject, "red/0.jpg"), image_of(page.subject, "green/0.jpg")
    changed = page.decide({"kind": "relabel", "ids": [red], "labels": [" sky  "]})
    assert [(item["labels"], item["status"]) for item in changed["items"]] == [(["sky"], "relabelled")]
    assert {"name": "sky", "count": 1, "is_new": True} in changed["state"]["classes"]
    assert changed["state"]["recent_classes"] == ["sky"]
    assert changed["state"]["can_undo"] == "Relabel 1 image to sky"
    assert page.decide({"kind": "remove", "ids": [red, green]})["state"]["edits"]["removed"] == 2
    assert page.decide({"kind": "keep", "ids": [green]})["items"][0]["status"] == "kept"  # it is back
    assert page.decide({"kind": "relabel", "ids": [green], "labels": ["green"]})["items"][0]["status"] == "kept"
    assert [edit.kind for edit in read_edits(page.subject.edits)] == ["relabel", "remove", "remove", "keep", "keep"]


def test_exact_copies_are_decided_together(page: Page) -> None:
    blue, copy = image_of(page.subject, "blue/0.jpg"), image_of(page.subject, "red/copy.jpg")
    changed = page.decide({"kind": "keep", "ids": [blue]})  # so the copy, which says red, is wrong
    assert {item["path"]: (item["labels"], item["status"]) for item in changed["items"]} == {
        "blue/0.jpg": (["blue"], "kept"),
        "red/copy.jpg": (["blue"], "relabelled"),
    }
    changed = page.decide({"kind": "keep_copy", "ids": [blue, copy], "keeper": blue})
    assert {item["path"]: item["status"] for item in changed["items"]} == {
        "blue/0.jpg": "kept",
        "red/copy.jpg": "removed",
    }
    assert queue_state(changed["state"], "exact-duplicates")["judged"] == 1
    assert queue_state(page.undo()["state"], "exact-duplicates")["judged"] == 0


def test_the_image_that_stays_of_near_duplicates_is_chosen(tmp_path: Path) -> None:
    subject = write_subject(tmp_path)
    groups = [Group(members=(1, 2, 5), reason="alike"), Group(members=(4, 5), reason="alike, too")]
    page = Page(subject, queues=[GroupQueue(name="near-duplicates", groups=groups)])
    found = page.get("/api/queue", name="near-duplicates")["items"]
    assert [(group["keeper"], group["judged"]) for group in found] == [(1, False), (4, False)]
    page.decide({"kind": "keep_copy", "ids": [1, 2, 5], "keeper": 2})
    found = page.get("/api/queue", name="near-duplicates")["items"]
    assert [item["status"] for item in found[0]["members"]] == ["removed", "none", "removed"]
    assert [(group["keeper"], group["judged"]) for group in found] == [(2, True), (4, True)]  # 5 is gone from both
    page.undo()
    page.decide({"kind": "not_duplicate", "ids": [1, 2, 5]})
    assert page.get("/api/queue", name="near-duplicates", hide_judged="true")["count"] == 1
    assert Page(subject, queues=[GroupQueue(name="near-duplicates", groups=groups)]).get(
        "/api/queue", name="near-duplicates"
    )["items"][0]["judged"]
    assert page.state()["edits"]["not_duplicates"] == 1


def test_undo_goes_back_step_by_step_and_can_be_undone(page: Page) -> None:
    first = page.decide({"kind": "relabel", "ids": [1, 2, 4], "labels": ["red"]})
    second = page.decide({"kind": "remove", "ids": [1]})
    assert second["state"]["can_undo"] == "Remove 1 image"
    undone = page.undo()
    assert [(item["id"], item["status"]) for item in undone["items"]] == [(1, "relabelled")]
    assert undone["state"]["can_undo"] == "Relabel 3 images to red"
    bulk = page.undo()
    assert {item["id"] for item in bulk["items"]} == {1, 2, 4}
    assert bulk["state"]["can_undo"] is None
    nothing = page.undo()
    assert (nothing["action"], nothing["items"]) == ("", [])
    redone = page.undo(action=bulk["action"])
    assert {item["status"] for item in redone["items"]} == {"relabelled"}
    assert page.undo(action=first["action"])["state"]["edits"]["relabelled"] == 0  # not the latest one, by its name
    assert page.undo(action=first["action"])["action"] == ""  # sent again
    page.post("/api/undo", {"action": "0" * 16}, status=409)


def test_an_action_that_is_sent_again_counts_once(page: Page) -> None:
    action = "0123456789abcdef"
    one = page.decide({"kind": "remove", "ids": [1, 2]}, action=action)
    again = page.decide({"kind": "remove", "ids": [1, 2]}, action=action)
    assert one["items"] == again["items"]
    assert len(read_edits(page.subject.edits)) == 2


def test_all_changes_of_a_request_are_made_or_none(page: Page) -> None:
    body = {"edits": [{"kind": "remove", "ids": [1]}, {"kind": "remove", "ids": [99]}]}
    problem = page.post("/api/edits", body, status=400)
    assert problem["detail"] == "There is no image with the id 99."
    assert not page.subject.edits.exists()


@pytest.mark.parametrize(
    "change",
    [
        None,
        "keep",
        {},
        {"kind": "keep"},
        {"kind": "keep", "ids": []},
        {"kind": "keep", "ids": 1},
        {"kind": "keep", "ids": ["1"]},
        {"kind": "keep", "ids": [True]},
        {"kind": "keep", "ids": [-1]},
        {"kind": "keep", "ids": [1.0]},
        {"kind": "keep", "ids": [10]},
        {"kind": "keep", "ids": [1 << 70]},
        {"kind": "keep", "ids": ["../../etc/passwd"]},
        {"kind": "keep", "ids": [1], "labels": ["red"]},
        {"kind": "delete", "ids": [1]},
        {"kind": ["keep"], "ids": [1]},
        {"kind": "undo", "ids": [1]},
        {"kind": "relabel", "ids": [1]},
        {"kind": "relabel", "ids": [1], "labels": []},
        {"kind": "relabel", "ids": [1], "labels": "red"},
        {"kind": "relabel", "ids": [1], "labels": [""]},
        {"kind": "relabel", "ids": [1], "labels": [" \t"]},
        {"kind": "relabel", "ids": [1], "labels": ["red", "blue"]},
        {"kind": "relabel", "ids": [1], "labels": [1]},
        {"kind": "relabel", "ids": [1], "labels": ["a\u0000b"]},
        {"kind": "relabel", "ids": [1], "labels": ["\ud800"]},
        {"kind": "relabel", "ids": [1], "labels": ["a\nb"]},
        {"kind": "relabel", "ids": [1], "labels": ["x" * 1001]},
        {"kind": "add_labels", "ids": [1], "labels": ["red"]},
        {"kind": "not_duplicate", "ids": [1]},
        {"kind": "not_duplicate", "ids": [0, 9]},  # the same bytes
        {"kind": "keep_copy", "ids": [0, 9]},
        {"kind": "keep_copy", "ids": [0, 9], "keeper": 1},
    ],
)
def test_a_wrong_change_is_refused_with_a_sentence(page: Page, change: object) -> None:
    for body in ({"edits": [change]}, {"edits": change}):
        answer = page.client.post("/api/edits", content=json.dumps(body), headers=_JSON)
        assert answer.status_code == 400, change
        assert answer.json()["detail"].endswith(".")
    assert not page.subject.edits.exists()


_JSON = {"Origin": URL, "Content-Type": "application/json"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b"\xff", b"[" * 100_000, b'{"edit": []}', b'{"edits": []}'])
def test_a_wrong_body_is_refused(page: Page, body: bytes) -> None:
    assert page.client.post("/api/edits", content=body, headers=_JSON).status_code == 400


def test_a_large_body_is_not_read(page: Page) -> None:
    answer = page.client.post("/api/edits", content=b" " * (5 << 20), headers=_JSON)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/queue", 404),
        ("/api/queue?name=nothing", 404),
        ("/api/queue?name=class", 400),
        ("/api/queue?name=everything&offset=-1", 400),
        ("/api/queue?name=everything&offset=x", 400),
        ("/api/queue?name=everything&limit=501", 400),
        ("/api/queue?name=everything&limit=٣", 400),
        ("/api/queue?name=everything&ids=1,x", 400),
        ("/api/queue?name=everything&ids=../1", 400),
        ("/api/images/99", 404),
        ("/images/99/thumb", 404),
        ("/images/-1/thumb", 404),
        ("/images/red%2F0.jpg/thumb", 404),
        ("/images/../../etc/passwd", 404),
        ("/images/0/heatmap?label=red", 404),
        ("/assets/..%2Fchanges.py", 404),
        ("/assets/%2Fetc%2Fpasswd", 404),
        ("/assets/nothing.js", 404),
        ("/nothing", 404),
    ],
)
def test_what_is_not_there_is_a_problem(page: Page, path: str, status: int) -> None:
    answer = page.client.get(path)
    assert answer.status_code == status
    assert answer.json().keys() >= {"title", "status", "detail"}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/edits"), ("POST", "/api/state"), ("PUT", "/"), ("DELETE", "/")]
)
def test_another_method_is_a_problem(page: Page, method: str, path: str) -> None:
    answer = page.client.request(method, path, headers={"Origin": URL})
    assert answer.status_code == 405
    assert answer.json()["detail"] == "Method Not Allowed."


def test_a_queue_that_is_still_being_worked_out_is_empty(page: Page) -> None:
    assert page.get("/api/queue", name="near-duplicates") == {
        "name": "near-duplicates",
        "count": 0,
        "offset": 0,
        "items": [],
    }


def test_an_image_is_shown_small_and_large(page: Page) -> None:
    item = page.get("/api/queue", name="everything")["items"][0]
    for name, side in (("thumb", 48), ("photo", 48)):
        answer = page.client.get(f"/images/{item['id']}/{name}", params={"v": item["v"]})
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert max(Image.open(io.BytesIO(answer.content)).size) == side
    assert page.client.get(f"/images/{item['id']}/thumb?v=old").headers["cache-control"] == "no-store"


def test_an_image_that_was_changed_is_not_shown_as_the_one_that_was_judged(page: Page) -> None:
    path = page.subject.root / page.subject.rows[1].path
    before = path.read_bytes()
    path.write_bytes((page.subject.root / "red" / "0.jpg").read_bytes())
    for url in ("/images/1/thumb", "/images/1/photo", "/api/images/1"):
        answer = page.client.get(url)
        assert answer.status_code == 409
        assert "changed" in answer.json()["detail"]
    path.unlink()
    assert page.client.get("/images/1/thumb").status_code == 404
    path.write_bytes(before)
    assert page.client.get("/images/1/thumb").status_code == 200


def test_an_image_that_cannot_be_decoded_is_a_problem(tmp_path: Path) -> None:
    import hashlib

    subject = write_subject(tmp_path)
    broken = subject.root / subject.rows[1].path
    broken.write_bytes(broken.read_bytes()[:300])
    rows = list(subject.rows)
    rows[1] = dataclasses.replace(rows[1], sha256=hashlib.sha256(broken.read_bytes()).hexdigest())
    page = Page(dataclasses.replace(subject, rows=tuple(rows)))
    assert page.client.get("/images/1/thumb").status_code == 422


def test_what_is_known_about_one_image(tmp_path: Path) -> None:
    tools = Tools()
    tools.similar = lambda image, count: [(2, 0.51234), (4, 0.4)][:count]
    tools.found = lambda row: [f"Blurred: {row.path}"]
    page = Page(write_subject(tmp_path), tools=tools)
    page.views.likely = lambda _: [("red", 0.75), ("blue", 0.25)]
    found = page.get("/api/images/1")
    assert (found["width"], found["height"]) == (48, 40)
    assert found["bytes"] == (page.subject.root / found["path"]).stat().st_size
    assert [(other["id"], other["similarity"]) for other in found["neighbours"]] == [(2, 0.512), (4, 0.4)]
    assert found["found"] == ["Blurred: blue/1.jpg"]
    assert found["predictions"] == [{"label": "red", "probability": 0.75}, {"label": "blue", "probability": 0.25}]
    assert found["likely"] == ["red", "blue"]
    assert found["queues"] == ["wrong"]
    assert found["reason"] == "It looks green."


def test_the_line_to_stop_comes_once_five_were_right(tmp_path: Path) -> None:
    subject = write_subject(tmp_path, each=5)
    page = Page(subject, queues=[suspects(subject, expected=3)])
    order = page.get("/api/ids", name="wrong")["ids"]
    page.decide({"kind": "relabel", "ids": order[:1], "labels": ["green"]}, {"kind": "keep", "ids": order[1:6]})
    found = queue_state(page.state(), "wrong")
    assert found["right_in_a_row"] == 5
    assert found["stop"] == "The last 5 were right; about 1 of the 9 left is wrong."  # the first one has a copy
    page.decide({"kind": "remove", "ids": order[6:7]})
    assert queue_state(page.state(), "wrong")["right_in_a_row"] == 0
    page.decide({"kind": "keep", "ids": order[-3:-1]})
    assert queue_state(page.state(), "wrong")["right_in_a_row"] == 2
    again = Page(subject, queues=[suspects(subject, expected=3)])
    assert queue_state(again.state(), "wrong")["right_in_a_row"] == 2


def test_several_labels_are_added_and_removed(tmp_path: Path) -> None:
    page = Page(write_subject(tmp_path, delimiter=";"))
    red = image_of(page.subject, "red/1.jpg")
    assert page.decide({"kind": "add_labels", "ids": [red], "labels": ["warm"]})["items"][0]["labels"] == [
        "photo",
        "red",
        "warm",
    ]
    changed = page.decide({"kind": "remove_labels", "ids": [red], "labels": ["photo", "red", "warm"]})
    assert changed["items"][0]["labels"] == []
    assert changed["state"]["can_undo"] == "Relabel 1 image to no label"
    problem = page.post("/api/edits", {"edits": [{"kind": "add_labels", "ids": [red], "labels": ["a;b"]}]}, status=400)
    assert "stands between labels" in problem["detail"]
    same = page.decide({"kind": "add_labels", "ids": [red + 1], "labels": ["photo"]})
    assert same["items"][0]["status"] == "kept"


def test_finish_writes_cleaned_csv_and_says_how_to_go_on(page: Page) -> None:
    page.decide({"kind": "relabel", "ids": [1, 2], "labels": ["sky"]}, {"kind": "remove", "ids": [4]})
    summary = page.get("/api/summary")
    assert not page.subject.cleaned.exists()
    assert {found["name"]: (found["before"], found["after"]) for found in summary["classes"]} == {
        "blue": (3, 1),
        "green": (3, 2),
        "red": (4, 4),
        "sky": (0, 2),
    }
    assert summary["judged"] == 3
    assert [(queue["name"], queue["changed"]) for queue in summary["by_queue"]] == [
        ("wrong", 3),
        ("exact-duplicates", 0),
        ("everything", 3),
    ]
    finished = page.post("/api/finish", {})
    assert finished["path"] == str(page.subject.cleaned)
    assert finished["command"] == "fieldguide fit cleaned.csv --out run-2"
    assert (finished["rows"], finished["unapplied"], finished["warnings"]) == (9, [], [])
    assert page.subject.cleaned.read_text().count("sky") == 2


def test_a_label_without_a_training_image_is_reported(page: Page) -> None:
    valid = image_of(page.subject, "green/1.jpg")
    page.decide({"kind": "relabel", "ids": [valid], "labels": ["new"]})
    (warning,) = page.post("/api/finish", {})["warnings"]
    assert warning.startswith("No training image has the label 'new'")


def test_a_full_disk_is_reported_and_nothing_counts(page: Page) -> None:
    page.decide({"kind": "keep", "ids": [1]})
    with no_file_over(page.subject.edits.stat().st_size + 5):
        problem = page.post("/api/edits", {"edits": [{"kind": "remove", "ids": [2]}]}, status=503)
    assert problem["detail"].startswith(f"Nothing was saved: {page.subject.edits} cannot be written (File too large)")
    assert page.state()["edits"] == {"relabelled": 0, "removed": 0, "kept": 1, "not_duplicates": 0, "unapplied": 0}
    page.decide({"kind": "remove", "ids": [2]})


def test_a_file_of_edits_that_was_damaged_meanwhile_is_reported(page: Page) -> None:
    page.subject.edits.write_text("damaged\n")
    for answer in (
        page.client.get("/api/state"),
        page.client.post("/api/edits", json={"edits": [{"kind": "keep", "ids": [1]}]}, headers={"Origin": URL}),
    ):
        assert answer.status_code == 409
        assert "line 1, is not an edit" in answer.json()["detail"]
    assert page.subject.edits.read_text() == "damaged\n"
    page.subject.edits.unlink()
    assert page.state()["version"] > 0


def test_a_link_in_the_place_of_the_edits_is_not_followed(page: Page, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("")
    page.subject.edits.symlink_to(target)
    page.post("/api/edits", {"edits": [{"kind": "keep", "ids": [1]}]}, status=503)
    assert target.read_text() == ""


def test_names_are_text_whatever_is_in_them(tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)> \u202e" + "é" * 300
    page = Page(write_subject(tmp_path))
    changed = page.decide({"kind": "relabel", "ids": [1], "labels": [name]})
    assert changed["items"][0]["labels"] == [name]
    answer = page.client.get("/api/queue", params={"name": "class", "class": name})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["count"] == 1


def test_a_fault_of_ours_is_opaque(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> dict[str, object]:
        raise RuntimeError("secret")

    page.views.state = fail  # type: ignore[method-assign]
    answer = page.client.get("/api/state")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "secret" in caplog.text


def test_many_images_are_one_action_within_a_bound(tmp_path: Path) -> None:
    subject = write_subject(tmp_path)
    rows = tuple(
        dataclasses.replace(subject.rows[0], path=f"{number}.jpg", sha256=f"{number:064x}") for number in range(20_001)
    )
    page = Page(dataclasses.replace(subject, rows=rows), queues=[])
    ids = np.arange(20_001).tolist()
    problem = page.post("/api/edits", {"edits": [{"kind": "remove", "ids": ids}]}, status=400)
    assert "at most 20,000" in problem["detail"]
    changed = page.decide({"kind": "remove", "ids": ids[:2000]})
    assert changed["state"]["can_undo"] == "Remove 2,000 images"
    assert page.undo()["state"]["edits"]["removed"] == 0
