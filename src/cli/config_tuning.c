/* The keys of a model in a configuration file that say how its runs are arranged. Most have the
 * names that they have in Triton's config.pbtxt. */
#include "base/status.h"
#include "cli/config_reader.h"
#include <stdlib.h>
#include <string.h>

#define MOST_COUNT 1000000
#define MOST_BUCKET 4096
#define MOST_US UINT64_C(3600000000) /* an hour */

static sv_status read_whole(sv_config_reader *r, uint64_t least, uint64_t most, uint64_t *out)
{
    static const char expected[] = "a whole number";
    const char *text;
    SV_TRY(sv_config_scalar(r, expected, &text));
    size_t size = strspn(text, "0123456789");
    if (size == 0 || size > 18 || text[size]) return sv_config_refuse(r, expected);
    uint64_t value = strtoull(text, NULL, 10);
    if (value < least) return sv_config_refuse(r, "a larger number");
    if (value > most) return sv_config_refuse(r, "a smaller number");
    *out = value;
    return SV_OK;
}

static sv_status read_count(sv_config_reader *r, uint64_t least, uint32_t *out)
{
    uint64_t value;
    SV_TRY(read_whole(r, least, MOST_COUNT, &value));
    *out = (uint32_t)value;
    return SV_OK;
}

static sv_status read_max_batch(sv_config_reader *r, sv_tuning *out)
{
    uint32_t rows;
    SV_TRY(read_count(r, 0, &rows));
    out->max_batch_rows = rows;
    out->no_batching = rows == 0;
    return SV_OK;
}

static sv_status read_preferred_size(sv_config_reader *r, sv_tuning *out)
{
    if (out->preferred_count == SV_TUNING_PREFERRED)
        return sv_config_refuse(r, "at most 16 preferred sizes");
    return read_count(r, 1, &out->preferred[out->preferred_count++]);
}

/* One size, or a list of them. */
static sv_status read_preferred(sv_config_reader *r, sv_tuning *out)
{
    out->batching = true;
    if (r->event.type != YAML_SEQUENCE_START_EVENT) return read_preferred_size(r, out);
    for (;;) {
        SV_TRY(sv_config_next(r));
        if (r->event.type == YAML_SEQUENCE_END_EVENT) return SV_OK;
        SV_TRY(read_preferred_size(r, out));
    }
}

static sv_status read_delay(sv_config_reader *r, sv_tuning *out)
{
    SV_TRY(read_whole(r, 0, MOST_US, &out->max_queue_delay_us));
    out->batching |= out->max_queue_delay_us > 0;
    return SV_OK;
}

static sv_status read_target(sv_config_reader *r, sv_tuning *out)
{
    static const char expected[] = "milliseconds from 0.1 to 3600000";
    const char *text;
    char *end;
    SV_TRY(sv_config_scalar(r, expected, &text));
    double ms = strtod(text, &end);
    if (*end || !(ms >= 0.1 && ms <= 3600000)) return sv_config_refuse(r, expected);
    out->latency_target_us = (uint64_t)(ms * 1000);
    out->batching = true;
    return SV_OK;
}

static sv_status read_max_requests(sv_config_reader *r, sv_tuning *out)
{
    return read_count(r, 1, &out->max_requests);
}

static sv_status read_instances(sv_config_reader *r, sv_tuning *out)
{
    return read_count(r, 1, &out->instances);
}

static sv_status read_levels(sv_config_reader *r, sv_tuning *out)
{
    return read_count(r, 0, &out->priority_levels);
}

static sv_status read_default_level(sv_config_reader *r, sv_tuning *out)
{
    return read_count(r, 1, &out->default_priority);
}

static sv_status read_queue_size(sv_config_reader *r, sv_tuning *out)
{
    return read_count(r, 0, &out->policy.max_size);
}

static sv_status read_timeout(sv_config_reader *r, sv_tuning *out)
{
    return read_whole(r, 0, MOST_US, &out->policy.timeout_us);
}

static sv_status read_choice(sv_config_reader *r, const char *expected, const char *no,
                             const char *yes, bool *out)
{
    const char *text;
    SV_TRY(sv_config_scalar(r, expected, &text));
    *out = strcmp(text, yes) == 0;
    return *out || strcmp(text, no) == 0 ? SV_OK : sv_config_refuse(r, expected);
}

static sv_status read_action(sv_config_reader *r, sv_tuning *out)
{
    return read_choice(r, "reject or delay", "reject", "delay", &out->policy.delays);
}

static sv_status read_override(sv_config_reader *r, sv_tuning *out)
{
    return read_choice(r, "true or false", "true", "false", &out->policy.fixed);
}

static sv_status read_order(sv_config_reader *r, sv_tuning *out)
{
    return read_choice(r, "true or false", "false", "true", &out->preserve_ordering);
}

