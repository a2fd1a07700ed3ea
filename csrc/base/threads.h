/* Worker threads of one context. What is added up, and in which order, depends on the problem and never on the number of
 * threads, so that results are the same bits for any number of them. */
#ifndef FNN_BASE_THREADS_H
#define FNN_BASE_THREADS_H

#include <stddef.h>

struct fnn_context;
struct fnn_pool;

struct fnn_threads {
  int count;             /* threads that work, the caller's included; at least 1 */
  struct fnn_pool *pool; /* started when first needed; NULL until then */
};

enum { FNN_THREADS_MAX = 64 };

/* No threads yet; `count` (1 .. FNN_THREADS_MAX, as fnn_threads_set cuts it) when needed. */
void fnn_threads_init(struct fnn_threads *threads, int count);

/* End the worker threads; they start again when needed. */
void fnn_threads_stop(struct fnn_threads *threads);

/* Use `count` threads from now on (cut to 1 .. FNN_THREADS_MAX). */
void fnn_threads_set(struct fnn_threads *threads, int count);

/* Do items first .. last-1. `worker` is 0 .. count-1 and no two calls that run at the same time
 * share it: it names a piece of scratch memory. Must not fail, allocate or call fnn_parallel. */
typedef void (*fnn_task)(void *user, size_t first, size_t last, int worker);

/* Cut items 0 .. n-1 into pieces of `grain` and do them all, on as many threads as there are, in the caller's floating-point mode;
 * returns when all are done. Where threads cannot be started, the caller does the work. */
void fnn_parallel(struct fnn_context *context, size_t n, size_t grain, fnn_task task, void *user);

#endif
