/* Which core a thread runs on, and how it gets to another one. */
#ifndef SV_BASE_CORE_H
#define SV_BASE_CORE_H

#include <stdbool.h>
#include <stdint.h>

/* The core that the calling thread runs on, from 1 on; 0: unknown. */
uint32_t sv_core_here(void);

/* Moves the calling thread to one of the cores it may run on, none of the `n` in `taken` (numbered
 * as above; 0 is nobody's). Where it may run stays as it was; how the system places it later is the
 * system's affair. False: there is no such core, or the system does not allow it. Takes some
 * microseconds, and where another process holds that core, until it is this thread's turn. */
bool sv_core_leave(const uint32_t *taken, uint32_t n);

#endif
