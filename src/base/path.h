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

/* Writes a whole file under a temporary name and renames it into place. */
SV_MUST_USE sv_status sv_path_write(const char *path, const void *data, size_t size);

#endif
