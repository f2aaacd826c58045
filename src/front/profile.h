/* Profiles: what a place that runs containers expects of one, besides a protocol: where to listen,
 * where the model lies, which front end answers where routes collide. */
#ifndef SV_FRONT_PROFILE_H
#define SV_FRONT_PROFILE_H

#include "serve/front.h"

typedef struct sv_profile {
    const char *name;
    const sv_front *front;
    const char *listen;         /* unless --listen says otherwise; NULL: as without a profile */
    const char *port_variable;  /* of the environment: the port in place of that in `listen` */
    const char *model;          /* unless a model is said; NULL: none */
    const char *model_variable; /* of the environment: likewise, before `model` */
    const char *models;         /* where several models come and go by request, the folder that they
                                   lie beneath; NULL: never */
    const char *models_variable; /* of the environment: "true" says that they do */
    uint32_t drain_limit;        /* in seconds; 0: as without a profile */
} sv_profile;

#define SV_PROFILE_EXTRA 2

/* INVALID_ARGUMENT lists the names. */
SV_MUST_USE sv_status sv_profile_find(const char *name, const sv_profile **out);
/* All front ends, the profile's first; `out` holds sv_front_count. `profile` may be NULL. */
void sv_profile_order(const sv_profile *profile, const sv_front **out);
/* Routes that the environment says; `out` holds SV_PROFILE_EXTRA. Returns how many there are. */
size_t sv_profile_routes(const sv_profile *profile, sv_extra_route *out);
/* The model's path, NULL where neither the environment nor the profile knows one. INVALID_ARGUMENT
 * for a URL: nothing is fetched. */
SV_MUST_USE sv_status sv_profile_model(const sv_profile *profile, const char **out);
/* The folder of several models, whose front end is then the one to manage them; NULL: they are not
 * asked for. */
const char *sv_profile_models(const sv_profile *profile);
/* The address to listen on, in `out`; false where the profile says none. INVALID_ARGUMENT for a
 * port in the environment that is none. */
SV_MUST_USE sv_status sv_profile_listen(const sv_profile *profile, char out[64], bool *given);

#endif
