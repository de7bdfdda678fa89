"""The command `fieldguide`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from fieldguide.cli import cli
from service import __version__
from service.cli import cli as service_cli
from service.console import SectionedCommand
from tests.support.trainer import FAST
from trainer.cli import main as trainer_cli

COMMAND = Path(sys.executable).with_name("fieldguide")


def test_it_has_the_commands_of_both_programs_in_the_order_of_the_work() -> None:
    assert list(cli.commands) == [
        *(
            "sample",
            "search",
            "download",
            "check",
            "show",
            "lr-find",
            "fit",
            "resume",
            "evaluate",
            "compare",
            "report",
            "clean",
            "export",
            "calibrate",
            "import",
            "cache",
        ),
        *("serve", "predict", "verify", "sign", "sizing", "deploy"),
    ]
    assert set(cli.commands) == {*trainer_cli.commands, *service_cli.commands, "deploy"}


@pytest.mark.parametrize("command", [[str(COMMAND)], [sys.executable, "-m", "fieldguide"]])
def test_the_command_and_the_module_are_the_same(command: list[str]) -> None:
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"fieldguide {__version__}\n"
    listed = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    assert listed.startswith("Usage: fieldguide [OPTIONS] COMMAND [ARGS]...")
    assert "..." not in listed.partition("Commands:")[2]  # every summary fits on its line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fti", "photos"], "No such command 'fti'. Did you mean 'fit'? See 'fieldguide --help'."),
        (["train", "photos"], "No such command 'train'. Did you mean 'fit'? See 'fieldguide --help'."),
        (["lr_find", "photos"], "No such command 'lr_find'. Did you mean 'lr-find'? See 'fieldguide --help'."),
        (["start", "run"], "No such command 'start'. Did you mean 'serve'? See 'fieldguide --help'."),
        (["trian", "photos"], "No such command 'trian'. Did you mean 'fit'? See 'fieldguide --help'."),
        (["Fit", "photos"], "No such command 'Fit'. Did you mean 'fit'? See 'fieldguide --help'."),
        ([__file__], f"{__file__!r} is not a command; write a command before it. See 'fieldguide --help'."),
        (["xyzzy"], "No such command 'xyzzy'. See 'fieldguide --help'."),
        (
            ["fit", "photos", "--epoch", "3"],
            "No such option '--epoch'. (Did you mean one of: '--epochs', '--head-epochs'?) See",
        ),
        (["serve", "b", "--max-pixel", "3"], "No such option '--max-pixel'. Did you mean '--max-pixels'? See"),
        (["fit", "photos", "--bs", "3"], "No such option '--bs'. Did you mean '--batch-size'? See"),
        (["fit", "photos", "--learning-rate", "3"], "No such option '--learning-rate'. Did you mean '--lr'? See"),
        (["lr-find", "photos", "--arch", "x"], "No such option '--arch'. Did you mean '--backbone'? See"),
        (["fit", "photos", "extra"], "Got unexpected extra argument (extra). See"),
        (["fit"], "Missing argument 'DATA'; write: fieldguide fit DATA. See 'fieldguide fit --help'."),
        (["predict", "photo.jpg"], "Missing argument 'IMAGE...'; write: fieldguide predict BUNDLE IMAGE.... See"),
        (["--nothing"], "No such option '--nothing'. See 'fieldguide --help'."),
        (["serve", "b", "--port", "x"], "--port must be a whole number from 0 to 65535, not 'x'."),
    ],
)
def test_wrong_use_is_one_line_with_a_suggestion(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(cli, arguments, prog_name="fieldguide")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {message}")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_without_a_command_it_shows_its_help() -> None:
    result = CliRunner().invoke(cli, [], prog_name="fieldguide")
    assert result.exit_code == 2
    assert "Commands:" in result.output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("fieldguide lr", "lr-find"),
        ("fieldguide fit --back", "--backbone"),
        ("fieldguide fit --balance s", "sampler"),
        ("fieldguide serve --max-p", "--max-pixels"),
        ("fieldguide export --golden v", "validation"),
    ],
)
def test_the_shell_completes_commands_options_and_choices(words: str, expected: str) -> None:
    environment = {
        **os.environ,
        "_FIELDGUIDE_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = subprocess.run([COMMAND], env=environment, capture_output=True, text=True, check=True)
    assert f"plain,{expected}" in done.stdout.splitlines()


def test_completing_after_a_wrong_command_prints_no_error() -> None:
    """It stood in the prompt."""
    words = {"COMP_WORDS": "fieldguide train ", "COMP_CWORD": "2"}
    environment = {**os.environ, "_FIELDGUIDE_COMPLETE": "bash_complete", **words}
    done = subprocess.run([COMMAND], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_a_name_cannot_control_the_terminal(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["resume", str(tmp_path / "no\x1b[31msuch\nrun")])
    assert result.exit_code == 2
    assert "\x1b" not in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_reader_that_leaves_early_is_no_error() -> None:
    """`fieldguide serve --help | head -1` ended in a traceback."""
    with subprocess.Popen(
        [COMMAND, "fit", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def context_of(command: click.Command) -> click.Context:
    """A context as the group makes it. Click keeps the option for help that is made first."""
    return click.Context(command, parent=click.Context(cli, **cli.context_settings))


@pytest.mark.parametrize("name", cli.commands)
def test_every_option_has_a_phrase_a_default_and_a_section(name: str) -> None:
    command = cli.commands[name]
    assert isinstance(command, SectionedCommand)
    context = context_of(command)
    listed = [option for options in command.options_by_section(context).values() for option in options]
    for option in listed:
        phrase, _, rest = str(option.help).partition("  [")
        assert phrase[0].isupper()
        assert phrase.endswith(".")
        assert len(phrase.split()) > 2
        assert "default: " in rest or option.show_default or option.required or "--help" in option.opts, option.opts
    assert len(listed) == len([each for each in command.get_params(context) if isinstance(each, click.Option)])


@pytest.mark.parametrize("name", ["fit", "serve"])
def test_the_ten_options_that_most_people_need_come_first(name: str) -> None:
    command = cli.commands[name]
    assert isinstance(command, SectionedCommand)
    heading, first = next(iter(command.options_by_section(context_of(command)).items()))
    assert heading == "Most used"
    assert len(first) == 10


class TestRunWithoutAName:
    """`fit DATA` without --out."""

    def fit(self, data: Path, cache: Path) -> tuple[int, str]:
        result = CliRunner().invoke(cli, ["fit", str(data), "--cache", str(cache), *FAST, "--epochs", "1"])
        return result.exit_code, result.stderr

    def test_takes_the_name_of_the_images_and_says_so(
        self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for name in ("photos", "photos-2"):
            code, errors = self.fit(home / "photos", home / "cache")
            assert code == 0
            assert f"run: runs/{name}" in errors.splitlines()
            assert (tmp_path / "runs" / name / "bundle").is_dir()

    def test_is_not_named_if_the_images_cannot_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        code, errors = self.fit(tmp_path / "nothing", tmp_path / "cache")
        assert code == 1
        assert errors.startswith(f"error: {tmp_path}/nothing: there is no such folder or file; give a folder of images")
        assert errors.count("\n") == 1

    @pytest.mark.parametrize("data", [".", "..", "../photos"])
    def test_would_be_among_the_images(
        self, photos: Path, data: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(photos / "red" if data == ".." else photos)
        code, errors = self.fit(Path(data), tmp_path / "cache")
        assert code == 2
        assert f"error: runs would be in {data}, among the images; give a new folder elsewhere for --out" in errors
        assert not (photos / "runs").exists()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    from tests.support.photos import write_folder

    return write_folder(tmp_path / "photos")
