/* Memory from an sv_allocator: the malloc default, aligned blocks, and the counting allocator. */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

static void *resize(const sv_allocator *allocator, void *pointer, size_t old_size, size_t new_size)
{
    if (allocator) return allocator->resize(allocator->self, pointer, old_size, new_size);
    if (new_size == 0) {
        free(pointer);
        return NULL;
    }
    return new_size <= PTRDIFF_MAX ? realloc(pointer, new_size) : NULL;
}

void *sv_alloc(const sv_allocator *allocator, size_t size)
{
    return size ? resize(allocator, NULL, 0, size) : NULL;
}

void *sv_alloc_zero(const sv_allocator *allocator, size_t size)
{
    /* calloc knows which pages come cleared from the kernel. */
    if (!allocator) return size && size <= PTRDIFF_MAX ? calloc(1, size) : NULL;
    void *pointer = sv_alloc(allocator, size);
    if (pointer) memset(pointer, 0, size);
    return pointer;
}

void *sv_realloc(const sv_allocator *allocator, void *pointer, size_t old_size, size_t new_size)
{
    return resize(allocator, pointer, old_size, new_size);
}

void sv_free(const sv_allocator *allocator, void *pointer, size_t size)
{
    if (pointer) resize(allocator, pointer, size, 0);
}

/* Only whole huge pages inside the block are advised: its neighbours are not ours. */
static void advise_huge(void *pointer, size_t size)
{
#ifdef MADV_HUGEPAGE
    uintptr_t begin = sv_size_align((uintptr_t)pointer, HUGE_PAGE);
    uintptr_t end = ((uintptr_t)pointer + size) & ~(uintptr_t)(HUGE_PAGE - 1);
    if (begin < end) (void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
#else
    (void)pointer, (void)size;
#endif
}

/* Blocks of an allocator that promises 16 bytes only: the block begins at the first aligned address
 * behind at least 16 bytes, which hold where the memory really begins. */
static void *align_within(const sv_allocator *allocator, size_t size, size_t alignment)
{
    size_t total;
    if (!sv_size_add(size, alignment, &total)) return NULL;
    char *memory = sv_alloc(allocator, total);
    if (!memory) return NULL;
    char *block = (char *)sv_size_align((uintptr_t)memory + 16, alignment);
    memcpy(block - sizeof memory, &memory, sizeof memory);
    return block;
}

void *sv_alloc_aligned(const sv_allocator *allocator, size_t size, size_t alignment)
{
    if (size == 0 || size > PTRDIFF_MAX) return NULL;
    void *block = NULL;
    if (allocator) {
        block = align_within(allocator, size, alignment);
    } else {
        if (size >= HUGE_PAGE && alignment < HUGE_PAGE) alignment = HUGE_PAGE;
        if (posix_memalign(&block, alignment, size) != 0) return NULL;
    }
    if (block && size >= HUGE_PAGE) advise_huge(block, size);
    return block;
}

void sv_free_aligned(const sv_allocator *allocator, void *pointer, size_t size, size_t alignment)
{
    if (!pointer) return;
    if (!allocator) {
        free(pointer);
        return;
    }
    char *memory;
    memcpy(&memory, (char *)pointer - sizeof memory, sizeof memory);
    sv_free(allocator, memory, size + alignment);
}

static void note_peak(sv_counting_allocator *counting, size_t live)
{
    size_t peak = atomic_load_explicit(&counting->peak_bytes, memory_order_relaxed);
    while (live > peak &&
           !atomic_compare_exchange_weak_explicit(&counting->peak_bytes, &peak, live,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

static void *counting_grow(sv_counting_allocator *counting, void *pointer, size_t old_size,
                           size_t new_size)
{
    size_t more = new_size - old_size;
    size_t call = atomic_fetch_add_explicit(&counting->calls, 1, memory_order_relaxed) + 1;
    if (call == counting->fail_at) return NULL;
    /* Charged before the parent is asked, so that threads cannot pass the limit together. */
    size_t live =
        atomic_fetch_add_explicit(&counting->live_bytes, more, memory_order_relaxed) + more;
    void *grown = NULL;
    if (counting->limit_bytes == 0 || live <= counting->limit_bytes)
        grown = resize(counting->parent, pointer, old_size, new_size);
    if (grown)
        note_peak(counting, live);
    else
        atomic_fetch_sub_explicit(&counting->live_bytes, more, memory_order_relaxed);
    return grown;
}

static void *counting_resize(void *self, void *pointer, size_t old_size, size_t new_size)
{
    sv_counting_allocator *counting = self;
    if (new_size > old_size) return counting_grow(counting, pointer, old_size, new_size);
    void *shrunk = resize(counting->parent, pointer, old_size, new_size);
    if (shrunk || new_size == 0)
        atomic_fetch_sub_explicit(&counting->live_bytes, old_size - new_size, memory_order_relaxed);
    return shrunk;
}

void sv_counting_allocator_init(sv_counting_allocator *counting, const sv_allocator *parent)
{
    *counting = (sv_counting_allocator){
        .allocator = {counting_resize, counting},
        .parent = parent,
    };
}
