#!/usr/bin/env python3
"""Writes the expected results of the resize and rnn kernel tests.

Resize comes from ONNX's reference evaluator, the recurrent operators from onnxruntime, whose
implementation covers directions, lengths and clipping. Inputs are a fixed pattern that the C tests
make themselves, so that only results are kept.

    tools/make_kernel_cases.py          (needs numpy, onnx, onnxruntime)
"""
import itertools
import os

import numpy as np
import onnx
import onnx.helper as oh
import onnx.reference
import onnxruntime

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.join(HERE, "..", "tests", "unit", "kernels")


def pattern(shape, seed):
    """Element i is ((37 i + 53 seed) mod 101) / 100 - 1/2, as in the C tests."""
    i = np.arange(int(np.prod(shape)))
    return (((i * 37 + seed * 53) % 101) / 100 - 0.5).astype(np.float32).reshape(shape)


def numbers(values):
    return "{" + ", ".join(f"{v:.7g}" for v in np.asarray(values, dtype=np.float64).ravel()) + "}"


# ---- resize -----------------------------------------------------------------------------------

COORDINATES = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
               "asymmetric", "tf_crop_and_resize"]
NEAREST = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]


def resize_case(mode, coordinate, scales, nearest="round_prefer_floor", antialias=0, exclude=0,
                roi=(0.1, -0.2, 0.8, 1.3), size=(4, 5)):
    x = pattern(size, 1)
    scales = np.array(scales, dtype=np.float32)
    crop = coordinate == "tf_crop_and_resize"
    node = oh.make_node("Resize", ["x", "roi" if crop else "", "scales"], ["y"], mode=mode,
                        coordinate_transformation_mode=coordinate, nearest_mode=nearest,
                        antialias=antialias, exclude_outside=exclude, extrapolation_value=7.5)
    info = oh.make_tensor_value_info
    floats = onnx.TensorProto.FLOAT
    graph = oh.make_graph([node], "g",
                          [info("x", floats, None), info("roi", floats, None),
                           info("scales", floats, None)], [info("y", floats, None)])
    model = oh.make_model(graph, opset_imports=[oh.make_opsetid("", 19)])
    y = onnx.reference.ReferenceEvaluator(model).run(
        None, {"x": x, "roi": np.array(roi, dtype=np.float32), "scales": scales})[0]
    roi = np.array(roi, dtype=np.float32)
    return ("    {SV_RESIZE_%s, %d, %d, %d, %d, {%d, %d}, {%d, %d}, {%.9g, %.9g}, "
            "{%.9g, %.9g, %.9g, %.9g},\n     %s},\n" % (
                mode.upper(), COORDINATES.index(coordinate), NEAREST.index(nearest), antialias,
                exclude, *size, *y.shape, *scales, *roi, numbers(y)))


def resize_cases():
    out = []
    for coordinate in COORDINATES:
        for scales in ((1.5, 2.0), (0.6, 0.8)):
            out.append(resize_case("linear", coordinate, scales))
            out.append(resize_case("cubic", coordinate, scales))
            out.append(resize_case("nearest", coordinate, scales))
    for nearest, scales in itertools.product(NEAREST, ((1.5, 2.0), (0.6, 0.8))):
        out.append(resize_case("nearest", "half_pixel", scales, nearest))
        out.append(resize_case("nearest", "asymmetric", scales, nearest))
    for mode, exclude in itertools.product(("linear", "cubic"), (0, 1)):
        out.append(resize_case(mode, "half_pixel", (0.5, 0.4), antialias=1, exclude=exclude))
        out.append(resize_case(mode, "half_pixel", (1.5, 0.6), exclude=exclude))
    out.append(resize_case("linear", "pytorch_half_pixel", (0.25, 2.0)))
    out.append(resize_case("linear", "align_corners", (0.25, 1.0)))
    return out


# ---- rnn --------------------------------------------------------------------------------------

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
STEPS, BATCH, INPUT = 4, 3, 2


