"""Start, drain, cancel, and files that change under a running service.

ctest: timeout=240"""
import json
import os
import shutil
import signal
import socket
import threading
import time

import models
from serving import DIGITS, Server, digits_images, main, run, scratch, wait_until

ONE = digits_images()[0]


def running(server):
    for line in server.get("/metrics").body.decode().splitlines():
        if line.startswith("serval_requests_running "):
            return float(line.split()[1])
    raise AssertionError("serval_requests_running is missing")


def post_in_background(server, path, body):
    result = {}

    def work():
        result["answer"] = server.post(path, body)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, result


def test_drain_lets_running_requests_finish():
    with scratch() as folder:
        path = models.write(folder, "slow.onnx", models.slow())
        server = Server(path, "--drain-grace", "1")
        thread, result = post_in_background(server, "/v1/models/slow:predict", {"inputs": [[1.0]]})
        wait_until(lambda: running(server) >= 1, "the request to run")
        idle = server.connect()
        server.signal(signal.SIGTERM)
        wait_until(lambda: server.get("/readyz").status == 503, "readiness to turn false")
        assert server.get("/readyz").json == {"status": "draining"}
        assert server.get("/v2/health/ready").status == 503
        assert server.get("/healthz").status == 200
        thread.join(60)
        answer = result["answer"]
        assert answer.status == 200 and abs(answer.json["outputs"] - 1) < 1e-3, answer
        assert server.wait() == 0
        # What was idle is closed, and nobody listens any more.
        assert idle.recv(1) == b""
        idle.close()
        try:
            server.connect().close()
            raise AssertionError("expected nobody to listen")
        except OSError:
            pass


def test_interrupt_ends_in_order_too():
    server = Server(DIGITS)
    assert server.post("/predict", [ONE]).status == 200
    server.signal(signal.SIGINT)
    assert server.wait() == 0


def test_small_requests_are_answered_while_a_large_one_runs():
    with scratch() as folder:
        path = models.write(folder, "slow.onnx", models.slow())
        with Server(path, f"digits={DIGITS}", "--threads", "1") as server:
            server.post("/predict/digits", [ONE])
            thread, result = post_in_background(server, "/predict/slow",
                                                {"instances": [{"x": [1.0]}]})
            wait_until(lambda: running(server) >= 1, "the request to run")
            answered = 0
            while thread.is_alive() and answered < 50:
                assert server.post("/predict/digits", [ONE]).status == 200
                answered += 1
            assert answered >= 5, answered
            thread.join(60)
            assert result["answer"].status == 200, result


