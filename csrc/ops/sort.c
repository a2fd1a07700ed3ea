/* sort(x, dim, descending): the elements of each line along an axis in order, and the positions they came from. Equal
 * elements keep their order; NaN counts as the largest. */
#include <stdlib.h>

#include "line.h"

struct sort {
  struct fnn_line_params line;
  int descending;
};
static const struct sort defaults = {.line = {-1}};
static const struct fnn_arg args[] = {
    FNN_LINE_ARGS(sort, line.axis), FNN_PARAM(sort, descending, FNN_BOOL, .flags = FNN_OPTIONAL), {0}};

struct item {
  union {
    float f;
    int64_t i;
  } key;
  int64_t from;
};

static enum fnn_status infer(struct fnn_call *call) {
  fnn_out(call, 0, call->in_spec[0].dtype, fnn_in_shape(call, 0));
  fnn_out(call, 1, FNN_INT64, fnn_in_shape(call, 0));
  return FNN_OK;
}

static int by_position(const struct item *a, const struct item *b) { return (a->from > b->from) - (a->from < b->from); }

static int compare_floats(const struct item *a, const struct item *b) {
  int a_nan = a->key.f != a->key.f, b_nan = b->key.f != b->key.f;
  if (a_nan || b_nan) return a_nan - b_nan;
  return (a->key.f > b->key.f) - (a->key.f < b->key.f);
}

static int compare_ints(const struct item *a, const struct item *b) {
  return (a->key.i > b->key.i) - (a->key.i < b->key.i);
}

#define ORDER(name, compare, sign)                 \
  static int name(const void *a, const void *b) {  \
    int order = sign compare(a, b);                \
    return order != 0 ? order : by_position(a, b); \
  }
ORDER(floats_up, compare_floats, +)
ORDER(floats_down, compare_floats, -)
ORDER(ints_up, compare_ints, +)
ORDER(ints_down, compare_ints, -)

static void sort_line(const struct fnn_call *call, struct item *items, size_t base, struct fnn_lines e) {
  int descending = ((const struct sort *)call->params)->descending;
  int floats = call->out[0]->dtype == FNN_FLOAT32;
  for (size_t k = 0; k < e.n; k++) {
    if (floats)
      items[k].key.f = fnn_floats(call->in[0])[base + k * e.inner];
    else
      items[k].key.i = fnn_ints(call->in[0])[base + k * e.inner];
    items[k].from = (int64_t)k;
  }
  if (floats)
    qsort(items, e.n, sizeof *items, descending ? floats_down : floats_up);
  else
    qsort(items, e.n, sizeof *items, descending ? ints_down : ints_up);
  for (size_t k = 0; k < e.n; k++) {
    if (floats)
      fnn_floats(call->out[0])[base + k * e.inner] = items[k].key.f;
    else
      fnn_ints(call->out[0])[base + k * e.inner] = items[k].key.i;
    fnn_ints(call->out[1])[base + k * e.inner] = items[k].from;
  }
}

static enum fnn_status forward(struct fnn_call *call) {
  struct fnn_lines e = fnn_lines_of(call);
  struct item *items = fnn_alloc(call->context, e.n * sizeof *items);
  if (!items) return FNN_NO_MEMORY;
  for (size_t i = 0; i < e.outer; i++)
    for (size_t j = 0; j < e.inner; j++) sort_line(call, items, i * e.n * e.inner + j, e);
  fnn_free(call->context, items);
  return FNN_OK;
}

static enum fnn_status backward(struct fnn_call *call) {
  struct fnn_lines e = fnn_lines_of(call);
  FNN_TRY(fnn_new_grad(call, 0));
  for (size_t i = 0; i < e.outer; i++)
    for (size_t k = 0; k < e.n; k++)
      for (size_t j = 0; j < e.inner; j++) {
        size_t at = (i * e.n + k) * e.inner + j, from = (size_t)fnn_ints(call->out[1])[at];
        fnn_floats(call->grad_in[0])[(i * e.n + from) * e.inner + j] = fnn_floats(call->grad)[at];
      }
  return FNN_OK;
}

const struct fnn_op fnn_op_sort = {
    .name = "sort",
    .args = args,
    .defaults = &defaults,
    .params_bytes = sizeof(struct sort),
    .types = FNN_NUMBERS,
    .flags = FNN_METHOD,
    .saves = FNN_SAVE_OUT(1),
    .outputs = 2,
    .indices = 2,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
