/* Images in lanes: the way in and out, pooling, sums and dropout, against loops over one image at a time. */
#include "kernels_lanes.h"

#include "../../csrc/base/rng.h"
#include "kernels_parts.h"
#include "windows.h"

enum { MOST_LANES = 16 };

static uint64_t state = 9;

/* ---- in and out ---- */

static void check_pack(const struct fnn_kernels *k, size_t images, size_t n) {
  size_t width = k->lanes->width, step = n + 3, rows = images ? (images - 1) * step + n : 0;
  float *x = floats(&state, rows), *y = untouched(n * width), *back = untouched(rows);
  struct sum *want = expected(n * width), *want_back = expected(rows);
  for (size_t l = 0; l < width; l++)
    for (size_t i = 0; i < n; i++) {
      want[i * width + l].value = l < images ? (double)x[l * step + i] : 0.0;
      if (l < images) want_back[l * step + i].value = (double)x[l * step + i];
    }
  k->lanes->pack(images, n, x, step, y);
  expect_sums(n * width, y, want, "%s pack of %zu images of %zu", k->name, images, n);
  k->lanes->unpack(images, n, y, back, step);
  expect_sums(rows, back, want_back, "%s unpack of %zu images of %zu", k->name, images, n);
  free(x), free(y), free(back), free(want), free(want_back);
}

static void check_clear(const struct fnn_kernels *k, size_t images, size_t n) {
  size_t width = k->lanes->width;
  float *y = untouched(n * width);
  struct sum *want = expected(n * width);
  for (size_t i = 0; i < n * width; i++)
    if (i % width >= images) want[i].value = 0.0;
  k->lanes->clear(images, n, y);
  expect_sums(n * width, y, want, "%s clear after %zu images, %zu pixels", k->name, images, n);
  free(y), free(want);
}

/* ---- pooling ---- */

static void expect_plane(const struct fnn_kernels *k, const char *name, const struct fnn_window *w, size_t pixels,
                         const float *got, const struct sum *want) {
  expect_sums(pixels * k->lanes->width, got, want,
              "%s %s: image %zux%zu, kernel %zux%zu, output %zux%zu, stride %zu %zu, dilation %zu %zu, zeros %zu %zu",
              k->name, name, w->h, w->w, w->r, w->s, w->p, w->q, w->stride[0], w->stride[1], w->dilation[0],
              w->dilation[1], w->top, w->left);
}

static struct sum *zeros(size_t count) {
  struct sum *want = exactly(count, sizeof *want);
  for (size_t i = 0; i < count; i++) want[i] = (struct sum){0.0, 0.0};
  return want;
}

/* Few different values, so that the largest stands there twice; some NaNs, which win; or next to nothing but what a search
 * for the largest begins with. */
enum planes { EVERYDAY, WITH_NAN, NEARLY_ALL_INFINITE, KINDS_OF_PLANES };

static float *pool_planes(size_t count, enum planes kind) {
  float *x = exactly(count, sizeof *x);
  for (size_t i = 0; i < count; i++) {
    x[i] = (float)random_below(&state, 5) - 3.0f;
    if (kind == WITH_NAN && random_below(&state, 20) == 0) x[i] = NAN;
    if (kind == NEARLY_ALL_INFINITE && random_below(&state, 8) > 0) x[i] = -INFINITY;
  }
  return x;
}

/* The largest pixel of the window at (p, q), in one lane; NULL where there is none. */
static const float *largest(const struct fnn_window *w, size_t width, const float *x, size_t p, size_t q) {
  const float *best = NULL;
  EACH_TAP(r, s) {
    const long in = pixel(w, p, q, r, s);
    if (in < 0 || (best && isnan(*best))) continue;
    const float *v = x + (size_t)in * width;
    if (!best || *v > *best || isnan(*v)) best = v;
  }
  return best;
}

