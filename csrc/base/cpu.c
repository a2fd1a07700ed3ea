#define _GNU_SOURCE /* sched_getaffinity, CPU_COUNT */
#include "cpu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[FNN_ISA_COUNT] = {"base", "avx2", "avx512", "avx512_bf16"};

static enum fnn_isa detect(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return FNN_ISA_BASE;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return __builtin_cpu_supports("avx512bf16") ? FNN_ISA_AVX512_BF16 : FNN_ISA_AVX512;
  return FNN_ISA_AVX2;
#else
  return FNN_ISA_BASE;
#endif
}

enum fnn_isa fnn_cpu_isa(void) {
  enum fnn_isa best = detect();
  const char *cap = getenv("FMNISTNN_ISA");
  if (cap)
    for (int isa = 0; isa < (int)best; isa++)
      if (strcmp(cap, names[isa]) == 0) return (enum fnn_isa)isa;
  return best;
}

int fnn_cpu_count(void) {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
#endif
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (int)online : 1;
}

unsigned long long fnn_cpu_memory(void) {
  long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  unsigned long long bytes = pages > 0 && page > 0 ? (unsigned long long)pages * (unsigned long long)page : 1ull << 32;
  FILE *file = fopen("/sys/fs/cgroup/memory.max", "r");
  if (file) {
    unsigned long long limit;
    if (fscanf(file, "%llu", &limit) == 1 && limit < bytes) bytes = limit; /* "max": no limit */
    fclose(file);
  }
  return bytes;
}
