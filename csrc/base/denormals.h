/* Denormal numbers lie between 0 and the smallest float of full precision, 1.2e-38. x86 CPUs may take many times as long for what is
 * made of them, and gradients of images that a network has long since learnt are full of them, as is the momentum of units that are
 * dead. 0 does as well there: gradients and optimizers are computed in a mode in which results that would be denormal are 0. It is a
 * thread's own, and the host's must not change. ARM's CPUs are left as they are, for none has been measured. */
#ifndef FNN_BASE_DENORMALS_H
#define FNN_BASE_DENORMALS_H

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

/* How this thread computes with floats: its rounding, and what becomes of denormal numbers. */
typedef unsigned fnn_float_mode;

static inline fnn_float_mode fnn_float_mode_get(void) {
#if defined(__SSE__)
  return _mm_getcsr();
#else
  return 0;
#endif
}

static inline void fnn_float_mode_set(fnn_float_mode mode) {
#if defined(__SSE__)
  _mm_setcsr(mode);
#else
  (void)mode;
#endif
}

/* From now on results of this thread that would be denormal are 0, until it sets the mode that is returned. */
static inline fnn_float_mode fnn_flush_denormals(void) {
  fnn_float_mode before = fnn_float_mode_get();
#if defined(__SSE__)
  fnn_float_mode_set(before | _MM_FLUSH_ZERO_ON);
#endif
  return before;
}

#endif
