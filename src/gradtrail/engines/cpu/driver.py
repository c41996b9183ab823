"""The native side of a step: phases, tasks, blocks, kernels; and the threads that share them.

A step is a list of phases with a barrier after each. A phase is a list of kernel calls and a number
of tasks. A task of a phase of blocks is a group of consecutive blocks, whose calls run block by
block; a task of a phase of chunks is a range of numbers; in a phase of kind `each`, every call is a
task. Which thread runs a task changes nothing: what a task writes is its own.

Every thread has a share of a phase's tasks, one run of them, and a 64-bit ticket for it: `phase
number | last thread | end | next task`, advanced by compare and exchange. Who has done his own
share takes from the others'. So a thread finds in its caches what it wrote in the phase before, as
long as all keep pace; and since every other phase goes through a share backwards, it begins with
what it wrote last. A thread beyond the ticket's last one takes nothing, however late it comes from
a step that had more: a step's memory is for its own threads. The caller's thread takes tasks like
the others and waits only for those that somebody has taken, so a step ends even where no other
thread comes.
"""

from __future__ import annotations

import platform
import sys
from enum import IntEnum
from typing import NamedTuple

from .atomics import atomic_add, atomic_load, atomic_store, compare_exchange
from .builder import Carried, Code, module
from .frame import SLOTS, Slot
from .ir_types import F, I, P, Value
from .options import THREADS
from .target import Target

ARGUMENTS = 12
"""How many arguments a kernel call may have."""

CALL = 2 + 2 * ARGUMENTS
"""A kernel call in 8-byte words: function, number of arguments, each one's base and offset."""


class PhaseRow(NamedTuple):
    """A phase in the driver's words.

    Args:
        kind: its number in KINDS.
        calls: where they lie.
        number: how many there are.
        tasks: how many there are; of blocks, as many as there are groups of them.
        length: of what the chunks divide.
        chunk: how much of it one task takes.
        backwards: whether the last task is handed out first.
    """

    kind: int
    calls: int
    number: int
    tasks: int
    length: int
    chunk: int
    backwards: int


PHASE = len(PhaseRow._fields)
"""Words of a phase."""

KINDS = {"blocks": 0, "one": 1, "chunks": 1, "each": 2}
"""Kinds of phases; a single task is a chunk."""

_TASK_BITS, _THREAD_BITS = 17, THREADS.bit_length() - 1
"""Of a ticket, for a number of tasks, of which it holds two, and for a thread."""

TASKS = (1 << _TASK_BITS) - 1
"""How many tasks a phase may have: what a ticket counts."""

_SPINS = 2000
"""How often the caller's thread looks for the end of a phase before it lets others run."""

_LOOKS = 64
"""After how many looks in vain a thread lets others run."""


class Control(IntEnum):
    """The words of the threads' shared record, each on a cache line of its own."""

    DONE = 8  # tasks of the present phase that are finished
    PHASE = 16
    FRAME = 24
    STOP = 32  # 1: all threads end
    WANTED = 40  # the highest thread that is to look for tasks
    RUNNING = 48  # 1 while a step runs: nobody tires
    TICKETS = 64  # of thread 0, then eight words further of thread 1, …


CONTROL = Control.TICKETS + 8 * THREADS
"""Words of the record."""

_CONTROL, _PHASE, _FRAME = Value("%control", P), Value("%phase", P), Value("%frame", P)
_WORKER, _COUNT = Value("%worker", I), Value("%count", I)


def driver_text(target: Target) -> str:
    """The driver's module, with `run_step` for the caller and `run_worker` for other threads."""
    return module([f(target) for f in (_run_calls, _run_task, _take, _run_step, _run_worker)])


def _word(code: Code, base: Value, number: int) -> Value:
    """The address of a word of a record."""
    return code.at(base, 8 * number)


def _of_phase(code: Code, phase: Value, name: str, type: str = I) -> Value:
    """What a phase says."""
    return code.load(_word(code, phase, PhaseRow._fields.index(name)), type)


# -- tasks -------------------------------------------------------------------------------------


