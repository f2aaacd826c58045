#!/usr/bin/env python3
"""Trains the handwritten-digit classifier of examples/digits and writes its files.

The network, its gradients and the optimiser are plain numpy, in this file alone: the example shall
be reproducible without a training framework. What runs the exported model is not here; onnxruntime
is asked once, for the answers that the example's test compares with.

The same machine and package versions give the same bytes each time. Another CPU may round sums
differently, so weights trained there can differ slightly; the files in the repository are the ones
that count.
"""

import argparse
import json
import os
import pathlib
import sys

# One thread, so that sums have one order. Set before numpy loads its BLAS.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import numpy as np  # noqa: E402

SEED = 20
HELD_OUT = 360
CLASSES = 10
SIDE = 8
OPSET = 17
IR_VERSION = 8


# ------------------------------------------------------------------------------------------ data


def load_digits(rng):
    """Returns (train images, train labels, held-out images, held-out labels).

    Images are float32 [N, 1, 8, 8] in [0, 1]. The originals are integers from 0 to 16, so that
    each pixel is a multiple of 1/16, exact both in float32 and in four decimals.
    """
    from sklearn import datasets

    digits = datasets.load_digits()
    images = (digits.images / 16.0).astype(np.float32)[:, None]
    order = rng.permutation(len(images))
    train, held = order[:-HELD_OUT], order[-HELD_OUT:]
    return images[train], digits.target[train], images[held], digits.target[held]


