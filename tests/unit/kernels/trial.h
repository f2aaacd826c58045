/* Trials of kernels: tensors of any layout in memory of exactly their size (so that the sanitizers
 * see every step outside), runs in any grouping of units, comparison of all rows of a family. */
#ifndef TEST_KERNELS_TRIAL_H
#define TEST_KERNELS_TRIAL_H

#include "kernels/kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef enum trial_layout {
    TRIAL_DENSE,
    TRIAL_SHIFTED,       /* dense, its start one element off what malloc gives */
    TRIAL_PADDED,        /* the innermost dimension padded by three elements */
    TRIAL_CHANNELS_LAST, /* dimension 1 innermost in memory */
    TRIAL_REVERSED,      /* the first dimension innermost in memory */
    TRIAL_LAYOUTS,
} trial_layout;

typedef struct trial_tensor {
    sv_desc desc;
    void *data;   /* of element [0, 0, ..] */
    void *memory; /* what was allocated */
    size_t bytes;
} trial_tensor;

/* dims end with -1. Elements are cleared. */
trial_tensor trial_make(sv_dtype dtype, trial_layout layout, const int64_t *dims);
#define TRIAL_DIMS(...) ((const int64_t[]){__VA_ARGS__, -1})
trial_tensor trial_absent(void);
void trial_free(trial_tensor *tensor);
/* The tensor seen with dims `dims` (ending with -1), broadcast where its own size is 1: no new
 * memory. */
trial_tensor trial_expand(const trial_tensor *tensor, const int64_t *dims);

int64_t trial_count(const trial_tensor *tensor);
/* Element `i` in the logical row-major order. */
void *trial_at(const trial_tensor *tensor, int64_t i);
double trial_get(const trial_tensor *tensor, int64_t i);
void trial_set(const trial_tensor *tensor, int64_t i, double value);
/* Values spread over [low, high], from `seed`; for integers whole. */
void trial_fill(const trial_tensor *tensor, uint32_t seed, double low, double high);
/* Scatters NaN, infinities, zeros of both signs, and the extremes of f32. */
void trial_spoil(const trial_tensor *tensor, uint32_t seed);
/* Sets all elements, in logical order. */
void trial_put(const trial_tensor *tensor, const double *values);
#define TRIAL_PUT(tensor, ...) trial_put((tensor), (const double[]){__VA_ARGS__})

/* |a - b| <= atol + rtol * |b|; NaN equals NaN. Names the element that differs. */
void trial_equal(const trial_tensor *a, const trial_tensor *b, double rtol, double atol,
                 const char *what);
void trial_equal_values(const trial_tensor *a, const double *values, double rtol, double atol);
#define TRIAL_EQUAL(tensor, rtol, atol, ...)                                                       \
    trial_equal_values((tensor), (const double[]){__VA_ARGS__}, (rtol), (atol))

#define TRIAL_OPERANDS 12
typedef struct trial {
    sv_problem problem;
    sv_desc desc[TRIAL_OPERANDS];
    trial_tensor *operand[TRIAL_OPERANDS];
    sv_arena *arena; /* for kernels that make strings; else NULL */
    sv_fault fault;  /* of the last run */
} trial;

/* `operands` end with NULL; written ones are those of `write_mask`. The problem points into `out`.
 */
void trial_init(trial *out, sv_family family, void *param, uint32_t param_size, uint16_t write_mask,
                trial_tensor *const *operands);
#define TRIAL_TENSORS(...) ((trial_tensor *const[]){__VA_ARGS__, NULL})

/* Runs in ranges of `group` units (0: all at once), from the last range to the first when
 * `backwards`. */
void trial_run(trial *t, const sv_kernel *kernel, uint32_t group, bool backwards);
/* Runs the family's reference row "<family>_ref". */
void trial_reference(trial *t);
/* Holds every other row that supports the problem and this machine against the reference, and its
 * own result in single units, backwards, against that of all at once, bit by bit. Leaves the
 * reference's result in the operands. Returns the rows tried. */
int trial_compare(trial *t, double rtol, double atol);

/* Rows that a machine of this level has beyond the reference, for a family with a row a level. */
int trial_levels(void);

#endif
