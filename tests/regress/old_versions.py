#!/usr/bin/env python3
"""Every row of src/lower/adapters.inc by a model of an opset before the change, against numpy or, for
whole layers, against the same layer of a newer opset in onnxruntime.

ctest: timeout=60
"""

import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tools"))
SKIPPED = 77  # what CTest takes for it


def make_model(operator, opset, attributes, inputs, outputs=1, constants=()):
    """One node; inputs whose names are in `constants` are initialisers."""
    import numpy as np
    from onnx import helper, numpy_helper

    attributes = {name: numpy_helper.from_array(v) if isinstance(v, np.ndarray) else v
                  for name, v in attributes.items()}
    node = helper.make_node(operator, list(inputs), [f"y{i}" for i in range(outputs)],
                            **attributes)
    ports = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
             for n, v in inputs.items() if n not in constants and n]
    fixed = [numpy_helper.from_array(np.asarray(v), n) for n, v in inputs.items() if n in constants]
    results = [helper.make_empty_tensor_value_info(f"y{i}") for i in range(outputs)]
    if opset < 4:  # initialisers were inputs too
        ports += [helper.make_tensor_value_info(f.name, f.data_type, f.dims) for f in fixed]
    graph = helper.make_graph([node], operator, ports, results, fixed)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)],
                             ir_version=3 if opset < 9 else 8)


