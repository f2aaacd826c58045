/* The table of profiles, and what the environment adds. */
#include "front/profile.h"

#include "base/status.h"
#include "front/fronts.h"
#include "front/vertex/vertex.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FRONT(name) extern const sv_front sv_front_##name;
#include "front/fronts.inc"
#undef FRONT

static const sv_profile profiles[] = {
#define PROFILE(name, listen, port, model, variable, models, several, drain)                       \
    {#name, &sv_front_##name, listen, port, model, variable, models, several, drain},
#include "front/profiles.inc"
#undef PROFILE
};
#define PROFILES (sizeof profiles / sizeof profiles[0])

sv_status sv_profile_find(const char *name, const sv_profile **out)
{
    char names[256];
    size_t at = 0;
    names[0] = '\0';
    for (size_t i = 0; i < PROFILES; i++) {
        if (strcmp(profiles[i].name, name) == 0) {
            *out = &profiles[i];
            return SV_OK;
        }
        int n = snprintf(names + at, sizeof names - at, "%s%s", i ? ", " : "", profiles[i].name);
        at += n > 0 && (size_t)n < sizeof names - at ? (size_t)n : 0;
    }
    return sv_error_invalid("profile: expected one of %s, found '%s'", names, name);
}

void sv_profile_order(const sv_profile *profile, const sv_front **out)
{
    size_t count = 0;
    if (profile) out[count++] = profile->front;
    for (size_t i = 0; i < sv_front_count; i++) {
        if (!profile || sv_fronts[i] != profile->front) out[count++] = sv_fronts[i];
    }
}

size_t sv_profile_routes(const sv_profile *profile, sv_extra_route *out)
{
    return profile && profile->front == &sv_front_vertex ? sv_vertex_routes(out) : 0;
}

static const char *variable(const char *name)
{
    const char *value = name ? getenv(name) : NULL;
    return value && value[0] ? value : NULL;
}

sv_status sv_profile_model(const sv_profile *profile, const char **out)
{
    const char *path = variable(profile->model_variable);
    if (path && strstr(path, "://")) {
        return sv_error_invalid("%s: expected a folder, found '%s', which is not fetched: put the "
                                "model into the image and say its path",
                                profile->model_variable, path);
    }
    *out = path ? path : profile->model;
    return SV_OK;
}

const char *sv_profile_models(const sv_profile *profile)
{
    const char *said = variable(profile->models_variable);
    return said && strcasecmp(said, "true") == 0 ? profile->models : NULL;
}

sv_status sv_profile_listen(const sv_profile *profile, char out[64], bool *given)
{
    *given = profile->listen != NULL;
    if (!*given) return SV_OK;
    const char *port = variable(profile->port_variable);
    const char *colon = strrchr(profile->listen, ':');
    char *end = NULL;
    long number = port ? strtol(port, &end, 10) : 0;
    if (port && (*end || number < 1 || number > 65535)) {
        return sv_error_invalid("%s: expected a port, found '%s'", profile->port_variable, port);
    }
    snprintf(out, 64, "%.*s:%s", (int)(colon - profile->listen), profile->listen,
             port ? port : colon + 1);
    return SV_OK;
}
