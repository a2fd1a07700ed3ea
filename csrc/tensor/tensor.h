/* Tensors: a shape and strides over shared, reference-counted storage.
 *
 * A tensor is a small object; many may look at one storage (views). Reference counts are plain
 * integers: a context, and all that belongs to it, serves one thread at a time.
 *
 * What autograd hangs on a tensor (`requires_grad`, `grad`, `history`) is kept here and
 * released here, but only autograd/ gives it a meaning. */
#ifndef FNN_TENSOR_TENSOR_H
#define FNN_TENSOR_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#include "../base/context.h"
#include "shape.h"

enum fnn_dtype { FNN_FLOAT32, FNN_UINT8, FNN_INT64, FNN_DTYPE_COUNT };

/* Bytes of one element. */
size_t fnn_dtype_size(enum fnn_dtype dtype);
/* "float32", "uint8", "int64" */
const char *fnn_dtype_name(enum fnn_dtype dtype);
/* These names in the order of enum fnn_dtype, ending with NULL. */
extern const char *const fnn_dtype_choices[];

struct fnn_storage {
  size_t references;
  uint64_t version; /* rises with each write in place, so that backward can tell that a saved tensor changed */
  struct fnn_context *context;
  void *data;
  struct fnn_kept *kept; /* see fnn_tensor_keep; or NULL */
};

/* What tells apart the things of one size that ops make of a tensor's elements. */
struct fnn_recipe {
  size_t number[5];
};

/* How a tensor came to be, as autograd sees it. `drop` is called when the last reference goes. */
struct fnn_history {
  size_t references;
  void (*drop)(struct fnn_history *history);
};

/* Which axis of a tensor lies in the lanes of vectors (lanes.h), and in how many. */
struct fnn_lanes {
  size_t count; /* 0 where none does: a dense tensor, or a view */
  enum { FNN_IMAGES, FNN_CHANNELS } axis;
};

struct fnn_tensor {
  size_t references;
  struct fnn_storage *storage;
  enum fnn_dtype dtype;
  int requires_grad;
  struct fnn_shape shape;
  size_t stride[FNN_MAX_RANK]; /* in elements; 0 along an expanded axis */
  size_t offset;               /* of the first element, in elements */
  struct fnn_lanes lanes;      /* where there are some, strides say nothing */
  struct fnn_tensor *grad;     /* accumulated gradient of a leaf, or NULL */
  struct fnn_history *history; /* NULL for a leaf */

  /* for the binding: how many boxes have it, and, while there are some, its place in a list */
  size_t holders;
  struct fnn_tensor *next_held, **held_from;
};

/* A new dense tensor, uninitialized, as one reference that the caller releases. FNN_NO_MEMORY when there is none or the shape
 * is too large to address; *out is untouched on error. */
enum fnn_status fnn_tensor_new(struct fnn_context *context, enum fnn_dtype dtype, const struct fnn_shape *shape,
                               struct fnn_tensor **out) FNN_CHECK;
/* The same, filled with zeros. */
enum fnn_status fnn_tensor_zeros(struct fnn_context *context, enum fnn_dtype dtype, const struct fnn_shape *shape,
                                 struct fnn_tensor **out) FNN_CHECK;
/* A number: float32 of rank 0. */
enum fnn_status fnn_tensor_number(struct fnn_context *context, double value, struct fnn_tensor **out) FNN_CHECK;
/* A number: int64 of rank 0. */
enum fnn_status fnn_tensor_integer(struct fnn_context *context, int64_t value, struct fnn_tensor **out) FNN_CHECK;

/* A new tensor over the storage of `base`, without history; *out as above. The caller vouches that it stays inside. */
enum fnn_status fnn_tensor_view(const struct fnn_tensor *base, const struct fnn_shape *shape,
                                const size_t stride[FNN_MAX_RANK], size_t offset, struct fnn_tensor **out) FNN_CHECK;
/* The same elements under a new handle without history: what autograd saves and detach returns. */
enum fnn_status fnn_tensor_alias(const struct fnn_tensor *tensor, struct fnn_tensor **out) FNN_CHECK;

/* Memory that lives as long as the tensor's storage, for what an op makes of its elements and wants again at its next call:
 * weights in a kernel's order. *known: it was filled by the same recipe and the elements have not changed since;
 * else the caller fills it, without fail. There is one for a storage: another recipe takes the place of the one before. */
enum fnn_status fnn_tensor_keep(const struct fnn_tensor *tensor, size_t bytes, const struct fnn_recipe *recipe,
                                void **memory, int *known) FNN_CHECK;

/* Count one reference more, and return the tensor. */
struct fnn_tensor *fnn_tensor_retain(struct fnn_tensor *tensor);
/* Give a reference up; with the last one the tensor goes, and with its last tensor the storage. NULL is ignored. */
void fnn_tensor_release(struct fnn_tensor *tensor);
/* Release all of a list, which then holds NULL. */
void fnn_tensors_release(struct fnn_tensor **list, size_t count);

/* The address of the first element. */
void *fnn_tensor_data(const struct fnn_tensor *tensor);
/* The same for the dtype in the name; the caller knows it. */
float *fnn_floats(const struct fnn_tensor *tensor);
int64_t *fnn_ints(const struct fnn_tensor *tensor);
uint8_t *fnn_bytes(const struct fnn_tensor *tensor);

/* The number of elements. */
size_t fnn_tensor_numel(const struct fnn_tensor *tensor);
/* The bytes of its elements; what expand repeats counts once. */
size_t fnn_tensor_bytes(const struct fnn_tensor *tensor);
/* Where element number i (last axis fastest) lies, in elements from the first. */
size_t fnn_tensor_position(const struct fnn_tensor *tensor, size_t i);
/* The context of its storage, borrowed. */
struct fnn_context *fnn_tensor_context(const struct fnn_tensor *tensor);
/* Dense, last axis fastest. */
int fnn_tensor_is_contiguous(const struct fnn_tensor *tensor);
/* Several elements share one place in memory, as after expand: nothing to write to. */
int fnn_tensor_overlaps(const struct fnn_tensor *tensor);

#endif
