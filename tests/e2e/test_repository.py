"""Versions that come and go under a running service: swapped in without a failed request, left out
when they are broken, unloaded with their memory.

ctest: labels=threads timeout=240"""
import json
import os
import shutil
import signal
import socket
import threading
import time

import models
from serving import SANITIZED, Server, main, run, scratch, wait_until


def answering(number):
    """A model of one row that answers with its version, whatever it is asked."""
    return models.model(
        [models.node("Mul", ["x", "zero"], ["nothing"]), models.node("Add", ["nothing", "v"], ["y"])],
        [models.value_info("x", models.FLOAT, ["N", 1])],
        [models.value_info("y", models.FLOAT, ["N", 1])],
        [models.floats("zero", [1], [0.0]), models.floats("v", [1], [float(number)])])


def publish(base, number, data=None):
    """As an operator should: beside, then renamed into place."""
    os.makedirs(base, exist_ok=True)
    beside = f"{base}/.{number}.new"
    os.mkdir(beside)
    models.write(beside, "model.onnx", data if data is not None else answering(number))
    os.rename(beside, f"{base}/{number}")


def status(server, model):
    return {int(v["version"]): v for v in
            server.get(f"/v1/models/{model}").json["model_version_status"]}


def served(server, model):
    answer = server.post(f"/v2/models/{model}/infer", {
        "inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [1]}]})
    assert answer.status == 200, answer
    value = answer.json["outputs"][0]["data"][0]
    assert answer.json["model_version"] == str(int(value)), answer
    return int(value)


class Traffic:
    """Connections that ask without a pause and check what comes back."""

    def __init__(self, server, model, connections):
        self.server = server
        self.stopping = False
        self.failures = []
        self.versions = {}
        self.count = 0
        self.lock = threading.Lock()
        body = b'{"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[1]}]}'
        self.request = (b"POST /v2/models/%s/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
                        b"\r\n%s" % (model.encode(), len(body), body))
        self.threads = [threading.Thread(target=self._run, daemon=True)
                        for _ in range(connections)]
        for thread in self.threads:
            thread.start()

    def _run(self):
        try:
            with self.server.connect() as s:
                reader = s.makefile("rb")
                seen = {}
                while not self.stopping:
                    s.sendall(self.request)
                    version = self._read(reader)
                    seen[version] = seen.get(version, 0) + 1
            with self.lock:
                for version, n in seen.items():
                    self.versions[version] = self.versions.get(version, 0) + n
                    self.count += n
        except Exception as error:
            with self.lock:
                self.failures.append(repr(error))

    @staticmethod
    def _read(reader):
        line = reader.readline()
        length = 0
        while True:
            header = reader.readline()
            if header in (b"\r\n", b""):
                break
            if header.lower().startswith(b"content-length:"):
                length = int(header.split(b":")[1])
        body = reader.read(length)
        assert line.startswith(b"HTTP/1.1 200"), (line, body)
        answer = json.loads(body)
        value = answer["outputs"][0]["data"][0]
        # The answer's number and the model that made it are of one version.
        assert answer["model_version"] == str(int(value)), answer
        return int(value)

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()
        assert not self.failures, (len(self.failures), self.failures[:3])


def test_versions_are_swapped_while_64_connections_send():
    with scratch() as folder:
        base = f"{folder}/m"
        publish(base, 1)
        with Server("--repository", folder, "--poll", "1") as server:
            assert served(server, "m") == 1
            traffic = Traffic(server, "m", 64)
            for number in range(2, 22):
                publish(base, number)
                wait_until(lambda: served(server, "m") == number, f"version {number}")
                shutil.rmtree(f"{base}/{number - 1}")
            traffic.stop()
            assert served(server, "m") == 21
            assert set(traffic.versions) <= set(range(1, 22)), traffic.versions
            assert len(traffic.versions) > 10 and traffic.count > 1000, traffic.versions
            print(f"{traffic.count} answers of {len(traffic.versions)} versions")


def index(server, **more):
    """{(name, version): (state, reason)} as the repository index has it."""
    answer = server.post("/v2/repository/index", more)
    assert answer.status == 200, answer
    return {(row["name"], int(row.get("version", 0))): (row["state"], row["reason"])
            for row in answer.json}


def metric(server, line):
    for row in server.get("/metrics").body.decode().splitlines():
        if row.startswith(line + " "):
            return float(row.split()[-1])
    return None


def test_a_broken_version_leaves_the_old_one_serving():
    with scratch() as folder:
        base = f"{folder}/m"
        publish(base, 1)
        with Server("--repository", folder, "--poll", "1") as server:
            traffic = Traffic(server, "m", 4)
            publish(base, 2, answering(2)[:-20])
            wait_until(lambda: status(server, "m").get(2, {}).get("state") == "END", "the failure")
            state = status(server, "m")
            assert state[1]["state"] == "AVAILABLE", state
            assert state[2]["status"]["error_code"] == "INVALID_ARGUMENT", state
            assert "model.onnx" in state[2]["status"]["error_message"], state
            assert served(server, "m") == 1
            found = index(server)
            assert found["m", 1] == ("READY", ""), found
            assert found["m", 2][0] == "UNAVAILABLE" and "model.onnx" in found["m", 2][1], found
            assert set(index(server, ready=True)) == {("m", 1)}
            reason = '{model="m",reason="invalid_argument"}'
            assert metric(server, "serval_model_load_failures_total" + reason) >= 1
            assert metric(server, "serval_model_broken" + reason) == 1
            assert metric(server, 'serval_model_broken{model="m",reason="not_found"}') == 0
            assert metric(server, 'serval_model_version_served{model="m",version="1"}') == 1
            server.wait_for_line("version 2 cannot be loaded")
            answer = server.post("/v1/models/m/versions/2:predict", {"instances": [[1.0]]})
            assert answer.status == 404, answer
            # Mended in its place, it is served.
            models.write(f"{base}/2", "model.onnx", answering(2))
            wait_until(lambda: served(server, "m") == 2, "the mended version")
            assert status(server, "m")[2]["status"] == {"error_code": "OK", "error_message": ""}
            traffic.stop()
            assert set(traffic.versions) <= {1, 2}
            assert metric(server, "serval_model_broken" + reason) == 0


def test_a_file_that_is_copied_slowly():
    with scratch() as folder:
        base = f"{folder}/m"
        publish(base, 1)
        data = answering(2)
        with Server("--repository", folder, "--poll", "1") as server:
            traffic = Traffic(server, "m", 4)
            os.mkdir(f"{base}/2")
            with open(f"{base}/2/model.onnx", "wb", buffering=0) as f:
                for at in range(0, len(data), 16):
                    f.write(data[at:at + 16])
                    assert served(server, "m") == 1
                    time.sleep(0.1)
            wait_until(lambda: served(server, "m") == 2, "the copied version")
            traffic.stop()
            assert set(traffic.versions) <= {1, 2}


def test_a_file_that_is_truncated_while_it_is_served():
    with scratch() as folder:
        base = f"{folder}/m"
        publish(base, 1)
        with Server("--repository", folder, "--poll", "1") as server:
            traffic = Traffic(server, "m", 4)
            for size in (0, 1, 50):
                os.truncate(f"{base}/1/model.onnx", size)
                wait_until(lambda: status(server, "m")[1]["status"]["error_code"] != "OK",
                           "the reason")
                assert status(server, "m")[1]["state"] == "AVAILABLE"
                assert served(server, "m") == 1
            shutil.rmtree(f"{base}/1")
            wait_until(lambda: "m" in json.dumps(server.post("/v2/repository/index", {}).json),
                       "the index")
            time.sleep(1.5)
            # Nothing is left on disk: what was served last stays.
            assert served(server, "m") == 1
            assert "found neither" in index(server)["m", 0][1]
            publish(base, 3)
            wait_until(lambda: served(server, "m") == 3, "the next version")
            traffic.stop()
            assert set(traffic.versions) <= {1, 3}


def test_models_come_and_go_with_their_folders():
    with scratch() as folder:
        with Server("--repository", folder, "--poll", "1") as server:
            assert server.get("/v1/models/m").status == 404
            publish(f"{folder}/m", 4)
            wait_until(lambda: server.get("/v1/models/m").status == 200, "the model")
            wait_until(lambda: status(server, "m")[4]["state"] == "AVAILABLE", "its version")
            assert served(server, "m") == 4
            models.write(folder, "flat.onnx", answering(1))
            wait_until(lambda: server.get("/v1/models/flat").status == 200, "a single file")
            wait_until(lambda: status(server, "flat")[1]["state"] == "AVAILABLE", "its version")
            shutil.rmtree(f"{folder}/m")
            wait_until(lambda: server.get("/v1/models/m").status == 404, "the model to go")
            assert served(server, "flat") == 1


def test_version_policy_and_errors_of_config_pbtxt():
    with scratch() as folder:
        base = f"{folder}/m"
        for number in (1, 2, 3):
            publish(base, number)
        config = f"{base}/config.pbtxt"
        with open(config, "w") as f:
            f.write('name: "m"\nplatform: "onnxruntime_onnx"\nmax_batch_size: 8\n'
                    'input [{ name: "x" data_type: TYPE_FP32 dims: [1] }]\n'
                    'output { name: "y", data_type: TYPE_FP32, dims: 1 }\n'
                    'version_policy: { specific { versions: [1, 3] } }\n'
                    'instance_group [{ kind: KIND_CPU count: 2 }]\n'
                    'dynamic_batching { preferred_batch_size: [4, 8] }\n'
                    'model_warmup { name: "w" batch_size: 2\n'
                    '  inputs { key: "x" value { data_type: TYPE_FP32 dims: 1 zero_data: true } } }\n'
                    'optimization { priority: PRIORITY_MAX }\nwhatever: 1\n')
        with Server("--repository", folder, "--poll", "1") as server:
            assert {n for n, v in status(server, "m").items() if v["state"] == "AVAILABLE"} == {1, 3}
            assert any("'optimization' is not heeded" in line for line in server.lines)
            assert any(":12: 'whatever' is no field" in line for line in server.lines)
            # Errors leave everything as it was, and are told with their place.
            good = open(config).read()
            for text, reason in (
                    (good + "max_batch_size: 2\n", ":13:1"), ("input [{", ":1:9"),
                    ("\n  max_batch_size: many", ":2:19"), (good.replace('"x"', '"z"', 1), "'z'"),
                    (good.replace("TYPE_FP32", "TYPE_INT64", 1), "int64[1]"),
                    (good.replace('key: "x"', 'key: "q"'), "model_warmup 'w'")):
                with open(config, "w") as f:
                    f.write(text)
                wait_until(lambda: reason in server.post("/v2/repository/index", {}).body.decode(),
                           reason)
                assert served(server, "m") == 3
            with open(config, "w") as f:
                f.write("version_policy { latest { num_versions: 2 } }\n")
            wait_until(lambda: {n for n, v in status(server, "m").items()
                                if v["state"] == "AVAILABLE"} == {2, 3}, "the new policy")
            assert served(server, "m") == 3


def write_yaml(folder, text):
    """Renamed into place, as editors do."""
    with open(f"{folder}/.new", "w") as f:
        f.write(text)
    os.rename(f"{folder}/.new", f"{folder}/serve.yaml")
    return f"{folder}/serve.yaml"


def test_labels_aliases_and_a_configuration_that_is_read_again():
    with scratch() as folder:
        for number in (1, 2, 3):
            publish(f"{folder}/m", number)
        path = write_yaml(folder, "models:\n  m:\n    path: m\n    labels: {stable: 1, next: 2}\n"
                                  "    aliases: [other]\n")

        def answer(route, body=None):
            return server.post(route, body or {"instances": [[0.0]]})

        with Server("--config", path) as server:
            assert set(status(server, "m")) == {1, 2, 3}
            assert answer("/v1/models/m:predict").json == {"predictions": [[3.0]]}
            for route, value in (("labels/stable", 1.0), ("versions/stable", 1.0),
                                 ("labels/next", 2.0), ("versions/2", 2.0)):
                assert answer(f"/v1/models/m/{route}:predict").json["predictions"] == [[value]]
                assert answer(f"/v1/models/other/{route}:predict").json["predictions"] == [[value]]
            asked = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [1]}]}
            assert answer("/v2/models/m/versions/stable/infer", asked).json["model_version"] == "1"
            assert server.get("/v2/models/m/versions/next/ready").status == 200
            found = server.get("/v1/models/m/labels/stable").json["model_version_status"]
            assert [v["version"] for v in found] == ["1"], found
            assert server.get("/v1/models/m/labels/stable/metadata").status == 200
            for route in ("labels/none", "versions/none", "versions/9"):
                assert answer(f"/v1/models/m/{route}:predict").status == 404
                assert server.get(f"/v1/models/m/{route}").status == 404
            # A label moves at one stroke; a broken file changes nothing.
            write_yaml(folder, "models:\n  m: {path: m, labels: {stable: 9x}}\n")
            server.signal(signal.SIGHUP)
            wait_until(lambda: any("stays as it is" in line for line in server.lines), "the reason")
            server.wait_for_line("serve.yaml:2")
            assert answer("/v1/models/m/labels/stable:predict").json["predictions"] == [[1.0]]
            write_yaml(folder, "models:\n  m: {path: m, labels: {stable: 2}}\n  n: m/1\n")
            server.signal(signal.SIGHUP)
            wait_until(lambda: server.get("/v1/models/n").status == 200, "the new model")
            wait_until(lambda: answer("/v1/models/m/labels/stable:predict").json
                       == {"predictions": [[2.0]]}, "the label")
            assert answer("/v1/models/other:predict").status == 404
            assert answer("/v1/models/m/versions/1:predict").status == 404
            write_yaml(folder, "models:\n  n: m/1\n")
            server.signal(signal.SIGHUP)
            wait_until(lambda: server.get("/v1/models/m").status == 404, "the model to go")


