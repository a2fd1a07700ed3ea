/* im2col, col2im and pooling, against loops over every tap with a test whether it lies inside the image. */
#include "check.h"
#include "kernels_parts.h"
#include "windows.h"

static uint64_t state = 3;

static float *floats(size_t count) {
  float *x = exactly(count, sizeof *x);
  for (size_t i = 0; i < count; i++) x[i] = random_float(&state);
  return x;
}

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
  for (size_t i = 0; i < plane; i++) d[i] = NAN, back[i] = 0.0f;
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
  k->window->pool.max(w, x, y);
  k->window->pool.max_back(w, x, g, d);
  say(k, w, "max_pool", same(y, want, outputs, 0));
  say(k, w, "max_pool_back", same(d, back, plane, 1e-6));
  free(x), free(y), free(want), free(g), free(d), free(back);
}

static void check_max_of_four(const struct fnn_kernels *k, const struct fnn_window *w, int relu, int with_nan) {
  size_t plane = w->h * w->w, outputs = w->p * w->q;
  float *x = pool_image(w, with_nan), *y = exactly(outputs, sizeof *y), *want = exactly(outputs, sizeof *want);
  float *g = floats(outputs), *d = exactly(plane, sizeof *d), *back = exactly(plane, sizeof *back);
  uint8_t *winner = exactly(outputs, sizeof *winner);
  double total = 0.0;
  for (size_t i = 0; i < plane; i++) d[i] = NAN, back[i] = 0.0f;
  EACH_OUTPUT(p, q) {
    long best = -1;
    EACH_TAP(r, s) {
      long at = pixel(w, p, q, r, s);
      if (best >= 0 && isnan(x[best])) continue;
      if (best < 0 || x[at] > x[best] || isnan(x[at])) best = at;
    }
    want[p * w->q + q] = relu && x[best] < 0.0f ? 0.0f : x[best];
    if (!relu || x[best] > 0.0f) back[best] = g[p * w->q + q], total += (double)g[p * w->q + q];
  }
  k->window->pool.max_of_four(w, relu, x, y, winner);
  say(k, w, "max_of_four", same(y, want, outputs, 0));
  k->window->pool.max_of_four(w, relu, x, y, NULL);
  say(k, w, "max_of_four alone", same(y, want, outputs, 0));
  say(k, w, "back_to_winners's sum",
      fabs(k->window->pool.back_to_winners(w, winner, g, d) - total) <= 1e-6 * (1.0 + fabs(total)));
  say(k, w, "back_to_winners", same(d, back, plane, 0));
  free(x), free(y), free(want), free(g), free(d), free(back), free(winner);
}

static void check_avg_pool(const struct fnn_kernels *k, const struct fnn_window *w, int whole) {
  size_t plane = w->h * w->w, outputs = w->p * w->q;
  float *x = floats(plane), *y = exactly(outputs, sizeof *y), *want = exactly(outputs, sizeof *want);
  float *g = floats(outputs), *d = exactly(plane, sizeof *d), *back = exactly(plane, sizeof *back);
  for (size_t i = 0; i < plane; i++) d[i] = NAN, back[i] = 0.0f;
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
  k->window->pool.avg(w, whole, x, y);
  k->window->pool.avg_back(w, whole, g, d);
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

int spec_window(const struct fnn_kernels *kernels) {
  check_failures = 0;
  state = 3;
  for (int i = 0; i < 400; i++) {
    struct fnn_window w = random_window(&state);
    check_window(kernels, &w);
  }
  for (size_t size = 0; size <= 70; size++) {
    struct fnn_window w = two_by_two(size / 4 + 1, size);
    for (int choice = 0; choice < 4; choice++) check_max_of_four(kernels, &w, choice % 2, choice / 2);
    check_window(kernels, &w);
  }
  return check_failures;
}
