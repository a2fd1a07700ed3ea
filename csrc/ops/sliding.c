#include "sliding.h"

enum fnn_status fnn_check_image(const struct fnn_call *call) {
  char text[FNN_SHAPE_TEXT];
  if (fnn_in_shape(call, 0)->rank == 4) return FNN_OK;
  return fnn_refuse(call, "input", "expected (images, channels, height, width), got %s",
                    fnn_shape_text(fnn_in_shape(call, 0), text));
}

/* Along one axis: zeros before it and outputs. */
static enum fnn_status along(const struct fnn_call *call, size_t size, size_t kernel, size_t stride, size_t dilation,
                             const struct fnn_padding *padding, size_t before, size_t after, size_t *zeros,
                             size_t *outputs) {
  size_t reach; /* pixels from the kernel's first tap to its last, both included */
  if (!fnn_multiply(kernel - 1, dilation, &reach) || reach >= SIZE_MAX / 4 || before > SIZE_MAX / 4 ||
      after > SIZE_MAX / 4)
    return fnn_refuse(call, "kernel", "kernel, dilation or padding is too large to address");
  reach++;
  if (padding->mode == FNN_PAD_SAME) {
    *outputs = (size + stride - 1) / stride;
    size_t needed = *outputs ? (*outputs - 1) * stride + reach : 0;
    *zeros = needed > size ? (needed - size) / 2 : 0;
    return FNN_OK;
  }
  if (size + before + after < reach)
    return fnn_refuse(call, "input",
                      "a window of %zu pixels (kernel %zu, dilation %zu) does not fit into %zu, padding included",
                      reach, kernel, dilation, size + before + after);
  *outputs = (size + before + after - reach) / stride + 1;
  *zeros = before;
  return FNN_OK;
}

enum fnn_status fnn_slide(const struct fnn_call *call, size_t r, size_t s, const size_t stride[2],
                          const size_t dilation[2], const struct fnn_padding *padding, struct fnn_window *window) {
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  struct fnn_window w = {.h = x->size[2],
                         .w = x->size[3],
                         .r = r,
                         .s = s,
                         .stride = {stride[0], stride[1]},
                         .dilation = {dilation[0], dilation[1]}};
  FNN_TRY(along(call, w.h, r, stride[0], dilation[0], padding, padding->top, padding->bottom, &w.top, &w.p));
  FNN_TRY(along(call, w.w, s, stride[1], dilation[1], padding, padding->left, padding->right, &w.left, &w.q));
  *window = w;
  return FNN_OK;
}

struct fnn_window fnn_pool_window(size_t h, size_t w) {
  return (struct fnn_window){
      .h = h, .w = w, .r = 2, .s = 2, .p = h / 2, .q = w / 2, .stride = {2, 2}, .dilation = {1, 1}};
}

const struct fnn_pool_kernels *fnn_call_pool(const struct fnn_call *call) {
  return call->lanes.count ? &fnn_call_kernels(call)->pool : &call->context->kernels->window->pool;
}

enum fnn_status fnn_infer_pool(struct fnn_call *call, const struct fnn_shape *x, int winners) {
  const struct fnn_shape out = {4, {x->size[0], x->size[1], x->size[2] / 2, x->size[3] / 2}};
  if (out.size[2] == 0 || out.size[3] == 0)
    return fnn_refuse(call, "input", "a pool of 2 x 2 pixels does not fit into %zu x %zu", x->size[2], x->size[3]);
  size_t numbers = fnn_lane_planes(&out, call->lanes) * out.size[2] * out.size[3] * fnn_call_width(call);
  fnn_out(call, 0, FNN_FLOAT32, &out);
  fnn_out(call, winners, FNN_UINT8, &(struct fnn_shape){1, {call->recorded ? numbers : 0}});
  return FNN_OK;
}
