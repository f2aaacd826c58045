"""Builds random ONNX graphs node by node, with the shape of every value known for each run.

A graph is run with several sets of input shapes, so a dimension is a tuple of sizes, one a run; a
dimension that only running tells (NonZero, branches of different sizes) is a string that equals
itself alone. Which operators exist is not here but in differential_ops.py.
"""

import math
import random

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

F32, F64, I32, I64 = (np.dtype(t) for t in ("float32", "float64", "int32", "int64"))
U8, I8, BOOL = (np.dtype(t) for t in ("uint8", "int8", "bool"))
MAX_ELEMENTS = 6_000
MAX_ELEMENTS_LARGE = 150_000
MAX_MAGNITUDE = 1e4


class Skip(Exception):
    """The operator drawn finds no operands here; another one is drawn."""


class Value:
    """A tensor of the graph. `bound` is a rough bound of its magnitude; `exact` says that every
    right engine gives the same bits, so that comparisons and roundings may follow."""

    def __init__(self, name, dtype, shape, bound, exact):
        self.name, self.dtype, self.shape = name, np.dtype(dtype), tuple(shape)
        self.bound, self.exact = bound, exact

    @property
    def rank(self):
        return len(self.shape)


def known(dim):
    return not isinstance(dim, str)


def fixed(dim):
    """Whether the dimension is the same in all runs."""
    return known(dim) and len(set(dim)) == 1


def at_least(dim, n):
    return known(dim) and min(dim) >= n


def each(function, *dims):
    """Applies a function to the sizes of each run."""
    return tuple(function(*sizes) for sizes in zip(*dims))


def _broadcast_size(a, b):
    if a != b and 1 not in (a, b):
        raise Skip
    return b if a == 1 else a


def _broadcast_dim(a, b):
    if known(a) and known(b):
        return each(_broadcast_size, a, b)
    if a == b or (known(b) and set(b) == {1}):
        return a
    if known(a) and set(a) == {1}:
        return b
    raise Skip


def broadcast(*shapes):
    """The shape that all broadcast to; raises Skip where some run does not allow it."""
    rank = max(len(s) for s in shapes)
    result = None
    for shape in shapes:
        padded = [None] * (rank - len(shape)) + list(shape)
        if result is None:
            result = padded
            continue
        result = [b if a is None else a if b is None else _broadcast_dim(a, b)
                  for a, b in zip(result, padded)]
    return tuple(result)


