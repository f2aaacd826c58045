#!/usr/bin/env python3
"""Measures what Serval costs before it is fast: size, start-up time and memory.

Prints the size of the stripped program, the time from process start to the first answer of the
digits model, and the peak memory of a server with a model of 100 MB of weights.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

from services import DIGITS, ROOT, BenchError, predicted_classes, serval_program, start_serval

BIG = ROOT / ".cache" / "models" / "big.onnx"
# What the program may use at most on top of a model's weights.
PEAK_LIMIT = 1.3


def stripped_size():
    """Bytes of the program without symbols."""
    strip = shutil.which("strip")
    if strip is None:
        raise BenchError("strip is missing: apt-get install binutils")
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "serval"
        shutil.copy(serval_program(), copy)
        subprocess.run([strip, str(copy)], check=True)
        return copy.stat().st_size


def first_answers(repeats):
    """Seconds from the start of `serval serve` to the first right answer, `repeats` times."""
    body = (DIGITS / "request-one.json").read_bytes()
    expected = int((DIGITS / "expected-onnxruntime.txt").read_text().split()[0])
    times = []
    for _ in range(repeats):
        with start_serval(DIGITS / "model.onnx") as service:
            seconds, text = service.first_answer("/predict", body)
        if predicted_classes(text) != [expected]:
            raise BenchError(f"serval answers {text[:200]!r}, expected class {expected}")
        times.append(seconds)
    return times


def big_model(megabytes):
    """Returns (path, bytes of weights) of the model that memory is measured with."""
    command = [sys.executable, str(ROOT / "tools" / "make_big_model.py"),
               "--megabytes", str(megabytes), "--out", str(BIG)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"make_big_model.py failed: {done.stderr.strip()}")
    return BIG, int(done.stdout.split(": ")[1].split()[0])


def peak_memory(path):
    """The server's largest resident size in bytes, after it has loaded and answered."""
    body = json.dumps({"instances": [[0.5] * 1024]}).encode()
    with start_serval(path, name="big") as service:
        seconds, _ = service.first_answer("/predict", body)
        return service.peak(), service.resident(), seconds


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog=f"Exit code: 0, or 1 when the peak is over {PEAK_LIMIT} times the weights, "
        "2 it could not run.",
    )
    parser.add_argument("--repeats", type=int, default=20, help="starts (default: %(default)s)")
    parser.add_argument("--megabytes", type=float, default=100.0,
                        help="weights of the model for memory (default: %(default)g)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the figures")
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        parser.error(f"--repeats: expected at least 1, found {arguments.repeats}")
    return arguments


def main():
    arguments = parse_arguments()
    size = stripped_size()
    print(f"stripped program           {size:12,} bytes ({size / 1e6:.2f} MB)", flush=True)
    times = first_answers(arguments.repeats)
    print(f"start to first answer      {1e3 * statistics.median(times):12.1f} ms, median of "
          f"{len(times)} (fastest {1e3 * min(times):.1f}, slowest {1e3 * max(times):.1f})",
          flush=True)
    path, weights = big_model(arguments.megabytes)
    peak, resident, seconds = peak_memory(path)
    ratio = peak / weights
    print(f"model with weights of      {weights:12,} bytes: first answer after "
          f"{1e3 * seconds:.0f} ms")
    print(f"  peak memory              {peak:12,} bytes = {ratio:.2f} times the weights "
          f"(limit {PEAK_LIMIT})")
    print(f"  memory afterwards        {resident:12,} bytes = {resident / weights:.2f} times")
    if arguments.json:
        figures = {"stripped_bytes": size, "first_answer_ms": [1e3 * t for t in times],
                   "weight_bytes": weights, "peak_bytes": peak, "resident_bytes": resident,
                   "peak_ratio": ratio, "big_first_answer_ms": 1e3 * seconds}
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0 if ratio <= PEAK_LIMIT else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        print(f"footprint.py: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
