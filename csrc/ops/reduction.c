#include "reduction.h"

static unsigned reduced_mask(const struct fnn_shape *x, const struct fnn_reduce_params *params) {
  unsigned mask = 0;
  if (params->axes.count == 0) return (1u << x->rank) - 1;
  for (int i = 0; i < params->axes.count; i++) mask |= 1u << params->axes.axis[i];
  return mask;
}

struct fnn_reduction fnn_reduction_of(const struct fnn_shape *x, const struct fnn_reduce_params *params) {
  unsigned mask = reduced_mask(x, params);
  struct fnn_reduction r = {.outer = 1, .n = 1, .inner = 1, .shape = {.rank = x->rank}};
  int first = x->rank, last = -1;
  for (int i = 0; i < x->rank; i++)
    if (mask & 1u << i) {
      if (i < first) first = i;
      last = i;
    }
  for (int i = first; i <= last; i++) r.moved |= !(mask & 1u << i);
  int kept = 0, reduced = x->rank - __builtin_popcount(mask);
  for (int i = 0; i < x->rank; i++) {
    int is_reduced = (mask & 1u << i) != 0;
    r.order[!r.moved ? i : is_reduced ? reduced++ : kept++] = i;
    if (is_reduced)
      r.n *= x->size[i];
    else if (i > last && !r.moved && last >= 0)
      r.inner *= x->size[i];
    else
      r.outer *= x->size[i];
  }
  for (int i = 0; i < x->rank; i++) r.shape.size[i] = x->size[r.order[i]];
  return r;
}

int fnn_reduces_planes(const struct fnn_shape *x, const struct fnn_reduce_params *params) {
  enum { IMAGE_AND_CHANNEL = 3 };
  return x->rank > 2 && reduced_mask(x, params) == ((1u << x->rank) - 1) - IMAGE_AND_CHANNEL;
}

struct fnn_shape fnn_reduced_shape(const struct fnn_shape *x, const struct fnn_reduce_params *params) {
  unsigned mask = reduced_mask(x, params);
  struct fnn_shape shape = {.rank = 0};
  for (int i = 0; i < x->rank; i++) {
    if (!(mask & 1u << i))
      shape.size[shape.rank++] = x->size[i];
    else if (params->keepdim)
      shape.size[shape.rank++] = 1;
  }
  return shape;
}

enum fnn_status fnn_reduction_lay_out(const struct fnn_reduction *r, struct fnn_tensor *x, struct fnn_tensor **out) {
  if (!r->moved) {
    *out = fnn_tensor_retain(x);
    return FNN_OK;
  }
  size_t stride[FNN_MAX_RANK];
  struct fnn_tensor *permuted;
  for (int i = 0; i < x->shape.rank; i++) stride[i] = x->stride[r->order[i]];
  FNN_TRY(fnn_tensor_view(x, &r->shape, stride, x->offset, &permuted));
  enum fnn_status status = fnn_tensor_dense(permuted, x->dtype, out);
  fnn_tensor_release(permuted);
  return status;
}

enum fnn_status fnn_reduction_restore(const struct fnn_reduction *r, const struct fnn_tensor *laid_out,
                                      const struct fnn_shape *x, struct fnn_tensor **out) {
  size_t stride[FNN_MAX_RANK], own[FNN_MAX_RANK];
  fnn_shape_strides(&r->shape, stride);
  for (int i = 0; i < x->rank; i++) own[r->order[i]] = stride[i];
  return fnn_tensor_view(laid_out, x, own, laid_out->offset, out);
}

enum fnn_status fnn_reduce_infer(struct fnn_call *call, enum fnn_dtype dtype) {
  struct fnn_shape shape = fnn_reduced_shape(fnn_in_shape(call, 0), call->params);
  fnn_out(call, 0, dtype, &shape);
  return FNN_OK;
}

enum fnn_status fnn_reduce_spread(struct fnn_call *call, float factor) {
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  unsigned mask = reduced_mask(x, call->params);
  int keepdim = ((const struct fnn_reduce_params *)call->params)->keepdim;
  struct fnn_tensor *grad;
  if (factor == 1.0f) {
    grad = fnn_tensor_retain(call->grad);
  } else {
    FNN_TRY(fnn_tensor_new(call->context, FNN_FLOAT32, &call->grad->shape, &grad));
    for (size_t i = 0, n = fnn_tensor_numel(grad); i < n; i++) fnn_floats(grad)[i] = fnn_floats(call->grad)[i] * factor;
  }
  size_t stride[FNN_MAX_RANK];
  for (int i = 0, k = 0; i < x->rank; i++) {
    int reduced = (mask & 1u << i) != 0;
    stride[i] = reduced ? 0 : grad->stride[k];
    if (!reduced || keepdim) k++;
  }
  enum fnn_status status = fnn_tensor_view(grad, x, stride, grad->offset, &call->grad_in[0]);
  fnn_tensor_release(grad);
  return status;
}