def shift_randomly(images, rng):
    """Moves each image by -1, 0 or 1 pixel in each direction; what enters is background."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    moved = np.empty_like(images)
    for i, (dy, dx) in enumerate(rng.integers(0, 3, size=(len(images), 2))):
        moved[i] = padded[i, :, dy : dy + SIDE, dx : dx + SIDE]
    return moved


# ---------------------------------------------------------------------------------------- layers


class Conv3x3:
    """A 3x3 convolution with a border of zeros: [N, I, H, W] to [N, O, H, W]."""

    def __init__(self, inputs, outputs, rng):
        scale = np.sqrt(2.0 / (inputs * 9))
        self.weight = rng.normal(0, scale, (outputs, inputs, 3, 3)).astype(np.float32)
        self.bias = np.zeros(outputs, np.float32)

    def parameters(self):
        return [self.weight, self.bias]

    def forward(self, x):
        n, c, h, w = x.shape
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        taps = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
        self.shape = x.shape
        self.columns = taps.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * w, c * 9)
        y = self.columns @ self.weight.reshape(len(self.weight), -1).T + self.bias
        return y.reshape(n, h, w, -1).transpose(0, 3, 1, 2)

    def backward(self, dy):
        n, c, h, w = self.shape
        rows = dy.transpose(0, 2, 3, 1).reshape(n * h * w, -1)
        self.gradients = [(rows.T @ self.columns).reshape(self.weight.shape), rows.sum(axis=0)]
        taps = (rows @ self.weight.reshape(len(self.weight), -1)).reshape(n, h, w, c, 3, 3)
        padded = np.zeros((n, c, h + 2, w + 2), np.float32)
        for ky in range(3):
            for kx in range(3):
                padded[:, :, ky : ky + h, kx : kx + w] += taps[..., ky, kx].transpose(0, 3, 1, 2)
        return padded[:, :, 1:-1, 1:-1]


class Dense:
    """y = x W^T + b, with W [outputs, inputs]."""

    def __init__(self, inputs, outputs, rng):
        scale = np.sqrt(2.0 / inputs)
        self.weight = rng.normal(0, scale, (outputs, inputs)).astype(np.float32)
        self.bias = np.zeros(outputs, np.float32)

    def parameters(self):
        return [self.weight, self.bias]

    def forward(self, x):
        self.x = x
        return x @ self.weight.T + self.bias

    def backward(self, dy):
        self.gradients = [dy.T @ self.x, dy.sum(axis=0)]
        return dy @ self.weight


class Relu:
    """max(x, 0)."""

    def parameters(self):
        return []

    def forward(self, x):
        self.positive = x > 0
        return x * self.positive

    def backward(self, dy):
        return dy * self.positive


class MaxPool2:
    """The largest of each 2x2 block."""

    def parameters(self):
        return []

    def forward(self, x):
        n, c, h, w = x.shape
        blocks = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5)
        flat = blocks.reshape(n, c, h // 2, w // 2, 4)
        self.shape = x.shape
        self.winner = flat.argmax(axis=-1)[..., None]
        return np.take_along_axis(flat, self.winner, axis=-1)[..., 0]

    def backward(self, dy):
        n, c, h, w = self.shape
        flat = np.zeros((n, c, h // 2, w // 2, 4), np.float32)
        np.put_along_axis(flat, self.winner, dy[..., None], axis=-1)
        blocks = flat.reshape(n, c, h // 2, w // 2, 2, 2).transpose(0, 1, 2, 4, 3, 5)
        return blocks.reshape(n, c, h, w)


class Flatten:
    """Everything but the batch becomes one dimension."""

    def parameters(self):
        return []

    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy):
        return dy.reshape(self.shape)


# -------------------------------------------------------------------------------------- training


class Network:
    """The layers in order; the answers are logits, before the softmax."""

    def __init__(self, rng):
        self.conv1 = Conv3x3(1, 16, rng)
        self.conv2 = Conv3x3(16, 32, rng)
        self.hidden = Dense(32 * (SIDE // 2) ** 2, 64, rng)
        self.output = Dense(64, CLASSES, rng)
        self.layers = [
            self.conv1, Relu(), self.conv2, Relu(), MaxPool2(),
            Flatten(), self.hidden, Relu(), self.output,
        ]

    def parameters(self):
        return [p for layer in self.layers for p in layer.parameters()]

    def gradients(self):
        return [g for layer in self.layers if layer.parameters() for g in layer.gradients]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dy):
        for layer in reversed(self.layers):
            dy = layer.backward(dy)


class Adam:
    """Kingma and Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1."""

    def __init__(self, parameters, beta1=0.9, beta2=0.999, epsilon=1e-8):
        self.parameters = parameters
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.mean = [np.zeros_like(p) for p in parameters]
        self.square = [np.zeros_like(p) for p in parameters]
        self.steps = 0

    def step(self, gradients, rate):
        self.steps += 1
        unbias1 = 1 - self.beta1**self.steps
        unbias2 = 1 - self.beta2**self.steps
        for p, g, m, v in zip(self.parameters, gradients, self.mean, self.square):
            m += (1 - self.beta1) * (g - m)
            v += (1 - self.beta2) * (g * g - v)
            p -= np.float32(rate) * (m / unbias1) / (np.sqrt(v / unbias2) + self.epsilon)


def softmax(logits):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def cross_entropy_gradient(logits, labels):
    """Returns (mean loss, its gradient by the logits)."""
    p = softmax(logits)
    rows = np.arange(len(labels))
    loss = -np.log(p[rows, labels] + 1e-12).mean()
    p[rows, labels] -= 1
    return loss, (p / len(labels)).astype(np.float32)


def train(network, images, labels, epochs, rng, report):
    """Trains in place; the rate falls from 2e-3 to zero along a half cosine."""
    batch = 64
    adam = Adam(network.parameters())
    total = epochs * (len(images) // batch)
    for epoch in range(epochs):
        order = rng.permutation(len(images))
        losses = []
        for start in range(0, len(images) - batch + 1, batch):
            chosen = order[start : start + batch]
            logits = network.forward(shift_randomly(images[chosen], rng))
            loss, gradient = cross_entropy_gradient(logits, labels[chosen])
            network.backward(gradient)
            rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * adam.steps / total))
            adam.step(network.gradients(), rate)
            losses.append(loss)
        report(f"epoch {epoch + 1:3}/{epochs}  loss {np.mean(losses):.4f}")


# ------------------------------------------------------------------------------------- exporting


def export_onnx(network):
    """Returns the network, with its softmax, as a checked ONNX model."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    named = {"conv1": network.conv1, "conv2": network.conv2,
             "hidden": network.hidden, "output": network.output}
    weights = []
    for name, layer in named.items():
        weights.append(numpy_helper.from_array(layer.weight, f"{name}.weight"))
        weights.append(numpy_helper.from_array(layer.bias, f"{name}.bias"))

    def with_weights(op, x, layer, y, **attributes):
        inputs = [x, f"{layer}.weight", f"{layer}.bias"]
        return helper.make_node(op, inputs, [y], name=layer, **attributes)

    same = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        with_weights("Conv", "image", "conv1", "conv1_out", **same),
        helper.make_node("Relu", ["conv1_out"], ["relu1_out"], name="relu1"),
        with_weights("Conv", "relu1_out", "conv2", "conv2_out", **same),
        helper.make_node("Relu", ["conv2_out"], ["relu2_out"], name="relu2"),
        helper.make_node("MaxPool", ["relu2_out"], ["pool_out"], name="pool",
                         kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pool_out"], ["flat_out"], name="flatten", axis=1),
        with_weights("Gemm", "flat_out", "hidden", "hidden_out", transB=1),
        helper.make_node("Relu", ["hidden_out"], ["relu3_out"], name="relu3"),
        with_weights("Gemm", "relu3_out", "output", "logits", transB=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], name="softmax", axis=1),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, SIDE, SIDE])
    answer = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", CLASSES])
    graph = helper.make_graph(nodes, "digits", [image], [answer], weights)
    model = helper.make_model(
        graph,
        producer_name="train_digits.py",
        producer_version="1",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
        doc_string="Handwritten digits, 8x8 pixels in [0, 1], to the probabilities of 0 to 9.",
    )
    labels = ",".join(str(c) for c in range(CLASSES))
    helper.set_model_props(model, {"labels": labels})
    onnx.checker.check_model(model, full_check=True)
    return model


