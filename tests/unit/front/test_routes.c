/* The tables about routes hold together: every route is described, every collision is known, and
 * profiles and their front ends fit. */
#include "front/fronts.h"
#include "front/openapi.h"
#include "front/profile.h"
#include "serve/router.h"

#include "support/check.h"
#include <stdio.h>
#include <stdlib.h>

typedef struct collision {
    sv_method method;
    const char *pattern, *answers, *others;
} collision;

static const collision collisions[] = {
#define COLLISION(method, pattern, answers, others) {SV_METHOD_##method, pattern, #answers, others},
#include "front/collisions.inc"
#undef COLLISION
};
#define COLLISIONS (sizeof collisions / sizeof collisions[0])

static bool is_described(const sv_front *front, const sv_route *route)
{
    for (size_t i = 0; i < sv_operation_count; i++) {
        const sv_operation *o = &sv_operations[i];
        if (strcmp(o->front, front->name) == 0 && o->method == route->method &&
            strcmp(o->pattern, route->pattern) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_route(const sv_front *front, sv_method method, const char *pattern)
{
    for (size_t i = 0; i < front->route_count; i++) {
        const sv_route *route = &front->routes[i];
        if (route->method == method && strcmp(route->pattern, pattern) == 0) return true;
    }
    return false;
}

static const sv_front *find_front(const char *name)
{
    for (size_t i = 0; i < sv_front_count; i++) {
        if (strcmp(sv_fronts[i]->name, name) == 0) return sv_fronts[i];
    }
    fail_msg("no front end is called %s", name);
    return NULL;
}

static void test_every_route_is_described(void **state)
{
    (void)state;
    for (size_t f = 0; f < sv_front_count; f++) {
        for (size_t r = 0; r < sv_fronts[f]->route_count; r++) {
            const sv_route *route = &sv_fronts[f]->routes[r];
            if (is_described(sv_fronts[f], route)) continue;
            fail_msg("%s of %s has no row in openapi.inc", route->pattern, sv_fronts[f]->name);
        }
    }
}

static void test_every_description_has_its_route(void **state)
{
    (void)state;
    for (size_t i = 0; i < sv_operation_count; i++) {
        const sv_operation *o = &sv_operations[i];
        if (!has_route(find_front(o->front), o->method, o->pattern)) {
            fail_msg("%s of %s is described and does not exist", o->pattern, o->front);
        }
        bool runs = o->takes != NULL;
        assert_true(!runs || o->method == SV_METHOD_POST || o->method == SV_METHOD_PUT);
    }
}

/* The front ends that have a route, in their order, with blanks between them. */
static size_t list_owners(sv_method method, const char *pattern, char out[256])
{
    size_t count = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sv_front_count; i++) {
        if (!has_route(sv_fronts[i], method, pattern)) continue;
        if (count++) strcat(out, " ");
        strcat(out, sv_fronts[i]->name);
    }
    return count;
}

static void test_collisions_are_those_of_the_table(void **state)
{
    (void)state;
    size_t found = 0;
    char owners[256], expected[256];
    for (size_t i = 0; i < COLLISIONS; i++) {
        const collision *c = &collisions[i];
        list_owners(c->method, c->pattern, owners);
        snprintf(expected, sizeof expected, "%s %s", c->answers, c->others);
        assert_string_equal(owners, expected);
    }
    for (size_t f = 0; f < sv_front_count; f++) {
        for (size_t r = 0; r < sv_fronts[f]->route_count; r++) {
            const sv_route *route = &sv_fronts[f]->routes[r];
            if (list_owners(route->method, route->pattern, owners) < 2) continue;
            found += strncmp(owners, sv_fronts[f]->name, strlen(sv_fronts[f]->name)) == 0;
        }
    }
    assert_int_equal(found, COLLISIONS);
}

static const char *answering(const sv_front *const *fronts, const collision *c)
{
    sv_string segments[8];
    uint32_t count = 0;
    const char *at = c->pattern;
    while (*at == '/') {
        size_t size = strcspn(++at, "/");
        bool captured = *at == '{';
        segments[count++] = captured ? (sv_string){"m", 1} : (sv_string){at, size};
        at += size;
    }
    sv_route_match match;
    sv_router *router = sv_router_create(fronts, sv_front_count, NULL, 0);
    assert_non_null(router);
    sv_router_find(router, c->method, segments, count, &match);
    assert_non_null(match.route);
    sv_router_destroy(router);
    return match.front->name;
}

static void test_profiles_decide_collisions(void **state)
{
    (void)state;
    const sv_front *order[32];
    assert_true(sv_front_count <= 32);
    for (size_t i = 0; i < COLLISIONS; i++) {
        const collision *c = &collisions[i];
        const sv_profile *profile;
        sv_profile_order(NULL, order);
        assert_string_equal(answering(order, c), c->answers);
        CHECK_OK(sv_profile_find("sagemaker", &profile));
        sv_profile_order(profile, order);
        assert_string_equal(answering(order, c), "sagemaker");
    }
    const sv_profile *none;
    CHECK_FAILS(sv_profile_find("heroku", &none), SV_CODE_INVALID_ARGUMENT, "sagemaker");
}

static void test_the_environment_of_profiles(void **state)
{
    (void)state;
    const sv_profile *profile;
    const char *model;
    char listen[64];
    bool given;
    sv_extra_route routes[SV_PROFILE_EXTRA];
    CHECK_OK(sv_profile_find("vertex", &profile));
    setenv("AIP_HTTP_PORT", "9000", 1);
    setenv("AIP_STORAGE_URI", "/models/x", 1);
    setenv("AIP_HEALTH_ROUTE", "/h", 1);
    setenv("AIP_PREDICT_ROUTE", "no path", 1);
    CHECK_OK(sv_profile_listen(profile, listen, &given));
    CHECK_OK(sv_profile_model(profile, &model));
    assert_true(given);
    assert_string_equal(listen, "0.0.0.0:9000");
    assert_string_equal(model, "/models/x");
    assert_int_equal(sv_profile_routes(profile, routes), 1);
    assert_string_equal(routes[0].route.pattern, "/h");
    setenv("AIP_HTTP_PORT", "70000", 1);
    CHECK_FAILS(sv_profile_listen(profile, listen, &given), SV_CODE_INVALID_ARGUMENT, "70000");
    setenv("AIP_STORAGE_URI", "gs://b/x", 1);
    CHECK_FAILS(sv_profile_model(profile, &model), SV_CODE_INVALID_ARGUMENT, "gs://b/x");
    CHECK_OK(sv_profile_find("sagemaker", &profile));
    unsetenv("SAGEMAKER_BIND_TO_PORT");
    CHECK_OK(sv_profile_listen(profile, listen, &given));
    CHECK_OK(sv_profile_model(profile, &model));
    assert_string_equal(listen, "0.0.0.0:8080");
    assert_string_equal(model, "/opt/ml/model");
}

static void test_several_models_and_time_limits_of_profiles(void **state)
{
    (void)state;
    const sv_profile *profile;
    static const char *const clouds[] = {"azure", "sagemaker", "vertex"};
    for (size_t i = 0; i < 3; i++) {
        CHECK_OK(sv_profile_find(clouds[i], &profile));
        /* And a second more, within the 30 s that they wait. */
        assert_int_equal(profile->drain_limit, 25);
    }
    CHECK_OK(sv_profile_find("mlflow", &profile));
    assert_int_equal(profile->drain_limit, 0);
    setenv("SAGEMAKER_MULTI_MODEL", "true", 1);
    assert_null(sv_profile_models(profile));
    CHECK_OK(sv_profile_find("sagemaker", &profile));
    assert_string_equal(sv_profile_models(profile), "/opt/ml/models");
    setenv("SAGEMAKER_MULTI_MODEL", "false", 1);
    assert_null(sv_profile_models(profile));
    unsetenv("SAGEMAKER_MULTI_MODEL");
    assert_null(sv_profile_models(profile));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_route_is_described),
        cmocka_unit_test(test_every_description_has_its_route),
        cmocka_unit_test(test_collisions_are_those_of_the_table),
        cmocka_unit_test(test_profiles_decide_collisions),
        cmocka_unit_test(test_the_environment_of_profiles),
        cmocka_unit_test(test_several_models_and_time_limits_of_profiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
