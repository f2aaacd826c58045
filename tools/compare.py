#!/usr/bin/env python3
"""Runs the graphs of tools/models in Serval and onnxruntime side by side.

Prints, for each graph and input shape, the largest difference relative to the output's largest
value, once as users run it and once exact (no algorithm that rounds more, see --exact), and the
median times of both engines, measured in turns within one process. Every graph has a process of its
own, so that a crash or its memory touches no other row. What the graphs are is in models/.
"""

import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

# Largest differences allowed: of exact runs, and of others.
EXACT_LIMIT = 1e-5
LIMIT = 1e-4
ROUNDS = 7
# Longer than onnxruntime's threads spin after a run, which would slow the other engine.
SETTLE = 0.1


# ------------------------------------------------------------------------ one graph, in a process


class OrtRunner:
    """onnxruntime with bound inputs and outputs."""

    def __init__(self, path, threads):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )

    def bind(self, inputs):
        self.binding = self.session.io_binding()
        for name, array in inputs.items():
            self.binding.bind_cpu_input(name, array)
        for output in self.session.get_outputs():
            self.binding.bind_output(output.name, "cpu")

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def outputs(self):
        return self.binding.copy_outputs_to_cpu()


class ServalRunner:
    """libserval with bound inputs; outputs stay in the session."""

    def __init__(self, path, threads, exact=False):
        import serval_binding

        self.runtime = serval_binding.Runtime(threads=threads, exact=exact)
        self.model = serval_binding.Model(self.runtime, path)
        self.session = serval_binding.Session(self.model, threads)
        self.run = self.session.run

    def bind(self, inputs):
        for name, array in inputs.items():
            self.session.bind(name, array)

    def outputs(self):
        return [self.session.output(i) for i in range(len(self.model.outputs))]


def difference(found, expected):
    """The largest absolute difference over the largest absolute value; raises for other shapes."""
    import numpy as np

    worst = 0.0
    if len(found) != len(expected):
        raise ValueError(f"expected {len(expected)} outputs, found {len(found)}")
    for f, e in zip(found, expected):
        if f.shape != e.shape or f.dtype != e.dtype:
            raise ValueError(f"expected {e.dtype}{list(e.shape)}, found {f.dtype}{list(f.shape)}")
        if not np.isfinite(f).all():
            raise ValueError("the output holds NaN or infinity")
        scale = np.abs(e).max(initial=0.0) or 1.0
        gap = np.abs(f.astype(np.float64) - e.astype(np.float64)).max(initial=0.0)
        worst = max(worst, float(gap / scale))
    return worst


def time_in_turns(runners, seconds, settle):
    """Median seconds a run of each runner, measured in short blocks that take turns."""
    counts = []
    for runner in runners:
        start = time.perf_counter()
        runner.run()
        once = time.perf_counter() - start
        counts.append(max(1, int(seconds / ROUNDS / max(once, 1e-6))))
    times = [[] for _ in runners]
    for _ in range(ROUNDS):
        for runner, count, mine in zip(runners, counts, times):
            time.sleep(settle)
            runner.run()
            for _ in range(count):
                start = time.perf_counter()
                runner.run()
                mine.append(time.perf_counter() - start)
    return [statistics.median(t) for t in times]


def compare_case(model, label, ours, exact, theirs, arguments):
    """Returns the row of one case."""
    row = {"model": model.name, "inputs": label}
    inputs = model.inputs(label)
    try:
        for runner in (ours, exact, theirs):
            runner.bind(inputs)
            runner.run()
            runner.run()
        row["difference"] = difference(ours.outputs(), theirs.outputs())
        row["exact_difference"] = difference(exact.outputs(), theirs.outputs())
        row["ok"] = row["difference"] <= LIMIT and row["exact_difference"] <= EXACT_LIMIT
    except Exception as error:  # whatever one case raises is that case's result
        return {**row, "ok": False, "error": str(error) or type(error).__name__}
    if arguments.seconds > 0:
        settle = SETTLE if arguments.threads > 1 else 0
        mine, other = time_in_turns([ours, theirs], arguments.seconds, settle)
        row.update(serval_ms=1e3 * mine, onnxruntime_ms=1e3 * other, ratio=other / mine)
    return row


def compare_model(model, path, arguments):
    """Rows of all cases of a model, one engine each."""
    labels = [label for label, _ in model.cases]
    try:
        theirs = OrtRunner(path, arguments.threads)
        ours = ServalRunner(path, arguments.threads)
        exact = ServalRunner(path, arguments.threads, exact=True)
    except Exception as error:
        return [{"model": model.name, "inputs": label, "ok": False, "error": str(error)}
                for label in labels]
    return [compare_case(model, label, ours, exact, theirs, arguments) for label in labels]


# ------------------------------------------------------------------------------------- all graphs


