#!/usr/bin/env python3
"""Writes a model whose weights have a given size, to measure memory and start-up time with.

It is a chain of dense layers of 1024 units with Relu, batch 1, so that one run reads each weight
once and activations weigh nothing.
"""

import argparse
import math
import pathlib
import sys

WIDTH = 1024


def build(megabytes):
    """Returns (model, bytes of its weights), at least `megabytes` million bytes."""
    from models.builder import Graph

    layers = math.ceil(megabytes * 1e6 / (4 * WIDTH * (WIDTH + 1)))
    g = Graph("big", opset=17)
    x = g.input("input", [1, WIDTH])
    for i in range(layers):
        weight = g.weight(f"fc{i}.weight", (WIDTH, WIDTH), fan_in=WIDTH, gain=math.sqrt(2.0))
        x = g.op("Gemm", x, weight, g.near(f"fc{i}.bias", (WIDTH,), 0.0, 0.1), transB=1)
        if i + 1 < layers:
            x = g.op("Relu", x)
    g.output(x, "output", [1, WIDTH])
    return g.model(), layers * 4 * WIDTH * (WIDTH + 1)


def main():
    root = pathlib.Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--megabytes", type=float, default=100.0,
                        help="millions of bytes of weights (default: %(default)g)")
    parser.add_argument("--out", type=pathlib.Path,
                        default=root / ".cache" / "models" / "big.onnx",
                        help="file to write (default: %(default)s)")
    arguments = parser.parse_args()
    if not 0 < arguments.megabytes <= 1900:
        parser.error(f"--megabytes: expected more than 0 and at most 1900, found "
                     f"{arguments.megabytes:g}: one ONNX file holds at most 2 GB")
    model, weights = build(arguments.megabytes)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_bytes(model.SerializeToString(deterministic=True))
    print(f"{arguments.out}: {weights} bytes of weights")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ImportError as error:
        sys.exit(f"make_big_model.py: {error}: install what tools/requirements.txt lists")
