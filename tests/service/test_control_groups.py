from __future__ import annotations

from pathlib import Path

import pytest

from service.control_groups import memory_limit_bytes
from tests.support.files import write_files


def test_without_control_groups(tmp_path: Path) -> None:
    assert memory_limit_bytes(root=tmp_path) is None


@pytest.mark.parametrize(("text", "limit"), [("268435456\n", 268435456), ("max\n", None), ("", None)])
def test_version_2(tmp_path: Path, text: str, limit: int | None) -> None:
    write_files(tmp_path, **{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": text})
    assert memory_limit_bytes(root=tmp_path) == limit


def test_version_2_the_smallest_of_the_group_and_its_parents(tmp_path: Path) -> None:
    write_files(
        tmp_path,
        **{
            "proc/self/cgroup": "0::/kubepods/pod/container\n",
            "sys/fs/cgroup/kubepods/pod/container/memory.max": "900\n",
            "sys/fs/cgroup/kubepods/pod/memory.max": "700\n",
            "sys/fs/cgroup/kubepods/memory.max": "max\n",
        },
    )
    assert memory_limit_bytes(root=tmp_path) == 700


def test_version_2_beyond_high_a_process_is_slowed_down(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/memory.max": "900\n", "sys/fs/cgroup/memory.high": "800\n"}
    write_files(tmp_path, **{"proc/self/cgroup": "0::/\n", **files})
    assert memory_limit_bytes(root=tmp_path) == 800


@pytest.mark.parametrize(("text", "limit"), [("536870912\n", 536870912), ("9223372036854771712\n", None)])
def test_version_1(tmp_path: Path, text: str, limit: int | None) -> None:
    write_files(
        tmp_path,
        **{"proc/self/cgroup": "4:memory:/\n1:cpu:/\n0::/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": text},
    )
    assert memory_limit_bytes(root=tmp_path) == limit


def test_version_1_in_a_container_whose_path_is_that_of_the_host(tmp_path: Path) -> None:
    write_files(
        tmp_path,
        **{"proc/self/cgroup": "4:memory:/docker/1\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000\n"},
    )
    assert memory_limit_bytes(root=tmp_path) == 1000


@pytest.mark.parametrize(
    ("text", "limit"), [("900000\n", 900000), ("max\n", 1010000 * 1024), ("2000000000\n", 1010000 * 1024)]
)
def test_a_machine_with_less_memory_than_the_group_allows(tmp_path: Path, text: str, limit: int) -> None:
    write_files(
        tmp_path,
        **{
            "proc/meminfo": "MemTotal:        1010000 kB\nMemFree:          500000 kB\n",
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": text,
        },
    )
    assert memory_limit_bytes(root=tmp_path) == limit


def test_the_groups_of_this_process_and_its_machine_can_be_read() -> None:
    if Path("/proc/meminfo").exists():
        assert (memory_limit_bytes() or 0) > 0
