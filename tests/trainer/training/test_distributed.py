"""Processes that torchrun starts train together as one process does alone."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from click.testing import CliRunner

from tests.support.photos import write_folder
from tests.support.training import read_events
from trainer.cli import main
from trainer.model.tiny import Tiny
from trainer.progress import WarningsOnly
from trainer.training.distributed import Distributed

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
# Batches of 7 are uneven for any number of processes; a shard ends within the partners of mixed images.
OPTIONS = (
    "--backbone", "tiny", "--epochs", "6", "--batch-size", "7", "--lr", "0.02", "--device", "cpu", "--mixup", "0.4",
    "--cutmix", "1", "--balance", "loss", "--clip-norm", "1", "--accumulate", "3",
)  # fmt: skip


def torchrun(count: int, *arguments: str | Path) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count), "-m"]
    return [*launcher, *map(str, arguments)]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)


def tensors_of(run: Path, name: str) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(run / "checkpoints" / f"{name}.safetensors")


def timeless_events(run: Path) -> list[Any]:
    """Every event of the history without the values that are times."""
    clocks = ("seconds", "images_per_second")
    return [{name: value for name, value in event.items() if name not in clocks} for event in read_events(run)]


def files_of(run: Path) -> list[str]:
    return sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())


def require_equal(run: Path, alone: Path) -> None:
    """Require the same weights, averages, moments and metrics, up to rounding, and the same files."""
    for name in ("best", "last"):
        torch.testing.assert_close(tensors_of(run, name), tensors_of(alone, name), rtol=1e-3, atol=1e-5)
    for event, expected in zip(timeless_events(run), timeless_events(alone), strict=True):
        nested = [key for key, value in expected.items() if isinstance(value, dict)]
        for key in nested:
            assert event.pop(key) == pytest.approx(expected.pop(key), abs=1e-4)
        assert event.pop("frozen", []) == expected.pop("frozen", [])
        assert event == pytest.approx(expected, abs=1e-4)
    assert files_of(run) == files_of(alone)


@pytest.fixture(scope="module")
def fit(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """`fit` with everything but --out: weights from a file, no dropout, a checkpoint at every step."""
    folder = tmp_path_factory.mktemp("data")
    torch.manual_seed(0)
    safetensors.torch.save_file(Tiny().state_dict(), folder / "tiny.safetensors")
    (folder / "recipe.toml").write_text("checkpoint_s = 0\ndropout = 0.0\n")
    paths = {"--weights": "tiny.safetensors", "--recipe": "recipe.toml", "--cache": "cache"}
    options = [word for option, name in paths.items() for word in (option, str(folder / name))]
    return ("fit", str(write_folder(folder / "photos")), *OPTIONS, *options)


@pytest.fixture(scope="module")
def alone(fit: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The RUN of one process."""
    target = tmp_path_factory.mktemp("alone") / "run"
    result = CliRunner().invoke(main, [*fit, "--out", str(target)])
    assert result.exit_code == 0, result.stderr
    return target


