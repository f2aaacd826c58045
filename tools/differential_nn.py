"""Random operators for differential.py: products, convolutions, pools, normalisations, recurrent
layers, each often with what engines fuse behind it."""

import math

import numpy as np

from differential_graph import F32, F64, Skip, at_least, broadcast, each, fixed
from differential_ops import activation, moved, other_operand

# ------------------------------------------------------------------------------------- products


def finish(g, y):
    """What often stands behind a product: normalisation, bias, activation, residual, scale."""
    kind = g.rng.random()
    if kind < 0.25:
        return y
    if kind < 0.35 and y.dtype == F32 and y.rank >= 2 and fixed(y.shape[1]) and y.shape[1][0] > 0:
        y = batch_norm(g, y)
    if kind < 0.45:
        y = g.add("Add", [y, other := other_operand(g, y)],
                  [(y.dtype, broadcast(y.shape, other.shape), y.bound + other.bound, False)])
    if y.dtype == F32 and g.chance(0.7):
        y = activation(g, y)
    if kind > 0.8:
        residual = g.pick(lambda v: v.dtype == y.dtype and v.shape == y.shape)
        y = g.same("Add", y, y.bound + residual.bound, more=[residual])
        if g.chance(0.5) and y.dtype == F32:
            y = activation(g, y)
    return y


def matmul(g):
    x = g.pick(lambda v: v.dtype in (F32, F32, F64) and v.rank >= 1)
    k = x.shape[-1]
    if not at_least(k, 1):
        raise Skip  # onnxruntime leaves empty sums unwritten
    kind = g.rng.random()
    if kind < 0.6 and fixed(k):
        n = g.rng.choice((1, 2, 3, 5, 8, 16, 17, 31, 32))
        shape = g.rng.choice(([k[0], n], [k[0], n], [k[0], n], [1, k[0], n], [k[0]]))
        name = g.weights(x.dtype, shape, k[0])
        batch = broadcast(x.shape[:-2], list(map(g.fix, shape[:-2])))
        rows = list(x.shape[-2:-1])
        columns = [] if len(shape) == 1 else [g.fix(n)]
        y = g.add("MatMul", [x, name],
                  [(x.dtype, [*batch, *rows, *columns], x.bound * 3, False)])
        return finish(g, y)
    if x.rank < 2:
        raise Skip
    if kind < 0.8:
        perm = [*range(x.rank - 2), x.rank - 1, x.rank - 2]
        other = moved(g, "Transpose", [x], x, [x.shape[p] for p in perm], perm=perm)
    else:
        other = g.pick(lambda v: v.dtype == x.dtype and v.rank >= 2 and v.shape[-2] == k)
    batch = broadcast(x.shape[:-2], other.shape[:-2])
    y = g.add("MatMul", [x, other],
              [(x.dtype, [*batch, x.shape[-2], other.shape[-1]],
                x.bound * other.bound * max(1, g.elements([k])), False)])
    if g.chance(0.4):
        y = g.same("Mul", y, more=[g.constant(np.array(0.125, y.dtype))])
    return finish(g, y)


def gemm(g):
    x = g.pick_float(rank=2)
    transposed = g.chance(0.3)
    rows, k = x.shape[::-1] if transposed else x.shape
    if not fixed(k) or not at_least(k, 1):
        raise Skip
    n = g.rng.choice((1, 2, 3, 7, 8, 16, 17, 33))
    trans_b = g.chance(0.5)
    name = g.weights(F32, [n, k[0]] if trans_b else [k[0], n], k[0])
    inputs = [x, name]
    if g.chance(0.7):
        shapes = [[n], [1, n], [1], [], [1, 1]]
        if fixed(rows):
            shapes += [[rows[0], n], [rows[0], 1]]
        inputs.append(g.constant(g.random_array(F32, g.rng.choice(shapes))))
    attributes = {"alpha": 0.5} if g.chance(0.2) else {}
    if g.chance(0.2):
        attributes["beta"] = g.rng.choice((0.25, 2.0))
    y = g.add("Gemm", inputs, [(F32, [rows, g.fix(n)], x.bound * 3 + 6, False)],
              transA=int(transposed), transB=int(trans_b), **attributes)
    return finish(g, y)


