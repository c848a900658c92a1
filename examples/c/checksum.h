/* A checksum of what a frame shows: FNV-1a over the pixels, without the padding of rows. */
#ifndef CHECKSUM_H
#define CHECKSUM_H

#include <handfast/stream.h>

static inline uint64_t checksum(const hf_frame *f)
{
    uint64_t sum = 0xcbf29ce484222325u;
    for (uint32_t plane = 0; plane < f->planes; plane++) {
        for (uint32_t y = 0; y < f->rows[plane]; y++) {
            const uint8_t *row = f->data[plane] + (size_t)y * f->stride_bytes[plane];
            for (uint32_t byte = 0; byte < f->row_bytes[plane]; byte++)
                sum = (sum ^ row[byte]) * 0x100000001b3u;
        }
    }
    return sum;
}

#endif
