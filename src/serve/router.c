/* Matching of routes. Patterns are taken apart once; a request costs a comparison for each row that
 * has as many segments. */
#include "serve/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SEGMENTS 8

typedef enum capture {
    CAPTURE_NONE,
    CAPTURE_MODEL,
    CAPTURE_VERSION,
    CAPTURE_LABEL,
    CAPTURE_REGION,
    CAPTURE_REPOSITORY
} capture;

typedef struct pattern_segment {
    capture capture;
    const char *text; /* the literal, or what follows the capture */
    size_t size;
} pattern_segment;

typedef struct row {
    const sv_front *front;
    const sv_route *route;
    pattern_segment segment[MAX_SEGMENTS];
    uint32_t count;
    uint32_t weight;        /* rows of greater weight are tried first */
    const struct row *next; /* the next to try that has as many segments */
} row;

/* A gRPC method. */
typedef struct call_row {
    const sv_front *front;
    const sv_route *route;
} call_row;

struct sv_router {
    row *rows; /* [count], by falling weight */
    size_t count;
    const row *first[MAX_SEGMENTS + 1]; /* by their numbers of segments */
    call_row *calls;                    /* [call_count], by path */
    size_t call_count;
};

static capture parse_capture(const char **text, size_t *size)
{
    static const struct {
        const char *text;
        capture capture;
    } table[] = {
        {"{model}", CAPTURE_MODEL},           {"{version}", CAPTURE_VERSION},
        {"{label}", CAPTURE_LABEL},           {"{region}", CAPTURE_REGION},
        {"{repository}", CAPTURE_REPOSITORY},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        size_t n = strlen(table[i].text);
        if (*size >= n && memcmp(*text, table[i].text, n) == 0) {
            *text += n;
            *size -= n;
            return table[i].capture;
        }
    }
    return CAPTURE_NONE;
}

/* Literal segments weigh most, endings by their length. */
static void parse_pattern(const char *pattern, row *out)
{
    while (*pattern == '/' && pattern[1] && out->count < MAX_SEGMENTS) {
        const char *text = ++pattern;
        size_t size = strcspn(text, "/");
        pattern += size;
        pattern_segment *s = &out->segment[out->count++];
        s->capture = parse_capture(&text, &size);
        s->text = text;
        s->size = size;
        out->weight += s->capture == CAPTURE_NONE ? 1000 : (uint32_t)size;
    }
}

/* Stable for rows of equal weight: earlier front ends come first. */
static void sort_rows(row *rows, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        row moved = rows[i];
        size_t at = i;
        for (; at > 0 && rows[at - 1].weight < moved.weight; at--)
            rows[at] = rows[at - 1];
        rows[at] = moved;
    }
}

static void chain_rows(sv_router *router)
{
    for (size_t i = router->count; i-- > 0;) {
        row *row = &router->rows[i];
        row->next = router->first[row->count];
        router->first[row->count] = row;
    }
}

static int compare_calls(const void *a, const void *b)
{
    return strcmp(((const call_row *)a)->route->pattern, ((const call_row *)b)->route->pattern);
}

static bool add_calls(sv_router *router, const sv_front *const *fronts, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += fronts[i]->call_count;
    router->calls = calloc(total ? total : 1, sizeof *router->calls);
    if (!router->calls) return false;
    for (size_t i = 0; i < count; i++) {
        for (size_t r = 0; r < fronts[i]->call_count; r++)
            router->calls[router->call_count++] = (call_row){fronts[i], &fronts[i]->calls[r]};
    }
    qsort(router->calls, router->call_count, sizeof *router->calls, compare_calls);
    return true;
}

static void add_row(sv_router *router, const sv_front *front, const sv_route *route)
{
    row *row = &router->rows[router->count++];
    row->front = front;
    row->route = route;
    parse_pattern(route->pattern, row);
}

sv_router *sv_router_create(const sv_front *const *fronts, size_t count,
                            const sv_extra_route *extra, size_t extra_count)
{
    size_t total = extra_count;
    for (size_t i = 0; i < count; i++)
        total += fronts[i]->route_count;
    sv_router *router = calloc(1, sizeof *router);
    row *rows = calloc(total ? total : 1, sizeof *rows);
    if (!router || !rows || !add_calls(router, fronts, count)) {
        free(router);
        free(rows);
        return NULL;
    }
    router->rows = rows;
    for (size_t i = 0; i < extra_count; i++)
        add_row(router, extra[i].front, &extra[i].route);
    for (size_t i = 0; i < count; i++) {
        for (size_t r = 0; r < fronts[i]->route_count; r++)
            add_row(router, fronts[i], &fronts[i]->routes[r]);
    }
    sort_rows(rows, router->count);
    chain_rows(router);
    return router;
}

