/* Fitting prices: known ones are found again, noise and outliers move them little, and what nothing
 * tells stays as it was. */
#include "support/check.h"

#include "tune/fit.h"
#include "tune/row.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 60, PRICES = 3 };

typedef struct sample {
    sv_arena arena;
    double a[ROWS * PRICES], b[ROWS];
} sample;

/* Times of made-up work by the prices 7.5, 20 and 4000 of a thousand, relative to themselves. */
static void sample_init(sample *s, double noise)
{
    static const double price[PRICES] = {0.0075, 0.02, 4};
    uint32_t x = 7;
    sv_arena_init(&s->arena, NULL);
    for (int i = 0; i < ROWS; i++) {
        double ns = 0, count[PRICES];
        for (int j = 0; j < PRICES; j++) {
            x = x * 1664525u + 1013904223u;
            count[j] = (double)(x >> 16) / price[j];
            ns += count[j] * price[j];
        }
        x = x * 1664525u + 1013904223u;
        ns *= 1 + noise * ((double)(x >> 8) / 8388608 - 1);
        for (int j = 0; j < PRICES; j++)
            s->a[i * PRICES + j] = count[j] / ns;
        s->b[i] = 1;
    }
}

static void near(double value, double expected, double share)
{
    if (fabs(value / expected - 1) <= share) return;
    fail_msg("found %g, expected %g", value, expected);
}

static void known_prices(void **state)
{
    (void)state;
    sample s;
    double x[PRICES] = {0.01, 0.01, 10};
    sample_init(&s, 0);
    CHECK_OK(sv_tune_fit(s.a, s.b, ROWS, PRICES, &s.arena, x));
    near(x[0], 0.0075, 0.02);
    near(x[1], 0.02, 0.02);
    near(x[2], 4, 0.02);
    sv_arena_release(&s.arena);
}

static void noise_and_outliers(void **state)
{
    (void)state;
    sample s;
    double x[PRICES] = {0.01, 0.01, 10};
    sample_init(&s, 0.05);
    /* Six times took four times as long as they should have: a row relative to its time. */
    for (int i = 0; i < ROWS; i += 10) {
        for (int j = 0; j < PRICES; j++)
            s.a[i * PRICES + j] /= 4;
    }
    CHECK_OK(sv_tune_fit(s.a, s.b, ROWS, PRICES, &s.arena, x));
    near(x[0], 0.0075, 0.15);
    near(x[1], 0.02, 0.15);
    near(x[2], 4, 0.15);
    sv_arena_release(&s.arena);
}

/* A price that no row depends on, and one that the rows would make negative. */
static void bounds(void **state)
{
    (void)state;
    sv_arena arena;
    const double a[] = {1, 1, 0, 2, 4, 0, 3, 5, 0}, b[] = {0.9, 1.6, 2.6};
    double x[] = {1, 1, 123};
    sv_arena_init(&arena, NULL);
    CHECK_OK(sv_tune_fit(a, b, 3, 3, &arena, x));
    assert_true(x[1] >= 1 / 20.0 && x[0] > 0);
    near(x[2], 123, 1e-9);
    sv_arena_release(&arena);
}

static void rounding(void **state)
{
    (void)state;
    near(sv_tune_round(7.5123), 7.51, 1e-12);
    near(sv_tune_round(4349.9), 4350, 1e-12);
    near(sv_tune_round(0.123456), 0.123, 1e-12);
    assert_true(sv_tune_round(0) == 0);
}

/* Each row of the table is written as it stands there, in lines that fit. */
static void rows(void **state)
{
    (void)state;
    size_t count;
    const sv_prices *row = sv_prices_table(&count);
    for (size_t i = 0; i < count; i++) {
        sv_text text;
        sv_text_init(&text, NULL);
        sv_tune_put_row(&row[i], &text);
        CHECK_OK(sv_text_status(&text, "row"));
        assert_true(strncmp(text.data, "PRICES(\"", 8) == 0);
        char cpu[64] = "ANY_CPU";
        if (row[i].vendor)
            snprintf(cpu, sizeof cpu, "CPU(\"%s\", %u, %u,", row[i].vendor, row[i].family,
                     row[i].model[0]);
        assert_non_null(strstr(text.data, cpu));
        for (int k = 0; k < SV_PRICE_COUNT; k++) {
            char entry[64];
            snprintf(entry, sizeof entry, "/* %s */ %.10g%c", sv_price_name((sv_price_kind)k),
                     row[i].price[k], k + 1 < SV_PRICE_COUNT ? ',' : ')');
            assert_non_null(strstr(text.data, entry));
        }
        for (const char *line = text.data; *line; line += strcspn(line, "\n") + 1)
            assert_true(strcspn(line, "\n") <= 100);
        sv_text_release(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_prices), cmocka_unit_test(noise_and_outliers),
        cmocka_unit_test(bounds),       cmocka_unit_test(rounding),
        cmocka_unit_test(rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
