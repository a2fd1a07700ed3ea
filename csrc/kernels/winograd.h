/* The points of the polynomials behind Winograd's transforms (winograd.c, winograd_input.c). */
#ifndef FNN_KERNELS_WINOGRAD_H
#define FNN_KERNELS_WINOGRAD_H

#include "simd.h"
#include "variant.h"

/* of F(2, 3): 0, 1, -1, infinity; of F(2, 5) and F(4, 3): 0, a, -a, b, -b, infinity, with a b = 1, a quarter of the error of
 * 0, 1, -1, 2, -2, infinity */
#define FNN_SQRT2 1.41421356f
static const float fnn_point_a = FNN_SQRT2 / 2, fnn_point_b = FNN_SQRT2;

#endif
