/* From a config to files: numbered versions, which of them are wanted, what marks their content.
 * Nothing is loaded here. */
#include "store/config.h"

#include "base/path.h"
#include "base/status.h"
#include "store/signatures.h"
#include "store/triton.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_VERSIONS 1024 /* of one model that are looked at */
#define MAX_SPARES 3

/* What is known while a layout is made. */
typedef struct layout_maker {
    const sv_model_config *config;
    const char *path; /* of the config, in the layout's arena */
    sv_layout *layout;
    sv_triton_config triton;
    sv_version_policy policy;
    sv_version_file *found; /* [found_count], rising: what is on disk */
    uint32_t found_count, found_room;
} layout_maker;

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

static sv_status no_memory(size_t size)
{
    return sv_error_memory("a model's files", size);
}

static sv_status join(sv_arena *arena, const char *folder, const char *name, const char **out)
{
    *out = sv_arena_printf(arena, "%s/%s", folder, name);
    return *out ? SV_OK : no_memory(strlen(folder) + strlen(name) + 2);
}

static sv_status open_folder(const char *path, DIR **out)
{
    char text[SV_ERRNO_TEXT];
    *out = opendir(path);
    if (*out) return SV_OK;
    return sv_error(SV_CODE_NOT_FOUND, "'%s': expected a folder that can be read, found: %s", path,
                    sv_errno_text(errno, text));
}

/* ---- content ------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 29;
}

static uint64_t stat_signature(const struct stat *st)
{
    uint64_t hash = mix(1, (uint64_t)st->st_ino);
    hash = mix(hash, (uint64_t)st->st_dev);
    hash = mix(hash, (uint64_t)st->st_size);
    hash = mix(hash, (uint64_t)st->st_mtim.tv_sec);
    hash = mix(hash, (uint64_t)st->st_mtim.tv_nsec);
    return hash ? hash : 1;
}

static int64_t modified_us(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
}

/* Of one file; 0 when there is none. */
static uint64_t file_signature(const char *path, int64_t *modified)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) return 0;
    if (modified_us(&st) > *modified) *modified = modified_us(&st);
    return stat_signature(&st);
}

/* Of all files in a folder: a model may keep its weights beside it. Hidden ones are on their way
 * in. */
static uint64_t folder_signature(const char *path, int64_t *modified)
{
    DIR *dir = opendir(path);
    uint64_t sum = 0;
    struct dirent *entry;
    struct stat st;
    while (dir && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.') continue;
        if (fstatat(dirfd(dir), entry->d_name, &st, 0) != 0 || !S_ISREG(st.st_mode)) continue;
        sum += stat_signature(&st);
        if (modified_us(&st) > *modified) *modified = modified_us(&st);
    }
    if (dir) closedir(dir);
    return sum;
}

static uint64_t signature_of(const sv_version_file *file, int64_t *modified)
{
    if (file->folder) return folder_signature(file->folder, modified);
    /* A file that is a model by itself may lie among others that have nothing to do with it, but
     * for its side file. */
    char *side = sv_signatures_path(file->path);
    uint64_t beside = side ? file_signature(side, modified) : 0;
    free(side);
    uint64_t own = file_signature(file->path, modified);
    return own && beside ? mix(own, beside) : own;
}

uint64_t sv_version_file_signature(const sv_version_file *file)
{
    int64_t modified = 0;
    return signature_of(file, &modified);
}

/* ---- versions on disk ------------------------------------------------------------------------ */

/* The model file in a folder: the one that is said, or model.onnx, or the only .onnx file. *out is
 * NULL when there is none. */
