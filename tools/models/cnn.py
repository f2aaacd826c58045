"""Convolutional networks: MobileNetV2 and V3, EfficientNet-B0, ResNet-18 and U-Nets.

Layer tables follow the papers named at each function. Outputs are logits.
"""

import math

from .builder import Graph

RELU_GAIN = math.sqrt(2.0)
SMOOTH_GAIN = 1.55  # SiLU and HardSwish: 1.7 would grow without end where inputs exceed 1
GATED_GAIN = 1.7  # after a squeeze-and-excite gate, which about halves its input
BRANCH_GAIN = 0.4  # keeps the sum of many residual blocks near 1


# -------------------------------------------------------------------------------------- building


def conv(g, x, name, inputs, outputs, kernel, stride=1, groups=1, gain=1.0, bias=True, pads=None,
         dilation=1):
    """A square convolution; padding keeps the size at stride 1."""
    pad = dilation * (kernel - 1) // 2
    weights = [g.weight(f"{name}.weight", (outputs, inputs // groups, kernel, kernel),
                        fan_in=inputs // groups * kernel * kernel, gain=gain)]
    if bias:
        weights.append(g.near(f"{name}.bias", (outputs,), 0.0, 0.1))
    return g.op("Conv", x, *weights, kernel_shape=[kernel] * 2, strides=[stride] * 2, group=groups,
                pads=pads or [pad] * 4, dilations=[dilation] * 2)


def batch_norm(g, x, name, channels, scale=1.0):
    """Batch normalisation whose statistics are near identity."""
    return g.op(
        "BatchNormalization",
        x,
        g.near(f"{name}.scale", (channels,), scale, 0.1 * scale),
        g.near(f"{name}.bias", (channels,), 0.0, 0.1),
        g.near(f"{name}.mean", (channels,), 0.0, 0.1),
        g.positive(f"{name}.var", (channels,)),
        epsilon=1e-5,
    )


def activate(g, x, kind):
    if kind == "relu6":
        return g.op("Clip", x, g.scalar(0.0), g.scalar(6.0))
    if kind == "silu":
        return g.op("Mul", x, g.op("Sigmoid", x))
    return g.op(kind, x)


def classifier(g, x, name, inputs, outputs=1000):
    """Global average, flatten, one dense layer: the logits."""
    pooled = g.op("Flatten", g.op("GlobalAveragePool", x), axis=1)
    return gemm(g, pooled, name, inputs, outputs, 2.0)


def gemm(g, x, name, inputs, outputs, gain=1.0):
    """A dense layer over rows, as PyTorch exports it."""
    weight = g.weight(f"{name}.weight", (outputs, inputs), fan_in=inputs, gain=gain)
    return g.op("Gemm", x, weight, g.near(f"{name}.bias", (outputs,), 0.0, 0.1), transB=1)


# ------------------------------------------------------------------------------------ MobileNets


def mobilenet_v2(batch=1):
    """Sandler et al. 2018, table 2; batch norms folded, Clip as ReLU6, as PyTorch exports it."""
    g = Graph("mobilenet_v2", opset=13)
    x = g.input("input", [batch, 3, 224, 224])
    x = activate(g, conv(g, x, "stem", 3, 32, 3, stride=2, gain=RELU_GAIN), "relu6")
    channels = 32
    table = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
             (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for stage, (expand, outputs, repeats, stride) in enumerate(table):
        for i in range(repeats):
            name = f"block{stage}_{i}"
            step = stride if i == 0 else 1
            x = _inverted_residual(g, x, name, channels, outputs, expand, step)
            channels = outputs
    x = activate(g, conv(g, x, "head", channels, 1280, 1, gain=RELU_GAIN), "relu6")
    g.output(classifier(g, x, "classifier", 1280), "logits", [batch, 1000])
    return g.model()


def _inverted_residual(g, x, name, inputs, outputs, expand, stride):
    shortcut, wide = x, inputs * expand
    if expand != 1:
        x = activate(g, conv(g, x, f"{name}.expand", inputs, wide, 1, gain=RELU_GAIN), "relu6")
    x = conv(g, x, f"{name}.depthwise", wide, wide, 3, stride, groups=wide, gain=RELU_GAIN)
    x = activate(g, x, "relu6")
    same = stride == 1 and inputs == outputs
    x = conv(g, x, f"{name}.project", wide, outputs, 1, gain=BRANCH_GAIN if same else 1.0)
    return g.op("Add", shortcut, x) if same else x


def mobilenet_v3_small(batch=1):
    """Howard et al. 2019, table 2: HardSwish, HardSigmoid gates, 5x5 depthwise convolutions."""
    g = Graph("mobilenet_v3_small", opset=14)
    x = g.input("input", [batch, 3, 224, 224])
    x = activate(g, conv(g, x, "stem", 3, 16, 3, stride=2, gain=SMOOTH_GAIN), "HardSwish")
    channels = 16
    table = [
        (3, 16, 16, True, "Relu", 2), (3, 72, 24, False, "Relu", 2),
        (3, 88, 24, False, "Relu", 1), (5, 96, 40, True, "HardSwish", 2),
        (5, 240, 40, True, "HardSwish", 1), (5, 240, 40, True, "HardSwish", 1),
        (5, 120, 48, True, "HardSwish", 1), (5, 144, 48, True, "HardSwish", 1),
        (5, 288, 96, True, "HardSwish", 2), (5, 576, 96, True, "HardSwish", 1),
        (5, 576, 96, True, "HardSwish", 1),
    ]
    for i, (kernel, wide, outputs, gate, kind, stride) in enumerate(table):
        x = mobile_block(g, x, f"block{i}", channels, wide, outputs, kernel, stride, kind,
                         max(8, wide // 4) if gate else 0, "HardSigmoid")
        channels = outputs
    x = activate(g, conv(g, x, "head", channels, 576, 1, gain=SMOOTH_GAIN), "HardSwish")
    g.output(classifier(g, x, "classifier", 576), "logits", [batch, 1000])
    return g.model()


def mobile_block(g, x, name, inputs, wide, outputs, kernel, stride, kind, squeeze, gate,
                 norm=False):
    """Expand, depthwise, squeeze-and-excite (of `squeeze` channels, 0: none), project, add."""

    def layer(x, part, i, o, k, s=1, groups=1, gain=1.0):
        if not norm:
            return conv(g, x, f"{name}.{part}", i, o, k, s, groups, gain)
        y = conv(g, x, f"{name}.{part}", i, o, k, s, groups, gain, bias=False)
        return batch_norm(g, y, f"{name}.{part}_bn", o)

    gain = RELU_GAIN if kind == "Relu" else SMOOTH_GAIN
    shortcut = x
    if wide != inputs:
        x = activate(g, layer(x, "expand", inputs, wide, 1, gain=gain), kind)
    x = activate(g, layer(x, "depthwise", wide, wide, kernel, stride, wide, gain), kind)
    if squeeze:
        x = _squeeze_excite(g, x, f"{name}.se", wide, squeeze, kind, gate)
    same = stride == 1 and inputs == outputs
    out_gain = (GATED_GAIN if squeeze else 1.0) * (BRANCH_GAIN if same else 1.0)
    x = layer(x, "project", wide, outputs, 1, gain=out_gain)
    return g.op("Add", shortcut, x) if same else x


def _squeeze_excite(g, x, name, channels, squeeze, kind, gate):
    inner = kind if gate == "Sigmoid" else "Relu"
    s = g.op("GlobalAveragePool", x)
    s = activate(g, conv(g, s, f"{name}.reduce", channels, squeeze, 1), inner)
    s = g.op(gate, conv(g, s, f"{name}.expand", squeeze, channels, 1))
    return g.op("Mul", x, s)


def efficientnet_b0(batch=1):
    """Tan and Le 2019, table 1: SiLU as Sigmoid and Mul, batch norms not folded."""
    g = Graph("efficientnet_b0", opset=13)
    x = g.input("input", [batch, 3, 224, 224])
    x = conv(g, x, "stem", 3, 32, 3, stride=2, gain=SMOOTH_GAIN, bias=False)
    x = activate(g, batch_norm(g, x, "stem_bn", 32), "silu")
    channels = 32
    table = [(1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3),
             (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1)]
    for stage, (expand, kernel, stride, outputs, repeats) in enumerate(table):
        for i in range(repeats):
            x = mobile_block(g, x, f"block{stage}_{i}", channels, channels * expand, outputs,
                             kernel, stride if i == 0 else 1, "silu", max(1, channels // 4),
                             "Sigmoid", norm=True)
            channels = outputs
    x = conv(g, x, "head", channels, 1280, 1, gain=SMOOTH_GAIN, bias=False)
    x = activate(g, batch_norm(g, x, "head_bn", 1280), "silu")
    g.output(classifier(g, x, "classifier", 1280), "logits", [batch, 1000])
    return g.model()


# ---------------------------------------------------------------------------------------- ResNet


def resnet18(batch=1):
    """He et al. 2016, table 1; the batch may vary when it is a name."""
    g = Graph("resnet18", opset=13)
    x = g.input("input", [batch, 3, 224, 224])
    x = conv(g, x, "stem", 3, 64, 7, stride=2, gain=RELU_GAIN, bias=False)
    x = g.op("Relu", batch_norm(g, x, "stem_bn", 64))
    x = g.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for stage, outputs in enumerate((64, 128, 256, 512)):
        for i in range(2):
            stride = 2 if stage and i == 0 else 1
            x = basic_block(g, x, f"layer{stage}_{i}", channels, outputs, stride)
            channels = outputs
    g.output(classifier(g, x, "fc", 512), "logits", [batch, 1000])
    return g.model()


def basic_block(g, x, name, inputs, outputs, stride):
    shortcut = x
    if stride != 1 or inputs != outputs:
        shortcut = conv(g, x, f"{name}.down", inputs, outputs, 1, stride, bias=False)
        shortcut = batch_norm(g, shortcut, f"{name}.down_bn", outputs)
    x = conv(g, x, f"{name}.conv1", inputs, outputs, 3, stride, gain=RELU_GAIN, bias=False)
    x = g.op("Relu", batch_norm(g, x, f"{name}.bn1", outputs))
    x = conv(g, x, f"{name}.conv2", outputs, outputs, 3, gain=RELU_GAIN, bias=False)
    x = batch_norm(g, x, f"{name}.bn2", outputs, scale=BRANCH_GAIN)
    return g.op("Relu", g.op("Add", x, shortcut))


# ----------------------------------------------------------------------------------------- U-Net


def unet(upsample, size=128, batch=1):
    """Ronneberger et al. 2015 with padding, 32 to 512 channels; one logit a pixel.

    `upsample`: "transpose" (ConvTranspose), "nearest" or "linear" (Resize, then a convolution).
    """
    g = Graph(f"unet_{upsample}", opset=13)
    x = g.input("input", [batch, 3, size, size])
    widths = (32, 64, 128, 256)
    channels, skips = 3, []
    for i, width in enumerate(widths):
        x = _double_conv(g, x, f"down{i}", channels, width)
        skips.append(x)
        x = g.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        channels = width
    x = _double_conv(g, x, "bottom", channels, 512)
    channels = 512
    for i, width in reversed(list(enumerate(widths))):
        x = _upsample(g, x, f"up{i}", channels, width, upsample)
        x = g.op("Concat", skips[i], x, axis=1)
        x = _double_conv(g, x, f"up{i}.convs", 2 * width, width)
        channels = width
    g.output(conv(g, x, "last", channels, 1, 1, gain=2.0), "mask", [batch, 1, size, size])
    return g.model()


def _double_conv(g, x, name, inputs, outputs):
    for i, source in enumerate((inputs, outputs)):
        x = conv(g, x, f"{name}.conv{i}", source, outputs, 3, gain=RELU_GAIN, bias=False)
        x = g.op("Relu", batch_norm(g, x, f"{name}.bn{i}", outputs))
    return x


def _upsample(g, x, name, inputs, outputs, kind):
    if kind == "transpose":
        weight = g.weight(f"{name}.weight", (inputs, outputs, 2, 2), fan_in=inputs)
        bias = g.near(f"{name}.bias", (outputs,), 0.0, 0.1)
        return g.op("ConvTranspose", x, weight, bias, kernel_shape=[2, 2], strides=[2, 2])
    how = {"nearest": {"mode": "nearest", "nearest_mode": "floor",
                       "coordinate_transformation_mode": "asymmetric"},
           "linear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}}[kind]
    x = g.op("Resize", x, None, g.floats(1, 1, 2, 2), **how)
    return conv(g, x, f"{name}.conv", inputs, outputs, 3)
