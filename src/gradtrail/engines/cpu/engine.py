"""The CPU engine as it is asked for; what it does is imported when it is asked for."""

from __future__ import annotations

import os
import platform
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...checking.arguments import whole_number
from ...checking.calls import call_example
from ...equation.frozen import frozen
from ...errors import ArgumentError
from ..batch import Arrays, Batch
from ..interface import TRAINING, Computed, Engine, Evaluated, Extent, Trainer
from .options import THREADS, WINOGRAD, EngineSetup
from .target import Target, host, target_for

if TYPE_CHECKING:
    from ...graph import Graph
    from ...layers import Loss
    from ...optimizers import Optimizer
    from ..bilinear import WarpInput
    from ..explanation import Explanation
    from ..sample_gradients import SampleGradients


@call_example("gt.CPU(threads=2)")
@frozen
class CPU(Engine):
    """Equations as machine code, for any network of float32.

    Args:
        threads: how many share the work; None for all that the process may use. It changes no
            result.
        winograd: which convolutions of 3 × 3 go by Winograd's algorithm: "auto" those where it is
            faster, "off" none, "f2" or "f4" all that hold a tile of 2 × 2 or 4 × 4 outputs; planes
            too small for one of 4 × 4 take those of 2 × 2.
        target: `avx512`, `avx2` or `baseline` instead of this machine, for comparisons.

    Raises:
        ArgumentError: an argument out of its range.
    """

    name: ClassVar[str] = "cpu"

    threads: int | None = None
    winograd: str = field(default="auto", kw_only=True)
    target: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.threads is not None:
            whole_number("CPU: threads", self.threads, 1, THREADS)
        if self.winograd not in WINOGRAD:
            listed = ", ".join(f'"{w}"' for w in WINOGRAD)
            raise ArgumentError(f"CPU: winograd must be one of {listed}, got {self.winograd!r}")
        if not isinstance(self.target, str | None):
            raise ArgumentError(f"CPU: target must be a name or None, got {self.target!r}")
        _ = self.processor

    @property
    def processor(self) -> Target:
        """What code is made for."""
        return host() if self.target is None else target_for(self.target)

    @property
    def setup(self) -> EngineSetup:
        """These settings on this machine, now."""
        return EngineSetup(self.processor, self.winograd, self.threads or _available())

    def _setup_for(self, network: Graph) -> EngineSetup:
        if network.dtype != np.float32:
            raise ArgumentError(
                f"the cpu engine computes in float32, but the network is {network.dtype}; pass "
                'engine="reference", or make the network with dtype="float32"'
            )
        return self.setup

    def on(self, threads: int | None) -> CPU:
        """See `Engine.on`."""
        return self if threads is None else replace(self, threads=threads)

    def settings(self) -> dict[str, Any]:
        """See `Engine.settings`; neither threads nor processors are among them."""
        return {"name": self.name, "winograd": self.winograd}

    def runs_on(self) -> tuple[str, str]:
        """See `Engine.runs_on`; whatever the width of the registers."""
        fused = "fused" if self.processor.fma else "separate"
        return self.processor.cpu, f"{platform.machine()}, {fused} multiply-add"

    @property
    def direct(self) -> CPU:
        """See `Engine.direct`: without Winograd's algorithm."""
        return replace(self, winograd="off")

    def predict(self, network: Graph, x: np.ndarray) -> np.ndarray:
        """See `Engine.predict`."""
        from .evaluation import predict_outputs

        return predict_outputs(self._setup_for(network), network, x)

    def evaluate(self, network: Graph, batch: Batch) -> Evaluated:
        """See `Engine.evaluate`."""
        from .evaluation import evaluate_batch

        return evaluate_batch(self._setup_for(network), network, batch)

    def per_sample(
        self, network: Graph, batch: Batch, loss: Loss, *, training: bool
    ) -> SampleGradients:
        """See `Engine.per_sample`."""
        from .whole_step import compute_sample_gradients

        return compute_sample_gradients(self._setup_for(network), network, batch, loss, training)

    def step(
        self, network: Graph, batch: Batch, loss: Loss, arrays: Arrays, extent: Extent = TRAINING
    ) -> Computed:
        """See `Engine.step`."""
        from .whole_step import compute_step

        return compute_step(self._setup_for(network), network, batch, loss, arrays, extent)

    def warp(self, inputs: WarpInput, out: np.ndarray) -> None:
        """See `Engine.warp`."""
        from .warping import warper_for

        warper_for(self.setup, inputs.source).run(inputs, out)

    def explain(self, network: Graph, layer: str, loss: Loss) -> Explanation:
        """See `Engine.explain`."""
        from .explain import explain_layer

        return explain_layer(self._setup_for(network), network, layer, loss)

    def memory(
        self, network: Graph, loss: Loss, optimizer: Optimizer, samples: int
    ) -> dict[str, int]:
        """See `Engine.memory`."""
        from .need import bytes_needed

        return bytes_needed(self._setup_for(network), network, loss, optimizer, samples)

    def trainer(
        self, network: Graph, loss: Loss, optimizer: Optimizer, start: Arrays | None = None
    ) -> Trainer:
        """See `Engine.trainer`."""
        from .trainer import CPUTrainer

        return CPUTrainer(self._setup_for(network), network, loss, optimizer, start or {})


def _available() -> int:
    """How many processors the process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