static sv_status find_model_file(sv_arena *arena, const char *folder, const char *name,
                                 const char **out)
{
    DIR *dir;
    SV_TRY(open_folder(folder, &dir));
    const char *found = NULL;
    sv_status status = SV_OK;
    size_t count = 0;
    struct dirent *entry;
    while (status == SV_OK && (entry = readdir(dir))) {
        bool exact = strcmp(entry->d_name, name ? name : "model.onnx") == 0;
        if (!exact && (name || !has_onnx_ending(entry->d_name) || entry->d_name[0] == '.'))
            continue;
        count = exact ? 1 : count + 1;
        status = join(arena, folder, entry->d_name, &found);
        if (exact) break;
    }
    closedir(dir);
    if (status != SV_OK) return status;
    if (count > 1) {
        return sv_error_invalid("'%s': expected model.onnx or one .onnx file, found several",
                                folder);
    }
    *out = found;
    return SV_OK;
}

static sv_status add_found(layout_maker *m, const sv_version_file *file)
{
    if (m->found_count == MAX_VERSIONS) {
        return sv_error_invalid("'%s': expected at most %d versions, found more", m->path,
                                MAX_VERSIONS);
    }
    if (!sv_arena_grow(&m->layout->arena, (void **)&m->found, &m->found_room, m->found_count,
                       m->found_count + 1, sizeof *file)) {
        return no_memory(sizeof *file);
    }
    m->found[m->found_count++] = *file;
    return SV_OK;
}

