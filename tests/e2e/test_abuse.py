"""Clients that behave badly: what they do must not disturb the others, whose requests all succeed, nor
make memory grow beyond a bound. ./dev abuse runs it in full size; here the numbers are small.

ctest: timeout=240 labels=threads"""
import http.client
import json
import os
import resource
import select
import socket
import struct
import threading
import time

import _h2
import models
from serving import (DIGITS, PATIENCE, SANITIZED, Server, best, digits_expected, digits_images, main,
                     scratch, wait_until)

FULL = os.environ.get("SERVAL_ABUSE") == "full"
IMAGES = digits_images()
EXPECTED = digits_expected()
MiB = 1 << 20


def size(full, short):
    return full if FULL else short


def raise_descriptors():
    """As many as the system grants; returns how many connections a test may open."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard - 200


class Others:
    """Those who must not be disturbed: kept and new connections, HTTP/1.1 and HTTP/2, whose answers
    are checked. They go on until the end, and every one of their requests must succeed."""

    def __init__(self, server):
        self.server = server
        self.stopping = threading.Event()
        self.failures = []
        self.count = 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._guard, args=(run,), daemon=True)
                        for run in (self._kept, self._kept, self._new, self._http2)]
        for thread in self.threads:
            thread.start()

    def _guard(self, run):
        mine = threading.current_thread()
        mine.client = self.server.client()
        try:
            for at in self._turns():
                run(at)
        except Exception as error:  # told to the test's own thread
            self.failures.append(repr(error))
        mine.client.close()

    def _turns(self):
        at = 0
        while not self.stopping.is_set():
            at = (at + 1) % (len(IMAGES) - 1)
            yield at
            with self.lock:
                self.count += 1

    def _check(self, status, body, at):
        assert status == 200, (status, body[:200])
        assert [best(row) for row in json.loads(body)["predictions"]] == EXPECTED[at:at + 1]

    def _kept(self, at):
        client = threading.current_thread().client
        client.request("POST", "/predict/digits", body=json.dumps(IMAGES[at:at + 1]))
        answer = client.getresponse()
        self._check(answer.status, answer.read(), at)

    def _new(self, at):
        answer = self.server.post("/predict/digits", IMAGES[at:at + 1])
        self._check(answer.status, answer.body, at)

    def _http2(self, at):
        c = _h2.Connection(self.server.connect())
        body = json.dumps(IMAGES[at:at + 1]).encode()
        c.send(_h2.post(1, b"/predict/digits", body))
        answer = b""
        while (got := c.read()) is not None and (got[0], got[1] & 1) != (_h2.DATA, 1):
            answer += got[3] if got[0] == _h2.DATA else b""
        assert got is not None, "the connection was closed"
        self._check(200, answer + got[3], at)
        c.close()

    def more(self, count=40):
        goal = self.count + count
        wait_until(lambda: self.count >= goal or self.failures, f"{count} more answers")
        assert not self.failures, self.failures

    def __enter__(self):
        self.more(8)
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.more(8)
        self.stopping.set()
        for thread in self.threads:
            thread.join(PATIENCE)
        if kind is None:
            assert not self.failures, self.failures


def metrics(server):
    return [line for line in server.get("/metrics").body.decode().splitlines()
            if not line.startswith("#")]


OWN_LOOKS = 'serval_requests_total{model="",protocol="plain",code="200"}'


def metric(server, name):
    for line in metrics(server):
        if line.startswith(name + " "):
            return float(line.split()[1])
    return 0.0


def memory(server):
    """Resident memory. A sanitizer keeps what was freed for a while, so there it says little."""
    with open(f"/proc/{server.process.pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class Bound:
    """Memory may grow by so many bytes meanwhile."""

    def __init__(self, server, limit):
        self.server, self.limit = server, limit * (20 if SANITIZED else 1)

    def __enter__(self):
        self.before = memory(self.server)
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            return
        grown = memory(self.server) - self.before
        print(f"     memory grew by {grown / MiB:.1f} MiB, {self.limit / MiB:.0f} are allowed")
        assert grown <= self.limit, f"memory grew by {grown} bytes, at most {self.limit} are allowed"


def wide():
    """y = x as often as makes a large answer of a small request: about 1.5 MB of JSON."""
    return models.model([models.node("Expand", ["x", "shape"], ["y"])],
                        [models.value_info("x", models.FLOAT, [1, 1])],
                        [models.value_info("y", models.FLOAT, [1, 1 << 17])],
                        [models.int64s("shape", [2], [1, 1 << 17])])


def request(path, body, more=b""):
    return (b"POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s" %
            (path, more, len(body), body))


def connections_end(server, count):
    """Waits until the server has closed all but `count` connections: the others' and our own."""
    wait_until(lambda: metric(server, "serval_connections") <= count, "the connections to be closed")


