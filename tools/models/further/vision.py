"""Pictures, volumes and points: classifiers, detectors, poses and image to image."""

import math

import numpy as np

from ..builder import INT64, Graph
from ..cnn import (BRANCH_GAIN, GATED_GAIN, RELU_GAIN, activate, basic_block,
                   batch_norm, classifier, conv, gemm, mobile_block)
from ..wider.signals import conv1d, gemms
from ..wider.transformers import norm, vit_layer
from ..wider.vision import conv_bn, dense, enlarged, gelu


def halved(g, x, axes=2):
    """The largest of each 2x2 (or 2x2x2)."""
    return g.op("MaxPool", x, kernel_shape=[2] * axes, strides=[2] * axes)


def deconv(g, x, name, inputs, outputs, kernel, stride, pad=0, axes=2, gain=1.0, bias=True,
           taps=None):
    """A transposed convolution; `taps`: elements of the kernel that reach one output."""
    fan_in = inputs * (taps or (kernel / stride) ** axes)
    weights = [g.weight(f"{name}.weight", (inputs, outputs, *[kernel] * axes), fan_in, gain)]
    if bias:
        weights.append(g.near(f"{name}.bias", (outputs,), 0.0, 0.1))
    return g.op("ConvTranspose", x, *weights, kernel_shape=[kernel] * axes,
                strides=[stride] * axes, pads=[pad] * (2 * axes), dilations=[1] * axes, group=1)


def group_norm(g, x, name, groups, channels, axes, spread=0.1):
    """GroupNorm as PyTorch exports it before opset 18; `axes` behind the channels."""
    y = g.op("Reshape", x, g.ints(0, groups, -1))
    y = g.op("InstanceNormalization", y, g.floats(*[1.0] * groups), g.floats(*[0.0] * groups),
             epsilon=1e-5)
    y = g.op("Reshape", y, g.op("Shape", x))
    shape = (channels, *[1] * axes)
    y = g.op("Mul", y, g.near(f"{name}.weight", shape, 1.0, spread))
    return g.op("Add", y, g.near(f"{name}.bias", shape, 0.0, spread))


# ------------------------------------------------------------------------------- small classifiers


def lenet():
    """LeCun et al. 1998, LeNet-5, with Relu and max pooling as tutorials have it."""
    g = Graph("lenet", opset=17)
    x = g.input("input", ["batch", 1, 28, 28])
    x = halved(g, g.op("Relu", conv(g, x, "conv1", 1, 6, 5, gain=RELU_GAIN)))
    x = halved(g, g.op("Relu", conv(g, x, "conv2", 6, 16, 5, gain=RELU_GAIN, pads=[0] * 4)))
    x = gemms(g, g.op("Flatten", x, axis=1), "fc", (400, 120, 84, 10), False)
    g.output(x, "logits", ["batch", 10])
    return g.model()


def cifar_cnn():
    """Three blocks after Simonyan and Zisserman 2015, as Keras examples for CIFAR-10 have them.

    As tf2onnx writes it: channels last outside, a Transpose before and one after the convolutions.
    """
    g = Graph("cifar_cnn", opset=13)
    x = g.op("Transpose", g.input("input", ["batch", 32, 32, 3]), perm=[0, 3, 1, 2])
    channels = 3
    for i, width in enumerate((32, 64, 128)):
        for part in "ab":
            x = conv(g, x, f"block{i}.{part}", channels, width, 3, gain=RELU_GAIN)
            x, channels = g.op("Relu", x), width
        x = halved(g, x)
    x = g.op("Reshape", g.op("Transpose", x, perm=[0, 2, 3, 1]), g.ints(-1, 2048))
    x = g.op("Relu", dense(g, x, "dense", 2048, 128, RELU_GAIN))
    g.output(dense(g, x, "head", 128, 10), "logits", ["batch", 10])
    return g.model()


