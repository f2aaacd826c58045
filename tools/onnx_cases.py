"""ONNX's own test cases: where they are, what they hold, and whether an answer is right.

Running them is not here; conformance.py does that.
"""

import functools
import pathlib

import numpy as np
import onnx
from onnx import numpy_helper

SUITES = ("node", "simple", "pytorch-converted", "pytorch-operator")
RTOL = 1e-3
ATOL = 1e-7
_FLOATS = "float", "bfloat", "complex"


class WrongAnswer(Exception):
    """An answer that differs; `reason` is the same for all of one kind, the message is exact."""

    def __init__(self, reason, message):
        super().__init__(message)
        self.reason = reason


@functools.cache
def data_folder():
    return pathlib.Path(onnx.__file__).parent / "backend" / "test" / "data"


def enumerate_cases(suites=SUITES):
    """All case names, "<suite>/<case>", sorted within each suite."""
    names = []
    for suite in suites:
        folder = data_folder() / suite
        names += [f"{suite}/{p.name}" for p in sorted(folder.iterdir()) if p.is_dir()]
    return names


class Case:
    """One case: its model file, the names of its inputs and outputs, and its data sets."""

    def __init__(self, name):
        self.name = name
        self.folder = data_folder() / name
        self.model_path = self.folder / "model.onnx"
        graph = onnx.load(self.model_path, load_external_data=False).graph
        stored = {i.name for i in graph.initializer}
        self.all_inputs = list(graph.input)
        self.free_inputs = [i for i in graph.input if i.name not in stored]
        self.outputs = list(graph.output)

    def tensors_only(self):
        """Whether every input and output is a tensor."""
        ports = self.all_inputs + self.outputs
        return all(p.type.WhichOneof("value") == "tensor_type" for p in ports)

    def data_sets(self):
        return sorted(self.folder.glob("test_data_set_*"))

    def read_inputs(self, data_set):
        """{input name: value}, numbered in the graph's order without those that have a default."""
        files = _numbered(data_set, "input")
        ports = self.free_inputs
        if len(files) > len(ports):
            ports = self.all_inputs
        return {p.name: read_value(f, p.type) for p, f in zip(ports, files)}

    def read_outputs(self, data_set):
        """The expected values, in the graph's order."""
        files = _numbered(data_set, "output")
        return [read_value(f, p.type) for p, f in zip(self.outputs, files)]


def _numbered(folder, stem):
    count = len(list(folder.glob(f"{stem}_*.pb")))
    return [folder / f"{stem}_{i}.pb" for i in range(count)]


def read_value(path, type_proto):
    """Reads a .pb file: an array, a list (sequence), or a value or None (optional)."""
    data = pathlib.Path(path).read_bytes()
    kind = type_proto.WhichOneof("value")
    if kind == "sequence_type":
        return numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    if kind == "optional_type":
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    return numpy_helper.to_array(onnx.TensorProto.FromString(data))


# ------------------------------------------------------------------------------------ comparing


def compare(found, expected, what="output"):
    """Raises WrongAnswer unless `found` is `expected` by ONNX's rule.

    Kinds, shapes and dtypes are the same; floats agree to rtol 1e-3 and atol 1e-7 (which for
    bfloat16 and the 8-bit floats means that they are equal); everything else is equal.
    """
    if expected is None or found is None:
        if expected is not found:
            message = f"{what}: expected {_kind(expected)}, found {_kind(found)}"
            raise WrongAnswer("wrong kind", message)
        return
    if isinstance(expected, list):
        _compare_lists(found, expected, what)
        return
    found, expected = np.asarray(found), np.asarray(expected)
    if found.dtype != expected.dtype and "O" not in (found.dtype.kind, expected.dtype.kind):
        raise WrongAnswer("wrong dtype", f"{what}: expected {expected.dtype}, found {found.dtype}")
    if found.shape != expected.shape:
        raise WrongAnswer("wrong shape", f"{what}: expected {expected.shape}, found {found.shape}")
    _compare_values(found, expected, what)


def _kind(value):
    return {type(None): "nothing", list: "a sequence"}.get(type(value), "a tensor")


def _compare_lists(found, expected, what):
    if not isinstance(found, list):
        raise WrongAnswer("wrong kind", f"{what}: expected a sequence, found {_kind(found)}")
    if len(found) != len(expected):
        raise WrongAnswer(
            "wrong length", f"{what}: expected {len(expected)} items, found {len(found)}"
        )
    for i, (f, e) in enumerate(zip(found, expected)):
        compare(f, e, f"{what}[{i}]")


def _is_float(dtype):
    return dtype.kind in "fc" or dtype.name.startswith(_FLOATS)


def _compare_values(found, expected, what):
    if _is_float(expected.dtype):
        wide = np.complex128 if expected.dtype.kind == "c" else np.float64
        with np.errstate(invalid="ignore"):
            same = np.isclose(
                found.astype(wide), expected.astype(wide), rtol=RTOL, atol=ATOL, equal_nan=True
            )
    else:
        same = np.asarray(found == expected)
    if same.all():
        return
    wrong = int(same.size - np.count_nonzero(same))
    at = tuple(int(i) for i in np.argwhere(~same)[0])
    raise WrongAnswer(
        "wrong values",
        f"{what}: {wrong} of {same.size} elements differ, the first at {list(at)}: "
        f"expected {expected[at]}, found {found[at]}",
    )