# ---- connections --------------------------------------------------------------------------------


def test_idle_connections():
    count = min(size(10000, 600), raise_descriptors())
    with Server(f"digits={DIGITS}", "--max-connections", str(count + 100)) as server:
        with Others(server) as others, Bound(server, count * 4096 + 4 * MiB):
            idle = []
            for i in range(count):
                idle.append(server.connect())
                if i % 1000 == 999:
                    others.more(4)
            # Every other one has been of use once.
            for s in idle[::2]:
                s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            for s in idle[::2]:
                assert s.recv(4096).startswith(b"HTTP/1.1 200")
            others.more()
            assert metric(server, "serval_connections") >= count
            print(f"     {count} idle connections")
            for s in idle:
                s.close()
        connections_end(server, 1)


def test_more_connections_than_there_are_places():
    """Who idles makes room for those who come."""
    places = size(500, 60)
    with Server(f"digits={DIGITS}", "--max-connections", str(places)) as server:
        with Others(server) as others:
            idle = [server.connect() for _ in range(places * 3)]
            others.more(8)
            for s in idle:
                s.close()


def test_slow_and_silent_clients():
    """All kinds at once: they are ended, and the others hear nothing of it."""
    count = size(200, 8)
    with scratch() as folder:
        path = models.write(folder, "wide.onnx", wide())
        # Room for all that waits: who goes when there is none is tested elsewhere (test_memory.c).
        with Server(f"digits={DIGITS}", path, "--memory-limit", "512M") as server:
            with Others(server) as others, Bound(server, 24 * MiB + count * 2 * MiB):
                timed_out = metric(server, "serval_http_timed_out_total")
                slow = SlowClients(server, count)
                others.more()
                slow.wait()
                others.more()
                assert metric(server, "serval_http_timed_out_total") >= timed_out + 4 * count
            connections_end(server, 1)
            # What was computed for those who are gone ends when it is done.
            wait_until(lambda: metric(server, "serval_requests_running") == 0, "the rest to end")
            wait_until(lambda: metric(server, "serval_http_memory_bytes") == 0, "memory to be free")


class SlowClients:
    """Those who read nothing, send a part and no more, or a byte a second, until they are ended."""

    def __init__(self, server, count):
        self.open = []
        body = json.dumps(IMAGES[:1]).encode()
        whole = request(b"/predict/digits", body)
        for _ in range(count):
            # They ask for many large answers and take none of them.
            reader = socket.socket()
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.settimeout(PATIENCE)
            reader.connect(("127.0.0.1", server.port))
            reader.sendall(request(b"/predict/wide", b"[[1.5]]") * 8)
            self.open.append((reader, b"", True))
            # A part of a head, and of a body, then nothing.
            self._add(server, whole[:20], b"")
            self._add(server, whole[:-20], b"")
            # Byte by byte.
            self._add(server, b"", whole)
            self._add(server, whole[:-len(body)], body * 100)
        self.drips = threading.Thread(target=self._drip, daemon=True)
        self.drips.start()

    def _add(self, server, start, rest):
        s = server.connect()
        s.sendall(start)
        self.open.append((s, rest, False))

    def _drip(self):
        for at in range(PATIENCE):
            for s, rest, _ in self.open:
                try:
                    s.send(rest[at:at + 1])
                except OSError:
                    pass  # it was ended
            time.sleep(1)

    def wait(self):
        """Until the server has ended them all: with a status of 408, or with a reset."""
        for s, _, takes_nothing in self.open:
            if takes_nothing:
                continue
            try:
                answer = s.recv(4096)
            except ConnectionError:
                answer = b""
            assert answer == b"" or answer.startswith(b"HTTP/1.1 408 "), answer
        for s, _, takes_nothing in self.open:
            if takes_nothing:
                poll = select.poll()
                poll.register(s, 0)
                assert poll.poll(PATIENCE * 1000), "a client that takes nothing was not ended"
            s.close()


