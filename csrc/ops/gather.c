/* gather(x, dim, index): y[i][j][k] = x[i][index[i][j][k]][k] for the second of three axes. The index has
 * as many axes as x, and along the others is at most as long. */
#include "../tensor/indices.h"
#include "op.h"

struct gather {
  int dim;
};
static const struct gather defaults;
static const struct fnn_arg args[] = {{.name = "input", .kind = FNN_TENSOR},
                                      FNN_PARAM(gather, dim, FNN_AXIS),
                                      {.name = "index", .kind = FNN_INDICES},
                                      {0}};

static enum fnn_status infer(struct fnn_call *call) {
  int axis = ((const struct gather *)call->params)->dim;
  const struct fnn_shape *x = fnn_in_shape(call, 0), *index = fnn_in_shape(call, 1);
  char a[FNN_SHAPE_TEXT], b[FNN_SHAPE_TEXT];
  int fits = x->rank == index->rank;
  for (int i = 0; fits && i < x->rank; i++) fits = i == axis || index->size[i] <= x->size[i];
  if (!fits)
    return fnn_refuse(call, "index", "expected a shape within %s but for axis %d, got %s", fnn_shape_text(x, a),
                      axis + 1, fnn_shape_text(index, b));
  FNN_TRY(fnn_indices_check(call->context, call->op->name, "index", call->in[1], x->size[axis]));
  fnn_out(call, 0, call->in_spec[0].dtype, index);
  return FNN_OK;
}

/* Where in x element number i of the index points. */
static size_t place(const struct fnn_shape *x, const struct fnn_shape *index, const int64_t *at, int axis, size_t i) {
  size_t offset = 0, step = 1, rest = i;
  for (int k = x->rank; k-- > 0;) {
    size_t coordinate = k == axis ? (size_t)at[i] : rest % index->size[k];
    rest /= index->size[k];
    offset += coordinate * step;
    step *= x->size[k];
  }
  return offset;
}

#define GATHER(data)             \
  for (size_t i = 0; i < n; i++) \
  data(call->out[0])[i] = data(call->in[0])[place(fnn_in_shape(call, 0), index, at, axis, i)]

static enum fnn_status forward(struct fnn_call *call) {
  int axis = ((const struct gather *)call->params)->dim;
  const struct fnn_shape *index = fnn_in_shape(call, 1);
  const int64_t *at = fnn_ints(call->in[1]);
  size_t n = fnn_shape_numel(index);
  switch (call->out[0]->dtype) {
    case FNN_FLOAT32: GATHER(fnn_floats); break;
    case FNN_INT64: GATHER(fnn_ints); break;
    default: GATHER(fnn_bytes); break;
  }
  return FNN_OK;
}

static enum fnn_status backward(struct fnn_call *call) {
  int axis = ((const struct gather *)call->params)->dim;
  FNN_TRY(fnn_zero_grad(call, 0));
  const int64_t *at = fnn_ints(call->in[1]);
  for (size_t i = 0, n = fnn_tensor_numel(call->grad); i < n; i++)
    fnn_floats(call->grad_in[0])[place(fnn_in_shape(call, 0), fnn_in_shape(call, 1), at, axis, i)] +=
        fnn_floats(call->grad)[i];
  return FNN_OK;
}

const struct fnn_op fnn_op_gather = {
    .name = "gather",
    .args = args,
    .defaults = &defaults,
    .params_bytes = sizeof(struct gather),
    .types = FNN_ANY,
    .flags = FNN_METHOD,
    .saves = FNN_SAVE_IN(1),
    .outputs = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
