"""Attention in the forms that other networks than BERT have: patches, windows, causal, rotary."""

import numpy as np
from onnx import TensorProto

from ..builder import INT64, Graph
from ..cnn import conv
from .vision import dense, gelu


def norm(g, x, name, width):
    return g.op("LayerNormalization", x, g.near(f"{name}.weight", (width,), 1.0, 0.1),
                g.near(f"{name}.bias", (width,), 0.0, 0.1), axis=-1, epsilon=1e-6)


def attend(g, query, key, value, head, bias=None):
    """Softmax(query keyᵀ / sqrt(head) + bias) value; key is [.., head, tokens] already."""
    scores = g.op("Mul", g.op("MatMul", query, key), g.scalar(head ** -0.5))
    if bias:
        scores = g.op("Add", scores, bias)
    return g.op("MatMul", g.op("Softmax", scores, axis=-1), value)


# -------------------------------------------------------------------------------------- pictures


def vit(name="vit", width=192, heads=3, layers=12, batch=1):
    """Dosovitskiy et al. 2021, tiny: one product for query, key and value, split by Gather."""
    g = Graph(name, opset=17)
    x = conv(g, g.input("input", [batch, 3, 224, 224]), "patch", 3, width, 16, 16, pads=[0] * 4)
    x = g.op("Transpose", g.op("Reshape", x, g.ints(batch, width, 196)), perm=[0, 2, 1])
    token = g.near("class_token", (1, 1, width), 0.0, 1.0)
    if batch != 1:
        token = g.op("Expand", token, g.ints(batch, 1, width))
    x = g.op("Add", g.op("Concat", token, x, axis=1), g.near("places", (1, 197, width), 0.0, 0.3))
    for i in range(layers):
        x = vit_layer(g, x, f"layer{i}", batch, 197, width, heads)
    x = g.op("Gather", norm(g, x, "norm", width), g.int_scalar(0), axis=1)
    weight = g.weight("head.weight", (1000, width), fan_in=width, gain=2.0)
    g.output(g.op("Gemm", x, weight, g.near("head.bias", (1000,), 0.0, 0.1), transB=1), "logits",
             [batch, 1000])
    return g.model()


def vit_layer(g, x, name, batch, tokens, width, heads, grow=4, curve=gelu):
    """Normalised before attention and before the dense layers, `grow` times as wide inside."""
    head = width // heads
    y = dense(g, norm(g, x, f"{name}.norm1", width), f"{name}.qkv", width, 3 * width)
    y = g.op("Reshape", y, g.ints(batch, tokens, 3, heads, head))
    y = g.op("Transpose", y, perm=[2, 0, 3, 1, 4])
    q, k, v = (g.op("Gather", y, g.int_scalar(j), axis=0) for j in range(3))
    y = attend(g, q, g.op("Transpose", k, perm=[0, 1, 3, 2]), v, head)
    y = g.op("Reshape", g.op("Transpose", y, perm=[0, 2, 1, 3]), g.ints(batch, tokens, width))
    x = g.op("Add", x, dense(g, y, f"{name}.out", width, width))
    y = dense(g, norm(g, x, f"{name}.norm2", width), f"{name}.wide", width, grow * width)
    return g.op("Add", x, dense(g, curve(g, y), f"{name}.narrow", grow * width, width, 1.5))


def mixer(tokens=196, width=256, layers=8):
    """Tolstikhin et al. 2021: dense layers over tokens and over channels in turn."""
    g = Graph("mixer", opset=17)
    x = conv(g, g.input("input", [1, 3, 224, 224]), "patch", 3, width, 16, 16, pads=[0] * 4)
    x = g.op("Transpose", g.op("Reshape", x, g.ints(1, width, tokens)), perm=[0, 2, 1])
    for i in range(layers):
        y = g.op("Transpose", norm(g, x, f"l{i}.norm1", width), perm=[0, 2, 1])
        y = dense(g, gelu(g, dense(g, y, f"l{i}.t1", tokens, 128)), f"l{i}.t2", 128, tokens, 1.5)
        x = g.op("Add", x, g.op("Transpose", y, perm=[0, 2, 1]))
        y = gelu(g, dense(g, norm(g, x, f"l{i}.norm2", width), f"l{i}.c1", width, 4 * width))
        x = g.op("Add", x, dense(g, y, f"l{i}.c2", 4 * width, width, 1.5))
    x = g.op("ReduceMean", norm(g, x, "norm", width), axes=[1], keepdims=0)
    g.output(dense(g, x, "head", width, 1000, 2.0), "logits", [1, 1000])
    return g.model()


