/* Opening files safely. */
#define _GNU_SOURCE /* O_PATH */
#include "base/path.h"

#include "base/log.h"
#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RACE_RETRIES = 16, NAME_LIMIT = 4096 };

/* Not waiting for a pipe's writer, not becoming a terminal's process: nobody asked for either. */
static const int open_flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

static sv_status open_failed(const char *path, int error)
{
    char text[SV_ERRNO_TEXT];
    sv_code code = SV_CODE_UNAVAILABLE;
    if (error == ENOENT || error == ENOTDIR)
        code = SV_CODE_NOT_FOUND;
    else if (error == EACCES || error == EPERM)
        code = SV_CODE_PERMISSION_DENIED;
    else if (error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOSPC)
        code = SV_CODE_RESOURCE_EXHAUSTED;
    else if (error == ELOOP || error == ENAMETOOLONG || error == EINVAL || error == EISDIR)
        code = SV_CODE_INVALID_ARGUMENT;
    return sv_error(code, "%s: cannot open: %s", path, sv_errno_text(error, text));
}

static const char *kind_of(mode_t mode)
{
    if (S_ISDIR(mode)) return "a folder";
    if (S_ISFIFO(mode)) return "a pipe";
    if (S_ISSOCK(mode)) return "a socket";
    if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
    return "something else";
}

/* Lexical rules: what they refuse never reaches the kernel. */
static sv_status check_name(const char *name)
{
    if (name[0] == '\0') return sv_error_invalid("file name: expected a name, found an empty one");
    if (name[0] == '/')
        return sv_error_invalid(
            "%s: expected a name beneath the model's folder, found an absolute one", name);
    if (strlen(name) >= NAME_LIMIT)
        return sv_error_invalid("file name: expected less than %d bytes, found %zu", NAME_LIMIT,
                                strlen(name));
    for (const char *at = name; *at;) {
        size_t size = strcspn(at, "/");
        if (size == 2 && at[0] == '.' && at[1] == '.')
            return sv_error_invalid(
                "%s: expected a name beneath the model's folder, found \"..\" in it", name);
        at += size;
        at += strspn(at, "/");
    }
    return SV_OK;
}

/* The kernel's own walk; -1 with errno. EAGAIN says that something was renamed meanwhile. */
static int open_resolved(int root, const char *name)
{
    struct open_how how = {
        .flags = (uint64_t)open_flags,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    int fd = -1;
    for (int i = 0; i < RACE_RETRIES; i++) {
        fd = (int)syscall(SYS_openat2, root, name, &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
    }
    return fd;
}

/* One component of a name, no link. A link in the place of a folder is told as a link. */
static int open_component(int folder, const char *component, int flags)
{
    struct stat info;
    int next = openat(folder, component, flags | O_NOFOLLOW);
    if (next >= 0 || errno != ENOTDIR) return next;
    bool link =
        fstatat(folder, component, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode);
    errno = link ? ELOOP : ENOTDIR;
    return next;
}

/* For kernels (before 5.6) and containers without openat2: component by component, no links at all.
 */
static int open_walked(int root, const char *name)
{
    char component[NAME_LIMIT];
    int folder = dup(root);
    while (folder >= 0) {
        size_t size = strcspn(name, "/");
        memcpy(component, name, size);
        component[size] = '\0';
        name += size;
        name += strspn(name, "/");
        int flags = *name ? O_PATH | O_DIRECTORY | O_CLOEXEC : open_flags;
        int next = open_component(folder, component, flags);
        int error = errno;
        close(folder);
        errno = error;
        if (*name == '\0') return next;
        folder = next;
    }
    return -1;
}

static sv_status accept_regular(int fd, const char *name)
{
    struct stat info;
    if (fstat(fd, &info) != 0) return open_failed(name, errno);
    if (!S_ISREG(info.st_mode))
        return sv_error_invalid("%s: expected a regular file, found %s", name,
                                kind_of(info.st_mode));
    return SV_OK;
}

sv_status sv_path_open_beneath(const char *root, const char *name, int *out)
{
    SV_TRY(check_name(name));
    int folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return open_failed(root, errno);
    int fd = open_resolved(folder, name);
    /* EPERM: a container's filter that does not know the call. */
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) fd = open_walked(folder, name);
    int error = errno;
    close(folder);
    if (fd < 0) {
        if (error == EXDEV || error == ELOOP)
            return sv_error_invalid(
                "%s: expected a file beneath the model's folder, found a link that leaves it",
                name);
        return open_failed(name, error);
    }
    sv_status status = accept_regular(fd, name);
    if (status) {
        close(fd);
        return status;
    }
    *out = fd;
    return SV_OK;
}

static sv_status accept_stream(const struct stat *info, const char *path)
{
    if (S_ISREG(info->st_mode) || S_ISFIFO(info->st_mode)) return SV_OK;
    return sv_error_invalid("%s: expected a file, found %s", path, kind_of(info->st_mode));
}

sv_status sv_path_open(const char *path, int *out)
{
    struct stat info;
    /* Looked at before opening, which has effects on devices, and after, for it may have changed.
     */
    if (stat(path, &info) != 0) return open_failed(path, errno);
    SV_TRY(accept_stream(&info, path));
    int fd;
    do
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) return open_failed(path, errno);
    sv_status status =
        fstat(fd, &info) == 0 ? accept_stream(&info, path) : open_failed(path, errno);
    if (status) {
        close(fd);
        return status;
    }
    *out = fd;
    return SV_OK;
}

