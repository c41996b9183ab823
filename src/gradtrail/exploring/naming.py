"""What a page is called as a file."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

_LONGEST = 80
"""How many characters a name has at most."""

_BYTES = 240
"""And how many bytes: file systems take 255, and temporary names are longer."""


def file_name(title: str) -> str:
    """A title as a file's name, which no system and no shell takes for something else.

    Letters, marks and digits of every script stay; one hyphen is put for whatever else stands
    together.
    """
    text = unicodedata.normalize("NFC", title)
    plain = (c if c in "._" or unicodedata.category(c)[0] in "LMN" else "-" for c in text)
    return _named("".join(plain))


def attachment(name: str) -> str:
    """The header `Content-Disposition` for a file of this name (RFC 6266)."""
    plain = _named(re.sub(r"[^A-Za-z0-9._-]", "-", name.removesuffix(".html")))
    told = f'attachment; filename="{plain}"'
    return told if plain == name else f"{told}; filename*=UTF-8''{quote(name, safe='')}"


def _named(text: str) -> str:
    short = re.sub("-+", "-", text).strip("-.")[:_LONGEST].encode()[:_BYTES].decode(errors="ignore")
    return f"{short or 'gradtrail'}.html"
