"""Compiled objects joined into one piece of machine code that is loaded without LLVM.

LLVM's library takes longer to import than a program to load, and a program that was compiled before
needs nothing else of it. So its objects are linked here, once: their sections one behind the other,
and every distance between them filled in. All code is position-independent, so that what is kept on
disk only has to be copied into memory; the few functions of the C library that it calls are reached
through slots, which are filled as it is loaded.

Only what LLVM makes of this engine's modules is understood: ELF for x86-64 with distances of 32
bits and no data that is written to. For anything else there is no image, and LLVM loads the
objects.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import platform
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_FORMAT = 1
_HEADER, _SECTION, _SYMBOL, _RELOCATION = "<16xHHIQQQIHHHHHH", "<IIQQQQIIQQ", "<IBBHQQ", "<QQq"
_ELF64 = b"\x7fELF\x02\x01\x01"
_RELOCATABLE, _X86_64 = 1, 62
_PROGRAM, _SYMBOLS, _NOTHING = 1, 2, 8  # types of sections
_WRITABLE, _LOADED, _CODE = 1, 2, 4  # flags of sections
_DISTANCES = (2, 4)  # kinds of relocations: to a place, and to a function
_UNDEFINED, _LAST_SECTION = 0, 0xFF00
_LINE = 64
_JUMP = b"\xff\x25\x00\x00\x00\x00"  # to the address that follows


@dataclass(frozen=True)
class Image:
    """Machine code that may lie anywhere.

    Args:
        code: of all objects, and what it reads.
        symbols: function → where it begins in `code`.
        slots: function of the C library → where its address is to be written.
    """

    code: bytes
    symbols: Mapping[str, int]
    slots: Mapping[str, int]

    def to_bytes(self) -> bytes:
        """For the disk."""
        about = {"format": _FORMAT, "symbols": dict(self.symbols), "slots": dict(self.slots)}
        head = json.dumps(about, separators=(",", ":")).encode()
        return struct.pack("<I", len(head)) + head + self.code

    @classmethod
    def from_bytes(cls, content: bytes) -> Image | None:
        """What `to_bytes` gave; None where it is something else."""
        try:
            (size,) = struct.unpack_from("<I", content)
            about = json.loads(content[4 : 4 + size])
            if about["format"] != _FORMAT:
                return None
            return cls(content[4 + size :], about["symbols"], about["slots"])
        except (ValueError, KeyError, TypeError, struct.error):
            return None

    def mapped(self) -> Mapped | None:
        """The code in memory, executable; None where the system does not let it."""
        try:
            library = ctypes.CDLL(None)
            memory = mmap.mmap(-1, len(self.code))
            memory.write(self.code)
            for name, slot in self.slots.items():
                function = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
                memory[slot : slot + 8] = struct.pack("<Q", function)
            base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
            whole = -(-len(self.code) // mmap.PAGESIZE) * mmap.PAGESIZE
            protect = library.mprotect
            protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
            if protect(base, whole, mmap.PROT_READ | mmap.PROT_EXEC):
                return None
        except (OSError, AttributeError):
            return None
        return Mapped(memory, {name: base + at for name, at in self.symbols.items()})


@dataclass(frozen=True)
class Mapped:
    """Machine code in memory; it stays there as long as this object.

    Args:
        memory: that holds it.
        addresses: of the functions, by name.
    """

    memory: mmap.mmap
    addresses: Mapping[str, int]


def link_objects(objects: Sequence[bytes]) -> Image | None:
    """One image of several objects; None where something in them is not understood."""
    if os.name != "posix" or sys.platform == "darwin" or platform.machine() != "x86_64":
        return None
    try:
        return _Link(objects).image()
    except (_UnknownError, struct.error):
        return None


class _UnknownError(Exception):
    """Something that no module of this engine leads to."""


@dataclass(frozen=True)
class _Section:
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int


class _Object:
    """An ELF file taken apart."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        header = struct.unpack_from(_HEADER, content)
        if content[:7] != _ELF64 or header[:2] != (_RELOCATABLE, _X86_64):
            raise _UnknownError
        start, size, count = header[5], header[10], header[11]
        self.sections: list[_Section] = []
        for at in range(start, start + size * count, size):
            _, kind, flags, _, offset, length, link, info, alignment, _ = struct.unpack_from(
                _SECTION, content, at
            )
            self.sections.append(_Section(kind, flags, offset, length, link, info, alignment))

    def text(self, strings: int, offset: int) -> str:
        """A name in a section of names."""
        begin = self.sections[strings].offset + offset
        return self.content[begin : self.content.index(b"\0", begin)].decode()

    def symbols(self) -> list[tuple[str, int, int]]:
        """Name, section and place of every symbol."""
        found = []
        for section in self.sections:
            if section.kind != _SYMBOLS:
                continue
            for at in range(section.offset, section.offset + section.size, 24):
                name, _, _, where, value, _ = struct.unpack_from(_SYMBOL, self.content, at)
                found.append((self.text(section.link, name), where, value))
        return found

    def distances(self, number: int) -> Iterator[tuple[int, int, int]]:
        """The distances to fill into a section: place, symbol, what is added."""
        for section in self.sections:
            if section.kind != 4 or section.info != number:
                continue
            for at in range(section.offset, section.offset + section.size, 24):
                place, what, added = struct.unpack_from(_RELOCATION, self.content, at)
                if what & 0xFFFFFFFF not in _DISTANCES:
                    raise _UnknownError
                yield place, what >> 32, added