static int by_number(const void *a, const void *b)
{
    const sv_version_file *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* The numbered folders of the model's folder, sorted; their files are looked for later. */
static sv_status list_versions(layout_maker *m)
{
    DIR *dir;
    SV_TRY(open_folder(m->path, &dir));
    sv_status status = SV_OK;
    struct dirent *entry;
    while (status == SV_OK && (entry = readdir(dir))) {
        sv_version_file file = {.number = version_number(entry->d_name)};
        if (!file.number) continue;
        status = join(&m->layout->arena, m->path, entry->d_name, &file.path);
        file.folder = file.path;
        if (status == SV_OK) status = add_found(m, &file);
    }
    closedir(dir);
    if (status != SV_OK) return status;
    if (m->found_count) qsort(m->found, m->found_count, sizeof *m->found, by_number);
    return SV_OK;
}

static const sv_version_file *find_number(const layout_maker *m, int64_t number)
{
    for (uint32_t i = 0; i < m->found_count; i++) {
        if (m->found[i].number == number) return &m->found[i];
    }
    return NULL;
}

/* ---- the choice ------------------------------------------------------------------------------ */

bool sv_model_config_leaves_out(const sv_model_config *config, int64_t number)
{
    for (size_t i = 0; i < config->left_out_count; i++) {
        if (config->left_out[i] == number) return true;
    }
    return false;
}

static bool in_traffic(const sv_traffic *traffic, int64_t number)
{
    for (uint32_t i = 0; i < traffic->count; i++) {
        if (traffic->share[i].number == number) return true;
    }
    return traffic->shadow == number;
}

static bool is_chosen(const layout_maker *m, uint32_t index)
{
    int64_t number = m->found[index].number;
    if (sv_model_config_leaves_out(m->config, number)) return false;
    for (size_t i = 0; i < m->config->label_count; i++) {
        if (m->config->label[i].number == number) return true;
    }
    if (in_traffic(&m->config->traffic, number)) return true;
    uint32_t latest = m->policy.latest ? m->policy.latest : 1;
    switch (m->policy.kind) {
    case SV_POLICY_LATEST:
        return m->found_count - index <= latest;
    case SV_POLICY_ALL:
        return true;
    case SV_POLICY_SPECIFIC:
        for (size_t i = 0; i < m->policy.count; i++) {
            if (m->policy.number[i] == number) return true;
        }
    }
    return false;
}

/* A number that the operator named and that is not on disk. */
static sv_status add_missing(layout_maker *m, int64_t number)
{
    if (find_number(m, number) || sv_model_config_leaves_out(m->config, number)) return SV_OK;
    sv_version_file file = {.number = number, .path = m->path};
    file.problem = sv_arena_printf(&m->layout->arena,
                                   "'%s': expected a folder '%lld' with this version, found none",
                                   m->path, (long long)number);
    if (!file.problem) return no_memory(sizeof file);
    return add_found(m, &file);
}

static sv_status add_named(layout_maker *m)
{
    const sv_traffic *traffic = &m->config->traffic;
    for (size_t i = 0; i < m->config->label_count; i++)
        SV_TRY(add_missing(m, m->config->label[i].number));
    for (uint32_t i = 0; i < traffic->count; i++)
        SV_TRY(add_missing(m, traffic->share[i].number));
    if (traffic->shadow) SV_TRY(add_missing(m, traffic->shadow));
    for (size_t i = 0; m->policy.kind == SV_POLICY_SPECIFIC && i < m->policy.count; i++)
        SV_TRY(add_missing(m, m->policy.number[i]));
    return SV_OK;
}

static sv_status keep_problem(layout_maker *m, sv_version_file *file, sv_status problem)
{
    file->problem = sv_arena_copy_text(&m->layout->arena, sv_status_message(problem),
                                       strlen(sv_status_message(problem)));
    sv_status_free(problem);
    return file->problem ? SV_OK : no_memory(sizeof *file);
}

/* Replaces a version's folder by the file in it. */
static sv_status find_file(layout_maker *m, sv_version_file *file)
{
    const char *found = NULL;
    if (file->problem || file->path != file->folder) return SV_OK;
    sv_status status =
        find_model_file(&m->layout->arena, file->folder, m->triton.file_name, &found);
    if (status == SV_OK && !found) {
        status = sv_error(SV_CODE_NOT_FOUND, "'%s': expected %s, found none", file->folder,
                          m->triton.file_name ? m->triton.file_name : "an .onnx file");
    }
    if (status != SV_OK) return keep_problem(m, file, status);
    file->path = found;
    return SV_OK;
}

/* What could be served if none of the chosen can. */
static sv_status choose_spares(layout_maker *m)
{
    sv_layout *layout = m->layout;
    if (m->policy.kind != SV_POLICY_LATEST) return SV_OK;
    layout->spare = sv_arena_array(&layout->arena, MAX_SPARES, sizeof *layout->spare);
    if (!layout->spare) return no_memory(MAX_SPARES * sizeof *layout->spare);
    for (uint32_t i = 0; i < m->found_count; i++) {
        if (is_chosen(m, i) || sv_model_config_leaves_out(m->config, m->found[i].number)) continue;
        if (layout->spare_count == MAX_SPARES) {
            memmove(layout->spare, layout->spare + 1,
                    --layout->spare_count * sizeof *layout->spare);
        }
        layout->spare[layout->spare_count++] = m->found[i];
    }
    for (size_t i = 0; i < layout->spare_count; i++)
        SV_TRY(find_file(m, &layout->spare[i]));
    return SV_OK;
}

static sv_status choose(layout_maker *m)
{
    sv_layout *layout = m->layout;
    uint32_t kept = 0, count = m->found_count;
    SV_TRY(choose_spares(m));
    for (uint32_t i = 0; i < count; i++) {
        if (is_chosen(m, i)) m->found[kept++] = m->found[i];
    }
    m->found_count = kept;
    SV_TRY(add_named(m));
    if (m->found_count) qsort(m->found, m->found_count, sizeof *m->found, by_number);
    for (uint32_t i = 0; i < m->found_count; i++)
        SV_TRY(find_file(m, &m->found[i]));
    layout->file = m->found;
    layout->count = m->found_count;
    return SV_OK;
}

/* Of the files of labels that a config.pbtxt names; those that cannot be read count for nothing. */
static uint64_t labels_signature(const layout_maker *m)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < m->layout->output_count; i++) {
        const char *name = m->layout->output[i].label_file;
        struct stat st;
        int fd;
        if (!name) continue;
        sv_status status = sv_path_open_beneath(m->path, name, &fd);
        if (status == SV_OK) {
            if (fstat(fd, &st) == 0) sum = mix(sum, stat_signature(&st));
            close(fd);
        }
        sv_status_free(status);
    }
    return sum;
}