def test_management_is_closed_unless_it_is_opened():
    with scratch() as folder:
        publish(f"{folder}/m", 1)
        with Server("--repository", folder) as server:
            for verb in ("load", "unload"):
                answer = server.post(f"/v2/repository/models/m/{verb}", {})
                assert answer.status == 403 and "--allow-management" in answer.json["error"], answer
            assert index(server) == {("m", 1): ("READY", "")}


def load(server, name, body=None, port=None, **headers):
    return server.post(f"/v2/repository/models/{name}/load", body or {}, headers=headers)


def test_management():
    with scratch() as folder, scratch() as outside:
        publish(f"{folder}/m", 1)
        publish(f"{outside}/secret", 1)
        with Server("--repository", folder, "--allow-management", "--management-host",
                    "models.test") as server:
            # What is new is served when it is asked for, without polling.
            publish(f"{folder}/m", 2)
            publish(f"{folder}/n", 5)
            assert served(server, "m") == 1 and server.get("/v1/models/n").status == 404
            assert load(server, "m").status == 200 and served(server, "m") == 2
            assert load(server, "n").status == 200 and served(server, "n") == 5
            publish(f"{folder}/m", 3, b"broken")
            answer = load(server, "m")
            assert answer.status == 400 and "model.onnx" in answer.json["error"], answer
            assert served(server, "m") == 2
            assert server.post("/v2/repository/models/n/unload",
                               {"parameters": {"unload_dependents": True}}).status == 200
            assert server.get("/v2/models/n/ready").status == 404
            wait_until(lambda: index(server)["n", 5] == ("UNAVAILABLE", "unloaded"), "the end")
            assert server.post("/v2/repository/models/n/unload", "").status == 404
            assert load(server, "n").status == 200 and served(server, "n") == 5
            # Nothing else than the repository has is ever loaded.
            for name in ("secret", "..", "%2e%2e%2fx", "..%2f..%2fetc", "http:%2f%2fx", "%00", "m%2f1"):
                answer = load(server, name)
                assert answer.status in (400, 404), (name, answer)
            for body in ({"parameters": {"file:1/model.onnx": "AAAA"}},
                         {"parameters": {"config": "{}", "file:1/model.onnx": "AAAA"}}):
                answer = load(server, "m", body)
                assert answer.status == 400 and "repository" in answer.json["error"], answer
            # Only who asks for us, and no page of somebody else.
            here = f"127.0.0.1:{server.port}"
            for headers, code in (
                    ({"Host": "evil.test"}, 403), ({"Host": f"evil.test:{server.port}"}, 403),
                    ({"Host": "localhost"}, 200), ({"Host": "models.test:80"}, 200),
                    ({"Host": f"[::1]:{server.port}"}, 200), ({"Host": "127.0.0.1.evil.test"}, 403),
                    ({"Origin": "http://evil.test"}, 403), ({"Origin": "null"}, 403),
                    ({"Origin": f"http://{here}"}, 200), ({"Origin": f"http://{here}.evil"}, 403),
                    ({"Sec-Fetch-Site": "cross-site"}, 403),
                    ({"Sec-Fetch-Site": "same-origin"}, 200)):
                answer = server.post("/v2/repository/models/n/load", {}, headers=headers)
                assert answer.status == code, (headers, answer)
            answer = server.get("/v2/repository/models/n/load")
            assert answer.status == 405, answer