class _Link:
    """An image in the making."""

    def __init__(self, objects: Sequence[bytes]) -> None:
        self.objects = [_Object(content) for content in objects]
        self.code = bytearray()
        self.known: dict[str, int] = {}
        self.slots: dict[str, int] = {}

    def image(self) -> Image:
        """All sections, then all distances."""
        bases = [self._place(one) for one in self.objects]
        for one, at in zip(self.objects, bases, strict=True):
            for name, where, value in one.symbols():
                if name and where in at:
                    self.known[name] = at[where] + value
        functions = dict(self.known)
        for one, at in zip(self.objects, bases, strict=True):
            self._fill(one, at)
        return Image(bytes(self.code), functions, self.slots)

    def _place(self, one: _Object) -> dict[int, int]:
        """Append an object's code and constants; section → where it lies."""
        found = {}
        for number, section in enumerate(one.sections):
            wanted = section.flags & _LOADED and section.size
            if not wanted or section.kind not in (_PROGRAM, _NOTHING):
                continue  # tables for unwinding among them: nothing is thrown through this code
            if section.flags & _WRITABLE or section.kind == _NOTHING:
                raise _UnknownError
            step = max(section.alignment, _LINE if section.flags & _CODE else 1)
            self.code += bytes(-len(self.code) % step)
            found[number] = len(self.code)
            self.code += one.content[section.offset : section.offset + section.size]
        return found

    def _fill(self, one: _Object, at: Mapping[int, int]) -> None:
        """The distances between an object's sections, and to the C library's functions."""
        symbols = one.symbols()
        for number, base in at.items():
            for place, symbol, added in one.distances(number):
                name, where, value = symbols[symbol]
                if where == _UNDEFINED:
                    target = self._jump(name)
                elif where < _LAST_SECTION and where in at:
                    target = at[where] + value
                else:
                    raise _UnknownError
                distance = target + added - (base + place)
                struct.pack_into("<i", self.code, base + place, distance)

    def _jump(self, name: str) -> int:
        """Where a function of the C library is reached: a jump through a slot."""
        if name not in self.known:
            self.code += bytes(-len(self.code) % 16)
            self.known[name] = len(self.code)
            self.slots[name] = len(self.code) + len(_JUMP)
            self.code += _JUMP + bytes(8)
        return self.known[name]
