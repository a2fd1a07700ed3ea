/* adaptive_avg_pool2d(x, size): the mean of size[0] x size[1] nearly equal parts of each image of x (N,C,H,W). Part i
 * of an axis runs from floor(i H / P) to ceil((i + 1) H / P), as in PyTorch: neighbours may share a pixel. */
#include <string.h>

#include "../kernels/kernels.h"
#include "sliding.h"

struct adaptive_avg_pool2d {
  size_t size[2];
};
static const struct adaptive_avg_pool2d defaults;
static const struct fnn_arg args[] = {
    {.name = "input", .kind = FNN_TENSOR}, FNN_PARAM(adaptive_avg_pool2d, size, FNN_PAIR, .least = 1), {0}};

static enum fnn_status infer(struct fnn_call *call) {
  const size_t *size = ((const struct adaptive_avg_pool2d *)call->params)->size;
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  FNN_TRY(fnn_check_image(call));
  if (x->size[2] == 0 || x->size[3] == 0) return fnn_refuse(call, "input", "expected images of at least one pixel");
  if (size[0] > UINT32_MAX || size[1] > UINT32_MAX) return fnn_refuse(call, "size", "too large to address");
  fnn_out(call, 0, FNN_FLOAT32, &(struct fnn_shape){4, {x->size[0], x->size[1], size[0], size[1]}});
  return FNN_OK;
}

struct job {
  size_t h, w, p, q, lanes; /* floats of a pixel */
  int back;
  float *image, *result; /* forward writes result, backward adds into image */
};

/* One part of a plane and its mean. */
static void part(const struct job *j, size_t p, size_t q, float *image, float *result) {
  size_t h0 = p * j->h / j->p, h1 = ((p + 1) * j->h + j->p - 1) / j->p;
  size_t w0 = q * j->w / j->q, w1 = ((q + 1) * j->w + j->q - 1) / j->q, lanes = j->lanes;
  float factor = 1.0f / (float)((h1 - h0) * (w1 - w0)), *out = result + (p * j->q + q) * lanes;
  double total[FNN_LANES_MAX] = {0};
  for (size_t h = h0; h < h1; h++)
    for (size_t w = w0; w < w1; w++) {
      float *pixel = image + (h * j->w + w) * lanes;
      for (size_t l = 0; j->back && l < lanes; l++) pixel[l] += out[l] * factor;
      for (size_t l = 0; !j->back && l < lanes; l++) total[l] += pixel[l];
    }
  for (size_t l = 0; !j->back && l < lanes; l++) out[l] = (float)(total[l] * factor);
}

static void planes(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  for (size_t i = first; i < last; i++) {
    float *image = j->image + i * j->h * j->w * j->lanes, *result = j->result + i * j->p * j->q * j->lanes;
    if (j->back) memset(image, 0, j->h * j->w * j->lanes * sizeof *image);
    for (size_t p = 0; p < j->p; p++)
      for (size_t q = 0; q < j->q; q++) part(j, p, q, image, result);
  }
}

static void run(struct fnn_call *call, int back, struct fnn_tensor *image, struct fnn_tensor *result) {
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  const size_t *size = ((const struct adaptive_avg_pool2d *)call->params)->size;
  struct job job = {.h = x->size[2],
                    .w = x->size[3],
                    .p = size[0],
                    .q = size[1],
                    .lanes = fnn_call_width(call),
                    .back = back,
                    .image = fnn_floats(image),
                    .result = fnn_floats(result)};
  fnn_parallel(call->context, fnn_lane_planes(x, call->lanes), fnn_grain(job.h * job.w * job.lanes), planes, &job);
}

static enum fnn_status forward(struct fnn_call *call) {
  run(call, 0, call->in[0], call->out[0]);
  return FNN_OK;
}

static enum fnn_status backward(struct fnn_call *call) {
  FNN_TRY(fnn_new_grad(call, 0));
  run(call, 1, call->grad_in[0], call->grad);
  return FNN_OK;
}

const struct fnn_op fnn_op_adaptive_avg_pool2d = {
    .name = "adaptive_avg_pool2d",
    .args = args,
    .defaults = &defaults,
    .params_bytes = sizeof(struct adaptive_avg_pool2d),
    .types = FNN_FLOATS,
    .flags = FNN_FUNCTIONAL,
    .outputs = 1,
    .lanes = fnn_lanes_as_given,
    .images = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
