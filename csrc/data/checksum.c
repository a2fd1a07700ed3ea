/* zlib's CRC-32. */
#include "checksum.h"

#include <zlib.h>

uint32_t fnn_crc32(uint32_t before, const void *bytes, size_t size) { return (uint32_t)crc32_z(before, bytes, size); }
