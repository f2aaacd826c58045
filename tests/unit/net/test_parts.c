/* The small parts: lists in headers, queries, peers, output chains, compression, status codes. */
#include "base/alloc.h"
#include "net/compress.h"
#include "net/http_status.h"
#include "net/hub.h"
#include "net/inflate.h"
#include "net/output.h"
#include "net/token.h"
#include "support/check.h"

#include <stdio.h>

static sv_string text_of(const char *text)
{
    return (sv_string){text, strlen(text)};
}

static void check_list(const char *list, const char *expected)
{
    char found[256] = "";
    sv_string rest = text_of(list), element, parameters;
    while (sv_token_next(&rest, &element, &parameters))
        snprintf(found + strlen(found), sizeof found - strlen(found), "[%.*s|%.*s]",
                 (int)element.size, element.data, (int)parameters.size, parameters.data);
    assert_string_equal(found, expected);
}

static void test_lists(void **state)
{
    (void)state;
    check_list("", "");
    check_list(" , ,,\t", "");
    check_list("a", "[a|]");
    check_list("a,b , c\t", "[a|][b|][c|]");
    check_list("gzip;q=0.5, br ; q=1", "[gzip|q=0.5][br|q=1]");
    check_list("\"a,b\";x=\"1;2\",c", "[\"a,b\"|x=\"1;2\"][c|]");
    check_list("\"a\\\",b\",c", "[\"a\\\",b\"|][c|]");
    check_list("\"open, a", "[\"open, a|]");
    check_list(";q=1", "[|q=1]");
    assert_true(sv_token_is(text_of("Keep-ALIVE"), "keep-alive"));
    assert_false(sv_token_is(text_of("keep-aliv"), "keep-alive"));
    assert_false(sv_token_is(text_of("keep-alives"), "keep-alive"));
}

static void test_headers_and_query(void **state)
{
    static const sv_header headers[] = {
        {{"Accept-Encoding", 15}, {"br, gzip;q=0", 12}},
        {{"X-Id", 4}, {"7", 1}},
        {{"x-id", 4}, {"8", 1}},
    };
    sv_exchange x = {.head = {.headers = headers, .header_count = 3}};
    sv_string value;
    (void)state;
    sv_arena_init(&x.arena, NULL);
    assert_true(sv_exchange_header(&x, "x-ID", &value));
    assert_int_equal(value.data[0], '7');
    assert_false(sv_exchange_header(&x, "X-I", &value));
    assert_true(sv_exchange_header_has(&x, "accept-encoding", "BR"));
    assert_false(sv_exchange_header_has(&x, "accept-encoding", "gzip"));
    assert_false(sv_exchange_header_has(&x, "accept-encoding", "deflate"));
    assert_false(sv_exchange_query(&x, "a", &value));
    x.head.query = text_of("a=1&b+c=x%26y+z&d&e=%zz&f=&a=2");
    assert_true(sv_exchange_query(&x, "a", &value));
    assert_string_equal(value.data, "1");
    assert_true(sv_exchange_query(&x, "b c", &value));
    assert_string_equal(value.data, "x&y z");
    assert_true(sv_exchange_query(&x, "d", &value));
    assert_int_equal(value.size, 0);
    assert_true(sv_exchange_query(&x, "f", &value));
    assert_int_equal(value.size, 0);
    assert_false(sv_exchange_query(&x, "e", &value));
    assert_false(sv_exchange_query(&x, "g", &value));
    sv_arena_release(&x.arena);
}

static void test_peers(void **state)
{
    sv_peer peer = {.address = {192, 0, 2, 1}, .port = 4711};
    char text[64];
    (void)state;
    sv_peer_format(&peer, text);
    assert_string_equal(text, "192.0.2.1:4711");
    memset(&peer, 0, sizeof peer);
    peer.v6 = true;
    peer.address[15] = 1;
    peer.port = 80;
    sv_peer_format(&peer, text);
    assert_string_equal(text, "[::1]:80");
}

static void add_text(sv_output *out, size_t size, char c)
{
    sv_text text;
    sv_text_init(&text, NULL);
    char *room = sv_text_reserve(&text, size);
    assert_non_null(room);
    memset(room, c, size);
    text.size = size;
    assert_true(sv_output_take(out, &text));
    assert_null(text.data);
}

/* What waits holds little more than its bytes, and these stay what they are. */
static void test_output_settled(void **state)
{
    (void)state;
    sv_counting_allocator counting;
    sv_counting_allocator_init(&counting, NULL);
    sv_output out;
    sv_pool pool;
    sv_text text;
    struct iovec vector;
    sv_pool_init(&pool, NULL);
    sv_output_init(&out, &pool);
    sv_text_init(&text, &counting.allocator);
    assert_non_null(sv_text_reserve(&text, 400000));
    for (int i = 0; i < 100000; i++)
        sv_text_putc(&text, (char)('a' + i % 26));
    assert_true(sv_output_take(&out, &text));
    sv_output_drop(&out, 26000);
    assert_true(atomic_load(&counting.live_bytes) >= 400000);
    sv_output_settle(&out);
    assert_int_equal(atomic_load(&counting.live_bytes), 100001);
    assert_int_equal(sv_output_peek(&out, &vector, 1), 1);
    assert_int_equal(vector.iov_len, 74000);
    for (int i = 0; i < 74000; i++)
        assert_int_equal(((const char *)vector.iov_base)[i], 'a' + i % 26);
    sv_output_release(&out);
    assert_int_equal(atomic_load(&counting.live_bytes), 0);
    sv_pool_release(&pool);
}

