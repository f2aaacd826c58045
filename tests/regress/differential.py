#!/usr/bin/env python3
"""Replays what differential testing has found: the graphs in differential/, made small, and the seeds
in differential_seeds.txt, against onnxruntime. Each must agree, or onnxruntime be wrong by ONNX's
reference evaluator. A seed may also draw an operator that Serval has not.

ctest: timeout=60
"""

import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tools"))
SKIPPED = 77  # what CTest takes for it


def main():
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        print(f"skipped: {error}")
        return SKIPPED
    del onnx, onnxruntime
    import differential
    from _cases import preload_sanitizer

    if not preload_sanitizer():
        print("skipped: this sanitizer cannot be loaded into Python")
        return SKIPPED
    tasks = sorted(p.parent for p in (HERE / "differential").glob("*/model.onnx"))
    tasks += differential.read_seeds(HERE / "differential_seeds.txt")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for said in differential.run_all(tasks, 1, folder, float("inf")):
            good = ("same", "onnxruntime") + (("unsupported",) if said["task"].isdigit() else ())
            if said["verdict"] not in good:
                failed += 1
                print(f"{said['task']}: {said['verdict']}: {said['text']}")
    print(f"{len(tasks)} graphs, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
