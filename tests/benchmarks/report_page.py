"""How large the report of a run of many classes is, how long it takes, and what is in it.

    python -m tests.benchmarks.report_page [--classes 3 81 1000] [--out FOLDER]

The runs are made up: classes are often taken for their neighbours, and images are 224 pixels of noise at two scales.
`--out` keeps them with their pages, to look at.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from pathlib import Path

from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.training.results import markdown
from tests.support.many_classes import write_run_of
from trainer.run import report_run

_PARTS = {
    "images": r'src(?:set)?="data:[^"]*"',
    "table of classes": r'<table class="classes.*?</table>',
    "numbers of the matrix": r'<script type="application/json">.*?</script>',
    "styles and script": r"<style>.*?</style>|<script>.*?</script>",
}


def main() -> None:
    """Print a row for each number of classes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, nargs="+", default=[3, 81, 1000])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for count in options.classes:
            run = write_run_of((options.out or Path(temporary)) / str(count), count, size=224, coarse=count > 15)
            started = time.perf_counter()
            page = report_run(run, root=None).read_text(encoding="utf-8")
            rows.append(
                {"classes": f"{count:,}", "kb": f"{len(page.encode()) / 1e3:,.0f}"}
                | {name: f"{sum(map(len, re.findall(rule, page, re.S))) / 1e3:,.0f}" for name, rule in _PARTS.items()}
                | {"seconds": f"{time.perf_counter() - started:.1f}"}
            )
    print(f"{machine('cpu')}, {versions('torch')}\n")
    columns = {"classes": "classes", "kb": "page, KB"} | {name: f"{name}, KB" for name in _PARTS}
    print(markdown(columns | {"seconds": "seconds"}, rows))


if __name__ == "__main__":
    main()