def test_clients_that_go_away_cancel():
    """What runs is broken off, what waits is dropped: the only worker is free again."""
    with scratch() as folder:
        path = models.write(folder, "trips.onnx", models.trips())
        with Server(path, "--threads", "1", "--timeout", "600") as server:
            body = json.dumps(models.trips_body(models.FOR_EVER)).encode()
            connections = [server.connect() for _ in range(8)]
            for s in connections:
                s.sendall(b"POST /v2/models/trips/infer HTTP/1.1\r\nHost: x\r\n"
                          b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            wait_until(lambda: running(server) == 8, "all requests to be in")
            for s in connections:
                s.close()
            wait_until(lambda: running(server) == 0, "the requests to go")
            answer = server.post("/v2/models/trips/infer", models.trips_body(3))
            assert answer.json["outputs"][0]["data"] == [3.5], answer


def test_a_time_limit_ends_runs():
    with scratch() as folder:
        path = models.write(folder, "trips.onnx", models.trips())
        with Server(path, "--threads", "1", "--timeout", "1") as server:
            for _ in range(2):
                answer = server.post("/v2/models/trips/infer", models.trips_body(models.FOR_EVER))
                assert answer.status == 504, answer
            answer = server.post("/v2/models/trips/infer", models.trips_body(3))
            assert answer.json["outputs"][0]["data"] == [3.5], answer


def ask_trips(server, count):
    return post_in_background(server, "/v2/models/trips/infer", models.trips_body(count))


def check_ends_in_order(server, asked):
    for thread, result in asked:
        thread.join(60)
        answer = result["answer"]
        assert answer.status == 503 and "shutting down" in answer.json["error"], answer
        assert answer.headers["Connection"] == "close"
    assert server.wait() == 0, server.lines


def test_the_limit_of_a_drain_ends_runs():
    """One that runs and one that waits behind it are told why."""
    with scratch() as folder:
        path = models.write(folder, "trips.onnx", models.trips())
        server = Server(path, "--threads", "1", "--timeout", "600", "--drain-limit", "1")
        asked = [ask_trips(server, models.FOR_EVER) for _ in range(2)]
        wait_until(lambda: running(server) == 2, "both to be in")
        server.signal(signal.SIGTERM)
        check_ends_in_order(server, asked)


def test_a_second_signal_ends_runs():
    with scratch() as folder:
        path = models.write(folder, "trips.onnx", models.trips())
        server = Server(path, "--threads", "2", "--timeout", "600", "--drain-grace", "60")
        asked = [ask_trips(server, models.FOR_EVER) for _ in range(3)]
        wait_until(lambda: running(server) == 3, "all to be in")
        server.signal(signal.SIGTERM)
        wait_until(lambda: server.get("/readyz").status == 503, "the drain to begin")
        server.signal(signal.SIGTERM)
        check_ends_in_order(server, asked)


def test_busy():
    with scratch() as folder:
        path = models.write(folder, "slow.onnx", models.slow())
        with Server(path, "--threads", "1", "--max-requests", "2") as server:
            threads = [post_in_background(server, "/v1/models/slow:predict", {"inputs": [[1.0]]})
                       for _ in range(2)]
            wait_until(lambda: running(server) == 2, "both to run")
            answer = server.post("/v1/models/slow:predict", {"inputs": [[1.0]]})
            assert answer.status == 503 and int(answer.headers["Retry-After"]) >= 1, answer
            assert "try again" in answer.json["error"]
            assert server.get("/healthz").status == 200
            assert server.get("/v1/models/slow").status == 200
            for thread, result in threads:
                thread.join(60)
                assert result["answer"].status == 200, result


def timed(call):
    start = time.monotonic()
    call()
    return time.monotonic() - start


def test_time_limit():
    with scratch() as folder:
        # As many products as take this machine about three times the limit.
        path = models.write(folder, "slow.onnx", models.slow(products=8))
        with Server(path, "--threads", "1") as server:
            took = min(timed(lambda: server.post("/v1/models/slow:predict", {"inputs": [[1.0]]}))
                       for _ in range(3))
        path = models.write(folder, "slow.onnx", models.slow(products=int(3 * 8 / took) + 1))
        with Server(path, "--threads", "1", "--timeout", "1") as server:
            answer = server.post("/v1/models/slow:predict", {"inputs": [[1.0]]})
            assert answer.status == 504 and "time limit" in answer.json["error"], answer
            assert server.get("/healthz").status == 200


def test_files_that_change_change_nothing():
    with scratch() as folder:
        path = os.path.join(folder, "digits.onnx")
        shutil.copy(DIGITS, path)
        with Server(path) as server:
            before = server.post("/predict", [ONE]).json
            with open(path, "r+b") as f:
                f.truncate(100)
            assert server.post("/predict", [ONE]).json == before
            with open(path, "wb") as f:
                f.write(os.urandom(200000))
            assert server.post("/predict", [ONE]).json == before
            models.write(folder, "other.onnx", models.scalar())
            os.replace(os.path.join(folder, "other.onnx"), path)
            assert server.post("/predict", [ONE]).json == before
            os.unlink(path)
            assert server.post("/predict", [ONE]).json == before


def test_two_listeners_and_the_start_text():
    with Server(DIGITS, "--listen", "127.0.0.1:0") as server:
        text = "".join(server.lines)
        assert text.count("serving: http://127.0.0.1:") == 2, text
        assert "model:   digits, version 1" in text and "try:     curl http://" in text, text
        line = next(l for l in server.lines if l.startswith("try:"))
        import subprocess
        done = subprocess.run(line[len("try:"):], shell=True, capture_output=True, text=True)
        assert '"predictions":[[' in done.stdout, (line, done)


def test_address_in_use():
    with Server(DIGITS) as server:
        code, _, err = run("serve", DIGITS, "--listen", f"127.0.0.1:{server.port}")
        assert code == 5 and err.startswith("serval: ") and str(server.port) in err, (code, err)


def test_quiet():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    import subprocess
    from serving import BIN
    process = subprocess.Popen([BIN, "serve", DIGITS, "--quiet", "--listen", f"127.0.0.1:{port}"],
                               stderr=subprocess.PIPE, stdout=subprocess.PIPE)

    def answers():
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return True
        except OSError:
            return False

    wait_until(answers, "the server to listen")
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and out == b"" and err == b"", (out, err)


if __name__ == "__main__":
    main(globals())
