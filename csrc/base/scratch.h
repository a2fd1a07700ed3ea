/* Scratch memory for the workers of a job (threads.h): a piece of memory for each, with no other worker's near it. A CPU fetches
 * lines ahead of those that are read in turn; where they are another worker's, the two take them from each other all the time. */
#ifndef FNN_BASE_SCRATCH_H
#define FNN_BASE_SCRATCH_H

#include <stddef.h>

#include "status.h"

struct fnn_context;

struct fnn_scratch { /* {0} has no memory */
  float *memory;
  size_t each; /* floats from a worker's piece to the next one's */
};

/* `floats` floats for each worker, uninitialized and 64-byte aligned. */
enum fnn_status fnn_scratch_take(struct fnn_context *context, size_t floats, struct fnn_scratch *scratch) FNN_CHECK;

/* Return the memory, if there is any. */
void fnn_scratch_give(struct fnn_context *context, struct fnn_scratch *scratch);

/* The piece of a worker; NULL where there is no memory. */
static inline float *fnn_scratch_of(const struct fnn_scratch *scratch, int worker) {
  return scratch->memory ? scratch->memory + (size_t)worker * scratch->each : NULL;
}

#endif
