"""The block of MobileNetV3 and EfficientNet: an inverted residual with a gate for each channel.

Sources: M. Sandler et al., "MobileNetV2" (2018), table 1; J. Hu et al., "Squeeze-and-excitation
networks" (2017), equations 2 to 4.
"""

from __future__ import annotations

from typing import Any, final

from ...equation.frozen import frozen
from ...layers import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Layer,
    Residual,
    StochasticDepth,
    multiply,
)
from ...layers.functional import Block, GraphNode, chained
from .public_names import Rewriting
from .starting_values import he_by_outputs


@frozen
class NormedConvolutions:
    """Convolutions with batch norm.

    Args:
        eps: of the batch norms.
        momentum: of their running statistics.
    """

    eps: float = 1e-5
    momentum: float = 0.1

    def layers(
        self, at: str, width: int, size: int, activation: Layer | None = None, **settings: Any
    ) -> list[Any]:
        """A convolution `AT_0` with batch norm `AT_1`, and an activation if there is one."""
        settings |= {"padding": size // 2, "initialization": he_by_outputs(width, size)}
        convolution = Conv2d(width, size, **settings, bias=False, name=f"{at}_0")
        norm = BatchNorm2d(eps=self.eps, momentum=self.momentum, name=f"{at}_1")
        return [convolution, norm, *([activation] if activation else [])]


@final
@frozen
class SqueezeExcitation(Block):
    """Channels, each times a gate that follows from the means of all.

    Args:
        few: channels between the two convolutions of the gate.
        activation: behind the first of these.
        gate: behind the second.
        name: what the names of the two begin with.
    """

    few: int
    activation: Layer
    gate: Layer
    name: str

    def forward(self, *nodes: GraphNode) -> GraphNode:
        """See `Block.forward`."""
        (x,) = nodes
        channels = x.shape[0]
        first, second = he_by_outputs(self.few, 1), he_by_outputs(channels, 1)
        gate = [
            AdaptiveAvgPool2d(1),
            Conv2d(self.few, 1, initialization=first, name=f"{self.name}_fc1"),
            self.activation,
            Conv2d(channels, 1, initialization=second, name=f"{self.name}_fc2"),
            self.gate,
        ]
        return multiply(x, chained(gate, x))


@frozen
class InvertedResidual:
    """Many channels from few, each convolved by itself and gated, and few of them again.

    Args:
        at: what the names of its layers begin with.
        before: channels of its input.
        many: channels inside.
        width: channels of its output.
        size: of the kernels.
        stride: of the kernels.
        activation: behind all convolutions but the last.
        gate: with its settings; None for none.
    """

    at: str
    before: int
    many: int
    width: int
    size: int
    stride: int
    activation: Layer
    gate: tuple[int, Layer, Layer] | None = None

    @property
    def expands(self) -> bool:
        """Whether it begins with a convolution that makes many channels of few."""
        return self.many != self.before

    def layers(self, convolutions: NormedConvolutions, dropped: float = 0.0) -> list[Any]:
        """Its layers.

        Args:
            convolutions: what it is made of.
            dropped: the probability that a sample goes around it in training.
        """
        parts: list[list[Any]] = []

        def add(width: int, size: int, activation: Layer | None, **settings: Any) -> None:
            at = f"{self.at}_{len(parts)}"
            parts.append(convolutions.layers(at, width, size, activation, **settings))

        if self.expands:
            add(self.many, 1, self.activation)
        add(self.many, self.size, self.activation, stride=self.stride, groups=self.many)
        if self.gate:
            parts.append([SqueezeExcitation(*self.gate, name=f"{self.at}_{len(parts)}")])
        add(self.width, 1, None)
        body = [layer for part in parts for layer in part]
        if self.stride > 1 or self.before != self.width:
            return body
        return [Residual([*body, *([StochasticDepth(dropped)] if dropped else [])])]

    def timm_names(self, theirs: str) -> Rewriting:
        """timm's names of its layers.

        Args:
            theirs: what they begin with.
        """
        ours = self.at.replace("_", ".")
        convolutions = (
            ["conv_pw", "conv_dw", "conv_pwl"] if self.expands else ["conv_dw", "conv_pw"]
        )
        rules, place = [], 0
        for number, convolution in enumerate(convolutions, 1):
            if self.gate and number == len(convolutions):
                rules += [
                    (f"{theirs}.se.conv_reduce", f"{ours}.{place}.fc1"),
                    (f"{theirs}.se.conv_expand", f"{ours}.{place}.fc2"),
                ]
                place += 1
            rules += [
                (f"{theirs}.{convolution}", f"{ours}.{place}.0"),
                (f"{theirs}.bn{number}", f"{ours}.{place}.1"),
            ]
            place += 1
        return rules