def onnxruntime_answers(model_bytes, images):
    """Returns onnxruntime's probabilities for all images, one batch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model_bytes, options, providers=["CPUExecutionProvider"]
    )
    return session.run(["probabilities"], {"image": images})[0]


def compact_json(value):
    return json.dumps(value, separators=(",", ":")) + "\n"


def write_files(folder, model_bytes, images, labels, answers):
    """Writes the model, request bodies for a shell, labels and expected answers."""
    rows = images.tolist()
    if not np.array_equal(np.array(json.loads(json.dumps(rows)), np.float32), images):
        raise SystemExit("train_digits.py: the JSON images do not read back as the same numbers")
    first = {"name": "image", "shape": [1, 1, SIDE, SIDE], "datatype": "FP32",
             "data": images[0].ravel().tolist()}
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "request-one.json": compact_json({"instances": rows[:1]}),
        "request-one-v2.json": compact_json({"inputs": [first]}),
        "test-images.json": compact_json({"instances": rows}),
        "test-labels.txt": "".join(f"{label}\n" for label in labels),
        "expected-onnxruntime.txt": "".join(f"{c}\n" for c in answers.argmax(axis=1)),
    }
    (folder / "model.onnx").write_bytes(model_bytes)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="ascii")
    return ["model.onnx", *files]


# ------------------------------------------------------------------------------------------ main


def parse_arguments():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=pathlib.Path, default=here.parent / "examples" / "digits",
                        help="folder for the files (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=40, help="default: %(default)s")
    parser.add_argument("--quiet", action="store_true", help="no line per epoch")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    rng = np.random.default_rng(SEED)
    images, labels, held_images, held_labels = load_digits(rng)
    network = Network(rng)
    report = (lambda line: None) if arguments.quiet else print
    train(network, images, labels, arguments.epochs, rng, report)

    model_bytes = export_onnx(network).SerializeToString(deterministic=True)
    answers = onnxruntime_answers(model_bytes, held_images)
    difference = np.abs(answers - softmax(network.forward(held_images))).max()
    if difference > 1e-5:
        raise SystemExit(f"train_digits.py: onnxruntime differs from numpy by {difference:.2g}, "
                         "expected at most 1e-5: the export is wrong")
    right = int((answers.argmax(axis=1) == held_labels).sum())
    names = write_files(arguments.out, model_bytes, held_images, held_labels, answers)
    print(f"held-out accuracy {right}/{HELD_OUT} = {100 * right / HELD_OUT:.2f} %, "
          f"largest difference from onnxruntime {difference:.1e}")
    for name in names:
        print(f"{(arguments.out / name).stat().st_size:8} bytes  {arguments.out / name}")


if __name__ == "__main__":
    try:
        main()
    except ImportError as error:
        sys.exit(f"train_digits.py: {error}: install what tools/requirements-compare.txt lists")
