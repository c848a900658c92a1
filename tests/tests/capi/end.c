/* One end of objects that two processes share, which does what its standard input says and answers
 * each time with `begun` and one line more: end make|open NAME. In Rust it is other_end.rs. */
#include "pattern.h"
#include <handfast/objects.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hf_surface *picture, *board;
static hf_fence *fence;
static hf_event *event;
static hf_section *section;

static const char *words(int r)
{
    static char text[300];
    switch (r) {
    case HF_SIGNALED: return "signaled";
    case HF_TIMED_OUT: return "timed out";
    case HF_ABANDONED: return "abandoned";
    case HF_LOST: return "lost";
    default: snprintf(text, sizeof text, "error %d: %.250s", r, hf_error_text()); return text;
    }
}

static const char *done(int r)
{
    return r == 0 ? "done" : words(r);
}

static const char *named(const char *name, char kind)
{
    static char text[64];
    snprintf(text, sizeof text, "%.60s-%c", name, kind);
    return text;
}

static int make(const char *name)
{
    hf_surface_desc desc;
    int r;
    memset(&desc, 0, sizeof desc);
    desc.struct_size = sizeof desc;
    desc.width = 100;
    desc.height = 30;
    desc.format = HF_FORMAT_NV12;
    if ((r = hf_surface_create(named(name, 'p'), &desc, &picture)) < 0)
        return r;
    desc.format = HF_FORMAT_R8;
    desc.flags = HF_SURFACE_KEYED_MUTEX;
    desc.writers = HF_WRITERS_SEVERAL;
    if ((r = hf_surface_create(named(name, 'b'), &desc, &board)) < 0
        || (r = hf_fence_create(named(name, 'f'), 0, &fence)) < 0
        || (r = hf_section_create(named(name, 's'), 64, HF_WRITERS_SEVERAL, &section)) < 0)
        return r;
    return hf_event_create(named(name, 'e'), HF_RESET_AUTO, &event);
}

static int open_all(const char *name)
{
    const uint32_t both = HF_ACCESS_GENERIC_READ | HF_ACCESS_SURFACE_WRITE;
    int r;
    if ((r = hf_surface_open(named(name, 'p'), HF_ACCESS_GENERIC_READ, &picture)) < 0
        || (r = hf_surface_open(named(name, 'b'), both, &board)) < 0
        || (r = hf_fence_open(named(name, 'f'), HF_ACCESS_GENERIC_ALL, &fence)) < 0
        || (r = hf_section_open(named(name, 's'), HF_ACCESS_GENERIC_ALL, &section)) < 0)
        return r;
    return hf_event_open(named(name, 'e'), HF_ACCESS_GENERIC_ALL, &event);
}

/* Draws picture number `step`. */
static int draw(uint64_t step)
{
    hf_subresource part;
    uint8_t *bytes;
    int r;
    if ((r = hf_surface_map_write(picture, &bytes, NULL)) < 0
        || (r = hf_surface_subresource(picture, 0, &part)) < 0)
        return r;
    for (uint32_t plane = 0; plane < part.planes; plane++)
        for (uint32_t y = 0; y < part.rows[plane]; y++)
            for (uint32_t x = 0; x < part.row_bytes[plane]; x++)
                bytes[part.plane_offset_bytes[plane] + (size_t)y * part.stride_bytes[plane] + x] =
                    pattern(plane, x, y, step);
    return 0;
}

/* The checksum of all bytes of the picture. */
static const char *sum(void)
{
    static char text[20];
    const uint8_t *bytes;
    size_t size;
    int r = hf_surface_map_read(picture, &bytes, &size);
    if (r < 0)
        return words(r);
    snprintf(text, sizeof text, "%016" PRIx64, fnv(bytes, size));
    return text;
}

/* Adds 1 to the first byte of the board, in place, so many times, each with the mutex. */
static int add(uint64_t times)
{
    uint8_t *bytes;
    int r = hf_surface_map_write(board, &bytes, NULL);
    for (uint64_t i = 0; i < times && r == 0; i++) {
        if ((r = hf_surface_acquire(board, 0, -1)) == HF_SIGNALED) {
            uint32_t count;
            memcpy(&count, bytes, sizeof count);
            count++;
            memcpy(bytes, &count, sizeof count);
            r = hf_surface_release(board, 0);
        }
    }
    return r;
}

static const char *number(int r, uint64_t value)
{
    static char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return r == 0 ? text : words(r);
}

static const char *obey(const char *order, uint64_t n, int ms)
{
    uint64_t value = 0;
    hf_wait_object both[2];
    hf_fence *reader;
    int r;
    if (strcmp(order, "draw") == 0)
        return done(draw(n));
    if (strcmp(order, "sum") == 0)
        return sum();
    if (strcmp(order, "signal") == 0)
        return done(hf_fence_signal(fence, n));
    if (strcmp(order, "wait") == 0)
        return words(hf_fence_wait(fence, n, ms));
    if (strcmp(order, "acquire") == 0)
        return words(hf_surface_acquire(board, n, ms));
    if (strcmp(order, "release") == 0)
        return done(hf_surface_release(board, n));
    if (strcmp(order, "add") == 0)
        return done(add(n));
    if (strcmp(order, "set") == 0)
        return done(hf_event_set(event));
    if (strcmp(order, "take") == 0)
        return words(hf_event_wait(event, ms));
    if (strcmp(order, "poke") == 0)
        return done(hf_section_write(section, 8, &n, sizeof n));
    if (strcmp(order, "value") == 0) {
        r = hf_fence_value(fence, &value);
        return number(r, value);
    }
    if (strcmp(order, "count") == 0) {
        r = hf_surface_read(board, 0, &value, 4);
        return number(r, value);
    }
    if (strcmp(order, "peek") == 0) {
        r = hf_section_read(section, 8, &value, sizeof value);
        return number(r, value);
    }
    if (strcmp(order, "both") == 0) {
        memset(both, 0, sizeof both);
        both[0].fence = fence;
        both[0].value = n;
        both[1].event = event;
        return words(hf_wait_all(both, 2, ms, NULL));
    }
    /* A fence that can only be waited for. */
    r = hf_fence_open(named(order, 'f'), HF_ACCESS_FENCE_WAIT, &reader);
    if (r == 0)
        hf_fence_destroy(reader);
    return done(r);
}

int main(int argc, char **argv)
{
    char line[64], order[32];
    if (argc < 3)
        return 2;
    printf("%s\n", done(strcmp(argv[1], "make") == 0 ? make(argv[2]) : open_all(argv[2])));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        uint64_t n = 0;
        int ms = -1;
        if (sscanf(line, "%31s %" SCNu64 " %d", order, &n, &ms) < 1)
            return 3;
        printf("begun\n"); /* what follows may take its time */
        fflush(stdout);
        printf("%s\n", obey(order, n, ms));
        fflush(stdout);
    }
    hf_event_destroy(event);
    hf_section_destroy(section);
    hf_fence_destroy(fence);
    hf_surface_destroy(board);
    hf_surface_destroy(picture);
    return 0;
}
