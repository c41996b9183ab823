"""From LLVM's text to machine code, kept on disk.

A compiled object is found again by what it was made from: the kernel's description, the text of the
code generator, LLVM's version, and the target, its registers included. Equal description and equal
generator make equal IR, so no IR has to be written to find an object. The objects of a program are
kept once more as one image, and a program whose image is there needs no LLVM at all.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import llvmlite

from ...machine.forking import renew_in_forks
from .cache import read_stored, source_digest, stored_path, write_stored
from .image import Image, Mapped, link_objects
from .llvm import INSIDE, library
from .target import Target

_GENERATOR = Path(__file__).parent
"""The code generator's text: other text, other objects."""


def _machine(target: Target) -> Any:
    """A fresh target machine: an execution engine owns its own."""
    llvm = library()
    found = llvm.Target.from_triple(llvm.get_process_triple())
    return found.create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, reloc="pic", codemodel="default"
    )


def _parsed(text: str) -> Any:
    llvm = library()
    module = llvm.parse_assembly(text)
    module.triple = llvm.get_process_triple()
    return module


def assembly(text: str, target: Target) -> str:
    """The machine code of a module as assembler text."""
    with INSIDE:
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
        self._kept: list[Any] = []
        renew_in_forks(self._free)

    def _free(self) -> None:
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
        path = self._path("image", *(part for name, d, _ in pieces for part in (name, d)))
        mapped = self._found(path, pieces)
        if mapped is None:
            objects = self._objects(pieces)
            image = link_objects(objects)
            mapped = None if image is None else image.mapped()
            if image is not None and mapped is not None:
                write_stored(path, image.to_bytes())
        found = self._by_llvm(pieces, objects) if mapped is None else mapped.addresses
        self._kept.append(mapped)
        for name, description, _ in pieces:
            if not found.get(name):
                raise RuntimeError(f"the object for {name} does not hold it")
            self._addresses[name, description] = found[name]

    def _found(self, path: Path | None, pieces: Sequence[Piece]) -> Mapped | None:
        """All functions from their image, without LLVM; None where there is none."""
        content = read_stored(path)
        image = None if content is None else Image.from_bytes(content)
        if image is None or not all(name in image.symbols for name, _, _ in pieces):
            return None
        self.found += len({description for _, description, _ in pieces})
        return image.mapped()

    def _by_llvm(self, pieces: Sequence[Piece], objects: Sequence[bytes]) -> dict[str, int]:
        """All functions by LLVM's own loader."""
        with INSIDE:
            llvm = library()
            holder = llvm.parse_assembly("")
            holder.triple = llvm.get_process_triple()
            engine = llvm.create_mcjit_compiler(holder, _machine(self.target))
            for one in objects:
                engine.add_object_file(llvm.ObjectFileRef.from_data(one))
            engine.finalize_object()
            self._kept.append(engine)
            return {name: int(engine.get_function_address(name)) for name, _, _ in pieces}

    def _objects(self, pieces: Sequence[Piece]) -> list[bytes]:
        """The objects, each once; compiled where they are not found."""
        with INSIDE:
            version = ".".join(map(str, library().llvm_version_info))
        texts = {description: text for _, description, text in pieces}
        return [self._object(version, d, text) for d, text in texts.items()]

    def _object(self, version: str, description: str, text: Callable[[], str]) -> bytes:
        path = self._path("o", version, description)
        stored = read_stored(path)
        if stored is not None:
            self.found += 1
            return stored
        self.compiled += 1
        written = text()
        with INSIDE:
            made = bytes(_machine(self.target).emit_object(_parsed(written)))
        write_stored(path, made)
        return made

    def _path(self, kind: str, *follows_from: str) -> Path | None:
        parts = (llvmlite.__version__, repr(self.target), *follows_from)
        key = hashlib.sha256(source_digest(_GENERATOR) + "\0".join(parts).encode()).hexdigest()
        return stored_path(key, kind)
