#!/usr/bin/env python3
"""Operators that ONNX's test data does not hold (tools/operator_cases.py), against onnxruntime,
or ONNX's reference evaluator where onnxruntime has not the type. Random ones are compared with
their distribution.

ctest: timeout=60
"""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tools"))
SKIPPED = 77  # what CTest takes for it
RANDOM = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike")
DRAWS = 20000


def flatten(value):
    """The arrays of a tensor, a sequence or a map, in their order."""
    import numpy as np

    if isinstance(value, dict):
        return [np.array(list(value)), np.array(list(value.values()))]
    if isinstance(value, (list, tuple)):
        return [array for item in value for array in flatten(item)]
    return [np.asarray(value)]


def expect_same(found, expected):
    import numpy as np

    found, expected = flatten(found), flatten(expected)
    assert len(found) == len(expected), f"expected {len(expected)} arrays, found {len(found)}"
    for f, e in zip(found, expected):
        assert f.shape == e.shape, f"expected shape {e.shape}, found {f.shape}"
        if e.dtype.kind in "OUS":
            assert (f.astype(str) == e.astype(str)).all(), f"expected {e}, found {f}"
        else:
            np.testing.assert_allclose(f.astype(np.float64), e.astype(np.float64), 1e-5, 1e-6)


def ask_peer(model, inputs):
    import onnxruntime
    from onnx.reference import ReferenceEvaluator

    onnxruntime.set_default_logger_severity(4)
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString())
        return session.run(None, inputs)
    except Exception:  # several classes, none of them public
        return ReferenceEvaluator(model).run(None, inputs)


def moments(operator, model, inputs, run):
    """Mean and standard deviation of many draws, and what they should be."""
    import numpy as np

    attributes = model.graph.node[0].attribute
    for attribute in attributes:
        if attribute.name == "shape":
            attribute.ints[:] = [DRAWS]
    if inputs:
        inputs = {"input": np.zeros(DRAWS, np.float32)}
        model.graph.input[0].type.tensor_type.ClearField("shape")
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    draws = run(model, inputs)[0].astype(np.float64)
    expected = (0.0, 1.0) if "Normal" in operator else (0.5, 1 / 12**0.5)
    return (draws.mean(), draws.std()), expected


def check(name, model, inputs, run):
    import numpy as np

    operator = model.graph.node[0].op_type
    if operator in RANDOM:
        found, expected = moments(operator, model, inputs, run)
        np.testing.assert_allclose(found, expected, atol=0.03, err_msg=name)
    elif operator == "Multinomial":
        drawn = run(model, inputs)[0]
        assert drawn.shape == (2, 3) and set(drawn.ravel()) <= {0, 1}, f"{name}: {drawn}"
    else:
        expect_same(run(model, inputs), ask_peer(model, inputs))


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


def run_cases():
    import operator_cases
    import operator_types
    import serval_binding

    failed = 0
    cases = [*operator_cases.models(), *operator_cases.map_models()]
    with serval_binding.Runtime(threads=1) as runtime:
        for name, model, inputs in cases:
            try:
                check(name, model, inputs, lambda m, i: operator_types.run(runtime, m, i))
            except (AssertionError, serval_binding.ServalError) as error:
                failed += 1
                print(f"{name}: {error}")
        failed += check_refusals(operator_types.probe())
        failed += check_element_types(runtime)
    print(f"{len(cases)} cases, {failed} failures")
    return 1 if failed else 0


def check_refusals(found):
    """Every type that the specification allows runs, but for strings to be summed."""
    refused = {(operator[1], text): reason for operator, parameters in found.items()
               for types in parameters.values() for text, reason in types.items() if reason}
    refused.pop(("Col2Im", "tensor(string)"), None)
    for (operator, text), reason in refused.items():
        print(f"{operator} of {text}: {reason}")
    return len(refused)


def check_element_types(runtime):
    """A sequence whose tensors are of another type than the model says is refused by name."""
    import numpy as np
    import operator_cases
    import operator_types
    import serval_binding

    model, inputs = next((m, i) for _, m, i in operator_cases.models()
                         if m.graph.node[0].op_type == "SequenceLength")
    wrong = {"input_sequence": [inputs["input_sequence"][0].astype(np.int64)]}
    try:
        operator_types.run(runtime, model, wrong)
    except serval_binding.ServalError as error:
        expected = "input 'input_sequence': expected a tensor of float32, found a tensor of int64"
        if expected in str(error):
            return 0
        print(f"expected {expected!r}, found {str(error)!r}")
    else:
        print("a sequence of int64 was taken for one of float32")
    return 1


if __name__ == "__main__":
    sys.exit(run_cases() if sys.argv[1:] == ["--run"] else main())
