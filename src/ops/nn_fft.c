/* Fourier transforms of one line; see the header. In f64, so that f32 results are exact to
 * rounding. */
#include "ops/nn_fft.h"

#include <math.h>

#define FFT_PI 3.14159265358979323846

/* Scratch: roots of unity for the power of two (half of them), then for Bluestein's algorithm the
 * chirp (n), its transform (size) and a work line (size). */
typedef struct sv_fft_layout {
    int64_t size; /* the power of two that is transformed */
    bool chirp;
    sv_complex *root, *wave, *kernel, *work;
} sv_fft_layout;

static int64_t power_of_two(int64_t n)
{
    int64_t size = 1;
    while (size < n)
        size *= 2;
    return size;
}

/* The power of two that lines of `n` are transformed by. */
static int64_t transform_size(int64_t n)
{
    int64_t size = power_of_two(n);
    return size == n ? n : power_of_two(2 * n - 1);
}

static sv_fft_layout layout_of(int64_t n, sv_complex *scratch)
{
    sv_fft_layout layout = {.size = transform_size(n), .root = scratch};
    layout.chirp = layout.size != n;
    layout.wave = scratch + layout.size / 2 + 1;
    if (!layout.chirp) return layout;
    layout.kernel = layout.wave + n;
    layout.work = layout.kernel + layout.size;
    return layout;
}

size_t sv_fft_scratch(int64_t n)
{
    if (n < 1 || n > (int64_t)1 << 30) return 0;
    int64_t size = transform_size(n), count = size / 2 + 1;
    return (size_t)(size == n ? count : count + n + 2 * size);
}

static sv_complex multiply(sv_complex a, sv_complex b)
{
    return (sv_complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

static sv_complex unit(double angle)
{
    return (sv_complex){cos(angle), sin(angle)};
}

static void reverse_bits(sv_complex *line, int64_t size)
{
    for (int64_t i = 1, j = 0; i < size; i++) {
        int64_t bit = size >> 1;
        for (; j & bit; bit >>= 1)
            j ^= bit;
        j ^= bit;
        if (i < j) {
            sv_complex swap = line[i];
            line[i] = line[j];
            line[j] = swap;
        }
    }
}

static void radix_two(sv_complex *line, int64_t size, const sv_complex *root, bool inverse)
{
    reverse_bits(line, size);
    for (int64_t half = 1; half < size; half *= 2) {
        int64_t step = size / (2 * half);
        for (int64_t block = 0; block < size; block += 2 * half) {
            for (int64_t i = 0; i < half; i++) {
                sv_complex w = root[i * step], *a = &line[block + i], *b = a + half;
                if (inverse) w.im = -w.im;
                sv_complex t = multiply(*b, w);
                *b = (sv_complex){a->re - t.re, a->im - t.im};
                *a = (sv_complex){a->re + t.re, a->im + t.im};
            }
        }
    }
}

void sv_fft_prepare(int64_t n, sv_complex *scratch)
{
    sv_fft_layout l = layout_of(n, scratch);
    for (int64_t i = 0; i < l.size / 2 + 1; i++)
        l.root[i] = unit(-2 * FFT_PI * (double)i / (double)l.size);
    if (!l.chirp) return;
    for (int64_t i = 0; i < l.size; i++)
        l.kernel[i] = (sv_complex){0, 0};
    for (int64_t i = 0; i < n; i++) {
        /* i * i modulo 2n keeps the angle small, and so exact. */
        l.wave[i] =
            unit(-FFT_PI * (double)((uint64_t)i * (uint64_t)i % (2 * (uint64_t)n)) / (double)n);
        sv_complex back = {l.wave[i].re, -l.wave[i].im};
        l.kernel[i] = back;
        if (i > 0) l.kernel[l.size - i] = back;
    }
    radix_two(l.kernel, l.size, l.root, false);
}

/* The transform as a convolution with a chirp, which powers of two compute. */
static void bluestein(int64_t n, sv_complex *line, const sv_fft_layout *l)
{
    for (int64_t i = 0; i < l->size; i++)
        l->work[i] = i < n ? multiply(line[i], l->wave[i]) : (sv_complex){0, 0};
    radix_two(l->work, l->size, l->root, false);
    for (int64_t i = 0; i < l->size; i++)
        l->work[i] = multiply(l->work[i], l->kernel[i]);
    radix_two(l->work, l->size, l->root, true);
    for (int64_t i = 0; i < n; i++) {
        sv_complex value = multiply(l->work[i], l->wave[i]);
        line[i] = (sv_complex){value.re / (double)l->size, value.im / (double)l->size};
    }
}

void sv_fft_run(int64_t n, sv_complex *line, bool inverse, sv_complex *scratch)
{
    sv_fft_layout l = layout_of(n, scratch);
    if (!l.chirp) {
        radix_two(line, n, l.root, inverse);
        return;
    }
    /* The inverse is the conjugate of the transform of the conjugate. */
    for (int64_t i = 0; inverse && i < n; i++)
        line[i].im = -line[i].im;
    bluestein(n, line, &l);
    for (int64_t i = 0; inverse && i < n; i++)
        line[i].im = -line[i].im;
}
