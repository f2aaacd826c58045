/* What the operator wants served, and the files that it stands for.
 *
 * A model is named once, whatever says so: the command line, a YAML file, a folder of models. What
 * a config.pbtxt beside the versions says is added when the config is resolved. Nothing is loaded
 * here. */
#ifndef SV_STORE_CONFIG_H
#define SV_STORE_CONFIG_H

#include "base/arena.h"

/* Which of the versions on disk are served. */
typedef enum sv_policy_kind {
    SV_POLICY_LATEST, /* the highest numbers */
    SV_POLICY_ALL,
    SV_POLICY_SPECIFIC,
} sv_policy_kind;

typedef struct sv_version_policy {
    sv_policy_kind kind;
    uint32_t latest;       /* LATEST: how many; 0: one */
    const int64_t *number; /* SPECIFIC: [count] */
    size_t count;
} sv_version_policy;

/* A name for a version, such as "stable". Labelled versions are served whatever the policy says. */
typedef struct sv_version_label {
    const char *name;
    int64_t number;
} sv_version_label;

#define SV_TRAFFIC_SHARES 8

/* When a version that has newly got requests is worse than the last good one
 * (docs/repositories.md), or not good enough by itself. */
typedef struct sv_guard {
    uint32_t requests;     /* that it must have answered before it is judged; 0: it never is */
    double errors;         /* by how much its share of failed requests may exceed the other's */
    double latency;        /* how many times the other's mean latency it may take; 0: any */
    double max_errors;     /* its share of failed requests, whatever the other's; 0: any */
    double max_latency_ms; /* its mean latency, whatever the other's; 0: any */
    uint32_t seconds;      /* that the last good one is kept without requests; 0: for ever */
} sv_guard;

#define SV_GUARD_MAX_SECONDS (30 * 24 * 3600)
#define SV_GUARD_DEFAULT ((sv_guard){.requests = 100, .errors = 0.05, .seconds = 600})

#define SV_TRAFFIC_MAX_WEIGHT 10000

typedef struct sv_traffic_share {
    int64_t number;
    uint32_t weight;
} sv_traffic_share;

/* Who answers requests that name no version. These versions are served whatever the policy says. */
typedef struct sv_traffic {
    sv_traffic_share share[SV_TRAFFIC_SHARES];
    uint32_t count; /* 0: the highest version answers all */
    int64_t shadow; /* a version that is asked as well, and whose answers are compared; 0: none */
    sv_guard guard;
} sv_traffic;

#define SV_TUNING_PREFERRED 16
#define SV_TUNING_LEVELS 16 /* of priority */

/* Requests of one priority that wait; zeros leave it to the server. */
typedef struct sv_queue_policy {
    uint64_t timeout_us; /* that they may wait */
    uint32_t max_size;   /* that may wait at once */
    bool delays; /* one that has waited too long goes behind the others; else it is refused */
    bool fixed;  /* a request cannot ask for a shorter wait itself */
} sv_queue_policy;

#define SV_TUNING_PAD_DIMS 8
#define SV_TUNING_PAD_VALUES_MAX 16
#define SV_TUNING_PAD_NAME 128

typedef struct sv_pad_value {
    char input[SV_TUNING_PAD_NAME];
    double value;
} sv_pad_value;

/* Whether requests whose inputs differ in length are padded to share a run; what follows from it
 * for a model: store/padding.h. */
typedef struct sv_pad_wish {
    bool on;
    uint32_t dims; /* 0: every variable dimension but the first */
    char dim[SV_TUNING_PAD_DIMS][SV_TUNING_PAD_NAME];
    uint32_t values; /* of inputs that are not padded with 0 */
    sv_pad_value value[SV_TUNING_PAD_VALUES_MAX];
    uint32_t bucket; /* lengths are rounded up to its multiples; 0: they are not */
} sv_pad_wish;