def wide_resnet():
    """Zagoruyko and Komodakis 2016, WRN-16-4: norm and Relu stand before each convolution."""
    g = Graph("wide_resnet", opset=17)
    x = conv(g, g.input("input", ["batch", 3, 32, 32]), "stem", 3, 16, 3, bias=False)
    channels = 16
    for stage, outputs in enumerate((64, 128, 256)):
        for i in range(2):
            x = _wide_block(g, x, f"group{stage}_{i}", channels, outputs,
                            2 if stage and i == 0 else 1)
            channels = outputs
    x = g.op("Relu", batch_norm(g, x, "norm", channels))
    x = g.op("AveragePool", x, kernel_shape=[8, 8], strides=[8, 8])
    x = g.op("Reshape", x, g.ints(-1, channels))
    g.output(gemm(g, x, "fc", channels, 10, 2.0), "logits", ["batch", 10])
    return g.model()


def _wide_block(g, x, name, inputs, outputs, stride):
    """The second norm is in the first convolution: PyTorch's exporter puts it there."""
    y = g.op("Relu", batch_norm(g, x, f"{name}.norm", inputs))
    if inputs != outputs:
        x = conv(g, y, f"{name}.down", inputs, outputs, 1, stride, bias=False)
    y = g.op("Relu", conv(g, y, f"{name}.conv1", inputs, outputs, 3, stride, gain=RELU_GAIN))
    y = conv(g, y, f"{name}.conv2", outputs, outputs, 3, gain=BRANCH_GAIN, bias=False)
    return g.op("Add", y, x)


# ------------------------------------------------------------------------------ mobile classifiers


def ghostnet():
    """Han et al. 2020, table 1: half of the channels are made from the others, one by one."""
    g = Graph("ghostnet", opset=17)
    x = conv_bn(g, g.input("input", [1, 3, 224, 224]), "stem", 3, 16, 3, 2)
    channels = 16
    table = [
        (3, 16, 16, 0, 1), (3, 48, 24, 0, 2), (3, 72, 24, 0, 1), (5, 72, 40, 20, 2),
        (5, 120, 40, 32, 1), (3, 240, 80, 0, 2), (3, 200, 80, 0, 1), (3, 184, 80, 0, 1),
        (3, 184, 80, 0, 1), (3, 480, 112, 120, 1), (3, 672, 112, 168, 1), (5, 672, 160, 168, 2),
        (5, 960, 160, 0, 1), (5, 960, 160, 240, 1), (5, 960, 160, 0, 1), (5, 960, 160, 240, 1),
    ]
    for i, (kernel, wide, outputs, squeeze, stride) in enumerate(table):
        x = _ghost_block(g, x, f"block{i}", channels, wide, outputs, kernel, stride, squeeze)
        channels = outputs
    x = g.op("GlobalAveragePool", conv_bn(g, x, "last", channels, 960, 1))
    x = g.op("Relu", conv(g, x, "head", 960, 1280, 1, gain=RELU_GAIN))
    g.output(gemm(g, g.op("Flatten", x, axis=1), "fc", 1280, 1000, 2.0), "logits", [1, 1000])
    return g.model()


def _ghost_block(g, x, name, inputs, wide, outputs, kernel, stride, squeeze):
    y = _ghost(g, x, f"{name}.ghost1", inputs, wide, "Relu")
    if stride != 1:
        y = conv_bn(g, y, f"{name}.depthwise", wide, wide, kernel, stride, wide, kind="")
    if squeeze:
        y = _hard_gate(g, y, f"{name}.se", wide, squeeze)
    gain = BRANCH_GAIN * (GATED_GAIN if squeeze else 1.0)
    y = _ghost(g, y, f"{name}.ghost2", wide, outputs, "", gain)
    if stride != 1 or inputs != outputs:
        x = conv_bn(g, x, f"{name}.down1", inputs, inputs, kernel, stride, inputs, kind="")
        x = conv_bn(g, x, f"{name}.down2", inputs, outputs, 1, kind="")
    return g.op("Add", y, x)


def _ghost(g, x, name, inputs, outputs, kind, gain=None):
    """The Slice cuts what is too much where `outputs` is odd; it is there always."""
    half = (outputs + 1) // 2
    x = conv_bn(g, x, f"{name}.primary", inputs, half, 1, kind=kind, gain=gain)
    y = conv_bn(g, x, f"{name}.cheap", half, half, 3, 1, half, kind=kind)
    y = g.op("Concat", x, y, axis=1)
    return g.op("Slice", y, g.ints(0), g.ints(outputs), g.ints(1), g.ints(1))


