/* Reading IDX files, the format of MNIST and its kin: a big-endian head (0, 0, type, number of axes, the sizes) and the elements.
 * Plain or gzip'd. */
#ifndef FNN_DATA_IDX_H
#define FNN_DATA_IDX_H

#include "../tensor/tensor.h"

/* Read a file of bytes (type 8) with `rank` axes into a new uint8 tensor. Whatever is wrong with the file, FNN_IO and
 * a text that begins with its name; what it declares is never allocated before it is plausible. */
enum fnn_status fnn_idx_read(struct fnn_context *context, const char *path, int rank,
                             struct fnn_tensor **out) FNN_CHECK;

#endif
