#include "lanes.h"

#include "loop.h"

enum { GRAIN = 1024 }; /* floats of each image in one piece of work */

size_t fnn_image_size(const struct fnn_shape *shape) { return fnn_shape_product(shape, 1, shape->rank); }

size_t fnn_lane_blocks(const struct fnn_shape *shape, size_t lanes) { return (shape->size[0] + lanes - 1) / lanes; }

/* The axis in memory where blocks of it lie in lanes. */
static struct fnn_shape stored_shape(const struct fnn_shape *shape, struct fnn_lanes lanes) {
  struct fnn_shape whole = *shape; /* no overflow: a block has few lanes */
  if (lanes.count) whole.size[lanes.axis] = (shape->size[lanes.axis] + lanes.count - 1) / lanes.count * lanes.count;
  return whole;
}

size_t fnn_lane_planes(const struct fnn_shape *shape, struct fnn_lanes lanes) {
  struct fnn_shape whole = stored_shape(shape, lanes);
  return whole.size[0] * whole.size[1] / (lanes.count ? lanes.count : 1);
}

size_t fnn_tensor_stored(const struct fnn_tensor *tensor) {
  struct fnn_shape whole = stored_shape(&tensor->shape, tensor->lanes);
  return fnn_shape_numel(&whole);
}

struct fnn_tensor fnn_tensor_flat(const struct fnn_tensor *tensor) {
  struct fnn_tensor flat = *tensor;
  flat.lanes.count = 0;
  flat.shape = (struct fnn_shape){1, {fnn_tensor_stored(tensor)}};
  flat.stride[0] = 1;
  return flat;
}

size_t fnn_lane_images(const struct fnn_shape *shape, size_t lanes, size_t block) {
  size_t left = shape->size[0] - block * lanes;
  return left < lanes ? left : lanes;
}

enum fnn_status fnn_tensor_new_laned(struct fnn_context *context, const struct fnn_shape *shape, struct fnn_lanes lanes,
                                     struct fnn_tensor **out) {
  struct fnn_shape whole = stored_shape(shape, lanes);
  FNN_TRY(fnn_tensor_new(context, FNN_FLOAT32, &whole, out));
  (*out)->shape = *shape;
  (*out)->lanes = lanes;
  fnn_shape_strides(shape, (*out)->stride); /* for when it gets rows */
  return FNN_OK;
}

/* The laned axis is cut into blocks, for each place before it; what follows it is a row. */
struct job {
  const struct fnn_lane_kernels *kernels;
  size_t rows, blocks, size, chunks; /* rows and blocks of the axis, floats of a row and its chunks */
  const float *from;
  float *to;
  int out;
};

/* Pieces of blocks: block after block, GRAIN floats of each row at a time. */
static void piece(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  size_t lanes = j->kernels->width;
  for (size_t i = first; i < last; i++) {
    size_t block = i / j->chunks, start = i % j->chunks * GRAIN, row = block % j->blocks * lanes;
    size_t count = j->rows - row < lanes ? j->rows - row : lanes, n = j->size - start < GRAIN ? j->size - start : GRAIN;
    size_t rows = (block / j->blocks * j->rows + row) * j->size + start, laned = (block * j->size + start) * lanes;
    if (j->out)
      j->kernels->unpack(count, n, j->from + laned, j->to + rows, j->size);
    else
      j->kernels->pack(count, n, j->from + rows, j->size, j->to + laned);
  }
}

static void convert(const struct fnn_tensor *laned, const float *from, float *to, int out) {
  struct fnn_context *context = fnn_tensor_context(laned);
  const struct fnn_shape *shape = &laned->shape;
  struct fnn_lanes lanes = laned->lanes;
  struct job job = {.kernels = fnn_lane_kernels_for(context->isa, lanes.count),
                    .rows = shape->size[lanes.axis],
                    .blocks = (shape->size[lanes.axis] + lanes.count - 1) / lanes.count,
                    .size = fnn_shape_product(shape, (int)lanes.axis + 1, shape->rank),
                    .from = from,
                    .to = to,
                    .out = out};
  job.chunks = (job.size + GRAIN - 1) / GRAIN;
  fnn_parallel(context, fnn_shape_product(shape, 0, (int)lanes.axis) * job.blocks * job.chunks, 1, piece, &job);
}

void fnn_lanes_unpack(struct fnn_tensor *dst, const struct fnn_tensor *src) {
  convert(src, fnn_floats(src), fnn_floats(dst), 1);
}

enum fnn_status fnn_tensor_laned(struct fnn_tensor *tensor, struct fnn_lanes lanes, struct fnn_tensor **out) {
  if (fnn_same_lanes(tensor->lanes, lanes)) {
    *out = fnn_tensor_retain(tensor);
    return FNN_OK;
  }
  struct fnn_tensor *rows;
  FNN_TRY(fnn_tensor_dense(tensor, FNN_FLOAT32, &rows));
  enum fnn_status status = fnn_tensor_new_laned(fnn_tensor_context(tensor), &tensor->shape, lanes, out);
  if (status == FNN_OK) convert(*out, fnn_floats(rows), fnn_floats(*out), 0);
  fnn_tensor_release(rows);
  return status;
}

enum fnn_status fnn_tensor_settle(struct fnn_tensor *tensor) {
  struct fnn_tensor *rows;
  if (!tensor->lanes.count) return FNN_OK;
  FNN_TRY(fnn_tensor_dense(tensor, FNN_FLOAT32, &rows));
  struct fnn_storage *laned = tensor->storage;
  tensor->storage = rows->storage;
  tensor->lanes.count = 0;
  rows->storage = laned;
  fnn_tensor_release(rows);
  return FNN_OK;
}

void fnn_lanes_clear(struct fnn_tensor *tensor) {
  size_t lanes = tensor->lanes.axis == FNN_IMAGES ? tensor->lanes.count : 0;
  size_t blocks = lanes ? fnn_lane_blocks(&tensor->shape, lanes) : 0;
  if (blocks == 0 || tensor->shape.size[0] % lanes == 0) return;
  size_t size = fnn_image_size(&tensor->shape);
  fnn_lane_kernels_for(fnn_tensor_context(tensor)->isa, lanes)
      ->clear(fnn_lane_images(&tensor->shape, lanes, blocks - 1), size,
              fnn_floats(tensor) + (blocks - 1) * size * lanes);
}