def _hard_gate(g, x, name, channels, squeeze):
    s = g.op("ReduceMean", x, axes=[2, 3], keepdims=1)
    s = g.op("Relu", conv(g, s, f"{name}.reduce", channels, squeeze, 1))
    s = g.op("Add", conv(g, s, f"{name}.expand", squeeze, channels, 1), g.scalar(3.0))
    return g.op("Mul", x, g.op("Div", activate(g, s, "relu6"), g.scalar(6.0)))


def mnasnet():
    """Tan et al. 2019, B1 of torchvision: 3x3 and 5x5 depthwise convolutions, the mean as such."""
    g = Graph("mnasnet", opset=17)
    x = conv_bn(g, g.input("input", [1, 3, 224, 224]), "stem", 3, 32, 3, 2)
    x = conv_bn(g, x, "first.depthwise", 32, 32, 3, 1, 32)
    x = conv_bn(g, x, "first.project", 32, 16, 1, kind="")
    channels = 16
    table = [(3, 2, 3, 24, 3), (5, 2, 3, 40, 3), (5, 2, 6, 80, 3), (3, 1, 6, 96, 2),
             (5, 2, 6, 192, 4), (3, 1, 6, 320, 1)]
    for stage, (kernel, stride, expand, outputs, repeats) in enumerate(table):
        for i in range(repeats):
            x = mobile_block(g, x, f"stack{stage}_{i}", channels, channels * expand, outputs,
                             kernel, stride if i == 0 else 1, "Relu", 0, "", norm=True)
            channels = outputs
    x = conv_bn(g, x, "last", channels, 1280, 1)
    x = g.op("ReduceMean", x, axes=[2, 3], keepdims=0)
    g.output(gemm(g, x, "classifier", 1280, 1000, 2.0), "logits", [1, 1000])
    return g.model()


def mobilevit(size=256):
    """Mehta and Rastegari 2022, XXS: between convolutions, attention among every fourth pixel."""
    g = Graph("mobilevit", opset=17)
    x = conv_bn(g, g.input("input", [1, 3, size, size]), "stem", 3, 16, 3, 2, kind="silu")
    channels, size = 16, size // 2
    table = [(16, 1, 0, 0), (24, 2, 0, 0), (24, 1, 0, 0), (24, 1, 0, 0), (48, 2, 64, 2),
             (64, 2, 80, 4), (80, 2, 96, 3)]
    for i, (outputs, stride, width, layers) in enumerate(table):
        x = mobile_block(g, x, f"block{i}", channels, 2 * channels, outputs, 3, stride, "silu", 0,
                         "", norm=True)
        channels, size = outputs, size // stride
        if layers:
            x = _mobilevit_block(g, x, f"block{i}.vit", channels, width, layers, size)
    x = conv_bn(g, x, "last", channels, 320, 1, kind="silu")
    g.output(classifier(g, x, "fc", 320), "logits", [1, 1000])
    return g.model()


def _mobilevit_block(g, x, name, channels, width, layers, size):
    """Patches of 2x2: pixels of the same place in each attend to each other."""
    half = size // 2
    y = conv_bn(g, x, f"{name}.local", channels, channels, 3, kind="silu")
    y = conv(g, y, f"{name}.widen", channels, width, 1, bias=False)
    y = g.op("Reshape", y, g.ints(width * half, 2, half, 2))
    y = g.op("Reshape", g.op("Transpose", y, perm=[0, 2, 1, 3]), g.ints(1, width, half * half, 4))
    y = g.op("Reshape", g.op("Transpose", y, perm=[0, 3, 2, 1]), g.ints(4, half * half, width))
    for i in range(layers):
        y = vit_layer(g, y, f"{name}.layer{i}", 4, half * half, width, 4, grow=2,
                      curve=lambda g, v: activate(g, v, "silu"))
    y = norm(g, y, f"{name}.norm", width)
    y = g.op("Reshape", y, g.ints(1, 4, half * half, width))
    y = g.op("Reshape", g.op("Transpose", y, perm=[0, 3, 2, 1]), g.ints(width * half, half, 2, 2))
    y = g.op("Reshape", g.op("Transpose", y, perm=[0, 2, 1, 3]), g.ints(1, width, size, size))
    y = conv_bn(g, y, f"{name}.project", width, channels, 1, kind="silu")
    return conv_bn(g, g.op("Concat", x, y, axis=1), f"{name}.fuse", 2 * channels, channels, 3,
                   kind="silu")


