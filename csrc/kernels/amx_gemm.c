/* Products of matrices for mixed precision by AMX. */
#include "amx.h"
#include "variant.h"

enum { DEPTH = FNN_PANEL_DEPTH };

/* The first `count` lanes; all where there are fewer. */
FNN_INLINE __mmask16 some(size_t count) { return (__mmask16)(count < SIDE ? (1u << count) - 1 : 0xFFFFu); }
FNN_INLINE fnn_v load_some(const float *x, size_t count) { return (fnn_v)_mm512_maskz_loadu_ps(some(count), x); }

static size_t after(size_t count, size_t first) { return count > first ? count - first : 0; }

/* Pairs of numbers d .. d + DEPTH - 1 of the axis that is summed over: a row has those of a line. */
static void pair_along(const struct fnn_panel *j, size_t d, fnn_v *v) {
  const size_t first = after(j->depth, d), second = after(j->depth, d + SIDE);
  for (size_t i = 0; i < SIDE; i++) {
    const float *from = j->from + i * j->line + d;
    v[i] = i < j->lines ? (fnn_v)_mm512_cvtne2ps_pbh((__m512)(second ? load_some(from + SIDE, second) : (fnn_v){0}),
                                                     (__m512)load_some(from, first))
                        : (fnn_v){0};
  }
}

/* The same where lines lie side by side: a row has a pair of each line. */
static void pair_across(const struct fnn_panel *j, size_t d, fnn_v *v) {
  for (size_t i = 0; i < SIDE; i++, d += 2) {
    const float *from = j->from + d * j->step;
    __builtin_prefetch(from + (size_t)2 * SIDE, 0, 2); /* the same worker's next lines */
    __builtin_prefetch(from + j->step + (size_t)2 * SIDE, 0, 2);
    const fnn_v first = d < j->depth ? load_some(from, j->lines) : (fnn_v){0};
    v[i] = fnn_pair(first, d + 1 < j->depth ? load_some(from + j->step, j->lines) : (fnn_v){0});
  }
}

static void pack(const struct fnn_panel *j, float *to) {
  for (size_t d = 0; d < j->depth; d += DEPTH, to += MATRIX) {
    fnn_v v[SIDE];
    if (j->step == 1)
      pair_along(j, d, v);
    else
      pair_across(j, d, v);
    if ((j->step == 1) == j->right) fnn_transpose(v);
    FNN_UNROLL for (size_t i = 0; i < SIDE; i++) fnn_store(to + i * SIDE, v[i]);
  }
}

/* The product of A panels and B panels: sums a * B + b. */
FNN_INLINE void multiply_panels(const struct fnn_panel_product *j, const int A, const int B, const float *a) {
  const float *b = j->b;
  clear_sums(A * B);
  for (size_t i = 0; i < j->panel; i += MATRIX) {
    _tile_loadd(4, a + i, ROW);
    _tile_loadd(6, b + i, ROW);
    _tile_dpbf16ps(0, 4, 6);
    if (B > 1) {
      _tile_loadd(7, b + j->panel + i, ROW);
      _tile_dpbf16ps(1, 4, 7);
    }
    if (A > 1) {
      _tile_loadd(5, a + j->panel + i, ROW);
      if (B > 1) {
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      } else {
        _tile_dpbf16ps(1, 5, 6);
      }
    }
  }
}

static void multiply_1x1(const struct fnn_panel_product *j, const float *a) { multiply_panels(j, 1, 1, a); }
static void multiply_1x2(const struct fnn_panel_product *j, const float *a) { multiply_panels(j, 1, 2, a); }
static void multiply_2x1(const struct fnn_panel_product *j, const float *a) { multiply_panels(j, 2, 1, a); }
static void multiply_2x2(const struct fnn_panel_product *j, const float *a) { multiply_panels(j, 2, 2, a); }

/* Rows first .. last-1 of the result, from matrices of sums, `across` of them side by side. */
static void finish(const struct fnn_panel_product *j, size_t first, size_t last, size_t across, const float *sums) {
  for (size_t i = first; i < last; i++)
    for (size_t b = 0; b < across; b++) {
      const size_t left = j->columns - b * SIDE;
      float *c = j->c + i * j->ldc + b * SIDE;
      fnn_v v = fnn_load(sums + ((i - first) / SIDE * across + b) * MATRIX + (i - first) % SIDE * SIDE);
      if (j->adds) v += load_some(c, left);
      _mm512_mask_storeu_ps(c, some(left), (__m512)v);
    }
}

static void multiply(const struct fnn_panel_product *j) {
  static void (*const functions[2][2])(const struct fnn_panel_product *, const float *) = {
      {multiply_1x1, multiply_1x2}, {multiply_2x1, multiply_2x2}};
  const size_t across = j->columns > SIDE ? 2 : 1;
  amx_begin(SIDE, SIDE);
  for (size_t i = 0; i < j->rows; i += (size_t)2 * SIDE) {
    const size_t down = j->rows - i > SIDE ? 2 : 1, last = i + down * SIDE;
    _Alignas(64) float sums[MOST_SUMS * MATRIX];
    functions[down - 1][across - 1](j, j->a + i / SIDE * j->panel);
    store_sums((int)(down * across), sums);
    finish(j, i, last < j->rows ? last : j->rows, across, sums);
  }
  amx_end();
}

extern const struct fnn_panel_kernels FNN_VARIANT(fnn_panels);
const struct fnn_panel_kernels FNN_VARIANT(fnn_panels) = {.pack = pack, .multiply = multiply};
