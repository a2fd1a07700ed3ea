/* max_pool2d(x, kernel, {stride, padding, dilation}) and avg_pool2d(x, kernel, {stride, padding, count_padding}) over
 * x (N,C,H,W). The stride is the kernel unless given. Padding never wins a maximum; it counts in an
 * average only when count_padding says so. */
#include "sliding.h"

struct pool2d {
  size_t kernel[2], stride[2], dilation[2];
  struct fnn_padding padding;
  int count_padding;
};
static const struct pool2d defaults = {.dilation = {1, 1}};

#define POOL_ARGS                                                                         \
  {.name = "input", .kind = FNN_TENSOR}, FNN_PARAM(pool2d, kernel, FNN_PAIR, .least = 1), \
      FNN_PARAM(pool2d, stride, FNN_PAIR, .flags = FNN_OPTIONAL, .least = 1),             \
      FNN_PARAM(pool2d, padding, FNN_PADDING, .flags = FNN_OPTIONAL)
static const struct fnn_arg max_args[] = {
    POOL_ARGS, FNN_PARAM(pool2d, dilation, FNN_PAIR, .flags = FNN_OPTIONAL, .least = 1), {0}};
static const struct fnn_arg avg_args[] = {
    POOL_ARGS, FNN_PARAM(pool2d, count_padding, FNN_BOOL, .flags = FNN_OPTIONAL), {0}};

static enum fnn_status geometry(const struct fnn_call *call, struct fnn_window *window) {
  const struct pool2d *params = call->params;
  const size_t *stride = params->stride[0] ? params->stride : params->kernel;
  return fnn_slide(call, params->kernel[0], params->kernel[1], stride, params->dilation, &params->padding, window);
}

static enum fnn_status infer(struct fnn_call *call) {
  struct fnn_window w;
  FNN_TRY(fnn_check_image(call));
  FNN_TRY(geometry(call, &w));
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  fnn_out(call, 0, FNN_FLOAT32, &(struct fnn_shape){4, {x->size[0], x->size[1], w.p, w.q}});
  return FNN_OK;
}

struct job {
  const struct fnn_pool_kernels *kernels;
  size_t width; /* floats of a pixel */
  struct fnn_window window;
  int whole;
  const float *x, *g;
  float *out;
};

static struct job job_for(const struct fnn_call *call, struct fnn_window window) {
  return (struct job){.kernels = fnn_call_pool(call),
                      .width = fnn_call_width(call),
                      .window = window,
                      .whole = ((const struct pool2d *)call->params)->count_padding,
                      .x = call->in[0] ? fnn_floats(call->in[0]) : NULL};
}

/* The planes of number first .. last-1. */
#define FOR_EACH_PLANE(body)                                                          \
  (void)worker;                                                                       \
  const struct job *job = user;                                                       \
  const struct fnn_window *w = &job->window;                                          \
  const size_t inputs = w->h * w->w * job->width, outputs = w->p * w->q * job->width; \
  for (size_t i = first; i < last; i++) {                                             \
    body;                                                                             \
  }

static void max_planes(void *user, size_t first, size_t last, int worker) {
  FOR_EACH_PLANE(job->kernels->max(w, job->x + i * inputs, job->out + i * outputs))
}

static void max_planes_back(void *user, size_t first, size_t last, int worker) {
  FOR_EACH_PLANE(job->kernels->max_back(w, job->x + i * inputs, job->g + i * outputs, job->out + i * inputs))
}

static void avg_planes(void *user, size_t first, size_t last, int worker) {
  FOR_EACH_PLANE(job->kernels->avg(w, job->whole, job->x + i * inputs, job->out + i * outputs))
}

static void avg_planes_back(void *user, size_t first, size_t last, int worker) {
  FOR_EACH_PLANE(job->kernels->avg_back(w, job->whole, job->g + i * outputs, job->out + i * inputs))
}

static enum fnn_status over_planes(struct fnn_call *call, struct job *job, fnn_task piece) {
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  size_t plane = job->window.h * job->window.w * job->width;
  fnn_parallel(call->context, fnn_lane_planes(x, call->lanes), fnn_grain(plane), piece, job);
  return FNN_OK;
}

static enum fnn_status forward(struct fnn_call *call, fnn_task piece) {
  struct fnn_window window;
  FNN_TRY(geometry(call, &window));
  struct job job = job_for(call, window);
  job.out = fnn_floats(call->out[0]);
  return over_planes(call, &job, piece);
}

static enum fnn_status backward(struct fnn_call *call, fnn_task piece) {
  struct fnn_window window;
  FNN_TRY(geometry(call, &window));
  FNN_TRY(fnn_new_grad(call, 0));
  struct job job = job_for(call, window);
  job.g = fnn_floats(call->grad);
  job.out = fnn_floats(call->grad_in[0]);
  return over_planes(call, &job, piece);
}

static enum fnn_status max_forward(struct fnn_call *call) { return forward(call, max_planes); }
static enum fnn_status max_backward(struct fnn_call *call) { return backward(call, max_planes_back); }
static enum fnn_status avg_forward(struct fnn_call *call) { return forward(call, avg_planes); }
static enum fnn_status avg_backward(struct fnn_call *call) { return backward(call, avg_planes_back); }

const struct fnn_op fnn_op_max_pool2d = {
    .name = "max_pool2d",
    .args = max_args,
    .defaults = &defaults,
    .params_bytes = sizeof(struct pool2d),
    .types = FNN_FLOATS,
    .flags = FNN_FUNCTIONAL,
    .saves = FNN_SAVE_IN(0),
    .outputs = 1,
    .lanes = fnn_lanes_as_given,
    .images = 1,
    .infer = infer,
    .forward = max_forward,
    .backward = max_backward,
};

const struct fnn_op fnn_op_avg_pool2d = {
    .name = "avg_pool2d",
    .args = avg_args,
    .defaults = &defaults,
    .params_bytes = sizeof(struct pool2d),
    .types = FNN_FLOATS,
    .flags = FNN_FUNCTIONAL,
    .outputs = 1,
    .lanes = fnn_lanes_as_given,
    .images = 1,
    .infer = infer,
    .forward = avg_forward,
    .backward = avg_backward,
};