def cases():
    """(operator, opset, attributes, inputs, expected outputs, names of constant inputs)."""
    import numpy as np

    rng = np.random.default_rng(7)
    x = rng.standard_normal((2, 3, 4)).astype(np.float32)
    image = rng.standard_normal((1, 2, 4, 4)).astype(np.float32)
    row = np.array([0.5, 2.0, 1.5], np.float32)
    column = row[:, None]
    flags, flag_row = x > 0, np.array([True, False, True])
    old = {"broadcast": 1, "axis": 1}

    def flat(f, axis=1):
        matrix = x.reshape(int(np.prod(x.shape[:axis])), -1)
        return f(matrix).reshape(x.shape)

    def softmax(m):
        e = np.exp(m - m.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    whole = (x * 4).astype(np.int32)
    rows = [(name, 6, old, {"a": x, "b": row}, [f(x, column)]) for name, f in (
        ("Add", np.add), ("Div", np.divide), ("Mul", np.multiply), ("Sub", np.subtract),
        ("Greater", np.greater), ("Less", np.less))]
    rows += [("Pow", 6, old, {"a": np.abs(x), "b": row}, [np.abs(x) ** column]),
             ("Equal", 6, old, {"a": whole, "b": whole[0, :, 0]},
              [whole == whole[0, :, 0][:, None]])]
    rows += [(name, 6, old, {"a": flags, "b": flag_row}, [f(flags, flag_row[:, None])])
             for name, f in (("And", np.logical_and), ("Or", np.logical_or),
                              ("Xor", np.logical_xor))]

    # Normalisation, activations.
    scale, shift, mean, var = (np.abs(rng.standard_normal((2, 4, 4))).astype(np.float32)
                               for _ in range(4))
    rows.append(("BatchNormalization", 7, {"spatial": 0},
                 {"x": image, "s": scale, "b": shift, "m": mean, "v": var},
                 [(image - mean) / np.sqrt(var + 1e-5) * scale + shift]))
    rows.append(("BatchNormalization", 9, {"momentum": 0.8},
                 {"x": image, "s": scale[:, 0, 0], "b": shift[:, 0, 0], "m": mean[:, 0, 0],
                  "v": var[:, 0, 0]},
                 [(image - mean[:, :1, :1]) / np.sqrt(var[:, :1, :1] + 1e-5) * scale[:, :1, :1]
                  + shift[:, :1, :1]]))
    groups = image.reshape(1, 2, -1)
    normal = (groups - groups.mean(2, keepdims=True)) / np.sqrt(
        groups.var(2, keepdims=True) + 1e-5)
    rows.append(("GroupNormalization", 18, {"num_groups": 2},
                 {"x": image, "s": scale[:, 0, 0], "b": shift[:, 0, 0]},
                 [normal.reshape(image.shape) * scale[:, :1, :1] + shift[:, :1, :1]]))
    rows += [("Softmax", 11, {}, {"x": x}, [flat(softmax)]),
             ("LogSoftmax", 11, {}, {"x": x}, [np.log(flat(softmax))]),
             ("Hardmax", 11, {"axis": 2}, {"x": x}, [flat(
                 lambda m: np.eye(m.shape[1], dtype=np.float32)[m.argmax(1)], 2)]),
             ("Selu", 1, {}, {"x": x}, [np.where(x > 0, 1.0507 * x,
                                                 1.0507 * 1.6732 * (np.exp(x) - 1))]),
             ("PRelu", 6, {}, {"x": x, "s": row}, [np.where(x < 0, x * column, x)]),
             ("Clip", 6, {"min": -0.5, "max": 0.25}, {"x": x}, [x.clip(-0.5, 0.25)]),
             ("Dropout", 1, {"is_test": 1, "ratio": 0.5}, {"x": x}, [x]),
             ("Dropout", 10, {"ratio": 0.5}, {"x": x}, [x])]

    # Shapes and movement.
    rows += [("Cast", 1, {"to": "INT32"}, {"x": x}, [x.astype(np.int32)]),
             ("Concat", 1, {}, {"a": x, "b": x}, [np.concatenate([x, x], 1)]),
             ("Constant", 1, {"value": x}, {}, [x]),
             ("Reshape", 1, {"shape": [0, -1]}, {"x": x}, [x.reshape(2, 12)]),
             ("Squeeze", 11, {"axes": [0]}, {"x": image}, [image[0]]),
             ("Unsqueeze", 11, {"axes": [0, 2]}, {"x": x}, [x[None, :, None]]),
             ("Slice", 1, {"starts": [1, -3], "ends": [3, 9], "axes": [1, 2]}, {"x": x},
              [x[:, 1:3, -3:]]),
             ("Split", 2, {"axis": 1, "split": [1, 2]}, {"x": x}, [x[:, :1], x[:, 1:]]),
             ("Split", 1, {"axis": 1}, {"x": x, "split": np.array([1, 2], np.float32)},
              [x[:, :1], x[:, 1:]], ["split"]),
             ("Tile", 1, {}, {"x": x, "tiles": np.array([3], np.float32),
                              "axis": np.array([1], np.float32)}, [np.tile(x, (1, 3, 1))],
              ["tiles", "axis"]),
             ("Pad", 1, {"paddings": [0, 0, 1, 0, 0, 2], "value": 1.5}, {"x": x},
              [np.pad(x, ((0, 0), (0, 0), (1, 2)), constant_values=1.5)]),
             ("Pad", 2, {"pads": [0, 1, 0, 0, 0, 2], "mode": "edge"}, {"x": x},
              [np.pad(x, ((0, 0), (1, 0), (0, 2)), "edge")]),
             ("Scatter", 9, {"axis": 1}, {"x": x, "i": np.zeros((2, 1, 4), np.int64),
                                          "u": np.ones((2, 1, 4), np.float32)},
              [np.concatenate([np.ones((2, 1, 4), np.float32), x[:, 1:]], 1)])]
    order = np.argsort(-x, 2, kind="stable")[..., :2]
    rows.append(("TopK", 1, {"k": 2}, {"x": x}, [np.take_along_axis(x, order, 2), order]))

    # Sums, products, pools.
    reductions = {"ReduceL1": lambda a: np.abs(a).sum(1), "ReduceMax": lambda a: a.max(1),
                  "ReduceL2": lambda a: np.sqrt((a * a).sum(1)), "ReduceMin": lambda a: a.min(1),
                  "ReduceLogSum": lambda a: np.log(a.sum(1)), "ReduceSum": lambda a: a.sum(1),
                  "ReduceLogSumExp": lambda a: np.log(np.exp(a).sum(1)),
                  "ReduceMean": lambda a: a.mean(1), "ReduceProd": lambda a: a.prod(1),
                  "ReduceSumSquare": lambda a: (a * a).sum(1)}
    positive = np.abs(x) + 0.1
    rows += [(name, 11, {"axes": [1], "keepdims": 0}, {"x": positive}, [f(positive)])
             for name, f in reductions.items()]
    left, right = x[0], x[1].T.copy()
    rows.append(("Gemm", 6, {"broadcast": 1}, {"a": left, "b": right, "c": row},
                 [left @ right + row]))
    squares = (image * image).reshape(1, 2, 2, 2, 2, 2).sum((3, 5))
    rows += [("GlobalLpPool", 1, {"p": 2.0}, {"x": image},
              [np.sqrt((image * image).sum((2, 3), keepdims=True))]),
             ("LpPool", 1, {"p": 2.0, "kernel_shape": [2, 2], "strides": [2, 2]}, {"x": image},
              [np.sqrt(squares)])]
    signal = rng.standard_normal((1, 8, 1)).astype(np.float32)
    spectrum = np.fft.fft(signal[..., 0], axis=1)
    rows.append(("DFT", 17, {"axis": 1}, {"x": signal},
                 [np.stack([spectrum.real, spectrum.imag], -1)]))
    rows.append(("Resize", 10, {}, {"x": image, "scales": np.array([1, 1, 2, 2], np.float32)},
                 [image.repeat(2, 2).repeat(2, 3)], ["scales"]))
    rows += [("Upsample", 7, {"scales": [1.0, 1.0, 2.0, 2.0]}, {"x": image},
              [image.repeat(2, 2).repeat(2, 3)]),
             ("Upsample", 9, {}, {"x": image, "scales": np.array([1, 1, 2, 3], np.float32)},
              [image.repeat(2, 2).repeat(3, 3)], ["scales"])]
    return [row if len(row) == 6 else (*row, []) for row in rows]


def layers():
    """(operator, old opset, old attributes, new opset, new attributes, inputs): the same layer."""
    import numpy as np

    rng = np.random.default_rng(8)

    def some(*shape):
        return (0.3 * rng.standard_normal(shape)).astype(np.float32)

    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}
    rows = [(name, 1, {"hidden_size": 3, "output_sequence": 1}, 14, {"hidden_size": 3},
             {"x": some(4, 2, 5), "w": some(1, 3 * n, 5), "r": some(1, 3 * n, 3)})
            for name, n in gates.items()]
    image, grid = some(1, 2, 4, 4), some(1, 3, 3, 2)
    rows.append(("GridSample", 16, {"mode": "bilinear"}, 20, {"mode": "linear"},
                 {"x": image, "grid": grid}))
    rows.append(("RoiAlign", 10, {"output_height": 2, "output_width": 2}, 16,
                 {"output_height": 2, "output_width": 2,
                  "coordinate_transformation_mode": "output_half_pixel"},
                 {"x": image, "rois": np.array([[0, 0, 3, 3]], np.float32),
                  "batch": np.array([0])}))
    rows.append(("Resize", 11, {"mode": "linear"}, 13, {"mode": "linear"},
                 {"x": image, "roi": np.zeros(0, np.float32),
                  "scales": np.array([1, 1, 1.5, 2], np.float32)}))
    return rows


