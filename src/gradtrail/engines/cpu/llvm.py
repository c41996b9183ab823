"""LLVM's library: imported late, and never in the middle of something when the process forks."""

from __future__ import annotations

from functools import cache
from typing import Any

from ...machine.forking import lock_over_forks

INSIDE = lock_over_forks()
"""Whoever is within LLVM holds this. The library has locks of its own, and a fork would leave them
locked in the child, and half of a compilation in its memory."""


@cache
def library() -> Any:
    """`llvmlite.binding`, ready to make code for this kind of machine; to be called inside."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    return llvm
