/* Shared by the ops that reduce axes: any set of them becomes (outer, n, inner), where n is what is
 * reduced. Axes that do not lie together are brought to the end by a copy. */
#ifndef FNN_OPS_REDUCTION_H
#define FNN_OPS_REDUCTION_H

#include "op.h"

/* The parameters of a reduction; ops with more begin with this. */
struct fnn_reduce_params {
  struct fnn_axes axes; /* none: all of them */
  int keepdim;          /* a reduced axis stays, with size 1 */
};

#define FNN_REDUCE_ARGS(struct_name, reduce)                                                                           \
  {.name = "input", .kind = FNN_TENSOR},                                                                               \
      {.name = "dim", .kind = FNN_AXES, .flags = FNN_OPTIONAL, .offset = offsetof(struct struct_name, reduce.axes)}, { \
    .name = "keepdim", .kind = FNN_BOOL, .flags = FNN_OPTIONAL, .offset = offsetof(struct struct_name, reduce.keepdim) \
  }

struct fnn_reduction {
  size_t outer, n, inner;
  int moved;               /* the axes had to be brought together: inner is 1 */
  int order[FNN_MAX_RANK]; /* the axes of x in the order that (outer, n, inner) goes through them */
  struct fnn_shape shape;  /* of x in that order */
};

/* What `params` reduces of a tensor of shape x. */
struct fnn_reduction fnn_reduction_of(const struct fnn_shape *x, const struct fnn_reduce_params *params);

/* Whether that is the planes of all pixels, (H,W) of (N,C,H,W), each by itself. */
int fnn_reduces_planes(const struct fnn_shape *x, const struct fnn_reduce_params *params);

/* The shape of the result. */
struct fnn_shape fnn_reduced_shape(const struct fnn_shape *x, const struct fnn_reduce_params *params);

/* x laid out as (outer, n, inner): x itself (retained), or a copy. x is dense. */
enum fnn_status fnn_reduction_lay_out(const struct fnn_reduction *r, struct fnn_tensor *x,
                                      struct fnn_tensor **out) FNN_CHECK;

/* A gradient written as (outer, n, inner) seen in the shape of x. */
enum fnn_status fnn_reduction_restore(const struct fnn_reduction *r, const struct fnn_tensor *laid_out,
                                      const struct fnn_shape *x, struct fnn_tensor **out) FNN_CHECK;

/* infer: out[0] has type `dtype` and the reduced shape. Does not fail. */
enum fnn_status fnn_reduce_infer(struct fnn_call *call, enum fnn_dtype dtype) FNN_CHECK;

/* backward of a sum times `factor`: the gradient spread over what was summed. */
enum fnn_status fnn_reduce_spread(struct fnn_call *call, float factor) FNN_CHECK;

#endif
