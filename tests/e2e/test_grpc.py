"""gRPC with clients as they are: tritonclient, stubs made of the .proto files, health, reflection.

ctest: labels=emulated timeout=180"""
import json
import os
import queue
import struct
import subprocess
import sys
import threading
import time

from _grpc_clients import STUBS, address, fails, tensor_pb2, tfs, tfs_grpc  # first: starts anew

import grpc
import models
import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase)
from grpc_tools import protoc
from tritonclient.grpc import model_config_pb2 as model_config
from tritonclient.grpc import service_pb2 as oip
from tritonclient.grpc import service_pb2_grpc as oip_grpc
from serving import (DIGITS, EMULATED, SOURCE, Server, best, digits_expected, digits_images, main,
                     scratch, wait_until)

IMAGES = np.array(digits_images(), dtype=np.float32)
EXPECTED = digits_expected()


def digits_input(first, count):
    tensor = triton.InferInput("image", [count, 1, 8, 8], "FP32")
    tensor.set_data_from_numpy(IMAGES[first:first + count])
    return tensor


def classes(result):
    return [best(row) for row in result.as_numpy("probabilities").tolist()]


# ---- tritonclient --------------------------------------------------------------------------------


def test_triton_descriptions():
    with Server(f"digits={DIGITS}") as server, triton.InferenceServerClient(address(server)) as c:
        assert c.is_server_live() and c.is_server_ready()
        assert c.is_model_ready("digits") and c.is_model_ready("digits", "1")
        assert not c.is_model_ready("digits", "2") and not c.is_model_ready("other")
        about = c.get_server_metadata()
        assert about.name == "serval" and about.version
        model = c.get_model_metadata("digits")
        assert (model.name, list(model.versions), model.platform) == ("digits", ["1"], "onnx")
        assert [(t.name, t.datatype, list(t.shape)) for t in model.inputs] == [
            ("image", "FP32", [-1, 1, 8, 8])]
        assert [(t.name, t.datatype, list(t.shape)) for t in model.outputs] == [
            ("probabilities", "FP32", [-1, 10])]
        fails(grpc.StatusCode.NOT_FOUND, lambda: c.get_model_metadata("other"), "'other'")
        fails(grpc.StatusCode.INVALID_ARGUMENT, lambda: c.get_model_metadata("digits", "new"))


def test_triton_infer():
    with Server(f"digits={DIGITS}") as server, triton.InferenceServerClient(address(server)) as c:
        for compression in (None, "gzip", "deflate"):
            result = c.infer("digits", [digits_input(0, 100)], request_id="a b",
                             compression_algorithm=compression)
            assert classes(result) == EXPECTED[:100]
            answer = result.get_response()
            assert (answer.id, answer.model_name, answer.model_version) == ("a b", "digits", "1")
        named = [triton.InferRequestedOutput("probabilities")]
        assert classes(c.infer("digits", [digits_input(5, 1)], outputs=named)) == EXPECTED[5:6]
        short = triton.InferInput("image", [1, 1, 8, 7], "FP32")
        short.set_data_from_numpy(IMAGES[:1, :, :, :7])
        wrong = triton.InferInput("image", [1, 1, 8, 8], "INT64")
        wrong.set_data_from_numpy(np.zeros((1, 1, 8, 8), np.int64))
        unknown = [triton.InferRequestedOutput("other")]
        invalid = grpc.StatusCode.INVALID_ARGUMENT
        fails(invalid, lambda: c.infer("digits", []), "'image'")
        fails(invalid, lambda: c.infer("digits", [short]), "[1,1,8,7]")
        fails(invalid, lambda: c.infer("digits", [wrong]), "int64")
        fails(invalid, lambda: c.infer("digits", [digits_input(0, 1)], outputs=unknown), "'other'")
        fails(invalid, lambda: c.infer("digits", [digits_input(0, 1)] * 2), "twice")
        fails(grpc.StatusCode.NOT_FOUND, lambda: c.infer("digits", [], model_version="9"))


def test_triton_reshape_and_configuration():
    """The shapes and labels of a config.pbtxt, and what of it is in force."""
    with scratch() as folder:
        os.makedirs(f"{folder}/m/1")
        models.write(f"{folder}/m/1", "model.onnx", models.model(
            [models.node("Add", ["x", "x"], ["y"])],
            [models.value_info("x", models.FLOAT, [1, 3])],
            [models.value_info("y", models.FLOAT, [1, 3])]))
        with open(f"{folder}/m/config.pbtxt", "w") as f:
            f.write("input { name: 'x' data_type: TYPE_FP32 dims: [3] reshape { shape: [1, 3] } }\n"
                    "output { name: 'y' data_type: TYPE_FP32 dims: [3]\n"
                    "  reshape { shape: [1, 3] } label_filename: 'labels.txt' }\n"
                    "version_policy { all { } } instance_group { count: 1 }\n"
                    "dynamic_batching { priority_levels: 3 default_priority_level: 2\n"
                    "  default_queue_policy { timeout_action: DELAY max_queue_size: 5 }\n"
                    "  priority_queue_policy { key: 3 value { max_queue_size: 2 } } }\n"
                    "parameters { key: 'k' value { string_value: 'v' } }\n"
                    "model_warmup { name: 'w' inputs { key: 'x'\n"
                    "  value { data_type: TYPE_FP32 dims: [1, 3] zero_data: true } } }\n")
        with open(f"{folder}/m/labels.txt", "w") as f:
            f.write("no\nyes\nmaybe\n")
        with Server("--repository", folder) as server, triton.InferenceServerClient(
                address(server)) as c:
            assert list(c.get_model_metadata("m").inputs[0].shape) == [3]
            tensor = triton.InferInput("x", [3], "FP32")
            tensor.set_data_from_numpy(np.array([1, 3, 2], dtype=np.float32))
            assert c.infer("m", [tensor]).as_numpy("y").tolist() == [2, 6, 4]
            best_one = [triton.InferRequestedOutput("y", class_count=1)]
            found = c.infer("m", [tensor], outputs=best_one).as_numpy("y")
            assert found.tolist() == [b"6.000000:1:yes"], found
            config = c.get_model_config("m").config
            assert list(config.input[0].dims) == [3]
            assert list(config.input[0].reshape.shape) == [1, 3]
            assert config.output[0].label_filename == "labels.txt"
            assert config.version_policy.WhichOneof("policy_choice") == "all"
            assert config.instance_group[0].count == 1
            batching = config.dynamic_batching
            assert batching.priority_levels == 3 and batching.default_priority_level == 2
            assert batching.default_queue_policy.timeout_action == 1
            assert batching.default_queue_policy.max_queue_size == 5
            assert batching.priority_queue_policy[3].max_queue_size == 2
            assert config.parameters["k"].string_value == "v"
            assert config.model_warmup[0].name == "w" and config.model_warmup[0].count == 1


