"""From LLVM's text to machine code, kept on disk.

A compiled object is found again by what it was made from: the kernel's description, the text of the
code generator, LLVM's version, the processor's name and features. Equal description and equal
generator make equal IR, so no IR has to be written to find an object.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from .cache import read, stored_path, write
from .target import Target

__all__ = ["Compiler", "assembly"]


@cache
def _generator() -> bytes:
    """A digest of the code generator itself: other text, other objects."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.digest()


@cache
def _llvm() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    return llvm


def _machine(target: Target) -> Any:
    """A fresh target machine: an execution engine owns its own."""
    llvm = _llvm()
    found = llvm.Target.from_triple(llvm.get_process_triple())
    return found.create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, reloc="pic", codemodel="default"
    )


def _parsed(text: str) -> Any:
    llvm = _llvm()
    module = llvm.parse_assembly(text)
    module.triple = llvm.get_process_triple()
    return module


def assembly(text: str, target: Target) -> str:
    """The machine code of a module as assembler text."""
    return str(_machine(target).emit_assembly(_parsed(text)))


Piece = tuple[str, str, Callable[[], str]]
"""A module to load: the function's name, what its text follows from, and what writes the text."""


class Compiler:
    """Compiles functions for one target and keeps them loaded.

    Args:
        target: the processor.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.compiled = 0
        self.found = 0
        self._addresses: dict[tuple[str, str], int] = {}
        self._engines: list[Any] = []
        self._lock = threading.Lock()

    def addresses(self, pieces: Sequence[Piece]) -> list[int]:
        """The addresses of functions; those that are not loaded yet are loaded together.

        Pieces with equal descriptions are one module, which holds all their functions.
        """
        with self._lock:
            missing = [p for p in pieces if (p[0], p[1]) not in self._addresses]
            if missing:
                self._load(missing)
            return [self._addresses[name, description] for name, description, _ in pieces]

    def _load(self, pieces: Sequence[Piece]) -> None:
        llvm = _llvm()
        holder = llvm.parse_assembly("")
        holder.triple = llvm.get_process_triple()
        engine = llvm.create_mcjit_compiler(holder, _machine(self.target))
        for description, text in {d: text for _, d, text in pieces}.items():
            engine.add_object_file(llvm.ObjectFileRef.from_data(self._object(description, text)))
        engine.finalize_object()
        self._engines.append(engine)
        for name, description, _ in pieces:
            address = engine.get_function_address(name)
            if not address:
                raise RuntimeError(f"the object for {name} does not hold it")
            self._addresses[name, description] = int(address)

    def _object(self, description: str, text: Callable[[], str]) -> bytes:
        path = self._path(description)
        stored = read(path)
        if stored is not None:
            self.found += 1
            return stored
        self.compiled += 1
        made = bytes(_machine(self.target).emit_object(_parsed(text())))
        write(path, made)
        return made

    def _path(self, description: str) -> Path | None:
        version = ".".join(map(str, _llvm().llvm_version_info))
        parts = (version, self.target.cpu, self.target.features, description)
        return stored_path(
            hashlib.sha256(_generator() + "\0".join(parts).encode()).hexdigest(), "o"
        )
