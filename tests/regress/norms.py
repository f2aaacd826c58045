#!/usr/bin/env python3
"""Batch normalisations that go into the weights before them answer what separate steps do.

ctest: timeout=180

Each case is a product or a convolution and a normalisation, run optimised and unoptimised. Sizes are
such that weights are packed, in one part and in several, larger along either dimension.
"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper, parser

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import serval_binding  # noqa: E402
from _cases import report, run_with_sanitizer  # noqa: E402

TOLERANCE = 1e-5
# (rows, inputs, outputs) of products.
SIZES = ((1, 64, 48), (4, 48, 64), (33, 64, 64), (2, 5, 1), (1, 1, 5), (64, 1500, 96), (300, 520, 640))
PRODUCTS = {"MatMul(x, w)": False, "Gemm(x, w)": False, "Gemm<transB = 1>(x, w)": True,
            "Gemm<transB = 1>(x, w, b)": True}
# (operator, shape of x, shape of w, channels)
CONVOLUTIONS = (
    ("Conv(x, w, b)", (2, 24, 9, 9), (40, 24, 3, 3), 40),
    ("Conv<group = 4>(x, w, b)", (2, 24, 9, 9), (40, 6, 3, 3), 40),
    ("Conv<group = 24>(x, w)", (1, 24, 9, 9), (24, 1, 3, 3), 24),
    ("ConvTranspose(x, w, b)", (2, 24, 9, 9), (24, 40, 2, 2), 40),
    ("ConvTranspose<strides = [2, 2]>(x, w)", (1, 40, 7, 7), (40, 24, 3, 3), 24),
)


def model(operator, x, w, channels):
    random = np.random.default_rng(channels)

    def near_one(*dims):
        return random.standard_normal(dims).astype(np.float32)

    values = {"w": near_one(*w), "b": near_one(channels), "scale": near_one(channels),
              "shift": near_one(channels), "mean": near_one(channels),
              "variance": np.abs(near_one(channels)) + np.float32(0.1)}
    dims, rank = ", ".join(map(str, x)), ", ".join(f"d{i}" for i in range(len(x)))
    graph = parser.parse_graph(
        f"g (float[{dims}] x) => (float[{rank}] y) {{ a = {operator} "
        "y = BatchNormalization(a, scale, shift, mean, variance) }")
    graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in values.items())
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)])
    made.ir_version = 8
    onnx.checker.check_model(made)
    return made.SerializeToString()


def check(operator, x, w, channels):
    data = model(operator, x, w, channels)
    values = np.random.default_rng(1).standard_normal(x).astype(np.float32)
    answers = []
    for threads, no_optimize in ((2, False), (1, True)):
        with serval_binding.Runtime(threads, no_optimize) as runtime:
            answers.append(serval_binding.run(runtime, data, {"x": values})[0])
    error = np.abs(answers[0] - answers[1]).max() / np.abs(answers[1]).max()
    return None if error <= TOLERANCE else f"{error:.2g} off the unoptimised answer"


def run():
    cases = [(operator, (m, k), (n, k) if transposed else (k, n), n)
             for operator, transposed in PRODUCTS.items() for m, k, n in SIZES]
    return report([(case, check(*case)) for case in [*cases, *CONVOLUTIONS]])


if __name__ == "__main__":
    sys.exit(run_with_sanitizer(__file__, run))