/* What marks a version: its files, and what is said about how to run it. */
static void sign(layout_maker *m)
{
    sv_layout *layout = m->layout;
    uint64_t said = m->triton.signature ^ sv_tuning_signature(&m->config->tuning);
    said ^= labels_signature(m);
    for (size_t i = 0; i < layout->count + layout->spare_count; i++) {
        sv_version_file *file =
            i < layout->count ? &layout->file[i] : &layout->spare[i - layout->count];
        file->signature = signature_of(file, &file->modified_us);
        file->config_signature = said;
    }
}

/* A file, or a folder with one in it, is version 1. */
static sv_status single_file(layout_maker *m, const char *path, const char *folder)
{
    sv_version_file file = {.number = 1, .path = path, .folder = folder};
    return add_found(m, &file);
}

/* What a call has said goes in place of the file. */
static sv_status describe(layout_maker *m, bool folder)
{
    const char *said = m->config->description;
    if (said) {
        sv_string json = {said, strlen(said)};
        return sv_triton_config_json(json, m->config->name, m->layout, &m->triton);
    }
    return folder ? sv_triton_config_read(m->path, m->config->name, m->layout, &m->triton) : SV_OK;
}

sv_status sv_description_check(const char *description)
{
    sv_layout layout = {.count = 0};
    sv_triton_config triton = {.signature = 0};
    sv_string json = {description, strlen(description)};
    sv_arena_init(&layout.arena, NULL);
    sv_status status = sv_triton_config_json(json, "", &layout, &triton);
    sv_arena_release(&layout.arena);
    return status;
}

static sv_status look_into_folder(layout_maker *m)
{
    const char *path = m->path, *direct = NULL;
    SV_TRY(describe(m, true));
    if (m->triton.has_policy && !m->config->policy_given) m->policy = m->triton.policy;
    SV_TRY(find_model_file(&m->layout->arena, path, m->triton.file_name, &direct));
    if (direct) return single_file(m, direct, path);
    SV_TRY(list_versions(m));
    if (m->found_count) return SV_OK;
    return sv_error(SV_CODE_NOT_FOUND,
                    "'%s': expected an .onnx file or folders named by version, found neither",
                    path);
}

static sv_status look(layout_maker *m)
{
    struct stat st;
    char text[SV_ERRNO_TEXT];
    m->path = sv_arena_copy_text(&m->layout->arena, m->config->path, strlen(m->config->path));
    if (!m->path) return no_memory(strlen(m->config->path));
    if (stat(m->path, &st) != 0) {
        return sv_error(SV_CODE_NOT_FOUND, "'%s': expected a model file or folder, found: %s",
                        m->path, sv_errno_text(errno, text));
    }
    if (S_ISDIR(st.st_mode)) return look_into_folder(m);
    SV_TRY(describe(m, false));
    return single_file(m, m->path, NULL);
}

sv_status sv_layout_read(const sv_model_config *config, sv_layout *out)
{
    sv_layout layout = {.count = 0};
    layout_maker m = {.config = config, .layout = &layout, .policy = config->policy};
    sv_arena_init(&layout.arena, NULL);
    sv_status status = look(&m);
    if (status == SV_OK) {
        sv_tuning_override(&layout.tuning, &config->tuning);
        status = sv_tuning_check(&layout.tuning, config->name);
    }
    layout.policy = m.policy;
    if (status == SV_OK) status = choose(&m);
    if (status != SV_OK) {
        sv_arena_release(&layout.arena);
        return status;
    }
    sign(&m);
    *out = layout;
    return SV_OK;
}

void sv_layout_release(sv_layout *layout)
{
    sv_arena_release(&layout->arena);
    layout->count = 0;
}
