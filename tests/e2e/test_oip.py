"""Triton's extensions of the Open Inference Protocol: raw tensors, classes, statistics, configuration,
settings.

ctest: timeout=180"""
import concurrent.futures
import gzip
import json
import struct

import models
from serving import DIGITS, Server, digits_images, main, scratch

IMAGE = digits_images()[0]
FLAT = [p for plane in IMAGE for row in plane for p in row]
INFER = "/v2/models/digits/infer"


def binary(inputs, raw, outputs=None, **more):
    """A body with raw tensors behind its JSON, and the header that says where they begin."""
    head = {"inputs": inputs, **more}
    if outputs is not None:
        head["outputs"] = outputs
    text = json.dumps(head).encode()
    return text + raw, {"Inference-Header-Content-Length": str(len(text))}


def parts(answer):
    """JSON and raw tensors of an answer, by name."""
    size = answer.headers.get("Inference-Header-Content-Length")
    head = json.loads(answer.body[:int(size)] if size else answer.body)
    at = int(size) if size else len(answer.body)
    raw = {}
    for output in head["outputs"]:
        n = output.get("parameters", {}).get("binary_data_size")
        if n is not None:
            raw[output["name"]] = answer.body[at:at + n]
            at += n
    assert at == len(answer.body)
    return head, raw


def digits_input(**more):
    return {"name": "image", "shape": [1, 1, 8, 8], "datatype": "FP32", **more}


def test_raw_input_and_output():
    raw = struct.pack("<64f", *FLAT)
    with Server(DIGITS) as server:
        plain = server.post(INFER, {"inputs": [digits_input(data=FLAT)]}).json["outputs"][0]["data"]
        body, headers = binary([digits_input(parameters={"binary_data_size": 256})], raw)
        answer = server.post(INFER, body, headers=headers)
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json["outputs"][0]["data"] == plain
        for outputs, more in (
                ([{"name": "probabilities", "parameters": {"binary_data": True}}], {}),
                (None, {"parameters": {"binary_data_output": True}})):
            body, headers = binary([digits_input(parameters={"binary_data_size": 256})], raw,
                                   outputs, **more)
            answer = server.post(INFER, body, headers=headers)
            assert answer.headers["Content-Type"] == "application/octet-stream"
            head, data = parts(answer)
            assert head["outputs"][0]["shape"] == [1, 10] and "data" not in head["outputs"][0]
            found = struct.unpack("<10f", data["probabilities"])
            assert all(abs(a - b) < 1e-6 for a, b in zip(found, plain))


def test_body_that_is_only_the_tensor():
    raw = struct.pack("<64f", *FLAT)
    with Server(DIGITS) as server:
        head, data = parts(server.post(INFER, raw * 3,
                                       headers={"Inference-Header-Content-Length": "0"}))
        assert head["outputs"][0]["shape"] == [3, 10] and len(data["probabilities"]) == 120
        bad = server.post(INFER, raw[:-1], headers={"Inference-Header-Content-Length": "0"})
        assert bad.status == 400 and "image" in bad.json["error"], bad


def test_raw_strings_and_booleans():
    with scratch() as folder:
        echo = models.write(folder, "echo.onnx", models.text_echo())
        flags = models.write(folder, "flags.onnx", models.flags())
        with Server(echo, flags) as server:
            texts = [b"", b"plain", "h\u00e9".encode(), b"\xff\x00raw"]
            raw = b"".join(struct.pack("<I", len(t)) + t for t in texts)
            entry = {"name": "text", "shape": [4], "datatype": "BYTES",
                     "parameters": {"binary_data_size": len(raw)}}
            body, headers = binary([entry], raw, parameters={"binary_data_output": True})
            head, data = parts(server.post("/v2/models/echo/infer", body, headers=headers))
            assert head["outputs"][0]["datatype"] == "BYTES" and data["out"] == raw
            for cut in (3, 5, len(raw) - 1):
                entry["parameters"]["binary_data_size"] = cut
                body, headers = binary([entry], raw[:cut])
                answer = server.post("/v2/models/echo/infer", body, headers=headers)
                assert answer.status == 400 and "text" in answer.json["error"], (cut, answer)
            entry = {"name": "in", "shape": [2, 3], "datatype": "BOOL",
                     "parameters": {"binary_data_size": 6}}
            body, headers = binary([entry], bytes([0, 1, 2, 0, 0, 255]),
                                   parameters={"binary_data_output": True})
            head, data = parts(server.post("/v2/models/flags/infer", body, headers=headers))
            assert data["out"] == bytes([1, 0, 0, 1, 1, 0])


