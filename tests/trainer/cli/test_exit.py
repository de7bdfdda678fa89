"""Whatever goes wrong is one line and an exit code, and nothing of the user's is changed."""

from __future__ import annotations

import ast
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import trainer as package
from service.bundle import BundleRefused
from tests.support.photos import write_folder
from tests.support.runs import tree
from tests.support.trainer import (
    FAST,
    check_messages,
    command,
    error_of,
    fit,
    options_of,
    table,
    trainer,
    unknown_options,
)
from trainer.cli import exit as exit_module
from trainer.cli.exit import as_command_line, clear_errors
from trainer.errors import CatalogError, FitError, ProcessLost, RecipeError, TrainerError

PROGRAM = """
import atexit, sys
from trainer.cli.exit import exiting_at_once
atexit.register(print, "shut down")
with exiting_at_once():
    print("working")
    {end}
"""


def test_says_what_is_wrong_with_the_data(tmp_path: Path, run: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    single = write_folder(tmp_path / "single")
    for label in ("red", "green"):
        for path in (single / label).iterdir():
            path.unlink()
        (single / label).rmdir()
    listed = tmp_path / "table.csv"
    listed.write_text("path,label\nphotos/none.jpg,red\n")
    good = write_folder(tmp_path / "photos")
    strange = write_folder(tmp_path / "strange", each=1)
    (strange / "red").rename(strange / "purple")
    for arguments, message in (
        ((empty,), "no image"),
        ((single,), "only the class 'blue'"),
        ((listed,), "none.jpg"),
        ((listed,), "name the folder that they start from with --root"),
        ((listed, "--label-column", "kind"), "there is no column 'kind'"),
        ((good, "--root", tmp_path), "--root is for the paths in a CSV"),
        ((tmp_path / "nowhere",), "nowhere"),
        ((good, "--valid", strange), "'purple'"),
    ):
        result = fit(arguments[0], run, *arguments[1:])
        assert result.exit_code == 1
        assert message in error_of(result)
        assert not run.exists()


def test_says_what_is_wrong_with_the_options(photos: Path, run: Path, tmp_path: Path) -> None:
    for arguments, message in (
        (("--backbone", "resnet9000"), "there is no backbone 'resnet9000'"),
        (("--backbone", "timm/resnet9000"), "timm has no model 'resnet9000'"),
        (("--backbone", "resnet34"), "there is no backbone 'resnet34'; did you mean torchvision/resnet34?"),
        (("--backbone", "EfficientNet-Lite0"), "did you mean efficientnet_lite0?"),
        (("--backbone", "timm/convnext-atto"), "timm has no model 'convnext-atto'; did you mean timm/convnext_atto?"),
        (("--name", "\t"), "--name is '\\t'; it must be printable text"),
        (("--device", "tpu"), "no device tpu"),
        (("--epochs", "-1"), "--epochs is -1"),
        (("--epochs", "0"), "nothing would be trained"),
        (("--sizes", "16:1,32"), "--sizes is '16:1,32'"),
        (("--sizes", "16:1", "--epochs", "3"), "--epochs is 3, but --sizes is '16:1', 1 epochs"),
        (("--freeze", "early:two"), "--freeze is 'early:two'"),
        (("--freeze", "head"), "the head would never be trained: --freeze is 'head'"),
        (("--freeze", "head:2"), "the head would never be trained"),
        (("--accumulate", "9"), "--accumulate is 9; it must be from 1 to 8"),
        (("--recipe", tmp_path / "none.toml"), "cannot be read"),
        (("--weights", tmp_path / "none.safetensors"), "there is no weights file"),
    ):
        result = fit(photos, run, *arguments)
        assert result.exit_code == 2, result.output
        assert message in error_of(result)
        assert not run.exists()


def test_an_existing_run_is_left_as_it_is(photos: Path, run: Path) -> None:
    run.mkdir()
    (run / "mine.txt").write_text("precious")
    result = fit(photos, run)
    assert result.exit_code == 2
    assert "exists already, and nothing is overwritten; give another name for --out" in error_of(result)
    assert [path.name for path in run.iterdir()] == ["mine.txt"]


def test_many_broken_images_are_left_out_with_a_warning_and_too_many_are_refused(photos: Path, run: Path) -> None:
    for number in range(8):
        (photos / "red" / f"broken{number}.jpg").write_bytes(b"\xff\xd8\xff broken")
    (photos / "blue" / "page.jpg").write_text("<html>")
    result = fit(photos, run, "--allow-broken", "0.1")
    assert result.exit_code == 1
    message = error_of(result)
    assert "9 of 45 images cannot be decoded, more than 10%: 8 as red/broken0.jpg (The image cannot be" in message
    assert ", 1 as blue/page.jpg (This is not an image" in message
    assert message.endswith(f"leave them out with --allow-broken 0.2; they are listed in {run / 'unreadable.csv'}")
    assert len(table(run / "unreadable.csv")) == 9
    result = fit(photos, run)  # takes the place of the run that was refused
    assert result.exit_code == 0, result.output
    assert (
        "warning: 9 of 45 images cannot be decoded and are left out: 8 as red/broken0.jpg (The image" in result.stderr
    )
    assert len(table(run / "unreadable.csv")) == 9


def test_a_run_that_was_refused_continues_once_the_images_are_mended(photos: Path, run: Path) -> None:
    broken = [photos / "red" / f"broken{number}.jpg" for number in range(40)]
    for path in broken:
        path.write_bytes(b"broken")
    assert "40 of 76 images cannot be decoded, more than 50%" in error_of(fit(photos, run))
    again = trainer("resume", run, "--cache", run.parent / "cache")
    assert "40 of 76 images cannot be decoded, more than 50%" in error_of(again)
    for path in broken:
        path.unlink()
    result = trainer("resume", run, "--cache", run.parent / "cache")
    assert result.exit_code == 0, result.output
    assert not (run / "unreadable.csv").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_write_permission(photos: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    result = fit(photos, locked / "run")
    assert result.exit_code == 1
    assert "Permission denied" in error_of(result)


def test_a_folder_that_cannot_be_written_is_named(photos: Path) -> None:
    result = trainer("fit", photos, "--out", "/proc/run", "--cache", photos.parent / "cache", *FAST)
    assert result.exit_code == 1
    assert "/proc/run" in error_of(result)


def test_a_disk_that_is_full_during_an_export_loses_nothing(photos: Path, run: Path, tmp_path: Path) -> None:
    """A limit on the size of a file replaces a full disk: it makes the same writes fail."""
    assert fit(photos, run).exit_code == 0
    before = tree(run)
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "from trainer.cli import main\n"
        "main()\n"
    )
    arguments = ["export", str(run), "--out", str(tmp_path / "b"), "--cache", str(tmp_path / "cache")]
    process = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert process.returncode == 1
    check_messages(arguments, process.stderr)
    assert process.stderr.splitlines()[-1].startswith("error: ")
    assert "File too large" in process.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "photos", "run"]
    assert tree(run) == before
    assert trainer(*arguments).exit_code == 0


