"""How large an image may be, whatever its format; read from the header, before it is decoded."""

from __future__ import annotations

from .unreadable import UnreadableError

MAX_PIXELS = 1 << 26
"""Of one image: 8,192 × 8,192."""
_MAX_SIDE = 1 << 15  # in between, resizing takes its rows in the new width


def check_size(height: int, width: int) -> None:
    """An image of this size may be decoded.

    Raises:
        UnreadableError: it may not.
    """
    if width * height > MAX_PIXELS or max(width, height) > _MAX_SIDE:
        raise UnreadableError(
            f"it claims {height:,} × {width:,} pixels, above the limit of {MAX_PIXELS:,} or of "
            f"{_MAX_SIDE:,} in one direction"
        )
    if min(width, height) < 1:
        raise UnreadableError(f"it is damaged: it claims {height:,} × {width:,} pixels")
