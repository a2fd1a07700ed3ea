/* im2col, col2im and pooling, against loops over every tap with a test whether it lies inside the image. */
#include "check.h"
#include "kernels_parts.h"

static uint64_t state = 3;

static float *floats(size_t count) {
  float *x = exactly(count, sizeof *x);
  for (size_t i = 0; i < count; i++) x[i] = random_float(&state);
  return x;
}

/* The pixel of tap (r, s) of the window at (p, q), or -1 outside the image. */
static long pixel(const struct fnn_window *w, size_t p, size_t q, size_t r, size_t s) {
  long row = (long)(p * w->stride[0] + r * w->dilation[0]) - (long)w->top;
  long column = (long)(q * w->stride[1] + s * w->dilation[1]) - (long)w->left;
  int inside = row >= 0 && row < (long)w->h && column >= 0 && column < (long)w->w;
  return inside ? row * (long)w->w + column : -1;
}

#define EACH_OUTPUT(p, q)           \
  for (size_t p = 0; p < w->p; p++) \
    for (size_t q = 0; q < w->q; q++)
#define EACH_TAP(r, s)              \
  for (size_t r = 0; r < w->r; r++) \
    for (size_t s = 0; s < w->s; s++)

static void say(const struct fnn_kernels *k, const struct fnn_window *w, const char *name, int same) {
  expect(same, "%s %s: image %zux%zu, kernel %zux%zu, output %zux%zu, stride %zu %zu, dilation %zu %zu, zeros %zu %zu",
         k->name, name, w->h, w->w, w->r, w->s, w->p, w->q, w->stride[0], w->stride[1], w->dilation[0], w->dilation[1],
         w->top, w->left);
}

static int same(const float *a, const float *b, size_t n, double relative) {
  for (size_t i = 0; i < n; i++)
    if (!is_near(a[i], b[i], relative, relative)) return 0;
  return 1;
}

/* Calls back for each place of col, in order, with the pixel it belongs to. */
static void each_column(const struct fnn_window *w, size_t channels, void (*visit)(float *, float *, int), float *col,
                        float *x) {
  for (size_t c = 0; c < channels; c++, x += w->h * w->w) EACH_TAP(r, s)
  EACH_OUTPUT(p, q) {
    long at = pixel(w, p, q, r, s);
    visit(col++, at < 0 ? NULL : &x[at], at >= 0);
  }
}

static void take_pixel(float *col, float *x, int inside) { *col = inside ? *x : 0.0f; }

static void give_pixel(float *col, float *x, int inside) {
  if (inside) *x += *col;
}

static void check_columns(const struct fnn_kernels *k, const struct fnn_window *w, size_t channels) {
  size_t pixels = channels * w->h * w->w, columns = channels * w->r * w->s * w->p * w->q;
  float *x = floats(pixels), *col = exactly(columns, sizeof *col), *want = exactly(columns, sizeof *want);
  float *sum = floats(pixels), *back = exactly(pixels, sizeof *back);
  for (size_t i = 0; i < columns; i++) col[i] = NAN;
  for (size_t i = 0; i < pixels; i++) back[i] = sum[i];
  each_column(w, channels, take_pixel, want, x);
  k->window->im2col(w, channels, x, col);
  say(k, w, "im2col", same(col, want, columns, 0));
  each_column(w, channels, give_pixel, col, back);
  k->window->col2im(w, channels, col, sum);
  say(k, w, "col2im", same(sum, back, pixels, 1e-6));
  free(x), free(col), free(want), free(sum), free(back);
}

/* Few different values, so that the largest stands there twice; sometimes a NaN, which wins. */
static float *pool_image(const struct fnn_window *w, int with_nan) {
  float *x = exactly(w->h * w->w, sizeof *x);
  for (size_t i = 0; i < w->h * w->w; i++) x[i] = (float)random_below(&state, 5) - 3.0f;
  if (with_nan && w->h * w->w > 0)
    for (int i = 0; i < 3; i++) x[random_below(&state, w->h * w->w)] = NAN;
  return x;
}

