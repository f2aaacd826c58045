"""What must not happen whatever breaks: a wrong answer, silence about the cause, the loss of the last
good state. Signals under load, a full disk, files that are broken while they are watched.

ctest: timeout=240"""
import http.client
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import threading
import time

import models
from serving import (BIN, DIGITS, PATIENCE, SANITIZED, Server, digits_expected, digits_images, best,
                     main, scratch, wait_until)

IMAGES = digits_images()
EXPECTED = digits_expected()
CLIENTS = 8


class Load:
    """Clients that ask without a pause. Whatever arrives whole must be right; what must not happen
    at all is an error answer. Connections may break only where `breaks` says so."""

    def __init__(self, port, path="/predict", breaks=False, clients=CLIENTS):
        self.port, self.path, self.breaks = port, path, breaks
        self.stopping = threading.Event()
        self.right = self.broken = 0
        self.wrong = []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(seed,), daemon=True)
                        for seed in range(clients)]
        for thread in self.threads:
            thread.start()

    def _run(self, seed):
        choose = random.Random(seed)
        client = None
        while not self.stopping.is_set():
            first = choose.randrange(len(IMAGES) - 8)
            count = choose.randrange(1, 8)
            try:
                client = client or http.client.HTTPConnection("127.0.0.1", self.port,
                                                              timeout=PATIENCE)
                client.request("POST", self.path, body=json.dumps(IMAGES[first:first + count]))
                answer = client.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self._broken(error)
                client = None
                continue
            self._check(answer, body, EXPECTED[first:first + count])

    def _broken(self, error):
        with self.lock:
            self.broken += 1
            if not self.breaks:
                self.wrong.append(repr(error))
        time.sleep(0.002)  # nobody may be there to ask

    def _check(self, answer, body, expected):
        found = None
        if answer.status == 200:
            found = [best(row) for row in json.loads(body)["predictions"]]
        with self.lock:
            if found == expected:
                self.right += 1
            else:
                self.wrong.append((answer.status, body[:300]))

    def more(self, count=50):
        """Waits until that many more were answered right."""
        goal = self.right + count
        wait_until(lambda: self.right >= goal or self.wrong, f"{count} more answers")
        assert not self.wrong, self.wrong[:3]

    def end(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(PATIENCE)
        assert not self.wrong, self.wrong[:3]

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stopping.set()
        if kind is None:
            self.end()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def metric(server, name):
    for line in server.get("/metrics").body.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(f"{name} is missing")


def broken(server, model):
    """Versions of a model that are not served as their files are, whatever the reason."""
    head = f'serval_model_broken{{model="{model}",'
    return sum(float(line.split()[1]) for line in server.get("/metrics").body.decode().splitlines()
               if line.startswith(head))


def said(server, *texts):
    """Whether a line of the log holds all of the texts."""
    return any(all(text in line for text in texts) for line in list(server.lines))


# ---- signals ------------------------------------------------------------------------------------


def test_rolling_restarts_by_sigterm():
    """A new process comes while the old one drains, on the same port, again and again."""
    port = free_port()
    server = Server(f"digits={DIGITS}", "--listen", f"127.0.0.1:{port}")
    with Load(port, breaks=True) as load:
        for _ in range(4):
            load.more()
            server.signal(signal.SIGTERM)
            assert server.wait() == 0, server.lines
            server = Server(f"digits={DIGITS}", "--listen", f"127.0.0.1:{port}")
        load.more()
    assert server.stop() == 0


def test_sigterm_fails_no_request_that_was_taken():
    """Clients that hold their connections get answers to the last, and are told that it was the last."""
    with scratch() as folder:
        log = os.path.join(folder, "access.log")
        server = Server(f"digits={DIGITS}", "--access-log", log)
        with Load(server.port, breaks=True) as load:
            load.more()
            server.signal(signal.SIGTERM)
            assert server.wait() == 0, server.lines
        right = load.right  # of all clients, which have ended
        with open(log) as f:
            codes = [json.loads(line) for line in f]
        assert all(line["code"] == 200 for line in codes), [c for c in codes if c["code"] != 200][:3]
        # Each answer that the log counts as sent whole has arrived whole.
        assert len([line for line in codes if "lost" not in line]) == right, (len(codes), right)


def test_rolling_restarts_by_sigkill():
    port = free_port()
    with scratch() as folder:
        where = f"unix:{folder}/socket"
        arguments = (f"digits={DIGITS}", "--listen", f"127.0.0.1:{port}", "--listen", where,
                     "--access-log", os.path.join(folder, "access.log"))
        server = Server(*arguments)
        with Load(port, breaks=True) as load:
            for _ in range(4):
                load.more()
                server.signal(signal.SIGKILL)
                assert server.wait() == -signal.SIGKILL
                # The socket that it left behind is no obstacle.
                server = Server(*arguments)
            load.more()
        assert load.broken > 0
        assert server.stop() == 0


def listens(server):
    try:
        server.connect().close()
    except OSError:
        return False
    return True


def test_a_second_and_a_third_signal():
    """The second does not wait for those who are being served, the third for nothing at all."""
    with scratch() as folder:
        # One step, which nothing breaks off.
        path = models.write(folder, "slow.onnx", models.slow(1, 1536 if SANITIZED else 3072))
        server = Server(path, "--threads", "1", "--drain-grace", "60")
        server.signal(signal.SIGTERM)
        wait_until(lambda: server.get("/readyz").status == 503, "the drain to begin")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0, server.lines
        server = Server(path, "--threads", "1", "--drain-grace", "60")
        with server.connect() as s:
            s.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n[[1]]")
            wait_until(lambda: metric(server, "serval_requests_running") == 1, "the request to run")
            server.signal(signal.SIGTERM)
            wait_until(lambda: server.get("/readyz").status == 503, "the drain to begin")
            server.signal(signal.SIGTERM)
            wait_until(lambda: not listens(server), "the wait to end")
            server.signal(signal.SIGTERM)
            assert server.wait() == -signal.SIGTERM, server.lines


# ---- a full disk --------------------------------------------------------------------------------


def test_a_full_disk_for_the_access_log():
    with Server(f"digits={DIGITS}", "--access-log", "/dev/full") as server:
        with Load(server.port) as load:
            load.more(200)
        wait_until(lambda: said(server, "access log '/dev/full'", "No space left"), "a line about it")
        assert metric(server, "serval_access_log_lost_total") > 0
        # Once, not for every line.
        assert sum("access log" in line for line in server.lines) == 1, server.lines


def test_a_disk_that_is_full_for_a_while():
    """The file's size is limited, as if the disk were full; then it is emptied."""
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))

    with scratch() as folder:
        path = os.path.join(folder, "access.log")
        server = Server(f"digits={DIGITS}", "--access-log", path, preexec_fn=limit)
        with server, Load(server.port) as load:
            wait_until(lambda: said(server, "access log", "File too large"), "the file to be full")
            assert os.path.getsize(path) <= 20000
            load.more(20)
            os.truncate(path, 0)
            wait_until(lambda: said(server, "is written again", "lines were lost"), "its end")
        with open(path) as f:
            lines = f.read().splitlines()
        # What stands there are whole lines, but for one that was torn where the file ended.
        torn = 0
        for line in lines:
            try:
                assert json.loads(line)["code"] == 200 if line else True
            except json.JSONDecodeError:
                torn += 1
        assert len(lines) > 1 and torn <= 2 + sum("is written again" in l for l in server.lines)


