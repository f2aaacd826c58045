"""What scripts of cases share: the sanitizer that the library was built with, loaded into Python,
and the report of what failed."""

import os
import subprocess
import sys


def preload_sanitizer():
    """Python is not linked with the sanitizer that the library needs: workers load it first. Returns
    False where that does not work."""
    kind = os.environ.get("SERVAL_SANITIZE", "")
    compiler = os.environ.get("SERVAL_CC", "gcc")
    if not kind:
        return True
    if not kind.startswith("address") or "clang" in compiler:
        return False
    found = [subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True,
                            check=True).stdout.strip() for name in ("libasan.so", "libubsan.so")]
    os.environ["LD_PRELOAD"] = " ".join(found)
    os.environ["ASAN_OPTIONS"] = "detect_leaks=0"  # Python leaks by design
    os.environ["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1"
    return True


def report(problems):
    """Prints the (case, problem) that have a problem; the exit code."""
    failed = [(case, problem) for case, problem in problems if problem]
    for case, problem in failed:
        print(f"{case}: {problem}")
    print(f"{len(problems)} cases, {len(failed)} failures")
    return len(failed) > 0


def run_with_sanitizer(script, run):
    """The exit code of `run`, the cases of `script`. The sanitizer that the library may need has to
    be there before Python is: the script starts itself once more, with --run."""
    if "--run" in sys.argv:
        return run()
    if not preload_sanitizer():
        print("skipped: this sanitizer cannot be loaded into Python")
        return 0
    return subprocess.run([sys.executable, script, "--run"], env=os.environ).returncode
