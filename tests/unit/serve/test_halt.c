/* Runs that nobody wants any more: which flags a session is given, and when. The sessions are those
 * of this file, which only note what they are told. */
#include "serve/halt.h"

#include "support/check.h"

struct sv_session {
    bool interrupted;
};

void sv_session_interrupt(sv_session *session, bool on)
{
    session->interrupted = on;
}

static void test_a_run_ends_when_nobody_wants_any_part(void **state)
{
    (void)state;
    sv_halt halt;
    sv_session session = {false};
    sv_halt_init(&halt);
    uint64_t run = sv_halt_begin(&halt, 2);
    sv_halt_enter(&halt, &session);
    sv_halt_forgo(&halt, run);
    assert_false(session.interrupted);
    sv_halt_forgo(&halt, run);
    assert_true(session.interrupted);
    assert_true(sv_halt_leave(&halt));
    /* The session goes on for others. */
    assert_false(session.interrupted);
    sv_halt_release(&halt);
}

static void test_what_is_given_up_before_it_runs(void **state)
{
    (void)state;
    sv_halt halt;
    sv_session session = {false};
    sv_halt_init(&halt);
    sv_halt_forgo(&halt, sv_halt_begin(&halt, 1));
    sv_halt_enter(&halt, &session);
    assert_true(session.interrupted);
    assert_true(sv_halt_leave(&halt));
    sv_halt_release(&halt);
}

static void test_runs_that_have_ended_are_not_meant(void **state)
{
    (void)state;
    sv_halt halt;
    sv_session session = {false};
    sv_halt_init(&halt);
    uint64_t before = sv_halt_begin(&halt, 1);
    sv_halt_enter(&halt, &session);
    assert_false(sv_halt_leave(&halt));
    sv_halt_forgo(&halt, before);
    assert_false(session.interrupted);
    (void)sv_halt_begin(&halt, 1);
    sv_halt_enter(&halt, &session);
    sv_halt_forgo(&halt, before);
    assert_false(session.interrupted || sv_halt_leave(&halt));
    sv_halt_release(&halt);
}

static void test_nothing_runs_after_the_close(void **state)
{
    (void)state;
    sv_halt halt;
    sv_session session = {false};
    sv_halt_init(&halt);
    (void)sv_halt_begin(&halt, 1);
    sv_halt_enter(&halt, &session);
    sv_halt_close(&halt);
    assert_true(session.interrupted);
    assert_true(sv_halt_leave(&halt));
    (void)sv_halt_begin(&halt, 1);
    sv_halt_enter(&halt, &session);
    assert_true(session.interrupted);
    assert_true(sv_halt_leave(&halt));
    sv_halt_release(&halt);
}

static void test_runs_of_loops_have_none(void **state)
{
    (void)state;
    sv_session session = {false};
    sv_halt_enter(NULL, &session);
    assert_false(sv_halt_leave(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_ends_when_nobody_wants_any_part),
        cmocka_unit_test(test_what_is_given_up_before_it_runs),
        cmocka_unit_test(test_runs_that_have_ended_are_not_meant),
        cmocka_unit_test(test_nothing_runs_after_the_close),
        cmocka_unit_test(test_runs_of_loops_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
