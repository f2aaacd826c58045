"""Metrics and the access log.

ctest: timeout=120"""
import json
import os
import re
import socket

import models
from serving import DIGITS, SOURCE, Server, digits_images, main, scratch, wait_until

ONE = digits_images()[0]


def metrics(server):
    """{name{labels}: value}; checks the text format line by line."""
    answer = server.get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"), answer.headers
    values, typed = {}, set()
    for line in answer.body.decode().splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert kind in ("counter", "gauge", "histogram") and name not in typed, line
            typed.add(name)
        elif not line.startswith("# HELP "):
            found = re.fullmatch(r'([a-z_]+)(\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})? (\S+)', line)
            assert found, line
            base = re.sub(r"_(bucket|sum|count)$", "", found.group(1))
            assert found.group(1) in typed or base in typed, line
            key = found.group(1) + (found.group(2) or "")
            assert key not in values, line
            values[key] = float(found.group(3))
    return values


def settled(server, *needed):
    """The metrics once all of the keys are there: a request is counted when its answer is sent,
    which another loop may see a moment later."""
    wait_until(lambda: all(key in metrics(server) for key in needed), needed)
    return metrics(server)


def requests(model, protocol, code):
    return f'serval_requests_total{{model="{model}",protocol="{protocol}",code="{code}"}}'


def test_requests_by_model_protocol_and_code():
    with Server(DIGITS) as server:
        for _ in range(3):
            server.post("/predict", [ONE])
        server.post("/v1/models/digits:predict", {"instances": [ONE]})
        server.post("/v1/models/digits:predict", {"instances": [1]})
        server.post("/v2/models/nope/infer", {})
        server.get("/nothing")
        values = settled(server, requests("", "http", 404), requests("", "oip", 404),
                         requests("digits", "tfs", 400))
        assert values[requests("digits", "plain", 200)] == 3
        assert values[requests("digits", "tfs", 200)] == 1
        assert values[requests("digits", "tfs", 400)] == 1
        assert values[requests("", "oip", 404)] == 1
        assert values[requests("", "http", 404)] == 1
        assert values["serval_models"] == 1 and values["serval_ready"] == 1
        assert values["process_resident_memory_bytes"] > 1e6


def test_phases():
    with Server(DIGITS) as server:
        for _ in range(5):
            server.post("/predict", [ONE])
        last = 'serval_request_phase_seconds_count{model="digits",version="1",phase="write"}'
        wait_until(lambda: metrics(server).get(last) == 5, "five requests to be counted")
        values = metrics(server)
        for phase in ("read", "parse", "queue", "run", "write"):
            label = f'model="digits",version="1",phase="{phase}"'
            count = values[f"serval_request_phase_seconds_count{{{label}}}"]
            assert count == 5, (phase, count)
            assert values[f'serval_request_phase_seconds_bucket{{{label},le="+Inf"}}'] == 5
            buckets = [v for k, v in values.items() if k.startswith(
                f"serval_request_phase_seconds_bucket{{{label},")]
            assert buckets == sorted(buckets) and len(buckets) >= 10
        run = values['serval_request_phase_seconds_sum{model="digits",version="1",phase="run"}']
        assert 0 < run < 60


def test_labels_do_not_grow():
    with Server(DIGITS) as server:
        server.get("/v1/models/x")
        server.get("/metrics")
        before = len(settled(server, requests("", "tfs", 404), requests("", "plain", 200)))
        for i in range(300):
            server.get(f"/v1/models/made-up-{i}")
        assert len(metrics(server)) == before


def documented():
    """{name: (type, labels)} of docs/metrics.md."""
    found = {}
    with open(os.path.join(SOURCE, "docs", "metrics.md")) as f:
        for line in f:
            row = re.match(r"\| `([a-z_]+)` \| (\w+) \| ([^|]*)\|", line)
            if row:
                assert row.group(1) not in found, line
                found[row.group(1)] = (row.group(2), set(re.findall(r"`(\w+)`", row.group(3))))
    return found


# Has rows only where requests are refused or wait: test_scheduling.py sees to those.
UNDER_LOAD = {"serval_requests_shed_total", "serval_model_queue_delay_seconds"}


def shadowed(folder):
    """A model with a shadow, so that every metric has a row: its configuration file."""
    for version in ("1", "2"):
        os.makedirs(os.path.join(folder, "m", version))
        models.write(os.path.join(folder, "m", version), "model.onnx", models.scalar())
    path = os.path.join(folder, "serve.yaml")
    with open(path, "w") as f:
        f.write("models:\n  m:\n    path: m\n    versions: all\n    traffic: {1: 100}\n"
                "    shadow: 2\n")
    return path


