/* A folder of models as a list of configs. */
#define _GNU_SOURCE /* asprintf */
#include "base/path.h"
#include "base/status.h"
#include "store/config.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Whether an entry is a model: a folder, or a file that ends in .onnx. */
static bool is_model(const char *path)
{
    struct stat st;
    size_t size = strlen(path);
    if (stat(path, &st) != 0) return false;
    if (S_ISDIR(st.st_mode)) return true;
    return S_ISREG(st.st_mode) && size > 5 && strcmp(path + size - 5, ".onnx") == 0;
}

/* Whether the model was named before, with a configuration of its own. */
static bool is_known(const sv_model_configs *configs, const char *name, const char *path)
{
    const sv_model_config *known = sv_model_configs_find(configs, name, strlen(name));
    return known && sv_path_same(known->path, path);
}

static sv_status add_model(const char *root, const char *path, const sv_model_config *like,
                           sv_model_configs *out)
{
    char *name = sv_model_config_name(path);
    if (!name) return sv_error_memory("a model's name", strlen(path));
    sv_model_config config = *like;
    config.name = name;
    config.path = path;
    config.repository = root;
    bool wanted = sv_model_name_valid(name, strlen(name)) && !is_known(out, name, path);
    sv_status status = wanted ? sv_model_configs_add(out, &config) : SV_OK;
    free(name);
    return status;
}

/* Adds an entry of the folder, or nothing when it is no model. */
static sv_status read_entry(const char *root, const char *entry, const sv_model_config *like,
                            sv_model_configs *out)
{
    char *path = NULL;
    if (entry[0] == '.') return SV_OK;
    if (asprintf(&path, "%s/%s", root, entry) < 0) return sv_error_memory("a path", strlen(entry));
    sv_status status = is_model(path) ? add_model(root, path, like, out) : SV_OK;
    free(path);
    return status;
}

static sv_status read_entries(const char *path, DIR *dir, const sv_model_config *like,
                              sv_model_configs *out)
{
    uint32_t before = out->count;
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        if (out->count - before == SV_MAX_MODELS) {
            return sv_error_invalid("repository '%s': expected at most %d models, found more", path,
                                    SV_MAX_MODELS);
        }
        SV_TRY(read_entry(path, entry->d_name, like, out));
    }
    return SV_OK;
}

sv_status sv_repository_read(const char *path, const sv_model_config *like, sv_model_configs *out)
{
    uint32_t before = out->count;
    DIR *dir = opendir(path);
    if (!dir) {
        char text[SV_ERRNO_TEXT];
        return sv_error(SV_CODE_NOT_FOUND,
                        "repository '%s': expected a folder that can be read, found: %s", path,
                        sv_errno_text(errno, text));
    }
    sv_status status = read_entries(path, dir, like, out);
    closedir(dir);
    if (status != SV_OK) return status;
    sv_model_configs_sort(out, before);
    return SV_OK;
}

bool sv_repository_is(const char *repository, const char *name)
{
    if (!repository) return false;
    if (strcmp(repository, name) == 0) return true;
    size_t end = strlen(repository);
    while (end > 1 && repository[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && repository[start - 1] != '/')
        start--;
    return strlen(name) == end - start && memcmp(repository + start, name, end - start) == 0;
}
