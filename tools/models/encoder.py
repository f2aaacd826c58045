"""Transformer encoders of BERT's shape, in the forms that PyTorch's exporters give them.

`Style` says which form: shapes fixed, or computed in the graph from the inputs; normalisation and
GELU as one operator or as the chain that older opsets need; the mask added or chosen with Where.
"""

import dataclasses
import math

import numpy as np
from onnx import TensorProto

from .builder import INT64, Graph

LOWEST = float(np.finfo(np.float32).min)
POSITIONS = 512
VOCABULARY = 30522


@dataclasses.dataclass(frozen=True)
class Shape:
    """Sizes of an encoder (Devlin et al. 2019, section 3)."""

    layers: int
    hidden: int
    heads: int

    @property
    def head(self):
        return self.hidden // self.heads


BERT_BASE = Shape(layers=12, hidden=768, heads=12)
MINILM_L6 = Shape(layers=6, hidden=384, heads=12)


@dataclasses.dataclass(frozen=True)
class Style:
    """How an exporter would write it. `sequence` 0: batch and sequence length vary."""

    opset: int
    sequence: int = 0
    whole_norm: bool = False
    whole_gelu: bool = False
    where_mask: bool = False


def encoder(name, shape, style):
    """Returns the model: input_ids, attention_mask, token_type_ids to last_hidden_state."""
    g = Graph(name, style.opset)
    dims = [1, style.sequence] if style.sequence else ["batch", "sequence"]
    ids = g.input("input_ids", dims, INT64)
    mask = g.input("attention_mask", dims, INT64)
    types = g.input("token_type_ids", dims, INT64)
    x = _embed(g, shape, style, ids, types)
    bias = attention_bias(g, style, mask)
    for i in range(shape.layers):
        x = _layer(g, shape, style, f"layer{i}", x, bias)
    g.output(x, "last_hidden_state", [*dims, shape.hidden])
    return g.model()


# --------------------------------------------------------------------------------- shape chains


def size_of(g, x, axis):
    """One size of a value as a scalar: Shape, then Gather."""
    return g.op("Gather", g.op("Shape", x), g.int_scalar(axis), axis=0)


def joined(g, *sizes):
    """A shape vector from scalars computed in the graph and known numbers."""
    parts = [
        g.ints(s) if isinstance(s, int) else g.op("Unsqueeze", s, g.ints(0)) for s in sizes
    ]
    return g.op("Concat", *parts, axis=0)


def reshape(g, style, x, *tail):
    """[batch, sequence, ...] to [batch, sequence, *tail]."""
    if style.sequence:
        return g.op("Reshape", x, g.ints(1, style.sequence, *tail))
    return g.op("Reshape", x, joined(g, size_of(g, x, 0), size_of(g, x, 1), *tail))


def expand(g, x, shape):
    """torch's expand: -1 keeps a size, which the exporter writes out as Equal and Where."""
    ones = g.op("ConstantOfShape", g.op("Shape", shape), value=_one())
    kept = g.op("Equal", shape, g.op("Mul", ones, g.int_scalar(-1)))
    return g.op("Expand", x, g.op("Where", kept, ones, shape))


def _one():
    from onnx import helper

    return helper.make_tensor("value", TensorProto.INT64, [1], [1])


# ---------------------------------------------------------------------------------------- parts


def _embed(g, shape, style, ids, types):
    hidden = shape.hidden
    words = g.weight("embeddings.word", (VOCABULARY, hidden), fan_in=1, gain=0.8)
    kinds = g.weight("embeddings.type", (2, hidden), fan_in=1, gain=0.3)
    places = g.weight("embeddings.position", (POSITIONS, hidden), fan_in=1, gain=0.3)
    numbers = g.array("embeddings.position_ids", np.arange(POSITIONS, dtype=np.int64)[None])
    if style.sequence:
        end = g.ints(style.sequence)
    else:
        end = g.op("Unsqueeze", size_of(g, ids, 1), g.ints(0))
    positions = g.op("Slice", numbers, g.ints(0), end, g.ints(1), g.ints(1))
    x = g.op("Add", g.op("Gather", words, ids), g.op("Gather", kinds, types))
    x = g.op("Add", x, g.op("Gather", places, positions))
    return _norm(g, shape, style, "embeddings.norm", x)


