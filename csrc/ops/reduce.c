/* The other reductions over any axes: var, prod, any, all, logsumexp, max, min, argmax, argmin. Each is a function
 * of one line of n values, `inner` apart; a second one, where there is a gradient, writes the line's. */
#include <math.h>

#include "../kernels/kernels.h"
#include "reduction.h"

struct reduce {
  struct fnn_reduce_params reduce;
  double correction; /* var: divides by n - correction */
};
static const struct reduce defaults = {.correction = 1.0};
static const struct fnn_arg args[] = {FNN_REDUCE_ARGS(reduce, reduce), {0}};
static const struct fnn_arg var_args[] = {
    FNN_REDUCE_ARGS(reduce, reduce), FNN_PARAM(reduce, correction, FNN_FLOAT, .flags = FNN_OPTIONAL), {0}};

/* One line: n values at x, `step` apart. */
struct line {
  const struct fnn_reduce_kernels *kernels;
  size_t n, step;
  double correction;
};

/* y is the line's one result; its type is the op's. */
typedef void (*forward_line)(const struct line *line, const void *x, void *y);
/* d is the gradient of the line, from its result y and the gradient g of that. */
typedef void (*backward_line)(const struct line *line, const float *x, float y, float g, float *d);

/* ---- going over the lines ---- */

struct job {
  struct line line;
  const char *x;
  char *y;
  size_t x_bytes, y_bytes;
  const float *g;
  float *d;
  forward_line forward;
  backward_line backward;
};

static size_t line_start(const struct job *job, size_t i) {
  size_t inner = job->line.step;
  return i / inner * job->line.n * inner + i % inner;
}

static void forward_piece(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  for (size_t i = first; i < last; i++)
    job->forward(&job->line, job->x + line_start(job, i) * job->x_bytes, job->y + i * job->y_bytes);
}

static void backward_piece(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  for (size_t i = first; i < last; i++) {
    size_t start = line_start(job, i);
    job->backward(&job->line, (const float *)job->x + start, ((const float *)job->y)[i], job->g[i], job->d + start);
  }
}

static struct line line_of(const struct fnn_call *call, const struct fnn_reduction *r) {
  return (struct line){call->context->kernels->reduce, r->n, r->inner,
                       ((const struct reduce *)call->params)->correction};
}

static enum fnn_status forward(struct fnn_call *call, forward_line floats, forward_line ints) {
  struct fnn_reduction r = fnn_reduction_of(fnn_in_shape(call, 0), call->params);
  struct fnn_tensor *x, *y = call->out[0];
  FNN_TRY(fnn_reduction_lay_out(&r, call->in[0], &x));
  struct job job = {.line = line_of(call, &r),
                    .x = fnn_tensor_data(x),
                    .y = fnn_tensor_data(y),
                    .x_bytes = fnn_dtype_size(x->dtype),
                    .y_bytes = fnn_dtype_size(y->dtype),
                    .forward = x->dtype == FNN_INT64 ? ints : floats};
  fnn_parallel(call->context, r.outer * r.inner, fnn_grain(r.n), forward_piece, &job);
  fnn_tensor_release(x);
  return FNN_OK;
}

static enum fnn_status backward(struct fnn_call *call, backward_line line) {
  struct fnn_reduction r = fnn_reduction_of(fnn_in_shape(call, 0), call->params);
  struct fnn_tensor *x, *d;
  FNN_TRY(fnn_reduction_lay_out(&r, call->in[0], &x));
  enum fnn_status status = fnn_tensor_new(call->context, FNN_FLOAT32, &r.shape, &d);
  if (status == FNN_OK) {
    struct job job = {.line = line_of(call, &r),
                      .x = fnn_tensor_data(x),
                      .y = fnn_tensor_data(call->out[0]),
                      .g = fnn_floats(call->grad),
                      .d = fnn_floats(d),
                      .backward = line};
    fnn_parallel(call->context, r.outer * r.inner, fnn_grain(r.n), backward_piece, &job);
    status = fnn_reduction_restore(&r, d, fnn_in_shape(call, 0), &call->grad_in[0]);
    fnn_tensor_release(d);
  }
  fnn_tensor_release(x);
  return status;
}

/* ---- the functions of one line ---- */

static double line_mean(const struct line *l, const float *x) {
  double total = 0.0;
  if (l->step == 1) return l->kernels->sum(l->n, x) / (double)l->n;
  for (size_t k = 0; k < l->n; k++) total += x[k * l->step];
  return total / (double)l->n;
}