def test_the_page_says_what_is_served():
    with scratch() as folder:
        with Server("--config", shadowed(folder), "--metrics-names", "triton", "--metrics-names",
                    "torchserve") as server:
            assert server.post("/v1/models/m:predict", {"inputs": 1.0}).status == 200
            wait_until(lambda: any(key.startswith("serval_shadow_total{") for key in metrics(server)),
                       "the shadow to be counted")
            text = server.get("/metrics").body.decode()
    types = dict(line.split()[2:] for line in text.splitlines() if line.startswith("# TYPE "))
    page = documented()
    assert types == {name: kind for name, (kind, _) in page.items()}, types.items() ^ {
        (name, kind) for name, (kind, _) in page.items()}
    rows = set()
    for line in text.splitlines():
        found = re.match(r"([a-z_]+)(?:\{(.*)\})? ", line)
        if line.startswith("#") or not found:
            continue
        name = found.group(1)
        if name not in types:
            name = re.sub(r"_(bucket|sum|count)$", "", name)
        labels = set(re.findall(r'(\w+)="', found.group(2) or "")) - {"le"}
        assert labels == page[name][1], line
        rows.add(name)
    assert rows | UNDER_LOAD == set(page), set(page) - rows


def test_access_log():
    with scratch() as folder:
        path = os.path.join(folder, "access.log")
        with Server(DIGITS, "--access-log", path) as server:
            def lines():
                with open(path) as f:
                    return [json.loads(line) for line in f]

            # Loops write their own lines: only a line that is there stands before the next request's.
            server.post("/predict", [ONE])
            wait_until(lambda: len(lines()) == 1, "the first line")
            server.post("/v2/models/digits/infer", '{"id":"abc","inputs":[]}')
            wait_until(lambda: len(lines()) == 2, "the second line")
            server.get("/a\"b'%00")
            wait_until(lambda: len(lines()) == 3, "the third line")
            first, second, third = lines()
            assert first["method"] == "POST" and first["target"] == "/predict"
            assert first["protocol"] == "plain" and first["model"] == "digits"
            assert first["version"] == 1 and first["code"] == 200
            assert first["bytes_in"] > 200 and first["bytes_out"] > 100
            assert first["run_us"] > 0 and first["total_us"] >= first["run_us"]
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", first["time"])
            assert first["peer"].startswith("127.0.0.1:")
            assert second["code"] == 400 and second["id"] == "abc"
            assert third["code"] == 400 or third["code"] == 404


def test_traces_and_request_ids():
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with scratch() as folder:
        path = os.path.join(folder, "access.log")
        with Server(DIGITS, "--access-log", path) as server:
            for body in ([ONE], {"wrong": 1}):
                answer = server.post("/predict", body, headers={
                    "traceparent": f"00-{trace}-{parent}-01", "X-Request-Id": "mine/1"})
                found = re.fullmatch(f"00-{trace}-([0-9a-f]{{16}})-01", answer.headers["traceparent"])
                assert found and found.group(1) != parent, answer.headers
                assert answer.headers["X-Request-Id"] == "mine/1"
            answer = server.post("/predict", [ONE], headers={"traceparent": "00-no-trace-01"})
            assert answer.status == 200 and "traceparent" not in answer.headers
        with open(path) as f:
            lines = [json.loads(line) for line in f]
        assert [line.get("trace") for line in lines].count(trace) == 2, lines
        assert lines[0]["parent"] == parent and lines[0]["id"] == "mine/1" and lines[0]["span"]


NEW_ID = "[0-9a-f]{32}"
NEW_TRACE = "00-([0-9a-f]{32})-[0-9a-f]{16}-00"


def test_ids_are_made_where_they_are_seen():
    good, bad = [ONE], {"wrong": 1}
    with scratch() as folder:
        path = os.path.join(folder, "access.log")
        with Server(DIGITS, "--access-log", path) as server:
            # Nobody asked: nothing is added to an answer, but the log has both.
            answer = server.post("/predict", good)
            assert "X-Request-Id" not in answer.headers and "traceparent" not in answer.headers
            failed = server.post("/predict", bad)
            refused = server.get("/no%zzpath")
            assert refused.status == 400
            asked = server.post("/predict", good, headers={"X-Request-Id": "", "traceparent": ""})
            half = server.post("/predict", bad, headers={"X-Request-Id": "mine"})
            body = server.post("/v2/models/digits/infer", '{"id":"of the body","inputs":[]}')
            assert half.headers["X-Request-Id"] == "mine"
            assert body.headers["X-Request-Id"] == "of the body"
            answers = (failed, refused, asked, half, body)
            for answer in (failed, refused, asked):
                assert re.fullmatch(NEW_ID, answer.headers["X-Request-Id"]), answer.headers
            for answer in answers:
                assert re.fullmatch(NEW_TRACE, answer.headers["traceparent"]), answer.headers
                assert len(answer.headers.get_all("X-Request-Id")) == 1
                assert len(answer.headers.get_all("traceparent")) == 1
        with open(path) as f:
            lines = [json.loads(line) for line in f]
        assert len(lines) == 6
        for line in lines:
            assert line["id"] and re.fullmatch(NEW_ID, line["trace"]) and line["span"], line
            assert "parent" not in line, line
        assert len({line["id"] for line in lines}) == len({line["trace"] for line in lines}) == 6
        logged = {line["id"]: line["trace"] for line in lines}
        for answer in answers:
            trace = re.fullmatch(NEW_TRACE, answer.headers["traceparent"]).group(1)
            assert logged[answer.headers["X-Request-Id"]] == trace
    # Without a log only those who fail, or ask.
    with Server(DIGITS) as server:
        assert "X-Request-Id" not in server.post("/predict", good).headers
        assert re.fullmatch(NEW_ID, server.post("/predict", bad).headers["X-Request-Id"])
        assert re.fullmatch(NEW_ID, server.get("/nothing").headers["X-Request-Id"])
        server.post("/predict", good, headers={"X-Request-Id": ""}).headers["X-Request-Id"]