static void check_max_pool(const struct fnn_kernels *k, const struct fnn_window *w, enum planes kind) {
  size_t width = k->lanes->width, plane = w->h * w->w, outputs = w->p * w->q;
  float *x = pool_planes(plane * width, kind), *y = untouched(outputs * width);
  float *g = floats(&state, outputs * width), *d = untouched(plane * width);
  struct sum *want = expected(outputs * width), *back = zeros(plane * width);
  for (size_t l = 0; l < width; l++) EACH_OUTPUT(p, q) {
      const size_t out = (p * w->q + q) * width + l;
      const float *best = largest(w, width, x + l, p, q);
      want[out].value = best ? (double)*best : -(double)INFINITY;
      if (best) add(&back[best - x], (double)g[out]);
    }
  k->lanes->pool.max(w, x, y);
  expect_plane(k, "max_pool", w, outputs, y, want);
  k->lanes->pool.max_back(w, x, g, d);
  expect_plane(k, "max_pool_back", w, plane, d, back);
  free(x), free(y), free(g), free(d), free(want), free(back);
}

/* With bytes of winners and without. */
static void check_max_of_four(const struct fnn_kernels *k, const struct fnn_window *w, int relu, enum planes kind) {
  size_t width = k->lanes->width, plane = w->h * w->w, outputs = w->p * w->q;
  float *x = pool_planes(plane * width, kind), *y = untouched(outputs * width), *alone = untouched(outputs * width);
  float *g = floats(&state, outputs * width), *d = untouched(plane * width);
  uint8_t *winner = exactly(outputs * width, sizeof *winner);
  struct sum *want = expected(outputs * width), *back = zeros(plane * width), total = {0.0, 0.0};
  for (size_t l = 0; l < width; l++) EACH_OUTPUT(p, q) {
      const size_t out = (p * w->q + q) * width + l;
      const float *best = largest(w, width, x + l, p, q);
      want[out].value = relu && *best < 0.0f ? 0.0 : (double)*best;
      if (relu && !(*best > 0.0f)) continue;
      add(&back[best - x], (double)g[out]);
      add(&total, (double)g[out]);
    }
  k->lanes->pool.max_of_four(w, relu, x, y, winner);
  expect_plane(k, "max_of_four", w, outputs, y, want);
  k->lanes->pool.max_of_four(w, relu, x, alone, NULL);
  expect_plane(k, "max_of_four alone", w, outputs, alone, want);
  const float sum = (float)k->lanes->pool.back_to_winners(w, winner, g, d);
  expect_plane(k, "back_to_winners", w, plane, d, back);
  expect_sums(1, &sum, &total, "%s back_to_winners's sum over %zux%zu", k->name, w->h, w->w);
  free(x), free(y), free(alone), free(g), free(d), free(winner), free(want), free(back);
}

/* How many taps of a window a mean divides by. */
static size_t taps_of(const struct fnn_window *w, int whole, size_t p, size_t q) {
  size_t inside = 0;
  EACH_TAP(r, s) inside += pixel(w, p, q, r, s) >= 0;
  return whole ? w->r * w->s : inside;
}

static void check_avg_pool(const struct fnn_kernels *k, const struct fnn_window *w, int whole) {
  size_t width = k->lanes->width, plane = w->h * w->w, outputs = w->p * w->q;
  float *x = floats(&state, plane * width), *y = untouched(outputs * width);
  float *g = floats(&state, outputs * width), *d = untouched(plane * width);
  struct sum *want = zeros(outputs * width), *back = zeros(plane * width);
  for (size_t l = 0; l < width; l++) EACH_OUTPUT(p, q) {
      const size_t out = (p * w->q + q) * width + l;
      const double taps = (double)taps_of(w, whole, p, q);
      EACH_TAP(r, s) {
        const long in = pixel(w, p, q, r, s);
        if (in < 0) continue;
        add(&want[out], (double)x[(size_t)in * width + l] / taps);
        add(&back[(size_t)in * width + l], (double)g[out] / taps);
      }
    }
  k->lanes->pool.avg(w, whole, x, y);
  expect_plane(k, whole ? "avg_pool, whole" : "avg_pool", w, outputs, y, want);
  k->lanes->pool.avg_back(w, whole, g, d);
  expect_plane(k, whole ? "avg_pool_back, whole" : "avg_pool_back", w, plane, d, back);
  free(x), free(y), free(g), free(d), free(want), free(back);
}

static void check_window(const struct fnn_kernels *k, const struct fnn_window *w) {
  for (int kind = 0; kind < KINDS_OF_PLANES; kind++) check_max_pool(k, w, (enum planes)kind);
  for (int whole = 0; whole < 2; whole++) check_avg_pool(k, w, whole);
}

/* ---- sums ---- */

