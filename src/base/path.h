/* Opening files safely: names that come out of a model resolve beneath its folder only. */
#ifndef SV_BASE_PATH_H
#define SV_BASE_PATH_H

#include <serval/types.h>

/* Opens `name` beneath the folder `root` for reading. Refused (INVALID_ARGUMENT, naming `name`):
 * absolute names, "..", empty names, NUL, and links that lead outside, also through a race
 * (openat2 with RESOLVE_BENEATH; where the kernel lacks it, each component is opened with
 * O_NOFOLLOW). Only regular files are opened. The caller closes *out. */
SV_MUST_USE sv_status sv_path_open_beneath(const char *root, const char *name, int *out);

/* Opens a file that the operator named: links are followed, only regular files and pipes are
 * opened. */
SV_MUST_USE sv_status sv_path_open(const char *path, int *out);

/* The folder of `path` ("." when it has none) into `out`. */
SV_MUST_USE sv_status sv_path_folder(const char *path, char *out, size_t size);

/* Whether two paths that the operator gives are one place: the same without links, "." and "..", or
 * the same text but for slashes at the end where there is nothing. */
bool sv_path_same(const char *a, const char *b);

/* `path` without links, "." and "..", as it is now. NOT_FOUND where there is nothing;
 * PERMISSION_DENIED where it does not lie beneath the folder `root`, whose own path may have links.
 * Returns owned (free). */
SV_MUST_USE sv_status sv_path_real_beneath(const char *root, const char *path, char **out);

/* Writes a whole file under a temporary name and renames it into place. */
SV_MUST_USE sv_status sv_path_write(const char *path, const void *data, size_t size);

/* A file that grows under a temporary name beside `path` and takes its place once it is complete:
 * nobody ever sees half of it. Externally synchronised. */
typedef struct sv_new_file {
    int fd;           /* to write to */
    const char *path; /* borrowed */
    char *name;       /* the temporary one */
} sv_new_file;

/* End it with sv_new_file_finish or sv_new_file_abandon. */
SV_MUST_USE sv_status sv_new_file_create(const char *path, sv_new_file *out);
/* RESOURCE_EXHAUSTED when the disk is full. */
SV_MUST_USE sv_status sv_new_file_write(const sv_new_file *file, const void *data, size_t size);
/* Synchronises and renames into place; ends the file also when that fails. */
SV_MUST_USE sv_status sv_new_file_finish(sv_new_file *file);
/* Removes what was written. Does nothing to a file that has ended or never began (all zero). */
void sv_new_file_abandon(sv_new_file *file);

#endif
