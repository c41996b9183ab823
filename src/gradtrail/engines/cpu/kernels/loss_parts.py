"""What a loss's kernels are told: by the frame, or of several outputs by a row of a table for each.

Where a network has several outputs, each loss has labels, a weight and a result of its own. The
frame says where the table is; `PartWord` says what stands in a row.
"""

from __future__ import annotations

from enum import IntEnum

from ..builder import Code
from ..frame import Slot
from ..ir_types import F, P, Value


class PartWord(IntEnum):
    """The 8-byte words of an output's row, by their place in it."""

    CLASSES = 0  # as in the frame, and so are the next three
    TARGETS = 1
    TARGET_SCALE = 2
    RESULT = 3
    WEIGHT = 4  # float32: what the loss counts in the sum


PART_WORDS = 8
"""How many words a row has room for: a line."""


def loss_field(code: Code, slot: Slot, part: int | None, type: str) -> Value:
    """What the frame says, or of one of several outputs its row.

    Args:
        code: being written.
        slot: `CLASSES`, `TARGETS`, `TARGET_SCALE` or `RESULT`.
        part: which output; None where there is only one.
        type: of the field.
    """
    if part is None:
        return code.frame(slot, type)
    return _word(code, part, PartWord[slot.name], type)


def gradient_share(code: Code, part: int | None) -> Value:
    """What a sample counts in the gradient, in all lanes: 1/N, or of several outputs weight/N."""
    share = code.splat(code.frame(Slot.SHARE, F))
    if part is None:
        return share
    return code.mul(share, code.splat(_word(code, part, PartWord.WEIGHT, F)))


def weight_text(part: int | None) -> str:
    """What stands before a gradient as text: its output's weight, where there are several."""
    return "" if part is None else "weight·"


def _word(code: Code, part: int, word: PartWord, type: str) -> Value:
    table = code.frame(Slot.PARTS, P)
    return code.load(code.at(table, 8 * (PART_WORDS * part + word)), type, align=8)


def store_result(code: Code, place: int, value: Value, part: int | None) -> None:
    """A block's number: RESULT is [block][2] float32."""
    rows = loss_field(code, Slot.RESULT, part, P)
    result = code.at(rows, code.frame(Slot.BLOCK), 8)
    code.store(value, code.at(result, 4 * place))
