/* JSON Schema (2020-12, as OpenAPI 3.1 has it) of a model's values.
 *
 * Dimensions that the model fixes are exact; for those it leaves open a schema can only say "an
 * array", although rows must agree. */
#include "front/openapi_forms.h"

#include "front/common.h"
#include "store/terms.h"
#include "tensor/dtype.h"
#include <string.h>

/* ---- values ------------------------------------------------------------------------------ */

static void put_integer(sv_dtype dtype, sv_text *out)
{
    uint32_t bits = sv_dtype_get(dtype)->bits;
    bool negative = sv_dtype_get(dtype)->class_ == SV_CLASS_INT;
    uint64_t most = (UINT64_C(1) << (bits - negative - 1)) * 2 - 1;
    sv_text_puts(out, "{\"type\":\"integer\",\"minimum\":");
    sv_text_puts(out, negative ? "-" : "");
    sv_text_put_u64(out, negative ? most + 1 : 0);
    sv_text_puts(out, ",\"maximum\":");
    sv_text_put_u64(out, most);
    sv_text_putc(out, '}');
}

/* One element; texts of inputs may also be bytes. */
static void put_element(sv_dtype dtype, bool input, sv_text *out)
{
    switch (sv_dtype_get(dtype)->class_) {
    case SV_CLASS_FLOAT:
        /* Answers have the tokens NaN and Infinity, which many readers make null of. */
        sv_text_puts(out, input ? "{\"type\":\"number\"" : "{\"type\":[\"number\",\"null\"]");
        if (input && dtype == SV_F16) {
            sv_text_puts(out, ",\"minimum\":-65504,\"maximum\":65504");
        } else if (input && dtype != SV_F64) {
            sv_text_puts(out, ",\"minimum\":-3.4028234e38,\"maximum\":3.4028234e38");
        }
        sv_text_putc(out, '}');
        return;
    case SV_CLASS_INT:
    case SV_CLASS_UINT:
        put_integer(dtype, out);
        return;
    case SV_CLASS_BOOL:
        sv_text_puts(out, "{\"type\":\"boolean\"}");
        return;
    case SV_CLASS_STRING:
        sv_text_puts(out, input ? "{\"anyOf\":[{\"type\":\"string\"},{\"$ref\":"
                                  "\"#/components/schemas/bytes\"}]}"
                                : "{\"type\":\"string\"}");
        return;
    default:
        sv_text_puts(out, "{}");
        return;
    }
}

/* The dimensions from `first` on as nested arrays. */
static void put_value(const sv_port *port, int32_t first, bool input, sv_text *out)
{
    if (port->kind != SV_KIND_TENSOR || port->rank < first) {
        sv_text_puts(out, "{}");
        return;
    }
    for (int32_t i = first; i < port->rank; i++) {
        sv_text_puts(out, "{\"type\":\"array\",");
        if (port->dim[i] >= 0) {
            sv_text_printf(out, "\"minItems\":%lld,\"maxItems\":%lld,", (long long)port->dim[i],
                           (long long)port->dim[i]);
        } else if (input) {
            sv_text_puts(out, "\"minItems\":1,");
        }
        sv_text_puts(out, "\"items\":");
    }
    put_element(port->dtype, input, out);
    for (int32_t i = first; i < port->rank; i++)
        sv_text_putc(out, '}');
}

typedef struct ports {
    const sv_served *served;
    bool input;
    size_t count;
} ports;

static ports ports_of(const sv_served *served, bool input)
{
    const sv_model *m = served->model;
    return (ports){served, input, input ? sv_model_input_count(m) : sv_model_output_count(m)};
}

static const sv_port *port_at(const ports *p, size_t index)
{
    return sv_terms_port(p->served, p->input, index, NULL);
}

/* An object of all ports by name: whole values, or with `first` 1 their rows. */
static void put_object(const ports *p, int32_t first, sv_text *out)
{
    bool any = false;
    sv_text_puts(out, "{\"type\":\"object\",\"properties\":{");
    for (size_t i = 0; i < p->count; i++) {
        sv_text_puts(out, i ? "," : "");
        sv_front_put_string(out, port_at(p, i)->name);
        sv_text_putc(out, ':');
        put_value(port_at(p, i), first, p->input, out);
    }
    sv_text_puts(out, "},\"required\":[");
    for (size_t i = 0; i < p->count; i++) {
        if (port_at(p, i)->optional) continue;
        sv_text_puts(out, any ? "," : "");
        any = true;
        sv_front_put_string(out, port_at(p, i)->name);
    }
    sv_text_puts(out, "],\"additionalProperties\":false}");
}

