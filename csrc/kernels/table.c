/* The table of one instruction set's kernels. */
#include "variant.h"

#define TEXT_(isa) #isa
#define TEXT(isa) TEXT_(isa)

const struct fnn_kernels FNN_VARIANT(fnn_kernels) = {
    .name = TEXT(FNN_ISA),
    .elementwise = &FNN_VARIANT(fnn_elementwise),
    .reduce = &FNN_VARIANT(fnn_reduce),
    .window = &FNN_VARIANT(fnn_window),
    .norm = &FNN_VARIANT(fnn_norm),
    .random = &FNN_VARIANT(fnn_random),
    .update = &FNN_VARIANT(fnn_update),
    .image = &FNN_VARIANT(fnn_image),
    .lanes = &FNN_VARIANT(fnn_lanes),
};
