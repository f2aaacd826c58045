"""The table of models: name, how to build it, which inputs to run it with; and their cache."""

import dataclasses
import hashlib
import os
import pathlib
import typing

import numpy as np

from . import cnn, encoder, further, light, mlp, recurrent
from .builder import random_source
from .wider import signals, transformers, vision

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "models"


@dataclasses.dataclass(frozen=True)
class Model:
    """A graph and the inputs it is run with.

    `build` returns a ModelProto whose output is taken before any final Softmax. `cases` are
    (label, maker) pairs; a maker turns a random generator into {input name: array}.
    """

    name: str
    build: typing.Callable
    cases: tuple

    def inputs(self, label):
        """The inputs of one case: the same arrays each time."""
        make = dict(self.cases)[label]
        return make(random_source(self.name, "inputs", label))


def images(name, *shapes):
    """Cases of normal noise, one for each shape."""

    def case(shape):
        label = "x".join(str(d) for d in shape)
        return label, lambda rng: {name: rng.standard_normal(shape, np.float32)}

    return tuple(case(shape) for shape in shapes)


def drawn(label, **inputs):
    """A case of several inputs, each given as a shape and what it holds.

    That is 0 for normal noise, or a limit for whole numbers below it: as floats, if it is a float.
    """

    def draw(rng, shape, limit):
        if not limit:
            return rng.standard_normal(shape, np.float32)
        return rng.integers(0, limit, shape).astype(
            np.float32 if isinstance(limit, float) else np.int64)

    return label, lambda rng: {name: draw(rng, *how) for name, how in inputs.items()}


def _tokens(*sizes):
    return tuple((f"{b}x{s}", encoder.inputs(b, s)) for b, s in sizes)


def _sequences(sequence, batch, features, hidden, ways, states):
    """Steps, lengths and initial states for the recurrent models that take all of them."""

    def make(rng):
        lengths = np.array([max(1, sequence - 4 * i) for i in range(batch)], np.int32)
        values = {"input": rng.standard_normal((sequence, batch, features), np.float32),
                  "lengths": lengths}
        for name in states:
            values[name] = 0.5 * rng.standard_normal((ways, batch, hidden), np.float32)
        return values

    return (f"{sequence}x{batch}x{features}", make)


def _light_input(name):
    prefix = "gpu_0/" if name in ("resnet50", "shufflenet", "zfnet512") else ""
    return images(f"{prefix}data_0", (1, 3, 224, 224))


def _model(name, build, cases):
    return Model(name, build, tuple(cases))


