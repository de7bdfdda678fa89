"""The commands that the command line suggests can be pasted; RUN may be named by dots."""

from __future__ import annotations

import json
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest
from click.testing import Result

from tests.support.photos import write_tagged_csv
from tests.support.trainer import fit, trainer

# A fit that takes a second, without its learning rate.
OPTIONS = ("--backbone", "tiny", "--epochs", "2", "--batch-size", "8", "--device", "cpu")


def suggested(result: Result) -> list[str]:
    """The words of the command in the last line, as a shell splits them."""
    assert result.exit_code == 0, result.output
    start, _, line = result.stdout.rstrip("\n").rpartition("\n")[2].partition(":")
    assert start == "next"
    return shlex.split(line)


def test_lr_find_suggests_a_fit_with_the_same_options(tmp_path: Path, cache: Path) -> None:
    """It suggested a fit of DATA alone: without --valid, --label-delimiter, --recipe that trained something else."""
    data, valid = (write_tagged_csv(tmp_path / name) for name in ("my tags", "other's tags"))
    recipe, run = tmp_path / "my recipe.toml", tmp_path / "run"
    recipe.write_text("dropout = 0.125\n")
    options = (
        *("--valid", valid, "--label-column", "tags", "--label-delimiter", ";", "--recipe", recipe, "--seed", "3"),
        *("--mixup", "0.2", "--cache", cache, *OPTIONS),
    )
    words = suggested(trainer("lr-find", data, *options, "--out", tmp_path / "found"))
    assert words[:3] == ["fieldguide", "fit", str(data)]
    auto = ["--lr", "auto"] if words[-2:] == ["--lr", "auto"] else []  # only if the result is clear
    assert sorted(words[3:]) == sorted([*map(str, options), *auto])
    pasted = trainer(*words[1:], "--out", run, "--lr", "0.02")  # so that nothing is swept
    assert pasted.exit_code == 0, pasted.output
    written = tomllib.loads((run / "recipe.toml").read_text())
    assert written["data"]["valid"] == str(valid)
    assert written["data"]["label_delimiter"] == ";"
    assert (written["dropout"], written["seed"], written["finetune"]["mixup"]) == (0.125, 3, 0.2)


def test_sample_suggests_a_fit_that_can_be_pasted_if_its_name_has_quotes(tmp_path: Path) -> None:
    folder = tmp_path / "the teacher's digits"
    words = suggested(trainer("sample", folder))
    assert words == [
        *("fieldguide", "fit", str(folder), "--recipe", f"{folder}-recipe.toml"),
    ]


def test_what_fit_suggests_can_be_pasted_if_the_name_of_the_run_has_spaces(
    photos: Path, tmp_path: Path, cache: Path
) -> None:
    run = tmp_path / "my 1st run"
    assert suggested(fit(photos, run)) == ["fieldguide", "serve", str(run / "bundle")]
    shutil.rmtree(run / "bundle")
    for result in (fit(photos, run), trainer("report", run)):
        assert result.exit_code == 2
        words = shlex.split(result.stderr.rpartition(" with ")[2])
        assert words == ["fieldguide", "resume", str(run)]
    assert trainer(*words[1:], "--cache", cache).exit_code == 0


def test_a_run_may_be_named_by_dots(photos: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`resume .` ended in a traceback, and `resume ..` suggested a next run with the name `..-2`."""
    run = tmp_path / "run"
    assert fit(photos, run).exit_code == 0
    for inside, name in ((".", "."), ("checkpoints", "..")):
        monkeypatch.chdir(run / inside)
        shutil.rmtree(run / "bundle")
        resumed = trainer("resume", name, "--cache", cache)
        assert resumed.exit_code == 0, resumed.output
        findings = json.loads((run / "diagnosis.json").read_text())["findings"]
        tried = [shlex.split(finding["try"]) for finding in findings if finding["try"]]
        assert {Path(words[words.index("--out") + 1]) for words in tried if "--out" in words} == {tmp_path / "run-2"}
        (run / "report.html").unlink()
        assert trainer("report", name).exit_code == 0
        assert (run / "report.html").is_file()
        assert "exists already, and nothing is overwritten" in fit(photos, Path(name)).stderr
    exported = trainer("export", "..", "--out", "../../again", "--cache", cache)
    assert exported.exit_code == 0, exported.output
    assert (tmp_path / "again" / "manifest.json").is_file()
