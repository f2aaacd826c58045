/* How runs are arranged, as the operator and a config.pbtxt say it together. What follows from it
 * is the service's matter. */
#include "base/status.h"
#include "store/config.h"
#include <stddef.h>
#include <string.h>

typedef struct tuning_part {
    sv_tuning_field field;
    size_t offset, size;
} tuning_part;

#define PART(field, member)                                                                        \
    {                                                                                              \
        field, offsetof(sv_tuning, member), sizeof(((sv_tuning *)0)->member)                       \
    }

static const tuning_part parts[] = {
    PART(SV_TUNING_MAX_BATCH, max_batch_rows),
    PART(SV_TUNING_MAX_BATCH, no_batching),
    PART(SV_TUNING_PREFERRED_SIZES, preferred),
    PART(SV_TUNING_PREFERRED_SIZES, preferred_count),
    PART(SV_TUNING_DELAY, max_queue_delay_us),
    PART(SV_TUNING_TARGET, latency_target_us),
    PART(SV_TUNING_MAX_REQUESTS, max_requests),
    PART(SV_TUNING_INSTANCES, instances),
    PART(SV_TUNING_PRIORITY_LEVELS, priority_levels),
    PART(SV_TUNING_DEFAULT_LEVEL, default_priority),
    PART(SV_TUNING_QUEUE_SIZE, policy.max_size),
    PART(SV_TUNING_TIMEOUT, policy.timeout_us),
    PART(SV_TUNING_TIMEOUT_ACTION, policy.delays),
    PART(SV_TUNING_TIMEOUT_OVERRIDE, policy.fixed),
    PART(SV_TUNING_PAD, pad.on),
    PART(SV_TUNING_PAD, pad.dims),
    PART(SV_TUNING_PAD, pad.dim),
    PART(SV_TUNING_PAD_VALUES, pad.values),
    PART(SV_TUNING_PAD_VALUES, pad.value),
    PART(SV_TUNING_PAD_BUCKET, pad.bucket),
    PART(SV_TUNING_ORDER, preserve_ordering),
};
#define PARTS (sizeof parts / sizeof parts[0])

static bool is_given(const sv_tuning *said, const tuning_part *part)
{
    return said->given >> part->field & 1;
}

void sv_tuning_override(sv_tuning *tuning, const sv_tuning *said)
{
    for (size_t i = 0; i < PARTS; i++) {
        if (!is_given(said, &parts[i])) continue;
        memcpy((char *)tuning + parts[i].offset, (const char *)said + parts[i].offset,
               parts[i].size);
    }
    tuning->batching |= said->batching;
    tuning->given |= said->given;
}

uint64_t sv_tuning_signature(const sv_tuning *said)
{
    /* FNV-1a (Fowler, Noll, Vo) over the given parts only: others may hold anything. */
    uint64_t hash = UINT64_C(0xCBF29CE484222325) ^ said->given;
    if (!said->given) return 0;
    for (size_t i = 0; i < PARTS; i++) {
        const uint8_t *at = (const uint8_t *)said + parts[i].offset;
        if (!is_given(said, &parts[i])) continue;
        for (size_t n = 0; n < parts[i].size; n++)
            hash = (hash ^ at[n]) * UINT64_C(0x100000001B3);
    }
    return hash ? hash : 1;
}

const sv_queue_policy *sv_tuning_policy(const sv_tuning *tuning, uint32_t level)
{
    if (level && level <= SV_TUNING_LEVELS && tuning->level_policies >> (level - 1) & 1)
        return &tuning->level_policy[level - 1];
    return &tuning->policy;
}

/* As Triton has it: the order in which requests run must be that in which they came. */
static sv_status check_order(const sv_tuning *tuning, const char *name)
{
    bool delays = tuning->policy.delays;
    if (!tuning->preserve_ordering) return SV_OK;
    if (tuning->priority_levels > 1) {
        return sv_error_invalid("model '%s': expected one priority level beside preserve_ordering, "
                                "found %u",
                                name, (unsigned)tuning->priority_levels);
    }
    for (uint32_t i = 0; i < SV_TUNING_LEVELS; i++)
        delays |= tuning->level_policies >> i & 1 && tuning->level_policy[i].delays;
    if (!delays) return SV_OK;
    return sv_error_invalid("model '%s': expected the timeout action to be reject beside "
                            "preserve_ordering, found delay",
                            name);
}

sv_status sv_tuning_check(const sv_tuning *tuning, const char *name)
{
    uint32_t levels = tuning->priority_levels;
    if (levels > SV_TUNING_LEVELS) {
        return sv_error_invalid("model '%s': expected at most %d priority levels, found %u", name,
                                SV_TUNING_LEVELS, (unsigned)levels);
    }
    if (tuning->default_priority > levels) {
        return sv_error_invalid("model '%s': expected a default priority of at most %u, found %u",
                                name, (unsigned)levels, (unsigned)tuning->default_priority);
    }
    if (levels && !tuning->default_priority) {
        return sv_error_invalid(
            "model '%s': expected a default priority level from 1 to %u, found none", name,
            (unsigned)levels);
    }
    SV_TRY(check_order(tuning, name));
    if (!tuning->pad.on && (tuning->pad.values || tuning->pad.bucket)) {
        return sv_error_invalid("model '%s': expected pad_variable_length_inputs beside pad_values "
                                "or pad_bucket, found none",
                                name);
    }
    for (uint32_t i = 0; tuning->max_batch_rows && i < tuning->preferred_count; i++) {
        if (tuning->preferred[i] <= tuning->max_batch_rows) continue;
        return sv_error_invalid(
            "model '%s': expected preferred batch sizes of at most %lld, found %u", name,
            (long long)tuning->max_batch_rows, (unsigned)tuning->preferred[i]);
    }
    return SV_OK;
}