def _make_catalog():
    picture, patch = images("input", (1, 3, 224, 224)), images("input", (1, 3, 128, 128))
    bert, minilm, style = encoder.BERT_BASE, encoder.MINILM_L6, encoder.Style
    varying = _tokens((1, 16), (2, 37), (1, 64), (1, 128))

    def transformer(name, shape, form, cases):
        return _model(name, lambda: encoder.encoder(name, shape, form), cases)

    def rnn(name, kind, cases, **options):
        return _model(name, lambda: recurrent.stack(name, kind, **options), cases)

    rows = [_model(f"light_{n}", lambda n=n: light.build(n), _light_input(n)) for n in light.NAMES]
    rows += [
        _model("mobilenet_v2", cnn.mobilenet_v2, picture),
        _model("mobilenet_v2_dynamic", lambda: cnn.mobilenet_v2("batch"),
               images("input", (8, 3, 224, 224))),
        _model("mobilenet_v3_small", cnn.mobilenet_v3_small, picture),
        _model("efficientnet_b0", cnn.efficientnet_b0, picture),
        _model("resnet18", cnn.resnet18, picture),
        _model("resnet18_dynamic", lambda: cnn.resnet18("batch"),
               images("input", (1, 3, 224, 224), (3, 3, 224, 224))),
        _model("unet_transpose", lambda: cnn.unet("transpose"), patch),
        _model("unet_nearest", lambda: cnn.unet("nearest"), patch),
        _model("unet_linear", lambda: cnn.unet("linear"), patch),
        transformer("bert_base_128", bert, style(opset=14, sequence=128), _tokens((1, 128))),
        transformer("bert_base_dynamic", bert, style(17, whole_norm=True, where_mask=True),
                    varying),
        transformer("minilm_l6_128", minilm,
                    style(20, sequence=128, whole_norm=True, whole_gelu=True, where_mask=True),
                    _tokens((1, 128))),
        transformer("minilm_l6_dynamic", minilm, style(opset=14), varying),
        rnn("lstm_2x50", "LSTM", images("input", (60, 1, 8)), features=8, hidden=50,
            sequence=60, batch=1),
        rnn("lstm_2x256", "LSTM", images("input", (50, 1, 80), (50, 8, 80)), features=80,
            hidden=256),
        rnn("lstm_bidirectional", "LSTM", images("input", (20, 1, 40), (35, 4, 40)), features=40,
            hidden=128, direction="bidirectional"),
        _model("lstm_all_inputs", recurrent.stateful_lstm,
               [_sequences(20, 3, 24, 64, 2, ("h0", "c0"))]),
        rnn("gru_2x64", "GRU", images("input", (60, 1, 8), (30, 5, 8)), features=8, hidden=64,
            linear_before_reset=1),
        rnn("gru_2x256", "GRU", images("input", (50, 1, 80), (50, 8, 80)), features=80,
            hidden=256, linear_before_reset=1),
        rnn("gru_bidirectional", "GRU", images("input", (20, 2, 40)), features=40, hidden=128,
            direction="bidirectional", linear_before_reset=1),
        _model("gru_all_inputs", recurrent.stateful_gru,
               [_sequences(20, 3, 24, 64, 1, ("h0",))]),
        rnn("rnn_tanh", "RNN", images("input", (40, 2, 16)), features=16, hidden=64),
        rnn("rnn_relu_bidirectional", "RNN", images("input", (40, 2, 16)), features=16, hidden=64,
            direction="bidirectional", activations=["Relu", "Relu"]),
        _model("mlp", mlp.gemm_mlp, images("input", (1, 64), (64, 64))),
        _model("mlp_matmul", mlp.matmul_mlp, images("input", (1, 64), (64, 64))),
    ]
    return rows


def _network(modules, name, cases):
    """The model that a function of that name in one of the modules builds."""
    return _model(name, next(getattr(m, name) for m in modules if hasattr(m, name)), cases)


def _make_wider():
    def seen(name, *shapes):
        return _network((vision, transformers, signals), name, images("input", *shapes))

    picture, words = (1, 3, 224, 224), transformers.words_of
    return [
        seen("mobilenet_v1", picture),
        seen("shufflenet_v2", picture),
        seen("regnet_y", picture),
        seen("resnext50", picture),
        seen("inception_v3", (1, 3, 299, 299)),
        seen("convnext", picture),
        _model("yolo", vision.yolo, images("images", (1, 3, 320, 320))),
        seen("deeplab", (1, 3, 257, 257)),
        seen("super_resolution", (1, 1, 224, 224)),
        seen("style_transfer", (1, 3, 160, 160)),
        seen("crnn", (1, 1, 32, 160), (4, 1, 32, 160)),
        seen("vit", picture),
        seen("mixer", picture),
        seen("swin", picture),
        _model("gpt", transformers.gpt, [words(1, 32), words(1, 128), words(4, 64)]),
        _model("llama", transformers.llama, [words(1, 64)]),
        _model("sentence", transformers.sentence,
               [words(1, 16, True), words(1, 128, True), words(8, 64, True)]),
        seen("keywords", (1, 1, 49, 10), (16, 1, 49, 10)),
        seen("speech_features", (1, 1, 16000)),
        seen("deep_speech", (1, 1, 80, 200)),
        seen("conformer", (1, 100, 80)),
        seen("temporal", (1, 8, 256), (16, 8, 256)),
        seen("wave_net", (1, 1, 1000)),
        seen("n_beats", (1, 96), (32, 96)),
        seen("cnn_lstm", (1, 9, 128), (16, 9, 128)),
        _model("recommender", signals.recommender,
               [signals.recommender_inputs(b) for b in (1, 64)]),
        seen("autoencoder", (1, 512), (256, 512)),
    ]


def _further(name, *cases):
    return _network((further.vision, further.transformers, further.signals, further.tables), name,
                    cases)


def _seen(name, *shapes):
    return _further(name, *images("input", *shapes))


def _texts(name, *sizes):
    return _further(name, *[transformers.words_of(b, s, True) for b, s in sizes])


def _batches(name, *sizes, **inputs):
    """One case for each batch size, which goes before the shapes given."""
    return _further(name, *[
        drawn(f"{b}", **{n: ((b, *shape), limit) for n, (shape, limit) in inputs.items()})
        for b in sizes])