def test_clients_that_end_their_half():
    """Half of a request and the end: nobody is there any more. A whole one together with the end:
    answered."""
    with Server(f"digits={DIGITS}") as server, Others(server) as others:
        whole = request(b"/predict/digits", json.dumps(IMAGES[:1]).encode())
        for _ in range(size(1000, 50)):
            for part in (whole[:10], whole[:-10], whole):
                with server.connect() as s:
                    # The kernel keeps what is sent until it can send the end with it.
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
                    s.sendall(part)
                    s.shutdown(socket.SHUT_WR)
                    answer = b""
                    while piece := s.recv(65536):
                        answer += piece
                    assert answer.startswith(b"HTTP/1.1 200 ") == (part is whole), answer[:100]
                    assert part is whole or answer == b"" or b" 400 " in answer[:20], answer[:100]
        others.more()


def test_clients_that_vanish():
    """Resets at every point of a request and of its answer."""
    with scratch() as folder:
        path = models.write(folder, "wide.onnx", wide())
        with Server(f"digits={DIGITS}", path) as server, Others(server) as others:
            whole = request(b"/predict/wide", b"[[1.5]]")
            for at in range(size(2000, 150)):
                s = server.connect()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.sendall(whole[:1 + at % len(whole)])
                if at % 3 == 0:
                    s.sendall(whole[1 + at % len(whole):])
                if at % 6 == 0:
                    s.recv(1000)
                s.close()
            others.more()
            wait_until(lambda: metric(server, "serval_requests_running") == 0, "the rest to end")
            wait_until(lambda: metric(server, "serval_http_memory_bytes") == 0, "memory to be free")


# ---- requests -----------------------------------------------------------------------------------


