#include "shape.h"

#include <stdio.h>
#include <string.h>

#include "../base/context.h"

size_t fnn_shape_product(const struct fnn_shape *shape, int first, int last) {
  size_t product = 1;
  for (int i = first; i < last; i++) product *= shape->size[i];
  return product;
}

size_t fnn_shape_numel(const struct fnn_shape *shape) { return fnn_shape_product(shape, 0, shape->rank); }

int fnn_shape_equal(const struct fnn_shape *a, const struct fnn_shape *b) {
  if (a->rank != b->rank) return 0;
  for (int i = 0; i < a->rank; i++)
    if (a->size[i] != b->size[i]) return 0;
  return 1;
}

const char *fnn_shape_text(const struct fnn_shape *shape, char text[FNN_SHAPE_TEXT]) {
  int used = snprintf(text, FNN_SHAPE_TEXT, "(");
  for (int i = 0; i < shape->rank && used < FNN_SHAPE_TEXT - 1; i++)
    used += snprintf(text + used, FNN_SHAPE_TEXT - (size_t)used, i ? ",%zu" : "%zu", shape->size[i]);
  if (used < FNN_SHAPE_TEXT - 1) snprintf(text + used, FNN_SHAPE_TEXT - (size_t)used, ")");
  return text;
}

enum fnn_status fnn_shape_broadcast(struct fnn_context *context, const char *who, const struct fnn_shape *a,
                                    const struct fnn_shape *b, struct fnn_shape *out) {
  struct fnn_shape result = {.rank = a->rank > b->rank ? a->rank : b->rank};
  for (int i = 1; i <= result.rank; i++) {
    size_t sa = i <= a->rank ? a->size[a->rank - i] : 1, sb = i <= b->rank ? b->size[b->rank - i] : 1;
    if (sa != sb && sa != 1 && sb != 1) {
      char ta[FNN_SHAPE_TEXT], tb[FNN_SHAPE_TEXT];
      return fnn_fail(context, FNN_INVALID,
                      "%s: shapes %s and %s do not broadcast: %zu and %zu differ in axis %d from the end", who,
                      fnn_shape_text(a, ta), fnn_shape_text(b, tb), sa, sb, i);
    }
    result.size[result.rank - i] = sa == 1 ? sb : sa;
  }
  *out = result;
  return FNN_OK;
}

void fnn_shape_strides(const struct fnn_shape *shape, size_t stride[FNN_MAX_RANK]) {
  size_t next = 1;
  for (int i = shape->rank; i-- > 0;) {
    stride[i] = next;
    next *= shape->size[i];
  }
}

struct fnn_shape fnn_shape_of(int rank, const size_t *size) {
  struct fnn_shape shape = {.rank = rank};
  memcpy(shape.size, size, (size_t)rank * sizeof *size);
  return shape;
}
