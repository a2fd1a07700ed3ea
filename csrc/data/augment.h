/* Augmentation: the images of a batch, each changed a little at random while it is gathered.
 *
 * In this order: an image is zoomed, sheared and turned about its middle, shifted, flipped; its brightness and contrast
 * change; a rectangle of it is erased, and a square cut out; at last it is mixed with another image of the batch.
 *
 * What is drawn for an image depends on the seed and on its position in the data set alone (Philox counters of its own),
 * but for the image that it is mixed with: that is one of its batch. */
#ifndef FNN_DATA_AUGMENT_H
#define FNN_DATA_AUGMENT_H

#include "../tensor/tensor.h"

enum fnn_flip { FNN_FLIP_NONE, FNN_FLIP_RANDOM, FNN_FLIP_ALTERNATING };

/* A number is drawn uniformly in low .. high. */
struct fnn_interval {
  double low, high;
};

struct fnn_augment {
  uint64_t seed;
  /* left to right with probability 1/2; or in every second epoch, from the first or the second on by the position and
   * flip_seed (Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU", section 3.6) */
  enum fnn_flip flip;
  uint64_t flip_seed, epoch;
  double shift[2];                     /* rows, columns: so many whole pixels at most, to either side */
  int reflect;                         /* what comes in from outside is the mirrored image instead of 0 */
  struct fnn_interval rotation, shear; /* degrees, counter-clockwise; to the right with growing row */
  struct fnn_interval zoom;            /* factor: above 1, things get larger */
  struct fnn_interval brightness;      /* factor on the pixels */
  struct fnn_interval contrast;        /* factor on their distance from their channel's mean */
  /* random erasing (Zhong et al. 2017): a rectangle of this share of the image, its height to its width in this
   * proportion (drawn in its logarithm), somewhere inside; after ten that do not fit, none */
  double erase;
  struct fnn_interval erase_area, erase_aspect;
  int erase_random;   /* fill it with uniform numbers of 0 .. white (255 for bytes, 1 for floats, times the scale) */
  double erase_value; /* else with this */
  double cutout;      /* side of a square of zeros whose centre is anywhere in the image (DeVries and Taylor 2017) */
  /* alphas of Beta(alpha, alpha), 0: without. Mixup (Zhang et al. 2017): lambda a + (1 - lambda) b; cutmix (Yun et al.
   * 2019): a rectangle of share 1 - lambda from b in a, its centre anywhere. With both, one or the other for each
   * image. */
  double mixup, cutmix;
};

/* The numbers of a struct fnn_augment by name, and within which bounds they must be. */
struct fnn_augment_number {
  const char *name;
  size_t offset;
  enum { FNN_AUGMENT_ONE, FNN_AUGMENT_PAIR, FNN_AUGMENT_INTERVAL } kind; /* how many doubles: 1, 2, 2 in order */
  double least, most;
};

extern const struct fnn_augment_number fnn_augment_numbers[]; /* the last has no name */

/* What fnn_augment_gather makes. */
struct fnn_augmented {
  struct fnn_tensor *images;  /* float32 (n,C,H,W) */
  struct fnn_tensor *partner; /* where images are mixed, int64 (n): with which of the batch each was; else NULL */
  struct fnn_tensor *share;   /* and float32 (n): how much of the partner there is in it */
};

/* fnn_batch_gather's rows of an (N,C,H,W) `source`, bytes or floats, augmented. *out is empty after an error. */
enum fnn_status fnn_augment_gather(struct fnn_tensor *source, const struct fnn_tensor *index, double scale,
                                   const struct fnn_augment *how, struct fnn_augmented *out) FNN_CHECK;

#endif