def swin(size=56, width=96, heads=3, window=7, layers=4):
    """The first stage of Liu et al. 2021: windows of 7x7, every second layer shifted by 3."""
    g = Graph("swin", opset=17)
    x = conv(g, g.input("input", [1, 3, 4 * size, 4 * size]), "patch", 3, width, 4, 4,
             pads=[0] * 4)
    x = g.op("Transpose", g.op("Reshape", x, g.ints(1, width, size * size)), perm=[0, 2, 1])
    for i in range(layers):
        x = _swin_layer(g, x, f"layer{i}", size, width, heads, window, 3 if i % 2 else 0)
    x = g.op("ReduceMean", norm(g, x, "norm", width), axes=[1], keepdims=0)
    g.output(dense(g, x, "head", width, 1000, 2.0), "logits", [1, 1000])
    return g.model()


def _rolled(g, x, size, shift):
    """torch.roll over both axes of [1, size, size, width]: two slices and a Concat each."""
    for axis in (1, 2):
        cut = shift % size
        tail = g.op("Slice", x, g.ints(cut), g.ints(size), g.ints(axis))
        head = g.op("Slice", x, g.ints(0), g.ints(cut), g.ints(axis))
        x = g.op("Concat", tail, head, axis=axis)
    return x


def _swin_layer(g, x, name, size, width, heads, window, shift):
    count, area, head = size // window, window * window, width // heads
    y = g.op("Reshape", norm(g, x, f"{name}.norm1", width), g.ints(1, size, size, width))
    if shift:
        y = _rolled(g, y, size, shift)
    y = g.op("Reshape", y, g.ints(1, count, window, count, window, width))
    y = g.op("Reshape", g.op("Transpose", y, perm=[0, 1, 3, 2, 4, 5]), g.ints(-1, area, width))
    y = dense(g, y, f"{name}.qkv", width, 3 * width)
    y = g.op("Transpose", g.op("Reshape", y, g.ints(-1, area, 3, heads, head)),
             perm=[2, 0, 3, 1, 4])
    q, k, v = (g.op("Gather", y, g.int_scalar(j), axis=0) for j in range(3))
    bias = g.near(f"{name}.places", (1, heads, area, area), 0.0, 0.3)
    y = attend(g, q, g.op("Transpose", k, perm=[0, 1, 3, 2]), v, head, bias)
    y = g.op("Reshape", g.op("Transpose", y, perm=[0, 2, 1, 3]), g.ints(-1, area, width))
    y = dense(g, y, f"{name}.out", width, width)
    y = g.op("Reshape", y, g.ints(1, count, count, window, window, width))
    y = g.op("Reshape", g.op("Transpose", y, perm=[0, 1, 3, 2, 4, 5]),
             g.ints(1, size, size, width))
    if shift:
        y = _rolled(g, y, size, -shift)
    x = g.op("Add", x, g.op("Reshape", y, g.ints(1, size * size, width)))
    y = gelu(g, dense(g, norm(g, x, f"{name}.norm2", width), f"{name}.wide", width, 4 * width))
    return g.op("Add", x, dense(g, y, f"{name}.narrow", 4 * width, width, 1.5))


# ------------------------------------------------------------------------------------------ text


def gpt(width=384, heads=6, layers=6, places=256, words=8000):
    """Radford et al. 2019: causal mask from a constant, Split of one product, tanh's GELU."""
    g = Graph("gpt", opset=17)
    ids = g.input("input_ids", ["batch", "sequence"], INT64)
    x = g.op("Gather", g.weight("words", (words, width), 1, 0.8), ids)
    length = g.op("Gather", g.op("Shape", ids), g.int_scalar(1), axis=0)
    end = g.op("Unsqueeze", length, g.ints(0))
    table = g.weight("places", (places, width), 1, 0.3)
    x = g.op("Add", x, g.op("Slice", table, g.ints(0), end, g.ints(0)))
    triangle = g.array("causal", np.tril(np.ones((1, 1, places, places), bool)))
    mask = g.op("Slice", g.op("Slice", triangle, g.ints(0), end, g.ints(2)), g.ints(0), end,
                g.ints(3))
    for i in range(layers):
        x = _gpt_layer(g, x, f"layer{i}", width, heads, mask)
    x = norm(g, x, "norm", width)
    g.output(g.op("MatMul", x, g.weight("head", (width, words), width)), "logits",
             ["batch", "sequence", words])
    return g.model()


