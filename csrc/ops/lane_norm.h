/* group_norm of images in lanes: the statistics are those of each lane. */
#ifndef FNN_OPS_LANE_NORM_H
#define FNN_OPS_LANE_NORM_H

#include "op.h"

/* The op's forward and backward, for calls with images in lanes. */
enum fnn_status fnn_lane_norm(struct fnn_call *call, size_t groups, double epsilon) FNN_CHECK;
enum fnn_status fnn_lane_norm_back(struct fnn_call *call, size_t groups, double epsilon) FNN_CHECK;

#endif
