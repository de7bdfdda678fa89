"""The tests that need a GPU, by pytest in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from tests.benchmarks.environment import ROOT
from tests.benchmarks.gpu.setting import Deadline, Setting
from tests.benchmarks.training.results import markdown

_FILES = ("training/test_gpu.py", "training/test_device.py", "data/test_images.py")
_COLUMNS = {"test": "test", "result": "result", "seconds": "seconds"}


def run_gpu_tests(setting: Setting, deadline: Deadline) -> Iterator[str]:
    """Yield a table of the tests.

    Raises:
        RuntimeError: A test failed, or pytest did; with the end of its output.
    """
    results = setting.work / "tests.xml"
    tests = ROOT / "tests" / "trainer"
    # Without the project's settings of pytest, which need its plugins: only pytest itself must be here.
    plain: list[str | Path] = ["-c", os.devnull, "--rootdir", ROOT, "--confcutdir", tests, "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", "-k", "gpu", "--junitxml", results, *plain]
    command += [tests / name for name in _FILES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=deadline.left_s)
    if not results.exists():
        raise RuntimeError(f"pytest failed: {(done.stdout + done.stderr)[-2000:]}")
    rows = [
        {"test": f"`{case.get('name')}`", "result": _result(case), "seconds": f"{float(case.get('time', 0)):.1f}"}
        for case in ElementTree.parse(results).iter("testcase")
    ]
    yield markdown(_COLUMNS, rows)
    if done.returncode:
        raise RuntimeError(f"a test failed:\n\n```\n{done.stdout[-3000:]}\n```")


def _result(case: ElementTree.Element) -> str:
    results = {"failure": "FAILED", "error": "FAILED", "skipped": "skipped"}
    return next((results[child.tag] for child in case if child.tag in results), "passed")
