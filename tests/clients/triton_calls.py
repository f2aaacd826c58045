"""Every call of tritonclient's four client classes, made in the same way: `Flavour` hides that some
wait and some answer by messages. Which calls were made is noted, so that none is forgotten."""
import asyncio
import inspect
import json
import os
import tempfile

import numpy as np
import tritonclient.utils.shared_memory as shm
from google.protobuf.json_format import MessageToDict
from serving import DIGITS, Server, digits_expected, digits_images
from tritonclient.utils import InferenceServerException, serialize_byte_tensor

IMAGES = np.array(digits_images(), dtype=np.float32)
EXPECTED = digits_expected()


def plain(value):
    """Messages as what JSON would be."""
    if not hasattr(value, "DESCRIPTOR"): return value
    return MessageToDict(value, preserving_proto_field_name=True)


class Flavour:
    """A client class: `module` is tritonclient.http, .grpc, or the .aio of either."""

    def __init__(self, module, plugin):
        self.module = module
        self.plugin = plugin
        self.waits = module.__name__.endswith(".aio")
        self.grpc = "grpc" in module.__name__
        self.made = set()
        self.loop = asyncio.new_event_loop() if self.waits else None

    def client(self, server, **more):
        return Client(self, f"127.0.0.1:{server.port}", more)

    def check_all_made(self):
        cls = self.module.InferenceServerClient
        calls = {n for n, _ in inspect.getmembers(cls, callable) if not n.startswith("_")}
        assert not calls - self.made, f"never called: {sorted(calls - self.made)}"
        print(f"{self.module.__name__}: all of {len(calls)} calls: {', '.join(sorted(calls))}")

    def question(self, images=IMAGES[:1], **more):
        tensor = self.module.InferInput("image", list(images.shape), "FP32")
        tensor.set_data_from_numpy(images, **more)
        return [tensor]


class Client:
    """Calls through here are noted, and waited for."""

    def __init__(self, flavour, url, more):
        self.flavour = flavour
        self.inner = self.run(self.make, url, more)

    async def make_waiting(self, url, more):
        return self.flavour.module.InferenceServerClient(url, **more)

    def make(self, url, more):
        make = self.make_waiting if self.flavour.waits else self.flavour.module.InferenceServerClient
        return make(url, more) if self.flavour.waits else make(url, **more)

    def run(self, call, *arguments, **more):
        result = call(*arguments, **more)
        return self.flavour.loop.run_until_complete(result) if inspect.isawaitable(result) else result

    def __getattr__(self, name):
        self.flavour.made.add(name)
        call = getattr(self.inner, name)
        return lambda *arguments, **more: self.run(call, *arguments, **more)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def refuses(call, *arguments, **more):
    try:
        call(*arguments, **more)
    except InferenceServerException as error:
        return error
    raise AssertionError(f"{call} was not refused")


def code(flavour, http, grpc):
    return f"StatusCode.{grpc}" if flavour.grpc else http


def best(result, name="probabilities"):
    return result.as_numpy(name).argmax(1).tolist()


# ---- calls that all four have --------------------------------------------------------------------


def descriptions(flavour):
    with Server(DIGITS) as server, flavour.client(server) as client:
        assert client.is_server_live() and client.is_server_ready()
        assert client.is_model_ready("digits") and client.is_model_ready("digits", "1")
        assert not client.is_model_ready("nope")
        about = plain(client.get_server_metadata())
        assert about["name"] == "serval" and "classification" in about["extensions"]
        model = plain(client.get_model_metadata("digits"))
        shape = [int(d) for d in model["inputs"][0]["shape"]]
        assert (model["inputs"][0]["name"], shape) == ("image", [-1, 1, 8, 8])
        config = plain(client.get_model_config("digits", "1"))
        config = config.get("config", config)
        # Where a run takes long, as with sanitizers, requests share none.
        batch = config.get("max_batch_size", 0)
        assert batch in (0, 64) and config["backend"] == "serval"
        found = config["input"][0]
        rows = [] if batch else [-1]
        assert [int(d) for d in found["dims"]] == [*rows, 1, 8, 8]
        assert found["data_type"] == "TYPE_FP32"
        assert [int(d) for d in config["output"][0]["dims"]] == [*rows, 10]
        assert config["instance_group"][0]["kind"] == "KIND_CPU"
        for ask in (client.get_model_metadata, client.get_model_config,
                    client.get_inference_statistics):
            assert refuses(ask, "nope").status() == code(flavour, "404", "NOT_FOUND")


