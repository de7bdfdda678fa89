"""A person cleans the sample by keyboard alone, trains again and compares: what is found, and what it brings.

    python -m tests.benchmarks.cleaning_pass RUN PLANTED.json --work FOLDER

RUN is a run of the images that `fieldguide sample` wrote, as `make demo` makes one, and PLANTED.json the list of their
faults. A copy of RUN is cleaned, in FOLDER. The person is a script in a headless browser that sees what the page shows
and presses keys; it knows what each image really shows, as a person would see it. It goes through the likely wrong
labels until the page says that it may stop, then through the exact and the near duplicates. In the middle the page is
loaded again, and the server killed with SIGKILL and started anew. Then it types the command that the page shows, and
compares both runs on the validation images, by their labels as they really are.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from service.bundle import read_bundle
from service.predictor import Predictor
from tests.benchmarks.hardware import machine, versions
from tests.support.browser import DESKTOP, launch
from trainer.catalog.row import Row
from trainer.cleaning.edits import read_edits
from trainer.run import RunFolder

_FIELDGUIDE = (sys.executable, "-m", "fieldguide")
_RELOAD_AFTER, _KILL_AFTER = 8, 16  # decisions
_QUEUES_OF_GROUPS = ("Exact duplicates", "Near duplicates")


class Server:
    """`fieldguide clean`, in a process of its own."""

    def __init__(self, run: Path) -> None:
        self._process = subprocess.Popen(
            [*_FIELDGUIDE, "clean", str(run), "--no-browser", "--port", "0"], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        line = next(line for line in self._process.stdout if "http" in line)
        self.url = re.search(r"http\S+", line)[0]  # type: ignore[index]

    def kill(self) -> None:
        """SIGKILL: nothing is written any more."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@dataclass
class Person:
    """Presses keys, and knows what an image shows.

    Attributes:
        truth: Path of an image -> what it really shows.
        page: The page, in the browser.
        keys: How many were pressed.
        decisions: How many images or groups were judged.
        found: Path of an image whose label was wrong -> what it shows.
        seen: Paths of the images that were judged.
    """

    truth: dict[str, str]
    page: Page
    keys: int = 0
    decisions: int = 0
    found: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.keys += 1

    def judge(self) -> None:
        """Look at the image that is shown large, and keep its label, accept the proposal, or name the right class."""
        place = self._text("#place")
        file, label, proposal = self._text("#file"), self._text("#labels"), self.page.locator("#proposal")
        right = self.truth[file]
        if file in self.seen:  # the person looks again from the start
            self.press("ArrowRight")
            self._until_changed("#place", place)
            return
        self.seen.add(file)
        if label == right:
            self.press("k")
        elif proposal.is_visible() and f"→ {right}" in (proposal.text_content() or ""):
            self.press("p")
        else:
            self.press("l", *right, "Enter")
        if label != right:
            self.found[file] = right
        self.decisions += 1
        self._until_changed("#place", place)

    def go_to(self, title: str) -> bool:
        """Press `n` until the queue is there; False if there is none."""
        first = seen = self._text("#title")
        while seen != title:
            self.press("n")
            expect(self.page.locator("#title")).not_to_have_text(seen)
            seen = self._text("#title")
            if seen == first:
                return False
        return True

    def may_stop(self) -> bool:
        notice = self.page.locator("#notice-text")
        text = notice.text_content() or "" if notice.count() else ""
        return "You may stop here" in text or text.startswith("All ")

    def judge_groups(self) -> None:
        """Keep the marked copy of each group."""
        for number in range(int(re.findall(r"of ([\d,]+)", self._text("#progress"))[0].replace(",", ""))):
            self.press("k")
            self.decisions += 1
            expect(self.page.locator("#progress")).to_contain_text(f"{number + 1} of")
            if not self.may_stop():
                self.press("ArrowRight")

    def _text(self, selector: str) -> str:
        return (self.page.locator(selector).text_content() or "").strip()

    def _until_changed(self, selector: str, before: str) -> None:
        wanted: Locator = self.page.locator(selector)
        for _ in range(200):
            if (wanted.text_content() or "").strip() != before or self.may_stop():
                return
            self.page.wait_for_timeout(20)