def _gpt_layer(g, x, name, width, heads, mask):
    head = width // heads
    y = dense(g, norm(g, x, f"{name}.norm1", width), f"{name}.qkv", width, 3 * width)
    q, k, v = g.op("Split", y, g.ints(width, width, width), outputs=3, axis=2)
    q, k, v = (g.op("Reshape", t, g.ints(0, 0, heads, head)) for t in (q, k, v))
    q, v = (g.op("Transpose", t, perm=[0, 2, 1, 3]) for t in (q, v))
    scores = g.op("MatMul", q, g.op("Transpose", k, perm=[0, 2, 3, 1]))
    scores = g.op("Div", scores, g.scalar(head ** 0.5))
    scores = g.op("Where", mask, scores, g.scalar(-1e9))
    y = g.op("MatMul", g.op("Softmax", scores, axis=-1), v)
    y = g.op("Reshape", g.op("Transpose", y, perm=[0, 2, 1, 3]), g.ints(0, 0, width))
    x = g.op("Add", x, dense(g, y, f"{name}.out", width, width))
    y = dense(g, norm(g, x, f"{name}.norm2", width), f"{name}.wide", width, 4 * width)
    return g.op("Add", x, dense(g, _tanh_gelu(g, y), f"{name}.narrow", 4 * width, width, 1.5))


def _tanh_gelu(g, x):
    cube = g.op("Mul", g.op("Pow", x, g.scalar(3.0)), g.scalar(0.044715))
    inner = g.op("Tanh", g.op("Mul", g.op("Add", x, cube), g.scalar(0.7978845608)))
    return g.op("Mul", g.op("Mul", x, g.scalar(0.5)), g.op("Add", inner, g.scalar(1.0)))


def llama(width=512, heads=8, shared=2, layers=4, inner=1408, sequence=64, words=8000):
    """Touvron et al. 2023: RMS norm, rotary places, gated SiLU, keys shared by heads."""
    g = Graph("llama", opset=17)
    ids = g.input("input_ids", [1, sequence], INT64)
    x = g.op("Gather", g.weight("words", (words, width), 1, 0.8), ids)
    head = width // heads
    angle = np.outer(np.arange(sequence), 10000.0 ** (-np.arange(0, head, 2) / head))
    turn = [g.array(n, f(np.concatenate([angle, angle], 1))[None, None].astype(np.float32))
            for n, f in (("cos", np.cos), ("sin", np.sin))]
    mask = g.array("mask", np.triu(np.full((1, 1, sequence, sequence), -1e9, np.float32), 1))
    for i in range(layers):
        x = _llama_layer(g, x, f"layer{i}", width, heads, shared, inner, sequence, turn, mask)
    x = rms(g, x, "norm", width)
    g.output(g.op("MatMul", x, g.weight("head", (width, words), width)), "logits",
             [1, sequence, words])
    return g.model()


def rms(g, x, name, width):
    square = g.op("ReduceMean", g.op("Pow", x, g.scalar(2.0)), axes=[-1])
    scale = g.op("Div", g.scalar(1.0), g.op("Sqrt", g.op("Add", square, g.scalar(1e-6))))
    return g.op("Mul", g.near(f"{name}.weight", (width,), 1.0, 0.1), g.op("Mul", x, scale))


