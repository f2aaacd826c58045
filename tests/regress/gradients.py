#!/usr/bin/env python3
"""Derivatives: what a Gradient node gives equals central differences, for every operator that has a
rule (src/lower/gradients.inc); in double precision, by the library itself.

ctest: timeout=120

A case is the body of a graph over double inputs of given shapes; its output y is weighted by random
numbers and summed, so that every element's derivative counts.
"""

import pathlib
import re
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper, parser

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import serval_binding  # noqa: E402
from _cases import run_with_sanitizer  # noqa: E402

STEP = 1e-5
TOLERANCE = 1e-6
CASES = []


def case(body, *shapes, low=-1.0, high=1.0, constants=None, dynamic=False):
    """Inputs are x, z, v; `constants` are further values. With `dynamic`, sizes are symbols."""
    CASES.append((body, shapes, low, high, constants or {}, dynamic))


for name in ("Abs", "Neg", "Exp", "Sin", "Cos", "Tanh", "Sigmoid", "Softplus", "Relu", "LeakyRelu",
             "Elu", "Erf", "Gelu", "Identity"):
    case(f"y = {name}(x)", (2, 3))
case('y = Gelu<approximate = "tanh">(x)', (2, 3))
for name in ("Log", "Sqrt", "Reciprocal"):
    case(f"y = {name}(x)", (2, 3), low=0.5, high=2)
