/* Padding: what a run comes to when members of several lengths share it, and the copies that join
 * and cut them.
 *
 * For the core's own files. Which axes are padded, and with what, is store/padding.h's matter. */
#ifndef SV_SERVE_PAD_H
#define SV_SERVE_PAD_H

#include "serve/request.h"
#include "store/padding.h"

typedef struct sv_lengths {
    int64_t of[SV_PAD_LENGTHS];
} sv_lengths;

/* What a run's inputs come to. */
typedef struct sv_extent {
    int64_t rows;
    size_t bytes;    /* as they came */
    sv_lengths most; /* of each length, the members' longest; zeros where nothing is padded */
} sv_extent;

/* The lengths of a request's inputs, all of which are given. False: axes that have one name differ,
 * or one is empty, so that it must run alone. */
bool sv_pad_lengths(const sv_request *request, sv_lengths *out);

/* Each is the longer of two. */
void sv_lengths_raise(sv_lengths *lengths, const sv_lengths *other);
/* The lengths that all members get, where members are padded. */
sv_lengths sv_extent_target(const sv_padding *padding, const sv_extent *extent);
/* For versions that pad, what the two below are for all. */
size_t sv_extent_padded_bytes(const sv_padding *padding, const sv_extent *extent);
bool sv_extent_is_mostly_padding(const sv_padding *padding, const sv_extent *extent);

/* Adds what comes to a run. */
static inline void sv_extent_add(const sv_served *version, sv_extent *sum, const sv_extent *more)
{
    sum->rows += more->rows;
    sum->bytes += more->bytes;
    if (version->padding) sv_lengths_raise(&sum->most, &more->most);
}

/* The bytes of all inputs with their padding; SIZE_MAX where there is no such number. */
static inline size_t sv_extent_bytes(const sv_served *version, const sv_extent *extent)
{
    return version->padding ? sv_extent_padded_bytes(version->padding, extent) : extent->bytes;
}

/* Whether most of the run would be padding: a long member must not make many short ones long. */
static inline bool sv_extent_wastes(const sv_served *version, const sv_extent *extent)
{
    return version->padding && sv_extent_is_mostly_padding(version->padding, extent);
}

/* Gives the padded axes of a buffer's shape these lengths, and `size` what follows. */
void sv_pad_shape(const sv_padded_port *port, const sv_lengths *lengths, sv_buffer *buffer);
/* Whether an output has these lengths where it is to be cut. */
bool sv_pad_has(const sv_padded_port *port, const sv_lengths *lengths, const sv_buffer *buffer);
/* Writes `from`, row-major, to the start of each axis of `to`, whose data has room for its larger
 * shape of the same rank, and the port's value everywhere else. */
void sv_pad_fill(const sv_padded_port *port, const sv_buffer *from, const sv_buffer *to);
/* The other way: what of `from` lies within the smaller shape of `to`. */
void sv_pad_cut(const sv_padded_port *port, const sv_buffer *from, const sv_buffer *to);

#endif
