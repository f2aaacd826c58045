"""Recurrent networks: LSTM, GRU and RNN stacks in all directions."""

from onnx import TensorProto

from .builder import Graph

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def layer(g, kind, name, x, inputs, hidden, direction="forward", **options):
    """One operator: [sequence, batch, inputs] to [sequence, directions, batch, hidden]."""
    return layer_and_states(g, kind, name, x, inputs, hidden, direction, **options)[0]


def layer_and_states(g, kind, name, x, inputs, hidden, direction="forward", lengths=None,
                     states=(), peephole=False, **attributes):
    """The same with the last states, [directions, batch, hidden] each, after it."""
    ways = 2 if direction == "bidirectional" else 1
    rows = GATES[kind] * hidden
    w = g.weight(f"{name}.w", (ways, rows, inputs), fan_in=inputs)
    r = g.weight(f"{name}.r", (ways, rows, hidden), fan_in=hidden, gain=0.8)
    b = g.near(f"{name}.b", (ways, 2 * rows), 0.0, 0.1)
    optional = [lengths, *states]
    if peephole:
        optional += [None] * (3 - len(optional))
        optional.append(g.near(f"{name}.p", (ways, 3 * hidden), 0.0, 0.2))
    count = 3 if kind == "LSTM" else 2
    return g.op(kind, x, w, r, b, *optional, outputs=count, hidden_size=hidden,
                direction=direction, **attributes)


def merge(g, y, hidden, direction):
    """[sequence, directions, batch, hidden] to [sequence, batch, directions x hidden]."""
    if direction != "bidirectional":
        return g.op("Squeeze", y, g.ints(1))
    y = g.op("Transpose", y, perm=[0, 2, 1, 3])
    return g.op("Reshape", y, g.ints(0, 0, 2 * hidden))


def stack(name, kind, features, hidden, layers=2, direction="forward", sequence="sequence",
          batch="batch", outputs=10, **attributes):
    """Layers one above the other, then a dense layer over every step."""
    g = Graph(name, opset=14)
    x = g.input("input", [sequence, batch, features])
    width = features
    for i in range(layers):
        y = layer(g, kind, f"layer{i}", x, width, hidden, direction, **attributes)
        x = merge(g, y, hidden, direction)
        width = hidden * (2 if direction == "bidirectional" else 1)
    _dense(g, x, width, outputs, [sequence, batch])
    return g.model()


def stateful_lstm():
    """Lengths, initial states and peepholes, both directions: every input of LSTM is used."""
    g = Graph("lstm_all_inputs", opset=14)
    x = g.input("input", ["sequence", "batch", 24])
    lengths = g.input("lengths", ["batch"], TensorProto.INT32)
    states = [g.input(f"{s}0", [2, "batch", 64]) for s in "hc"]
    y = layer(g, "LSTM", "layer0", x, 24, 64, "bidirectional", lengths=lengths, states=states,
              peephole=True)
    _dense(g, merge(g, y, 64, "bidirectional"), 128, 10, ["sequence", "batch"])
    return g.model()


def stateful_gru():
    """Reverse direction, lengths and an initial state; the reset gate before the product."""
    g = Graph("gru_all_inputs", opset=14)
    x = g.input("input", ["sequence", "batch", 24])
    lengths = g.input("lengths", ["batch"], TensorProto.INT32)
    state = g.input("h0", [1, "batch", 64])
    y = layer(g, "GRU", "layer0", x, 24, 64, "reverse", lengths=lengths, states=[state],
              linear_before_reset=0)
    _dense(g, merge(g, y, 64, "reverse"), 64, 10, ["sequence", "batch"])
    return g.model()


def _dense(g, x, inputs, outputs, dims):
    weight = g.weight("dense.weight", (inputs, outputs), fan_in=inputs, gain=2.0)
    x = g.op("Add", g.op("MatMul", x, weight), g.near("dense.bias", (outputs,), 0.0, 0.1))
    g.output(x, "logits", [*dims, outputs])
