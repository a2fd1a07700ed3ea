/* Views: other shapes over the same elements, without copying. reshape and flatten copy first where
 * the elements do not lie densely. Backward of each is a view too, or zeros with the gradient laid into them. */
#include <string.h>

#include "op.h"

#define INPUT \
  { .name = "input", .kind = FNN_TENSOR }

static void keep_layout(struct fnn_call *call) {
  const struct fnn_tensor *x = call->in[0];
  fnn_out(call, 0, x->dtype, &x->shape);
  memcpy(call->view_stride, x->stride, sizeof call->view_stride);
  call->view_offset = x->offset;
}

/* Backward of views that show only a part of the input: zeros, and the gradient copied to the part. */
static enum fnn_status into_zeros(struct fnn_call *call, const size_t stride[FNN_MAX_RANK], size_t offset) {
  struct fnn_tensor *part;
  FNN_TRY(fnn_zero_grad(call, 0));
  FNN_TRY(fnn_tensor_view(call->grad_in[0], &call->grad->shape, stride, offset, &part));
  fnn_tensor_copy(part, call->grad);
  fnn_tensor_release(part);
  return FNN_OK;
}

static enum fnn_status pass_backward(struct fnn_call *call) { return fnn_pass_grad(call, 0); }

#define VIEW_OP(name_, extra_flags, params_struct)  \
  const struct fnn_op fnn_op_##name_ = {            \
      .name = #name_,                               \
      .args = name_##_args,                         \
      .defaults = &name_##_defaults,                \
      .params_bytes = sizeof(struct params_struct), \
      .types = FNN_ANY,                             \
      .flags = FNN_METHOD | FNN_VIEW | extra_flags, \
      .outputs = 1,                                 \
      .infer = name_##_infer,                       \
      .backward = name_##_backward,                 \
  }

/* ---- reshape ---- */

struct reshape {
  struct fnn_shape shape;
};
static const struct reshape reshape_defaults;
static const struct fnn_arg reshape_args[] = {INPUT, FNN_PARAM(reshape, shape, FNN_SIZES), {0}};

static enum fnn_status reshape_infer(struct fnn_call *call) {
  struct fnn_shape shape = ((const struct reshape *)call->params)->shape;
  size_t numel = fnn_shape_numel(fnn_in_shape(call, 0)), known = 1;
  size_t counted = 1; /* without sizes of 0, so that strides cannot overflow either */
  int open = -1;
  char text[FNN_SHAPE_TEXT];
  for (int i = 0; i < shape.rank; i++) {
    if (shape.size[i] == FNN_INFERRED) {
      if (open >= 0) return fnn_refuse(call, "shape", "expected at most one size of -1");
      open = i;
    } else if (!fnn_multiply(known, shape.size[i], &known) ||
               !fnn_multiply(counted, shape.size[i] ? shape.size[i] : 1, &counted)) {
      return fnn_refuse(call, "shape", "its product is too large to address");
    }
  }
  if (open >= 0 && known > 0 && numel % known == 0) shape.size[open] = numel / known;
  if (open < 0 ? known != numel : shape.size[open] == FNN_INFERRED)
    return fnn_refuse(call, "shape", "expected sizes with a product of %zu, as shape %s has, got %s%zu", numel,
                      fnn_shape_text(fnn_in_shape(call, 0), text), open < 0 ? "" : "-1 with ", known);
  fnn_out(call, 0, call->in[0]->dtype, &shape);
  fnn_shape_strides(&shape, call->view_stride);
  call->view_offset = call->in[0]->offset;
  return FNN_OK;
}
#define reshape_backward pass_backward
VIEW_OP(reshape, 0, reshape);

/* ---- flatten(first, last): these axes become one ---- */

struct flatten {
  int first, last;
};
static const struct flatten flatten_defaults = {0, -1};
static const struct fnn_arg flatten_args[] = {INPUT,
                                              FNN_PARAM(flatten, first, FNN_AXIS, .flags = FNN_OPTIONAL),
                                              FNN_PARAM(flatten, last, FNN_AXIS, .flags = FNN_OPTIONAL),
                                              {0}};