def test_triton_async():
    with Server(f"digits={DIGITS}") as server, triton.InferenceServerClient(address(server)) as c:
        results = queue.Queue()
        for i in range(50):
            c.async_infer("digits", [digits_input(i, 1)], request_id=str(i),
                          callback=lambda result, error: results.put((result, error)))
        for _ in range(50):
            result, error = results.get(timeout=60)
            assert error is None, error
            assert classes(result) == [EXPECTED[int(result.get_response().id)]]
        # Given up before it can be there; the server goes on.
        many = np.tile(IMAGES[:1], (50_000, 1, 1, 1))
        tensor = triton.InferInput("image", list(many.shape), "FP32")
        tensor.set_data_from_numpy(many)
        fails(grpc.StatusCode.DEADLINE_EXCEEDED,
              lambda: c.infer("digits", [tensor], client_timeout=1e-3))
        assert classes(c.infer("digits", [digits_input(3, 1)])) == [EXPECTED[3]]


def test_triton_asyncio():
    import asyncio

    async def ask(port):
        client = triton_aio.InferenceServerClient(f"127.0.0.1:{port}")
        answers = await asyncio.gather(
            *[client.infer("digits", [digits_input(i, 2)]) for i in range(20)])
        await client.close()
        return [classes(answer) for answer in answers]

    with Server(f"digits={DIGITS}") as server:
        assert asyncio.run(ask(server.port)) == [EXPECTED[i:i + 2] for i in range(20)]


def test_triton_stream():
    with Server(f"digits={DIGITS}") as server, triton.InferenceServerClient(address(server)) as c:
        results = queue.Queue()
        c.start_stream(callback=lambda result, error: results.put((result, error)))
        for i in range(300):
            c.async_stream_infer("digits", [digits_input(i % 100, 1)], request_id=str(i))
        c.async_stream_infer("other", [digits_input(0, 1)], request_id="lost")
        c.async_stream_infer("digits", [digits_input(7, 1)], request_id="last")
        for i in range(300):
            result, error = results.get(timeout=60)
            assert error is None, error
            assert result.get_response().id == str(i)
            assert classes(result) == [EXPECTED[i % 100]]
        result, error = results.get(timeout=60)
        assert "'other'" in str(error), (result, error)
        result, error = results.get(timeout=60)
        assert classes(result) == [EXPECTED[7]], error
        c.stop_stream()


def test_triton_traces():
    """Of single calls and of each message of a stream."""
    with scratch() as folder:
        path = f"{folder}/traces"
        with Server(f"digits={DIGITS}", "--allow-management", "--trace-log", path) as server, \
                triton.InferenceServerClient(address(server)) as c:
            c.update_trace_settings("digits", {"trace_level": ["TIMESTAMPS"], "trace_rate": "1"})
            c.infer("digits", [digits_input(0, 1)], request_id="one")
            answers = queue.Queue()
            c.start_stream(lambda result, error: answers.put((result, error)))
            for i in range(3):
                c.async_stream_infer("digits", [digits_input(i, 1)], request_id=f"stream {i}")
            for i in range(3):
                assert answers.get(timeout=60)[1] is None
            c.stop_stream()
        with open(path) as f:
            records = [json.loads(line) for line in f]
        assert sorted(r["request_id"] for r in records) == ["one"] + [
            f"stream {i}" for i in range(3)], records
        for record in records:
            times = [s["ns"] for s in record["timestamps"]]
            assert len(times) == 5 and times == sorted(times), record


def test_triton_repositories():
    with scratch() as folder:
        for repository, name in (("one", "a"), ("two", "b")):
            os.makedirs(f"{folder}/{repository}")
            models.write(f"{folder}/{repository}", f"{name}.onnx", models.two_inputs())
        with Server("--repository", f"{folder}/one", "--repository", f"{folder}/two",
                    "--allow-management") as server, grpc.insecure_channel(
                        address(server)) as channel:
            stub = oip_grpc.GRPCInferenceServiceStub(channel)

            def index(name):
                request = oip.RepositoryIndexRequest(repository_name=name)
                return sorted(m.name for m in stub.RepositoryIndex(request).models)

            def load(repository, name):
                stub.RepositoryModelLoad(oip.RepositoryModelLoadRequest(
                    repository_name=repository, model_name=name))

            assert (index(""), index("one"), index("two")) == (["a", "b"], ["a"], ["b"])
            fails(grpc.StatusCode.NOT_FOUND, lambda: index("three"), "'three'")
            load("one", "a")
            fails(grpc.StatusCode.NOT_FOUND, lambda: load("two", "a"), "'two'")
            stub.RepositoryModelUnload(oip.RepositoryModelUnloadRequest(
                repository_name="two", model_name="b"))
            fails(grpc.StatusCode.NOT_FOUND, lambda: stub.RepositoryModelUnload(
                oip.RepositoryModelUnloadRequest(repository_name="three", model_name="a")), "three")


