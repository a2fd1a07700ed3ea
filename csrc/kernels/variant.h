/* For the files that are compiled once per instruction set: FNN_VARIANT(x) is x_base, x_avx2 ...
 * CMakeLists.txt gives FNN_ISA. */
#ifndef FNN_KERNELS_VARIANT_H
#define FNN_KERNELS_VARIANT_H

#include "kernels.h"

#define FNN_JOIN_(name, isa) name##_##isa
#define FNN_JOIN(name, isa) FNN_JOIN_(name, isa)
#define FNN_VARIANT(name) FNN_JOIN(name, FNN_ISA)

extern const struct fnn_elementwise_kernels FNN_VARIANT(fnn_elementwise);
extern const struct fnn_reduce_kernels FNN_VARIANT(fnn_reduce);
extern const struct fnn_window_kernels FNN_VARIANT(fnn_window);
extern const struct fnn_norm_kernels FNN_VARIANT(fnn_norm);
extern const struct fnn_random_kernels FNN_VARIANT(fnn_random);
extern const struct fnn_update_kernels FNN_VARIANT(fnn_update);
extern const struct fnn_image_kernels FNN_VARIANT(fnn_image);
extern const struct fnn_lane_kernels FNN_VARIANT(fnn_lanes);
extern const struct fnn_kernels FNN_VARIANT(fnn_kernels);

/* lane_conv.c, turned_gradient.c, winograd.c and channel_conv.c, for the table in lanes.c */
void FNN_VARIANT(fnn_lane_pack_weights)(const struct fnn_lane_weights *w, float *packed);
void FNN_VARIANT(fnn_lane_correlate)(const struct fnn_lane_row *j);
void FNN_VARIANT(fnn_lane_weight_gradient)(const struct fnn_lane_gradient *j);
void FNN_VARIANT(fnn_lane_sliding_gradient)(const struct fnn_sliding_gradient *j);
void FNN_VARIANT(fnn_lane_turn)(size_t filters, size_t n, const float *x, size_t step, float *y);
void FNN_VARIANT(fnn_lane_turn_halves)(size_t filters, size_t n, const float *x, size_t step, float *y);
void FNN_VARIANT(fnn_lane_turned_gradient)(const struct fnn_turned_gradient *j);
void FNN_VARIANT(fnn_winograd_weights)(const struct fnn_lane_weights *j, size_t size, size_t first, size_t last,
                                       float *u, size_t step);
void FNN_VARIANT(fnn_winograd_input)(const struct fnn_winograd_input *j);
void FNN_VARIANT(fnn_winograd_output)(const struct fnn_winograd_output *j);
void FNN_VARIANT(fnn_winograd_rows)(const struct fnn_winograd_input *j, size_t pair);
void FNN_VARIANT(fnn_winograd_taps)(size_t r, size_t count, size_t step, const float *m, float *dw);
void FNN_VARIANT(fnn_channel_product)(const struct fnn_channel_product *j);
void FNN_VARIANT(fnn_channel_correlate)(const struct fnn_channel_correlation *j);

#endif
