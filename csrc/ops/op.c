#include "op.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../kernels/gemm.h"
#include "../kernels/kernels.h"

#define FNN_OP(name) extern const struct fnn_op fnn_op_##name;
#include "list.h"
#undef FNN_OP

const struct fnn_op *const fnn_ops[] = {
#define FNN_OP(name) &fnn_op_##name,
#include "list.h"
#undef FNN_OP
    NULL};

const char *const fnn_precisions[] = {"float32", "bf16", NULL};

const struct fnn_op *fnn_op_find(const char *name) {
  for (const struct fnn_op *const *op = fnn_ops; *op; op++)
    if (strcmp((*op)->name, name) == 0) return *op;
  return NULL;
}

void fnn_out(struct fnn_call *call, int i, enum fnn_dtype dtype, const struct fnn_shape *shape) {
  call->out_spec[i] = (struct fnn_spec){dtype, *shape};
}

struct fnn_lanes fnn_lanes_as_given(const struct fnn_call *call) {
  return call->in[0]->lanes;
}

struct fnn_lanes fnn_images_as_given(const struct fnn_call *call) {
  struct fnn_lanes lanes = call->in[0]->lanes;
  return lanes.axis == FNN_IMAGES ? lanes : (struct fnn_lanes){0};
}

const struct fnn_lane_kernels *fnn_call_kernels(const struct fnn_call *call) {
  return fnn_lane_kernels_for(call->context->isa, call->lanes.count);
}

/* Whether input i is laned when the call is. */
static int is_image(const struct fnn_call *call, size_t i, const struct fnn_shape *shape) {
  return call->lanes.count && i < FNN_MOST_IMAGES && (call->op->images & 1u << i) &&
         shape->rank > (int)call->lanes.axis;
}

enum fnn_status fnn_call_new(const struct fnn_call *call, const struct fnn_shape *shape, struct fnn_tensor **out) {
  if (call->lanes.count) return fnn_tensor_new_laned(call->context, shape, call->lanes, out);
  return fnn_tensor_new(call->context, FNN_FLOAT32, shape, out);
}

enum fnn_status fnn_new_grad(struct fnn_call *call, size_t i) {
  const struct fnn_shape *shape = fnn_in_shape(call, i);
  if (is_image(call, i, shape)) return fnn_tensor_new_laned(call->context, shape, call->lanes, &call->grad_in[i]);
  return fnn_tensor_new(call->context, FNN_FLOAT32, fnn_in_shape(call, i), &call->grad_in[i]);
}

enum fnn_status fnn_zero_grad(struct fnn_call *call, size_t i) {
  return fnn_tensor_zeros(call->context, FNN_FLOAT32, fnn_in_shape(call, i), &call->grad_in[i]);
}

enum fnn_status fnn_own_grad(struct fnn_call *call, struct fnn_tensor **out) {
  struct fnn_tensor *grad = call->grad;
  if (grad->references == 1 && grad->storage->references == 1) {
    *out = fnn_tensor_retain(grad);
    return FNN_OK;
  }
  if (call->lanes.count) return fnn_tensor_new_laned(call->context, &grad->shape, call->lanes, out);
  return fnn_tensor_new(call->context, FNN_FLOAT32, &grad->shape, out);
}

enum fnn_status fnn_pass_grad(struct fnn_call *call, size_t i) {
  size_t stride[FNN_MAX_RANK];
  struct fnn_tensor *dense;
  FNN_TRY(fnn_tensor_dense(call->grad, FNN_FLOAT32, &dense));
  fnn_shape_strides(fnn_in_shape(call, i), stride);
  enum fnn_status status = fnn_tensor_view(dense, fnn_in_shape(call, i), stride, dense->offset, &call->grad_in[i]);
  fnn_tensor_release(dense);
  return status;
}

enum fnn_status fnn_refuse(const struct fnn_call *call, const char *name, const char *format, ...) {
  char text[400];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return fnn_fail(call->context, FNN_INVALID, "%s: %s: %s", call->op->name, name, text);
}

/* ---- inputs ---- */

