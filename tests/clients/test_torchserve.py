"""TorchServe's documented calls, by curl as its pages show them."""
import json
import subprocess

import _paths  # noqa: F401
import models
import numpy as np
from serving import DIGITS, Server, digits_expected, digits_images, main, scratch

IMAGES = digits_images()
EXPECTED = digits_expected()


def curl(server, *arguments):
    *options, path = arguments
    done = subprocess.run(["curl", "-s", "-S", "--max-time", "30", *options,
                           f"http://127.0.0.1:{server.port}{path}"], capture_output=True, text=True,
                          check=True)
    return json.loads(done.stdout)


def pgm_to_png(image):
    """A digit as a gray PNG: its pixels are 0 to 1."""
    import struct
    import zlib
    pixels = (np.array(image)[0] * 255).round().astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(name, data):
        crc = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) +
            chunk(b"IEND", b""))


def served_with_labels(folder):
    with open(DIGITS, "rb") as f:
        models.write(folder, "digits.onnx", f.read())
    with open(f"{folder}/digits.signatures.json", "w") as f:
        json.dump({"labels": {"probabilities": [f"digit {i}" for i in range(10)]}}, f)
    return f"{folder}/digits.onnx"


def test_health_and_descriptions():
    with Server(DIGITS) as server:
        assert curl(server, "/ping") == {"status": "Healthy"}
        for arguments in (("-X", "OPTIONS", "/"), ("/api-description",),
                          ("-X", "OPTIONS", "/predictions/digits")):
            assert "/predictions/digits" in curl(server, *arguments)["paths"]
        assert curl(server, "/models?limit=1&next_page_token=0")["models"][0] == {
            "modelName": "digits", "modelUrl": "model.onnx"}
        for path in ("/models/digits", "/models/digits/1", "/models/digits/all"):
            found = curl(server, path)
            assert found[0]["modelVersion"] == "1" and found[0]["workers"][0]["status"] == "READY"


def test_pages_of_models():
    with scratch() as folder:
        paths = [models.write(folder, f"m{i}.onnx", models.scalar()) for i in range(3)]
        with Server(*paths) as server:
            page = curl(server, "/models?limit=2")
            assert [m["modelName"] for m in page["models"]] == ["m0", "m1"]
            page = curl(server, "/models?limit=2&next_page_token=" + page["nextPageToken"])
            assert [m["modelName"] for m in page["models"]] == ["m2"]
            assert "nextPageToken" not in page
            assert curl(server, "/models?limit=x")["code"] == 400


def test_images():
    with scratch() as folder:
        with open(f"{folder}/digit.png", "wb") as f:
            f.write(pgm_to_png(IMAGES[0]))
        with Server(served_with_labels(folder)) as server:
            for arguments in (("-T", f"{folder}/digit.png"),
                              ("-F", f"data=@{folder}/digit.png"),
                              ("-X", "POST", "--data-binary", f"@{folder}/digit.png")):
                found = curl(server, *arguments, "/predictions/digits")
                assert len(found) == 5 and next(iter(found)) == f"digit {EXPECTED[0]}", found
            found = curl(server, "-T", f"{folder}/digit.png", "/predictions/digits/1")
            assert next(iter(found)) == f"digit {EXPECTED[0]}"
        with Server(DIGITS) as server:
            found = curl(server, "-T", f"{folder}/digit.png", "/predictions/digits")
            assert int(np.argmax(found)) == EXPECTED[0]
            with open(f"{folder}/digit.png", "rb") as f:
                answer = server.post("/predict", f.read()).json["predictions"]
            assert int(np.argmax(answer[0])) == EXPECTED[0]


def test_numbers():
    with scratch() as folder, Server(DIGITS) as server:
        np.save(f"{folder}/one.npy", np.array(IMAGES[0], dtype=np.float32))
        np.save(f"{folder}/two.npy", np.array(IMAGES[:2], dtype=np.float32))
        np.array(IMAGES[0], dtype="<f4").tofile(f"{folder}/one.bin")
        for name in ("one.npy", "one.bin"):
            found = curl(server, "-T", f"{folder}/{name}", "/predictions/digits")
            assert int(np.argmax(found)) == EXPECTED[0], name
        found = curl(server, "-T", f"{folder}/two.npy", "/predictions/digits")
        assert np.argmax(found, axis=1).tolist() == EXPECTED[:2]
        body = json.dumps({"instances": IMAGES[:2]})
        found = curl(server, "-d", body, "/predictions/digits")["predictions"]
        assert np.argmax(found, axis=1).tolist() == EXPECTED[:2]
        found = curl(server, "-d", json.dumps(IMAGES[0]), "/predictions/digits")
        assert int(np.argmax(found)) == EXPECTED[0]