def at_port(server, port, path, method="GET"):
    main_port, server.port = server.port, port
    try:
        return server.ask(method, path)
    finally:
        server.port = main_port


def metrics_port(server):
    wait_until(lambda: any(line.startswith("metrics:") for line in list(server.lines)), "its line")
    [line] = [line for line in server.lines if line.startswith("metrics:")]
    return int(line.rsplit(":", 1)[1])


def check_apart(server):
    port = metrics_port(server)
    answer = at_port(server, port, "/metrics")
    assert answer.status == 200 and b"serval_models 1" in answer.body, answer
    for path in ("/healthz", "/readyz"):
        assert at_port(server, port, path).status == 200
        assert server.get(path).status == 200
    for path in ("/v2", "/v1/models/digits", "/docs", "/openapi.json", "/predict", "/ping", "/"):
        assert at_port(server, port, path).status == 404, path
    assert at_port(server, port, "/v2/repository/models/digits/load", "POST").status == 404
    assert at_port(server, port, "/predict", "POST").status == 404
    assert server.get("/metrics").status == 404
    assert "/metrics" not in server.get("/openapi.json").json["paths"]
    assert server.post("/predict", [ONE]).status == 200


def test_metrics_on_an_address_of_their_own():
    with Server(DIGITS, "--metrics-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0") as server:
        check_apart(server)
        [line] = [line for line in server.lines if line.startswith("admin:")]
        admin = int(line.rsplit(":", 1)[1])
        assert at_port(server, admin, "/metrics").status == 404
        assert at_port(server, admin, "/v2/repository/models/digits/load", "POST").status == 200
    with scratch() as folder:
        path = os.path.join(folder, "serve.yaml")
        with open(path, "w") as f:
            f.write(f"models: {{digits: {DIGITS}}}\nmetrics-listen: ['127.0.0.1:0', "
                    f"'unix:{folder}/m.sock']\n")
        with Server("--config", path) as server:
            wait_until(lambda: len([x for x in server.lines if x.startswith("metrics:")]) == 2, "lines")
            server.lines[:] = [line for line in server.lines if "unix:" not in line]
            check_apart(server)
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(f"{folder}/m.sock")
                s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                assert s.recv(12).endswith(b" 200")
                while s.recv(65536):
                    pass


def test_names_of_other_servers():
    with Server(DIGITS, "--metrics-names", "triton", "--metrics-names", "torchserve") as server:
        server.post("/predict", [ONE, ONE])
        server.post("/predict", "junk")
        labels = '{model="digits",version="1"}'

        def counted():
            values = metrics(server)
            return all(values["nv_inference_request_" + name + labels] == 1
                       for name in ("success", "failure"))

        # Another loop may count a request after its answer has arrived.
        wait_until(counted, "both requests")
        found = metrics(server)
        assert found["nv_inference_request_success" + labels] == 1
        assert found["nv_inference_request_failure" + labels] == 1
        assert found["nv_inference_count" + labels] == 2
        assert found["nv_inference_exec_count" + labels] == 1
        assert found["nv_inference_request_duration_us" + labels] > 0
        assert found['ts_inference_requests_total{model_name="digits",model_version="1"}'] == 1
    with Server(DIGITS) as server:
        assert not [name for name in metrics(server) if name.startswith(("nv_", "ts_"))]


def test_access_log_on_standard_output():
    server = Server(DIGITS, "--access-log", "-")
    server.post("/predict", [ONE])
    assert server.stop() == 0
    assert [json.loads(line)["code"] for line in server.output] == [200]


if __name__ == "__main__":
    main(globals())
