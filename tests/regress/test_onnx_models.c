/* Every model of ONNX's own test data is read, its functions are inlined, its versions lowered, and
 * the result verifies; whether Serval can run it is asked elsewhere. Skipped where the package is
 * not installed.
 *
 * ctest: timeout=120 */
#include "base/path.h"
#include "base/status.h"
#include "formats/onnx/onnx.h"
#include "lower/lower.h"
#include "support/check.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned seen, failed;

static sv_status import(const char *path)
{
    char folder[4096];
    sv_blob *blob;
    sv_module *module;
    sv_budget budget = SV_BUDGET_DEFAULT;
    SV_TRY(sv_path_folder(path, folder, sizeof folder));
    SV_TRY(sv_blob_read_file(path, (size_t)1 << 30, NULL, &blob));
    sv_status status = sv_onnx_read(blob, folder, NULL, &budget, &module);
    sv_blob_unref(blob);
    if (status) return status;
    status = sv_lower_functions(module);
    if (!status) status = sv_lower_versions(module);
    if (!status) status = sv_module_verify(module);
    sv_module_destroy(module);
    return status;
}

/* All files that the pattern below the package's data names. */
static void import_all(const char *pattern)
{
    const char *root = getenv("SERVAL_SOURCE_DIR");
    char path[4096];
    glob_t found;
    snprintf(path, sizeof path,
             "%s/.cache/venv/lib/python3*/site-packages/onnx/backend/test/data/%s",
             root ? root : ".", pattern);
    if (glob(path, 0, NULL, &found) != 0) return;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        sv_status status = import(found.gl_pathv[i]);
        seen++;
        if (!status) continue;
        failed++;
        print_error("%s: %s\n", found.gl_pathv[i], sv_status_message(status));
        sv_status_free(status);
    }
    globfree(&found);
}

static void all_models_are_read_and_lowered(void **state)
{
    (void)state;
    import_all("*/*.onnx");
    import_all("*/*/*.onnx");
    print_message("%u models\n", seen);
    if (seen == 0) skip();
    assert_int_equal(failed, 0);
    assert_true(seen > 1800);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_models_are_read_and_lowered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
