"""Builds, lists and checks the models of the catalog."""

import argparse
import pathlib
import sys

import numpy as np

from . import catalog


def check(path, model):
    """Runs onnxruntime once a case; returns a line about the size of the outputs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    parts = []
    for label, _ in model.cases:
        outputs = session.run(None, model.inputs(label))
        for y in outputs:
            if not np.isfinite(y).all():
                raise SystemExit(f"models: {model.name} {label}: onnxruntime answers NaN or Inf")
            parts.append(f"{label} rms {np.sqrt(np.mean(np.square(y))):.3g} max {abs(y).max():.3g}")
    return ", ".join(parts)


def main():
    parser = argparse.ArgumentParser(prog="models", description=__doc__)
    parser.add_argument("--filter", default="", help="comma-separated parts of names")
    parser.add_argument("--set", default="standard", choices=list(catalog.SETS),
                        help="which graphs (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="names and inputs, without building")
    parser.add_argument("--check", action="store_true",
                        help="also run onnxruntime and print the outputs' size")
    parser.add_argument("--out", type=pathlib.Path, default=catalog.CACHE,
                        help="folder of the models (default: %(default)s)")
    arguments = parser.parse_args()
    chosen = catalog.find(arguments.filter, arguments.set)
    if not chosen:
        parser.error(f"no model's name contains {arguments.filter!r}; --list shows them")
    for model in chosen:
        if arguments.list:
            print(f"{model.name:24} {' '.join(label for label, _ in model.cases)}")
            continue
        path = catalog.ensure(model, arguments.out)
        line = f"{model.name:24} {path.stat().st_size / 1e6:8.1f} MB"
        print(f"{line}  {check(path, model)}" if arguments.check else line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
