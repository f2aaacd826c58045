/* From what the operator wrote to files: names, folders, numbered versions. Nothing is loaded here.
 */
#define _GNU_SOURCE /* asprintf, memrchr */
#include "store/store.h"

#include "base/status.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_VERSIONS 1024 /* of one model that are looked at */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool sv_model_name_valid(const char *name, size_t size)
{
    if (size == 0 || size > 128 || name[0] == '.') return false;
    for (size_t i = 0; i < size; i++) {
        if (!is_name_char(name[i])) return false;
    }
    return true;
}

/* The last component of path[0..size) without slashes behind it. */
static const char *last_component(const char *path, size_t *size)
{
    size_t end = *size;
    while (end > 0 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    *size = end - start;
    return path + start;
}

static bool is_generic(const char *name, size_t size)
{
    return size == 5 && memcmp(name, "model", 5) == 0;
}

char *sv_model_config_name(const char *path)
{
    size_t size = strlen(path);
    const char *last = last_component(path, &size);
    const char *dot = memrchr(last, '.', size);
    size_t stem = dot && dot > last ? (size_t)(dot - last) : size;
    if (is_generic(last, stem) && dot) {
        size_t folder_size = (size_t)(last - path);
        const char *folder = last_component(path, &folder_size);
        if (folder_size > 0 && folder[0] != '.') {
            last = folder;
            stem = folder_size;
        }
    }
    char *name = strndup(last, stem ? stem : size);
    for (char *c = name; c && *c; c++) {
        if (!is_name_char(*c)) *c = '_';
    }
    return name;
}

static bool has_onnx_ending(const char *name)
{
    size_t size = strlen(name);
    return size > 5 && strcmp(name + size - 5, ".onnx") == 0;
}

/* 1 to 18 digits without leading zero; 0 otherwise. */
static int64_t version_number(const char *name)
{
    size_t size = strspn(name, "0123456789");
    if (size == 0 || size > 18 || name[size] || name[0] == '0') return 0;
    return strtoll(name, NULL, 10);
}

static sv_status join(const char *folder, const char *name, char **out)
{
    if (asprintf(out, "%s/%s", folder, name) < 0) {
        *out = NULL;
        return sv_error_memory("a path", strlen(folder) + strlen(name) + 2);
    }
    return SV_OK;
}

static sv_status open_folder(const char *path, DIR **out)
{
    *out = opendir(path);
    if (*out) return SV_OK;
    return sv_error(SV_CODE_NOT_FOUND, "'%s': expected a folder that can be read, found: %s", path,
                    strerror(errno));
}

/* The model file in a folder: model.onnx, or the only .onnx file. *out is NULL when there is none.
 */
static sv_status find_model_file(const char *folder, char **out)
{
    DIR *dir;
    SV_TRY(open_folder(folder, &dir));
    char *found = NULL;
    sv_status status = SV_OK;
    size_t count = 0;
    struct dirent *entry;
    while (status == SV_OK && (entry = readdir(dir))) {
        bool exact = strcmp(entry->d_name, "model.onnx") == 0;
        if (!has_onnx_ending(entry->d_name)) continue;
        if (exact) count = 0;
        count++;
        free(found);
        status = join(folder, entry->d_name, &found);
        if (exact) break;
    }
    closedir(dir);
    if (status == SV_OK && count > 1) {
        status =
            sv_error_invalid("'%s': expected model.onnx or one .onnx file, found several", folder);
    }
    if (status != SV_OK) {
        free(found);
        return status;
    }
    *out = found;
    return SV_OK;
}

static int by_number(const void *a, const void *b)
{
    const sv_version_file *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* The numbered folders of `path`, sorted; their files are looked for later. */
static sv_status list_versions(const char *path, sv_version_file **out, size_t *count)
{
    DIR *dir;
    SV_TRY(open_folder(path, &dir));
    sv_version_file *files = calloc(MAX_VERSIONS, sizeof *files);
    sv_status status = files ? SV_OK : sv_error_memory("versions", MAX_VERSIONS * sizeof *files);
    size_t n = 0;
    struct dirent *entry;
    while (status == SV_OK && (entry = readdir(dir))) {
        int64_t number = version_number(entry->d_name);
        if (!number) continue;
        if (n == MAX_VERSIONS) {
            status = sv_error_invalid("'%s': expected at most %d versions, found more", path,
                                      MAX_VERSIONS);
            break;
        }
        files[n].number = number;
        status = join(path, entry->d_name, &files[n].path);
        if (status == SV_OK) n++;
    }
    closedir(dir);
    if (status != SV_OK) {
        sv_version_files_free(files, n);
        return status;
    }
    qsort(files, n, sizeof *files, by_number);
    *out = files;
    *count = n;
    return SV_OK;
}

void sv_version_files_free(sv_version_file *files, size_t count)
{
    for (size_t i = 0; files && i < count; i++)
        free(files[i].path);
    free(files);
}

/* Replaces a version's folder by the file in it. */
static sv_status resolve_version(sv_version_file *file)
{
    char *found = NULL;
    SV_TRY(find_model_file(file->path, &found));
    if (!found) {
        return sv_error(SV_CODE_NOT_FOUND, "'%s': expected an .onnx file, found none", file->path);
    }
    free(file->path);
    file->path = found;
    return SV_OK;
}

static sv_status single_file(char *path, sv_version_file **out, size_t *count)
{
    sv_version_file *file = path ? calloc(1, sizeof *file) : NULL;
    if (!file) {
        free(path);
        return sv_error_memory("a version", sizeof *file);
    }
    *file = (sv_version_file){1, path};
    *out = file;
    *count = 1;
    return SV_OK;
}

static sv_status resolve_folder(const sv_model_config *config, sv_version_file **out, size_t *count)
{
    char *direct = NULL;
    SV_TRY(find_model_file(config->path, &direct));
    if (direct) return single_file(direct, out, count);
    sv_version_file *files = NULL;
    size_t n = 0;
    SV_TRY(list_versions(config->path, &files, &n));
    if (n == 0) {
        sv_version_files_free(files, n);
        return sv_error(SV_CODE_NOT_FOUND,
                        "'%s': expected an .onnx file or folders named by version, found neither",
                        config->path);
    }
    if (!config->all_versions) {
        for (size_t i = 0; i + 1 < n; i++)
            free(files[i].path);
        files[0] = files[n - 1];
        n = 1;
    }
    sv_status status = SV_OK;
    for (size_t i = 0; status == SV_OK && i < n; i++)
        status = resolve_version(&files[i]);
    if (status != SV_OK) {
        sv_version_files_free(files, n);
        return status;
    }
    *out = files;
    *count = n;
    return SV_OK;
}

sv_status sv_model_config_resolve(const sv_model_config *config, sv_version_file **out,
                                  size_t *count)
{
    struct stat st;
    if (stat(config->path, &st) != 0) {
        return sv_error(SV_CODE_NOT_FOUND, "'%s': expected a model file or folder, found: %s",
                        config->path, strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) return resolve_folder(config, out, count);
    return single_file(strdup(config->path), out, count);
}
