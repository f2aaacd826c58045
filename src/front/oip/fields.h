/* Field numbers of the Open Inference Protocol's messages: the same as in inference.proto, which a
 * test compares. */
#ifndef SV_FRONT_OIP_FIELDS_H
#define SV_FRONT_OIP_FIELDS_H

enum {
    /* ServerLiveResponse, ServerReadyResponse, ModelReadyResponse: "live" and "ready" */
    SV_OIP_STATE = 1,
    /* ModelReadyRequest, ModelMetadataRequest */
    SV_OIP_MODEL_NAME = 1,
    SV_OIP_MODEL_VERSION = 2,
    /* ServerMetadataResponse */
    SV_OIP_SERVER_NAME = 1,
    SV_OIP_SERVER_VERSION = 2,
    SV_OIP_SERVER_EXTENSIONS = 3,
    /* ModelMetadataResponse */
    SV_OIP_METADATA_NAME = 1,
    SV_OIP_METADATA_VERSIONS = 2,
    SV_OIP_METADATA_PLATFORM = 3,
    SV_OIP_METADATA_INPUTS = 4,
    SV_OIP_METADATA_OUTPUTS = 5,
    /* ModelMetadataResponse.TensorMetadata, ModelInferRequest.InferInputTensor,
     * ModelInferResponse.InferOutputTensor */
    SV_OIP_TENSOR_NAME = 1,
    SV_OIP_TENSOR_TYPE = 2,
    SV_OIP_TENSOR_SHAPE = 3,
    SV_OIP_TENSOR_PARAMETERS = 4,
    SV_OIP_TENSOR_CONTENTS = 5,
    /* ModelInferRequest */
    SV_OIP_INFER_NAME = 1,
    SV_OIP_INFER_VERSION = 2,
    SV_OIP_INFER_ID = 3,
    SV_OIP_INFER_PARAMETERS = 4,
    SV_OIP_INFER_INPUTS = 5,
    SV_OIP_INFER_OUTPUTS = 6,
    SV_OIP_INFER_RAW = 7,
    /* ModelInferRequest.InferRequestedOutputTensor */
    SV_OIP_WANTED_NAME = 1,
    SV_OIP_WANTED_PARAMETERS = 2,
    /* ModelInferResponse */
    SV_OIP_ANSWER_NAME = 1,
    SV_OIP_ANSWER_VERSION = 2,
    SV_OIP_ANSWER_ID = 3,
    SV_OIP_ANSWER_PARAMETERS = 4,
    SV_OIP_ANSWER_OUTPUTS = 5,
    SV_OIP_ANSWER_RAW = 6,
    /* ModelStreamInferResponse */
    SV_OIP_STREAM_ERROR = 1,
    SV_OIP_STREAM_ANSWER = 2,
    /* InferTensorContents */
    SV_OIP_CONTENTS_BOOL = 1,
    SV_OIP_CONTENTS_INT = 2,
    SV_OIP_CONTENTS_INT64 = 3,
    SV_OIP_CONTENTS_UINT = 4,
    SV_OIP_CONTENTS_UINT64 = 5,
    SV_OIP_CONTENTS_FP32 = 6,
    SV_OIP_CONTENTS_FP64 = 7,
    SV_OIP_CONTENTS_BYTES = 8,
    /* InferParameter */
    SV_OIP_PARAMETER_BOOL = 1,
    SV_OIP_PARAMETER_INT64 = 2,
    SV_OIP_PARAMETER_STRING = 3,
    SV_OIP_PARAMETER_DOUBLE = 4,
    SV_OIP_PARAMETER_UINT64 = 5,
    /* ModelConfigRequest, ModelStatisticsRequest, *SharedMemory*Request */
    SV_OIP_REQUEST_NAME = 1,
    SV_OIP_REQUEST_VERSION = 2,
    /* ModelConfigResponse, ModelConfig, ModelInput, ModelOutput */
    SV_OIP_CONFIG = 1,
    SV_OIP_CONFIG_NAME = 1,
    SV_OIP_CONFIG_PLATFORM = 2,
    SV_OIP_CONFIG_POLICY = 3,
    SV_OIP_CONFIG_MAX_BATCH = 4,
    SV_OIP_CONFIG_INPUT = 5,
    SV_OIP_CONFIG_OUTPUT = 6,
    SV_OIP_CONFIG_GROUP = 7,
    SV_OIP_CONFIG_FILE = 8,
    SV_OIP_CONFIG_BATCHING = 11,
    SV_OIP_CONFIG_BACKEND = 17,
    SV_OIP_BATCHING_ORDER = 3,
    SV_OIP_POLICY_LATEST = 1,
    SV_OIP_LATEST_COUNT = 1,
    SV_OIP_PORT_NAME = 1,
    SV_OIP_PORT_TYPE = 2,
    SV_OIP_INPUT_DIMS = 4,
    SV_OIP_INPUT_OPTIONAL = 8,
    SV_OIP_OUTPUT_DIMS = 3,
    SV_OIP_GROUP_COUNT = 2,
    SV_OIP_GROUP_KIND = 4,
    SV_OIP_KIND_CPU = 2,
    /* ModelStatisticsResponse, ModelStatistics, InferStatistics, StatisticDuration */
    SV_OIP_STATS_MODEL = 1,
    SV_OIP_STATS_NAME = 1,
    SV_OIP_STATS_VERSION = 2,
    SV_OIP_STATS_LAST = 3,
    SV_OIP_STATS_INFERENCES = 4,
    SV_OIP_STATS_EXECUTIONS = 5,
    SV_OIP_STATS_INFER = 6,
    SV_OIP_STATS_SUCCESS = 1,
    SV_OIP_STATS_FAIL = 2,
    SV_OIP_STATS_QUEUE = 3,
    SV_OIP_STATS_COMPUTE_INPUT = 4,
    SV_OIP_STATS_COMPUTE_INFER = 5,
    SV_OIP_STATS_COMPUTE_OUTPUT = 6,
    SV_OIP_STATS_CACHE_HIT = 7,
    SV_OIP_STATS_CACHE_MISS = 8,
    SV_OIP_DURATION_COUNT = 1,
    SV_OIP_DURATION_NS = 2,
    /* RepositoryIndexRequest, RepositoryIndexResponse, ModelIndex */
    SV_OIP_INDEX_REPOSITORY = 1,
    SV_OIP_INDEX_READY = 2,
    SV_OIP_INDEX_MODEL = 1,
    SV_OIP_INDEX_NAME = 1,
    SV_OIP_INDEX_VERSION = 2,
    SV_OIP_INDEX_STATE = 3,
    SV_OIP_INDEX_REASON = 4,
    /* RepositoryModelLoadRequest, RepositoryModelUnloadRequest */
    SV_OIP_LOAD_NAME = 2,
    SV_OIP_LOAD_PARAMETERS = 3,
    /* SystemSharedMemoryRegisterRequest, SystemSharedMemoryStatusResponse, RegionStatus */
    SV_OIP_REGION_NAME = 1,
    SV_OIP_REGION_KEY = 2,
    SV_OIP_REGION_OFFSET = 3,
    SV_OIP_REGION_SIZE = 4,
    SV_OIP_REGIONS = 1,
    /* TraceSettingRequest, LogSettingsRequest, their responses, SettingValue */
    SV_OIP_SETTINGS = 1,
    SV_OIP_SETTINGS_MODEL = 2,
    SV_OIP_TRACE_VALUE = 1,
    SV_OIP_LOG_BOOL = 1,
    SV_OIP_LOG_UINT32 = 2,
    SV_OIP_LOG_STRING = 3,
    /* map entries */
    SV_OIP_ENTRY_KEY = 1,
    SV_OIP_ENTRY_VALUE = 2,
};

#endif
