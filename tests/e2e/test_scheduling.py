"""Queues: batches of several connections, bounds, priorities, time limits, fairness, early refusals.
Nothing here depends on how long a run takes, only on what comes before what.

ctest: timeout=240 labels=threads"""
import functools
import json
import os
import re
import select
import socket
import threading
import time

import _h2
import models
from serving import (DIGITS, Server, best, digits_expected, digits_images, main, run, scratch,
                     wait_until)

IMAGES = digits_images()
EXPECTED = digits_expected()
SIZE = 512


def write_config(folder, text):
    path = os.path.join(folder, "serve.yaml")
    with open(path, "w") as f:
        f.write(text)
    return path


def metric(server, name, **labels):
    """The value of a row; 0 when it is not there."""
    for line in server.get("/metrics").body.decode().splitlines():
        found = re.match(r"(\w+)(?:\{(.*)\})? (\S+)$", line)
        if not found or found[1] != name:
            continue
        has = dict(re.findall(r'(\w+)="([^"]*)"', found[2] or ""))
        if all(has.get(key) == value for key, value in labels.items()):
            return float(found[3])
    return 0


class Asking(threading.Thread):
    """A request that is on its way, on a connection of its own."""

    def __init__(self, server, path, body, done=None):
        super().__init__(daemon=True)
        self.server, self.path, self.body = server, path, body
        self.done = done
        self.answer = None
        self.start()

    def run(self):
        started = time.monotonic()
        self.answer = self.server.post(self.path, self.body)
        self.seconds = time.monotonic() - started
        if self.done is not None:
            self.done.append(self)

    def wait(self):
        self.join(120)
        assert self.answer is not None
        return self.answer


def slow_body(**parameters):
    return {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [1.0]}],
            "parameters": parameters}


def ask_slow(server, done=None, model="slow", **parameters):
    return Asking(server, f"/v2/models/{model}/infer", slow_body(**parameters), done)


@functools.cache
def products_of(seconds):
    """How many products take about so long here, and now: sanitizers are slow, machines are shared."""
    with scratch() as folder:
        path = models.write(folder, "slow.onnx", models.slow(products=4, size=SIZE))
        taken = []
        for _ in range(2):
            started = time.monotonic()
            code, _, errors = run("run", path, "--random", "--threads", "1", "--output-dir", folder)
            taken.append(time.monotonic() - started)
            assert code == 0, errors
    return max(1, min(600, int(4 * seconds / min(taken))))


def block(server, model="slow"):
    """Something that runs, and with one worker keeps all others waiting."""
    started = metric(server, "serval_requests_running")
    asking = ask_slow(server, model=model)
    wait_until(lambda: metric(server, "serval_requests_running") > started and
               metric(server, "serval_model_queue_length", model=model) == 0, "a run to begin")
    return asking


def wait_for_queue(server, length, model="slow"):
    wait_until(lambda: metric(server, "serval_model_queue_length", model=model) >= length,
               f"{length} requests in the queue")


def serve_slow(folder, text, *arguments, seconds=1.5):
    """The model's runs take some seconds."""
    models.write(folder, "slow.onnx", models.slow(products_of(seconds), SIZE))
    config = write_config(folder, text)
    return Server("--config", config, "--threads", "1", "--timeout", "600", *arguments)


def count_threads(server, name):
    folder = f"/proc/{server.process.pid}/task"
    return sum(open(f"{folder}/{task}/comm").read().startswith(name) for task in os.listdir(folder))


def test_threads_are_counted():
    """Loops and the threads of runs are as many as asked for, and answers do not depend on it."""
    for loops, workers, run_threads, team in ((1, 1, 1, 1), (2, 1, 3, 3), (1, 2, 2, 4), (3, 3, 1, 3)):
        with Server(DIGITS, "--threads", "4", "--loops", str(loops), "--workers", str(workers),
                    "--run-threads", str(run_threads), "--no-batching") as server:
            # The first loop is the process's own thread; so is the first of the team a worker.
            for name, count in (("worker-", workers), ("sv-team", team - 1), ("sv-loop-", loops - 1)):
                wait_until(lambda: count_threads(server, name) == count, f"{count} of {name}")
            rows = server.post("/v1/models/digits:predict",
                               {"instances": IMAGES[:64]}).json["predictions"]
            assert [best(row) for row in rows] == EXPECTED[:64]
    code, _, errors = run("serve", DIGITS, "--threads", "2", "--run-threads", "3")
    assert code != 0 and "--run-threads" in errors and "1 to 2" in errors, errors


