/* Memory for tensors and for what the core needs while it works: 64-byte aligned
 * blocks from a pool, so that a steady training step calls malloc zero times.
 *
 * A block has one of four sizes per doubling. A freed block goes to the list of its
 * size and serves the next request of that size, or of a smaller one down to about half
 * as large. What the pool holds in all (in use and free) stays below 5/4 of the most that was ever
 * in use, plus 64 MiB; beyond that, free blocks are given back, the largest first. */
#ifndef FNN_BASE_MEMORY_H
#define FNN_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

struct fnn_context;
struct fnn_block;

#define FNN_MEMORY_CLASSES 256

struct fnn_memory {
  size_t used;         /* bytes of blocks in use */
  size_t cached;       /* bytes of free blocks kept for reuse */
  size_t peak;         /* the most that `used` ever was */
  size_t limit;        /* no request may bring `used` above this */
  size_t blocks;       /* number of blocks in use */
  uint64_t system;     /* calls of the system's allocator so far */
  uint64_t fail_after; /* for tests: when above 0, the nth request from now fails, and all after it */
  struct fnn_block *free[FNN_MEMORY_CLASSES];
};

/* An empty pool. */
void fnn_memory_init(struct fnn_memory *memory, size_t limit);

/* Give free blocks back to the system until at most `keep` bytes are cached. */
void fnn_memory_trim(struct fnn_memory *memory, size_t keep);

/* An aligned block of at least `bytes` bytes (0 gives a valid block too), uninitialized. NULL with
 * the context's error text set when there is none. Each block keeps its context alive. */
void *fnn_alloc(struct fnn_context *context, size_t bytes) FNN_CHECK;

/* Return a block; NULL is ignored. */
void fnn_free(struct fnn_context *context, void *data);

/* *product = a * b, or 0 when that overflows. */
int fnn_multiply(size_t a, size_t b, size_t *product) FNN_CHECK;

#endif