def _further_pictures():
    picture = (1, 3, 224, 224)
    return [
        _seen("lenet", (1, 1, 28, 28), (32, 1, 28, 28)),
        _seen("cifar_cnn", (1, 32, 32, 3)),
        _seen("wide_resnet", (1, 3, 32, 32), (4, 3, 32, 32)),
        _seen("ghostnet", picture),
        _seen("mnasnet", picture),
        _seen("mobilevit", (1, 3, 256, 256)),
        _seen("poolformer", (1, 3, 160, 160)),
        _seen("retinanet_fpn", (1, 3, 256, 256)),
        _seen("ssd_head", (1, 3, 192, 192)),
        _seen("hrnet", (1, 3, 256, 192)),
        _seen("dcgan", (1, 100, 1, 1), (8, 100, 1, 1)),
        _seen("pix2pix", (1, 3, 128, 128)),
        _seen("unet3d", (1, 1, 16, 40, 40)),
        _further("pointnet", *images("points", (1, 3, 1024), (4, 3, 1024))),
    ]


def _further_sequences():
    words, state = transformers.words_of, ((1, 1, 128), 0)
    return [
        _texts("t5_encoder", (1, 64), (2, 64)),
        _texts("distilbert_tagger", (1, 64), (2, 64)),
        _texts("deberta", (1, 64), (2, 64)),
        _seen("whisper_encoder", (1, 80, 300)),
        _seen("wav2vec2", (1, 8000)),
        _further("sasrec", *[words(b, 50, words=5000) for b in (1, 32)]),
        _seen("patchtst", (1, 336, 7)),
        _batches("ft_transformer", 1, 64, numbers=((10,), 0), kinds=((4,), 50)),
        _seen("hifigan", (1, 80, 32)),
        _further("tacotron_encoder", words(1, 60, words=148)),
        _seen("quartznet", (1, 64, 200)),
        _seen("ecapa", (1, 80, 200)),
        _further("vad", drawn("1x512", input=((1, 512), 0), h=state, c=state)),
        _batches("deepar", 1, 32, past=((168,), 0), times=((168, 6), 0), store=((), 100)),
        _batches("tft", 1, 16, past=((96, 5), 0), future=((24, 2), 0), kind=((), 20)),
        _further("seq2seq_gru", *[drawn(f"{b}x40", input=((b, 40), 2000.0)) for b in (1, 8)]),
    ]


def _further_tables():
    return [
        _further("dlrm", *[signals.recommender_inputs(b, rows=1000) for b in (1, 64)]),
        _further("deepfm", further.tables.deepfm_inputs(128)),
        _batches("two_tower", 1, 32, user=((), 5000), seen=((20,), 5000), item=((), 5000)),
        _seen("tabnet", (256, 54)),
        _batches("vae", 64, input=((1, 28, 28), 0), noise=((20,), 0)),
        _further("gcn_dense", further.tables.gcn_dense_inputs()),
        _further("gcn_sparse",
                 drawn("500x256", features=((500, 256), 0), edges=((2, 2500), 500))),
    ]


MODELS = _make_catalog()
SETS = {"standard": MODELS, "wider": _make_wider(),
        "further": [*_further_pictures(), *_further_sequences(), *_further_tables()]}


def named(name):
    """The model of that name, of whichever set."""
    return next(m for models in SETS.values() for m in models if m.name == name)


def find(pattern, which="standard"):
    """The models of a set whose name contains one of the comma-separated words; "": all of it."""
    words = [w for w in pattern.split(",") if w]
    return [m for m in SETS[which] if not words or any(w in m.name for w in words)]


def stamp():
    """Changes when the sources of this folder or the onnx package do."""
    import onnx

    digest = hashlib.sha256(onnx.__version__.encode())
    for source in sorted(pathlib.Path(__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def ensure(model, folder=CACHE):
    """Returns the path of the model's file, building it when it is missing or out of date."""
    folder = pathlib.Path(folder)
    path, mark = folder / f"{model.name}.onnx", folder / f"{model.name}.stamp"
    current = stamp()
    if path.exists() and mark.exists() and mark.read_text() == current:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    mark.unlink(missing_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_bytes(model.build().SerializeToString(deterministic=True))
    partial.replace(path)
    mark.write_text(current)
    return path
