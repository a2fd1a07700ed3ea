#define _POSIX_C_SOURCE 200809L /* setenv, nanosleep, mkdtemp */
/* The room csrc/base, and the shapes and sizes of csrc/tensor that stand on it. */
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "../../csrc/base/context.h"
#include "../../csrc/tensor/tensor.h"
#include "check.h"

static uint64_t state = 1;

/* ---- memory ---- */

static const size_t MIB = (size_t)1 << 20;

/* One block: aligned, all of it ours, and at most a quarter larger than asked for. */
static void check_block(struct fnn_context *context, size_t bytes) {
  struct fnn_memory *memory = &context->memory;
  size_t before = memory->used;
  char *data = fnn_alloc(context, bytes);
  size_t taken = memory->used - before, most = bytes <= 64 ? 64 : bytes + bytes / 4;
  expect(data && (uintptr_t)data % 64 == 0, "a block of %zu bytes is not aligned", bytes);
  expect(taken >= bytes && taken <= most, "a block of %zu bytes takes %zu", bytes, taken);
  if (data && bytes > 0) memset(data, 0x5A, bytes);
  fnn_free(context, data);
  fnn_memory_trim(memory, 0);
  expect(memory->used == before && memory->cached == 0, "a block of %zu bytes was not returned", bytes);
}

static void test_classes(void) {
  struct fnn_context *context = fnn_context_new();
  for (size_t bytes = 0; bytes < 3000; bytes++) check_block(context, bytes);
  for (size_t power = 4096; power <= 64 * MIB; power *= 2)
    for (size_t quarter = 0; quarter < 4; quarter++)
      for (size_t delta = 0; delta < 3; delta++) check_block(context, power + power / 4 * quarter + delta - 1);
  fnn_context_release(context);
}

static void test_reuse(void) {
  struct fnn_context *context = fnn_context_new();
  struct fnn_memory *memory = &context->memory;
  void *block = fnn_alloc(context, 1000), *other;
  fnn_free(context, block);
  uint64_t calls = memory->system;
  EXPECT(memory->cached == 1024 && memory->used == 0 && memory->blocks == 0);
  EXPECT((other = fnn_alloc(context, 1024)) == block && memory->system == calls);
  fnn_free(context, other);
  EXPECT((other = fnn_alloc(context, 513)) == block && memory->system == calls); /* more than half as large */
  fnn_free(context, other);
  EXPECT((other = fnn_alloc(context, 448)) != block && memory->system == calls + 1); /* too small for it */
  fnn_free(context, other);
  EXPECT((other = fnn_alloc(context, 1025)) != block); /* too large */
  fnn_free(context, other);
  fnn_free(context, NULL);
  fnn_context_release(context);
}

/* After the first step, a step of the same requests calls the system's allocator zero times. */
static void test_steady(void) {
  static const size_t requests[] = {100, 5000, 70000, 300, 70000, 1, 1000000, 64, 4096};
  enum { REQUESTS = sizeof requests / sizeof requests[0] };
  struct fnn_context *context = fnn_context_new();
  uint64_t calls = 0;
  for (int step = 0; step < 5; step++) {
    void *blocks[REQUESTS];
    for (int i = 0; i < REQUESTS; i++) blocks[i] = fnn_alloc(context, requests[i]);
    if (step == 0) calls = context->memory.system;
    for (int i = 0; i < REQUESTS; i++) fnn_free(context, blocks[i]);
  }
  EXPECT(context->memory.system == calls);
  fnn_context_release(context);
}

static size_t any_size(void) {
  size_t bytes = (size_t)1 << random_below(&state, 26);
  return bytes + random_below(&state, bytes);
}