def main() -> None:
    """Print what was found, how many keys that took, and the accuracy before and after."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("planted", type=Path, metavar="PLANTED.json")
    parser.add_argument("--work", type=Path, required=True, help="new folder")
    options = parser.parse_args()
    options.work.mkdir(parents=True)
    run = RunFolder(Path(shutil.copytree(options.run, options.work / "run")))
    faults = json.loads(options.planted.read_text())
    catalog = run.read_catalog(run.read_recipe(), None)
    truth = true_labels(catalog.rows, faults)
    started = time.monotonic()
    with sync_playwright() as playwright:
        person, command = clean(launch(playwright), run.path, truth)
    seconds = time.monotonic() - started
    print(f"{machine('cpu')}, {versions('torch')}; {len(catalog.rows):,} images\n")
    print(found_text(person, faults, {row.path for row in catalog.rows}, truth))
    print(
        f"- {person.keys} keys for {person.decisions} decisions; {len(read_edits(run.edits))} are kept; {seconds:.0f} s"
    )
    words = [word for word in shlex.split(command) if word != "fieldguide"]
    subprocess.run([*_FIELDGUIDE, *words], check=True, stdout=subprocess.DEVNULL)
    after = Path(words[words.index("--out") + 1])
    valid = [row for row in catalog.rows if row.split == "valid"]
    for name, folder in (("before", run.path), ("after", after)):
        found = accuracy(folder, valid, truth, catalog.root)
        print(f"- {name}: {found:.4f} of {len(valid)} validation images, by what they show")
    compared = subprocess.run(
        [*_FIELDGUIDE, "compare", str(run.path), str(after)], check=True, capture_output=True, text=True
    )
    print(f"\nfieldguide compare {run.path.name} {after.name}\n\n{compared.stdout}")


def clean(browser: Browser, run: Path, truth: dict[str, str]) -> tuple[Person, str]:
    """Clean a run; returns the person, and the command that the last page shows."""
    server = Server(run)
    person = Person(truth=truth, page=browser.new_context(**DESKTOP).new_page())
    page = person.page
    page.goto(server.url)
    expect(page.locator("#title")).to_have_text("Likely wrong labels")
    expect(page.locator("#grid .card").first).to_be_visible(timeout=120_000)
    person.press("Enter")
    reloaded = killed = False
    while not person.may_stop():
        person.judge()
        if person.decisions == _RELOAD_AFTER and not reloaded:
            reloaded = True
            expect(page.locator("#saving")).to_have_text("Saved")  # else the browser asks whether to leave
            page.reload()
            expect(page.locator("#photo")).to_be_visible()
        if person.decisions == _KILL_AFTER and not killed:
            killed = True
            expect(page.locator("#saving")).to_have_text("Saved")
            server.kill()
            server = Server(run)
            page.goto(server.url)
            expect(page.locator("#grid .card").first).to_be_visible(timeout=120_000)
            person.press("Enter")
    person.press("Escape")
    for title in _QUEUES_OF_GROUPS:
        if person.go_to(title):
            person.judge_groups()
    person.press("f")
    command = page.locator(".command code").first.text_content() or ""
    server.kill()
    return person, command


def true_labels(rows: Sequence[Row], faults: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What each image shows."""
    truth = {row.path: next(iter(row.labels)) for row in rows}
    return truth | {fault["path"]: fault["true_label"] for fault in faults if fault.get("true_label") in truth.values()}


def found_text(person: Person, faults: Sequence[dict[str, Any]], images: set[str], truth: dict[str, str]) -> str:
    """How many of the planted wrong labels were mended."""
    planted = {fault["path"] for fault in faults if fault["fault"] == "mislabelled"} & images
    found = {path for path, label in person.found.items() if truth[path] == label}
    mended = f"{len(found & planted)} of {len(planted)} planted wrong labels mended"
    return f"- {mended}, and {len(found - planted)} of copies under another label"


def accuracy(run: Path, rows: Sequence[Row], truth: dict[str, str], root: Path) -> float:
    """Of a run's bundle on images, by what they show."""
    predictor = Predictor(read_bundle(RunFolder(run).bundle))
    given = [predictor.predict((root / row.path).read_bytes()).ranked[0].label for row in rows]
    return sum(label == truth[row.path] for label, row in zip(given, rows, strict=True)) / len(rows)


if __name__ == "__main__":
    main()
