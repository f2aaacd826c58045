/* A request: one run of one model version, from its typed inputs to its outputs.
 *
 * It belongs to one loop: everything here is called on that loop's thread. Only the run itself may
 * happen elsewhere. Protocols and bodies do not belong here. */
#ifndef SV_SERVE_REQUEST_H
#define SV_SERVE_REQUEST_H

#include "base/arena.h"
#include "net/loop.h"
#include "serve/due.h"
#include "store/store.h"

typedef struct sv_request sv_request;

typedef enum sv_request_state {
    SV_REQUEST_NEW,       /* inputs are being filled */
    SV_REQUEST_SUBMITTED, /* waits for this round's batches to be made */
    SV_REQUEST_QUEUED,    /* waits for a worker, is run by one, or was posted back */
    SV_REQUEST_DONE,
} sv_request_state;

/* An input's memory: 64-byte aligned, grown as needed, kept from request to request while small; or
 * somebody else's. */
typedef struct sv_request_input {
    sv_buffer buffer; /* dtype NONE until sealed */
    size_t capacity;  /* of the memory that `buffer` points to */
    void *memory;     /* its own */
    size_t memory_size;
    bool given;
} sv_request_input;

#define SV_REQUEST_ALIGNMENT 64

struct sv_request {
    sv_served *version; /* a reference */
    sv_arena arena;     /* texts of strings and the like */
    sv_request_state state;
    bool cancelled;
    sv_request_input *input; /* [input_count], in the model's order */
    size_t input_count;
    bool *wanted;      /* [output_count]; all true unless the front end says otherwise */
    sv_buffer *output; /* [output_count]; valid in on_done of a successful request where wanted */
    const sv_datum **value; /* [output_count]; likewise the output that is no tensor, else NULL */
    size_t output_count;
    sv_status status;                     /* valid in on_done; the core frees it */
    void (*on_done)(sv_request *request); /* exactly once after submit, never from within it */
    void *user;
    uint64_t submitted_ns, started_ns, finished_ns; /* monotonic */
    /* What the client says; set before the request is submitted. */
    uint64_t priority;    /* 1 is the most urgent; 0: the model's default */
    uint64_t timeout_us;  /* that it may wait for its run; 0: as the model has it */
    bool as_declared;     /* shapes of inputs are those of a config.pbtxt (store/terms.h) */
    uint64_t deadline_ns; /* monotonic; a run that would end later is not worth starting; 0: none */
    /* Valid in on_done: it was not run for want of room or time, and when to ask again. */
    bool refused;
    uint32_t retry_after_s;

    /* The core's own. */
    struct sv_lane *lane;
    struct sv_batch *batch;
    sv_request *next;    /* in a list of the lane or batch */
    sv_request *sibling; /* in the same call */
    size_t input_room, output_room;
    size_t bytes; /* of all inputs */
    uint64_t given;
    bool poolable;           /* its session may be kept for others */
    struct sv_flow *bounded; /* where it counts among its model's requests; NULL: nowhere */
    sv_due expiry;           /* in the lane's list: when it will have waited too long */
};

/* Makes room for `bytes` bytes of the input, keeping what is there; the result is 64-byte aligned.
 * RESOURCE_EXHAUSTED. */
SV_MUST_USE sv_status sv_request_grow_input(sv_request *request, size_t index, size_t bytes,
                                            void **out);
/* Instead of growing: the input lies in `data`, `bytes` bytes at a multiple of
 * SV_REQUEST_ALIGNMENT, which nobody changes or frees before the request is done. */
void sv_request_borrow_input(sv_request *request, size_t index, void *data, size_t bytes);
/* Says what the input's memory holds, and checks it against the model (or, as_declared, against
 * what clients are told of it): dtype, rank, fixed dimensions. INVALID_ARGUMENT names the input,
 * what was expected and what was found. */
SV_MUST_USE sv_status sv_request_seal_input(sv_request *request, size_t index, sv_dtype dtype,
                                            int32_t rank, const int64_t *dim);
/* Finds an input or output by a name that is not NUL-terminated; INVALID_ARGUMENT lists what there
 * is. */
SV_MUST_USE sv_status sv_request_find_input(const sv_request *request, sv_string name, size_t *out);
SV_MUST_USE sv_status sv_request_find_output(const sv_request *request, sv_string name,
                                             size_t *out);
/* Checks that every input without a default is given. */
SV_MUST_USE sv_status sv_request_check(const sv_request *request);

/* Queues the run at `now` (monotonic). on_done follows, in any case but an error. */
SV_MUST_USE sv_status sv_request_submit(sv_request *request, uint64_t now);
/* Nobody wants the result: on_done comes with CANCELLED, for a running request when it has ended,
 * which it does soon if nobody wants any other that runs with it.
 * Idempotent, in any state. */
void sv_request_cancel(sv_request *request);
/* Gives everything back; not while it is submitted or queued. */
void sv_request_release(sv_request *request);

#endif