void sv_router_destroy(sv_router *router)
{
    if (!router) return;
    free(router->rows);
    free(router->calls);
    free(router);
}

/* A number of 1 to 18 digits; -1 otherwise. */
static int64_t parse_version(const char *text, size_t size)
{
    if (size == 0 || size > 18) return -1;
    int64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

static bool match_segment(const pattern_segment *pattern, sv_string text, sv_route_match *out)
{
    if (text.size < pattern->size) return false;
    size_t head = text.size - pattern->size;
    if (memcmp(text.data + head, pattern->text, pattern->size) != 0) return false;
    switch (pattern->capture) {
    case CAPTURE_NONE:
        return head == 0;
    case CAPTURE_MODEL:
        out->model = (sv_string){text.data, head};
        return head > 0;
    case CAPTURE_VERSION:
        out->version = parse_version(text.data, head);
        if (out->version >= 0) return true;
        out->version = 0;
        out->label = (sv_string){text.data, head};
        return sv_model_name_valid(text.data, head);
    case CAPTURE_LABEL:
        out->label = (sv_string){text.data, head};
        return head > 0;
    case CAPTURE_REGION:
        out->region = (sv_string){text.data, head};
        return head > 0;
    case CAPTURE_REPOSITORY:
        out->repository = (sv_string){text.data, head};
        return head > 0;
    }
    return false;
}

/* By sizes and last bytes, which tells nearly all rows from each other. */
static bool looks_like(const row *row, const sv_string *segments)
{
    for (uint32_t i = 0; i < row->count; i++) {
        const pattern_segment *pattern = &row->segment[i];
        sv_string text = segments[i];
        if (text.size < pattern->size) return false;
        if (pattern->capture == CAPTURE_NONE && text.size > pattern->size) return false;
        if (pattern->size && text.data[text.size - 1] != pattern->text[pattern->size - 1])
            return false;
    }
    return true;
}

static bool match_row(const row *row, const sv_string *segments, sv_route_match *out)
{
    for (uint32_t i = 0; i < row->count; i++) {
        if (!match_segment(&row->segment[i], segments[i], out)) return false;
    }
    return true;
}

void sv_router_find(const sv_router *router, sv_method method, const sv_string *segments,
                    uint32_t count, sv_route_match *out)
{
    *out = (sv_route_match){0};
    if (method == SV_METHOD_HEAD) method = SV_METHOD_GET;
    if (count > MAX_SEGMENTS) return;
    uint32_t weight = 0;
    for (const row *row = router->first[count]; row; row = row->next) {
        /* Once a path is known, only rows of the same weight may add methods to it. */
        if (out->front && row->weight != weight) break;
        if (!looks_like(row, segments)) continue;
        sv_route_match match = {0};
        if (!match_row(row, segments, &match)) continue;
        match.front = row->front;
        if (row->route->method == method) {
            match.route = row->route;
            *out = match;
            return;
        }
        weight = row->weight;
        match.allowed = out->allowed | 1u << row->route->method;
        *out = match;
    }
}

bool sv_router_at(const sv_router *router, size_t index, const sv_front **front,
                  const sv_route **route)
{
    if (index >= router->count) return false;
    *front = router->rows[index].front;
    *route = router->rows[index].route;
    return true;
}

void sv_router_find_call(const sv_router *router, sv_string path, sv_route_match *out)
{
    size_t low = 0, high = router->call_count;
    *out = (sv_route_match){0};
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const call_row *row = &router->calls[middle];
        size_t size = strlen(row->route->pattern);
        int order = memcmp(path.data, row->route->pattern, path.size < size ? path.size : size);
        if (order == 0 && path.size == size) {
            out->front = row->front;
            out->route = row->route;
            return;
        }
        if (order < 0 || (order == 0 && path.size < size))
            high = middle;
        else
            low = middle + 1;
    }
}

void sv_router_allow(uint32_t allowed, char *out, size_t size)
{
    static const struct {
        sv_method method;
        const char *text;
    } table[] = {
        {SV_METHOD_GET, "GET, HEAD"}, {SV_METHOD_POST, "POST"},       {SV_METHOD_PUT, "PUT"},
        {SV_METHOD_DELETE, "DELETE"}, {SV_METHOD_OPTIONS, "OPTIONS"}, {SV_METHOD_PATCH, "PATCH"},
    };
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (!(allowed & 1u << table[i].method)) continue;
        int n = snprintf(out + at, size - at, "%s%s", at ? ", " : "", table[i].text);
        if (n < 0 || (size_t)n >= size - at) return;
        at += (size_t)n;
    }
}
