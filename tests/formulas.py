"""Formulas for `gt.Equation`, each with what it is in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gradtrail as gt

Held = Mapping[str, Any]
"""The inputs and parameters by letter, as tensors."""


@dataclass(frozen=True)
class Written:
    """A formula with the shapes of its inputs.

    Args:
        text: the formula.
        shapes: one for each input, samples first.
        peer: what PyTorch makes of inputs and parameters, from the module `torch` and them.
        numbers: ranges and symbols.
        inputs: the inputs' letters.
    """

    text: str
    shapes: tuple[tuple[int, ...], ...]
    peer: Callable[[Any, Held], Any]
    numbers: Mapping[str, int] = field(default_factory=dict)
    inputs: tuple[str, ...] = ("X",)

    @property
    def layer(self) -> Any:
        return gt.Equation(self.text, inputs=self.inputs, **self.numbers)


def _local(torch: Any, a: Held) -> Any:
    """Windows of 2 × 3, each place with weights of its own."""
    windows = a["X"].unfold(2, 2, 1).unfold(3, 3, 1)
    return torch.einsum("kyxcij,ncyxij->nkyx", a["W"], windows)


def _gated(torch: Any, a: Held) -> Any:
    return torch.sigmoid(a["G"])[:, :, None, None] * a["X"]


FORMULAS: dict[str, Written] = {
    "conv-2d": Written(
        "Z[n,k,y,x] = b[k] + Σ_{c,i,j} W[k,c,i,j]·X[n,c,y·s+i−1,x·s+j−1]",
        ((2, 3, 7, 6),),
        lambda t, a: t.nn.functional.conv2d(a["X"], a["W"], a["b"], 2, 1),
        {"k": 4, "i": 3, "j": 3, "s": 2},
    ),
    "depthwise": Written(
        "Z[n,c,y,x] = sum_{i,j} W[c,i,j] * X[n,c,y+i-1,x+j-1]",
        ((2, 3, 5, 6),),
        lambda t, a: t.nn.functional.conv2d(a["X"], a["W"][:, None], padding=1, groups=3),
        {"i": 3, "j": 3},
    ),
    "dilated": Written(
        "Z[n,k,y,x] = Σ_{c,i<3,j<2} W[k,c,i,j]·X[n,c,y+2·i−2,x+3·j]",
        ((2, 2, 5, 6),),
        lambda t, a: t.nn.functional.conv2d(a["X"], a["W"], padding=(2, 0), dilation=(2, 3)),
        {"k": 3},
    ),
    "gated": Written(
        "Z[n,c,y,x] = sigmoid(G[n,c])·X[n,c,y,x]",
        ((2, 3), (2, 3, 4, 5)),
        _gated,
        inputs=("G", "X"),
    ),
    "bilinear": Written(
        "Z[n,k] = b[k] + Σ_{a,e} W[k,a,e]·X[n,a]·(X[n,e] − m[e])",
        ((3, 4),),
        lambda t, a: a["b"] + t.einsum("kae,na,ne->nk", a["W"], a["X"], a["X"] - a["m"]),
        {"k": 2},
    ),
    "normalised-sum": Written(
        "Z[n,k,y] = 1/(2·|c|)·Σ_{c,x} w[k,c]·tanh(X[n,c,y,x]) − 0.25·X[n,k,y,0]²",
        ((2, 3, 4, 5),),
        lambda t, a: t.einsum("kc,ncyx->nky", a["w"], a["X"].tanh()) / 6 - a["X"][..., 0] ** 2 / 4,
    ),
    "attention": Written(
        "Z[n,q,k] = 1/|c|·Σ_{c} A[n,c,q]·B[n,c,k]",
        ((2, 3, 4), (2, 3, 5)),
        lambda t, a: t.einsum("ncq,nck->nqk", a["A"], a["B"]) / 3,
        inputs=("A", "B"),
    ),
    "conv-1d": Written(
        "Z[n,k,x] = b[k] + Σ_{c,j} W[k,c,j]·X[n,c,x+j−1]",
        ((2, 3, 7),),
        lambda t, a: t.nn.functional.conv1d(a["X"], a["W"], a["b"], padding=1),
        {"k": 4, "j": 3},
    ),
    "conv-3d": Written(
        "Z[n,k,z,y,x] = b[k] + Σ_{c,l,i,j} W[k,c,l,i,j]·X[n,c,z+l,y+i−1,x+j]",
        ((2, 2, 4, 3, 3),),
        lambda t, a: t.nn.functional.conv3d(a["X"], a["W"], a["b"], padding=(0, 1, 0)),
        {"k": 2, "l": 2, "i": 3, "j": 2},
    ),
    "locally-connected": Written(
        "Z[n,k,y,x] = Σ_{c,i,j} W[k,y,x,c,i,j]·X[n,c,y+i,x+j]",
        ((2, 2, 4, 5),),
        _local,
        {"k": 3, "i": 2, "j": 3},
    ),
    "transposed": Written(
        "Z[n,k,y,x] = b[k]\nZ[n,k,h·2+i−1,w·2+j−1] += Σ_{c} W[c,k,i,j]·X[n,c,h,w]",
        ((2, 3, 4, 3),),
        lambda t, a: t.nn.functional.conv_transpose2d(a["X"], a["W"], a["b"], 2, 1),
        {"k": 2, "i": 3, "j": 3},
    ),
    "maximum": Written(
        "Z[n,c,y,x] = max_{i,j} X[n,c,2·y+i−1,2·x+j]",
        ((2, 3, 7, 6),),
        lambda t, a: t.nn.functional.max_pool2d(a["X"], (3, 2), 2, (1, 0)),
        {"i": 3, "j": 2},
    ),
    "maximum-of-channels": Written(
        "Z[n,y,x] = max_{c} X[n,c,y,x]", ((2, 5, 3, 4),), lambda t, a: a["X"].amax(1)
    ),
    "quotient": Written(
        "Z[n,c] = a·X[n,c]/S[n,c] + X[n,c]",
        ((2, 3), (2, 3)),
        lambda t, a: a["a"] * a["X"] / a["S"] + a["X"],
        inputs=("X", "S"),
    ),
}
