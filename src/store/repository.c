/* A folder of models as a list of configs. */
#define _GNU_SOURCE /* asprintf */
#include "store/store.h"

#include "base/status.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_MODELS 4096

static int by_name(const void *a, const void *b)
{
    const sv_model_config *x = a, *y = b;
    return strcmp(x->name, y->name);
}

void sv_model_configs_free(sv_model_config *configs, size_t count)
{
    for (size_t i = 0; configs && i < count; i++) {
        free((char *)(uintptr_t)configs[i].name);
        free((char *)(uintptr_t)configs[i].path);
    }
    free(configs);
}

/* Whether an entry is a model: a folder, or a file that ends in .onnx. */
static bool is_model(const char *path)
{
    struct stat st;
    size_t size = strlen(path);
    if (stat(path, &st) != 0) return false;
    if (S_ISDIR(st.st_mode)) return true;
    return S_ISREG(st.st_mode) && size > 5 && strcmp(path + size - 5, ".onnx") == 0;
}

/* Fills *out, or leaves it empty when the entry is no model. */
static sv_status read_entry(const char *root, const char *entry, sv_model_config *out)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", root, entry) < 0) return sv_error_memory("a path", strlen(entry));
    bool wanted = entry[0] != '.' && is_model(path);
    char *name = wanted ? sv_model_config_name(path) : NULL;
    if (wanted && !name) {
        free(path);
        return sv_error_memory("a model's name", strlen(entry));
    }
    if (!wanted || !sv_model_name_valid(name, strlen(name))) {
        free(name);
        free(path);
        return SV_OK;
    }
    out->name = name;
    out->path = path;
    return SV_OK;
}

static sv_status read_entries(const char *path, DIR *dir, sv_model_config *configs, size_t *count)
{
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        if (*count == MAX_MODELS) {
            return sv_error_invalid("repository '%s': expected at most %d models, found more", path,
                                    MAX_MODELS);
        }
        SV_TRY(read_entry(path, entry->d_name, &configs[*count]));
        if (configs[*count].name) ++*count;
    }
    if (*count) return SV_OK;
    return sv_error(SV_CODE_NOT_FOUND, "repository '%s': expected folders with models, found none",
                    path);
}

sv_status sv_repository_read(const char *path, bool all_versions, sv_model_config **out,
                             size_t *count)
{
    DIR *dir = opendir(path);
    if (!dir) {
        return sv_error(SV_CODE_NOT_FOUND,
                        "repository '%s': expected a folder that can be read, found: %s", path,
                        strerror(errno));
    }
    size_t n = 0;
    sv_model_config *configs = calloc(MAX_MODELS, sizeof *configs);
    sv_status status = configs ? read_entries(path, dir, configs, &n)
                               : sv_error_memory("models", MAX_MODELS * sizeof *configs);
    closedir(dir);
    if (status != SV_OK) {
        sv_model_configs_free(configs, n);
        return status;
    }
    qsort(configs, n, sizeof *configs, by_name);
    for (size_t i = 0; i < n; i++)
        configs[i].all_versions = all_versions;
    *out = configs;
    *count = n;
    return SV_OK;
}