def _run_calls(target: Target) -> Code:
    """Every call of a list, its arguments made from the frame's bases."""
    calls = Value("%calls", P)
    code = Code("run_calls", target, (calls, _COUNT, _FRAME), internal=True)
    arguments = code.new(P, f"alloca [{ARGUMENTS} x ptr], align 64")
    with code.loop("i", _COUNT) as i:
        call = code.at(calls, i, 8 * CALL)
        function, number = code.load(call, P), code.load(_word(code, call, 1), I)
        with code.loop("a", number) as a:
            pair = code.at(_word(code, call, 2), a, 16)
            base = code.load(code.at(_FRAME, code.load(pair, I), 8), P)
            offset = code.load(_word(code, pair, 1), I)
            code.store(code.at(base, offset), code.at(arguments, a, 8))
        code.call_at(function, arguments, _FRAME)
    return code


def _run_task(target: Target) -> Code:
    """One task of a phase, with a frame of its own."""
    task = Value("%task", I)
    code = Code("run_task", target, (_PHASE, _FRAME, task, _WORKER), internal=True)
    frame = code.new(P, f"alloca [{SLOTS} x i64], align 64")
    size, volatile = code.index(8 * SLOTS), Value("false", "i1")
    code.call("void", "llvm.memcpy.p0.p0.i64", frame, _FRAME, size, volatile)
    _put_own(code, frame, Slot.SCRATCH, _WORKER)
    kind = _of_phase(code, _PHASE, "kind")
    for name, write in (("blocks", _blocks), ("chunks", _chunk), ("each", _single_call)):
        with code.when(code.compare("eq", kind, code.index(KINDS[name]))):
            write(code, frame, task)
    return code


def _put(code: Code, frame: Value, slot: Slot, value: Value) -> None:
    """Set a slot of a task's frame."""
    code.store(value, _word(code, frame, slot))


_OWN = {
    Slot.SCRATCH: (Slot.SCRATCH_ALL, Slot.SCRATCH_STRIDE),
    Slot.GRADIENTS: (Slot.GRADIENTS_ALL, Slot.GRADIENTS_STRIDE),
    Slot.ARENA: (Slot.ARENAS, Slot.ARENA_STRIDE),
    Slot.PARTIAL: (Slot.PARTIAL_ALL, Slot.PARTIAL_STRIDE),
}
"""Memory of which there are several pieces: where all begin, how far one lies from the next."""


def _put_own(code: Code, frame: Value, slot: Slot, number: Value) -> None:
    """Give a task's frame the piece with a number."""
    begin, stride = map(code.frame, _OWN[slot])
    _put(code, frame, slot, code.add_index(begin, code.mul_index(number, stride)))


def _call_all(code: Code, frame: Value) -> None:
    """All calls of the phase."""
    calls = _of_phase(code, _PHASE, "calls", P)
    number = _of_phase(code, _PHASE, "number")
    code.call("void", "run_calls", calls, number, frame)


def _single_call(code: Code, frame: Value, task: Value) -> None:
    """A task of a phase in which every call is one."""
    calls = _of_phase(code, _PHASE, "calls", P)
    code.call("void", "run_calls", code.at(calls, task, 8 * CALL), code.index(1), frame)


def _chunk(code: Code, frame: Value, task: Value) -> None:
    """A task of a phase of chunks: a range of numbers."""
    length, chunk = (_of_phase(code, _PHASE, name) for name in ("length", "chunk"))
    start = code.mul_index(task, chunk)
    _put(code, frame, Slot.START, start)
    _put(code, frame, Slot.STOP, code.least(code.add_index(start, chunk), length))
    _call_all(code, frame)


def _blocks(code: Code, frame: Value, task: Value) -> None:
    """A task of a phase of blocks: consecutive ones, each through all calls."""
    _put_own(code, frame, Slot.GRADIENTS, task)
    tasks, blocks = _of_phase(code, _PHASE, "tasks"), code.frame(Slot.BLOCKS)
    first, last = (
        code.bits("udiv", code.mul_index(number, blocks), tasks)
        for number in (task, code.add_index(task, 1))
    )
    per_block, count = code.frame(Slot.PER_BLOCK), code.frame(Slot.COUNT)
    apart = code.compare("ne", code.frame(Slot.ARENA_PER_BLOCK), code.index(0))
    with code.loop("b", last, first) as b:
        _put_own(code, frame, Slot.ARENA, code.select(apart, b, _WORKER))
        _put_own(code, frame, Slot.PARTIAL, b)
        begin = code.mul_index(b, per_block)
        _put(code, frame, Slot.FIRST, begin)
        _put(code, frame, Slot.VALID, code.least(code.sub_index(count, begin), per_block))
        _put(code, frame, Slot.BLOCK, b)
        _call_all(code, frame)