def test_the_admin_port_is_open_alone():
    with scratch() as folder:
        publish(f"{folder}/m", 1)
        with Server("--repository", folder, "--admin-listen", "127.0.0.1:0") as server:
            [line] = [line for line in server.lines if line.startswith("admin:")]
            assert load(server, "m").status == 403
            publish(f"{folder}/m", 2)
            main_port, server.port = server.port, int(line.rsplit(":", 1)[1])
            assert load(server, "m").status == 200
            assert load(server, "m", Host="evil.test").status == 403
            server.port = main_port
            assert served(server, "m") == 2
            assert load(server, "m").status == 403


def test_unloading_waits_for_requests_and_frees_memory():
    with scratch() as folder:
        models.write(folder, "slow.onnx", models.slow())
        with Server("--repository", folder, "--allow-management", "--threads", "2") as server:
            result = {}

            def ask():
                result["answer"] = server.post("/v1/models/slow:predict", {"inputs": [[1.0]]})

            thread = threading.Thread(target=ask)
            thread.start()
            wait_until(lambda: metric(server, "serval_requests_running") >= 1, "the request to run")
            assert server.post("/v2/repository/models/slow/unload", {}).status == 200
            thread.join(60)
            assert result["answer"].status == 200, result
            wait_until(lambda: index(server)["slow", 1] == ("UNAVAILABLE", "unloaded"), "the end")


