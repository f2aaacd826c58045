"""Containers of SageMaker, Vertex AI and Azure ML: environment, routes, who answers where they
collide.

ctest: timeout=180"""
import json
import os
import resource
import shutil
import socket

import models
from serving import DIGITS, EMULATED, SANITIZED, Server, best, digits_expected, digits_images, main, run, scratch

IMAGES = digits_images()
EXPECTED = digits_expected()


def environment(**more):
    return {**os.environ, **more}


def test_sagemaker():
    with Server(DIGITS, "--profile", "sagemaker") as server:
        assert server.get("/ping").status == 200
        assert server.get("/models/digits").json == {"modelName": "digits", "modelUrl": "model.onnx"}
        assert server.get("/models").json["models"][0]["modelName"] == "digits"
        for path in ("/invocations", "/models/digits/invoke"):
            found = server.post(path, {"instances": IMAGES[:2]},
                                headers={"Content-Type": "application/json"}).json
            assert [best(row) for row in found["predictions"]] == EXPECTED[:2]
            # Bodies that MLflow's server would not take.
            found = server.post(path, json.dumps(IMAGES[0]),
                                headers={"Content-Type": "application/x-anything"}).json
            assert best(found) == EXPECTED[0]
        assert server.post("/models/nope/invoke", [1]).status == 404
    with scratch() as folder:
        path = models.write(folder, "pair.onnx", models.zipmap())
        with Server(path, "--profile", "sagemaker") as server:
            answer = server.post("/invocations", "1,2,3\n4,5,6\n",
                                 headers={"Content-Type": "text/csv"})
            assert [row["twice"] for row in answer.json] == [[2, 4, 6], [8, 10, 12]], answer


def test_sagemaker_of_several_models():
    with scratch() as folder:
        for name in ("one", "two"):
            os.makedirs(f"{folder}/{name}")
            models.write(f"{folder}/{name}", "model.onnx", models.scalar())
        options = ("--repository", folder, "--profile", "sagemaker")
        with Server(*options) as server:
            assert server.ask("DELETE", "/models/one").status == 403
            assert server.post("/models", {"model_name": "one"}).status == 403
        with Server(*options, "--allow-management") as server:
            assert server.post("/models", {"model_name": "one", "url": "/opt/x"}).status == 409
            assert server.ask("DELETE", "/models/one").status == 200
            assert server.get("/models/one").status == 404
            assert [m["modelName"] for m in server.get("/models").json["models"]] == ["two"]
            assert server.post("/models", {"model_name": "one", "url": "/opt/x"}).status == 200
            assert server.post("/models/one/invoke", "1.5", headers={
                "Content-Type": "application/json"}).status in (200, 400)
            assert server.post("/models", {"model_name": "three", "url": "/etc"}).status == 404
            assert server.post("/models", {"url": "/etc"}).status == 400


def unpack(root, name, *versions):
    """As SageMaker unpacks an archive; without versions the model lies in the folder itself."""
    base = f"{root}/{name}/model"
    for folder in [f"{base}/{v}" for v in versions] or [base]:
        os.makedirs(folder)
        shutil.copy(DIGITS, f"{folder}/model.onnx")
    return base


def test_sagemaker_brings_models_by_path():
    """SAGEMAKER_MULTI_MODEL: an empty start, then models come and go by SageMaker's own calls."""
    variables = environment(SERVAL_PROFILE="sagemaker", SAGEMAKER_MULTI_MODEL="true")
    with scratch() as folder:
        root = f"{folder}/models"
        os.mkdir(root)
        one, two = unpack(root, "one"), unpack(root, "two", 3, 12)
        unpack(folder, "outside")
        with Server("--repository", root, env=variables) as server:
            def load(name, url):
                return server.post("/models", {"model_name": name, "url": url})

            assert server.get("/ping").status == 200
            assert server.get("/models").json == {"models": []}
            assert load("one", one).status == 200
            assert load("one", one).status == 409
            assert load("hash-of-two", f"{root}/two").status == 200
            assert server.get("/models/one").json == {"modelName": "one", "modelUrl": one}
            assert server.get("/models/hash-of-two").json == {
                "modelName": "hash-of-two", "modelUrl": two}
            assert [m["modelUrl"] for m in server.get("/models").json["models"]] == [one, two]
            assert "12" in server.get("/v1/models/hash-of-two").body.decode()
            for name in ("one", "hash-of-two"):
                found = server.post(f"/models/{name}/invoke", {"instances": IMAGES[:2]}).json
                assert [best(row) for row in found["predictions"]] == EXPECTED[:2]
            assert server.post("/models/two/invoke", {"instances": IMAGES[:2]}).status == 404
            for url, code, text in ((f"{folder}/outside/model", 403, "beneath"),
                                    (f"{root}/../outside", 403, "beneath"), ("/etc", 403, "beneath"),
                                    (root, 403, "beneath"), (f"{root}/none/model", 404, "none"),
                                    ("", 404, "''"), (f"{root}\0", 400, "NUL")):
                answer = load("three", url)
                assert answer.status == code and text in answer.json["error"], (url, answer)
            assert load("../x", one).status == 404
            assert server.post("/models", {"model_name": "three"}).status == 400
            assert server.post("/models", {"url": one}).status == 400
            # A model that is broken is not known afterwards, and may come again.
            broken = f"{root}/broken/model"
            os.makedirs(broken)
            models.write(broken, "model.onnx", b"\x08")
            assert load("broken", broken).status == 400
            assert server.get("/models/broken").status == 404
            assert server.ask("DELETE", "/models/one").status == 200
            assert server.ask("DELETE", "/models/one").status == 404
            assert server.get("/models/one").status == 404
            shutil.rmtree(f"{root}/one")
            assert load("one", unpack(root, "one")).status == 200
            # Nothing else is open, and nobody's page may ask.
            for headers in ({"Origin": "http://example.org"}, {"Sec-Fetch-Site": "same-origin"}):
                assert server.ask("DELETE", "/models/one", headers=headers).status == 403
            for method, path in (("POST", "/v2/repository/models/one/unload"),
                                 ("DELETE", "/models/one/1"), ("PUT", "/models/one?min_worker=2")):
                assert server.ask(method, path, {}).status == 403, path
        # SageMaker's own folder; it need not be there before a model is.
        with Server(env=variables) as server:
            assert any("/opt/ml/models" in line for line in server.lines)
            assert server.get("/ping").status == 200
            assert server.post("/models", {"model_name": "one", "url": one}).status in (403, 404)
        code, _, errors = run("serve", "--repository", root, "--repository", folder, env=variables)
        assert code == 2 and "SAGEMAKER_MULTI_MODEL" in errors, errors


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))


