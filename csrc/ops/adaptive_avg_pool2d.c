/* adaptive_avg_pool2d(x, size): the mean of size[0] x size[1] nearly equal parts of each image of x (N,C,H,W). Part i
 * of an axis runs from floor(i H / P) to ceil((i + 1) H / P), as in PyTorch: neighbours may share a pixel. */
#include <string.h>

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
  size_t h, w, p, q;
  int back;
  float *image, *result; /* forward writes result, backward adds into image */
};

static void planes(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  for (size_t i = first; i < last; i++) {
    float *image = j->image + i * j->h * j->w, *result = j->result + i * j->p * j->q;
    if (j->back) memset(image, 0, j->h * j->w * sizeof *image);
    for (size_t p = 0; p < j->p; p++)
      for (size_t q = 0; q < j->q; q++) {
        size_t h0 = p * j->h / j->p, h1 = ((p + 1) * j->h + j->p - 1) / j->p;
        size_t w0 = q * j->w / j->q, w1 = ((q + 1) * j->w + j->q - 1) / j->q;
        float factor = 1.0f / (float)((h1 - h0) * (w1 - w0)), *out = &result[p * j->q + q];
        double total = 0.0;
        for (size_t h = h0; h < h1; h++)
          for (size_t w = w0; w < w1; w++) {
            if (j->back)
              image[h * j->w + w] += *out * factor;
            else
              total += image[h * j->w + w];
          }
        if (!j->back) *out = (float)(total * factor);
      }
  }
}

static void run(struct fnn_call *call, int back, struct fnn_tensor *image, struct fnn_tensor *result) {
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  const size_t *size = ((const struct adaptive_avg_pool2d *)call->params)->size;
  struct job job = {x->size[2], x->size[3], size[0], size[1], back, fnn_floats(image), fnn_floats(result)};
  fnn_parallel(call->context, x->size[0] * x->size[1], 1 + 16384 / (x->size[2] * x->size[3]), planes, &job);
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
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
