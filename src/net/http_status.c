/* The table of HTTP's status codes that are in use. */
#include "net/http_status.h"

#include <stddef.h>

int sv_http_from_code(sv_code code)
{
    switch (code) {
    case SV_CODE_OK:
        return 200;
    case SV_CODE_INVALID_ARGUMENT:
    case SV_CODE_FAILED_PRECONDITION:
    case SV_CODE_OUT_OF_RANGE:
        return 400;
    case SV_CODE_UNAUTHENTICATED:
        return 401;
    case SV_CODE_PERMISSION_DENIED:
        return 403;
    case SV_CODE_NOT_FOUND:
        return 404;
    case SV_CODE_ALREADY_EXISTS:
    case SV_CODE_ABORTED:
        return 409;
    case SV_CODE_RESOURCE_EXHAUSTED:
        return 429;
    case SV_CODE_CANCELLED:
        return 499;
    case SV_CODE_UNIMPLEMENTED:
        return 501;
    case SV_CODE_UNAVAILABLE:
        return 503;
    case SV_CODE_DEADLINE_EXCEEDED:
        return 504;
    case SV_CODE_UNKNOWN:
    case SV_CODE_INTERNAL:
    case SV_CODE_DATA_LOSS:
        return 500;
    }
    return 500;
}

const char *sv_http_reason(int http)
{
    static const struct {
        int http;
        const char *reason;
    } rows[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {499, "Client Closed Request"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].http == http) return rows[i].reason;
    return "Unknown";
}
