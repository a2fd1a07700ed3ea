/* conv_transpose2d(x, weight, bias, {stride, padding, output_padding, dilation, groups}): the gradient of a convolution as a
 * layer. x is (N,K,P,Q), weight (K,C/groups,R,S), bias (C); the result (N,C,H,W) is the image whose convolution
 * would have x's shape: H = (P - 1) stride - top - bottom + dilation (R - 1) + 1 + output_padding, or P * stride
 * when the padding is "same". */
#include "convolution.h"
#include "lane_convolution.h"
#include "sliding.h"

struct conv_transpose2d {
  size_t stride[2], dilation[2], output_padding[2], groups;
  struct fnn_padding padding;
};
static const struct conv_transpose2d defaults = {.stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
static const struct fnn_arg args[] = {
    {.name = "input", .kind = FNN_TENSOR},
    {.name = "weight", .kind = FNN_TENSOR},
    {.name = "bias", .kind = FNN_TENSOR, .flags = FNN_OPTIONAL},
    FNN_PARAM(conv_transpose2d, stride, FNN_PAIR, .flags = FNN_OPTIONAL, .least = 1),
    FNN_PARAM(conv_transpose2d, padding, FNN_PADDING, .flags = FNN_OPTIONAL),
    FNN_PARAM(conv_transpose2d, output_padding, FNN_PAIR, .flags = FNN_OPTIONAL),
    FNN_PARAM(conv_transpose2d, dilation, FNN_PAIR, .flags = FNN_OPTIONAL, .least = 1),
    FNN_PARAM(conv_transpose2d, groups, FNN_SIZE, .flags = FNN_OPTIONAL, .least = 1),
    {0}};

/* The output's size along one axis and the zeros before it, seen from the convolution that this is the transpose of. */
static enum fnn_status along(const struct fnn_call *call, int axis, size_t kernel, size_t before, size_t after,
                             size_t *size, size_t *zeros) {
  const struct conv_transpose2d *params = call->params;
  size_t inputs = fnn_in_shape(call, 0)->size[2 + axis], stride = params->stride[axis],
         extra = params->output_padding[axis];
  size_t spread, reach;
  if (extra >= stride && extra >= params->dilation[axis])
    return fnn_refuse(call, "output_padding", "expected less than the stride %zu or the dilation %zu, got %zu", stride,
                      params->dilation[axis], extra);
  if (!fnn_multiply(inputs ? inputs - 1 : 0, stride, &spread) ||
      !fnn_multiply(kernel - 1, params->dilation[axis], &reach) || spread > SIZE_MAX / 8 || reach > SIZE_MAX / 8 ||
      before > SIZE_MAX / 8 || after > SIZE_MAX / 8)
    return fnn_refuse(call, "input", "the result is too large to address");
  reach++;
  if (params->padding.mode == FNN_PAD_SAME) {
    *size = inputs * stride;
    *zeros = spread + reach > *size ? (spread + reach - *size) / 2 : 0;
    return FNN_OK;
  }
  if (spread + reach + extra <= before + after)
    return fnn_refuse(call, "padding", "expected less than the %zu pixels of the result, got %zu",
                      spread + reach + extra, before + after);
  *size = spread + reach + extra - before - after;
  *zeros = before;
  return FNN_OK;
}

static enum fnn_status geometry(const struct fnn_call *call, struct fnn_convolution *conv) {
  const struct conv_transpose2d *params = call->params;
  const struct fnn_shape *x = fnn_in_shape(call, 0), *w = fnn_in_shape(call, 1);
  *conv = (struct fnn_convolution){
      .n = x->size[0], .k = x->size[1], .c = w->size[1] * params->groups, .groups = params->groups};
  struct fnn_window *window = &conv->window;
  *window = (struct fnn_window){.r = w->size[2],
                                .s = w->size[3],
                                .p = x->size[2],
                                .q = x->size[3],
                                .stride = {params->stride[0], params->stride[1]},
                                .dilation = {params->dilation[0], params->dilation[1]}};
  FNN_TRY(along(call, 0, window->r, params->padding.top, params->padding.bottom, &window->h, &window->top));
  return along(call, 1, window->s, params->padding.left, params->padding.right, &window->w, &window->left);
}

static enum fnn_status infer(struct fnn_call *call) {
  const struct fnn_shape *x = fnn_in_shape(call, 0), *w = fnn_in_shape(call, 1);
  size_t groups = ((const struct conv_transpose2d *)call->params)->groups;
  char text[FNN_SHAPE_TEXT];
  struct fnn_convolution conv;
  FNN_TRY(fnn_check_image(call));
  if (w->rank != 4 || w->size[0] != x->size[1] || w->size[2] == 0 || w->size[3] == 0)
    return fnn_refuse(call, "weight", "expected (%zu,filters / groups,kernel height,kernel width), got %s", x->size[1],
                      fnn_shape_text(w, text));
  FNN_TRY(fnn_check_groups(call, groups, x->size[1], "input channels"));
  FNN_TRY(geometry(call, &conv));
  FNN_TRY(fnn_check_convolution(call, &conv));
  if (call->in[2] && (fnn_in_shape(call, 2)->rank != 1 || fnn_in_shape(call, 2)->size[0] != conv.c))
    return fnn_refuse(call, "bias", "expected (%zu), got %s", conv.c, fnn_shape_text(fnn_in_shape(call, 2), text));
  fnn_out(call, 0, FNN_FLOAT32, &(struct fnn_shape){4, {conv.n, conv.c, conv.window.h, conv.window.w}});
  return FNN_OK;
}

static size_t multiply_adds(const struct fnn_call *call) {
  const struct fnn_shape *w = &call->in_spec[1].shape;
  return fnn_shape_numel(&call->in_spec[0].shape) * w->size[1] * w->size[2] * w->size[3];
}

/* Shapes are not checked yet. Few images go by column matrices. */
static struct fnn_lanes lanes(const struct fnn_call *call) {
  const struct conv_transpose2d *params = call->params;
  const struct fnn_tensor *x = call->in[0], *w = call->in[1];
  const struct fnn_lanes given = fnn_images_as_given(call), none = {0};
  if (x->shape.rank != 4 || w->shape.rank != 4) return none;
  if (!fnn_is_ordinary(&w->shape.size[2], params->stride, params->dilation, &params->padding)) return none;
  size_t images = given.count ? given.count : fnn_lanes_for(call->context->isa, x->shape.size[0]);
  struct fnn_convolution conv = {.window = {.stride = {params->stride[0], params->stride[1]},
                                            .dilation = {params->dilation[0], params->dilation[1]}}};
  return images && fnn_lanes_convolve(&conv) ? (struct fnn_lanes){images, FNN_IMAGES} : none;
}

struct bias_job {
  const struct fnn_elementwise_kernels *kernels;
  size_t channels, plane; /* floats of a plane */
  const float *bias;
  float *y;
};

/* Planes number first .. last-1 of the images' channels, or of those of blocks of images. */
static void add_bias(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct bias_job *job = user;
  for (size_t i = first; i < last; i++) {
    float *y = job->y + i * job->plane;
    job->kernels->binary[FNN_BINARY_add](job->plane, y, 1, job->bias + i % job->channels, 0, y, 1);
  }
}

/* The floats of a plane of the result in memory. */
static size_t plane_of(const struct fnn_call *call, const struct fnn_convolution *conv) {
  return conv->window.h * conv->window.w * fnn_call_width(call);
}

static enum fnn_status forward(struct fnn_call *call) {
  struct fnn_convolution conv;
  const float *x = fnn_floats(call->in[0]), *weight = fnn_floats(call->in[1]);
  float *y = fnn_floats(call->out[0]);
  FNN_TRY(geometry(call, &conv));
  FNN_TRY(call->lanes.count ? fnn_lane_convolve_back_input(call->context, call->lanes.count, &conv, x, weight, NULL, y)
                            : fnn_convolve_back_input(call->context, &conv, x, weight, y));
  if (!call->in[2]) return FNN_OK;
  size_t plane = plane_of(call, &conv);
  struct bias_job job = {call->context->kernels->elementwise, conv.c, plane, fnn_floats(call->in[2]), y};
  fnn_parallel(call->context, fnn_lane_planes(&call->out[0]->shape, call->lanes), fnn_grain(plane), add_bias, &job);
  return FNN_OK;
}

static enum fnn_status back_input(struct fnn_call *call, const struct fnn_convolution *conv, const float *g) {
  const struct fnn_epilogue nothing = {0};
  FNN_TRY(fnn_new_grad(call, 0));
  float *dx = fnn_floats(call->grad_in[0]);
  return call->lanes.count ? fnn_lane_convolve(call->context, call->lanes.count, conv, g, call->in[1], 0, &nothing, dx)
                           : fnn_convolve(call->context, conv, g, fnn_floats(call->in[1]), NULL, dx);
}

static enum fnn_status back_weight(struct fnn_call *call, const struct fnn_convolution *conv, const float *g) {
  const float *x = fnn_floats(call->in[0]);
  FNN_TRY(fnn_new_grad(call, 1));
  float *dw = fnn_floats(call->grad_in[1]);
  return call->lanes.count ? fnn_lane_convolve_back_weight(call->context, call->lanes.count, conv, x, g, dw)
                           : fnn_convolve_back_weight(call->context, conv, x, g, dw);
}

static enum fnn_status backward(struct fnn_call *call) {
  struct fnn_convolution conv;
  const float *g = fnn_floats(call->grad);
  FNN_TRY(geometry(call, &conv));
  if (fnn_wants(call, 0)) FNN_TRY(back_input(call, &conv, g));
  if (fnn_wants(call, 1)) FNN_TRY(back_weight(call, &conv, g));
  if (fnn_wants(call, 2)) {
    FNN_TRY(fnn_new_grad(call, 2));
    fnn_sum_channels(call->context, fnn_ceil_div(conv.n, fnn_call_width(call)), conv.c, plane_of(call, &conv), g,
                     fnn_floats(call->grad_in[2]));
  }
  return FNN_OK;
}

const struct fnn_op fnn_op_conv_transpose2d = {
    .name = "conv_transpose2d",
    .args = args,
    .defaults = &defaults,
    .params_bytes = sizeof(struct conv_transpose2d),
    .types = FNN_FLOATS,
    .flags = FNN_FUNCTIONAL,
    .saves = FNN_SAVE_IN(0) | FNN_SAVE_IN(1),
    .outputs = 1,
    .lanes = lanes,
    .images = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .multiply_adds = multiply_adds,
};