def test_triton_scheduling():
    """A request's own time in the queue, its priority, and numbers that are none."""
    with scratch() as folder:
        path = models.write(folder, "slow.onnx", models.slow(products=200, size=96 if EMULATED else 512))
        with Server(path, "--threads", "1", "--timeout", "600") as server, \
                triton.InferenceServerClient(address(server)) as c:
            tensor = triton.InferInput("x", [1, 1], "FP32")
            tensor.set_data_from_numpy(np.ones((1, 1), np.float32))
            answers = queue.Queue()
            c.async_infer("slow", [tensor], lambda result, error: answers.put((result, error)))
            wait_until(lambda: b"serval_requests_running 1" in server.get("/metrics").body,
                       "the first to run")
            try:
                c.infer("slow", [tensor], priority=1, timeout=20000)
            except triton.InferenceServerException as error:
                # Whether it is refused at once depends on what is known about runs.
                assert error.status() in (str(grpc.StatusCode.UNAVAILABLE),
                                          str(grpc.StatusCode.RESOURCE_EXHAUSTED)), error
            else:
                assert not answers.empty(), "it has waited"
            assert answers.get(timeout=300)[1] is None
            fails(grpc.StatusCode.INVALID_ARGUMENT,
                  lambda: c.infer("slow", [tensor], timeout=-1), "parameter 'timeout'")


def trips_inputs(count):
    n, x = triton.InferInput("n", [1], "INT64"), triton.InferInput("x", [1], "FP32")
    n.set_data_from_numpy(np.array([count], np.int64))
    x.set_data_from_numpy(np.array([0.5], np.float32))
    return [n, x]


def test_triton_order():
    """Calls and streams of several clients wait for those that came before, and for no longer than
    somebody wants them."""
    with scratch() as folder:
        os.makedirs(f"{folder}/trips/1")
        models.write(f"{folder}/trips/1", "model.onnx", models.trips())
        with open(f"{folder}/trips/config.pbtxt", "w") as f:
            f.write("instance_group { count: 2 }\ndynamic_batching { preserve_ordering: true }\n")
        with Server("--repository", folder, "--threads", "2", "--timeout", "600") as server, \
                triton.InferenceServerClient(address(server)) as first, \
                triton.InferenceServerClient(address(server)) as second:
            assert first.get_model_config("trips").config.dynamic_batching.preserve_ordering
            results = queue.Queue()
            first.start_stream(callback=lambda result, error: None)
            first.async_stream_infer("trips", trips_inputs(models.FOR_EVER))
            wait_until(lambda: b"serval_requests_running 1" in server.get("/metrics").body,
                       "the first to run")
            second.start_stream(callback=lambda result, error: results.put((result, error)))
            for i in range(10):
                second.async_stream_infer("trips", trips_inputs(i), request_id=f"stream {i}")
                second.async_infer("trips", trips_inputs(i), request_id=f"call {i}",
                                   callback=lambda result, error: results.put((result, error)))
            ran = lambda: second.get_inference_statistics("trips").model_stats[0].execution_count
            wait_until(lambda: ran() == 20, "all others to run")
            assert results.empty()
            first.stop_stream(cancel_requests=True)
            streamed = []
            for _ in range(20):
                result, error = results.get(timeout=60)
                assert error is None, error
                kind, i = result.get_response().id.split()
                assert result.as_numpy("y").tolist() == [int(i) + 0.5]
                streamed += [i] if kind == "stream" else []
            assert streamed == [str(i) for i in range(10)]
            second.stop_stream()


def test_deadline_ends_the_run():
    with scratch() as folder:
        path = models.write(folder, "trips.onnx", models.trips())
        with Server(path, "--threads", "1", "--timeout", "600") as server, \
                triton.InferenceServerClient(address(server)) as c:
            fails(grpc.StatusCode.DEADLINE_EXCEEDED,
                  lambda: c.infer("trips", trips_inputs(models.FOR_EVER), client_timeout=0.5))
            assert c.infer("trips", trips_inputs(4)).as_numpy("y").tolist() == [4.5]


def test_triton_large():
    """Several times the windows of stream and connection, both ways."""
    with scratch() as folder:
        path = os.path.join(folder, "same.onnx")
        with open(path, "wb") as f:
            f.write(models.model([models.node("Identity", ["x"], ["y"])],
                                 [models.value_info("x", models.FLOAT, ["n"])],
                                 [models.value_info("y", models.FLOAT, ["n"])]))
        with Server(f"same={path}", "--body-limit", "80M") as server:
            options = [("grpc.max_receive_message_length", -1)]
            with triton.InferenceServerClient(address(server), channel_args=options) as c:
                for count in (0, 1, 10_000, 10_000_000):
                    data = np.arange(count, dtype=np.float32)
                    tensor = triton.InferInput("x", [count], "FP32")
                    tensor.set_data_from_numpy(data)
                    assert np.array_equal(c.infer("same", [tensor]).as_numpy("y"), data)
                tensor = triton.InferInput("x", [22_000_000], "FP32")
                tensor.set_data_from_numpy(np.zeros(22_000_000, np.float32))
                fails(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: c.infer("same", [tensor]))


# ---- all element types, raw and typed ------------------------------------------------------------

TYPES = {
    "BOOL": (9, "bool_contents", [True, False]),
    "UINT8": (2, "uint_contents", [0, 255]),
    "UINT16": (4, "uint_contents", [0, 65535]),
    "UINT32": (12, "uint_contents", [0, 2**32 - 1]),
    "UINT64": (13, "uint64_contents", [0, 2**64 - 1]),
    "INT8": (3, "int_contents", [-128, 127]),
    "INT16": (5, "int_contents", [-32768, 32767]),
    "INT32": (6, "int_contents", [-2**31, 2**31 - 1]),
    "INT64": (7, "int64_contents", [-2**63, 2**63 - 1]),
    "FP32": (1, "fp32_contents", [0.5, -1e30]),
    "FP64": (11, "fp64_contents", [0.5, -1e300]),
    "BYTES": (8, "bytes_contents", [b"", b"\x00text\xff"]),
}


