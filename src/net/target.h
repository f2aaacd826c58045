/* What a request asks for: method, target, path, host. Shared by the protocols, so that all of them
 * accept and refuse the same. Private to this folder. */
#ifndef SV_NET_TARGET_H
#define SV_NET_TARGET_H

#include "net/exchange.h"

/* Views into the text that was parsed. */
typedef struct sv_target {
    sv_string path, query; /* still encoded; the query without its '?' */
    sv_string authority;   /* of an absolute target, else empty */
} sv_target;

/* SV_METHOD_OTHER for one that is not in the table. */
sv_method sv_method_find(sv_string name);
/* A host with or without a port: names, addresses, literals in brackets. */
bool sv_target_is_authority(sv_string text);
/* Takes a request's target apart. NULL when it is good, else what is wrong with it (static). */
const char *sv_target_parse(sv_string text, sv_method method, sv_target *out);

/* How many segments a path has at most. */
size_t sv_target_segments(sv_string path);
/* Splits a path at '/' and decodes each segment by itself, so that an encoded slash divides
 * nothing. There is room for sv_target_segments of them, and in `decoded`, where their texts go,
 * for as many bytes as `path` has. INVALID_ARGUMENT for a bad escape or one that stands for NUL. */
SV_MUST_USE sv_status sv_target_split(sv_string path, sv_string *segments, uint32_t *count,
                                      char *decoded);

#endif
