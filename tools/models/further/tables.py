"""Rows of tables and graphs: recommenders, tabular networks, a variational autoencoder, GCNs."""

import numpy as np
from onnx import TensorProto

from ..builder import INT64, Graph
from ..cnn import RELU_GAIN, batch_norm, gemm
from ..encoder import expand, joined, size_of
from ..wider.signals import gemms
from .transformers import embedded

# -------------------------------------------------------------------------------- recommenders


def dlrm(fields=26, rows=1000, width=16, numbers=13):
    """Naumov et al. 2019, sizes as for Kaggle's data: one table, pairs chosen by their two indices.

    The first axis is where PyTorch's exporter brings what is indexed, flattened, by a Transpose.
    """
    g = Graph("dlrm", opset=17)
    dense_in = g.input("dense", ["batch", numbers])
    ids = g.input("ids", ["batch", fields], INT64)
    x = gemms(g, dense_in, "bottom", (numbers, 512, 256, 64, width), True)
    first = g.array("first", np.arange(0, rows * fields, rows, dtype=np.int64))
    chosen = embedded(g, "table", g.op("Add", ids, first), rows * fields, width, 1.0)
    every = g.op("Concat", x, g.op("Reshape", chosen, g.ints(-1, fields * width)), axis=1)
    every = g.op("Reshape", every, g.ints(-1, fields + 1, width))
    pairs = g.op("MatMul", every, g.op("Transpose", every, perm=[0, 2, 1]))
    pairs = g.op("Reshape", g.op("Transpose", pairs, perm=[1, 2, 0]),
                 joined(g, (fields + 1) ** 2, size_of(g, dense_in, 0)))
    low = np.tril_indices(fields + 1, -1)
    places = g.array("places", (low[0] * (fields + 1) + low[1]).astype(np.int64))
    pairs = g.op("Transpose", g.op("Gather", pairs, places, axis=0), perm=[1, 0])
    pairs = g.op("Mul", pairs, g.scalar(0.25))
    x = gemms(g, g.op("Concat", x, pairs, axis=1), "top", (width + len(low[0]), 512, 256, 1),
              False)
    g.output(x, "logit", ["batch", 1])
    return g.model()


def deepfm(fields=26, rows=1000, width=8, numbers=13):
    """Guo et al. 2017 as DeepCTR-Torch has it: ids come as floats, a column and a table each."""
    g = Graph("deepfm", opset=17)
    x = g.input("input", ["batch", fields + numbers])
    first, factors = [], []
    for i in range(fields):
        column = g.op("Slice", x, g.ints(i), g.ints(i + 1), g.ints(1))
        column = g.op("Cast", column, to=TensorProto.INT64)
        first.append(embedded(g, f"linear{i}", column, rows, 1, 0.2))
        factors.append(embedded(g, f"table{i}", column, rows, width, 0.5))
    values = g.op("Slice", x, g.ints(fields), g.ints(fields + numbers), g.ints(1))
    total = g.op("ReduceSum", g.op("Concat", *first, axis=-1), g.ints(-1), keepdims=0)
    total = g.op("Add", total, g.op("MatMul", values, g.weight("linear", (numbers, 1), numbers)))
    every = g.op("Concat", *factors, axis=1)
    square = g.op("Pow", g.op("ReduceSum", every, g.ints(1), keepdims=1), g.scalar(2.0))
    squares = g.op("ReduceSum", g.op("Mul", every, every), g.ints(1), keepdims=1)
    cross = g.op("ReduceSum", g.op("Sub", square, squares), g.ints(2), keepdims=0)
    total = g.op("Add", total, g.op("Mul", cross, g.scalar(0.5)))
    flat = g.op("Concat", g.op("Reshape", every, g.ints(-1, fields * width)), values, axis=-1)
    deep = gemms(g, flat, "deep", (fields * width + numbers, 400, 400, 400), True)
    deep = g.op("MatMul", deep, g.weight("deep.last", (400, 1), 400, RELU_GAIN))
    g.output(g.op("Add", total, deep), "logit", ["batch", 1])
    return g.model()


def deepfm_inputs(batch, fields=26, rows=1000, numbers=13):
    """Ids as floats, then numbers, in one array."""

    def make(rng):
        ids = rng.integers(0, rows, (batch, fields)).astype(np.float32)
        return {"input": np.concatenate([ids, rng.standard_normal((batch, numbers), np.float32)],
                                        1)}

    return (f"{batch}x{fields + numbers}", make)


