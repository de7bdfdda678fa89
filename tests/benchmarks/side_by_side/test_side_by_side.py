from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import pytest

from tests.benchmarks.environment import Environment
from tests.benchmarks.process import process_tree
from tests.benchmarks.side_by_side.measure import Load, Measurement, measure_server
from tests.benchmarks.side_by_side.server_specs import Configuration, server_specs
from tests.benchmarks.side_by_side.table import advantages_table, measurements_table
from tests.support.bundles import COLOURS, make_image, write_tiny_bundle

OTHER_SERVERS = Path(__file__).parent / "other_servers"


@pytest.mark.parametrize("path", sorted(OTHER_SERVERS.glob("*.py")), ids=lambda path: path.stem)
def test_another_server_compiles(path: Path) -> None:
    compile(path.read_text(), path, "exec")


def test_the_script_of_every_server_exists() -> None:
    _, _, *others = server_specs(Path("bundle"))
    for spec in others:
        for configuration in spec.configurations:
            words = {word for argument in configuration.arguments for word in (argument, Path(argument).name)}
            assert words & {name for path in OTHER_SERVERS.iterdir() for name in _names(path)}, configuration


def _names(path: Path) -> tuple[str, ...]:
    return path.name, f"{path.stem}:app", f"{path.stem}:Classifier"


def test_our_server_is_measured_completely_and_leaves_no_process(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "bundle")
    _, ours, *_ = server_specs(bundle)  # in fp32
    images = [make_image(colour) for colour in COLOURS]
    load = Load(images=images, clients=2, seconds=0.3, warm_up_s=0.1)
    environment = Environment(folder=Path(sys.prefix))
    result = measure_server(ours.configurations[0], environment, load, model=tmp_path, log=tmp_path / "log")
    assert result.labels == COLOURS
    measured = {name: value for name, value in dataclasses.asdict(result).items() if name != "labels"}
    assert min(measured.values()) > 0, measured
    assert result.p50_ms <= result.p99_ms
    assert not [pid for pid in process_tree(os.getpid()) if str(bundle) in _command(pid)]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_the_error_of_a_server_that_does_not_start_has_its_log(tmp_path: Path) -> None:
    broken = Configuration(name="broken", program="python", arguments=("-c", "raise SystemExit('no model here')"))
    load = Load(images=[make_image()], clients=1, seconds=0.1)
    with pytest.raises(SystemExit, match="no model here"):
        measure_server(broken, Environment(folder=Path(sys.prefix)), load, model=tmp_path, log=tmp_path / "log")


def test_the_tables_compare_within_a_round() -> None:
    fast, slow = _measurement(120.0, ("a", "b")), _measurement(60.0, ("a", "b"))
    measured = {
        "ours": [fast, slow, fast],
        "theirs": [_measurement(40.0, ("a", "c")), _measurement(10.0, ("a", "c")), slow],
    }
    sizes = {"ours": 200_000_000, "theirs": 6_000_000_000}
    assert "| theirs | 40.0 (10.0 to 60.0) |" in measurements_table(measured, sizes)
    assert "| 6000 | 50.0% |" in measurements_table(measured, sizes)
    table = advantages_table(measured, sizes, "ours", {"theirs": 5.4})
    assert "| theirs | 3.00 (2.00 to 6.00) |" in table
    assert "| 30.00 | ≥ 5.4: missed |" in table


def _measurement(requests_per_s: float, labels: tuple[str, ...]) -> Measurement:
    return Measurement(
        requests_per_s=requests_per_s,
        p50_ms=10.0,
        p99_ms=20.0,
        ready_s=1.0,
        ready_bytes=1,
        loaded_bytes=1,
        labels=labels,
        server_s=1.0,
        client_s=1.0,
    )
