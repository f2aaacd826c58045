/* Opening beneath a folder, with and without openat2; writing files whole. */
#include "base/path.h"
#include "support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[64];

static void put_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static int make_tree(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/sv-path-XXXXXX");
    if (!mkdtemp(root) || chdir(root) != 0) return -1;
    if (mkdir("model", 0755) || mkdir("model/sub", 0755) || mkdir("outside", 0755)) return -1;
    put_file("model/w.bin", "weights");
    put_file("model/sub/v.bin", "deep");
    put_file("outside/secret", "secret");
    int failed = symlink("../outside/secret", "model/leaves");
    failed |= symlink("/etc/passwd", "model/absolute");
    failed |= symlink("w.bin", "model/inside");
    failed |= symlink("../outside", "model/folder");
    failed |= symlink("loop", "model/loop");
    failed |= symlink("model", "linked");
    failed |= mkfifo("model/pipe", 0644);
    return failed;
}

static int remove_tree(void **state)
{
    (void)state;
    char command[128];
    if (chdir("/") != 0) return -1;
    snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command);
}

static void check_opens(const char *name, const char *text)
{
    int fd = -1;
    char found[32] = {0};
    CHECK_OK(sv_path_open_beneath("model", name, &fd));
    assert_true(read(fd, found, sizeof found - 1) >= 0);
    assert_string_equal(found, text);
    close(fd);
}

static void check_hostile_names(void)
{
    int fd = -2;
    const char *refused[] = {
        "",       "/etc/passwd", "..",       "../outside/secret", "sub/../w.bin",
        "sub/..", "leaves",      "absolute", "folder/secret",     "loop",
        "pipe",   "sub",         "."};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        CHECK_FAILS(sv_path_open_beneath("model", refused[i], &fd), SV_CODE_INVALID_ARGUMENT,
                    refused[i]);
    CHECK_FAILS(sv_path_open_beneath("model", "none", &fd), SV_CODE_NOT_FOUND, "none");
    CHECK_FAILS(sv_path_open_beneath("nowhere", "w.bin", &fd), SV_CODE_NOT_FOUND, "nowhere");
    char long_name[5000];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    CHECK_FAILS(sv_path_open_beneath("model", long_name, &fd), SV_CODE_INVALID_ARGUMENT, "4999");
    assert_int_equal(fd, -2);
}

static void test_open_beneath(void **state)
{
    (void)state;
    check_opens("w.bin", "weights");
    check_opens("sub/v.bin", "deep");
    check_opens("./sub//v.bin", "deep");
    check_hostile_names();
    int fd;
    CHECK_OK(sv_path_open_beneath("linked", "w.bin", &fd)); /* the operator's link is followed */
    close(fd);
    sv_status status = sv_path_open_beneath("model", "inside", &fd);
    if (!status) close(fd);
    /* The fallback for old kernels refuses all links; openat2 tells those that stay inside. */
    assert_true(!status || sv_status_code(status) == SV_CODE_INVALID_ARGUMENT);
    sv_status_free(status);
}

/* Makes openat2 fail with ENOSYS for the rest of this process; false where filters are forbidden.
 */
static bool forbid_openat2(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static bool opens(const char *name)
{
    int fd;
    sv_status status = sv_path_open_beneath("model", name, &fd);
    if (!status) close(fd);
    sv_status_free(status);
    return !status;
}

static void test_open_beneath_without_openat2(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        if (!forbid_openat2()) _exit(77);
        if (!opens("w.bin") || !opens("sub/v.bin") || !opens("./sub//v.bin")) _exit(1);
        const char *refused[] = {"leaves", "absolute", "inside", "folder/secret",
                                 "loop",   "pipe",     "sub",    "none"};
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
            if (opens(refused[i])) _exit(2 + (int)i);
        _exit(0);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    if (WEXITSTATUS(result) == 77) skip();
    assert_int_equal(WEXITSTATUS(result), 0);
}

static void test_open_for_the_operator(void **state)
{
    (void)state;
    int fd;
    CHECK_OK(sv_path_open("model/inside", &fd));
    close(fd);
    CHECK_OK(sv_path_open("model/leaves", &fd));
    close(fd);
    CHECK_FAILS(sv_path_open("model", &fd), SV_CODE_INVALID_ARGUMENT, "a folder");
    CHECK_FAILS(sv_path_open("/dev/null", &fd), SV_CODE_INVALID_ARGUMENT, "a device");
    CHECK_FAILS(sv_path_open("nothing", &fd), SV_CODE_NOT_FOUND, "nothing: cannot open");
}

static void test_folder_of_a_path(void **state)
{
    (void)state;
    const char *cases[][2] = {{"m.onnx", "."},    {"a/m.onnx", "a"}, {"/m", "/"},
                              {"/a/b/c", "/a/b"}, {"", "."},         {"/", "/"}};
    char folder[16];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_OK(sv_path_folder(cases[i][0], folder, sizeof folder));
        assert_string_equal(folder, cases[i][1]);
    }
    CHECK_FAILS(sv_path_folder("/a/long/path/to/m", folder, 5), SV_CODE_INVALID_ARGUMENT,
                "less than 5");
}