class Builder:
    """A graph being built. A branch's builder has a parent, whose values it may capture."""

    def __init__(self, seed, parent=None):
        self.parent = parent
        self.nodes, self.values, self.inputs = [], [], []
        if parent:
            for name in ("rng", "numbers", "runs", "opset", "limit", "initializers", "counter",
                         "zeros", "data", "shared"):
                setattr(self, name, getattr(parent, name))
            self.values = list(parent.values)
            return
        self.rng = random.Random(seed)
        self.numbers = np.random.default_rng(self.rng.getrandbits(64))
        self.runs = self.rng.choice((1, 1, 2, 3))
        self.opset = self.rng.choice((18, 20, 21, 22))
        self.limit = MAX_ELEMENTS_LARGE if self.rng.random() < 0.2 else MAX_ELEMENTS
        self.zeros = self.rng.random() < 0.08
        self.initializers, self.counter = [], [0]
        self.data = [{} for _ in range(self.runs)]
        self.shared = {}

    @property
    def parts(self):
        """What operators append to: a pattern that is given up is cut off here again."""
        return self.nodes, self.values, self.initializers, self.inputs

    # ---- names, sizes ------------------------------------------------------------------------

    def name(self, stem):
        self.counter[0] += 1
        return f"{stem}_{self.counter[0]}"

    def chance(self, p):
        return self.rng.random() < p

    def fix(self, n):
        return (n,) * self.runs

    def token(self):
        return self.name("?")

    def size(self):
        """A random size of a dimension: small, often odd, sometimes 1, seldom 0."""
        if self.zeros and self.chance(0.15):
            return 0
        if self.limit == MAX_ELEMENTS_LARGE and self.chance(0.3):
            return self.rng.choice((31, 32, 33, 48, 64, 65, 100))
        return self.rng.choice((1, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 12, 13, 16, 17, 20))

    def dim(self, may_vary):
        if may_vary and self.runs > 1 and self.chance(0.5):
            return tuple(self.size() for _ in range(self.runs))
        return self.fix(self.size())

    def elements(self, shape):
        """The largest number of elements in any run; unknown dimensions count as 30."""
        sizes = [dim if known(dim) else self.fix(30) for dim in shape]
        return max((math.prod(s) for s in zip(*sizes)), default=1) if sizes else 1

    # ---- values ------------------------------------------------------------------------------

    def random_array(self, dtype, shape):
        """Numbers for inputs and constants: floats are normal or multiples of 1/8."""
        dtype = np.dtype(dtype)
        if dtype == BOOL:
            return np.asarray(self.numbers.random(shape) < 0.5)
        if dtype.kind == "u":
            return np.asarray(self.numbers.integers(0, 12, shape), dtype)
        if dtype.kind == "i":
            return np.asarray(self.numbers.integers(-6, 7, shape), dtype)
        if self.chance(0.3):
            return np.asarray(self.numbers.integers(-16, 17, shape) / 8, dtype)
        return np.asarray(np.clip(self.numbers.standard_normal(shape), -3, 3), dtype)

    def constant(self, array, stem="c"):
        """A constant: an initializer, or a Constant node. Returns its name."""
        array = np.asarray(array)
        name = self.name(stem)
        if self.chance(0.1):
            tensor = numpy_helper.from_array(array, name)
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        else:
            self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def constant_value(self, array, stem="c"):
        array = np.asarray(array)
        bound = float(np.abs(array.astype(np.float64)).max()) if array.size else 0.0
        shape = map(self.fix, array.shape)
        return Value(self.constant(array, stem), array.dtype, shape, bound, True)

    def weights(self, dtype, shape, fan_in):
        """A constant scaled so that sums over `fan_in` products stay of the same size. Sometimes
        one that exists already, or an expression of one."""
        key = np.dtype(dtype), tuple(shape)
        there = self.shared.get(key)
        if any(i.name == there for i in self.initializers) and self.chance(0.3):
            return there
        array = self.numbers.standard_normal(shape) / math.sqrt(max(1, fan_in))
        name = self.constant(array.astype(dtype), "w")
        kind = self.rng.random()
        if kind < 0.08 and len(shape) == 2:
            name = self.constant(np.ascontiguousarray(array.astype(dtype).T), "w")
            name = self.add("Transpose", [name], [(dtype, map(self.fix, shape), 3.0, True)],
                            perm=[1, 0]).name
        elif kind < 0.14:
            half = self.constant(np.array(0.5, dtype))
            name = self.add("Mul", [name, half], [(dtype, map(self.fix, shape), 3.0, True)]).name
        else:
            self.shared[key] = name
        return name

    def add_input(self, dtype, shape):
        if self.parent:
            raise Skip
        shape = tuple(shape)
        if self.elements(shape) > self.limit:
            raise Skip
        value = Value(self.name("x"), dtype, shape, 3.0 if np.dtype(dtype).kind == "f" else 12.0,
                      True)
        for run in range(self.runs):
            sizes = [dim[run] for dim in shape]
            self.data[run][value.name] = self.random_array(dtype, sizes)
        self.inputs.append(value)
        self.values.append(value)
        return value

    def pick(self, accept=lambda v: True):
        """A value that `accept` takes; later ones are likelier."""
        found = [v for v in self.values if accept(v)]
        if not found:
            raise Skip
        if self.chance(0.55):
            found = found[-4:]
        return self.rng.choice(found)

    def pick_float(self, rank=None, min_rank=0, accept=lambda v: True):
        def fits(v):
            if v.dtype != F32 or v.rank < min_rank or (rank is not None and v.rank != rank):
                return False
            return accept(v)
        return self.pick(fits)

    def add(self, op, inputs, outputs, **attributes):
        """Adds a node. `outputs` lists (dtype, shape, bound, exact), or None for an omitted one.
        Inputs are values, names, or None. Returns the values (one alone, or a list)."""
        outputs = [spec and (spec[0], tuple(spec[1]), *spec[2:]) for spec in outputs]
        for spec in filter(None, outputs):
            if self.elements(spec[1]) > self.limit or spec[2] > MAX_MAGNITUDE or len(spec[1]) > 6:
                raise Skip
        names = [i.name if isinstance(i, Value) else i or "" for i in inputs]
        made = [spec and Value(self.name("v"), *spec) for spec in outputs]
        node = helper.make_node(op, names, [v.name if v else "" for v in made],
                                name=self.name(op), **attributes)
        self.nodes.append(node)
        self.values += [v for v in made if v]
        return made[0] if len(made) == 1 else made

    def same(self, op, x, bound=None, exact=False, more=(), **attributes):
        """Adds a node whose output has the dtype and shape of `x`."""
        bound = x.bound if bound is None else bound
        return self.add(op, [x, *more], [(x.dtype, x.shape, bound, exact)], **attributes)


# ------------------------------------------------------------------------------------ protobuf


def value_info(value, rng, runs):
    """The declaration of a graph's input or output; sizes that vary are named or left out."""
    dims = []
    for i, dim in enumerate(value.shape):
        if fixed(dim) and (runs == 1 or rng.random() < 0.8):
            dims.append(dim[0])
        elif not known(dim) or rng.random() < 0.5:
            dims.append(None)
        else:
            dims.append(f"n{dim[0]}" if fixed(dim) or rng.random() < 0.5 else f"{value.name}_{i}")
    return helper.make_tensor_value_info(
        value.name, helper.np_dtype_to_tensor_dtype(value.dtype), dims)


def output_info(value):
    """Outputs are declared by rank alone: their sizes are what is tested."""
    return helper.make_tensor_value_info(
        value.name, helper.np_dtype_to_tensor_dtype(value.dtype), [None] * value.rank)


def choose_outputs(builder):
    """Everything that nobody reads, and some of what is read elsewhere too."""
    used = {name for node in builder.nodes for name in all_inputs(node)}
    made = {name for node in builder.nodes for name in node.output}
    outputs = [v for v in builder.values if v.name in made and v.name not in used]
    inner = [v for v in builder.values if v.name in made and v.name in used]
    builder.rng.shuffle(inner)
    outputs += inner[:builder.rng.choice((0, 0, 1, 2, 4))]
    if builder.chance(0.05) and builder.inputs:
        outputs.append(builder.rng.choice(builder.inputs))
    builder.rng.shuffle(outputs)
    return outputs


def all_inputs(node):
    """Names that a node reads, those that its bodies capture included."""
    names = list(node.input)
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            for inner in attribute.g.node:
                names += all_inputs(inner)
            names += [o.name for o in attribute.g.output]
    return names


def to_model(builder, outputs):
    graph = helper.make_graph(
        builder.nodes, "random", [value_info(v, builder.rng, builder.runs) for v in builder.inputs],
        [output_info(v) for v in outputs], builder.initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", builder.opset)],
                             ir_version=9, producer_name="differential")


__all__ = [name for name in dir() if not name.startswith("_")] + ["TensorProto"]