def scalar(g, value):
    """A constant of one element, in one of the ranks that exporters write."""
    return g.constant(np.full(g.rng.choice(((), (), (1,), (1, 1))), value, np.float32))


def activation_parts(g):
    """An activation in pieces as exporters write it, or nearly so: engines must tell them apart."""
    x = g.pick_float(min_rank=2, accept=lambda v: v.bound < 1000)
    kind = g.rng.choice(("Gelu", "HardSwish", "Swish", "Relu6", "GeluTanh"))
    wrong = g.rng.choice((1.0, 1.0, 1.0, 1.01, 0.5))

    def pair(op, a, b, bound):
        operands = [a, b] if g.chance(0.5) else [b, a]
        return g.add(op, operands, [(F32, x.shape, bound, False)])
    if kind == "Swish":
        return pair("Mul", x, g.same("Sigmoid", x, 1.0), x.bound)
    if kind == "HardSwish":
        if g.chance(0.5):
            gate = g.same("HardSigmoid", x, 1.0, alpha=wrong / 6, beta=0.5)
            return pair("Mul", x, gate, x.bound)
        shifted = pair("Add", x, scalar(g, 3 * wrong), x.bound + 3)
        low, high = (g.constant(np.float32(n)) for n in (0, 6))
        cut = g.same("Clip", shifted, 6.0, more=[low, high])
        return g.same("Div", pair("Mul", x, cut, 6 * x.bound), x.bound, more=[scalar(g, 6)])
    if kind == "Relu6":
        return g.same("Min", g.same("Relu", x), more=[scalar(g, 6 * wrong)])
    if kind == "GeluTanh":
        cube = g.same("Mul", g.same("Mul", x, x.bound ** 2, more=[x]), x.bound ** 3, more=[x])
        inner = pair("Add", x, pair("Mul", cube, scalar(g, 0.044715), cube.bound), cube.bound)
        gate = g.same("Tanh", pair("Mul", inner, scalar(g, 0.7978845608), inner.bound), 1.0)
        gate = pair("Add", gate, scalar(g, 1), 2.0)
        return pair("Mul", pair("Mul", x, gate, 2 * x.bound), scalar(g, 0.5 * wrong), x.bound)
    if g.chance(0.5):
        scaled = g.same("Div", x, more=[scalar(g, math.sqrt(2) * wrong)])
    else:
        scaled = pair("Mul", x, scalar(g, math.sqrt(0.5) * wrong), x.bound)
    gate = pair("Add", g.same("Erf", scaled, 1.0), scalar(g, g.rng.choice((1, 1, wrong))), 2.0)
    order = g.rng.randrange(3)
    if order == 0:
        return pair("Mul", pair("Mul", x, gate, 2 * x.bound), scalar(g, 0.5), x.bound)
    if order == 1:
        return pair("Mul", x, pair("Mul", gate, scalar(g, 0.5), 1.0), x.bound)
    return pair("Mul", pair("Mul", x, scalar(g, 0.5), x.bound), gate, x.bound)


# --------------------------------------------------------------------------------- convolutions


def image(g, accept=lambda v: True):
    """A value with a batch, fixed channels and one to three spatial dimensions, none empty."""
    def fits(v):
        return (3 <= v.rank <= 5 and fixed(v.shape[1]) and v.shape[1][0] > 0
                and all(at_least(d, 1) for d in v.shape) and accept(v))
    return g.pick_float(accept=fits)


