"""What a config.pbtxt says, as clients of Triton's protocol see it: labels, reshapes, the model's
configuration.

ctest: timeout=180"""
import os
import struct

import models
from serving import Server, main, scratch, wait_until


def doubling(shape):
    """Answers its input, doubled."""
    return models.model([models.node("Add", ["x", "x"], ["y"])],
                        [models.value_info("x", models.FLOAT, shape)],
                        [models.value_info("y", models.FLOAT, shape)])


def write_model(folder, name, data, config, **files):
    base = f"{folder}/{name}"
    os.makedirs(f"{base}/1")
    models.write(f"{base}/1", "model.onnx", data)
    for file, text in {"config.pbtxt": config, **files}.items():
        with open(f"{base}/{file}", "w") as f:
            f.write(text)
    return base


def ask(server, name, shape, data, **output):
    body = {"inputs": [{"name": "x", "shape": shape, "datatype": "FP32", "data": data}]}
    if output:
        body["outputs"] = [{"name": "y", "parameters": output}]
    return server.post(f"/v2/models/{name}/infer", body)


PORTS = 'input { name: "x" data_type: TYPE_FP32 dims: %s }\noutput { name: "y" data_type: TYPE_FP32 dims: %s }\n'


def test_labels():
    with scratch() as folder:
        config = PORTS % ("[3]", "[3] label_filename: 'labels.txt'")
        base = write_model(folder, "m", doubling(["N", 3]), f"max_batch_size: 8\n{config}",
                           **{"labels.txt": "cat\r\ndog\n\u00e9mu"})
        with Server("--repository", folder, "--poll", "1") as server:
            assert not any("label_filename" in line for line in server.lines)

            def best():
                return ask(server, "m", [2, 3], [0, 2, 1, 5, 3, 4], classification=2)

            found = best().json["outputs"][0]
            assert found["shape"] == [2, 2]
            assert found["data"] == ["4.000000:1:dog", "2.000000:2:\u00e9mu", "10.000000:0:cat",
                                     "8.000000:2:\u00e9mu"], found
            assert server.get("/v2/models/m/config").json["output"][0]["label_filename"] \
                == "labels.txt"
            # Other labels are another version of the same number.
            with open(f"{base}/.new", "w") as f:
                f.write("a\nb\n")
            os.rename(f"{base}/.new", f"{base}/labels.txt")
            wait_until(lambda: ":1:b" in best().body.decode(), "the new labels")
            assert "5.000000:2\"" not in best().body.decode()
            # What is beside the version is said of it alone.
            with open(f"{base}/1/model.signatures.json", "w") as f:
                f.write('{"labels": {"y": ["x", "y", "z"]}}')
            wait_until(lambda: ":1:y" in best().body.decode(), "the version's own labels")
            os.remove(f"{base}/1/model.signatures.json")
            # A file that is not there, or elsewhere, or no text, is said by name.
            good = open(f"{base}/config.pbtxt").read()
            for name, reason in (("none.txt", "none.txt"), ("../m/labels.txt", "../m/labels.txt"),
                                 ("1/model.onnx", "UTF-8"), ("/etc/passwd", "/etc/passwd")):
                with open(f"{base}/config.pbtxt", "w") as f:
                    f.write(good.replace("labels.txt", name))

                def told():
                    text = server.post("/v2/repository/index", {}).body.decode()
                    return "label_filename of output 'y'" in text and reason in text

                wait_until(told, name)
                assert ask(server, "m", [1, 3], [0, 1, 2]).status == 200


def reshaped(folder):
    """Triton's own quick start: clients see no batch where the model has one of 1."""
    write_model(folder, "single", doubling([1, 3]),
                PORTS % ("[3] reshape { shape: [1, 3] }",
                         "[3] reshape { shape: [1, 3] } label_filename: 'l'"), l="a\nb\nc\n")
    write_model(folder, "rows", doubling(["N", 2, 2]), "max_batch_size: 8\ndynamic_batching { }\n" +
                PORTS % ("[4] reshape { shape: [2, 2] }", "[2, 2]"))
    write_model(folder, "open", doubling(["A", 1, "B"]),
                PORTS % ("[-1, -1] reshape { shape: [-1, 1, -1] }",
                         "[-1, -1, 1] reshape { shape: [-1, 1, -1] }"))
    write_model(folder, "scalar", doubling(["N"]), "max_batch_size: 4\n" +
                PORTS % ("[1] reshape { shape: [] }", "[1] reshape { shape: [] }"))


