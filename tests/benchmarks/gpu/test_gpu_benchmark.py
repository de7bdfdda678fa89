"""The GPU's benchmark at its smallest, on the CPU."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tests.benchmarks.environment import ROOT
from tests.benchmarks.gpu import __main__ as benchmark
from tests.benchmarks.gpu.profile import covered_us
from tests.support.photos import write_folder


def run(*arguments: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.benchmarks.gpu", *map(str, arguments)]
    environment = {"PATH": "/usr/bin:/bin", "CUDA_VISIBLE_DEVICES": "", **environ}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)


def test_every_table_is_written(tmp_path: Path) -> None:
    photos = write_folder(tmp_path / "photos", each=6)
    done = run(photos, "--out", tmp_path / "out", "--trial")
    assert done.returncode == 0, done.stdout + done.stderr
    report = (tmp_path / "out" / "gpu.md").read_text()
    assert done.stdout == report
    parts = {title: text for title, _, text in (part.partition("\n") for part in report.split("### "))}
    header = next(iter(parts))
    assert header.startswith("A trial: everything at its smallest. ")
    assert "torch " in header
    assert "| `test_a_batch_that_the_gpu_cannot_hold_is_halved` | skipped |" in parts["Tests on the GPU"]
    speed = next(line for line in parts["Images per second"].splitlines() if line.startswith("| tiny "))
    name, precision, batch, trainer, synthetic, ratio, *fastai = (cell.strip() for cell in speed.split("|")[1:-1])
    assert (name, precision, batch, fastai) == ("tiny", "fp32", "4", ["", ""])
    assert int(trainer.replace(",", "")) > 0
    assert int(synthetic.replace(",", "")) > 0
    assert float(ratio.split()[0]) > 0
    assert "| kernel | of the time | calls a step | ms a step |" in parts["Where the time goes"]
    assert "`aten::" in parts["Where the time goes"]
    fits = parts["Fits"]
    for row in ("| default, photos not decoded yet | ", "| killed (SIGKILL) in epoch ", "| `--lr auto` | "):
        assert row in fits
    assert "Weights after the resumed fit: the same as those" in fits
    memory = parts["Out of memory"]
    assert "out of memory with 4 images at once on cpu; continuing with 2" in memory
    difference = next(line for line in memory.splitlines() if line.startswith("| too little memory "))
    assert float(difference.split("|")[3]) < 1e-3
    assert "FAILED" not in report
    assert "no time" not in report


def test_what_has_no_time_is_left_out(tmp_path: Path) -> None:
    photos = write_folder(tmp_path / "photos", each=6)
    done = run(photos, "--out", tmp_path / "out", "--trial", "--minutes", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("left out: no time") == 5


def test_it_is_refused_without_a_gpu(tmp_path: Path) -> None:
    photos = write_folder(tmp_path / "photos", each=1)
    done = run(photos, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "torch sees no GPU; use --trial to try the command on a CPU" in done.stderr
    assert not (tmp_path / "out").exists()


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert benchmark.missing_packages() == []
    version = metadata.version

    def without_timm(name: str) -> str:
        if name == "timm":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without_timm)
    assert benchmark.missing_packages() == ["timm"]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], 0),
        ([(0, 2), (5, 6)], 3),
        ([(5, 6), (0, 2)], 3),
        ([(0, 10), (2, 3), (9, 12)], 12),
        ([(0, 1), (0, 1)], 1),
    ],
)
def test_time_in_which_several_kernels_run_counts_once(spans: list[tuple[float, float]], expected: float) -> None:
    assert covered_us(spans) == expected
