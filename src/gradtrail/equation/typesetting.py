r"""A formula as a small tree, and its three written forms: text, LaTeX and MathML.

`printing.py` says what a formula consists of; this file says only how each piece looks. How pieces
are put together is one line of a table, with `#1` and `#2` for the pieces as in LaTeX:

    FRACTION    #1/#2    \frac{#1}{#2}    <mfrac>#1#2</mfrac>
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Word:
    """A name or a number: `n`, `s_y`, `64`."""

    text: str


@dataclass(frozen=True)
class FunctionName:
    """The name of what is applied to something: `relu′`."""

    text: str


@dataclass(frozen=True)
class Construct:
    """How pieces are put together, in each of the three forms; by itself, a sign."""

    text: str
    latex: str
    mathml: str

    def __call__(self, *pieces: Formula) -> Construction:
        """These pieces put together so."""
        return Construction(self, pieces)


@dataclass(frozen=True)
class Construction:
    """Pieces put together."""

    construct: Construct
    pieces: tuple[Formula, ...]


@dataclass(frozen=True)
class Series:
    """Pieces one after another, with a sign between each two."""

    between: Construct
    pieces: tuple[Formula, ...]


@dataclass(frozen=True)
class Lines:
    """Several equations below one another."""

    rows: tuple[Formula, ...]


Formula = Word | FunctionName | Construct | Construction | Series | Lines


def _sign(text: str, latex: str = "") -> Construct:
    """A sign, in LaTeX the same unless it is given."""
    return Construct(text, latex or text, f"<mo>{escape(text.strip())}</mo>")


PLUS, MINUS, TIMES, BELOW = _sign("+"), _sign("−", "-"), _sign("·", r" \cdot "), _sign("<")
WHERE = _sign(": ", r" :\, ")
# with spaces, between whole terms
ADDED, SUBTRACTED = _sign(" + "), _sign(" − ", " - ")
EQUALS, ADDS = _sign(" = "), _sign(" += ", r" \mathrel{+}= ")
# between the pieces of a series
NOTHING, COMMA, WIDE_COMMA = Construct("", "", ""), _sign(","), _sign(",", r",\,")

SPACED_COMMA = Construct(", ", r",\\ ", "<mo>,</mo>")

ELEMENT = Construct("#1[#2]", "#1_{#2}", "<msub>#1#2</msub>")
SUM = Construct("Σ_{#1} ", r"\sum_{#1} ", "<munder><mo>∑</mo>#1</munder>")
MAXIMUM = Construct("max_{#1} ", r"\max_{#1} ", "<munder><mo>max</mo>#1</munder>")
FRACTION = Construct("#1/#2", r"\frac{#1}{#2}", "<mfrac>#1#2</mfrac>")
FRACTION_OF_SUM = Construct("(#1)/#2", r"\frac{#1}{#2}", "<mfrac>#1#2</mfrac>")
ROOT = Construct("√(#1)", r"\sqrt{#1}", "<msqrt>#1</msqrt>")
SQUARE = Construct("#1²", "{#1}^{2}", "<msup>#1<mn>2</mn></msup>")
LOG = Construct("log #1", r"\log #1", "<mrow><mi>log</mi><mo> </mo>#1</mrow>")
EXP = Construct("exp #1", r"\exp #1", "<mrow><mi>exp</mi><mo> </mo>#1</mrow>")
CALL = Construct("#1(#2)", r"#1\left(#2\right)", "<mrow>#1<mo>(</mo>#2<mo>)</mo></mrow>")
BRACKETS = Construct("(#1)", r"\left(#1\right)", "<mrow><mo>(</mo>#1<mo>)</mo></mrow>")
SQUARE_BRACKETS = Construct("[#1]", r"\left[#1\right]", "<mrow><mo>[</mo>#1<mo>]</mo></mrow>")


def row(*pieces: Formula) -> Series:
    """Pieces one after another."""
    return Series(NOTHING, pieces)


def _filled(template: str, pieces: Sequence[Formula], write: Callable[[Formula], str]) -> str:
    """A construct's template with the written pieces in it."""
    return re.sub(r"#(\d)", lambda place: write(pieces[int(place[1]) - 1]), template)


