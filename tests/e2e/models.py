"""Small ONNX models for tests, written byte by byte: no package is needed.

The field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto)."""
import random
import struct

FLOAT, INT64, STRING, BOOL = 1, 7, 8, 9


def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    """An integer, text, bytes, or a list of these."""
    if isinstance(value, (list, tuple)):
        return b"".join(field(number, v) for v in value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def value_info(name, dtype, shape):
    """Dimensions are numbers or names; shape None is unknown."""
    dims = b""
    for dim in shape or []:
        dims += field(1, field(2, dim) if isinstance(dim, str) else field(1, dim))
    tensor = field(1, dtype) + (b"" if shape is None else field(2, dims))
    return field(1, name) + field(2, field(1, tensor))


def int_attribute(name, value):
    return field(1, name) + field(3, value) + field(20, 2)


def node(op, inputs, outputs, attributes=()):
    return (field(1, list(inputs)) + field(2, list(outputs)) + field(3, f"{op}_{outputs[0]}") +
            field(4, op) + field(5, list(attributes)))


def tensor(name, dtype, dims, raw):
    return field(1, list(dims)) + field(2, dtype) + field(8, name) + field(9, raw)


def floats(name, dims, values):
    return tensor(name, FLOAT, dims, struct.pack(f"<{len(values)}f", *values))


def int64s(name, dims, values):
    return tensor(name, INT64, dims, struct.pack(f"<{len(values)}q", *values))


def model(nodes, inputs, outputs, constants=(), opset=17):
    graph = (field(1, list(nodes)) + field(2, "test") + field(5, list(constants)) +
             field(11, list(inputs)) + field(12, list(outputs)))
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, opset))


def two_inputs():
    """sum = a + float(b), count = b doubled; both [N, 2]."""
    return model(
        [node("Cast", ["b"], ["bf"], [int_attribute("to", FLOAT)]),
         node("Add", ["a", "bf"], ["sum"]),
         node("Add", ["b", "b"], ["count"])],
        [value_info("a", FLOAT, ["N", 2]), value_info("b", INT64, ["N", 2])],
        [value_info("sum", FLOAT, ["N", 2]), value_info("count", INT64, ["N", 2])])


def scalar():
    """y = x + 1 for a scalar."""
    return model([node("Add", ["x", "one"], ["y"])], [value_info("x", FLOAT, [])],
                 [value_info("y", FLOAT, [])], [floats("one", [], [1.0])])


def trips():
    """y = x + 1 + 1 .., n times: a run as long as its request says."""
    scalar_of = {"i": INT64, "go": BOOL, "s": FLOAT, "going": BOOL, "next": FLOAT}
    info = {name: value_info(name, dtype, [1] if dtype == FLOAT else [])
            for name, dtype in scalar_of.items()}
    body = (field(1, [node("Identity", ["go"], ["going"]), node("Add", ["s", "one"], ["next"])]) +
            field(2, "body") + field(11, [info["i"], info["go"], info["s"]]) +
            field(12, [info["going"], info["next"]]))
    loop = node("Loop", ["n", "", "x"], ["y"], [field(1, "body") + field(6, body) + field(20, 5)])
    return model([loop], [value_info("n", INT64, [1]), value_info("x", FLOAT, [1])],
                 [value_info("y", FLOAT, [1])], [floats("one", [1], [1.0])])


FOR_EVER = 1 << 50  # trips that end long after everybody has gone


def trips_body(count, **parameters):
    """A request to it in the Open Inference Protocol."""
    return {"inputs": [{"name": "n", "shape": [1], "datatype": "INT64", "data": [count]},
                       {"name": "x", "shape": [1], "datatype": "FP32", "data": [0.5]}],
            "parameters": parameters}


def row_mixer():
    """y = x divided by the sum of its column: rows of a batch depend on each other."""
    return model(
        [node("ReduceSum", ["x", "axis"], ["total"], [int_attribute("keepdims", 1)]),
         node("Div", ["x", "total"], ["y"])],
        [value_info("x", FLOAT, ["N", 2])], [value_info("y", FLOAT, ["N", 2])],
        [int64s("axis", [1], [0])])


def gather():
    """y = table[i]: an index beyond 4 rows is an error of the data."""
    return model([node("Gather", ["table", "i"], ["y"])], [value_info("i", INT64, ["N"])],
                 [value_info("y", FLOAT, ["N", 2])],
                 [floats("table", [4, 2], [0, 1, 2, 3, 4, 5, 6, 7])])


def slow(products=8, size=1024):
    """Large products that start from one number: about 0.1 s of work each on one slow core, in a
    small file."""
    nodes = [node("Expand", ["x", "shape"], ["m0"])]
    for i in range(products):
        nodes.append(node("MatMul", [f"m{i}", "m0"], [f"p{i}"]))
        nodes.append(node("Mul", [f"p{i}", "scale"], [f"m{i + 1}"]))
    nodes.append(node("ReduceMean", [f"m{products}"], ["y"], [int_attribute("keepdims", 0)]))
    return model(nodes, [value_info("x", FLOAT, [1, 1])], [value_info("y", FLOAT, [])],
                 [int64s("shape", [2], [size, size]), floats("scale", [], [1.0 / size])])


