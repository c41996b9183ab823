"""Facts as sentences. What is said stands in `words/`, one file per language, for Python and page.

Such a file has a template for each kind of fact. In it, `{name}` is a field of the fact; a fact
inside a fact is said by its own template. A style says how a field is written:

    {value, number}                   −0.0179
    {count, integer}                  12,780
    {share, percent}                  34 %
    {samples, list, {, }}             all of them, with what is in braces between two
    {count, select, 1 {…} other {…}}  what stands behind the field's value: true, false, null, a
                                      number, how many there are in a list, or else `other`
    {@zero}                           another template, with the same fields

The styles are those of ICU's message format. A template whose key begins with @ is only a part of
others. `exploring/page/words/say.js` reads the same files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..showing.numbers import number_text, percent_text
from .facts import Fact, Held

LANGUAGES = ("en", "ko")
"""The languages that there are words in."""

_FOLDER = Path(__file__).parent / "words"
_TEXT = re.compile(r"[^{}]+")
_SLOT = re.compile(r"\{(@?)([^,{}]+)(?:, (\w+))?(?:, )?")
_CASE = re.compile(r" ?(\w*) ?\{")

_NUMBERS: Mapping[str, Callable[[Any], str]] = {
    "number": lambda value: number_text(float(value)),
    "integer": lambda value: f"{value:,}",
    "percent": lambda value: percent_text(float(value)),
}


@dataclass(frozen=True)
class _Slot:
    """A place in a template: a field with a style and what belongs to it, or another template."""

    template: bool
    name: str
    style: str
    cases: Mapping[str, _Message]


_Message = tuple[str | _Slot, ...]


def say(fact: Fact, language: str = "en") -> str:
    """A fact as a sentence, or as a part of one.

    Args:
        fact: with all that is inside it.
        language: one of `LANGUAGES`.
    """
    return _field_text(fact, _messages(language))


def words_in(language: str) -> str:
    """The file of a language, JSON."""
    return (_FOLDER / f"{language}.json").read_text(encoding="utf-8")


@cache
def _messages(language: str) -> Mapping[str, _Message]:
    return {kind: _parse(text, 0)[0] for kind, text in json.loads(words_in(language)).items()}


def _parse(text: str, at: int) -> tuple[_Message, int]:
    """The parts of a template from a place on, and the place of the brace that ends it."""
    parts: list[str | _Slot] = []
    while at < len(text) and text[at] != "}":
        if plain := _TEXT.match(text, at):
            parts.append(plain[0])
            at = plain.end()
            continue
        slot, cases = _SLOT.match(text, at), dict[str, _Message]()
        assert slot is not None, text[at:]
        at = slot.end()
        while text[at] != "}":
            case = _CASE.match(text, at)
            assert case is not None, text[at:]
            cases[case[1]], at = _parse(text, case.end())
            at += 1
        parts.append(_Slot(slot[1] == "@", slot[2], slot[3] or "", cases))
        at += 1
    return tuple(parts), at


def _text(message: _Message, held: Mapping[str, Held], words: Mapping[str, _Message]) -> str:
    return "".join(p if isinstance(p, str) else _slot_text(p, held, words) for p in message)


def _slot_text(slot: _Slot, held: Mapping[str, Held], words: Mapping[str, _Message]) -> str:
    """What stands in a slot."""
    if slot.template:
        return _text(words[f"@{slot.name}"], held, words)
    value = held[slot.name]
    if slot.style == "select":
        chosen = slot.cases.get(_key(value), slot.cases["other"])
        return _text(chosen, held, words)
    if slot.style == "list":
        assert isinstance(value, tuple)
        return _text(slot.cases[""], held, words).join(_field_text(one, words) for one in value)
    return _NUMBERS[slot.style](value) if slot.style else _field_text(value, words)


def _field_text(value: Held, words: Mapping[str, _Message]) -> str:
    """A field as it is, or a fact by its template."""
    if isinstance(value, Fact):
        return _text(words[value.kind], dict(value.fields), words)
    return str(value)


def _key(value: Held) -> str:
    """What a field is called where templates choose by it."""
    if isinstance(value, bool | None):
        return json.dumps(value)
    return str(len(value)) if isinstance(value, tuple) else str(value)