def test_ctrl_c_ends_with_one_line(photos: Path, run: Path) -> None:
    arguments = ["fit", str(photos), "--out", str(run), "--cache", str(run.parent / "cache"), *FAST]
    # If a shell started the tests in the background, they ignore Ctrl-C, and so would the processes that they start.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen([*command(*arguments), "--epochs", "10000"], stderr=subprocess.PIPE, text=True) as process:
        signal.signal(signal.SIGINT, handler)
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("finetune"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    check_messages(arguments, rest)
    last = rest.splitlines()[-1]
    assert last == f"error: interrupted; continue with: fieldguide resume {run}"
    assert "Traceback" not in rest
    assert (run / "checkpoints" / "best.safetensors").exists()


def end_with(error: BaseException, *, run: Path | None) -> None:
    """A command that trains `run`, and ends with this error."""
    with clear_errors() as command:
        command.run = run
        raise error


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("exists", [True, False])
def test_only_a_run_in_training_can_be_resumed(
    run: Path, named: bool, exists: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """After `evaluate` or `report` was stopped, the message said to resume a run that was finished."""
    if exists:
        run.mkdir()
    with pytest.raises(SystemExit) as exit_:
        end_with(KeyboardInterrupt(), run=run if named else None)
    assert exit_.value.code == 130
    more = f"; continue with: fieldguide resume {run}" if named and exists else ""
    assert capsys.readouterr().err == f"error: interrupted{more}\n"


@pytest.mark.parametrize(
    ("training", "number", "named"),
    [(True, errno.ENOSPC, True), (False, errno.ENOSPC, False), (True, errno.EIO, False)],
)
def test_only_a_full_disk_in_training_names_the_command_that_resumes(
    run: Path, training: bool, number: int, named: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    run.mkdir()
    with pytest.raises(SystemExit) as exit_:
        end_with(OSError(number, os.strerror(number), "a file"), run=run if training else None)
    assert exit_.value.code == 1
    line = capsys.readouterr().err
    assert line.startswith(f"error: a file: {os.strerror(number)}")
    assert (f"; free space and continue with: fieldguide resume {run}" in line) == named


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CatalogError("wrong"), 1),
        (FitError("wrong"), 1),
        (RecipeError("wrong"), 2),
        (FileExistsError("wrong"), 2),
        (BundleRefused("wrong"), 3),
        (OSError("wrong"), 1),
    ],
)
def test_exit_codes(error: Exception, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_, clear_errors():
        raise error
    assert exit_.value.code == code
    assert capsys.readouterr().err == "error: wrong\n"


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), clear_errors():
        _ = 1 / 0


