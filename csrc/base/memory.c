#define _DEFAULT_SOURCE /* madvise */ /* NOLINT(bugprone-reserved-identifier): the library's own switch */
#include "memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "context.h"

/* Free blocks stay ours, so the address sanitizer is told what must not be touched. */
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define ALLOW(data, bytes) __asan_unpoison_memory_region(data, bytes)
#define FORBID(data, bytes) __asan_poison_memory_region(data, bytes)
#else
#define ALLOW(data, bytes) (void)0
#define FORBID(data, bytes) (void)0
#endif

enum { ALIGNMENT = 64, MIN_SHIFT = 6, PAGE = 2 << 20 /* a large page */ };

/* Stands before each block, in a cache line of its own. */
struct fnn_block {
  struct fnn_block *next;
  size_t bytes;
  unsigned size_class;
};

_Static_assert(sizeof(struct fnn_block) <= ALIGNMENT, "the head fits in one line");

/* Class k holds (4 + k % 4) / 4 * 2^(k / 4) * 64 bytes: 64, 80, 96, 112, 128, 160 ... */
static size_t class_bytes(unsigned k) { return (size_t)(4 + k % 4) << (k / 4) << (MIN_SHIFT - 2); }

static unsigned class_of(size_t bytes) {
  if (bytes <= ALIGNMENT) return 0;
  unsigned shift = 63u - (unsigned)__builtin_clzll(bytes - 1); /* 2^shift < bytes <= 2^(shift+1) */
  unsigned quarters = (unsigned)((bytes - 1) >> (shift - 2));  /* of 2^shift: 4 to 7 whole ones, and a part */
  return (shift - MIN_SHIFT) * 4 + (quarters - 3);
}

void fnn_memory_init(struct fnn_memory *memory, size_t limit) {
  memset(memory, 0, sizeof *memory);
  memory->limit = limit;
}

void fnn_memory_trim(struct fnn_memory *memory, size_t keep) {
  for (unsigned k = FNN_MEMORY_CLASSES; k-- > 0 && memory->cached > keep;)
    while (memory->free[k] && memory->cached > keep) {
      struct fnn_block *block = memory->free[k];
      memory->free[k] = block->next;
      memory->cached -= block->bytes;
      free(block);
    }
}

static int within_limit(const struct fnn_memory *memory, size_t bytes) {
  return bytes <= memory->limit && memory->used <= memory->limit - bytes;
}

static struct fnn_block *reuse(struct fnn_memory *memory, unsigned k) {
  for (unsigned fit = k; fit <= k + 4 && fit < FNN_MEMORY_CLASSES; fit++)
    if (memory->free[fit] && within_limit(memory, class_bytes(fit))) {
      struct fnn_block *block = memory->free[fit];
      memory->free[fit] = block->next;
      memory->cached -= block->bytes;
      return block;
    }
  return NULL;
}

/* Large blocks ask for large pages, which spare most of the look-ups of addresses. */
static struct fnn_block *ask_system(struct fnn_memory *memory, size_t bytes) {
  size_t alignment = bytes >= (size_t)2 * PAGE ? PAGE : ALIGNMENT;
  size_t size = (ALIGNMENT + bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  struct fnn_block *block = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  memory->system++;
#if defined(MADV_HUGEPAGE)
  if (block && alignment == PAGE) (void)madvise(block, size / PAGE * PAGE, MADV_HUGEPAGE);
#endif
  return block;
}

static struct fnn_block *from_system(struct fnn_memory *memory, unsigned k) {
  size_t bytes = class_bytes(k), bound = memory->peak + memory->peak / 4 + ((size_t)64 << 20);
  if (memory->used + memory->cached + bytes > bound) {
    size_t room = bound > memory->used + bytes ? bound - memory->used - bytes : 0;
    fnn_memory_trim(memory, room);
  }
  struct fnn_block *block = ask_system(memory, bytes);
  if (!block && memory->cached > 0) {
    fnn_memory_trim(memory, 0);
    block = ask_system(memory, bytes);
  }
  if (!block) return NULL;
  block->bytes = bytes;
  block->size_class = k;
  FORBID((char *)block + ALIGNMENT, bytes);
  return block;
}

static void *refuse(struct fnn_context *context, size_t bytes) {
  struct fnn_memory *memory = &context->memory;
  fnn_fail(context, FNN_NO_MEMORY, "out of memory: %.1f MiB asked for, %.1f MiB in use, limit %.1f MiB",
           (double)bytes / 1048576.0, (double)memory->used / 1048576.0, (double)memory->limit / 1048576.0);
  return NULL;
}

void *fnn_alloc(struct fnn_context *context, size_t bytes) {
  struct fnn_memory *memory = &context->memory;
  if (memory->fail_after > 0) {
    if (memory->fail_after == 1) return refuse(context, bytes);
    memory->fail_after--;
  }
  if (bytes > SIZE_MAX / 4) return refuse(context, bytes); /* no class is that large */
  unsigned k = class_of(bytes);
  if (!within_limit(memory, class_bytes(k))) return refuse(context, bytes);
  struct fnn_block *block = reuse(memory, k);
  if (!block) block = from_system(memory, k);
  if (!block) return refuse(context, bytes);
  memory->used += block->bytes;
  memory->blocks++;
  if (memory->used > memory->peak) memory->peak = memory->used;
  fnn_context_retain(context);
  ALLOW((char *)block + ALIGNMENT, bytes);
  return (char *)block + ALIGNMENT;
}

void fnn_free(struct fnn_context *context, void *data) {
  if (!data) return;
  struct fnn_memory *memory = &context->memory;
  struct fnn_block *block = (struct fnn_block *)((char *)data - ALIGNMENT);
  FORBID(data, block->bytes);
  block->next = memory->free[block->size_class];
  memory->free[block->size_class] = block;
  memory->used -= block->bytes;
  memory->cached += block->bytes;
  memory->blocks--;
  fnn_context_release(context);
}

int fnn_multiply(size_t a, size_t b, size_t *product) { return !__builtin_mul_overflow(a, b, product); }