def test_reshape():
    with scratch() as folder:
        reshaped(folder)
        with Server("--repository", folder) as server:
            about = server.get("/v2/models/single").json
            assert about["inputs"][0]["shape"] == [3] and about["outputs"][0]["shape"] == [3]
            found = ask(server, "single", [3], [1, 2, 3]).json["outputs"][0]
            assert found["shape"] == [3] and found["data"] == [2, 4, 6]
            found = ask(server, "single", [3], [1, 3, 2], classification=1).json["outputs"][0]
            assert found["shape"] == [1] and found["data"] == ["6.000000:1:b"], found
            answer = ask(server, "single", [1, 3], [1, 2, 3])
            assert answer.status == 400 and "float32[3]" in answer.json["error"], answer
            # A body that is only the tensor is of the same shape.
            answer = server.post("/v2/models/single/infer", struct.pack("<3f", 1, 2, 3),
                                 headers={"Inference-Header-Content-Length": "0"})
            assert b'"shape":[3]' in answer.body, answer
            # Other protocols speak of the model as it is.
            answer = server.post("/v1/models/single:predict", {"instances": [[1, 2, 3]]})
            assert answer.json["predictions"] == [[2, 4, 6]], answer
            assert server.get("/v2/models/rows").json["inputs"][0]["shape"] == [-1, 4]
            assert server.get("/v2/models/rows").json["outputs"][0]["shape"] == [-1, 2, 2]
            found = ask(server, "rows", [2, 4], list(range(8))).json["outputs"][0]
            assert found["shape"] == [2, 2, 2] and found["data"][7] == 14
            found = server.get("/v2/models/rows/config").json
            if found["max_batch_size"]:
                assert found["input"][0]["dims"] == [4]
                assert found["input"][0]["reshape"] == {"shape": [2, 2]}
                assert "reshape" not in found["output"][0]
            assert ask(server, "rows", [2, 2, 2], list(range(8))).status == 400
            found = ask(server, "open", [2, 3], list(range(6))).json["outputs"][0]
            assert found["shape"] == [2, 3, 1] and found["data"][5] == 10
            found = ask(server, "scalar", [2, 1], [4, 5]).json["outputs"][0]
            assert found["shape"] == [2, 1] and found["data"] == [8, 10]
            assert ask(server, "scalar", [2], [4, 5]).status == 400


def test_bad_reshapes():
    for ports, reason in (
            (("[3] reshape { shape: [2, 2] }", "[2, 2]"), "as many elements as the dims [3]"),
            (("[4] reshape { shape: [4, 1] }", "[2, 2]"), "expected a reshape to [2,2]"),
            (("[2, 2]", "[-1] reshape { shape: [2, 2] }"), "as many elements"),
            (("[2, -1] reshape { shape: [-1, 2] }", "[2, 2]"), "as many elements"),
            (("[4611686018427387904, 4] reshape { shape: [0] }", "[2, 2]"), "as many elements"),
            (("[2, 2] reshape { sha: 3 }", "[2, 2]"), "as many elements"),
            (("[2, 2] reshape { shape: [-2] }", "[2, 2]"), "config.pbtxt:1")):
        with scratch() as folder:
            write_model(folder, "m", doubling([2, 2]), PORTS % ports)
            with Server("--repository", folder, "--poll", "1") as server:
                text = server.post("/v2/repository/index", {}).body.decode()
                assert reason in text, (ports, text)
                assert server.get("/v2/models/m").status == 404


def test_configuration_is_what_is_in_force():
    batching = """
dynamic_batching { preferred_batch_size: [2, 4] max_queue_delay_microseconds: 300
  priority_levels: 2 default_priority_level: 2
  default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 9 max_queue_size: 7 }
  priority_queue_policy { key: 1 value { allow_timeout_override: true max_queue_size: 3 } } }
instance_group [{ count: 1 kind: KIND_CPU }]
parameters { key: "colour" value { string_value: "red \\"one\\"" } }
parameters { key: "size" value { string_value: "2" } }
model_warmup { name: "first" batch_size: 2
  inputs { key: "x" value { data_type: TYPE_FP32 dims: 3 zero_data: true } } }
version_policy { specific { versions: [1] } }
"""
    with scratch() as folder:
        write_model(folder, "m", doubling(["N", 3]),
                    "max_batch_size: 4\n" + PORTS % ("[3]", "[3]") + batching)
        write_model(folder, "plain", doubling(["N", 3]), "version_policy { all {} }")
        with Server("--repository", folder, "--threads", "2") as server:
            found = server.get("/v2/models/m/config").json
            assert found["version_policy"] == {"specific": {"versions": [1]}}
            assert found["instance_group"] == [{"kind": "KIND_CPU", "count": 1}]
            assert found["parameters"] == {"colour": {"string_value": 'red "one"'},
                                           "size": {"string_value": "2"}}
            assert found["model_warmup"] == [{"name": "first", "batch_size": 2, "count": 1}]
            assert found["max_batch_size"] == 4 and found["input"][0]["dims"] == [3]
            assert found["dynamic_batching"] == {
                "preferred_batch_size": [2, 4], "max_queue_delay_microseconds": 300,
                "preserve_ordering": False, "priority_levels": 2, "default_priority_level": 2,
                "default_queue_policy": {
                    "timeout_action": "DELAY", "default_timeout_microseconds": 9,
                    "allow_timeout_override": False, "max_queue_size": 7},
                "priority_queue_policy": {"1": {
                    "timeout_action": "REJECT", "default_timeout_microseconds": 0,
                    "allow_timeout_override": True, "max_queue_size": 3}}}
            found = server.get("/v2/models/plain/config").json
            assert found["version_policy"] == {"all": {}} and found["parameters"] == {}
            assert found["instance_group"][0]["count"] == 2


if __name__ == "__main__":
    main(globals())