def test_ends_in_order_while_versions_change():
    with scratch() as folder:
        base = f"{folder}/m"
        publish(base, 1)
        server = Server("--repository", folder, "--poll", "1", "--access-log", "/dev/full")
        traffic = Traffic(server, "m", 8)
        for number in range(2, 6):
            publish(base, number)
            time.sleep(0.2)
        publish(base, 6, answering(6)[:-9])
        server.signal(signal.SIGTERM)
        code = server.wait()
        assert code == 0, (code, server.lines)
        traffic.stopping = True
        for thread in traffic.threads:
            thread.join(60)
        # Connections end between answers; what was answered was right.
        wrong = [f for f in traffic.failures if "Connection" not in f and "Broken" not in f
                 and "(b'', b'')" not in f]
        assert not wrong, wrong[:3]


def test_killed_while_it_loads_and_started_again():
    with scratch() as folder:
        base = f"{folder}/m"
        publish(base, 1)
        for number in range(2, 5):
            server = Server("--repository", folder, "--poll", "1", "--threads", "2")
            assert served(server, "m") == number - 1
            publish(base, number)
            time.sleep(0.1 * number)
            server.signal(signal.SIGKILL)
            assert server.wait() == -signal.SIGKILL
        # Half a file, as a copy that was killed as well leaves it.
        os.mkdir(f"{base}/9")
        models.write(f"{base}/9", "model.onnx", answering(9)[:-30])
        with Server("--repository", folder, "--poll", "1") as server:
            # Something older is better than nothing.
            wait_until(lambda: status(server, "m").get(9, {}).get("state") == "END", "the reason")
            assert served(server, "m") == 4
            models.write(f"{base}/9", "model.onnx", answering(9))
            wait_until(lambda: served(server, "m") == 9, "the version")
            wait_until(lambda: status(server, "m")[4]["state"] == "END", "the older one to go")
        code, _, err = run("serve", f"m={base}/9/none.onnx", "--listen", "127.0.0.1:0")
        assert code == 3 and "none.onnx" in err, (code, err)


def traffic_of(server, model):
    answer = server.get(f"/v2/repository/models/{model}/traffic")
    assert answer.status == 200, answer
    return answer.json


def ask_often(server, count):
    """How often each version has answered; 0 stands for failures."""
    client = server.client()
    seen = {}
    for _ in range(count):
        client.request("POST", "/v1/models/m:predict", body='{"instances":[[1.0]]}')
        answer = client.getresponse()
        body = answer.read()
        number = int(json.loads(body)["predictions"][0][0]) if answer.status == 200 else 0
        seen[number] = seen.get(number, 0) + 1
    client.close()
    return seen