/* How a model's runs are to be arranged; zeros leave it to the server. */
typedef struct sv_tuning {
    uint32_t given;         /* bits of sv_tuning_field: said by the operator, over a config.pbtxt */
    int64_t max_batch_rows; /* that are joined in a run */
    bool no_batching;       /* requests are never joined */
    bool batching;          /* asked for: also where runs are so long that little is gained */
    uint32_t preferred[SV_TUNING_PREFERRED];
    uint32_t preferred_count;
    uint64_t max_queue_delay_us; /* that a batch may wait for more */
    uint64_t latency_target_us;  /* for 99 % of requests: the delay is found by itself */
    uint32_t max_requests;       /* running or waiting at once */
    uint32_t instances;          /* runs at once */
    uint32_t priority_levels;    /* 1 is the most urgent; 0 or 1: there is one only */
    uint32_t default_priority;
    bool preserve_ordering; /* answers go in the order in which requests came */
    sv_queue_policy policy;
    sv_queue_policy level_policy[SV_TUNING_LEVELS]; /* of level i + 1 */
    uint32_t level_policies;                        /* bit i: level i + 1 has its own */
    sv_pad_wish pad;
} sv_tuning;

typedef enum sv_tuning_field {
    SV_TUNING_MAX_BATCH,
    SV_TUNING_PREFERRED_SIZES,
    SV_TUNING_DELAY,
    SV_TUNING_TARGET,
    SV_TUNING_MAX_REQUESTS,
    SV_TUNING_INSTANCES,
    SV_TUNING_PRIORITY_LEVELS,
    SV_TUNING_DEFAULT_LEVEL,
    SV_TUNING_QUEUE_SIZE,
    SV_TUNING_TIMEOUT,
    SV_TUNING_TIMEOUT_ACTION,
    SV_TUNING_TIMEOUT_OVERRIDE,
    SV_TUNING_PAD,
    SV_TUNING_PAD_VALUES,
    SV_TUNING_PAD_BUCKET,
    SV_TUNING_ORDER,
    SV_TUNING_FIELDS
} sv_tuning_field;

/* Puts what `said` gives in place of what `tuning` has. */
void sv_tuning_override(sv_tuning *tuning, const sv_tuning *said);
/* Differs when what is given differs; 0 when nothing is. */
uint64_t sv_tuning_signature(const sv_tuning *said);
/* The policy of a priority level (1 is the first). */
const sv_queue_policy *sv_tuning_policy(const sv_tuning *tuning, uint32_t level);
/* INVALID_ARGUMENT where two settings contradict each other. `name` is the model's. */
SV_MUST_USE sv_status sv_tuning_check(const sv_tuning *tuning, const char *name);

/* A made-up request that a version must answer before it is put in service. */
typedef struct sv_warmup_input {
    const char *name;
    sv_dtype dtype;
    int32_t rank;
    int64_t dim[SV_MAX_RANK];
    bool random;      /* else zeros */
    const char *file; /* NULL, or raw elements: a name beneath the model's folder "warmup" */
} sv_warmup_input;

typedef struct sv_warmup {
    const char *name;
    int64_t batch_rows; /* put in front of the shapes; 0: they are whole */
    uint32_t count;     /* times that it is run */
    const sv_warmup_input *input;
    size_t input_count;
} sv_warmup;

/* What a model is said to take or give; shapes without the batch's dimension if there is one. */
typedef struct sv_declared_port {
    const char *name;
    sv_dtype dtype;
    int32_t rank; /* -1: not said */
    int64_t dim[SV_MAX_RANK];
    bool optional;
    bool reshaped; /* the model itself has this shape instead: */
    int32_t model_rank;
    int64_t model_dim[SV_MAX_RANK];
    const char *label_file; /* of an output's classes, in the model's folder; NULL: none */
} sv_declared_port;

/* A text that is told to clients, and means nothing here. */
typedef struct sv_declared_parameter {
    const char *key, *value;
} sv_declared_parameter;

#define SV_MAX_MODELS 16384 /* that one list or repository may name */

/* Where a model comes from and how it is served. Texts and arrays are borrowed. */
typedef struct sv_model_config {
    const char *name; /* how it is asked for */
    const char *path; /* a file, or a folder with a model.onnx or just one .onnx file: version 1; or
                         a folder of folders named by whole numbers that hold such files */
    sv_version_policy policy;
    bool policy_given; /* the operator chose it: a config.pbtxt does not change it */
    const sv_version_label *label;
    size_t label_count;
    const char *const *alias; /* further names of the model */
    size_t alias_count;
    sv_traffic traffic;
    sv_tuning tuning;        /* what the operator says himself (`given`) */
    const char *description; /* JSON that a call has put in place of a config.pbtxt; NULL: none */
    const char *repository;  /* the folder of models that it was found in; NULL: none */
    const int64_t
        *left_out; /* [left_out_count]: versions that are not served, whatever names them */
    size_t left_out_count;
} sv_model_config;

