"""Graphs of real networks with random weights, to compare and to time engines with.

    python3 -m models --list         what there is
    python3 -m models [--filter W]   build it into .cache/models

run from the folder `tools`. `catalog.py` is the table.
"""
