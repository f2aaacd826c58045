/* What falls due: order by time, and by insertion where that is the same. */
#include "serve/due.h"

#include "support/check.h"

static void check_order(const sv_due_list *list, const sv_due *const *expected, size_t count)
{
    const sv_due *due = list->first, *before = NULL;
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(due, expected[i]);
        assert_ptr_equal(due->sooner, before);
        before = due;
        due = due->later;
    }
    assert_null(due);
    assert_ptr_equal(list->last, before);
}

static void test_order(void **state)
{
    (void)state;
    sv_due_list list = {NULL, NULL};
    sv_due a = {0}, b = {0}, c = {0}, d = {0};
    sv_due_remove(&list, &a);
    sv_due_insert(&list, &a, 20);
    sv_due_insert(&list, &b, 30);
    sv_due_insert(&list, &c, 10);
    sv_due_insert(&list, &d, 20);
    check_order(&list, (const sv_due *[]){&c, &a, &d, &b}, 4);
    sv_due_remove(&list, &c);
    sv_due_remove(&list, &c);
    check_order(&list, (const sv_due *[]){&a, &d, &b}, 3);
    assert_int_equal(c.at, 0);
    sv_due_remove(&list, &b);
    sv_due_remove(&list, &a);
    check_order(&list, (const sv_due *[]){&d}, 1);
    sv_due_insert(&list, &c, 5);
    sv_due_remove(&list, &d);
    check_order(&list, (const sv_due *[]){&c}, 1);
    sv_due_remove(&list, &c);
    check_order(&list, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
