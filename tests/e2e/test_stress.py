"""Many clients at once: small and large runs, pipelines, clients that go away, limits that are hit.
What is asserted is that the service lives, answers right, and ends with nothing left over.

ctest: timeout=240 labels=threads"""
import json
import os
import random
import threading
import time

import models
from serving import DIGITS, Server, best, digits_expected, digits_images, main, scratch, wait_until

IMAGES = digits_images()
EXPECTED = digits_expected()
CLIENTS = 12
TURNS = 15


class Client(threading.Thread):
    def __init__(self, server, seed):
        super().__init__(daemon=True)
        self.server = server
        self.random = random.Random(seed)
        self.error = None

    def run(self):
        try:
            for _ in range(TURNS):
                self.random.choice([self.small, self.small, self.large, self.leave, self.watch])()
        except Exception as error:  # told to the test's own thread
            self.error = error

    def small(self):
        client = self.server.client()
        for _ in range(10):
            first = self.random.randrange(len(IMAGES) - 8)
            count = self.random.randrange(1, 8)
            client.request("POST", "/predict/digits", body=json.dumps(IMAGES[first:first + count]))
            answer = client.getresponse()
            body = answer.read()
            if answer.status == 503:
                continue
            assert answer.status == 200, (answer.status, body)
            rows = json.loads(body)["predictions"]
            assert [best(row) for row in rows] == EXPECTED[first:first + count]
        client.close()

    def large(self):
        answer = self.server.post("/v1/models/slow:predict", {"inputs": [[1.0]]})
        assert answer.status in (200, 503, 504), answer

    def leave(self):
        body = json.dumps(IMAGES[:1]).encode()
        model = b"digits"
        if self.random.random() < 0.5:
            body, model = b'{"instances":[{"x":[1.0]}]}', b"slow"
        request = (b"POST /predict/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
                   % (model, len(body), body))
        s = self.server.connect()
        s.sendall(request * self.random.randrange(1, 6))
        time.sleep(self.random.random() * 0.02)
        s.close()

    def watch(self):
        assert self.server.get("/metrics").status == 200
        assert self.server.get("/readyz").status == 200


def gauge(server, name):
    for line in server.get("/metrics").body.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(f"{name} is missing")


def test_many_clients():
    with scratch() as folder:
        path = models.write(folder, "slow.onnx", models.slow(products=2, size=512))
        log = os.path.join(folder, "access.log")
        with Server(f"digits={DIGITS}", path, "--threads", "2", "--timeout", "60", "--max-requests",
                    "16", "--access-log", log) as server:
            clients = [Client(server, seed) for seed in range(CLIENTS)]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
                if client.error:
                    raise client.error
            wait_until(lambda: gauge(server, "serval_requests_running") == 0, "all to be answered")
            assert gauge(server, "serval_queue_length") == 0
            wait_until(lambda: gauge(server, "serval_http_memory_bytes") == 0, "memory to return")
        with open(log) as f:
            for line in f:
                json.loads(line)


if __name__ == "__main__":
    main(globals())
