"""Encoders of text, sound, series and tables: attention in more of the forms exporters write."""

import numpy as np
from onnx import TensorProto

from ..builder import INT64, Graph
from ..cnn import RELU_GAIN, SMOOTH_GAIN, batch_norm, gemm
from ..encoder import (LOWEST, Style, attention_bias, expand, joined, linear, norm_in_steps,
                       reshape, size_of)
from ..wider.signals import conv1d
from ..wider.transformers import attend, norm, post_norm_layer, rms
from ..wider.vision import dense, gelu
from .vision import group_norm

VARYING = Style(opset=17)
SPAN = 256  # of DeBERTa's distances, to each side


def tokens(g):
    """The two inputs of text encoders, any batch and any length."""
    return [g.input(n, ["batch", "sequence"], INT64) for n in ("input_ids", "attention_mask")]


def embedded(g, name, ids, rows, width, gain=0.8):
    return g.op("Gather", g.weight(name, (rows, width), 1, gain), ids)


# ------------------------------------------------------------------------------------------- text


def t5_encoder(width=512, heads=8, layers=6, inner=2048, words=8000):
    """Raffel et al. 2020, small: distances become biases of the scores, which are not scaled."""
    g = Graph("t5_encoder", opset=17)
    ids, mask = tokens(g)
    x = embedded(g, "words", ids, words, width)
    bias = g.op("Add", _distance_bias(g, ids, heads), attention_bias(g, VARYING, mask))
    for i in range(layers):
        x = _t5_layer(g, x, f"layer{i}", width, heads, inner, bias)
    g.output(rms(g, x, "norm", width), "last_hidden_state", ["batch", "sequence", width])
    return g.model()