def test_raw_inputs_follow_their_order():
    with scratch() as folder:
        path = models.write(folder, "pair.onnx", models.two_inputs())
        with Server(path) as server:
            inputs = [{"parameters": {"binary_data_size": 16}, "datatype": "INT64", "name": "b",
                       "shape": [1, 2]},
                      {"name": "a", "shape": [1, 2], "datatype": "FP32",
                       "parameters": {"binary_data_size": 8}}]
            raw = struct.pack("<2q2f", 10, 20, 0.5, 0.25)
            body, headers = binary(inputs, raw, [
                {"name": "sum", "parameters": {"binary_data": True}}, {"name": "count"}])
            head, data = parts(server.post("/v2/models/pair/infer", body, headers=headers))
            assert struct.unpack("<2f", data["sum"]) == (10.5, 20.25)
            assert head["outputs"][1]["data"] == [20, 40]


def pair_request(count):
    """A request of the pair model with `count` rows, what its sums are, and its headers."""
    raw = struct.pack(f"<{2 * count}f", *range(2 * count))
    raw_b = struct.pack(f"<{2 * count}q", *range(1, 2 * count + 1))
    inputs = [{"name": "a", "shape": [count, 2], "datatype": "FP32",
               "parameters": {"binary_data_size": len(raw)}},
              {"name": "b", "shape": [count, 2], "datatype": "INT64",
               "parameters": {"binary_data_size": len(raw_b)}}]
    body, headers = binary(inputs, raw + raw_b, [{"name": "sum", "parameters": {
        "binary_data": True}}])
    return body, headers, struct.pack(f"<{2 * count}f", *(2 * i + 1 for i in range(2 * count)))


