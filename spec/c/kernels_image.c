/* Planes that are shifted, flipped, warped and toned, against loops that look every pixel up in the plane as it goes on
 * beyond its borders. */
#include "check.h"
#include "kernels_parts.h"

static uint64_t state = 7;

static float *floats(size_t count) {
  float *x = exactly(count, sizeof *x);
  for (size_t i = 0; i < count; i++) x[i] = random_float(&state);
  return x;
}

/* The place that is mirrored to `at` of 0 .. n-1. */
static long mirrored(long at, long n) {
  while (n > 1 && (at < 0 || at >= n)) at = at < 0 ? -at : 2 * (n - 1) - at;
  return n > 1 ? at : 0;
}

static double pixel(const float *x, size_t h, size_t w, long row, long column, int reflect) {
  if (reflect) row = mirrored(row, (long)h), column = mirrored(column, (long)w);
  if (row < 0 || row >= (long)h || column < 0 || column >= (long)w) return 0.0;
  return (double)x[row * (long)w + column];
}

static long between(long least, long most) { return least + (long)random_below(&state, (size_t)(most - least + 1)); }

static void check_shift(const struct fnn_kernels *k, size_t h, size_t w, int flip, int reflect) {
  long down = h ? between(1 - (long)h, (long)h - 1) : 0, right = w ? between(1 - (long)w, (long)w - 1) : 0;
  struct fnn_image_shift shift = {h, w, down, right, flip, reflect};
  float *x = floats(h * w), *y = exactly(h * w, sizeof *y);
  k->image->shift(&shift, x, y);
  for (size_t p = 0; p < h; p++)
    for (size_t q = 0; q < w; q++) {
      long column = flip ? (long)(w - 1 - q) : (long)q;
      double want = pixel(x, h, w, (long)p - down, column - right, reflect);
      expect((double)y[p * w + q] == want, "%s shift: %zux%zu by %ld %ld, flip %d, reflect %d: (%zu,%zu)", k->name, h,
             w, down, right, flip, reflect, p, q);
    }
  free(x), free(y);
}

static double sample(const float *x, const struct fnn_image_warp *j, double row, double column) {
  double top = floor(row), left = floor(column), down = row - top, right = column - left, sum = 0.0;
  for (int r = 0; r < 2; r++)
    for (int s = 0; s < 2; s++)
      sum += (r ? down : 1.0 - down) * (s ? right : 1.0 - right) *
             pixel(x, j->h, j->w, (long)top + r, (long)left + s, j->reflect);
  return sum;
}

static float *with_border(const float *x, size_t h, size_t w) {
  float *padded = exactly((h + 3) * (w + 3), sizeof *padded);
  for (size_t i = 0; i < (h + 3) * (w + 3); i++) padded[i] = 0.0f;
  for (size_t p = 0; p < h; p++)
    for (size_t q = 0; q < w; q++) padded[(p + 1) * (w + 3) + q + 1] = x[p * w + q];
  return padded;
}

static double step(void) { return (double)random_float(&state) / 2.0; }

static void check_warp(const struct fnn_kernels *k, size_t h, size_t w, int reflect) {
  struct fnn_image_warp warp = {.h = h,
                                .w = w,
                                .row = {step(), step(), step() * (double)h},
                                .column = {step(), step(), step() * (double)w},
                                .reflect = reflect};
  float *x = floats(h * w), *y = exactly(h * w, sizeof *y), *padded = with_border(x, h, w);
  k->image->warp(&warp, padded, y);
  for (size_t p = 0; p < h; p++)
    for (size_t q = 0; q < w; q++) {
      double row = warp.row[0] * (double)p + warp.row[1] * (double)q + warp.row[2];
      double column = warp.column[0] * (double)p + warp.column[1] * (double)q + warp.column[2];
      expect(is_near(y[p * w + q], sample(x, &warp, row, column), 2e-3, 0), "%s warp: %zux%zu, reflect %d: (%zu,%zu)",
             k->name, h, w, reflect, p, q);
    }
  free(x), free(y), free(padded);
}

/* Places that no float or int holds are still read inside the plane. */
static void check_wild_warp(const struct fnn_kernels *k, double wild, int reflect) {
  struct fnn_image_warp warp = {.h = 3, .w = 20, .row = {1, wild, 0}, .column = {wild, 1, wild}, .reflect = reflect};
  float *x = floats(60), *y = exactly(60, sizeof *y), *padded = with_border(x, 3, 20);
  k->image->warp(&warp, padded, y);
  for (size_t i = 0; i < 60; i++) expect(fabsf(y[i]) <= 4.0f, "%s warp by %g: got %g", k->name, wild, (double)y[i]);
  free(x), free(y), free(padded);
}

static void check_tone(const struct fnn_kernels *k, size_t n) {
  float *x = floats(n), *y = exactly(n, sizeof *y);
  for (size_t i = 0; i < n; i++) y[i] = x[i];
  k->image->tone(n, 1.5f, -0.25f, -2.0f, 3.0f, y);
  for (size_t i = 0; i < n; i++)
    expect(is_near(y[i], fmin(fmax(x[i] * 1.5 - 0.25, -2.0), 3.0), 1e-6, 0), "%s tone: %zu of %zu", k->name, i, n);
  free(x), free(y);
}

int spec_image(const struct fnn_kernels *kernels) {
  static const double wild[] = {1e6, -1e6, 1e20, -1e300, 1e300, INFINITY, -INFINITY, NAN};
  check_failures = 0;
  state = 7;
  for (int i = 0; i < SPEC_COUNTS; i++) {
    check_tone(kernels, spec_counts[i]);
    for (size_t h = 1; h < 8; h += 3)
      for (int choice = 0; choice < 4; choice++) {
        check_shift(kernels, h, spec_counts[i], choice & 1, choice >> 1);
        if (spec_counts[i] > 0) check_warp(kernels, h, spec_counts[i], choice & 1);
      }
  }
  for (size_t i = 0; i < sizeof wild / sizeof wild[0]; i++)
    for (int reflect = 0; reflect < 2; reflect++) check_wild_warp(kernels, wild[i], reflect);
  return check_failures;
}