def inference(flavour):
    module = flavour.module
    with Server(DIGITS) as server, flavour.client(server) as client:
        for count in (1, 50):
            outputs = [module.InferRequestedOutput("probabilities")]
            for wanted in (None, outputs):
                answer = client.infer("digits", flavour.question(IMAGES[:count]), outputs=wanted,
                                      request_id="r1")
                assert best(answer) == EXPECTED[:count]
                assert plain(answer.get_response())["id"] == "r1"
        wanted = [module.InferRequestedOutput("probabilities", class_count=2)]
        found = client.infer("digits", flavour.question(IMAGES[:3]), outputs=wanted)
        found = found.as_numpy("probabilities")
        assert found.shape == (3, 2)
        assert [int(row[0].decode().split(":")[1]) for row in found] == EXPECTED[:3]
        # What is the client's own affair is passed over; a sequence's id comes back.
        for sequence in (7, "seven"):
            answer = client.infer("digits", flavour.question(), sequence_id=sequence,
                                  sequence_start=True, parameters={"mine": "x", "other": 1.5})
            found = plain(answer.get_response())["parameters"]
            found = {k: list(v.values())[0] if flavour.grpc else v for k, v in found.items()}
            assert str(found["sequence_id"]) == str(sequence), found
            assert found["sequence_start"] is True and found["sequence_end"] is False
        error = refuses(client.infer, "digits", flavour.question(np.zeros([1, 1, 8, 9], np.float32)))
        assert error.status() == code(flavour, "400", "INVALID_ARGUMENT") and "image" in str(error)


def statistics(flavour):
    with Server(DIGITS) as server, flavour.client(server) as client:
        client.infer("digits", flavour.question(IMAGES[:4]))
        for name in ("digits", ""):
            found = plain(client.get_inference_statistics(name))["model_stats"][0]
            assert found["name"] == "digits" and int(found["inference_count"]) in (1, 4)
            assert int(found["execution_count"]) == 1 and int(found["last_inference"]) > 0
            success = found["inference_stats"]["success"]
            assert int(success["count"]) == 1 and int(success["ns"]) > 0


def settings(flavour):
    closed = code(flavour, "403", "PERMISSION_DENIED")

    def value(found, name):
        found = plain(found)
        if not flavour.grpc: return found[name]
        inner = found["settings"].get(name, {})
        return list(inner.values())[0] if inner else None

    with Server(DIGITS) as server, flavour.client(server) as client:
        assert value(client.get_trace_settings("digits"), "trace_level") == ["OFF"]
        assert value(client.get_log_settings(), "log_info") is True
        assert refuses(client.update_log_settings, {"log_info": False}).status() == closed
        error = refuses(client.update_trace_settings, "digits", {"trace_level": ["OFF"]})
        assert error.status() == closed
        assert refuses(client.get_trace_settings, "nope")
    with Server(DIGITS, "--allow-management") as server, flavour.client(server) as client:
        assert value(client.update_log_settings({"log_info": False}), "log_info") in (False, None)
        assert value(client.get_log_settings(), "log_warning") is True
        assert value(client.update_log_settings({"log_info": True}), "log_info") is True
        assert value(client.update_log_settings({"log_verbose_level": 4}), "log_verbose_level") == 4
        found = client.update_log_settings({"log_error": False, "log_format": "ISO8601"})
        assert value(found, "log_error") in (False, None)
        assert value(client.get_log_settings(), "log_format") == "ISO8601"
        refuses(client.update_log_settings, {"log_file": "/tmp/x"})
        refuses(client.update_log_settings, {"other": True})
        same = {"trace_level": ["OFF"], "trace_rate": "1000"}
        assert value(client.update_trace_settings(settings=same), "trace_level") == ["OFF"]
        refuses(client.update_trace_settings, settings={"trace_level": ["TIMESTAMPS"]})
        refuses(client.update_trace_settings, settings={"other": "x"})
    with tempfile.TemporaryDirectory() as folder:
        traces(flavour, value, f"{folder}/traces")


def traces(flavour, value, path):
    with Server(DIGITS, "--allow-management", "--trace-log", path) as server, \
            flavour.client(server) as client:
        wanted = {"trace_level": ["TIMESTAMPS"], "trace_rate": "1", "trace_count": "-1",
                  "log_frequency": "10"}
        found = client.update_trace_settings(settings=wanted)
        for name in wanted:
            expected = wanted[name] if name == "trace_level" or not flavour.grpc else [wanted[name]]
            assert value(found, name) == expected, (name, plain(found))
        client.infer("digits", flavour.question(), request_id="traced")
        # Of one model, and as for all again.
        found = client.update_trace_settings("digits", {"trace_level": ["OFF"]})
        assert value(found, "trace_level") == ["OFF"]
        client.infer("digits", flavour.question(), request_id="not traced")
        found = client.update_trace_settings("digits", {"trace_level": None})
        assert value(found, "trace_level") == ["TIMESTAMPS"]
        found = client.update_trace_settings(settings={"trace_level": None, "trace_rate": None})
        assert value(found, "trace_level") == ["OFF"]
        refuses(client.update_trace_settings, settings={"trace_file": "/tmp/x"})
    with open(path) as f:
        assert [json.loads(line)["request_id"] for line in f] == ["traced"]