def test_two_processes_train_as_one(fit: tuple[str, ...], alone: Path, tmp_path: Path) -> None:
    done = run(torchrun(2, "trainer", *fit, "--json", "--out", tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"] == str(tmp_path / "run")  # one object: only the main process prints
    require_equal(tmp_path / "run", alone)


def test_a_process_without_an_image_trains_along_in_fp16(fit: tuple[str, ...], tmp_path: Path) -> None:
    """Its gradient scaler has never seen a loss."""
    more = ("--batch-size", "1", "--accumulate", "1", "--epochs", "1", "--precision", "fp16", "--mixup", "0")
    done = run(torchrun(2, "trainer", *fit, *more, "--cutmix", "0", "--out", tmp_path / "run"))
    assert done.returncode == 0, done.stderr


def test_two_processes_use_the_learning_rates_that_one_of_them_found(
    fit: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With all that changes between epochs; compared with one process that was given these learning rates."""
    folder = tmp_path_factory.mktemp("found")
    more = ("--sizes", "16:1,32:2", "--freeze", "early:1,late:2", "--balance", "sampler", "--head-epochs", "3")
    asked = [*fit[:2], *more, *(word for word in fit[2:] if word not in ("--epochs", "6"))]
    done = run(torchrun(2, "trainer", *asked, "--lr", "auto", "--out", folder / "together"))
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "together" / "lr_find.json").read_text())
    lrs = {stage: found[stage]["suggestion"] for stage in ("head", "finetune")}
    recipe = folder / "given.toml"
    recipe.write_text(f"checkpoint_s = 0\ndropout = 0.0\n[head]\nlr = {lrs['head']!r}\n")
    alone = CliRunner().invoke(
        main, [*asked, "--recipe", str(recipe), "--lr", repr(lrs["finetune"]), "--out", str(folder / "alone")]
    )
    assert alone.exit_code == 0, alone.stderr
    for name in ("lr_find.json", "lr_find.png"):
        (folder / "together" / name).unlink()
    require_equal(folder / "together", folder / "alone")


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_train_as_one(fit: tuple[str, ...], tmp_path: Path) -> None:
    """Their gradients are sent by nccl."""
    asked = [*fit, "--precision", "fp32", "--device", "cuda"]
    alone = CliRunner().invoke(main, [*asked, "--out", str(tmp_path / "alone")])
    assert alone.exit_code == 0, alone.stderr
    done = run(torchrun(2, "trainer", *asked, "--out", tmp_path / "together"))
    assert done.returncode == 0, done.stderr
    one, other = (timeless_events(tmp_path / name) for name in ("alone", "together"))
    assert [event["event"] for event in one] == [event["event"] for event in other]
    losses = [[event["loss"] for event in events if event["event"] == "step"] for events in (one, other)]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert files_of(tmp_path / "together") == files_of(tmp_path / "alone")


def test_a_killed_process_ends_all_and_more_processes_resume(fit: tuple[str, ...], alone: Path, tmp_path: Path) -> None:
    target = tmp_path / "run"
    with subprocess.Popen(torchrun(2, "trainer", *fit, "--out", target), env=ENVIRONMENT) as launcher:
        wait_for((target / "checkpoints" / "last.safetensors").exists, launcher)
        first, second = sorted(workers_of(launcher.pid), key=rank_of)
        os.kill(second, signal.SIGKILL)
        assert launcher.wait(timeout=100) != 0
    assert not Path("/proc", str(first)).exists()
    assert not (target / "bundle").exists()
    done = run(torchrun(3, "trainer", "resume", target, *fit[-2:], "--device", "cpu"))
    assert done.returncode == 0, done.stderr
    assert "resumed at step" in done.stderr
    require_equal(target, alone)


def test_an_error_is_printed_once(fit: tuple[str, ...], alone: Path) -> None:
    before = files_of(alone)
    done = run(torchrun(2, "trainer", *fit, "--out", alone))
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "exists already" in errors[0]
    assert files_of(alone) == before


def test_processes_keep_equal_weights_if_norms_are_trained_and_some_have_no_image(tmp_path: Path) -> None:
    """Three processes, two images a step."""
    photos = write_folder(tmp_path / "photos", each=4)
    done = run(torchrun(3, "tests.support.replicas", photos, tmp_path))
    assert done.returncode == 0, done.stderr
    first, *others = (safetensors.torch.load_file(tmp_path / f"{rank}.safetensors") for rank in range(3))
    means = [tensor for name, tensor in first.items() if name.endswith("running_mean")]
    assert means
    assert all(mean.abs().max() > 0 for mean in means)
    for other in others:
        for name, tensor in first.items():
            if not name.endswith("num_batches_tracked"):
                assert torch.equal(other[name], tensor), name


@pytest.mark.parametrize("count", [0, 1, 5, 32])
@pytest.mark.parametrize("world_size", [1, 2, 3, 8])
def test_shards_are_everything_once_in_order(count: int, world_size: int) -> None:
    shards = [range(count)[Distributed(rank=rank, world_size=world_size).shard(count)] for rank in range(world_size)]
    assert [number for shard in shards for number in shard] == list(range(count))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_a_process_that_lost_another_says_how_it_noticed() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    program = (
        "import os\n"
        "from trainer.errors import ProcessLost\n"
        "from trainer.training.distributed import init_distributed\n"
        "with init_distributed() as distributed:\n"
        "    distributed.barrier()\n"
        "    if not distributed.is_main:\n"
        "        os._exit(1)\n"
        "    try:\n"
        "        distributed.barrier()\n"
        "    except ProcessLost as error:\n"
        "        print(error)\n"
        "        os._exit(0)\n"
    )
    given = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    first, second = (
        subprocess.Popen(
            [sys.executable, "-c", program],
            env={**ENVIRONMENT, **given, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    )
    with first, second:
        printed, _ = first.communicate(timeout=100)
    assert (first.returncode, second.returncode) == (0, 1)
    reason = re.search(r"ended before its work was done \((.+)\); its own message or torchrun's says why", printed)
    assert reason is not None, printed
    assert re.search("(?i)connection|peer|read|recv", reason[1])


def test_other_processes_report_their_warnings_only() -> None:
    """Such as that the memory of their GPU is too small for a batch."""
    printed: list[str] = []
    progress = WarningsOnly(printed.append)
    progress.start("epoch 1/2", 10)
    progress.advance()
    progress.info("epoch 1  |  accuracy 0.9")
    progress.warn("out of memory with 8 images at once on cuda:1; continuing with 4")
    assert printed == ["warning: out of memory with 8 images at once on cuda:1; continuing with 4"]


def wait_for(happened: Callable[[], bool], launcher: subprocess.Popen[bytes]) -> None:
    while not happened():
        assert launcher.poll() is None
        time.sleep(0.005)


def workers_of(launcher: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()]


def rank_of(pid: int) -> int:
    variables = dict(entry.partition(b"=")[::2] for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
    return int(variables[b"RANK"])


@pytest.mark.parametrize("command", ["lr-find", "export", "report", "sample"])
def test_a_command_for_one_process_refuses_to_be_started_by_torchrun(command: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, [command, str(tmp_path / "there")], env={"WORLD_SIZE": "2", "RANK": "0"})
    assert done.exit_code == 2
    assert f"{command} runs in one process; start it without torchrun" in done.stderr
    assert not (tmp_path / "there").exists()