def rnn_case(kind, direction="forward", hidden=3, linear=0, forget=0, clip=0.0, lengths=False,
             initial=False, peepholes=False, activations=None, alpha=0.0, beta=0.0):
    d, g = (2 if direction == "bidirectional" else 1), GATES[kind]
    inputs = {"x": pattern((STEPS, BATCH, INPUT), 1), "w": pattern((d, g * hidden, INPUT), 2),
              "r": pattern((d, g * hidden, hidden), 3), "b": pattern((d, 2 * g * hidden), 4)}
    names = ["x", "w", "r", "b"]
    names.append("l" if lengths else "")
    names.append("h" if initial else "")
    if lengths:
        inputs["l"] = np.array([2, 4, 3], dtype=np.int32)
    if initial:
        inputs["h"] = pattern((d, BATCH, hidden), 5)
    if kind == "LSTM":
        names += ["c" if initial else "", "p" if peepholes else ""]
        if initial:
            inputs["c"] = pattern((d, BATCH, hidden), 6)
        if peepholes:
            inputs["p"] = pattern((d, 3 * hidden), 7)
    attributes = {"hidden_size": hidden, "direction": direction}
    if kind == "GRU":
        attributes["linear_before_reset"] = linear
    if kind == "LSTM":
        attributes["input_forget"] = forget
    if clip:
        attributes["clip"] = clip
    names_used = activations or DEFAULTS[kind]
    if activations:
        attributes["activations"] = activations * d
        attributes["activation_alpha"] = [alpha] * len(activations) * d
        attributes["activation_beta"] = [beta] * len(activations) * d
    outputs = ["y", "y_h"] + (["y_c"] if kind == "LSTM" else [])
    node = oh.make_node(kind, names, outputs, **attributes)
    info = oh.make_tensor_value_info
    types = {"l": onnx.TensorProto.INT32}
    graph = oh.make_graph(
        [node], "g",
        [info(n, types.get(n, onnx.TensorProto.FLOAT), v.shape) for n, v in inputs.items()],
        [info(n, onnx.TensorProto.FLOAT, None) for n in outputs])
    model = oh.make_model(graph, opset_imports=[oh.make_opsetid("", 14)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(),
                                           providers=["CPUExecutionProvider"])
    result = session.run(None, inputs)
    used = (names_used + ["Tanh"] * 3)[:3]
    flags = [linear, forget, int(lengths), int(initial), int(peepholes)]
    text = "    {SV_RNN_%s, SV_RNN_%s, %d, %s, %.9g, {%s}, %.9g, %.9g,\n     " % (
        kind, direction.upper(), hidden, ", ".join(str(f) for f in flags), clip,
        ", ".join("SV_UNARY_" + a for a in used), alpha, beta)
    parts = [numbers(r) for r in result] + (["{0}"] if kind != "LSTM" else [])
    return text + ",\n     ".join(parts) + "},\n"


def rnn_cases():
    return [
        rnn_case("LSTM"),
        rnn_case("LSTM", "bidirectional", lengths=True, initial=True, peepholes=True),
        rnn_case("LSTM", "reverse", hidden=5, lengths=True, clip=0.4),
        rnn_case("LSTM", forget=1, initial=True, peepholes=True),
        rnn_case("LSTM", activations=["HardSigmoid", "Softsign", "Relu"], alpha=0.3, beta=0.45),
        rnn_case("GRU"),
        rnn_case("GRU", "bidirectional", linear=1, lengths=True, initial=True),
        rnn_case("GRU", "reverse", hidden=5, lengths=True),
        rnn_case("GRU", linear=1, clip=0.3, activations=["Sigmoid", "LeakyRelu"], alpha=0.2),
        rnn_case("RNN", "bidirectional", lengths=True, initial=True),
        rnn_case("RNN", "reverse", activations=["Relu"]),
        rnn_case("RNN", hidden=5, clip=0.25),
    ]


def write(name, what, cases):
    path = os.path.join(TESTS, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write("/* %s Made by tools/make_kernel_cases.py. */\n" % what)
        file.writelines(cases)
    print(os.path.relpath(path), len(cases))


def main():
    write("cases_resize.inc",
          "mode, coordinates, nearest, antialias, exclude, in, out, scale, roi, result.",
          resize_cases())
    write("cases_rnn.inc",
          "kind, direction, hidden, linear, forget, lengths, initial, peepholes, clip, "
          "activations, alpha, beta, y, y_h, y_c.", rnn_cases())


if __name__ == "__main__":
    main()
