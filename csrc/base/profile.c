#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "profile.h"

#include <stdlib.h>
#include <time.h>

#include "context.h"

double fnn_clock(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

enum fnn_status fnn_profile_begin(struct fnn_context *context) {
  if (!context->profile) context->profile = malloc(sizeof *context->profile);
  if (!context->profile) return fnn_fail(context, FNN_NO_MEMORY, "out of memory: for a profile");
  context->profile->count = 0;
  return FNN_OK;
}

void fnn_profile_end(struct fnn_context *context) {
  free(context->profile);
  context->profile = NULL;
}

static struct fnn_profile_line *line_of(struct fnn_profile *profile, const char *name, const char *phase) {
  for (size_t i = 0; i < profile->count; i++)
    if (profile->line[i].name == name && profile->line[i].phase == phase) return &profile->line[i];
  if (profile->count == FNN_PROFILE_LINES) return &profile->line[FNN_PROFILE_LINES - 1];
  struct fnn_profile_line *line = &profile->line[profile->count++];
  *line = (struct fnn_profile_line){.name = name, .phase = phase};
  return line;
}

void fnn_profile_add(struct fnn_context *context, const char *name, const char *phase, double start,
                     double multiply_adds, double bytes) {
  if (!context->profile) return;
  struct fnn_profile_line *line = line_of(context->profile, name, phase);
  line->calls++;
  line->seconds += fnn_clock() - start;
  line->multiply_adds += multiply_adds;
  line->bytes += bytes;
}
