/* Time, from the kernel's clocks. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

uint64_t sv_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void sv_clock_sleep(uint64_t ns)
{
    struct timespec left = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    while (nanosleep(&left, &left) != 0) {
    }
}

int64_t sv_clock_coarse_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t sv_clock_wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void sv_clock_format(int64_t wall_us, char out[28])
{
    const int64_t first = -62167219200, last = 253402300799; /* the years 0000 and 9999 */
    int64_t seconds = wall_us / 1000000, micros = wall_us % 1000000;
    if (micros < 0) {
        seconds--;
        micros += 1000000;
    }
    if (seconds < first) seconds = first;
    if (seconds > last) seconds = last;
    time_t when = (time_t)seconds;
    struct tm utc;
    gmtime_r(&when, &utc);
    /* The remainders change nothing; they let the compiler see that the text fits. */
    snprintf(out, 28, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", (unsigned)(utc.tm_year + 1900) % 10000,
             (unsigned)(utc.tm_mon + 1) % 100, (unsigned)utc.tm_mday % 100,
             (unsigned)utc.tm_hour % 100, (unsigned)utc.tm_min % 100, (unsigned)utc.tm_sec % 100,
             (unsigned)micros % 1000000);
}
