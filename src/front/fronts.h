/* The front ends that are built in. */
#ifndef SV_FRONT_FRONTS_H
#define SV_FRONT_FRONTS_H

#include "serve/front.h"

extern const sv_front *const sv_fronts[];
extern const size_t sv_front_count;

#endif