static void check_max_pool(const struct fnn_kernels *k, const struct fnn_window *w, int with_nan) {
  size_t plane = w->h * w->w, outputs = w->p * w->q;
  float *x = pool_image(w, with_nan), *y = exactly(outputs, sizeof *y), *want = exactly(outputs, sizeof *want);
  float *g = floats(outputs), *d = exactly(plane, sizeof *d), *back = exactly(plane, sizeof *back);
  for (size_t i = 0; i < plane; i++) d[i] = back[i] = 0.5f;
  EACH_OUTPUT(p, q) {
    long best = -1;
    EACH_TAP(r, s) {
      long at = pixel(w, p, q, r, s);
      if (at < 0 || (best >= 0 && isnan(x[best]))) continue;
      if (best < 0 || x[at] > x[best] || isnan(x[at])) best = at;
    }
    want[p * w->q + q] = best < 0 ? -INFINITY : x[best];
    if (best >= 0) back[best] += g[p * w->q + q];
  }
  k->window->max_pool(w, x, y);
  k->window->max_pool_back(w, x, g, d);
  say(k, w, "max_pool", same(y, want, outputs, 0));
  say(k, w, "max_pool_back", same(d, back, plane, 1e-6));
  free(x), free(y), free(want), free(g), free(d), free(back);
}

static void check_avg_pool(const struct fnn_kernels *k, const struct fnn_window *w, int whole) {
  size_t plane = w->h * w->w, outputs = w->p * w->q;
  float *x = floats(plane), *y = exactly(outputs, sizeof *y), *want = exactly(outputs, sizeof *want);
  float *g = floats(outputs), *d = exactly(plane, sizeof *d), *back = exactly(plane, sizeof *back);
  for (size_t i = 0; i < plane; i++) d[i] = back[i] = 0.5f;
  EACH_OUTPUT(p, q) {
    double sum = 0;
    size_t inside = 0;
    EACH_TAP(r, s) {
      long at = pixel(w, p, q, r, s);
      if (at >= 0) sum += x[at], inside++;
    }
    size_t counted = whole ? w->r * w->s : inside;
    want[p * w->q + q] = counted ? (float)(sum / (double)counted) : 0.0f;
    EACH_TAP(r, s) {
      long at = pixel(w, p, q, r, s);
      if (at >= 0) back[at] += g[p * w->q + q] / (float)counted;
    }
  }
  k->window->avg_pool(w, whole, x, y);
  k->window->avg_pool_back(w, whole, g, d);
  say(k, w, whole ? "avg_pool, whole" : "avg_pool", same(y, want, outputs, 2e-6));
  say(k, w, "avg_pool_back", same(d, back, plane, 4e-6));
  free(x), free(y), free(want), free(g), free(d), free(back);
}

static void check_window(const struct fnn_kernels *k, const struct fnn_window *w) {
  for (size_t channels = 1; channels <= 3; channels += 2) check_columns(k, w, channels);
  for (int choice = 0; choice < 2; choice++) {
    check_max_pool(k, w, choice);
    check_avg_pool(k, w, choice);
  }
}

/* How many outputs fit, when the zeros after the image are `after`. */
static size_t outputs(size_t size, size_t kernel, size_t stride, size_t dilation, size_t before, size_t after) {
  size_t reach = dilation * (kernel - 1) + 1, padded = size + before + after;
  return padded < reach ? 0 : (padded - reach) / stride + 1;
}

static size_t between(size_t least, size_t most) { return least + random_below(&state, most - least + 1); }

static struct fnn_window random_window(void) {
  struct fnn_window w = {.h = between(0, 12),
                         .w = between(0, 40),
                         .r = between(1, 4),
                         .s = between(1, 4),
                         .stride = {between(1, 3), between(1, 3)},
                         .dilation = {between(1, 2), between(1, 3)},
                         .top = between(0, 3),
                         .left = between(0, 5)};
  w.p = outputs(w.h, w.r, w.stride[0], w.dilation[0], w.top, between(0, 3));
  w.q = outputs(w.w, w.s, w.stride[1], w.dilation[1], w.left, between(0, 5));
  return w;
}

int spec_window(const struct fnn_kernels *kernels) {
  check_failures = 0;
  state = 3;
  for (int i = 0; i < 400; i++) {
    struct fnn_window w = random_window();
    check_window(kernels, &w);
  }
  for (size_t size = 0; size <= 70; size++) { /* the pool that nearly all have: 2 x 2, stride 2, no zeros */
    struct fnn_window w = {.h = size / 4 + 1,
                           .w = size,
                           .r = 2,
                           .s = 2,
                           .p = (size / 4 + 1) / 2,
                           .q = size / 2,
                           .stride = {2, 2},
                           .dilation = {1, 1}};
    check_window(kernels, &w);
  }
  return check_failures;
}
