"""The network as all rooms know it: a flat graph of equations, with the parameters in it."""

from .graph import Graph

__all__ = ["Graph"]
