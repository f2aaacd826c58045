/* .npy files to tensors and back: what was read must be written and read again as the same. */
#include "codec/npy.h"

#include <stdlib.h>

enum { MEMORY_LIMIT = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth) abort();
}

static bool done(sv_status status)
{
    bool ok = status == SV_OK;
    must(ok || sv_status_message(status)[0] != '\0');
    sv_status_free(status);
    return ok;
}

static void check_round_trip(sv_arena *arena, const sv_tensor *tensor)
{
    sv_text text;
    sv_text_init(&text, NULL);
    if (done(sv_npy_write(&text, tensor))) {
        sv_reader reader;
        sv_tensor again;
        sv_reader_init(&reader, text.data, text.size, "again", 0, NULL);
        must(done(sv_npy_read(&reader, arena, &again)));
        must(sv_reader_left(&reader) == 0);
        must(sv_tensor_hash(tensor) == sv_tensor_hash(&again));
    }
    sv_text_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sv_arena arena;
    sv_arena_init(&arena, NULL);
    arena.limit = MEMORY_LIMIT;
    sv_budget budget = SV_BUDGET_DEFAULT;
    sv_reader reader;
    sv_tensor tensor;
    sv_reader_init(&reader, data, size, "file", 0, &budget);
    /* Strings that end in zeros lose them, so that only the first reading may differ from the file.
     */
    if (done(sv_npy_read(&reader, &arena, &tensor))) check_round_trip(&arena, &tensor);
    sv_arena_release(&arena);
    return 0;
}
