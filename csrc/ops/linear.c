/* linear(x, weight, bias, {precision}): y = x W' + b along the last axis, for x of (..., I), weight (O, I), bias (O).
 *
 * precision "bf16": products of 16 and more rows, inputs and outputs are of bfloat16, forward and backward, and added up as
 * float32, where the CPU has AMX; elsewhere it changes nothing. */
#include <string.h>

#include "../kernels/gemm.h"
#include "../kernels/kernels.h"
#include "op.h"

struct linear {
  int precision;
};
static const struct linear defaults = {0};
static const struct fnn_arg args[] = {
    {.name = "input", .kind = FNN_TENSOR},
    {.name = "weight", .kind = FNN_TENSOR},
    {.name = "bias", .kind = FNN_TENSOR, .flags = FNN_OPTIONAL},
    FNN_PARAM(linear, precision, FNN_CHOICE, .flags = FNN_OPTIONAL, .choices = fnn_precisions),
    {0}};

struct extent {
  size_t rows, inputs, outputs;
};

static struct extent extent_of(const struct fnn_call *call) {
  const struct fnn_shape *x = fnn_in_shape(call, 0), *w = fnn_in_shape(call, 1);
  return (struct extent){fnn_shape_product(x, 0, x->rank - 1), w->size[1], w->size[0]};
}

static enum fnn_status infer(struct fnn_call *call) {
  struct fnn_shape shape = *fnn_in_shape(call, 0);
  const struct fnn_shape *w = fnn_in_shape(call, 1);
  char text[FNN_SHAPE_TEXT];
  if (shape.rank == 0) return fnn_refuse(call, "input", "expected at least one axis, got a single number");
  if (w->rank != 2 || w->size[1] != shape.size[shape.rank - 1])
    return fnn_refuse(call, "weight", "expected (outputs,%zu), got %s", shape.size[shape.rank - 1],
                      fnn_shape_text(w, text));
  struct extent e = extent_of(call);
  FNN_TRY(fnn_check_product(call, e.rows, e.outputs, e.inputs));
  shape.size[shape.rank - 1] = w->size[0];
  if (call->in[2] && (fnn_in_shape(call, 2)->rank != 1 || fnn_in_shape(call, 2)->size[0] != w->size[0]))
    return fnn_refuse(call, "bias", "expected (%zu), got %s", w->size[0], fnn_shape_text(fnn_in_shape(call, 2), text));
  fnn_out(call, 0, FNN_FLOAT32, &shape);
  return FNN_OK;
}

static size_t multiply_adds(const struct fnn_call *call) {
  struct extent e = extent_of(call);
  return e.rows * e.inputs * e.outputs;
}

static enum fnn_status multiply(struct fnn_call *call, size_t m, size_t n, size_t k, struct fnn_matrix a,
                                struct fnn_matrix b, float beta, float *c) {
  if (((const struct linear *)call->params)->precision == FNN_PRECISION_BF16)
    return fnn_gemm_mixed(call->context, m, n, k, a, b, beta, c, n);
  return fnn_gemm(call->context, m, n, k, a, b, beta, c, n);
}

static enum fnn_status forward(struct fnn_call *call) {
  struct extent e = extent_of(call);
  float *y = fnn_floats(call->out[0]);
  if (call->in[2])
    for (size_t i = 0; i < e.rows; i++) memcpy(y + i * e.outputs, fnn_floats(call->in[2]), e.outputs * sizeof *y);
  return multiply(call, e.rows, e.outputs, e.inputs, (struct fnn_matrix){fnn_floats(call->in[0]), e.inputs, 1},
                  (struct fnn_matrix){fnn_floats(call->in[1]), 1, e.inputs}, call->in[2] ? 1.0f : 0.0f, y);
}

static enum fnn_status bias_gradient(struct fnn_call *call, const struct extent *e) {
  FNN_TRY(fnn_new_grad(call, 2));
  double *total = fnn_alloc(call->context, e->outputs * sizeof *total);
  if (!total) return FNN_NO_MEMORY;
  memset(total, 0, e->outputs * sizeof *total);
  call->context->kernels->reduce->sum_rows(e->rows, e->outputs, fnn_floats(call->grad), total);
  for (size_t j = 0; j < e->outputs; j++) fnn_floats(call->grad_in[2])[j] = (float)total[j];
  fnn_free(call->context, total);
  return FNN_OK;
}

static enum fnn_status backward(struct fnn_call *call) {
  struct extent e = extent_of(call);
  const float *g = fnn_floats(call->grad);
  if (fnn_wants(call, 0)) {
    FNN_TRY(fnn_new_grad(call, 0));
    FNN_TRY(multiply(call, e.rows, e.inputs, e.outputs, (struct fnn_matrix){g, e.outputs, 1},
                     (struct fnn_matrix){fnn_floats(call->in[1]), e.inputs, 1}, 0.0f, fnn_floats(call->grad_in[0])));
  }
  if (fnn_wants(call, 1)) {
    FNN_TRY(fnn_new_grad(call, 1));
    FNN_TRY(multiply(call, e.outputs, e.inputs, e.rows, (struct fnn_matrix){g, 1, e.outputs},
                     (struct fnn_matrix){fnn_floats(call->in[0]), e.inputs, 1}, 0.0f, fnn_floats(call->grad_in[1])));
  }
  if (fnn_wants(call, 2)) FNN_TRY(bias_gradient(call, &e));
  return FNN_OK;
}

const struct fnn_op fnn_op_linear = {
    .name = "linear",
    .args = args,
    .params_bytes = sizeof(struct linear),
    .defaults = &defaults,
    .types = FNN_FLOATS,
    .flags = FNN_FUNCTIONAL,
    .saves = FNN_SAVE_IN(0) | FNN_SAVE_IN(1),
    .outputs = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .multiply_adds = multiply_adds,
};