def to_text(formula: Formula) -> str:
    """One line of Unicode per equation."""
    match formula:
        case Word(text) | FunctionName(text):
            return text
        case Construct(text=sign):
            return sign
        case Construction(construct, pieces):
            return _filled(construct.text, pieces, to_text)
        case Series(between, pieces):
            return between.text.join(map(to_text, pieces))
        case Lines(rows):
            return "\n".join(map(to_text, rows))


def to_latex(formula: Formula) -> str:
    """LaTeX for a display formula; several equations become an `aligned` block."""
    match formula:
        case Word(text):
            return _latex_word(text)
        case FunctionName(text):
            name, primes = text.rstrip("′").replace("_", r"\_"), "'" * text.count("′")
            return rf"\mathrm{{{name}}}{primes}"
        case Construct(latex=sign):
            return sign
        case Construction(construct, pieces):
            return _filled(construct.latex, pieces, to_latex)
        case Series(between, pieces):
            return between.latex.join(map(to_latex, pieces))
        case Lines(rows):
            body = " \\\\\n".join(_aligned(to_latex(r)) for r in rows)
            return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def _aligned(line: str) -> str:
    """A row with the mark at its first equals sign that `aligned` puts below the others."""
    return re.sub(r" (=|\\mathrel\{\+\}=) ", r" &\1 ", line, count=1)


_SIGNS_IN_WORDS = re.compile(r"([·/+−()|])")
_LATEX_SIGNS = {"·": r" \cdot ", "−": "-", "|": r"\vert "}
_LATEX_LETTERS = {"γ": r"\gamma", "β": r"\beta", "μ": r"\mu", "ε": r"\varepsilon"}


def _latex_word(text: str) -> str:
    """A name: upright when it is a word, with primes and subscripts as LaTeX has them."""
    if _SIGNS_IN_WORDS.search(text):
        signs, words = _LATEX_SIGNS, _SIGNS_IN_WORDS.split(text)
        return "".join(signs.get(p, p) if p in "·/+−()|" else _latex_word(p) for p in words)
    stem, _, subscript = text.rstrip("′").partition("_")
    if stem.startswith("d") and len(stem) == 2:
        body = rf"\mathrm{{d}}{_LATEX_LETTERS.get(stem[1], stem[1])}"
    elif stem in _LATEX_LETTERS:
        body = _LATEX_LETTERS[stem]
    else:
        body = rf"\mathrm{{{stem}}}" if len(stem) > 1 and stem.isalpha() else stem
    return body + (f"_{{{subscript}}}" if subscript else "") + "'" * text.count("′")


def to_mathml(formula: Formula) -> str:
    """A `<math>` element that browsers render without any script."""
    namespace = "http://www.w3.org/1998/Math/MathML"
    return f'<math xmlns="{namespace}" display="block">{_mathml(formula)}</math>'


def _mathml(formula: Formula) -> str:
    match formula:
        case Word(text):
            return _mathml_word(text)
        case FunctionName(text):
            return f"<mi>{escape(text)}</mi>"
        case Construct(mathml=sign):
            return sign
        case Construction(construct, pieces):
            return _filled(construct.mathml, pieces, _mathml)
        case Series(between, pieces):
            return f"<mrow>{between.mathml.join(map(_mathml, pieces))}</mrow>"
        case Lines(rows):
            cells = [f'<mtr><mtd style="text-align:left">{_mathml(r)}</mtd></mtr>' for r in rows]
            return f"<mtable>{''.join(cells)}</mtable>"


def _mathml_word(text: str) -> str:
    if _SIGNS_IN_WORDS.search(text):
        pieces = filter(None, _SIGNS_IN_WORDS.split(text))
        inside = [f"<mo>{p}</mo>" if p in "·/+−()|" else _mathml_word(p) for p in pieces]
        return f"<mrow>{''.join(inside)}</mrow>"
    stem, _, subscript = text.partition("_")
    tag = "mn" if re.fullmatch(r"[0-9.]+", stem) else "mi"
    word = f"<{tag}>{escape(stem)}</{tag}>"
    return f"<msub>{word}<mi>{escape(subscript)}</mi></msub>" if subscript else word
