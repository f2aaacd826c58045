/* The log of programs. A line is put together on the stack and written by one call. */
#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_LIMIT = 8 << 10 };

#define BIT(level) (UINT64_C(1) << (level))
#define VERBOSE_SHIFT 32

/* Bit i: level i is written; above them how verbose the choice was. */
static _Atomic uint64_t chosen = BIT(SV_LOG_INFO) | BIT(SV_LOG_WARN) | BIT(SV_LOG_ERROR);

void sv_log_set_level(sv_log_level level)
{
    sv_log_choice choice = {.error = level <= SV_LOG_ERROR,
                            .warn = level <= SV_LOG_WARN,
                            .info = level <= SV_LOG_INFO,
                            .verbose = level <= SV_LOG_DEBUG};
    sv_log_choose(&choice);
}

void sv_log_choose(const sv_log_choice *choice)
{
    uint64_t bits = (uint64_t)choice->verbose << VERBOSE_SHIFT;
    if (choice->verbose) bits |= BIT(SV_LOG_DEBUG);
    if (choice->info) bits |= BIT(SV_LOG_INFO);
    if (choice->warn) bits |= BIT(SV_LOG_WARN);
    if (choice->error) bits |= BIT(SV_LOG_ERROR);
    atomic_store_explicit(&chosen, bits, memory_order_relaxed);
}

sv_log_choice sv_log_chosen(void)
{
    uint64_t bits = atomic_load_explicit(&chosen, memory_order_relaxed);
    return (sv_log_choice){.error = bits & BIT(SV_LOG_ERROR),
                           .warn = bits & BIT(SV_LOG_WARN),
                           .info = bits & BIT(SV_LOG_INFO),
                           .verbose = (uint32_t)(bits >> VERBOSE_SHIFT)};
}

/* Control characters would let a name that a client sent forge lines of its own. */
static void clean_line(char *line, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F) line[i] = ' ';
}

void sv_log(sv_log_level level, const char *format, ...)
{
    static const char *const names[] = {"DEBUG", "INFO", "WARN", "ERROR"};
    if (!(atomic_load_explicit(&chosen, memory_order_relaxed) & BIT(level & 3))) return;
    int saved_errno = errno;
    char line[LINE_LIMIT], stamp[28];
    sv_clock_format(sv_clock_wall_us(), stamp);
    int head = snprintf(line, sizeof line, "%s %-5s ", stamp, names[level & 3]);
    size_t size = (size_t)head;
    va_list arguments;
    va_start(arguments, format);
    int body = vsnprintf(line + size, sizeof line - size, format, arguments);
    va_end(arguments);
    if (body > 0) {
        size_t room = sizeof line - size - 1;
        size += (size_t)body < room ? (size_t)body : room;
    }
    clean_line(line, size);
    if (size == sizeof line) size--;
    line[size++] = '\n';
    (void)sv_write_all(STDERR_FILENO, line, size);
    errno = saved_errno;
}

size_t sv_write_some(int fd, const void *data, size_t size)
{
    const char *at = data;
    size_t left = size;
    while (left > 0) {
        ssize_t wrote = write(fd, at, left);
        if (wrote >= 0) {
            at += wrote;
            left -= (size_t)wrote;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            /* Somebody else's descriptor may be non-blocking (a terminal, a shared pipe). */
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            if (poll(&ready, 1, -1) < 0 && errno != EINTR) break;
        } else if (errno != EINTR) {
            break;
        }
    }
    return size - left;
}

bool sv_write_all(int fd, const void *data, size_t size)
{
    return sv_write_some(fd, data, size) == size;
}
