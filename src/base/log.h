/* The log of programs: one line to stderr, or to a sink. Libraries below the API do not log.
 * Thread-safe; a line is written by one write call. */
#ifndef SV_BASE_LOG_H
#define SV_BASE_LOG_H

#include <serval/types.h>

typedef enum sv_log_level { SV_LOG_DEBUG, SV_LOG_INFO, SV_LOG_WARN, SV_LOG_ERROR } sv_log_level;

/* Which levels are written; WARN and others may be on or off each by itself. */
typedef struct sv_log_choice {
    bool error, warn, info;
    uint32_t verbose; /* SV_LOG_DEBUG from 1 on; more is kept, and means the same */
} sv_log_choice;

/* This level and those above it, which is how it begins with SV_LOG_INFO. */
void sv_log_set_level(sv_log_level level);
void sv_log_choose(const sv_log_choice *choice);
sv_log_choice sv_log_chosen(void);
void sv_log(sv_log_level level, const char *format, ...) SV_PRINTF(2, 3);
/* Writes all of `data` to `fd` with as few calls as the kernel allows; returns what was written:
 * less than `size` when it failed, with errno set. */
size_t sv_write_some(int fd, const void *data, size_t size);
/* The same, for those who need all of it or nothing; false when it failed. */
bool sv_write_all(int fd, const void *data, size_t size);

#endif