static enum fnn_status flatten_infer(struct fnn_call *call) {
  const struct flatten *params = call->params;
  const struct fnn_shape *in = fnn_in_shape(call, 0);
  int first = params->first, last = params->last < 0 ? in->rank - 1 : params->last;
  struct fnn_shape shape = {.rank = 1, .size = {1}};
  if (in->rank > 0) {
    if (first > last) return fnn_refuse(call, "last", "expected an axis not before %d, got %d", first + 1, last + 1);
    shape.rank = in->rank - (last - first);
    for (int i = 0; i < first; i++) shape.size[i] = in->size[i];
    shape.size[first] = fnn_shape_product(in, first, last + 1);
    for (int i = last + 1; i < in->rank; i++) shape.size[i - (last - first)] = in->size[i];
  }
  fnn_out(call, 0, call->in[0]->dtype, &shape);
  fnn_shape_strides(&shape, call->view_stride);
  call->view_offset = call->in[0]->offset;
  return FNN_OK;
}
#define flatten_backward pass_backward
VIEW_OP(flatten, 0, flatten);

/* ---- permute and transpose ---- */

struct permute {
  struct fnn_axes axes;
};
static const struct permute permute_defaults;
static const struct fnn_arg permute_args[] = {INPUT, FNN_PARAM(permute, axes, FNN_AXIS_LIST), {0}};

static enum fnn_status permute_infer(struct fnn_call *call) {
  const struct fnn_axes *axes = &((const struct permute *)call->params)->axes;
  const struct fnn_tensor *x = call->in[0];
  unsigned seen = 0;
  if (axes->count != x->shape.rank)
    return fnn_refuse(call, "axes", "expected all %d axes of the tensor, got %d", x->shape.rank, axes->count);
  keep_layout(call);
  for (int i = 0; i < axes->count; i++) {
    if (seen & 1u << axes->axis[i]) return fnn_refuse(call, "axes", "axis %d stands there twice", axes->axis[i] + 1);
    seen |= 1u << axes->axis[i];
    call->out_spec[0].shape.size[i] = x->shape.size[axes->axis[i]];
    call->view_stride[i] = x->stride[axes->axis[i]];
  }
  return FNN_OK;
}

static enum fnn_status permute_backward(struct fnn_call *call) {
  const struct fnn_axes *axes = &((const struct permute *)call->params)->axes;
  size_t stride[FNN_MAX_RANK];
  for (int i = 0; i < axes->count; i++) stride[axes->axis[i]] = call->grad->stride[i];
  return fnn_tensor_view(call->grad, fnn_in_shape(call, 0), stride, call->grad->offset, &call->grad_in[0]);
}
VIEW_OP(permute, FNN_STRIDED, permute);

struct transpose {
  int a, b;
};
static const struct transpose transpose_defaults;
static const struct fnn_arg transpose_args[] = {
    INPUT, FNN_PARAM(transpose, a, FNN_AXIS), FNN_PARAM(transpose, b, FNN_AXIS), {0}};

static enum fnn_status transpose_infer(struct fnn_call *call) {
  const struct transpose *params = call->params;
  const struct fnn_tensor *x = call->in[0];
  keep_layout(call);
  call->out_spec[0].shape.size[params->a] = x->shape.size[params->b];
  call->out_spec[0].shape.size[params->b] = x->shape.size[params->a];
  call->view_stride[params->a] = x->stride[params->b];
  call->view_stride[params->b] = x->stride[params->a];
  return FNN_OK;
}

static enum fnn_status transpose_backward(struct fnn_call *call) {
  const struct transpose *params = call->params;
  size_t stride[FNN_MAX_RANK];
  memcpy(stride, call->grad->stride, sizeof stride);
  stride[params->a] = call->grad->stride[params->b];
  stride[params->b] = call->grad->stride[params->a];
  return fnn_tensor_view(call->grad, fnn_in_shape(call, 0), stride, call->grad->offset, &call->grad_in[0]);
}
VIEW_OP(transpose, FNN_STRIDED, transpose);

/* ---- narrow(dim, start, length) and select(dim, index) ---- */

