/* Products of matrices for mixed precision by AMX. */
#include "amx.h"
#include "panels.h"
#include "variant.h"

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
    for (size_t b = 0; b < across; b++)
      fnn_finish_line(j, i, b, fnn_load(sums + ((i - first) / SIDE * across + b) * MATRIX + (i - first) % SIDE * SIDE));
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
const struct fnn_panel_kernels FNN_VARIANT(fnn_panels) = {.pack = fnn_pack_panel, .multiply = multiply};