static enum fnn_dtype wider(enum fnn_dtype a, enum fnn_dtype b) {
  if (a == FNN_FLOAT32 || b == FNN_FLOAT32) return FNN_FLOAT32;
  return a == FNN_INT64 || b == FNN_INT64 ? FNN_INT64 : FNN_UINT8;
}

const struct fnn_arg *fnn_op_arg(const struct fnn_op *op, size_t i) {
  for (const struct fnn_arg *arg = op->args; arg->name; arg++) {
    if (arg->kind == FNN_TENSORS) return arg;
    if (arg->kind == FNN_TENSOR || arg->kind == FNN_INDICES)
      if (i-- == 0) return arg;
  }
  return NULL;
}

static enum fnn_dtype common_type(const struct fnn_call *call) {
  enum fnn_dtype type = FNN_UINT8;
  for (size_t i = 0; i < call->inputs; i++)
    if (call->in[i] && fnn_op_arg(call->op, i)->kind != FNN_INDICES) type = wider(type, call->in[i]->dtype);
  return type;
}

static enum fnn_dtype type_for(const struct fnn_call *call, size_t i, enum fnn_dtype common) {
  if (fnn_op_arg(call->op, i)->kind == FNN_INDICES) return FNN_INT64;
  switch (call->op->types) {
    case FNN_FLOATS: return FNN_FLOAT32;
    case FNN_NUMBERS: return common == FNN_FLOAT32 ? FNN_FLOAT32 : FNN_INT64;
    case FNN_SAME: return common;
    default: return call->in[i]->dtype;
  }
}

/* Whether no other image-like input goes on where one of this shape is broadcast. */
static int is_whole(const struct fnn_call *call, const struct fnn_shape *shape) {
  for (size_t i = 0; i < call->inputs; i++) {
    if (!call->in[i] || !is_image(call, i, &call->in[i]->shape)) continue;
    const struct fnn_shape *other = &call->in[i]->shape;
    if (other->rank > shape->rank) return 0;
    if (other->rank == shape->rank && other->size[call->lanes.axis] > shape->size[call->lanes.axis]) return 0;
  }
  return 1;
}

/* Give the op inputs of the types and layout that it takes. */
static enum fnn_status prepare(struct fnn_call *call, int may_be_laned) {
  enum fnn_dtype common = common_type(call);
  call->lanes = may_be_laned && call->op->lanes ? call->op->lanes(call) : (struct fnn_lanes){0};
  for (size_t i = 0; i < call->inputs; i++) {
    struct fnn_tensor *in = call->in[i], *ready;
    if (!in) continue;
    enum fnn_dtype type = type_for(call, i, common);
    if (is_image(call, i, &in->shape) && is_whole(call, &in->shape)) {
      FNN_TRY(fnn_tensor_laned(in, call->lanes, &ready));
    } else {
      /* for good: a view must look at the tensor itself, and others will want rows too */
      FNN_TRY(fnn_tensor_settle(in));
      if (in->dtype == type && (call->op->flags & FNN_STRIDED)) continue;
      FNN_TRY(fnn_tensor_dense(in, type, &ready));
    }
    call->in[i] = ready;
    fnn_tensor_release(in);
  }
  return FNN_OK;
}

/* ---- outputs ---- */

static int same_place(const struct fnn_tensor *a, const struct fnn_tensor *b) {
  return a->storage == b->storage && a->offset == b->offset && fnn_shape_equal(&a->shape, &b->shape) &&
         fnn_tensor_is_contiguous(a) && fnn_tensor_is_contiguous(b);
}

/* An in-place form may write straight into `over`: no input sees half of the result. */
static int can_write_over(const struct fnn_call *call, const struct fnn_tensor *over) {
  if (over->dtype != call->out_spec[0].dtype || !fnn_tensor_is_contiguous(over)) return 0;
  for (size_t i = 0; i < call->inputs; i++)
    if (call->in[i] && call->in[i]->storage == over->storage && !same_place(call->in[i], over)) return 0;
  return 1;
}

