"""The page of `clean` with many images, in a headless browser: how soon it is there, and how soon it shows a decision.

    python -m tests.benchmarks.cleaning_in_a_browser --rows 100000 [--classes 100] [--decisions 200]

The run is that of `tests.benchmarks.cleaning`. Times are taken in the page itself. The browser draws without a graphics
card, so that scrolling is slower here than on a desk.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, expect, sync_playwright

from tests.benchmarks.cleaning import write_run
from tests.benchmarks.hardware import machine
from tests.support.browser import DESKTOP, launch
from tests.support.clean_server import RunningPage

# Milliseconds from a key to the card that shows it, and to the answer of the server.
_DECIDE = """async (count) => {
    const times = [];
    const until = async (isSo) => { while (!isSo()) await new Promise((next) => setTimeout(next, 1)); };
    for (let number = 0; number < count; number += 1) {
        const card = document.querySelector("#grid .card.current");
        const start = performance.now();
        const press = new KeyboardEvent("keydown", { key: "k", bubbles: true, cancelable: true });
        document.getElementById("grid").dispatchEvent(press);
        await until(() => card.dataset.status === "kept" || !card.classList.contains("current"));
        const shown = performance.now();
        await until(() => document.getElementById("saving").textContent === "Saved");
        times.push([shown - start, performance.now() - start]);
    }
    return times;
}"""
# Milliseconds of each frame while the grid is scrolled from one end to the other.
_SCROLL = """async (steps) => {
    const grid = document.getElementById("grid");
    const times = [];
    let cells = 0;
    for (let step = 0, last = performance.now(); step < steps; step += 1) {
        grid.scrollTop = (grid.scrollHeight - grid.clientHeight) * step / steps;
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        times.push(now - last);
        last = now;
        cells = Math.max(cells, grid.querySelectorAll(".card").length);
    }
    return { times, cells, heap: performance.memory.usedJSHeapSize };
}"""
_FIRST_IMAGES = """() => new Promise((done) => {
    const check = () => {
        const images = [...document.querySelectorAll("#grid .card img")].slice(0, 12);
        const areThere = images.length === 12 && images.every((image) => image.complete && image.naturalWidth);
        if (areThere) done(performance.now());
        else setTimeout(check, 5);
    };
    check();
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--decisions", type=int, default=200)
    arguments = parser.parse_args()
    print(machine("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        run = write_run(Path(folder), rows=arguments.rows, classes=arguments.classes)
        with RunningPage(run.path) as running, sync_playwright() as playwright:
            browser = launch(playwright)
            context = browser.new_context(**DESKTOP)
            cookies = [
                {"name": name, "value": value, "url": running.url} for name, value in running.client.cookies.items()
            ]
            context.add_cookies(cookies)  # type: ignore[arg-type]
            print("\n| | |\n|---|---|")
            measure(context.new_page(), f"{running.url}/#queue=everything", decisions=arguments.decisions)
            browser.close()


def measure(page: Page, address: str, *, decisions: int) -> None:
    """Open the page, decide, scroll, and print the table."""
    page.goto(address)
    print(f"| from the address to the first twelve images | {page.evaluate(_FIRST_IMAGES) / 1e3:.2f} s |", flush=True)
    times = np.array(page.evaluate(_DECIDE, decisions))
    report("from a key to the card that shows it", times[:, 0])
    report("from a key to “Saved”", times[:, 1])
    scrolled = page.evaluate(_SCROLL, decisions)
    report(f"a frame, scrolling through all images in {decisions} steps", scrolled["times"])
    print(
        f"| most cards in the document; memory of the scripts | {scrolled['cells']}; {scrolled['heap'] / 1e6:.0f} MB |"
    )
    page.keyboard.press("Home")
    page.evaluate("performance.mark('selecting')")
    page.keyboard.press("Control+a")
    expect(page.locator("#chosen")).to_have_text("5,000 images selected")
    selecting = page.evaluate("performance.measure('selected', 'selecting').duration")
    print(f"| from Ctrl-A to 5,000 selected images | {selecting:.0f} ms |")


def report(name: str, milliseconds: object) -> None:
    median, high, most = np.percentile(np.array(milliseconds), (50, 95, 100))
    print(f"| {name} | median {median:.0f} ms, p95 {high:.0f} ms, most {most:.0f} ms |", flush=True)


if __name__ == "__main__":
    main()
