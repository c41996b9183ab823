"""Text that may hold names from outside, as a person is to read it."""

from __future__ import annotations

import re

__all__ = ["escaped", "visible"]

_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that move the cursor, change colours or turn the order of others about."""


def visible(text: str) -> str:
    r"""A text whose control characters are written out, such as `\x1b`.

    Names of files and classes come from outside, and a terminal does what such characters say.
    """
    return _COMMANDS.sub(lambda found: ascii(found[0])[1:-1], text)


def escaped(text: str, quote: bool = True) -> str:
    """A text as HTML shows it: a page's words, too, change their order as such characters say.

    Args:
        text: what is to be read.
        quote: whether quotation marks are replaced, as in an attribute they have to be.
    """
    from html import escape  # whose table of entities few programs need

    return escape(visible(text), quote)
