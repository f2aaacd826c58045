#!/usr/bin/env python3
"""ScatterElements with indices that are broadcast, as graph networks have them, or turned round.

ctest: timeout=60

Indices come from an Expand or a Transpose, and are inputs, so that nothing is folded. The answers
are those of the definition, element after element; numbers are small integers, so that all sums are
exact.
"""

import itertools
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import serval_binding  # noqa: E402
from _cases import report, run_with_sanitizer  # noqa: E402

COMBINE = {"none": lambda y, x: x, "add": lambda y, x: y + x, "mul": lambda y, x: y * x,
           "max": max, "min": min}
DATA, UPDATES = (7, 5, 6), (4, 5, 6)
# How indices of UPDATES's shape are made, and of what shape from.
EXPANDED = [("Expand", (4, 1, 1)), ("Expand", (4, 5, 1)), ("Expand", (1, 1, 6)), ("Expand", ()),
            ("Transpose", (6, 5, 4))]


def made_by(operator, index):
    return np.broadcast_to(index, UPDATES) if operator == "Expand" else index.transpose()


def defined(data, index, updates, axis, reduction):
    """Later updates of the same element come later; integers wrap around."""
    y = data.copy()
    with np.errstate(over="ignore"):
        for at in np.ndindex(index.shape):
            to = at[:axis] + (index[at],) + at[axis + 1:]
            y[to] = COMBINE[reduction](y[to], updates[at])
    return y


def model(operator, index_shape, axis, reduction, dtype):
    number = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    info = helper.make_tensor_value_info
    inputs = [info("x", number, DATA), info("i", TensorProto.INT64, index_shape),
              info("u", number, UPDATES)]
    shape = helper.make_tensor("shape", TensorProto.INT64, [3], UPDATES)
    first = (helper.make_node("Expand", ["i", "shape"], ["indices"]) if operator == "Expand" else
             helper.make_node("Transpose", ["i"], ["indices"], perm=[2, 1, 0]))
    node = helper.make_node("ScatterElements", ["x", "indices", "u"], ["y"], axis=axis,
                            reduction=reduction)
    graph = helper.make_graph([first, node], "g", inputs, [info("y", number, DATA)], [shape])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    made.ir_version = 9
    onnx.checker.check_model(made)
    return made.SerializeToString()


def check(operator, index_shape, axis, reduction, dtype):
    random = np.random.default_rng(axis + 3 * len(index_shape))
    index = random.integers(-DATA[axis], DATA[axis], index_shape)
    data, updates = (random.integers(-3, 4, s).astype(dtype) for s in (DATA, UPDATES))
    with serval_binding.Runtime(1) as runtime:
        found = serval_binding.run(runtime, model(operator, index_shape, axis, reduction, dtype),
                                   {"x": data, "i": index, "u": updates})[0]
    expected = defined(data, made_by(operator, index), updates, axis, reduction)
    return None if np.array_equal(found, expected) else f"expected\n{expected}\nfound\n{found}"


def index_outside():
    """An index that is broadcast and leaves the data is an error that names it."""
    data, updates = np.zeros(DATA, np.float32), np.zeros(UPDATES, np.float32)
    index = np.array([[[0]], [[-7]], [[7]], [[1]]], np.int64)
    try:
        with serval_binding.Runtime(1) as runtime:
            serval_binding.run(runtime, model("Expand", (4, 1, 1), 0, "add", np.float32),
                               {"x": data, "i": index, "u": updates})
    except serval_binding.ServalError as error:
        return None if "found 7" in str(error) else str(error)
    return "no error for index 7 of 7"


def run():
    cases = [(*how, axis, reduction, dtype) for how, axis, reduction, dtype in itertools.product(
        EXPANDED, range(3), COMBINE, (np.float32, np.float64, np.int32, np.int8))]
    return report([(case, check(*case)) for case in cases] + [("index outside", index_outside())])


if __name__ == "__main__":
    sys.exit(run_with_sanitizer(__file__, run))
