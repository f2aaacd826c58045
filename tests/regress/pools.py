#!/usr/bin/env python3
"""Convolutions and the pools behind them, which may run as one step, answer what separate steps do.

ctest: timeout=180

Maps are so large that they leave the cache. Each graph runs optimised on one, two and three
threads, whose answers must be the same to the bit, and unoptimised, which rounds elsewhere. Volumes
are among them: their convolutions are Winograd's too.
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
HALVES = {"kernel_shape": 2, "strides": 2, "pads": (0, 0)}
OVERLAP = {"kernel_shape": 3, "strides": 2, "pads": (1, 1)}
INNER = {"kernel_shape": 3, "strides": 2, "pads": (0, 0)}
DENSE = {"kernel_shape": 3, "strides": 1, "pads": (1, 1)}

# x's shape, output channels, the convolution's kernel, stride and padding, the pool, its window,
# whether another reads the map.
CASES = [
    ((1, 3, 160, 150), 32, 7, 2, 3, "MaxPool", OVERLAP, False),
    ((1, 3, 150, 131), 40, 3, 1, 1, "MaxPool", HALVES, True),
    ((2, 24, 90, 83), 48, 3, 1, 1, "MaxPool", HALVES, False),
    ((1, 32, 96, 96), 32, 3, 1, 1, "MaxPool", HALVES, True),
    ((1, 32, 97, 90), 64, 3, 1, 1, "MaxPool", INNER, False),
    ((1, 32, 80, 80), 64, 5, 1, 2, "AveragePool", OVERLAP, False),
    ((3, 64, 70, 64), 40, 1, 1, 0, "AveragePool", HALVES, False),
    ((1, 16, 96, 90), 48, 3, 1, 1, "LpPool", DENSE, False),
    ((1, 8, 12, 40, 40), 24, 3, 1, 1, "MaxPool", HALVES, True),
    ((1, 16, 20, 33, 30), 32, 3, 1, 1, "MaxPool", OVERLAP, False),
    ((2, 20, 9, 24, 24), 20, 3, 1, 1, "AveragePool", INNER, True),
    ((1, 16, 20000), 48, 5, 1, 2, "MaxPool", OVERLAP, False),
]


def attributes(values, spatial):
    lists = {name: [value] * spatial for name, value in values.items() if name != "pads"}
    lists["pads"] = [values["pads"][0]] * spatial + [values["pads"][1]] * spatial
    return ", ".join(f"{name} = {value}" for name, value in lists.items())


def model(shape, out, kernel, stride, pad, pool, window, read):
    spatial = len(shape) - 2
    random = np.random.default_rng(out * 10 + kernel)
    w = random.standard_normal((out, shape[1], *[kernel] * spatial)) / kernel**(spatial / 2)
    values = {"w": (w / np.sqrt(shape[1])).astype(np.float32),
              "b": random.standard_normal(out).astype(np.float32)}
    conv = attributes({"kernel_shape": kernel, "strides": stride, "pads": (pad, pad)}, spatial)
    body = f"c = Conv<{conv}>(x, w, b) m = Relu(c) p = {pool}<{attributes(window, spatial)}>(m) "
    body += "g = GlobalAveragePool(m) y = Add(p, g)" if read else "y = Identity(p)"
    dims, results = ", ".join(map(str, shape)), ", ".join("NCDHW"[:len(shape)])
    graph = parser.parse_graph(f"g (float[{dims}] x) => (float[{results}] y) {{ {body} }}")
    graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in values.items())
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    made.ir_version = 9
    onnx.checker.check_model(made)
    return made.SerializeToString()


def check(case):
    data, shape = model(*case), case[0]
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    answers = []
    for threads, no_optimize in ((1, False), (2, False), (3, False), (1, True)):
        with serval_binding.Runtime(threads, no_optimize) as runtime:
            answers.append(serval_binding.run(runtime, data, {"x": x})[0])
    plain = answers.pop()
    if any(answer.tobytes() != answers[0].tobytes() for answer in answers):
        return "several threads answer otherwise"
    error = np.abs(answers[0] - plain).max() / np.abs(plain).max()
    return None if error <= TOLERANCE else f"{error:.2g} off the unoptimised answer"


def run():
    return report([(case, check(case)) for case in CASES])


if __name__ == "__main__":
    sys.exit(run_with_sanitizer(__file__, run))
