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

from .frame import SLOTS, Slot

__all__ = [
    "ARGUMENTS",
    "CALL",
    "CONTROL",
    "Control",
    "KINDS",
    "PHASE",
    "TASKS",
    "THREADS",
    "driver_text",
]

ARGUMENTS = 12
"""How many arguments a kernel call may have."""

CALL = 2 + 2 * ARGUMENTS
"""A kernel call in 8-byte words: function, number of arguments, each one's base and offset."""

PHASE = 7
"""A phase in words: kind (see KINDS), calls, number of calls, tasks, length, chunk, and whether the
last task is handed out first."""

KINDS = {"blocks": 0, "one": 1, "chunks": 1, "each": 2}
"""Kinds of phases; a single task is a chunk."""

THREADS = 1024
"""How many threads there may be at most: what ten bits of a ticket count."""

TASKS = (1 << 17) - 1
"""How many tasks a phase may have: what seventeen bits of a ticket count."""


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


def _field(name: Slot, frame: str = "%frame", type: str = "i64") -> tuple[str, str]:
    """Two lines that load a field into `%<name>`."""
    low = name.name.lower()
    return (
        f"  %{low}.p = getelementptr i64, ptr {frame}, i64 {int(name)}",
        f"  %{low} = load {type}, ptr %{low}.p",
    )


def _loads(*names: Slot) -> str:
    return "\n".join(line for name in names for line in _field(name, "%frame0"))


def _put(name: Slot, value: str) -> str:
    low = name.name.lower() + ".to"
    return (
        f"  %{low} = getelementptr i64, ptr %frame, i64 {int(name)}\n"
        f"  store i64 {value}, ptr %{low}"
    )


def _pause() -> str:
    machine = platform.machine()
    word = {"x86_64": "pause", "AMD64": "pause", "aarch64": "yield", "arm64": "yield"}.get(machine)
    return f'call void asm sideeffect "{word}", ""()' if word else "fence seq_cst"


def driver_text() -> str:
    """The driver's module."""
    yielding = "SwitchToThread" if sys.platform == "win32" else "sched_yield"
    return _TEXT.format(
        call=CALL,
        phase=PHASE,
        tasks=TASKS,
        threads=THREADS - 1,
        control=Control,
        answer=Slot,
        arguments=ARGUMENTS,
        fields=SLOTS,
        bytes=8 * SLOTS,
        pause=_pause(),
        yielding=yielding,
        loads=_loads(
            Slot.BLOCKS,
            Slot.COUNT,
            Slot.ARENAS,
            Slot.ARENA_STRIDE,
            Slot.ARENA_PER_BLOCK,
            Slot.GRADIENTS_ALL,
            Slot.GRADIENTS_STRIDE,
            Slot.PARTIAL_ALL,
            Slot.PARTIAL_STRIDE,
            Slot.SCRATCH_ALL,
            Slot.SCRATCH_STRIDE,
            Slot.PER_BLOCK,
        ),
        put_scratch=_put(Slot.SCRATCH, "%scratch.at"),
        put_gradients=_put(Slot.GRADIENTS, "%gradients.at"),
        put_arena=_put(Slot.ARENA, "%arena.at"),
        put_partial=_put(Slot.PARTIAL, "%partial.at"),
        put_first=_put(Slot.FIRST, "%first"),
        put_valid=_put(Slot.VALID, "%valid"),
        put_block=_put(Slot.BLOCK, "%b"),
        put_start=_put(Slot.START, "%start"),
        put_stop=_put(Slot.STOP, "%stop"),
    )