def test_a_reader_of_the_access_log_that_goes_away():
    mine, theirs = os.pipe()
    process = None
    import subprocess
    port = free_port()
    try:
        process = subprocess.Popen(
            [BIN, "serve", f"digits={DIGITS}", "--listen", f"127.0.0.1:{port}", "--access-log", "-"],
            stdout=theirs, stderr=subprocess.PIPE, text=True)
        os.close(theirs)
        while "serving" not in process.stderr.readline():
            assert process.poll() is None
        with Load(port) as load:
            load.more()
            os.close(mine)
            load.more()
        process.terminate()
        errors = process.communicate(timeout=PATIENCE)[1]
        assert process.returncode == 0 and "access log '-'" in errors, errors
    finally:
        if process:
            process.kill()


def test_a_reader_of_the_access_log_that_stalls():
    """Nobody reads a pipe that stays open: requests are answered, lines are lost and counted."""
    import subprocess
    mine, theirs = os.pipe()
    port = free_port()
    process = subprocess.Popen(
        [BIN, "serve", f"digits={DIGITS}", "--listen", f"127.0.0.1:{port}", "--access-log", "-",
         "--threads", "1"], stdout=theirs, stderr=subprocess.PIPE, text=True)
    try:
        os.close(theirs)
        while "serving" not in process.stderr.readline():
            assert process.poll() is None
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

        def get(path):
            client.request("GET", path)
            answer = client.getresponse()
            return answer.status, answer.read().decode()

        target, asked, lost = "/healthz?" + "x" * 1000, 0, 0
        while not lost:
            assert get(target)[0] == 200
            asked += 1
            if asked % 100 == 0:
                text = get("/metrics")[1]
                asked += 1
                lost = float(re.search(r"^serval_access_log_lost_total (\S+)$", text, re.M)[1])
                assert asked < 5000
        client.close()
        process.terminate()
        errors = process.communicate(timeout=PATIENCE)[1]
        assert process.returncode == 0 and "nobody reads it" in errors, errors
    finally:
        process.kill()
        os.close(mine)