def repository(flavour):
    def index(client):
        found = plain(client.get_model_repository_index())
        rows = found.get("models", []) if flavour.grpc else found
        return [(m["name"], m["version"], m["state"]) for m in rows]

    with Server(DIGITS, "--allow-management") as server, flavour.client(server) as client:
        assert index(client) == [("digits", "1", "READY")]
        client.unload_model("digits")
        assert not client.is_model_ready("digits")
        assert index(client)[0][2] in ("UNLOADING", "UNAVAILABLE")
        client.load_model("digits")
        client.unload_model("digits", unload_dependents=True)
        client.load_model("digits")
        assert best(client.infer("digits", flavour.question())) == EXPECTED[:1]
        refuses(client.load_model, "nope")
        refuses(client.load_model, "digits", config="{}")
        refuses(client.load_model, "digits", files={"file:1/model.onnx": b"x"}, config="{}")
    with Server(DIGITS) as server, flavour.client(server) as client:
        for change in (client.unload_model, client.load_model):
            assert refuses(change, "digits").status() == code(flavour, "403", "PERMISSION_DENIED")


def shared_memory(flavour):
    module = flavour.module
    key = f"serval-clients-{os.getpid()}"
    images, handle = IMAGES[:5], shm.create_shared_memory_region("all", key, 8192)

    def regions(client, name=""):
        found = plain(client.get_system_shared_memory_status(name))
        rows = list(found.get("regions", {}).values()) if flavour.grpc else found
        return {r["name"]: (r["key"], int(r.get("offset", 0)), int(r["byte_size"])) for r in rows}

    try:
        shm.set_shared_memory_region(handle, [images])
        with Server(DIGITS, "--allow-shared-memory") as server, flavour.client(server) as client:
            client.register_system_shared_memory("in", key, images.nbytes)
            client.register_system_shared_memory("out", key, 4096, offset=4096)
            assert regions(client) == {"in": (key, 0, images.nbytes), "out": (key, 4096, 4096)}
            assert regions(client, "out") == {"out": (key, 4096, 4096)}
            inputs = [module.InferInput("image", list(images.shape), "FP32")]
            inputs[0].set_shared_memory("in", images.nbytes)
            assert best(client.infer("digits", inputs)) == EXPECTED[:5]
            outputs = [module.InferRequestedOutput("probabilities")]
            outputs[0].set_shared_memory("out", 200, offset=8)
            answer = client.infer("digits", inputs, outputs=outputs)
            output = plain(answer.get_output("probabilities"))
            assert [int(d) for d in output["shape"]] == [5, 10]
            found = shm.get_contents_as_numpy(handle, np.float32, [5, 10], offset=4096 + 8)
            assert found.argmax(1).tolist() == EXPECTED[:5]
            del found
            # The same output, not in shared memory any more.
            outputs[0].unset_shared_memory()
            assert best(client.infer("digits", inputs, outputs=outputs)) == EXPECTED[:5]
            client.unregister_system_shared_memory("in")
            assert refuses(client.infer, "digits", inputs)
            client.unregister_system_shared_memory()
            assert regions(client) == {}
            refuses(client.get_system_shared_memory_status, "in")
            refuses(client.register_system_shared_memory, "in", "no/such", 8)
            refuses(client.register_cuda_shared_memory, "gpu", b"aGFuZGxl", 0, 8)
            assert not plain(client.get_cuda_shared_memory_status())
            client.unregister_cuda_shared_memory("gpu")
            client.unregister_cuda_shared_memory()
        with Server(DIGITS) as server, flavour.client(server) as client:
            error = refuses(client.register_system_shared_memory, "in", key, 256)
            assert error.status() == code(flavour, "403", "PERMISSION_DENIED")
    finally:
        shm.destroy_shared_memory_region(handle)


def shared_strings(flavour, path):
    """Texts in shared memory, as the client's own helpers lay them out."""
    module = flavour.module
    key = f"serval-strings-{os.getpid()}"
    texts = np.array([b"", b"one", b"\x00\xff"], dtype=np.object_)
    packed = serialize_byte_tensor(texts)
    size = len(packed.item())
    handle = shm.create_shared_memory_region("texts", key, 4096)
    try:
        shm.set_shared_memory_region(handle, [packed])
        with Server(path, "--allow-shared-memory") as server, flavour.client(server) as client:
            client.register_system_shared_memory("texts", key, 4096)
            inputs = [module.InferInput("text", [3], "BYTES")]
            inputs[0].set_shared_memory("texts", size)
            outputs = [module.InferRequestedOutput("out")]
            outputs[0].set_shared_memory("texts", size, offset=1024)
            client.infer("echo", inputs, outputs=outputs)
            found = shm.get_contents_as_numpy(handle, np.object_, [3], offset=1024)
            assert found.tolist() == texts.tolist()
    finally:
        shm.destroy_shared_memory_region(handle)


def plugins(flavour):
    """A plugin adds headers to what is sent; nothing here looks at them."""
    with Server(DIGITS) as server, flavour.client(server) as client:
        plugin = flavour.plugin("user", "secret")
        client.register_plugin(plugin)
        assert client.plugin() is plugin
        assert client.is_server_live()
        client.unregister_plugin()
        assert client.plugin() is None


ALL = [descriptions, inference, statistics, settings, repository, shared_memory, plugins]
