/* Writing a row of prices; see the header. */
#include "tune/row.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define COLUMNS 100
#define INDENT 7

double sv_tune_round(double price)
{
    if (!(price > 0)) return 0;
    const double unit = pow(10, floor(log10(price)) - 2);
    return round(price / unit) * unit;
}

/* "SV_CPU_AVX512". */
static void put_level(sv_cpu_level level, sv_text *out)
{
    sv_text_puts(out, "SV_CPU_");
    for (const char *c = sv_cpu_level_name(level); *c; c++)
        sv_text_putc(out, (char)toupper((unsigned char)*c));
}

static void put_cpu(const sv_prices *prices, sv_text *out)
{
    if (!prices->vendor) {
        sv_text_puts(out, "ANY_CPU");
        return;
    }
    sv_text_printf(out, "CPU(\"%s\", %u", prices->vendor, prices->family);
    for (int i = 0; i < SV_PRICE_MODELS && prices->model[i]; i++)
        sv_text_printf(out, ", %u", prices->model[i]);
    sv_text_putc(out, ')');
}

/* A space and `text`, on the next line where it does not fit behind `used` columns. */
static void put_value(const char *text, size_t *used, sv_text *out)
{
    const size_t size = 1 + strlen(text);
    if (*used + size > COLUMNS) {
        sv_text_printf(out, "\n%*s", INDENT - 1, "");
        *used = INDENT - 1;
    }
    sv_text_printf(out, " %s", text);
    *used += size;
}

void sv_tune_put_row(const sv_prices *prices, sv_text *out)
{
    const size_t start = out->size;
    sv_text_printf(out, "PRICES(\"%s\", ", prices->name);
    put_level(prices->level, out);
    sv_text_puts(out, ", ");
    put_cpu(prices, out);
    sv_text_putc(out, ',');
    size_t used = out->size - start;
    char text[64];
    snprintf(text, sizeof text, "%.0f,", prices->l2);
    put_value(text, &used, out);
    used = COLUMNS; /* the prices begin a line */
    for (int k = 0; k < SV_PRICE_COUNT; k++) {
        snprintf(text, sizeof text, "/* %s */ %.10g%s", sv_price_name((sv_price_kind)k),
                 sv_tune_round(prices->price[k]), k + 1 < SV_PRICE_COUNT ? "," : ")");
        put_value(text, &used, out);
    }
    sv_text_putc(out, '\n');
}
