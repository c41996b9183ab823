"""Expressions of numbers from text, such as `x*sigmoid(x)`: a little of Python's notation.

    1.5*x - y/2     +, -, *, /, ** and brackets (also · and −)
    clip(x, 0, 6)   the functions of `FUNCTIONS`
    x if x > 0 else exp(x) - 1
    pi, e, inf      constants

The text is parsed by Python's `ast` and never run.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping

from ..errors import EquationError
from . import scalar
from .scalar import Call, Expression, Literal, Variable, clipped, maximum, minimum, sigmoid, where

_x, _tanh_share = Variable("x"), math.sqrt(2 / math.pi)

LONGEST = 1000
"""How many characters a text may have."""


def _clip(x: Expression, low: Expression, high: Expression) -> Expression:
    """x within two bounds; at both its slope is 1, as that of `torch.clamp`."""
    return minimum(high, maximum(low, x))


def _folded(join: Callable[[Expression, Expression], Expression]) -> Callable[..., Expression]:
    def call(first: Expression, second: Expression, *more: Expression) -> Expression:
        found = join(first, second)
        for one in more:
            found = join(found, one)
        return found

    return call


FUNCTIONS: Mapping[str, tuple[Callable[..., Expression], tuple[int, ...]]] = {
    "abs": (scalar.absolute, (1,)),
    "ceil": (lambda x: -scalar.floor(-x), (1,)),
    "clip": (_clip, (3,)),
    "erf": (scalar.erf, (1,)),
    "exp": (scalar.exp, (1,)),
    "expm1": (scalar.expm1, (1,)),
    "floor": (scalar.floor, (1,)),
    "log": (scalar.log, (1,)),
    "log1p": (scalar.log1p, (1,)),
    "max": (_folded(maximum), (2, 3, 4)),
    "min": (_folded(minimum), (2, 3, 4)),
    "pow": (lambda x, y: x**y, (2,)),
    "relu": (lambda x: maximum(x, 0), (1,)),
    "relu6": (lambda x: clipped(x, 0, 6), (1,)),
    "round": (scalar.nearest, (1,)),
    "sigmoid": (sigmoid, (1,)),
    "sign": (scalar.sign, (1,)),
    "softplus": (scalar.softplus, (1,)),
    "sqrt": (scalar.sqrt, (1,)),
    "step": (scalar.step, (1,)),
    "tanh": (scalar.tanh, (1,)),
}
"""The functions by name, each with how many numbers it may take."""

_SAME = str.maketrans({"·": "*", "−": "-", "²": "**2", "³": "**3", "\n": " "})
_CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf}

_OPERATORS: Mapping[type[ast.operator], Callable[[Expression, Expression], Expression]] = {
    ast.Add: lambda x, y: x + y,
    ast.Sub: lambda x, y: x - y,
    ast.Mult: lambda x, y: x * y,
    ast.Div: lambda x, y: x / y,
    ast.Pow: lambda x, y: x**y,
}


def scalar_from_text(text: str) -> Expression:
    """The expression that a text says; every name in it that is no constant is a variable.

    Args:
        text: at most `LONGEST` characters.

    Raises:
        EquationError: it says none; the column is named, and what was expected there.
    """
    if len(text) > LONGEST:
        raise EquationError(
            f"a formula may have {LONGEST} characters, and this one has {len(text)}"
        )
    plain = text.translate(_SAME).strip()
    try:
        parsed = ast.parse(plain, mode="eval")
    except SyntaxError as cause:
        column = min(cause.offset or 1, len(plain) + 1)
        raise _fault(plain, column - 1, "a number, a name or a bracket was expected") from cause
    except (MemoryError, RecursionError, ValueError) as cause:
        raise EquationError(f"{plain[:40]!r} is nested too deep, or holds no text") from cause
    return _Reader(plain).read(parsed.body)


_SIGNS = {
    "add": (" + ", 1, 1),
    "sub": (" - ", 1, 2),
    "mul": ("*", 3, 3),
    "div": ("/", 3, 4),
    "pow": ("**", 6, 5),
}
"""How an operation is written, and how tightly what stands left and right of it must hold."""


def scalar_to_text(expression: Expression, holding: int = 0) -> str:
    """An expression as a text that `scalar_from_text` reads.

    Args:
        expression: any.
        holding: how tightly it must hold together where it stands; brackets do where it does not.
    """
    if isinstance(expression, Literal):
        value = expression.value
        text = str(int(value)) if value % 1 == 0 and abs(value) < 1e15 else repr(value)
        return f"({text})" if value < 0 and holding else text
    if isinstance(expression, Variable):
        return expression.name
    assert isinstance(expression, Call)
    arguments = expression.arguments
    if expression.operation in _SIGNS:
        sign, left, right = _SIGNS[expression.operation]
        text = scalar_to_text(arguments[0], left) + sign + scalar_to_text(arguments[1], right)
        return f"({text})" if min(left, right) < holding else text
    if expression.operation == "where":
        condition, positive, other = (scalar_to_text(argument, 1) for argument in arguments)
        text = f"{positive} if {condition} > 0 else {other}"
        return f"({text})" if holding else text
    return f"{expression.operation}({', '.join(map(scalar_to_text, arguments))})"


def variables(expression: Expression) -> tuple[str, ...]:
    """The names of an expression's variables, in order of appearance."""
    if isinstance(expression, Variable):
        return (expression.name,)
    arguments = getattr(expression, "arguments", ())
    return tuple(dict.fromkeys(n for a in arguments for n in variables(a)))