def test_distinct_shapes():
    """Each shape is planned anew; a model's plans may take 64 MiB, then the oldest are given up."""
    count = size(10000, 500)
    with scratch() as folder:
        path = models.write(folder, "flags.onnx", models.flags())
        with Server(f"digits={DIGITS}", path) as server, Others(server) as others:
            client = server.client()

            def ask(rows, columns):
                body = json.dumps({"inputs": [{"name": "in", "shape": [rows, columns],
                                               "datatype": "BOOL", "data": [True] * rows * columns}]})
                client.request("POST", "/v2/models/flags/infer", body=body)
                answer = client.getresponse()
                found = json.loads(answer.read())
                assert answer.status == 200, found
                output = found["outputs"][0]
                assert output["shape"] == [rows, columns]
                assert output["data"] == [False] * rows * columns

            ask(100, 100)
            with Bound(server, 80 * MiB):
                for i in range(count):
                    ask(1 + i // 100, 1 + i % 100)
            others.more()
            print(f"     {count} shapes")


def pipelined(server, requests, expected):
    """Sends many at once and reads the codes of the answers."""
    with server.connect() as s:
        reader = s.makefile("rb")
        for at in range(0, len(requests), 50):
            s.sendall(b"".join(requests[at:at + 50]))
            for _ in requests[at:at + 50]:
                code = int(reader.readline().split()[1])
                length = 0
                while (line := reader.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                body = reader.read(length)
                assert code in expected, (code, body)


def made_up(i):
    """A request for a model that nobody has, in one of many ways."""
    name = b"no-%d-%s" % (i, b"x" * (i % 90))
    body = b'{"instances":[[1]]}'
    ways = (request(b"/v1/models/%s:predict" % name, body),
            request(b"/v2/models/%s/infer" % name, b'{"inputs":[]}'),
            request(b"/v2/models/%s/versions/%d/infer" % (name, i), b'{"inputs":[]}'),
            request(b"/predict/%s" % name, body),
            request(b"/predictions/%s" % name, body),
            request(b"/v2/repository/models/%s/load" % name, b""),
            b"GET /v1/models/%s HTTP/1.1\r\nHost: x\r\n\r\n" % name,
            b"GET /%s HTTP/1.1\r\nHost: x\r\nX-%s: %s\r\n\r\n" % (name, name, name))
    return ways[i % len(ways)]


def test_made_up_names():
    count = size(100000, 4000)
    with Server(f"digits={DIGITS}") as server, Others(server) as others:
        # What all of them add is there after the first few. A look adds a row of its own, which is
        # counted once its answer has gone.
        pipelined(server, [made_up(i) for i in range(400)], (403, 404))
        others.more()
        wait_until(lambda: any(row.startswith(OWN_LOOKS) for row in metrics(server)), "the looks' row")
        rows = len(metrics(server))
        with Bound(server, 4 * MiB):
            for first in range(0, count, 1000):
                pipelined(server, [made_up(i) for i in range(first, first + 1000)], (403, 404))
        others.more()
        assert len(metrics(server)) == rows, metrics(server)
        print(f"     {count} names")


# ---- HTTP/2 -------------------------------------------------------------------------------------


def flood_of(piece, times, pieces_at_once=100):
    def run(c):
        for _ in range(times // pieces_at_once):
            if not c.try_send(piece * pieces_at_once):
                break
    return run


def rapid_reset(c):
    for stream in range(1001, 41001, 2):
        if not c.try_send(_h2.post(stream, b"/predict/slow", b"[[1.0]]") +
                          _h2.frame(_h2.RST, 0, stream, struct.pack(">I", _h2.CANCEL))):
            break


def endless_head(c):
    c.try_send(_h2.frame(_h2.HEADERS, 0, 1001, _h2.fields((b":method", b"GET"))))
    flood_of(_h2.frame(_h2.CONTINUATION, 0, 1001, _h2.fields((b"x", b"y" * 100))), 20000)(c)


def growing_head(c):
    """A table that is filled, then used again and again."""
    c.try_send(_h2.frame(_h2.HEADERS, 0, 1001, b"\x40\x01x\x7f\x81\x1d" + b"y" * 3800))
    flood_of(_h2.frame(_h2.CONTINUATION, 0, 1001, b"\xbe" * 16000), 2000, 10)(c)


FLOODS = {
    "rapid reset": (rapid_reset, None),
    "PING": (flood_of(_h2.frame(_h2.PING, 0, 0, b"12345678"), 40000), _h2.ENHANCE_YOUR_CALM),
    "SETTINGS": (flood_of(_h2.frame(_h2.SETTINGS, 0, 0, struct.pack(">HI", 4, 65535)), 40000),
                 _h2.ENHANCE_YOUR_CALM),
    "PRIORITY": (flood_of(_h2.frame(_h2.PRIORITY, 0, 9001, b"\0\0\0\0\1"), 40000),
                 _h2.ENHANCE_YOUR_CALM),
    "WINDOW_UPDATE": (flood_of(_h2.frame(_h2.WINDOW, 0, 0, b"\0\0\0\1"), 40000),
                      _h2.ENHANCE_YOUR_CALM),
    "empty DATA": (lambda c: (c.try_send(_h2.head(1001, b"POST", b"/predict/slow")),
                              flood_of(_h2.frame(_h2.DATA, 0, 1001), 40000)(c)),
                   _h2.ENHANCE_YOUR_CALM),
    "CONTINUATION": (endless_head, None),
    "CONTINUATION of a table": (growing_head, None),
    "a wrong frame": (lambda c: c.try_send(_h2.frame(_h2.PING, 0, 0, b"1")),
                      _h2.FRAME_SIZE_ERROR),
    "too large a window": (flood_of(_h2.frame(_h2.WINDOW, 0, 0, b"\x7f\xff\xff\xff"), 20, 2),
                           _h2.FLOW_CONTROL_ERROR),
}
QUEUED = 100


def attack(server, flood):
    """Queues work, then floods while another thread reads; returns the error of the GOAWAY."""
    c = _h2.Connection(server.connect(), struct.pack(">HI", 4, 1 << 20))
    for stream in range(1, 2 * QUEUED, 2):
        c.send(_h2.post(stream, b"/predict/slow", b"[[1.0]]"))
    wait_until(lambda: metric(server, "serval_requests_running") >= QUEUED / 2, "work to be queued")
    found = {}
    reader = threading.Thread(target=lambda: found.update(error=c.goaway()), daemon=True)
    reader.start()
    flood(c)
    reader.join(PATIENCE)
    c.close()
    assert not reader.is_alive(), "the connection was not ended"
    return found["error"]


def runs(server):
    return metric(server, 'nv_inference_exec_count{model="slow",version="1"}')


def all_floods(server, others):
    for name, (flood, expected) in FLOODS.items():
        before = runs(server)
        error = attack(server, flood)
        assert error not in (None, _h2.NO_ERROR), f"{name}: {error}"
        assert expected in (None, error), f"{name}: {error}"
        wait_until(lambda: metric(server, "serval_requests_running") <= 4,
                   f"what was queued before {name} to be cancelled")
        done = runs(server) - before
        print(f"     {name}: GOAWAY {error}, {done:.0f} of {QUEUED} runs were begun")
        assert done < QUEUED, name
        others.more(8)


def test_http2_floods():
    """Each ends in GOAWAY, and the work that was queued for it is not done."""
    with scratch() as folder:
        path = models.write(folder, "slow.onnx", models.slow(products=2, size=512 if SANITIZED else 1024))
        with Server(f"digits={DIGITS}", path, "--threads", "2", "--timeout", "3600",
                    "--metrics-names", "triton") as server, Others(server) as others:
            # Runs keep their memory, some 8 MiB for each thread that may run them at once.
            all_floods(server, others)
            with Bound(server, 64 * MiB):
                for _ in range(size(5, 1)):
                    all_floods(server, others)
            assert metric(server, "serval_queue_length") <= 4


def test_http2_windows_of_zero():
    """Answers that nobody takes: the connection is ended although it is kept busy."""
    count = size(50, 4)
    with scratch() as folder:
        path = models.write(folder, "wide.onnx", wide())
        with Server(f"digits={DIGITS}", path) as server, Others(server) as others:
            with Bound(server, 16 * MiB + count * 4 * MiB):
                attackers = []
                for _ in range(count):
                    c = _h2.Connection(server.connect(), struct.pack(">HI", 4, 0))
                    for stream in (1, 3):
                        c.send(_h2.post(stream, b"/predict/wide", b"[[1.5]]"))
                    attackers.append(c)
                ended = threading.Event()

                def keep_busy():
                    while not ended.wait(0.5):
                        for c in attackers:
                            c.try_send(_h2.frame(_h2.PING, 0, 0, b"12345678"))

                busy = threading.Thread(target=keep_busy, daemon=True)
                busy.start()
                for c in attackers:
                    assert c.goaway() == _h2.ENHANCE_YOUR_CALM
                ended.set()
                busy.join(PATIENCE)
                for c in attackers:
                    c.close()
            others.more()
            wait_until(lambda: metric(server, "serval_http_memory_bytes") == 0, "memory to be free")


if __name__ == "__main__":
    main(globals())
