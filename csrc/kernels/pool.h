/* What pooling of images in lanes compares: for lanes.c, and for winograd.c, which pools what it has in registers. */
#ifndef FNN_KERNELS_POOL_H
#define FNN_KERNELS_POOL_H

#include <string.h>

#include "kernels.h"
#include "simd.h"

typedef uint8_t fnn_vb __attribute__((vector_size(FNN_WIDTH)));

/* b is larger than the largest so far, or the first NaN */
FNN_INLINE fnn_vi fnn_wins(fnn_v b, fnn_v top) {
  return ~(b <= top) & (top == top); /* NOLINT(misc-redundant-expression): NaN is not itself */
}

/* One pixel of max_of_four (kernels.h), of four pixels; winner may be NULL. */
FNN_INLINE void fnn_max_of_four(const int relu, fnn_v a, fnn_v b, fnn_v c, fnn_v d, float *y, uint8_t *winner) {
  const fnn_v others[3] = {b, c, d};
  fnn_v top = a;
  fnn_vi best = {0};
  FNN_UNROLL for (int i = 0; i < 3; i++) {
    const fnn_vi better = fnn_wins(others[i], top);
    top = fnn_pick(better, others[i], top);
    best = (better & (i + 1)) | (~better & best);
  }
  if (relu) {
    const fnn_vi positive = top > 0.0f;
    best = (positive & best) | (~positive & FNN_NO_WINNER);
    top = fnn_pick(top < 0.0f, (fnn_v){0}, top); /* NaN stays */
  }
  fnn_store(y, top);
  if (!winner) return;
  const fnn_vb winners = __builtin_convertvector(best, fnn_vb);
  memcpy(winner, &winners, sizeof winners);
}

#endif
