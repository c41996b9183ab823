"""What the words of a formula are: the target, inputs and parameters, indices and symbols.

A word in a position is an index where it stands alone at an axis, under a Σ or a max, or, on the
left side, is added (`Z[n,c,h·2+i]`). Otherwise it is a symbol, whose value is given: what an index
is multiplied by, and what is added to it or subtracted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property

from ..errors import EquationError
from .access import unique
from .frozen import frozen
from .reader import fail
from .syntax import (
    Application,
    Bracket,
    Holds,
    Name,
    Over,
    Piece,
    Square,
    WrittenElement,
    WrittenLine,
    WrittenProduct,
    WrittenSum,
    line_of,
)
from .tokens import Spot

LONGEST = 2000
"""How many characters a formula may have."""

MOST_LINES = 16
MOST_AXES = 6

SAMPLE = "n"
"""The index of samples: the first of every input and of the target, and of no parameter."""


@frozen
class Written:
    """A formula as a tree, and what its words are.

    Args:
        lines: the tree.
        inputs: the letters of the inputs, in order.
        numbers: the words whose value is given beside the text: ranges of indices, and symbols.
    """

    lines: tuple[WrittenLine, ...]
    inputs: tuple[str, ...]
    numbers: frozenset[str]

    @property
    def target(self) -> str:
        """The letter that the formula defines."""
        return self.lines[0].target.letter

    @cached_property
    def elements(self) -> tuple[WrittenElement, ...]:
        """All elements, those on the left first; a bare word that is no number is one, too."""
        left = tuple(line.target for line in self.lines)
        return (*left, *(e for line in self.lines for e in _elements(line.value, self.numbers)))

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The letters that are neither the target nor inputs."""
        known = {self.target, *self.inputs}
        return unique([e.letter for e in self.elements if e.letter not in known])

    @cached_property
    def heads(self) -> tuple[Over, ...]:
        """The heads of all sums and maxima."""
        return tuple(p for line in self.lines for p in _pieces(line.value) if isinstance(p, Over))

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """The ranges that stand in the text, as in Σ_{i<3}."""
        return {
            name: size
            for head in self.heads
            for name, size in zip(head.names, head.sizes, strict=True)
            if size is not None
        }

    @cached_property
    def indices(self) -> Mapping[str, Spot]:
        """The words that are indices, in order of appearance, and where each stands first."""
        alone = [p.alone for e in self.elements for p in e.positions]
        sure = {piece.text for piece in alone if isinstance(piece, Name)}
        sure |= {name for head in self.heads for name in head.names}
        for line in self.lines:
            for position in line.target.positions:
                sure |= {w for product in position.products for w in _added(product, sure)}
        return self._first_places(sure)

    @cached_property
    def symbols(self) -> Mapping[str, Spot]:
        """The words in positions that are no indices, and where each stands first."""
        known = self.indices
        words = {w.text for e in self.elements for p in e.positions for w in _words(p)}
        return self._first_places(words - known.keys())

    def _first_places(self, words: Collection[str]) -> dict[str, Spot]:
        """Where each of some words stands first in a position."""
        places: dict[str, Spot] = {}
        for element in self.elements:
            for position in element.positions:
                for word in _words(position):
                    if word.text in words:
                        places.setdefault(word.text, word.place)
        return places


def written(text: str, inputs: Sequence[str], numbers: Collection[str]) -> Written:
    """A formula read, and its words looked at.

    Args:
        text: one line, or several that define one array.
        inputs: the letters of the inputs, in order.
        numbers: the words whose value is given.

    Raises:
        EquationError: it is none; the message shows the place and what was expected there.
    """
    if len(text) > LONGEST:
        raise EquationError(f"a formula has at most {LONGEST} characters, not {len(text)}")
    given = [line for line in text.splitlines() if line.strip()]
    if not given:
        raise EquationError("the text is empty; expected a formula such as Z[n,c] = g[c]·X[n,c]")
    if len(given) > MOST_LINES:
        raise EquationError(f"a formula has at most {MOST_LINES} lines, not {len(given)}")
    several = len(given) > 1
    lines = tuple(line_of(line.strip(), i if several else 0) for i, line in enumerate(given, 1))
    found = Written(lines, tuple(inputs), frozenset(numbers))
    _check_letters(found)
    _check_samples(found)
    _check_words(found)
    _check_ranges(found)
    return found


def _check_letters(found: Written) -> None:
    """One target, which nothing reads; every input; and each letter with one number of axes."""
    for line in found.lines[1:]:
        if line.target.letter != found.target:
            cause = (
                f"a formula defines one array, {found.target}, and not {line.target.letter}, too"
            )
            fail(f"{cause}; make two layers of it", line.target.place)
    axes: dict[str, int] = {}
    for place, element in enumerate(found.elements):
        letter, count = element.letter, len(element.positions)
        if letter == found.target and place >= len(found.lines):
            fail(f"{letter} stands on both sides; a layer reads its inputs alone", element.place)
        if letter in found.numbers:
            fail(f"{letter} is given a number, but is an array here", element.place)
        if axes.setdefault(letter, count) != count:
            cause = f"{letter} has {count} positions here, and {axes[letter]} before"
            fail(cause, element.place)
        if count > MOST_AXES:
            fail(f"{letter} has {count} positions; at most {MOST_AXES} are taken", element.place)
    for letter in found.inputs:
        if letter == found.target:
            fail(
                f"{letter} is an input, and cannot be what is defined", found.lines[0].target.place
            )
        if letter not in axes:
            known = ", ".join(found.parameters) or "nothing"
            raise EquationError(
                f"the input {letter} does not occur in the formula, which reads {known}; "
                'name its inputs, as in inputs="X" or inputs=("A", "B")'
            )


