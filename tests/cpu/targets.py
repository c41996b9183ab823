"""The processors that the engine is tested for, and which of them this machine can run.

Beside the engine's own presets there are two made up ones, which run wherever AVX2 does:

    wide        AVX-512's loops (16 lanes in a register, 32 registers) in AVX2's instructions
    narrow      NEON's loops (4 lanes in a register, 32 registers) in AVX2's instructions

So the loops that are written for another processor are tested on every machine; its instructions
are where it runs.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from tails import SEARCHING

from gradtrail.engines.cpu import target as presets
from gradtrail.engines.cpu.target import Target, runnable

PRESETS = ("avx512", "avx2", "baseline")

LONG = pytest.mark.long

_AVX2 = ("x86-64-v3", "+avx2,+fma,-avx512f")

MADE_UP = {
    "wide": Target(*_AVX2, width=16, registers=32, fma=True),
    "narrow": Target(*_AVX2, width=4, registers=32, fma=True),
}

FUSED = ("avx512", "avx2", "wide", "narrow")
"""Those with a fused multiply-add, which give the same bits."""


def target_named(name: str | None) -> Target:
    """A target by name, those made up for the tests included."""
    return MADE_UP[name] if name in MADE_UP else presets.target_for(name)


def runs_here(name: str) -> bool:
    return runnable(target_named(name))


def needing(name: str, *values: object, id: str | None = None) -> pytest.param:
    """A test's parameters, skipped where this machine cannot run a target."""
    reason = f"this machine lacks what {name} needs ({target_named(name).features})"
    marks = pytest.mark.skipif(not runs_here(name), reason=reason)
    return pytest.param(*values, marks=marks, id=id or name)


def each_of(*names: str) -> list[pytest.param]:
    """One parameter per target."""
    return [needing(name, name) for name in names]


def presets_and_wide() -> list[pytest.param]:
    """The presets, and AVX-512's loops where AVX-512 itself does not run.

    All but the best that runs here are a long tail.
    """
    best = next((name for name in PRESETS if runs_here(name)), PRESETS[-1])
    params = each_of(*PRESETS, "wide")
    if runs_here("avx512"):
        params[-1] = pytest.param("wide", marks=pytest.mark.skip(reason="avx512 runs"), id="wide")
    return [
        param
        if param.id == best
        else pytest.param(*param.values, marks=[*param.marks, LONG], id=param.id)
        for param in params
    ]


def in_turn(cases: Iterable[object], always: int) -> list[pytest.param]:
    """Parameters (case, target): every case for the best target that runs here.

    The first so many are no tail. Each case is in the long tail for one of the other targets, which
    take turns; in a search it is for each.
    """
    best = next((name for name in PRESETS if runs_here(name)), PRESETS[-1])
    others = [name for name in loops_here() if name != best]
    found = []
    for at, case in enumerate(cases):
        turn = at % max(len(others), 1)
        named = getattr(case, "id", case)
        for name in (best, *(others if SEARCHING else others[turn : turn + 1])):
            marks = () if name == best and at < always else LONG
            found.append(pytest.param(case, name, marks=marks, id=f"{named}-{name}"))
    return found


def over(
    cases: Iterable[object], *names: str, always: int = 1, best_always: int | None = None
) -> list[pytest.param]:
    """Parameters (case, target): every case for the best target of those that run here.

    The other targets have the first so many cases always; with the rest they are a long tail. So
    has the best one where `best_always` says how many are no tail.
    """
    best = next((name for name in names if runs_here(name)), names[-1])
    found = []
    for at, case in enumerate(cases):
        for param in each_of(*names):
            count = best_always if param.id == best else always
            marks = param.marks if count is None or at < count else (*param.marks, LONG)
            found.append(pytest.param(case, *param.values, marks=marks, id=f"{case}-{param.id}"))
    return found


def loops_here() -> tuple[str, ...]:
    """The presets that run here; where AVX-512 does not, its loops in AVX2's instructions."""
    found = tuple(name for name in PRESETS if runs_here(name))
    return found if "avx512" in found or not runs_here("wide") else ("wide", *found)
