#define _POSIX_C_SOURCE 200809L /* stat */
#include "idx.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

enum { TYPE_BYTES = 8, CHUNK = 1 << 20, DEFLATE_BEST = 1032 }; /* deflate shrinks at most 1032 to 1 */

struct reader {
  struct fnn_context *context;
  const char *path;
  gzFile file;
};

/* What zlib says of an error, without the path that it begins with. */
static const char *without_path(const char *text, const char *path) {
  size_t length = strlen(path);
  int has_path = strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0;
  return has_path ? text + length + 2 : text;
}

/* Read exactly n bytes, or say how many there were. */
static enum fnn_status take(struct reader *r, void *to, size_t n, size_t *got) {
  *got = 0;
  while (*got < n) {
    size_t want = n - *got < CHUNK ? n - *got : CHUNK;
    int read = gzread(r->file, (char *)to + *got, (unsigned)want);
    if (read < 0) {
      int code, error = errno;
      const char *text = gzerror(r->file, &code);
      if (code == Z_ERRNO) return fnn_fail(r->context, FNN_IO, "%s: %s", r->path, strerror(error));
      return fnn_fail(r->context, FNN_IO, "%s: damaged: %s", r->path, without_path(text, r->path));
    }
    if (read == 0) return FNN_OK;
    *got += (size_t)read;
  }
  return FNN_OK;
}

static enum fnn_status read_head(struct reader *r, int rank, struct fnn_shape *shape) {
  unsigned char head[4 + 4 * FNN_MAX_RANK];
  size_t length = 4 + 4 * (size_t)rank, got;
  FNN_TRY(take(r, head, length, &got));
  if (got < 4 || head[0] != 0 || head[1] != 0)
    return fnn_fail(r->context, FNN_IO, "%s: not an IDX file: expected it to begin with two zero bytes", r->path);
  if (head[2] != TYPE_BYTES)
    return fnn_fail(r->context, FNN_IO, "%s: expected elements of type 8 (bytes), got type %d", r->path, head[2]);
  if (head[3] != rank)
    return fnn_fail(r->context, FNN_IO, "%s: expected %d axes (%s), got %d", r->path, rank,
                    rank == 1 ? "labels" : "images", head[3]);
  if (got < length) return fnn_fail(r->context, FNN_IO, "%s: truncated within its head", r->path);
  shape->rank = rank;
  for (int i = 0; i < rank; i++) {
    const unsigned char *b = head + 4 + 4 * (size_t)i;
    shape->size[i] = (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
  }
  return FNN_OK;
}

static enum fnn_status check_plausible(struct reader *r, const struct fnn_shape *shape) {
  struct stat info;
  size_t bytes = fnn_shape_numel(shape), counted = 1; /* without axes of size 0, as a tensor counts */
  char text[FNN_SHAPE_TEXT];
  int fits = stat(r->path, &info) == 0 && S_ISREG(info.st_mode);
  for (int i = 0; i < shape->rank; i++)
    fits = fits && fnn_multiply(counted, shape->size[i] ? shape->size[i] : 1, &counted);
  if (fits && counted <= PTRDIFF_MAX && bytes / DEFLATE_BEST <= (size_t)info.st_size) return FNN_OK;
  return fnn_fail(r->context, FNN_IO, "%s: its head says %s elements, which a file of this size cannot hold", r->path,
                  fnn_shape_text(shape, text));
}

static enum fnn_status read_elements(struct reader *r, struct fnn_tensor *tensor) {
  size_t bytes = fnn_tensor_numel(tensor), got, more;
  char text[FNN_SHAPE_TEXT], extra;
  FNN_TRY(take(r, fnn_tensor_data(tensor), bytes, &got));
  fnn_shape_text(&tensor->shape, text);
  if (got < bytes)
    return fnn_fail(r->context, FNN_IO, "%s: truncated: its head says %s elements, it has %zu", r->path, text, got);
  FNN_TRY(take(r, &extra, 1, &more));
  if (more > 0)
    return fnn_fail(r->context, FNN_IO, "%s: oversized: it goes on after the %s elements of its head", r->path, text);
  return FNN_OK;
}

static enum fnn_status read_file(struct reader *r, int rank, struct fnn_tensor **out) {
  struct fnn_shape shape = {0};
  struct fnn_tensor *tensor;
  FNN_TRY(read_head(r, rank, &shape));
  FNN_TRY(check_plausible(r, &shape));
  FNN_TRY(fnn_tensor_new(r->context, FNN_UINT8, &shape, &tensor));
  enum fnn_status status = read_elements(r, tensor);
  if (status == FNN_OK)
    *out = tensor;
  else
    fnn_tensor_release(tensor);
  return status;
}

enum fnn_status fnn_idx_read(struct fnn_context *context, const char *path, int rank, struct fnn_tensor **out) {
  struct reader r = {context, path, gzopen(path, "rb")};
  if (!r.file) return fnn_fail(context, FNN_IO, "%s: %s", path, strerror(errno ? errno : ENOMEM));
  struct fnn_tensor *tensor;
  enum fnn_status status = read_file(&r, rank, &tensor);
  int ends_early = gzclose_r(r.file) == Z_BUF_ERROR;
  FNN_TRY(status);
  if (ends_early) {
    fnn_tensor_release(tensor);
    return fnn_fail(context, FNN_IO, "%s: truncated: its compressed data ends early", path);
  }
  *out = tensor;
  return FNN_OK;
}