def two_tower(users=5000, items=5000, width=64, history=20):
    """Yi et al. 2019: users, known by what they saw, against items; both of length one."""
    g = Graph("two_tower", opset=17)
    user = g.input("user", ["batch"], INT64)
    seen = g.input("seen", ["batch", history], INT64)
    item = g.input("item", ["batch"], INT64)
    table = g.weight("items", (items, width), 1)
    real = g.op("Cast", g.op("Not", g.op("Equal", seen, g.int_scalar(0))), to=TensorProto.FLOAT)
    real = g.op("Unsqueeze", real, g.ints(-1))
    total = g.op("ReduceSum", g.op("Mul", g.op("Gather", table, seen), real), g.ints(1),
                 keepdims=0)
    count = g.op("Clip", g.op("ReduceSum", real, g.ints(1), keepdims=0), g.scalar(1.0))
    x = g.op("Concat", embedded(g, "users", user, users, width), g.op("Div", total, count), axis=1)
    x = _of_length_one(g, gemms(g, x, "user_tower", (2 * width, 256, 128, width), False))
    y = gemms(g, g.op("Gather", table, item), "item_tower", (width, 256, 128, width), False)
    y = _of_length_one(g, y)
    scores = g.op("MatMul", x, g.op("Transpose", y, perm=[1, 0]))
    g.output(g.op("Div", scores, g.scalar(0.1)), "scores", ["batch", "batch"])
    return g.model()


def _of_length_one(g, x):
    """torch's normalize."""
    length = g.op("Clip", g.op("ReduceL2", x, axes=[1], keepdims=1), g.scalar(1e-12))
    return g.op("Div", x, g.op("Expand", length, g.op("Shape", x)))


# ------------------------------------------------------------------------------------------ rows


def tabnet(batch=256, columns=54, width=32, steps=3, classes=7):
    """Arik and Pfister 2021 as pytorch-tabnet has it: steps that look at few columns each."""
    g = Graph("tabnet", opset=17)
    x = batch_norm(g, g.input("input", [batch, columns]), "first", columns)
    shared = [g.weight(f"shared{i}", (4 * width, columns if i == 0 else 2 * width),
                       columns if i == 0 else 2 * width, RELU_GAIN) for i in range(2)]
    prior = g.op("ConstantOfShape", g.op("Shape", x), value=_one_float())
    y, total = _feature_steps(g, x, "start", shared, batch, width), None
    for i in range(steps):
        looked = g.op("Slice", y, g.ints(width), g.ints(2 * width), g.ints(1))
        weight = g.weight(f"step{i}.look", (columns, width), width)
        looked = _ghost_norm(g, g.op("Gemm", looked, weight, transB=1), f"step{i}.look", columns,
                             batch)
        mask = _sparsemax(g, g.op("Mul", looked, prior), columns)
        prior = g.op("Mul", g.op("Sub", g.scalar(1.3), mask), prior)
        y = _feature_steps(g, g.op("Mul", mask, x), f"step{i}", shared, batch, width)
        chosen = g.op("Relu", g.op("Slice", y, g.ints(0), g.ints(width), g.ints(1)))
        total = g.op("Add", total, chosen) if total else chosen
    weight = g.weight("head", (classes, width), width)
    g.output(g.op("Gemm", total, weight, transB=1), "logits", [batch, classes])
    return g.model()


def _one_float():
    from onnx import helper

    return helper.make_tensor("value", TensorProto.FLOAT, [1], [1.0])


def _feature_steps(g, x, name, shared, batch, width):
    """Four gated layers, the first two with weights that all steps share."""
    own = [g.weight(f"{name}.own{i}", (4 * width, 2 * width), 2 * width, RELU_GAIN)
           for i in range(2)]
    for i, weight in enumerate((*shared, *own)):
        y = _ghost_norm(g, g.op("Gemm", x, weight, transB=1), f"{name}.{i}", 4 * width, batch)
        a, b = (g.op("Slice", y, g.ints(j), g.ints(j + 2 * width), g.ints(1))
                for j in (0, 2 * width))
        y = g.op("Mul", a, g.op("Sigmoid", b))
        x = g.op("Mul", g.op("Add", x, y), g.scalar(0.5 ** 0.5)) if i else y
    return x


def _ghost_norm(g, x, name, channels, batch, rows=128):
    """Norms of 128 rows each, which after training are the same one."""
    count = batch // rows
    parts = g.op("Split", x, g.ints(*[rows] * count), outputs=count, axis=0)
    weights = [g.near(f"{name}.scale", (channels,), 1.0, 0.1),
               g.near(f"{name}.bias", (channels,), 0.0, 0.1),
               g.near(f"{name}.mean", (channels,), 0.0, 0.1),
               g.positive(f"{name}.var", (channels,))]
    parts = [g.op("BatchNormalization", p, *weights, epsilon=1e-5) for p in parts]
    return g.op("Concat", *parts, axis=0)


def _sparsemax(g, x, columns):
    """Martins and Astudillo 2016: the nearest point of the simplex, found by sorting."""
    x = g.op("Sub", x, g.op("ReduceMax", x, axes=[-1], keepdims=1))
    order, _ = g.op("TopK", x, g.ints(columns), outputs=2, axis=-1, largest=1, sorted=1)
    sums = g.op("Sub", g.op("CumSum", order, g.int_scalar(-1)), g.scalar(1.0))
    ranks = g.op("Unsqueeze", g.floats(*range(1, columns + 1)), g.ints(0))
    kept = g.op("Cast", g.op("Greater", g.op("Mul", ranks, order), sums), to=TensorProto.INT64)
    count = g.op("ReduceSum", kept, g.ints(-1), keepdims=1)
    level = g.op("GatherElements", sums, g.op("Sub", count, g.int_scalar(1)), axis=-1)
    level = g.op("Div", level, g.op("Cast", count, to=TensorProto.FLOAT))
    return g.op("Clip", g.op("Sub", x, level), g.scalar(0.0))


