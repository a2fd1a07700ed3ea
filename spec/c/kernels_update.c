/* The optimizers' steps, against the same formulas in double precision, one element at a time. */
#include <string.h>

#include "check.h"
#include "kernels_parts.h"

enum { STATES = 3, NUMBERS = 10 };

static uint64_t state = 5;

/* h: see csrc/optim/optim.h. */
static double reference_step(enum fnn_rule rule, double w, double g, double s[STATES], const float *h) {
  double lr = h[2], v;
  g *= h[0];
  g = g > h[1] ? h[1] : g < -h[1] ? -h[1] : g;
  w -= h[3] * w;
  switch (rule) {
    case FNN_RULE_SGD: return w - lr * g;
    case FNN_RULE_MOMENTUM: s[0] = h[4] * s[0] - lr * g; return w + (h[5] != 0 ? h[4] * s[0] - lr * g : s[0]);
    case FNN_RULE_ADAM:
      s[0] = (1 - h[4]) * s[0] + h[4] * g;
      s[1] = (1 - h[5]) * s[1] + h[5] * g * g;
      return w - lr * s[0] / (sqrt(s[1]) + h[6]);
    case FNN_RULE_ADAMAX:
      s[0] = (1 - h[4]) * s[0] + h[4] * g;
      s[1] = fmax(h[5] * s[1], fabs(g));
      return w - lr * s[0] / (s[1] + h[6]);
    case FNN_RULE_NADAM:
      s[0] = (1 - h[4]) * s[0] + h[4] * g;
      s[1] = (1 - h[5]) * s[1] + h[5] * g * g;
      return w - lr * (s[0] * h[7] + g * h[8]) / (sqrt(s[1] * h[9]) + h[6]);
    case FNN_RULE_RMSPROP: s[0] = (1 - h[4]) * s[0] + h[4] * g * g; return w - lr * g / sqrt(s[0] + h[6]);
    case FNN_RULE_RMSPROP_FULL:
      s[0] = (1 - h[4]) * s[0] + h[4] * g * g;
      s[2] = (1 - h[4]) * s[2] + h[4] * g;
      s[1] = h[5] * s[1] + lr * g / sqrt(s[0] - h[7] * s[2] * s[2] + h[6]);
      return w - s[1];
    case FNN_RULE_ADAGRAD: s[0] += g * g; return w - lr * g / sqrt(s[0] + h[6]);
    case FNN_RULE_ADADELTA:
      s[0] = (1 - h[4]) * s[0] + h[4] * g * g;
      v = sqrt(s[1] + h[6]) * g / sqrt(s[0] + h[6]);
      s[1] = (1 - h[4]) * s[1] + h[4] * v * v;
      return w - lr * v;
    case FNN_RULE_LION:
      v = (1 - h[4]) * s[0] + h[4] * g;
      s[0] = (1 - h[5]) * s[0] + h[5] * g;
      return w - lr * (v > 0 ? 1 : v < 0 ? -1 : 0);
    case FNN_RULE_LAMB:
      s[0] = (1 - h[4]) * s[0] + h[4] * g;
      s[1] = (1 - h[5]) * s[1] + h[5] * g * g;
      s[2] = s[0] * h[7] / (sqrt(s[1] * h[8]) + h[6]) + w * h[9];
      return w;
    case FNN_RULE_AVERAGE: return (1 - lr) * w + lr * g;
    default: return NAN;
  }
}

/* Squares are between 1 and 2, and means small enough for a variance above 0. */
static float any_state(int index) {
  return (index == 2 ? 0.2f : 1.0f) + (float)random_below(&state, 17) / (index == 2 ? 64.0f : 16.0f);
}

static void check_rule(const struct fnn_kernels *k, enum fnn_rule rule, size_t n, const float *h) {
  float *w = exactly(n, sizeof *w), *g = exactly(n, sizeof *g), *s[STATES];
  double *want = exactly(n, sizeof *want), *want_states = exactly(n * STATES, sizeof *want_states);
  for (int j = 0; j < STATES; j++) s[j] = exactly(n, sizeof **s);
  for (size_t i = 0; i < n; i++) {
    w[i] = random_float(&state);
    g[i] = random_float(&state);
    for (int j = 0; j < STATES; j++) want_states[i * STATES + (size_t)j] = s[j][i] = any_state(j);
    want[i] = reference_step(rule, w[i], g[i], want_states + i * STATES, h);
  }
  k->update->rule[rule](n, w, g, s, h);
  for (size_t i = 0; i < n; i++) {
    expect(is_near(w[i], want[i], 1e-6, 4e-6), "%s rule %d of %zu: parameter %zu is %.9g, expected %.9g", k->name,
           (int)rule, n, i, (double)w[i], want[i]);
    for (int j = 0; j < STATES; j++)
      expect(is_near(s[j][i], want_states[i * STATES + (size_t)j], 1e-6, 4e-6),
             "%s rule %d of %zu: state %d, %zu is %.9g, expected %.9g", k->name, (int)rule, n, j + 1, i,
             (double)s[j][i], want_states[i * STATES + (size_t)j]);
  }
  for (int j = 0; j < STATES; j++) free(s[j]);
  free(w), free(g), free(want), free(want_states);
}

int spec_update(const struct fnn_kernels *kernels) {
  /* plain; with the gradient scaled and cut, weight decay, and the rules' switches on */
  static const float numbers[2][NUMBERS] = {{1.0f, INFINITY, 0.01f, 0.0f, 0.1f, 0.0f, 1e-7f, 0.0f, 0.2f, 1.1f},
                                            {0.5f, 0.75f, 0.1f, 0.01f, 0.05f, 0.25f, 1e-3f, 1.0f, 0.1f, 1.0f}};
  check_failures = 0;
  for (int rule = 0; rule < FNN_RULE_COUNT; rule++)
    for (int i = 0; i < SPEC_COUNTS; i++)
      for (int set = 0; set < 2; set++) check_rule(kernels, (enum fnn_rule)rule, spec_counts[i], numbers[set]);
  return check_failures;
}