def test_traffic_is_split_promoted_and_rolled_back():
    with scratch() as folder:
        for number in (1, 2, 3, 4):
            publish(f"{folder}/m", number)
        path = write_yaml(folder, "models:\n  m:\n    path: m\n    versions: [1]\n"
                                  "    traffic: {1: 3, 2: 1}\n    labels: {next: 3}\n")
        with Server("--config", path, "--allow-management") as server:
            assert ask_often(server, 400) == {1: 300, 2: 100}
            assert set(status(server, "m")) == {1, 2, 3}
            # Whoever names a version gets it.
            assert server.post("/v1/models/m/versions/2:predict", {"instances": [[1.0]]}).json \
                == {"predictions": [[2.0]]}
            manage = "/v2/repository/models/m/"
            answer = server.post(manage + "traffic", {"traffic": {"1": 1, "4": 1, "2": 0}})
            assert answer.status == 200 and answer.json["traffic"] == {"1": 1, "4": 1}, answer
            assert ask_often(server, 100) == {1: 50, 4: 50}
            assert server.post("/v1/models/m/versions/2:predict", {}).status == 404
            # Promotion and rollback are one call each.
            answer = server.post(manage + "promote", {"version": "next"})
            assert answer.status == 200 and ask_often(server, 20) == {3: 20}, answer
            assert server.post(manage + "rollback", {}).json["traffic"] == {"1": 1, "4": 1}
            assert set(ask_often(server, 10)) == {1, 4}
            assert server.post(manage + "rollback", {}).status == 200
            assert ask_often(server, 10) == {3: 10}
            # What cannot be served changes nothing.
            for body, code in (({"version": 9}, 404), ({"version": "none"}, 404), ({}, 400),
                               ({"version": -1}, 400)):
                answer = server.post(manage + "promote", body)
                assert answer.status == code, (body, answer)
            for body in ({"traffic": {"x": 1}}, {"traffic": {"1": -1}}, {"traffic": {"1": 10001}},
                         {"share": {}}, {"guard": {"requests": 0}}, {"guard": {"speed": 1}}, []):
                assert server.post(manage + "traffic", body).status == 400, body
            assert ask_often(server, 10) == {3: 10}
            # What the configuration says goes before what was done by hand when it changes.
            write_yaml(folder, "models:\n  m: {path: m, versions: [2], traffic: {2: 1}}\n")
            server.signal(signal.SIGHUP)
            wait_until(lambda: ask_often(server, 4) == {2: 4}, "the traffic")
        with Server("--config", path) as server:
            assert server.get("/v2/repository/models/m/traffic").json["traffic"] == {"2": 1}
            for verb in ("traffic", "promote", "rollback"):
                assert server.post(manage + verb, {}).status == 403
        publish(f"{folder}/m", 5, b"broken")
        with Server("--config", path, "--allow-management") as server:
            answer = server.post(manage + "promote", {"version": 5})
            assert answer.status == 400 and "m/5/model.onnx" in answer.json["error"], answer
            assert ask_often(server, 4) == {2: 4}


def put(server, path):
    return server.ask("PUT", path)


def names_in(server, path="/models/m/all"):
    return [int(v["modelVersion"]) for v in server.get(path).json]


def test_torchserve_manages_versions():
    """set-default, unregistering one version, registering again: as TorchServe has them."""
    with scratch() as folder:
        for number in (1, 2, 3):
            publish(f"{folder}/m", number)
        with Server("--repository", folder, "--all-versions", "--allow-management") as server:
            assert names_in(server, "/models/m") == [3]
            assert put(server, "/models/m/1/set-default").status == 200
            assert served(server, "m") == 1
            assert names_in(server, "/models/m") == [1]
            traffic = server.get("/v2/repository/models/m/traffic").json
            assert traffic["traffic"] == {"1": 1}, traffic
            assert put(server, "/models/m/9/set-default").status == 404
            # The default one, or one that is not there, cannot go; another can, and stays away.
            answer = server.ask("DELETE", "/models/m/1")
            assert answer.status == 400 and "default" in answer.json["message"], answer
            assert server.ask("DELETE", "/models/m/9").status == 404
            answer = server.ask("DELETE", "/models/m/2")
            assert answer.status == 200 and "unregistered" in answer.json["status"], answer
            assert names_in(server) == [1, 3]
            assert server.post("/predictions/m/2", "[[1]]").status == 404
            server.signal(signal.SIGHUP)
            server.wait_for_line("read again")
            assert names_in(server) == [1, 3]
            # What is registered is registered once.
            assert server.post("/models?url=m", b"").status == 200
            assert names_in(server) == [1, 2, 3]
            answer = server.post("/models?url=m", b"")
            assert answer.status == 409 and answer.json["type"] == "ConflictStatusException", answer
            publish(f"{folder}/m", 4)
            assert server.post("/models?url=m.mar", b"").status == 200
            assert names_in(server) == [1, 2, 3, 4] and served(server, "m") == 1
            assert server.post("/models?url=m", b"").status == 409
            # Without a version all of the model goes.
            assert server.ask("DELETE", "/models/m").status == 200
            assert server.get("/models/m").status == 404


def workers(server):
    found = server.get("/models/m").json[0]
    assert len(found["workers"]) == found["minWorkers"], found
    return [found[k] for k in ("minWorkers", "maxWorkers", "batchSize", "maxBatchDelay")]


def test_torchserve_arranges_runs():
    with scratch() as folder:
        publish(f"{folder}/m", 1)
        with Server("--repository", folder, "--threads", "3", "--allow-management") as server:
            assert workers(server)[:2] == [1, 3]
            for query, expected in (("min_worker=2", [2, 2]), ("min_worker=1&max_worker=4", [4, 4]),
                                    ("synchronous=true", [1, 1])):
                answer = put(server, f"/models/m?{query}")
                assert answer.status == 200 and "'" not in answer.json["status"], answer
                assert f"scaled to {expected[0]}" in answer.json["status"], answer
                assert workers(server)[:2] == expected
                assert served(server, "m") == 1
            for query in ("min_worker=0", "min_worker=3&max_worker=2", "min_worker=2000",
                          "min_worker=-1", "max_worker=x"):
                answer = put(server, f"/models/m?{query}")
                assert answer.status == 400 and "worker: expected" in answer.json["message"], answer
            assert workers(server)[:2] == [1, 1]
            assert put(server, "/models/none?min_worker=2").status == 404
            assert server.ask("DELETE", "/models/m").status == 200
            answer = server.post("/models?url=m&batch_size=8&max_batch_delay=50&initial_workers=2", b"")
            assert answer.status == 200 and "with 2 initial" in answer.json["status"], answer
            assert workers(server) == [2, 2, 8, 50]
            assert served(server, "m") == 1
            # What was said goes with the model.
            assert server.ask("DELETE", "/models/m").status == 200
            assert server.post("/models?url=m&batch_size=1", b"").status == 200
            assert workers(server) == [1, 3, 1, 0]
            answer = server.post("/models?url=m&batch_size=many", b"")
            assert answer.status == 400 and "batch_size" in answer.json["message"], answer


