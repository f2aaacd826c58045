"""Multilayer perceptrons, as PyTorch (Gemm) and as Keras (MatMul and Add) export them."""

import math

from .builder import Graph

WIDTHS = (64, 256, 256, 10)


def gemm_mlp():
    """Gemm and Relu; the batch varies."""
    g = Graph("mlp", opset=17)
    x = g.input("input", ["batch", WIDTHS[0]])
    for i, (inputs, outputs) in enumerate(zip(WIDTHS, WIDTHS[1:])):
        weight = g.weight(f"fc{i}.weight", (outputs, inputs), fan_in=inputs, gain=math.sqrt(2.0))
        x = g.op("Gemm", x, weight, g.near(f"fc{i}.bias", (outputs,), 0.0, 0.1), transB=1)
        if outputs != WIDTHS[-1]:
            x = g.op("Relu", x)
    g.output(x, "logits", ["batch", WIDTHS[-1]])
    return g.model()


def matmul_mlp():
    """MatMul, Add and Tanh; the batch varies."""
    g = Graph("mlp_matmul", opset=13)
    x = g.input("input", ["batch", WIDTHS[0]])
    for i, (inputs, outputs) in enumerate(zip(WIDTHS, WIDTHS[1:])):
        weight = g.weight(f"dense{i}.kernel", (inputs, outputs), fan_in=inputs, gain=1.4)
        x = g.op("Add", g.op("MatMul", x, weight), g.near(f"dense{i}.bias", (outputs,), 0.0, 0.1))
        if outputs != WIDTHS[-1]:
            x = g.op("Tanh", x)
    g.output(x, "logits", ["batch", WIDTHS[-1]])
    return g.model()
