/* matmul(a, b): the matrix product of the last two axes, with broadcasting over the others. A tensor of one axis counts
 * as a row on the left and as a column on the right, and that axis is dropped from the result. */
#include "../kernels/gemm.h"
#include "../kernels/kernels.h"
#include "op.h"

static const struct fnn_arg args[] = {
    {.name = "input", .kind = FNN_TENSOR}, {.name = "other", .kind = FNN_TENSOR}, {0}};

/* ---- shapes ---- */

/* The shape as a stack of matrices: a row for `a`, a column for `b`. */
static struct fnn_shape matrix_shape(const struct fnn_shape *shape, int is_b) {
  if (shape->rank != 1) return *shape;
  return (struct fnn_shape){2, {is_b ? shape->size[0] : 1, is_b ? 1 : shape->size[0]}};
}

static struct fnn_shape batch_shape(const struct fnn_shape *shape) {
  struct fnn_shape batch = *shape;
  batch.rank -= 2;
  return batch;
}

/* The product's shape as a stack of matrices. */
static enum fnn_status product_shape(const struct fnn_call *call, struct fnn_shape *out) {
  struct fnn_shape a = matrix_shape(fnn_in_shape(call, 0), 0), b = matrix_shape(fnn_in_shape(call, 1), 1);
  struct fnn_shape batch_a = batch_shape(&a), batch_b = batch_shape(&b);
  FNN_TRY(fnn_shape_broadcast(call->context, "matmul", &batch_a, &batch_b, out));
  out->size[out->rank++] = a.size[a.rank - 2];
  out->size[out->rank++] = b.size[b.rank - 1];
  return FNN_OK;
}

static enum fnn_status infer(struct fnn_call *call) {
  const struct fnn_shape *a = fnn_in_shape(call, 0), *b = fnn_in_shape(call, 1);
  char ta[FNN_SHAPE_TEXT], tb[FNN_SHAPE_TEXT];
  struct fnn_shape shape;
  if (a->rank == 0 || b->rank == 0)
    return fnn_refuse(call, a->rank ? "other" : "input", "expected at least one axis, got a single number");
  size_t k = a->size[a->rank - 1], k_b = b->size[b->rank - (b->rank > 1 ? 2 : 1)];
  if (k != k_b)
    return fnn_fail(call->context, FNN_INVALID, "matmul: shapes %s and %s do not fit: %zu columns and %zu rows",
                    fnn_shape_text(a, ta), fnn_shape_text(b, tb), k, k_b);
  FNN_TRY(product_shape(call, &shape));
  FNN_TRY(fnn_check_product(call, shape.size[shape.rank - 2], shape.size[shape.rank - 1], k));
  if (b->rank == 1) shape.rank--;
  if (a->rank == 1) {
    if (b->rank > 1) shape.size[shape.rank - 2] = shape.size[shape.rank - 1];
    shape.rank--;
  }
  fnn_out(call, 0, FNN_FLOAT32, &shape);
  return FNN_OK;
}

static size_t multiply_adds(const struct fnn_call *call) {
  const struct fnn_shape *a = &call->in_spec[0].shape;
  return fnn_shape_numel(&call->out_spec[0].shape) * a->size[a->rank - 1];
}

/* ---- the product of two stacks of matrices ---- */

/* Either the rows or the columns of each matrix lie densely, and not too far apart, so that BLAS can take it. */
static int suits_blas(const struct fnn_tensor *x) {
  int rank = x->shape.rank;
  size_t rows = x->shape.size[rank - 2], columns = x->shape.size[rank - 1];
  size_t row = x->stride[rank - 2], column = x->stride[rank - 1];
  if (row > FNN_GEMM_MOST || column > FNN_GEMM_MOST) return 0;
  return (column == 1 && row >= columns) || (row == 1 && column >= rows);
}

static enum fnn_status for_blas(struct fnn_tensor *x, struct fnn_tensor **out) {
  if (!suits_blas(x)) return fnn_tensor_dense(x, FNN_FLOAT32, out);
  *out = fnn_tensor_retain(x);
  return FNN_OK;
}

