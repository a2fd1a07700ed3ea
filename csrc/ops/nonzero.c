/* nonzero(x): the positions of the elements that are not 0, in order: int64, a row of one position an axis for each. */
#include "op.h"

static const struct fnn_arg args[] = {{.name = "input", .kind = FNN_TENSOR}, {0}};

static enum fnn_status infer(struct fnn_call *call) {
  size_t count = 0;
  for (size_t i = 0, n = fnn_tensor_numel(call->in[0]); i < n; i++) count += fnn_floats(call->in[0])[i] != 0.0f;
  fnn_out(call, 0, FNN_INT64, &(struct fnn_shape){2, {count, (size_t)fnn_in_shape(call, 0)->rank}});
  return FNN_OK;
}

static enum fnn_status forward(struct fnn_call *call) {
  const struct fnn_shape *shape = fnn_in_shape(call, 0);
  int64_t *row = fnn_ints(call->out[0]);
  for (size_t i = 0, n = fnn_tensor_numel(call->in[0]); i < n; i++) {
    if (fnn_floats(call->in[0])[i] == 0.0f) continue;
    size_t rest = i;
    for (int axis = shape->rank; axis-- > 0;) {
      row[axis] = (int64_t)(rest % shape->size[axis]);
      rest /= shape->size[axis];
    }
    row += shape->rank;
  }
  return FNN_OK;
}

const struct fnn_op fnn_op_nonzero = {
    .name = "nonzero",
    .args = args,
    .types = FNN_FLOATS,
    .flags = FNN_METHOD,
    .outputs = 1,
    .indices = 1,
    .infer = infer,
    .forward = forward,
};
