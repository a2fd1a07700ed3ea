/* conv2d(x, weight, bias, {stride, padding, dilation, groups}): cross-correlation of x (N,C,H,W) with
 * weight (K,C/groups,R,S), plus bias (K), giving (N,K,P,Q). conv2d_relu(x, weight, bias, addend, ...) is the same, plus an
 * addend of the result's shape if there is one, followed by relu. conv2d_relu_max_pool(x, weight, bias, ...) is conv2d followed
 * by relu and the largest of each 2 x 2 pixels, (N,K,P/2,Q/2) rounded down; backward looks at which of the four that is,
 * a byte, and nobody keeps the four. Batches that fill lanes go through them, forward of a
 * few images through lanes of channels or pixels, the rest by column matrices and BLAS.
 *
 * precision "bf16": batches in lanes are multiplied as bfloat16, forward and backward, and added up as float32, where the
 * CPU has instructions for it; elsewhere it changes nothing. Root mean squares of the errors, relative to those of the results,
 * are at most 0.4 %, and 1.4 % in weights' gradients. */
#include "channel_convolution.h"
#include "convolution.h"
#include "flat_convolution.h"
#include "lane_convolution.h"
#include "sliding.h"

struct conv2d {
  size_t stride[2], dilation[2], groups;
  struct fnn_padding padding;
  int precision;
};
static const struct conv2d defaults = {.stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
#define TENSOR(name_, flags_) \
  { .name = name_, .kind = FNN_TENSOR, .flags = flags_ }
#define TENSORS TENSOR("input", 0), TENSOR("weight", 0), TENSOR("bias", FNN_OPTIONAL)
#define PARAMS                                                                  \
  FNN_PARAM(conv2d, stride, FNN_PAIR, .flags = FNN_OPTIONAL, .least = 1),       \
      FNN_PARAM(conv2d, padding, FNN_PADDING, .flags = FNN_OPTIONAL),           \
      FNN_PARAM(conv2d, dilation, FNN_PAIR, .flags = FNN_OPTIONAL, .least = 1), \
      FNN_PARAM(conv2d, groups, FNN_SIZE, .flags = FNN_OPTIONAL, .least = 1),   \
      FNN_PARAM(conv2d, precision, FNN_CHOICE, .flags = FNN_OPTIONAL, .choices = fnn_precisions)
static const struct fnn_arg args[] = {TENSORS, PARAMS, {0}};
static const struct fnn_arg relu_args[] = {TENSORS, TENSOR("addend", FNN_OPTIONAL), PARAMS, {0}};
enum { ADDEND = 3 }; /* among conv2d_relu's inputs */

extern const struct fnn_op fnn_op_conv2d_relu, fnn_op_conv2d_relu_max_pool;

static int has_relu(const struct fnn_call *call) { return call->op == &fnn_op_conv2d_relu; }
static int has_pool(const struct fnn_call *call) { return call->op == &fnn_op_conv2d_relu_max_pool; }

static const struct fnn_tensor *addend_of(const struct fnn_call *call) {
  return has_relu(call) ? call->in[ADDEND] : NULL;
}

static enum fnn_status geometry(const struct fnn_call *call, struct fnn_convolution *conv) {
  const struct conv2d *params = call->params;
  const struct fnn_shape *x = fnn_in_shape(call, 0), *w = fnn_in_shape(call, 1);
  *conv = (struct fnn_convolution){.n = x->size[0],
                                   .c = x->size[1],
                                   .k = w->size[0],
                                   .groups = params->groups,
                                   .bf16 = params->precision == FNN_PRECISION_BF16};
  return fnn_slide(call, w->size[2], w->size[3], params->stride, params->dilation, &params->padding, &conv->window);
}

/* The sums under the activation. */
static struct fnn_shape shape_of(const struct fnn_convolution *conv) {
  return (struct fnn_shape){4, {conv->n, conv->k, conv->window.p, conv->window.q}};
}

static enum fnn_status infer(struct fnn_call *call) {
  const struct fnn_shape *x = fnn_in_shape(call, 0), *w = fnn_in_shape(call, 1);
  size_t groups = ((const struct conv2d *)call->params)->groups;
  char text[FNN_SHAPE_TEXT];
  struct fnn_convolution conv;
  FNN_TRY(fnn_check_image(call));
  FNN_TRY(fnn_check_groups(call, groups, x->size[1], "input channels"));
  if (w->rank != 4 || w->size[1] != x->size[1] / groups || w->size[2] == 0 || w->size[3] == 0)
    return fnn_refuse(call, "weight", "expected (filters,%zu,kernel height,kernel width), got %s", x->size[1] / groups,
                      fnn_shape_text(w, text));
  FNN_TRY(fnn_check_groups(call, groups, w->size[0], "filters"));
  if (call->in[2] && (fnn_in_shape(call, 2)->rank != 1 || fnn_in_shape(call, 2)->size[0] != w->size[0]))
    return fnn_refuse(call, "bias", "expected (%zu), got %s", w->size[0], fnn_shape_text(fnn_in_shape(call, 2), text));
  FNN_TRY(geometry(call, &conv));
  FNN_TRY(fnn_check_convolution(call, &conv));
  struct fnn_shape out = shape_of(&conv);
  if (has_pool(call)) return fnn_infer_pool(call, &out, 1);
  if (addend_of(call) && !fnn_shape_equal(fnn_in_shape(call, ADDEND), &out)) {
    char want[FNN_SHAPE_TEXT];
    return fnn_refuse(call, "addend", "expected %s, got %s", fnn_shape_text(&out, want),
                      fnn_shape_text(fnn_in_shape(call, ADDEND), text));
  }
  fnn_out(call, 0, FNN_FLOAT32, &out);
  return FNN_OK;
}

static size_t multiply_adds(const struct fnn_call *call) {
  const struct fnn_shape *w = fnn_in_shape(call, 1);
  struct fnn_convolution conv;
  if (geometry(call, &conv) != FNN_OK) return 0;
  const struct fnn_shape sums = shape_of(&conv);
  return fnn_shape_numel(&sums) * w->size[1] * w->size[2] * w->size[3];
}

/* Of a weight with two axes of taps. */
static int is_ordinary(const struct fnn_call *call) {
  const struct conv2d *params = call->params;
  return fnn_is_ordinary(&call->in[1]->shape.size[2], params->stride, params->dilation, &params->padding);
}

/* Shapes are not checked yet, but a stride and a dilation together are known. */
static struct fnn_lanes lanes(const struct fnn_call *call) {
  const struct conv2d *params = call->params;
  const struct fnn_tensor *x = call->in[0], *w = call->in[1];
  const struct fnn_lanes given = fnn_images_as_given(call), none = {0};
  if (x->shape.rank != 4 || w->shape.rank != 4 || !is_ordinary(call)) return none;
  size_t images = given.count ? given.count : fnn_lanes_for(call->context->isa, x->shape.size[0]);
  struct fnn_convolution conv = {.c = x->shape.size[1],
                                 .k = w->shape.size[0],
                                 .groups = params->groups,
                                 .window = {.r = w->shape.size[2],
                                            .s = w->shape.size[3],
                                            .stride = {params->stride[0], params->stride[1]},
                                            .dilation = {params->dilation[0], params->dilation[1]}}};
  if (images) return fnn_lanes_convolve(&conv) ? (struct fnn_lanes){images, FNN_IMAGES} : none;
  return !call->recorded && fnn_channels_convolve(&conv) ? fnn_channel_lanes(call->context) : none; /* forward alone */
}

/* By channels in lanes, between tensors that have rows: backward wants them so. */
static enum fnn_status convolve_rows(struct fnn_call *call, const struct fnn_convolution *conv,
                                     struct fnn_epilogue epilogue, struct fnn_tensor *y) {
  struct fnn_lanes lanes = fnn_channel_lanes(call->context);
  struct fnn_tensor *laned[3] = {0};
  enum fnn_status status = fnn_tensor_laned(call->in[0], lanes, &laned[0]);
  if (status == FNN_OK) status = fnn_tensor_new_laned(call->context, &y->shape, lanes, &laned[1]);
  if (status == FNN_OK && epilogue.addend) status = fnn_tensor_laned(call->in[ADDEND], lanes, &laned[2]);
  if (laned[2]) epilogue.addend = fnn_floats(laned[2]);
  if (status == FNN_OK)
    status =
        fnn_channel_convolve(call->context, conv, fnn_floats(laned[0]), call->in[1], &epilogue, fnn_floats(laned[1]));
  if (status == FNN_OK) fnn_lanes_unpack(y, laned[1]);
  fnn_tensors_release(laned, 3);
  return status;
}

/* Whether nobody makes the sums under the pool but in parts. */
static int pools_on_the_way(const struct fnn_call *call) {
  return has_pool(call) && call->lanes.count && call->lanes.axis == FNN_IMAGES;
}

static enum fnn_status convolve(struct fnn_call *call, const struct fnn_convolution *conv, struct fnn_tensor *out) {
  const struct fnn_tensor *weight = call->in[1];
  const float *x = fnn_floats(call->in[0]);
  struct fnn_epilogue epilogue = {.bias = call->in[2] ? fnn_floats(call->in[2]) : NULL,
                                  .relu = has_relu(call),
                                  .addend = addend_of(call) ? fnn_floats(addend_of(call)) : NULL,
                                  .pool = pools_on_the_way(call)};
  if (epilogue.pool && call->recorded) epilogue.winner = fnn_bytes(call->out[1]);
  float *y = fnn_floats(out);
  const struct fnn_elementwise_kernels *k = call->context->kernels->elementwise;
  if (call->lanes.count && call->lanes.axis == FNN_CHANNELS)
    return fnn_channel_convolve(call->context, conv, x, weight, &epilogue, y);
  if (call->lanes.count) /* weights that are trained change before the next call */
    return fnn_lane_convolve(call->context, call->lanes.count, conv, x, weight, !call->recorded, &epilogue, y);
  int ordinary = is_ordinary(call);
  if (ordinary && fnn_channels_convolve(conv)) return convolve_rows(call, conv, epilogue, out);
  if (ordinary && fnn_flat_convolves(conv)) return fnn_flat_convolve(call->context, conv, x, weight, &epilogue, y);
  FNN_TRY(fnn_convolve(call->context, conv, x, fnn_floats(weight), epilogue.bias, y));
  if (epilogue.addend) k->accumulate(fnn_tensor_numel(out), epilogue.addend, y);
  if (epilogue.relu) k->unary[FNN_UNARY_relu](fnn_tensor_numel(out), y, y, NULL);
  return FNN_OK;
}

struct pool_job {
  const struct fnn_pool_kernels *kernels;
  struct fnn_window window;
  size_t inputs, outputs; /* floats of a plane */
  size_t blocks, filters; /* backward */
  const float *x, *g;
  uint8_t *winner;
  float *y, *d, *d_bias;
};

static struct pool_job pool_job_for(const struct fnn_call *call, const struct fnn_convolution *conv) {
  const struct fnn_window w = fnn_pool_window(conv->window.p, conv->window.q);
  return (struct pool_job){.kernels = fnn_call_pool(call),
                           .window = w,
                           .inputs = w.h * w.w * fnn_call_width(call),
                           .outputs = w.p * w.q * fnn_call_width(call)};
}

static void pool_planes(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct pool_job *j = user;
  for (size_t i = first; i < last; i++)
    j->kernels->max_of_four(&j->window, 1, j->x + i * j->inputs, j->y + i * j->outputs,
                            j->winner ? j->winner + i * j->outputs : NULL);
}

static enum fnn_status convolve_and_pool(struct fnn_call *call, const struct fnn_convolution *conv) {
  const struct fnn_shape shape = shape_of(conv);
  struct fnn_tensor *sums;
  FNN_TRY(fnn_call_new(call, &shape, &sums));
  struct pool_job job = pool_job_for(call, conv);
  job.x = fnn_floats(sums);
  job.y = fnn_floats(call->out[0]);
  job.winner = call->recorded ? fnn_bytes(call->out[1]) : NULL;
  enum fnn_status status = convolve(call, conv, sums);
  if (status == FNN_OK)
    fnn_parallel(call->context, fnn_lane_planes(&sums->shape, call->lanes), fnn_grain(job.inputs), pool_planes, &job);
  fnn_tensor_release(sums);
  return status;
}

static enum fnn_status forward(struct fnn_call *call) {
  struct fnn_convolution conv;
  FNN_TRY(geometry(call, &conv));
  if (has_pool(call) && !pools_on_the_way(call)) return convolve_and_pool(call, &conv);
  return convolve(call, &conv, call->out[0]);
}

/* ---- backward ---- */

struct relu_job {
  const struct fnn_kernels *kernels;
  const struct fnn_lane_kernels *lane_kernels; /* for images in lanes, or NULL */
  size_t blocks, filters, pixels;
  const float *y, *g;
  float *below, *d_bias;
};

/* For each channel, the gradient below relu and its sum. */
static void back_relu(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct relu_job *j = user;
  size_t size = j->pixels * (j->lane_kernels ? j->lane_kernels->width : 1);
  for (size_t k = first; k < last; k++) {
    double total = 0.0;
    for (size_t b = 0; b < j->blocks; b++) {
      size_t at = (b * j->filters + k) * size;
      if (j->lane_kernels) {
        total += j->lane_kernels->relu_back(j->pixels, j->y + at, j->g + at, j->below + at);
        continue;
      }
      j->kernels->elementwise->unary_slope[FNN_UNARY_relu](size, j->y + at, j->g + at, j->below + at, NULL);
      if (j->d_bias) total += j->kernels->reduce->sum(size, j->below + at);
    }
    if (j->d_bias) j->d_bias[k] = (float)total;
  }
}

/* For each channel, the gradient below the pool and relu, and its sum. */
static void back_pool(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct pool_job *j = user;
  for (size_t k = first; k < last; k++) {
    double total = 0.0;
    for (size_t plane = k; plane < j->blocks * j->filters; plane += j->filters)
      total += j->kernels->back_to_winners(&j->window, j->winner + plane * j->outputs, j->g + plane * j->outputs,
                                           j->d + plane * j->inputs);
    if (j->d_bias) j->d_bias[k] = (float)total;
  }
}

/* *below: the gradient of the sums under the activation, which is the addend's too; and that of the bias. */
static enum fnn_status back_elementwise(struct fnn_call *call, const struct fnn_convolution *conv,
                                        struct fnn_tensor **below) {
  size_t lanes = call->lanes.count, blocks = lanes ? fnn_lane_blocks(&call->grad->shape, lanes) : conv->n;
  size_t pixels = conv->window.p * conv->window.q;
  const float *g = fnn_floats(call->grad);
  float *d_bias = NULL;
  if (fnn_wants(call, 2)) {
    FNN_TRY(fnn_new_grad(call, 2));
    d_bias = fnn_floats(call->grad_in[2]);
  }
  if (!has_relu(call) && !has_pool(call)) {
    if (d_bias) fnn_sum_channels(call->context, blocks, conv->k, lanes ? pixels * lanes : pixels, g, d_bias);
    *below = fnn_tensor_retain(call->grad);
    return FNN_OK;
  }
  if (has_pool(call)) {
    const struct fnn_shape shape = shape_of(conv);
    FNN_TRY(fnn_call_new(call, &shape, below));
    struct pool_job job = pool_job_for(call, conv);
    job.blocks = blocks, job.filters = conv->k;
    job.winner = fnn_bytes(call->out[1]), job.g = g, job.d = fnn_floats(*below), job.d_bias = d_bias;
    fnn_parallel(call->context, conv->k, 1, back_pool, &job);
    return FNN_OK;
  }
  FNN_TRY(fnn_own_grad(call, below));
  struct relu_job job = {.kernels = call->context->kernels,
                         .lane_kernels = lanes ? fnn_call_kernels(call) : NULL,
                         .blocks = blocks,
                         .filters = conv->k,
                         .pixels = pixels,
                         .y = fnn_floats(call->out[0]),
                         .g = g,
                         .below = fnn_floats(*below),
                         .d_bias = d_bias};
  fnn_parallel(call->context, conv->k, 1, back_relu, &job);
  if (fnn_wants(call, ADDEND)) call->grad_in[ADDEND] = fnn_tensor_retain(*below);
  return FNN_OK;
}

/* Images in lanes are added to what there is of their gradient while sums are at hand. */
static enum fnn_status back_input(struct fnn_call *call, const struct fnn_convolution *conv, const float *g) {
  const float *weight = fnn_floats(call->in[1]);
  FNN_TRY(fnn_new_grad(call, 0));
  float *dx = fnn_floats(call->grad_in[0]);
  if (!call->lanes.count) return fnn_convolve_back_input(call->context, conv, g, weight, dx);
  call->added = call->so_far && conv->window.stride[0] == 1 && conv->window.stride[1] == 1;
  return fnn_lane_convolve_back_input(call->context, call->lanes.count, conv, g, weight,
                                      call->added ? fnn_floats(call->so_far) : NULL, dx);
}

static enum fnn_status back_weight(struct fnn_call *call, const struct fnn_convolution *conv, const float *g) {
  const float *x = fnn_floats(call->in[0]);
  FNN_TRY(fnn_new_grad(call, 1));
  float *dw = fnn_floats(call->grad_in[1]);
  return call->lanes.count ? fnn_lane_convolve_back_weight(call->context, call->lanes.count, conv, g, x, dw)
                           : fnn_convolve_back_weight(call->context, conv, g, x, dw);
}

/* Where nobody wants the gradient of input or addend, that of the sums need not be made. */
static int masks_rows(const struct fnn_call *call, const struct fnn_convolution *conv) {
  if (!has_pool(call) && !has_relu(call)) return 0;
  if (!call->lanes.count || fnn_wants(call, 0) || !fnn_wants(call, 1)) return 0;
  return !(has_relu(call) && fnn_wants(call, ADDEND)) && fnn_lane_masks_rows(call->context, call->lanes.count, conv);
}

static enum fnn_status back_masked(struct fnn_call *call, const struct fnn_convolution *conv) {
  const struct fnn_masked_gradient masked = {.g = fnn_floats(call->grad),
                                             .y = has_relu(call) ? fnn_floats(call->out[0]) : NULL,
                                             .winner = has_pool(call) ? fnn_bytes(call->out[1]) : NULL};
  FNN_TRY(fnn_new_grad(call, 1));
  if (fnn_wants(call, 2)) FNN_TRY(fnn_new_grad(call, 2));
  return fnn_lane_convolve_back_masked(call->context, call->lanes.count, conv, &masked, fnn_floats(call->in[0]),
                                       fnn_floats(call->grad_in[1]),
                                       call->grad_in[2] ? fnn_floats(call->grad_in[2]) : NULL);
}

static enum fnn_status backward(struct fnn_call *call) {
  struct fnn_convolution conv;
  struct fnn_tensor *below;
  FNN_TRY(geometry(call, &conv));
  if (masks_rows(call, &conv)) return back_masked(call, &conv);
  FNN_TRY(back_elementwise(call, &conv, &below));
  enum fnn_status status = FNN_OK;
  if (fnn_wants(call, 0)) status = back_input(call, &conv, fnn_floats(below));
  if (fnn_wants(call, 1) && status == FNN_OK) status = back_weight(call, &conv, fnn_floats(below));
  fnn_tensor_release(below);
  return status;
}

#define CONV2D(name_, args_, flags_, outputs_, saves_, images_) \
  const struct fnn_op fnn_op_##name_ = {                        \
      .name = #name_,                                           \
      .args = args_,                                            \
      .defaults = &defaults,                                    \
      .params_bytes = sizeof(struct conv2d),                    \
      .types = FNN_FLOATS,                                      \
      .flags = flags_,                                          \
      .saves = FNN_SAVE_IN(0) | FNN_SAVE_IN(1) | (saves_),      \
      .outputs = outputs_,                                      \
      .hidden = (outputs_)-1,                                   \
      .lanes = lanes,                                           \
      .images = images_,                                        \
      .infer = infer,                                           \
      .forward = forward,                                       \
      .backward = backward,                                     \
      .multiply_adds = multiply_adds,                           \
  };
CONV2D(conv2d, args, FNN_FUNCTIONAL, 1, 0, 1)
CONV2D(conv2d_relu, relu_args, FNN_FUNCTIONAL, 1, FNN_SAVE_OUT(0), 1 | 1u << ADDEND)
CONV2D(conv2d_relu_max_pool, args, 0, 2, FNN_SAVE_OUT(1), 1)