_TEXT = """
declare i64 @llvm.smin.i64(i64, i64)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare i32 @{yielding}()

; every call of a list, its arguments made from the frame's bases
define internal void @run_calls(ptr %calls, i64 %count, ptr %frame) {{
entry:
  %args = alloca [{arguments} x ptr], align 64
  %none = icmp eq i64 %count, 0
  br i1 %none, label %done, label %call
call:
  %i = phi i64 [ 0, %entry ], [ %i.next, %called ]
  %at = getelementptr [{call} x i64], ptr %calls, i64 %i
  %function = load ptr, ptr %at
  %number.p = getelementptr i64, ptr %at, i64 1
  %number = load i64, ptr %number.p
  %bare = icmp eq i64 %number, 0
  br i1 %bare, label %run, label %argument
argument:
  %a = phi i64 [ 0, %call ], [ %a.next, %argument ]
  %pair = shl i64 %a, 1
  %place = add i64 %pair, 2
  %base.p = getelementptr i64, ptr %at, i64 %place
  %base = load i64, ptr %base.p
  %offset.p = getelementptr i64, ptr %base.p, i64 1
  %offset = load i64, ptr %offset.p
  %field.p = getelementptr ptr, ptr %frame, i64 %base
  %field = load ptr, ptr %field.p
  %address = getelementptr i8, ptr %field, i64 %offset
  %slot = getelementptr ptr, ptr %args, i64 %a
  store ptr %address, ptr %slot
  %a.next = add i64 %a, 1
  %a.more = icmp slt i64 %a.next, %number
  br i1 %a.more, label %argument, label %run
run:
  call void %function(ptr %args, ptr %frame)
  br label %called
called:
  %i.next = add i64 %i, 1
  %i.more = icmp slt i64 %i.next, %count
  br i1 %i.more, label %call, label %done
done:
  ret void
}}

; one task of a phase, with a frame of its own
define internal void @run_task(ptr %phase, ptr %frame0, i64 %task, i64 %worker) {{
entry:
  %frame = alloca [{fields} x i64], align 64
  call void @llvm.memcpy.p0.p0.i64(ptr %frame, ptr %frame0, i64 {bytes}, i1 false)
  %kind = load i64, ptr %phase
  %calls.p = getelementptr i64, ptr %phase, i64 1
  %calls = load ptr, ptr %calls.p
  %count.p1 = getelementptr i64, ptr %phase, i64 2
  %number = load i64, ptr %count.p1
  %tasks.p = getelementptr i64, ptr %phase, i64 3
  %tasks = load i64, ptr %tasks.p
{loads}
  %scratch.o = mul i64 %worker, %scratch_stride
  %scratch.at = add i64 %scratch_all, %scratch.o
{put_scratch}
  switch i64 %kind, label %group [ i64 1, label %chunk
                                 i64 2, label %each ]
each:
  %mine = getelementptr [{call} x i64], ptr %calls, i64 %task
  call void @run_calls(ptr %mine, i64 1, ptr %frame)
  ret void
chunk:
  %length.p = getelementptr i64, ptr %phase, i64 4
  %length = load i64, ptr %length.p
  %size.p = getelementptr i64, ptr %phase, i64 5
  %size = load i64, ptr %size.p
  %start = mul i64 %task, %size
  %stop.u = add i64 %start, %size
  %stop = call i64 @llvm.smin.i64(i64 %stop.u, i64 %length)
{put_start}
{put_stop}
  call void @run_calls(ptr %calls, i64 %number, ptr %frame)
  ret void
group:
  %gradients.o = mul i64 %task, %gradients_stride
  %gradients.at = add i64 %gradients_all, %gradients.o
{put_gradients}
  %low.m = mul i64 %task, %blocks
  %low = udiv i64 %low.m, %tasks
  %task.next = add i64 %task, 1
  %high.m = mul i64 %task.next, %blocks
  %high = udiv i64 %high.m, %tasks
  %own.arena = icmp ne i64 %arena_per_block, 0
  %some = icmp slt i64 %low, %high
  br i1 %some, label %block, label %done
block:
  %b = phi i64 [ %low, %group ], [ %b.next, %block ]
  %slot = select i1 %own.arena, i64 %b, i64 %worker
  %arena.o = mul i64 %slot, %arena_stride
  %arena.at = add i64 %arenas, %arena.o
{put_arena}
  %partial.o = mul i64 %b, %partial_stride
  %partial.at = add i64 %partial_all, %partial.o
{put_partial}
  %first = mul i64 %b, %per_block
  %left = sub i64 %count, %first
  %valid = call i64 @llvm.smin.i64(i64 %left, i64 %per_block)
{put_first}
{put_valid}
{put_block}
  call void @run_calls(ptr %calls, i64 %number, ptr %frame)
  %b.next = add i64 %b, 1
  %b.more = icmp slt i64 %b.next, %high
  br i1 %b.more, label %block, label %done
done:
  ret void
}}

; the first task of a thread's share
define internal i64 @share(i64 %thread, i64 %tasks, i64 %threads) alwaysinline {{
  %product = mul i64 %thread, %tasks
  %more = add i64 %product, %threads
  %rounded = sub i64 %more, 1
  %first = udiv i64 %rounded, %threads
  ret i64 %first
}}

; take tasks of the present phase, first of one's own share, until none is left; whether there was
; one
define internal i1 @take(ptr %control, i64 %worker) {{
entry:
  %wanted.p = getelementptr i64, ptr %control, i64 {control.WANTED}
  %done.p = getelementptr i64, ptr %control, i64 {control.DONE}
  %phase.p = getelementptr i64, ptr %control, i64 {control.PHASE}
  %frame.p = getelementptr i64, ptr %control, i64 {control.FRAME}
  %wanted = load atomic i64, ptr %wanted.p acquire, align 8
  %threads = add i64 %wanted, 1
  br label %turn
turn:
  %turns = phi i64 [ 0, %entry ], [ %turns.next, %shut ]
  %before.any = phi i1 [ false, %entry ], [ %any, %shut ]
  %whose.sum = add i64 %worker, %turns
  %whose = urem i64 %whose.sum, %threads
  %line = shl i64 %whose, 3
  %place = add i64 %line, {control.TICKETS}
  %ticket.p = getelementptr i64, ptr %control, i64 %place
  br label %look
look:
  %any = phi i1 [ %before.any, %turn ], [ %any, %lost ], [ true, %ran ]
  %ticket = load atomic i64, ptr %ticket.p acquire, align 8
  %next = and i64 %ticket, {tasks}
  %limit.s = lshr i64 %ticket, 17
  %limit = and i64 %limit.s, {tasks}
  %left = icmp ult i64 %next, %limit
  %highest.s = lshr i64 %ticket, 34
  %highest = and i64 %highest.s, {threads}
  %admitted = icmp ule i64 %worker, %highest
  %open = and i1 %left, %admitted
  br i1 %open, label %claim, label %shut
claim:
  %advanced = add i64 %ticket, 1
  %pair = cmpxchg ptr %ticket.p, i64 %ticket, i64 %advanced acq_rel acquire
  %won = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %won, label %ran, label %lost
lost:
  br label %look
ran:
  %phase = load ptr, ptr %phase.p
  %frame = load ptr, ptr %frame.p
  %back.p = getelementptr i64, ptr %phase, i64 6
  %back.word = load i64, ptr %back.p
  %back = icmp ne i64 %back.word, 0
  %tasks.p = getelementptr i64, ptr %phase, i64 3
  %tasks = load i64, ptr %tasks.p
  %sharing = add i64 %highest, 1
  %first = call i64 @share(i64 %whose, i64 %tasks, i64 %sharing)
  %ends = add i64 %first, %limit
  %last = sub i64 %ends, 1
  %mirrored = sub i64 %last, %next
  %task = select i1 %back, i64 %mirrored, i64 %next
  call void @run_task(ptr %phase, ptr %frame, i64 %task, i64 %worker)
  %before = atomicrmw add ptr %done.p, i64 1 acq_rel
  br label %look
shut:
  %turns.next = add i64 %turns, 1
  %others = icmp ult i64 %turns.next, %threads
  br i1 %others, label %turn, label %leave
leave:
  ret i1 %any
}}

; all phases, by the caller's thread and whoever else takes tasks
define void @run_step(ptr %control, ptr %phases, i64 %count, ptr %frame) {{
entry:
  %running.p = getelementptr i64, ptr %control, i64 {control.RUNNING}
  store atomic i64 1, ptr %running.p release, align 8
  %flagged.p = getelementptr i64, ptr %frame, i64 {answer.FLAGGED}
  store i64 0, ptr %flagged.p
  %done.p = getelementptr i64, ptr %control, i64 {control.DONE}
  %phase.p = getelementptr i64, ptr %control, i64 {control.PHASE}
  %frame.p = getelementptr i64, ptr %control, i64 {control.FRAME}
  store ptr %frame, ptr %frame.p
  %wanted.p = getelementptr i64, ptr %control, i64 {control.WANTED}
  %wanted = load atomic i64, ptr %wanted.p acquire, align 8
  %threads = add i64 %wanted, 1
  br label %phase
phase:
  %i = phi i64 [ 0, %entry ], [ %i.next, %after ]
  %at = getelementptr [{phase} x i64], ptr %phases, i64 %i
  %tasks.p = getelementptr i64, ptr %at, i64 3
  %tasks = load i64, ptr %tasks.p
  store ptr %at, ptr %phase.p
  store atomic i64 0, ptr %done.p release, align 8
  br label %deal
deal:
  %thread = phi i64 [ 0, %phase ], [ %thread.next, %deal ]
  %thread.next = add i64 %thread, 1
  %first = call i64 @share(i64 %thread, i64 %tasks, i64 %threads)
  %past = call i64 @share(i64 %thread.next, i64 %tasks, i64 %threads)
  %line = shl i64 %thread, 3
  %place = add i64 %line, {control.TICKETS}
  %ticket.p = getelementptr i64, ptr %control, i64 %place
  %old = load atomic i64, ptr %ticket.p acquire, align 8
  %number = lshr i64 %old, 44
  %number.next = add i64 %number, 1
  %number.high = shl i64 %number.next, 44
  %highest = shl i64 %wanted, 34
  %high = or i64 %number.high, %highest
  %middle = shl i64 %past, 17
  %low = or i64 %middle, %first
  %ticket = or i64 %high, %low
  store atomic i64 %ticket, ptr %ticket.p release, align 8
  %deals = icmp ult i64 %thread.next, %threads
  br i1 %deals, label %deal, label %dealt
dealt:
  %took = call i1 @take(ptr %control, i64 0)
  br label %wait
wait:
  %spins = phi i64 [ 0, %dealt ], [ %spins.next, %again ]
  %done = load atomic i64, ptr %done.p acquire, align 8
  %all = icmp sge i64 %done, %tasks
  br i1 %all, label %after, label %spin
spin:
  {pause}
  %spins.next = add i64 %spins, 1
  %long = icmp ugt i64 %spins, 2000
  br i1 %long, label %rest, label %again
rest:
  %ignored = call i32 @{yielding}()
  br label %again
again:
  br label %wait
after:
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %count
  br i1 %more, label %phase, label %end
end:
  store atomic i64 0, ptr %running.p release, align 8
  call void @answer(ptr %frame)
  ret void
}}

; the sums of what the blocks gave, in their order
define internal void @answer(ptr %frame) {{
entry:
  %blocks.p = getelementptr i64, ptr %frame, i64 {answer.BLOCKS}
  %blocks = load i64, ptr %blocks.p
  %result.p = getelementptr ptr, ptr %frame, i64 {answer.RESULT}
  %result = load ptr, ptr %result.p
  br label %look
look:
  %b = phi i64 [ 0, %entry ], [ %b.next, %block ]
  %loss = phi double [ 0.0, %entry ], [ %loss.next, %block ]
  %hits = phi double [ 0.0, %entry ], [ %hits.next, %block ]
  %more = icmp slt i64 %b, %blocks
  br i1 %more, label %block, label %done
block:
  %share.p = getelementptr [2 x float], ptr %result, i64 %b
  %share = load float, ptr %share.p
  %hit.p = getelementptr float, ptr %share.p, i64 1
  %hit = load float, ptr %hit.p
  %share.wide = fpext float %share to double
  %hit.wide = fpext float %hit to double
  %loss.next = fadd double %loss, %share.wide
  %hits.next = fadd double %hits, %hit.wide
  %b.next = add i64 %b, 1
  br label %look
done:
  %loss.p = getelementptr i64, ptr %frame, i64 {answer.LOSS}
  store double %loss, ptr %loss.p
  %hits.p = getelementptr i64, ptr %frame, i64 {answer.HITS}
  store double %hits, ptr %hits.p
  ret void
}}

; another thread: take tasks, and return after so many looks in vain between steps, or when told to
define void @run_worker(ptr %control, i64 %worker, i64 %patience) {{
entry:
  %stop.p = getelementptr i64, ptr %control, i64 {control.STOP}
  %wanted.p = getelementptr i64, ptr %control, i64 {control.WANTED}
  %running.p = getelementptr i64, ptr %control, i64 {control.RUNNING}
  br label %look
look:
  %looks = phi i64 [ 0, %entry ], [ %looks.next, %again ], [ 0, %worked ]
  %idle = phi i64 [ 0, %entry ], [ %idle.next, %again ], [ 0, %worked ]
  %wanted = load atomic i64, ptr %wanted.p acquire, align 8
  %spare = icmp sgt i64 %worker, %wanted
  br i1 %spare, label %end, label %try
try:
  %took = call i1 @take(ptr %control, i64 %worker)
  br i1 %took, label %worked, label %nothing
worked:
  br label %look
nothing:
  %stop = load atomic i64, ptr %stop.p acquire, align 8
  %told = icmp ne i64 %stop, 0
  %looks.next = add i64 %looks, 1
  %running = load atomic i64, ptr %running.p acquire, align 8
  %between = icmp eq i64 %running, 0
  %idle.more = add i64 %idle, 1
  %idle.next = select i1 %between, i64 %idle.more, i64 0
  %tired = icmp ugt i64 %idle.next, %patience
  %leave = or i1 %told, %tired
  br i1 %leave, label %end, label %spin
spin:
  {pause}
  %rare = and i64 %looks.next, 63
  %yielding = icmp eq i64 %rare, 0
  br i1 %yielding, label %rest, label %again
rest:
  %ignored = call i32 @{yielding}()
  br label %again
again:
  br label %look
end:
  ret void
}}
"""
