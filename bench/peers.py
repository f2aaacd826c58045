"""The engines that Serval is timed against, through their C APIs: a run is one call of the library
that the Python packages ship, as Serval's is, so that no language binding counts.

Each engine has bind(inputs), run() and outputs(). What is measured is not here.
"""

import ctypes
import glob
import importlib.metadata
import math
import os
import pathlib

import numpy as np

# onnxruntime's element types are TensorProto's.
_ORT_TYPES = {np.dtype(np.float32): 1, np.dtype(np.int32): 6, np.dtype(np.int64): 7}
_ORT_NUMPY = {number: dtype for dtype, number in _ORT_TYPES.items()}


class PeerError(Exception):
    """What a peer says when it cannot."""


def _package_file(package, pattern):
    found = glob.glob(str(pathlib.Path(importlib.metadata.distribution(package).locate_file(""))
                          / pattern))
    if not found:
        raise PeerError(f"{package}: {pattern} is missing; install tools/requirements-bench.txt")
    return found[0]


# -------------------------------------------------------------------------------- onnxruntime


class _OrtApi:
    """The table of functions behind OrtGetApiBase, by position (onnxruntime_c_api.h, which only
    ever appends)."""

    _POSITIONS = {
        "GetErrorMessage": 2, "CreateEnv": 3, "CreateSession": 7, "Run": 9,
        "CreateSessionOptions": 10, "SetIntraOpNumThreads": 24, "SetInterOpNumThreads": 25,
        "SessionGetOutputCount": 31, "SessionGetOutputName": 37,
        "CreateTensorWithDataAsOrtValue": 49, "GetTensorMutableData": 51,
        "GetTensorElementType": 60, "GetDimensionsCount": 61, "GetDimensions": 62,
        "GetTensorTypeAndShape": 65, "CreateCpuMemoryInfo": 69, "GetAllocatorWithDefaultOptions": 78,
    }
    VERSION = 17

    def __init__(self):
        library = ctypes.CDLL(_package_file("onnxruntime", "onnxruntime/capi/libonnxruntime.so*"))
        library.OrtGetApiBase.restype = ctypes.POINTER(ctypes.c_void_p)
        get = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)(library.OrtGetApiBase()[0])
        self._table = ctypes.cast(get(self.VERSION), ctypes.POINTER(ctypes.c_void_p))
        self._message = self._function("GetErrorMessage", ctypes.c_char_p)

    def _function(self, name, result=ctypes.c_void_p):
        return ctypes.CFUNCTYPE(result)(self._table[self._POSITIONS[name]])

    def function(self, name):
        """A function that returns a status."""
        return self._function(name)

    def check(self, status):
        if status:
            raise PeerError(self._message(ctypes.c_void_p(status)).decode("utf-8", "replace"))

    def call(self, name, *arguments):
        self.check(self._function(name)(*arguments))

    def make(self, name, *arguments):
        """Calls a function whose last argument receives a pointer."""
        out = ctypes.c_void_p()
        self.call(name, *arguments, ctypes.byref(out))
        return out


