/* Tensors of random numbers from the context's generator (base/rng.h): the same bits for any number of threads. */
#ifndef FNN_TENSOR_RANDOM_H
#define FNN_TENSOR_RANDOM_H

#include "tensor.h"

/* Fill a dense float32 tensor with numbers uniform in [low, high), one word of the stream each. */
void fnn_tensor_uniform(struct fnn_tensor *tensor, float low, float high);

/* The same with normal numbers of this mean and standard deviation, two words each (Box and Muller 1958: two numbers
 * from two uniform ones; a counter makes two numbers and leaves two of its words). */
void fnn_tensor_normal(struct fnn_tensor *tensor, float mean, float deviation);

#endif
