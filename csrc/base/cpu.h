/* What this process may use of the machine: instruction sets, CPUs, memory. Decided once per context; the
 * environment variable FMNISTNN_ISA caps the instruction set, so that every kernel variant can
 * be tested on a machine that has a better one. */
#ifndef FNN_BASE_CPU_H
#define FNN_BASE_CPU_H

/* In ascending order: each includes the ones before it. */
enum fnn_isa { FNN_ISA_BASE, FNN_ISA_AVX2, FNN_ISA_AVX512, FNN_ISA_AVX512_BF16, FNN_ISA_AMX, FNN_ISA_COUNT };

/* The best instruction set of this CPU, not above FMNISTNN_ISA ("base", "avx2", "avx512", "avx512_bf16" or
 * "amx"; an unknown word is ignored). */
enum fnn_isa fnn_cpu_isa(void);

/* Ask the system for AMX's registers, which a process has to do once; whether it grants them. Stacks for signals must be larger
 * from then on (sysconf(_SC_MINSIGSTKSZ)), so only who is about to need them asks. */
int fnn_cpu_grants_amx(void);

/* How many CPUs this process may run on; at least 1. */
int fnn_cpu_count(void);

/* Bytes of memory this process may hope for: the machine's, or the limit of its control groups
 * where that is lower. */
unsigned long long fnn_cpu_memory(void);

/* The least limit, in bytes, of the control groups that the file `list` names (/proc/self/cgroup) and of those around them;
 * ULLONG_MAX where there is none. They are folders below `root` (/sys/fs/cgroup), of either version; in a container, which may
 * see no more than its own group there, that one stands for it. */
unsigned long long fnn_cpu_group_limit(const char *list, const char *root);

#endif