def test_a_model_of_a_repository_may_be_named_too():
    """What `models` says of it goes before; another place under its name is an error."""
    with scratch() as folder:
        for number in (1, 2):
            publish(f"{folder}/all/m", number)
            publish(f"{folder}/all/n", number)
            publish(f"{folder}/other/m", number)
        os.symlink(f"{folder}/all", f"{folder}/link")
        models_text = "models:\n  m: {path: %s/m, labels: {stable: 1}, aliases: [x], instances: 2}\n"
        path = write_yaml(folder, models_text % "link" + "repository: all\n")
        with Server("--config", path) as server:
            assert set(status(server, "m")) == {1, 2} and set(status(server, "n")) == {2}
            body = {"instances": [[0.0]]}
            answer = server.post("/v1/models/x/labels/stable:predict", body)
            assert answer.json == {"predictions": [[1.0]]}
            assert served(server, "n") == 2
            # The entry goes: the model is the repository's as all are.
            write_yaml(folder, "repository: all\n")
            server.signal(signal.SIGHUP)
            wait_until(lambda: server.get("/v1/models/x").status == 404, "the alias to go")
            assert served(server, "m") == 2
        path = write_yaml(folder, models_text % "other" + "repository: all\n")
        code, _, errors = run("serve", "--config", path)
        assert code != 0 and "expected one path for each name" in errors, errors


def test_many_models():
    """More than one list of them used to hold: in a YAML file, and as operands."""
    count = 300
    with scratch() as folder:
        for i in range(count):
            os.makedirs(f"{folder}/m{i}")
            models.write(f"{folder}/m{i}", "model.onnx", answering(1))
        path = write_yaml(folder, "models:\n" + "".join(f"  m{i}: m{i}\n" for i in range(count)))
        for arguments in (("--config", path), [f"{folder}/m{i}" for i in range(count)]):
            with Server(*arguments) as server:
                assert len(server.get("/models?limit=1000").json["models"]) == count
                assert served(server, "m0") == served(server, f"m{count - 1}") == 1


def renamed():
    """Wants an input that nobody gives."""
    return models.model([models.node("Neg", ["z"], ["y"])],
                        [models.value_info("z", models.FLOAT, ["N", 1])],
                        [models.value_info("y", models.FLOAT, ["N", 1])])


def test_a_bad_version_is_taken_out_of_the_traffic():
    with scratch() as folder:
        publish(f"{folder}/m", 1)
        publish(f"{folder}/m", 2, renamed())
        path = write_yaml(folder, "models:\n  m:\n    path: m\n    traffic: {1: 9, 2: 1}\n"
                                  "    guard: {requests: 20, errors: 0.1}\n")
        body = {"inputs": {"x": [[1.0]]}}
        with Server("--config", path, "--allow-management") as server:
            failed = 0
            for _ in range(150):
                failed += server.post("/v1/models/m:predict", body).status != 200
            assert failed == 15, failed
            assert traffic_of(server, "m")["verdict"] == ""
            for _ in range(100):
                server.post("/v1/models/m:predict", body)
            wait_until(lambda: traffic_of(server, "m")["verdict"], "the verdict")
            now = traffic_of(server, "m")
            assert now["traffic"] == {"1": 9} and now["rollbacks"] == 1, now
            assert "100.0 %" in now["verdict"] and "version 2" in now["verdict"], now
            assert metric(server, 'serval_model_rollbacks_total{model="m"}') == 1
            server.wait_for_line("taken out of the traffic")
            assert all(server.post("/v1/models/m:predict", body).status == 200 for _ in range(50))


BAD = {"inputs": {"x": [[1.0]]}}
GUARD = {"requests": 20, "errors": 0.1}


def ask_bad(server, count):
    """Asks what version 1 can answer; returns how many failed."""
    client = server.client()
    failed = 0
    for _ in range(count):
        client.request("POST", "/v1/models/m:predict", body=json.dumps(BAD))
        answer = client.getresponse()
        answer.read()
        failed += answer.status != 200
    client.close()
    return failed


def expect_way_back(server, good=1, number=2):
    """After bad requests enough: all goes to the good version again, and it is said why."""
    ask_bad(server, 60)
    wait_until(lambda: traffic_of(server, "m")["verdict"], "the verdict")
    now = traffic_of(server, "m")
    assert f"version {number} was taken out" in now["verdict"] and now["rollbacks"] == 1, now
    assert now["last_good"] == [], now
    assert ask_bad(server, 100) == 0
    assert status(server, "m")[good]["state"] == "AVAILABLE"
    assert metric(server, 'serval_model_rollbacks_total{model="m"}') == 1
    server.wait_for_line("taken out of the traffic")
    return now


def test_a_bad_version_with_most_of_the_traffic_is_taken_out():
    for traffic in ("{1: 1, 2: 9}", "{2: 1, 1: 1}", "{2: 9, 1: 1}"):
        with scratch() as folder:
            publish(f"{folder}/m", 1)
            publish(f"{folder}/m", 2, renamed())
            path = write_yaml(folder, f"models:\n  m:\n    path: m\n    traffic: {traffic}\n"
                                      "    guard: {requests: 20, errors: 0.1}\n")
            with Server("--config", path) as server:
                assert traffic_of(server, "m")["last_good"] == ["1"]
                assert list(expect_way_back(server)["traffic"]) == ["1"]


