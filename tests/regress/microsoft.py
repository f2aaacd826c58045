#!/usr/bin/env python3
"""onnxruntime's own operators, one a model, against onnxruntime (tools/compare_microsoft.py).

ctest: timeout=120
"""

import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = HERE.parents[1] / "tools"
SKIPPED = 77  # what CTest takes for it


def main():
    try:
        import onnxruntime
    except ImportError as error:
        print(f"skipped: {error}")
        return SKIPPED
    del onnxruntime
    from _cases import preload_sanitizer

    if not preload_sanitizer():
        print("skipped: this sanitizer cannot be loaded into Python")
        return SKIPPED
    command = [sys.executable, str(TOOLS / "compare_microsoft.py"), "--quiet"]
    return subprocess.run(command, env=os.environ).returncode


if __name__ == "__main__":
    sys.exit(main())