def identity(folder):
    """A model that gives back each of its inputs, one of every type and two of 16-bit floats."""
    kinds = {name.lower(): row[0] for name, row in TYPES.items()}
    kinds.update(fp16=10, bf16=16)
    nodes = [models.node("Identity", [k], [k + "_out"]) for k in kinds]
    path = os.path.join(folder, "types.onnx")
    with open(path, "wb") as f:
        f.write(models.model(nodes, [models.value_info(k, t, ["n"]) for k, t in kinds.items()],
                             [models.value_info(k + "_out", t, ["n"]) for k, t in kinds.items()]))
    return path


def raw_of(kind, values):
    if kind == "BYTES":
        return b"".join(struct.pack("<I", len(v)) + v for v in values)
    codes = dict(BOOL="?", UINT8="B", UINT16="H", UINT32="I", UINT64="Q", INT8="b", INT16="h",
                 INT32="i", INT64="q", FP32="f", FP64="d")
    return struct.pack(f"<{len(values)}{codes[kind]}", *values)


def test_element_types():
    with scratch() as folder, Server(f"types={identity(folder)}") as server:
        infer = grpc.insecure_channel(address(server)).unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=oip.ModelInferRequest.SerializeToString,
            response_deserializer=oip.ModelInferResponse.FromString)
        typed, raw = oip.ModelInferRequest(model_name="types"), oip.ModelInferRequest()
        for kind, (_, where, values) in TYPES.items():
            tensor = typed.inputs.add(name=kind.lower(), datatype=kind, shape=[2])
            getattr(tensor.contents, where).extend(values)
        halves = struct.pack("<2H", 0x3C00, 0xC000)
        for kind in ("FP16", "BF16"):
            typed.inputs.add(name=kind.lower(), datatype=kind, shape=[2])
        fails(grpc.StatusCode.INVALID_ARGUMENT, lambda: infer(typed), "expected 2 elements")
        raw.CopyFrom(typed)
        for tensor in raw.inputs:
            tensor.ClearField("contents")
            row = TYPES.get(tensor.datatype)
            raw.raw_input_contents.append(raw_of(tensor.datatype, row[2]) if row else halves)
        answer = infer(raw)
        found = {t.name: bytes(r) for t, r in zip(answer.outputs, answer.raw_output_contents)}
        for kind, row in TYPES.items():
            assert found[kind.lower() + "_out"] == raw_of(kind, row[2]), kind
        assert found["fp16_out"] == halves and found["bf16_out"] == halves


def test_typed_contents():
    kinds = [k for k in TYPES]
    with scratch() as folder:
        path = os.path.join(folder, "types.onnx")
        nodes = [models.node("Identity", [k], [k + "_out"]) for k in kinds]
        with open(path, "wb") as f:
            f.write(models.model(
                nodes, [models.value_info(k, TYPES[k][0], ["n"]) for k in kinds],
                [models.value_info(k + "_out", TYPES[k][0], ["n"]) for k in kinds]))
        with Server(f"types={path}") as server:
            infer = grpc.insecure_channel(address(server)).unary_unary(
                "/inference.GRPCInferenceService/ModelInfer",
                request_serializer=oip.ModelInferRequest.SerializeToString,
                response_deserializer=oip.ModelInferResponse.FromString)
            request = oip.ModelInferRequest(model_name="types")
            for kind, (_, where, values) in TYPES.items():
                tensor = request.inputs.add(name=kind, datatype=kind, shape=[2])
                getattr(tensor.contents, where).extend(values)
            answer = infer(request)
            assert not answer.raw_output_contents
            for tensor in answer.outputs:
                _, where, values = TYPES[tensor.datatype]
                found = list(getattr(tensor.contents, where))
                assert np.allclose(found, values) if kind[:2] == "FP" else found == [
                    np.float32(v) if tensor.datatype == "FP32" else v for v in values], tensor
            small = oip.ModelInferRequest()
            small.CopyFrom(request)
            next(t for t in small.inputs if t.name == "INT8").contents.int_contents[0] = 128
            invalid = grpc.StatusCode.INVALID_ARGUMENT
            fails(invalid, lambda: infer(small), "out of its range")
            small.CopyFrom(request)
            small.inputs[0].contents.int_contents.append(1)
            fails(invalid, lambda: infer(small), "bool_contents")
            small.raw_input_contents.append(b"")
            fails(invalid, lambda: infer(small), "both")


# ---- TensorFlow Serving --------------------------------------------------------------------------


def picture(values, **more):
    tensor = tensor_pb2.TensorProto(dtype=tensor_pb2.DT_FLOAT, **more)
    for size in (len(values), 1, 8, 8):
        tensor.tensor_shape.dim.add(size=size)
    return tensor


