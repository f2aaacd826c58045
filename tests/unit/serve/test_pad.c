/* Joining and cutting padded tensors, and what padded runs come to. */
#include "serve/flow.h"

#include "support/check.h"
#include "tensor/dtype.h"
#include <stdlib.h>

static void pad_port(sv_padded_port *port, sv_dtype dtype, int32_t rank, const int8_t *length)
{
    *port = (sv_padded_port){.rank = rank, .element = sv_dtype_get(dtype)->size};
    memset(port->length, SV_PAD_UNPADDED, sizeof port->length);
    for (int32_t i = 0; i < rank; i++) {
        port->length[i] = length[i];
        port->any |= length[i] >= 0;
    }
}

static size_t place(const sv_buffer *buffer, const int64_t *index)
{
    size_t at = 0;
    for (int32_t i = 0; i < buffer->rank; i++)
        at = at * (size_t)buffer->dim[i] + (size_t)index[i];
    return at;
}

static bool inside(const sv_buffer *buffer, const int64_t *index)
{
    for (int32_t i = 0; i < buffer->rank; i++) {
        if (index[i] >= buffer->dim[i]) return false;
    }
    return true;
}

/* Every element of the padded tensor is its member's, or the value. */
static void check_filled(const sv_padded_port *port, const sv_buffer *from, const sv_buffer *to)
{
    int64_t index[SV_MAX_RANK] = {0};
    size_t count = to->size / port->element;
    for (size_t n = 0; n < count; n++) {
        size_t rest = n;
        for (int32_t i = to->rank - 1; i >= 0; i--) {
            index[i] = (int64_t)(rest % (size_t)to->dim[i]);
            rest /= (size_t)to->dim[i];
        }
        const void *expected = port->value;
        if (inside(from, index))
            expected = (const char *)from->data + place(from, index) * port->element;
        assert_memory_equal((const char *)to->data + n * port->element, expected, port->element);
    }
}

static sv_buffer make(const sv_padded_port *port, const int64_t *dim, const sv_lengths *lengths)
{
    sv_buffer buffer = {.rank = port->rank};
    memcpy(buffer.dim, dim, (size_t)port->rank * sizeof *dim);
    sv_pad_shape(port, lengths, &buffer);
    buffer.data = malloc(buffer.size);
    for (size_t i = 0; i < buffer.size; i++)
        ((uint8_t *)buffer.data)[i] = (uint8_t)(i * 7 + 1);
    return buffer;
}

/* There and back: exactly the memory is touched, as sanitizers see. */
static void check_shape(sv_dtype dtype, int32_t rank, const int64_t *dim, const int8_t *length)
{
    sv_padded_port port;
    const sv_lengths own = {{3, 2}}, target = {{5, 7}};
    pad_port(&port, dtype, rank, length);
    memset(port.value, 0xA5, port.element);
    sv_buffer from = make(&port, dim, &own), to = make(&port, dim, &target);
    sv_buffer back = make(&port, dim, &own);
    sv_pad_fill(&port, &from, &to);
    check_filled(&port, &from, &to);
    memset(back.data, 0, back.size);
    sv_pad_cut(&port, &to, &back);
    assert_memory_equal(back.data, from.data, from.size);
    assert_true(sv_pad_has(&port, &target, &to) && sv_pad_has(&port, &own, &back));
    assert_true(!port.any || !sv_pad_has(&port, &target, &back));
    free(from.data);
    free(to.data);
    free(back.data);
}

static void test_pads_and_cuts_every_size_of_element(void **state)
{
    static const sv_dtype dtypes[] = {SV_BOOL, SV_U8, SV_F16, SV_I32, SV_F32, SV_F64, SV_C128};
    (void)state;
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        check_shape(dtypes[i], 2, (int64_t[]){4, 0}, (int8_t[]){-1, 0});
        check_shape(dtypes[i], 3, (int64_t[]){2, 0, 3}, (int8_t[]){-1, 0, -1});
        check_shape(dtypes[i], 3, (int64_t[]){2, 3, 0}, (int8_t[]){-1, -1, 0});
        check_shape(dtypes[i], 3, (int64_t[]){2, 0, 0}, (int8_t[]){-1, 0, 0});
        check_shape(dtypes[i], 4, (int64_t[]){2, 0, 2, 0}, (int8_t[]){-1, 1, -1, 0});
        check_shape(dtypes[i], 5, (int64_t[]){1, 2, 0, 0, 3}, (int8_t[]){-1, -1, 1, 0, -1});
        check_shape(dtypes[i], 2, (int64_t[]){4, 6}, (int8_t[]){-1, -1});
    }
}

