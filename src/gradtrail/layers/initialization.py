"""How parameters start: named after their authors, as functions of fan-in and fan-out.

Source: K. He et al., "Delving deep into rectifiers" (2015), eq. 10; X. Glorot and Y. Bengio,
"Understanding the difficulty of training deep feedforward neural networks" (2010), eq. 16; Y. LeCun
et al., "Efficient BackProp" (1998), eq. 16.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..streams import stream

if TYPE_CHECKING:  # NumPy's random numbers take time to import, and may never be drawn
    Draw = Callable[[np.random.Generator, tuple[int, ...], int, int], np.ndarray]


def _normal(variance: Callable[[int, int], float]) -> Draw:
    return lambda generator, shape, fan_in, fan_out: generator.normal(
        0.0, math.sqrt(variance(fan_in, fan_out)), shape
    )


def _uniform(variance: Callable[[int, int], float]) -> Draw:
    def draw(
        generator: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
    ) -> np.ndarray:
        bound = math.sqrt(3 * variance(fan_in, fan_out))  # a uniform's variance is bound²/3
        return generator.uniform(-bound, bound, shape)

    return draw


def _he(fan_in: int, fan_out: int) -> float:
    return 2 / fan_in


def _glorot(fan_in: int, fan_out: int) -> float:
    return 2 / (fan_in + fan_out)


def _lecun(fan_in: int, fan_out: int) -> float:
    return 1 / fan_in


INITIALIZATIONS: Mapping[str, Draw] = {
    "he_normal": _normal(_he),
    "he_uniform": _uniform(_he),
    "glorot_normal": _normal(_glorot),
    "glorot_uniform": _uniform(_glorot),
    "lecun_normal": _normal(_lecun),
    "lecun_uniform": _uniform(_lecun),
    "zeros": lambda generator, shape, fan_in, fan_out: np.zeros(shape),
    "ones": lambda generator, shape, fan_in, fan_out: np.ones(shape),
}

_WITH_NUMBER: Mapping[str, Callable[[float], Draw]] = {
    "normal": lambda deviation: _normal(lambda fan_in, fan_out: deviation**2),
    "uniform": lambda bound: _uniform(lambda fan_in, fan_out: bound**2 / 3),
    "constant": lambda value: lambda generator, shape, fan_in, fan_out: np.full(shape, value),
}
_FORM = re.compile(rf"({'|'.join(_WITH_NUMBER)})\(([0-9.e+-]+)\)")


def known_names() -> str:
    """The names that there are, for messages."""
    return ", ".join((*INITIALIZATIONS, *(f"{name}(number)" for name in _WITH_NUMBER)))


def draw_of(name: str) -> Draw | None:
    """How an array starts that is said to start so; None where nothing is called so.

    Args:
        name: one of `INITIALIZATIONS`, or with a number above 0: `normal(0.01)` has this deviation,
            `uniform(0.1)` lies between −0.1 and 0.1, `constant(0.5)` is this everywhere.
    """
    if name in INITIALIZATIONS:
        return INITIALIZATIONS[name]
    found = _FORM.fullmatch(name)
    try:
        number = float(found[2]) if found else 0.0
    except ValueError:
        return None
    return _WITH_NUMBER[found[1]](number) if found and 0 < number < math.inf else None


def initial(
    name: str, shape: tuple[int, ...], fan_in: int, fan_out: int, seed: int, order: int
) -> np.ndarray:
    """The starting values of one parameter.

    Args:
        name: what `draw_of` knows, or a number as text: the value everywhere.
        shape: the parameter's shape.
        fan_in: how many products one output sums.
        fan_out: how many outputs one input reaches.
        seed: the network's seed.
        order: the parameter's place in the network, so that each has a stream of its own.

    Returns:
        A float64 array of that shape.
    """
    draw = draw_of(name)
    if draw is None:
        return np.full(shape, float(name))
    return draw(stream(seed, "parameters", order), shape, fan_in, fan_out)