def windows(g, x, kernel_max=4, dilate=True):
    """Draws kernel, strides, dilations and padding; returns (attributes, kernel, spatial dims)."""
    spatial = x.shape[2:]
    n = len(spatial)
    kernel = [g.rng.randint(1, kernel_max) for _ in range(n)]
    if g.chance(0.5):
        kernel = [g.rng.choice((1, 2, 3, 3))] * n
    strides = [g.rng.choice((1, 1, 2, 3)) for _ in range(n)] if g.chance(0.5) else [1] * n
    dilations = [g.rng.choice((1, 2)) for _ in range(n)] if dilate and g.chance(0.25) else [1] * n
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    attributes = {"kernel_shape": kernel, "strides": strides}
    if dilations != [1] * n:
        attributes["dilations"] = dilations
    mode = g.rng.choice(("NOTSET", "NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"))
    if mode.startswith("SAME"):
        if dilations != [1] * n or any(s > k for s, k in zip(strides, kernel)):
            raise Skip  # negative padding: nobody agrees
        attributes["auto_pad"] = mode
        return attributes, [each(lambda d: -(-d // s), dim) for dim, s in zip(spatial, strides)]
    pads = [0] * 2 * n
    if mode == "NOTSET" and g.chance(0.8):
        pads = [g.rng.randint(0, min(2, k - 1)) for k in kernel + kernel]
        if g.chance(0.6):
            pads = [k // 2 if k // 2 < k else 0 for k in kernel + kernel]
        attributes["pads"] = pads
    elif mode == "VALID":
        attributes["auto_pad"] = mode
    dims = []
    for i, dim in enumerate(spatial):
        if dilations[i] > 1 and min(dim) < reach[i]:
            raise Skip  # a window of nothing but padding: nobody agrees on its largest element
        total = each(lambda d: d + pads[i] + pads[i + n] - reach[i], dim)
        if min(total) < 0:
            raise Skip
        dims.append(each(lambda t: t // strides[i] + 1, total))
    return attributes, dims


def conv(g, x=None):
    x = x or image(g)
    channels = x.shape[1][0]
    attributes, dims = windows(g, x)
    groups = g.rng.choice([d for d in range(1, channels + 1) if channels % d == 0] + [1, channels])
    out = groups * g.rng.choice((1, 1, 2, 3, 8) if groups > 1 else (1, 3, 5, 8, 13, 16, 17, 24, 33))
    if out > 64:
        raise Skip
    shape = [out, channels // groups, *attributes["kernel_shape"]]
    inputs = [x, g.weights(F32, shape, math.prod(shape[1:]))]
    if g.chance(0.6):
        inputs.append(g.constant(g.random_array(F32, [out])))
    if g.chance(0.3):
        del attributes["kernel_shape"]
    y = g.add("Conv", inputs, [(F32, [x.shape[0], g.fix(out), *dims], x.bound * 3 + 3, False)],
              group=groups, **attributes)
    if g.chance(0.25):
        y = batch_norm(g, y)
    return finish(g, y)


def conv_block(g):
    """A chain of convolutions with odd channel counts and a shortcut around them."""
    x = image(g)
    shortcut, y = x, x
    for _ in range(g.rng.randint(1, 3)):
        channels = y.shape[1][0]
        out = channels if g.chance(0.5) else g.rng.choice((3, 7, 16, 19, 32))
        k = [g.rng.choice((1, 3))] * (y.rank - 2)
        inputs = [y, g.weights(F32, [out, channels, *k], channels * math.prod(k))]
        if g.chance(0.5):
            inputs.append(g.constant(g.random_array(F32, [out])))
        y = g.add("Conv", inputs, [(F32, [y.shape[0], g.fix(out), *y.shape[2:]], y.bound * 2 + 3,
                                    False)], pads=[(s - 1) // 2 for s in k + k])
        if g.chance(0.6):
            y = activation(g, y)
        if y.shape == shortcut.shape and g.chance(0.8):
            pair = [y, shortcut] if g.chance(0.5) else [shortcut, y]
            y = g.add("Add", pair, [(F32, y.shape, y.bound + shortcut.bound, False)])
            if g.chance(0.5):
                y = activation(g, y)
            shortcut = y
        elif g.chance(0.3):
            y = g.add("Concat", [y, shortcut],
                      [(F32, [y.shape[0], each(lambda a, b: a + b, y.shape[1], shortcut.shape[1]),
                              *y.shape[2:]], max(y.bound, shortcut.bound), False)], axis=1)
            shortcut = y
    return y


def conv_transpose(g):
    x = image(g, lambda v: v.rank <= 4)
    channels = x.shape[1][0]
    n = x.rank - 2
    groups = g.rng.choice([d for d in range(1, channels + 1) if channels % d == 0] + [1, 1])
    out = g.rng.choice((1, 2, 3, 5, 8))
    kernel = [g.rng.randint(1, 4) for _ in range(n)]
    strides = [g.rng.choice((1, 2, 3)) for _ in range(n)]
    dilations = [g.rng.choice((1, 1, 1, 2)) for _ in range(n)]
    extra = [g.rng.randint(0, s - 1) if g.chance(0.3) else 0 for s in strides]
    pads = [g.rng.randint(0, k - 1) for k in kernel + kernel]
    dims = [each(lambda d: (d - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 + extra[i]
                 - pads[i] - pads[i + n], x.shape[i + 2]) for i in range(n)]
    if any(min(d) < 1 for d in dims):
        raise Skip
    inputs = [x, g.weights(F32, [channels, out, *kernel], channels // groups * math.prod(kernel))]
    if g.chance(0.5):
        inputs.append(g.constant(g.random_array(F32, [out * groups])))
    y = g.add("ConvTranspose", inputs,
              [(F32, [x.shape[0], g.fix(out * groups), *dims], x.bound * 3 + 3, False)],
              group=groups, strides=strides, dilations=dilations, pads=pads, output_padding=extra)
    return finish(g, y)


def pool(g):
    x = image(g)
    op = g.rng.choice(("MaxPool", "MaxPool", "AveragePool", "AveragePool", "LpPool"))
    dilate = op == "MaxPool" or (op == "AveragePool" and g.opset >= 19)
    attributes, dims = windows(g, x, dilate=dilate)
    if op == "AveragePool":
        attributes["count_include_pad"] = g.rng.choice((0, 1))
    if "auto_pad" not in attributes and g.chance(0.3):
        attributes["ceil_mode"] = 1
        dims = [ceil_size(x.shape[i + 2], attributes, i) for i in range(x.rank - 2)]
    specs = [(F32, [*x.shape[:2], *dims], x.bound * (9 if op == "LpPool" else 1),
              x.exact and op == "MaxPool")]
    if op == "MaxPool" and g.chance(0.15) and x.exact:
        specs.append((np.dtype(np.int64), specs[0][1], 1e4, True))
    return g.add(op, [x], specs, **attributes)


def ceil_size(dim, attributes, i):
    """The size by ceil_mode: the last window must start inside the data or the first padding."""
    n = len(attributes["kernel_shape"])
    pads = attributes.get("pads", [0] * 2 * n)
    reach = (attributes["kernel_shape"][i] - 1) * attributes.get("dilations", [1] * n)[i] + 1
    stride = attributes["strides"][i]

    def size(d):
        count = -(-(d + pads[i] + pads[i + n] - reach) // stride) + 1
        return count - 1 if (count - 1) * stride >= d + pads[i] else count
    return each(size, dim)


def global_pool(g):
    x = image(g)
    op = g.rng.choice(("GlobalAveragePool", "GlobalAveragePool", "GlobalMaxPool"))
    return g.add(op, [x], [(F32, [*x.shape[:2], *(g.fix(1) for _ in x.shape[2:])], x.bound,
                            x.exact and op == "GlobalMaxPool")])


# ------------------------------------------------------------------------------- normalisations


def batch_norm(g, x=None):
    x = x or g.pick_float(min_rank=2, accept=lambda v: fixed(v.shape[1]) and v.shape[1][0] > 0)
    c = x.shape[1][0]
    arrays = [g.random_array(F32, [c]) for _ in range(3)] + [g.numbers.random(c) + 0.5]
    names = [g.constant(a.astype(np.float32)) for a in arrays]
    return g.same("BatchNormalization", x, x.bound * 4 + 12, more=names)


def layer_norm(g):
    x = g.pick_float(min_rank=1, accept=lambda v: fixed(v.shape[-1]) and v.shape[-1][0] > 1)
    axis = x.rank - 1
    if x.rank > 1 and fixed(x.shape[-2]) and x.shape[-2][0] > 0 and g.chance(0.2):
        axis -= 1
    shape = [d[0] for d in x.shape[axis:]]
    names = [g.constant(g.random_array(F32, shape))]
    if g.chance(0.7):
        names.append(g.constant(g.random_array(F32, shape)))
    return g.same("LayerNormalization", x, 3 * math.sqrt(math.prod(shape)) + 3, more=names,
                  axis=axis - x.rank, epsilon=g.rng.choice((1e-2, 1e-1)))


def layer_norm_parts(g):
    """Layer normalisation as exporters decompose it. A small epsilon would make noise large."""
    x = g.pick_float(min_rank=1, accept=lambda v: fixed(v.shape[-1]) and v.shape[-1][0] > 1
                     and all(at_least(d, 1) for d in v.shape))
    n = x.shape[-1][0]
    row = [*x.shape[:-1], g.fix(1)]
    axes = g.constant(np.array([-1], np.int64))
    mean = g.add("ReduceMean", [x, axes], [(F32, row, x.bound, False)], keepdims=1)
    centred = g.add("Sub", [x, mean], [(F32, x.shape, 2 * x.bound, False)])
    two = g.constant(np.float32(2))
    square = g.add("Pow", [centred, two], [(F32, x.shape, min(1e4, 4 * x.bound ** 2), False)])
    variance = g.add("ReduceMean", [square, axes], [(F32, row, square.bound, False)], keepdims=1)
    epsilon = g.constant(np.float32(1e-2))
    shifted = g.add("Add", [variance, epsilon], [(F32, row, square.bound, False)])
    root = g.add("Sqrt", [shifted], [(F32, row, square.bound, False)])
    y = g.add("Div", [centred, root], [(F32, x.shape, 2 * math.sqrt(n), False)])
    if g.chance(0.7):
        gain, offset = (g.constant(g.random_array(F32, [n])) for _ in range(2))
        y = g.same("Mul", y, 3 * y.bound, more=[gain])
        y = g.same("Add", y, y.bound + 3, more=[offset])
    return y


def instance_norm(g):
    x = image(g, lambda v: g.elements(v.shape[2:]) > 2)
    c = x.shape[1][0]
    scale, bias = (g.constant(g.random_array(F32, [c])) for _ in range(2))
    bound = 3 * math.sqrt(g.elements(x.shape[2:])) + 3
    if g.chance(0.4) and g.opset >= 21:
        groups = g.rng.choice([d for d in range(1, c + 1) if c % d == 0])
        return g.same("GroupNormalization", x, bound * 3, more=[scale, bias], num_groups=groups,
                      epsilon=1e-2)
    return g.same("InstanceNormalization", x, bound, more=[scale, bias], epsilon=1e-2)


def lrn(g):
    x = image(g, lambda v: v.rank == 4)
    return g.same("LRN", x, size=g.rng.choice((1, 3, 5)), alpha=0.05, beta=0.75, bias=1.0)


def resize(g):
    x = g.pick_float(rank=4, accept=lambda v: all(at_least(d, 1) for d in v.shape))
    mode = g.rng.choice(("nearest", "nearest", "linear", "cubic"))
    attributes = {"mode": mode, "coordinate_transformation_mode": g.rng.choice(
        ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"))}
    if mode == "nearest":
        attributes["nearest_mode"] = g.rng.choice(("floor", "round_prefer_floor"))
        attributes["coordinate_transformation_mode"] = "asymmetric"
    scales = [1.0, 1.0, *(g.rng.choice((2.0, 2.0, 1.0, 0.5, 3.0)) for _ in range(2))]
    shape = [*x.shape[:2], *(each(lambda d: int(d * s), dim)
                             for dim, s in zip(x.shape[2:], scales[2:]))]
    whole = all(d * s == int(d * s) for dim, s in zip(x.shape, scales) for d in dim)
    if any(min(d) < 1 for d in shape) or not whole:
        raise Skip
    if all(map(fixed, shape)) and g.chance(0.3) and mode != "nearest":
        inputs = [x, None, None, g.constant(np.array([d[0] for d in shape], np.int64))]
    else:
        inputs = [x, None, g.constant(np.array(scales, np.float32))]
    return g.add("Resize", inputs, [(F32, shape, x.bound * 2, False)], **attributes)


# ------------------------------------------------------------------------------------ recurrent


def recurrent(g):
    x = g.pick_float(rank=3, accept=lambda v: fixed(v.shape[2])
                     and all(at_least(d, 1) for d in v.shape))
    op = g.rng.choice(("LSTM", "GRU", "RNN"))
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    hidden, size = g.rng.choice((1, 3, 4, 8, 17)), x.shape[2][0]
    direction = g.rng.choice(("forward", "reverse", "bidirectional"))
    dirs = 2 if direction == "bidirectional" else 1
    if g.elements(x.shape[:1]) > 20:
        raise Skip
    inputs = [x, g.weights(F32, [dirs, gates * hidden, size], size),
              g.weights(F32, [dirs, gates * hidden, hidden], hidden)]
    if g.chance(0.6):
        inputs.append(g.constant(g.random_array(F32, [dirs, 2 * gates * hidden])))
    attributes = {"hidden_size": hidden, "direction": direction}
    if op == "GRU":
        attributes["linear_before_reset"] = g.rng.choice((0, 1))
    state = [g.fix(dirs), x.shape[1], g.fix(hidden)]
    specs = [(F32, [x.shape[0], g.fix(dirs), x.shape[1], g.fix(hidden)], 2.0, False),
             (F32, state, 2.0, False)]
    if op == "LSTM" and g.chance(0.5):
        specs.append((F32, state, 8.0, False))
    return g.add(op, inputs, specs, **attributes)


def attention(g):
    """Scaled dot-product attention as exporters write it, on one value."""
    x = g.pick_float(rank=3, accept=lambda v: fixed(v.shape[2]) and v.shape[2][0] % 2 == 0
                     and all(at_least(d, 1) for d in v.shape))
    size = x.shape[2][0]
    heads, depth = 2, size // 2
    parts = []
    for perm in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]):
        y = g.same("MatMul", x, x.bound * 3, more=[g.weights(F32, [size, size], size)])
        target = g.constant(np.array([0, 0, heads, depth], np.int64))
        shape = [*x.shape[:2], g.fix(heads), g.fix(depth)]
        y = g.add("Reshape", [y, target], [(F32, shape, y.bound, False)])
        shape = [y.shape[p] for p in perm]
        parts.append(g.add("Transpose", [y], [(F32, shape, y.bound, False)], perm=perm))
    scores = g.add("MatMul", parts[:2], [(F32, [x.shape[0], g.fix(heads), x.shape[1], x.shape[1]],
                                          1e3, False)])
    scores = g.same("Mul", scores, 100.0, more=[g.constant(np.float32(1 / math.sqrt(depth)))])
    weights = g.same("Softmax", scores, 1.0, axis=-1)
    y = g.add("MatMul", [weights, parts[2]], [(F32, parts[2].shape, parts[2].bound, False)])
    y = g.add("Transpose", [y], [(F32, [y.shape[p] for p in (0, 2, 1, 3)], y.bound, False)],
              perm=[0, 2, 1, 3])
    target = g.constant(np.array([0, 0, size], np.int64))
    y = g.add("Reshape", [y, target], [(F32, x.shape, y.bound, False)])
    return g.add("Add", [x, y], [(F32, x.shape, x.bound + y.bound, False)])


OPERATORS = (
    (6, matmul), (3, gemm), (7, conv), (4, conv_block), (1.5, conv_transpose), (3, pool),
    (1, global_pool), (1.5, batch_norm), (1.5, layer_norm), (1, layer_norm_parts),
    (0.7, instance_norm), (2, activation_parts), (0.3, lrn), (1, resize), (1, recurrent),
    (1.5, attention),
)
