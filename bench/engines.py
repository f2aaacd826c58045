#!/usr/bin/env python3
"""Times Serval against onnxruntime and OpenVINO on the graphs of tools/models.

All engines of a graph live in one process and take turns, so that a machine that slows down slows
all of them; each is called through its C API. Before anything is timed, the answers are compared.
OpenVINO runs twice: held to fp32, and as it is by default (bf16 where the CPU has it), which is
shown and counts for nothing; neither does LiteRT, which MobileNetV2 is written for as well
(tflite_file.py). The ratio is the time of the faster fp32 peer over Serval's: above 1, Serval is
faster. How the engines are called is in peers.py.
"""

import argparse
import json
import os
import pathlib
import platform
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

# Of the output's largest value: what fp32 engines may differ by, and what bf16 may.
LIMIT = 1e-4
LIMIT_EXACT = 1e-5
PEERS = ("onnxruntime", "openvino-f32")
SHOWN = (*PEERS, "openvino")
# LiteRT reads no ONNX: it has these graphs alone, and a column in tables with one of them.
LITERT = "litert"
LITERT_GRAPHS = ("mobilenet_v2", "mobilenet_v2_dynamic")
# Longer than onnxruntime's threads spin after a run, which would slow the next engine.
SETTLE = 0.1


# ------------------------------------------------------------------------ one graph, in a process


def make_engines(path, arguments):
    """{name: engine or what kept it from being made}."""
    import peers

    makers = {
        "serval": lambda: peers.Serval(path, arguments.threads, exact=arguments.exact),
        "onnxruntime": lambda: peers.Onnxruntime(path, arguments.threads),
        "openvino-f32": lambda: peers.OpenVino(path, arguments.threads, "f32"),
        "openvino": lambda: peers.OpenVino(path, arguments.threads),
    }
    if arguments.one in LITERT_GRAPHS:
        makers[LITERT] = lambda: peers.LiteRt(path, arguments.threads)
    engines = {}
    for name, make in makers.items():
        try:
            engines[name] = make()
        except Exception as error:  # each engine has its own; a missing one is a blank column
            engines[name] = str(error) or type(error).__name__
    return engines


def time_in_turns(engines, arguments):
    """{name: median milliseconds}, from blocks of runs that take turns."""
    counts, times = {}, {name: [] for name in engines}
    for name, engine in engines.items():
        start = time.perf_counter()
        engine.run()
        once = max(time.perf_counter() - start, 1e-6)
        counts[name] = max(1, int(arguments.seconds / arguments.rounds / once))
    for _ in range(arguments.rounds):
        for name, engine in engines.items():
            if arguments.threads > 1:
                time.sleep(SETTLE)
            engine.run()
            for _ in range(counts[name]):
                start = time.perf_counter()
                engine.run()
                times[name].append(time.perf_counter() - start)
    return {name: 1e3 * statistics.median(mine) for name, mine in times.items()}


def bench_case(model, label, engines, arguments):
    """The row of one case: times, differences from onnxruntime, what went wrong."""
    from compare import difference

    row = {"model": model.name, "inputs": label, "ms": {}, "difference": {}, "error": {}}
    inputs, ready, answers = model.inputs(label), {}, {}
    for name, engine in engines.items():
        try:
            if isinstance(engine, str):
                raise RuntimeError(engine)
            engine.bind(inputs)
            engine.run()
            engine.run()
            answers[name], ready[name] = engine.outputs(), engine
        except Exception as error:
            row["error"][name] = str(error)
    for name in ready:
        try:
            row["difference"][name] = difference(answers[name], answers["onnxruntime"])
        except (KeyError, ValueError) as error:
            row["error"][name] = str(error)
    row["ms"] = time_in_turns(ready, arguments)
    return judge(row, LIMIT_EXACT if arguments.exact else LIMIT)


def judge(row, limit):
    """Adds the fastest fp32 peer whose answers are right, and the ratio."""
    right = [n for n in PEERS if row["difference"].get(n, 1) <= LIMIT]
    row["ok"] = row["difference"].get("serval", 1) <= limit
    row["wrong"] = [n for n in (*PEERS, LITERT) if row["difference"].get(n, 0) > LIMIT]
    if right and "serval" in row["ms"]:
        row["peer"] = min(right, key=lambda n: row["ms"][n])
        row["ratio"] = row["ms"][row["peer"]] / row["ms"]["serval"]
    return row


def run_one(arguments):
    """The child: prints the rows of one graph as one line of JSON."""
    from models import catalog

    model = catalog.named(arguments.one)
    engines = make_engines(catalog.ensure(model), arguments)
    rows = [bench_case(model, label, engines, arguments) for label, _ in model.cases]
    print(json.dumps(rows))
    sys.stdout.flush()
    os._exit(0)  # a fault while an engine is taken down must not hide the rows


# ------------------------------------------------------------------------------------- all graphs


