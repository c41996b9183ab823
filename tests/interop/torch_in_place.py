"""Random PyTorch modules that clone, view, slice, alias and write in place.

A module is a program of a few lines over a growing list of tensors, maps of 2 × 4 × 4 or flat ones
of 32. Each line makes one more or writes over an older one; the last or an older one, is the
output. `drawn(number)` gives the same module each time; `str(module)` shows its program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

CHANNELS, SIZE = 2, 4
FLAT = CHANNELS * SIZE * SIZE

Line = tuple[str, int, int]
"""What to do, and the places of one or two tensors."""

NEW: dict[str, Callable[[Any], Any]] = {
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "tanh": lambda a: a.tanh(),
    "doubled": lambda a: a * 2 + 0.5,
    "clone": lambda a: a.clone(),
    "torch.clone": torch.clone,
}

SAME: dict[str, Callable[[Any], Any]] = {
    "alias": lambda a: a,
    "contiguous": lambda a: a.contiguous(),
    "view": lambda a: a.view(a.size(0), -1),
    "flatten": lambda a: torch.flatten(a, 1),
    "reshape": lambda a: a.reshape(a.shape[0], FLAT),
    "maps": lambda a: a.view(-1, CHANNELS, SIZE, SIZE),
}

WRITTEN: dict[str, Callable[[Any], Any]] = {
    "relu_": lambda a: a.relu_(),
    "torch.relu_": torch.relu_,
    "F.relu(inplace)": lambda a: F.relu(a, inplace=True),
    "F.leaky_relu_": lambda a: F.leaky_relu_(a, 0.1),
    "sigmoid_": lambda a: a.sigmoid_(),
    "clamp_": lambda a: a.clamp_(min=0),
    "mul_": lambda a: a.mul_(0.5),
    "add_": lambda a: a.add_(1),
}


def _increased(a: Any, b: Any) -> Any:
    a += b
    return a


def _halved(a: Any, b: Any) -> Any:
    a *= 0.5
    return a


def _less(a: Any, b: Any) -> Any:
    a -= 0.25
    return a


def _without_first(a: Any, b: Any) -> Any:
    a[:, 0] = 0
    return a


PAIRS: dict[str, Callable[[Any, Any], Any]] = {
    "a + b": lambda a, b: a + b,
    "a += b": _increased,
    "a.add_(b)": lambda a, b: a.add_(b),
    "a *= 0.5": _halved,
    "a -= 0.25": _less,
}

SLICED: dict[str, Callable[[Any, Any], Any]] = {
    "a[:, :1]": lambda a, b: a[:, :1],
    "a[:, 0] = 0": _without_first,
    "chunk": lambda a, b: a.chunk(2, 1)[0],
}

FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    **{name: lambda a, b, f=f: f(a) for name, f in {**NEW, **SAME, **WRITTEN}.items()},
    **PAIRS,
    **SLICED,
}


class Program(nn.Module):
    """A module whose forward is a program."""

    def __init__(self, lines: tuple[Line, ...], output: int, linear: bool) -> None:
        super().__init__()
        self.lines, self.output = lines, output
        for place, (name, *_) in enumerate(lines):
            if name == "conv":
                self.add_module(f"conv{place}", nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1))
            elif name == "fc":
                self.add_module(f"fc{place}", nn.Linear(FLAT, FLAT))
            elif name == "ReLU(inplace)":
                self.add_module(f"relu{place}", nn.ReLU(inplace=True))
            elif name == "Identity":
                self.add_module(f"identity{place}", nn.Identity())
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(FLAT, 3)) if linear else nn.Identity()

    def forward(self, x: Any) -> Any:
        tensors = [x]
        for place, (name, a, b) in enumerate(self.lines):
            module = next(
                (
                    m
                    for key, m in self.named_children()
                    if key.endswith(f"{place}") and key.rstrip("0123456789") + str(place) == key
                ),
                None,
            )
            one = tensors[a]
            tensors.append(module(one) if module is not None else FUNCTIONS[name](one, tensors[b]))
        return self.head(tensors[self.output])

    def extra_repr(self) -> str:
        lines = [f"{at} = {name}({a}, {b})" for at, (name, a, b) in enumerate(self.lines, 1)]
        return "; ".join([*lines, f"output {self.output}"])


def drawn(number: int) -> Program:
    """The module with a number, in float64."""
    draw = np.random.Generator(np.random.PCG64([number, 15]))
    lines: list[Line] = [("conv", 0, 0)] if draw.random() < 0.7 else []
    maps = [True] * (len(lines) + 1)  # or flat
    for _ in range(int(draw.integers(3, 8))):
        a = _recent(draw, [*range(len(maps))])
        b = _recent(draw, [at for at in range(len(maps)) if maps[at] == maps[a]])
        name = _chosen(draw, maps[a])
        lines.append((name, a, b))
        maps.append(name == "maps" or (maps[a] and name not in ("view", "flatten", "reshape")))
    torch.manual_seed(number)
    output = _recent(draw, [*range(1, len(maps))])
    return Program(tuple(lines), output, bool(draw.random() < 0.5)).double()


def _recent(draw: np.random.Generator, places: list[int]) -> int:
    """A place, the last ones more often."""
    weights = np.array([0.6 ** (places[-1] - at) + 0.05 for at in places])
    return int(draw.choice(places, p=weights / weights.sum()))


def _chosen(draw: np.random.Generator, maps: bool) -> str:
    """What a line does with maps, or with a flat tensor."""
    layers = ["conv" if maps else "fc", "ReLU(inplace)", "Identity"]
    shapes = ["view", "flatten", "reshape"] if maps else ["maps"]
    kinds: list[tuple[float, list[str]]] = [
        (3, layers),
        (2, [*NEW]),
        (2, ["alias", "contiguous", *shapes]),
        (3, [*WRITTEN]),
        (3, [*PAIRS]),
        (0.2, [*SLICED]) if maps else (0, ["alias"]),
    ]
    weights = np.array([weight for weight, _ in kinds])
    _, names = kinds[int(draw.choice(len(kinds), p=weights / weights.sum()))]
    return str(draw.choice(names))
