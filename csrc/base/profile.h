/* Where the time goes: while a context has a profile, each op, its backward and each optimizer step add what they took. */
#ifndef FNN_BASE_PROFILE_H
#define FNN_BASE_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

struct fnn_context;

enum { FNN_PROFILE_LINES = 256 };

struct fnn_profile {
  size_t count;
  struct fnn_profile_line {
    const char *name, *phase; /* lasting strings, told apart by address: "conv2d", "backward" */
    uint64_t calls;
    double seconds, multiply_adds, bytes; /* bytes: of the tensors that came in and went out */
  } line[FNN_PROFILE_LINES];
};

/* Seconds of a clock that never goes back. */
double fnn_clock(void);

/* Begin a profile, or an empty one where there is one already. */
enum fnn_status fnn_profile_begin(struct fnn_context *context) FNN_CHECK;
/* Drop the profile, if there is one. */
void fnn_profile_end(struct fnn_context *context);

/* Add one call that began at `start` of fnn_clock; without a profile, nothing. */
void fnn_profile_add(struct fnn_context *context, const char *name, const char *phase, double start,
                     double multiply_adds, double bytes);

#endif