def ints_attribute(name, values):
    return field(1, name) + field(8, list(values)) + field(20, 7)


def encoder(vocabulary=32, width=8):
    """Attention over tokens of any length: hidden [N, sequence, width], and their mean as pooled.
    Tokens whose mask is 0 change nothing."""
    rng = random.Random(7)
    table = [rng.uniform(-1, 1) for _ in range(vocabulary * width)]
    nodes = [node("Gather", ["table", "ids"], ["x"]),
             node("Transpose", ["x"], ["xt"], [ints_attribute("perm", [0, 2, 1])]),
             node("MatMul", ["x", "xt"], ["scores"]),
             node("Unsqueeze", ["mask", "axis1"], ["mask1"]),
             node("Sub", ["mask1", "one"], ["off"]),
             node("Mul", ["off", "large"], ["bias"]),
             node("Add", ["scores", "bias"], ["masked"]),
             node("Softmax", ["masked"], ["weights"], [int_attribute("axis", -1)]),
             node("MatMul", ["weights", "x"], ["hidden"]),
             node("Unsqueeze", ["mask", "axis2"], ["mask2"]),
             node("Mul", ["hidden", "mask2"], ["kept"]),
             node("ReduceSum", ["kept", "axis1"], ["sum"], [int_attribute("keepdims", 0)]),
             node("ReduceSum", ["mask", "axis1"], ["count"], [int_attribute("keepdims", 1)]),
             node("Div", ["sum", "count"], ["pooled"])]
    return model(nodes, [value_info("ids", INT64, ["N", "sequence"]),
                         value_info("mask", FLOAT, ["N", "sequence"])],
                 [value_info("hidden", FLOAT, ["N", "sequence", width]),
                  value_info("pooled", FLOAT, ["N", width])],
                 [floats("table", [vocabulary, width], table), floats("one", [], [1]),
                  floats("large", [], [1e9]),
                  int64s("axis1", [1], [1]), int64s("axis2", [1], [2])])


def strings_attribute(name, values):
    return field(1, name) + field(9, list(values)) + field(20, 8)


def zipmap(labels=("cat", "dog", "emu")):
    """What scikit-learn's converter ends a classifier with: for each row a map from labels to
    scores, here the inputs themselves; and the scores doubled, as a tensor."""
    key = field(1, STRING) + field(2, field(1, field(1, FLOAT)))
    sequence = field(1, "maps") + field(2, field(4, field(1, field(5, key))))
    zip_node = (node("ZipMap", ["x"], ["maps"], [strings_attribute("classlabels_strings", labels)]) +
                field(7, "ai.onnx.ml"))
    return (model([zip_node, node("Add", ["x", "x"], ["twice"])],
                  [value_info("x", FLOAT, ["N", len(labels)])],
                  [sequence, value_info("twice", FLOAT, ["N", len(labels)])]) +
            field(8, field(1, "ai.onnx.ml") + field(2, 3)))


def text_echo():
    """out = the texts as they came; [N]."""
    return model([node("Identity", ["text"], ["out"])], [value_info("text", STRING, ["N"])],
                 [value_info("out", STRING, ["N"])])


def flags():
    """out = not in, for booleans and any shape of two dimensions."""
    return model([node("Not", ["in"], ["out"])], [value_info("in", BOOL, ["N", "M"])],
                 [value_info("out", BOOL, ["N", "M"])])


def column_sums():
    """y = the sums of the columns of x: the batch is the second axis."""
    return model([node("ReduceSum", ["x", "axis"], ["y"], [int_attribute("keepdims", 0)])],
                 [value_info("x", FLOAT, [3, "N"])], [value_info("y", FLOAT, ["N"])],
                 [int64s("axis", [1], [0])])


def features():
    """Inputs of three types, for tf.Examples: total = a[0] + a[1] + n [N], twice = a doubled [N, 2],
    said = the text [N, 1]."""
    return model(
        [node("ReduceSum", ["a", "axis"], ["sum"], [int_attribute("keepdims", 0)]),
         node("ReduceSum", ["n", "axis"], ["count"], [int_attribute("keepdims", 0)]),
         node("Cast", ["count"], ["whole"], [int_attribute("to", FLOAT)]),
         node("Add", ["sum", "whole"], ["total"]),
         node("Add", ["a", "a"], ["twice"]),
         node("Identity", ["text"], ["said"])],
        [value_info("a", FLOAT, ["N", 2]), value_info("n", INT64, ["N", 1]),
         value_info("text", STRING, ["N", 1])],
        [value_info("total", FLOAT, ["N"]), value_info("twice", FLOAT, ["N", 2]),
         value_info("said", STRING, ["N", 1])],
        [int64s("axis", [1], [1])])


def unsupported():
    return model([node("NoSuchOperator", ["x"], ["h"]), node("NorThisOne", ["h"], ["y"])],
                 [value_info("x", FLOAT, [1])], [value_info("y", FLOAT, [1])])


def write(folder, name, data):
    path = f"{folder}/{name}"
    with open(path, "wb") as f:
        f.write(data)
    return path