static enum fnn_status check_over(struct fnn_call *call, const struct fnn_tensor *over) {
  char a[FNN_SHAPE_TEXT], b[FNN_SHAPE_TEXT];
  if (!fnn_shape_equal(&over->shape, &call->out_spec[0].shape))
    return fnn_fail(call->context, FNN_INVALID, "%s_: the result of shape %s does not fit into a tensor of shape %s",
                    call->op->name, fnn_shape_text(&call->out_spec[0].shape, a), fnn_shape_text(&over->shape, b));
  if (fnn_tensor_overlaps(over))
    return fnn_fail(call->context, FNN_INVALID, "%s_: several elements of an expanded tensor share one place in memory",
                    call->op->name);
  if (over->dtype != FNN_FLOAT32 && call->out_spec[0].dtype == FNN_FLOAT32)
    return fnn_fail(call->context, FNN_INVALID, "%s_: a float32 result does not fit into a tensor of %s",
                    call->op->name, fnn_dtype_name(over->dtype));
  return FNN_OK;
}

static enum fnn_status allocate(struct fnn_call *call, struct fnn_tensor *over) {
  for (int i = 0; i < call->op->outputs; i++) {
    if (i == 0 && over && can_write_over(call, over))
      call->out[0] = fnn_tensor_retain(over);
    else if (i == 0 && call->lanes.count)
      FNN_TRY(fnn_tensor_new_laned(call->context, &call->out_spec[0].shape, call->lanes, &call->out[0]));
    else
      FNN_TRY(fnn_tensor_new(call->context, call->out_spec[i].dtype, &call->out_spec[i].shape, &call->out[i]));
  }
  return FNN_OK;
}

static double bytes_of(const struct fnn_tensor *tensor) {
  return tensor ? (double)(fnn_tensor_stored(tensor) * fnn_dtype_size(tensor->dtype)) : 0.0;
}

void fnn_profile_call(const struct fnn_call *call, const char *phase, double start) {
  double bytes = call->grad ? bytes_of(call->grad) : 0.0, multiply_adds = 0.0;
  for (size_t i = 0; i < call->inputs; i++) bytes += bytes_of(call->in[i]);
  for (int i = 0; i < FNN_MAX_OUTPUTS; i++) bytes += bytes_of(call->out[i]);
  for (size_t i = 0; call->grad && i < call->inputs; i++) bytes += bytes_of(call->grad_in[i]);
  if (call->op->multiply_adds) multiply_adds = (double)call->op->multiply_adds(call);
  if (call->grad) { /* backward has as many for each of the two factors */
    int factors = 0;
    for (size_t i = 0; i < 2 && i < call->inputs; i++) factors += fnn_wants(call, i) != 0;
    multiply_adds *= factors;
  }
  fnn_profile_add(call->context, call->op->name, phase, start, multiply_adds, bytes);
}

static enum fnn_status compute(struct fnn_call *call, struct fnn_tensor *over) {
  if (call->op->flags & FNN_VIEW)
    return fnn_tensor_view(call->in[0], &call->out_spec[0].shape, call->view_stride, call->view_offset, &call->out[0]);
  FNN_TRY(allocate(call, over));
  FNN_TRY(call->op->forward(call));
  if (call->lanes.count) fnn_lanes_clear(call->out[0]);
  if (call->op->multiply_adds) call->context->multiply_adds += call->op->multiply_adds(call);
  if (!over) return FNN_OK;
  if (call->out[0] != over) {
    fnn_tensor_copy(over, call->out[0]);
    fnn_tensor_release(call->out[0]);
    call->out[0] = fnn_tensor_retain(over);
  }
  over->storage->version++;
  return FNN_OK;
}

enum fnn_status fnn_op_run(struct fnn_call *call, struct fnn_tensor *over) {
  struct fnn_spec inline_specs[FNN_INLINE_INPUTS], *specs = inline_specs;
  if (call->inputs > FNN_INLINE_INPUTS) {
    specs = fnn_alloc(call->context, call->inputs * sizeof *specs);
    if (!specs) return FNN_NO_MEMORY;
  }
  memset(call->out, 0, sizeof call->out);
  double start = call->context->profile ? fnn_clock() : 0.0;
  enum fnn_status status = prepare(call, !over);
  for (size_t i = 0; status == FNN_OK && i < call->inputs; i++)
    if (call->in[i]) specs[i] = (struct fnn_spec){call->in[i]->dtype, call->in[i]->shape};
  call->in_spec = specs;
  if (status == FNN_OK) status = call->op->infer(call);
  if (status == FNN_OK && over) status = check_over(call, over);
  if (status == FNN_OK) status = compute(call, over);
  if (status != FNN_OK) fnn_tensors_release(call->out, FNN_MAX_OUTPUTS);
  if (status == FNN_OK && call->context->profile) fnn_profile_call(call, "forward", start);
  call->in_spec = NULL;
  if (specs != inline_specs) fnn_free(call->context, specs);
  return status;
}

