"""Makes a failing graph small: fewer outputs, fewer runs, nodes cut away from both ends.

A candidate is kept when a worker finds it failing in the same way. Values in the middle become
inputs with the numbers that onnxruntime computes there.
"""

import pathlib
import shutil
import time

import numpy as np
import onnx
from onnx import helper, numpy_helper

from differential_graph import all_inputs

SECONDS = 90


def save(folder, model, runs):
    """Writes model.onnx and data_<run>/input_<k>.pb."""
    folder = pathlib.Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    for run, inputs in enumerate(runs):
        place = folder / f"data_{run}"
        place.mkdir()
        for k, value in enumerate(model.graph.input):
            tensor = numpy_helper.from_array(np.asarray(inputs[value.name]), value.name)
            (place / f"input_{k}.pb").write_bytes(tensor.SerializeToString())


def load(folder):
    """Reads what save wrote."""
    folder = pathlib.Path(folder)
    model = onnx.load(folder / "model.onnx")
    runs = []
    for place in sorted(folder.glob("data_*")):
        tensors = [onnx.load_tensor(place / f"input_{k}.pb") for k in range(len(model.graph.input))]
        runs.append({t.name: numpy_helper.to_array(t) for t in tensors})
    return model, runs


def without_dead(model, runs):
    """A copy without the nodes, constants and inputs that no output needs."""
    small = onnx.ModelProto()
    small.CopyFrom(model)
    graph = small.graph
    needed = {o.name for o in graph.output}
    nodes = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            nodes.insert(0, node)
            needed.update(all_inputs(node))
    kept = [i for i in graph.initializer if i.name in needed]
    inputs = [i for i in graph.input if i.name in needed]
    for field, items in ((graph.node, nodes), (graph.initializer, kept), (graph.input, inputs)):
        copies = [type(i).FromString(i.SerializeToString()) for i in items]
        del field[:]
        field.extend(copies)
    names = {i.name for i in inputs}
    return small, [{n: a for n, a in run.items() if n in names} for run in runs]


def with_outputs(model, runs, outputs):
    small = onnx.ModelProto()
    small.CopyFrom(model)
    del small.graph.output[:]
    small.graph.output.extend(outputs)
    return without_dead(small, runs)


def values_inside(model, runs):
    """{name: its array in each run} for everything that nodes make, or {} where that fails."""
    import differential

    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    names = [n for node in whole.graph.node for n in node.output if n]
    del whole.graph.output[:]
    whole.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names)
    try:
        inferred = onnx.shape_inference.infer_shapes(model)
        types = {v.name: v for v in [*inferred.graph.value_info, *inferred.graph.output]}
        del whole.graph.output[:]
        names = [n for n in names if n in types]
        whole.graph.output.extend(types[n] for n in names)
        answers = differential.run_onnxruntime(whole, runs)
    except Exception:  # whatever onnxruntime refuses: then nothing is cut in the middle
        return {}
    inside = {n: [answer[i] for answer in answers] for i, n in enumerate(names)}
    return {n: v for n, v in inside.items() if not isinstance(v[0], list)}  # no sequences


def declared(name, arrays):
    dtype = helper.np_dtype_to_tensor_dtype(arrays[0].dtype)
    dims = [d[0] if len(set(d)) == 1 else None for d in zip(*(a.shape for a in arrays))]
    return helper.make_tensor_value_info(name, dtype, dims)


def cut_above(model, runs, node, inside):
    """The node's outputs become inputs."""
    small = onnx.ModelProto()
    small.CopyFrom(model)
    names = [n for n in node.output if n]
    if any(n not in inside for n in names) or set(names) & {o.name for o in model.graph.output}:
        return None
    for i, other in enumerate(small.graph.node):
        if list(other.output) == list(node.output):
            del small.graph.node[i]
            break
    small.graph.input.extend(declared(n, inside[n]) for n in names)
    more = [{**run, **{n: inside[n][r] for n in names}} for r, run in enumerate(runs)]
    return without_dead(small, more)


def bypass(model, runs, node, inside):
    """Readers of the node's first output read one of its inputs of the same type instead."""
    out = node.output[0]
    if out not in inside or out in {o.name for o in model.graph.output}:
        return None
    known = {**inside, **{n: [run[n] for run in runs] for n in (runs[0] if runs else {})}}
    for name in node.input:
        same = name in known and all(a.shape == b.shape and a.dtype == b.dtype
                                     for a, b in zip(known[name], inside[out]))
        if same:
            small = onnx.ModelProto()
            small.CopyFrom(model)
            for other in small.graph.node:
                other.input[:] = [name if n == out else n for n in other.input]
            return without_dead(small, runs)
    return None


def candidates(model, runs):
    """Smaller graphs, the smallest steps last."""
    outputs = list(model.graph.output)
    if len(outputs) > 1:
        for output in outputs:
            yield with_outputs(model, runs, [output])
        for output in outputs:
            yield with_outputs(model, runs, [o for o in outputs if o is not output])
    if len(runs) > 1:
        for run in range(len(runs)):
            yield model, runs[run:run + 1]
        for run in range(len(runs)):
            yield model, runs[:run] + runs[run + 1:]
    inside = values_inside(model, runs)
    for node in model.graph.node:  # an earlier value as the only output
        for name in node.output:
            if name in inside and name not in {o.name for o in outputs}:
                yield with_outputs(model, runs, [declared(name, inside[name])])
    for node in reversed(model.graph.node):
        small = cut_above(model, runs, node, inside)
        if small:
            yield small
    for node in model.graph.node:
        small = bypass(model, runs, node, inside)
        if small:
            yield small


def kind(said):
    """Failures of one kind: whose fault a difference is, is often seen in the small graph only."""
    differs = said["verdict"] in ("serval", "unclear", "onnxruntime")
    return "differs" if differs else said["verdict"]


def shrink(model, runs, said, worker, folder):
    """Returns (model, runs, the last verdict) of the smallest graph found that fails alike."""
    deadline = time.monotonic() + SECONDS
    trial = pathlib.Path(folder) / "trial"
    model, runs = without_dead(model, runs)
    last, again = said, True
    while again and time.monotonic() < deadline:
        again = False
        for small, fewer in candidates(model, runs):
            size = len(small.graph.node), len(small.graph.output), len(fewer)
            if size == (len(model.graph.node), len(model.graph.output), len(runs)):
                continue
            if not small.graph.node or time.monotonic() > deadline:
                continue
            save(trial, small, fewer)
            answer = worker.judge(trial)
            if kind(answer) == kind(said):
                model, runs, last, again = small, fewer, answer, True
                break
    return model, runs, last


def describe(model, runs):
    """The graph in text: a line a node, and the shapes of the inputs."""
    lines = []
    for value in model.graph.input:
        shapes = ", ".join(str(run[value.name].shape) for run in runs)
        lines.append(f"  input {value.name}: {runs[0][value.name].dtype} {shapes}")
    stored = {i.name: i for i in model.graph.initializer}
    for node in model.graph.node:
        parts = [helper.printable_attribute(a)[:80] for a in node.attribute]
        lines.append(f"  {', '.join(node.output)} = {node.op_type}({', '.join(node.input)}) "
                     + " ".join(parts))
        for name in node.input:
            if name in stored:
                array = numpy_helper.to_array(stored[name])
                text = f" {array.tolist()}" if array.size <= 8 else ""
                lines.append(f"      {name}: {array.dtype} {array.shape}{text}")
    lines.append(f"  outputs {', '.join(o.name for o in model.graph.output)}")
    return "\n".join(lines)
