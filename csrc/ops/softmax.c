/* softmax(x, dim) = e^x / sum e^x along an axis, and log_softmax, its logarithm, without overflow. */
#include <math.h>

#include "../kernels/kernels.h"
#include "line.h"

static const struct fnn_line_params defaults = {-1};
static const struct fnn_arg args[] = {FNN_LINE_ARGS(fnn_line_params, axis), {0}};

struct job {
  struct fnn_lines l;
  void (*row)(size_t n, size_t stride, const float *x, float *y);
  const float *x, *y, *g;
  float *out;
};

static size_t grain(const struct fnn_lines *l) { return 1 + 4096 / (l->n ? l->n : 1); }

static size_t line_start(const struct job *job, size_t i) {
  return i / job->l.inner * job->l.n * job->l.inner + i % job->l.inner;
}

static void forward_piece(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  for (size_t i = first; i < last; i++) {
    size_t at = line_start(job, i);
    job->row(job->l.n, job->l.inner, job->x + at, job->out + at);
  }
}

/* d = y (g - sum g y) */
static void softmax_back(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  for (size_t i = first; i < last; i++) {
    size_t at = line_start(job, i), step = job->l.inner;
    double dot = 0.0;
    for (size_t k = 0; k < job->l.n; k++) dot += job->g[at + k * step] * job->y[at + k * step];
    for (size_t k = 0; k < job->l.n; k++)
      job->out[at + k * step] = job->y[at + k * step] * (job->g[at + k * step] - (float)dot);
  }
}

/* d = g - e^y sum g */
static void log_softmax_back(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  for (size_t i = first; i < last; i++) {
    size_t at = line_start(job, i), step = job->l.inner;
    double total = 0.0;
    for (size_t k = 0; k < job->l.n; k++) total += job->g[at + k * step];
    for (size_t k = 0; k < job->l.n; k++)
      job->out[at + k * step] = job->g[at + k * step] - expf(job->y[at + k * step]) * (float)total;
  }
}

static enum fnn_status infer(struct fnn_call *call) {
  fnn_out(call, 0, FNN_FLOAT32, fnn_in_shape(call, 0));
  return FNN_OK;
}

static enum fnn_status forward(struct fnn_call *call, void (*row)(size_t, size_t, const float *, float *)) {
  struct job job = {.l = fnn_lines_of(call), .row = row, .x = fnn_floats(call->in[0]), .out = fnn_floats(call->out[0])};
  fnn_parallel(call->context, job.l.outer * job.l.inner, grain(&job.l), forward_piece, &job);
  return FNN_OK;
}

static enum fnn_status backward(struct fnn_call *call, fnn_task piece) {
  FNN_TRY(fnn_new_grad(call, 0));
  struct job job = {.l = fnn_lines_of(call),
                    .y = fnn_floats(call->out[0]),
                    .g = fnn_floats(call->grad),
                    .out = fnn_floats(call->grad_in[0])};
  fnn_parallel(call->context, job.l.outer * job.l.inner, grain(&job.l), piece, &job);
  return FNN_OK;
}

#define SOFTMAX_OP(name_)                                                                                 \
  static enum fnn_status name_##_forward(struct fnn_call *call) {                                         \
    return forward(call, call->context->kernels->reduce->name_);                                          \
  }                                                                                                       \
  static enum fnn_status name_##_backward(struct fnn_call *call) { return backward(call, name_##_back); } \
  const struct fnn_op fnn_op_##name_ = {                                                                  \
      .name = #name_,                                                                                     \
      .args = args,                                                                                       \
      .defaults = &defaults,                                                                              \
      .params_bytes = sizeof(struct fnn_line_params),                                                     \
      .types = FNN_FLOATS,                                                                                \
      .flags = FNN_METHOD,                                                                                \
      .saves = FNN_SAVE_OUT(0),                                                                           \
      .outputs = 1,                                                                                       \
      .infer = infer,                                                                                     \
      .forward = name_##_forward,                                                                         \
      .backward = name_##_backward,                                                                       \
  }
SOFTMAX_OP(softmax);
SOFTMAX_OP(log_softmax);
