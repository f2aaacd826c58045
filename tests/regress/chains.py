#!/usr/bin/env python3
"""Pointwise and depthwise convolutions that run as one step answer what separate steps do.

ctest: timeout=180

Each case is the middle of a graph over x; it runs optimised on one and two threads, whose answers
must be the same to the bit, and unoptimised, which rounds elsewhere.
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
MID = 72
DEPTHWISE = "Conv<group = 72, pads = [{p}, {p}, {p}, {p}], strides = [{s}, {s}]>"
FORMS = {
    "clip": ("Clip(a, zero, six)", "Clip(b, zero, six)", "c"),
    "swish, residual": ("Mul(a, sa)", "Mul(b, sb)", "Add(c, x)"),
    "hardswish": ("HardSwish(a)", "HardSwish(b)", "Relu(c)"),
    "nothing": ("Identity(a)", "Identity(b)", "c"),
}


def body(form, kernel, stride):
    first, second, last = FORMS[form]
    depthwise = DEPTHWISE.format(p=kernel // 2, s=stride)
    if last == "Add(c, x)" and stride > 1:
        last = "Add(c, c)"
    return (f"a = Conv(x, w0, b0) sa = Sigmoid(a) f = {first} "
            f"b = {depthwise}(f, w1, b1) sb = Sigmoid(b) g = {second} "
            f"c = Conv(g, w2, b2) y = {last if '(' in last else 'Identity(c)'}")


def model(form, kernel, stride, shape):
    channels = shape[1]
    random = np.random.default_rng(kernel * 10 + stride)

    def weights(*dims):
        return (random.standard_normal(dims) / np.sqrt(np.prod(dims[1:]))).astype(np.float32)

    values = {"w0": weights(MID, channels, 1, 1), "b0": weights(MID),
              "w1": weights(MID, 1, kernel, kernel), "b1": weights(MID),
              "w2": weights(channels, MID, 1, 1), "b2": weights(channels),
              "zero": np.float32(0), "six": np.float32(6)}
    dims = ", ".join(map(str, shape))
    graph = parser.parse_graph(
        f"g (float[{dims}] x) => (float[N, C, H, W] y) {{ {body(form, kernel, stride)} }}")
    graph.initializer.extend(numpy_helper.from_array(np.array(v), k) for k, v in values.items())
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    made.ir_version = 9
    onnx.checker.check_model(made)
    return made.SerializeToString()


def check(form, kernel, stride, shape):
    data = model(form, kernel, stride, shape)
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    answers = []
    for threads, no_optimize in ((1, False), (2, False), (1, True)):
        with serval_binding.Runtime(threads, no_optimize) as runtime:
            answers.append(serval_binding.run(runtime, data, {"x": x})[0])
    one, two, plain = answers
    if one.tobytes() != two.tobytes():
        return "two threads answer otherwise"
    error = np.abs(one - plain).max() / np.abs(plain).max()
    return None if error <= TOLERANCE else f"{error:.2g} off the unoptimised answer"


def run():
    cases = [(form, kernel, stride, shape) for form in FORMS for kernel in (3, 5)
             for stride in (1, 2) for shape in ((1, 16, 70, 67), (3, 5, 41, 43))]
    return report([(case, check(*case)) for case in cases])


if __name__ == "__main__":
    sys.exit(run_with_sanitizer(__file__, run))
