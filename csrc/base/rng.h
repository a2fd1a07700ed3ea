/* Random numbers from a counter: Philox4x32-10 (Salmon et al. 2011, "Parallel random
 * numbers: as easy as 1, 2, 3", fig. 2). Number i of a stream depends on (seed, i) alone, so one seed gives
 * the same bits however the work is cut among threads. */
#ifndef FNN_BASE_RNG_H
#define FNN_BASE_RNG_H

#include <stdint.h>

struct fnn_generator {
  uint64_t seed;
  uint64_t offset; /* the first counter that is not used yet */
};

/* Begin the stream of this seed. */
static inline void fnn_generator_seed(struct fnn_generator *generator, uint64_t seed) {
  generator->seed = seed;
  generator->offset = 0;
}

/* Take `numbers` 32-bit numbers: they are fnn_philox(seed, first + i / 4)[i % 4]. */
static inline uint64_t fnn_generator_take(struct fnn_generator *generator, uint64_t numbers) {
  uint64_t first = generator->offset;
  generator->offset += (numbers + 3) / 4;
  return first;
}

/* Four numbers, uniform over 32 bits, for one counter. */
static inline void fnn_philox(uint64_t seed, uint64_t counter, uint32_t out[4]) {
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32), c2 = 0, c3 = 0;
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)p1;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* A seed for another stream, from the generator's next counter. */
static inline uint64_t fnn_generator_draw_seed(struct fnn_generator *generator) {
  uint32_t bits[4];
  fnn_philox(generator->seed, fnn_generator_take(generator, 4), bits);
  return (uint64_t)bits[0] << 32 | bits[1];
}

/* Uniform in [0, 1): the upper 24 bits, so that every value is a float. */
static inline float fnn_uniform(uint32_t bits) { return (float)(bits >> 8) * 0x1p-24f; }

#endif
