#!/usr/bin/env python3
"""Writes the seeds of tests/fuzz/fuzz_http1.c: streams of requests, good and bad, each in three ways
of arriving. Usage: fuzz_seeds_http.py [FOLDER], by default tests/fuzz/corpus/http1."""

import pathlib
import sys

HOST = b"Host: h\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST
POST = b"POST /x HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

STREAMS = {
    "get": GET + b"\r\n",
    "old": b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "absolute": b"GET http://u:80/a%2Fb/c?d=e HTTP/1.1\r\n" + HOST + b"\r\n",
    "options": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "fixed": POST + b"Content-Length: 5\r\n\r\nhello",
    "expect": POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
    "chunks": CHUNKED + b"5\r\nhello\r\n3;a=\"b\"\r\nabc\r\n0\r\nT: x\r\n\r\n",
    "pipeline": GET + b"\r\n" + POST + b"Content-Length: 1\r\n\r\nx" + CHUNKED + b"0\r\n\r\n" + GET + b"\r\n",
    "lists": GET + b"Connection: a, close\r\nAccept-Encoding: gzip;q=0, \"x,y\", br\r\n\r\n",
    "types": POST + b"Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
    "two_lengths": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    "both": POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "space": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "fold": GET + b"X: a\r\n b\r\n\r\n",
    "bare_lf": b"GET / HTTP/1.1\nHost: h\n\n",
    "bare_cr": GET + b"X: a\rb\r\n\r\n",
    "nul": GET + b"X: \0\r\n\r\n",
    "large": POST + b"Content-Length: 999999\r\n\r\n",
    "large_chunk": CHUNKED + b"fffffffffffffff\r\n",
    "bad_chunk": CHUNKED + b"5\r\nhelloX\r\n",
    "http2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "tls": bytes.fromhex("16030100c8010000c40303"),
    "long_line": b"GET /" + b"a" * 2100 + b" HTTP/1.1\r\n\r\n",
    "many_fields": GET + b"X: 1\r\n" * 20 + b"\r\n",
    "long_body": POST + b"Content-Length: 3000\r\n\r\n" + b"b" * 3000 + GET + b"\r\n",
}

# The first byte and the sizes of arrivals: at once, byte by byte, and in odd pieces taken directly.
ARRIVALS = {"whole": b"\x00", "bytes": b"\x01\x00", "pieces": b"\x83\x06\x28\x00"}


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/fuzz/corpus/http1")
    folder.mkdir(parents=True, exist_ok=True)
    for name, stream in STREAMS.items():
        for way, prefix in ARRIVALS.items():
            (folder / f"{name}-{way}").write_bytes(prefix + stream)


if __name__ == "__main__":
    main()
