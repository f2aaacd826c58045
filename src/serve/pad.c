/* The arithmetic of padded runs, and their copies. */
#include "serve/pad.h"

#include <string.h>

#define MOST_PADDING 4 /* a run is at most so many times what its members bring */

bool sv_pad_lengths(const sv_request *request, sv_lengths *out)
{
    const sv_padding *padding = request->version->padding;
    *out = (sv_lengths){{0}};
    for (size_t i = 0; padding && i < padding->inputs; i++) {
        const sv_padded_port *port = &padding->input[i];
        for (int32_t axis = 1; port->any && axis < port->rank; axis++) {
            int64_t found = request->input[i].buffer.dim[axis];
            if (port->length[axis] < 0) continue;
            int64_t *known = &out->of[port->length[axis]];
            if (found <= 0 || (*known && *known != found)) return false;
            *known = found;
        }
    }
    return true;
}

void sv_lengths_raise(sv_lengths *lengths, const sv_lengths *other)
{
    for (size_t i = 0; i < SV_PAD_LENGTHS; i++) {
        if (other->of[i] > lengths->of[i]) lengths->of[i] = other->of[i];
    }
}

/* SIZE_MAX: more than can be. */
static size_t port_bytes(const sv_padded_port *port, int64_t rows, const sv_lengths *lengths)
{
    size_t bytes;
    if (__builtin_mul_overflow(port->row_bytes, (size_t)rows, &bytes)) return SIZE_MAX;
    for (int32_t axis = 1; axis < port->rank; axis++) {
        if (port->length[axis] < 0) continue;
        if (__builtin_mul_overflow(bytes, (size_t)lengths->of[port->length[axis]], &bytes))
            return SIZE_MAX;
    }
    return bytes;
}

static size_t bytes_at(const sv_padding *padding, int64_t rows, const sv_lengths *lengths)
{
    size_t bytes = 0;
    for (size_t i = 0; i < padding->inputs; i++) {
        size_t more = port_bytes(&padding->input[i], rows, lengths);
        if (__builtin_add_overflow(bytes, more, &bytes)) return SIZE_MAX;
    }
    return bytes;
}

sv_lengths sv_extent_target(const sv_padding *padding, const sv_extent *extent)
{
    sv_lengths target = extent->most;
    int64_t bucket = padding->bucket;
    for (size_t i = 0; bucket > 1 && i < padding->lengths; i++) {
        int64_t rest = target.of[i] % bucket;
        int64_t up;
        if (rest && !__builtin_add_overflow(target.of[i], bucket - rest, &up)) target.of[i] = up;
    }
    return target;
}

size_t sv_extent_padded_bytes(const sv_padding *padding, const sv_extent *extent)
{
    sv_lengths target = sv_extent_target(padding, extent);
    return bytes_at(padding, extent->rows, &target);
}

bool sv_extent_is_mostly_padding(const sv_padding *padding, const sv_extent *extent)
{
    return bytes_at(padding, extent->rows, &extent->most) / MOST_PADDING > extent->bytes;
}

void sv_pad_shape(const sv_padded_port *port, const sv_lengths *lengths, sv_buffer *buffer)
{
    buffer->size = port->element;
    for (int32_t axis = 0; axis < buffer->rank; axis++) {
        if (port->length[axis] >= 0) buffer->dim[axis] = lengths->of[port->length[axis]];
        buffer->size *= (size_t)buffer->dim[axis];
    }
}

bool sv_pad_has(const sv_padded_port *port, const sv_lengths *lengths, const sv_buffer *buffer)
{
    if (buffer->rank != port->rank) return false;
    for (int32_t axis = 1; axis < port->rank; axis++) {
        if (port->length[axis] >= 0 && buffer->dim[axis] != lengths->of[port->length[axis]])
            return false;
    }
    return true;
}

/* ---- copies --------------------------------------------------------------------------------- */

/* The last axis in which the shapes differ: from it on, a row of it is one piece in both. */
static int32_t last_difference(const sv_buffer *a, const sv_buffer *b)
{
    int32_t axis = a->rank - 1;
    while (axis > 0 && a->dim[axis] == b->dim[axis])
        axis--;
    return axis;
}

static size_t piece_bytes(const sv_buffer *buffer, int32_t axis, size_t element)
{
    size_t bytes = element;
    for (int32_t i = axis; i < buffer->rank; i++)
        bytes *= (size_t)buffer->dim[i];
    return bytes;
}

/* Where a piece lies, in pieces. */
static size_t place_of(const sv_buffer *buffer, const int64_t *index, int32_t axis)
{
    size_t place = 0;
    for (int32_t i = 0; i < axis; i++)
        place = place * (size_t)buffer->dim[i] + (size_t)index[i];
    return place;
}

/* The next index below the shape of `box`; false: that was the last. */
static bool step(int64_t *index, int32_t axis, const sv_buffer *box)
{
    while (axis-- > 0) {
        if (++index[axis] < box->dim[axis]) return true;
        index[axis] = 0;
    }
    return false;
}

/* Copies all that lies in the shape of `small`, one of the two. */
static void copy_box(size_t element, const sv_buffer *small, const sv_buffer *from,
                     const sv_buffer *to)
{
    int32_t axis = last_difference(from, to);
    size_t from_piece = piece_bytes(from, axis, element);
    size_t to_piece = piece_bytes(to, axis, element);
    size_t piece = from_piece < to_piece ? from_piece : to_piece;
    int64_t index[SV_MAX_RANK] = {0};
    if (!small->size) return;
    do {
        memcpy((char *)to->data + place_of(to, index, axis) * to_piece,
               (const char *)from->data + place_of(from, index, axis) * from_piece, piece);
    } while (step(index, axis, small));
}

/* Repeats the first element; what is there is doubled until it is all. */
static void spread(const uint8_t *value, size_t element, char *to, size_t size)
{
    size_t done = element < size ? element : size;
    memcpy(to, value, done);
    while (done < size) {
        size_t more = done < size - done ? done : size - done;
        memcpy(to + done, to, more);
        done += more;
    }
}

void sv_pad_fill(const sv_padded_port *port, const sv_buffer *from, const sv_buffer *to)
{
    if (from->size != to->size) spread(port->value, port->element, to->data, to->size);
    copy_box(port->element, from, from, to);
}

void sv_pad_cut(const sv_padded_port *port, const sv_buffer *from, const sv_buffer *to)
{
    copy_box(port->element, to, from, to);
}
