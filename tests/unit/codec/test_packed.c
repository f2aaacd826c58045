/* Sub-byte elements and base64. */
#include "base/base64.h"
#include "codec/packed.h"
#include "support/check.h"

static void test_packing_by_the_specification(void **state)
{
    (void)state;
    /* The first element in the low bits: 1, 2, 3 of 4 bits are 0x21 0x03. */
    const uint8_t four[3] = {1, 2, 3}, two[5] = {1, 2, 3, 0, 1};
    uint8_t packed[2];
    sv_packed_write(SV_U4, four, 3, packed);
    assert_int_equal(packed[0], 0x21);
    assert_int_equal(packed[1], 0x03);
    sv_packed_write(SV_U2, two, 5, packed);
    assert_int_equal(packed[0], 0x39);
    assert_int_equal(packed[1], 0x01);
    assert_int_equal(sv_packed_size(SV_U4, 3), 2);
    assert_int_equal(sv_packed_size(SV_I2, 4), 1);
    assert_int_equal(sv_packed_size(SV_I2, 0), 0);
    assert_int_equal(sv_packed_size(SV_F4E2M1, SIZE_MAX), SIZE_MAX / 2 + 1);
}

static void test_packing_round_trips(void **state)
{
    (void)state;
    const sv_dtype types[] = {SV_U4, SV_I4, SV_U2, SV_I2, SV_F4E2M1};
    for (int t = 0; t < 5; t++) {
        bool is_signed = types[t] == SV_I4 || types[t] == SV_I2;
        int bits = types[t] == SV_U2 || types[t] == SV_I2 ? 2 : 4;
        for (size_t count = 0; count < 33; count++) {
            uint8_t from[33], packed[17], to[34];
            for (size_t i = 0; i < count; i++) {
                int value = (int)(i * 5 % (1u << bits));
                if (is_signed && value >= 1 << (bits - 1)) value -= 1 << bits;
                from[i] = (uint8_t)value;
            }
            to[count] = 0xA5;
            sv_packed_write(types[t], from, count, packed);
            sv_packed_read(types[t], packed, count, to);
            assert_memory_equal(to, from, count);
            assert_int_equal(to[count], 0xA5);
        }
    }
}

static void test_base64(void **state)
{
    (void)state;
    const char *rows[][2] = {{"", ""},
                             {"f", "Zg=="},
                             {"fo", "Zm8="},
                             {"foo", "Zm9v"},
                             {"foob", "Zm9vYg=="},
                             {"fooba", "Zm9vYmE="},
                             {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sv_text text;
        sv_text_init(&text, NULL);
        sv_base64_write(&text, rows[i][0], strlen(rows[i][0]));
        assert_string_equal(text.data ? text.data : "", rows[i][1]);
        sv_text_release(&text);
        uint8_t out[16];
        size_t size = 99;
        assert_true(sv_base64_room(strlen(rows[i][1])) <= sizeof out);
        assert_true(sv_base64_read(rows[i][1], strlen(rows[i][1]), out, &size));
        assert_int_equal(size, strlen(rows[i][0]));
        assert_memory_equal(out, rows[i][0], size);
        size_t bare = strcspn(rows[i][1], "=");
        assert_true(sv_base64_read(rows[i][1], bare, out, &size));
        assert_int_equal(size, strlen(rows[i][0]));
    }
}

static void test_base64_refuses(void **state)
{
    (void)state;
    const char *bad[] = {
        "Z",    "Zg=",  "Zh==",   "Zm9=", "Zg==Zg==", "Z===",
        "====", "Zm 9", "Zm9v\n", "Zm-_", "=",        "Zm8==",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t out[16];
        size_t size;
        assert_false(sv_base64_read(bad[i], strlen(bad[i]), out, &size));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packing_by_the_specification),
        cmocka_unit_test(test_packing_round_trips),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_base64_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
