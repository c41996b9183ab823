"""One page about a run, in one file. See README.md."""

from .page import report, write_report

__all__ = ["report", "write_report"]
