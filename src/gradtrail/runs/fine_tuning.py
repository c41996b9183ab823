"""[fine_tuning]: weights that a training starts from, another head, and what stays as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..checking.arguments import flags
from ..errors import ArgumentError
from ..network.architecture import architecture
from ..network.foreign_weights import load_weights
from ..network.network import Network
from .recipe_tables import ModelTable, RecipeTable


@dataclass(frozen=True)
class FineTuningTable(RecipeTable):
    """[fine_tuning]: how a trained network is taken to other data.

    Args:
        freeze: patterns over names of layers and arrays that stay as they are.
        weights: a safetensors file that the model starts from: of a named architecture with the
            public names of torchvision or timm, of others with the network's own.
        skip: patterns over what stays as it begins, whatever the file has.
        replace_head: whether the last layer begins anew, with as many outputs as there are classes.
        cache_features: see `gradtrail.train`.
    """

    freeze: tuple[str, ...] = ()
    weights: str | None = None
    skip: tuple[str, ...] = ()
    replace_head: bool = False
    cache_features: bool = True

    def __post_init__(self) -> None:
        flags("fine_tuning", replace_head=self.replace_head, cache_features=self.cache_features)
        if self.skip and self.weights is None:
            raise ArgumentError("skip leaves out some of weights; give the file")

    @property
    def changes_weights(self) -> bool:
        """Whether a training begins with other weights than its model's."""
        return self.weights is not None or self.replace_head

    def settled(self) -> FineTuningTable:
        """What is left of it where the network is as the training begins."""
        return replace(self, weights=None, skip=(), replace_head=False)

    def apply(self, network: Network, model: ModelTable, classes: int) -> None:
        """Make of a model's network what the training begins with.

        Args:
            network: the model's, which is changed.
            model: its table.
            classes: how many the data have.

        Raises:
            FileError: weights that are not there, damaged, or do not fit.
            UnknownNameError: a pattern that fits nothing.
        """
        fresh: tuple[str, ...] = ()
        if self.replace_head:
            fresh = (_replaced(network, classes),)
        if self.weights is not None:
            self._read(network, model, (*self.skip, *fresh))
        if self.freeze:
            network.freeze(*self.freeze)

    def _read(self, network: Network, model: ModelTable, skip: tuple[str, ...]) -> None:
        assert self.weights is not None
        known = None if model.architecture is None else architecture(model.architecture)
        rename = known.our_name if known is not None and known.head else None
        load_weights(network, self.weights, skip=skip, rename=rename)


def _replaced(network: Network, classes: int) -> str:
    """Give a network a fresh last layer, of the kind it has; its name.

    Raises:
        ArgumentError: its last layer with parameters has no number of outputs.
    """
    owner = list(network.parameters)[-1].rpartition(".")[0]
    old: Any = next(step.layer for step in network.steps if step.name == owner)
    for setting in ("out_features", "out_channels"):
        if hasattr(old, setting):
            network.replace_head(replace(old, **{setting: classes}))
            return owner
    raise ArgumentError(
        f"replace_head: the last layer with parameters is '{owner}' ({old.kind}), which has no "
        "number of outputs; replace it in a script, by network.replace_head(layer, name)"
    )
