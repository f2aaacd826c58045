"""Pictures: classifiers, detectors, segmentation and image to image, beyond those of cnn.py."""

from ..builder import Graph
from ..cnn import (BRANCH_GAIN, GATED_GAIN, RELU_GAIN, SMOOTH_GAIN, activate, batch_norm,
                   classifier, conv)


def conv_bn(g, x, name, inputs, outputs, kernel, stride=1, groups=1, kind="Relu", gain=None,
            dilation=1):
    """Convolution, batch norm and an activation (none for an empty `kind`)."""
    gain = gain or {"": 1.0, "Relu": RELU_GAIN, "relu6": RELU_GAIN}.get(kind, SMOOTH_GAIN)
    x = conv(g, x, name, inputs, outputs, kernel, stride, groups, gain, bias=False,
             dilation=dilation)
    x = batch_norm(g, x, f"{name}.bn", outputs)
    return activate(g, x, kind) if kind else x


def rectangle(g, x, name, inputs, outputs, high, wide, gain=RELU_GAIN):
    """A convolution with a kernel that is not square, and Relu."""
    weight = g.weight(f"{name}.weight", (outputs, inputs, high, wide), inputs * high * wide, gain)
    bias = g.near(f"{name}.bias", (outputs,), 0.0, 0.1)
    pads = [high // 2, wide // 2] * 2
    return g.op("Relu", g.op("Conv", x, weight, bias, kernel_shape=[high, wide], pads=pads))


# ----------------------------------------------------------------------------------- classifiers


def mobilenet_v1(batch=1):
    """Howard et al. 2017, table 1."""
    g = Graph("mobilenet_v1", opset=13)
    x = g.input("input", [batch, 3, 224, 224])
    x = conv_bn(g, x, "stem", 3, 32, 3, 2)
    channels = 32
    for i, (outputs, stride) in enumerate([(64, 1), (128, 2), (128, 1), (256, 2), (256, 1),
                                           (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]):
        x = conv_bn(g, x, f"block{i}.depthwise", channels, channels, 3, stride, channels)
        x = conv_bn(g, x, f"block{i}.pointwise", channels, outputs, 1)
        channels = outputs
    g.output(classifier(g, x, "fc", channels), "logits", [batch, 1000])
    return g.model()


def shufflenet_v2():
    """Ma et al. 2018, 1.0x: channels are split, one half goes through, then they are shuffled."""
    g = Graph("shufflenet_v2", opset=13)
    x = g.input("input", [1, 3, 224, 224])
    x = conv_bn(g, x, "stem", 3, 24, 3, 2)
    x = g.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels, size = 24, 56
    for stage, (outputs, repeats) in enumerate([(116, 4), (232, 8), (464, 4)]):
        size //= 2
        for i in range(repeats):
            x = _shuffle_unit(g, x, f"stage{stage}_{i}", channels, outputs, size, i == 0)
            channels = outputs
    x = conv_bn(g, x, "head", channels, 1024, 1)
    g.output(classifier(g, x, "fc", 1024), "logits", [1, 1000])
    return g.model()


def _shuffle_unit(g, x, name, inputs, outputs, size, down):
    half = outputs // 2
    if down:
        left = conv_bn(g, x, f"{name}.left.depthwise", inputs, inputs, 3, 2, inputs, kind="")
        left = conv_bn(g, left, f"{name}.left.pointwise", inputs, half, 1)
        right, width = x, inputs
    else:
        left, right = g.op("Split", x, g.ints(half, half), outputs=2, axis=1)
        width = half
    right = conv_bn(g, right, f"{name}.expand", width, half, 1)
    right = conv_bn(g, right, f"{name}.depthwise", half, half, 3, 2 if down else 1, half, kind="")
    right = conv_bn(g, right, f"{name}.project", half, half, 1)
    x = g.op("Concat", left, right, axis=1)
    x = g.op("Reshape", x, g.ints(1, 2, half, size, size))
    x = g.op("Transpose", x, perm=[0, 2, 1, 3, 4])
    return g.op("Reshape", x, g.ints(1, outputs, size, size))


def regnet_y():
    """Radosavovic et al. 2020, 400MF: groups of 8 channels, squeeze-and-excite."""
    g = Graph("regnet_y", opset=13)
    x = conv_bn(g, g.input("input", [1, 3, 224, 224]), "stem", 3, 32, 3, 2)
    channels = 32
    for stage, (outputs, repeats) in enumerate([(48, 1), (104, 3), (208, 6), (440, 6)]):
        for i in range(repeats):
            x = _regnet_block(g, x, f"stage{stage}_{i}", channels, outputs, 2 if i == 0 else 1)
            channels = outputs
    g.output(classifier(g, x, "fc", channels), "logits", [1, 1000])
    return g.model()


def _regnet_block(g, x, name, inputs, outputs, stride):
    shortcut = x
    if stride != 1 or inputs != outputs:
        shortcut = conv_bn(g, x, f"{name}.down", inputs, outputs, 1, stride, kind="")
    x = conv_bn(g, x, f"{name}.a", inputs, outputs, 1)
    x = conv_bn(g, x, f"{name}.b", outputs, outputs, 3, stride, outputs // 8)
    squeezed = max(8, inputs // 4)
    s = g.op("GlobalAveragePool", x)
    s = g.op("Relu", conv(g, s, f"{name}.se1", outputs, squeezed, 1))
    s = g.op("Sigmoid", conv(g, s, f"{name}.se2", squeezed, outputs, 1))
    x = conv_bn(g, g.op("Mul", x, s), f"{name}.c", outputs, outputs, 1, kind="",
                gain=GATED_GAIN * BRANCH_GAIN)
    return g.op("Relu", g.op("Add", x, shortcut))


def resnext50():
    """Xie et al. 2017, 32x4d: 32 groups in the middle of each bottleneck."""
    g = Graph("resnext50", opset=13)
    x = conv_bn(g, g.input("input", [1, 3, 224, 224]), "stem", 3, 64, 7, 2)
    x = g.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for stage, (width, repeats) in enumerate([(128, 3), (256, 4), (512, 6), (1024, 3)]):
        for i in range(repeats):
            name, shortcut = f"stage{stage}_{i}", x
            stride = 2 if stage and i == 0 else 1
            if i == 0:
                shortcut = conv_bn(g, x, f"{name}.down", channels, 2 * width, 1, stride, kind="")
            x = conv_bn(g, x, f"{name}.a", channels, width, 1)
            x = conv_bn(g, x, f"{name}.b", width, width, 3, stride, 32)
            x = conv_bn(g, x, f"{name}.c", width, 2 * width, 1, kind="", gain=BRANCH_GAIN)
            x = g.op("Relu", g.op("Add", x, shortcut))
            channels = 2 * width
    g.output(classifier(g, x, "fc", channels), "logits", [1, 1000])
    return g.model()


def inception_v3():
    """Szegedy et al. 2016: the blocks of figure 5 and 6, with 1x7 and 7x1 convolutions."""
    g = Graph("inception_v3", opset=13)
    x = g.input("input", [1, 3, 299, 299])
    for i, (a, b, stride) in enumerate([(3, 32, 2), (32, 32, 1), (32, 64, 1)]):
        x = conv_bn(g, x, f"stem{i}", a, b, 3, stride)
    x = g.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
    x = conv_bn(g, conv_bn(g, x, "stem3", 64, 80, 1), "stem4", 80, 192, 3)
    x = g.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
    channels = 192
    for i, pool in enumerate((32, 64, 64)):
        x, channels = _inception_a(g, x, f"mixed{i}", channels, pool)
    x, channels = _inception_reduce(g, x, "mixed3", channels)
    for i, width in enumerate((128, 160, 160, 192)):
        x, channels = _inception_b(g, x, f"mixed{4 + i}", channels, width)
    g.output(classifier(g, x, "fc", channels), "logits", [1, 1000])
    return g.model()


def _average(g, x):
    return g.op("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)


def _inception_a(g, x, name, inputs, pool):
    one = conv_bn(g, x, f"{name}.one", inputs, 64, 1)
    five = conv_bn(g, conv_bn(g, x, f"{name}.five1", inputs, 48, 1), f"{name}.five2", 48, 64, 5)
    three = conv_bn(g, x, f"{name}.three1", inputs, 64, 1)
    three = conv_bn(g, three, f"{name}.three2", 64, 96, 3)
    three = conv_bn(g, three, f"{name}.three3", 96, 96, 3)
    pooled = conv_bn(g, _average(g, x), f"{name}.pool", inputs, pool, 1)
    return g.op("Concat", one, five, three, pooled, axis=1), 224 + pool


def _inception_reduce(g, x, name, inputs):
    three = conv_bn(g, x, f"{name}.three", inputs, 384, 3, 2)
    double = conv_bn(g, x, f"{name}.double1", inputs, 64, 1)
    double = conv_bn(g, double, f"{name}.double2", 64, 96, 3)
    double = conv_bn(g, double, f"{name}.double3", 96, 96, 3, 2)
    pooled = g.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    return g.op("Concat", three, double, pooled, axis=1), 480 + inputs


def _inception_b(g, x, name, inputs, width):
    one = conv_bn(g, x, f"{name}.one", inputs, 192, 1)
    seven = conv_bn(g, x, f"{name}.seven1", inputs, width, 1)
    seven = rectangle(g, seven, f"{name}.seven2", width, width, 1, 7)
    seven = rectangle(g, seven, f"{name}.seven3", width, 192, 7, 1)
    twice = conv_bn(g, x, f"{name}.twice1", inputs, width, 1)
    for i, (high, wide) in enumerate([(7, 1), (1, 7), (7, 1), (1, 7)]):
        outputs = 192 if i == 3 else width
        twice = rectangle(g, twice, f"{name}.twice{i + 2}", width, outputs, high, wide)
    pooled = conv_bn(g, _average(g, x), f"{name}.pool", inputs, 192, 1)
    return g.op("Concat", one, seven, twice, pooled, axis=1), 768


def channel_norm(g, x, name, channels):
    """LayerNorm over the channels of NCHW: between two Transposes, as PyTorch exports it."""
    x = g.op("Transpose", x, perm=[0, 2, 3, 1])
    x = g.op("LayerNormalization", x, g.near(f"{name}.weight", (channels,), 1.0, 0.1),
             g.near(f"{name}.bias", (channels,), 0.0, 0.1), axis=-1, epsilon=1e-6)
    return g.op("Transpose", x, perm=[0, 3, 1, 2])


def dense(g, x, name, inputs, outputs, gain=1.0):
    """MatMul and Add over the last axis."""
    weight = g.weight(f"{name}.weight", (inputs, outputs), fan_in=inputs, gain=gain)
    return g.op("Add", g.op("MatMul", x, weight), g.near(f"{name}.bias", (outputs,), 0.0, 0.1))


def gelu(g, x):
    curve = g.op("Add", g.op("Erf", g.op("Div", x, g.scalar(2.0 ** 0.5))), g.scalar(1.0))
    return g.op("Mul", g.op("Mul", x, curve), g.scalar(0.5))


def convnext():
    """Liu et al. 2022, atto: 7x7 depthwise, LayerNorm, dense layers over NHWC."""
    g = Graph("convnext", opset=17)
    x = g.input("input", [1, 3, 224, 224])
    channels = 40
    x = conv(g, x, "stem", 3, channels, 4, 4, pads=[0] * 4)
    x = channel_norm(g, x, "stem.norm", channels)
    for stage, (outputs, repeats) in enumerate([(40, 2), (80, 2), (160, 6), (320, 2)]):
        if stage:
            x = channel_norm(g, x, f"down{stage}.norm", channels)
            x = conv(g, x, f"down{stage}", channels, outputs, 2, 2, pads=[0] * 4)
            channels = outputs
        for i in range(repeats):
            x = _convnext_block(g, x, f"stage{stage}_{i}", channels)
    g.output(classifier(g, x, "fc", channels), "logits", [1, 1000])
    return g.model()


def _convnext_block(g, x, name, channels):
    y = conv(g, x, f"{name}.depthwise", channels, channels, 7, groups=channels)
    y = g.op("Transpose", y, perm=[0, 2, 3, 1])
    y = g.op("LayerNormalization", y, g.near(f"{name}.norm.weight", (channels,), 1.0, 0.1),
             g.near(f"{name}.norm.bias", (channels,), 0.0, 0.1), axis=-1, epsilon=1e-6)
    y = gelu(g, dense(g, y, f"{name}.wide", channels, 4 * channels))
    y = dense(g, y, f"{name}.narrow", 4 * channels, channels, 1.5)
    y = g.op("Mul", y, g.near(f"{name}.scale", (channels,), 0.3, 0.05))
    return g.op("Add", x, g.op("Transpose", y, perm=[0, 3, 1, 2]))


# --------------------------------------------------------------- detection, segmentation, pictures


def yolo(size=320):
    """The shape of YOLOv5n: SiLU, cross-stage blocks, pyramid pooling, three heads, decoded."""
    g = Graph("yolo", opset=13)
    x = g.input("images", [1, 3, size, size])
    x = _stem6(g, x)
    skips, channels = [], 16
    for i, (outputs, repeats) in enumerate([(32, 1), (64, 2), (128, 3), (256, 1)]):
        x = _silu(g, x, f"down{i}", channels, outputs, 3, 2)
        x = _cross_stage(g, x, f"stage{i}", outputs, outputs, repeats, True)
        channels = outputs
        skips.append(x)
    x = _pyramid_pool(g, x, channels)
    heads = _yolo_neck(g, x, skips)
    rows = [_yolo_head(g, y, f"head{i}", width, size // stride, stride)
            for i, (y, width, stride) in enumerate(heads)]
    g.output(g.op("Concat", *rows, axis=1), "boxes", [1, "rows", 85])
    return g.model()


def _stem6(g, x):
    x = conv(g, x, "stem", 3, 16, 6, 2, gain=SMOOTH_GAIN, bias=False, pads=[2] * 4)
    return activate(g, batch_norm(g, x, "stem.bn", 16), "silu")


def _silu(g, x, name, inputs, outputs, kernel, stride=1):
    """A layer whose gain keeps activations near 1 through the sixty of them."""
    return conv_bn(g, x, name, inputs, outputs, kernel, stride, kind="silu", gain=1.3)


def _cross_stage(g, x, name, inputs, outputs, repeats, add):
    half = outputs // 2
    y = _silu(g, x, f"{name}.a", inputs, half, 1)
    for i in range(repeats):
        z = _silu(g, y, f"{name}.m{i}.a", half, half, 1)
        z = _silu(g, z, f"{name}.m{i}.b", half, half, 3)
        y = g.op("Add", y, z) if add else z
    z = _silu(g, x, f"{name}.b", inputs, half, 1)
    return _silu(g, g.op("Concat", y, z, axis=1), f"{name}.c", outputs, outputs, 1)


def _pyramid_pool(g, x, channels):
    half = channels // 2
    x = _silu(g, x, "pool.a", channels, half, 1)
    parts = [x]
    for _ in range(3):
        parts.append(g.op("MaxPool", parts[-1], kernel_shape=[5, 5], pads=[2] * 4))
    return _silu(g, g.op("Concat", *parts, axis=1), "pool.b", 4 * half, channels, 1)


def enlarged(g, x, times=2):
    return g.op("Resize", x, None, g.floats(1, 1, times, times), mode="nearest",
                nearest_mode="floor", coordinate_transformation_mode="asymmetric")


def _yolo_neck(g, x, skips):
    top = _silu(g, x, "neck.a", 256, 128, 1)
    x = g.op("Concat", enlarged(g, top), skips[2], axis=1)
    x = _cross_stage(g, x, "neck.b", 256, 128, 1, False)
    middle = _silu(g, x, "neck.c", 128, 64, 1)
    x = g.op("Concat", enlarged(g, middle), skips[1], axis=1)
    small = _cross_stage(g, x, "neck.d", 128, 64, 1, False)
    x = _silu(g, small, "neck.e", 64, 64, 3, 2)
    medium = _cross_stage(g, g.op("Concat", x, middle, axis=1), "neck.f", 128, 128, 1, False)
    x = _silu(g, medium, "neck.g", 128, 128, 3, 2)
    large = _cross_stage(g, g.op("Concat", x, top, axis=1), "neck.h", 256, 256, 1, False)
    return [(small, 64, 8), (medium, 128, 16), (large, 256, 32)]


def _yolo_head(g, x, name, channels, size, stride):
    """Three anchors of 85 numbers each, centres and sizes in pixels."""
    import numpy as np

    y = conv(g, x, name, channels, 255, 1)
    y = g.op("Reshape", y, g.ints(1, 3, 85, size, size))
    y = g.op("Sigmoid", g.op("Transpose", y, perm=[0, 1, 3, 4, 2]))
    centre, extent, rest = g.op("Split", y, g.ints(2, 2, 81), outputs=3, axis=4)
    across = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1).astype(np.float32)
    grid = g.array(f"{name}.grid", across[None, None] - 0.5)
    anchors = g.near(f"{name}.anchors", (1, 3, 1, 1, 2), 4.0 * stride, 1.0)
    centre = g.op("Mul", g.op("Add", g.op("Mul", centre, g.scalar(2.0)), grid), g.scalar(stride))
    extent = g.op("Mul", g.op("Pow", g.op("Mul", extent, g.scalar(2.0)), g.scalar(2.0)), anchors)
    joined = g.op("Concat", centre, extent, rest, axis=4)
    return g.op("Reshape", joined, g.ints(1, -1, 85))


def deeplab(size=257):
    """Chen et al. 2017 over a small residual net: dilated 3x3, pyramid of rates, bilinear end."""
    g = Graph("deeplab", opset=13)
    x = conv_bn(g, g.input("input", [1, 3, size, size]), "stem", 3, 32, 3, 2)
    channels = 32
    for i, (outputs, stride, rate) in enumerate([(64, 2, 1), (128, 2, 1), (128, 1, 2),
                                                 (256, 1, 4)]):
        x = conv_bn(g, x, f"block{i}.a", channels, outputs, 3, stride, dilation=1)
        y = conv_bn(g, x, f"block{i}.b", outputs, outputs, 3, kind="", gain=BRANCH_GAIN,
                    dilation=rate)
        x, channels = g.op("Relu", g.op("Add", x, y)), outputs
    small = 33
    parts = [conv_bn(g, x, "aspp.one", channels, 128, 1)]
    parts += [conv_bn(g, x, f"aspp.{r}", channels, 128, 3, dilation=r) for r in (6, 12, 18)]
    pooled = conv_bn(g, g.op("GlobalAveragePool", x), "aspp.pool", channels, 128, 1)
    parts.append(g.op("Expand", pooled, g.ints(1, 128, small, small)))
    x = conv_bn(g, g.op("Concat", *parts, axis=1), "aspp.all", 640, 128, 1)
    x = conv(g, x, "classes", 128, 21, 1)
    x = g.op("Resize", x, None, None, g.ints(1, 21, size, size), mode="linear",
             coordinate_transformation_mode="align_corners")
    g.output(x, "scores", [1, 21, size, size])
    return g.model()


def super_resolution(size=224):
    """Shi et al. 2016 (ESPCN): 5x5, 3x3 and depth-to-space, three times larger."""
    g = Graph("super_resolution", opset=13)
    x = g.input("input", ["batch", 1, size, size])
    for i, (inputs, outputs, kernel) in enumerate([(1, 64, 5), (64, 64, 3), (64, 32, 3)]):
        x = g.op("Relu", conv(g, x, f"conv{i}", inputs, outputs, kernel, gain=RELU_GAIN))
    x = conv(g, x, "conv3", 32, 9, 3)
    x = g.op("Reshape", x, g.ints(-1, 1, 3, 3, size, size))
    x = g.op("Transpose", x, perm=[0, 1, 4, 2, 5, 3])
    x = g.op("Reshape", x, g.ints(-1, 1, 3 * size, 3 * size))
    g.output(x, "output", ["batch", 1, 3 * size, 3 * size])
    return g.model()


def style_transfer(size=160):
    """Johnson et al. 2016: reflected padding, InstanceNormalization, residual blocks."""
    g = Graph("style_transfer", opset=13)
    x = g.input("input", [1, 3, size, size])
    x = _reflected(g, x, "in0", 3, 32, 9)
    x = _reflected(g, x, "in1", 32, 64, 3, 2)
    x = _reflected(g, x, "in2", 64, 128, 3, 2)
    for i in range(5):
        y = _reflected(g, x, f"block{i}.a", 128, 128, 3)
        y = _reflected(g, y, f"block{i}.b", 128, 128, 3, relu=False, scale=BRANCH_GAIN)
        x = g.op("Add", x, y)
    x = _reflected(g, enlarged(g, x), "out0", 128, 64, 3)
    x = _reflected(g, enlarged(g, x), "out1", 64, 32, 3)
    x = g.op("Pad", x, g.ints(0, 0, 4, 4, 0, 0, 4, 4), mode="reflect")
    g.output(conv(g, x, "out2", 32, 3, 9, pads=[0] * 4), "output", [1, 3, size, size])
    return g.model()


def _reflected(g, x, name, inputs, outputs, kernel, stride=1, relu=True, scale=1.0):
    pad = kernel // 2
    x = g.op("Pad", x, g.ints(0, 0, pad, pad, 0, 0, pad, pad), mode="reflect")
    x = conv(g, x, name, inputs, outputs, kernel, stride, pads=[0] * 4)
    x = g.op("InstanceNormalization", x, g.near(f"{name}.scale", (outputs,), scale, 0.1 * scale),
             g.near(f"{name}.shift", (outputs,), 0.0, 0.1), epsilon=1e-5)
    return g.op("Relu", x) if relu else x


def crnn():
    """Shi et al. 2015: convolutions, columns as steps, two bidirectional LSTMs, CTC logits."""
    from ..recurrent import layer, merge

    g = Graph("crnn", opset=14)
    x = g.input("input", ["batch", 1, 32, 160])
    channels = 1
    plan = [(64, (2, 2)), (128, (2, 2)), (256, None), (256, (2, 1)), (512, None), (512, (2, 1))]
    for i, (outputs, pool) in enumerate(plan):
        x = conv_bn(g, x, f"conv{i}", channels, outputs, 3)
        channels = outputs
        if pool:
            x = g.op("MaxPool", x, kernel_shape=list(pool), strides=list(pool))
    weight = g.weight("conv6.weight", (512, 512, 2, 2), 2048, RELU_GAIN)
    x = g.op("Relu", g.op("Conv", x, weight, kernel_shape=[2, 2]))
    x = g.op("Transpose", g.op("Squeeze", x, g.ints(2)), perm=[2, 0, 1])
    width = 512
    for i in range(2):
        x = merge(g, layer(g, "LSTM", f"lstm{i}", x, width, 256, "bidirectional"), 256,
                  "bidirectional")
        width = 512
    g.output(dense(g, x, "classes", 512, 37, 2.0), "logits", ["steps", "batch", 37])
    return g.model()
