"""Values that are no tensors, and what a model's side file adds: signatures, labels, the batch axis.

ctest: labels=emulated timeout=180"""
import json

import models
from serving import Server, main, run, scratch

ROWS = [[0.25, 0.5, 0.125], [1, 2, 3]]
MAPS = [dict(zip(("cat", "dog", "emu"), row)) for row in ROWS]


def side_file(folder, name, content):
    with open(f"{folder}/{name}.signatures.json", "w") as f:
        f.write(content if isinstance(content, str) else json.dumps(content))


def test_maps_in_every_form():
    with scratch() as folder:
        path = models.write(folder, "zip.onnx", models.zipmap())
        with Server(path) as server:
            twice = [[2 * v for v in row] for row in ROWS]
            rows = [{"maps": m, "twice": t} for m, t in zip(MAPS, twice)]
            assert server.get("/v1/models").json == {"models": ["zip"]}
            assert server.post("/predict", ROWS).json == {"predictions": rows}
            table = "a,b,c\n" + "\n".join(",".join(map(str, row)) for row in ROWS)
            answer = server.post("/predict", table, headers={"Content-Type": "text/csv"})
            assert answer.json == {"predictions": rows}
            answer = server.post("/v1/models/zip:predict", {"instances": ROWS})
            assert answer.json == {"predictions": rows}, answer
            answer = server.post("/v1/models/zip:predict", {"inputs": ROWS})
            assert answer.json == {"outputs": {"maps": MAPS, "twice": twice}}
            ask = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 3], "data": ROWS}]}
            answer = server.post("/v2/models/zip/infer", ask)
            assert answer.status == 501 and "'maps'" in answer.json["error"], answer
            answer = server.post("/v2/models/zip/infer", {**ask, "outputs": [{"name": "twice"}]})
            assert answer.json["outputs"][0]["data"] == [v for row in twice for v in row]
            for at in ("/v2/models/zip", "/v1/models/zip/metadata", "/v2/models/zip/config"):
                assert server.get(at).status == 200


def test_what_is_missing_in_tables():
    """null is NaN where numbers have one, as an empty field of CSV is; elsewhere it is refused."""
    def table(*rows):
        names = [str(i) for i in range(len(rows[0]))]
        return ({"dataframe_split": {"columns": names, "data": rows}},
                {"dataframe_records": [dict(zip(names, row)) for row in rows]})

    with scratch() as folder:
        path = models.write(folder, "zip.onnx", models.zipmap())
        with Server(path) as server:
            for body in table([1, None, 3], [None, 5, 6]):
                answer = server.post("/invocations", body, headers={"Content-Type": "application/json"})
                assert answer.status == 200, answer
                found = [row["twice"] for row in answer.json["predictions"]]
                assert [[v != v for v in row] for row in found] == [
                    [False, True, False], [True, False, False]], found
                assert found[0][0] == 2 and found[1][1:] == [10, 12]
            csv = server.post("/invocations", "0,1,2\n1,,3\n", headers={"Content-Type": "text/csv"})
            assert "NaN" in csv.body.decode(), csv
            # Only cells: elsewhere null is no number.
            assert server.post("/v1/models/zip:predict", {"instances": [[1, None, 3]]}).status == 400
    with scratch() as folder:
        path = models.write(folder, "pair.onnx", models.two_inputs())
        with Server(path) as server:
            rows = {"columns": ["a", "b"], "data": [[[1, 2], None]]}
            answer = server.post("/invocations", {"dataframe_split": rows},
                                 headers={"Content-Type": "application/json"})
            assert answer.status == 400, answer
            message = answer.json["message"]
            assert "'b'" in message and "int64" in message and "found null" in message, answer


