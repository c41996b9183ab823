"""U-Net. Source: O. Ronneberger et al., "U-Net" (2015), figure 1."""

from __future__ import annotations

from typing import Any, final

from ...checking.arguments import positive
from ...equation.frozen import frozen
from ...errors import ShapeError
from ...layers import BatchNorm2d, Conv2d, ConvTranspose2d, MaxPool2d, ReLU, concat
from ...layers.functional import Block, GraphNode, chained
from ...layers.layer import times


def unet(classes: int, *, depth: int = 4, width: int = 64) -> list[Any]:
    """The layers of U-Net, which give a number for each class at every position.

    Args:
        classes: how many.
        depth: how often the maps are halved, at least 1.
        width: channels of the first maps; each halving doubles them.

    Raises:
        ArgumentError: a depth or a width that is none.
    """
    return [UNet(classes, depth, width)]


@final
@frozen
class UNet(Block):
    """Down and up again, with the maps of each size handed across.

    It is the paper's network in the variant that most use today: convolutions are padded, so that
    outputs are as large as the image; each has batch norm in the place of its bias; and maps are
    made larger by transposed convolutions of 2 × 2.

    Args:
        classes: as for `unet`, and so are the others.
    """

    classes: int
    depth: int
    width: int
    name: str | None = None

    def __post_init__(self) -> None:
        positive("unet", depth=self.depth, width=self.width)

    def forward(self, *nodes: GraphNode) -> GraphNode:
        """See `Block.forward`."""
        (x,) = nodes
        self._check(x.shape)
        across = []
        for level in range(1, self.depth + 1):
            x = chained(_double(f"encoder{level}", self._width(level)), x)
            across.append(x)
            x = MaxPool2d(2)(x)
        x = chained(_double("bottom", self._width(self.depth + 1)), x)
        for level in range(self.depth, 0, -1):
            x = ConvTranspose2d(self._width(level), 2, stride=2, name=f"up{level}")(x)
            x = chained(_double(f"decoder{level}", self._width(level)), concat(across.pop(), x))
        return Conv2d(self.classes, 1, name="head")(x)

    def _width(self, level: int) -> int:
        return self.width << level - 1

    def _check(self, shape: tuple[int, ...]) -> None:
        """Refuse samples whose halves are not whole."""
        step = 1 << self.depth
        if len(shape) == 3 and any(size % step for size in shape[1:]):
            fitting = times(tuple(-(-size // step) * step for size in shape[1:]))
            raise ShapeError(
                f"unet halves height and width {self.depth} times, so that they must be multiples "
                f"of {step}, but gets {times(shape[1:])}",
                f"Give it samples of {fitting}, or choose a smaller depth",
            )


def _double(at: str, width: int) -> list[Any]:
    """Two convolutions of 3 × 3."""
    return [
        Conv2d(width, 3, padding=1, bias=False, name=f"{at}_conv1"),
        *(BatchNorm2d(name=f"{at}_norm1"), ReLU()),
        Conv2d(width, 3, padding=1, bias=False, name=f"{at}_conv2"),
        *(BatchNorm2d(name=f"{at}_norm2"), ReLU()),
    ]