static void var_line(const struct line *l, const void *x_, void *y) {
  const float *x = x_;
  double mean = line_mean(l, x), total = 0.0;
  for (size_t k = 0; k < l->n; k++) total += (x[k * l->step] - mean) * (x[k * l->step] - mean);
  double divisor = (double)l->n - l->correction;
  *(float *)y = (float)(total / (divisor > 0.0 ? divisor : 0.0));
}

static void var_slope(const struct line *l, const float *x, float y, float g, float *d) {
  (void)y;
  double mean = line_mean(l, x), divisor = (double)l->n - l->correction;
  float factor = (float)(2.0 * g / (divisor > 0.0 ? divisor : 0.0));
  for (size_t k = 0; k < l->n; k++) d[k * l->step] = factor * (float)(x[k * l->step] - mean);
}

static double product(const struct line *l, const float *x, size_t n) {
  double total = 1.0;
  for (size_t k = 0; k < n; k++) total *= x[k * l->step];
  return total;
}

static void prod_line(const struct line *l, const void *x, void *y) { *(float *)y = (float)product(l, x, l->n); }

static void prod_ints(const struct line *l, const void *x, void *y) {
  uint64_t product = 1; /* wraps around */
  for (size_t k = 0; k < l->n; k++) product *= (uint64_t)((const int64_t *)x)[k * l->step];
  *(int64_t *)y = (int64_t)product;
}

/* The gradient of n of a line's values is the product of the others: `outside` is that of g and what is not among them, and
 * for each half the other half comes to it. Nothing is divided, so zeros, infinities and NaN need no special case.
 * Products are doubles, which hold those of eight float32 values whatever these are; of more, very large and very small ones
 * together may be inf or 0 on the way, as in the product itself. */
static void prod_slope_of(const struct line *l, size_t n, const float *x, double outside, float *d) {
  size_t half = n / 2, middle = half * l->step;
  if (n == 1) *d = (float)outside;
  if (n <= 1) return;
  prod_slope_of(l, half, x, outside * product(l, x + middle, n - half), d);
  prod_slope_of(l, n - half, x + middle, outside * product(l, x, half), d + middle);
}

static void prod_slope(const struct line *l, const float *x, float y, float g, float *d) {
  (void)y;
  prod_slope_of(l, l->n, x, g, d);
}

static void any_line(const struct line *l, const void *x, void *y) {
  uint8_t found = 0;
  for (size_t k = 0; k < l->n; k++) found |= ((const float *)x)[k * l->step] != 0.0f;
  *(uint8_t *)y = found;
}

static void all_line(const struct line *l, const void *x, void *y) {
  uint8_t every = 1;
  for (size_t k = 0; k < l->n; k++) every &= ((const float *)x)[k * l->step] != 0.0f;
  *(uint8_t *)y = every;
}

static void logsumexp_line(const struct line *l, const void *x, void *y) {
  *(float *)y = (float)l->kernels->logsumexp(l->n, l->step, x);
}

static void logsumexp_slope(const struct line *l, const float *x, float y, float g, float *d) {
  for (size_t k = 0; k < l->n; k++) d[k * l->step] = g * expf(x[k * l->step] - y);
}

static size_t argmax_of_ints(const struct line *l, const int64_t *x) {
  size_t best = 0;
  for (size_t k = 1; k < l->n; k++)
    if (x[k * l->step] > x[best * l->step]) best = k;
  return best;
}

static size_t argmin_of_ints(const struct line *l, const int64_t *x) {
  size_t best = 0;
  for (size_t k = 1; k < l->n; k++)
    if (x[k * l->step] < x[best * l->step]) best = k;
  return best;
}

/* The first of equal extremes is the one that is named, and that gets the gradient. */
#define EXTREME(name)                                                                          \
  static void arg##name##_line(const struct line *l, const void *x, void *y) {                 \
    *(int64_t *)y = (int64_t)l->kernels->arg##name(l->n, x, l->step);                          \
  }                                                                                            \
  static void arg##name##_ints(const struct line *l, const void *x, void *y) {                 \
    *(int64_t *)y = (int64_t)arg##name##_of_ints(l, x);                                        \
  }                                                                                            \
  static void name##_line(const struct line *l, const void *x, void *y) {                      \
    *(float *)y = ((const float *)x)[l->kernels->arg##name(l->n, x, l->step) * l->step];       \
  }                                                                                            \
  static void name##_ints(const struct line *l, const void *x, void *y) {                      \
    *(int64_t *)y = ((const int64_t *)x)[arg##name##_of_ints(l, x) * l->step];                 \
  }                                                                                            \
  static void name##_slope(const struct line *l, const float *x, float y, float g, float *d) { \
    (void)y;                                                                                   \
    for (size_t k = 0; k < l->n; k++) d[k * l->step] = 0.0f;                                   \
    d[l->kernels->arg##name(l->n, x, l->step) * l->step] = g;                                  \
  }
