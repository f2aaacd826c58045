"""Random operators for differential.py: elementwise, movement of data, reductions, integers. Each
function adds one pattern to a builder, or raises Skip. Layers of networks are in
differential_nn.py, shape arithmetic and control flow in differential_flow.py."""

import math

import numpy as np
from onnx import helper

from differential_graph import (
    BOOL, F32, F64, I8, I32, I64, U8, Skip, at_least, broadcast, each, fixed, known,
)

# ---------------------------------------------------------------------------------- elementwise

EXACT_UNARY = ("Relu", "Abs", "Neg", "Identity")
# Operators with bounded derivatives, and a bound of their result.
SMOOTH_UNARY = {"Sigmoid": 1, "Tanh": 1, "HardSigmoid": 1, "Erf": 1, "Softsign": 1, "Sin": 1,
                "Cos": 1, "Atan": 1.6}
GROWING_UNARY = ("LeakyRelu", "Elu", "Selu", "Celu", "HardSwish", "Softplus", "Mish")
STEPS = ("Floor", "Ceil", "Round", "Sign")


def activation(g, x, exact_only=False):
    """An activation of x: what engines fuse behind products."""
    kind = g.rng.choice(("Relu", "Relu", "Sigmoid", "Tanh", "LeakyRelu", "Clip", "HardSwish", "Elu",
                         "HardSigmoid", "Silu", "Gelu", "Mish", "Softplus"))
    if kind == "Clip":
        return clip(g, x)
    if kind == "Silu":
        return g.same("Mul", x, more=[g.same("Sigmoid", x, 1.0)])
    if kind == "Gelu":
        if g.opset < 20:
            raise Skip
        return g.same("Gelu", x, approximate=g.rng.choice(("none", "tanh")))
    if kind == "LeakyRelu":
        return g.same(kind, x, alpha=g.rng.choice((0.01, 0.1, 0.3)))
    return g.same(kind, x, max(x.bound, 1.0), exact=kind == "Relu" and x.exact)


def clip(g, x=None):
    x = x or g.pick_float()
    low = g.constant(np.float32(g.rng.choice((0, -1, -0.5)))) if g.chance(0.9) else None
    high = g.constant(np.float32(g.rng.choice((6, 1, 0.5)))) if g.chance(0.9) else None
    return g.add("Clip", [x, low, high], [(x.dtype, x.shape, x.bound + 1, x.exact)])


def unary(g):
    x = g.pick(lambda v: v.dtype in (F32, F64))
    kind = g.rng.random()
    if kind < 0.35:
        op = g.rng.choice(EXACT_UNARY)
        return g.same(op, x, exact=x.exact)
    if x.dtype == F64:
        return g.same(g.rng.choice(("Sigmoid", "Tanh")), x, 1.0)
    if kind < 0.6:
        op = g.rng.choice(list(SMOOTH_UNARY))
        return g.same(op, x, SMOOTH_UNARY[op])
    if kind < 0.8:
        return g.same(g.rng.choice(GROWING_UNARY), x, 2 * x.bound + 1)
    if kind < 0.9 and x.exact:
        return g.same(g.rng.choice(STEPS), x, x.bound + 1, exact=True)
    if x.bound < 4 and kind < 0.95:
        return g.same("Exp", x, math.exp(x.bound))
    positive = g.same("Abs", x, exact=x.exact)
    shifted = g.add("Add", [positive, g.constant(np.float32(0.5))],
                    [(F32, x.shape, x.bound + 0.5, False)])
    op = g.rng.choice(("Sqrt", "Log", "Reciprocal"))
    return g.same(op, shifted, max(2.0, x.bound))


def other_operand(g, x):
    """A second operand that broadcasts with x: a value, or a constant of fewer dimensions."""
    if g.chance(0.5):
        def fits(v):
            if v.dtype != x.dtype:
                return False
            try:
                broadcast(v.shape, x.shape)
            except Skip:
                return False
            return True
        return g.pick(fits)
    shape = [dim[0] if fixed(dim) and g.chance(0.6) else 1 for dim in x.shape]
    shape = shape[g.rng.randint(0, len(shape)):]
    return g.constant_value(g.random_array(x.dtype, shape))


