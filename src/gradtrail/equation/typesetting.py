"""A formula as a small tree, and its three written forms: text, LaTeX and MathML.

`printing.py` says what a formula consists of; this file says only how each piece looks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Word:
    """A name or a number: `n`, `s_y`, `relu′`, `64`."""

    text: str


@dataclass(frozen=True)
class Sign:
    """An operator; `spaced` sets it off, as + between whole terms."""

    text: str
    spaced: bool = False


@dataclass(frozen=True)
class Pieces:
    """Pieces one after another."""

    pieces: tuple[Formula, ...]


@dataclass(frozen=True)
class Indexed:
    """An array element: `X[n,c,y+i]`, in formulas a subscript."""

    base: str
    positions: tuple[Formula, ...]


@dataclass(frozen=True)
class Big:
    """A sum or a maximum with what it runs over: `Σ_{c,i,j}`."""

    symbol: str
    over: tuple[Formula, ...]


@dataclass(frozen=True)
class Fraction:
    """A quotient: `(h+p−i)/s`."""

    above: Formula
    below: Formula


@dataclass(frozen=True)
class Root:
    """A square root."""

    inside: Formula


@dataclass(frozen=True)
class Power:
    """A power."""

    base: Formula
    exponent: str


@dataclass(frozen=True)
class Called:
    """A function of something: `relu(X[n])`."""

    function: str
    argument: Formula


@dataclass(frozen=True)
class Enclosed:
    """Something in brackets."""

    inside: Formula
    brackets: str = "()"


@dataclass(frozen=True)
class Lines:
    """Several equations below one another."""

    rows: tuple[Formula, ...]


Formula = Word | Sign | Pieces | Indexed | Big | Fraction | Root | Power | Called | Enclosed | Lines

_SUPERSCRIPTS = {"2": "²"}


def to_text(layout: Formula) -> str:
    """One line of Unicode per equation."""
    match layout:
        case Word(text):
            return text
        case Sign(text, spaced):
            return f" {text} " if spaced else text
        case Pieces(pieces):
            return "".join(map(to_text, pieces))
        case Indexed(base, positions):
            return f"{base}[{','.join(map(to_text, positions))}]" if positions else base
        case Big(symbol, over):
            return f"{symbol}_{{{','.join(map(to_text, over))}}} "
        case Fraction(above, below):
            return f"{_atom(above)}/{_atom(below)}"
        case Root(inside):
            return f"√({to_text(inside)})"
        case Power(base, exponent):
            return to_text(base) + _SUPERSCRIPTS[exponent]
        case Called(function, argument):
            return f"{function}({to_text(argument)})"
        case Enclosed(inside, brackets):
            return f"{brackets[0]}{to_text(inside)}{brackets[1]}"
        case Lines(rows):
            return "\n".join(map(to_text, rows))


def _atom(layout: Formula) -> str:
    text = to_text(layout)
    whole = isinstance(layout, Word | Enclosed | Root) or text.isalnum()
    return text if whole else f"({text})"


_LATEX_SIGNS = {"·": r" \cdot ", "−": "-", "=": " = ", "+=": r" \mathrel{+}= ", "|": r"\vert "}
_LATEX_LETTERS = {
    "γ": r"\gamma", "β": r"\beta", "μ": r"\mu", "ε": r"\varepsilon", "Σ": r"\sum",
    "max": r"\max", "exp": r"\exp", "log": r"\log", "√": r"\sqrt",
}  # fmt: skip


def to_latex(layout: Formula) -> str:
    """LaTeX for a display formula; several equations become an `aligned` block."""
    match layout:
        case Word(text):
            return _latex_word(text)
        case Sign(text, spaced):
            sign = _LATEX_SIGNS.get(text, text)
            return f" {sign.strip()} " if spaced else sign
        case Pieces(pieces):
            return "".join(map(to_latex, pieces))
        case Indexed(base, positions):
            letter = _latex_word(base)
            inside = r",\,".join(map(to_latex, positions))
            return f"{letter}_{{{inside}}}" if positions else letter
        case Big(symbol, over):
            return f"{_LATEX_LETTERS[symbol]}_{{{','.join(map(to_latex, over))}}} "
        case Fraction(above, below):
            return rf"\frac{{{to_latex(above)}}}{{{to_latex(below)}}}"
        case Root(inside):
            return rf"\sqrt{{{to_latex(inside)}}}"
        case Power(base, exponent):
            return f"{{{to_latex(base)}}}^{{{exponent}}}"
        case Called(function, argument):
            return rf"{_function(function)}\left({to_latex(argument)}\right)"
        case Enclosed(inside, brackets):
            return rf"\left{brackets[0]}{to_latex(inside)}\right{brackets[1]}"
        case Lines(rows):
            body = " \\\\\n".join(_aligned(to_latex(r)) for r in rows)
            return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def _aligned(row: str) -> str:
    """A row with the mark at its first equals sign that `aligned` puts below the others."""
    return re.sub(r" (=|\\mathrel\{\+\}=) ", r" &\1 ", row, count=1)


def _function(name: str) -> str:
    stem, primes = name.rstrip("′").replace("_", r"\_"), "'" * name.count("′")
    return rf"\mathrm{{{stem}}}{primes}"


def _latex_word(text: str) -> str:
    """A name: upright when it is a word, with primes and subscripts as LaTeX has them."""
    stem, primes = text.rstrip("′"), "'" * text.count("′")
    if re.search(r"[·/+−(|]", stem):
        parts = re.split(r"([·/+−()|])", stem)
        return "".join(_LATEX_SIGNS.get(p, p) if p in "·/+−()|" else _latex_word(p) for p in parts)
    stem, _, subscript = stem.partition("_")
    if stem.startswith("d") and len(stem) == 2:
        body = rf"\mathrm{{d}}{_LATEX_LETTERS.get(stem[1], stem[1])}"
    elif stem in _LATEX_LETTERS:
        body = _LATEX_LETTERS[stem]
    else:
        body = rf"\mathrm{{{stem}}}" if len(stem) > 1 and stem.isalpha() else stem
    return body + (f"_{{{subscript}}}" if subscript else "") + primes


_MATHML = 'xmlns="http://www.w3.org/1998/Math/MathML"'


def to_mathml(layout: Formula) -> str:
    """A `<math>` element that browsers render without any script."""
    return f'<math {_MATHML} display="block">{_mathml(layout)}</math>'


def _mathml(layout: Formula) -> str:
    match layout:
        case Word(text):
            return _mathml_word(text)
        case Sign(text):
            return f"<mo>{escape(text)}</mo>"
        case Pieces(pieces):
            return f"<mrow>{''.join(map(_mathml, pieces))}</mrow>"
        case Indexed(base, positions):
            word = _mathml_word(base)
            return f"<msub>{word}{_mathml_list(positions)}</msub>" if positions else word
        case Big(symbol, over):
            operator = f"<mo>{'∑' if symbol == 'Σ' else escape(symbol)}</mo>"
            return f"<munder>{operator}{_mathml_list(over)}</munder>"
        case Fraction(above, below):
            return f"<mfrac>{_mathml(above)}{_mathml(below)}</mfrac>"
        case Root(inside):
            return f"<msqrt>{_mathml(inside)}</msqrt>"
        case Power(base, exponent):
            return f"<msup>{_mathml(base)}<mn>{exponent}</mn></msup>"
        case Called(function, argument):
            called = f"<mo>(</mo>{_mathml(argument)}<mo>)</mo>"
            return f"<mrow><mi>{escape(function)}</mi>{called}</mrow>"
        case Enclosed(inside, brackets):
            left, right = brackets[0], brackets[1]
            return f"<mrow><mo>{left}</mo>{_mathml(inside)}<mo>{right}</mo></mrow>"
        case Lines(rows):
            cells = "".join(
                f'<mtr><mtd style="text-align:left">{_mathml(r)}</mtd></mtr>' for r in rows
            )
            return f"<mtable>{cells}</mtable>"


def _mathml_list(pieces: Sequence[Formula]) -> str:
    return f"<mrow>{'<mo>,</mo>'.join(map(_mathml, pieces))}</mrow>"


def _mathml_word(text: str) -> str:
    if re.search(r"[·/+−(|]", text):
        parts = re.split(r"([·/+−()|])", text)
        inside = "".join(f"<mo>{p}</mo>" if p in "·/+−()|" else _mathml_word(p) for p in parts if p)
        return f"<mrow>{inside}</mrow>"
    stem, _, subscript = text.partition("_")
    tag = "mn" if re.fullmatch(r"[0-9.]+", stem) else "mi"
    word = f"<{tag}>{escape(stem)}</{tag}>"
    return f"<msub>{word}<mi>{escape(subscript)}</mi></msub>" if subscript else word
