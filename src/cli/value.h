/* Values in files: read as a model's input wants them, written as people and tests want them.
 *
 * The formats themselves are codecs; here is the choice by a file's ending, and printing. */
#ifndef SV_CLI_VALUE_H
#define SV_CLI_VALUE_H

#include "base/text.h"
#include "tensor/datum.h"
#include <serval/serval.h>

typedef enum sv_value_format { SV_FORMAT_NPY, SV_FORMAT_PB, SV_FORMAT_JSON } sv_value_format;

/* "npy", "pb" or "json". */
SV_MUST_USE sv_status sv_value_format_parse(const char *name, sv_value_format *out);
const char *sv_value_format_name(sv_value_format format);

/* Reads a .npy, .pb or .json file; `port` says what a file that has no types means. Memory comes
 * from the arena. */
SV_MUST_USE sv_status sv_value_read(const char *path, const sv_port *port, sv_arena *arena,
                                    sv_datum *out);

/* Appends the bytes of a file of that format. `name` is the value's name. */
SV_MUST_USE sv_status sv_value_encode(sv_value_format format, const char *name,
                                      const sv_datum *value, sv_text *out);

/* "float32[1,10] 0.1 0.2 0.3 ..." in one line. */
void sv_value_summary(const sv_datum *value, sv_text *out);

#endif
