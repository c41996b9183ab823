"""Where a user's own files are, as far as the system says who the user is.

Without a home (no HOME, and a user whom the system does not know, as in some containers) `~` stands
for itself, and would become a folder of that name wherever one happens to be.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import FileError


def expand_home(path: str | os.PathLike[str]) -> Path | None:
    """A path with `~` and `~name` as the folders they stand for; None where they are not known."""
    given = os.fspath(path)
    found = os.path.expanduser(given)
    unknown = given.startswith("~") and (found == given or os.environ.get("HOME") == "")
    return None if unknown else Path(found)


def locate(path: str | os.PathLike[str]) -> Path:
    """A path that somebody gave, with `~` and `~name` as the folders they stand for.

    Raises:
        FileError: it is not known which these are.
    """
    found = expand_home(path)
    if found is None:
        home = Path(path).parts[0]
        raise FileError(
            f"cannot read {os.fspath(path)}: it is not known which folder {home} is; write its "
            "whole path, or set HOME"
        )
    return found


def user_cache() -> Path | None:
    """The folder for what only saves time, `~/.cache` or what `XDG_CACHE_HOME` names instead.

    Source: XDG Base Directory Specification: a path that is not absolute is ignored.
    """
    named = os.environ.get("XDG_CACHE_HOME", "")
    return Path(named) if os.path.isabs(named) else expand_home("~/.cache")
