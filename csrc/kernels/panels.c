/* Products of matrices for mixed precision by the dot product of pairs, and the panels that AMX multiplies too. */
#include "panels.h"

#include "variant.h"

enum { LINES = FNN_PANEL_LINES, DEPTH = FNN_PANEL_DEPTH, MATRIX = FNN_AMX_MATRIX };

static size_t after(size_t count, size_t first) { return count > first ? count - first : 0; }

/* Pairs of numbers d .. d + DEPTH - 1 of the axis that is summed over: a row has those of a line. */
static void pair_along(const struct fnn_panel *j, size_t d, fnn_v *v) {
  const size_t first = after(j->depth, d), second = after(j->depth, d + LINES);
  for (size_t i = 0; i < LINES; i++) {
    const float *from = j->from + i * j->line + d;
    const fnn_v none = {0};
    v[i] = i < j->lines ? fnn_halves(fnn_load_first(from, first), second ? fnn_load_first(from + LINES, second) : none)
                        : none;
  }
}

/* The same where lines lie side by side: a row has a pair of each line. */
static void pair_across(const struct fnn_panel *j, size_t d, fnn_v *v) {
  for (size_t i = 0; i < LINES; i++, d += 2) {
    const float *from = j->from + d * j->step;
    __builtin_prefetch(from + (size_t)2 * LINES, 0, 2); /* the same worker's next lines */
    __builtin_prefetch(from + j->step + (size_t)2 * LINES, 0, 2);
    const fnn_v first = d < j->depth ? fnn_load_first(from, j->lines) : (fnn_v){0};
    v[i] = fnn_pair(first, d + 1 < j->depth ? fnn_load_first(from + j->step, j->lines) : (fnn_v){0});
  }
}

void fnn_pack_panel(const struct fnn_panel *j, float *to) {
  for (size_t d = 0; d < j->depth; d += DEPTH, to += MATRIX) {
    fnn_v v[LINES];
    if (j->step == 1)
      pair_along(j, d, v);
    else
      pair_across(j, d, v);
    if ((j->step == 1) == j->right) fnn_transpose(v);
    FNN_UNROLL for (size_t i = 0; i < LINES; i++) fnn_store(to + i * LINES, v[i]);
  }
}

enum { ROWS = 8 }; /* half a panel: with two panels, sixteen sums */

/* ROWS rows from row i on, of which there may be fewer, times B panels. */
FNN_INLINE void multiply_rows(const struct fnn_panel_product *j, const int B, size_t i) {
  const float *a = j->a + i / LINES * j->panel + i % LINES * LINES, *b = j->b;
  fnn_v sum[ROWS][2] = {0};
  for (size_t m = 0; m < j->panel; m += MATRIX)
    for (size_t d = m; d < m + MATRIX; d += LINES) {
      fnn_v right[2];
      FNN_UNROLL for (int n = 0; n < B; n++) right[n] = fnn_load(b + (size_t)n * j->panel + d);
      FNN_UNROLL for (size_t r = 0; r < ROWS; r++) {
        const fnn_v left = fnn_splat(a[m + r * LINES + (d - m) / LINES]);
        FNN_UNROLL for (int n = 0; n < B; n++) sum[r][n] = fnn_multiply_add(sum[r][n], left, right[n]);
      }
    }
  FNN_UNROLL for (size_t r = 0; r < ROWS; r++) {
    if (i + r >= j->rows) return;
    FNN_UNROLL for (int n = 0; n < B; n++) fnn_finish_line(j, i + r, (size_t)n, sum[r][n]);
  }
}

static void multiply(const struct fnn_panel_product *j) {
  for (size_t i = 0; i < j->rows; i += ROWS) j->columns > LINES ? multiply_rows(j, 2, i) : multiply_rows(j, 1, i);
}

extern const struct fnn_panel_kernels FNN_VARIANT(fnn_panels);
const struct fnn_panel_kernels FNN_VARIANT(fnn_panels) = {.pack = fnn_pack_panel, .multiply = multiply};
