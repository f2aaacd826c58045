#!/usr/bin/env python3
"""Times two builds of Serval against each other on the graphs of tools/models: by default those of
gcc and clang, which should be within 5 % of each other.

Each measurement is a run of `serval bench` in a process of its own, and the two builds take turns.
Compared are the least times, which other work on the machine disturbs least. The ratio is the
second's time over the first's: above 1, the first is faster.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

from models import catalog  # noqa: E402  (of tools/)


def least_ms(program, path, inputs, arguments):
    """The shortest run, in milliseconds."""
    command = [program, "bench", path, "--json", "--seconds", str(arguments.seconds), "--threads",
               str(arguments.threads)]
    for name, array in inputs.items():
        command += ["--shape", f"{name}={'x'.join(map(str, array.shape))}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)["min_ms"]


def compare(model, label, arguments):
    path, inputs = catalog.ensure(model), model.inputs(label)
    found = [[least_ms(p, path, inputs, arguments) for p in arguments.program]
             for _ in range(arguments.rounds)]
    return [min(column) for column in zip(*found)]


def parse_arguments():
    builds = [str(ROOT / "build" / name / "serval") for name in ("release", "clang-release")]
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", nargs=2, default=builds, metavar="FILE",
                        help="the two builds (default: of gcc and clang)")
    parser.add_argument("--filter", default="", metavar="WORDS",
                        help="only graphs whose name contains one of these, comma-separated")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    ratios = {}
    print(f"{'':24} {'':14} {'first ms':>10} {'second ms':>10} {'ratio':>6}")
    for model in catalog.find(arguments.filter):
        for label, _ in model.cases:
            first, second = compare(model, label, arguments)
            ratios[f"{model.name} {label}"] = second / first
            print(f"{model.name:24} {label:14} {first:10.3f} {second:10.3f} {second / first:6.2f}",
                  flush=True)
    if not ratios:
        sys.exit(f"two_builds.py: no graph's name contains {arguments.filter!r}")
    low, high = min(ratios, key=ratios.get), max(ratios, key=ratios.get)
    print(f"geometric mean {statistics.geometric_mean(ratios.values()):.3f}, from "
          f"{ratios[low]:.2f} ({low}) to {ratios[high]:.2f} ({high})")


if __name__ == "__main__":
    main()