struct narrow {
  int dim;
  int64_t start;
  size_t length;
};
static const struct narrow narrow_defaults;
static const struct fnn_arg narrow_args[] = {INPUT,
                                             FNN_PARAM(narrow, dim, FNN_AXIS),
                                             FNN_PARAM(narrow, start, FNN_POSITION),
                                             FNN_PARAM(narrow, length, FNN_SIZE),
                                             {0}};

static int64_t from_end(int64_t position, size_t size) { return position < 0 ? position + (int64_t)size : position; }

static enum fnn_status narrow_infer(struct fnn_call *call) {
  const struct narrow *params = call->params;
  size_t size = fnn_in_shape(call, 0)->size[params->dim];
  int64_t start = from_end(params->start, size);
  if (start < 0 || (uint64_t)start > size || params->length > size - (size_t)start)
    return fnn_refuse(
        call, "length", "expected a part of axis %d, which has %zu elements, got %zu elements from %lld on",
        params->dim + 1, size, params->length, (long long)(params->start < 0 ? params->start : params->start + 1));
  keep_layout(call);
  call->out_spec[0].shape.size[params->dim] = params->length;
  call->view_offset += (size_t)start * call->view_stride[params->dim];
  return FNN_OK;
}

static enum fnn_status narrow_backward(struct fnn_call *call) {
  const struct narrow *params = call->params;
  const struct fnn_shape *in = fnn_in_shape(call, 0);
  size_t stride[FNN_MAX_RANK];
  fnn_shape_strides(in, stride);
  return into_zeros(call, stride, (size_t)from_end(params->start, in->size[params->dim]) * stride[params->dim]);
}
VIEW_OP(narrow, FNN_STRIDED, narrow);

struct select {
  int dim;
  int64_t index;
};
static const struct select select_defaults;
static const struct fnn_arg select_args[] = {
    INPUT, FNN_PARAM(select, dim, FNN_AXIS), FNN_PARAM(select, index, FNN_POSITION), {0}};

static void remove_axis(int axis, int rank, size_t values[FNN_MAX_RANK]) {
  for (int i = axis; i + 1 < rank; i++) values[i] = values[i + 1];
}

static enum fnn_status select_infer(struct fnn_call *call) {
  const struct select *params = call->params;
  int rank = fnn_in_shape(call, 0)->rank;
  size_t size = fnn_in_shape(call, 0)->size[params->dim];
  int64_t index = from_end(params->index, size);
  if (index < 0 || (uint64_t)index >= size)
    return fnn_refuse(call, "index", "expected 1..%zu (or -%zu..-1) along axis %d, got %lld", size, size,
                      params->dim + 1, (long long)(params->index < 0 ? params->index : params->index + 1));
  keep_layout(call);
  call->view_offset += (size_t)index * call->view_stride[params->dim];
  remove_axis(params->dim, rank, call->view_stride);
  remove_axis(params->dim, rank, call->out_spec[0].shape.size);
  call->out_spec[0].shape.rank--;
  return FNN_OK;
}

static enum fnn_status select_backward(struct fnn_call *call) {
  const struct select *params = call->params;
  const struct fnn_shape *in = fnn_in_shape(call, 0);
  size_t stride[FNN_MAX_RANK];
  fnn_shape_strides(in, stride);
  size_t offset = (size_t)from_end(params->index, in->size[params->dim]) * stride[params->dim];
  remove_axis(params->dim, in->rank, stride);
  return into_zeros(call, stride, offset);
}
VIEW_OP(select, FNN_STRIDED, select);

/* ---- squeeze(dim) and unsqueeze(dim) ---- */

struct squeeze {
  struct fnn_axes dim;
};
static const struct squeeze squeeze_defaults;
static const struct fnn_arg squeeze_args[] = {INPUT, FNN_PARAM(squeeze, dim, FNN_AXES, .flags = FNN_OPTIONAL), {0}};

