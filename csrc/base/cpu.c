#define _GNU_SOURCE /* sched_getaffinity, CPU_COUNT, getline, syscall */
#include "cpu.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#endif

static const char *const names[FNN_ISA_COUNT] = {"base", "avx2", "avx512", "avx512_bf16", "amx"};

#if defined(__x86_64__)
/* Whether the CPU has AMX for bfloat16, and the system keeps its registers (XCR0; the CPU has AVX, so that it may be read). */
static int has_amx(void) {
  enum { TILE_CONFIG = 1 << 17, TILE_DATA = 1 << 18, AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24 };
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & AMX_BF16) || !(d & AMX_TILE)) return 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & TILE_CONFIG) && (low & TILE_DATA);
}
#endif

static enum fnn_isa detect(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return FNN_ISA_BASE;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return !__builtin_cpu_supports("avx512bf16") ? FNN_ISA_AVX512 : has_amx() ? FNN_ISA_AMX : FNN_ISA_AVX512_BF16;
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

int fnn_cpu_grants_amx(void) {
#if defined(__x86_64__) && defined(SYS_arch_prctl)
  enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 }; /* of Linux's asm/prctl.h, since 5.16 */
  return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
  return 0;
#endif
}

int fnn_cpu_count(void) {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
#endif
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (int)online : 1;
}

/* ---- memory ---- */

static unsigned long long least_of(unsigned long long a, unsigned long long b) { return a < b ? a : b; }

/* The limit of one group; a file that says "max", or is not there, sets none. */
static unsigned long long read_limit(const char *folder, const char *name) {
  char path[PATH_MAX];
  unsigned long long limit = ULLONG_MAX, number;
  int length = snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = length > 0 && length < (int)sizeof path ? fopen(path, "r") : NULL;
  if (!file) return limit;
  if (fscanf(file, "%llu", &number) == 1) limit = number;
  fclose(file);
  return limit;
}

/* The least limit of the folder root/group and those above it, up to root itself. */
static unsigned long long walk_up(const char *root, const char *group, const char *name) {
  char folder[PATH_MAX];
  int is_outside =
      strncmp(group, "/..", 3) == 0 && (group[3] == '/' || group[3] == '\0'); /* seen from this container */
  int length = snprintf(folder, sizeof folder, "%s%s", root, is_outside ? "" : group);
  unsigned long long least = ULLONG_MAX;
  if (length < 0 || length >= (int)sizeof folder) return least;
  for (char *end = folder + length; end; end = strrchr(folder + strlen(root), '/')) {
    *end = '\0';
    least = least_of(least, read_limit(folder, name));
  }
  return least;
}

/* Whether "memory" is among the words, which commas part. */
static int has_memory(const char *controllers) {
  static const char word[] = "memory";
  for (const char *at = controllers; at; at = strchr(at, ',')) {
    at += *at == ',';
    size_t length = strcspn(at, ",");
    if (length == sizeof word - 1 && strncmp(at, word, length) == 0) return 1;
  }
  return 0;
}

/* A line is "number:controllers:/group": no controllers for version 2, which has one tree for all of them. */
static unsigned long long line_limit(char *line, const char *root) {
  char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
  char folder[PATH_MAX];
  if (!group || group[1] != '/') return ULLONG_MAX;
  *controllers++ = *group++ = '\0';
  group[strcspn(group, "\n")] = '\0';
  if (*controllers == '\0') return walk_up(root, group, "memory.max");
  int length = snprintf(folder, sizeof folder, "%s/memory", root);
  if (!has_memory(controllers) || length < 0 || length >= (int)sizeof folder) return ULLONG_MAX;
  return walk_up(folder, group, "memory.limit_in_bytes");
}

unsigned long long fnn_cpu_group_limit(const char *list, const char *root) {
  unsigned long long least = ULLONG_MAX;
  char *line = NULL;
  size_t room = 0;
  FILE *file = fopen(list, "r");
  if (!file) return least;
  while (getline(&line, &room, file) > 0) least = least_of(least, line_limit(line, root));
  free(line);
  fclose(file);
  return least;
}

unsigned long long fnn_cpu_memory(void) {
  long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  unsigned long long bytes = pages > 0 && page > 0 ? (unsigned long long)pages * (unsigned long long)page : 1ull << 32;
  return least_of(bytes, fnn_cpu_group_limit("/proc/self/cgroup", "/sys/fs/cgroup"));
}