def adapters():
    """(operator, below) of the table; 2^31 - 1 where every version is rewritten."""
    text = (ROOT / "src" / "lower" / "adapters.inc").read_text(encoding="utf-8")
    rows = re.findall(r"^ADAPT\((\w+), (\w+),", text, re.MULTILINE)
    return [(name, 2**31 - 1 if below == "INT32_MAX" else int(below)) for name, below in rows]


def check(runtime, name, model, inputs, expected):
    import numpy as np
    import serval_binding

    found = serval_binding.run(runtime, model.SerializeToString(), inputs)
    for f, e in zip(found, expected):
        e = np.asarray(e)
        assert f.shape == e.shape, f"{name}: expected {e.shape}, found {f.shape}"
        np.testing.assert_allclose(f, e, 1e-5, 1e-5, err_msg=name)


def run_cases():
    import onnxruntime
    import serval_binding

    onnxruntime.set_default_logger_severity(4)
    failed, tried = 0, [("Scan", 8)]  # by test_versions.c, whose graphs are nested
    with serval_binding.Runtime(threads=1) as runtime:
        for operator, opset, attributes, inputs, expected, constants in cases():
            tried.append((operator, opset))
            model = make_model(operator, opset, attributes, inputs, len(expected), constants)
            free = {n: v for n, v in inputs.items() if n not in constants}
            failed += attempt(runtime, f"{operator} of opset {opset}", model, free, expected)
        for operator, opset, attributes, newer, new, inputs in layers():
            tried.append((operator, opset))
            peer = make_model(operator, newer, new, inputs)
            expected = onnxruntime.InferenceSession(peer.SerializeToString()).run(None, inputs)
            model = make_model(operator, opset, attributes, inputs)
            failed += attempt(runtime, f"{operator} of opset {opset}", model, inputs, expected)
    untried = [f"{name} below {below}" for name, below in adapters()
               if not any(n == name and previous(name, below) <= v < below for n, v in tried)]
    for row in untried:
        print(f"no model for {row}")
    print(f"{len(tried)} models, {failed} failures, {len(untried)} rows without one")
    return 1 if failed or untried else 0


def previous(name, below):
    """The version that the operator's row before this one ends with."""
    return max([b for n, b in adapters() if n == name and b < below], default=1)


def attempt(runtime, name, model, inputs, expected):
    import serval_binding

    try:
        check(runtime, name, model, inputs, expected)
    except (AssertionError, serval_binding.ServalError) as error:
        print(f"{name}: {error}")
        return 1
    return 0


def main():
    try:
        import onnxruntime
    except ImportError as error:
        print(f"skipped: {error}")
        return SKIPPED
    del onnxruntime
    from _cases import preload_sanitizer

    if not preload_sanitizer():
        print("skipped: this sanitizer cannot be loaded into Python")
        return SKIPPED
    # In a process of its own, for what is to be loaded first is read when one starts.
    return subprocess.run([sys.executable, "-W", "ignore", __file__, "--run"]).returncode


if __name__ == "__main__":
    sys.exit(run_cases() if sys.argv[1:] == ["--run"] else main())
