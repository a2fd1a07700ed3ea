#include "scratch.h"

#include "context.h"

/* floats: CPUs fetch ahead up to the end of a page; with a whole one between them pieces are far enough apart */
enum { PAGE = 4096 / sizeof(float), APART = 2 * PAGE };

enum fnn_status fnn_scratch_take(struct fnn_context *context, size_t floats, struct fnn_scratch *scratch) {
  size_t workers = (size_t)context->threads.count, bytes;
  *scratch = (struct fnn_scratch){.each = floats};
  if (workers > 1 && floats < SIZE_MAX - APART) scratch->each = (floats + APART - 1) / PAGE * PAGE;
  if (!fnn_multiply(scratch->each, workers * sizeof *scratch->memory, &bytes))
    return fnn_fail(context, FNN_NO_MEMORY, "out of memory: %zu threads with %zu numbers each are too many to address",
                    workers, floats);
  scratch->memory = fnn_alloc(context, bytes);
  return scratch->memory ? FNN_OK : FNN_NO_MEMORY;
}

void fnn_scratch_give(struct fnn_context *context, struct fnn_scratch *scratch) {
  fnn_free(context, scratch->memory);
  *scratch = (struct fnn_scratch){0};
}
