/* The queue of large work, and the threads that do it. Knows batches only as something to run and
 * to post back. */
#include "base/status.h"
#include "base/thread.h"
#include "serve/lane.h"
#include <stdio.h>
#include <stdlib.h>

struct sv_queue {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    sv_batch *oldest, *newest;
    uint32_t length, limit;
    bool stop;
    uint32_t workers; /* started */
    pthread_t thread[];
};

static void unlink_locked(sv_queue *queue, sv_batch *batch)
{
    *(batch->older ? &batch->older->newer : &queue->oldest) = batch->newer;
    *(batch->newer ? &batch->newer->older : &queue->newest) = batch->older;
    batch->newer = batch->older = NULL;
    batch->queued = false;
    queue->length--;
}

/* Puts a batch behind those that are due before it. */
static void insert_locked(sv_queue *queue, sv_batch *batch)
{
    sv_batch *before = queue->newest;
    while (before && before->due_ns > batch->due_ns)
        before = before->older;
    batch->older = before;
    batch->newer = before ? before->newer : queue->oldest;
    *(batch->newer ? &batch->newer->older : &queue->newest) = batch;
    *(before ? &before->newer : &queue->oldest) = batch;
    batch->queued = true;
    queue->length++;
}

static void *worker_run(void *argument)
{
    sv_queue *queue = argument;
    pthread_mutex_lock(&queue->lock);
    while (!queue->stop) {
        sv_batch *batch = queue->oldest;
        if (!batch) {
            pthread_cond_wait(&queue->wake, &queue->lock);
            continue;
        }
        unlink_locked(queue, batch);
        pthread_mutex_unlock(&queue->lock);
        sv_batch_run(batch);
        sv_loop_post(batch->lane->loop, &batch->task);
        pthread_mutex_lock(&queue->lock);
    }
    pthread_mutex_unlock(&queue->lock);
    return NULL;
}

sv_status sv_queue_create(uint32_t workers, uint32_t limit, sv_queue **out)
{
    size_t size = sizeof(sv_queue) + workers * sizeof(pthread_t);
    sv_queue *queue = calloc(1, size);
    if (!queue) return sv_error_memory("the queue", size);
    queue->limit = limit;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->wake, NULL);
    for (uint32_t i = 0; i < workers; i++) {
        char name[16];
        snprintf(name, sizeof name, "worker-%u", (unsigned)i % 100000);
        sv_status status = sv_thread_start(&queue->thread[i], name, worker_run, queue);
        if (status != SV_OK) {
            sv_queue_destroy(queue);
            return status;
        }
        queue->workers++;
    }
    *out = queue;
    return SV_OK;
}

void sv_queue_destroy(sv_queue *queue)
{
    if (!queue) return;
    pthread_mutex_lock(&queue->lock);
    queue->stop = true;
    pthread_cond_broadcast(&queue->wake);
    pthread_mutex_unlock(&queue->lock);
    for (uint32_t i = 0; i < queue->workers; i++)
        pthread_join(queue->thread[i], NULL);
    pthread_cond_destroy(&queue->wake);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

sv_status sv_queue_push(sv_queue *queue, sv_batch *batch)
{
    sv_status status = SV_OK;
    pthread_mutex_lock(&queue->lock);
    if (queue->length >= queue->limit) {
        status = sv_error(SV_CODE_UNAVAILABLE,
                          "queue: expected fewer than %u runs waiting, found %u: try again later",
                          (unsigned)queue->limit, (unsigned)queue->length);
    } else {
        insert_locked(queue, batch);
        pthread_cond_signal(&queue->wake);
    }
    pthread_mutex_unlock(&queue->lock);
    return status;
}

bool sv_queue_unlink(sv_queue *queue, sv_batch *batch)
{
    pthread_mutex_lock(&queue->lock);
    bool found = batch->queued;
    if (found) unlink_locked(queue, batch);
    pthread_mutex_unlock(&queue->lock);
    return found;
}

uint32_t sv_queue_length(sv_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    uint32_t length = queue->length;
    pthread_mutex_unlock(&queue->lock);
    return length;
}
