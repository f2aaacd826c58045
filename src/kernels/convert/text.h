/* Numbers as text and back, by the rules of ONNX's Cast. Independent of the locale. */
#ifndef SV_KERNELS_CONVERT_TEXT_H
#define SV_KERNELS_CONVERT_TEXT_H

#include "kernels/kernel.h"

#define SV_NUMBER_TEXT 40

/* Writes the shortest decimal that reads back as `value` ("0.1", "1.0", "1e-07", "inf", "nan") and
 * returns its length. `single`: as f32, else as f64. */
size_t sv_number_write(double value, bool single, char out[SV_NUMBER_TEXT]);

/* Reads a whole text as a number: plain, scientific, or INF, +INF, -INF, NaN in any case; blanks
 * around it are allowed. false when it is none. */
bool sv_number_read(const char *text, size_t size, double *out);
/* Reads a whole text as an integer; what has a fraction or exponent truncates. false when it is no
 * number or out of range. `*is_unsigned`: the value needs 64 bits without sign. */
bool sv_integer_read(const char *text, size_t size, int64_t *out, bool *is_unsigned);

#endif
