from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.cores import usable_cores
from tests.support.files import write_files


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)


def test_without_control_groups(tmp_path: Path) -> None:
    assert usable_cores(root=tmp_path) == 8


@pytest.mark.parametrize(
    ("quota", "cores"), [("max 100000", 8), ("150000 100000", 2), ("10000 100000", 1), ("1600000 100000", 8), ("", 8)]
)
def test_version_2(tmp_path: Path, quota: str, cores: int) -> None:
    write_files(tmp_path, **{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": quota})
    assert usable_cores(root=tmp_path) == cores


def test_version_2_a_parent_group_has_a_smaller_quota(tmp_path: Path) -> None:
    write_files(
        tmp_path,
        **{
            "proc/self/cgroup": "0::/pod/container\n",
            "sys/fs/cgroup/pod/container/cpu.max": "max 100000\n",
            "sys/fs/cgroup/pod/cpu.max": "300000 100000\n",
        },
    )
    assert usable_cores(root=tmp_path) == 3


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("200000", 2)])
def test_version_1(tmp_path: Path, quota: str, cores: int) -> None:
    write_files(
        tmp_path,
        **{
            "proc/self/cgroup": "5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": quota,
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
    )
    assert usable_cores(root=tmp_path) == cores


def test_affinity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3}, raising=False)
    assert usable_cores(root=tmp_path) == 1
