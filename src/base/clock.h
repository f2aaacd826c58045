/* Time. */
#ifndef SV_BASE_CLOCK_H
#define SV_BASE_CLOCK_H

#include <serval/types.h>

/* Nanoseconds of the monotonic clock. */
uint64_t sv_clock_ns(void);
/* Waits; signals do not shorten it. */
void sv_clock_sleep(uint64_t ns);
/* Microseconds since 1970, UTC. */
int64_t sv_clock_wall_us(void);
/* Milliseconds since 1970, some behind: the kernel's tick, which costs next to nothing. */
int64_t sv_clock_coarse_ms(void);
/* "2026-01-31T12:00:00.123456Z"; `out` holds 28 bytes. */
void sv_clock_format(int64_t wall_us, char out[28]);

#endif