def in_own_process(model, path, arguments):
    """Runs `compare_model` in a child; a crash becomes a row."""
    command = [sys.executable, __file__, "--one", f"{model.name}={path}",
               "--threads", str(arguments.threads), "--seconds", str(arguments.seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors="replace")
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    if done.returncode < 0:
        error = f"crash: {signal.Signals(-done.returncode).name}"
    else:
        lines = done.stderr.strip().splitlines() or ["no message"]
        error = f"exit code {done.returncode}: {lines[-1]}"
    return [{"model": model.name, "inputs": label, "ok": False, "error": error}
            for label, _ in model.cases]


def call_overhead(arguments):
    """What one call costs through Python: the time of a graph that copies one number."""
    from models import builder, catalog

    g = builder.Graph("identity", opset=17)
    g.output(g.input("input", [1]), "output", [1])
    path = catalog.CACHE / "identity.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(g.model().SerializeToString(deterministic=True))
    model = catalog.Model("identity", None, catalog.images("input", (1,)))
    return in_own_process(model, path, arguments)[0]


def print_row(row):
    text = f"{row['model']:24} {row['inputs']:>14}"
    if "error" in row:
        print(f"{text}  {'':>9} {'':>9} FAIL  {row['error']}", flush=True)
        return
    text += f"  {row['difference']:9.1e} {row['exact_difference']:9.1e}"
    text += " ok  " if row["ok"] else " FAIL"
    if "ratio" in row:
        text += f" {row['serval_ms']:10.3f} {row['onnxruntime_ms']:10.3f} {row['ratio']:7.2f}"
    print(text, flush=True)


def print_summary(rows, overhead):
    timed = [r["ratio"] for r in rows if "ratio" in r]
    right = sum(r["ok"] for r in rows)
    line = f"\n{right} of {len(rows)} within {LIMIT:g} of onnxruntime, {EXACT_LIMIT:g} when exact"
    if timed:
        line += f"; geometric mean of the ratios {statistics.geometric_mean(timed):.2f}"
    print(line)
    if overhead and "ratio" in overhead:
        print(f"Each time holds the call through Python: Serval {1e3 * overhead['serval_ms']:.1f} us"
              f", onnxruntime {1e3 * overhead['onnxruntime_ms']:.1f} us (measured on a graph that "
              "copies one number).")


# ------------------------------------------------------------------------------------------ main


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog="ratio is onnxruntime's time over Serval's: above 1, Serval is faster. Exit code: 0 "
        f"every difference is at most {LIMIT:g}, of exact runs {EXACT_LIMIT:g}; 1 one is not; 2 it could "
        "not run.",
    )
    parser.add_argument("--filter", default="", metavar="WORDS",
                        help="only graphs whose name contains one of these, comma-separated")
    parser.add_argument("--set", default="standard", choices=("standard", "wider", "further"),
                        help="which graphs: the standard ones, or some that nobody tuned for "
                             "(default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, metavar="N",
                        help="threads of both engines (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S",
                        help="time to measure each engine a case for; 0: compare answers only "
                             "(default: %(default)g)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all rows")
    parser.add_argument("--list", action="store_true", help="list the graphs and their inputs")
    parser.add_argument("--one", metavar="NAME=FILE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.threads < 1:
        parser.error(f"--threads: expected at least 1, found {arguments.threads}")
    return arguments


def run_one(arguments):
    """The child of in_own_process: prints its rows as one line of JSON."""
    from models import catalog

    name, path = arguments.one.split("=", 1)
    known = {m.name: m for models in catalog.SETS.values() for m in models}
    known["identity"] = catalog.Model("identity", None, catalog.images("input", (1,)))
    print(json.dumps(compare_model(known[name], path, arguments)))
    # Skip destructors: a fault while ending must not hide the rows.
    sys.stdout.flush()
    os._exit(0)


def main():
    import onnxruntime
    import serval_binding
    from models import catalog

    arguments = parse_arguments()
    if arguments.one:
        run_one(arguments)
    chosen = catalog.find(arguments.filter, arguments.set)
    if not chosen:
        print(f"compare.py: no graph's name contains {arguments.filter!r}; --list shows them",
              file=sys.stderr)
        return 2
    if arguments.list:
        for model in chosen:
            print(f"{model.name:24} {' '.join(label for label, _ in model.cases)}")
        return 0
    try:
        serval_binding.library()
    except serval_binding.LibraryMissing as missing:
        print(f"compare.py: {missing}", file=sys.stderr)
        return 2
    with serval_binding.Runtime(threads=arguments.threads) as runtime:
        print(f"Serval {serval_binding.library().sv_version().decode()} ({runtime.cpu_level}), "
              f"onnxruntime {onnxruntime.__version__}, threads: {arguments.threads}\n")
    print(f"{'graph':24} {'inputs':>14}  {'rel.diff.':>9} {'exact':>9}      "
          + (f" {'Serval ms':>9} {'ORT ms':>10} {'ratio':>7}" if arguments.seconds > 0 else ""))
    rows = []
    for model in chosen:
        if sys.stderr.isatty():
            print(f"{model.name} ...", end="\r", file=sys.stderr, flush=True)
        for row in in_own_process(model, catalog.ensure(model), arguments):
            rows.append(row)
            print_row(row)
    print_summary(rows, call_overhead(arguments) if arguments.seconds > 0 else None)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0 if all(row["ok"] for row in rows) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ImportError as error:
        sys.exit(f"compare.py: {error}: install what tools/requirements-compare.txt lists")
    except KeyboardInterrupt:
        sys.exit(130)
