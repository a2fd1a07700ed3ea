/* Categorical cross-entropy from logits (N,C), the softmax included:
 *
 *   cross_entropy_classes(logits, target, weight, {label_smoothing, reduction})   target: N class numbers
 *   cross_entropy_soft(logits, target, weight, {label_smoothing, reduction})      target: (N,C) probabilities
 *
 * Row i of the target becomes t = (1 - s) * (one-hot of the class, or the given row) + s / C (Szegedy et al. 2016) times the
 * classes' weights; its loss is -sum_c t_c log softmax(logits)_c. `reduction` "mean" divides the sum by N or, with class
 * numbers and weights, by the sum of the weights of the rows' classes, as PyTorch does. Gradients flow to the logits and to rows
 * of probabilities. */

#include "../kernels/kernels.h"
#include "../tensor/indices.h"
#include "op.h"

struct cross_entropy {
  double label_smoothing;
  int reduction;
};
enum reduction { MEAN, SUM, NONE };
static const struct cross_entropy defaults = {0};
static const char *const reductions[] = {"mean", "sum", "none", NULL};

#define LOGITS \
  { .name = "input", .kind = FNN_TENSOR }
#define WEIGHT \
  { .name = "weight", .kind = FNN_TENSOR, .flags = FNN_OPTIONAL }
#define SMOOTHING FNN_PARAM(cross_entropy, label_smoothing, FNN_FLOAT, .flags = FNN_OPTIONAL)
#define REDUCTION FNN_PARAM(cross_entropy, reduction, FNN_CHOICE, .flags = FNN_OPTIONAL, .choices = reductions)
static const struct fnn_arg classes_args[] = {
    LOGITS, {.name = "target", .kind = FNN_INDICES}, WEIGHT, SMOOTHING, REDUCTION, {0}};
static const struct fnn_arg soft_args[] = {LOGITS, {.name = "target", .kind = FNN_TENSOR}, WEIGHT, SMOOTHING, REDUCTION,
                                           {0}};

static enum fnn_status check(struct fnn_call *call) {
  const struct cross_entropy *params = call->params;
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  char text[FNN_SHAPE_TEXT];
  if (x->rank != 2 || x->size[1] == 0)
    return fnn_refuse(call, "input", "expected logits of shape (examples,classes), got %s", fnn_shape_text(x, text));
  if (call->in[2] && (fnn_in_shape(call, 2)->rank != 1 || fnn_in_shape(call, 2)->size[0] != x->size[1]))
    return fnn_refuse(call, "weight", "expected (%zu), a weight for each class, got %s", x->size[1],
                      fnn_shape_text(fnn_in_shape(call, 2), text));
  if (!(params->label_smoothing >= 0.0 && params->label_smoothing <= 1.0))
    return fnn_refuse(call, "label_smoothing", "expected 0..1, got %g", params->label_smoothing);
  fnn_out(call, 0, FNN_FLOAT32, &(struct fnn_shape){params->reduction == NONE ? 1 : 0, {x->size[0]}});
  fnn_out(call, 1, FNN_FLOAT32, x); /* hidden: the softmax */
  return FNN_OK;
}

static enum fnn_status classes_infer(struct fnn_call *call) {
  char a[FNN_SHAPE_TEXT];
  FNN_TRY(check(call));
  const struct fnn_shape *x = fnn_in_shape(call, 0), *target = fnn_in_shape(call, 1);
  if (target->rank != 1 || target->size[0] != x->size[0])
    return fnn_refuse(call, "target", "expected (%zu), a class number for each example, got %s", x->size[0],
                      fnn_shape_text(target, a));
  return fnn_indices_check(call->context, call->op->name, "target", call->in[1], x->size[1]);
}

static enum fnn_status soft_infer(struct fnn_call *call) {
  char a[FNN_SHAPE_TEXT], b[FNN_SHAPE_TEXT];
  FNN_TRY(check(call));
  if (!fnn_shape_equal(fnn_in_shape(call, 0), fnn_in_shape(call, 1)))
    return fnn_refuse(call, "target", "expected %s, as the logits have, got %s",
                      fnn_shape_text(fnn_in_shape(call, 0), a), fnn_shape_text(fnn_in_shape(call, 1), b));
  return FNN_OK;
}

struct job {
  size_t classes;
  const int64_t *class_numbers; /* or NULL, and then */
  const float *target;
  const float *weight; /* or NULL */
  double smoothing;
};

static struct job job_for(const struct fnn_call *call) {
  int soft = call->in[1]->dtype == FNN_FLOAT32;
  return (struct job){.classes = call->in_spec[0].shape.size[1],
                      .class_numbers = soft ? NULL : fnn_ints(call->in[1]),
                      .target = soft ? fnn_floats(call->in[1]) : NULL,
                      .weight = call->in[2] ? fnn_floats(call->in[2]) : NULL,
                      .smoothing = ((const struct cross_entropy *)call->params)->label_smoothing};
}

