/* Calls about regions, from JSON and messages, and back. */
#include "front/oip/sharing.h"

#include "base/status.h"
#include "front/common.h"
#include "front/messages.h"
#include "front/oip/fields.h"

/* What a call says about a region. */
typedef struct sharing {
    sv_regions *regions;
    sv_string name, key; /* borrowed */
    uint64_t offset, size;
} sharing;

/* What is asked for, but for the answer's form: true when the answer is a list of regions. */
static sv_status share(const sharing *s, sv_oip_sharing what, bool *lists)
{
    *lists = what == SV_OIP_SHARING_STATUS || what == SV_OIP_CUDA_STATUS;
    if (what == SV_OIP_SHARING_REGISTER)
        return sv_regions_add(s->regions, s->name, s->key, s->offset, s->size);
    if (what == SV_OIP_SHARING_UNREGISTER) sv_regions_remove(s->regions, s->name);
    if (what != SV_OIP_CUDA_REGISTER) return SV_OK;
    return sv_error_invalid(
        "region '%.*s': expected one of the system's memory, found one of CUDA, "
        "which is not served",
        (int)(s->name.size < 128 ? s->name.size : 128), s->name.data ? s->name.data : "");
}

/* The regions that a status is about; of CUDA there are none. */
static sv_status list(const sharing *s, sv_oip_sharing what, sv_arena *arena, sv_region_info **out,
                      size_t *count)
{
    *count = 0;
    *out = NULL;
    if (what == SV_OIP_SHARING_STATUS)
        return sv_regions_list(s->regions, s->name, arena, out, count);
    if (!s->name.size) return SV_OK;
    return sv_error(SV_CODE_NOT_FOUND, "shared memory: expected no region of CUDA, found '%.*s'",
                    (int)(s->name.size < 128 ? s->name.size : 128), s->name.data);
}

typedef void put_list(const sv_region_info *info, size_t count, sv_text *out);

/* The answer's body. */
static sv_status write_answer(const sharing *s, sv_oip_sharing what, put_list *put, sv_text *out)
{
    sv_arena arena;
    sv_region_info *info;
    size_t count;
    bool lists;
    SV_TRY(share(s, what, &lists));
    if (!lists) return SV_OK;
    sv_arena_init(&arena, NULL);
    sv_status status = list(s, what, &arena, &info, &count);
    if (status == SV_OK) put(info, count, out);
    sv_arena_release(&arena);
    return status;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static sv_status read_size(sv_json *json, void *into)
{
    return sv_json_u64(json, &((sharing *)into)->size);
}

static sv_status read_key(sv_json *json, void *into)
{
    return sv_json_string(json, &((sharing *)into)->key);
}

static sv_status read_offset(sv_json *json, void *into)
{
    return sv_json_u64(json, &((sharing *)into)->offset);
}

static sv_status read_body(const sv_call *call, sv_string body, sharing *out)
{
    static const sv_json_member members[] = {
        {"byte_size", read_size}, {"key", read_key}, {"offset", read_offset}};
    return sv_front_members(call, body, members, 3, NULL, out, NULL);
}

static void put_json(const sv_region_info *info, size_t count, sv_text *out)
{
    sv_text_putc(out, '[');
    for (size_t i = 0; i < count; i++) {
        sv_text_puts(out, i ? ",{\"name\":" : "{\"name\":");
        sv_front_put_string(out, info[i].name);
        sv_text_puts(out, ",\"key\":");
        sv_front_put_string(out, info[i].key);
        sv_text_printf(out, ",\"offset\":%llu,\"byte_size\":%llu}",
                       (unsigned long long)info[i].offset, (unsigned long long)info[i].size);
    }
    sv_text_putc(out, ']');
}

sv_status sv_oip_share(sv_call *call, sv_oip_sharing what, sv_string body)
{
    sharing s = {.name = call->region};
    sv_text text;
    SV_TRY(sv_call_regions(call, &s.regions));
    if (what == SV_OIP_SHARING_REGISTER) SV_TRY(read_body(call, body, &s));
    sv_text_init(&text, NULL);
    sv_status status = write_answer(&s, what, put_json, &text);
    if (status == SV_OK && !text.size) sv_text_puts(&text, "{}");
    if (status == SV_OK) return sv_front_reply(call, 200, &text);
    sv_text_release(&text);
    return status;
}

/* ---- messages ------------------------------------------------------------------------------ */

/* All requests have the name first; those of CUDA are not read further. */
static sv_status read_message(sv_oip_sharing what, sv_string message, sharing *out)
{
    sv_budget budget;
    sv_reader reader;
    sv_pb_field field;
    bool registers = what == SV_OIP_SHARING_REGISTER;
    sv_message_begin(message, &budget, &reader);
    for (;;) {
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number == 0) return SV_OK;
        if (field.number == SV_OIP_REGION_NAME)
            SV_TRY(sv_message_text(&field, "name", &out->name));
        else if (registers && field.number == SV_OIP_REGION_KEY)
            SV_TRY(sv_message_text(&field, "key", &out->key));
        else if (registers && field.number == SV_OIP_REGION_OFFSET)
            SV_TRY(sv_pb_uint64(&field, "offset", &out->offset));
        else if (registers && field.number == SV_OIP_REGION_SIZE)
            SV_TRY(sv_pb_uint64(&field, "byte_size", &out->size));
    }
}

static void put_message(const sv_region_info *info, size_t count, sv_text *out)
{
    for (size_t i = 0; i < count; i++) {
        size_t entry = sv_pb_begin(out, SV_OIP_REGIONS);
        sv_pb_put_text(out, SV_OIP_ENTRY_KEY, info[i].name);
        size_t region = sv_pb_begin(out, SV_OIP_ENTRY_VALUE);
        sv_pb_put_text(out, SV_OIP_REGION_NAME, info[i].name);
        sv_pb_put_text(out, SV_OIP_REGION_KEY, info[i].key);
        sv_pb_put_int(out, SV_OIP_REGION_OFFSET, (int64_t)info[i].offset);
        sv_pb_put_int(out, SV_OIP_REGION_SIZE, (int64_t)info[i].size);
        sv_pb_end(out, region);
        sv_pb_end(out, entry);
    }
}

sv_status sv_oip_share_message(sv_call *call, sv_oip_sharing what, sv_string message)
{
    sharing s = {.name = {"", 0}};
    sv_text text;
    SV_TRY(sv_call_regions(call, &s.regions));
    SV_TRY(read_message(what, message, &s));
    sv_text_init(&text, NULL);
    sv_status status = write_answer(&s, what, put_message, &text);
    if (status == SV_OK) return sv_message_reply(call, &text);
    sv_text_release(&text);
    return status;
}
