"""How much memory this process may still take: the machine's, its control group's, its own limit.

What can be given back without harm, such as files in the page cache, and swap count as free: this
is asked to refuse what cannot fit, and never what can.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Room(NamedTuple):
    """Memory that is left.

    Args:
        free: bytes.
        limit: what sets it, as in "the machine has … left".
        reserved: whether memory counts as taken when it is reserved, before it is written to.
    """

    free: int
    limit: str
    reserved: bool = False


def rooms(root: Path = Path("/")) -> list[Room]:
    """What each limit leaves, the least first; none where the system does not tell.

    Args:
        root: under which `proc` and `sys` lie.
    """
    if not sys.platform.startswith("linux"):
        return []
    return sorted([*_machine(root), *_groups(root), *_own(root)])


def _machine(root: Path) -> Iterator[Room]:
    """What the whole machine has."""
    told = _table(root / "proc/meminfo")
    if "MemAvailable:" in told:
        free = told["MemAvailable:"] + told.get("SwapFree:", 0)
        yield Room(1024 * free, "the machine has")


def _groups(root: Path) -> Iterator[Room]:
    """What this process's control group, and each one around it, may still take.

    Source: the Linux kernel's "Control Group v2" and "Memory Resource Controller" (v1).
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    swap = 1024 * _table(root / "proc/meminfo").get("SwapFree:", 0)
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers == "":
            top, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "")
        elif "memory" in controllers.split(","):
            top = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
        else:
            continue
        inside = top / path.lstrip("/")
        for folder in (inside, *inside.parents):
            left = _left(folder, *names)
            if left is not None:
                more = swap if names[2] else min(swap, _swap(folder, swap))
                yield Room(left + more, "its control group has")
            if folder == top:
                break


def _left(folder: Path, limit: str, usage: str, prefix: str) -> int | None:
    """Bytes until a group's limit; None where it has none."""
    most, used = _number(folder / limit), _number(folder / usage)
    if most is None or used is None:
        return None
    told = _table(folder / "memory.stat")
    files = sum(told.get(f"{prefix}{kind}_file", 0) for kind in ("active", "inactive"))
    return max(0, most - used + files)


def _swap(folder: Path, most: int) -> int:
    """Bytes of swap that a group may still take; `most` where nothing says so."""
    limit, used = _number(folder / "memory.swap.max"), _number(folder / "memory.swap.current")
    return most if limit is None else max(0, limit - (used or 0))


def _own(root: Path) -> Iterator[Room]:
    """What the process's own limits of address space and of data leave."""
    import resource

    told = _table(root / "proc/self/status")
    for kind, used in ((resource.RLIMIT_AS, "VmSize:"), (resource.RLIMIT_DATA, "VmData:")):
        soft, _ = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY and used in told:
            free = max(0, soft - 1024 * told[used])
            yield Room(free, "the process's own limit (ulimit) has", reserved=True)


def _number(path: Path) -> int | None:
    """The number in a file; None where it is not there, or holds a word such as max."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _table(path: Path) -> dict[str, int]:
    """Lines of a word and a number; those of anything else are left out."""
    try:
        rows = (line.split() for line in path.read_text().splitlines())
    except OSError:
        return {}
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdecimal()}