def test_batches_of_several_connections():
    with scratch() as folder:
        config = write_config(folder, "models:\n"
                              f"  digits: {{path: {DIGITS}, preferred_batch_size: [8],\n"
                              "    max_batch_size: 16, max_queue_delay_microseconds: 30000000}\n")
        with Server("--config", config, "--threads", "2") as server:
            asking = [Asking(server, "/predict", IMAGES[i:i + 1]) for i in range(8)]
            for i, a in enumerate(asking):
                assert a.wait().status == 200, a.answer
                assert best(a.answer.json["predictions"][0]) == EXPECTED[i]
            assert metric(server, "serval_batch_rows_count", model="digits") == 1
            assert metric(server, "serval_batch_rows_sum", model="digits") == 8
            assert metric(server, "serval_batch_rows_bucket", model="digits", le="4") == 0
            assert metric(server, "serval_batch_rows_bucket", model="digits", le="8") == 1
            # Sixteen rows are the largest batch, twenty run at once and alone.
            answer = server.post("/predict", IMAGES[:20])
            assert [best(row) for row in answer.json["predictions"]] == EXPECTED[:20]


def test_a_bad_member_does_not_fail_the_others():
    with scratch() as folder:
        models.write(folder, "gather.onnx", models.gather())
        config = write_config(folder, "models:\n"
                              "  gather: {path: gather.onnx, preferred_batch_size: 4,\n"
                              "    max_queue_delay_microseconds: 30000000}\n")
        with Server("--config", config, "--threads", "2") as server:
            asking = [Asking(server, "/predict", {"instances": [i]}) for i in (0, 9, 2, 3)]
            answers = [a.wait() for a in asking]
            assert [a.status for a in answers] == [200, 400, 200, 200], answers
            assert answers[2].json["predictions"] == [[4.0, 5.0]]


def test_a_full_queue_refuses_at_once():
    with scratch() as folder:
        with serve_slow(folder, "models:\n  slow: {path: slow.onnx, max_queue_size: 2}\n") as server:
            running = block(server)
            waiting = [ask_slow(server) for _ in range(2)]
            wait_for_queue(server, 2)
            answer = server.post("/v2/models/slow/infer", slow_body())
            assert answer.status == 503, answer
            assert int(answer.headers["Retry-After"]) >= 1
            assert "queue" in answer.json["error"]
            assert metric(server, "serval_requests_shed_total", model="slow",
                          reason="queue_full") == 1
            for a in [running, *waiting]:
                assert a.wait().status == 200


def test_as_many_requests_as_the_model_allows():
    with scratch() as folder:
        with serve_slow(folder, "models:\n  slow: {path: slow.onnx, max_requests: 1}\n") as server:
            running = block(server)
            answer = server.post("/v2/models/slow/infer", slow_body())
            assert answer.status == 503 and answer.headers["Retry-After"], answer
            assert metric(server, "serval_requests_shed_total", reason="max_requests") == 1
            assert running.wait().status == 200
            assert server.post("/v2/models/slow/infer", slow_body()).status == 200


def test_the_urgent_go_first():
    with scratch() as folder:
        text = ("models:\n"
                "  slow: {path: slow.onnx, priority_levels: 3, default_priority_level: 2}\n")
        with serve_slow(folder, text, seconds=0.5) as server:
            done = []
            running = block(server)
            asked = {}
            for name, parameters in (("low", {"priority": 3}), ("default", {}),
                                     ("none", {"priority": 7}), ("high", {"priority": 1})):
                before = len(asked)
                asked[name] = ask_slow(server, done, **parameters)
                wait_for_queue(server, before + 1)
            for a in [running, *asked.values()]:
                assert a.wait().status == 200, a.answer
            wait_until(lambda: len(done) == 4, "the last")
            order = [next(n for n, a in asked.items() if a is d) for d in done]
            assert order == ["high", "default", "none", "low"], order