/* Small and large pieces come out as they went in, whatever is sent at a time. */
static void test_output(void **state)
{
    static const size_t steps[] = {1, 7, 4096, 5000, 30000, 1000000};
    (void)state;
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        sv_output out;
        sv_pool pool;
        size_t seen[26] = {0}, total = 0;
        char last = 'a';
        sv_pool_init(&pool, NULL);
        sv_output_init(&out, &pool);
        for (int i = 0; i < 26; i++) {
            add_text(&out, (size_t)i * i * 40, (char)('a' + i));
            total += (size_t)i * i * 40;
        }
        assert_int_equal(out.size, total);
        while (out.size) {
            struct iovec vectors[3];
            int n = sv_output_peek(&out, vectors, 3);
            assert_true(n > 0);
            size_t size = vectors[0].iov_len < steps[s] ? vectors[0].iov_len : steps[s];
            const char *bytes = vectors[0].iov_base;
            for (size_t i = 0; i < size; i++) {
                assert_true(bytes[i] >= last);
                last = bytes[i];
                seen[bytes[i] - 'a']++;
            }
            sv_output_drop(&out, size);
        }
        for (size_t i = 0; i < 26; i++)
            assert_int_equal(seen[i], i * i * 40);
        assert_int_equal(sv_output_peek(&out, NULL, 0), 0);
        sv_output_release(&out);
        sv_pool_release(&pool);
    }
}

static void test_compression_round_trip(void **state)
{
    sv_compressor compressor;
    (void)state;
    sv_compressor_init(&compressor, NULL);
    for (int turn = 0; turn < 4; turn++) {
        sv_text text;
        sv_text_init(&text, NULL);
        for (int i = 0; i < 5000; i++)
            sv_text_printf(&text, "%d,", i * 7919 % 1000);
        sv_text copy;
        sv_text_init(&copy, NULL);
        sv_text_append(&copy, text.data, text.size);
        assert_true(sv_compress(&compressor, turn % 2, &text));
        assert_true(text.size < copy.size);
        sv_inflate *inflate;
        CHECK_OK(sv_inflate_create(text_of(turn % 2 ? "GZip" : "deflate"), 200, NULL, &inflate));
        uint8_t *out = malloc(copy.size + 1);
        const uint8_t *at = (const uint8_t *)text.data;
        size_t left = text.size, have = 0, produced = 1;
        while (left || produced) {
            size_t some = left < 100 ? left : 100;
            size_t rest = left - some;
            size_t room = copy.size - have < 333 ? copy.size - have : 333;
            CHECK_OK(sv_inflate_run(inflate, &at, &some, out + have, room, &produced));
            left = rest + some;
            have += produced;
        }
        CHECK_OK(sv_inflate_end(inflate));
        assert_int_equal(have, copy.size);
        assert_memory_equal(out, copy.data, copy.size);
        sv_inflate_destroy(inflate);
        free(out);
        sv_text_release(&copy);
        sv_text_release(&text);
    }
    /* What does not become smaller stays as it was. */
    sv_text noise;
    sv_text_init(&noise, NULL);
    for (uint32_t i = 0, r = 1; i < 2000; i++, r = r * 1664525u + 1013904223u)
        sv_text_putc(&noise, (char)(r >> 24));
    const char *before = noise.data;
    assert_false(sv_compress(&compressor, true, &noise));
    assert_ptr_equal(noise.data, before);
    assert_int_equal(noise.size, 2000);
    sv_text_release(&noise);
    sv_compressor_release(&compressor);
}

static void test_codings(void **state)
{
    sv_inflate *inflate = (sv_inflate *)1;
    (void)state;
    CHECK_OK(sv_inflate_create(text_of(""), 200, NULL, &inflate));
    assert_null(inflate);
    CHECK_OK(sv_inflate_create(text_of("Identity"), 200, NULL, &inflate));
    assert_null(inflate);
    CHECK_FAILS(sv_inflate_create(text_of("gzip, gzip"), 200, NULL, &inflate),
                SV_CODE_UNIMPLEMENTED, "found gzip, gzip");
}

static void test_status_codes(void **state)
{
    (void)state;
    assert_int_equal(sv_http_from_code(SV_CODE_INVALID_ARGUMENT), 400);
    assert_int_equal(sv_http_from_code(SV_CODE_UNAVAILABLE), 503);
    for (int code = 0; code <= SV_CODE_UNAUTHENTICATED; code++)
        assert_string_not_equal(sv_http_reason(sv_http_from_code((sv_code)code)), "Unknown");
    assert_string_equal(sv_http_reason(404), "Not Found");
    assert_string_equal(sv_http_reason(299), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),          cmocka_unit_test(test_headers_and_query),
        cmocka_unit_test(test_peers),          cmocka_unit_test(test_output),
        cmocka_unit_test(test_output_settled), cmocka_unit_test(test_compression_round_trip),
        cmocka_unit_test(test_codings),        cmocka_unit_test(test_status_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
