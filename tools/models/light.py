"""The nine `light` graphs of the onnx package with random weights instead of constant ones.

They are real topologies (AlexNet to ShuffleNet) as exporters wrote them, but every weight there is
a ConstantOfShape. The graphs keep their nodes, opset and IR version; only those weights change, and
a final Softmax is cut off.
"""

import pathlib

import numpy as np
import onnx
from onnx import numpy_helper

from .builder import random_source

NAMES = (
    "bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50",
    "shufflenet", "squeezenet", "vgg19", "zfnet512",
)

# Gain of a branch before it is added to its shortcut: keeps sums of many blocks near 1.
BRANCH_GAIN = 0.4


def build(name):
    """Returns light_<name> with random weights and its logits as the output."""
    folder = pathlib.Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    model = onnx.load(folder / f"light_{name}.onnx")
    _randomise(model.graph, name)
    cut_softmax(model.graph)
    onnx.checker.check_model(model, full_check=True)
    return model


def cut_softmax(graph):
    """Makes the input of a final Softmax the graph's output."""
    output = graph.output[0]
    last = next(n for n in graph.node if output.name in n.output)
    if last.op_type == "Softmax":
        graph.node.remove(last)
        output.name = last.input[0]


def _randomise(graph, name):
    """Replaces the constant weights, whether filled by a node or stored, by random ones."""
    shapes = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    fills = [n for n in graph.node if n.op_type == "ConstantOfShape"]
    weights = {n.output[0]: tuple(shapes[n.input[0]]) for n in fills}
    for tensor in graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            weights[tensor.name] = tuple(tensor.dims)

    consumers = {}
    producers = {value: node for node in graph.node for value in node.output}
    for node in graph.node:
        for at, value in enumerate(node.input):
            consumers.setdefault(value, []).append((node, at))

    dropped = {n.input[0] for n in fills} | set(weights)
    kept = [i for i in graph.initializer if i.name not in dropped]
    made = [
        numpy_helper.from_array(_values(name, weight, shape, consumers, producers), weight)
        for weight, shape in sorted(weights.items())
    ]
    _replace(graph.initializer, kept + made)
    _replace(graph.node, [n for n in graph.node if n.op_type != "ConstantOfShape"])
    # IR 3 lists every initializer among the inputs as well.
    inputs = [i for i in graph.input if i.name not in dropped]
    inputs += [onnx.helper.make_tensor_value_info(m.name, m.data_type, m.dims) for m in made]
    _replace(graph.input, inputs)


def _replace(field, items):
    items = list(items)
    del field[:]
    field.extend(items)


def _use(weight, consumers):
    """Returns (node, position) of the operator that uses a weight, through a change of shape."""
    node, at = consumers[weight][0]
    while node.op_type in ("Unsqueeze", "Reshape"):
        node, at = consumers[node.output[0]][0]
    return node, at


def _feeds_sum(node, consumers):
    return any(n.op_type == "Sum" for n, _ in consumers.get(node.output[0], []))


def _rectified(value, producers):
    """Whether a value has been through Relu since the last layer with weights."""
    while value in producers:
        node = producers[value]
        if node.op_type in ("Conv", "Gemm", "BatchNormalization"):
            return False
        if node.op_type == "Relu":
            return True
        value = node.input[0]
    return False


def _values(model, weight, shape, consumers, producers):
    """Random values that fit what the weight is used for."""
    rng = random_source(model, weight)
    if weight not in consumers:
        return np.zeros(shape, np.float32)
    node, at = _use(weight, consumers)
    normal = rng.standard_normal(shape, np.float32)
    role = (node.op_type, at)
    if role in (("Conv", 1), ("Gemm", 1)):
        fan_in = np.prod(shape[1:]) if len(shape) > 1 else shape[0]
        power = 2.0 if _rectified(node.input[0], producers) else 1.0
        return normal * np.float32(np.sqrt(power / fan_in))
    if role == ("BatchNormalization", 1):
        scale = np.float32(BRANCH_GAIN if _feeds_sum(node, consumers) else 1.0)
        return scale * (1 + np.float32(0.1) * normal)
    if role == ("BatchNormalization", 4):
        return np.float32(0.7) + np.float32(0.6) * rng.random(shape, np.float32)
    if role == ("Mul", 1):
        return 1 + np.float32(0.1) * normal
    if node.op_type in ("Conv", "Gemm", "BatchNormalization", "Add"):
        return np.float32(0.1) * normal
    raise ValueError(f"light_{model}: weight {weight} has an unknown use, {role}")