def test_who_waits_too_long_is_refused():
    with scratch() as folder:
        models.write(folder, "trips.onnx", models.trips())
        config = write_config(folder, "models:\n"
                              "  trips: {path: trips.onnx, default_timeout_microseconds: 300000}\n")
        with Server("--config", config, "--threads", "1", "--timeout", "600") as server:
            endless = send_trips(server, models.FOR_EVER)
            # Nothing is known about how long runs take but a guess, so either refusal is right.
            answer = server.post(TRIPS, models.trips_body(1))
            assert answer.status == 503, answer
            shed = sum(metric(server, "serval_requests_shed_total", reason=reason)
                       for reason in ("timeout", "deadline"))
            assert shed == 1
            endless.close()
            wait_until(lambda: metric(server, "serval_requests_running") == 0, "the run to end")
            assert server.post(TRIPS, models.trips_body(1)).status == 200


def test_a_request_may_say_how_long_it_waits():
    with scratch() as folder:
        with serve_slow(folder, "models: {slow: slow.onnx}\n") as server:
            running = block(server)
            answer = server.post("/v2/models/slow/infer", slow_body(timeout=20000))
            assert answer.status == 503, answer
            assert running.is_alive()
            patient = ask_slow(server, timeout=120000000)
            assert running.wait().status == 200
            assert patient.wait().status == 200
            wrong = server.post("/v2/models/slow/infer", slow_body(timeout=-1))
            assert wrong.status == 400, wrong


def test_who_waits_too_long_is_put_off():
    with scratch() as folder:
        text = ("models:\n  slow: {path: slow.onnx, default_timeout_microseconds: 1000,"
                " timeout_action: delay}\n")
        with serve_slow(folder, text) as server:
            done = []
            running = block(server)
            first = ask_slow(server, done)
            wait_for_queue(server, 1)
            time.sleep(0.05)  # it is late now, and goes behind those that come
            second = ask_slow(server, done, timeout=500)
            wait_for_queue(server, 2)
            for a in (running, first, second):
                assert a.wait().status == 200, a.answer


def test_a_flood_does_not_starve_other_models():
    with scratch() as folder:
        for name in ("flooded", "other"):
            models.write(folder, f"{name}.onnx", models.slow(products=8, size=256))
        text = "models:\n  slow: slow.onnx\n  flooded: flooded.onnx\n  other: other.onnx\n"
        with serve_slow(folder, text, seconds=2) as server:
            done = []
            running = block(server)
            flood = [ask_slow(server, done, "flooded") for _ in range(12)]
            wait_for_queue(server, 10, "flooded")
            others = [ask_slow(server, done, "other") for _ in range(2)]
            for a in [running, *flood, *others]:
                assert a.wait().status == 200, a.answer
            wait_until(lambda: len(done) == 14, "the last")
            places = [done.index(a) for a in others]
            assert max(places) < 9, places


def test_what_would_be_late_is_refused_early():
    with scratch() as folder:
        models.write(folder, "slow.onnx", models.slow(products=4, size=512))
        config = write_config(folder, "models: {slow: slow.onnx}\n")
        with Server("--config", config, "--threads", "1", "--timeout", "2") as server:
            taken = []
            for _ in range(3):
                started = time.monotonic()
                if server.post("/v2/models/slow/infer", slow_body()).status == 200:
                    taken.append(time.monotonic() - started)
            count = max(8, min(400, int(6 / min(taken, default=1))))
            asking = [ask_slow(server) for _ in range(count)]
            statuses = [a.wait().status for a in asking]
            shed = [a for a in asking if a.answer.status == 503]
            assert len(shed) + statuses.count(200) + statuses.count(504) == len(asking), statuses
            assert shed, statuses
            assert all(int(a.answer.headers["Retry-After"]) >= 1 for a in shed)
            # Those before count too, and those whose time was over when their turn came.
            assert metric(server, "serval_requests_shed_total", reason="deadline") >= sum(
                "deadline" in a.answer.json["error"] for a in shed)


