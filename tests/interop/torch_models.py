"""PyTorch models for the tests: whole ones, single modules, functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    """torchvision's basic block, written again."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1 or before != width:
            around = nn.Conv2d(before, width, 1, stride, bias=False)
            self.downsample = nn.Sequential(around, nn.BatchNorm2d(width))

    def forward(self, x: Any) -> Any:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.layer1 = nn.Sequential(Block(6, 6, 1), Block(6, 6, 1))
        self.layer2 = nn.Sequential(Block(6, 10, 2), Block(10, 10, 1))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(10, classes)

    def forward(self, x: Any, verbose: bool = False) -> Any:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer2(self.layer1(x))
        if verbose:
            print(x.shape)
        return self.fc(torch.flatten(self.avgpool(x), 1))


def made(kind: Callable[[], Any], dtype: Any = torch.float32, seed: int = 1) -> Any:
    """A module with running statistics that are not those of the start."""
    torch.manual_seed(seed)
    module = kind().to(dtype)
    for buffer in module.buffers():
        if buffer.is_floating_point():
            buffer += 0.5 * torch.rand_like(buffer)
    return module


class Dense(nn.Module):
    """A dense block: every layer joins all that were made before."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3 + 2 * i, 2, 3, padding=1) for i in range(4))

    def forward(self, x: Any) -> Any:
        features = [x]
        for layer in self.layers:
            features.append(layer(F.relu(torch.cat(features, 1))))
        return torch.cat(features, 1)


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
        self.middle = nn.Conv2d(6, 6, 3, padding=1)
        self.up2, self.up1 = nn.ConvTranspose2d(6, 6, 2, 2), nn.ConvTranspose2d(12, 4, 2, 2)
        self.last = nn.Conv2d(8, 2, 1)

    def forward(self, x: Any) -> Any:
        first = F.relu(self.down1(x))
        second = F.relu(self.down2(F.max_pool2d(first, 2)))
        middle = F.relu(self.middle(F.max_pool2d(second, 2)))
        joined = torch.cat([second, self.up2(middle)], 1)
        return self.last(torch.cat([first, self.up1(joined)], 1))


MODULES = {
    "conv": lambda: nn.Conv2d(3, 4, (2, 3), (2, 1), (1, 2), (1, 2)),
    "conv-same": lambda: nn.Conv2d(3, 4, (2, 4), padding="same"),
    "conv-valid": lambda: nn.Conv2d(3, 4, 3, padding="valid", bias=False),
    "conv-groups": lambda: nn.Conv2d(3, 6, 3, groups=3),
    "transposed": lambda: nn.ConvTranspose2d(3, 4, 3, 2, 1, 1),
    "transposed-groups": lambda: nn.ConvTranspose2d(3, 6, (2, 3), (1, 2), groups=3, bias=False),
    "max": lambda: nn.MaxPool2d(3, 2, 1),
    "max-dilation": lambda: nn.MaxPool2d((2, 3), 1, dilation=(2, 1)),
    "max-ceiling-without-effect": lambda: nn.MaxPool2d((2, 3), ceil_mode=True),
    "average": lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "average-divisor": lambda: nn.AvgPool2d(2, divisor_override=4),
    "adaptive": lambda: nn.AdaptiveAvgPool2d(1),
    "adaptive-whole": lambda: nn.Sequential(nn.AdaptiveAvgPool2d((None, 9)), nn.ReLU()),
    "adaptive-2x3": lambda: nn.AdaptiveAvgPool2d((4, 3)),
    "relu": nn.ReLU,
    "leaky": lambda: nn.LeakyReLU(0.3),
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "gelu-tanh": lambda: nn.GELU(approximate="tanh"),
    "silu": nn.SiLU,
    "norm": lambda: nn.BatchNorm2d(3, eps=1e-3, momentum=0.2),
    "norm-bare": lambda: nn.BatchNorm2d(3, affine=False),
    "dropout": lambda: nn.Dropout(0.3),
    "flatten": nn.Flatten,
    "pad": lambda: nn.Sequential(nn.ZeroPad2d((1, 1, 2, 2)), nn.Conv2d(3, 4, 3)),
    "pad-same": lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 2)),
    "pad-twice": lambda: nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3, padding=1)),
    "adaptive-flatten": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "adaptive-dropout-flatten": lambda: nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Dropout(0.2), nn.Flatten()
    ),
}

ROOT = math.sqrt(2 / math.pi)

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "relu": lambda x: x.relu(),
    "f-relu": F.relu,
    "torch-relu": torch.relu,
    "clamp": lambda x: x.clamp(min=0),
    "leaky": lambda x: F.leaky_relu(x, 0.2),
    "maximum": lambda x: torch.maximum(x, 0.1 * x),
    "sigmoid": torch.sigmoid,
    "sigmoid-by-hand": lambda x: 1 / (1 + torch.exp(-x)),
    "tanh": lambda x: x.tanh(),
    "gelu": F.gelu,
    "gelu-tanh": lambda x: F.gelu(x, approximate="tanh"),
    "gelu-by-hand": lambda x: x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0))),
    "gelu-tanh-by-hand": lambda x: (
        0.5 * x * (1 + torch.tanh(ROOT * (x + 0.044715 * torch.pow(x, 3))))
    ),
    "gelu-tanh-cubed": lambda x: (1 + torch.tanh((x * x * x * 0.044715 + x) * ROOT)) * x / 2,
    "silu": F.silu,
    "silu-by-hand": lambda x: x * torch.sigmoid(x),
    "silu-after-relu": lambda x: (lambda y: y * y.sigmoid())(F.relu(x)),
    "relu-after-gelu": lambda x: F.relu(x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0)))),
    "max": lambda x: F.max_pool2d(x, 3, stride=2, padding=1),
    "average": lambda x: F.avg_pool2d(x, (2, 3)),
    "average-by-size": lambda x: F.avg_pool2d(x, x.size()[2:]).view(x.size(0), -1),
    "adaptive": lambda x: torch.flatten(F.adaptive_avg_pool2d(x, 1), 1),
    "adaptive-squeeze": lambda x: F.adaptive_avg_pool2d(x, (1, 1)).squeeze(-1).squeeze(-1),
    "mean": lambda x: x.mean((2, 3)),
    "mean-negative": lambda x: x.mean([-1, -2]),
    "mean-kept": lambda x: torch.mean(x, dim=(2, 3), keepdim=True),
    "mean-of-rows": lambda x: x.view(x.size(0), x.size(1), -1).mean(-1),
    "flatten": lambda x: torch.flatten(x, 1),
    "flatten-method": lambda x: x.flatten(1),
    "view": lambda x: x.view(x.size(0), -1),
    "view-shape": lambda x: x.view(x.shape[0], -1),
    "view-known": lambda x: x.view(-1, 3 * 8 * 9),
    "view-computed": lambda x: x.view(-1, x.size(1) * x.size(2) * x.shape[3]),
    "reshape": lambda x: x.reshape(x.size(0), -1),
    "reshape-tuple": lambda x: torch.reshape(x, (x.size(0), 216)),
    "view-nothing": lambda x: x.view(x.size(0), 3, 8, 9).contiguous().relu(),
    "add": lambda x: x + x.sigmoid(),
    "add-function": lambda x: torch.add(F.max_pool2d(x, 3, 1, 1), x),
    "add-method": lambda x: x.add(F.avg_pool2d(x, 3, 1, 1)),
    "cat": lambda x: torch.cat([x, x.tanh(), F.relu(x)], dim=1),
    "cat-negative": lambda x: torch.concat((x.relu(), x), -3),
    "cat-itself": lambda x: torch.cat([x, x], 1),
    "dropout": lambda x: F.dropout(x, 0.3, False).relu(),
    "standardised": lambda x: (x - 0.25) / 0.5,
    "scaled": lambda x: x / 255.0,
    "scaled-up": lambda x: x * 2 - 1,
    "softmin": lambda x: F.softmin(x, 1),
    "area": lambda x: F.interpolate(x, scale_factor=0.5, mode="area"),
    "factors-anew": lambda x: F.interpolate(x, scale_factor=1.3, recompute_scale_factor=True),
    "max-with-places": lambda x: F.max_pool2d(x, 2, return_indices=True)[0],
    "adaptive-with-places": lambda x: F.adaptive_max_pool2d(x, 3, return_indices=True)[0],
}


class Function(nn.Module):
    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)
