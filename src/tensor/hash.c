/* Hashes of bytes and tensors, for tables and for finding equal constants; not for anything that an
 * attacker must not be able to collide. */
#include "tensor/tensor.h"

#include <string.h>

__extension__ typedef unsigned __int128 u128;

/* Odd constants: the fractional parts of the square roots of 2, 3, 5 and 7. */
static const uint64_t salt[4] = {0x6A09E667F3BCC909, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B,
                                 0xA54FF53A5F1D36F1};

/* Both halves of the product: every bit of the factors reaches every bit of the result. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* Two independent chains of 16 bytes each: multiplication has latency to hide. */
static uint64_t hash_blocks(uint64_t seed, const uint8_t *at, size_t blocks)
{
    uint64_t a = seed ^ salt[0], b = seed ^ salt[1];
    for (; blocks > 0; blocks--, at += 32) {
        a = fold(load(at) ^ a, load(at + 8) ^ salt[2]) + load(at);
        b = fold(load(at + 16) ^ b, load(at + 24) ^ salt[3]) + load(at + 16);
    }
    return fold(a ^ salt[2], b ^ salt[3]) + a;
}

uint64_t sv_hash_bytes(uint64_t seed, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    size_t whole = size / 32 * 32, rest = size - whole;
    uint8_t tail[32] = {0};
    if (rest) memcpy(tail, bytes + whole, rest);
    uint64_t hash = seed;
    if (whole) hash = hash_blocks(hash, bytes, whole / 32);
    if (rest) hash = hash_blocks(hash, tail, 1);
    /* The size tells a short tail from one that ends in zeros. */
    return fold(hash ^ salt[0], (uint64_t)size ^ salt[1]);
}

uint64_t sv_tensor_hash(const sv_tensor *tensor)
{
    int64_t count = sv_tensor_count(tensor);
    uint64_t hash = sv_hash_bytes((uint64_t)tensor->dtype, tensor->shape.dim,
                                  (size_t)tensor->shape.rank * sizeof *tensor->shape.dim);
    if (tensor->dtype != SV_STRING)
        return sv_hash_bytes(hash, tensor->data, (size_t)count * sv_dtype_get(tensor->dtype)->size);
    const sv_string *string = tensor->data;
    for (int64_t i = 0; i < count; i++)
        hash = sv_hash_bytes(hash, string[i].data, string[i].size);
    return hash;
}