def large(folder):
    """y = x W, with a W of 2 GiB in a file of its own, which takes no room on the disk."""
    columns = (2 << 30) // 4 // 256
    place = [models.field(1, "location") + models.field(2, "weights.bin")]
    weights = (models.field(1, [256, columns]) + models.field(2, models.FLOAT) +
               models.field(8, "w") + models.field(13, place) + models.field(14, 1))
    models.write(folder, "model.onnx", models.model(
        [models.node("MatMul", ["x", "w"], ["y"])],
        [models.value_info("x", models.FLOAT, ["N", 256])],
        [models.value_info("y", models.FLOAT, ["N", columns])], [weights]))
    with open(f"{folder}/weights.bin", "wb") as f:
        f.truncate(2 << 30)


def test_sagemaker_says_when_memory_is_out():
    if SANITIZED or EMULATED:
        return  # they take more room themselves
    variables = environment(SERVAL_PROFILE="sagemaker", SAGEMAKER_MULTI_MODEL="true")
    with scratch() as folder:
        os.makedirs(f"{folder}/large/model")
        large(f"{folder}/large/model")
        small = unpack(folder, "small")
        with Server("--repository", folder, "--threads", "1", env=variables,
                    preexec_fn=limit_memory) as server:
            answer = server.post("/models", {"model_name": "large", "url": f"{folder}/large/model"})
            assert answer.status == 507, answer
            assert server.get("/models/large").status == 404
            assert server.post("/models", {"model_name": "small", "url": small}).status == 200


def test_without_a_profile_mlflow_answers():
    with Server(DIGITS) as server:
        kind = {"Content-Type": "application/x-anything"}
        assert server.post("/invocations", json.dumps(IMAGES[:1]), headers=kind).status == 415
        assert isinstance(server.get("/models/digits").json, list)
        assert server.get("/ping").json == {"status": "Healthy"}
    with Server(DIGITS, "--profile", "mlflow") as server:
        assert server.get("/ping").body == b"\n"


def test_vertex():
    predict = "/v1/endpoints/12/deployedModels/34:predict"
    with scratch() as folder:
        shutil.copy(DIGITS, f"{folder}/model.onnx")
        variables = environment(AIP_PREDICT_ROUTE=predict, AIP_HEALTH_ROUTE="/vertex/health",
                                AIP_STORAGE_URI=folder)
        with Server("--profile", "vertex", env=variables) as server:
            assert server.get("/vertex/health").status == 200
            found = server.post(predict, {"instances": IMAGES[:3], "parameters": {"x": 1}}).json
            assert [best(row) for row in found["predictions"]] == EXPECTED[:3]
            assert server.get(predict).status == 405
            assert predict in server.get("/openapi.json").json["paths"]
        with Server(DIGITS, env=variables) as server:
            assert server.post(predict, {"instances": IMAGES[:3]}).status == 404
        variables["AIP_STORAGE_URI"] = "gs://bucket/model"
        code, _, errors = run("serve", "--profile", "vertex", env=variables)
        assert code == 2 and "AIP_STORAGE_URI" in errors and "gs://bucket/model" in errors
        variables["AIP_HTTP_PORT"] = "http"
        code, _, errors = run("serve", "--profile", "vertex", DIGITS, env=variables)
        assert code == 2 and "AIP_HTTP_PORT" in errors, errors


def test_azure():
    with scratch() as folder:
        shutil.copy(DIGITS, f"{folder}/model.onnx")
        variables = environment(AZUREML_MODEL_DIR=folder, SERVAL_PROFILE="azure")
        with Server(env=variables) as server:
            assert server.get("/").status == 200
            assert "/score" in server.get("/swagger.json").json["paths"]
            found = server.post("/score", {"input_data": IMAGES[:2]}).json
            assert [best(row) for row in found] == EXPECTED[:2]
            split = {"columns": ["image"], "index": [0], "data": [[IMAGES[0]]]}
            found = server.post("/score", {"input_data": split}).json
            assert best(found[0]) == EXPECTED[0]


def test_the_port_of_the_environment():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
        variables = environment(SAGEMAKER_BIND_TO_PORT=str(port), SERVAL_PROFILE="sagemaker")
        code, _, errors = run("serve", DIGITS, env=variables)
        # Somebody else has it, so the message names it.
        assert code != 0 and str(port) in errors, errors


def test_wrong_profiles():
    code, _, errors = run("serve", DIGITS, "--profile", "heroku")
    assert code == 2 and "sagemaker" in errors and "heroku" in errors
    variables = environment(SERVAL_PROFILE="azure")
    variables.pop("AZUREML_MODEL_DIR", None)
    code, _, errors = run("serve", env=variables)
    assert code == 2 and "model" in errors


if __name__ == "__main__":
    main(globals())
