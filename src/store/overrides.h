/* What calls have said about models, over what the configuration says of them: which are out of
 * service, how their runs are arranged, and models that a call has brought.
 *
 * For the keeper, on its thread. It is forgotten when the server ends. */
#ifndef SV_STORE_OVERRIDES_H
#define SV_STORE_OVERRIDES_H

#include "store/config.h"

typedef struct sv_override {
    char *name;
    char *path;        /* of a model that a call has brought; NULL: one of the configuration */
    bool unloaded;     /* out of service until it is loaded again */
    int64_t *left_out; /* [left_out_count]: versions that are so */
    size_t left_out_count;
    sv_tuning *tuning; /* `given` says what of it was said; NULL: nothing */
    char *description; /* JSON in place of the model's config.pbtxt; NULL: none */
} sv_override;

/* All zero is an empty list. */
typedef struct sv_overrides {
    sv_override **item; /* [count] */
    size_t count;
} sv_overrides;

void sv_overrides_release(sv_overrides *overrides);
/* NULL when nothing was said about the model. Valid until it is dropped. */
sv_override *sv_overrides_find(const sv_overrides *overrides, const char *name);
/* Finds or makes. */
SV_MUST_USE sv_status sv_overrides_ensure(sv_overrides *overrides, const char *name,
                                          sv_override **out);
/* Forgets what was said; nothing happens when there is nothing. */
void sv_overrides_drop(sv_overrides *overrides, const char *name);
/* No model is described by a call any more. */
void sv_overrides_forget_descriptions(sv_overrides *overrides);
/* Nothing is said of the model any more, but where it lies. */
void sv_override_clear(sv_override *override);
/* What `said` gives takes the place of what was said of runs before. */
SV_MUST_USE sv_status sv_override_tune(sv_override *override, const sv_tuning *said);
/* One more version that is out of service. */
SV_MUST_USE sv_status sv_override_leave_out(sv_override *override, int64_t number);
/* The versions of the traffic are in service again. The old count brings them out again. */
void sv_override_let_in(sv_override *override, const sv_traffic *traffic);

/* Adds the models that calls have brought, where the configuration has no others of that name, and
 * puts what was said in place of what the configuration says. */
SV_MUST_USE sv_status sv_overrides_apply(const sv_overrides *overrides, sv_model_configs *configs);

#endif