static sv_padded_port input;
static sv_padding padding = {.lengths = 1, .bucket = 1, .inputs = 1, .input = &input};
static sv_served version = {.name = "m", .batches = true, .padding = &padding};

static int setup(void **state)
{
    (void)state;
    pad_port(&input, SV_F32, 2, (int8_t[]){-1, 0});
    input.row_bytes = 4;
    padding.bucket = 1;
    version.tuning = (sv_tuning){.batching = true};
    return 0;
}

static sv_extent extent(int64_t rows, int64_t length)
{
    return (sv_extent){rows, (size_t)(rows * length * 4), {{length}}};
}

static void test_extents(void **state)
{
    (void)state;
    sv_extent a = extent(2, 10), b = extent(1, 17), sum = a;
    sv_extent_add(&version, &sum, &b);
    assert_true(sum.rows == 3 && sum.bytes == 37 * 4 && sum.most.of[0] == 17);
    assert_int_equal(sv_extent_bytes(&version, &sum), 3 * 17 * 4);
    padding.bucket = 8;
    assert_int_equal(sv_extent_target(&padding, &sum).of[0], 24);
    assert_int_equal(sv_extent_bytes(&version, &sum), 3 * 24 * 4);
    sv_extent huge = {1 << 20, 4, {{INT64_MAX / 2}}};
    assert_true(sv_extent_bytes(&version, &huge) == SIZE_MAX);
    huge.most.of[0] = INT64_MAX;
    assert_true(sv_extent_target(&padding, &huge).of[0] == INT64_MAX);
    assert_true(sv_extent_wastes(&version, &huge));
}

static void test_waste(void **state)
{
    (void)state;
    sv_extent pair = {2, 101 * 4, {{100}}}, ten = {11, 110 * 4, {{100}}};
    assert_false(sv_extent_wastes(&version, &pair));
    assert_true(sv_extent_wastes(&version, &ten));
    /* A bucket is what was asked for. */
    padding.bucket = 4096;
    sv_extent one = extent(1, 1);
    assert_false(sv_extent_wastes(&version, &one));
}

static void add(sv_flow *flow, sv_batch *part, int64_t length)
{
    *part = (sv_batch){.version = &version,
                       .flow = flow,
                       .level = 1,
                       .extent = extent(1, length),
                       .count = 1,
                       .joins = true,
                       .queued_ns = 1};
    sv_flow_add(flow, part);
}

static void test_runs_are_bounded_with_their_padding(void **state)
{
    (void)state;
    static sv_flow flow;
    static sv_batch part[8];
    /* At the fourth's length each takes a quarter of what a run may have. */
    int64_t quarter = (int64_t)(sv_flow_max_bytes(&version) / 16);
    for (size_t i = 0; i < 5; i++)
        add(&flow, &part[i], i == 3 ? quarter : quarter / 2);
    sv_batch *run = sv_flow_take(&flow);
    size_t count = 0;
    for (const sv_batch *p = run; p; p = p->mate)
        count++;
    assert_int_equal(count, 4);
    assert_ptr_equal(sv_flow_take(&flow), &part[4]);
}

static void test_a_long_one_is_passed_over(void **state)
{
    (void)state;
    static sv_flow flow;
    static sv_batch part[8];
    for (size_t i = 0; i < 8; i++)
        add(&flow, &part[i], i == 5 ? 1000 : 2);
    const sv_batch *run = sv_flow_take(&flow);
    size_t count = 0;
    for (const sv_batch *p = run; p; p = p->mate) {
        assert_ptr_not_equal(p, &part[5]);
        count++;
    }
    assert_int_equal(count, 7);
    assert_ptr_equal(sv_flow_take(&flow), &part[5]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_pads_and_cuts_every_size_of_element, setup),
        cmocka_unit_test_setup(test_extents, setup),
        cmocka_unit_test_setup(test_waste, setup),
        cmocka_unit_test_setup(test_runs_are_bounded_with_their_padding, setup),
        cmocka_unit_test_setup(test_a_long_one_is_passed_over, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
