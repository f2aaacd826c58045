"""schemathesis over the served description: no 5xx, no answer that is not described."""
import json
import os
import subprocess
import sys

import _paths  # noqa: F401
import models
from serving import DIGITS, Server, main, scratch

CHECKS = ("not_a_server_error,status_code_conformance,content_type_conformance,"
          "response_schema_conformance,response_headers_conformance,unsupported_method")
EXAMPLES = os.environ.get("SERVAL_EXAMPLES", "40")


def attack(server, *more):
    url = f"http://127.0.0.1:{server.port}"
    here = os.path.dirname(os.path.abspath(__file__))
    # One worker: in Python 3.11 threads that parse at once, as hypothesis does to print what it has
    # made, end now and then in "AST constructor recursion depth mismatch"
    # (https://github.com/python/cpython/issues/106905).
    with scratch() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--url", url, "--checks", CHECKS,
             "--max-examples", EXAMPLES, "--workers", "1", *more],
            cwd=folder, capture_output=True, text=True,
            env={**os.environ, "SCHEMATHESIS_HOOKS": "_schemathesis_hooks", "PYTHONPATH": here})
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout.strip().splitlines()[-1])


def test_digits():
    with Server(DIGITS) as server:
        attack(server)


def test_signatures_and_maps():
    with scratch() as folder:
        path = models.write(folder, "zip.onnx", models.zipmap())
        with open(f"{folder}/zip.signatures.json", "w") as f:
            json.dump({"signatures": {"maps": {"method": "classify", "inputs": {"x": ["a", "b", "c"]},
                                               "outputs": {"scores": "maps"}}}}, f)
        # Maps have no form in the Open Inference Protocol: 501 is what is described, and right.
        with Server(path) as server:
            attack(server, "--exclude-path-regex", "/infer$")


def test_texts_and_several_models():
    with scratch() as folder:
        echo = models.write(folder, "echo.onnx", models.text_echo())
        pair = models.write(folder, "pair.onnx", models.two_inputs())
        with Server(echo, pair, "--allow-shared-memory") as server:
            attack(server)


# All that changes what is served: whatever order that comes in, nothing fails.
MANAGEMENT = ("/(load|unload|promote|rollback|traffic|register|unregister|index|logging|setting"
              "|set-default)$|^/models")


def test_management():
    with scratch() as folder:
        for number in (1, 2):
            os.makedirs(f"{folder}/pair/{number}")
            models.write(f"{folder}/pair/{number}", "model.onnx", models.two_inputs())
        with open(f"{folder}/serve.yaml", "w") as f:
            f.write("models: {pair: {path: pair, versions: all}}\n")
        with Server("--config", f"{folder}/serve.yaml", "--allow-shared-memory",
                    "--allow-management") as server:
            attack(server, "--include-path-regex", MANAGEMENT)


if __name__ == "__main__":
    main(globals())
