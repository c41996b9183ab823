"""What a forked process has to begin anew, in one place.

A fork copies all of the memory and one thread. A lock that another thread held at that moment stays
locked in the child for ever, and what that thread was about to do is done by nobody. So whoever
holds locks, threads or what is said of them makes them in a method and hands it to
`renew_in_forks`: it is called at once, and again in every forked child. What belongs to a library
that knows nothing of forks is guarded by a lock from `lock_over_forks` instead: a fork waits until
nobody is inside. And it waits while another thread imports, as long as it is for us.

Systems without fork never call any of this.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import cached_property
from types import FrameType, MethodType
from weakref import finalize, ref

_PATIENCE = 30.0
"""Seconds that a fork waits for a library at most."""

_RENEWALS: dict[int, Callable[[], object]] = {}
_NUMBERS = itertools.count()
_GUARDS: list[threading.RLock] = []
_MINE = threading.local()
"""The guards that a thread holds while it forks."""


def renew_in_forks(renewal: Callable[[], object]) -> None:
    """Call a function or a method now, and in every forked child as long as its object lives.

    Args:
        renewal: makes locks and the like; it may neither wait nor fail.
    """
    renewal()
    number = next(_NUMBERS)
    if isinstance(renewal, MethodType):
        # A WeakMethod would do, but for a traceback of its own where the interpreter takes it down
        # before its object.
        finalize(renewal.__self__, _RENEWALS.pop, number, None).atexit = False
        renewal = _weakly(renewal)
    _RENEWALS[number] = renewal


def _weakly(method: MethodType) -> Callable[[], object]:
    held, function = ref(method.__self__), method.__func__

    def renewal() -> object:
        owner = held()
        return None if owner is None else function(owner)

    return renewal


def lock_over_forks() -> threading.RLock:
    """A lock that nobody else holds at the moment of a fork, so that it guards whole steps."""
    made = threading.RLock()
    _GUARDS.append(made)
    return made


def _before() -> None:
    end = time.monotonic() + _PATIENCE
    while _imported_elsewhere() and time.monotonic() < end:
        time.sleep(1e-3)
    _MINE.taken = [guard for guard in _GUARDS if guard.acquire(timeout=_PATIENCE)]


def _imported_elsewhere() -> bool:
    """Whether another thread is importing for us: its lock would stay locked for ever.

    Python renews the lock of all imports in a child, but not those of single modules. What others
    import is theirs to wait for: a program may be a module that runs as long as the process.
    """
    locks = getattr(sys.modules.get("_frozen_importlib"), "_module_locks", {})
    owners = [(name, getattr(made(), "owner", None)) for name, made in list(locks.items())]
    me, frames = threading.get_ident(), sys._current_frames()
    return any(
        owner not in (None, me) and (_is_ours(name) or _began_here(frames.get(owner)))
        for name, owner in owners
    )


def _began_here(frame: FrameType | None) -> bool:
    """Whether a thread stands within an import that a module of ours asked for."""
    importing = False
    while frame is not None:
        if importing and _is_ours(frame.f_globals.get("__name__")):
            return True
        importing = importing or frame.f_code.co_filename.startswith("<frozen importlib")
        frame = frame.f_back
    return False


def _is_ours(module: object) -> bool:
    return isinstance(module, str) and module.partition(".")[0] == __name__.partition(".")[0]


def _behind() -> None:
    for guard in _MINE.taken:
        guard.release()


def _child() -> None:
    _behind()
    _free_cached_properties()
    for renewal in list(_RENEWALS.values()):
        renewal()


def _free_cached_properties() -> None:
    """Before Python 3.12 each of them has a lock, which all objects of its class share."""
    if sys.version_info >= (3, 12):
        return
    inside = [m for n, m in list(sys.modules.items()) if _is_ours(n)]
    for made in [c for module in inside for c in vars(module).values() if isinstance(c, type)]:
        for held in vars(made).values():
            if isinstance(held, cached_property):
                vars(held)["lock"] = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_behind, after_in_child=_child)
