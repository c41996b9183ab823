"""Random graphs: branches that cross, layers in several places, joins, several inputs.

They are drawn and compared as `random_networks.py` does it; `drawn_graph(number)` gives the same
graph with its batch every time.
"""

from __future__ import annotations