def test_of_several_processes_the_main_one_reports_that_another_ended(capsys: pytest.CaptureFixture[str]) -> None:
    for is_main, message in ((True, "continues with fieldguide resume RUN\n"), (False, "")):
        with pytest.raises(SystemExit) as exit_, clear_errors():
            raise ProcessLost(is_main=is_main, reason="gone")
        assert exit_.value.code == TrainerError.exit_code
        assert capsys.readouterr().err.endswith(message)


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("valid_fraction", "--valid-fraction"),
        ("sizes, epochs", "--sizes --epochs"),
        ("precision='fp32'", "--precision fp32"),
        ("head_epochs=0", "--head-epochs 0"),
        ("label_delimiter=';'", "--label-delimiter ';'"),
        ("name='my bears'", "--name 'my bears'"),
        ("resume('RUN')", "fieldguide resume RUN"),
        ("lr_find('photos')", "fieldguide lr-find photos"),
        ("export('run', out='BUNDLE')", "fieldguide export run --out BUNDLE"),
        ("resume('my 1st run')", "fieldguide resume 'my 1st run'"),
        ('resume("the teacher\'s run")', """fieldguide resume 'the teacher'"'"'s run'"""),
        ("resume('a `b` c')", "fieldguide resume 'a `b` c'"),
        ("resume('(1)')", "fieldguide resume '(1)'"),
        ("resume('C:\\\\x')", "fieldguide resume 'C:\\x'"),
    ],
)
def test_names_of_the_python_api_are_shown_as_options_and_commands(code: str, shown: str) -> None:
    assert as_command_line(f"try `{code}`, or not") == f"try {shown}, or not"


@pytest.mark.parametrize(
    "text",
    [
        *("my photos", "dog", "torch.compile", "x y()", "1e-3", "(", "item()", "a=b", "f(*x)", "fit(a=1)", "x()()"),
        *("\0", "()" * 5000),
    ],
)
def test_text_in_backquotes_that_is_not_a_name_of_the_api_stays_as_it_is(text: str) -> None:
    """The label of an image may be anything; some raised an exception, others were removed."""
    assert as_command_line(f"the label is `{text}`.") == f"the label is `{text}`."


def test_text_outside_backquotes_stays_as_it_is() -> None:
    text = "the label 'valid_fraction' costs 5` or `\n`fit('x')"
    assert as_command_line(text).startswith("the label 'valid_fraction' costs 5")
    assert as_command_line("resume('RUN'), lr=1") == "resume('RUN'), lr=1"
    assert as_command_line("one ` alone") == "one ` alone"


def _messages() -> list[str]:
    """Every text of the trainer with names in backquotes that is not a docstring; values are replaced by X."""
    texts = []
    for path in sorted({*Path(package.__path__[0]).rglob("*.py")} - {Path(exit_module.__file__)}):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)} - {
            id(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
        }
        for node in ast.walk(tree):
            if id(node) in docstrings | inside:
                continue
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                texts.append("".join(_template(part) for part in node.values))
    return [text for text in (text.replace("`X`", "X") for text in texts) if text.count("`") > 1]


def _template(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    assert isinstance(part, ast.FormattedValue)
    return "'X'" if part.conversion == ord("r") else "X"


MESSAGES = _messages()


@pytest.mark.parametrize("message", MESSAGES, ids=range(len(MESSAGES)))
def test_every_message_names_only_what_the_command_line_has(message: str) -> None:
    shown = as_command_line(message.replace("=X", "=1"))
    assert "`" not in shown
    commands = ("fit", "check", "clean", "download", "search", "export", "calibrate", "import")
    assert not unknown_options(shown, {option for name in commands for option in options_of(name)})


def test_there_are_messages_that_name_parameters() -> None:
    assert len(MESSAGES) > 20


def run_program(end: str, *, processes: int) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-c", PROGRAM.format(end=end)]
    environment = {**os.environ, "WORLD_SIZE": str(processes)}
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("end", "code"), [("pass", 0), ("sys.exit()", 0), ("sys.exit(2)", 2), ("1 / 0", 1)])
def test_one_process_of_several_ends_without_interpreter_shutdown(end: str, code: int) -> None:
    """A fit that was finished aborted once: `terminate called without an active exception`."""
    together = run_program(end, processes=2)
    assert (together.returncode, together.stdout) == (code, "working\n")
    assert ("ZeroDivisionError" in together.stderr) == (end == "1 / 0")
    alone = run_program(end, processes=1)
    assert (alone.returncode, alone.stdout) == (code, "working\nshut down\n")


@pytest.mark.parametrize("processes", [1, 2])
def test_the_trainer_ends_like_that(tmp_path: Path, processes: int) -> None:
    (tmp_path / "sitecustomize.py").write_text("import atexit; atexit.register(print, 'shut down')")
    paths = os.pathsep.join([str(tmp_path), str(Path(package.__path__[0]).parent)])
    environment = {**os.environ, "WORLD_SIZE": str(processes), "PYTHONPATH": paths}
    done = subprocess.run(command("--version"), env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert "fieldguide 0." in done.stdout
    assert ("shut down" in done.stdout) == (processes == 1)


def test_a_command_of_one_process_is_refused_under_torchrun(monkeypatch: pytest.MonkeyPatch, run: Path) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    result = trainer("report", run)
    assert result.exit_code == 2
    assert "report runs in one process; start it without torchrun" in result.stderr