/* A single port may go without its name. */
static void put_all(const ports *p, int32_t first, sv_text *out)
{
    if (p->count != 1) {
        put_object(p, first, out);
        return;
    }
    sv_text_puts(out, "{\"anyOf\":[");
    put_value(port_at(p, 0), first, p->input, out);
    sv_text_putc(out, ',');
    put_object(p, first, out);
    sv_text_puts(out, "]}");
}

static void put_rows(const ports *p, sv_text *out)
{
    sv_text_puts(out, p->input ? "{\"type\":\"array\",\"minItems\":1,\"items\":"
                               : "{\"type\":\"array\",\"items\":");
    put_all(p, 1, out);
    sv_text_putc(out, '}');
}

/* An object that must have one key. */
static void put_keyed(const char *key, void (*put)(const ports *, sv_text *), const ports *p,
                      sv_text *out)
{
    sv_text_printf(out, "{\"type\":\"object\",\"properties\":{\"%s\":", key);
    put(p, out);
    sv_text_printf(out, "},\"required\":[\"%s\"]}", key);
}

static void put_columns(const ports *p, sv_text *out)
{
    put_all(p, 0, out);
}

/* ---- forms: each appends a schema -------------------------------------------------------- */

static void put_predict(const sv_served *served, sv_text *out)
{
    ports in = ports_of(served, true);
    sv_text_puts(out, "{\"oneOf\":[");
    put_keyed("instances", put_rows, &in, out);
    sv_text_putc(out, ',');
    put_keyed("inputs", put_columns, &in, out);
    sv_text_puts(out, "]}");
}

/* Answers whose rows do not agree with the questions' come as columns. */
static void put_rows_or_columns(const ports *p, sv_text *out)
{
    sv_text_puts(out, "{\"anyOf\":[");
    put_rows(p, out);
    sv_text_putc(out, ',');
    put_columns(p, out);
    sv_text_puts(out, "]}");
}

static void put_predicted(const sv_served *served, sv_text *out)
{
    ports outputs = ports_of(served, false);
    sv_text_puts(out, "{\"oneOf\":[");
    put_keyed("predictions", put_rows, &outputs, out);
    sv_text_putc(out, ',');
    put_keyed("outputs", put_columns, &outputs, out);
    sv_text_puts(out, "]}");
}

static void put_predictions(const sv_served *served, sv_text *out)
{
    ports outputs = ports_of(served, false);
    put_keyed("predictions", put_rows_or_columns, &outputs, out);
}

static void put_plain(const sv_served *served, sv_text *out)
{
    ports in = ports_of(served, true);
    sv_text_puts(out, "{\"anyOf\":[");
    put_rows(&in, out);
    sv_text_putc(out, ',');
    put_keyed("instances", put_rows, &in, out);
    sv_text_puts(out, "]}");
}

static void put_frame(const sv_served *served, sv_text *out)
{
    ports in = ports_of(served, true);
    sv_text_puts(out, "{\"oneOf\":[");
    put_keyed("instances", put_rows, &in, out);
    sv_text_putc(out, ',');
    put_keyed("inputs", put_columns, &in, out);
    sv_text_puts(out, ",{\"$ref\":\"#/components/schemas/dataframe_split\"},"
                      "{\"$ref\":\"#/components/schemas/dataframe_records\"}]}");
}

static void put_any(const sv_served *served, sv_text *out)
{
    ports in = ports_of(served, true);
    sv_text_puts(out, "{\"anyOf\":[");
    put_columns(&in, out);
    sv_text_putc(out, ',');
    put_keyed("instances", put_rows, &in, out);
    sv_text_putc(out, ',');
    put_keyed("inputs", put_columns, &in, out);
    sv_text_puts(out, ",{\"$ref\":\"#/components/schemas/dataframe_split\"},"
                      "{\"$ref\":\"#/components/schemas/dataframe_records\"}]}");
}

static void put_any_answer(const sv_served *served, sv_text *out)
{
    (void)served;
    sv_text_puts(out, "{\"type\":[\"array\",\"object\",\"number\",\"string\",\"boolean\"]}");
}

static void put_classes(const sv_served *served, sv_text *out)
{
    (void)served;
    sv_text_puts(out, "{\"type\":\"object\",\"properties\":{\"results\":{\"type\":\"array\","
                      "\"items\":{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":"
                      "{\"type\":[\"string\",\"number\"]},\"minItems\":2,\"maxItems\":2}}}},"
                      "\"required\":[\"results\"]}");
}