def chunked(body, size=70_001):
    pieces = (body[at:at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


def test_large_raw_inputs():
    """Where the tensors lie in memory, which depends on lengths and framing, changes no answer."""
    with scratch() as folder:
        pair = models.write(folder, "pair.onnx", models.two_inputs())
        flags = models.write(folder, "flags.onnx", models.flags())
        with Server(pair, flags) as server:
            for count in (7_999, 8_192, 50_001, 131_072):
                body, headers, sums = pair_request(count)
                _, data = parts(server.post("/v2/models/pair/infer", body, headers=headers))
                assert data["sum"] == sums, count
                zipped = gzip.compress(body, 1)
                _, data = parts(server.post("/v2/models/pair/infer", zipped,
                                            headers={**headers, "Content-Encoding": "gzip"}))
                assert data["sum"] == sums, count
                _, data = parts(server.post("/v2/models/pair/infer", chunked(body),
                                            headers={**headers, "Transfer-Encoding": "chunked"}))
                assert data["sum"] == sums, count
            raw = bytes(i % 3 for i in range(300_000))
            entry = {"name": "in", "shape": [300, 1000], "datatype": "BOOL",
                     "parameters": {"binary_data_size": len(raw)}}
            body, headers = binary([entry], raw, parameters={"binary_data_output": True})
            _, data = parts(server.post("/v2/models/flags/infer", body, headers=headers))
            assert data["out"] == bytes(not b for b in raw)


def test_large_raw_inputs_together():
    """Requests that are joined into one run, and those whose memory was another's before."""
    with scratch() as folder:
        pair = models.write(folder, "pair.onnx", models.two_inputs())
        with Server(pair) as server, concurrent.futures.ThreadPoolExecutor(8) as pool:
            requests = [pair_request(20_000 + 17 * i) for i in range(24)]
            answers = pool.map(lambda r: server.post("/v2/models/pair/infer", r[0], headers=r[1]),
                               requests)
            for (_, _, sums), answer in zip(requests, answers):
                assert parts(answer)[1]["sum"] == sums


def test_bad_binary_requests():
    raw = struct.pack("<64f", *FLAT)
    size = {"binary_data_size": 256}
    with Server(DIGITS) as server:
        rows = [
            ("more than there is", binary([digits_input(parameters={"binary_data_size": 300})], raw),
             "300"),
            ("bytes left over", binary([digits_input(parameters=size)], raw + b"xx"), "2 bytes"),
            ("both forms", binary([digits_input(parameters=size, data=FLAT)], raw), "both"),
            ("other shape", binary([digits_input(parameters=size, shape=[2, 1, 8, 8])], raw), "512"),
            ("other type", binary([digits_input(parameters=size, datatype="INT64")], raw), "int64"),
            ("negative size", binary([digits_input(parameters={"binary_data_size": -1})], raw),
             "below 0"),
            ("header that is no number", (raw, {"Inference-Header-Content-Length": "1e3"}), "1e3"),
            ("header beyond the body", (raw, {"Inference-Header-Content-Length": "9999"}), "256"),
            ("huge shape", binary([digits_input(parameters=size, shape=[2 ** 40, 2 ** 30, 8, 8])],
                                  raw), ""),
        ]
        for what, (body, headers), text in rows:
            answer = server.post(INFER, body, headers=headers)
            assert answer.status in (400, 501) and text in answer.json["error"], (what, answer)
        assert server.get("/healthz").status == 200


def test_classes():
    labels = {"labels": {"probabilities": ["no", "won", "too", "free"]}}
    with scratch() as folder:
        with open(DIGITS, "rb") as f:
            models.write(folder, "digits.onnx", f.read())
        with open(f"{folder}/digits.signatures.json", "w") as f:
            json.dump(labels, f)
        with Server(f"{folder}/digits.onnx") as server:
            two = digits_input(shape=[2, 1, 8, 8], data=FLAT + FLAT)
            scores = server.post(INFER, {"inputs": [two]}).json["outputs"][0]["data"][:10]
            order = sorted(range(10), key=lambda i: -scores[i])
            ask = {"name": "probabilities", "parameters": {"classification": 3}}
            output = server.post(INFER, {"inputs": [two], "outputs": [ask]}).json["outputs"][0]
            assert output["datatype"] == "BYTES" and output["shape"] == [2, 3]
            for text, i in zip(output["data"], order[:3] + order[:3]):
                wanted = f"{scores[i]:f}:{i}" + (f":{labels['labels']['probabilities'][i]}"
                                                 if i < 4 else "")
                assert text == wanted, (text, wanted)
            ask["parameters"]["classification"] = 1 << 40
            output = server.post(INFER, {"inputs": [two], "outputs": [ask]}).json["outputs"][0]
            assert output["shape"] == [2, 10]


def test_statistics_and_configuration():
    with Server(DIGITS, "--threads", "1") as server:
        for _ in range(3):
            assert server.post(INFER, {"inputs": [digits_input(data=FLAT)]}).status == 200
        assert server.post("/predict", [IMAGE, IMAGE]).status == 200
        assert server.post(INFER, {"inputs": []}).status == 400
        for path in ("/v2/models/digits/stats", "/v2/models/digits/versions/1/stats",
                     "/v2/models/stats"):
            stats = server.get(path).json["model_stats"]
            assert len(stats) == 1 and stats[0]["name"] == "digits" and stats[0]["version"] == "1"
        one = stats[0]
        assert one["inference_count"] == 5 and one["execution_count"] == 4, one
        assert one["inference_stats"]["success"]["count"] == 4
        assert one["inference_stats"]["fail"]["count"] == 1
        assert one["inference_stats"]["compute_infer"]["ns"] > 0 and one["last_inference"] > 0
        assert server.get("/v2/models/nope/stats").status == 404
        config = server.get("/v2/models/digits/config").json
        assert config["name"] == "digits" and config["max_batch_size"] == 64
        assert config["input"] == [{"name": "image", "data_type": "TYPE_FP32", "dims": [1, 8, 8],
                                    "optional": False}]
        assert config["output"][0]["dims"] == [10] and "dynamic_batching" in config
    with Server(DIGITS, "--no-batching") as server:
        config = server.get("/v2/models/digits/config").json
        assert config["max_batch_size"] == 0 and config["input"][0]["dims"] == [-1, 1, 8, 8]


def test_settings_can_be_read_only():
    with Server(DIGITS) as server:
        assert server.get("/v2/logging").json["log_error"] is True
        for path in ("/v2/trace/setting", "/v2/models/digits/trace/setting"):
            assert server.get(path).json["trace_level"] == ["OFF"]
            assert server.post(path, {"trace_level": ["TIMESTAMPS"]}).status == 403
        assert server.post("/v2/logging", {"log_info": False}).status == 403
        assert server.get("/v2/models/nope/trace/setting").status == 404


LOGGING = "/v2/logging"
TRACE = "/v2/trace/setting"
OWN_TRACE = "/v2/models/digits/trace/setting"


def test_log_settings():
    with Server(DIGITS, "--allow-management") as server:
        at_start = {"log_file": "", "log_info": True, "log_warning": True, "log_error": True,
                    "log_verbose_level": 0, "log_format": "default"}
        assert server.get(LOGGING).json == at_start
        # Each is kept by itself, and heeded.
        for change in ({"log_info": False}, {"log_error": False}, {"log_warning": False},
                       {"log_info": True, "log_warning": False}, {"log_verbose_level": 3},
                       {"log_format": "ISO8601"}, {"log_file": ""}, dict(at_start)):
            expected = {**server.get(LOGGING).json, **change}
            answer = server.post(LOGGING, change)
            assert answer.status == 200 and answer.json == expected, (change, answer)
            assert server.get(LOGGING).json == expected
        unload, load = (f"/v2/repository/models/digits/{verb}" for verb in ("unload", "load"))
        assert server.post(LOGGING, {"log_info": False}).status == 200
        before = len([line for line in server.lines if "unloaded on request" in line])
        assert server.post(unload, {}).status == 200 and server.post(load, {}).status == 200
        assert server.post(LOGGING, {"log_info": True}).status == 200
        assert server.post(unload, {}).status == 200 and server.post(load, {}).status == 200
        server.wait_for_line("unloaded on request")
        assert len([n for n in server.lines if "unloaded on request" in n]) == before + 1
        for change, reason in (({"log_file": "/tmp/x"}, "whoever starts the server"),
                               ({"log_format": "xml"}, "'default' or 'ISO8601'"),
                               ({"log_verbose_level": 1 << 32}, "4294967295"),
                               ({"log_info": 1}, "true or false"), ({"other": True}, "'other'")):
            answer = server.post(LOGGING, {"log_warning": False, **change})
            assert answer.status == 400 and reason in answer.json["error"], answer
        assert server.get(LOGGING).json == at_start


def records(path):
    with open(path) as f:
        return [json.loads(line) for line in f]


def infer(server, request_id, count=1, model="digits"):
    for _ in range(count):
        answer = server.post(f"/v2/models/{model}/infer",
                             {"id": request_id, "inputs": [digits_input(data=FLAT)]})
        assert answer.status == 200, answer


def test_traces():
    with scratch() as folder:
        path = f"{folder}/traces"
        with Server(DIGITS, f"other={DIGITS}", "--allow-management", "--trace-log", path) as server:
            infer(server, "untraced")
            at_start = {"trace_level": ["OFF"], "trace_rate": "1000", "trace_count": "-1",
                        "log_frequency": "0", "trace_file": path, "trace_mode": "triton"}
            assert server.get(TRACE).json == at_start and server.get(OWN_TRACE).json == at_start
            on = {"trace_level": ["TIMESTAMPS"], "trace_rate": "1"}
            answer = server.post(TRACE, on)
            assert answer.status == 200 and answer.json == {**at_start, **on}, answer
            assert server.get(OWN_TRACE).json == {**at_start, **on}
            infer(server, "first")
            # One model may have its own: of these every third, at most two.
            own = {"trace_rate": "3", "trace_count": "2", "log_frequency": "7"}
            assert server.post(OWN_TRACE, own).json == {**at_start, **on, **own}
            assert server.get(TRACE).json == {**at_start, **on}
            infer(server, "third", 12)
            assert server.get(OWN_TRACE).json["trace_count"] == "0"
            infer(server, "other", 1, "other")
            # Nothing takes back what is said of it, in either form.
            for nothing in (None, "", []):
                back = server.post(OWN_TRACE, dict.fromkeys(own, nothing)).json
                assert back == {**at_start, **on}, back
            assert server.post(OWN_TRACE, {"trace_level": "OFF"}).json["trace_level"] == ["OFF"]
            infer(server, "off")
            assert server.post(TRACE, {"trace_level": None, "trace_rate": None}).json == at_start
            infer(server, "over", 1, "other")
            assert server.post(TRACE, {"trace_file": path, "trace_mode": "triton"}).json == at_start
            for change, reason in (
                    ({"trace_file": "/tmp/x"}, "which only a start"), ({"trace_rate": "0"}, "from 1"),
                    ({"trace_level": ["TENSORS"]}, "TENSORS"), ({"trace_count": "-2"}, "-2"),
                    ({"trace_mode": "opentelemetry"}, "triton"), ({"trace_rate": "1e3"}, "1e3"),
                    ({"other": "1"}, "'other'"), ({"log_frequency": "99999999999"}, "99999999999")):
                for where in (TRACE, OWN_TRACE):
                    answer = server.post(where, {"trace_level": ["OFF"], **change})
                    assert answer.status == 400 and reason in answer.json["error"], answer
            assert server.post("/v2/models/nope/trace/setting", on).status == 404
        # Numbered as requests begin; written as they end, which those of two loops do in any order.
        found = sorted(records(path), key=lambda record: record["id"])
        assert [r["request_id"] for r in found] == ["first", "third", "third", "other"], found
        assert [r["id"] for r in found] == [1, 2, 3, 4]
        for record in found:
            assert record["model_version"] == 1
            stamps = record["timestamps"]
            assert [s["name"] for s in stamps] == ["REQUEST_START", "QUEUE_START", "COMPUTE_START",
                                                   "COMPUTE_END", "REQUEST_END"]
            times = [s["ns"] for s in stamps]
            assert times == sorted(times) and times[0] > 0
        assert [r["model_name"] for r in found] == ["digits"] * 3 + ["other"]
    # Without a place for records there is nothing to switch on.
    with Server(DIGITS, "--allow-management") as server:
        answer = server.post(TRACE, {"trace_level": ["TIMESTAMPS"]})
        assert answer.status == 400 and "--trace-log" in answer.json["error"], answer
        assert server.post(TRACE, {"trace_rate": "5"}).json["trace_rate"] == "5"


if __name__ == "__main__":
    main(globals())
