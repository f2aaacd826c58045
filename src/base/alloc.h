/* Memory from an sv_allocator, and sizes that cannot overflow.
 *
 * Callers remember the size of what they give back; that keeps counting and limits exact. */
#ifndef SV_BASE_ALLOC_H
#define SV_BASE_ALLOC_H

#include <serval/types.h>
#include <stdatomic.h>

/* NULL when memory is out (or `size` is 0). Memory is not cleared. */
void *sv_alloc(const sv_allocator *allocator, size_t size);
void *sv_alloc_zero(const sv_allocator *allocator, size_t size);
/* As realloc; on failure the old block stays. */
void *sv_realloc(const sv_allocator *allocator, void *pointer, size_t old_size, size_t new_size);
void sv_free(const sv_allocator *allocator, void *pointer, size_t size);

/* Blocks aligned to `alignment` (a power of two >= 16); freed with the same arguments. Blocks of 2
 * MiB and more are advised to use huge pages. */
void *sv_alloc_aligned(const sv_allocator *allocator, size_t size, size_t alignment);
void sv_free_aligned(const sv_allocator *allocator, void *pointer, size_t size, size_t alignment);

/* *out = a * b or a + b; false (and *out untouched) when that does not fit. */
static inline bool sv_size_mul(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}

static inline bool sv_size_add(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_add_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}

static inline size_t sv_size_align(size_t size, size_t alignment)
{
    return (size + alignment - 1) & ~(alignment - 1);
}

/* An allocator for tests and limits: counts, and can be told to fail. Thread-safe. */
typedef struct sv_counting_allocator {
    sv_allocator allocator; /* pass &counting.allocator */
    const sv_allocator *parent;
    _Atomic size_t live_bytes, peak_bytes, calls; /* calls: allocations and growths */
    size_t limit_bytes;                           /* 0: none; beyond it allocations fail */
    size_t fail_at;                               /* the call that fails, counted from 1; 0: none */
} sv_counting_allocator;

/* `parent` NULL: malloc. */
void sv_counting_allocator_init(sv_counting_allocator *counting, const sv_allocator *parent);

#endif
