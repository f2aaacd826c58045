/* The table of front ends. */
#include "front/fronts.h"

#define FRONT(name) extern const sv_front sv_front_##name;
#include "front/fronts.inc"
#undef FRONT

const sv_front *const sv_fronts[] = {
#define FRONT(name) &sv_front_##name,
#include "front/fronts.inc"
#undef FRONT
};
const size_t sv_front_count = sizeof sv_fronts / sizeof sv_fronts[0];
