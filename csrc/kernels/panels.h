/* What the products of panels have in common (kernels.h): parts of vectors, and the results. */
#ifndef FNN_KERNELS_PANELS_H
#define FNN_KERNELS_PANELS_H

#include "kernels.h"
#include "simd.h"

void fnn_pack_panel(const struct fnn_panel *j, float *to); /* of panels.c, for all of them */

/* The first `count` lanes; all where there are fewer. */
FNN_INLINE __mmask16 fnn_first_lanes(size_t count) {
  return (__mmask16)(count < FNN_PANEL_LINES ? (1u << count) - 1 : 0xFFFFu);
}
FNN_INLINE fnn_v fnn_load_first(const float *x, size_t count) {
  return (fnn_v)_mm512_maskz_loadu_ps(fnn_first_lanes(count), x);
}

/* The sums of row i and the columns of panel b of the right factor. */
FNN_INLINE void fnn_finish_line(const struct fnn_panel_product *j, size_t i, size_t b, fnn_v sums) {
  const size_t first = b * FNN_PANEL_LINES, left = j->columns - first;
  float *c = j->c + i * j->ldc + first;
  if (j->adds) sums += fnn_load_first(c, left);
  _mm512_mask_storeu_ps(c, fnn_first_lanes(left), (__m512)sums);
}

#endif
