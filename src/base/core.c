/* A thread is moved by narrowing the set of cores that it may run on, for a moment. */
#define _GNU_SOURCE /* sched_getcpu, cpu_set_t */
#include "base/core.h"

#include <sched.h>

uint32_t sv_core_here(void)
{
    int core = sched_getcpu();
    return core < 0 ? 0 : (uint32_t)core + 1;
}

bool sv_core_leave(const uint32_t *taken, uint32_t n)
{
    cpu_set_t allowed;
    /* Fails where a system has more cores than the set has room for: there one stays. */
    if (sched_getaffinity(0, sizeof allowed, &allowed)) return false;
    cpu_set_t others = allowed;
    for (uint32_t i = 0; i < n; i++) {
        if (taken[i] && taken[i] <= CPU_SETSIZE) CPU_CLR(taken[i] - 1, &others);
    }
    if (!CPU_COUNT(&others) || sched_setaffinity(0, sizeof others, &others)) return false;
    (void)sched_setaffinity(0, sizeof allowed, &allowed);
    return true;
}