def _fault(text: str, column: int, what: str) -> EquationError:
    return EquationError(f"{text!r}, column {column + 1}: {what}")


class _Reader:
    """Reads the nodes of a parsed text.

    Args:
        text: for messages, with one character for each column.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self, node: ast.expr) -> Expression:
        """A node as an expression."""
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return Literal(float(value))
            case ast.Name(id=name):
                known = name in _CONSTANTS
                return Literal(_CONSTANTS[name]) if known else Variable(self._named(node, name))
            case ast.UnaryOp(op=ast.USub()):
                return -self.read(node.operand)
            case ast.UnaryOp(op=ast.UAdd()):
                return self.read(node.operand)
            case ast.BinOp():
                join = _OPERATORS.get(
                    ast.Pow if isinstance(node.op, ast.MatMult) else type(node.op)
                )
                if join is not None:
                    return join(self.read(node.left), self.read(node.right))
            case ast.Call(func=ast.Name(id=name), keywords=[]):
                return self._called(node, name)
            case ast.IfExp():
                return self._chosen(node)
        raise self._fails(
            node, "only +, -, *, /, **, brackets, functions and `… if … else …` count"
        )

    def _named(self, node: ast.expr, name: str) -> str:
        if name in FUNCTIONS:
            raise self._fails(node, f"{name} is a function; write {name}(…)")
        return name

    def _called(self, node: ast.Call, name: str) -> Expression:
        if name not in FUNCTIONS:
            raise self._fails(node, f"no function {name!r}; there are {', '.join(FUNCTIONS)}")
        make, counts = FUNCTIONS[name]
        if len(node.args) not in counts:
            listed = " or ".join(map(str, counts))
            raise self._fails(node, f"{name} takes {listed} numbers, got {len(node.args)}")
        return make(*map(self.read, node.args))

    def _chosen(self, node: ast.IfExp) -> Expression:
        """`a if x > y else b`; where the two are equal, `>` and `<` do not hold."""
        first, second = self.read(node.body), self.read(node.orelse)
        match node.test:
            case ast.Compare(left=left, ops=[operator], comparators=[right]):
                x, y = self.read(left), self.read(right)
                match operator:
                    case ast.Gt():
                        return where(x - y, first, second)
                    case ast.Lt():
                        return where(y - x, first, second)
                    case ast.GtE():
                        return where(y - x, second, first)
                    case ast.LtE():
                        return where(x - y, second, first)
        raise self._fails(node.test, "one comparison by >, <, >= or <= was expected")

    def _fails(self, node: ast.expr, what: str) -> EquationError:
        begin = len(self.text.encode()[: node.col_offset].decode())
        return _fault(self.text, begin, what)