def poolformer(size=160):
    """Yu et al. 2022, S12 for smaller pictures: the mean of 3x3 stands where attention would."""
    g = Graph("poolformer", opset=17)
    x = conv(g, g.input("input", [1, 3, size, size]), "stem", 3, 64, 7, 4, pads=[2] * 4)
    channels = 64
    for stage, (outputs, repeats) in enumerate([(64, 2), (128, 2), (320, 6), (512, 2)]):
        if stage:
            x = conv(g, x, f"down{stage}", channels, outputs, 3, 2)
            channels = outputs
        for i in range(repeats):
            x = _pool_block(g, x, f"stage{stage}_{i}", channels)
    x = group_norm(g, x, "norm", 1, channels, 2)
    x = g.op("ReduceMean", x, axes=[-2, -1], keepdims=0)
    g.output(gemm(g, x, "head", channels, 1000, 2.0), "logits", [1, 1000])
    return g.model()


def _pool_block(g, x, name, channels):
    def added(x, y, part):
        scale = g.near(f"{name}.{part}", (channels, 1, 1), 0.4, 0.05)
        return g.op("Add", x, g.op("Mul", scale, y))

    y = group_norm(g, x, f"{name}.norm1", 1, channels, 2)
    mean = g.op("AveragePool", y, kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1],
                count_include_pad=0)
    x = added(x, g.op("Sub", mean, y), "scale1")
    y = group_norm(g, x, f"{name}.norm2", 1, channels, 2)
    y = gelu(g, conv(g, y, f"{name}.wide", channels, 4 * channels, 1))
    return added(x, conv(g, y, f"{name}.narrow", 4 * channels, channels, 1, gain=1.5), "scale2")


# ------------------------------------------------------------------------------- boxes and poses


