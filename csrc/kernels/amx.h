/* AMX (Intel's Architecture Instruction Set Extensions Programming Reference, chapter 3): registers are matrices of 16 rows of 64
 * bytes, and one instruction adds to 16 x 16 sums what 16 x 16 pairs of bfloat16 make of 16 x 16 others. */
#ifndef FNN_KERNELS_AMX_H
#define FNN_KERNELS_AMX_H

#include "kernels.h"
#include "simd.h"

enum { SIDE = FNN_AMX_SIDE, MATRIX = FNN_AMX_MATRIX, MOST_SUMS = 4, ROW = 4 * SIDE };

/* How many rows of how many bytes each register has; the registers' names are part of instructions: sums 0 to 3, factors from
 * the left 4 and 5, from the right 6 and 7. */
struct shapes {
  uint8_t palette, start_row, reserved[14];
  uint16_t bytes[16];
  uint8_t rows[16];
};

/* `rows` x `depth` pairs times `depth` x 16 pairs; amx_end gives the registers back, which the system then need not save. */
static inline void amx_begin(size_t rows, size_t depth) {
  struct shapes shapes = {.palette = 1};
  for (int i = 0; i < 8; i++) {
    shapes.rows[i] = (uint8_t)(i < 6 ? rows : depth);
    shapes.bytes[i] = (uint16_t)(i == 4 || i == 5 ? 4 * depth : ROW);
  }
  /* compilers may take what follows to read no more than the first bytes (GCC's PR 114098) */
  __asm__ volatile("" : : "r"(&shapes) : "memory");
  _tile_loadconfig(&shapes);
}

static inline void amx_end(void) { _tile_release(); }

FNN_INLINE void clear_sums(const int count) {
  _tile_zero(0);
  if (count > 1) _tile_zero(1);
  if (count > 2) _tile_zero(2);
  if (count > 3) _tile_zero(3);
}

FNN_INLINE void load_sums(const int count, const float *from) {
  _tile_loadd(0, from, ROW);
  if (count > 1) _tile_loadd(1, from + MATRIX, ROW);
  if (count > 2) _tile_loadd(2, from + (size_t)2 * MATRIX, ROW);
  if (count > 3) _tile_loadd(3, from + (size_t)3 * MATRIX, ROW);
}

/* Sums number i of `count`, to to + i * MATRIX. */
FNN_INLINE void store_sums(const int count, float *to) {
  _tile_stored(0, to, ROW);
  if (count > 1) _tile_stored(1, to + MATRIX, ROW);
  if (count > 2) _tile_stored(2, to + (size_t)2 * MATRIX, ROW);
  if (count > 3) _tile_stored(3, to + (size_t)3 * MATRIX, ROW);
}

#endif
