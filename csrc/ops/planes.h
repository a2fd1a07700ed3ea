/* Shared by ops with one number for each channel's plane of pixels, in lanes: (N,C,1,1) beside (N,C,H,W). */
#ifndef FNN_OPS_PLANES_H
#define FNN_OPS_PLANES_H

#include <string.h>

#include "op.h"

/* The numbers of a plane, one of each lane, at all of its pixels: `size` floats, of which `lanes` are a pixel. */
static inline void fnn_fill_plane(size_t lanes, const float *numbers, size_t size, float *plane) {
  if (size > 0) memcpy(plane, numbers, lanes * sizeof *plane);
  for (size_t done = lanes; done < size; done *= 2)
    memcpy(plane + done, plane, (size - done < done ? size - done : done) * sizeof *plane);
}

#endif
