/* upsample2d(x, scale): images (N,C,H,W) of any type with each pixel repeated, scale[0] times down and scale[1] times right: its
 * nearest neighbours. */
#include <string.h>

#include "../tensor/lanes.h"
#include "sliding.h"

struct upsample2d {
  size_t scale[2];
};
static const struct upsample2d defaults = {{1, 1}};
static const struct fnn_arg args[] = {
    {.name = "input", .kind = FNN_TENSOR}, FNN_PARAM(upsample2d, scale, FNN_PAIR, .least = 1), {0}};

static enum fnn_status infer(struct fnn_call *call) {
  const size_t *scale = ((const struct upsample2d *)call->params)->scale;
  FNN_TRY(fnn_check_image(call));
  struct fnn_shape shape = *fnn_in_shape(call, 0);
  for (int i = 0; i < 2; i++)
    if (!fnn_multiply(shape.size[2 + i], scale[i], &shape.size[2 + i]))
      return fnn_refuse(call, "scale", "the result is too large to address");
  fnn_out(call, 0, call->in_spec[0].dtype, &shape);
  return FNN_OK;
}

struct job {
  size_t h, w, rows, columns; /* of an image; of the block that a pixel becomes */
  size_t pixel;               /* bytes of one, or floats in backward */
  const void *from;
  void *to;
};

static struct job job_for(const struct fnn_call *call, size_t pixel, const struct fnn_tensor *from,
                          struct fnn_tensor *to) {
  const struct upsample2d *params = call->params;
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  return (struct job){.h = x->size[2],
                      .w = x->size[3],
                      .rows = params->scale[0],
                      .columns = params->scale[1],
                      .pixel = fnn_call_width(call) * pixel,
                      .from = fnn_tensor_data(from),
                      .to = fnn_tensor_data(to)};
}

/* All planes in pieces of about the same work. */
static void over_planes(struct fnn_call *call, struct job *job, fnn_task piece) {
  size_t plane = job->h * job->rows * job->w * job->columns * job->pixel;
  fnn_parallel(call->context, fnn_lane_planes(fnn_in_shape(call, 0), call->lanes), 1 + 65536 / (plane + 1), piece, job);
}

/* A row of pixels, each repeated; with sizes that are frequent known when this is compiled. */
static inline void repeat(const struct job *j, size_t pixel, const char *from, char *to) {
  for (size_t q = 0; q < j->w; q++, from += pixel)
    for (size_t i = 0; i < j->columns; i++, to += pixel) memcpy(to, from, pixel);
}

static void enlarge(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  size_t from_row = j->w * j->pixel, to_row = from_row * j->columns;
  const char *from = (const char *)j->from + first * j->h * from_row;
  char *to = (char *)j->to + first * j->h * j->rows * to_row;
  for (size_t p = first * j->h; p < last * j->h; p++, from += from_row) {
    switch (j->pixel) {
      case sizeof(float): repeat(j, sizeof(float), from, to); break;
      case 8 * sizeof(float): repeat(j, 8 * sizeof(float), from, to); break;
      case 16 * sizeof(float): repeat(j, 16 * sizeof(float), from, to); break;
      default: repeat(j, j->pixel, from, to);
    }
    for (size_t i = 1; i < j->rows; i++) memcpy(to + i * to_row, to, to_row);
    to += j->rows * to_row;
  }
}

static enum fnn_status forward(struct fnn_call *call) {
  struct job job = job_for(call, fnn_dtype_size(call->in[0]->dtype), call->in[0], call->out[0]);
  over_planes(call, &job, enlarge);
  return FNN_OK;
}

/* A pixel's gradient is the sum over its block. */
static void add_up(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  size_t row = j->w * j->pixel;
  const float *from = (const float *)j->from + first * j->h * j->rows * row * j->columns;
  float *to = (float *)j->to + first * j->h * row;
  for (size_t p = first * j->h; p < last * j->h; p++, to += row) {
    memset(to, 0, row * sizeof *to);
    for (size_t r = 0; r < j->rows; r++)
      for (size_t q = 0; q < row; q += j->pixel)
        for (size_t s = 0; s < j->columns; s++, from += j->pixel)
          for (size_t l = 0; l < j->pixel; l++) to[q + l] += from[l];
  }
}

static enum fnn_status backward(struct fnn_call *call) {
  FNN_TRY(fnn_new_grad(call, 0));
  struct job job = job_for(call, 1, call->grad, call->grad_in[0]);
  over_planes(call, &job, add_up);
  return FNN_OK;
}

const struct fnn_op fnn_op_upsample2d = {
    .name = "upsample2d",
    .args = args,
    .defaults = &defaults,
    .params_bytes = sizeof(struct upsample2d),
    .types = FNN_ANY,
    .outputs = 1,
    .lanes = fnn_lanes_as_given,
    .images = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
