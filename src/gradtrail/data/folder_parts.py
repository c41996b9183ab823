"""Which folders of a folder are for training, validation and testing, and which are classes.

Their names say it, in the ways that people write them: `train`, `training_set`, `test_images`,
`seg_train`. What cannot be told is asked, and what is unusual is said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError, FileError, typed
from .image_files import folders_in, images_below, innermost, pictures

PARTS = ("train", "validation", "test")

_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training", "trainval"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("dev", "devel", "development", "eval", "evaluation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_PLAIN = frozenset(("train", "training", "val", "valid", "validation", "test", "testing"))
"""Names that nobody need be told how they were understood."""

_BESIDE = r"(?:data)?sets?|data|images?|imgs?|pictures?|pics?|photos?|samples?|split|part|folder"
_GLUED = re.compile(
    rf"(?:(?:{_BESIDE})[\W_]*)?({'|'.join(_WORDS)})(?:[\W_]*(?:{_BESIDE}))?[\W_\d]*"
)


@dataclass(frozen=True)
class Parts:
    """The parts of a data set in a folder.

    Args:
        folders: of "train", "validation" and "test", as far as they are there; none where the
            folders are classes.
        notes: what a person should be told.
    """

    folders: Mapping[str, Path]
    notes: tuple[str, ...] = ()


def parts_of(root: Path) -> Parts:
    """The folders for training, validation and testing; none where a class may be called so.

    Raises:
        DataError: the folders may be parts or classes, and going on would lose some of them.
        FileError: two folders for one part.
    """
    folders = folders_in(root)
    named = _named(folders)
    beside = [folder for folder in folders if folder not in named]
    train = next((folder for folder, part in named.items() if part == "train"), None)
    if not named:
        _classes_indeed(root, folders)
    if train is None or not folders_in(train) or (pictures(train) and beside):
        if named and not beside:
            raise DataError(_no_classes(root, named, train))
        return Parts({})
    found: dict[str, Path] = {}
    notes: list[str] = []
    for folder, part in named.items():
        if not folders_in(folder):
            if count := len(pictures(folder)):
                notes.append(
                    f"{folder} holds {count:,} pictures in no class's folder: without labels they "
                    f"are left out; `gradtrail predict RUN {typed(folder)}` tells what they show"
                )
            continue
        if part in found:
            raise FileError(
                f"{root} has both {found[part].name} and {folder.name}; which is for {part}? "
                "Rename the other"
            )
        found[part] = folder
    notes += _passed_over(root, beside, named)
    found = {part: found[part] for part in PARTS if part in found}
    unusual = [f"{f.name} ({p})" for p, f in found.items() if f.name.lower() not in _PLAIN]
    if unusual:
        taken = "were taken to be parts" if len(unusual) > 1 else "was taken to be a part"
        notes.append(
            f"{root}: {' and '.join(unusual)} {taken} of the data with a folder for each class, "
            "not a class; rename what is one"
        )
    return Parts(found, tuple(notes))


def refuse_parts(root: Path) -> None:
    """Check that the folders of a folder are classes, as far as their names say.

    Raises:
        DataError: they are parts of a data set, or may be.
        FileError: two folders for one part.
    """
    parts = parts_of(root).folders
    if parts:
        told = ", ".join(path.name for path in parts.values())
        raise DataError(
            f"{root} holds parts with a folder for each class in them, {told}, and no classes: "
            f"open all of them with gt.data.read({str(root)!r}), or one, such as {parts['train']}; "
            "pass classes= (--classes) if they are classes"
        )


def classes_within(folder: Path, known: Sequence[str] = ()) -> tuple[Path, tuple[str, ...]]:
    """The folder that holds the classes: this one, or one far enough in it, which is said.

    Args:
        folder: of a part, or of everything.
        known: names that are classes.
    """
    inner = innermost(folder, known)
    if inner == folder:
        return folder, ()
    note = f"{folder} holds one folder alone: the classes were taken to be the folders in {inner}"
    return inner, (f"{note}; put them into several if that is wrong",)


def _named(folders: Sequence[Path]) -> dict[Path, str]:
    """The folders whose names say a part.

    Other words beside it, as in `seg_train`, must be the same for the training and another part:
    a single `bullet_train` is a class.
    """
    found: dict[Path, str] = {}
    groups: dict[str, dict[Path, str]] = {}
    for folder in folders:
        name = folder.name.lower()
        if glued := _GLUED.fullmatch(name):
            found[folder] = _WORDS[glued[1]]
            continue
        words = [word for word in re.split(r"[\W\d_]+", name) if word]
        parts = [word for word in words if word in _WORDS]
        if len(parts) == 1:
            rest = " ".join(word for word in words if word != parts[0])
            groups.setdefault(rest, {})[folder] = _WORDS[parts[0]]
    for group in groups.values():
        if "train" in group.values() and len(set(group.values())) > 1:
            found |= group
    return found


def _no_classes(root: Path, named: Mapping[Path, str], train: Path | None) -> str:
    """Why folders that are called like parts, all of them, are none."""
    names = ", ".join(folder.name for folder in named)
    if train is None:
        first = next(iter(named))
        return (
            f"{root} has {names} but no train: these are hardly classes; open the one that is "
            f"meant, such as {first} (--data {typed(first)}), or pass classes= (--classes) if they "
            "are classes"
        )
    return (
        f"{train} has no folder for each class: {names} are hardly classes themselves; put the "
        "images of each class into a folder with the class's name inside them, or pass classes= "
        "(--classes) if they are classes"
    )


def _classes_indeed(root: Path, folders: Sequence[Path]) -> None:
    """Refuse folders whose names are no parts, but which are data sets with parts of their own."""
    if len(folders) < 2:
        return
    inside = [set(_named(folders_in(folder)).values()) for folder in folders]
    if all(len(parts) > 1 and "train" in parts for parts in inside):
        first, second = folders[:2]
        told = ", ".join(folder.name for folder in folders_in(first))
        raise DataError(
            f"{root} has {first.name}, {second.name} and in each of them {told}: as classes they "
            f"would mix what is for training with what is not; open one, such as {first} (--data "
            f"{typed(first)}), if it is a data set, or put the classes into {told}; pass classes= "
            "(--classes) if all images in them are to train"
        )


def _passed_over(root: Path, beside: Sequence[Path], named: Mapping[Path, str]) -> list[str]:
    """Notes about pictures that belong to no part.

    Raises:
        DataError: there is no part but training, so these may well be classes.
    """
    held = [folder for folder in beside if images_below(folder)]
    told = ", ".join(folder.name for folder in held)
    train = next(folder for folder, part in named.items() if part == "train")
    if held and len(named) == 1:
        raise DataError(
            f"{root} has {train.name} with folders in it, and beside it {told} with images, which "
            f"would be lost: put them into {train} if they are classes, open {train} (--data "
            f"{typed(train)}) to learn without them, or pass classes= (--classes) if "
            f"{train.name} is a class too"
        )
    notes = []
    if held:
        notes.append(
            f"{root}: {told} {'was' if len(held) == 1 else 'were'} passed over, being neither for "
            f"training nor for validation or testing; put what is a class into {train}"
        )
    if loose := pictures(root):
        notes.append(
            f"{root}: {len(loose):,} pictures beside {train.name} were passed over, since they lie "
            "in no class's folder"
        )
    return notes