static void test_one_place(void **state)
{
    (void)state;
    assert_int_equal(mkdir("place", 0755), 0);
    assert_int_equal(symlink("place", "place-link"), 0);
    assert_true(sv_path_same("place", "place//"));
    assert_true(sv_path_same("place", "./place-link"));
    assert_true(sv_path_same("place/../place", "place-link/."));
    assert_true(sv_path_same("none/at/all", "none/at/all/"));
    assert_false(sv_path_same("place", "model"));
    assert_false(sv_path_same("place", "none"));
    assert_false(sv_path_same("", "place"));
}

static void check_real(const char *from, const char *path, const char *expected)
{
    char *real;
    CHECK_OK(sv_path_real_beneath(from, path, &real));
    assert_string_equal(real + strlen(real) - strlen(expected), expected);
    free(real);
}

static void test_real_paths_beneath(void **state)
{
    (void)state;
    char *real;
    assert_int_equal(mkdir("roots", 0755), 0);
    assert_int_equal(mkdir("roots/in", 0755), 0);
    assert_int_equal(mkdir("roots-too", 0755), 0);
    assert_int_equal(symlink("../../etc", "roots/away"), 0);
    assert_int_equal(symlink("in", "roots/near"), 0);
    assert_int_equal(symlink("roots", "roots-link"), 0);
    check_real("roots", "roots/in", "/roots/in");
    check_real("roots-link", "roots/../roots/near/", "/roots/in");
    check_real("/", "/etc", "/etc");
    const char *outside[] = {"roots", "roots/", "roots/in/../..", "roots-too", "/etc", "/"};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        CHECK_FAILS(sv_path_real_beneath("roots", outside[i], &real), SV_CODE_PERMISSION_DENIED,
                    "beneath 'roots'");
    }
    CHECK_FAILS(sv_path_real_beneath("/", "/", &real), SV_CODE_PERMISSION_DENIED, "beneath '/'");
    CHECK_FAILS(sv_path_real_beneath("roots", "roots/none", &real), SV_CODE_NOT_FOUND, "none");
    CHECK_FAILS(sv_path_real_beneath("none", "roots", &real), SV_CODE_NOT_FOUND, "'none'");
    CHECK_FAILS(sv_path_real_beneath("roots", "", &real), SV_CODE_NOT_FOUND, "''");
    assert_int_equal(unlink("roots/away"), 0);
    assert_int_equal(symlink("../roots-too", "roots/away"), 0);
    CHECK_FAILS(sv_path_real_beneath("roots", "roots/away", &real), SV_CODE_PERMISSION_DENIED,
                "roots/away");
}

static void test_write_replaces_whole_files(void **state)
{
    (void)state;
    CHECK_OK(sv_path_write("model/new", "first", 5));
    CHECK_OK(sv_path_write("model/new", "second", 6));
    check_opens("new", "second");
    CHECK_OK(sv_path_write("model/empty", NULL, 0));
    check_opens("empty", "");
    CHECK_FAILS(sv_path_write("nowhere/new", "x", 1), SV_CODE_NOT_FOUND, "nowhere/new");
    CHECK_FAILS(sv_path_write("model/sub", "x", 1), SV_CODE_UNAVAILABLE, "model/sub: cannot write");
    assert_int_equal(system("test -z \"$(find . -name '*.tmp')\""), 0);
}

static void test_new_files_appear_when_they_are_complete(void **state)
{
    (void)state;
    sv_new_file file;
    CHECK_OK(sv_path_write("model/grown", "old", 3));
    CHECK_OK(sv_new_file_create("model/grown", &file));
    CHECK_OK(sv_new_file_write(&file, "be", 2));
    CHECK_OK(sv_new_file_write(&file, "gun", 3));
    check_opens("grown", "old");
    sv_new_file_abandon(&file);
    sv_new_file_abandon(&file);
    check_opens("grown", "old");
    CHECK_OK(sv_new_file_create("model/grown", &file));
    CHECK_OK(sv_new_file_write(&file, "new", 3));
    CHECK_OK(sv_new_file_finish(&file));
    check_opens("grown", "new");
    CHECK_FAILS(sv_new_file_create("nowhere/new", &file), SV_CODE_NOT_FOUND, "nowhere/new");
    assert_int_equal(system("test -z \"$(find . -name '*.tmp')\""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_beneath),
        cmocka_unit_test(test_open_beneath_without_openat2),
        cmocka_unit_test(test_open_for_the_operator),
        cmocka_unit_test(test_folder_of_a_path),
        cmocka_unit_test(test_one_place),
        cmocka_unit_test(test_real_paths_beneath),
        cmocka_unit_test(test_write_replaces_whole_files),
        cmocka_unit_test(test_new_files_appear_when_they_are_complete),
    };
    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
