/* What a gRPC status says in a form for programs: google.rpc.Status in grpc-status-details-bin
 * (https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto). Private to
 * this folder. */
#ifndef SV_NET_GRPC_DETAILS_H
#define SV_NET_GRPC_DETAILS_H

#include "base/arena.h"

/* Longer messages go without details: clients refuse heads of over 8 KiB, and the message stands in
 * grpc-message, in the status and in the field's violation. */
#define SV_GRPC_DETAILS_MESSAGE 1024

/* The header's value, base64 in `arena`, with
 * - ErrorInfo: the code's name, domain "serval";
 * - BadRequest for INVALID_ARGUMENT whose message says "input 'NAME': ...": that field;
 * - RetryInfo where `retry_after` (seconds) is not 0, for RESOURCE_EXHAUSTED and UNAVAILABLE.
 * NULL when memory is out, and for messages that are too long or no UTF-8: as a field of protobuf
 * such a text would make the whole status unreadable. */
const char *sv_grpc_details(sv_arena *arena, sv_code code, const char *message,
                            uint32_t retry_after);

#endif