def numeric(v):
    return v.dtype in (F32, F32, F64, I64, I32)


def binary(g):
    x = g.pick(numeric)
    y = other_operand(g, x)
    shape = broadcast(x.shape, y.shape)
    op = g.rng.choice(("Add", "Add", "Sub", "Mul", "Mul", "Div", "Min", "Max", "Pow"))
    exact = x.exact and y.exact
    floats = x.dtype.kind == "f"
    bound = x.bound * y.bound if op == "Mul" else x.bound + y.bound
    if op == "Div":
        if not floats:
            y = g.constant_value(np.array(g.rng.choice((2, 3, 5)), x.dtype))
            shape = x.shape
        else:
            y = g.add("Add", [g.same("Abs", y), g.constant(np.array(0.5, x.dtype))],
                      [(x.dtype, y.shape, y.bound + 0.5, False)])
            bound = 2 * x.bound
    if op == "Pow":
        if x.dtype != F32 or x.bound > 20:
            raise Skip
        y = g.constant_value(np.float32(g.rng.choice((2, 3))))
        shape, bound = x.shape, x.bound ** 3 + 1
    if not floats and bound > 1e6:
        raise Skip
    pair = [x, y] if g.chance(0.5) or op in ("Div", "Pow") else [y, x]
    exact_here = exact if op in ("Min", "Max") or not floats else False
    return g.add(op, pair, [(x.dtype, shape, bound, exact_here)])


def variadic(g):
    x = g.pick_float()
    more = [other_operand(g, x) for _ in range(g.rng.choice((0, 1, 2, 3)))]
    op = g.rng.choice(("Sum", "Max", "Min", "Mean"))
    operands = [x, *more]
    g.rng.shuffle(operands)
    shape = broadcast(*(o.shape for o in operands))
    exact = all(o.exact for o in operands) and op in ("Max", "Min")
    return g.add(op, operands, [(F32, shape, sum(o.bound for o in operands), exact)])


def prelu(g):
    x = g.pick_float(min_rank=1)
    shape = [dim[0] if fixed(dim) and g.chance(0.5) else 1 for dim in x.shape]
    slope = g.constant_value(g.random_array(F32, shape[g.rng.randint(0, len(shape)):]))
    return g.add("PRelu", [x, slope], [(F32, x.shape, x.bound * 3, False)])


def compare(g):
    x = g.pick(lambda v: numeric(v) and v.exact)
    y = other_operand(g, x)
    if not y.exact:
        raise Skip
    op = g.rng.choice(("Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Equal"))
    return g.add(op, [x, y], [(BOOL, broadcast(x.shape, y.shape), 1.0, True)])


def logic(g):
    x = g.pick(lambda v: v.dtype == BOOL)
    if g.chance(0.4):
        return g.same("Not", x, exact=True)
    y = other_operand(g, x)
    return g.add(g.rng.choice(("And", "Or", "Xor")), [x, y],
                 [(BOOL, broadcast(x.shape, y.shape), 1.0, True)])


def where(g):
    condition = g.pick(lambda v: v.dtype == BOOL)
    x = g.pick(numeric)
    broadcast(condition.shape, x.shape)
    y = other_operand(g, x)
    shape = broadcast(condition.shape, x.shape, y.shape)
    return g.add("Where", [condition, x, y],
                 [(x.dtype, shape, max(x.bound, y.bound), x.exact and y.exact)])


def cast(g):
    x = g.pick()
    to = g.rng.choice((F32, F32, F32, I64, I32, BOOL, F64, U8, I8))
    if to == x.dtype or (to.kind != "f" and not x.exact):
        raise Skip
    if to in (U8, I8) and (x.bound > 100 or x.dtype.kind == "f" or to == U8):
        x = g.same("Abs", x, exact=True) if x.dtype.kind in "if" and x.bound < 100 else None
        if x is None:
            raise Skip
    exact = x.exact and not (x.dtype == F64 and to == F32)
    return g.add("Cast", [x], [(to, x.shape, x.bound, exact)],
                 to=helper.np_dtype_to_tensor_dtype(to))


