"""Threads that take a step's tasks; see driver.py for how.

A thread looks for work for a while after the last task, inside native code and without Python's
lock, and then sleeps until a step wakes it. Threads are shared by all trainings of the process.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
from collections.abc import Callable

import numpy as np

from .compiler import Compiler
from .context import Assembled, address
from .driver import CONTROL, Control, driver_text
from .target import Target

__all__ = ["Pool", "pool_for"]


_PATIENCE = 20_000
"""How many looks in vain, about a millisecond, before a thread goes to sleep."""

_POOLS: dict[Target, Pool] = {}


def pool_for(target: Target) -> Pool:
    """The process's pool for a target."""
    if target not in _POOLS:
        _POOLS[target] = Pool(target)
    return _POOLS[target]


class Pool:
    """Native threads behind one control record.

    Args:
        target: what the driver is compiled for.
    """

    def __init__(self, target: Target) -> None:
        compiler = Compiler(target)
        step, worker = compiler.addresses(
            [("run_step", "driver", driver_text), ("run_worker", "driver", driver_text)]
        )
        pointer, word = ctypes.c_void_p, ctypes.c_int64
        self._step = ctypes.CFUNCTYPE(None, pointer, pointer, word, pointer)(step)
        self._worker: Callable[..., None] = ctypes.CFUNCTYPE(None, pointer, word, word)(worker)
        self._compiler = compiler
        self._memory = np.zeros(CONTROL + 8, np.int64)
        skip = (-address(self._memory) % 64) // 8
        self._control = self._memory[skip : skip + CONTROL]
        self._words = self._control.data
        self._address = address(self._control)
        self._threads: dict[int, threading.Thread] = {}
        self._owners: dict[int, int] = {}
        self._wake = threading.Condition()
        self._asleep: set[int] = set()
        self._failed: dict[int, BaseException] = {}
        self._running = threading.Lock()
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)

    def run(self, phases: Assembled, frame: int, threads: int) -> None:
        """Run all phases of a step.

        Args:
            phases: what to run.
            frame: where it lies; see frame.Field.
            threads: how many share the work, the caller's among them.

        Raises:
            BaseException: what a thread failed with.
        """
        threads = min(threads, phases.tasks)
        with self._running:
            self._words[Control.WANTED] = threads - 1
            for number in range(1, threads):
                if number not in self._threads:
                    self._start(number)
            if min(self._asleep, default=threads) < threads:
                with self._wake:
                    self._wake.notify_all()
            self._step(self._address, phases.at, len(phases.rows), frame)
        if self._failed:
            number, failure = self._failed.popitem()
            self._threads.pop(number)  # a new one takes its number
            raise failure

    def _forked(self) -> None:
        """In a forked process: the threads stayed behind, perhaps in the middle of a step."""
        self._running, self._wake = threading.Lock(), threading.Condition()
        self._threads, self._owners, self._failed, self._asleep = {}, {}, {}, set()
        self._control[:] = 0

    def _start(self, number: int) -> None:
        thread = threading.Thread(
            target=self._work, args=(number,), name=f"gradtrail-{number}", daemon=True
        )
        thread.start()
        self._threads[number] = thread

    def _work(self, number: int) -> None:
        """A thread's life: look for work, sleep, and hand a failure to the caller.

        A number is a thread's own. Where Ctrl-C comes between the start of one and its being noted,
        a second is started, and ends here: each number has one place in memory.
        """
        me = threading.get_ident()
        if self._owners.setdefault(number, me) != me:
            return
        try:
            while not self._control[Control.STOP]:
                if number <= self._control[Control.WANTED]:
                    self._worker(self._address, number, _PATIENCE)
                with self._wake:
                    if self._control[Control.STOP]:
                        return
                    self._asleep.add(number)
                    self._wake.wait()
                    self._asleep.discard(number)
        except BaseException as failure:
            self._failed[number] = failure
        finally:
            del self._owners[number]

    def close(self) -> None:
        """Let all threads end."""
        self._control[Control.STOP] = 1
        with self._wake:
            self._wake.notify_all()
        for thread in self._threads.values():
            thread.join(timeout=1.0)
