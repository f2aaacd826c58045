"""MLflow's scoring client, with every form that it writes, and its server's documented calls."""
import json

import _paths  # noqa: F401
import models
import numpy as np
import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from serving import DIGITS, Server, digits_expected, digits_images, main, scratch

IMAGES = digits_images()
EXPECTED = digits_expected()
FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "c": [0.5, -1.0]})


def client_of(server):
    client = ScoringServerClient("127.0.0.1", server.port)
    client.wait_server_ready(timeout=30)
    return client


def test_data_frames():
    """A model with one input takes the columns in their order."""
    with scratch() as folder:
        path = models.write(folder, "zip.onnx", models.zipmap())
        with Server(path) as server:
            found = client_of(server).invoke(FRAME).get_predictions()
            assert found["twice"].tolist() == (FRAME.to_numpy() * 2).tolist(), found
            assert found["maps"][1] == {"cat": 2.0, "dog": 4.0, "emu": -1.0}


def test_columns_that_are_inputs():
    with scratch() as folder:
        path = models.write(folder, "pair.onnx", models.two_inputs())
        frame = pd.DataFrame({"b": [[1, 2], [3, 4]], "a": [[0.5, 0.25], [8.0, 16.0]]})
        with Server(path) as server:
            found = client_of(server).invoke(frame).get_predictions()
            assert found["sum"].tolist() == [[1.5, 2.25], [11.0, 20.0]]
            assert found["count"].tolist() == [[2, 4], [6, 8]]


def test_arrays():
    with Server(DIGITS) as server:
        client = client_of(server)
        images = np.array(IMAGES[:5], dtype=np.float32)
        for data in (images, images.tolist()):
            found = client.invoke(data).get_predictions()
            assert found.to_numpy().argmax(1).tolist() == EXPECTED[:5], type(data)


def test_values_that_are_missing():
    """pandas writes them as null, in both forms of data frames."""
    frame = pd.DataFrame({"a": [1.0, None], "b": [3.0, 4.0], "c": [None, -1.0]})
    with scratch() as folder:
        path = models.write(folder, "zip.onnx", models.zipmap())
        with Server(path) as server:
            found = client_of(server).invoke(frame).get_predictions()
            assert np.array_equal(np.array(found["twice"].tolist(), dtype=float),
                                  frame.to_numpy() * 2, equal_nan=True), found
            body = json.loads(frame.to_json(orient="records"))
            answer = server.post("/invocations", {"dataframe_records": body},
                                 headers={"Content-Type": "application/json"})
            assert answer.status == 200, answer


def test_documented_calls():
    """The four forms of JSON and CSV, as MLflow's pages show them with curl."""
    rows = FRAME.to_numpy().tolist()
    want = [[2 * v for v in row] for row in rows]
    with scratch() as folder:
        path = models.write(folder, "zip.onnx", models.zipmap())
        with Server(path) as server:
            def ask(body, kind="application/json"):
                answer = server.post("/invocations", body, headers={"Content-Type": kind})
                assert answer.status == 200, answer
                return [row["twice"] for row in answer.json["predictions"]]

            split = json.loads(FRAME.to_json(orient="split"))
            assert ask({"dataframe_split": split}) == want
            assert ask({"dataframe_split": {"data": rows}}) == want
            unnamed = json.loads(pd.DataFrame(rows).to_json(orient="split"))
            assert ask({"params": {"x": 1}, "dataframe_split": unnamed}) == want
            assert ask({"dataframe_records": FRAME.to_dict(orient="records")}) == want
            assert ask({"instances": rows}) == want
            answer = server.post("/invocations", {"inputs": {"x": rows}}).json["predictions"]
            assert answer["twice"] == want
            assert ask(FRAME.to_csv(index=False), "text/csv") == want
            assert ask(FRAME.to_csv(index=False, header=False), "text/csv; charset=utf-8") == want
            assert server.get("/ping").status == server.get("/health").status == 200
            assert server.get("/version").body


def test_refusals():
    with Server(DIGITS) as server:
        for body, kind, code, text in (
                ({"instances": [1], "inputs": [1]}, "application/json", 400, "both"),
                ({"other": 1}, "application/json", 400, "dataframe_split"),
                ([1, 2], "application/json", 400, ""),
                ("a,b\n1", "text/csv", 400, "line"),
                ("a,b\n1,x\n", "text/csv", 400, ""),
                ({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, "application/json", 400,
                 "row 0"),
                ({"dataframe_records": [{"a": 1}, {"b": 1}]}, "application/json", 400, "row"),
                ("x", "application/x-python", 415, "Content-Type"),
                ("{}", "application/json; charset=latin-1", 415, "UTF-8")):
            answer = server.post("/invocations", body, headers={"Content-Type": kind})
            assert answer.status == code and text in answer.json["message"], (body, answer)
            assert answer.json["error_code"] == "BAD_REQUEST"


if __name__ == "__main__":
    main(globals())