def test_who_leaves_leaves_the_queue():
    with scratch() as folder:
        with serve_slow(folder, "models: {slow: slow.onnx}\n") as server:
            running = block(server)
            body = json.dumps(slow_body()).encode()
            leaving = []
            for _ in range(3):
                s = server.connect()
                s.sendall(b"POST /v2/models/slow/infer HTTP/1.1\r\nHost: x\r\n"
                          b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
                leaving.append(s)
            wait_for_queue(server, 3)
            for s in leaving:
                s.shutdown(socket.SHUT_RDWR)
                s.close()
            wait_until(lambda: metric(server, "serval_model_queue_length", model="slow") == 0,
                       "the queue to be left")
            assert running.is_alive()
            assert metric(server, "serval_requests_shed_total", reason="cancelled") == 3
            assert running.wait().status == 200


def test_a_target_finds_a_delay():
    with scratch() as folder:
        config = write_config(folder, "models:\n"
                              f"  digits: {{path: {DIGITS}, latency_target_ms: 5000}}\n")
        with Server("--config", config, "--threads", "2") as server:
            def ask_many(first):
                client = server.client()
                for i in range(100):
                    at = (first + i) % len(IMAGES)
                    client.request("POST", "/predict", body=json.dumps(IMAGES[at:at + 1]))
                    rows = json.loads(client.getresponse().read())["predictions"]
                    wrong.extend([at] if best(rows[0]) != EXPECTED[at] else [])
                client.close()
            wrong = []
            threads = [threading.Thread(target=ask_many, args=(n * 10,)) for n in range(8)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            assert not wrong, wrong
            assert metric(server, "serval_batch_rows_sum", model="digits") == 800
            text = server.get("/metrics").body.decode()
            assert "# TYPE serval_model_queue_delay_seconds gauge" in text


def test_triton_config_decides():
    with scratch() as folder:
        version = os.path.join(folder, "digits", "1")
        os.makedirs(version)
        with open(DIGITS, "rb") as f, open(os.path.join(version, "model.onnx"), "wb") as out:
            out.write(f.read())
        with open(os.path.join(folder, "digits", "config.pbtxt"), "w") as f:
            f.write("max_batch_size: 4\n"
                    "instance_group { count: 1 kind: KIND_CPU }\n"
                    "dynamic_batching { preferred_batch_size: 4\n"
                    "  max_queue_delay_microseconds: 30000000 }\n")
        with Server("--repository", folder, "--threads", "2") as server:
            assert not any("dynamic_batching" in line for line in server.lines), server.lines
            asking = [Asking(server, "/predict", IMAGES[i:i + 1]) for i in range(4)]
            assert all(a.wait().status == 200 for a in asking)
            assert metric(server, "serval_batch_rows_count", model="digits") == 1


# ---- answers in order ---------------------------------------------------------------------------

TRIPS = "/v2/models/trips/infer"


def triton_trips(folder, batching):
    """Two instances of a model that runs as long as it is asked to."""
    os.makedirs(f"{folder}/trips/1")
    models.write(f"{folder}/trips/1", "model.onnx", models.trips())
    with open(f"{folder}/trips/config.pbtxt", "w") as f:
        f.write("instance_group { count: 2 kind: KIND_CPU }\ndynamic_batching { %s }\n" % batching)
    return Server("--repository", folder, "--threads", "2", "--timeout", "600")


def send_trips(server, count):
    """A request on a connection of its own, once it is in."""
    before = metric(server, "serval_requests_running")
    body = json.dumps(models.trips_body(count)).encode()
    s = server.connect()
    s.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" %
              (TRIPS.encode(), len(body), body))
    wait_until(lambda: metric(server, "serval_requests_running") > before, "the request to be in")
    return s


def runs(server):
    return server.get("/v2/models/trips/stats").json["model_stats"][0]["execution_count"]


def test_answers_wait_for_those_before():
    with scratch() as folder, triton_trips(folder, "preserve_ordering: true") as server:
        assert not any("preserve_ordering" in line for line in server.lines), server.lines
        config = server.get("/v2/models/trips/config").json
        assert config["dynamic_batching"]["preserve_ordering"] is True
        endless = send_trips(server, models.FOR_EVER)
        short = [send_trips(server, count) for count in range(5)]
        # All have run, on the other instance, and none is answered ..
        wait_until(lambda: runs(server) == len(short), "the short ones to run")
        assert not select.select(short, [], [], 0.05)[0]
        # .. until nobody waits for the first any more.
        endless.close()
        for count, s in enumerate(short):
            head, _, body = s.recv(65536).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            assert json.loads(body)["outputs"][0]["data"] == [count + 0.5]
            s.close()


def test_answers_overtake_where_they_may():
    with scratch() as folder, triton_trips(folder, "") as server:
        endless = send_trips(server, models.FOR_EVER)
        answer = server.post(TRIPS, models.trips_body(2))
        assert answer.json["outputs"][0]["data"] == [2.5], answer
        endless.close()


def test_answers_of_one_connection_in_order():
    """Streams of HTTP/2, the longest first: its answer is the first all the same."""
    with scratch() as folder, triton_trips(folder, "preserve_ordering: true") as server:
        c = _h2.Connection(server.connect())
        streams = list(range(1, 41, 2))
        for i, stream in enumerate(streams):
            count = 20000 if i % 5 == 0 else i
            c.send(_h2.post(stream, TRIPS.encode(), json.dumps(models.trips_body(count)).encode()))
        answered = []
        while len(answered) < len(streams):
            kind, _, stream, _ = c.read()
            if kind == _h2.HEADERS:
                answered.append(stream)
        assert answered == streams, answered
        c.close()


def test_a_deadline_lets_those_behind_go():
    with scratch() as folder:
        models.write(folder, "trips.onnx", models.trips())
        config = write_config(folder, "models:\n"
                              "  trips: {path: trips.onnx, instances: 2, preserve_ordering: true}\n")
        with Server("--config", config, "--threads", "2", "--timeout", "2") as server:
            endless = send_trips(server, models.FOR_EVER)
            first = Asking(server, TRIPS, models.trips_body(models.FOR_EVER))
            wait_until(lambda: metric(server, "serval_requests_running") == 2, "both to be in")
            endless.close()
            assert first.wait().status == 504, first.answer
            answer = server.post(TRIPS, models.trips_body(1))
            assert answer.json["outputs"][0]["data"] == [1.5], answer


def test_what_is_shed_does_not_blame_the_version():
    """Requests that a model's bound refuses are no failures for the guard of the traffic."""
    with scratch() as folder:
        for number, model in ((1, models.slow(products_of(1.5), SIZE)), (2, models.slow(1, 8))):
            os.makedirs(f"{folder}/m/{number}")
            models.write(f"{folder}/m/{number}", "model.onnx", model)
        config = write_config(folder, "models:\n  m: {path: m, versions: all, max_requests: 1,\n"
                              "    traffic: {1: 9, 2: 1}, guard: {requests: 20, errors: 0.1}}\n")
        with Server("--config", config, "--threads", "1", "--timeout", "600",
                    "--allow-management") as server:
            second = "/v2/models/m/versions/2/infer"
            assert all(server.post(second, slow_body()).status == 200 for _ in range(30))
            running = Asking(server, "/v2/models/m/versions/1/infer", slow_body())
            wait_until(lambda: metric(server, "serval_requests_running") == 1, "a run to begin")
            for _ in range(60):
                answer = server.post(second, slow_body())
                assert answer.status == 503 and "Retry-After" in answer.headers, answer
            assert running.wait().status == 200
            bad = {"inputs": [{"name": "z", "shape": [1, 1], "datatype": "FP32", "data": [1.0]}]}
            assert all(server.post(second, bad).status == 400 for _ in range(40))
            path = "/v2/repository/models/m/traffic"
            wait_until(lambda: server.get(path).json["verdict"], "the verdict")
            verdict = server.get(path).json["verdict"]
            # It tells of those that ran or were wrong only.
            assert int(re.search(r"of its (\d+) requests", verdict)[1]) <= 70, verdict


if __name__ == "__main__":
    main(globals())
