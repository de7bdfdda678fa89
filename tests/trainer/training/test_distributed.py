"""Distributed that torchrun starts train together as one would alone."""

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
from trainer.cli import main
from trainer.model.tiny import Tiny
from trainer.progress import WarningsOnly
from trainer.training.distributed import Distributed

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
# Batches of 7 are uneven for any number of processes; a share ends within the partners of mixed images.
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


def figures_of(run: Path) -> list[Any]:
    """Every number of the history but the clock's."""
    events = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    clocks = ("seconds", "images_per_second")
    return [{name: value for name, value in event.items() if name not in clocks} for event in events]


def files_of(run: Path) -> list[str]:
    return sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())


def require_alike(run: Path, alone: Path) -> None:
    """The same weights, averages, moments and metrics, rounding aside, and the same files."""
    for name in ("best", "last"):
        torch.testing.assert_close(tensors_of(run, name), tensors_of(alone, name), rtol=1e-3, atol=1e-5)
    for event, expected in zip(figures_of(run), figures_of(alone), strict=True):
        nested = [key for key, value in expected.items() if isinstance(value, dict)]
        for key in nested:
            assert event.pop(key) == pytest.approx(expected.pop(key), abs=1e-4)
        assert event.pop("frozen", []) == expected.pop("frozen", [])
        assert event == pytest.approx(expected, abs=1e-4)
    assert files_of(run) == files_of(alone)


@pytest.fixture(scope="module")
def fit(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """`fit` with everything but --out: weights that count as pretrained, no dropout, a state saved at every step."""
    folder = tmp_path_factory.mktemp("data")
    torch.manual_seed(0)
    safetensors.torch.save_file(Tiny().state_dict(), folder / "tiny.safetensors")
    (folder / "recipe.toml").write_text("checkpoint_s = 0\ndropout = 0.0\n")
    places = {"--weights": "tiny.safetensors", "--recipe": "recipe.toml", "--cache": "cache"}
    options = [word for option, name in places.items() for word in (option, str(folder / name))]
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
    assert json.loads(done.stdout)["run"] == str(tmp_path / "run")  # one object: one process speaks
    require_alike(tmp_path / "run", alone)


def test_a_process_without_an_image_takes_part_in_fp16(fit: tuple[str, ...], tmp_path: Path) -> None:
    """Its loss scaler knew no scale yet, and it ended in a traceback."""
    more = ("--batch-size", "1", "--accumulate", "1", "--epochs", "1", "--precision", "fp16", "--mixup", "0")
    done = run(torchrun(2, "trainer", *fit, *more, "--cutmix", "0", "--out", tmp_path / "run"))
    assert done.returncode == 0, done.stderr


def test_two_processes_take_the_rates_that_one_of_them_found(
    fit: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With all that changes from one epoch to another; compared with one process that is told the rates."""
    folder = tmp_path_factory.mktemp("found")
    more = ("--sizes", "16:1,32:2", "--freeze", "early:1,late:2", "--balance", "sampler", "--head-epochs", "3")
    asked = [*fit[:2], *more, *(word for word in fit[2:] if word not in ("--epochs", "6"))]
    done = run(torchrun(2, "trainer", *asked, "--lr", "auto", "--out", folder / "together"))
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "together" / "lr_find.json").read_text())
    rates = {stage: found[stage]["chosen"] for stage in ("head", "finetune")}
    told = folder / "told.toml"
    told.write_text(f"checkpoint_s = 0\ndropout = 0.0\n[head]\nrate = {rates['head']!r}\n")
    alone = CliRunner().invoke(
        main, [*asked, "--recipe", str(told), "--lr", repr(rates["finetune"]), "--out", str(folder / "alone")]
    )
    assert alone.exit_code == 0, alone.stderr
    for name in ("lr_find.json", "lr_find.png"):
        (folder / "together" / name).unlink()
    require_alike(folder / "together", folder / "alone")


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_train_as_one(fit: tuple[str, ...], tmp_path: Path) -> None:
    """Their gradients go through nccl."""
    asked = [*fit, "--precision", "fp32", "--device", "cuda"]
    alone = CliRunner().invoke(main, [*asked, "--out", str(tmp_path / "alone")])
    assert alone.exit_code == 0, alone.stderr
    done = run(torchrun(2, "trainer", *asked, "--out", tmp_path / "together"))
    assert done.returncode == 0, done.stderr
    one, other = (figures_of(tmp_path / name) for name in ("alone", "together"))
    assert [event["event"] for event in one] == [event["event"] for event in other]
    losses = [[event["loss"] for event in events if event["event"] == "step"] for events in (one, other)]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert files_of(tmp_path / "together") == files_of(tmp_path / "alone")


def test_a_killed_process_ends_all_and_more_processes_go_on(fit: tuple[str, ...], alone: Path, tmp_path: Path) -> None:
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
    require_alike(target, alone)


def test_what_is_wrong_is_said_once(fit: tuple[str, ...], alone: Path) -> None:
    before = files_of(alone)
    done = run(torchrun(2, "trainer", *fit, "--out", alone))
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "exists already" in errors[0]
    assert files_of(alone) == before


def test_processes_stay_alike_where_norms_learn_and_some_have_no_image(tmp_path: Path) -> None:
    """Three processes, two images a step: none drifts away from the others."""
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
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_shares_are_everything_once(count: int, size: int) -> None:
    shares = [range(count)[Distributed(rank=rank, world_size=size).shard(count)] for rank in range(size)]
    assert [place for share in shares for place in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_process_that_lost_another_says_how_it_found_out() -> None:
    """Whatever had failed, it said that another process had ended, and nothing else."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    program = (
        "import os\n"
        "from trainer.training import ProcessLost, init_distributed\n"
        "with init_distributed() as processes:\n"
        "    processes.barrier()\n"
        "    if not processes.is_main:\n"
        "        os._exit(1)\n"
        "    try:\n"
        "        processes.barrier()\n"
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
        said, _ = first.communicate(timeout=100)
    assert (first.returncode, second.returncode) == (0, 1)
    reason = re.search(r"ended before its work was done \((.+)\); what it or torchrun said", said)
    assert reason is not None, said
    assert re.search("(?i)connection|peer|read|recv", reason[1])


def test_other_processes_tell_their_warnings_only() -> None:
    """That the memory of their GPU is too small for a batch, nobody heard."""
    told: list[str] = []
    progress = WarningsOnly(told.append)
    progress.start("epoch 1/2", 10)
    progress.advance()
    progress.info("epoch 1  |  accuracy 0.9")
    progress.info("warning: out of memory with 8 images at once on cuda:1: going on with 4")
    assert told == ["warning: out of memory with 8 images at once on cuda:1: going on with 4"]


def wait_for(there: Callable[[], bool], launcher: subprocess.Popen[bytes]) -> None:
    while not there():
        assert launcher.poll() is None
        time.sleep(0.005)


def workers_of(launcher: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()]


def rank_of(pid: int) -> int:
    variables = dict(entry.partition(b"=")[::2] for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
    return int(variables[b"RANK"])


@pytest.mark.parametrize("verb", ["lr-find", "export", "report", "sample"])
def test_what_works_in_one_process_says_so_to_torchrun(verb: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, [verb, str(tmp_path / "there")], env={"WORLD_SIZE": "2", "RANK": "0"})
    assert done.exit_code == 2
    assert f"{verb} works in one process; start it without torchrun" in done.stderr
    assert not (tmp_path / "there").exists()