class Onnxruntime:
    """onnxruntime at its highest optimisation level, which is its default."""

    name = "onnxruntime"
    _api = None

    @classmethod
    def open_library(cls):
        if cls._api is None:
            cls._api = _OrtApi()
            cls._env = cls._api.make("CreateEnv", ctypes.c_int(3), b"bench")

    def __init__(self, path, threads):
        self.open_library()
        api = self._api
        options = api.make("CreateSessionOptions")
        api.call("SetIntraOpNumThreads", options, ctypes.c_int(threads))
        api.call("SetInterOpNumThreads", options, ctypes.c_int(1))
        self.session = api.make("CreateSession", self._env, os.fsencode(path), options)
        count = ctypes.c_size_t()
        api.call("SessionGetOutputCount", self.session, ctypes.byref(count))
        allocator = api.make("GetAllocatorWithDefaultOptions")
        self.output_names = [
            ctypes.cast(api.make("SessionGetOutputName", self.session, ctypes.c_size_t(i),
                                 allocator), ctypes.c_char_p).value for i in range(count.value)]

    def bind(self, inputs):
        """Outputs are made by the first run and written in place by those that follow."""
        memory = self._api.make("CreateCpuMemoryInfo", ctypes.c_int(1), ctypes.c_int(0))
        self.kept = {n: np.ascontiguousarray(a) for n, a in inputs.items()}
        values = [self._value(memory, a) for a in self.kept.values()]
        n_in, n_out = len(values), len(self.output_names)
        self.results = (ctypes.c_void_p * n_out)()
        self.names_in = (ctypes.c_char_p * n_in)(*(n.encode() for n in inputs))
        self.names_out = (ctypes.c_char_p * n_out)(*self.output_names)
        self.values = (ctypes.c_void_p * n_in)(*(v.value for v in values))
        self._run = self._api.function("Run")
        self._arguments = (self.session, None, self.names_in, self.values, ctypes.c_size_t(n_in),
                           self.names_out, ctypes.c_size_t(n_out), self.results)

    def _value(self, memory, array):
        shape = (ctypes.c_int64 * max(1, array.ndim))(*array.shape)
        return self._api.make(
            "CreateTensorWithDataAsOrtValue", memory, ctypes.c_void_p(array.ctypes.data),
            ctypes.c_size_t(array.nbytes), shape, ctypes.c_size_t(array.ndim),
            ctypes.c_int(_ORT_TYPES[array.dtype]))

    def run(self):
        status = self._run(*self._arguments)
        if status:
            self._api.check(status)

    def outputs(self):
        return [self._read(ctypes.c_void_p(value)) for value in self.results]

    def _read(self, value):
        info = self._api.make("GetTensorTypeAndShape", value)
        rank, kind = ctypes.c_size_t(), ctypes.c_int()
        self._api.call("GetDimensionsCount", info, ctypes.byref(rank))
        self._api.call("GetTensorElementType", info, ctypes.byref(kind))
        shape = (ctypes.c_int64 * max(1, rank.value))()
        self._api.call("GetDimensions", info, shape, rank)
        data = self._api.make("GetTensorMutableData", value)
        return _copy(data, tuple(shape)[: rank.value], _ORT_NUMPY[kind.value])


def _copy(data, shape, dtype):
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    text = ctypes.string_at(data, size) if size else b""
    return np.frombuffer(text, dtype).reshape(shape).copy()


# ----------------------------------------------------------------------------------- OpenVINO


class _Shape(ctypes.Structure):
    _fields_ = [("rank", ctypes.c_int64), ("dims", ctypes.POINTER(ctypes.c_int64))]