def test_classify():
    with scratch() as folder:
        path = models.write(folder, "zip.onnx", models.zipmap())
        side_file(folder, "zip", {
            "labels": {"twice": ["c", "d", "e"]},
            "signatures": {
                "maps": {"method": "classify", "inputs": {"x": ["a", "b"]},
                         "outputs": {"scores": "maps"}},
                "named": {"method": "classify", "inputs": {"x": ["a", "b"]},
                          "outputs": {"scores": "twice"}},
                "brief": {"method": "predict", "outputs": {"twice": "twice"}}}})
        with Server(path) as server:
            at = "/v1/models/zip:classify"
            examples = [{"a": 0.25, "b": [0.5, 0.125]}, {"b": [2, 3], "a": [1]}]
            answer = server.post(at, {"examples": examples, "signature_name": "maps"})
            assert answer.json == {"results": [[[k, v] for k, v in m.items()] for m in MAPS]}
            answer = server.post(at, {"signature_name": "named", "context": {"a": 1},
                                      "examples": [{"b": [2, 3]}, {"b": [0, 0], "a": 0}]})
            assert answer.json == {"results": [[["c", 2.0], ["d", 4.0], ["e", 6.0]],
                                               [["c", 0.0], ["d", 0.0], ["e", 0.0]]]}, answer
            answer = server.post("/v1/models/zip/versions/1:predict",
                                 {"signature_name": "brief", "instances": ROWS})
            assert answer.json == {"predictions": [[2 * v for v in row] for row in ROWS]}
            for body, text in (
                    ({"examples": examples}, "signature_name"),
                    ({"examples": examples, "signature_name": "brief"}, "brief"),
                    ({"signature_name": "maps"}, "examples"),
                    ({"examples": [], "signature_name": "maps"}, "row"),
                    ({"examples": [{"a": 1}], "signature_name": "maps"}, "'b'"),
                    ({"examples": [{"a": 1, "b": 2}], "signature_name": "maps"}, "'x'"),
                    ({"examples": [{"a": 1, "b": [1, 2]}, {"a": 1, "b": 1}],
                      "signature_name": "maps"}, "row 1"),
                    ({"examples": [[1, 2]], "signature_name": "maps"}, "example"),
                    ({"examples": examples, "context": [1], "signature_name": "maps"}, "context"),
                    ({"examples": [{"a": "x", "b": [1, 2]}], "signature_name": "maps"}, "'a'")):
                answer = server.post(at, body)
                assert answer.status == 400 and text in answer.json["error"], (body, answer)
            assert server.post("/v1/models/zip:regress", {"examples": examples}).status == 400
            defs = server.get("/v1/models/zip/metadata").json["metadata"]["signature_def"]
            defs = defs["signature_def"]
            assert set(defs) == {"maps", "named", "brief", "serving_default"}
            assert defs["maps"]["method_name"] == "tensorflow/serving/classify"
            assert list(defs["brief"]["outputs"]) == ["twice"]


def test_the_side_file_is_looked_at_again():
    with scratch() as folder:
        path = models.write(folder, "zip.onnx", models.zipmap())
        with Server(path, "--allow-management") as server:
            ask = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": ROWS[:1]}],
                   "outputs": [{"name": "twice", "parameters": {"classification": 1}}]}
            answer = server.post("/v2/models/zip/infer", ask).json["outputs"][0]["data"]
            assert answer == ["1.000000:1"]
            side_file(folder, "zip", {"labels": {"twice": ["c", "d", "e"]}})
            assert server.post("/v2/repository/models/zip/load", "").status == 200
            answer = server.post("/v2/models/zip/infer", ask).json["outputs"][0]["data"]
            assert answer == ["1.000000:1:d"]
            # A file that does not fit leaves what is in service.
            side_file(folder, "zip", {"labels": {"nope": ["c"]}})
            assert server.post("/v2/repository/models/zip/load", "").status == 400
            answer = server.post("/v2/models/zip/infer", ask).json["outputs"][0]["data"]
            assert answer == ["1.000000:1:d"]


def test_regress_along_another_axis():
    with scratch() as folder:
        path = models.write(folder, "sums.onnx", models.column_sums())
        side_file(folder, "sums", {
            "batch_axis": 1,
            "signatures": {"sum": {"method": "regress", "inputs": {"x": ["p", "q", "r"]},
                                   "outputs": {"values": "y"}}}})
        with Server(path) as server:
            answer = server.post("/v1/models/sums:regress", {"examples": [
                {"p": 1, "q": 10, "r": 100}, {"p": 2, "q": 20, "r": 200}]})
            assert answer.json == {"results": [111.0, 222.0]}, answer


def test_side_files_that_are_wrong():
    with scratch() as folder:
        path = models.write(folder, "zip.onnx", models.zipmap())
        for content, text in (
                ("{", "byte"), ("[]", "object"), ('{"other": 1}', "another key"),
                ('{"batch_axis": -1}', "batch_axis"), ('{"labels": {"nope": ["a"]}}', "nope"),
                ('{"labels": {"twice": []}}', "at least one"),
                ('{"signatures": {"s": {"method": "guess"}}}', "guess"),
                ('{"signatures": {"s": {"method": "classify"}}}', "'s'"),
                ('{"signatures": {"s": {"method": "regress", "inputs": {"y": ["a"]}}}}', "'y'")):
            side_file(folder, "zip", content)
            code, _, errors = run("serve", path, "--listen", "127.0.0.1:0")
            assert code == 3 and "zip.signatures.json" in errors and text in errors, errors


if __name__ == "__main__":
    main(globals())