# ---------------------------------------------------------------------------- movement of data


def axis_of(g, x, negative=True):
    if x.rank == 0:
        raise Skip
    axis = g.rng.randrange(x.rank)
    return axis, (axis - x.rank if negative and g.chance(0.4) else axis)


def moved(g, op, inputs, x, shape, **attributes):
    return g.add(op, inputs, [(x.dtype, shape, x.bound, x.exact)], **attributes)


def add_dims(a, b):
    return each(lambda p, q: p + q, a, b)


def concat(g):
    x = g.pick(lambda v: v.rank > 0)
    axis, given = axis_of(g, x)

    def fits(v):
        return (v.dtype == x.dtype and v.rank == x.rank
                and all(i == axis or a == b for i, (a, b) in enumerate(zip(v.shape, x.shape))))
    parts = [x] + [g.pick(fits) for _ in range(g.rng.choice((0, 1, 1, 2, 3)))]
    if g.chance(0.25):
        shape = [dim[0] if fixed(dim) else -1 for dim in x.shape]
        shape[axis] = g.rng.choice((1, 2, 5))
        if -1 not in shape:
            parts.append(g.constant_value(g.random_array(x.dtype, shape)))
    g.rng.shuffle(parts)
    dims = [p.shape[axis] for p in parts]
    total = dims[0]
    for dim in dims[1:]:
        total = add_dims(total, dim) if known(total) and known(dim) else g.token()
    shape = [*x.shape]
    shape[axis] = total
    return g.add("Concat", parts, [(x.dtype, shape, max(p.bound for p in parts),
                                    all(p.exact for p in parts))], axis=given)