# ---- files that break ---------------------------------------------------------------------------


def break_and_mend(path, seed):
    """Truncates, overwrites and mends a file in place, as a careless copy does; ends mended."""
    choose = random.Random(seed)
    with open(DIGITS, "rb") as f:
        good = f.read()
    for _ in range(30):
        what = choose.randrange(3)
        if what == 0:
            os.truncate(path, choose.randrange(len(good)))
        elif what == 1:
            with open(path, "r+b") as f:
                f.seek(choose.randrange(len(good)))
                f.write(os.urandom(64))
        else:
            with open(path, "wb") as f:
                for at in range(0, len(good), 4096):
                    f.write(good[at:at + 4096])
                    f.flush()
        time.sleep(choose.random() * 0.05)
    os.truncate(path, len(good) // 2)


def test_a_model_is_truncated_while_it_is_watched():
    with scratch() as folder:
        path = os.path.join(folder, "digits.onnx")
        shutil.copy(DIGITS, path)
        with Server(path, "--poll", "1") as server, Load(server.port) as load:
            load.more()
            os.truncate(path, os.path.getsize(path) // 2)
            wait_until(lambda: broken(server, "digits") == 1, "the damage to be seen")
            load.more()
            wait_until(lambda: said(server, "WARN", "digits.onnx"), "a line about it")
            state = server.get("/v1/models/digits").json["model_version_status"][0]
            assert state["state"] == "AVAILABLE" and "digits.onnx" in state["status"]["error_message"]
            beside = os.path.join(folder, ".new")
            shutil.copy(DIGITS, beside)
            os.replace(beside, path)
            wait_until(lambda: broken(server, "digits") == 0, "the model to be whole again")
            load.more()


def test_a_model_that_is_written_again_and_again():
    """Random bytes may make a model of other weights: only what is asked of a copy that was never
    touched must be right, and the service must live."""
    with scratch() as folder:
        path = os.path.join(folder, "torn.onnx")
        shutil.copy(DIGITS, path)
        with Server(f"digits={DIGITS}", f"torn={path}", "--poll", "1") as server:
            with Load(server.port, path="/predict/digits") as load:
                for seed in range(3):
                    break_and_mend(path, seed)
                    load.more()
                    assert server.post("/predict/torn", IMAGES[:1]).status == 200
                beside = os.path.join(folder, ".new")
                shutil.copy(DIGITS, beside)
                os.replace(beside, path)

                def mended():
                    rows = server.post("/predict/torn", IMAGES[:1]).json["predictions"]
                    return (broken(server, "torn") == 0 and
                            [best(row) for row in rows] == EXPECTED[:1])

                wait_until(mended, "the model to be whole again")


def test_a_config_pbtxt_with_errors():
    with scratch() as folder:
        base = os.path.join(folder, "digits")
        os.makedirs(os.path.join(base, "1"))
        shutil.copy(DIGITS, os.path.join(base, "1", "model.onnx"))
        config = os.path.join(base, "config.pbtxt")
        good = 'name: "digits"\nplatform: "onnxruntime_onnx"\nmax_batch_size: 8\n'
        with open(config, "w") as f:
            f.write(good)
        with Server("--repository", folder, "--poll", "1") as server:
            with Load(server.port, path="/predict/digits") as load:
                for text, line in (("max_batch_size: [", 1), (good + "input [ {", 4),
                                   (good + "no_such_field: 1\nversion_policy: { latest: {", 5),
                                   ("\0\xff" * 100, 1)):
                    with open(config, "w") as f:
                        f.write(text)
                    load.more()
                    wait_until(lambda: broken(server, "digits") == 1,
                               f"{text!r} to be seen")
                    wait_until(lambda: said(server, f"config.pbtxt:{line}"), f"a line about {text!r}")
                    load.more()
                    with open(config, "w") as f:
                        f.write(good)
                    wait_until(lambda: broken(server, "digits") == 0,
                               "the mended file to be seen")
                    server.lines.clear()


def test_a_yaml_file_with_errors_is_read_again():
    with scratch() as folder:
        path = os.path.join(folder, "serve.yaml")
        good = f"models:\n  digits: {DIGITS}\n"
        with open(path, "w") as f:
            f.write(good)
        with Server("--config", path) as server, Load(server.port, "/predict/digits") as load:
            for text in ("models: [", "models:\n  digits: /nowhere.onnx\n  x: {pth: 1}\n", "\0"):
                with open(path, "w") as f:
                    f.write(text)
                server.signal(signal.SIGHUP)
                wait_until(lambda: said(server, "serve.yaml"), f"{text!r} to be refused")
                load.more()
                server.lines.clear()


if __name__ == "__main__":
    main(globals())