static sv_status read_pad_name(sv_config_reader *r, const char *expected, char *out)
{
    const char *text;
    SV_TRY(sv_config_scalar(r, expected, &text));
    if (!*text || strlen(text) >= SV_TUNING_PAD_NAME) return sv_config_refuse(r, expected);
    memcpy(out, text, strlen(text) + 1);
    return SV_OK;
}

/* true, false, or a list of names of dimensions. */
static sv_status read_padding(sv_config_reader *r, sv_tuning *out)
{
    sv_pad_wish *pad = &out->pad;
    if (r->event.type != YAML_SEQUENCE_START_EVENT) {
        SV_TRY(read_choice(r, "true, false or a list of dimensions", "false", "true", &pad->on));
        out->batching |= pad->on;
        return SV_OK;
    }
    for (;;) {
        SV_TRY(sv_config_next(r));
        if (r->event.type == YAML_SEQUENCE_END_EVENT) break;
        if (pad->dims == SV_TUNING_PAD_DIMS) return sv_config_refuse(r, "at most 8 dimensions");
        SV_TRY(read_pad_name(r, "the name of a dimension", pad->dim[pad->dims++]));
    }
    if (!pad->dims) return sv_config_refuse(r, "the name of a dimension");
    out->batching = pad->on = true;
    return SV_OK;
}

static sv_status read_pad_value(sv_config_reader *r, double *out)
{
    static const char expected[] = "a number to pad with";
    const char *text;
    char *end;
    SV_TRY(sv_config_next(r));
    SV_TRY(sv_config_scalar(r, expected, &text));
    *out = strtod(text, &end);
    return *end || end == text ? sv_config_refuse(r, expected) : SV_OK;
}

/* {input: number}. */
static sv_status read_pad_values(sv_config_reader *r, sv_tuning *out)
{
    sv_pad_wish *pad = &out->pad;
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return sv_config_refuse(r, "a mapping from inputs to numbers");
    for (;;) {
        SV_TRY(sv_config_next(r));
        if (r->event.type == YAML_MAPPING_END_EVENT) return SV_OK;
        if (pad->values == SV_TUNING_PAD_VALUES_MAX)
            return sv_config_refuse(r, "at most 16 inputs");
        sv_pad_value *value = &pad->value[pad->values++];
        SV_TRY(read_pad_name(r, "the name of an input", value->input));
        SV_TRY(read_pad_value(r, &value->value));
    }
}

static sv_status read_pad_bucket(sv_config_reader *r, sv_tuning *out)
{
    uint64_t bucket;
    SV_TRY(read_whole(r, 1, MOST_BUCKET, &bucket));
    out->pad.bucket = (uint32_t)bucket;
    return SV_OK;
}

static const struct tuning_key {
    const char *name;
    sv_tuning_field field;
    sv_status (*read)(sv_config_reader *r, sv_tuning *out);
} keys[] = {
    {"allow_timeout_override", SV_TUNING_TIMEOUT_OVERRIDE, read_override},
    {"default_priority_level", SV_TUNING_DEFAULT_LEVEL, read_default_level},
    {"default_timeout_microseconds", SV_TUNING_TIMEOUT, read_timeout},
    {"instances", SV_TUNING_INSTANCES, read_instances},
    {"latency_target_ms", SV_TUNING_TARGET, read_target},
    {"max_batch_size", SV_TUNING_MAX_BATCH, read_max_batch},
    {"max_queue_delay_microseconds", SV_TUNING_DELAY, read_delay},
    {"max_queue_size", SV_TUNING_QUEUE_SIZE, read_queue_size},
    {"max_requests", SV_TUNING_MAX_REQUESTS, read_max_requests},
    {"pad_bucket", SV_TUNING_PAD_BUCKET, read_pad_bucket},
    {"pad_values", SV_TUNING_PAD_VALUES, read_pad_values},
    {"pad_variable_length_inputs", SV_TUNING_PAD, read_padding},
    {"preferred_batch_size", SV_TUNING_PREFERRED_SIZES, read_preferred},
    {"preserve_ordering", SV_TUNING_ORDER, read_order},
    {"priority_levels", SV_TUNING_PRIORITY_LEVELS, read_levels},
    {"timeout_action", SV_TUNING_TIMEOUT_ACTION, read_action},
};

sv_status sv_config_read_tuning(sv_config_reader *r, const char *key, sv_tuning *out, bool *known)
{
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(keys[i].name, key) != 0) continue;
        if (out->given >> keys[i].field & 1)
            return sv_config_refuse_at(r, sv_config_line(r), "each key once", "it twice");
        out->given |= 1u << keys[i].field;
        *known = true;
        SV_TRY(sv_config_next(r));
        return keys[i].read(r, out);
    }
    *known = false;
    return SV_OK;
}
