"""Sound and series: vocoders, recognisers of speech and speakers, forecasts."""

import math

import numpy as np
from onnx import TensorProto

from ..builder import FLOAT, INT64, Graph
from ..cnn import BRANCH_GAIN, RELU_GAIN, batch_norm, gemm
from ..encoder import expand, joined, size_of
from ..recurrent import layer, layer_and_states, merge
from ..wider.signals import conv1d
from ..wider.transformers import norm
from ..wider.vision import dense
from .transformers import embedded
from .vision import deconv


def conv1d_bn(g, x, name, inputs, outputs, kernel, stride=1, groups=1, dilation=1, relu=True,
              gain=None):
    """A convolution without bias, batch norm and, for `relu`, Relu."""
    x = conv1d(g, x, name, inputs, outputs, kernel, stride, groups, dilation, bias=False,
               gain=gain or (RELU_GAIN if relu else 1.0))
    x = batch_norm(g, x, f"{name}.bn", outputs)
    return g.op("Relu", x) if relu else x


# ------------------------------------------------------------------------------------------ speech


def hifigan(frames=32):
    """Kong et al. 2020, V3: a spectrogram to 256 times as many samples."""
    g = Graph("hifigan", opset=17)
    channels = 256
    x = conv1d(g, g.input("input", [1, 80, frames]), "first", 80, channels, 7)
    for i, (kernel, rate) in enumerate([(16, 8), (16, 8), (8, 4)]):
        x = deconv(g, g.op("LeakyRelu", x, alpha=0.1), f"up{i}", channels, channels // 2, kernel,
                   rate, (kernel - rate) // 2, axes=1, gain=RELU_GAIN)
        channels //= 2
        total = None
        for taps, rates in ((3, (1, 2)), (5, (2, 6)), (7, (3, 12))):
            y = _dilated_block(g, x, f"block{i}.{taps}", channels, taps, rates)
            total = g.op("Add", total, y) if total else y
        x = g.op("Div", total, g.scalar(3.0))
    x = g.op("LeakyRelu", x, alpha=0.01)
    x = conv1d(g, x, "last", channels, 1, 7, gain=0.5)
    g.output(g.op("Tanh", x), "samples", [1, 1, 256 * frames])
    return g.model()


def _dilated_block(g, x, name, channels, taps, rates):
    for rate in rates:
        y = conv1d(g, g.op("LeakyRelu", x, alpha=0.1), f"{name}.{rate}", channels, channels, taps,
                   dilation=rate, gain=BRANCH_GAIN)
        x = g.op("Add", y, x)
    return x


def tacotron_encoder(width=512, letters=148):
    """Shen et al. 2018, Tacotron 2: letters, three convolutions, a bidirectional LSTM."""
    g = Graph("tacotron_encoder", opset=17)
    ids = g.input("input_ids", ["batch", "sequence"], INT64)
    x = g.op("Transpose", embedded(g, "letters", ids, letters, width), perm=[0, 2, 1])
    for i in range(3):
        x = conv1d(g, x, f"conv{i}", width, width, 5, gain=RELU_GAIN)
        x = g.op("Relu", batch_norm(g, x, f"conv{i}.bn", width))
    x = g.op("Transpose", g.op("Transpose", x, perm=[0, 2, 1]), perm=[1, 0, 2])
    y = layer(g, "LSTM", "lstm", x, width, width // 2, "bidirectional")
    y = g.op("Transpose", merge(g, y, width // 2, "bidirectional"), perm=[1, 0, 2])
    g.output(y, "memory", ["batch", "sequence", width])
    return g.model()


def quartznet(frames=200):
    """Kriman et al. 2020, 5x5 with three repeats a block: separable convolutions of up to 87."""
    g = Graph("quartznet", opset=17)
    x = _separable(g, g.input("input", [1, 64, frames]), "c1", 64, 256, 33, 2)
    channels = 256
    for i, (outputs, kernel) in enumerate([(256, 33), (256, 39), (512, 51), (512, 63),
                                           (512, 75)]):
        shortcut = conv1d_bn(g, x, f"b{i}.skip", channels, outputs, 1, relu=False,
                             gain=BRANCH_GAIN)
        for j in range(3):
            x = _separable(g, x, f"b{i}.{j}", channels, outputs, kernel, relu=j < 2)
            channels = outputs
        x = g.op("Relu", g.op("Add", x, shortcut))
    x = _separable(g, x, "c2", channels, 512, 87, dilation=2)
    x = conv1d_bn(g, x, "c3", 512, 1024, 1)
    x = g.op("Transpose", conv1d(g, x, "classes", 1024, 29, 1, gain=3.0), perm=[0, 2, 1])
    g.output(g.op("LogSoftmax", x, axis=-1), "logprobs", [1, "steps", 29])
    return g.model()


def _separable(g, x, name, inputs, outputs, kernel, stride=1, dilation=1, relu=True):
    x = conv1d(g, x, f"{name}.depthwise", inputs, inputs, kernel, stride, inputs, dilation,
               bias=False)
    return conv1d_bn(g, x, f"{name}.pointwise", inputs, outputs, 1, relu=relu)


def ecapa(frames=200, width=512):
    """Desplanques et al. 2020, ECAPA-TDNN: who speaks; the small one of the paper."""
    g = Graph("ecapa", opset=17)
    x = _relu_norm(g, conv1d(g, g.input("input", [1, 80, frames]), "first", 80, width, 5,
                             gain=RELU_GAIN), "first", width)
    parts = []
    for i, rate in enumerate((2, 3, 4)):
        x = _res2_block(g, x, f"block{i}", width, rate)
        parts.append(x)
    x = conv1d(g, g.op("Concat", *parts, axis=1), "all", 3 * width, 1536, 1, gain=RELU_GAIN)
    x = _attentive_statistics(g, g.op("Relu", x), 1536, frames)
    x = gemm(g, batch_norm(g, x, "statistics.bn", 3072), "fc", 3072, 192)
    g.output(batch_norm(g, x, "fc.bn", 192), "embedding", [1, 192])
    return g.model()


def _relu_norm(g, x, name, channels):
    """The norm stands behind Relu here, where no convolution can take it in."""
    return batch_norm(g, g.op("Relu", x), f"{name}.bn", channels)


def _res2_block(g, x, name, width, rate, scale=8):
    """Eighths of the channels, each convolved together with what became of the one before."""
    part = width // scale
    y = _relu_norm(g, conv1d(g, x, f"{name}.in", width, width, 1, gain=RELU_GAIN), f"{name}.in",
                   width)
    pieces = g.op("Split", y, g.ints(*[part] * scale), outputs=scale, axis=1)
    done = []
    for i in range(scale - 1):
        z = g.op("Add", done[-1], pieces[i]) if i else pieces[i]
        z = conv1d(g, z, f"{name}.conv{i}", part, part, 3, dilation=rate)
        done.append(_relu_norm(g, z, f"{name}.conv{i}", part))
    y = g.op("Concat", *done, pieces[-1], axis=1)
    y = _relu_norm(g, conv1d(g, y, f"{name}.out", width, width, 1, gain=RELU_GAIN), f"{name}.out",
                   width)
    s = g.op("ReduceMean", y, axes=[2], keepdims=1)
    s = g.op("Relu", conv1d(g, s, f"{name}.se1", width, 128, 1))
    s = g.op("Sigmoid", conv1d(g, s, f"{name}.se2", 128, width, 1))
    return g.op("Add", g.op("Mul", y, s), x)


def _attentive_statistics(g, x, width, steps):
    """Mean and deviation over time, of all steps and then of those that are looked at."""
    mean = g.op("ReduceMean", x, axes=[2], keepdims=1)
    centred = g.op("Sub", x, mean)
    square = g.op("ReduceMean", g.op("Mul", centred, centred), axes=[2], keepdims=1)
    square = g.op("Div", g.op("Mul", square, g.scalar(steps)), g.scalar(steps - 1))
    spread = g.op("Sqrt", g.op("Clip", square, g.scalar(1e-4)))
    repeated = [g.op("Tile", g.op("Expand", v, g.ints(1, 1, 1)), g.ints(1, 1, steps))
                for v in (mean, spread)]
    y = conv1d(g, g.op("Concat", x, *repeated, axis=1), "attention.in", 3 * width, 256, 1)
    y = g.op("Tanh", _relu_norm(g, y, "attention.in", 256))
    weights = g.op("Softmax", conv1d(g, y, "attention.out", 256, width, 1, gain=2.0), axis=2)
    mean = g.op("ReduceSum", g.op("Mul", x, weights), g.ints(2), keepdims=0)
    square = g.op("Mul", g.op("Pow", x, g.scalar(2.0)), weights)
    square = g.op("ReduceSum", square, g.ints(2), keepdims=0)
    spread = g.op("Sub", square, g.op("Pow", mean, g.scalar(2.0)))
    spread = g.op("Sqrt", g.op("Clip", spread, g.scalar(1e-4)))
    return g.op("Concat", mean, spread, axis=1)


def vad(samples=512, width=128):
    """Like Silero VAD (2021): a spectrum by convolution, four convolutions, an LSTM's step on."""
    g = Graph("vad", opset=17)
    x = g.input("input", [1, samples])
    states = [g.input(n, [1, 1, width]) for n in "hc"]
    x = g.op("Pad", g.op("Unsqueeze", x, g.ints(1)), g.ints(0, 0, 64, 0, 0, 64), mode="reflect")
    x = g.op("Conv", x, g.array("spectrum", _spectrum(256)), kernel_shape=[256], strides=[64])
    parts = [g.op("Slice", x, g.ints(a), g.ints(b), g.ints(1)) for a, b in ((0, 129), (129, 258))]
    a, b = (g.op("Pow", p, g.scalar(2.0)) for p in parts)
    x, channels = g.op("Sqrt", g.op("Add", a, b)), 129
    for i, (outputs, stride) in enumerate([(128, 1), (64, 2), (64, 2), (width, 1)]):
        x = g.op("Relu", conv1d(g, x, f"conv{i}", channels, outputs, 3, stride, gain=RELU_GAIN))
        channels = outputs
    x = g.op("Transpose", x, perm=[2, 0, 1])
    y, *states = layer_and_states(g, "LSTM", "lstm", x, width, width, states=states)
    y = g.op("Transpose", g.op("Squeeze", y, g.ints(1)), perm=[1, 2, 0])
    y = g.op("Sigmoid", conv1d(g, g.op("Relu", y), "voice", width, 1, 1, gain=8.0))
    g.output(g.op("ReduceMean", y, axes=[2], keepdims=0), "voice", [1, 1])
    for name, state in zip(("hn", "cn"), states):
        g.output(state, name, [1, 1, width])
    return g.model()


def _spectrum(size):
    """Cosines and sines under Hann's window as filters of a convolution, for values near 1."""
    angle = 2 * np.pi * np.outer(np.arange(size // 2 + 1), np.arange(size)) / size
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    rows = np.concatenate([np.cos(angle), -np.sin(angle)]) * window / math.sqrt(size / 4)
    return rows[:, None].astype(np.float32)


# ---------------------------------------------------------------------------------------- forecasts


def deepar(back=168, known=6, stores=100, width=40):
    """Salinas et al. 2020 as GluonTS has it: scaled series, two LSTMs, Student's distribution."""
    g = Graph("deepar", opset=17)
    past = g.input("past", ["batch", back])
    times = g.input("times", ["batch", back, known])
    store = g.input("store", ["batch"], INT64)
    scale = g.op("ReduceMean", g.op("Abs", past), axes=[1], keepdims=1)
    scale = g.op("Clip", scale, g.scalar(1e-10))
    scaled = g.op("Unsqueeze", g.op("Div", past, scale), g.ints(-1))
    fixed = g.op("Concat", embedded(g, "stores", store, stores, 10), g.op("Log", scale), axis=1)
    fixed = expand(g, g.op("Unsqueeze", fixed, g.ints(1)),
                   joined(g, -1, size_of(g, scaled, 1), -1))
    x = g.op("Transpose", g.op("Concat", scaled, fixed, times, axis=-1), perm=[1, 0, 2])
    inputs = 12 + known
    for i in range(2):
        x = merge(g, layer(g, "LSTM", f"lstm{i}", x, inputs, width), width, "forward")
        inputs = width
    x = g.op("Transpose", x, perm=[1, 0, 2])
    heads = [g.op("Squeeze", dense(g, x, n, width, 1, 3.0), g.ints(-1)) for n in ("df", "loc",
                                                                                  "spread")]
    g.output(g.op("Add", g.op("Softplus", heads[0]), g.scalar(2.0)), "df", ["batch", back])
    g.output(g.op("Mul", heads[1], scale), "loc", ["batch", back])
    g.output(g.op("Mul", g.op("Softplus", heads[2]), scale), "scale", ["batch", back])
    return g.model()


def tft(back=96, ahead=24, width=64, heads=4):
    """Lim et al. 2021: columns are weighed, an LSTM on each side of now, attention to what was.

    Five columns of the past, two known ahead and one kind, as PyTorch Forecasting has them.
    """
    g = Graph("tft", opset=17)
    past = g.input("past", ["batch", back, 5])
    future = g.input("future", ["batch", ahead, 2])
    kind = g.input("kind", ["batch"], INT64)
    fixed = _gated_residual(g, embedded(g, "kinds", kind, 20, width), "fixed", width, width)
    states = [g.op("Unsqueeze", _gated_residual(g, fixed, f"fixed.{n}", width, width), g.ints(0))
              for n in "hc"]
    context = g.op("Unsqueeze", fixed, g.ints(1))
    was = _selected(g, past, "past", 5, width, context)
    will = _selected(g, future, "future", 2, width, context)
    sides = []
    for name, x in (("encoder", was), ("decoder", will)):
        y, *states = layer_and_states(g, "LSTM", name, g.op("Transpose", x, perm=[1, 0, 2]),
                                      width, width, states=states)
        sides.append(g.op("Transpose", merge(g, y, width, "forward"), perm=[1, 0, 2]))
    x = g.op("Concat", was, will, axis=1)
    x = _gated_norm(g, g.op("Concat", *sides, axis=1), x, "after_lstm", width)
    rich = _gated_residual(g, x, "enriched", width, width, (context, width))
    now = [g.op("Slice", v, g.ints(back), g.ints(back + ahead), g.ints(1)) for v in (rich, x)]
    y = _one_value_attention(g, now[0], rich, width, heads, back, ahead)
    y = _gated_norm(g, y, now[0], "after_attention", width)
    y = _gated_norm(g, _gated_residual(g, y, "forward", width, width), now[1], "last", width)
    g.output(dense(g, y, "quantiles", width, 7), "quantiles", ["batch", ahead, 7])
    return g.model()


def _gated_norm(g, x, skip, name, width):
    """A gated linear unit, what it is added to, LayerNorm."""
    y = dense(g, x, f"{name}.glu", width, 2 * width, RELU_GAIN)
    a, b = g.op("Split", y, g.ints(width, width), outputs=2, axis=-1)
    y = g.op("Mul", a, g.op("Sigmoid", b))
    return norm(g, g.op("Add", y, skip), f"{name}.norm", width)


def _gated_residual(g, x, name, inputs, outputs, context=None):
    """`context`: what is known besides, and how many numbers that is."""
    skip = x if inputs == outputs else dense(g, x, f"{name}.skip", inputs, outputs)
    y = dense(g, x, f"{name}.fc1", inputs, outputs)
    if context:
        known, count = context
        weight = g.weight(f"{name}.context", (count, outputs), count)
        y = g.op("Add", y, g.op("MatMul", known, weight))
    y = dense(g, g.op("Elu", y, alpha=1.0), f"{name}.fc2", outputs, outputs)
    return _gated_norm(g, y, skip, name, outputs)


def _selected(g, x, name, count, width, context):
    """Each column through a network of its own, summed by weights that another one gives."""
    columns = [dense(g, g.op("Slice", x, g.ints(i), g.ints(i + 1), g.ints(2)), f"{name}.in{i}", 1,
                     width) for i in range(count)]
    weights = _gated_residual(g, g.op("Concat", *columns, axis=-1), f"{name}.weights",
                              count * width, count, (context, width))
    weights = g.op("Unsqueeze", g.op("Softmax", weights, axis=-1), g.ints(2))
    ways = [g.op("Unsqueeze", _gated_residual(g, c, f"{name}.{i}", width, width), g.ints(-1))
            for i, c in enumerate(columns)]
    sums = g.op("Mul", g.op("Concat", *ways, axis=-1), weights)
    return g.op("ReduceSum", sums, g.ints(-1), keepdims=0)


def _one_value_attention(g, query, x, width, heads, back, ahead):
    """Heads differ in queries and keys but share the values; their mean goes on."""
    head = width // heads
    later = np.arange(back + ahead)[None] > np.arange(back, back + ahead)[:, None]
    later = g.array("later", later[None])
    value, mixed = dense(g, x, "value", width, head), []
    for i in range(heads):
        q, k = dense(g, query, f"query{i}", width, head), dense(g, x, f"key{i}", width, head)
        scores = g.op("MatMul", q, g.op("Transpose", k, perm=[0, 2, 1]))
        scores = g.op("Div", scores, g.scalar(head ** 0.5))
        scores = g.op("Where", later, g.scalar(-1e9), scores)
        y = g.op("MatMul", g.op("Softmax", scores, axis=2), value)
        mixed.append(g.op("Unsqueeze", y, g.ints(2)))
    y = g.op("ReduceMean", g.op("Concat", *mixed, axis=2), axes=[2], keepdims=0)
    return g.op("MatMul", y, g.weight("mixed", (head, width), head, 2.0))


def seq2seq_gru(steps=40, ahead=20, words=2000, width=256):
    """Cho et al. 2014 as Keras examples have it and tf2onnx writes it: steps first around a GRU."""
    g = Graph("seq2seq_gru", opset=15)
    ids = g.op("Cast", g.input("input", ["batch", steps], FLOAT), to=TensorProto.INT32)
    x = embedded(g, "words", ids, words, 128)
    _, state = _keras_gru(g, x, "encoder", 128, width)
    x = g.op("Tile", g.op("Unsqueeze", g.op("Squeeze", state, g.ints(0)), g.ints(1)),
             g.ints(1, ahead, 1))
    y, _ = _keras_gru(g, x, "decoder", width, width)
    y = g.op("Transpose", g.op("Squeeze", y, g.ints(1)), perm=[1, 0, 2])
    y = dense(g, g.op("Reshape", y, g.ints(-1, width)), "words_out", width, words, 3.0)
    g.output(g.op("Reshape", y, g.ints(-1, ahead, words)), "logits", ["batch", ahead, words])
    return g.model()


def _keras_gru(g, x, name, inputs, width):
    """reset_after=True, with the initial state that tf2onnx makes for the batch."""
    count = g.op("Cast", size_of(g, x, 0), to=TensorProto.INT64)
    shape = g.op("Concat", g.op("Unsqueeze", count, g.ints(0)), g.ints(width), axis=0)
    state = g.op("Unsqueeze", g.op("Expand", g.scalar(0.0), shape), g.ints(0))
    return layer_and_states(g, "GRU", name, g.op("Transpose", x, perm=[1, 0, 2]), inputs, width,
                            states=[state], linear_before_reset=1)