def in_own_process(model, arguments):
    command = [sys.executable, __file__, "--one", model.name, "--threads", str(arguments.threads),
               "--seconds", str(arguments.seconds), "--rounds", str(arguments.rounds)]
    command += ["--exact"] if arguments.exact else []
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors="replace")
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    reason = f"exit code {done.returncode}"
    if done.returncode < 0:
        reason = f"crash: {signal.Signals(-done.returncode).name}"
    lines = done.stderr.strip().splitlines() or ["no message"]
    return [{"model": model.name, "inputs": label, "ms": {}, "difference": {}, "ok": False,
             "wrong": [], "error": {"process": f"{reason}: {lines[-1]}"}}
            for label, _ in model.cases]


def shown_engines(models):
    """Names of the columns of a table with these graphs."""
    return (*SHOWN, LITERT) if set(models) & set(LITERT_GRAPHS) else SHOWN


def format_row(row, shown):
    cells = [f"{row['ms'][n]:.3f}" if n in row["ms"] else "-" for n in ("serval", *shown)]
    notes = [f"{n}: wrong answers ({row['difference'][n]:.1g})" for n in row["wrong"]]
    if not row["ok"]:
        notes.append(f"SERVAL DIFFERS {row['difference'].get('serval', float('nan')):.1e}")
    notes += [f"{n}: {text[:80]}" for n, text in row["error"].items()]
    ratio = f"{row['ratio']:.2f}" if "ratio" in row else "-"
    difference = row["difference"].get("serval")
    own = f"{difference:.1e}" if difference is not None else "-"
    return [row["model"], row["inputs"], own, *cells, ratio, "; ".join(notes)]


def head_of(shown):
    return ["graph", "inputs", "rel.diff.", "serval ms", *[f"{n} ms" for n in shown], "ratio",
            "notes"]


def print_line(cells):
    widths = (24, 14, 9, 10, 14, 15, 11, *[9] * (len(cells) - 9), 6)
    print(" ".join(c.ljust(w) if i < 2 else c.rjust(w)
                   for i, (c, w) in enumerate(zip(cells, widths))) + "  " + cells[-1], flush=True)


def summarise(rows):
    """The closing line of a run at one number of threads."""
    timed = [r for r in rows if "ratio" in r]
    right = sum(r["ok"] for r in rows)
    text = f"{right} of {len(rows)} answers right"
    if timed:
        worst = min(timed, key=lambda r: r["ratio"])
        slower = sum(r["ratio"] < 1 for r in timed)
        text += (f"; geometric mean {statistics.geometric_mean(r['ratio'] for r in timed):.2f}, "
                 f"worst {worst['ratio']:.2f} ({worst['model']} {worst['inputs']}), "
                 f"{slower} of {len(timed)} slower than the faster peer")
    return text


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def versions():
    import importlib.metadata

    import serval_binding

    names = [f"{p} {importlib.metadata.version(p)}"
             for p in ("onnxruntime", "openvino", "ai-edge-litert")]
    return ", ".join([f"serval {serval_binding.library().sv_version().decode()}", *names])


def write_markdown(path, results):
    """The table of docs/performance.md."""
    lines = [f"CPU: {cpu_name()}. {versions()}.\n"]
    for threads, rows in results.items():
        shown = shown_engines(row["model"] for row in rows)
        head = head_of(shown)
        lines += [f"\n### {threads} thread{'s' if threads > 1 else ''}\n", summarise(rows) + ".\n",
                  "| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
        lines += ["| " + " | ".join(format_row(row, shown)) + " |" for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


# ------------------------------------------------------------------------------------------ main


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filter", default="", metavar="WORDS",
                        help="only graphs whose name contains one of these, comma-separated")
    parser.add_argument("--set", default="standard", choices=("standard", "wider", "further"),
                        help="which graphs: the standard ones, or some that nobody tuned for "
                             "(default: %(default)s)")
    parser.add_argument("--threads", default="1,2", metavar="N[,N]",
                        help="numbers of threads, one table each (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S",
                        help="time for each engine and case (default: %(default)g)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N",
                        help="turns that each engine takes (default: %(default)d)")
    parser.add_argument("--exact", action="store_true",
                        help="Serval without Winograd, answers within 1e-5")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all rows")
    parser.add_argument("--markdown", type=pathlib.Path, metavar="FILE", help="write the tables")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    counts = [int(n) for n in arguments.threads.split(",")]
    if arguments.one:
        arguments.threads = counts[0]
        run_one(arguments)
    from models import catalog

    chosen = catalog.find(arguments.filter, arguments.set)
    if not chosen:
        sys.exit(f"engines.py: no graph's name contains {arguments.filter!r}")
    print(f"{cpu_name()}; {versions()}")
    results, shown = {}, shown_engines(model.name for model in chosen)
    for arguments.threads in counts:
        print(f"\nthreads: {arguments.threads}")
        print_line(head_of(shown))
        rows = results[arguments.threads] = []
        for model in chosen:
            catalog.ensure(model)
            for row in in_own_process(model, arguments):
                rows.append(row)
                print_line(format_row(row, shown))
        print(summarise(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if arguments.markdown:
        write_markdown(arguments.markdown, results)
    return 0 if all(row["ok"] for rows in results.values() for row in rows) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ImportError as error:
        sys.exit(f"engines.py: {error}: install what tools/requirements-bench.txt lists")
    except KeyboardInterrupt:
        sys.exit(130)
