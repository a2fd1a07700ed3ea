/* The parts of the kernels' test, a file each. All take the kernels of one instruction set and compare them
 * with naive loops in double precision. */
#ifndef FNN_SPEC_KERNELS_PARTS_H
#define FNN_SPEC_KERNELS_PARTS_H

#include "../../csrc/kernels/kernels.h"

/* 0, 1, and around the widths that vectors and blocks have: tile - 1, tile, tile + 1. */
static const size_t spec_counts[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100};
enum { SPEC_COUNTS = sizeof spec_counts / sizeof spec_counts[0] };

int spec_elementwise(const struct fnn_kernels *kernels);
int spec_reduce(const struct fnn_kernels *kernels);
int spec_norm(const struct fnn_kernels *kernels);
int spec_window(const struct fnn_kernels *kernels);
int spec_random(const struct fnn_kernels *kernels);
int spec_update(const struct fnn_kernels *kernels);
int spec_image(const struct fnn_kernels *kernels);
int spec_lanes(const struct fnn_kernels *kernels);
/* pairs may be NULL */
int spec_lane_conv(const struct fnn_kernels *kernels, const struct fnn_lane_kernels *pairs);
int spec_winograd(const struct fnn_kernels *kernels, const struct fnn_lane_kernels *pairs);
int spec_channel_conv(const struct fnn_kernels *kernels);
int spec_gemm(void);

#endif
