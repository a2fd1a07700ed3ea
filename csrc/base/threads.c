#define _POSIX_C_SOURCE 200809L /* sigset_t, pthread_sigmask */
#include "threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"
#include "denormals.h"

/* A job is published under the mutex. Each worker has a share of its pieces, the same one in every job of as many pieces: it
 * finds in its caches what it wrote in the job before. Who is done takes from the others' shares. Idle workers look at
 * `generation` for a moment (the next job of a training step is microseconds away) and then sleep. */
enum { LINE = 2 * 64, SPINS = 4000 }; /* CPUs fetch lines in pairs */

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): what different threads write stands in different lines */
struct fnn_pool {
  pthread_mutex_t mutex;
  pthread_cond_t wake, done;
  _Alignas(LINE) atomic_uint generation; /* rises with each job; workers join the job they have not seen */
  size_t n, grain;
  fnn_task task;
  void *user;
  fnn_float_mode mode; /* of who calls, for all */
  atomic_int stop;
  int workers;
  unsigned forks;                    /* when it was started */
  _Alignas(LINE) atomic_int running; /* workers that have not finished the current job */
  struct share {
    _Alignas(LINE) atomic_size_t next; /* the next piece to hand out */
    size_t end;
  } share[FNN_THREADS_MAX];
  struct worker {
    struct fnn_pool *pool;
    pthread_t thread;
    int index;
  } worker[FNN_THREADS_MAX];
};

static inline void pause_cpu(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/* Who takes part: the workers and who calls. */
static int count_of(const struct fnn_pool *pool) { return pool->workers + 1; }

static void share_out(struct fnn_pool *pool) {
  size_t count = (size_t)count_of(pool), pieces = (pool->n - 1) / pool->grain + 1, each = pieces / count;
  for (size_t i = 0, first = 0; i < count; i++) {
    atomic_store_explicit(&pool->share[i].next, first, memory_order_relaxed);
    first += each + (i < pieces % count);
    pool->share[i].end = first;
  }
}

static void work(struct fnn_pool *pool, int index) {
  for (int i = 0; i < count_of(pool); i++) {
    struct share *share = &pool->share[(index + i) % count_of(pool)];
    size_t piece = atomic_load_explicit(&share->next, memory_order_relaxed);
    while (piece < share->end &&
           (piece = atomic_fetch_add_explicit(&share->next, 1, memory_order_relaxed)) < share->end) {
      size_t first = piece * pool->grain, last = pool->n - first < pool->grain ? pool->n : first + pool->grain;
      pool->task(pool->user, first, last, index);
    }
  }
}

static unsigned wait_for_job(struct fnn_pool *pool, unsigned seen) {
  for (int i = 0; i < SPINS; i++) {
    unsigned now = atomic_load_explicit(&pool->generation, memory_order_acquire);
    if (now != seen) return now;
    pause_cpu();
  }
  pthread_mutex_lock(&pool->mutex);
  unsigned now;
  while ((now = atomic_load_explicit(&pool->generation, memory_order_acquire)) == seen)
    pthread_cond_wait(&pool->wake, &pool->mutex);
  pthread_mutex_unlock(&pool->mutex);
  return now;
}

static void *worker_main(void *argument) {
  struct worker *self = argument;
  struct fnn_pool *pool = self->pool;
  unsigned seen = 0;
  for (;;) {
    seen = wait_for_job(pool, seen);
    if (atomic_load(&pool->stop)) return NULL;
    fnn_float_mode_set(pool->mode);
    work(pool, self->index);
    if (atomic_fetch_sub_explicit(&pool->running, 1, memory_order_acq_rel) == 1) {
      pthread_mutex_lock(&pool->mutex);
      pthread_cond_signal(&pool->done);
      pthread_mutex_unlock(&pool->mutex);
    }
  }
}

static void publish(struct fnn_pool *pool) {
  pthread_mutex_lock(&pool->mutex);
  atomic_fetch_add_explicit(&pool->generation, 1, memory_order_release);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
}

/* How many forks led to this process since the first pool was started. A pool from before a fork has no workers here. */
static atomic_uint forks;

static void count_fork(void) { atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed); }
static void watch_forks(void) { pthread_atfork(NULL, NULL, count_fork); }

static int is_of_this_process(const struct fnn_pool *pool) {
  return pool->forks == atomic_load_explicit(&forks, memory_order_relaxed);
}

/* Start count - 1 workers, or as many as the system grants; NULL when there is no memory. */
static struct fnn_pool *pool_start(int count) {
  static pthread_once_t watched = PTHREAD_ONCE_INIT;
  struct fnn_pool *pool = aligned_alloc(LINE, sizeof *pool);
  if (!pool) return NULL;
  memset(pool, 0, sizeof *pool);
  pthread_once(&watched, watch_forks);
  pool->forks = atomic_load_explicit(&forks, memory_order_relaxed);
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pthread_cond_init(&pool->done, NULL);
  sigset_t all, before;
  sigfillset(&all); /* signals are the host's business: workers take none */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (int i = 0; i < count - 1; i++) {
    struct worker *worker = &pool->worker[i];
    worker->pool = pool;
    worker->index = i + 1;
    if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) break;
    pool->workers++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return pool;
}

void fnn_threads_init(struct fnn_threads *threads, int count) {
  threads->pool = NULL;
  threads->count = 1;
  fnn_threads_set(threads, count);
}

static void join_workers(struct fnn_pool *pool) {
  atomic_store(&pool->stop, 1);
  publish(pool);
  for (int i = 0; i < pool->workers; i++) pthread_join(pool->worker[i].thread, NULL);
  pthread_cond_destroy(&pool->done);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->mutex);
}

void fnn_threads_stop(struct fnn_threads *threads) {
  if (!threads->pool) return;
  if (is_of_this_process(threads->pool)) join_workers(threads->pool);
  free(threads->pool);
  threads->pool = NULL;
}

void fnn_threads_set(struct fnn_threads *threads, int count) {
  if (count < 1) count = 1;
  if (count > FNN_THREADS_MAX) count = FNN_THREADS_MAX;
  if (count != threads->count) fnn_threads_stop(threads);
  threads->count = count;
}

void fnn_parallel(struct fnn_context *context, size_t n, size_t grain, fnn_task task, void *user) {
  struct fnn_threads *threads = &context->threads;
  if (grain == 0) grain = 1;
  if (n <= grain) {
    if (n > 0) task(user, 0, n, 0);
    return;
  }
  if (threads->pool && !is_of_this_process(threads->pool)) fnn_threads_stop(threads);
  if (threads->count > 1 && !threads->pool) threads->pool = pool_start(threads->count);
  struct fnn_pool *pool = threads->pool;
  if (!pool || pool->workers == 0) {
    for (size_t first = 0; first < n; first += grain) task(user, first, n - first < grain ? n : first + grain, 0);
    return;
  }
  pool->n = n, pool->grain = grain, pool->task = task, pool->user = user, pool->mode = fnn_float_mode_get();
  share_out(pool);
  atomic_store_explicit(&pool->running, pool->workers, memory_order_relaxed);
  publish(pool);
  work(pool, 0);
  for (int i = 0; i < SPINS; i++) {
    if (atomic_load_explicit(&pool->running, memory_order_acquire) == 0) return;
    pause_cpu();
  }
  pthread_mutex_lock(&pool->mutex);
  while (atomic_load_explicit(&pool->running, memory_order_acquire) > 0) pthread_cond_wait(&pool->done, &pool->mutex);
  pthread_mutex_unlock(&pool->mutex);
}