def test_a_bad_version_with_all_the_traffic_is_taken_out():
    manage = "/v2/repository/models/m/"
    with scratch() as folder:
        publish(f"{folder}/m", 1)
        path = write_yaml(folder, "models:\n  m: {path: m}\n")
        with Server("--config", path, "--allow-management") as server:
            assert ask_bad(server, 5) == 0
            publish(f"{folder}/m", 2, renamed())
            answer = server.post(manage + "traffic", {"traffic": {"2": 1}, "guard": GUARD})
            assert answer.status == 200 and answer.json["last_good"] == ["1"], answer
            assert answer.json["guard"]["seconds"] == 600, answer
            assert status(server, "m")[1]["state"] == "UNLOADING"
            assert expect_way_back(server)["traffic"] == {"1": 1}
            # What was taken out may be tried again on request, and is watched again.
            assert server.post(manage + "rollback", {}).json["last_good"] == ["1"]
            assert ask_bad(server, 5) == 5
    # At a start, too: the next older version stands behind it.
    with scratch() as folder:
        publish(f"{folder}/m", 1)
        publish(f"{folder}/m", 2, renamed())
        path = write_yaml(folder, "models:\n  m: {path: m, traffic: {2: 1}, "
                                  "guard: {requests: 20, errors: 0.1}}\n")
        with Server("--config", path) as server:
            assert traffic_of(server, "m")["last_good"] == ["1"]
            assert expect_way_back(server)["traffic"] == {"1": 1}


def test_a_guard_stays_in_force_over_promotion():
    manage = "/v2/repository/models/m/"
    with scratch() as folder:
        publish(f"{folder}/m", 1)
        publish(f"{folder}/m", 2, renamed())
        path = write_yaml(folder, "models:\n  m: {path: m, traffic: {1: 1}, "
                                  "guard: {requests: 20, errors: 0.1}}\n")
        with Server("--config", path, "--allow-management") as server:
            assert ask_bad(server, 30) == 0
            answer = server.post(manage + "promote", {"version": 2})
            assert answer.status == 200 and answer.json["traffic"] == {"2": 1}, answer
            assert answer.json["guard"]["requests"] == 20, answer
            assert answer.json["last_good"] == ["1"], answer
            assert expect_way_back(server)["traffic"] == {"1": 1}


def test_a_guard_watches_what_is_swapped_in():
    with scratch() as folder:
        publish(f"{folder}/m", 1)
        path = write_yaml(folder, "models:\n  m: {path: m, guard: {requests: 20, errors: 0.1}}\n")
        with Server("--config", path, "--poll", "1", "--allow-management") as server:
            assert ask_bad(server, 30) == 0
            publish(f"{folder}/m", 2, renamed())
            wait_until(lambda: status(server, "m").get(2, {}).get("state") == "AVAILABLE",
                       "the new version")
            expect_way_back(server)
            reason = status(server, "m")[2]["status"]
            assert reason["error_code"] == "FAILED_PRECONDITION", reason
            assert "taken out" in reason["error_message"], reason
            broken = 'serval_model_broken{model="m",reason="failed_precondition"}'
            assert metric(server, broken) == 1
            # Nobody brings it back but who asks for it, or mends it.
            server.signal(signal.SIGHUP)
            server.wait_for_line("read again")
            time.sleep(1.2)
            assert ask_bad(server, 10) == 0
            assert load(server, "m").status == 200 and ask_bad(server, 5) == 5
            assert traffic_of(server, "m")["last_good"] == ["1"]
            models.write(f"{folder}/m/2", "model.onnx", answering(2))
            wait_until(lambda: ask_often(server, 1) == {2: 1}, "the mended version")
            assert traffic_of(server, "m")["last_good"] == ["1"]
        # The only file, overwritten: the old content is still there to go back to.
        single = models.write(folder, "m.onnx", answering(1))
        path = write_yaml(folder, "models:\n  m: {path: m.onnx, guard: {requests: 20, "
                                  "errors: 0.1}}\n")
        with Server("--config", path, "--poll", "1") as server:
            assert ask_bad(server, 30) == 0
            models.write(folder, "m.onnx", renamed())
            wait_until(lambda: ask_bad(server, 1) == 1, "the new content")
            expect_way_back(server, number=1)
            assert "taken out" in status(server, "m")[1]["status"]["error_message"]
            time.sleep(1.2)
            assert ask_bad(server, 10) == 0 and single


def test_who_stands_its_guard_is_the_good_one():
    with scratch() as folder:
        publish(f"{folder}/m", 1)
        path = write_yaml(folder, "models:\n  m: {path: m, guard: {requests: 20, seconds: 1}}\n")
        with Server("--config", path, "--poll", "1") as server:
            publish(f"{folder}/m", 2)
            wait_until(lambda: traffic_of(server, "m")["last_good"] == ["1"], "the swap")
            time.sleep(1.2)
            # Too few requests to be sure.
            assert traffic_of(server, "m")["last_good"] == ["1"]
            assert ask_often(server, 25) == {2: 25}
            wait_until(lambda: traffic_of(server, "m")["last_good"] == [], "the end of the watch")
            wait_until(lambda: status(server, "m").get(1, {}).get("state") in (None, "END"),
                       "the old one to go")
            assert traffic_of(server, "m")["rollbacks"] == 0


