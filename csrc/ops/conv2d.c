/* conv2d(x, weight, bias, {stride, padding, dilation, groups}): cross-correlation of x (N,C,H,W) with
 * weight (K,C/groups,R,S), plus bias (K), giving (N,K,P,Q). */
#include "convolution.h"
#include "sliding.h"

struct conv2d {
  size_t stride[2], dilation[2], groups;
  struct fnn_padding padding;
};
static const struct conv2d defaults = {.stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
static const struct fnn_arg args[] = {{.name = "input", .kind = FNN_TENSOR},
                                      {.name = "weight", .kind = FNN_TENSOR},
                                      {.name = "bias", .kind = FNN_TENSOR, .flags = FNN_OPTIONAL},
                                      FNN_PARAM(conv2d, stride, FNN_PAIR, .flags = FNN_OPTIONAL, .least = 1),
                                      FNN_PARAM(conv2d, padding, FNN_PADDING, .flags = FNN_OPTIONAL),
                                      FNN_PARAM(conv2d, dilation, FNN_PAIR, .flags = FNN_OPTIONAL, .least = 1),
                                      FNN_PARAM(conv2d, groups, FNN_SIZE, .flags = FNN_OPTIONAL, .least = 1),
                                      {0}};

static enum fnn_status geometry(const struct fnn_call *call, struct fnn_convolution *conv) {
  const struct conv2d *params = call->params;
  const struct fnn_shape *x = fnn_in_shape(call, 0), *w = fnn_in_shape(call, 1);
  *conv = (struct fnn_convolution){.n = x->size[0], .c = x->size[1], .k = w->size[0], .groups = params->groups};
  return fnn_slide(call, w->size[2], w->size[3], params->stride, params->dilation, &params->padding, &conv->window);
}

static enum fnn_status infer(struct fnn_call *call) {
  const struct fnn_shape *x = fnn_in_shape(call, 0), *w = fnn_in_shape(call, 1);
  size_t groups = ((const struct conv2d *)call->params)->groups;
  char text[FNN_SHAPE_TEXT];
  struct fnn_convolution conv;
  FNN_TRY(fnn_check_image(call, 0));
  if (x->size[1] % groups != 0)
    return fnn_refuse(call, "groups", "expected a divisor of the %zu input channels, got %zu", x->size[1], groups);
  if (w->rank != 4 || w->size[1] != x->size[1] / groups || w->size[2] == 0 || w->size[3] == 0)
    return fnn_refuse(call, "weight", "expected (filters,%zu,kernel height,kernel width), got %s", x->size[1] / groups,
                      fnn_shape_text(w, text));
  if (w->size[0] % groups != 0)
    return fnn_refuse(call, "groups", "expected a divisor of the %zu filters, got %zu", w->size[0], groups);
  if (call->in[2] && (fnn_in_shape(call, 2)->rank != 1 || fnn_in_shape(call, 2)->size[0] != w->size[0]))
    return fnn_refuse(call, "bias", "expected (%zu), got %s", w->size[0], fnn_shape_text(fnn_in_shape(call, 2), text));
  FNN_TRY(geometry(call, &conv));
  fnn_out(call, 0, FNN_FLOAT32, &(struct fnn_shape){4, {conv.n, conv.k, conv.window.p, conv.window.q}});
  return FNN_OK;
}

static size_t multiply_adds(const struct fnn_call *call) {
  const struct fnn_shape *w = &call->in_spec[1].shape;
  return fnn_shape_numel(&call->out_spec[0].shape) * w->size[1] * w->size[2] * w->size[3];
}

static enum fnn_status forward(struct fnn_call *call) {
  struct fnn_convolution conv;
  FNN_TRY(geometry(call, &conv));
  return fnn_convolve(call->context, &conv, fnn_floats(call->in[0]), fnn_floats(call->in[1]),
                      call->in[2] ? fnn_floats(call->in[2]) : NULL, fnn_floats(call->out[0]));
}

static enum fnn_status backward(struct fnn_call *call) {
  struct fnn_convolution conv;
  const float *g = fnn_floats(call->grad);
  FNN_TRY(geometry(call, &conv));
  if (fnn_wants(call, 0)) {
    FNN_TRY(fnn_new_grad(call, 0));
    FNN_TRY(fnn_convolve_back_input(call->context, &conv, g, fnn_floats(call->in[1]), fnn_floats(call->grad_in[0])));
  }
  if (fnn_wants(call, 1)) {
    FNN_TRY(fnn_new_grad(call, 1));
    FNN_TRY(fnn_convolve_back_weight(call->context, &conv, g, fnn_floats(call->in[0]), fnn_floats(call->grad_in[1])));
  }
  if (fnn_wants(call, 2)) {
    FNN_TRY(fnn_new_grad(call, 2));
    fnn_convolve_back_bias(call->context, &conv, g, fnn_floats(call->grad_in[2]));
  }
  return FNN_OK;
}

const struct fnn_op fnn_op_conv2d = {
    .name = "conv2d",
    .args = args,
    .defaults = &defaults,
    .params_bytes = sizeof(struct conv2d),
    .types = FNN_FLOATS,
    .flags = FNN_FUNCTIONAL,
    .saves = FNN_SAVE_IN(0) | FNN_SAVE_IN(1),
    .outputs = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .multiply_adds = multiply_adds,
};
