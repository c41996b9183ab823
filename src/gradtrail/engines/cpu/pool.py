"""Threads that take a step's tasks; see driver.py for how.

A thread looks for work for a while after the last task, inside native code and without Python's
lock, and then sleeps until a step wakes it. Threads are shared by all trainings of the process.
"""

from __future__ import annotations

import atexit
import ctypes
import threading
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from ...errors import ArgumentError, warn
from ...machine.forking import renew_in_forks
from .compiler import Compiler
from .driver import CONTROL, Control, driver_text
from .phases import PhaseTable
from .raw import address
from .target import Target, runnable

_PATIENCE = 20_000
"""How many looks in vain, about a millisecond, before a thread goes to sleep."""

_AGAIN = 10.0
"""Seconds after which a thread is asked for again that the system refused."""

_POOLS: dict[Target, Pool] = {}


def pool_for(target: Target) -> Pool:
    """The process's pool for a target."""
    if target not in _POOLS:
        _POOLS[target] = Pool(target)
    return _POOLS[target]


class Pool:
    """Native threads behind one control record; all machine code runs through one.

    Args:
        target: what the driver is compiled for.

    Raises:
        ArgumentError: this machine has not what the target needs.
    """

    def __init__(self, target: Target) -> None:
        if not runnable(target):
            raise ArgumentError(
                f"this machine cannot run code for {target.cpu}; leave out target=, or unset "
                "GRADTRAIL_CPU and GRADTRAIL_CPU_FEATURES. Such code can be looked at with "
                "net.explain"
            )
        compiler, text = Compiler(target), partial(driver_text, target)
        step, worker = compiler.addresses(
            [("run_step", "driver", text), ("run_worker", "driver", text)]
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
        self._refused = 0.0
        renew_in_forks(self._begin)
        atexit.register(self.close)

    def _begin(self) -> None:
        """As without threads; in a forked process they stayed behind, perhaps within a step."""
        self._running, self._wake = threading.Lock(), threading.Condition()
        self._threads: dict[int, threading.Thread] = {}
        self._owners: dict[int, int] = {}
        self._asleep: set[int] = set()
        self._failed: dict[int, BaseException] = {}
        self._control[:] = 0

    def run(self, phases: PhaseTable, frame: int, threads: int) -> None:
        """Run all phases of a step.

        Args:
            phases: what to run.
            frame: where it lies; see frame.Slot.
            threads: how many share the work, the caller's among them.

        Raises:
            BaseException: what a thread failed with.
        """
        threads = min(threads, phases.tasks)
        with self._running:
            self._words[Control.WANTED] = threads - 1
            self._fill(threads)
            if min(self._asleep, default=threads) < threads:
                with self._wake:
                    self._wake.notify_all()
            self._step(self._address, phases.at, len(phases.rows), frame)
        if self._failed:
            number, failure = self._failed.popitem()
            self._threads.pop(number)  # a new one takes its number
            raise failure

    def _fill(self, threads: int) -> None:
        """Start the threads that are missing; where the system has none, a step goes without.

        They change no result, and whoever comes takes the tasks of those who do not.
        """
        missing = [number for number in range(1, threads) if number not in self._threads]
        if not missing or time.monotonic() < self._refused:
            return
        try:
            for number in missing:
                self._start(number)
        except (RuntimeError, MemoryError) as cause:
            first, self._refused = not self._refused, time.monotonic() + _AGAIN
            if first:
                warn(
                    f"the system starts no more threads ({cause}), so {len(self._threads) + 1} "
                    f"instead of {threads} share the work; results are the same, and it is tried "
                    "again from time to time"
                )

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