def _check_samples(found: Written) -> None:
    """`n` is the first position of the target and of every input, and stands nowhere else."""
    sampled = {found.target, *found.inputs}
    for element in found.elements:
        letter, positions = element.letter, element.positions
        first = positions[0].alone if positions else None
        begins = isinstance(first, Name) and first.text == SAMPLE
        if letter in sampled and not (begins and len(positions) > 1):
            fail(
                f"{letter} goes by samples: expected {letter}[{SAMPLE},…] with the sample first, "
                "and at least one more position",
                element.place,
            )
        for position in positions[letter in sampled :]:
            for word in _words(position):
                if word.text == SAMPLE:
                    fail(f"{SAMPLE} counts the samples, and stands first or nowhere", word.place)
    for head in found.heads:
        if SAMPLE in head.names:
            fail(f"samples do not meet in a layer: nothing runs over {SAMPLE}", head.place)


def _check_words(found: Written) -> None:
    """Every symbol has a value, and every value is a word's; an index stands in positions alone."""
    bare = [p for line in found.lines for p in _pieces(line.value) if isinstance(p, Name)]
    for letter, place in [(e.letter, e.place) for e in found.elements] + [
        (piece.text, piece.place) for piece in bare
    ]:
        if letter in found.indices:
            cause = f"{letter} is an index, and neither an array nor a number"
            fail(f"{cause}; take another letter, or write an element such as W[{letter}]", place)
    for symbol, place in found.symbols.items():
        if symbol not in found.numbers and symbol[0] != "|":
            fail(f"expected an index or a number; if {symbol} is one, write {symbol}=…", place)
    words = {*found.indices, *found.symbols, *_numerals(found.lines)}
    for name in sorted(found.numbers):
        if name not in words:
            listed = ", ".join(n for n in found.indices if n != SAMPLE)
            raise EquationError(
                f"{name} does not occur in the formula; its indices are {listed or 'none'}"
            )
    if SAMPLE in found.numbers:
        raise EquationError(f"{SAMPLE} counts the samples of a batch, and cannot be given")


def _check_ranges(found: Written) -> None:
    """Every index has a range: given, or to be read off an input, or off another line's target."""
    known = {SAMPLE, *found.numbers, *found.sizes}
    read = [
        {w.text for w in _words(p)} & found.indices.keys()
        for e in found.elements
        if e.letter in found.inputs
        for p in e.positions
    ]
    summed = {name for head in found.heads for name in head.names}
    while new := [names - known for names in read if len(names - known) == 1]:
        known |= set().union(*new)
    if len(found.lines) > 1:
        aside = (p.alone for line in found.lines for p in line.target.positions)
        known |= {piece.text for piece in aside if isinstance(piece, Name)}
    missing = [name for name in found.indices if name not in known]
    for name in sorted(missing, key=lambda name: name not in summed):
        fail(f"nothing says how far {name} runs; give its range, {name}=…", found.indices[name])


def _elements(found: WrittenSum, numbers: frozenset[str]) -> Iterator[WrittenElement]:
    """The elements of a sum that is no position."""
    for piece in _pieces(found):
        if isinstance(piece, WrittenElement):
            yield piece
        elif isinstance(piece, Name) and piece.text not in numbers and piece.text[0] != "|":
            yield WrittenElement(piece.text, (), piece.place)


def _numerals(lines: Sequence[WrittenLine]) -> Iterator[str]:
    """The words that stand as numbers before products, and the sizes that stand anywhere."""
    for line in lines:
        yield from (p.text for p in _pieces(line.value) if isinstance(p, Name))


def _pieces(found: WrittenSum) -> Iterator[Piece]:
    """All pieces of a sum, those in brackets and arguments too; not those of positions."""
    for product in found.products:
        for _, piece in product.pieces:
            yield from _within(piece)


def _within(piece: Piece) -> Iterator[Piece]:
    match piece:
        case Bracket():
            yield from _pieces(piece.inside)
        case Application():
            yield from _pieces(piece.argument)
        case Square():
            yield from _within(piece.of)
        case Holds():
            fail("expected a product: what holds or not is no number", piece.place)
        case _:
            yield piece


def _words(position: WrittenSum) -> Iterator[Name]:
    """The words of a position."""
    for product in position.products:
        for _, piece in product.pieces:
            if isinstance(piece, Name):
                yield piece
            elif isinstance(piece, Bracket):
                yield from _words(piece.inside)


def _added(product: WrittenProduct, sure: Collection[str]) -> Iterator[str]:
    """The words that a product of the left side makes indices: of `h·s` the first, of `−p` none."""
    words = [p.text for divides, p in product.pieces if isinstance(p, Name) and not divides]
    if words and not product.negative and words[0][0] != "|" and not any(w in sure for w in words):
        yield words[0]
    for _, piece in product.pieces:
        if isinstance(piece, Bracket):
            for inner in piece.inside.products:
                yield from _added(inner, sure)