def _distance_bias(g, ids, heads, buckets=32, furthest=128):
    """Distances up to 7 have a bucket each, others one of logarithmic width, as PyTorch counts."""
    length = size_of(g, ids, 1)
    steps = g.op("Range", g.int_scalar(0), length, g.int_scalar(1))
    apart = g.op("Sub", g.op("Unsqueeze", steps, g.ints(0)), g.op("Unsqueeze", steps, g.ints(1)))
    side = g.op("Cast", g.op("Greater", apart, g.int_scalar(0)), to=TensorProto.INT64)
    side = g.op("Mul", side, g.int_scalar(buckets // 2))
    apart, near = g.op("Abs", apart), buckets // 4
    small = g.op("Less", apart, g.int_scalar(near))
    far = g.op("Div", g.op("Cast", apart, to=TensorProto.FLOAT), g.scalar(near))
    far = g.op("Div", g.op("Log", far), g.scalar(np.log(furthest / near)))
    far = g.op("Cast", g.op("Mul", far, g.scalar(near)), to=TensorProto.INT64)
    far = g.op("Add", far, g.int_scalar(near))
    last = g.op("Expand", g.int_scalar(buckets // 2 - 1), g.op("Shape", far))
    bucket = g.op("Add", side, g.op("Where", small, apart, g.op("Min", far, last)))
    bias = g.op("Gather", g.weight("distances", (buckets, heads), 1, 0.5), bucket, axis=0)
    return g.op("Unsqueeze", g.op("Transpose", bias, perm=[2, 0, 1]), g.ints(0))


def _t5_layer(g, x, name, width, heads, inner, bias):
    head, y = width // heads, rms(g, x, f"{name}.norm1", width)

    def project(part, order, gain=1.0):
        t = g.op("MatMul", y, g.weight(f"{name}.{part}", (width, width), width, gain))
        return g.op("Transpose", reshape(g, VARYING, t, heads, head), perm=order)

    scores = g.op("MatMul", project("q", [0, 2, 1, 3], head ** -0.5),
                  project("k", [0, 2, 3, 1]))
    weights = g.op("Softmax", g.op("Add", scores, bias), axis=-1)
    z = g.op("MatMul", weights, project("v", [0, 2, 1, 3]))
    z = reshape(g, VARYING, g.op("Transpose", z, perm=[0, 2, 1, 3]), width)
    x = g.op("Add", x, g.op("MatMul", z, g.weight(f"{name}.o", (width, width), width)))
    y = rms(g, x, f"{name}.norm2", width)
    y = g.op("Relu", g.op("MatMul", y, g.weight(f"{name}.wi", (width, inner), width, RELU_GAIN)))
    return g.op("Add", x, g.op("MatMul", y, g.weight(f"{name}.wo", (inner, width), inner)))


def distilbert_tagger(width=768, heads=12, layers=3, words=8000, tags=9):
    """Sanh et al. 2019 with three layers of six, one tag a token; every layer makes its mask."""
    g = Graph("distilbert_tagger", opset=17)
    ids, mask = tokens(g)
    numbers = g.array("position_ids", np.arange(512, dtype=np.int64)[None])
    end = g.op("Unsqueeze", size_of(g, ids, 1), g.ints(0))
    place = g.op("Slice", numbers, g.ints(0), end, g.ints(1), g.ints(1))
    x = g.op("Add", embedded(g, "words", ids, words, width),
             embedded(g, "places", place, 512, width, 0.3))
    x = norm(g, x, "embed", width)
    for i in range(layers):
        y = _masked_attention(g, x, f"layer{i}", width, heads, mask)
        x = norm(g, g.op("Add", y, x), f"layer{i}.norm1", width)
        y = gelu(g, linear(g, f"layer{i}.lin1", x, width, 4 * width))
        y = linear(g, f"layer{i}.lin2", y, 4 * width, width, 1.5)
        x = norm(g, g.op("Add", y, x), f"layer{i}.norm2", width)
    g.output(linear(g, "tags", x, width, tags, 2.0), "logits", ["batch", "sequence", tags])
    return g.model()


def _masked_attention(g, x, name, width, heads, mask):
    """Queries are divided before the product; hidden scores are replaced by the lowest float."""
    head = width // heads

    def project(part, order):
        y = reshape(g, VARYING, linear(g, f"{name}.{part}", x, width, width), heads, head)
        return g.op("Transpose", y, perm=order)

    query = g.op("Div", project("q", [0, 2, 1, 3]), g.scalar(head ** 0.5))
    scores = g.op("MatMul", query, project("k", [0, 2, 3, 1]))
    hidden = g.op("Equal", mask, g.int_scalar(0))
    hidden = g.op("Reshape", hidden, joined(g, size_of(g, x, 0), 1, 1, size_of(g, x, 1)))
    hidden = g.op("Expand", hidden, g.op("Shape", scores))
    weights = g.op("Softmax", g.op("Where", hidden, g.scalar(LOWEST), scores), axis=-1)
    y = g.op("MatMul", weights, project("v", [0, 2, 1, 3]))
    y = reshape(g, VARYING, g.op("Transpose", y, perm=[0, 2, 1, 3]), width)
    return linear(g, f"{name}.out", y, width, width)


def deberta(width=384, heads=6, layers=4, sequence=64, words=8000):
    """He et al. 2021, V2 with four layers of the small width: content meets distance, both ways."""
    g = Graph("deberta", opset=17)
    ids, mask = (g.input(n, ["batch", sequence], INT64) for n in ("input_ids", "attention_mask"))
    x = norm(g, embedded(g, "words", ids, words, width), "embed", width)
    x = g.op("Mul", x, g.op("Unsqueeze", g.op("Cast", mask, to=TensorProto.FLOAT), g.ints(2)))
    row = g.op("Unsqueeze", g.op("Unsqueeze", mask, g.ints(1)), g.ints(2))
    column = g.op("Unsqueeze", g.op("Squeeze", row, g.ints(-2)), g.ints(-1))
    hidden = g.op("Not", g.op("Cast", g.op("Mul", row, column), to=TensorProto.BOOL))
    far = norm(g, g.weight("distances", (2 * SPAN, width), 1), "distances.norm", width)
    steps = np.arange(sequence, dtype=np.int64)
    apart = steps[:, None] - steps[None]
    where = [g.array(n, np.clip(d[None] + SPAN, 0, 2 * SPAN - 1))
             for n, d in (("to_place", apart), ("from_place", -apart))]
    for i in range(layers):
        name = f"layer{i}"
        y = _disentangled(g, x, name, width, heads, sequence, far, where, hidden)
        x = norm(g, g.op("Add", y, x), f"{name}.norm1", width)
        y = linear(g, f"{name}.narrow", gelu(g, linear(g, f"{name}.wide", x, width, 4 * width)),
                   4 * width, width, 1.5)
        x = norm(g, g.op("Add", y, x), f"{name}.norm2", width)
    g.output(x, "last_hidden_state", ["batch", sequence, width])
    return g.model()


def _disentangled(g, x, name, width, heads, sequence, far, where, hidden):
    """Scores of content with content, content with place and place with content."""
    head = width // heads

    def rows(t, count):
        t = g.op("Reshape", t, g.ints(-1, count, heads, head))
        t = g.op("Transpose", t, perm=[0, 2, 1, 3])
        return g.op("Reshape", t, g.ints(-1, count, head))

    def placed(content, part, index):
        place = rows(linear(g, f"{name}.{part}_place", g.op("Unsqueeze", far, g.ints(0)), width,
                            width), 2 * SPAN)
        copies = g.op("Unsqueeze", size_of(g, x, 0), g.ints(0))
        place = g.op("Tile", place, g.op("Concat", copies, g.ints(1, 1), axis=0))
        met = g.op("MatMul", content, g.op("Transpose", place, perm=[0, 2, 1]))
        index = expand(g, index, joined(g, size_of(g, content, 0), sequence, sequence))
        return g.op("Div", g.op("GatherElements", met, index, axis=-1), scale)

    scale = g.scalar((3.0 * head) ** 0.5)
    q, k, v = (rows(linear(g, f"{name}.{p}", x, width, width), sequence) for p in "qkv")
    scores = g.op("MatMul", q, g.op("Div", g.op("Transpose", k, perm=[0, 2, 1]), scale))
    back = g.op("Transpose", placed(k, "query", where[1]), perm=[0, 2, 1])
    scores = g.op("Add", scores, g.op("Add", placed(q, "key", where[0]), back))
    scores = g.op("Reshape", scores, g.ints(-1, heads, sequence, sequence))
    weights = g.op("Softmax", g.op("Where", hidden, g.scalar(LOWEST), scores), axis=-1)
    weights = g.op("Where", hidden, g.scalar(0.0), weights)
    weights = g.op("Reshape", weights, g.ints(-1, sequence, sequence))
    y = g.op("Reshape", g.op("MatMul", weights, v), g.ints(-1, heads, sequence, head))
    y = reshape(g, VARYING, g.op("Transpose", y, perm=[0, 2, 1, 3]), width)
    return linear(g, f"{name}.out", y, width, width)


# ------------------------------------------------------------------------------------------ sound


def whisper_encoder(width=384, heads=6, layers=4, frames=300):
    """Radford et al. 2023, tiny, for three seconds: a spectrogram of 80 bands, halved in time."""
    g = Graph("whisper_encoder", opset=17)
    x = gelu(g, conv1d(g, g.input("input", [1, 80, frames]), "conv1", 80, width, 3,
                       gain=SMOOTH_GAIN))
    x = gelu(g, conv1d(g, x, "conv2", width, width, 3, 2, gain=SMOOTH_GAIN))
    steps = frames // 2
    x = g.op("Add", g.op("Transpose", x, perm=[0, 2, 1]),
             g.near("places", (steps, width), 0.0, 0.3))
    for i in range(layers):
        y = norm(g, x, f"layer{i}.norm1", width)
        x = g.op("Add", x, _whisper_attention(g, y, f"layer{i}", width, heads, steps))
        y = norm(g, x, f"layer{i}.norm2", width)
        y = gelu(g, linear(g, f"layer{i}.fc1", y, width, 4 * width))
        x = g.op("Add", x, linear(g, f"layer{i}.fc2", y, 4 * width, width, 1.5))
    g.output(norm(g, x, "norm", width), "last_hidden_state", [1, steps, width])
    return g.model()


def _whisper_attention(g, x, name, width, heads, steps):
    """Queries are scaled before they are split into heads; keys have no bias."""
    head = width // heads
    q = g.op("Mul", linear(g, f"{name}.q", x, width, width), g.scalar(head ** -0.5))
    k = g.op("MatMul", x, g.weight(f"{name}.k", (width, width), width))
    q, k, v = (g.op("Transpose", g.op("Reshape", t, g.ints(1, steps, heads, head)),
                    perm=[0, 2, 1, 3]) for t in (q, k, linear(g, f"{name}.v", x, width, width)))
    scores = g.op("MatMul", q, g.op("Transpose", k, perm=[0, 1, 3, 2]))
    y = g.op("Transpose", g.op("MatMul", g.op("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
    return linear(g, f"{name}.out", g.op("Reshape", y, g.ints(1, steps, width)), width, width)


def wav2vec2(samples=8000, width=768, heads=12, layers=2):
    """Baevski et al. 2020, base with two layers of twelve; half a second of samples."""
    g = Graph("wav2vec2", opset=17)
    x = g.op("Unsqueeze", g.input("input", [1, samples]), g.ints(1))
    channels = 1
    for i, (kernel, stride) in enumerate([(10, 5), *[(3, 2)] * 4, *[(2, 2)] * 2]):
        x = conv1d(g, x, f"conv{i}", channels, 512, kernel, stride, pads=[0, 0], gain=SMOOTH_GAIN,
                   bias=False)
        x = group_norm(g, x, "conv0.norm", 512, 512, 1) if i == 0 else x
        x, channels = gelu(g, x), 512
    x = norm(g, g.op("Transpose", x, perm=[0, 2, 1]), "features.norm", 512)
    x = linear(g, "project", x, 512, width)
    x = norm(g, g.op("Add", x, _places_heard(g, x, width)), "norm", width)
    for i in range(layers):
        x = post_norm_layer(g, x, f"layer{i}", width, heads, width // heads, None)
    g.output(x, "last_hidden_state", [1, "steps", width])
    return g.model()


def _places_heard(g, x, width, kernel=128, groups=16):
    """A convolution of 128 taps, whose weights are normalised in the graph, instead of places."""
    raw = g.weight("places.v", (width, width // groups, kernel), 1)
    size = g.near("places.g", (1, 1, kernel), 1.0, 0.1)
    weight = g.op("Mul", g.op("Div", raw, g.op("ReduceL2", raw, axes=[0, 1], keepdims=1)), size)
    y = g.op("Conv", g.op("Transpose", x, perm=[0, 2, 1]), weight,
             g.near("places.bias", (width,), 0.0, 0.1), kernel_shape=[kernel],
             pads=[kernel // 2] * 2, group=groups, strides=[1], dilations=[1])
    y = g.op("Slice", y, g.ints(0), g.ints(-1), g.ints(2), g.ints(1))
    return g.op("Transpose", gelu(g, y), perm=[0, 2, 1])


# -------------------------------------------------------------------------- items, series, tables


def sasrec(items=5000, width=64, steps=50, layers=2):
    """Kang and McAuley 2018 with PyTorch's MultiheadAttention: which item follows fifty others."""
    g = Graph("sasrec", opset=14)
    ids = g.input("input_ids", ["batch", steps], INT64)
    table = g.weight("items", (items, width), width)
    x = g.op("Mul", g.op("Gather", table, ids), g.scalar(width ** 0.5))
    x = g.op("Add", x, g.near("places", (1, steps, width), 0.0, 0.3))
    real = g.op("Not", g.op("Equal", ids, g.int_scalar(0)))
    real = g.op("Cast", g.op("Unsqueeze", real, g.ints(-1)), to=TensorProto.FLOAT)
    x = g.op("Mul", x, real)
    later = g.array("later", np.triu(np.full((1, steps, steps), -np.inf, np.float32), 1))
    for i in range(layers):
        query = _norm_in_steps(g, x, f"layer{i}.norm1", width)
        y = _attention_by_steps(g, query, x, f"layer{i}", width, steps, later)
        x = _norm_in_steps(g, g.op("Add", query, y), f"layer{i}.norm2", width)
        y = g.op("Transpose", x, perm=[0, 2, 1])
        y = g.op("Relu", conv1d(g, y, f"layer{i}.conv1", width, width, 1, gain=RELU_GAIN))
        y = g.op("Transpose", conv1d(g, y, f"layer{i}.conv2", width, width, 1), perm=[0, 2, 1])
        x = g.op("Mul", g.op("Add", y, x), real)
    x = g.op("Gather", _norm_in_steps(g, x, "norm", width), g.int_scalar(-1), axis=1)
    g.output(g.op("MatMul", x, g.op("Transpose", table, perm=[1, 0])), "scores", ["batch", items])
    return g.model()


def _norm_in_steps(g, x, name, width):
    return norm_in_steps(g, x, g.near(f"{name}.weight", (width,), 1.0, 0.1),
                         g.near(f"{name}.bias", (width,), 0.0, 0.1))


def _attention_by_steps(g, query, x, name, width, steps, later):
    """One head, steps first; the mask is added by baddbmm, whose factors of 1 are exported."""

    def project(part, t):
        t = dense(g, g.op("Transpose", t, perm=[1, 0, 2]), f"{name}.{part}", width, width)
        t = g.op("Reshape", t, g.ints(steps, -1, width))
        return g.op("Transpose", t, perm=[1, 0, 2])

    q = g.op("Mul", project("q", query), g.scalar(width ** -0.5))
    met = g.op("MatMul", q, g.op("Transpose", project("k", x), perm=[0, 2, 1]))
    scores = g.op("Add", g.op("Mul", met, g.scalar(1.0)), g.op("Mul", later, g.scalar(1.0)))
    y = g.op("MatMul", g.op("Softmax", scores, axis=-1), project("v", x))
    y = g.op("Reshape", g.op("Transpose", y, perm=[1, 0, 2]), g.ints(-1, width))
    y = g.op("Reshape", gemm(g, y, f"{name}.out", width, width), g.ints(steps, -1, width))
    return g.op("Transpose", y, perm=[1, 0, 2])


def patchtst(series=7, back=336, ahead=96, width=128, heads=16, layers=3):
    """Nie et al. 2023: 42 patches of 16 steps a series, batch norm, scores that add up."""
    g = Graph("patchtst", opset=17)
    x = g.input("input", [1, back, series])
    mean = g.op("ReduceMean", x, axes=[1], keepdims=1)
    centred = g.op("Sub", x, mean)
    square = g.op("ReduceMean", g.op("Mul", centred, centred), axes=[1], keepdims=1)
    spread = g.op("Sqrt", g.op("Add", square, g.scalar(1e-5)))
    x = g.op("Transpose", g.op("Div", centred, spread), perm=[0, 2, 1])
    x = g.op("Pad", x, g.ints(0, 0, 0, 0, 0, 8), mode="edge")
    count = back // 8
    x = linear(g, "patches", _windows(g, x, back + 8, 16, 8), 16, width)
    x = g.op("Reshape", x, g.ints(series, count, width))
    x = g.op("Add", x, g.near("places", (count, width), 0.0, 0.3))
    scores = None
    for i in range(layers):
        x, scores = _patch_layer(g, x, f"layer{i}", series, count, width, heads, scores)
    x = g.op("Reshape", x, g.ints(1, series, count, width))
    x = g.op("Reshape", g.op("Transpose", x, perm=[0, 1, 3, 2]), g.ints(1, series, -1))
    x = g.op("Transpose", linear(g, "head", x, width * count, ahead), perm=[0, 2, 1])
    g.output(g.op("Add", g.op("Mul", x, spread), mean), "forecast", [1, ahead, series])
    return g.model()


def _windows(g, x, length, size, step):
    """torch's unfold of the last axis: a Slice for each window, turned by what turns nothing."""
    parts = []
    for start in range(0, length - size + 1, step):
        part = g.op("Slice", x, g.ints(start), g.ints(start + size), g.ints(2))
        parts.append(g.op("Unsqueeze", g.op("Transpose", part, perm=[0, 1, 2]), g.ints(2)))
    return g.op("Concat", *parts, axis=2)


def _patch_layer(g, x, name, batch, count, width, heads, previous):
    def added(x, y, part):
        y = g.op("Transpose", g.op("Add", x, y), perm=[0, 2, 1])
        return g.op("Transpose", batch_norm(g, y, f"{name}.{part}", width), perm=[0, 2, 1])

    head = width // heads
    q, k, v = (g.op("Reshape", linear(g, f"{name}.{p}", x, width, width),
                    g.ints(batch, count, heads, head)) for p in "qkv")
    q, v = (g.op("Transpose", t, perm=[0, 2, 1, 3]) for t in (q, v))
    scores = g.op("MatMul", q, g.op("Transpose", k, perm=[0, 2, 3, 1]))
    scores = g.op("Mul", scores, g.scalar(head ** -0.5))
    if previous:
        scores = g.op("Add", scores, previous)
    y = g.op("MatMul", g.op("Softmax", scores, axis=-1), v)
    y = g.op("Reshape", g.op("Transpose", y, perm=[0, 2, 1, 3]), g.ints(batch, count, width))
    x = added(x, linear(g, f"{name}.out", y, width, width), "norm1")
    y = gelu(g, linear(g, f"{name}.wide", x, width, 2 * width))
    return added(x, linear(g, f"{name}.narrow", y, 2 * width, width, 1.5), "norm2"), scores


def ft_transformer(numbers=10, kinds=4, width=192, heads=8, layers=3):
    """Gorishniy et al. 2021: a token for each column and one for the answer; gated by Relu."""
    g = Graph("ft_transformer", opset=17)
    values = g.input("numbers", ["batch", numbers])
    ids = g.input("kinds", ["batch", kinds], INT64)
    x = g.op("Mul", g.near("numbers.weight", (1, numbers, width), 0.0, 0.7),
             g.op("Unsqueeze", values, g.ints(2)))
    x = g.op("Add", x, g.near("numbers.bias", (numbers, width), 0.0, 0.5))
    first = g.array("kinds.first", np.arange(0, 50 * kinds, 50, dtype=np.int64))
    chosen = embedded(g, "kinds.table", g.op("Add", ids, first), 50 * kinds, width, 0.7)
    chosen = g.op("Add", chosen, g.near("kinds.bias", (kinds, width), 0.0, 0.5))
    answer = expand(g, g.near("answer", (1, 1, width), 0.0, 0.7),
                    joined(g, size_of(g, values, 0), 1, -1))
    x = g.op("Concat", x, chosen, answer, axis=1)
    for i in range(layers):
        y = norm(g, x, f"layer{i}.norm1", width) if i else x
        x = g.op("Add", x, _column_attention(g, y, f"layer{i}", width, heads))
        y = linear(g, f"layer{i}.wide", norm(g, x, f"layer{i}.norm2", width), width, 512)
        a, b = g.op("Split", y, g.ints(256, 256), outputs=2, axis=-1)
        y = g.op("Mul", a, g.op("Relu", b))
        x = g.op("Add", x, linear(g, f"layer{i}.narrow", y, 256, width))
    x = g.op("Gather", x, g.int_scalar(-1), axis=1)
    g.output(gemm(g, g.op("Relu", norm(g, x, "norm", width)), "head", width, 1, RELU_GAIN),
             "prediction", ["batch", 1])
    return g.model()


def _column_attention(g, x, name, width, heads):
    """Heads are made part of the batch."""
    head = width // heads

    def project(part):
        t = reshape(g, VARYING, linear(g, f"{name}.{part}", x, width, width), heads, head)
        t = g.op("Transpose", t, perm=[0, 2, 1, 3])
        return g.op("Reshape", t, joined(g, -1, size_of(g, x, 1), head))

    y = attend(g, project("q"), g.op("Transpose", project("k"), perm=[0, 2, 1]), project("v"),
               head)
    y = g.op("Reshape", y, joined(g, size_of(g, x, 0), heads, -1, head))
    y = reshape(g, VARYING, g.op("Transpose", y, perm=[0, 2, 1, 3]), width)
    return linear(g, f"{name}.out", y, width, width)
