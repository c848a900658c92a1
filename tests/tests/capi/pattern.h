/* What `end` draws, and FNV-1a of it. */
#ifndef PATTERN_H
#define PATTERN_H

#include <stddef.h>
#include <stdint.h>

static inline uint8_t pattern(uint32_t plane, uint32_t x, uint32_t y, uint64_t step)
{
    return (uint8_t)(x * 7 + y * 31 + plane * 101 + step * 13);
}

static inline uint64_t fnv(const uint8_t *bytes, size_t size)
{
    uint64_t sum = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * 0x100000001b3u;
    return sum;
}

#endif