# -- tickets -----------------------------------------------------------------------------------


def _ticket_of(code: Code, thread: Value) -> Value:
    """Where a thread's ticket lies."""
    return code.at(_word(code, _CONTROL, Control.TICKETS), thread, 64)


def _first_task(code: Code, thread: Value, tasks: Value, threads: Value) -> Value:
    """The first task of a thread's share: ⌈thread·tasks / threads⌉."""
    product = code.mul_index(thread, tasks)
    return code.bits("udiv", code.sub_index(code.add_index(product, threads), 1), threads)


def _part(code: Code, ticket: Value, low: int, mask: int) -> Value:
    """A number in a ticket, from its bit `low` on."""
    return code.bits("and", code.bits("lshr", ticket, code.index(low)), code.index(mask))


def _deal(code: Code, tasks: Value, wanted: Value) -> None:
    """Give every thread a ticket for its share of a phase's tasks."""
    threads = code.add_index(wanted, 1)
    with code.loop("thread", threads) as thread:
        first = _first_task(code, thread, tasks, threads)
        end = _first_task(code, code.add_index(thread, 1), tasks, threads)
        place = _ticket_of(code, thread)
        phase_bit = 2 * _TASK_BITS + _THREAD_BITS
        number = code.bits("lshr", atomic_load(code, place), code.index(phase_bit))
        ticket = code.bits("shl", code.add_index(number, 1), code.index(phase_bit))
        for value, low in ((wanted, 2 * _TASK_BITS), (end, _TASK_BITS), (first, 0)):
            ticket = code.bits("or", ticket, code.bits("shl", value, code.index(low)))
        atomic_store(code, ticket, place)


def _take(target: Target) -> Code:
    """Tasks of the present phase, first of one's own share, until none is left.

    Returns whether there was one.
    """
    code = Code("take", target, (_CONTROL, _WORKER), internal=True)
    wanted = atomic_load(code, _word(code, _CONTROL, Control.WANTED))
    threads = code.add_index(wanted, 1)
    some = Carried([Value("false", "i1")])
    with code.loop("turn", threads, carried=some) as turn:
        whose = code.bits("urem", code.add_index(_WORKER, turn), threads)
        place = _ticket_of(code, whose)
        found = Carried(some.now)
        with code.endless("look", found) as shut:
            ticket = atomic_load(code, place)
            following, end = (_part(code, ticket, at, TASKS) for at in (0, _TASK_BITS))
            highest = _part(code, ticket, 2 * _TASK_BITS, THREADS - 1)
            left = code.compare("ult", following, end)
            code.go_on(code.both(left, code.compare("ule", _WORKER, highest)), shut)
            won = compare_exchange(code, place, ticket, code.add_index(ticket, 1))
            with code.when(won):
                _run_taken(code, whose, highest, (following, end))
            found.next = [code.bits("or", found.now[0], won)]
        some.next = found.now
    code.give(some.now[0])
    return code


def _run_taken(code: Code, whose: Value, highest: Value, share: tuple[Value, Value]) -> None:
    """Run a task of a share that goes from … to …, its first one, or its last one backwards."""
    following, end = share
    phase, frame = (
        code.load(_word(code, _CONTROL, word), P) for word in (Control.PHASE, Control.FRAME)
    )
    back, tasks = (_of_phase(code, phase, name) for name in ("backwards", "tasks"))
    first = _first_task(code, whose, tasks, code.add_index(highest, 1))
    mirrored = code.sub_index(code.sub_index(code.add_index(first, end), 1), following)
    backwards = code.compare("ne", back, code.index(0))
    task = code.select(backwards, mirrored, following)
    code.call("void", "run_task", phase, frame, task, _WORKER)
    atomic_add(code, _word(code, _CONTROL, Control.DONE), 1)


# -- steps -------------------------------------------------------------------------------------


