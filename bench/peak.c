// The most single-precision arithmetic that the machine does: fused multiply-adds between registers, on all threads,
// for each instruction set that it has. Prints lines "name GFLOP/s", with the names that fnn.info().isa uses.
//
//   cc -O3 -ffp-contract=fast -pthread bench/peak.c -o peak && ./peak THREADS SECONDS
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CHAINS = 12, ROUNDS = 100000, MOST_THREADS = 1024 };

// As many independent chains as hide the latency of an FMA, and fit 16 registers together with the factors.
#define BODY(floats)                                                        \
  {                                                                         \
    typedef float vector __attribute__((vector_size(4 * floats)));          \
    vector chain[CHAINS], factor, term;                                     \
    for (int i = 0; i < floats; i++) factor[i] = 0.999F, term[i] = 0.001F;  \
    for (int c = 0; c < CHAINS; c++) chain[c] = factor * (float)c;          \
    for (int round = 0; round < ROUNDS; round++)                            \
      for (int c = 0; c < CHAINS; c++) chain[c] = chain[c] * factor + term; \
    for (int c = 1; c < CHAINS; c++) chain[0] += chain[c];                  \
    *sink = chain[0][0];                                                    \
    return 2.0 * floats * CHAINS * ROUNDS;                                  \
  }

// Each runs for a moment and returns how many operations that were.
static double run_base(volatile float *sink) BODY(4)
#ifdef __x86_64__
    __attribute__((target("avx2,fma"))) static double run_avx2(volatile float *sink) BODY(8)
        __attribute__((target("avx512f"))) static double run_avx512(volatile float *sink) BODY(16)
#endif

            struct work {
  double (*run)(volatile float *sink);
  double seconds;
  double rate;  // out: operations a second
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double rate_of(double (*run)(volatile float *sink), double seconds) {
  volatile float sink;
  double started = now(), done = 0, elapsed = 0;
  while (elapsed < seconds) {
    done += run(&sink);
    elapsed = now() - started;
  }
  return done / elapsed;
}

static void *start(void *argument) {
  struct work *work = argument;
  rate_of(work->run, work->seconds / 5);  // warm up
  work->rate = rate_of(work->run, work->seconds);
  return NULL;
}

static void measure(const char *name, double (*run)(volatile float *sink), int threads, double seconds) {
  static struct work work[MOST_THREADS];
  static pthread_t thread[MOST_THREADS];
  double total = 0;
  for (int i = 0; i < threads; i++) {
    work[i] = (struct work){run, seconds, 0};
    if (pthread_create(&thread[i], NULL, start, &work[i])) exit(1);
  }
  for (int i = 0; i < threads; i++) {
    pthread_join(thread[i], NULL);
    total += work[i].rate;
  }
  printf("%s %.1f\n", name, total / 1e9);
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 1;
  double seconds = argc > 2 ? atof(argv[2]) : 1;
  if (threads < 1 || threads > MOST_THREADS) return 1;
  measure("base", run_base, threads, seconds);
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) measure("avx2", run_avx2, threads, seconds);
  if (__builtin_cpu_supports("avx512f")) measure("avx512", run_avx512, threads, seconds);
#endif
  return 0;
}
