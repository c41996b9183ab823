"""The network that users hold: named, saved, loaded, and asked."""

from .network import Network

__all__ = ["Network"]