static void expect_totals(const struct fnn_kernels *k, const char *name, size_t n, const double *got,
                          const struct sum *want) {
  for (size_t l = 0; l < k->lanes->width; l++)
    expect(fabs(got[l] - want[l].value) <= 4e-6 * want[l].size, "%s %s of %zu pixels: lane %zu is %.9g, expected %.9g",
           k->name, name, n, l, got[l], want[l].value);
}

/* Totals that have begun. */
static void begin(double *totals, struct sum *want) {
  for (size_t l = 0; l < MOST_LANES; l++) {
    totals[l] = 0.5;
    want[l] = (struct sum){0.5, 0.5};
  }
}

static void check_sums(const struct fnn_kernels *k, size_t n) {
  size_t width = k->lanes->width;
  float *x = floats(&state, n * width), *g = floats(&state, n * width), *center = floats(&state, width);
  double sum[MOST_LANES], squares[MOST_LANES], sum_g[MOST_LANES], sum_gx[MOST_LANES];
  struct sum want[4][MOST_LANES];
  begin(sum, want[0]), begin(squares, want[1]), begin(sum_g, want[2]), begin(sum_gx, want[3]);
  for (size_t i = 0; i < n * width; i++) {
    const double v = (double)x[i] - center[i % width], terms[4] = {x[i], v * v, g[i], g[i] * v};
    for (int t = 0; t < 4; t++) add(&want[t][i % width], terms[t]);
  }
  k->lanes->sum(n, x, sum);
  k->lanes->sum_squares(n, x, center, squares);
  k->lanes->dot_centered(n, x, center, g, sum_g, sum_gx);
  expect_totals(k, "sum", n, sum, want[0]);
  expect_totals(k, "sum_squares", n, squares, want[1]);
  expect_totals(k, "dot_centered, of g", n, sum_g, want[2]);
  expect_totals(k, "dot_centered, of g x", n, sum_gx, want[3]);
  free(x), free(g), free(center);
}

/* relu's mask is of y, or of x scale + shift. */
static void check_relu_dots(const struct fnn_kernels *k, size_t n, int recompute) {
  size_t width = k->lanes->width;
  const struct fnn_affine affine = {.scale = -0.75f, .shift = 0.3f, .center = 0.25f};
  float *x = floats(&state, n * width), *y = floats(&state, n * width), *g = floats(&state, n * width);
  double sum_g[MOST_LANES], sum_gx[MOST_LANES];
  struct sum want[2][MOST_LANES], *below = expected(n * width);
  begin(sum_g, want[0]), begin(sum_gx, want[1]);
  for (size_t i = 0; i < n * width; i++) {
    const double result = recompute ? (double)x[i] * affine.scale + affine.shift : y[i];
    below[i] = (struct sum){result > 0.0 ? g[i] : 0.0, 0.0};
    add(&want[0][i % width], below[i].value);
    add(&want[1][i % width], below[i].value * ((double)x[i] - affine.center));
  }
  k->lanes->relu_dot_centered(n, &affine, x, recompute ? NULL : y, g, g, sum_g, sum_gx);
  expect_sums(n * width, g, below, "%s relu_dot_centered of %zu pixels", k->name, n);
  expect_totals(k, "relu_dot_centered, of g", n, sum_g, want[0]);
  expect_totals(k, "relu_dot_centered, of g x", n, sum_gx, want[1]);
  free(x), free(y), free(g), free(below);
}

static void check_affine(const struct fnn_kernels *k, size_t n) {
  size_t width = k->lanes->width, count = n * width;
  float *x = floats(&state, count), *g = floats(&state, count), *y = untouched(count), *d = untouched(count);
  float *a = floats(&state, width), *b = floats(&state, width), *c = floats(&state, width);
  struct sum *forward = zeros(count), *back = zeros(count);
  for (size_t i = 0; i < count; i++) {
    size_t l = i % width;
    add(&forward[i], (double)x[i] * a[l]), add(&forward[i], b[l]);
    add(&back[i], (double)g[i] * a[l]), add(&back[i], (double)x[i] * b[l]), add(&back[i], c[l]);
  }
  k->lanes->affine(n, x, a, b, y);
  k->lanes->affine_back(n, g, x, a, b, c, d);
  expect_sums(count, y, forward, "%s affine of %zu pixels", k->name, n);
  expect_sums(count, d, back, "%s affine_back of %zu pixels", k->name, n);
  free(x), free(g), free(y), free(d), free(a), free(b), free(c), free(forward), free(back);
}