def test_tfs_predict():
    with Server(f"digits={DIGITS}") as server, grpc.insecure_channel(address(server)) as channel:
        predict = tfs_grpc.PredictionServiceStub(channel).Predict
        spec = tfs.ModelSpec(name="digits")
        some = IMAGES[:20]
        for tensor in (picture(some, tensor_content=some.tobytes()),
                       picture(some, float_val=some.ravel())):
            answer = predict(tfs.PredictRequest(model_spec=spec, inputs={"image": tensor}))
            out = answer.outputs["probabilities"]
            assert [d.size for d in out.tensor_shape.dim] == [20, 10]
            rows = np.array(out.float_val).reshape(20, 10)
            assert [best(row) for row in rows.tolist()] == EXPECTED[:20]
            assert answer.model_spec.name == "digits" and answer.model_spec.version.value == 1
        # One value stands for all, none for zeros.
        answer = predict(tfs.PredictRequest(
            model_spec=spec, inputs={"image": picture([0], float_val=[0.25])},
            output_filter=["probabilities"]))
        plain = server.post("/predict", {"instances": np.full((1, 1, 8, 8), 0.25).tolist()}).json
        assert np.allclose(answer.outputs["probabilities"].float_val, plain["predictions"][0])

        def ask(tensor, **more):
            return lambda: predict(tfs.PredictRequest(inputs={"image": tensor}, **more))

        invalid, good = grpc.StatusCode.INVALID_ARGUMENT, picture([0], float_val=[1])
        huge = picture([0], float_val=[1])
        huge.tensor_shape.dim[0].size = 1 << 40
        fails(grpc.StatusCode.RESOURCE_EXHAUSTED, ask(huge, model_spec=spec), "repeated")
        fails(invalid, ask(picture([0], float_val=[1] * 65), model_spec=spec), "64 elements")
        fails(invalid, ask(tensor_pb2.TensorProto(), model_spec=spec), "dtype")
        fails(invalid, ask(good, model_spec=spec, output_filter=["other"]), "'other'")
        fails(grpc.StatusCode.NOT_FOUND, ask(good, model_spec=tfs.ModelSpec(name="other")))
        fails(invalid, ask(good, model_spec=tfs.ModelSpec(name="digits", signature_name="train")),
              "'train'")