static void put_values(const sv_served *served, sv_text *out)
{
    (void)served;
    sv_text_puts(out, "{\"type\":\"object\",\"properties\":{\"results\":{\"type\":\"array\","
                      "\"items\":{\"type\":\"number\"}}},\"required\":[\"results\"]}");
}

static void put_examples(const sv_served *served, sv_text *out)
{
    (void)served;
    sv_text_puts(out, "{\"type\":\"object\",\"properties\":{\"signature_name\":{\"type\":"
                      "\"string\"},\"context\":{\"type\":\"object\"},\"examples\":{\"type\":"
                      "\"array\",\"minItems\":1,\"items\":{\"type\":\"object\"}}},"
                      "\"required\":[\"examples\"]}");
}

static void put_oip_shape(const sv_port *port, sv_text *out)
{
    sv_text_puts(out, "{\"type\":\"array\",");
    if (port->rank >= 0) {
        sv_text_printf(out, "\"minItems\":%d,\"maxItems\":%d,", (int)port->rank, (int)port->rank);
    }
    sv_text_puts(out, "\"items\":{\"type\":\"integer\",\"minimum\":0}}");
}

static void put_oip_tensor(const sv_port *port, bool input, sv_text *out)
{
    const char *type = sv_dtype_get(port->dtype)->oip_name;
    sv_text_puts(out, "{\"type\":\"object\",\"properties\":{\"name\":{\"const\":");
    sv_front_put_string(out, port->name);
    sv_text_printf(out, "},\"datatype\":{\"const\":\"%s\"},\"shape\":", type ? type : "");
    put_oip_shape(port, out);
    sv_text_puts(out, ",\"parameters\":{\"type\":\"object\"},\"data\":{\"type\":\"array\"}},"
                      "\"required\":[\"name\",\"datatype\",\"shape\"");
    sv_text_puts(out, input ? ",\"data\"]}" : "]}");
}

static void put_oip_list(const ports *p, sv_text *out)
{
    size_t needed = 0;
    sv_text_puts(out, "{\"type\":\"array\",\"items\":{\"anyOf\":[");
    for (size_t i = 0; i < p->count; i++) {
        sv_text_puts(out, i ? "," : "");
        sv_port room;
        needed += !port_at(p, i)->optional;
        put_oip_tensor(sv_terms_port(p->served, p->input, i, &room), p->input, out);
    }
    sv_text_puts(out, "]}");
    if (p->input) {
        sv_text_printf(out, ",\"minItems\":%zu,\"maxItems\":%zu", needed, p->count);
    }
    sv_text_putc(out, '}');
}

static void put_infer(const sv_served *served, sv_text *out)
{
    ports in = ports_of(served, true), outputs = ports_of(served, false);
    sv_text_puts(out, "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\","
                      "\"maxLength\":256},\"parameters\":{\"type\":\"object\"},\"inputs\":");
    put_oip_list(&in, out);
    sv_text_puts(out, ",\"outputs\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
                      "\"properties\":{\"name\":{\"enum\":[");
    for (size_t i = 0; i < outputs.count; i++) {
        sv_text_puts(out, i ? "," : "");
        sv_front_put_string(out, port_at(&outputs, i)->name);
    }
    sv_text_puts(out, "]},\"parameters\":{\"type\":\"object\"}},\"required\":[\"name\"]}}},"
                      "\"required\":[\"inputs\"]}");
}

static void put_inferred(const sv_served *served, sv_text *out)
{
    ports outputs = ports_of(served, false);
    sv_text_puts(out, "{\"type\":\"object\",\"properties\":{\"model_name\":{\"type\":\"string\"},"
                      "\"model_version\":{\"type\":\"string\"},\"id\":{\"type\":\"string\"},"
                      "\"outputs\":");
    put_oip_list(&outputs, out);
    sv_text_puts(out, "},\"required\":[\"model_name\",\"model_version\",\"outputs\"]}");
}

void sv_openapi_put_forms(const sv_served *served, sv_text *out)
{
    static const struct {
        const char *name, *what;
        void (*put)(const sv_served *served, sv_text *out);
    } forms[] = {
#define FORM(name, what) {#name, what, put_##name},
#include "front/openapi_forms.inc"
#undef FORM
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        sv_text_printf(out, "%s\"%s.%s\":{\"description\":\"%s\",\"allOf\":[", i ? "," : "",
                       served->name, forms[i].name, forms[i].what);
        forms[i].put(served, out);
        sv_text_puts(out, "]}");
    }
}
