/* What every C test includes: cmocka, and checks of statuses that free them. */
#ifndef SV_TESTS_SUPPORT_CHECK_H
#define SV_TESTS_SUPPORT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <serval/types.h>
#include <stdlib.h>
#include <string.h>

/* The call succeeds. */
#define CHECK_OK(expression) check_ok((expression), #expression, __FILE__, __LINE__)
/* The call fails with this code, and its message contains the text. */
#define CHECK_FAILS(expression, code, text)                                                        \
    check_fails((expression), (code), (text), #expression, __FILE__, __LINE__)

static inline void check_ok(sv_status status, const char *what, const char *file, int line)
{
    if (!status) return;
    print_error("%s: %s: %s\n", what, sv_code_name(sv_status_code(status)),
                sv_status_message(status));
    sv_status_free(status);
    _fail(file, line);
}

static inline void check_fails(sv_status status, sv_code code, const char *text, const char *what,
                               const char *file, int line)
{
    if (sv_status_code(status) == code && strstr(sv_status_message(status), text)) {
        sv_status_free(status);
        return;
    }
    print_error("%s: expected %s with \"%s\", found %s: %s\n", what, sv_code_name(code), text,
                sv_code_name(sv_status_code(status)), sv_status_message(status));
    sv_status_free(status);
    _fail(file, line);
}

#endif