/* Whether a version is not served, whatever names it. */
bool sv_model_config_leaves_out(const sv_model_config *config, int64_t number);

/* A growing list of configs and everything that they point to. Externally synchronised. */
typedef struct sv_model_configs {
    sv_arena arena;
    sv_model_config *item; /* [count] */
    uint32_t count, room;
    struct sv_config_name *name; /* private: an open hash table of names and aliases */
    size_t name_count, name_room;
} sv_model_configs;

void sv_model_configs_init(sv_model_configs *configs);
void sv_model_configs_release(sv_model_configs *configs);
/* Copies `config` with all that it points to. INVALID_ARGUMENT for a bad name, or one that is
 * there already (as a name or an alias). */
SV_MUST_USE sv_status sv_model_configs_add(sv_model_configs *configs,
                                           const sv_model_config *config);
/* NULL when there is none of that name. */
const sv_model_config *sv_model_configs_find(const sv_model_configs *configs, const char *name,
                                             size_t size);
/* The same, to be changed in place; not its names. */
sv_model_config *sv_model_configs_at(sv_model_configs *configs, const char *name);
/* Whether a config has this name, or this alias. */
bool sv_model_configs_knows(const sv_model_configs *configs, const char *name);
/* Puts the configs from `first` on in the order of their names. */
void sv_model_configs_sort(sv_model_configs *configs, uint32_t first);

/* Adds the models of a repository: a folder that holds folders (or .onnx files), each a model of
 * that name. Sorted by name; what is no valid name is passed over, and so is a model that is in
 * `out` already with that name and place: what was said of it first goes before. `like` gives their
 * policy. NOT_FOUND when the folder cannot be read. */
SV_MUST_USE sv_status sv_repository_read(const char *path, const sv_model_config *like,
                                         sv_model_configs *out);

/* A file that a config stands for. */
typedef struct sv_version_file {
    int64_t number;
    const char *path;          /* the file; its folder when there is a problem */
    const char *problem;       /* why there is no file that could be loaded; NULL: there is one */
    uint64_t signature;        /* another one when the file, or one beside it, is another */
    uint64_t config_signature; /* of the config.pbtxt with its files of labels, and the operator's
                                  tuning; 0: none */
    int64_t modified_us;       /* wall clock: the newest of these files */
    const char *folder;        /* of the version; NULL for a file without one */
} sv_version_file;

/* A config with what is on disk. */
typedef struct sv_layout {
    sv_arena arena;
    sv_version_file *file; /* [count], rising numbers: those that policy and labels choose */
    size_t count;
    sv_version_file *spare; /* [spare_count], rising: the highest below those of SV_POLICY_LATEST */
    size_t spare_count;
    bool described;           /* by a config.pbtxt */
    sv_version_policy policy; /* that has chosen them; numbers are the config's or in the arena */
    sv_tuning tuning;
    const sv_warmup *warmup;
    size_t warmup_count;
    const sv_declared_port *input, *output;
    size_t input_count, output_count;
    const sv_declared_parameter *parameter;
    size_t parameter_count;
    const char *const *warning; /* what a config.pbtxt says that is not heeded */
    size_t warning_count;
} sv_layout;

/* Looks at the disk. Each wanted version is there, with its problem if it has one. NOT_FOUND when
 * there is none at all; INVALID_ARGUMENT for a config.pbtxt with errors. Returns owned: release
 * with sv_layout_release. */
SV_MUST_USE sv_status sv_layout_read(const sv_model_config *config, sv_layout *out);
void sv_layout_release(sv_layout *layout);
/* The signature of what is at a file's path now; 0 when it cannot be read. */
uint64_t sv_version_file_signature(const sv_version_file *file);
/* Whether such a description can be read at all; INVALID_ARGUMENT. */
SV_MUST_USE sv_status sv_description_check(const char *description);
/* Whether a client means this repository (NULL: none): by its path, or the folder's own name. */
bool sv_repository_is(const char *repository, const char *name);

/* The name that a path gives a model when none is said: of "a/b/resnet.onnx" "resnet", of
 * "a/digits/model.onnx" and "a/digits/" "digits". Returns owned (free); NULL when memory is out. */
char *sv_model_config_name(const char *path);
/* Letters, digits and "._-", at most 128, not starting with '.': safe in paths, labels and logs. */
bool sv_model_name_valid(const char *name, size_t size);

#endif
