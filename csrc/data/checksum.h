/* Whether bytes are still what they were. */
#ifndef FNN_DATA_CHECKSUM_H
#define FNN_DATA_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* The CRC-32 (of ISO 3309, as in gzip) of some bytes; `before` is that of those that came before them, 0 for none. */
uint32_t fnn_crc32(uint32_t before, const void *bytes, size_t size);

#endif
