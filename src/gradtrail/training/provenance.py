"""Who wrote a checkpoint, and what of it is not promised to be the same elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..engines import Engine
from ..version import VERSION

_NOT_PROMISED = (
    "the seconds; and the last bits of what follows, with another version of gradtrail or where "
    "'bits' is another"
)

UNKNOWN: Mapping[str, str] = {"gradtrail": "0.1.0", "processor": "", "bits": "", "not_promised": ""}
"""Of checkpoints whose format did not say it."""


def provenance(engine: Engine) -> dict[str, str]:
    """The version and the processor, as JSON.

    Returns:
        `gradtrail`, the version; `processor`; `bits`, on which processors the same bits follow;
        `not_promised`, what may differ all the same.
    """
    processor, bits = engine.runs_on()
    return {
        "gradtrail": VERSION,
        "processor": processor,
        "bits": bits,
        "not_promised": _NOT_PROMISED,
    }


def differing_bits(written: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """What differs between two provenances so that the same bits are not promised, as clauses."""
    promise = "the training goes on, but not bit by bit as if nothing had stopped it"
    if written["gradtrail"] != now["gradtrail"]:
        yield (
            f"was written by gradtrail {written['gradtrail']}, and this is {now['gradtrail']}: "
            f"{promise}"
        )
    elif written["bits"] and written["bits"] != now["bits"]:
        yield (
            f"was written on {written['processor']} ({written['bits']}), and this is "
            f"{now['processor']} ({now['bits']}): {promise}"
        )