static struct fnn_matrix matrix_of(const struct fnn_tensor *x, const struct fnn_shape *batch, size_t number) {
  int rank = x->shape.rank;
  struct fnn_matrix matrix = {fnn_floats(x), x->stride[rank - 2], x->stride[rank - 1]};
  for (int i = batch->rank; i-- > 0;) {
    size_t at = number % batch->size[i];
    int own = i - (batch->rank - (rank - 2));
    number /= batch->size[i];
    if (own >= 0 && x->shape.size[own] != 1) matrix.data += at * x->stride[own];
  }
  return matrix;
}

struct job {
  const struct fnn_tensor *a, *b;
  struct fnn_shape batch;
  size_t m, n, k;
  float *out;
};

static void piece(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  for (size_t i = first; i < last; i++)
    fnn_gemm_serial(j->m, j->n, j->k, matrix_of(j->a, &j->batch, i), matrix_of(j->b, &j->batch, i), 0.0f,
                    j->out + i * j->m * j->n, j->n);
}

/* A stack of dense matrices times one matrix is one tall matrix times it. */
static int is_tall(const struct job *j) {
  if (!fnn_gemm_fits(fnn_shape_numel(&j->batch) * j->m, j->n, j->k)) return 0;
  return fnn_shape_numel(&j->b->shape) == j->k * j->n && fnn_tensor_is_contiguous(j->a) &&
         fnn_shape_numel(&j->a->shape) == fnn_shape_numel(&j->batch) * j->m * j->k;
}

/* out = a b; out is dense and has the product's shape. */
static enum fnn_status product(struct fnn_tensor *a_, struct fnn_tensor *b_, struct fnn_tensor *out) {
  struct fnn_context *context = fnn_tensor_context(out);
  struct fnn_tensor *a, *b;
  if (fnn_tensor_numel(out) == 0) return FNN_OK;
  FNN_TRY(for_blas(a_, &a));
  enum fnn_status status = for_blas(b_, &b);
  if (status == FNN_OK) {
    int rank = a->shape.rank;
    struct job job = {a,
                      b,
                      batch_shape(&out->shape),
                      a->shape.size[rank - 2],
                      b->shape.size[b->shape.rank - 1],
                      a->shape.size[rank - 1],
                      fnn_floats(out)};
    size_t count = fnn_shape_numel(&job.batch), work = job.m * job.n * job.k;
    if (is_tall(&job)) {
      struct fnn_matrix tall = {fnn_floats(a), job.k, 1};
      status = fnn_gemm(context, count * job.m, job.n, job.k, tall, matrix_of(b, &job.batch, 0), 0.0f, job.out, job.n);
    } else if (work > 4194304) {
      for (size_t i = 0; i < count && status == FNN_OK; i++)
        status = fnn_gemm(context, job.m, job.n, job.k, matrix_of(a, &job.batch, i), matrix_of(b, &job.batch, i), 0.0f,
                          job.out + i * job.m * job.n, job.n);
    } else {
      fnn_parallel(context, count, 1 + 65536 / (work ? work : 1), piece, &job);
    }
    fnn_tensor_release(b);
  }
  fnn_tensor_release(a);
  return status;
}

/* x under the shape of a stack of matrices, its last two axes exchanged if asked. */
static enum fnn_status as_matrices(const struct fnn_tensor *x, const struct fnn_shape *shape, int exchange,
                                   struct fnn_tensor **out) {
  size_t stride[FNN_MAX_RANK];
  struct fnn_shape seen = *shape;
  int rank = shape->rank;
  for (int i = 0; i < rank; i++) stride[i] = x->stride[i];
  if (x->shape.rank == 1) { /* a row or a column of this vector */
    stride[0] = shape->size[1] == 1 ? x->stride[0] : shape->size[1] * x->stride[0];
    stride[1] = shape->size[1] == 1 ? 1 : x->stride[0];
  }
  if (exchange) {
    size_t size = seen.size[rank - 1], step = stride[rank - 1];
    seen.size[rank - 1] = seen.size[rank - 2], stride[rank - 1] = stride[rank - 2];
    seen.size[rank - 2] = size, stride[rank - 2] = step;
  }
  return fnn_tensor_view(x, &seen, stride, x->offset, out);
}

