#include "lanes.h"

#include "loop.h"

enum { GRAIN = 1024 }; /* floats of each image in one piece of work */

size_t fnn_image_size(const struct fnn_shape *shape) { return fnn_shape_product(shape, 1, shape->rank); }

size_t fnn_lane_blocks(const struct fnn_shape *shape, size_t lanes) { return (shape->size[0] + lanes - 1) / lanes; }

size_t fnn_tensor_stored(const struct fnn_tensor *tensor) {
  if (!tensor->lanes) return fnn_tensor_numel(tensor);
  return fnn_lane_blocks(&tensor->shape, tensor->lanes) * tensor->lanes * fnn_image_size(&tensor->shape);
}

struct fnn_tensor fnn_tensor_flat(const struct fnn_tensor *tensor) {
  struct fnn_tensor flat = *tensor;
  flat.lanes = 0;
  flat.shape = (struct fnn_shape){1, {fnn_tensor_stored(tensor)}};
  flat.stride[0] = 1;
  return flat;
}

size_t fnn_lane_images(const struct fnn_shape *shape, size_t lanes, size_t block) {
  size_t left = shape->size[0] - block * lanes;
  return left < lanes ? left : lanes;
}

enum fnn_status fnn_tensor_new_laned(struct fnn_context *context, const struct fnn_shape *shape, size_t lanes,
                                     struct fnn_tensor **out) {
  struct fnn_shape whole = *shape; /* no overflow: lanes are for batches that fill half a block at least */
  whole.size[0] = fnn_lane_blocks(shape, lanes) * lanes;
  FNN_TRY(fnn_tensor_new(context, FNN_FLOAT32, &whole, out));
  (*out)->shape = *shape;
  (*out)->lanes = lanes;
  return FNN_OK;
}

struct job {
  const struct fnn_lane_kernels *kernels;
  const struct fnn_shape *shape;
  size_t size, chunks; /* of one image */
  const float *from;
  float *to;
  int out;
};

/* Pieces of blocks: block after block, GRAIN floats of each image at a time. */
static void piece(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  size_t lanes = j->kernels->width;
  for (size_t i = first; i < last; i++) {
    size_t block = i / j->chunks, start = i % j->chunks * GRAIN, images = fnn_lane_images(j->shape, lanes, block);
    size_t n = j->size - start < GRAIN ? j->size - start : GRAIN;
    size_t rows = block * lanes * j->size + start, laned = (block * j->size + start) * lanes;
    if (j->out)
      j->kernels->unpack(images, n, j->from + laned, j->to + rows, j->size);
    else
      j->kernels->pack(images, n, j->from + rows, j->size, j->to + laned);
  }
}

static void convert(const struct fnn_tensor *laned, const float *from, float *to, int out) {
  struct fnn_context *context = fnn_tensor_context(laned);
  struct job job = {.kernels = fnn_lane_kernels_for(context->isa, laned->lanes),
                    .shape = &laned->shape,
                    .size = fnn_image_size(&laned->shape),
                    .from = from,
                    .to = to,
                    .out = out};
  job.chunks = (job.size + GRAIN - 1) / GRAIN;
  fnn_parallel(context, fnn_lane_blocks(&laned->shape, laned->lanes) * job.chunks, 1, piece, &job);
}

void fnn_lanes_unpack(struct fnn_tensor *dst, const struct fnn_tensor *src) {
  convert(src, fnn_floats(src), fnn_floats(dst), 1);
}

enum fnn_status fnn_tensor_laned(struct fnn_tensor *tensor, size_t lanes, struct fnn_tensor **out) {
  if (tensor->lanes == lanes) {
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
  if (!tensor->lanes) return FNN_OK;
  FNN_TRY(fnn_tensor_dense(tensor, FNN_FLOAT32, &rows));
  struct fnn_storage *laned = tensor->storage;
  tensor->storage = rows->storage;
  tensor->lanes = 0;
  rows->storage = laned;
  fnn_tensor_release(rows);
  return FNN_OK;
}

void fnn_lanes_clear(struct fnn_tensor *tensor) {
  size_t lanes = tensor->lanes, blocks = lanes ? fnn_lane_blocks(&tensor->shape, lanes) : 0;
  if (blocks == 0 || tensor->shape.size[0] % lanes == 0) return;
  size_t size = fnn_image_size(&tensor->shape);
  fnn_lane_kernels_for(fnn_tensor_context(tensor)->isa, lanes)
      ->clear(fnn_lane_images(&tensor->shape, lanes, blocks - 1), size,
              fnn_floats(tensor) + (blocks - 1) * size * lanes);
}
