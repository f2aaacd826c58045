/* What the files of the reader of config.pbtxt share: its state, tables of fields, values. Not for
 * others. */
#ifndef SV_STORE_TRITON_READER_H
#define SV_STORE_TRITON_READER_H

#include "store/triton.h"
#include "wire/pbtxt.h"

#define SV_TRITON_MAX_COUNT 1000000

typedef struct sv_triton_reader {
    sv_pbtxt text;
    sv_arena *arena;
    sv_layout *layout;
    sv_triton_config *out;
    const char *model;
    const char **warning;
    sv_declared_port *input, *output;
    sv_warmup *warmup;
    sv_declared_parameter *parameter;
    int64_t *number;
    uint32_t warning_count, input_count, output_count, warmup_count, parameter_count, number_count;
    uint32_t warning_room, input_room, output_room, warmup_room, parameter_room, number_room;
} sv_triton_reader;

/* A field of a message; `read` gets one value where the text stands. */
typedef struct sv_triton_field {
    const char *name;
    sv_status (*read)(sv_triton_reader *r, void *into);
    bool repeated;
} sv_triton_field;

#define SV_FIELDS(table) table, sizeof(table) / sizeof(table)[0]

/* Reads the fields of the message that was entered, to its end; those that are not in the table, or
 * have no reader there, become warnings. */
SV_MUST_USE sv_status sv_triton_fields(sv_triton_reader *r, const sv_triton_field *fields,
                                       size_t count, void *into);
/* Enters a message and reads its fields. */
SV_MUST_USE sv_status sv_triton_message(sv_triton_reader *r, const sv_triton_field *fields,
                                        size_t count, void *into);

SV_MUST_USE sv_status sv_triton_number(sv_triton_reader *r, int64_t least, int64_t most,
                                       int64_t *out);
SV_MUST_USE sv_status sv_triton_u32(sv_triton_reader *r, void *into);
SV_MUST_USE sv_status sv_triton_u64(sv_triton_reader *r, uint64_t *out);
SV_MUST_USE sv_status sv_triton_text(sv_triton_reader *r, const char **out);
/* TYPE_FP32 and the like. */
SV_MUST_USE sv_status sv_triton_dtype(sv_triton_reader *r, sv_dtype *out);
/* Adds a dimension to a shape; rank -1: there was none yet. */
SV_MUST_USE sv_status sv_triton_dim(sv_triton_reader *r, int64_t least, int32_t *rank,
                                    int64_t *dim);

/* Makes room for one more element of an array in the reader's arena. */
SV_MUST_USE sv_status sv_triton_grow(sv_triton_reader *r, void *array, uint32_t *room,
                                     uint32_t count, size_t size);
SV_MUST_USE sv_status sv_triton_warn(sv_triton_reader *r, const char *what);
SV_MUST_USE sv_status sv_triton_no_memory(size_t size);

/* Fields of the model, in files of their own; `into` is not used. */
SV_MUST_USE sv_status sv_triton_input(sv_triton_reader *r, void *into);
SV_MUST_USE sv_status sv_triton_output(sv_triton_reader *r, void *into);
SV_MUST_USE sv_status sv_triton_parameter(sv_triton_reader *r, void *into);
SV_MUST_USE sv_status sv_triton_warmup(sv_triton_reader *r, void *into);

#endif
