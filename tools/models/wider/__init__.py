"""Graphs that nobody tuned Serval for: as many kinds of network as its users bring.

Made after the engine's kernels and choices were; bench and compare run them by `--set wider`.
They are shaped like published networks, not copies of them: what matters is which operators stand
beside which, and the sizes.
"""
