/* Planes of images, moved: what data/augment.c does to each pixel. */
#include <math.h>
#include <string.h>

#include "simd.h"
#include "variant.h"

/* A place beyond the ends of 0 .. n-1 mirrored into it, without repeating the ends. */
static size_t mirrored(ptrdiff_t at, size_t n) {
  ptrdiff_t last = (ptrdiff_t)n - 1, period = 2 * last;
  if (period == 0) return 0;
  at %= period;
  if (at < 0) at += period;
  return (size_t)(at > last ? period - at : at);
}

/* ---- by whole pixels ---- */

/* Columns first .. last-1 of a row, which come from outside. */
static void fill_edge(const struct fnn_image_shift *j, size_t first, size_t last, const float *x, float *y) {
  for (size_t q = first; q < last; q++)
    y[j->flip ? j->w - 1 - q : q] = j->reflect ? x[mirrored((ptrdiff_t)q - j->right, j->w)] : 0.0f;
}

static void shift_row(const struct fnn_image_shift *j, const float *restrict x, float *restrict y) {
  size_t to = j->right > 0 ? (size_t)j->right : 0, from = j->right < 0 ? (size_t)-j->right : 0, n = j->w - to - from;
  if (j->flip)
    for (size_t q = 0; q < n; q++) y[j->w - 1 - to - q] = x[from + q];
  else
    memcpy(y + to, x + from, n * sizeof *y);
  fill_edge(j, 0, to, x, y);
  fill_edge(j, to + n, j->w, x, y);
}

static void shift(const struct fnn_image_shift *j, const float *x, float *y) {
  for (size_t p = 0; p < j->h; p++) {
    ptrdiff_t from = (ptrdiff_t)p - j->down;
    if (j->reflect)
      shift_row(j, x + mirrored(from, j->h) * j->w, y + p * j->w);
    else if (from >= 0 && from < (ptrdiff_t)j->h)
      shift_row(j, x + (size_t)from * j->w, y + p * j->w);
    else
      memset(y + p * j->w, 0, j->w * sizeof *y);
  }
}

/* ---- by any linear map ---- */

/* Where place t of an axis lies in the plane with its border: mirrored, or cut to the zeros around it. Whatever t is,
 * this is a number of 0 .. last + 2. */
FNN_INLINE float place(float t, float last, int reflect) {
  const float low = reflect ? 0.0f : -1.0f, high = reflect ? last : last + 1.0f;
  if (reflect) {
    const float period = last > 0.0f ? 2.0f * last : 1.0f;
    t = fabsf(t);
    t = t < 1e6f ? t : 1e6f; /* an int holds it */
    t -= period * (float)(int)(t / period);
    t = last - fabsf(last - t);
  }
  t = t > low ? t : low;
  return (t < high ? t : high) + 1.0f;
}

typedef float pair __attribute__((vector_size(8), aligned(4), may_alias));

/* Some pixels of a row: which four old ones are around each, and where between them it is. */
enum { CHUNK = 64 };
struct taps {
  int at[CHUNK];
  float down[CHUNK], right[CHUNK];
  pair above[CHUNK], below[CHUNK];
};

/* In three loops, of which vectors do the first and the last: pixels one by one, and vectors that gather them, both take half
 * as long again. */
FNN_INLINE void warp_chunk(const struct fnn_image_warp *j, float row, float column, int n, int reflect, const float *x,
                           float *restrict y) {
  const float row_step = (float)j->row[1], column_step = (float)j->column[1];
  const float last_row = (float)j->h - 1.0f, last_column = (float)j->w - 1.0f;
  const int stride = (int)j->w + 3;
  struct taps t;
  for (int q = 0; q < n; q++) {
    float u = place(row + row_step * (float)q, last_row, reflect);
    float v = place(column + column_step * (float)q, last_column, reflect);
    t.at[q] = (int)u * stride + (int)v;
    t.down[q] = u - (float)(int)u, t.right[q] = v - (float)(int)v;
  }
  for (int q = 0; q < n; q++) {
    t.above[q] = *(const pair *)(x + t.at[q]);
    t.below[q] = *(const pair *)(x + t.at[q] + stride);
  }
  for (int q = 0; q < n; q++) {
    float above = t.above[q][0] + t.right[q] * (t.above[q][1] - t.above[q][0]);
    float below = t.below[q][0] + t.right[q] * (t.below[q][1] - t.below[q][0]);
    y[q] = above + t.down[q] * (below - above);
  }
}

static void warp(const struct fnn_image_warp *j, const float *x, float *y) {
  const int w = (int)j->w;
  for (size_t p = 0; p < j->h; p++, y += w)
    for (int q = 0; q < w; q += CHUNK) {
      float row = (float)(j->row[0] * (double)p + j->row[1] * q + j->row[2]);
      float column = (float)(j->column[0] * (double)p + j->column[1] * q + j->column[2]);
      int n = w - q < CHUNK ? w - q : CHUNK;
      if (j->reflect)
        warp_chunk(j, row, column, n, 1, x, y + q);
      else
        warp_chunk(j, row, column, n, 0, x, y + q);
    }
}

/* ---- tones ---- */

static void tone(size_t n, float scale, float offset, float low, float high, float *y) {
  for (size_t i = 0; i < n; i++) {
    float value = y[i] * scale + offset;
    value = value > low ? value : low;
    y[i] = value < high ? value : high;
  }
}

const struct fnn_image_kernels FNN_VARIANT(fnn_image) = {
    .shift = shift,
    .warp = warp,
    .tone = tone,
};