class OpenVino:
    """OpenVINO for latency, one stream; `precision` "f32", or None for what it chooses itself."""

    _library = None

    @classmethod
    def open_library(cls):
        if cls._library is None:
            cls._library = ctypes.CDLL(
                _package_file("openvino", "openvino/libs/libopenvino_c.so*"))
            cls._library.ov_get_last_err_msg.restype = ctypes.c_char_p

    def __init__(self, path, threads, precision=None):
        self.name = "openvino-f32" if precision else "openvino"
        self.open_library()
        core, compiled, self.request = (ctypes.c_void_p() for _ in range(3))
        settings = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1",
                    "INFERENCE_NUM_THREADS": str(threads)}
        if precision:
            settings["INFERENCE_PRECISION_HINT"] = precision
        words = [ctypes.c_char_p(w.encode()) for pair in settings.items() for w in pair]
        self._call("ov_core_create", ctypes.byref(core))
        self._call("ov_core_compile_model_from_file", core, os.fsencode(path), b"CPU",
                   ctypes.c_size_t(len(words)), ctypes.byref(compiled), *words)
        self._call("ov_compiled_model_create_infer_request", compiled, ctypes.byref(self.request))
        count = ctypes.c_size_t()
        self._call("ov_compiled_model_outputs_size", compiled, ctypes.byref(count))
        self.n_out = count.value
        self._infer = self._library.ov_infer_request_infer

    def _call(self, name, *arguments):
        code = getattr(self._library, name)(*arguments)
        if code:
            said = self._library.ov_get_last_err_msg() or b""
            raise PeerError(f"{name}: {said.decode('utf-8', 'replace')[:300] or code}")

    def bind(self, inputs):
        for name, array in inputs.items():
            tensor, data = ctypes.c_void_p(), ctypes.c_void_p()
            dims = (ctypes.c_int64 * max(1, array.ndim))(*array.shape)
            self._call("ov_infer_request_get_tensor", self.request, name.encode(),
                       ctypes.byref(tensor))
            self._call("ov_tensor_set_shape", tensor, _Shape(array.ndim, dims))
            self._call("ov_tensor_data", tensor, ctypes.byref(data))
            array = np.ascontiguousarray(array)
            ctypes.memmove(data, array.ctypes.data, array.nbytes)

    def run(self):
        code = self._infer(self.request)
        if code:
            raise PeerError(f"ov_infer_request_infer: {code}")

    def outputs(self):
        return [self._read(i) for i in range(self.n_out)]

    def _read(self, index):
        tensor, data, shape = ctypes.c_void_p(), ctypes.c_void_p(), _Shape()
        self._call("ov_infer_request_get_output_tensor_by_index", self.request,
                   ctypes.c_size_t(index), ctypes.byref(tensor))
        self._call("ov_tensor_get_shape", tensor, ctypes.byref(shape))
        self._call("ov_tensor_data", tensor, ctypes.byref(data))
        dims, size = tuple(shape.dims[i] for i in range(shape.rank)), ctypes.c_size_t()
        self._call("ov_tensor_get_byte_size", tensor, ctypes.byref(size))
        # What numbers element types have changes between versions; graphs give out these two.
        whole = size.value == 8 * math.prod(dims)
        return _copy(data, dims, np.dtype(np.int64 if whole else np.float32))


# -------------------------------------------------------------------------------------- LiteRT


class LiteRt:
    """LiteRT with XNNPACK, its default, on a file with the graph's weights (tflite_file.py): for
    graphs of one picture. Its package has no C API of the interpreter; the binding's call costs
    microseconds, where a run takes milliseconds."""

    name = "litert"

    @staticmethod
    def open_library():
        import ai_edge_litert.interpreter  # noqa: F401

    def __init__(self, path, threads):
        import tflite_file
        from ai_edge_litert.interpreter import Interpreter

        self.interpreter = Interpreter(model_content=tflite_file.from_onnx(path),
                                       num_threads=threads)
        self.to_input = tflite_file.to_input
        self.run = self.interpreter.invoke

    def bind(self, inputs):
        (picture,) = (self.to_input(array) for array in inputs.values())
        at = self.interpreter.get_input_details()[0]["index"]
        self.interpreter.resize_tensor_input(at, picture.shape)
        self.interpreter.allocate_tensors()
        self.interpreter.set_tensor(at, picture)

    def outputs(self):
        return [self.interpreter.get_tensor(output["index"])
                for output in self.interpreter.get_output_details()]


# -------------------------------------------------------------------------------------- Serval


class Serval:
    """libserval; outputs stay in the session. `options` are those of serval_binding.Runtime; runtime
    and model are those of `share`, another of these, where it is given."""

    @staticmethod
    def open_library():
        import serval_binding

        serval_binding.library()

    def __init__(self, path, threads, share=None, **options):
        import serval_binding

        self.name = "serval-exact" if options.get("exact") else "serval"
        self.binding = serval_binding
        self.runtime = share.runtime if share else serval_binding.Runtime(threads=threads, **options)
        self.model = share.model if share else serval_binding.Model(self.runtime, path)
        self.session = serval_binding.Session(self.model, threads)
        self.run = self.session.run

    def bind(self, inputs):
        for name, array in inputs.items():
            self.session.bind(name, array)

    def outputs(self):
        return [self.session.output(i) for i in range(len(self.model.outputs))]