def split(g):
    x = g.pick(lambda v: v.rank > 0 and any(at_least(d, 2) for d in v.shape))
    axis, given = axis_of(g, x)
    dim = x.shape[axis]
    if not at_least(dim, 2):
        raise Skip
    if fixed(dim) and g.chance(0.5):
        sizes, left = [], dim[0]
        while left > 0 and len(sizes) < 3:
            sizes.append(g.rng.randint(0 if g.zeros else 1, left))
            left -= sizes[-1]
        sizes.append(left)
        if left == 0 and not g.zeros:
            sizes.pop()
        dims = [g.fix(s) for s in sizes]
        inputs, attributes = [x, g.constant(np.array(sizes, np.int64))], {}
    else:
        n = g.rng.randint(2, min(min(dim), 4))
        chunk = each(lambda d: -(-d // n), dim)
        last = each(lambda d, c: d - c * (n - 1), dim, chunk)
        if min(last) < 1:
            raise Skip
        dims = [chunk] * (n - 1) + [last]
        inputs, attributes = [x], {"num_outputs": n}
    specs = [(x.dtype, (*x.shape[:axis], d, *x.shape[axis + 1:]), x.bound, x.exact) for d in dims]
    return g.add("Split", inputs, specs, axis=given, **attributes)


def slice_(g):
    x = g.pick(lambda v: v.rank > 0)
    axes = [i for i in range(x.rank) if g.chance(0.6) and known(x.shape[i])]
    if not axes:
        raise Skip
    starts, ends, steps, shape = [], [], [], [*x.shape]
    for axis in axes:
        start, end, step = random_slice(g, min(x.shape[axis]))
        shape[axis] = each(lambda d: len(range(*slice(start, end, step).indices(d))),
                           x.shape[axis])
        if min(shape[axis]) == 0 and not g.zeros:
            raise Skip
        starts.append(start)
        ends.append(end if end is not None else -2 ** 63)
        steps.append(step)
    axes_given = [a - x.rank if g.chance(0.3) else a for a in axes]
    inputs = [x] + [g.constant(np.array(v, np.int64)) for v in (starts, ends, axes_given)]
    if set(steps) != {1} or g.chance(0.3):
        inputs.append(g.constant(np.array(steps, np.int64)))
    return moved(g, "Slice", inputs, x, shape)


def random_slice(g, size):
    kind = g.rng.random()
    if kind < 0.2:
        return -1, None, g.rng.choice((-1, -1, -2))
    if kind < 0.35:
        return 0, 2 ** 62, g.rng.choice((1, 2, 3))
    if kind < 0.5:
        return 0, -1, 1
    start = g.rng.randint(0, max(0, size - 1))
    return start, g.rng.randint(start, size + 2), g.rng.choice((1, 1, 1, 2))


def pad(g):
    x = g.pick(lambda v: v.rank > 0 and v.dtype in (F32, I64, I32, F64))
    mode = g.rng.choice(("constant", "constant", "edge", "reflect", "wrap"))
    if mode == "wrap" and g.opset < 19:
        raise Skip
    begins, ends, shape = [], [], []
    for dim in x.shape:
        most = 2 if mode == "constant" else min(2, min(dim) - 1) if known(dim) else 0
        least = -1 if mode == "constant" and at_least(dim, 4) and g.chance(0.15) else 0
        if not known(dim) or g.chance(0.4):
            most = least = 0
        if most < 0:
            raise Skip
        b, e = g.rng.randint(least, max(0, most)), g.rng.randint(least, max(0, most))
        begins.append(b)
        ends.append(e)
        shape.append(each(lambda d: d + b + e, dim) if known(dim) else dim)
    inputs = [x, g.constant(np.array(begins + ends, np.int64))]
    if mode == "constant" and g.chance(0.6):
        inputs.append(g.constant(g.random_array(x.dtype, ())))
    return moved(g, "Pad", inputs, x, shape, mode=mode)


def transpose(g):
    x = g.pick(lambda v: v.rank > 1)
    if g.chance(0.15):
        return moved(g, "Transpose", [x], x, x.shape[::-1])
    perm = [*range(x.rank)]
    if x.rank == 4 and g.chance(0.4):
        perm = g.rng.choice(([0, 2, 3, 1], [0, 3, 1, 2]))
    else:
        g.rng.shuffle(perm)
    return moved(g, "Transpose", [x], x, [x.shape[p] for p in perm], perm=perm)


def factors(g, n):
    """Splits n into random factors."""
    if n <= 1 or g.chance(0.3):
        return [n]
    divisors = [d for d in range(2, n + 1) if n % d == 0]
    d = g.rng.choice(divisors)
    return [d, *factors(g, n // d)]


def reshape(g):
    x = g.pick()
    if any(not known(d) for d in x.shape) or g.elements(x.shape) == 0 and g.chance(0.7):
        return reshape_flat(g, x)
    varied = [i for i, d in enumerate(x.shape) if not fixed(d)]
    if not varied and math.prod(d[0] for d in x.shape) > 0:
        sizes = factors(g, math.prod(d[0] for d in x.shape))
        if g.chance(0.3):
            sizes.insert(g.rng.randint(0, len(sizes)), 1)
        g.rng.shuffle(sizes)
        shape = [g.fix(s) for s in sizes]
        target = [*sizes]
        if g.chance(0.4):
            target[g.rng.randrange(len(target))] = -1
        return moved(g, "Reshape", [x, g.constant(np.array(target, np.int64))], x, shape)
    if varied == [0] and x.rank > 1 and min(x.shape[0]) > 0:
        rest = factors(g, math.prod(d[0] for d in x.shape[1:]))
        target = [g.rng.choice((0, -1)), *rest]
        if math.prod(rest) == 0:
            raise Skip
        return moved(g, "Reshape", [x, g.constant(np.array(target, np.int64))], x,
                     [x.shape[0], *map(g.fix, rest)])
    return reshape_flat(g, x)


def product_dim(g, dims):
    if not all(known(d) for d in dims):
        return dims[0] if len(dims) == 1 else g.token()
    return each(lambda *s: math.prod(s), *dims) if dims else g.fix(1)


def reshape_flat(g, x):
    flat = product_dim(g, x.shape)
    target, shape = g.rng.choice((([-1], [flat]), ([1, -1], [g.fix(1), flat]),
                                  ([-1, 1], [flat, g.fix(1)])))
    return moved(g, "Reshape", [x, g.constant(np.array(target, np.int64))], x, shape)


def flatten(g):
    x = g.pick(lambda v: v.rank > 0)
    axis = g.rng.randint(0, x.rank)
    shape = [product_dim(g, x.shape[:axis]), product_dim(g, x.shape[axis:])]
    return moved(g, "Flatten", [x], x, shape, axis=axis)


def squeeze(g):
    x = g.pick(lambda v: any(known(d) and set(d) == {1} for d in v.shape))
    ones = [i for i, d in enumerate(x.shape) if known(d) and set(d) == {1}]
    axes = [i for i in ones if g.chance(0.7)] or ones[:1]
    given = [a - x.rank if g.chance(0.3) else a for a in axes]
    shape = [d for i, d in enumerate(x.shape) if i not in axes]
    return moved(g, "Squeeze", [x, g.constant(np.array(given, np.int64))], x, shape)


def unsqueeze(g):
    x = g.pick(lambda v: v.rank < 5)
    shape = [*x.shape]
    rank = x.rank + g.rng.choice((1, 1, 2))
    axes = sorted(g.rng.sample(range(rank), rank - x.rank))
    for axis in axes:
        shape.insert(axis, g.fix(1))
    given = [a - rank if g.chance(0.3) else a for a in axes]
    return moved(g, "Unsqueeze", [x, g.constant(np.array(given, np.int64))], x, shape)


def expand(g):
    x = g.pick(lambda v: v.rank < 5)
    shape = [dim[0] if fixed(dim) and g.chance(0.5) else 1 for dim in x.shape]
    shape = [g.rng.choice((2, 3)) if s == 1 and fixed(d) and d[0] == 1 and g.chance(0.6) else s
             for s, d in zip(shape, x.shape)]
    if g.chance(0.4):
        shape.insert(0, g.rng.choice((1, 2, 3)))
    result = broadcast(x.shape, [g.fix(s) for s in shape])
    return moved(g, "Expand", [x, g.constant(np.array(shape, np.int64))], x, result)


def tile(g):
    x = g.pick(lambda v: v.rank > 0)
    repeats = [g.rng.choice((1, 1, 2, 3)) for _ in x.shape]
    shape = [each(lambda s: s * r, d) if known(d) else d if r == 1 else g.token()
             for d, r in zip(x.shape, repeats)]
    return moved(g, "Tile", [x, g.constant(np.array(repeats, np.int64))], x, shape)


def indices_for(g, size, shape):
    return g.numbers.integers(-size, size, shape).astype(g.rng.choice((np.int64, np.int32)))


def gather(g):
    x = g.pick(lambda v: v.rank > 0)
    axis, given = axis_of(g, x)
    if not at_least(x.shape[axis], 1):
        raise Skip
    sizes = [g.rng.choice((1, 2, 3, 5)) for _ in range(g.rng.choice((0, 1, 1, 2)))]
    indices = g.constant(indices_for(g, min(x.shape[axis]), sizes))
    shape = [*x.shape[:axis], *map(g.fix, sizes), *x.shape[axis + 1:]]
    return moved(g, "Gather", [x, indices], x, shape, axis=given)


def gather_elements(g):
    x = g.pick(lambda v: v.rank > 0 and all(at_least(d, 1) for d in v.shape))
    axis, given = axis_of(g, x)
    sizes = [g.rng.randint(1, min(d)) for d in x.shape]
    indices = g.constant(indices_for(g, min(x.shape[axis]), sizes))
    return moved(g, "GatherElements", [x, indices], x, map(g.fix, sizes), axis=given)


def gather_nd(g):
    x = g.pick(lambda v: v.rank > 0 and at_least(v.shape[0], 1))
    depth = g.rng.randint(1, x.rank)
    if not all(at_least(d, 1) for d in x.shape[:depth]):
        raise Skip
    count = g.rng.choice((1, 3, 4))
    columns = [g.numbers.integers(0, min(d), count) for d in x.shape[:depth]]
    indices = g.constant(np.stack(columns, 1).astype(np.int64))
    return moved(g, "GatherND", [x, indices], x, [g.fix(count), *x.shape[depth:]])


def scatter(g):
    x = g.pick(lambda v: v.rank > 0 and v.dtype in (F32, I64) and at_least(v.shape[0], 2)
               and all(map(fixed, v.shape[1:])))
    count = g.rng.randint(1, min(x.shape[0]))
    rows = g.rng.sample(range(min(x.shape[0])), count)
    rest = [d[0] for d in x.shape[1:]]
    updates = g.constant_value(g.random_array(x.dtype, [count, *rest]))
    if g.chance(0.5):
        indices = g.constant(np.array(rows, np.int64)[:, None])
        op, attributes = "ScatterND", {}
    else:
        shape = [count] + [1] * len(rest)
        indices = g.constant(np.broadcast_to(np.array(rows).reshape(shape), [count, *rest])
                             .astype(np.int64))
        op, attributes = "ScatterElements", {"axis": 0}
    reduction = g.rng.choice(("none", "none", "add", "max"))
    exact = x.exact and reduction != "add"
    return g.add(op, [x, indices, updates], [(x.dtype, x.shape, x.bound + 12, exact)],
                 reduction=reduction, **attributes)


def depth_space(g):
    x = g.pick_float(rank=4, accept=lambda v: all(map(known, v.shape)))
    if g.chance(0.5):
        if not fixed(x.shape[1]) or x.shape[1][0] % 4 or not x.shape[1][0]:
            raise Skip
        shape = [x.shape[0], g.fix(x.shape[1][0] // 4), *(each(lambda s: 2 * s, d)
                                                         for d in x.shape[2:])]
        return moved(g, "DepthToSpace", [x], x, shape, blocksize=2,
                     mode=g.rng.choice(("DCR", "CRD")))
    if any(s % 2 or s == 0 for d in x.shape[2:] for s in d):
        raise Skip
    shape = [x.shape[0], each(lambda s: 4 * s, x.shape[1]), *(each(lambda s: s // 2, d)
                                                             for d in x.shape[2:])]
    return moved(g, "SpaceToDepth", [x], x, shape, blocksize=2)


def trilu(g):
    x = g.pick(lambda v: v.rank >= 2 and v.dtype in (F32, I64))
    diagonal = g.constant(np.array(g.rng.choice((-1, 0, 1)), np.int64))
    return moved(g, "Trilu", [x, diagonal], x, x.shape,
                 upper=g.rng.choice((0, 1)))


# ----------------------------------------------------------------------------------- reductions


def reduce(g):
    x = g.pick(lambda v: v.dtype in (F32, I64, I32) and v.rank > 0)
    op = g.rng.choice(("ReduceSum", "ReduceSum", "ReduceMean", "ReduceMean", "ReduceMax",
                       "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp",
                       "ReduceProd"))
    if x.dtype != F32 and op not in ("ReduceSum", "ReduceMax", "ReduceMin"):
        raise Skip
    axes = sorted(g.rng.sample(range(x.rank), g.rng.randint(1, x.rank)))
    full = op in ("ReduceMax", "ReduceMin", "ReduceMean", "ReduceLogSumExp")
    if full and not all(at_least(x.shape[a], 1) for a in axes):
        raise Skip
    if any(known(d) and min(d) == 0 for d in x.shape):
        raise Skip  # onnxruntime keeps or drops such dimensions as it likes
    count = g.elements([x.shape[a] for a in axes])
    bound = {"ReduceSum": x.bound * count, "ReduceL1": x.bound * count,
             "ReduceL2": x.bound * math.sqrt(count), "ReduceSumSquare": x.bound ** 2 * count,
             "ReduceLogSumExp": x.bound + 8,
             "ReduceProd": min(1e9, max(1.0, x.bound) ** min(count, 30))}.get(op, x.bound)
    if op == "ReduceLogSumExp" and x.bound > 20:
        raise Skip
    keep = g.rng.choice((0, 1))
    shape = [g.fix(1) if i in axes else d for i, d in enumerate(x.shape)
             if keep or i not in axes]
    given = [a - x.rank if g.chance(0.3) else a for a in axes]
    inputs = [x, g.constant(np.array(given, np.int64))]
    if len(axes) == x.rank and g.chance(0.5):
        inputs = [x]
    exact = x.exact and (x.dtype != F32 or op in ("ReduceMax", "ReduceMin"))
    return g.add(op, inputs, [(x.dtype, shape, bound, exact)], keepdims=keep)


def arg(g):
    x = g.pick(lambda v: v.rank > 0 and v.exact and v.dtype in (F32, I32))
    axis, given = axis_of(g, x)
    if not all(at_least(d, 1) for d in x.shape):
        raise Skip
    keep = g.rng.choice((0, 1))
    shape = [g.fix(1) if i == axis else d for i, d in enumerate(x.shape) if keep or i != axis]
    return g.add(g.rng.choice(("ArgMax", "ArgMin")), [x], [(I64, shape, 32.0, True)], axis=given,
                 keepdims=keep, select_last_index=g.rng.choice((0, 0, 1)))


def softmax(g):
    x = g.pick_float(min_rank=1)
    _, given = axis_of(g, x)
    op = g.rng.choice(("Softmax", "Softmax", "LogSoftmax"))
    return g.same(op, x, 1.0 if op == "Softmax" else 2 * x.bound + 8, axis=given)


def cumsum(g):
    x = g.pick(lambda v: v.rank > 0 and v.dtype in (F32, I64))
    axis, given = axis_of(g, x)
    count = g.elements([x.shape[axis]])
    return g.add("CumSum", [x, g.constant(np.array(given, np.int64))],
                 [(x.dtype, x.shape, x.bound * max(1, count), x.exact and x.dtype == I64)],
                 exclusive=g.rng.choice((0, 1)), reverse=g.rng.choice((0, 1)))


def topk(g):
    x = g.pick(lambda v: v.rank > 0 and v.dtype == F32 and at_least(v.shape[-1], 1))
    k = g.rng.randint(1, min(x.shape[-1]))
    shape = [*x.shape[:-1], g.fix(k)]
    if not x.exact:
        raise Skip
    return g.add("TopK", [x, g.constant(np.array([k], np.int64))],
                 [(F32, shape, x.bound, True), (I64, shape, 32.0, True)], axis=-1,
                 largest=g.rng.choice((0, 1)))


# ------------------------------------------------------------- integers and uncommon operators


def one_hot(g):
    x = g.pick(lambda v: v.dtype == I64 and 0 < v.rank < 4)
    depth = g.rng.choice((1, 3, 7))
    axis = g.rng.randint(-1, x.rank)
    shape = [*x.shape]
    shape.insert(axis if axis >= 0 else x.rank, g.fix(depth))
    values = g.constant(np.array([0.25, 2], np.float32))
    return g.add("OneHot", [x, g.constant(np.array(depth, np.int64)), values],
                 [(F32, shape, 2.0, True)], axis=axis)


def einsum(g):
    x = g.pick_float(min_rank=2, accept=lambda v: v.rank <= 3 and fixed(v.shape[-1])
                     and all(at_least(d, 1) for d in v.shape))
    k, n = x.shape[-1][0], g.rng.choice((1, 3, 8, 17))
    rows = "abc"[:x.rank - 1]
    kind = g.rng.choice(("product", "transposed", "sum", "outer"))
    if kind == "sum":
        return g.add("Einsum", [x], [(F32, x.shape[:-1], x.bound * k, False)],
                     equation=f"{rows}k->{rows}")
    if kind == "outer":
        return g.add("Einsum", [x, x], [(F32, [*x.shape, x.shape[-1]], x.bound ** 2, False)],
                     equation=f"{rows}k,{rows}m->{rows}km")
    shape, text = ([n, k], "nk") if kind == "transposed" else ([k, n], "kn")
    return g.add("Einsum", [x, g.weights(F32, shape, k)],
                 [(F32, [*x.shape[:-1], g.fix(n)], x.bound * 3, False)],
                 equation=f"{rows}k,{text}->{rows}n")


def hardmax(g):
    x = g.pick_float(min_rank=1, accept=lambda v: v.exact and all(at_least(d, 1) for d in v.shape))
    _, given = axis_of(g, x)
    return g.same("Hardmax", x, 1.0, exact=True, axis=given)


def integers(g):
    x = g.pick(lambda v: v.dtype in (I64, I32))
    op = g.rng.choice(("Mod", "Mod", "BitwiseAnd", "BitwiseXor", "BitwiseNot", "Sign", "Clip"))
    if op in ("BitwiseNot", "Sign"):
        return g.same(op, x, x.bound + 1, exact=True)
    if op == "Clip":
        low, high = (g.constant(np.array(n, x.dtype)) for n in (-2, 4))
        return g.same(op, x, exact=True, more=[low, high])
    if op == "Mod":
        divisor = g.constant(np.array(g.rng.choice((2, 3, -4)), x.dtype))
        return g.same(op, x, 4.0, exact=True, more=[divisor])
    y = other_operand(g, x)
    shape = broadcast(x.shape, y.shape)
    return g.add(op, [x, y], [(x.dtype, shape, 2 * (x.bound + y.bound), True)])


def quantise(g):
    """Quantised and back; the scale is a power of two, so that nothing is rounded differently."""
    x = g.pick(lambda v: v.dtype == F32 and v.exact and v.bound <= 6 and v.rank > 0)
    to = g.rng.choice((U8, I8))
    zero = g.constant(np.array(g.rng.choice((0, 3)), to))
    scale = g.constant(np.float32(1 / 16))
    q = g.add("QuantizeLinear", [x, scale, zero], [(to, x.shape, 255.0, True)])
    if g.chance(0.2):
        return q
    return g.add("DequantizeLinear", [q, scale, zero], [(F32, x.shape, 16.0, True)])


def matmul_integer(g):
    x = g.pick(lambda v: v.dtype in (U8, I8) and v.rank >= 2 and fixed(v.shape[-1])
               and at_least(v.shape[-1], 1))
    k, n = x.shape[-1][0], g.rng.choice((1, 3, 8, 17))
    w = g.constant(g.numbers.integers(-100, 100, (k, n)).astype(np.int8))
    inputs = [x, w]
    if g.chance(0.5):
        inputs.append(g.constant(np.array(2, x.dtype)))
    return g.add("MatMulInteger", inputs, [(I32, [*x.shape[:-1], g.fix(n)], 9e3, True)])


def reverse_sequence(g):
    x = g.pick(lambda v: v.rank >= 2 and v.dtype in (F32, I64) and fixed(v.shape[1])
               and at_least(v.shape[0], 1) and at_least(v.shape[1], 1))
    lengths = g.numbers.integers(0, min(x.shape[0]) + 1, x.shape[1][0])
    return moved(g, "ReverseSequence", [x, g.constant(lengths.astype(np.int64))], x, x.shape,
                 time_axis=0, batch_axis=1)


OPERATORS = (
    (8, unary), (8, binary), (3, variadic), (1, prelu), (2, compare), (1, logic), (2, where),
    (2, cast), (1, clip), (6, concat), (4, split), (5, slice_), (2, pad), (5, transpose),
    (5, reshape), (1, flatten), (2, squeeze), (3, unsqueeze), (2, expand), (2, tile), (2, gather),
    (1, gather_elements), (1, gather_nd), (1, scatter), (1, depth_space), (1, trilu), (4, reduce),
    (1, arg), (2, softmax), (1, cumsum), (1, topk), (0.5, one_hot), (0.5, einsum), (0.5, hardmax),
    (0.5, integers), (0.5, quantise), (1, matmul_integer), (0.3, reverse_sequence),
)
