"""Equations read from the text that `printing.text` writes, or that a person types.

    parse("Z[n,k] = b[k] + Σ_{f} W[k,f]·X[n,f]", ranges={"k": 10}, shapes={"X": (64, 784)})

Open ranges and shapes are inferred. `*`, `-` and `sum_{…}` may stand for `·`, `−` and `Σ_{…}`.
What text does not show (padding, the values behind symbols, the bodies of functions, the numbers of
an equation's own constants) is passed beside it; `context` collects it from an equation, so that
`parse(text(e), **context(e)) == e`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from ..errors import EquationError, ShapeError
from .access import Access, Applied, Indicator, Margin, Sparse, sparse_of
from .constructors import contraction, loss, normalisation, selection, softmax
from .equation import Equation
from .kinds import Contraction, LossEquation, LossRule, Selection
from .over_axes import Normalisation, SoftmaxEquation
from .printing import text
from .reader import Reader
from .scalar import Function
from .syntax import Over, WrittenElement, WrittenLine, line_of
from .tokens import mistake


def parse(
    source: str,
    *,
    ranges: Mapping[str, int],
    shapes: Mapping[str, Sequence[int]],
    constants: Mapping[str, int | Fraction] | None = None,
    functions: Mapping[str, Function] | None = None,
    padding: Mapping[str, Sequence[Margin]] | None = None,
    epsilon: float = 1e-5,
    matrices: Sequence[Sparse] = (),
) -> Equation:
    """The equation that a text describes.

    Args:
        source: one line per defining equation, as `text` prints them.
        ranges: the indices whose ranges are known.
        shapes: the arrays whose shapes are known.
        constants: the values of the symbols, such as `{"s": 2, "p": 1, "1/N": Fraction(1, 64)}`.
        functions: the functions of one number that occur, by name.
        padding: the margins of the accesses that may leave their array, by the access's text.
        epsilon: what `ε` stands for in a normalisation.
        matrices: the constants that the equation itself knows, such as weights of an interpolation.

    Raises:
        EquationError: the text is not an equation; the message shows the place.
        ShapeError: the ranges and shapes contradict each other.
    """
    known = {matrix.access.array: matrix.rows for matrix in matrices}
    reader = Reader(constants or {}, functions or {}, padding or {}, matrices=known)
    lines = [line for line in source.splitlines() if line.strip()]
    if not lines:
        raise EquationError("an equation needs at least one line such as Z[n,k] = X[n,k]")
    lines[0] = _without_window(lines[0], matrices)
    try:
        return _parsed(reader, lines, ranges, shapes, epsilon, matrices)
    except (EquationError, ShapeError):
        raise
    except (ValueError, ZeroDivisionError) as cause:
        raise EquationError(f"{cause} in {source.strip()!r}") from cause


def _without_window(line: str, matrices: Sequence[Sparse]) -> str:
    """A maximum's line without what says where its window lies: `max_{h,w: U[y,h]·V[x,w]}`.

    Raises:
        EquationError: the window is not that of the matrices.
    """
    window = re.search(r"(?<=max_\{)([^:}]*): *([^}]*)(?=\})", line)
    if window is None:
        return line
    passed = "·".join(text(one.access) for one in matrices)
    if window[2] != passed:
        raise EquationError(
            f"the maximum has the window {window[2]} but the matrices that are passed are "
            f"{passed or 'none'}, in {line.strip()!r}"
        )
    return line.replace(window[0], window[1])


def _parsed(
    reader: Reader,
    lines: list[str],
    ranges: Mapping[str, int],
    shapes: Mapping[str, Sequence[int]],
    epsilon: float,
    matrices: Sequence[Sparse],
) -> Equation:
    """The equation of the kind that the lines look like."""
    softened = _softmax(reader, lines, shapes)
    if softened is not None:
        return softened
    if "log " in lines[0] or ")²" in lines[0]:
        return _loss(reader, lines, shapes)
    if len(lines) in (4, 5) and "√" in lines[2]:
        return _normalisation(reader, lines, ranges, shapes, epsilon)
    several = len(lines) > 1
    read = [line_of(line, place if several else 0) for place, line in enumerate(lines, 1)]
    maximum = maximum_of(read[0])
    if maximum is not None:
        return _selection(reader, read[0], *maximum, ranges, shapes, matrices)
    terms = [t for line in read for t in reader.terms(line)]
    return contraction(*terms, ranges=ranges, shapes=shapes)


def maximum_of(line: WrittenLine) -> tuple[Over, WrittenElement] | None:
    """The head and the element of a line that is a maximum; None of a sum.

    Raises:
        EquationError: it is a maximum of more than one element.
    """
    (first, *others) = line.value.products
    head = first.pieces[0][1]
    if not isinstance(head, Over) or head.symbol != "max":
        return None
    _, source = first.pieces[1]
    if others or len(first.pieces) != 2 or first.negative or not isinstance(source, WrittenElement):
        behind = others[0].place if others else first.pieces[-1][1].place
        raise mistake("expected one element behind a maximum, and nothing more", behind)
    return head, source


def context(equation: Equation) -> dict[str, Any]:
    """What `parse` needs beside the text to give this equation back.

    Raises:
        EquationError: two of its functions have one name, so that its text does not say which.
    """
    terms = equation.terms if isinstance(equation, Contraction) else ()
    factors = [f for t in terms for f in t.factors]
    positions = [p for access in equation.accesses for p in access.positions]
    positions += [f.value for f in factors if isinstance(f, Indicator)]
    numbers = [t.scale for t in terms] + [n for p in positions for n in p.numbers]
    symbols = {n.symbol: n.value for n in numbers if n.symbol}
    sizes = {symbol.removeprefix("−"): abs(value) for symbol, value in symbols.items()}
    functions: dict[str, Function] = {}
    for function in (f.function for f in factors if isinstance(f, Applied)):
        if functions.setdefault(function.name, function) != function:
            raise EquationError(
                f"two functions are called {function.name!r}, and text cannot tell them apart; "
                "give one of them another name"
            )
    beside: dict[str, Any] = {
        "ranges": equation.range_of,
        "shapes": equation.shape_of,
        "constants": symbols | sizes,
        "functions": functions,
        "padding": {text(a): a.padding for a in equation.accesses if a.padding},
    }
    if isinstance(equation, Normalisation):
        beside["epsilon"] = equation.epsilon
    within = equation.within if isinstance(equation, Selection) else ()
    if matrices := sparse_of(factors) or within:
        beside["matrices"] = matrices
    return beside


def _selection(
    reader: Reader,
    line: WrittenLine,
    head: Over,
    element: WrittenElement,
    ranges: Mapping[str, int],
    shapes: Mapping[str, Sequence[int]],
    within: Sequence[Sparse],
) -> Selection:
    result, source, over = reader.access(line.target), reader.access(element), head.names
    if set(over) != set(source.names) - set(result.names):
        listed = ", ".join(over)
        raise mistake(
            f"max runs over {listed}, not over what {result.array} leaves open", head.place
        )
    taken = {result.array, source.array, *(one.access.array for one in within)}
    return selection(
        result,
        source,
        over=over,
        winner=winner_of(taken, shapes),
        within=within,
        ranges=ranges,
        shapes=shapes,
    )


def winner_of(taken: Iterable[str], shapes: Iterable[str] = ()) -> str:
    """A letter for the array of a maximum's winners, `A` where that is not taken.

    Args:
        taken: the letters of result and source.
        shapes: further letters that are known, of which one is the winner's.
    """
    free: list[str] = [letter for letter in (*shapes, *"ABC") if letter not in set(taken)]
    return free[0]


def _matched(pattern: str, line: str) -> tuple[str, ...] | None:
    """What a line has at the groups of a pattern, in which `@` is an access; None if it differs."""
    match = re.fullmatch(pattern.replace("@", r"([^\W\d]\w*′*(?:\[[^\]]*\])?)"), line.strip())
    return None if match is None else match.groups()


def _found(pattern: str, line: str) -> tuple[str, ...]:
    found = _matched(pattern, line)
    if found is None:
        raise EquationError(f"cannot read {line.strip()!r}")
    return found


def _normalisation(
    reader: Reader,
    lines: list[str],
    ranges: Mapping[str, int],
    shapes: Mapping[str, Sequence[int]],
    epsilon: float,
) -> Normalisation:

    def access(written: str) -> Access:
        return reader.access(line_of(f"{written} = {written}").target)

    result, scale, normalised, shift = _found(r"@ = (?:@·)?@(?: \+ @)?", lines[0])
    if len(lines) == 5:
        _, source, mean, inverse = _found(r"@ = \(@ − @\)·@", lines[1])
    else:
        _, source, inverse = _found(r"@ = @·@", lines[1])
        mean = ""
    _, variance = _found(r"@ = 1/√\(@ \+ ε\)", lines[2])
    return normalisation(
        access(result),
        access(source),
        access(variance),
        epsilon=epsilon,
        scale=access(scale) if scale else None,
        shift=access(shift) if shift else None,
        letters=(
            access(mean).array if mean else None,
            access(inverse).array,
            access(normalised).array,
        ),
        ranges=ranges,
        shapes=shapes,
    )


def _softmax(
    reader: Reader, lines: list[str], shapes: Mapping[str, Sequence[int]]
) -> SoftmaxEquation | None:
    """A softmax or its logarithm, where the line is written as one."""

    def access(written: str) -> Access:
        return reader.access(line_of(f"{written} = {written}").target)

    over = r"Σ_\{([^}]*)\} exp"
    for log, pattern in ((True, rf"@ = @ − log {over} @"), (False, rf"@ = \(exp @\)/\({over} @\)")):
        found = _matched(pattern, lines[0])
        if found is not None and len(lines) == 1:
            result, source, along, _ = found
            names = [name.partition("<")[0].strip() for name in along.split(",")]
            return softmax(access(result), access(source), along=names, log=log, shapes=shapes)
    return None


def _loss(reader: Reader, lines: list[str], shapes: Mapping[str, Sequence[int]]) -> LossEquation:

    def access(written: str) -> Access:
        return reader.access(line_of(f"{written} = {written}").target)

    share = r"(?:\(1/[^ ]+\)·)?Σ_\{[^}]*\} "
    rule: LossRule = "squared error" if "²" in lines[0] else "softmax cross-entropy"
    softmax, weight = "", ""
    if rule == "squared error":
        result, weight, source, target = _found(rf"@ = {share}(?:@·)?\(@ − @\)²", lines[0])
    else:
        result, target, softmax = _found(rf"@ = −{share}@·log @", lines[0])
        if len(lines) < 2:
            raise EquationError(f"the softmax P = … is missing below {lines[0].strip()!r}")
        _, source, _ = _found(r"@ = \(exp @\)/\(Σ_\{[^}]*\} exp @\)", lines[1])
        if len(lines) > 2:
            weight, _ = _found(r"@ = Σ_\{[^}]*\} @", lines[2])
    return loss(
        rule,
        access(result),
        access(source),
        access(target).array,
        probabilities=access(softmax).array if softmax else None,
        weight=access(weight).array if weight else None,
        shapes=shapes,
    )