def test_several_parts():
    with scratch() as folder:
        path = models.write(folder, "pair.onnx", models.two_inputs())
        np.save(f"{folder}/b.npy", np.array([[3, 4]], dtype=np.int64))
        with Server(path) as server:
            found = curl(server, "-F", "a=[[1, 2]]", "-F", f"b=@{folder}/b.npy", "/predictions/pair")
            assert found == {"sum": [[4.0, 6.0]], "count": [[6, 8]]}
            answer = curl(server, "-F", "a=[[1, 2]]", "-F", "a=[[1, 2]]", "/predictions/pair")
            assert answer["code"] == 400 and "'a'" in answer["message"]


def test_text():
    with scratch() as folder:
        path = models.write(folder, "echo.onnx", models.text_echo())
        with Server(path) as server:
            found = curl(server, "-d", "Bloomberg has decided", "/predictions/echo")
            assert found == "Bloomberg has decided"


def test_management():
    """Closed unless it is opened, and for the repository's models only."""
    with Server(DIGITS) as server:
        for arguments in (("-X", "POST", "/models?url=digits"), ("-X", "DELETE", "/models/digits"),
                          ("-X", "PUT", "/models/digits?min_worker=2")):
            assert curl(server, *arguments)["code"] == 403
    with Server(DIGITS, "--allow-management") as server:
        found = curl(server, "-X", "PUT", "/models/digits?min_worker=2&synchronous=true")
        assert "scaled to 2" in found["status"] and "digits" in found["status"]
        found = curl(server, "/models/digits")[0]
        assert (found["minWorkers"], found["maxWorkers"]) == (2, 2) and len(found["workers"]) == 2
        assert "digits" in curl(server, "-X", "PUT", "/models/digits/1/set-default")["status"]
        assert "unregistered" in curl(server, "-X", "DELETE", "/models/digits/1")["status"]
        assert curl(server, "/models/digits")["code"] == 404
        for url in ("https://example.org/digits.mar", "/etc/passwd", "file:///etc/passwd"):
            found = curl(server, "-X", "POST", f"/models?url={url}&model_name=digits")
            assert found["code"] == 403, found
        assert curl(server, "-X", "POST", "/models?url=other.mar")["code"] == 404
        assert curl(server, "-X", "POST", "/models")["code"] == 400
        for call in ("/models?url=digits.mar", "/models?url=x&model_name=digits&batch_size=4"):
            call += "&initial_workers=1&synchronous=true"
            found = curl(server, "-X", "POST", call)
            assert "registered" in found["status"], found
            assert curl(server, "/models/digits")[0]["modelName"] == "digits"
            found = curl(server, "-X", "POST", call)
            assert found["code"] == 409 and found["type"] == "ConflictStatusException", found
            assert "unregistered" in curl(server, "-X", "DELETE", "/models/digits")["status"]


def test_refusals():
    with scratch() as folder, Server(DIGITS) as server:
        with open(f"{folder}/cut.png", "wb") as f:
            f.write(pgm_to_png(IMAGES[0])[:40])
        for arguments, code, kind in (
                (("-d", "[1]", "/predictions/nope"), 404, "ModelNotFoundException"),
                (("-d", "[1]", "/predictions/digits/9"), 404, "ModelVersionNotFoundException"),
                (("-d", "junk", "/predictions/digits"), 400, "BadRequestException"),
                (("-T", f"{folder}/cut.png", "/predictions/digits"), 400, "BadRequestException"),
                (("-X", "DELETE", "/predictions/digits"), 405, "MethodNotAllowedException"),
                (("-d", "x", "/explanations/digits"), 400, "BadRequestException")):
            found = curl(server, *arguments)
            assert found["code"] == code and found["type"] == kind, (arguments, found)


if __name__ == "__main__":
    main(globals())