/* t of row i, class c: smoothed and weighted. */
static double target_of(const struct job *job, size_t i, size_t c) {
  /* one of the two is there: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
  double given = job->class_numbers ? (double)((size_t)job->class_numbers[i] == c) : job->target[i * job->classes + c];
  double smoothed = (1.0 - job->smoothing) * given + job->smoothing / (double)job->classes;
  return smoothed * (job->weight ? job->weight[c] : 1.0);
}

/* What the sum over the rows is divided by. */
static double divisor(const struct fnn_call *call, const struct job *job) {
  size_t n = call->in_spec[0].shape.size[0];
  double total = 0.0;
  if (((const struct cross_entropy *)call->params)->reduction != MEAN) return 1.0;
  if (!job->weight || !job->class_numbers) return (double)n;
  for (size_t i = 0; i < n; i++) total += job->weight[job->class_numbers[i]];
  return total;
}

static enum fnn_status forward(struct fnn_call *call) {
  struct job job = job_for(call);
  const struct fnn_reduce_kernels *k = call->context->kernels->reduce;
  size_t n = fnn_in_shape(call, 0)->size[0];
  float *out = fnn_floats(call->out[0]);
  double total = 0.0;
  for (size_t i = 0; i < n; i++) {
    const float *x = fnn_floats(call->in[0]) + i * job.classes;
    double shift = k->logsumexp(job.classes, 1, x), loss = 0.0;
    for (size_t c = 0; c < job.classes; c++) {
      double t = target_of(&job, i, c);
      if (t != 0.0) loss += t * (shift - x[c]);
    }
    k->softmax(job.classes, 1, x, fnn_floats(call->out[1]) + i * job.classes);
    if (call->out[0]->shape.rank == 1) out[i] = (float)loss;
    total += loss;
  }
  if (call->out[0]->shape.rank == 0) *out = (float)(total / divisor(call, &job));
  return FNN_OK;
}

/* d = g (softmax * sum_c t_c - t) */
static void back_logits(const struct fnn_call *call, const struct job *job, size_t i, double g) {
  const float *p = fnn_floats(call->out[1]) + i * job->classes;
  float *d = fnn_floats(call->grad_in[0]) + i * job->classes;
  double sum = 0.0;
  for (size_t c = 0; c < job->classes; c++) sum += target_of(job, i, c);
  for (size_t c = 0; c < job->classes; c++) d[c] = (float)(g * (p[c] * sum - target_of(job, i, c)));
}

/* d = -g (1 - s) weight log softmax */
static void back_target(const struct fnn_call *call, const struct job *job, size_t i, double g) {
  const float *x = fnn_floats(call->in[0]) + i * job->classes;
  float *d = fnn_floats(call->grad_in[1]) + i * job->classes;
  double shift = call->context->kernels->reduce->logsumexp(job->classes, 1, x), factor = g * (1.0 - job->smoothing);
  for (size_t c = 0; c < job->classes; c++)
    d[c] = (float)(factor * (job->weight ? job->weight[c] : 1.0) * (shift - x[c]));
}

static enum fnn_status backward(struct fnn_call *call) {
  struct job job = job_for(call);
  size_t n = fnn_in_shape(call, 0)->size[0];
  int each = call->grad->shape.rank == 1, soft = job.target && fnn_wants(call, 1);
  double factor = 1.0 / divisor(call, &job);
  if (fnn_wants(call, 0)) FNN_TRY(fnn_new_grad(call, 0));
  if (soft) FNN_TRY(fnn_new_grad(call, 1));
  for (size_t i = 0; i < n; i++) {
    double g = fnn_floats(call->grad)[each ? i : 0] * factor;
    if (fnn_wants(call, 0)) back_logits(call, &job, i, g);
    if (soft) back_target(call, &job, i, g);
  }
  return FNN_OK;
}

#define CROSS_ENTROPY_OP(name_, args_, saves_, infer_)                       \
  const struct fnn_op fnn_op_##name_ = {                                     \
      .name = #name_,                                                        \
      .args = args_,                                                         \
      .defaults = &defaults,                                                 \
      .params_bytes = sizeof(struct cross_entropy),                          \
      .types = FNN_FLOATS,                                                   \
      .saves = FNN_SAVE_IN(1) | FNN_SAVE_IN(2) | FNN_SAVE_OUT(1) | (saves_), \
      .outputs = 2,                                                          \
      .hidden = 1,                                                           \
      .infer = infer_,                                                       \
      .forward = forward,                                                    \
      .backward = backward,                                                  \
  }
CROSS_ENTROPY_OP(cross_entropy_classes, classes_args, 0, classes_infer);
CROSS_ENTROPY_OP(cross_entropy_soft, soft_args, FNN_SAVE_IN(0), soft_infer);