def vae(hidden=20):
    """Kingma and Welling 2014 for 28x28 pixels; what is drawn at random is an input."""
    g = Graph("vae", opset=17)
    x = g.op("Reshape", g.input("input", ["batch", 1, 28, 28]), g.ints(-1, 784))
    noise = g.input("noise", ["batch", hidden])
    x = g.op("Relu", gemm(g, x, "fc1", 784, 400, RELU_GAIN))
    mean, wide = gemm(g, x, "mean", 400, hidden), gemm(g, x, "variance", 400, hidden)
    spread = g.op("Exp", g.op("Mul", wide, g.scalar(0.5)))
    x = g.op("Add", mean, g.op("Mul", noise, spread))
    x = g.op("Relu", gemm(g, x, "fc3", hidden, 400))
    g.output(g.op("Sigmoid", gemm(g, x, "fc4", 400, 784, RELU_GAIN)), "pixels", ["batch", 784])
    g.output(mean, "mean", ["batch", hidden])
    g.output(wide, "variance", ["batch", hidden])
    return g.model()


# ---------------------------------------------------------------------------------------- graphs


def gcn_dense(nodes=500, features=1433, hidden=16, classes=7):
    """Kipf and Welling 2017, Cora's widths: the neighbours as a matrix, as the paper writes it."""
    g = Graph("gcn_dense", opset=17)
    x = g.input("features", [nodes, features])
    near = g.input("neighbours", [nodes, nodes])
    for i, (inputs, outputs) in enumerate([(features, hidden), (hidden, classes)]):
        x = g.op("MatMul", near, g.op("MatMul", x, g.weight(f"conv{i}", (inputs, outputs), inputs,
                                                            3.0)))
        x = g.op("Add", x, g.near(f"conv{i}.bias", (outputs,), 0.0, 0.1))
        x = x if i else g.op("Relu", x)
    g.output(x, "logits", [nodes, classes])
    return g.model()


def gcn_dense_inputs(nodes=500, features=1433, edges=1250):
    """Neighbours weighed by both their degrees; every node is its own."""

    def make(rng):
        near = np.eye(nodes, dtype=np.float32)
        a, b = rng.integers(0, nodes, (2, edges))
        near[a, b] = near[b, a] = 1
        scale = near.sum(1) ** -0.5
        return {"features": rng.standard_normal((nodes, features), np.float32),
                "neighbours": (near * scale[:, None] * scale).astype(np.float32)}

    return (f"{nodes}x{features}", make)


def gcn_sparse(features=256, hidden=64, classes=7):
    """Kipf and Welling 2017 as PyTorch Geometric has it: messages along edges, added up."""
    g = Graph("gcn_sparse", opset=17)
    x = g.input("features", ["nodes", features])
    edges = g.input("edges", [2, "edges"], INT64)
    nodes = size_of(g, x, 0)
    self_loops = g.op("Range", g.int_scalar(0), nodes, g.int_scalar(1))
    self_loops = g.op("Tile", g.op("Unsqueeze", self_loops, g.ints(0)), g.ints(2, 1))
    edges = g.op("Concat", edges, self_loops, axis=1)
    source, target = (g.op("Gather", edges, g.int_scalar(i), axis=0) for i in range(2))
    ones = g.op("ConstantOfShape", g.op("Shape", target), value=_one_float())
    none = g.op("ConstantOfShape", joined(g, nodes))
    degree = g.op("ScatterElements", none, target, ones, axis=0, reduction="add")
    scale = g.op("Pow", degree, g.scalar(-0.5))
    scale = g.op("Where", g.op("Equal", scale, g.scalar(np.inf)), g.scalar(0.0), scale)
    weight = g.op("Mul", g.op("Mul", g.op("Gather", scale, source), ones),
                  g.op("Gather", scale, target))
    weight = g.op("Unsqueeze", weight, g.ints(-1))
    for i, (inputs, outputs) in enumerate([(features, hidden), (hidden, classes)]):
        x = g.op("MatMul", x, g.weight(f"conv{i}", (inputs, outputs), inputs, 2.5))
        sent = g.op("Mul", weight, g.op("Gather", x, source, axis=0))
        none = g.op("ConstantOfShape", joined(g, nodes, outputs))
        index = expand(g, g.op("Unsqueeze", target, g.ints(-1)), g.op("Shape", sent))
        x = g.op("ScatterElements", none, index, sent, axis=0, reduction="add")
        x = g.op("Add", x, g.near(f"conv{i}.bias", (outputs,), 0.0, 0.1))
        x = x if i else g.op("Relu", x)
    g.output(x, "logits", ["nodes", classes])
    return g.model()