def _rotated(g, x, head, turn):
    first = g.op("Slice", x, g.ints(0), g.ints(head // 2), g.ints(3))
    second = g.op("Slice", x, g.ints(head // 2), g.ints(head), g.ints(3))
    turned = g.op("Concat", g.op("Neg", second), first, axis=3)
    return g.op("Add", g.op("Mul", x, turn[0]), g.op("Mul", turned, turn[1]))


def _llama_layer(g, x, name, width, heads, shared, inner, sequence, turn, mask):
    head = width // heads
    y = rms(g, x, f"{name}.norm1", width)

    def project(part, count):
        t = g.op("MatMul", y, g.weight(f"{name}.{part}", (width, count * head), width))
        return g.op("Transpose", g.op("Reshape", t, g.ints(1, sequence, count, head)),
                    perm=[0, 2, 1, 3])

    def repeated(t):
        t = g.op("Expand", g.op("Unsqueeze", t, g.ints(2)),
                 g.ints(1, shared, heads // shared, sequence, head))
        return g.op("Reshape", t, g.ints(1, heads, sequence, head))

    q = _rotated(g, project("q", heads), head, turn)
    k = repeated(_rotated(g, project("k", shared), head, turn))
    v = repeated(project("v", shared))
    z = attend(g, q, g.op("Transpose", k, perm=[0, 1, 3, 2]), v, head, mask)
    z = g.op("Reshape", g.op("Transpose", z, perm=[0, 2, 1, 3]), g.ints(1, sequence, width))
    x = g.op("Add", x, g.op("MatMul", z, g.weight(f"{name}.out", (width, width), width)))
    y = rms(g, x, f"{name}.norm2", width)
    gate = g.op("MatMul", y, g.weight(f"{name}.gate", (width, inner), width))
    up = g.op("MatMul", y, g.weight(f"{name}.up", (width, inner), width))
    y = g.op("Mul", g.op("Mul", gate, g.op("Sigmoid", gate)), up)
    return g.op("Add", x, g.op("MatMul", y, g.weight(f"{name}.down", (inner, width), inner, 1.5)))


def sentence(width=384, heads=12, layers=6, words=8000):
    """An encoder whose tokens are averaged under the mask and normalised, as for retrieval."""
    g = Graph("sentence", opset=17)
    ids = g.input("input_ids", ["batch", "sequence"], INT64)
    mask = g.input("attention_mask", ["batch", "sequence"], INT64)
    x = norm(g, g.op("Gather", g.weight("words", (words, width), 1, 0.8), ids), "embed", width)
    real = g.op("Cast", mask, to=TensorProto.FLOAT)
    row = g.op("Unsqueeze", g.op("Unsqueeze", real, g.ints(1)), g.ints(1))
    bias = g.op("Mul", g.op("Sub", g.scalar(1.0), row), g.scalar(-1e9))
    head = width // heads
    for i in range(layers):
        x = post_norm_layer(g, x, f"layer{i}", width, heads, head, bias)
    real = g.op("Unsqueeze", real, g.ints(2))
    total = g.op("ReduceSum", g.op("Mul", x, real), g.ints(1), keepdims=0)
    count = g.op("Clip", g.op("ReduceSum", real, g.ints(1), keepdims=0), g.scalar(1e-9))
    mean = g.op("Div", total, count)
    length = g.op("Clip", g.op("ReduceL2", mean, axes=[1], keepdims=1), g.scalar(1e-12))
    g.output(g.op("Div", mean, g.op("Expand", length, g.op("Shape", mean))), "embedding",
             ["batch", width])
    return g.model()


def post_norm_layer(g, x, name, width, heads, head, bias):
    q, k, v = (g.op("Reshape", dense(g, x, f"{name}.{p}", width, width), g.ints(0, 0, heads, head))
               for p in "qkv")
    q, v = (g.op("Transpose", t, perm=[0, 2, 1, 3]) for t in (q, v))
    y = attend(g, q, g.op("Transpose", k, perm=[0, 2, 3, 1]), v, head, bias)
    y = g.op("Reshape", g.op("Transpose", y, perm=[0, 2, 1, 3]), g.ints(0, 0, width))
    x = norm(g, g.op("Add", x, dense(g, y, f"{name}.out", width, width)), f"{name}.n1", width)
    y = gelu(g, dense(g, x, f"{name}.wide", width, 4 * width))
    y = dense(g, y, f"{name}.narrow", 4 * width, width, 1.5)
    return norm(g, g.op("Add", x, y), f"{name}.n2", width)


# ---------------------------------------------------------------------------------------- inputs


def words_of(batch, sequence, mask=False, words=8000):
    """A maker of token ids, and with `mask` of rows of different lengths."""

    def make(rng):
        values = {"input_ids": rng.integers(0, words, (batch, sequence)).astype(np.int64)}
        if mask:
            lengths = np.array([max(1, sequence - 5 * i) for i in range(batch)])
            values["attention_mask"] = (np.arange(sequence)[None] < lengths[:, None]).astype(
                np.int64)
        return values

    return (f"{batch}x{sequence}", make)
