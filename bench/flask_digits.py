"""The service that people write around a model: Flask, served by gunicorn, with onnxruntime.

It answers POST /predict with {"instances": [...]} as the Serval service beside it does. The model
runs on one thread a worker, which is the faster choice for one this small.
"""

import os

import flask
import numpy as np
import onnxruntime

app = flask.Flask(__name__)

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(
    os.environ["DIGITS_MODEL"], options, providers=["CPUExecutionProvider"]
)


@app.post("/predict")
def predict():
    images = np.asarray(flask.request.get_json()["instances"], np.float32)
    probabilities = session.run(["probabilities"], {"image": images})[0]
    return {"predictions": probabilities.tolist()}


@app.get("/healthz")
def healthz():
    return "ok"
