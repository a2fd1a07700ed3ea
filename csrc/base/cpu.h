/* Which instruction sets this machine has. Decided once per context; the
 * environment variable FMNISTNN_ISA caps it, so that every kernel variant can
 * be tested on a machine that has a better one. */
#ifndef FNN_BASE_CPU_H
#define FNN_BASE_CPU_H

/* In ascending order: each includes the ones before it. */
enum fnn_isa { FNN_ISA_BASE, FNN_ISA_AVX2, FNN_ISA_AVX512, FNN_ISA_AVX512_BF16, FNN_ISA_COUNT };

/* The best instruction set of this CPU, not above FMNISTNN_ISA ("base", "avx2", "avx512" or
 * "avx512_bf16"; an unknown word is ignored). */
enum fnn_isa fnn_cpu_isa(void);

/* How many CPUs this process may run on; at least 1. */
int fnn_cpu_count(void);

/* Bytes of memory this process may hope for: the machine's, or its control group's
 * limit where that is lower. */
unsigned long long fnn_cpu_memory(void);

#endif