def test_tfs_descriptions():
    with Server(f"digits={DIGITS}") as server, grpc.insecure_channel(address(server)) as channel:
        spec = tfs.ModelSpec(name="digits")
        ask = tfs_grpc.PredictionServiceStub(channel).GetModelMetadata
        answer = ask(tfs.GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"]))
        signatures = tfs.SignatureDefMap()
        assert answer.metadata["signature_def"].Unpack(signatures)
        signature = signatures.signature_def["serving_default"]
        assert signature.method_name == "tensorflow/serving/predict"
        image = signature.inputs["image"]
        assert image.dtype == tensor_pb2.DT_FLOAT
        assert [d.size for d in image.tensor_shape.dim] == [-1, 1, 8, 8]
        fails(grpc.StatusCode.INVALID_ARGUMENT,
              lambda: ask(tfs.GetModelMetadataRequest(model_spec=spec)), "metadata_field")
        status = tfs_grpc.ModelServiceStub(channel).GetModelStatus
        versions = status(tfs.GetModelStatusRequest(model_spec=spec)).model_version_status
        assert [(v.version, v.state) for v in versions] == [(1, tfs.ModelVersionStatus.AVAILABLE)]
        other = tfs.GetModelStatusRequest(model_spec=tfs.ModelSpec(name="other"))
        fails(grpc.StatusCode.NOT_FOUND, lambda: status(other))


# ---- details of statuses -----------------------------------------------------------------------


def details_of(call):
    """{kind: detail} of a call that fails, as grpcio-status reads it, which checks that code and
    message are the trailers'."""
    from google.rpc import error_details_pb2
    from grpc_status import rpc_status
    try:
        call()
    except grpc.RpcError as error:
        found = {}
        for packed in rpc_status.from_call(error).details:
            kind = packed.type_url.rsplit(".", 1)[1]
            found[kind] = getattr(error_details_pb2, kind)()
            assert packed.Unpack(found[kind])
        assert found["ErrorInfo"].domain == "serval", found
        assert found["ErrorInfo"].reason == error.code().name, found
        return found
    raise AssertionError("expected an error")


def test_details_of_statuses():
    def ask(stub, model, name="image", shape=(1, 1, 8, 8)):
        request = oip.ModelInferRequest(model_name=model)
        request.inputs.add(name=name, datatype="FP32", shape=shape)
        request.raw_input_contents.append(b"\0" * 4 * int(np.prod(shape)))
        return stub.ModelInfer(request)

    with Server(f"digits={DIGITS}") as server, grpc.insecure_channel(address(server)) as channel:
        stub = oip_grpc.GRPCInferenceServiceStub(channel)
        found = details_of(lambda: ask(stub, "digits", shape=(1, 1, 8, 7)))
        [violation] = found["BadRequest"].field_violations
        assert violation.field == "image" and "float32" in violation.description, found
        assert set(found) == {"ErrorInfo", "BadRequest"}
        try:
            ask(stub, "digits", shape=(1, 8))
        except grpc.RpcError as error:
            said = {**dict(error.initial_metadata()), **dict(error.trailing_metadata())}
            assert len(said["x-request-id"]) == 32 and said["traceparent"].startswith("00-"), said
        found = details_of(lambda: ask(stub, "digits", shape=(1, 8)))
        assert found["BadRequest"].field_violations[0].field == "image", found
        assert set(details_of(lambda: ask(stub, "other"))) == {"ErrorInfo"}
        for name in ("a\u00e4%'\n", "x" * 300):
            assert details_of(lambda: ask(stub, name))
        # After messages of a stream as well, in the trailers.
        health = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        next(watch)
        server.signal()
        assert set(details_of(lambda: list(watch))) >= {"ErrorInfo"}
        assert server.wait() == 0


def test_details_say_when_to_come_again():
    with scratch() as folder:
        path = models.write(folder, "trips.onnx", models.trips())
        with Server(path, "--threads", "2", "--max-requests", "1") as server, \
                grpc.insecure_channel(address(server)) as channel, \
                triton.InferenceServerClient(address(server)) as c:
            running = c.async_infer("trips", trips_inputs(models.FOR_EVER), lambda result, error: None)
            stub = oip_grpc.GRPCInferenceServiceStub(channel)
            request = oip.ModelInferRequest(model_name="trips")
            found = {}

            def refused():
                found.update(details_of(lambda: stub.ModelInfer(request)))
                return found["ErrorInfo"].reason == "RESOURCE_EXHAUSTED"

            wait_until(refused, "the other to run")
            assert found["RetryInfo"].retry_delay.seconds == 1, found
            running.cancel()


# ---- health and reflection -----------------------------------------------------------------------


def health_list(channel):
    """What Health/List answers, which the stubs of grpcio-health-checking do not have yet."""
    pool = DescriptorPool()
    pool.Add(compiled("serval/health.proto"))
    kind = message_factory.GetMessageClass(
        pool.FindMessageTypeByName("grpc.health.v1.HealthListResponse"))
    answer = channel.unary_unary("/grpc.health.v1.Health/List")(b"")
    return {name: entry.status for name, entry in kind.FromString(answer).statuses.items()}


def test_health_lists_so_many():
    with scratch() as folder:
        for i in range(40):
            models.write(folder, f"m{i}.onnx", models.scalar())
        with Server("--repository", folder) as server, \
                grpc.insecure_channel(address(server)) as channel:
            assert {f"m{i}" for i in range(40)} < set(health_list(channel))
        for i in range(40, 1000):
            os.link(f"{folder}/m0.onnx", f"{folder}/m{i}.onnx")
        with Server("--repository", folder) as server, \
                grpc.insecure_channel(address(server)) as channel:
            fails(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: health_list(channel), "1000")


def test_health():
    with Server(f"digits={DIGITS}") as server, grpc.insecure_channel(address(server)) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("", "digits", "inference.GRPCInferenceService"):
            asked = health_pb2.HealthCheckRequest(service=name)
            assert stub.Check(asked).status == health_pb2.HealthCheckResponse.SERVING, name
        other = health_pb2.HealthCheckRequest(service="other")
        fails(grpc.StatusCode.NOT_FOUND, lambda: stub.Check(other))
        listed = health_list(channel)
        assert {"", "digits", "inference.GRPCInferenceService", "grpc.health.v1.Health"} <= set(listed)
        assert set(listed.values()) == {health_pb2.HealthCheckResponse.SERVING}
        for name in listed:
            assert stub.Check(health_pb2.HealthCheckRequest(service=name)).status
        states, ended = queue.Queue(), threading.Event()

        def watch():
            try:
                for answer in stub.Watch(health_pb2.HealthCheckRequest()):
                    states.put(answer.status)
            except grpc.RpcError as error:
                states.put(error.code())
            ended.set()

        threading.Thread(target=watch, daemon=True).start()
        assert states.get(timeout=60) == health_pb2.HealthCheckResponse.SERVING
        server.signal()
        assert states.get(timeout=60) == health_pb2.HealthCheckResponse.NOT_SERVING
        assert states.get(timeout=60) == grpc.StatusCode.UNAVAILABLE
        assert ended.wait(60)
        assert server.wait() == 0


def test_reflection():
    with Server(f"digits={DIGITS}") as server, grpc.insecure_channel(address(server)) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        names = list(database.get_services())
        assert names == sorted(set(names)), names
        pool = DescriptorPool(database)
        for name in names:
            service = pool.FindServiceByName(name)
            assert service.methods
            for method in service.methods:
                assert method.input_type.full_name and method.output_type.full_name
        # What is described is what is answered: every method that exists by its description.
        for name in names:
            for method in pool.FindServiceByName(name).methods:
                if method.client_streaming:
                    continue
                call = channel.unary_stream(f"/{name}/{method.name}")
                try:
                    next(call(b"", timeout=20))
                except grpc.RpcError as error:
                    assert error.code() != grpc.StatusCode.UNIMPLEMENTED, (name, method.name)
        fails(grpc.StatusCode.UNIMPLEMENTED,
              lambda: channel.unary_unary("/inference.GRPCInferenceService/Other")(b""))


def test_descriptors_are_fresh():
    """The committed table is what the .proto files make."""
    tool = os.path.join(SOURCE, "tools", "gen_descriptors.py")
    subprocess.run([sys.executable, tool, "--check"], check=True)


def constants(path):
    """The numbers in a header's enum, by name."""
    import re
    with open(path) as f:
        return {k: int(v) for k, v in re.findall(r"^    (SV_[A-Z0-9_]+) = (\d+),", f.read(), re.M)}


def messages(owner, prefix=""):
    """All messages of a FileDescriptorProto, by name."""
    inner = owner.message_type if hasattr(owner, "message_type") else owner.nested_type
    for message in inner:
        yield prefix + message.name, message
        yield from messages(message, f"{prefix}{message.name}.")


def compiled(name):
    with scratch() as folder:
        out = os.path.join(folder, "out")
        assert protoc.main(["protoc", f"-I{STUBS.name}", f"--descriptor_set_out={out}", name]) == 0
        with open(out, "rb") as f:
            return descriptor_pb2.FileDescriptorSet.FromString(f.read()).file[0]


def test_proto_is_tritons():
    """Our .proto files have the names, numbers and types of those that Triton's client brings."""
    for name, package in (("inference", oip), ("model_config", model_config)):
        ours, theirs = compiled(f"serval/{name}.proto"), descriptor_pb2.FileDescriptorProto()
        package.DESCRIPTOR.CopyToProto(theirs)
        known = dict(messages(theirs))
        for message_name, message in messages(ours):
            fields = {f.name: (f.number, f.type, f.label) for f in known[message_name].field}
            for field in message.field:
                found = (field.number, field.type, field.label)
                assert fields[field.name] == found, (message_name, field)
        values = {e.name: {v.name: v.number for v in e.value} for e in theirs.enum_type}
        for enum in ours.enum_type:
            assert {v.name: v.number for v in enum.value} == values[enum.name], enum.name


def test_field_numbers():
    """The headers say what the .proto files say."""
    front = os.path.join(SOURCE, "src", "front")
    ours = constants(os.path.join(front, "oip", "fields.h"))
    request = oip.ModelInferRequest.DESCRIPTOR
    for name, field in {"NAME": "model_name", "VERSION": "model_version", "ID": "id",
                        "PARAMETERS": "parameters", "INPUTS": "inputs", "OUTPUTS": "outputs",
                        "RAW": "raw_input_contents"}.items():
        assert ours[f"SV_OIP_INFER_{name}"] == request.fields_by_name[field].number, name
    contents = oip.InferTensorContents.DESCRIPTOR
    for name in ("BOOL", "INT", "INT64", "UINT", "UINT64", "FP32", "FP64", "BYTES"):
        number = contents.fields_by_name[f"{name.lower()}_contents"].number
        assert ours[f"SV_OIP_CONTENTS_{name}"] == number, name
    parameter = oip.InferParameter.DESCRIPTOR
    for name in ("INT64", "UINT64"):
        number = parameter.fields_by_name[f"{name.lower()}_param"].number
        assert ours[f"SV_OIP_PARAMETER_{name}"] == number, name
    theirs = constants(os.path.join(front, "tfs", "fields.h"))
    tensor = tensor_pb2.TensorProto.DESCRIPTOR
    for name, field in {"TYPE": "dtype", "SHAPE": "tensor_shape", "CONTENT": "tensor_content",
                        "FLOAT": "float_val", "DOUBLE": "double_val", "INT": "int_val",
                        "STRING": "string_val", "COMPLEX64": "scomplex_val", "INT64": "int64_val",
                        "BOOL": "bool_val", "COMPLEX128": "dcomplex_val", "HALF": "half_val",
                        "UINT32": "uint32_val", "UINT64": "uint64_val"}.items():
        assert theirs[f"SV_TFS_TENSOR_{name}"] == tensor.fields_by_name[field].number, name


# Constants of the headers by what they number: MESSAGE.FIELD.
OIP_FIELDS = """
PARAMETER_BOOL InferParameter.bool_param, PARAMETER_INT64 InferParameter.int64_param,
PARAMETER_STRING InferParameter.string_param, PARAMETER_DOUBLE InferParameter.double_param,
PARAMETER_UINT64 InferParameter.uint64_param,
REQUEST_NAME ModelConfigRequest.name, REQUEST_VERSION ModelStatisticsRequest.version,
CONFIG ModelConfigResponse.config, STATS_MODEL ModelStatisticsResponse.model_stats,
STATS_NAME ModelStatistics.name, STATS_VERSION ModelStatistics.version,
STATS_LAST ModelStatistics.last_inference, STATS_INFERENCES ModelStatistics.inference_count,
STATS_EXECUTIONS ModelStatistics.execution_count, STATS_INFER ModelStatistics.inference_stats,
STATS_SUCCESS InferStatistics.success, STATS_FAIL InferStatistics.fail,
STATS_QUEUE InferStatistics.queue, STATS_COMPUTE_INPUT InferStatistics.compute_input,
STATS_COMPUTE_INFER InferStatistics.compute_infer,
STATS_COMPUTE_OUTPUT InferStatistics.compute_output, STATS_CACHE_HIT InferStatistics.cache_hit,
STATS_CACHE_MISS InferStatistics.cache_miss, DURATION_COUNT StatisticDuration.count,
DURATION_NS StatisticDuration.ns, INDEX_REPOSITORY RepositoryIndexRequest.repository_name,
INDEX_READY RepositoryIndexRequest.ready, INDEX_MODEL RepositoryIndexResponse.models,
LOAD_NAME RepositoryModelLoadRequest.model_name,
LOAD_REPOSITORY RepositoryModelLoadRequest.repository_name,
LOAD_TEXT ModelRepositoryParameter.string_param,
LOAD_PARAMETERS RepositoryModelUnloadRequest.parameters,
REGION_NAME SystemSharedMemoryRegisterRequest.name,
REGION_KEY SystemSharedMemoryRegisterRequest.key,
REGION_OFFSET SystemSharedMemoryRegisterRequest.offset,
REGION_SIZE SystemSharedMemoryRegisterRequest.byte_size,
REGIONS SystemSharedMemoryStatusResponse.regions, SETTINGS TraceSettingRequest.settings,
SETTINGS_MODEL TraceSettingRequest.model_name, SETTINGS LogSettingsResponse.settings"""
CONFIG_FIELDS = """
CONFIG_NAME ModelConfig.name, CONFIG_PLATFORM ModelConfig.platform,
CONFIG_POLICY ModelConfig.version_policy, CONFIG_MAX_BATCH ModelConfig.max_batch_size,
CONFIG_INPUT ModelConfig.input, CONFIG_OUTPUT ModelConfig.output,
CONFIG_GROUP ModelConfig.instance_group, CONFIG_FILE ModelConfig.default_model_filename,
CONFIG_BATCHING ModelConfig.dynamic_batching, CONFIG_BACKEND ModelConfig.backend,
BATCHING_ORDER ModelDynamicBatching.preserve_ordering,
BATCHING_PREFERRED ModelDynamicBatching.preferred_batch_size,
BATCHING_DELAY ModelDynamicBatching.max_queue_delay_microseconds,
BATCHING_LEVELS ModelDynamicBatching.priority_levels,
BATCHING_DEFAULT_LEVEL ModelDynamicBatching.default_priority_level,
BATCHING_POLICY ModelDynamicBatching.default_queue_policy,
BATCHING_LEVEL_POLICY ModelDynamicBatching.priority_queue_policy,
QUEUE_ACTION ModelQueuePolicy.timeout_action,
QUEUE_TIMEOUT ModelQueuePolicy.default_timeout_microseconds,
QUEUE_OVERRIDE ModelQueuePolicy.allow_timeout_override,
QUEUE_SIZE ModelQueuePolicy.max_queue_size, CONFIG_PARAMETERS ModelConfig.parameters,
CONFIG_WARMUP ModelConfig.model_warmup, WARMUP_NAME ModelWarmup.name,
WARMUP_BATCH ModelWarmup.batch_size, WARMUP_COUNT ModelWarmup.count,
WARMUP_INPUTS ModelWarmup.inputs,
CONFIG_PARAMETER ModelParameter.string_value, RESHAPE_SHAPE ModelTensorReshape.shape,
INPUT_RESHAPE ModelInput.reshape, OUTPUT_RESHAPE ModelOutput.reshape,
OUTPUT_LABELS ModelOutput.label_filename, POLICY_ALL ModelVersionPolicy.all,
POLICY_SPECIFIC ModelVersionPolicy.specific,
POLICY_LATEST ModelVersionPolicy.latest, PORT_NAME ModelInput.name, PORT_TYPE ModelInput.data_type,
INPUT_DIMS ModelInput.dims, INPUT_OPTIONAL ModelInput.optional, OUTPUT_DIMS ModelOutput.dims,
GROUP_COUNT ModelInstanceGroup.count, GROUP_KIND ModelInstanceGroup.kind"""
TFS_FIELDS = """
RELOAD_CONFIG ReloadConfigRequest.config, RELOAD_STATUS ReloadConfigResponse.status,
SERVER_LIST ModelServerConfig.model_config_list, SERVER_CUSTOM ModelServerConfig.custom_model_config,
CONFIGS_CONFIG ModelConfigList.config, CONFIG_NAME ModelConfig.name,
CONFIG_PATH ModelConfig.base_path, CONFIG_POLICY ModelConfig.model_version_policy,
CONFIG_LABELS ModelConfig.version_labels, STATUS_CODE StatusProto.error_code,
STATUS_MESSAGE StatusProto.error_message, EXAMPLES_INPUT ClassificationRequest.input,
EXAMPLES_RESULT RegressionResponse.result, CLASS_LABEL Class.label, CLASS_SCORE Class.score,
SEVERAL_TASKS MultiInferenceRequest.tasks, SEVERAL_INPUT MultiInferenceRequest.input,
TASK_SPEC InferenceTask.model_spec, TASK_METHOD InferenceTask.method_name,
INFERENCE_CLASSES InferenceResult.classification_result,
INFERENCE_VALUES InferenceResult.regression_result"""


def test_more_field_numbers():
    front = os.path.join(SOURCE, "src", "front")
    for path, prefix, package, fields in (
            ("oip", "SV_OIP_", oip, OIP_FIELDS), ("oip", "SV_OIP_", model_config, CONFIG_FIELDS),
            ("tfs", "SV_TFS_", tfs, TFS_FIELDS)):
        ours = constants(os.path.join(front, path, "fields.h"))
        for row in fields.split(","):
            name, field = row.split()
            message, field = field.split(".")
            known = package.DESCRIPTOR.message_types_by_name[message].fields_by_name
            assert ours[prefix + name] == known[field].number, (name, message, field)


# ---- one port ------------------------------------------------------------------------------------


def test_http2():
    """curl and h2load, beside HTTP/1.1 on the same port."""
    with Server(f"digits={DIGITS}") as server, scratch() as folder:
        url = f"http://{address(server)}"
        body = os.path.join(folder, "body.json")
        with open(body, "w") as f:
            f.write('{"instances": %s}' % digits_images()[:1])
        curl = ["curl", "-sS", "--max-time", "60", "-w", " %{http_version} %{http_code}"]
        for flag, version in (("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")):
            done = subprocess.run([*curl, flag, f"{url}/v1/models/digits:predict", "-d", f"@{body}"],
                                  capture_output=True, text=True, check=True)
            assert done.stdout.endswith(f" {version} 200"), done.stdout
            assert '"predictions"' in done.stdout
        done = subprocess.run([*curl, "--http2-prior-knowledge", f"{url}/nothing"],
                              capture_output=True, text=True, check=True)
        assert done.stdout.endswith(" 2 404"), done.stdout
        done = subprocess.run(
            ["h2load", "-n2000", "-c8", "-m8", "-d", body, f"{url}/v1/models/digits:predict"],
            capture_output=True, text=True, check=True)
        assert "2000 succeeded, 0 failed" in done.stdout, done.stdout
        wait_until(lambda: 'protocol="tfs",code="200"} 2002' in server.get("/metrics").body.decode(),
                   "2002 answers in the metrics")


def test_deadline_that_has_passed():
    """What is late when it comes is not run."""
    with Server(f"digits={DIGITS}") as server, scratch() as folder:
        request = oip.ModelInferRequest(model_name="digits")
        request.inputs.add(name="image", datatype="FP32", shape=[1, 1, 8, 8])
        request.raw_input_contents.append(IMAGES[:1].tobytes())
        message = request.SerializeToString()
        path = os.path.join(folder, "message")
        with open(path, "wb") as f:
            f.write(struct.pack(">BI", 0, len(message)) + message)
        subprocess.run(["h2load", "-n20", "-c1", "-m20", "-d", path, "-H",
                        "content-type: application/grpc", "-H", "te: trailers", "-H",
                        "grpc-timeout: 1n",
                        f"http://{address(server)}/inference.GRPCInferenceService/ModelInfer"],
                       check=True, capture_output=True)
        wait_until(lambda: 'protocol="oip_grpc",code="504"} 20' in
                   server.get("/metrics").body.decode(), "20 that were late")


def test_drain():
    """Running calls are answered, connections are told to go elsewhere."""
    with Server(f"digits={DIGITS}") as server, grpc.insecure_channel(address(server)) as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
        assert infer(b"") == b"\x08\x01"
        start = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - start < 20
        fails(grpc.StatusCode.UNAVAILABLE, lambda: infer(b""))


if __name__ == "__main__":
    main(globals())
