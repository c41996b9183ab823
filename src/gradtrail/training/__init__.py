"""Training: optimisers, the loop, what it leaves behind. See README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine.first_use import at_first_use
from . import schedules
from .history import History
from .loop import evaluate, train
from .observers import Observer, Seen
from .schedules import Schedule
from .stopping import EarlyStopping

if TYPE_CHECKING:
    from .checkpoints import Checkpoints
    from .logs import CSVLog, JSONLinesLog
    from .metrics import Confusion, confusion
    from .mistaken_samples import Mistakes, mistakes
    from .rate_range import RateRange, lr_range_test
    from .tags import TagScores, tag_scores
    from .tensorboard import TensorBoardLog
    from .watched_weights import Watched, load_watched

__all__ = [
    "CSVLog",
    "Checkpoints",
    "Confusion",
    "EarlyStopping",
    "History",
    "JSONLinesLog",
    "Mistakes",
    "Observer",
    "RateRange",
    "Schedule",
    "Seen",
    "TagScores",
    "TensorBoardLog",
    "Watched",
    "confusion",
    "evaluate",
    "load_watched",
    "lr_range_test",
    "mistakes",
    "schedules",
    "tag_scores",
    "train",
]


__getattr__, __dir__ = at_first_use(
    __name__,
    {
        "Checkpoints": "checkpoints",
        **dict.fromkeys(("CSVLog", "JSONLinesLog"), "logs"),
        "TensorBoardLog": "tensorboard",
        **dict.fromkeys(("Confusion", "confusion"), "metrics"),
        **dict.fromkeys(("RateRange", "lr_range_test"), "rate_range"),
        **dict.fromkeys(("Mistakes", "mistakes"), "mistaken_samples"),
        **dict.fromkeys(("TagScores", "tag_scores"), "tags"),
        **dict.fromkeys(("Watched", "load_watched"), "watched_weights"),
    },
)
