/* google.rpc.Status and its details, written as they are sent. */
#include "net/grpc_details.h"

#include "base/text.h"
#include "base/base64.h"
#include "wire/protobuf.h"

#include <string.h>

#define TYPE(name) "type.googleapis.com/google.rpc." name
#define INPUT "input '"

enum { STATUS_CODE = 1, STATUS_MESSAGE = 2, STATUS_DETAILS = 3 };
enum { ANY_TYPE = 1, ANY_VALUE = 2 };
enum { INFO_REASON = 1, INFO_DOMAIN = 2 };
enum { BAD_REQUEST_VIOLATION = 1, VIOLATION_FIELD = 1, VIOLATION_DESCRIPTION = 2 };
enum { RETRY_DELAY = 1, DURATION_SECONDS = 1 };

/* A detail that is begun: an Any within the status. */
typedef struct detail {
    size_t any, value;
} detail;

static detail begin(sv_text *out, const char *type)
{
    detail d;
    d.any = sv_pb_begin(out, STATUS_DETAILS);
    sv_pb_put_text(out, ANY_TYPE, type);
    d.value = sv_pb_begin(out, ANY_VALUE);
    return d;
}

static void end(sv_text *out, detail d)
{
    sv_pb_end(out, d.value);
    sv_pb_end(out, d.any);
}

static void put_info(sv_text *out, sv_code code)
{
    detail d = begin(out, TYPE("ErrorInfo"));
    sv_pb_put_text(out, INFO_REASON, sv_code_name(code));
    sv_pb_put_text(out, INFO_DOMAIN, "serval");
    end(out, d);
}

/* The input that a message is about: all of them say "input 'NAME': " then. */
static bool find_input(const char *message, sv_string *name, const char **description)
{
    const char *at = strstr(message, INPUT);
    if (!at || (at > message && at[-1] != ' ')) return false;
    name->data = at + strlen(INPUT);
    const char *close = strstr(name->data, "': ");
    if (!close || close == name->data) return false;
    name->size = (size_t)(close - name->data);
    *description = close + strlen("': ");
    return true;
}

static void put_violation(sv_text *out, const char *message)
{
    sv_string name;
    const char *description;
    if (!find_input(message, &name, &description)) return;
    detail d = begin(out, TYPE("BadRequest"));
    size_t violation = sv_pb_begin(out, BAD_REQUEST_VIOLATION);
    sv_pb_put_bytes(out, VIOLATION_FIELD, name.data, name.size);
    sv_pb_put_text(out, VIOLATION_DESCRIPTION, description);
    sv_pb_end(out, violation);
    end(out, d);
}

static void put_retry(sv_text *out, uint32_t seconds)
{
    detail d = begin(out, TYPE("RetryInfo"));
    size_t delay = sv_pb_begin(out, RETRY_DELAY);
    sv_pb_put_int(out, DURATION_SECONDS, seconds);
    sv_pb_end(out, delay);
    end(out, d);
}

/* Without padding, which gRPC's senders leave out. */
static const char *encode_base64(sv_arena *arena, const sv_text *bytes)
{
    sv_text text;
    sv_text_init(&text, NULL);
    sv_base64_write(&text, bytes->data, bytes->size);
    while (text.size && text.data[text.size - 1] == '=')
        text.size--;
    const char *out = text.failed ? NULL : sv_arena_copy_text(arena, text.data, text.size);
    sv_text_release(&text);
    return out;
}

const char *sv_grpc_details(sv_arena *arena, sv_code code, const char *message,
                            uint32_t retry_after)
{
    sv_text text;
    size_t size = strlen(message);
    if (size > SV_GRPC_DETAILS_MESSAGE || !sv_utf8_valid((sv_string){message, size})) return NULL;
    sv_text_init(&text, NULL);
    sv_pb_put_int(&text, STATUS_CODE, code);
    if (size) sv_pb_put_text(&text, STATUS_MESSAGE, message);
    put_info(&text, code);
    if (code == SV_CODE_INVALID_ARGUMENT) put_violation(&text, message);
    bool later = code == SV_CODE_RESOURCE_EXHAUSTED || code == SV_CODE_UNAVAILABLE;
    if (later && retry_after) put_retry(&text, retry_after);
    const char *out = text.failed ? NULL : encode_base64(arena, &text);
    sv_text_release(&text);
    return out;
}