def _run_step(target: Target) -> Code:
    """All phases, by the caller's thread and whoever else takes tasks."""
    phases = Value("%phases", P)
    code = Code("run_step", target, (_CONTROL, phases, _COUNT, _FRAME))
    running, done = (_word(code, _CONTROL, word) for word in (Control.RUNNING, Control.DONE))
    atomic_store(code, 1, running)
    _put(code, _FRAME, Slot.FLAGGED, code.index(0))
    code.store(_FRAME, _word(code, _CONTROL, Control.FRAME))
    wanted = atomic_load(code, _word(code, _CONTROL, Control.WANTED))
    with code.loop("p", _COUNT) as p:
        phase = code.at(phases, p, 8 * PHASE)
        tasks = _of_phase(code, phase, "tasks")
        code.store(phase, _word(code, _CONTROL, Control.PHASE))
        atomic_store(code, 0, done)
        _deal(code, tasks, wanted)
        code.call("i1", "take", _CONTROL, code.index(0))
        _wait(code, done, tasks)
    atomic_store(code, 0, running)
    _answer(code)
    return code


def _wait(code: Code, done: Value, tasks: Value) -> None:
    """Until all tasks of a phase are finished."""
    spins = Carried([code.index(0)])
    with code.endless("wait", spins) as over:
        code.go_on(code.compare("slt", atomic_load(code, done), tasks), over)
        _pause(code)
        with code.when(code.compare("ugt", spins.now[0], code.index(_SPINS))):
            _let_others_run(code)
        spins.next = [code.add_index(spins.now[0], 1)]


def _answer(code: Code) -> None:
    """The sums of what the blocks gave, in their order."""
    result = code.frame(Slot.RESULT, P)
    sums = Carried([Value("0.0", "double")] * 2)  # of the losses, of the right answers
    with code.loop("b", code.frame(Slot.BLOCKS), carried=sums) as b:
        own = code.at(result, b, 8)
        numbers = [code.load(place, F) for place in (own, code.at(own, 4))]
        sums.next = [
            code.add(total, code.cast("fpext", number, "double"))
            for total, number in zip(sums.now, numbers, strict=True)
        ]
    for slot, total in zip((Slot.LOSS, Slot.HITS), sums.now, strict=True):
        _put(code, _FRAME, slot, total)


def _run_worker(target: Target) -> Code:
    """Another thread: it takes tasks, and returns when told to, or as its patience ends.

    Its patience is so many looks in vain between steps.
    """
    patience = Value("%patience", I)
    code = Code("run_worker", target, (_CONTROL, _WORKER, patience))
    none = code.index(0)
    looks = Carried([none, none])  # in vain, and those of them between steps
    with code.endless("look", looks) as end:
        wanted = atomic_load(code, _word(code, _CONTROL, Control.WANTED))
        code.go_on(code.compare("sle", _WORKER, wanted), end)
        took = code.call("i1", "take", _CONTROL, _WORKER)
        more = Carried([none, none])
        with code.when(code.compare("eq", took, Value("false", "i1")), more):
            stop = atomic_load(code, _word(code, _CONTROL, Control.STOP))
            running = atomic_load(code, _word(code, _CONTROL, Control.RUNNING))
            all_looks, idle = (code.add_index(number, 1) for number in looks.now)
            idle = code.select(code.compare("eq", running, none), idle, none)
            patient = code.compare("ule", idle, patience)
            code.go_on(code.both(code.compare("eq", stop, none), patient), end)
            _pause(code)
            rare = code.bits("and", all_looks, code.index(_LOOKS - 1))
            with code.when(code.compare("eq", rare, none)):
                _let_others_run(code)
            more.next = [all_looks, idle]
        looks.next = more.now
    return code


def _pause(code: Code) -> None:
    """A moment in which a processor does nothing."""
    machine = platform.machine()
    word = {"x86_64": "pause", "AMD64": "pause", "aarch64": "yield", "arm64": "yield"}.get(machine)
    code.emit(f'call void asm sideeffect "{word}", ""()' if word else "fence seq_cst")


def _let_others_run(code: Code) -> None:
    """Ask the system to."""
    code.call("i32", "SwitchToThread" if sys.platform == "win32" else "sched_yield")
