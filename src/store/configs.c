/* Lists of configs, and the names in them. */
#define _GNU_SOURCE /* memrchr */
#include "base/status.h"
#include "store/config.h"
#include "tensor/tensor.h"
#include <stdlib.h>
#include <string.h>

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

void sv_model_configs_init(sv_model_configs *configs)
{
    *configs = (sv_model_configs){.count = 0};
    sv_arena_init(&configs->arena, NULL);
}

void sv_model_configs_release(sv_model_configs *configs)
{
    sv_arena_release(&configs->arena);
    configs->item = NULL;
    configs->count = configs->room = 0;
    configs->name = NULL;
    configs->name_count = configs->name_room = 0;
}

/* ---- names ---------------------------------------------------------------------------------- */

/* A name or alias, and the config that answers to it: a slot of an open hash table. */
typedef struct sv_config_name {
    const char *text; /* NULL: free */
    uint32_t item;
} sv_config_name;

/* The slot of a name, or the free one where it would go. There is always a free one. */
static sv_config_name *find_slot(const sv_model_configs *configs, const char *name, size_t size)
{
    size_t mask = configs->name_room - 1;
    for (size_t at = (size_t)sv_hash_bytes(0, name, size) & mask;; at = (at + 1) & mask) {
        sv_config_name *slot = &configs->name[at];
        if (!slot->text) return slot;
        if (strlen(slot->text) == size && memcmp(slot->text, name, size) == 0) return slot;
    }
}

static void put_name(sv_model_configs *configs, const char *name, uint32_t item)
{
    sv_config_name *slot = find_slot(configs, name, strlen(name));
    if (slot->text) return; /* an alias that says nothing new */
    *slot = (sv_config_name){name, item};
    configs->name_count++;
}

static void put_names(sv_model_configs *configs, uint32_t item)
{
    const sv_model_config *config = &configs->item[item];
    put_name(configs, config->name, item);
    for (size_t i = 0; i < config->alias_count; i++)
        put_name(configs, config->alias[i], item);
}

static void put_all_names(sv_model_configs *configs)
{
    memset(configs->name, 0, configs->name_room * sizeof *configs->name);
    configs->name_count = 0;
    for (uint32_t i = 0; i < configs->count; i++)
        put_names(configs, i);
}

/* Makes room for `more` names beside those that are there; at most half of the slots are used. */
static bool reserve_names(sv_model_configs *configs, size_t more)
{
    size_t room = configs->name_room ? configs->name_room : 16;
    while (room / 2 < configs->name_count + more)
        room *= 2;
    if (room == configs->name_room) return true;
    sv_config_name *name = sv_arena_array(&configs->arena, room, sizeof *name);
    if (!name) return false;
    configs->name = name;
    configs->name_room = room;
    put_all_names(configs);
    return true;
}

const sv_model_config *sv_model_configs_find(const sv_model_configs *configs, const char *name,
                                             size_t size)
{
    const sv_config_name *slot = configs->name_room ? find_slot(configs, name, size) : NULL;
    if (!slot || !slot->text) return NULL;
    const sv_model_config *config = &configs->item[slot->item];
    return config->name == slot->text ? config : NULL;
}

sv_model_config *sv_model_configs_at(sv_model_configs *configs, const char *name)
{
    const sv_model_config *found = sv_model_configs_find(configs, name, strlen(name));
    return found ? &configs->item[found - configs->item] : NULL;
}

bool sv_model_configs_knows(const sv_model_configs *configs, const char *name)
{
    return configs->name_room && find_slot(configs, name, strlen(name))->text;
}

/* A name or alias that a new config brings. */
static sv_status check_name(const sv_model_configs *configs, const char *name, const char *path)
{
    size_t size = strlen(name);
    if (!sv_model_name_valid(name, size)) {
        return sv_error_invalid(
            "model name: expected letters, digits and '._-', at most 128, found '%.*s'",
            size > 256 ? 256 : (int)size, name);
    }
    if (!sv_model_configs_knows(configs, name)) return SV_OK;
    return sv_error_invalid("model '%s': expected one path for each name, found '%s' as well; "
                            "write NAME=PATH",
                            name, path);
}

static sv_status check_names(const sv_model_configs *configs, const sv_model_config *config)
{
    SV_TRY(check_name(configs, config->name, config->path));
    for (size_t i = 0; i < config->alias_count; i++)
        SV_TRY(check_name(configs, config->alias[i], config->path));
    return SV_OK;
}

static bool copy_text(sv_arena *arena, const char **text)
{
    *text = sv_arena_copy_text(arena, *text, strlen(*text));
    return *text;
}

static void *copy_array(sv_arena *arena, const void *from, size_t count, size_t size)
{
    void *copy = sv_arena_array(arena, count, size);
    if (copy && count) memcpy(copy, from, count * size);
    return copy;
}

/* Makes everything that a config points to the arena's; false when memory is out. */
static bool adopt(sv_arena *arena, sv_model_config *config)
{
    sv_version_label *label = copy_array(arena, config->label, config->label_count, sizeof *label);
    const char **alias = copy_array(arena, config->alias, config->alias_count, sizeof *alias);
    int64_t *number =
        copy_array(arena, config->policy.number, config->policy.count, sizeof *number);
    int64_t *left_out =
        copy_array(arena, config->left_out, config->left_out_count, sizeof *left_out);
    if (!label || !alias || !number || !left_out) return false;
    for (size_t i = 0; i < config->label_count; i++) {
        if (!copy_text(arena, &label[i].name)) return false;
    }
    for (size_t i = 0; i < config->alias_count; i++) {
        if (!copy_text(arena, &alias[i])) return false;
    }
    config->label = label;
    config->alias = alias;
    config->policy.number = number;
    config->left_out = left_out;
    return copy_text(arena, &config->name) && copy_text(arena, &config->path) &&
           (!config->description || copy_text(arena, &config->description)) &&
           (!config->repository || copy_text(arena, &config->repository));
}

sv_status sv_model_configs_add(sv_model_configs *configs, const sv_model_config *config)
{
    SV_TRY(check_names(configs, config));
    sv_model_config copy = *config;
    /* Names before the items: what is large ends a block of the arena. */
    if (!adopt(&configs->arena, &copy) || !reserve_names(configs, 1 + copy.alias_count) ||
        !sv_arena_grow(&configs->arena, (void **)&configs->item, &configs->room, configs->count,
                       configs->count + 1, sizeof copy)) {
        return sv_error_memory("a model's configuration", sizeof copy);
    }
    configs->item[configs->count] = copy;
    put_names(configs, configs->count++);
    return SV_OK;
}

static int by_name(const void *a, const void *b)
{
    const sv_model_config *x = a, *y = b;
    return strcmp(x->name, y->name);
}

void sv_model_configs_sort(sv_model_configs *configs, uint32_t first)
{
    if (configs->count - first < 2) return;
    qsort(configs->item + first, configs->count - first, sizeof *configs->item, by_name);
    put_all_names(configs);
}