def heavy():
    """Answers 2, but takes its time."""
    nodes = [models.node("Mul", ["x", "zero"], ["rows"]),
             models.node("Expand", ["rows", "shape"], ["m0"])]
    for i in range(4):
        nodes.append(models.node("MatMul", [f"m{i}", "m0"], [f"m{i + 1}"]))
    nodes += [models.node("ReduceMean", ["m4"], ["nothing"], [models.int_attribute("keepdims", 0)]),
              models.node("Add", ["rows", "nothing"], ["sum"]),
              models.node("Add", ["sum", "two"], ["y"])]
    return models.model(nodes, [models.value_info("x", models.FLOAT, ["N", 1])],
                        [models.value_info("y", models.FLOAT, ["N", 1])],
                        [models.int64s("shape", [2], [400, 400]), models.floats("zero", [1, 1], [0.0]),
                         models.floats("two", [1], [2.0])])


def test_a_slow_version_is_taken_out_of_the_traffic():
    with scratch() as folder:
        publish(f"{folder}/m", 1)
        publish(f"{folder}/m", 2, heavy())
        path = write_yaml(folder, "models:\n  m:\n    path: m\n    traffic: {1: 1, 2: 1}\n"
                                  "    guard: {requests: 20, latency: 3}\n")
        with Server("--config", path) as server:
            # It is found out after 20 of its requests at the earliest.
            assert 20 <= ask_often(server, 60)[2] <= 30
            wait_until(lambda: traffic_of(server, "m")["verdict"], "the verdict")
            now = traffic_of(server, "m")
            assert now["traffic"] == {"1": 1} and "on average" in now["verdict"], now


def test_shadows_are_asked_and_compared():
    with scratch() as folder:
        publish(f"{folder}/m", 1)
        publish(f"{folder}/m", 2, answering(1.0001))
        publish(f"{folder}/m", 3)
        publish(f"{folder}/m", 4, renamed())
        path = write_yaml(folder, "models:\n  m: {path: m, traffic: {1: 1}, shadow: 2}\n")
        with Server("--config", path, "--allow-management") as server:

            def shadow(number):
                [row] = [v for v in traffic_of(server, "m")["versions"]
                         if v["version"] == str(number)]
                return row["shadow"]

            assert ask_often(server, 50) == {1: 50}
            wait_until(lambda: sum(shadow(2).values()) == 50, "the shadows")
            assert shadow(2) == {"agrees": 50, "differs": 0, "fails": 0, "skipped": 0}
            assert metric(server,
                          'serval_shadow_total{model="m",version="2",result="agrees"}') == 50
            # Who names a version is not shadowed.
            server.post("/v1/models/m/versions/1:predict", {"instances": [[1.0]]})
            for number, verdict in ((3, "differs"), (4, "fails")):
                answer = server.post("/v2/repository/models/m/traffic",
                                     {"traffic": {"1": 1}, "shadow": str(number)})
                assert answer.status == 200 and answer.json["shadow"] == str(number), answer
                assert ask_often(server, 30) == {1: 30}
                wait_until(lambda: sum(shadow(number).values()) == 30, "the shadows")
                assert shadow(number)[verdict] == 30, shadow(number)
            # Under load, and while versions are swapped.
            traffic = Traffic(server, "m", 16)
            for number in (2, 3, 2, 3):
                answer = server.post("/v2/repository/models/m/traffic",
                                     {"traffic": {"1": 1}, "shadow": number})
                assert answer.status == 200, answer
                time.sleep(0.2)
            traffic.stop()
            assert set(traffic.versions) == {1}, traffic.versions


def rss(server):
    with open(f"/proc/{server.process.pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def weights(megabytes):
    """y = x W, with W as large as is asked."""
    n = megabytes << 18
    return models.model(
        [models.node("MatMul", ["x", "w"], ["y"])],
        [models.value_info("x", models.FLOAT, ["N", 256])],
        [models.value_info("y", models.FLOAT, ["N", n // 256])],
        [models.tensor("w", models.FLOAT, [256, n // 256], bytes(range(64)) * (n * 4 // 64))])


def test_memory_comes_back_after_many_cycles():
    cycles = int(os.environ.get("SERVAL_LOAD_CYCLES", "40"))
    with scratch() as folder:
        models.write(folder, "m.onnx", weights(8))
        with Server("--repository", folder, "--allow-management") as server:
            # What connections and loops touch once is no matter of models.
            for _ in range(100):
                assert server.post("/v1/models/m:predict", {"inputs": [[0] * 256]}).status == 200
                index(server)
            sizes = []
            for _ in range(cycles):
                assert server.post("/v1/models/m:predict", {"inputs": [[0] * 256]}).status == 200
                assert server.post("/v2/repository/models/m/unload", {}).status == 200
                wait_until(lambda: index(server)["m", 1][0] == "UNAVAILABLE", "the end")
                # The memory goes back a moment after the version's end.
                time.sleep(0.02)
                sizes.append(rss(server))
                assert server.post("/v2/repository/models/m/load", {}).status == 200
            print(f"resident after unloading: first {sizes[0] >> 10} KiB, last {sizes[-1] >> 10} "
                  f"KiB, most {max(sizes) >> 10} KiB, {cycles} cycles")
            if not SANITIZED:
                # A process without a model holds some 4 MiB, to which the allocator's lists of
                # each thread add some pages in the first few cycles; after them nothing grows.
                assert sizes[-1] <= max(sizes[0] * 1.05, sizes[0] + (512 << 10)), sizes
                assert sizes[-1] <= sizes[len(sizes) // 2] * 1.02, sizes


if __name__ == "__main__":
    main(globals())
