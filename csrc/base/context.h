/* A context is everything that the library keeps between calls: memory, worker
 * threads, the random generator, the text of the last error. Each Lua state has
 * its own, nothing is shared, and there are no mutable statics but a count of forks (threads.c); so
 * several states may run in one process, each in its own thread. One context serves one thread at a time.
 *
 * It is reference counted: the Lua state holds one reference and each live block of
 * memory another, so that the order in which a dying state frees things does not matter. */
#ifndef FNN_BASE_CONTEXT_H
#define FNN_BASE_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "memory.h"
#include "profile.h"
#include "rng.h"
#include "scratch.h"
#include "status.h"
#include "threads.h"

struct fnn_kernels; /* kernels/kernels.h: the loops for this context's ISA */

struct fnn_context {
  size_t references;
  struct fnn_memory memory;
  struct fnn_threads threads;
  struct fnn_generator generator;
  enum fnn_isa isa;
  const struct fnn_kernels *kernels; /* set by whoever creates the context */
  uint64_t sequence;                 /* rises with each node that autograd records */
  struct fnn_profile *profile;       /* NULL while nobody asked for one */
  uint64_t multiply_adds;            /* done by convolutions and matrix products so far */
  char error[512];
};

/* A new context with one reference, or NULL when there is no memory. */
struct fnn_context *fnn_context_new(void);
/* Count one reference more. */
void fnn_context_retain(struct fnn_context *context);
/* Give a reference up; with the last one the context goes. */
void fnn_context_release(struct fnn_context *context);

/* Write the error text (cut to its 511 bytes) and return `status`. */
enum fnn_status fnn_fail(struct fnn_context *context, enum fnn_status status, const char *format, ...) FNN_PRINTF(3, 4);

#endif
