#include "random.h"

#include "../kernels/kernels.h"

struct job {
  const struct fnn_random_kernels *kernels;
  uint64_t seed, first; /* counter */
  float a, b;
  float *y;
};

/* Numbers that one counter makes. */
enum { UNIFORM = 4, NORMAL = 2 };
enum { GRAIN = 16384 }; /* a multiple of both, so that pieces begin at a counter */

static void uniform_piece(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  j->kernels->uniform(last - first, j->seed, j->first + first / UNIFORM, j->a, j->b, j->y + first);
}

static void normal_piece(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  j->kernels->normal(last - first, j->seed, j->first + first / NORMAL, j->a, j->b, j->y + first);
}

static void fill(struct fnn_tensor *tensor, fnn_task piece, size_t words, float a, float b) {
  struct fnn_context *context = fnn_tensor_context(tensor);
  size_t n = fnn_tensor_numel(tensor);
  struct job job = {
      context->kernels->random, context->generator.seed, fnn_generator_take(&context->generator, n * words), a, b,
      fnn_floats(tensor)};
  fnn_parallel(context, n, GRAIN, piece, &job);
}

void fnn_tensor_uniform(struct fnn_tensor *tensor, float low, float high) {
  fill(tensor, uniform_piece, 4 / UNIFORM, low, high);
}

void fnn_tensor_normal(struct fnn_tensor *tensor, float mean, float deviation) {
  fill(tensor, normal_piece, 4 / NORMAL, mean, deviation);
}
