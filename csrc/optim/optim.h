/* Optimizers: a step over one parameter is one fused pass. Formulas and defaults are those of Keras 3
 * (kernels/update.c has them); the schedules of the numbers h (bias corrections and the like) are computed
 * once a step by the caller, lua/fmnistnn/optim/.
 *
 *   h[0] factor on the gradient   h[1] bound on its magnitude after that   h[2] learning rate
 *   h[3] how much of the parameter goes before the step (lr * weight_decay)   h[4..] the rule's own
 */
#ifndef FNN_OPTIM_OPTIM_H
#define FNN_OPTIM_OPTIM_H

#include "../kernels/kernels.h"
#include "../tensor/tensor.h"

enum { FNN_OPTIM_STATES = 3, FNN_OPTIM_NUMBERS = 10 };

struct fnn_optim_rule {
  const char *name;
  int states;  /* tensors of the parameter's shape that it keeps */
  int numbers; /* of h */
  int directs; /* it finds a direction, in one state more that is not kept; norms tell how far w then goes there */
};

/* FNN_RULE_COUNT of them, in the order of enum fnn_rule. */
extern const struct fnn_optim_rule fnn_optim_rules[];

/* The rule of that name; -1 when there is none. */
int fnn_optim_find(const char *name);

/* Step w, in place, by its gradient; the states are read and written. FNN_INVALID unless all are float32, dense and of w's
 * shape; but a gradient in lanes gets rows. FNN_NO_MEMORY for these, or where the rule finds a direction. */
enum fnn_status fnn_optim_step(enum fnn_rule rule, struct fnn_tensor *w, struct fnn_tensor *grad,
                               struct fnn_tensor *const *states, const float *h) FNN_CHECK;

/* average += (tensor - average) * weight, in one pass. FNN_INVALID unless the average is float32, dense and of the tensor's
 * shape; FNN_NO_MEMORY where the tensor, of any type and layout, must be copied. */
enum fnn_status fnn_optim_average(struct fnn_tensor *average, struct fnn_tensor *tensor, double weight) FNN_CHECK;

/* The sum of the squares of a tensor's elements; the same bits for any number of threads. Errors: FNN_NO_MEMORY. */
enum fnn_status fnn_sum_squares(struct fnn_tensor *tensor, double *out) FNN_CHECK;

#endif
