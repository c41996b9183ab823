"""One page about a run, in one file. See README.md."""

from .report_page import report, write_report

__all__ = ["report", "write_report"]
