/* The discrete Fourier transform of one line, of any length. */
#ifndef SV_OPS_NN_FFT_H
#define SV_OPS_NN_FFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sv_complex {
    double re, im;
} sv_complex;

/* Elements of scratch that sv_fft_run needs for lines of `n`; 0 when n is out of range ([1, 2^30]).
 */
size_t sv_fft_scratch(int64_t n);
/* Fills `scratch` for lines of `n`; once for many lines. */
void sv_fft_prepare(int64_t n, sv_complex *scratch);
/* line[k] becomes the sum of line[j] e^(-2 pi i j k / n), or of its conjugate (`inverse`, not
 * divided by n). Powers of two by Cooley and Tukey's algorithm, other lengths by Bluestein's: O(n
 * log n). */
void sv_fft_run(int64_t n, sv_complex *line, bool inverse, sv_complex *scratch);

#endif
