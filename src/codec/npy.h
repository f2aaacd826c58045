/* NumPy's .npy files, versions 1 to 3 (numpy.lib.format), little-endian.
 *
 * Types that NumPy itself does not know (bfloat16, the 8-bit floats, 4 and 2 bits) have no form in
 * them: numpy.save writes such arrays as raw "V", which says no type. */
#ifndef SV_CODEC_NPY_H
#define SV_CODEC_NPY_H

#include "base/reader.h"
#include "base/text.h"
#include "tensor/tensor.h"

/* Reads one array; the reader then stands behind it. The tensor lies in the arena, in C order
 * whatever the file's; fixed-width strings ("S", "U") lose the zeros at their end, "U" becomes
 * UTF-8. Memory is taken from the reader's budget once the file is seen to hold the elements.
 * Errors: INVALID_ARGUMENT with the byte; UNIMPLEMENTED for structured types, objects, big-endian.
 */
SV_MUST_USE sv_status sv_npy_read(sv_reader *reader, sv_arena *arena, sv_tensor *out);

/* Appends a file of version 1. Strings are written as "U", or as "S" when one is not UTF-8.
 * UNIMPLEMENTED names a type that NumPy does not know. */
SV_MUST_USE sv_status sv_npy_write(sv_text *text, const sv_tensor *tensor);

#endif
