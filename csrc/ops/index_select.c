/* index_select(x, dim, index): the slices of x along an axis that a list of positions names. An embedding
 * is this with the table as x. */
#include <string.h>

#include "../kernels/kernels.h"
#include "../tensor/indices.h"
#include "op.h"

struct index_select {
  int dim;
};
static const struct index_select defaults;
static const struct fnn_arg args[] = {{.name = "input", .kind = FNN_TENSOR},
                                      FNN_PARAM(index_select, dim, FNN_AXIS),
                                      {.name = "index", .kind = FNN_INDICES},
                                      {0}};

static int axis_of(const struct fnn_call *call) { return ((const struct index_select *)call->params)->dim; }

static enum fnn_status infer(struct fnn_call *call) {
  struct fnn_shape shape = *fnn_in_shape(call, 0);
  char text[FNN_SHAPE_TEXT];
  if (fnn_in_shape(call, 1)->rank != 1)
    return fnn_refuse(call, "index", "expected a list of positions, got shape %s",
                      fnn_shape_text(fnn_in_shape(call, 1), text));
  FNN_TRY(fnn_indices_check(call->context, call->op->name, "index", call->in[1], shape.size[axis_of(call)]));
  shape.size[axis_of(call)] = fnn_in_shape(call, 1)->size[0];
  fnn_out(call, 0, call->in_spec[0].dtype, &shape);
  return FNN_OK;
}

struct extent {
  size_t outer, size, n, inner; /* x is (outer, size, inner), the result (outer, n, inner) */
};

static struct extent extent_of(const struct fnn_call *call) {
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  int axis = axis_of(call);
  return (struct extent){fnn_shape_product(x, 0, axis), x->size[axis], fnn_in_shape(call, 1)->size[0],
                         fnn_shape_product(x, axis + 1, x->rank)};
}

static enum fnn_status forward(struct fnn_call *call) {
  struct extent e = extent_of(call);
  size_t bytes = e.inner * fnn_dtype_size(call->out[0]->dtype);
  const int64_t *at = fnn_ints(call->in[1]);
  const char *from = fnn_tensor_data(call->in[0]);
  char *to = fnn_tensor_data(call->out[0]);
  for (size_t i = 0; i < e.outer; i++)
    for (size_t j = 0; j < e.n; j++)
      memcpy(to + (i * e.n + j) * bytes, from + (i * e.size + (size_t)at[j]) * bytes, bytes);
  return FNN_OK;
}

static enum fnn_status backward(struct fnn_call *call) {
  struct extent e = extent_of(call);
  FNN_TRY(fnn_zero_grad(call, 0));
  const int64_t *at = fnn_ints(call->in[1]);
  const float *from = fnn_floats(call->grad);
  float *to = fnn_floats(call->grad_in[0]);
  for (size_t i = 0; i < e.outer; i++)
    for (size_t j = 0; j < e.n; j++)
      call->context->kernels->elementwise->accumulate(e.inner, from + (i * e.n + j) * e.inner,
                                                      to + (i * e.size + (size_t)at[j]) * e.inner);
  return FNN_OK;
}

const struct fnn_op fnn_op_index_select = {
    .name = "index_select",
    .args = args,
    .defaults = &defaults,
    .params_bytes = sizeof(struct index_select),
    .types = FNN_ANY,
    .flags = FNN_METHOD,
    .saves = FNN_SAVE_IN(1),
    .outputs = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