def attention_bias(g, style, mask):
    """0 where a token may be looked at, the lowest float where not; [batch, 1, 1 or seq, seq]."""
    row = g.op("Unsqueeze", g.op("Unsqueeze", mask, g.ints(1)), g.ints(2))
    if not style.where_mask:
        hidden = g.op("Sub", g.scalar(1.0), g.op("Cast", row, to=TensorProto.FLOAT))
        return g.op("Mul", hidden, g.scalar(LOWEST))
    if style.sequence:
        full = g.op("Expand", row, g.ints(1, 1, style.sequence, style.sequence))
    else:
        length = size_of(g, mask, 1)
        full = expand(g, row, joined(g, size_of(g, mask, 0), 1, length, length))
    hidden = g.op("Sub", g.scalar(1.0), g.op("Cast", full, to=TensorProto.FLOAT))
    return g.op("Where", g.op("Cast", hidden, to=TensorProto.BOOL), g.scalar(LOWEST), hidden)


def _layer(g, shape, style, name, x, bias):
    attended = _attention(g, shape, style, f"{name}.attention", x, bias)
    x = _norm(g, shape, style, f"{name}.norm1", g.op("Add", attended, x))
    inner = linear(g, f"{name}.wide", x, shape.hidden, 4 * shape.hidden)
    inner = _gelu(g, style, inner)
    inner = linear(g, f"{name}.narrow", inner, 4 * shape.hidden, shape.hidden, gain=1.5)
    return _norm(g, shape, style, f"{name}.norm2", g.op("Add", inner, x))


def _attention(g, shape, style, name, x, bias):
    def heads(part, order):
        y = linear(g, f"{name}.{part}", x, shape.hidden, shape.hidden)
        y = reshape(g, style, y, shape.heads, shape.head)
        return g.op("Transpose", y, perm=order)

    query = heads("query", [0, 2, 1, 3])
    key = heads("key", [0, 2, 3, 1])
    value = heads("value", [0, 2, 1, 3])
    scores = g.op("Div", g.op("MatMul", query, key), g.scalar(math.sqrt(shape.head)))
    weights = g.op("Softmax", g.op("Add", scores, bias), axis=-1)
    mixed = g.op("Transpose", g.op("MatMul", weights, value), perm=[0, 2, 1, 3])
    mixed = reshape(g, style, mixed, shape.hidden)
    return linear(g, f"{name}.output", mixed, shape.hidden, shape.hidden)


def linear(g, name, x, inputs, outputs, gain=1.0):
    weight = g.weight(f"{name}.weight", (inputs, outputs), fan_in=inputs, gain=gain)
    return g.op("Add", g.near(f"{name}.bias", (outputs,), 0.0, 0.1), g.op("MatMul", x, weight))


def _norm(g, shape, style, name, x):
    scale = g.near(f"{name}.weight", (shape.hidden,), 1.0, 0.1)
    bias = g.near(f"{name}.bias", (shape.hidden,), 0.0, 0.1)
    if style.whole_norm:
        return g.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-12)
    return norm_in_steps(g, x, scale, bias)


def norm_in_steps(g, x, scale, bias):
    """Layer normalisation as exporters write it before opset 17."""
    centred = g.op("Sub", x, g.op("ReduceMean", x, axes=[-1]))
    variance = g.op("ReduceMean", g.op("Pow", centred, g.scalar(2.0)), axes=[-1])
    deviation = g.op("Sqrt", g.op("Add", variance, g.scalar(1e-12)))
    return g.op("Add", g.op("Mul", g.op("Div", centred, deviation), scale), bias)


def _gelu(g, style, x):
    if style.whole_gelu:
        return g.op("Gelu", x)
    curve = g.op("Add", g.op("Erf", g.op("Div", x, g.scalar(math.sqrt(2.0)))), g.scalar(1.0))
    return g.op("Mul", g.op("Mul", x, curve), g.scalar(0.5))


# --------------------------------------------------------------------------------------- inputs


def inputs(batch, sequence):
    """Returns a maker of inputs: random tokens; later rows are shorter and padded."""

    def make(rng):
        lengths = np.array([max(1, sequence - 5 * i) for i in range(batch)])
        real = np.arange(sequence)[None] < lengths[:, None]
        ids = rng.integers(1000, VOCABULARY, (batch, sequence)) * real
        second = (np.arange(sequence)[None] >= lengths[:, None] // 2) & real
        return {
            "input_ids": ids.astype(np.int64),
            "attention_mask": real.astype(np.int64),
            "token_type_ids": second.astype(np.int64),
        }

    return make
