"""Sound, series and rows: convolutions of one axis, mixed networks, recommenders."""

import numpy as np

from ..builder import INT64, Graph
from ..cnn import BRANCH_GAIN, RELU_GAIN, SMOOTH_GAIN, activate, batch_norm, classifier
from ..recurrent import layer, merge
from .transformers import attend, norm
from .vision import conv_bn, dense, gelu


def conv1d(g, x, name, inputs, outputs, kernel, stride=1, groups=1, dilation=1, pads=None,
           gain=1.0, bias=True):
    """A convolution over the last axis of [batch, channels, steps]."""
    weights = [g.weight(f"{name}.weight", (outputs, inputs // groups, kernel),
                        inputs // groups * kernel, gain)]
    if bias:
        weights.append(g.near(f"{name}.bias", (outputs,), 0.0, 0.1))
    pad = dilation * (kernel - 1) // 2
    return g.op("Conv", x, *weights, kernel_shape=[kernel], strides=[stride], group=groups,
                dilations=[dilation], pads=pads or [pad, pad])


# ----------------------------------------------------------------------------------------- sound


def keywords():
    """Zhang et al. 2017, DS-CNN: a spectrogram of 49 by 10, depthwise and pointwise layers."""
    g = Graph("keywords", opset=13)
    x = g.input("input", ["batch", 1, 49, 10])
    weight = g.weight("stem.weight", (64, 1, 10, 4), 40, RELU_GAIN)
    x = g.op("Conv", x, weight, kernel_shape=[10, 4], strides=[2, 2], pads=[4, 1, 5, 2])
    x = g.op("Relu", batch_norm(g, x, "stem.bn", 64))
    for i in range(4):
        x = conv_bn(g, x, f"block{i}.depthwise", 64, 64, 3, 1, 64)
        x = conv_bn(g, x, f"block{i}.pointwise", 64, 64, 1)
    g.output(classifier(g, x, "fc", 64, 12), "logits", ["batch", 12])
    return g.model()


def speech_features(samples=16000):
    """The first layers of wav2vec 2.0 (Baevski et al. 2020): raw samples, seven convolutions."""
    g = Graph("speech_features", opset=17)
    x = g.input("input", [1, 1, samples])
    channels = 1
    for i, (kernel, stride) in enumerate([(10, 5), *[(3, 2)] * 4, *[(2, 2)] * 2]):
        x = conv1d(g, x, f"conv{i}", channels, 256, kernel, stride, pads=[0, 0], gain=SMOOTH_GAIN)
        x, channels = gelu(g, x), 256
    x = g.op("Transpose", x, perm=[0, 2, 1])
    x = dense(g, norm(g, x, "norm", 256), "project", 256, 384)
    g.output(x, "features", [1, "steps", 384])
    return g.model()


def deep_speech():
    """Amodei et al. 2016: two convolutions over time and frequency, three bidirectional GRUs."""
    g = Graph("deep_speech", opset=14)
    x = g.input("input", [1, 1, 80, "frames"])
    for i, (inputs, high, wide, stride) in enumerate([(1, 41, 11, [2, 2]), (32, 21, 11, [2, 1])]):
        weight = g.weight(f"conv{i}.weight", (32, inputs, high, wide), inputs * high * wide)
        x = g.op("Conv", x, weight, kernel_shape=[high, wide], strides=stride,
                 pads=[high // 2, wide // 2] * 2)
        x = g.op("Clip", batch_norm(g, x, f"conv{i}.bn", 32), g.scalar(0.0), g.scalar(20.0))
    x = g.op("Reshape", x, g.ints(1, 640, -1))
    x, width = g.op("Transpose", x, perm=[2, 0, 1]), 640
    for i in range(3):
        y = layer(g, "GRU", f"gru{i}", x, width, 200, "bidirectional", linear_before_reset=1)
        x, width = merge(g, y, 200, "bidirectional"), 400
    g.output(dense(g, x, "classes", 400, 29, 2.0), "logits", ["steps", 1, 29])
    return g.model()


def conformer(width=144, heads=4, layers=4, steps=100):
    """Gulati et al. 2020, small: half-step dense layers, attention, gated depthwise convolution."""
    g = Graph("conformer", opset=17)
    x = dense(g, g.input("input", [1, steps, 80]), "project", 80, width)
    for i in range(layers):
        x = _half_step(g, x, f"l{i}.ff1", width)
        x = _self_attention(g, x, f"l{i}.attention", width, heads, steps)
        x = _conv_module(g, x, f"l{i}.conv", width)
        x = norm(g, _half_step(g, x, f"l{i}.ff2", width), f"l{i}.norm", width)
    g.output(dense(g, x, "classes", width, 128, 2.0), "logits", [1, steps, 128])
    return g.model()


def _half_step(g, x, name, width):
    y = dense(g, norm(g, x, f"{name}.norm", width), f"{name}.wide", width, 4 * width)
    y = dense(g, activate(g, y, "silu"), f"{name}.narrow", 4 * width, width, 1.5)
    return g.op("Add", x, g.op("Mul", y, g.scalar(0.5)))


def _self_attention(g, x, name, width, heads, steps):
    head, y = width // heads, norm(g, x, f"{name}.norm", width)
    q, k, v = (g.op("Reshape", dense(g, y, f"{name}.{p}", width, width),
                    g.ints(1, steps, heads, head)) for p in "qkv")
    q, v = (g.op("Transpose", t, perm=[0, 2, 1, 3]) for t in (q, v))
    y = attend(g, q, g.op("Transpose", k, perm=[0, 2, 3, 1]), v, head)
    y = g.op("Reshape", g.op("Transpose", y, perm=[0, 2, 1, 3]), g.ints(1, steps, width))
    return g.op("Add", x, dense(g, y, f"{name}.out", width, width))


def _conv_module(g, x, name, width):
    y = g.op("Transpose", norm(g, x, f"{name}.norm", width), perm=[0, 2, 1])
    y = conv1d(g, y, f"{name}.in", width, 2 * width, 1)
    a, b = g.op("Split", y, g.ints(width, width), outputs=2, axis=1)
    y = conv1d(g, g.op("Mul", a, g.op("Sigmoid", b)), f"{name}.depthwise", width, width, 31,
               groups=width, gain=2.0)
    y = activate(g, batch_norm(g, y, f"{name}.bn", width), "silu")
    y = conv1d(g, y, f"{name}.out", width, width, 1, gain=SMOOTH_GAIN)
    return g.op("Add", x, g.op("Transpose", y, perm=[0, 2, 1]))


# ---------------------------------------------------------------------------------------- series


def temporal(steps=256, width=64):
    """Bai et al. 2018, TCN: dilated causal convolutions, cut at the end as Chomp1d exports."""
    g = Graph("temporal", opset=13)
    x, channels = g.input("input", ["batch", 8, steps]), 8
    for i in range(6):
        rate, shortcut = 2 ** i, x
        for part in "ab":
            pad = 2 * rate
            x = conv1d(g, x, f"block{i}.{part}", channels, width, 3, dilation=rate,
                       pads=[pad, pad], gain=RELU_GAIN)
            x = g.op("Relu", g.op("Slice", x, g.ints(0), g.ints(-pad), g.ints(2)))
            channels = width
        if i == 0:
            shortcut = conv1d(g, shortcut, "down", 8, width, 1)
        x = g.op("Relu", g.op("Add", g.op("Mul", x, g.scalar(BRANCH_GAIN)), shortcut))
    x = g.op("Gather", x, g.int_scalar(-1), axis=2)
    g.output(dense(g, x, "head", width, 24), "forecast", ["batch", 24])
    return g.model()


def wave_net(steps=1000, width=32, skip=64):
    """Van den Oord et al. 2016: tanh times sigmoid, dilations to 512, skips summed."""
    g = Graph("wave_net", opset=13)
    x = conv1d(g, g.input("input", [1, 1, steps]), "in", 1, width, 1)
    total = None
    for i in range(10):
        rate = 2 ** i
        y = g.op("Pad", x, g.ints(0, 0, rate, 0, 0, 0))
        a = g.op("Tanh", conv1d(g, y, f"l{i}.filter", width, width, 2, dilation=rate,
                                pads=[0, 0]))
        b = g.op("Sigmoid", conv1d(g, y, f"l{i}.gate", width, width, 2, dilation=rate,
                                   pads=[0, 0]))
        y = g.op("Mul", a, b)
        s = conv1d(g, y, f"l{i}.skip", width, skip, 1)
        total = g.op("Add", total, s) if total else s
        x = g.op("Add", x, conv1d(g, y, f"l{i}.out", width, width, 1, gain=0.5))
    y = g.op("Relu", conv1d(g, g.op("Relu", total), "end1", skip, skip, 1))
    g.output(conv1d(g, y, "end2", skip, 256, 1), "logits", [1, 256, steps])
    return g.model()


def n_beats(back=96, ahead=24, width=256, blocks=6):
    """Oreshkin et al. 2020: dense blocks, each takes away what it explained."""
    g = Graph("n_beats", opset=13)
    x = g.input("input", ["batch", back])
    total = None
    for i in range(blocks):
        y, inputs = x, back
        for j in range(4):
            weight = g.weight(f"b{i}.fc{j}", (width, inputs), inputs, RELU_GAIN)
            y = g.op("Relu", g.op("Gemm", y, weight, g.near(f"b{i}.c{j}", (width,), 0.0, 0.1),
                                  transB=1))
            inputs = width
        seen = g.op("MatMul", y, g.weight(f"b{i}.back", (width, back), width, 0.3))
        said = g.op("MatMul", y, g.weight(f"b{i}.ahead", (width, ahead), width, 0.5))
        x = g.op("Sub", x, seen)
        total = g.op("Add", total, said) if total else said
    g.output(total, "forecast", ["batch", ahead])
    return g.model()


def cnn_lstm(steps=128):
    """A sensor classifier: two convolutions, pooling, LSTM, last step, dense layers."""
    g = Graph("cnn_lstm", opset=14)
    x = g.input("input", ["batch", 9, steps])
    for i, inputs in enumerate((9, 64)):
        x = g.op("Relu", conv1d(g, x, f"conv{i}", inputs, 64, 5, gain=RELU_GAIN))
    x = g.op("MaxPool", x, kernel_shape=[2], strides=[2])
    x = g.op("Transpose", x, perm=[2, 0, 1])
    x = merge(g, layer(g, "LSTM", "lstm", x, 64, 100), 100, "forward")
    x = g.op("Gather", x, g.int_scalar(-1), axis=0)
    g.output(dense(g, g.op("Relu", dense(g, x, "fc", 100, 64)), "head", 64, 6), "logits",
             ["batch", 6])
    return g.model()


# ---------------------------------------------------------------------------------- recommenders


def recommender(fields=26, rows=5000, width=16, numbers=13):
    """Naumov et al. 2019, DLRM: embeddings, every pair's dot product, two dense stacks."""
    g = Graph("recommender", opset=17)
    dense_in = g.input("dense", ["batch", numbers])
    ids = g.input("ids", ["batch", fields], INT64)
    x = gemms(g, dense_in, "bottom", (numbers, 128, 64, width), True)
    parts = [g.op("Unsqueeze", x, g.ints(1))]
    for i in range(fields):
        column = g.op("Gather", ids, g.ints(i), axis=1)
        parts.append(g.op("Gather", g.weight(f"table{i}", (rows, width), 1), column))
    every = g.op("Concat", *parts, axis=1)
    pairs = g.op("MatMul", every, g.op("Transpose", every, perm=[0, 2, 1]))
    low = np.tril_indices(fields + 1, -1)
    flat = g.op("Reshape", pairs, g.ints(-1, (fields + 1) ** 2))
    places = (low[0] * (fields + 1) + low[1]).astype(np.int64)
    chosen = g.op("Gather", flat, g.array("places", places), axis=1)
    joined = g.op("Concat", x, g.op("Mul", chosen, g.scalar(0.25)), axis=1)
    x = gemms(g, joined, "top", (width + len(places), 256, 128, 1), False)
    g.output(x, "logit", ["batch", 1])
    return g.model()


def gemms(g, x, name, widths, last):
    """Dense layers and Relu between them, and after them for `last`."""
    for i, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        weight = g.weight(f"{name}{i}", (outputs, inputs), inputs, RELU_GAIN)
        x = g.op("Gemm", x, weight, g.near(f"{name}{i}.bias", (outputs,), 0.0, 0.1), transB=1)
        if last or i + 2 < len(widths):
            x = g.op("Relu", x)
    return x


def recommender_inputs(batch, fields=26, rows=5000, numbers=13):
    def make(rng):
        return {"dense": rng.standard_normal((batch, numbers), np.float32),
                "ids": rng.integers(0, rows, (batch, fields)).astype(np.int64)}

    return (f"{batch}", make)


def autoencoder(width=512):
    """Denoising of rows: dense layers with ELU, LeakyRelu and PRelu, batch norms between."""
    g = Graph("autoencoder", opset=13)
    x = g.input("input", ["batch", width])
    widths = (width, 256, 64, 16, 64, 256, width)
    for i, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        x = dense(g, x, f"fc{i}", inputs, outputs, RELU_GAIN)
        if i == 5:
            break
        x = batch_norm(g, x, f"bn{i}", outputs)
        if i % 3 == 2:
            x = g.op("PRelu", x, g.near(f"slope{i}", (outputs,), 0.25, 0.02))
        else:
            x = g.op(("Elu", "LeakyRelu")[i % 3], x)
    g.output(x, "output", ["batch", width])
    return g.model()