/* The pool's promise: used + cached <= 5/4 of the peak + 64 MiB, whatever is asked for. */
static void test_bound(void) {
  enum { HELD = 24, STEPS = 4000 };
  struct fnn_context *context = fnn_context_new();
  struct fnn_memory *memory = &context->memory;
  void *held[HELD] = {0};
  size_t sizes[HELD] = {0}, most = 0;
  for (int i = 0; i < STEPS; i++) {
    size_t at = random_below(&state, HELD), sum = 0, count = 0;
    fnn_free(context, held[at]);
    sizes[at] = random_below(&state, 3) ? any_size() : 0;
    held[at] = sizes[at] ? fnn_alloc(context, sizes[at]) : NULL;
    for (int k = 0; k < HELD; k++) sum += sizes[k], count += sizes[k] > 0;
    if (memory->used > most) most = memory->used;
    EXPECT(memory->peak == most && memory->used >= sum && memory->blocks == count);
    EXPECT(memory->used + memory->cached <= memory->peak / 4 * 5 + 64 * MIB);
  }
  for (int i = 0; i < HELD; i++) fnn_free(context, held[i]);
  EXPECT(memory->used == 0 && memory->blocks == 0);
  size_t half = memory->cached / 2;
  fnn_memory_trim(memory, half);
  EXPECT(memory->cached <= half);
  fnn_context_release(context);
}

static void test_limit(void) {
  struct fnn_context *context = fnn_context_new();
  struct fnn_memory *memory = &context->memory;
  memory->limit = 1000;
  EXPECT(fnn_alloc(context, 1001) == NULL);
  EXPECT(strncmp(context->error, "out of memory", 13) == 0);
  EXPECT(fnn_alloc(context, SIZE_MAX) == NULL && fnn_alloc(context, SIZE_MAX / 2) == NULL);
  memory->limit = 100000;
  void *held[200] = {0};
  for (int i = 0; i < 20000; i++) {
    size_t at = random_below(&state, 200);
    fnn_free(context, held[at]);
    held[at] = fnn_alloc(context, random_below(&state, 3000));
    EXPECT(memory->used <= memory->limit && memory->peak <= memory->limit);
  }
  for (int i = 0; i < 200; i++) fnn_free(context, held[i]);
  memory->limit = SIZE_MAX; /* no limit: the system says no */
  EXPECT(fnn_alloc(context, SIZE_MAX) == NULL && fnn_alloc(context, SIZE_MAX - 4096) == NULL);
  EXPECT(fnn_alloc(context, SIZE_MAX / 2 + 2) == NULL && fnn_alloc(context, SIZE_MAX / 4) == NULL);
  EXPECT(memory->used == 0);
  fnn_context_release(context);
}

static void test_fail_after(void) {
  struct fnn_context *context = fnn_context_new();
  void *block = fnn_alloc(context, 10);
  fnn_free(context, block);
  context->memory.fail_after = 3;
  void *first = fnn_alloc(context, 10), *second = fnn_alloc(context, 10);
  EXPECT(first && second && !fnn_alloc(context, 10) && !fnn_alloc(context, 10)); /* though the pool has some */
  context->memory.fail_after = 0;
  void *last = fnn_alloc(context, 10);
  EXPECT(last);
  fnn_free(context, first), fnn_free(context, second), fnn_free(context, last);
  EXPECT(context->memory.used == 0);
  fnn_context_release(context);
}

/* A block keeps its context alive; a leak or a use after free is for the sanitizer to see. */
static void test_references(void) {
  struct fnn_context *context = fnn_context_new();
  void *a = fnn_alloc(context, 100), *b = fnn_alloc(context, 200);
  fnn_context_release(context);
  EXPECT(context->references == 2 && context->memory.blocks == 2);
  fnn_free(context, b);
  EXPECT(context->references == 1);
  fnn_free(context, a);
}

static void test_multiply(void) {
  size_t product = 0;
  EXPECT(fnn_multiply(0, SIZE_MAX, &product) && product == 0);
  EXPECT(fnn_multiply(SIZE_MAX, 1, &product) && product == SIZE_MAX);
  EXPECT(fnn_multiply((size_t)1 << 31, (size_t)1 << 32, &product) && product == (size_t)1 << 63);
  EXPECT(!fnn_multiply((size_t)1 << 32, (size_t)1 << 32, &product));
  EXPECT(!fnn_multiply(SIZE_MAX, 2, &product));
  EXPECT(!fnn_multiply(3, SIZE_MAX / 3 + 1, &product));
}