EXTREME(max)
EXTREME(min)

/* ---- shape rules and the table ---- */

static enum fnn_status same_type(struct fnn_call *call) { return fnn_reduce_infer(call, call->in_spec[0].dtype); }
static enum fnn_status to_floats(struct fnn_call *call) { return fnn_reduce_infer(call, FNN_FLOAT32); }
static enum fnn_status to_bytes(struct fnn_call *call) { return fnn_reduce_infer(call, FNN_UINT8); }

/* An extreme of nothing does not exist. */
static enum fnn_status refuse_empty(const struct fnn_call *call) {
  char text[FNN_SHAPE_TEXT];
  if (fnn_reduction_of(fnn_in_shape(call, 0), call->params).n > 0) return FNN_OK;
  return fnn_refuse(call, "input", "expected at least one element to choose from, got shape %s",
                    fnn_shape_text(fnn_in_shape(call, 0), text));
}

static enum fnn_status extreme(struct fnn_call *call) {
  FNN_TRY(refuse_empty(call));
  return same_type(call);
}

static enum fnn_status position(struct fnn_call *call) {
  FNN_TRY(refuse_empty(call));
  return fnn_reduce_infer(call, FNN_INT64);
}

#define REDUCE_FORWARD(name, floats, ints) \
  static enum fnn_status name##_forward(struct fnn_call *call) { return forward(call, floats, ints); }
#define REDUCE_BACKWARD(name) \
  static enum fnn_status name##_backward(struct fnn_call *call) { return backward(call, name##_slope); }
#define REDUCE_OP(name_, args_, types_, infer_, ...)                               \
  const struct fnn_op fnn_op_##name_ = {.name = #name_,                            \
                                        .args = args_,                             \
                                        .defaults = &defaults,                     \
                                        .params_bytes = sizeof(struct reduce),     \
                                        .types = types_,                           \
                                        .flags = FNN_METHOD,                       \
                                        .saves = FNN_SAVE_IN(0) | FNN_SAVE_OUT(0), \
                                        .outputs = 1,                              \
                                        .infer = infer_,                           \
                                        .forward = name_##_forward,                \
                                        .backward = __VA_ARGS__}

REDUCE_FORWARD(var, var_line, NULL)
REDUCE_FORWARD(prod, prod_line, prod_ints)
REDUCE_FORWARD(any, any_line, NULL)
REDUCE_FORWARD(all, all_line, NULL)
REDUCE_FORWARD(logsumexp, logsumexp_line, NULL)
REDUCE_FORWARD(max, max_line, max_ints)
REDUCE_FORWARD(min, min_line, min_ints)
REDUCE_FORWARD(argmax, argmax_line, argmax_ints)
REDUCE_FORWARD(argmin, argmin_line, argmin_ints)
REDUCE_BACKWARD(var)
REDUCE_BACKWARD(prod)
REDUCE_BACKWARD(logsumexp)
REDUCE_BACKWARD(max)
REDUCE_BACKWARD(min)

REDUCE_OP(var, var_args, FNN_FLOATS, to_floats, var_backward);
REDUCE_OP(prod, args, FNN_NUMBERS, same_type, prod_backward);
REDUCE_OP(any, args, FNN_FLOATS, to_bytes, NULL);
REDUCE_OP(all, args, FNN_FLOATS, to_bytes, NULL);
REDUCE_OP(logsumexp, args, FNN_FLOATS, to_floats, logsumexp_backward);
REDUCE_OP(max, args, FNN_NUMBERS, extreme, max_backward);
REDUCE_OP(min, args, FNN_NUMBERS, extreme, min_backward);
REDUCE_OP(argmax, args, FNN_NUMBERS, position, NULL, .indices = 1);
REDUCE_OP(argmin, args, FNN_NUMBERS, position, NULL, .indices = 1);
