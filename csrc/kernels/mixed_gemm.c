/* Matrix products in mixed precision. The left factor is packed first, whole; a piece of work is two panels of the right one, which
 * the worker packs for itself. */
#include "../base/context.h"
#include "gemm.h"
#include "kernels.h"

enum { COLUMNS = 2 * FNN_PANEL_LINES };

struct job {
  const struct fnn_panel_kernels *kernels;
  size_t m, n, k, ldc, panel;
  struct fnn_matrix a, b;
  int adds;
  float *c, *left;
  struct fnn_scratch right;
};

static size_t fewer(size_t a, size_t b) { return a < b ? a : b; }

static void pack_left(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  for (size_t i = first; i < last; i++) {
    size_t row = i * FNN_PANEL_LINES;
    struct fnn_panel panel = {.from = j->a.data + row * j->a.row,
                              .lines = fewer(FNN_PANEL_LINES, j->m - row),
                              .depth = j->k,
                              .line = j->a.row,
                              .step = j->a.column};
    j->kernels->pack(&panel, j->left + i * j->panel);
  }
}

static void multiply(void *user, size_t first, size_t last, int worker) {
  const struct job *j = user;
  float *right = fnn_scratch_of(&j->right, worker);
  for (size_t i = first; i < last; i++) {
    size_t begin = i * COLUMNS, end = fewer(begin + COLUMNS, j->n);
    for (size_t column = begin; column < end; column += FNN_PANEL_LINES) {
      struct fnn_panel panel = {.from = j->b.data + column * j->b.column,
                                .lines = fewer(FNN_PANEL_LINES, end - column),
                                .depth = j->k,
                                .line = j->b.column,
                                .step = j->b.row,
                                .right = 1};
      j->kernels->pack(&panel, right + (column - begin) / FNN_PANEL_LINES * j->panel);
    }
    j->kernels->multiply(&(struct fnn_panel_product){.rows = j->m,
                                                     .columns = end - begin,
                                                     .panel = j->panel,
                                                     .a = j->left,
                                                     .b = right,
                                                     .adds = j->adds,
                                                     .c = j->c + begin,
                                                     .ldc = j->ldc});
  }
}

/* Whether panels would be filled, and packing them pays. */
static int pays(size_t m, size_t n, size_t k) {
  const double least_products = 1 << 18;
  return fewer(fewer(m, n), k) >= FNN_PANEL_LINES && (double)m * (double)n * (double)k >= least_products;
}

enum fnn_status fnn_gemm_mixed(struct fnn_context *context, size_t m, size_t n, size_t k, struct fnn_matrix a,
                               struct fnn_matrix b, float beta, float *c, size_t ldc) {
  struct job j = {.kernels = pays(m, n, k) ? fnn_panel_kernels_for(context->isa) : NULL,
                  .m = m,
                  .n = n,
                  .k = k,
                  .ldc = ldc,
                  .panel = (k + FNN_PANEL_DEPTH - 1) / FNN_PANEL_DEPTH * FNN_AMX_MATRIX,
                  .a = a,
                  .b = b,
                  .adds = beta != 0.0f,
                  .c = c};
  size_t rows = fnn_amx_count(m), columns = fnn_amx_count(n);
  enum fnn_status status = FNN_OK;
  if (!j.kernels) return fnn_gemm(context, m, n, k, a, b, beta, c, ldc);
  j.left = fnn_alloc(context, rows * j.panel * sizeof *j.left);
  status = j.left ? fnn_scratch_take(context, 2 * j.panel, &j.right) : FNN_NO_MEMORY;
  if (status == FNN_OK) {
    fnn_parallel(context, rows, 1, pack_left, &j);
    fnn_parallel(context, (columns + 1) / 2, 1, multiply, &j);
  }
  fnn_scratch_give(context, &j.right);
  fnn_free(context, j.left);
  return status;
}
