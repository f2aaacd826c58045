/* The HTTP/1.1 reader without any I/O: bytes in, events out (RFC 9110 and 9112, read strictly).
 *
 * Written by hand because it must be one bounded state machine: whatever two readers could disagree
 * about (the ground of request smuggling) is refused, a body goes to memory that the caller
 * chooses, and a connection can be handed to another protocol. Externally synchronised; never
 * allocates. Connections, exchanges and answers do not belong here. */
#ifndef SV_NET_HTTP1_H
#define SV_NET_HTTP1_H

#include "net/exchange.h"

#define SV_HTTP1_MAX_FIELDS 64
#define SV_HTTP1_LINE_MAX 256     /* a chunk's size line, extensions included */
#define SV_HTTP1_TRAILER_MAX 4096 /* all trailer lines together */

typedef enum sv_http1_state {
    SV_HTTP1_HEAD,
    SV_HTTP1_FIXED,
    SV_HTTP1_CHUNK_SIZE,
    SV_HTTP1_CHUNK_DATA,
    SV_HTTP1_CHUNK_END,
    SV_HTTP1_TRAILER,
    SV_HTTP1_WAIT, /* a message is complete; sv_http1_next_message goes on */
    SV_HTTP1_BAD,  /* a framing error; nothing is read any more */
} sv_http1_state;

typedef enum sv_http1_event {
    SV_HTTP1_MORE,     /* nothing: more bytes are needed */
    SV_HTTP1_GOT_HEAD, /* `consumed` bytes are a head: copy them, then call sv_http1_parse_head */
    SV_HTTP1_GOT_DATA, /* `data`, `size`: a piece of the body */
    SV_HTTP1_GOT_END,  /* the message is complete */
    SV_HTTP1_GOT_ERROR /* error_http and error_message say what; the connection must be closed */
} sv_http1_event;

typedef struct sv_http1_limits {
    uint32_t head_bytes;  /* 431 beyond */
    uint32_t head_fields; /* 431 beyond; at most SV_HTTP1_MAX_FIELDS */
    uint64_t body_bytes;  /* 413 beyond, at the head if it says so */
} sv_http1_limits;

typedef struct sv_http1_reader {
    sv_http1_limits limits;
    sv_http1_state state;
    uint32_t scanned;          /* bytes of the head that need not be looked at again */
    uint32_t line;             /* where in the head the current line starts */
    uint32_t count;            /* lines of the head; bytes of the current size line, or of the
                                  trailer */
    uint32_t digits;           /* of the chunk size so far */
    uint8_t step;              /* within the current line */
    uint64_t left;             /* bytes of the body, or of the chunk, still to come */
    uint64_t body;             /* bytes of the body so far */
    int error_http;            /* 400, 413, 414, 431, 501, 505 */
    const char *error_message; /* static; names what is wrong and what was expected */
} sv_http1_reader;

/* A head. The views point into the memory given to sv_http1_parse_head. */
typedef struct sv_http1_head {
    sv_head base; /* without segments; headers are the caller's */
    sv_string content_encoding;
    uint8_t minor; /* of HTTP/1.x */
    bool keep;     /* the connection may carry another request */
    bool chunked;
    bool has_length;
    bool expect_continue;
    bool expect_unknown; /* an expectation that is not "100-continue": 417 */
    uint64_t length;     /* 0 without Content-Length */
} sv_http1_head;

void sv_http1_init(sv_http1_reader *reader, const sv_http1_limits *limits);

/* Reads on. `data` are the bytes not consumed so far, followed by whatever is new: while a head is
 * incomplete nothing is consumed, so the caller keeps it contiguous (it is at most head_bytes
 * long), and earlier bytes are not looked at twice. Sets *consumed; for GOT_DATA also *piece and
 * *size, within `data`. To be called again until it says MORE, GOT_END or GOT_ERROR. */
sv_http1_event sv_http1_read(sv_http1_reader *reader, const uint8_t *data, size_t size,
                             size_t *consumed, const uint8_t **piece, size_t *piece_size);

/* Parses the head that GOT_HEAD announced, once, and readies the reader for the body. `bytes` is
 * the caller's copy; `fields` has room for as many as the reader has counted lines (reader->count),
 * never over SV_HTTP1_MAX_FIELDS + 1. False: reader->error_* are set; `out` holds what was
 * understood before the error (for a log). A body over the limit is an error here (413) that leaves
 * the framing intact: the reader then goes on and can skip the body. Empty lines before the head
 * are skipped. */
bool sv_http1_parse_head(sv_http1_reader *reader, const char *bytes, size_t size, sv_header *fields,
                         sv_http1_head *out);

/* Is `text`, a whole head, what comes next? True only where a head is due and nothing of it has
 * been read. */
bool sv_http1_repeats(const sv_http1_reader *reader, const uint8_t *data, size_t size,
                      sv_string text);
/* Readies the reader for the body of a head that was parsed before, in place of
 * sv_http1_parse_head; the same error. */
bool sv_http1_start_body(sv_http1_reader *reader, const sv_http1_head *head);

/* Bytes of the body that may be written to memory of the caller's choice, without sv_http1_read, as
 * the next bytes of the connection: what is left of a fixed body or a chunk; 0 in other states.
 * After `size` of them were so taken, sv_http1_take says so; true: the message is complete. */
uint64_t sv_http1_direct(const sv_http1_reader *reader);
bool sv_http1_take(sv_http1_reader *reader, size_t size);

/* Leaves SV_HTTP1_WAIT for the head of the next message. */
void sv_http1_next_message(sv_http1_reader *reader);

/* Percent-decodes `text` into `out`, which has room for text.size bytes (and may be text.data).
 * False for a bad escape or one that stands for NUL. */
bool sv_http1_decode(sv_string text, char *out, size_t *out_size);

#endif
