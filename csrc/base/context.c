#include "context.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct fnn_context *fnn_context_new(void) {
  struct fnn_context *context = calloc(1, sizeof *context);
  if (!context) return NULL;
  context->references = 1;
  context->isa = fnn_cpu_isa();
  fnn_memory_init(&context->memory, (size_t)fnn_cpu_memory());
  fnn_threads_init(&context->threads, fnn_cpu_count());
  fnn_generator_seed(&context->generator, 0);
  return context;
}

void fnn_context_retain(struct fnn_context *context) { context->references++; }

void fnn_context_release(struct fnn_context *context) {
  if (--context->references > 0) return;
  fnn_threads_stop(&context->threads);
  fnn_memory_trim(&context->memory, 0);
  fnn_profile_end(context);
  free(context);
}

enum fnn_status fnn_fail(struct fnn_context *context, enum fnn_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(context->error, sizeof context->error, format, arguments);
  va_end(arguments);
  return status;
}
