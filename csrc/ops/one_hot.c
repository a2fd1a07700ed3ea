/* one_hot(index, classes): a float32 row of zeros with a single 1 for each class number. */
#include <string.h>

#include "../tensor/indices.h"
#include "op.h"

struct one_hot {
  size_t classes;
};
static const struct one_hot defaults;
static const struct fnn_arg args[] = {
    {.name = "index", .kind = FNN_INDICES}, FNN_PARAM(one_hot, classes, FNN_SIZE, .least = 1), {0}};

static enum fnn_status infer(struct fnn_call *call) {
  struct fnn_shape shape = *fnn_in_shape(call, 0);
  size_t classes = ((const struct one_hot *)call->params)->classes;
  if (shape.rank == FNN_MAX_RANK) return fnn_refuse(call, "index", "a tensor has at most %d axes", FNN_MAX_RANK);
  FNN_TRY(fnn_indices_check(call->context, call->op->name, "index", call->in[0], classes));
  shape.size[shape.rank++] = classes;
  fnn_out(call, 0, FNN_FLOAT32, &shape);
  return FNN_OK;
}

static enum fnn_status forward(struct fnn_call *call) {
  size_t classes = ((const struct one_hot *)call->params)->classes;
  float *y = fnn_floats(call->out[0]);
  memset(y, 0, fnn_tensor_numel(call->out[0]) * sizeof *y);
  for (size_t i = 0, n = fnn_tensor_numel(call->in[0]); i < n; i++)
    y[i * classes + (size_t)fnn_ints(call->in[0])[i]] = 1.0f;
  return FNN_OK;
}

const struct fnn_op fnn_op_one_hot = {
    .name = "one_hot",
    .args = args,
    .defaults = &defaults,
    .params_bytes = sizeof(struct one_hot),
    .types = FNN_ANY,
    .flags = FNN_METHOD,
    .outputs = 1,
    .infer = infer,
    .forward = forward,
};
