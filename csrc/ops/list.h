/* Every op, a line each. Included with FNN_OP(name) defined: names fnn_op_<name>. No guard on purpose. */

/* unary.c, predicate.c, binary.c, compare.c: from the lists of the kernels */
#define FNN_UNARY(name, params, y, slope, reads) FNN_OP(name)
#include "../kernels/unary.inc"
#undef FNN_UNARY
#define FNN_PREDICATE(name, condition) FNN_OP(name)
#include "../kernels/predicate.inc"
#undef FNN_PREDICATE
#define FNN_BINARY(name, types, y, int_y, slope_a, slope_b) FNN_OP(name)
#include "../kernels/binary.inc"
#undef FNN_BINARY
#define FNN_COMPARE(name, condition) FNN_OP(name)
#include "../kernels/compare.inc"
#undef FNN_COMPARE

/* choosing and moving elements */
FNN_OP(where)
FNN_OP(clone)
FNN_OP(to)
FNN_OP(cat)
FNN_OP(pad)
FNN_OP(flip)
FNN_OP(gather)
FNN_OP(index_select)
FNN_OP(one_hot)
FNN_OP(nonzero)
FNN_OP(sort)

/* views */
FNN_OP(reshape)
FNN_OP(flatten)
FNN_OP(permute)
FNN_OP(transpose)
FNN_OP(narrow)
FNN_OP(select)
FNN_OP(squeeze)
FNN_OP(unsqueeze)
FNN_OP(expand)

/* reductions */
FNN_OP(sum)
FNN_OP(mean)
FNN_OP(var)
FNN_OP(prod)
FNN_OP(any)
FNN_OP(all)
FNN_OP(logsumexp)
FNN_OP(max)
FNN_OP(min)
FNN_OP(argmax)
FNN_OP(argmin)
FNN_OP(cumsum)
FNN_OP(softmax)
FNN_OP(log_softmax)

/* products */
FNN_OP(matmul)
FNN_OP(linear)

/* layers */
FNN_OP(conv2d)
FNN_OP(conv2d_relu)
FNN_OP(conv2d_relu_max_pool)
FNN_OP(conv_transpose2d)
FNN_OP(max_pool2d)
FNN_OP(avg_pool2d)
FNN_OP(adaptive_avg_pool2d)
FNN_OP(upsample2d)
FNN_OP(batch_norm_train)
FNN_OP(batch_norm_relu_train)
FNN_OP(batch_norm_max_pool_train)
FNN_OP(batch_norm_apply)
FNN_OP(batch_norm_relu_apply)
FNN_OP(layer_norm)
FNN_OP(group_norm)
FNN_OP(dropout)
FNN_OP(cross_entropy_classes)
FNN_OP(cross_entropy_soft)