/* ---- shared by several ops ---- */

enum fnn_status fnn_check_groups(const struct fnn_call *call, size_t groups, size_t count, const char *things) {
  if (groups == 1 || (groups <= count && count % groups == 0)) return FNN_OK;
  return fnn_refuse(call, "groups", "expected a divisor of the %zu %s, got %zu", count, things, groups);
}

enum fnn_status fnn_check_epsilon(const struct fnn_call *call, double epsilon) {
  if (epsilon >= 0.0) return FNN_OK; /* NaN is not */
  return fnn_refuse(call, "epsilon", "expected a number of 0 or more, got %g", epsilon);
}

enum fnn_status fnn_check_product(const struct fnn_call *call, size_t m, size_t n, size_t k) {
  if (fnn_gemm_fits(m, n, k)) return FNN_OK;
  return fnn_fail(call->context, FNN_INVALID,
                  "%s: matrices of (%zu,%zu) and (%zu,%zu) are too large to multiply: expected sizes of at most %d",
                  call->op->name, m, k, k, n, FNN_GEMM_MOST);
}

/* The sum of dense floats along an axis, which stays with size 1. */
static enum fnn_status sum_axis(struct fnn_tensor *x, int axis, struct fnn_tensor **out) {
  struct fnn_context *context = fnn_tensor_context(x);
  struct fnn_shape shape = x->shape;
  shape.size[axis] = 1;
  if (fnn_tensor_numel(x) == 0) return fnn_tensor_zeros(context, FNN_FLOAT32, &shape, out); /* however long the axis */
  FNN_TRY(fnn_tensor_new(context, FNN_FLOAT32, &shape, out));
  size_t outer = fnn_shape_product(&x->shape, 0, axis), n = x->shape.size[axis];
  size_t inner = fnn_shape_product(&x->shape, axis + 1, x->shape.rank);
  const struct fnn_reduce_kernels *k = context->kernels->reduce;
  const float *from = fnn_floats(x);
  float *to = fnn_floats(*out);
  if (inner == 1) {
    for (size_t i = 0; i < outer; i++) to[i] = (float)k->sum(n, from + i * n);
    return FNN_OK;
  }
  double *total = fnn_alloc(context, inner * sizeof *total);
  if (!total) {
    fnn_tensor_release(*out);
    *out = NULL;
    return FNN_NO_MEMORY;
  }
  for (size_t i = 0; i < outer; i++) {
    memset(total, 0, inner * sizeof *total);
    k->sum_rows(n, inner, from + i * n * inner, total);
    for (size_t j = 0; j < inner; j++) to[i * inner + j] = (float)total[j];
  }
  fnn_free(context, total);
  return FNN_OK;
}

enum fnn_status fnn_sum_to(struct fnn_tensor *wide, const struct fnn_shape *shape, struct fnn_tensor **out) {
  struct fnn_tensor *sum = fnn_tensor_retain(wide), *next;
  int added = wide->shape.rank - shape->rank;
  for (int axis = 0; axis < wide->shape.rank; axis++) {
    if (wide->shape.size[axis] == 1 || (axis >= added && shape->size[axis - added] != 1)) continue;
    enum fnn_status status = sum_axis(sum, axis, &next);
    fnn_tensor_release(sum);
    if (status != FNN_OK) return status;
    sum = next;
  }
  size_t stride[FNN_MAX_RANK];
  fnn_shape_strides(shape, stride);
  enum fnn_status status = fnn_tensor_view(sum, shape, stride, sum->offset, out);
  fnn_tensor_release(sum);
  return status;
}