static void test_error_text(void) {
  struct fnn_context *context = fnn_context_new();
  char long_text[2000];
  memset(long_text, 'x', sizeof long_text - 1);
  long_text[sizeof long_text - 1] = '\0';
  EXPECT(fnn_fail(context, FNN_IO, "%d: %s", 7, long_text) == FNN_IO);
  EXPECT(strlen(context->error) == sizeof context->error - 1 && strncmp(context->error, "7: xxx", 6) == 0);
  fnn_context_release(context);
}

/* ---- random numbers ---- */

/* Philox with its whole counter of 128 bits, as in the paper; fnn_philox leaves the upper half 0. */
static void reference_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c[4], k[2];
  memcpy(c, counter, sizeof c);
  memcpy(k, key, sizeof k);
  for (int round = 0; round < 10; round++) {
    uint64_t p = (uint64_t)0xD2511F53u * c[0], q = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t next[4] = {(uint32_t)(q >> 32) ^ c[1] ^ k[0], (uint32_t)q, (uint32_t)(p >> 32) ^ c[3] ^ k[1], (uint32_t)p};
    memcpy(c, next, sizeof c);
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  memcpy(out, c, sizeof c);
}

static void test_philox(void) {
  /* the known answers for philox4x32-10 in the file kat_vectors of the authors' library Random123: counter, key, numbers */
  static const uint32_t known[][10] = {{0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                                       {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,
                                        0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                                       {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0,
                                        0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
  uint32_t got[4], want[4];
  for (int i = 0; i < 3; i++) {
    reference_philox(known[i], known[i] + 4, got);
    EXPECT(memcmp(got, known[i] + 6, sizeof got) == 0);
  }
  fnn_philox(0, 0, got);
  EXPECT(memcmp(got, known[0] + 6, sizeof got) == 0);
  for (int i = 0; i < 10000; i++) {
    uint64_t seed = random_bits(&state), place = i % 2 ? random_bits(&state) : (uint64_t)i;
    uint32_t counter[4] = {(uint32_t)place, (uint32_t)(place >> 32), 0, 0},
             key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    fnn_philox(seed, place, got);
    reference_philox(counter, key, want);
    EXPECT(memcmp(got, want, sizeof got) == 0);
  }
}

static void test_generator(void) {
  struct fnn_generator generator;
  fnn_generator_seed(&generator, 9);
  EXPECT(fnn_generator_take(&generator, 0) == 0 && fnn_generator_take(&generator, 1) == 0);
  EXPECT(fnn_generator_take(&generator, 4) == 1 && fnn_generator_take(&generator, 5) == 2);
  EXPECT(fnn_generator_take(&generator, 1) == 4 && generator.seed == 9);
  fnn_generator_seed(&generator, 0);
  EXPECT(fnn_generator_draw_seed(&generator) == 0x6627e8d5e169c58du &&
         generator.offset == 1); /* the known answer above */
  EXPECT(fnn_uniform(0) == 0.0f && fnn_uniform(0x80000000u) == 0.5f && fnn_uniform(UINT32_MAX) == 1.0f - 0x1p-24f);
}

/* ---- instruction sets ---- */

static void test_isa(void) {
  const char *given = getenv("FMNISTNN_ISA");
  char *kept = given ? strdup(given) : NULL;
  unsetenv("FMNISTNN_ISA");
  enum fnn_isa best = fnn_cpu_isa();
  setenv("FMNISTNN_ISA", "base", 1);
  EXPECT(fnn_cpu_isa() == FNN_ISA_BASE);
  setenv("FMNISTNN_ISA", "avx2", 1);
  EXPECT(fnn_cpu_isa() == (best < FNN_ISA_AVX2 ? best : FNN_ISA_AVX2));
  setenv("FMNISTNN_ISA", "avx512", 1);
  EXPECT(fnn_cpu_isa() == (best < FNN_ISA_AVX512 ? best : FNN_ISA_AVX512));
  setenv("FMNISTNN_ISA", "avx512_bf16", 1);
  EXPECT(fnn_cpu_isa() == (best < FNN_ISA_AVX512_BF16 ? best : FNN_ISA_AVX512_BF16));
  setenv("FMNISTNN_ISA", "amx", 1);
  EXPECT(fnn_cpu_isa() == best);
  setenv("FMNISTNN_ISA", "nonsense", 1);
  EXPECT(fnn_cpu_isa() == best);
  if (kept)
    setenv("FMNISTNN_ISA", kept, 1);
  else
    unsetenv("FMNISTNN_ISA");
  free(kept);
  EXPECT(fnn_cpu_count() >= 1 && fnn_cpu_memory() > MIB);
}

/* ---- control groups ---- */

/* Write a text to root/path, whose folders are made. */
static void write_text(const char *root, const char *path, const char *text) {
  char whole[512];
  int length = snprintf(whole, sizeof whole, "%s/%s", root, path);
  for (char *at = whole + strlen(root) + 1; (at = strchr(at, '/')); *at++ = '/') {
    *at = '\0';
    mkdir(whole, 0777);
  }
  FILE *file = length < (int)sizeof whole ? fopen(whole, "w") : NULL;
  EXPECT(file);
  if (!file) return;
  fputs(text, file);
  fclose(file);
}

/* The limit that a list of groups gives, with the folder root/below as the place of all groups. */
static unsigned long long group_limit(const char *root, const char *below, const char *list) {
  char path[512], folder[512];
  write_text(root, "list", list);
  snprintf(path, sizeof path, "%s/list", root);
  snprintf(folder, sizeof folder, "%s/%s", root, below);
  return fnn_cpu_group_limit(path, folder);
}

static void test_control_groups(void) {
  char root[] = "/tmp/fmnistnn-groups-XXXXXX", command[64], far[9000];
  if (!mkdtemp(root)) {
    EXPECT(!"a temporary folder");
    return;
  }
  /* version 2: the group's own limit, or that of one around it */
  write_text(root, "two/a/memory.max", "max\n");
  write_text(root, "two/a/b/memory.max", "3000000000\n");
  write_text(root, "two/a/b/c/memory.max", "max\n");
  write_text(root, "two/a/b/d/memory.max", "2000000000\n");
  EXPECT(group_limit(root, "two", "0::/a/b\n") == 3000000000);
  EXPECT(group_limit(root, "two", "0::/a/b/c\n") == 3000000000);
  EXPECT(group_limit(root, "two", "0::/a/b/d\n") == 2000000000);
  EXPECT(group_limit(root, "two", "0::/a/b/d") == 2000000000);
  EXPECT(group_limit(root, "two", "0::/a/b/e (deleted)\n") == 3000000000);
  EXPECT(group_limit(root, "two", "0::/a\n") == ULLONG_MAX && group_limit(root, "two", "0::/\n") == ULLONG_MAX);
  /* version 1: a tree for each controller */
  write_text(root, "one/memory.max", "1\n"); /* is of no tree here */
  write_text(root, "one/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write_text(root, "one/memory/x/memory.limit_in_bytes", "2000000000\n");
  write_text(root, "one/memory/x/y:z/memory.limit_in_bytes", "1000000000\n");
  EXPECT(group_limit(root, "one", "9:cpu,cpuacct:/x\n4:memory:/x\n1:name=systemd:/\n") == 2000000000);
  EXPECT(group_limit(root, "one", "4:memory:/x/y:z\n") == 1000000000);
  EXPECT(group_limit(root, "one", "4:hugetlb,memory:/x\n") == 2000000000);
  EXPECT(group_limit(root, "one", "4:memory:/\n") == 9223372036854771712u);
  EXPECT(group_limit(root, "one", "4:memory2,me,mory:/x\n4:cpu:/memory\n") == ULLONG_MAX);
  /* a container that sees no more than its own group, as the root */
  write_text(root, "own/memory.max", "1500000000\n");
  write_text(root, "own/memory/memory.limit_in_bytes", "1200000000\n");
  EXPECT(group_limit(root, "own", "0::/\n") == 1500000000);
  EXPECT(group_limit(root, "own", "0::/docker/1234\n") == 1500000000);
  EXPECT(group_limit(root, "own", "4:memory:/docker/1234\n") == 1200000000);
  EXPECT(group_limit(root, "own", "4:memory:/docker/1234\n0::/docker\n") == 1200000000);
  EXPECT(group_limit(root, "two/a/b", "0::/../b\n") == 3000000000);
  EXPECT(group_limit(root, "two/a/b/c", "0::/../d\n") == ULLONG_MAX &&
         group_limit(root, "two", "0::/..\n") == ULLONG_MAX);
  /* nothing to be read */
  EXPECT(group_limit(root, "two", "") == ULLONG_MAX && group_limit(root, "two", "0\n:\n::\n0::a/b\n\n") == ULLONG_MAX);
  memset(far, 'a', sizeof far - 1);
  memcpy(far, "0::/", 4);
  far[sizeof far - 1] = '\0';
  EXPECT(group_limit(root, "two", far) == ULLONG_MAX);
  EXPECT(fnn_cpu_group_limit("/no such list", root) == ULLONG_MAX);
  snprintf(command, sizeof command, "rm -r '%s'", root);
  EXPECT(system(command) == 0);
}

/* ---- threads ---- */

/* Linked with --wrap=pthread_create: above 0, that many threads start and no more. */
static int threads_left = -1;
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
  if (threads_left == 0) return 11; /* EAGAIN */
  if (threads_left > 0) threads_left--;
  return __real_pthread_create(thread, attributes, start, argument);
}

struct marks {
  size_t n, grain;
  int count; /* of threads */
  atomic_uchar *seen;
  atomic_int busy[FNN_THREADS_MAX];
  atomic_int wrong;
};

static void mark(void *user, size_t first, size_t last, int worker) {
  struct marks *m = user;
  int fine = worker >= 0 && worker < m->count && first < last && last <= m->n && first % m->grain == 0 &&
             last - first <= m->grain;
  if (!fine) {
    atomic_fetch_add(&m->wrong, 1);
    return;
  }
  if (atomic_fetch_add(&m->busy[worker], 1) != 0) atomic_fetch_add(&m->wrong, 1); /* two at once under one number */
  for (size_t i = first; i < last; i++) atomic_fetch_add_explicit(&m->seen[i], 1, memory_order_relaxed);
  atomic_fetch_sub(&m->busy[worker], 1);
}

static void check_job(struct fnn_context *context, size_t n, size_t grain) {
  struct marks marks = {.n = n, .grain = grain ? grain : 1, .count = context->threads.count};
  marks.seen = calloc(n + 1, sizeof *marks.seen);
  fnn_parallel(context, n, grain, mark, &marks);
  size_t once = 0;
  for (size_t i = 0; i < n; i++) once += atomic_load(&marks.seen[i]) == 1;
  expect(once == n && atomic_load(&marks.wrong) == 0,
         "%zu items in pieces of %zu on %d threads: %zu done once, %d pieces wrong", n, grain, context->threads.count,
         once, atomic_load(&marks.wrong));
  free(marks.seen);
}

static void test_parallel(void) {
  static const size_t counts[] = {0, 1, 2, 3, 7, 8, 63, 64, 65, 1000, 4099},
                      grains[] = {0, 1, 2, 3, 16, 64, 1000, 5000};
  struct fnn_context *context = fnn_context_new();
  for (int threads = 1; threads <= 5; threads++) {
    fnn_threads_set(&context->threads, threads);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
      for (size_t k = 0; k < sizeof grains / sizeof grains[0]; k++) check_job(context, counts[i], grains[k]);
  }
  fnn_threads_set(&context->threads, -3);
  EXPECT(context->threads.count == 1);
  fnn_threads_set(&context->threads, 1000);
  EXPECT(context->threads.count == FNN_THREADS_MAX);
  check_job(context, 5000, 7);
  fnn_context_release(context);
}

static void count_items(void *user, size_t first, size_t last, int worker) {
  atomic_size_t *sums = user;
  atomic_fetch_add_explicit(&sums[worker], last - first, memory_order_relaxed);
}

static void add_one(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  for (size_t i = first; i < last; i++) ((unsigned *)user)[i]++;
}

/* Jobs in quick succession: no wake-up is lost, and each job sees what the one before it wrote. */
static void test_many_jobs(void) {
  enum { ITEMS = 40 };
  for (int threads = 2; threads <= 5; threads++) {
    const unsigned jobs = threads == 2 ? 20000 : 2000; /* more threads than processors wait for each other a lot */
    struct fnn_context *context = fnn_context_new();
    unsigned values[ITEMS] = {0};
    atomic_size_t sums[FNN_THREADS_MAX] = {0};
    size_t total = 0;
    fnn_threads_set(&context->threads, threads);
    for (unsigned job = 0; job < jobs; job++) {
      fnn_parallel(context, ITEMS, 1 + job % 7, add_one, values); /* not atomic: a race is for the sanitizer to see */
      fnn_parallel(context, ITEMS, 4, count_items, sums);
    }
    for (int i = 0; i < ITEMS; i++) EXPECT(values[i] == jobs);
    for (int i = 0; i < threads; i++) total += atomic_load(&sums[i]);
    EXPECT(total == (size_t)jobs * ITEMS);
    fnn_context_release(context);
  }
}

/* Workers that sleep between jobs wake up; a pool that was stopped starts again. */
static void test_sleepers(void) {
  struct fnn_context *context = fnn_context_new();
  fnn_threads_set(&context->threads, 3);
  for (int i = 0; i < 30; i++) {
    struct timespec pause = {0, 2000000};
    nanosleep(&pause, NULL);
    check_job(context, 100, 3);
    if (i % 10 == 9) fnn_threads_stop(&context->threads);
  }
  fnn_context_release(context);
}

static void test_without_threads(void) {
  for (int granted = 0; granted < 3; granted++) {
    struct fnn_context *context = fnn_context_new();
    fnn_threads_set(&context->threads, 4);
    threads_left = granted;
    for (int i = 0; i < 100; i++) check_job(context, 50, 3);
    threads_left = -1;
    fnn_context_release(context);
  }
}

static void *use_own_context(void *argument) {
  (void)argument;
  struct fnn_context *context = fnn_context_new();
  fnn_threads_set(&context->threads, 3);
  unsigned values[100] = {0};
  for (int i = 0; i < 500; i++) {
    void *block = fnn_alloc(context, (size_t)i * 17);
    fnn_parallel(context, 100, 9, add_one, values);
    fnn_free(context, block);
  }
  fnn_context_release(context);
  return values[99] == 500 ? NULL : "wrong";
}

/* Contexts share nothing, so that several work side by side. */
static void test_contexts(void) {
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) EXPECT(pthread_create(&threads[i], NULL, use_own_context, NULL) == 0);
  for (int i = 0; i < 4; i++) {
    void *wrong;
    EXPECT(pthread_join(threads[i], &wrong) == 0 && wrong == NULL);
  }
}

/* ---- shapes ---- */

static struct fnn_shape shape_of(int rank, ...) {
  struct fnn_shape shape = {.rank = rank};
  va_list sizes;
  va_start(sizes, rank);
  for (int i = 0; i < rank; i++) shape.size[i] = va_arg(sizes, size_t);
  va_end(sizes);
  return shape;
}

static void test_shapes(void) {
  char text[FNN_SHAPE_TEXT];
  struct fnn_shape none = shape_of(0), s = shape_of(3, (size_t)2, (size_t)3, (size_t)4), other = s;
  size_t stride[FNN_MAX_RANK];
  EXPECT(fnn_shape_numel(&none) == 1 && strcmp(fnn_shape_text(&none, text), "()") == 0);
  EXPECT(fnn_shape_numel(&s) == 24 && strcmp(fnn_shape_text(&s, text), "(2,3,4)") == 0);
  EXPECT(fnn_shape_product(&s, 1, 3) == 12 && fnn_shape_product(&s, 1, 1) == 1);
  fnn_shape_strides(&s, stride);
  EXPECT(stride[0] == 12 && stride[1] == 4 && stride[2] == 1);
  EXPECT(fnn_shape_equal(&s, &other) && !fnn_shape_equal(&s, &none));
  other.size[2] = 5;
  EXPECT(!fnn_shape_equal(&s, &other));
  other = fnn_shape_of(3, s.size);
  EXPECT(fnn_shape_equal(&s, &other));
  struct fnn_shape longest = {.rank = FNN_MAX_RANK};
  for (int i = 0; i < FNN_MAX_RANK; i++) longest.size[i] = SIZE_MAX; /* does not fit: it must be cut */
  EXPECT(strlen(fnn_shape_text(&longest, text)) < FNN_SHAPE_TEXT);
}

/* NumPy's rule, axis by axis from the end. */
static int naive_broadcast(const struct fnn_shape *a, const struct fnn_shape *b, struct fnn_shape *out) {
  *out = (struct fnn_shape){.rank = a->rank > b->rank ? a->rank : b->rank};
  for (int axis = 0; axis < out->rank; axis++) {
    int ia = axis - (out->rank - a->rank), ib = axis - (out->rank - b->rank);
    size_t sa = ia < 0 ? 1 : a->size[ia], sb = ib < 0 ? 1 : b->size[ib];
    if (sa != sb && sa != 1 && sb != 1) return 0;
    out->size[axis] = sa == 1 ? sb : sa;
  }
  return 1;
}

static void test_broadcast(void) {
  struct fnn_context *context = fnn_context_new();
  for (int i = 0; i < 5000; i++) {
    struct fnn_shape a = {.rank = (int)random_below(&state, 5)}, b = {.rank = (int)random_below(&state, 5)}, got, want;
    for (int k = 0; k < a.rank; k++) a.size[k] = random_below(&state, 4);
    for (int k = 0; k < b.rank; k++) b.size[k] = random_below(&state, 4);
    int possible = naive_broadcast(&a, &b, &want);
    enum fnn_status status = fnn_shape_broadcast(context, "test", &a, &b, &got);
    EXPECT(possible ? status == FNN_OK && fnn_shape_equal(&got, &want) : status == FNN_INVALID);
  }
  fnn_context_release(context);
}

/* Shapes whose bytes cannot be counted are refused, and leave nothing behind. */
static void test_overflow(void) {
  struct fnn_context *context = fnn_context_new();
  const size_t half = (size_t)1 << 32, top = (size_t)1 << 63;
  const struct fnn_shape impossible[] = {shape_of(2, half, half),
                                         shape_of(1, SIZE_MAX),
                                         shape_of(1, top),
                                         shape_of(1, SIZE_MAX / 4 + 1),
                                         shape_of(3, (size_t)0, half, half),
                                         shape_of(3, half, half, (size_t)0),
                                         shape_of(4, half, (size_t)0, half, (size_t)4)};
  for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
    struct fnn_tensor *tensor = NULL;
    EXPECT(fnn_tensor_new(context, FNN_FLOAT32, &impossible[i], &tensor) == FNN_NO_MEMORY && tensor == NULL);
    EXPECT(context->memory.used == 0 && strncmp(context->error, "out of memory", 13) == 0);
  }
  struct fnn_shape empty = shape_of(2, (size_t)0, (size_t)5);
  struct fnn_tensor *tensor = NULL;
  EXPECT(fnn_tensor_zeros(context, FNN_INT64, &empty, &tensor) == FNN_OK && fnn_tensor_numel(tensor) == 0);
  EXPECT(fnn_tensor_is_contiguous(tensor));
  fnn_tensor_release(tensor);
  EXPECT(context->memory.used == 0);
  fnn_context_release(context);
}

/* The nth request fails: a tensor is made in whole or not at all. */
static void test_tensor_failures(void) {
  struct fnn_context *context = fnn_context_new();
  struct fnn_shape shape = shape_of(2, (size_t)3, (size_t)4);
  for (uint64_t n = 1;; n++) {
    struct fnn_tensor *tensor = NULL;
    context->memory.fail_after = n;
    enum fnn_status status = fnn_tensor_zeros(context, FNN_FLOAT32, &shape, &tensor);
    context->memory.fail_after = 0;
    EXPECT((status == FNN_OK) == (tensor != NULL));
    fnn_tensor_release(tensor);
    EXPECT(context->memory.used == 0 && context->memory.blocks == 0);
    if (status == FNN_OK) break;
  }
  fnn_context_release(context);
}

int main(void) {
  test_classes();
  test_reuse();
  test_steady();
  test_bound();
  test_limit();
  test_fail_after();
  test_references();
  test_multiply();
  test_error_text();
  test_philox();
  test_generator();
  test_isa();
  test_control_groups();
  test_parallel();
  test_many_jobs();
  test_sleepers();
  test_without_threads();
  test_contexts();
  test_shapes();
  test_broadcast();
  test_overflow();
  test_tensor_failures();
  return check_result("base");
}
