"""The named architectures in PyTorch, with the names that torchvision publishes weights under."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """A residual block: its parts in order, with ReLU between, and a way around."""

    def __init__(self, before: int, width: int, stride: int, *, deep: bool) -> None:
        super().__init__()
        after = 4 * width if deep else width
        sizes = [(before, width, 1, 1), (width, width, 3, stride), (width, after, 1, 1)]
        if not deep:
            sizes = [(before, width, 3, stride), (width, width, 3, 1)]
        self.count = len(sizes)
        for number, (c, k, size, step) in enumerate(sizes, 1):
            conv = nn.Conv2d(c, k, size, step, padding=size // 2, bias=False)
            self.add_module(f"conv{number}", conv)
            self.add_module(f"bn{number}", nn.BatchNorm2d(k))
        self.downsample = None
        if stride > 1 or before != after:
            around = nn.Conv2d(before, after, 1, stride, bias=False)
            self.downsample = nn.Sequential(around, nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        a = x
        for number in range(1, self.count + 1):
            a = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(a))
            a = a.relu() if number < self.count else a
        return (a + (x if self.downsample is None else self.downsample(x))).relu()


class ResNet(nn.Module):
    def __init__(self, counts: tuple[int, ...], classes: int, *, deep: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        before = 64
        for stage, count in enumerate(counts):
            width, blocks = 64 << stage, []
            for number in range(count):
                stride = 2 if stage and not number else 1
                blocks.append(Block(before, width, stride, deep=deep))
                before = 4 * width if deep else width
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(before, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        return self.fc(x.mean((2, 3)))


class DenseLayer(nn.Module):
    def __init__(self, before: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(before), nn.Conv2d(before, 128, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(128)
        self.conv2 = nn.Conv2d(128, 32, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        new = self.conv2(self.norm2(self.conv1(self.norm1(x).relu())).relu())
        return torch.cat([x, new], 1)


class DenseNet(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        parts: list[tuple[str, nn.Module]] = [
            ("conv0", nn.Conv2d(3, 64, 7, 2, 3, bias=False)),
            *(("norm0", nn.BatchNorm2d(64)), ("relu0", nn.ReLU())),
            ("pool0", nn.MaxPool2d(3, 2, 1)),
        ]
        width = 64
        for block, count in enumerate((6, 12, 24, 16), 1):
            dense = [(f"denselayer{i + 1}", DenseLayer(width + 32 * i)) for i in range(count)]
            parts.append((f"denseblock{block}", nn.Sequential(OrderedDict(dense))))
            width += 32 * count
            if block < 4:
                half = nn.Conv2d(width, width // 2, 1, bias=False)
                inside = (("norm", nn.BatchNorm2d(width)), ("relu", nn.ReLU()), ("conv", half))
                down = nn.Sequential(OrderedDict((*inside, ("pool", nn.AvgPool2d(2)))))
                parts.append((f"transition{block}", down))
                width //= 2
        parts.append(("norm5", nn.BatchNorm2d(width)))
        self.features = nn.Sequential(OrderedDict(parts))
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).relu().mean((2, 3)))


class Fire(nn.Module):
    def __init__(self, before: int, few: int, many: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(before, few, 1)
        self.expand1x1 = nn.Conv2d(few, many, 1)
        self.expand3x3 = nn.Conv2d(few, many, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x).relu(), self.expand3x3(x).relu()], 1)


class SqueezeNet(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()

        def pool() -> nn.Module:
            return nn.MaxPool2d(3, 2, ceil_mode=True)

        self.features = nn.Sequential(
            *(nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool()),
            *(Fire(64, 16, 64), Fire(128, 16, 64), pool()),
            *(Fire(128, 32, 128), Fire(256, 32, 128), pool()),
            *(Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)),
        )
        self.classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(512, classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).relu().mean((2, 3))


def _activated(before: int, width: int, size: int, stride: int = 1, groups: int = 1) -> nn.Module:
    conv = nn.Conv2d(before, width, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU6())


class Inverted(nn.Module):
    def __init__(self, before: int, width: int, stride: int, expansion: int) -> None:
        super().__init__()
        many = before * expansion
        first = [_activated(before, many, 1)] if expansion > 1 else []
        deep = _activated(many, many, 3, stride, many)
        last = nn.Conv2d(many, width, 1, bias=False)
        self.conv = nn.Sequential(*first, deep, last, nn.BatchNorm2d(width))
        self.adds = stride == 1 and before == width

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        layers, before = [_activated(3, 32, 3, 2)], 32
        stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1))
        for expansion, width, count, stride in (*stages, (6, 160, 3, 2), (6, 320, 1, 1)):
            for number in range(count):
                layers.append(Inverted(before, width, 1 if number else stride, expansion))
                before = width
        self.features = nn.Sequential(*layers, _activated(320, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


MODULES: dict[str, Callable[[int], nn.Module]] = {
    "resnet18": lambda classes: ResNet((2, 2, 2, 2), classes, deep=False),
    "resnet34": lambda classes: ResNet((3, 4, 6, 3), classes, deep=False),
    "resnet50": lambda classes: ResNet((3, 4, 6, 3), classes, deep=True),
    "densenet121": DenseNet,
    "squeezenet1_1": SqueezeNet,
    "mobilenet_v2": MobileNetV2,
}
"""By name, for a number of classes."""
