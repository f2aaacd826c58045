/* Builds problems with hostile operands (unaligned, padded, permuted, exactly sized blocks) and
 * runs kernel rows on them: for the tests of families whose rows are compared with a reference row.
 */
#ifndef SV_TESTS_PROBLEM_RIG_H
#define SV_TESTS_PROBLEM_RIG_H

#include "kernels/kernel.h"

/* How an operand lies. */
typedef enum rig_layout {
    RIG_DENSE,
    RIG_CHANNELS_LAST, /* dimension 1 innermost, the innermost row padded by 3 elements */
    RIG_TRANSPOSED,    /* the last two dimensions swapped */
    RIG_PADDED,        /* rows of the last dimension padded by 5 elements */
    RIG_EVERY_OTHER,   /* stride 2 along the last dimension */
} rig_layout;

typedef struct rig {
    sv_problem problem;
    sv_desc desc[SV_OPERAND_MAX];
    void *block[SV_OPERAND_MAX]; /* from malloc: bounds are watched by the sanitizer */
    void *ptr[SV_OPERAND_MAX];   /* 4 or 8 bytes into it, never aligned to a vector */
    size_t bytes[SV_OPERAND_MAX];
    uint64_t random;
} rig;

void rig_init(rig *r, sv_family family, void *param, size_t param_size, uint64_t seed);
void rig_release(rig *r);

/* Appends an operand filled with values in [-1, 1] (integers: -20..20); returns its index. rank 0
 * and dtype NONE: absent. */
uint8_t rig_add(rig *r, sv_dtype dtype, int32_t rank, const int64_t *dim, rig_layout layout);
/* Marks an operand as written: it is filled with a pattern that no result has. */
void rig_write(rig *r, uint8_t operand);
void rig_epilogue(rig *r, sv_epilogue_kind kind, uint8_t operand, uint8_t unary, float a, float b);

/* A value in [-1, 1]. */
float rig_random(rig *r);
double rig_get(const rig *r, uint8_t operand, const int64_t *index);
void rig_set(rig *r, uint8_t operand, const int64_t *index, float value);

/* The operand's block as it is now, from malloc. */
void *rig_copy(const rig *r, uint8_t operand);

/* The operand that the kernel wants packed, from posix_memalign; NULL for raw ones, and where the
 * format is another family's: then the operands lie packed already. */
void *rig_pack(rig *r, const sv_kernel *kernel, uint8_t *operand);
/* Runs `kernel` on the problem with its units cut into ranges of `range` (0: one range) and its
 * weights packed as it wants them, with exactly the scratch that it asks for. */
void rig_run(rig *r, const sv_kernel *kernel, uint32_t range);

/* The level of this machine. */
sv_cpu_level rig_level(void);

/* Runs every row of the family that this machine has and that supports the problem, cut in several
 * ways, and compares operand `y` with the reference row: |difference| <= absolute + relative *
 * |reference|. Returns the number of such rows, the reference not counted. */
int rig_compare(rig *r, uint8_t y, double absolute, double relative);

#endif