/* y has numbers below and above 0, zeros of both signs, and a NaN, which is not above 0. */
static void check_relu_back(const struct fnn_kernels *k, size_t n) {
  size_t count = n * k->lanes->width;
  float *y = floats(&state, count), *g = floats(&state, count), *d = untouched(count);
  struct sum *want = expected(count), total = {0.0, 1.0};
  for (size_t i = 0; i < count; i++) {
    if (i % 5 == 0) y[i] = i % 3 == 0 ? 0.0f : i % 3 == 1 ? -0.0f : NAN;
    want[i].value = y[i] > 0.0f ? (double)g[i] : 0.0;
    add(&total, want[i].value);
  }
  double got = k->lanes->relu_back(n, y, g, d), in_place = k->lanes->relu_back(n, y, g, g);
  expect_sums(count, d, want, "%s relu_back of %zu pixels", k->name, n);
  expect_sums(count, g, want, "%s relu_back of %zu pixels, in place", k->name, n);
  expect(fabs(got - total.value) <= 4e-6 * total.size && in_place == got,
         "%s relu_back of %zu pixels: the sum is %.9g (in place %.9g), expected %.9g", k->name, n, got, in_place,
         total.value);
  free(y), free(g), free(d), free(want);
}

/* ---- dropout ---- */

static void check_dropout(const struct fnn_kernels *k, size_t n, uint64_t first, uint64_t start, uint64_t stride) {
  const float drop = 0.3f, scale = 1.0f / 0.7f;
  const uint64_t seed = 5;
  size_t width = k->lanes->width;
  float *x = floats(&state, n * width), *y = untouched(n * width);
  struct sum *want = expected(n * width);
  for (size_t i = 0; i < n; i++)
    for (size_t l = 0; l < width; l++) {
      const uint64_t number = start + l * stride + i;
      uint32_t bits[4];
      fnn_philox(seed, first + number / 4, bits);
      want[i * width + l] = (struct sum){0.0, 0.0};
      if (fnn_uniform(bits[number % 4]) >= drop) add(&want[i * width + l], (double)x[i * width + l] * scale);
    }
  k->lanes->dropout(n, seed, first, start, stride, drop, scale, x, y);
  expect_sums(n * width, y, want, "%s dropout of %zu pixels, counter %llu, start %llu, stride %llu", k->name, n,
              (unsigned long long)first, (unsigned long long)start, (unsigned long long)stride);
  free(x), free(y), free(want);
}

/* ---- all ---- */

static void check_count(const struct fnn_kernels *k, size_t n) {
  const uint64_t far = 0xFFFFFFFFu - 20; /* the counter's upper half begins to count, in some lanes */
  size_t width = k->lanes->width;
  for (size_t images = 0; images <= width; images++) {
    check_pack(k, images, n);
    check_clear(k, images, n);
  }
  check_sums(k, n);
  for (int recompute = 0; recompute < 2; recompute++) check_relu_dots(k, n, recompute);
  check_affine(k, n);
  check_relu_back(k, n);
  check_dropout(k, n, 11, 0, 100);
  check_dropout(k, n, 11, 8, 0);
  check_dropout(k, n, far, 4, 12);
}

int spec_lanes(const struct fnn_kernels *kernels) {
  static const size_t more_counts[] = {127, 128, 129, 200}; /* around the runs that are summed in float */
  check_failures = 0;
  state = 9;
  for (int i = 0; i < SPEC_COUNTS; i++) check_count(kernels, spec_counts[i]);
  for (size_t i = 0; i < sizeof more_counts / sizeof more_counts[0]; i++) check_count(kernels, more_counts[i]);
  for (int i = 0; i < 150; i++) {
    struct fnn_window w = random_window(&state);
    check_window(kernels, &w);
  }
  for (size_t size = 0; size <= 9; size++) {
    struct fnn_window w = two_by_two(size / 2 + 1, size);
    for (int choice = 0; choice < 2 * KINDS_OF_PLANES; choice++)
      check_max_of_four(kernels, &w, choice % 2, (enum planes)(choice / 2));
    check_window(kernels, &w);
  }
  return check_failures;
}
