"""More kinds of network than the wider set has, made after what that set showed was mended.

Chosen as that was: by what users bring, not by what Serval does well; bench and compare run them by
`--set further`. Where exporters write something in an odd way (a mask for each layer, a Slice for
each window, sparsemax by sorting, weights normalised in the graph), it is written so here. Shapes
are those of the published networks, or smaller where the function says so.
"""

from . import signals, tables, transformers, vision

__all__ = ["signals", "tables", "transformers", "vision"]
