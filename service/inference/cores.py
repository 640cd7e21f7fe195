"""How many processor cores this process may really use.

`os.cpu_count` tells those of the host, also in a container that was granted two of them.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")


def available_cores(cgroups: Path = _CGROUPS, own_cgroups: Path = _OWN_CGROUPS) -> int:
    """Cores by the affinity mask and the CPU quota of the cgroup (v2 or v1), at least 1.

    Part of a core counts as one.

    Args:
        cgroups: where the cgroup file systems are mounted.
        own_cgroups: the file that names the groups of this process.

    Source: the Linux kernel's `Documentation/admin-guide/cgroup-v2.rst`, `cpu.max`, and
    `Documentation/scheduler/sched-bwc.rst`, `cpu.cfs_quota_us`.
    """
    quotas = [_quota(group) for group in _groups(cgroups, own_cgroups)]
    return max(1, math.ceil(min([float(_schedulable_cores()), *quotas])))


def _schedulable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _groups(cgroups: Path, own_cgroups: Path) -> Iterator[Path]:
    """The folders of this process's group and its parents: each of them may limit it."""
    for line in _read(own_cgroups).splitlines():
        _, controllers, group = line.split(":", maxsplit=2)
        if controllers == "":
            mount = cgroups
        elif "cpu" in controllers.split(","):
            mount = cgroups / "cpu"
        else:
            continue
        path = PurePosixPath(group.lstrip("/"))
        # In a container the named group may lie outside; then only the mounted root exists.
        yield from (mount / part for part in (path, *path.parents))


def _quota(group: Path) -> float:
    """The cores granted to a cgroup, infinite where it has no limit."""
    quota, _, period = _read(group / "cpu.max").strip().partition(" ")
    if not quota:
        quota = _read(group / "cpu.cfs_quota_us").strip()
        period = _read(group / "cpu.cfs_period_us").strip()
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return math.inf
    return int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
