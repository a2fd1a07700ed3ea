/* One step of each optimizer, as Keras 3 writes them. g is scaled by h[0] (clipping by norm) and
 * cut to +-h[1] (clipping by value); h[2] is the learning rate; h[3] is how much of w decoupled weight decay takes away. Running
 * averages are told how much of the new value they take, 1 - beta: a float of beta would know that to few digits. */
#include <math.h>

#include "variant.h"

#define UPDATE(name, ...)                                                                   \
  static void name(size_t n, float *w_, const float *g_, float *const *s, const float *h) { \
    const float lr = h[2];                                                                  \
    (void)s, (void)lr;                                                                      \
    for (size_t i = 0; i < n; i++) {                                                        \
      const float scaled = g_[i] * h[0];                                                    \
      const float g = scaled > h[1] ? h[1] : scaled < -h[1] ? -h[1] : scaled;               \
      float w = w_[i] - w_[i] * h[3];                                                       \
      __VA_ARGS__;                                                                          \
      w_[i] = w;                                                                            \
    }                                                                                       \
  }

UPDATE(sgd, w -= lr * g)

/* s[0] velocity; h[4] momentum, h[5] 1 for Nesterov's form (Sutskever et al. 2013) */
UPDATE(momentum, {
  const float v = h[4] * s[0][i] - lr * g;
  s[0][i] = v;
  w += h[5] != 0.0f ? h[4] * v - lr * g : v;
})

/* s[0] m, s[1] v; h[4] 1 - beta1, h[5] 1 - beta2, h[6] epsilon; lr has the bias correction in it, as at the end of
 * section 2 of Kingma and Ba 2014 ("epsilon hat") */
UPDATE(adam, {
  const float m = s[0][i] + (g - s[0][i]) * h[4];
  const float v = s[1][i] + (g * g - s[1][i]) * h[5];
  s[0][i] = m, s[1][i] = v;
  w -= lr * m / (sqrtf(v) + h[6]);
})

/* s[0] m, s[1] u; h[4] 1 - beta1, h[5] beta2, h[6] epsilon (Kingma and Ba 2014, algorithm 2) */
UPDATE(adamax, {
  const float m = s[0][i] + (g - s[0][i]) * h[4];
  const float decayed = h[5] * s[1][i], u = decayed > fabsf(g) ? decayed : fabsf(g);
  s[0][i] = m, s[1][i] = u;
  w -= lr * m / (u + h[6]);
})

/* s[0] m, s[1] v; h[4] 1 - beta1, h[5] 1 - beta2, h[6] epsilon, h[7] and h[8] the weights of m and g, h[9]
 * the correction of v (Dozat 2016) */
UPDATE(nadam, {
  const float m = s[0][i] + (g - s[0][i]) * h[4];
  const float v = s[1][i] + (g * g - s[1][i]) * h[5];
  s[0][i] = m, s[1][i] = v;
  w -= lr * (m * h[7] + g * h[8]) / (sqrtf(v * h[9]) + h[6]);
})

/* s[0] v; h[4] 1 - rho, h[6] epsilon (Hinton 2012) */
UPDATE(rmsprop, {
  const float v = s[0][i] + (g * g - s[0][i]) * h[4];
  s[0][i] = v;
  w -= lr * g / sqrtf(v + h[6]);
})

/* The same with s[1] momentum, s[2] mean gradient; h[5] momentum, h[7] 1 for the centered form (Graves 2013), whose
 * variance rounding may take below 0 */
UPDATE(rmsprop_full, {
  const float v = s[0][i] + (g * g - s[0][i]) * h[4];
  const float mean = s[2][i] + (g - s[2][i]) * h[4];
  const float rest = v - h[7] * mean * mean, variance = rest < 0.0f ? 0.0f : rest;
  const float step = h[5] * s[1][i] + lr * g / sqrtf(variance + h[6]);
  s[0][i] = v, s[1][i] = step, s[2][i] = mean;
  w -= step;
})

/* s[0] sum of squares; h[6] epsilon (Duchi et al. 2011) */
UPDATE(adagrad, {
  const float v = s[0][i] + g * g;
  s[0][i] = v;
  w -= lr * g / sqrtf(v + h[6]);
})

/* s[0] mean square of g, s[1] of the steps; h[4] 1 - rho, h[6] epsilon (Zeiler 2012, algorithm 1) */
UPDATE(adadelta, {
  const float v = s[0][i] + (g * g - s[0][i]) * h[4];
  const float step = sqrtf(s[1][i] + h[6]) * g / sqrtf(v + h[6]);
  s[0][i] = v;
  s[1][i] += (step * step - s[1][i]) * h[4];
  w -= lr * step;
})

/* s[0] m; h[4] 1 - beta1, h[5] 1 - beta2 (Chen et al. 2023, algorithm 2) */
UPDATE(lion, {
  const float c = s[0][i] + (g - s[0][i]) * h[4];
  s[0][i] += (g - s[0][i]) * h[5];
  w -= c > 0.0f ? lr : c < 0.0f ? -lr : 0.0f;
})

/* s[0] m, s[1] v, s[2] the direction that w is to take, which stays; h[4] 1 - beta1, h[5] 1 - beta2, h[6] epsilon, h[7]
 * and h[8] the corrections of m and v, h[9] weight decay (You et al. 2019, algorithm 2) */
UPDATE(lamb, {
  const float m = s[0][i] + (g - s[0][i]) * h[4];
  const float v = s[1][i] + (g * g - s[1][i]) * h[5];
  s[0][i] = m, s[1][i] = v;
  s[2][i] = m * h[7] / (sqrtf(v * h[8]) + h[6]) + w * h[9];
})

/* w is a running average, which takes the part lr of g */
UPDATE(average, w += (g - w) * lr)

const struct fnn_update_kernels FNN_VARIANT(fnn_update) = {
    .rule = {[FNN_RULE_SGD] = sgd,
             [FNN_RULE_MOMENTUM] = momentum,
             [FNN_RULE_ADAM] = adam,
             [FNN_RULE_ADAMAX] = adamax,
             [FNN_RULE_NADAM] = nadam,
             [FNN_RULE_RMSPROP] = rmsprop,
             [FNN_RULE_RMSPROP_FULL] = rmsprop_full,
             [FNN_RULE_ADAGRAD] = adagrad,
             [FNN_RULE_ADADELTA] = adadelta,
             [FNN_RULE_LION] = lion,
             [FNN_RULE_LAMB] = lamb,
             [FNN_RULE_AVERAGE] = average},
};