static enum fnn_status squeeze_infer(struct fnn_call *call) {
  const struct fnn_axes *axes = &((const struct squeeze *)call->params)->dim;
  unsigned chosen = axes->count == 0 ? ~0u : 0;
  for (int i = 0; i < axes->count; i++) chosen |= 1u << axes->axis[i];
  keep_layout(call);
  struct fnn_shape *shape = &call->out_spec[0].shape;
  for (int axis = shape->rank; axis-- > 0;)
    if (shape->size[axis] == 1 && (chosen & 1u << axis)) {
      remove_axis(axis, shape->rank, call->view_stride);
      remove_axis(axis, shape->rank, shape->size);
      shape->rank--;
    }
  return FNN_OK;
}
#define squeeze_backward pass_backward
VIEW_OP(squeeze, FNN_STRIDED, squeeze);

struct unsqueeze {
  int dim;
};
static const struct unsqueeze unsqueeze_defaults;
static const struct fnn_arg unsqueeze_args[] = {INPUT, FNN_PARAM(unsqueeze, dim, FNN_AXIS, .flags = FNN_NEW_AXIS), {0}};

static enum fnn_status unsqueeze_infer(struct fnn_call *call) {
  int axis = ((const struct unsqueeze *)call->params)->dim;
  keep_layout(call);
  struct fnn_shape *shape = &call->out_spec[0].shape;
  if (shape->rank == FNN_MAX_RANK) return fnn_refuse(call, "input", "a tensor has at most %d axes", FNN_MAX_RANK);
  for (int i = shape->rank; i > axis; i--) {
    shape->size[i] = shape->size[i - 1];
    call->view_stride[i] = call->view_stride[i - 1];
  }
  shape->size[axis] = 1;
  call->view_stride[axis] = 0;
  shape->rank++;
  return FNN_OK;
}
#define unsqueeze_backward pass_backward
VIEW_OP(unsqueeze, FNN_STRIDED, unsqueeze);

/* ---- expand(shape): axes of size 1 repeated by a stride of 0; -1 keeps a size ---- */

struct expand {
  struct fnn_shape shape;
};
static const struct expand expand_defaults;
static const struct fnn_arg expand_args[] = {INPUT, FNN_PARAM(expand, shape, FNN_SIZES), {0}};

static enum fnn_status expand_infer(struct fnn_call *call) {
  struct fnn_shape shape = ((const struct expand *)call->params)->shape;
  const struct fnn_tensor *x = call->in[0];
  char have[FNN_SHAPE_TEXT];
  int added = shape.rank - x->shape.rank;
  if (added < 0)
    return fnn_refuse(call, "shape", "expected at least the %d sizes of shape %s, got %d", x->shape.rank,
                      fnn_shape_text(&x->shape, have), shape.rank);
  for (int i = 0; i < shape.rank; i++) {
    size_t own = i < added ? 1 : x->shape.size[i - added];
    if (shape.size[i] == FNN_INFERRED && i >= added) shape.size[i] = own;
    if (shape.size[i] != own && (own != 1 || shape.size[i] == FNN_INFERRED))
      return fnn_refuse(call, "shape", "size %d: expected %zu, as shape %s has, or an axis of size 1 to repeat", i + 1,
                        own, fnn_shape_text(&x->shape, have));
    call->view_stride[i] = i < added || (own == 1 && shape.size[i] != 1) ? 0 : x->stride[i - added];
  }
  size_t numel = 1;
  for (int i = 0; i < shape.rank; i++)
    if (!fnn_multiply(numel, shape.size[i] ? shape.size[i] : 1, &numel) || numel > SIZE_MAX / 8)
      return fnn_refuse(call, "shape", "its product is too large to address");
  fnn_out(call, 0, x->dtype, &shape);
  call->view_offset = x->offset;
  return FNN_OK;
}

static enum fnn_status expand_backward(struct fnn_call *call) {
  struct fnn_tensor *wide;
  FNN_TRY(fnn_tensor_dense(call->grad, FNN_FLOAT32, &wide));
  enum fnn_status status = fnn_sum_to(wide, fnn_in_shape(call, 0), &call->grad_in[0]);
  fnn_tensor_release(wide);
  return status;
}
VIEW_OP(expand, FNN_STRIDED, expand);