case("y = Clip(x, low, high)", (3, 4), constants={"low": np.array(-0.3), "high": np.array(0.5)})
case("f = Cast<to = 1>(x) y = Cast<to = 11>(f)", (0, 3))
case("y = CastLike(x, z)", (2, 3), (1,))
case("y = Dropout(x)", (2, 3))
for shapes in (((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (4, 2, 3)), ((), (2, 2))):
    for name in ("Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean"):
        case(f"y = {name}(x, z)", *shapes)
        case(f"y = {name}(x, z)", *shapes, dynamic=True)
    for name in ("Div", "Pow"):
        case(f"y = {name}(x, z)", *shapes, low=0.5, high=2)
case("y = Where(c, x, z)", (2, 3), (3,), constants={"c": np.array([[True], [False]])})
for shapes in (((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((3,), (3, 4)),
               ((2, 3), (3,)), ((3,), (3,)), ((2, 1, 2, 3), (5, 3, 2)), ((4, 2, 3), (3,))):
    case("y = MatMul(x, z)", *shapes)
for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
    case(f"y = Gemm<alpha = 0.5, beta = 2.0, transA = {a}, transB = {b}>(x, z, v)",
         (3, 2) if a else (2, 3), (4, 3) if b else (3, 4), (4,))
case("y = Transpose<perm = [2, 0, 1]>(x)", (2, 3, 4))
case("y = Transpose(x)", (2, 3, 4))
case("y = Reshape(x, s)", (2, 6), constants={"s": np.array([3, -1])})
case("y = Flatten(x)", (2, 3, 2))
case("y = Squeeze(x)", (2, 1, 3))
case("y = Unsqueeze(x, a)", (2, 3), constants={"a": np.array([0, 2])})
case("y = Concat<axis = -1>(x, z, x)", (2, 3), (2, 1))
case("y = Concat<axis = 0>(x, z)", (2, 3), (1, 3), dynamic=True)
case("p, q = Split<axis = 1>(x, s) y = Mul(p, q)", (2, 6), constants={"s": np.array([3, 3])})
case("p, y = Split<axis = 0, num_outputs = 2>(x)", (4, 3))
case("y = Slice(x, b, e, a, s)", (5, 4), constants={
    "b": np.array([4, 0]), "e": np.array([0, 3]), "a": np.array([0, 1]), "s": np.array([-2, 2])})
case("y = Gather<axis = 1>(x, i)", (2, 4), constants={"i": np.array([[0, 3], [3, 3]])})
case("y = GatherElements<axis = 0>(x, i)", (3, 2), constants={"i": np.array([[0, 2], [2, 2]])})
case("y = GatherND(x, i)", (3, 2), constants={"i": np.array([[0, 1], [2, 0]])})
case("y = Expand(x, s)", (2, 1), constants={"s": np.array([4, 2, 3])})
case("y = Tile(x, r)", (2, 3), constants={"r": np.array([2, 2])})
case("y = DepthToSpace<blocksize = 2>(x)", (1, 4, 2, 3))
case("y = SpaceToDepth<blocksize = 2>(x)", (1, 1, 4, 2))
for name in ("ReduceSum", "ReduceMean"):
    case(f"y = {name}(x)", (2, 3))
    case(f"y = {name}<keepdims = 0>(x, a)", (2, 3, 4), constants={"a": np.array([0, -1])})
    case(f"y = {name}<keepdims = 1>(x, a)", (2, 3, 4), constants={"a": np.array([1])}, dynamic=True)
for name in ("Softmax", "LogSoftmax"):
    case(f"y = {name}(x)", (2, 5))
    case(f"y = {name}<axis = 0>(x)", (3, 4))
case("y = Conv(x, z, v)", (2, 3, 5, 6), (4, 3, 3, 2), (4,))
case("y = Conv<strides = [2, 1], pads = [1, 0, 2, 1]>(x, z)", (1, 2, 6, 5), (3, 2, 3, 3))
case("y = Conv<dilations = [2, 1], strides = [2, 3]>(x, z)", (2, 1, 8, 8), (2, 1, 3, 3))
case("y = Conv<group = 2, pads = [1, 1, 1, 1]>(x, z, v)", (2, 4, 4, 4), (6, 2, 3, 3), (6,))
case("y = Conv<group = 3, strides = [2, 2]>(x, z)", (3, 3, 5, 6), (3, 1, 2, 2))
case("y = Conv<pads = [1, 1]>(x, z)", (2, 2, 7), (3, 2, 3))
case("y = AveragePool<kernel_shape = [2, 3], strides = [2, 1]>(x)", (1, 2, 5, 6))
case("y = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1>(x)",
     (2, 3, 4, 4))
case("y = MaxPool<kernel_shape = [2, 2], strides = [1, 2]>(x)", (2, 2, 4, 5))
case("y = GlobalAveragePool(x)", (2, 3, 4, 5))
case("y = LayerNormalization(x, z, v)", (2, 3, 4), (4,), (4,))
case("y = LayerNormalization<axis = 1, epsilon = 0.1>(x, z)", (2, 3, 4), (3, 4))
case("y = BatchNormalization(x, z, v, m, d)", (2, 3, 4), (3,), (3,),
     constants={"m": np.array([0.1, 0.2, -0.3]), "d": np.array([0.5, 1, 2.0])})
for reduction in ("mean", "sum", "none"):
    labels = np.array([1, 0, 3])
    weights = np.array([0.5, 1, 2, 0.25])
    case(f'y = SoftmaxCrossEntropyLoss<reduction = "{reduction}">(x, t)', (3, 4),
         constants={"t": labels})
    case(f'y = SoftmaxCrossEntropyLoss<reduction = "{reduction}", ignore_index = 3>(x, t, w)',
         (3, 4), constants={"t": labels, "w": weights})
    case(f'l = LogSoftmax<axis = 1>(x) y = NegativeLogLikelihoodLoss<reduction = "{reduction}">'
         "(l, t, w)", (2, 4, 3), constants={"t": np.array([[1, 0, 3], [2, 2, 1]]), "w": weights})
case("h = Mul(x, x) y = Mul(h, x)", (2, 2))
case("h = Tanh(x) p = MatMul(h, z) q = Softmax(p) y = Add(q, h)", (3, 3), (3, 3))


def input_names(shapes):
    return ["x", "z", "v"][:len(shapes)]


def build(body, shapes, constants, dynamic, loss, gradient):
    """The model: the loss is y itself, or the sum of y weighted by `loss`."""
    sizes = iter("abcdefghijklmnop")
    inputs = ", ".join(
        "double[{}] {}".format(",".join(next(sizes) if dynamic else str(d) for d in shape), name)
        for name, shape in zip(input_names(shapes), shapes))
    text = f'<ir_version: 10, opset_import: ["" : 21]> g ({inputs}) => () {{ {body} }}'
    model = parser.parse_model(text)
    graph = model.graph
    for name, value in constants.items():
        graph.initializer.append(numpy_helper.from_array(value, name))
    outputs = ["y"]
    if loss is not None:
        graph.initializer.append(numpy_helper.from_array(loss, "loss_weights"))
        graph.node.extend([helper.make_node("Mul", ["y", "loss_weights"], ["weighted"]),
                           helper.make_node("ReduceSum", ["weighted"], ["loss"], keepdims=0)])
        outputs = ["loss"]
    if gradient:
        names = input_names(shapes)
        outputs = ["d_" + n for n in names]
        graph.node.append(helper.make_node("Gradient", names, outputs, y="loss", xs=names,
                                           domain="ai.onnx.preview.training"))
        model.opset_import.append(helper.make_opsetid("ai.onnx.preview.training", 1))
    for name in outputs:
        graph.output.append(helper.make_empty_tensor_value_info(name))
    return model.SerializeToString()


class Runner:
    """A model that is called with its inputs as arrays."""

    def __init__(self, runtime, data):
        self.model = serval_binding.Model(runtime, data)
        self.session = serval_binding.Session(self.model)

    def __call__(self, arrays):
        for (name, _, _), array in zip(self.model.inputs, arrays):
            self.session.bind(name, array)
        self.session.run()
        return [self.session.output(i) for i in range(len(self.model.outputs))]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.session.__exit__()
        self.model.__exit__()


def differences(loss, arrays):
    """Central differences of a scalar function."""
    found = []
    for i, array in enumerate(arrays):
        slope = np.zeros_like(array)
        for at in np.ndindex(array.shape):
            ends = []
            for step in (STEP, -STEP):
                moved = [a.copy() for a in arrays]
                moved[i][at] += step
                ends.append(float(loss(moved)[0]))
            slope[at] = (ends[0] - ends[1]) / (2 * STEP)
        found.append(slope)
    return found


def check(runtime, index):
    body, shapes, low, high, constants, dynamic = CASES[index]
    rng = np.random.default_rng(index)
    arrays = [rng.uniform(low, high, shape) for shape in shapes]
    with Runner(runtime, build(body, shapes, constants, dynamic, None, False)) as forward:
        weights = rng.uniform(-1, 1, forward(arrays)[0].shape)
    with Runner(runtime, build(body, shapes, constants, dynamic, weights, False)) as loss:
        slopes = differences(loss, arrays)
    with Runner(runtime, build(body, shapes, constants, dynamic, weights, True)) as backward:
        found = backward(arrays)
    for name, got, expected in zip(input_names(shapes), found, slopes):
        if got.shape != expected.shape:
            return f"d{name}: expected shape {expected.shape}, found {got.shape}"
        error = np.abs(got - expected).max(initial=0) / max(1, np.abs(expected).max(initial=0))
        if not error <= TOLERANCE:
            return f"d{name}: differs by {error:.1e}\n{got}\n{expected}"
    return None


def run():
    runtime = serval_binding.Runtime(threads=1)
    failed = 0
    for index, (body, shapes, *_, dynamic) in enumerate(CASES):
        try:
            problem = check(runtime, index)
        except serval_binding.ServalError as error:
            problem = str(error)
        if problem:
            failed += 1
            print(f"{body} {shapes}{' dynamic' if dynamic else ''}: {problem}")
    rules = re.findall(r"^RULE\((\w+),", (ROOT / "src/lower/gradients.inc").read_text(), re.M)
    used = {n.op_type for c in CASES for n in parser.parse_graph(
        f"g (double[1] x) => () {{ {c[0]} }}").node}
    for name in set(rules) - used:
        failed += 1
        print(f"{name}: it has a rule, but no case")
    print(f"{len(CASES)} cases, {failed} failures")
    return failed > 0


if __name__ == "__main__":
    sys.exit(run_with_sanitizer(__file__, run))