static size_t size_without_slashes(const char *path)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    return size;
}

bool sv_path_same(const char *a, const char *b)
{
    size_t size = size_without_slashes(a);
    if (size_without_slashes(b) == size && memcmp(a, b, size) == 0) return true;
    char *real_a = realpath(a, NULL), *real_b = real_a ? realpath(b, NULL) : NULL;
    bool same = real_b && strcmp(real_a, real_b) == 0;
    free(real_a);
    free(real_b);
    return same;
}

static sv_status make_real(const char *path, char **out)
{
    char text[SV_ERRNO_TEXT];
    char *real = realpath(path, NULL);
    if (real) {
        *out = real;
        return SV_OK;
    }
    if (errno == ENOMEM) return sv_error_memory("a path", strlen(path));
    return sv_error(SV_CODE_NOT_FOUND, "'%s': expected a path that is there, found: %s", path,
                    sv_errno_text(errno, text));
}

sv_status sv_path_real_beneath(const char *root, const char *path, char **out)
{
    char *real_root, *real;
    SV_TRY(make_real(root, &real_root));
    sv_status status = make_real(path, &real);
    if (status == SV_OK) {
        size_t size = size_without_slashes(real_root);
        bool top = size == 1; /* beneath "/" everything is */
        if (strncmp(real, real_root, size) == 0 && (top ? real[1] : real[size] == '/')) {
            *out = real;
        } else {
            status = sv_error(SV_CODE_PERMISSION_DENIED,
                              "'%s': expected a path beneath '%s', found one outside", path, root);
            free(real);
        }
    }
    free(real_root);
    return status;
}

sv_status sv_path_folder(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 1;
    const char *folder = slash ? path : ".";
    if (slash == path) length = 1;
    if (length >= size)
        return sv_error_invalid("%s: expected a path of less than %zu bytes, found %zu", path, size,
                                length);
    memcpy(out, folder, length);
    out[length] = '\0';
    return SV_OK;
}

/* Creates a file beside `path` that nobody else has; its name goes to `name`. */
static int create_beside(const char *path, char *name, size_t size)
{
    static _Atomic unsigned counter;
    for (int i = 0; i < RACE_RETRIES; i++) {
        unsigned number = atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
        snprintf(name, size, "%s.%ld-%u.tmp", path, (long)getpid(), number);
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

static sv_status write_failed(const char *path, int error)
{
    char text[SV_ERRNO_TEXT];
    bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    return sv_error(full ? SV_CODE_RESOURCE_EXHAUSTED : SV_CODE_UNAVAILABLE, "%s: cannot write: %s",
                    path, sv_errno_text(error, text));
}

sv_status sv_new_file_create(const char *path, sv_new_file *out)
{
    size_t room = strlen(path) + 64;
    char *name = malloc(room);
    if (!name) return sv_error_memory(path, room);
    int fd = create_beside(path, name, room);
    if (fd < 0) {
        sv_status status = open_failed(name, errno);
        free(name);
        return status;
    }
    *out = (sv_new_file){fd, path, name};
    return SV_OK;
}

sv_status sv_new_file_write(const sv_new_file *file, const void *data, size_t size)
{
    return sv_write_all(file->fd, data, size) ? SV_OK : write_failed(file->path, errno);
}

static void forget(sv_new_file *file)
{
    free(file->name);
    *file = (sv_new_file){0};
}

sv_status sv_new_file_finish(sv_new_file *file)
{
    /* Synchronised before the rename, or a crash could leave an empty file under the name. */
    bool done = fsync(file->fd) == 0;
    int error = errno;
    if (close(file->fd) != 0 && done) {
        done = false;
        error = errno;
    }
    if (done && rename(file->name, file->path) != 0) {
        done = false;
        error = errno;
    }
    sv_status status = done ? SV_OK : write_failed(file->path, error);
    if (!done) unlink(file->name);
    forget(file);
    return status;
}

void sv_new_file_abandon(sv_new_file *file)
{
    if (!file->name) return;
    close(file->fd);
    unlink(file->name);
    forget(file);
}

sv_status sv_path_write(const char *path, const void *data, size_t size)
{
    sv_new_file file;
    SV_TRY(sv_new_file_create(path, &file));
    sv_status status = sv_new_file_write(&file, data, size);
    if (!status) return sv_new_file_finish(&file);
    sv_new_file_abandon(&file);
    return status;
}