static enum fnn_status forward(struct fnn_call *call) {
  struct fnn_shape shape_a = matrix_shape(fnn_in_shape(call, 0), 0), shape_b = matrix_shape(fnn_in_shape(call, 1), 1),
                   shape;
  struct fnn_tensor *a = NULL, *b = NULL, *out = NULL;
  size_t stride[FNN_MAX_RANK];
  FNN_TRY(product_shape(call, &shape));
  fnn_shape_strides(&shape, stride);
  enum fnn_status status = as_matrices(call->in[0], &shape_a, 0, &a);
  if (status == FNN_OK) status = as_matrices(call->in[1], &shape_b, 0, &b);
  if (status == FNN_OK) status = fnn_tensor_view(call->out[0], &shape, stride, 0, &out);
  if (status == FNN_OK) status = product(a, b, out);
  fnn_tensor_release(out);
  fnn_tensor_release(b);
  fnn_tensor_release(a);
  return status;
}

/* da = g b', db = a' g, summed over the axes that broadcasting added. */
static enum fnn_status side_gradient(struct fnn_call *call, int side, struct fnn_tensor *g) {
  struct fnn_shape shape[2] = {matrix_shape(fnn_in_shape(call, 0), 0), matrix_shape(fnn_in_shape(call, 1), 1)};
  struct fnn_shape wide_shape = g->shape, own = shape[side];
  struct fnn_tensor *other = NULL, *wide = NULL, *sum = NULL;
  size_t stride[FNN_MAX_RANK];
  wide_shape.size[wide_shape.rank - 2] = own.size[own.rank - 2];
  wide_shape.size[wide_shape.rank - 1] = own.size[own.rank - 1];
  enum fnn_status status = as_matrices(call->in[1 - side], &shape[1 - side], 1, &other);
  if (status == FNN_OK) status = fnn_tensor_new(call->context, FNN_FLOAT32, &wide_shape, &wide);
  if (status == FNN_OK) status = side == 0 ? product(g, other, wide) : product(other, g, wide);
  if (status == FNN_OK) status = fnn_sum_to(wide, &own, &sum);
  fnn_shape_strides(fnn_in_shape(call, (size_t)side), stride);
  if (status == FNN_OK)
    status = fnn_tensor_view(sum, fnn_in_shape(call, (size_t)side), stride, sum->offset, &call->grad_in[side]);
  fnn_tensor_release(sum);
  fnn_tensor_release(wide);
  fnn_tensor_release(other);
  return status;
}

static enum fnn_status backward(struct fnn_call *call) {
  struct fnn_shape shape;
  struct fnn_tensor *dense, *g;
  size_t stride[FNN_MAX_RANK];
  FNN_TRY(product_shape(call, &shape));
  FNN_TRY(fnn_tensor_dense(call->grad, FNN_FLOAT32, &dense));
  fnn_shape_strides(&shape, stride);
  enum fnn_status status = fnn_tensor_view(dense, &shape, stride, dense->offset, &g);
  fnn_tensor_release(dense);
  FNN_TRY(status);
  for (int side = 0; side < 2 && status == FNN_OK; side++)
    if (fnn_wants(call, (size_t)side)) status = side_gradient(call, side, g);
  fnn_tensor_release(g);
  return status;
}

const struct fnn_op fnn_op_matmul = {
    .name = "matmul",
    .args = args,
    .types = FNN_FLOATS,
    .flags = FNN_METHOD | FNN_STRIDED,
    .saves = FNN_SAVE_IN(0) | FNN_SAVE_IN(1),
    .outputs = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .multiply_adds = multiply_adds,
};
