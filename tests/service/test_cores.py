import os

import pytest

from service.inference.cores import available_cores


@pytest.fixture(autouse=True)
def eight_schedulable_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def cores(tmp_path, own_cgroups, files):
    write(tmp_path / "own", own_cgroups)
    for name, text in files.items():
        write(tmp_path / "cgroup" / name, text)
    return available_cores(tmp_path / "cgroup", tmp_path / "own")


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("20000 100000\n", 1),
        ("6400000 100000\n", 8),
        ("max 100000\n", 8),
        ("nonsense", 8),
        ("100000 0", 8),
    ],
)
def test_quota_of_cgroup_v2_counts(tmp_path, quota, expected):
    assert cores(tmp_path, "0::/\n", {"cpu.max": quota}) == expected


def test_tightest_quota_of_group_and_parents_counts(tmp_path):
    files = {
        "pod/cpu.max": "300000 100000",
        "pod/container/cpu.max": "max 100000",
        "cpu.max": "500000 100000",
    }

    assert cores(tmp_path, "0::/pod/container\n", files) == 3


@pytest.mark.parametrize("group", ["/", "/docker/0123"], ids=["own namespace", "host's namespace"])
def test_quota_of_cgroup_v1_counts(tmp_path, group):
    files = {"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}

    assert cores(tmp_path, f"5:memory:/a\n4:cpu,cpuacct:{group}\n", files) == 4


def test_no_limit_of_cgroup_v1_is_minus_one(tmp_path):
    files = {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}

    assert cores(tmp_path, "4:cpu,cpuacct:/\n", files) == 8


def test_without_cgroups_the_affinity_counts(tmp_path):
    assert available_cores(tmp_path / "none", tmp_path / "nothing") == 8


def test_without_affinity_the_machines_cores_count(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)

    assert available_cores(tmp_path / "none", tmp_path / "nothing") == 6