def retinanet_fpn(size=256, width=64, classes=20):
    """Lin et al. 2017 over a ResNet-18 of half the widths; 64 channels where the paper has 256.

    One pair of heads for all five levels, with nine anchors at each place.
    """
    g = Graph("retinanet_fpn", opset=17)
    x = conv_bn(g, g.input("input", [1, 3, size, size]), "stem", 3, 32, 7, 2)
    x = g.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels, maps = 32, []
    for stage, outputs in enumerate((32, 64, 128, 256)):
        for i in range(2):
            x = basic_block(g, x, f"layer{stage}_{i}", channels, outputs,
                            2 if stage and i == 0 else 1)
            channels = outputs
        maps.append((x, channels, size // 4 >> stage))
    levels = _feature_pyramid(g, maps[1:], width)
    for name, count in (("cls_logits", classes), ("bbox_regression", 4)):
        g.output(_shared_head(g, levels, name, width, count), name, [1, "rows", count])
    return g.model()


def _feature_pyramid(g, maps, width):
    """[(map, size)], the largest first; two more levels are made from the smallest."""
    levels, above = [], None
    for i, (x, channels, size) in reversed(list(enumerate(maps))):
        x = conv(g, x, f"fpn.inner{i}", channels, width, 1)
        if above:
            up = g.op("Resize", above, None, None, g.ints(1, width, size, size), mode="nearest",
                      nearest_mode="floor", coordinate_transformation_mode="asymmetric")
            x = g.op("Add", x, up)
        above = x
        levels.insert(0, (conv(g, x, f"fpn.layer{i}", width, width, 3), size))
    last, channels, size = maps[-1]
    six = conv(g, last, "fpn.p6", channels, width, 3, 2)
    seven = conv(g, g.op("Relu", six), "fpn.p7", width, width, 3, 2, gain=RELU_GAIN)
    return [*levels, (six, size // 2), (seven, size // 4)]


def _shared_head(g, levels, name, width, count, anchors=9):
    """Four convolutions and one to count x anchors, with the same weights for every level."""
    layers = []
    for i in range(5):
        outputs = anchors * count if i == 4 else width
        layers.append((g.weight(f"{name}.{i}.weight", (outputs, width, 3, 3), 9 * width,
                                1.0 if i == 4 else RELU_GAIN),
                       g.near(f"{name}.{i}.bias", (outputs,), 0.0, 0.1)))
    rows = []
    for x, size in levels:
        for i, weights in enumerate(layers):
            x = g.op("Conv", x, *weights, kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1])
            x = x if i == 4 else g.op("Relu", x)
        rows.append(_anchor_rows(g, x, anchors, count, size))
    return g.op("Concat", *rows, axis=1)


def _anchor_rows(g, x, anchors, count, size):
    """[1, anchors x count, size, size] to a row of `count` numbers for each anchor."""
    x = g.op("Reshape", x, g.ints(1, anchors, count, size, size))
    x = g.op("Transpose", x, perm=[0, 3, 4, 1, 2])
    return g.op("Reshape", x, g.ints(1, -1, count))


def ssd_head(size=192, classes=21, anchors=6):
    """Liu et al. 2016 over a MobileNetV1 (Howard et al. 2017) of half the widths.

    Boxes are decoded as torchvision does; the hundred best scores follow, nothing is suppressed.
    """
    g = Graph("ssd_head", opset=17)
    x = conv_bn(g, g.input("input", [1, 3, size, size]), "stem", 3, 16, 3, 2)
    channels, size, maps = 16, size // 2, []
    table = [(32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (256, 1),
             (512, 2), (512, 1), (256, 2), (128, 2)]
    for i, (outputs, stride) in enumerate(table):
        x = conv_bn(g, x, f"block{i}.a", channels, channels, 3, stride, channels)
        x = conv_bn(g, x, f"block{i}.b", channels, outputs, 1)
        channels, size = outputs, (size + stride - 1) // stride
        if i in (7, 9, 10, 11):
            maps.append((x, channels, size))
    deltas, logits = (
        g.op("Concat", *[_anchor_rows(g, conv(g, y, f"{name}{i}", width, anchors * count, 3),
                                      anchors, count, side)
                         for i, (y, width, side) in enumerate(maps)], axis=1)
        for name, count in (("boxes", 4), ("classes", classes)))
    rows = anchors * sum(side * side for _, _, side in maps)
    boxes = _decoded(g, g.op("Reshape", deltas, g.ints(-1, 4)), rows)
    scores = g.op("Reshape", g.op("Sigmoid", logits), g.ints(-1))
    best, index = g.op("TopK", scores, g.ints(100), outputs=2, axis=-1, largest=1, sorted=1)
    anchor = g.op("Div", index, g.int_scalar(classes))
    g.output(g.op("Gather", boxes, anchor, axis=0), "boxes", [100, 4])
    g.output(best, "scores", [100])
    g.output(g.op("Mod", index, g.int_scalar(classes)), "labels", [100], INT64)
    return g.model()


def _decoded(g, codes, rows):
    """Offsets from the anchors to corners in pixels: torchvision's BoxCoder."""
    centre = [g.near(f"anchors.{n}", (rows, 1), 96.0, 40.0) for n in "xy"]
    extent = [g.positive(f"anchors.{n}", (rows, 1), 60.0, 40.0) for n in "wh"]
    low, high = [], []
    for i in range(2):
        move, grow = (g.op("Slice", codes, g.ints(j), g.ints(2 ** 63 - 1), g.ints(1), g.ints(4))
                      for j in (i, 2 + i))
        move = g.op("Div", move, g.scalar(10.0))
        grow = g.op("Clip", g.op("Div", grow, g.scalar(5.0)), None,
                    g.scalar(math.log(1000.0 / 16)))
        middle = g.op("Add", g.op("Mul", move, extent[i]), centre[i])
        half = g.op("Mul", g.op("Mul", g.op("Exp", grow), extent[i]), g.scalar(0.5))
        low.append(g.op("Sub", middle, half))
        high.append(g.op("Add", middle, half))
    corners = [g.op("Unsqueeze", v, g.ints(2)) for v in (*low, *high)]
    return g.op("Reshape", g.op("Concat", *corners, axis=2), g.ints(rows, 4))


def hrnet(width=16):
    """Sun et al. 2019 for poses, W16 with two blocks a branch: maps of four sizes side by side."""
    g = Graph("hrnet", opset=17)
    x = conv_bn(g, g.input("input", [1, 3, 256, 192]), "stem1", 3, 64, 3, 2)
    x = conv_bn(g, x, "stem2", 64, 64, 3, 2)
    branches = [conv_bn(g, x, "start0", 64, width, 3),
                conv_bn(g, x, "start1", 64, 2 * width, 3, 2)]
    for stage in (2, 3, 4):
        for j, y in enumerate(branches):
            for i in range(2):
                channels = width << j
                y = basic_block(g, y, f"stage{stage}.{j}_{i}", channels, channels, 1)
            branches[j] = y
        if stage < 4:
            last = len(branches) - 1
            fresh = conv_bn(g, branches[-1], f"start{last + 1}", width << last,
                            width << last + 1, 3, 2)
            branches = [*_exchanged(g, branches, f"fuse{stage}", width), fresh]
    x = _exchanged(g, branches, "fuse4", width)[0]
    g.output(conv(g, x, "heatmaps", width, 17, 1), "heatmaps", [1, 17, 64, 48])
    return g.model()


def _exchanged(g, branches, name, width):
    """Every branch becomes the sum of all, brought to its size."""

    def brought(y, j, i):
        if j > i:
            y = conv_bn(g, y, f"{name}.{j}to{i}", width << j, width << i, 1, kind="", gain=0.5)
            return enlarged(g, y, 2 ** (j - i))
        for step in range(j, i):
            end = step == i - 1
            y = conv_bn(g, y, f"{name}.{j}to{i}.{step}", width << j, width << (i if end else j), 3,
                        2, kind="" if end else "Relu", gain=0.5 if end else None)
        return y

    result = []
    for i in range(len(branches)):
        total = brought(branches[0], 0, i)
        for j in range(1, len(branches)):
            total = g.op("Add", total, brought(branches[j], j, i))
        result.append(g.op("Relu", total))
    return result


# ------------------------------------------------------------------------------ image to image


def dcgan():
    """Radford et al. 2016, the generator of PyTorch's example: 100 numbers to 64x64 pixels."""
    g = Graph("dcgan", opset=17)
    x = deconv(g, g.input("input", ["batch", 100, 1, 1]), "up0", 100, 512, 4, 1, gain=RELU_GAIN,
               bias=False, taps=1)
    for i, (inputs, outputs) in enumerate([(512, 256), (256, 128), (128, 64), (64, 3)], 1):
        x = g.op("Relu", batch_norm(g, x, f"bn{i}", inputs))
        x = deconv(g, x, f"up{i}", inputs, outputs, 4, 2, 1, gain=RELU_GAIN if i < 4 else 0.8,
                   bias=False)
    g.output(g.op("Tanh", x), "image", ["batch", 3, 64, 64])
    return g.model()


def pix2pix(size=128):
    """Isola et al. 2017, a U-Net of half the widths and two levels fewer; instance norms."""
    g = Graph("pix2pix", opset=17)
    x = conv(g, g.input("input", [1, 3, size, size]), "down0", 3, 32, 4, 2, pads=[1] * 4)
    widths, skips = (32, 64, 128, 256, 256, 256), [x]
    for i in range(1, 6):
        x = conv(g, g.op("LeakyRelu", x, alpha=0.2), f"down{i}", widths[i - 1], widths[i], 4, 2,
                 pads=[1] * 4, gain=RELU_GAIN, bias=False)
        x = _plain_instance_norm(g, x, widths[i]) if i < 5 else x
        skips.append(x)
    for i in range(5, 0, -1):
        inputs = widths[i] if i == 5 else 2 * widths[i]
        x = deconv(g, g.op("Relu", x), f"up{i}", inputs, widths[i - 1], 4, 2, 1, gain=RELU_GAIN,
                   bias=False)
        x = g.op("Concat", skips[i - 1], _plain_instance_norm(g, x, widths[i - 1]), axis=1)
    x = deconv(g, g.op("Relu", x), "up0", 2 * widths[0], 3, 4, 2, 1, gain=0.8)
    g.output(g.op("Tanh", x), "image", [1, 3, size, size])
    return g.model()


def _plain_instance_norm(g, x, channels):
    """Without weights: PyTorch's default, exported as ones and zeros."""
    return g.op("InstanceNormalization", x, g.floats(*[1.0] * channels),
                g.floats(*[0.0] * channels), epsilon=1e-5)


# ------------------------------------------------------------------------------ volumes and points


def unet3d(depth=16, size=40):
    """Cicek et al. 2016 with three levels of 16 to 64 channels, a quarter of the paper's."""
    g = Graph("unet3d", opset=17)
    x = g.input("input", [1, 1, depth, size, size])
    channels, skips = 1, []
    for i, width in enumerate((16, 32, 64)):
        x = _volume(g, x, f"down{i}.a", channels, width // 2)
        x = _volume(g, x, f"down{i}.b", width // 2, width)
        if i < 2:
            skips.append((x, width))
            x = halved(g, x, 3)
        channels = width
    for i in (1, 0):
        skip, width = skips[i]
        x = deconv(g, x, f"up{i}", channels, width, 2, 2, axes=3)
        x = g.op("Concat", skip, x, axis=1)
        x = _volume(g, x, f"up{i}.a", 2 * width, width)
        x = _volume(g, x, f"up{i}.b", width, width)
        channels = width
    weights = g.weight("last.weight", (3, 16, 1, 1, 1), 16, 2.0), g.near("last.bias", (3,), 0, 0.1)
    x = g.op("Conv", x, *weights, kernel_shape=[1] * 3)
    g.output(x, "scores", [1, 3, depth, size, size])
    return g.model()


def _volume(g, x, name, inputs, outputs):
    """A 3x3x3 convolution, batch norm, Relu."""
    weight = g.weight(f"{name}.weight", (outputs, inputs, 3, 3, 3), 27 * inputs, RELU_GAIN)
    x = g.op("Conv", x, weight, kernel_shape=[3] * 3, pads=[1] * 6, strides=[1] * 3,
             dilations=[1] * 3, group=1)
    return g.op("Relu", batch_norm(g, x, f"{name}.bn", outputs))


def pointnet():
    """Qi et al. 2017, the classifier with the transform of its input but not that of features."""
    g = Graph("pointnet", opset=17)
    x = g.input("points", ["batch", 3, "count"])
    turn = _point_features(g, x, "turn", 3)
    turn = gemm(g, _point_rows(g, turn, "turn", (1024, 512, 256)), "turn.last", 256, 9, 0.3)
    turn = g.op("Add", turn, g.array("turn.identity", np.eye(3, dtype=np.float32).reshape(1, 9)))
    turn = g.op("Reshape", turn, g.ints(-1, 3, 3))
    x = g.op("MatMul", g.op("Transpose", x, perm=[0, 2, 1]), turn)
    x = _point_features(g, g.op("Transpose", x, perm=[0, 2, 1]), "points", 3)
    x = gemm(g, _point_rows(g, x, "rows", (1024, 512, 256)), "head", 256, 40)
    g.output(x, "logits", ["batch", 40])
    return g.model()


def _point_features(g, x, name, inputs):
    """Each point alone to 1024 numbers, then the largest of all points."""
    for i, outputs in enumerate((64, 128, 1024)):
        x = conv1d(g, x, f"{name}.conv{i}", inputs, outputs, 1, gain=RELU_GAIN)
        x, inputs = g.op("Relu", batch_norm(g, x, f"{name}.bn{i}", outputs)), outputs
    x = g.op("ReduceMax", x, axes=[2], keepdims=1)
    return g.op("Reshape", x, g.ints(-1, 1024))


def _point_rows(g, x, name, widths):
    """The gain is low: largest values of many points are far from zero."""
    for i, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        x = gemm(g, x, f"{name}.fc{i}", inputs, outputs, 0.5 if i == 0 else RELU_GAIN)
        x = g.op("Relu", batch_norm(g, x, f"{name}.norm{i}", outputs))
    return x
