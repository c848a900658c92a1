/* Everything that a C program can do wrong with objects and that can be noticed, and what each call
 * promises. Prints the checks that fail; the exit code is 0 if none did. */
#include "check.h"
#include <handfast/handfast.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALL HF_ACCESS_GENERIC_ALL
#define READ HF_ACCESS_GENERIC_READ

static hf_surface_desc picture(void)
{
    hf_surface_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.struct_size = sizeof desc;
    desc.width = 16;
    desc.height = 8;
    desc.format = HF_FORMAT_BGRA8;
    return desc;
}

static void nulls(void)
{
    hf_surface_desc desc = picture();
    hf_subresource part;
    hf_surface *surface = (hf_surface *)&desc;
    hf_section *section = (hf_section *)&desc;
    hf_fence *fence = (hf_fence *)&desc;
    hf_event *event = (hf_event *)&desc;
    hf_handle *handle = (hf_handle *)&desc;
    hf_reached *reached = (hf_reached *)&desc;
    const uint8_t *bytes = (const uint8_t *)&desc;
    uint8_t *writable = (uint8_t *)&desc;
    uint64_t id[2], number;
    uint32_t access;
    size_t size;
    IS(hf_surface_create(NULL, NULL, &surface), HF_ERROR_NULL);
    SAYS("desc is NULL");
    IS(surface == NULL, 1);
    IS(hf_surface_create("a", &desc, NULL), HF_ERROR_NULL);
    IS(hf_surface_open(NULL, READ, &surface), HF_ERROR_NULL);
    SAYS("name is NULL");
    IS(hf_surface_open("a", READ, NULL), HF_ERROR_NULL);
    IS(hf_surface_open_handle(NULL, &surface), HF_ERROR_NULL);
    SAYS("handle is NULL");
    IS(hf_surface_share(NULL, NULL, ALL, &handle), HF_ERROR_NULL);
    SAYS("surface is NULL");
    IS(handle == NULL, 1);
    IS(hf_surface_describe(NULL, &desc), HF_ERROR_NULL);
    IS(hf_surface_size(NULL, &number), HF_ERROR_NULL);
    IS(hf_surface_object(NULL, id), HF_ERROR_NULL);
    IS(hf_surface_access(NULL, &access), HF_ERROR_NULL);
    IS(hf_surface_subresource(NULL, 0, &part), HF_ERROR_NULL);
    IS(hf_surface_map_read(NULL, &bytes, &size), HF_ERROR_NULL);
    IS(bytes == NULL, 1);
    IS(hf_surface_map_write(NULL, &writable, &size), HF_ERROR_NULL);
    IS(writable == NULL, 1);
    IS(hf_surface_read(NULL, 0, id, 1), HF_ERROR_NULL);
    IS(hf_surface_write(NULL, 0, id, 1), HF_ERROR_NULL);
    IS(hf_surface_acquire(NULL, 0, 0), HF_ERROR_NULL);
    IS(hf_surface_release(NULL, 0), HF_ERROR_NULL);
    hf_surface_destroy(NULL);

    IS(hf_section_create(NULL, 1, HF_WRITERS_ONE, NULL), HF_ERROR_NULL);
    IS(hf_section_open(NULL, READ, &section), HF_ERROR_NULL);
    IS(section == NULL, 1);
    IS(hf_section_open("a", READ, NULL), HF_ERROR_NULL);
    IS(hf_section_open_handle(NULL, &section), HF_ERROR_NULL);
    IS(hf_section_share(NULL, NULL, ALL, &handle), HF_ERROR_NULL);
    SAYS("section is NULL");
    IS(hf_section_size(NULL, &number), HF_ERROR_NULL);
    IS(hf_section_object(NULL, id), HF_ERROR_NULL);
    IS(hf_section_access(NULL, &access), HF_ERROR_NULL);
    IS(hf_section_map_read(NULL, &bytes, &size), HF_ERROR_NULL);
    IS(hf_section_map_write(NULL, &writable, &size), HF_ERROR_NULL);
    IS(hf_section_read(NULL, 0, id, 1), HF_ERROR_NULL);
    IS(hf_section_write(NULL, 0, id, 1), HF_ERROR_NULL);
    hf_section_destroy(NULL);

    IS(hf_fence_create(NULL, 0, NULL), HF_ERROR_NULL);
    IS(hf_fence_open(NULL, ALL, &fence), HF_ERROR_NULL);
    IS(fence == NULL, 1);
    IS(hf_fence_open("a", ALL, NULL), HF_ERROR_NULL);
    IS(hf_fence_open_handle(NULL, &fence), HF_ERROR_NULL);
    IS(hf_fence_share(NULL, NULL, ALL, &handle), HF_ERROR_NULL);
    IS(hf_fence_signal(NULL, 1), HF_ERROR_NULL);
    SAYS("fence is NULL");
    IS(hf_fence_value(NULL, &number), HF_ERROR_NULL);
    IS(hf_fence_wait(NULL, 1, -1), HF_ERROR_NULL);
    IS(hf_fence_reached(NULL, 1, &reached), HF_ERROR_NULL);
    IS(reached == NULL, 1);
    IS(hf_fence_object(NULL, id), HF_ERROR_NULL);
    IS(hf_fence_access(NULL, &access), HF_ERROR_NULL);
    hf_fence_destroy(NULL);

    IS(hf_event_create(NULL, HF_RESET_AUTO, NULL), HF_ERROR_NULL);
    IS(hf_event_open(NULL, ALL, &event), HF_ERROR_NULL);
    IS(event == NULL, 1);
    IS(hf_event_open("a", ALL, NULL), HF_ERROR_NULL);
    IS(hf_event_open_handle(NULL, &event), HF_ERROR_NULL);
    IS(hf_event_share(NULL, NULL, ALL, &handle), HF_ERROR_NULL);
    IS(hf_event_set(NULL), HF_ERROR_NULL);
    IS(hf_event_reset(NULL), HF_ERROR_NULL);
    IS(hf_event_is_set(NULL), HF_ERROR_NULL);
    IS(hf_event_wait(NULL, -1), HF_ERROR_NULL);
    IS(hf_event_taken(NULL, &reached), HF_ERROR_NULL);
    IS(hf_event_object(NULL, id), HF_ERROR_NULL);
    IS(hf_event_access(NULL, &access), HF_ERROR_NULL);
    hf_event_destroy(NULL);

    IS(hf_wait_any(NULL, 1, 0, NULL), HF_ERROR_NULL);
    IS(hf_wait_all(NULL, 1, 0, NULL), HF_ERROR_NULL);
    IS(hf_reached_fd(NULL), HF_ERROR_NULL);
    IS(hf_reached_outcome(NULL), HF_ERROR_NULL);
    hf_reached_destroy(NULL);

    IS(hf_handle_from_fd(0, NULL), HF_ERROR_NULL);
    IS(hf_handle_fd(NULL), HF_ERROR_NULL);
    IS(hf_handle_duplicate(NULL, &handle), HF_ERROR_NULL);
    IS(hf_handle_duplicate_with(NULL, ALL, &handle), HF_ERROR_NULL);
    IS(hf_handle_set_inheritance(NULL, 1), HF_ERROR_NULL);
    IS(hf_handle_inheritance(NULL), HF_ERROR_NULL);
    IS(hf_handle_kind(NULL), HF_ERROR_NULL);
    IS(hf_handle_object(NULL, id), HF_ERROR_NULL);
    IS(hf_handle_access(NULL, &access), HF_ERROR_NULL);
    hf_handle_close(NULL);
}

/* As nulls, with something where it is not NULL that counts. */
static void null_places(void)
{
    hf_surface_desc desc = picture();
    hf_surface *surface;
    hf_fence *fence;
    hf_event *event;
    hf_handle *handle;
    hf_wait_object object;
    IS(hf_surface_create(NULL, &desc, &surface), 0);
    IS(hf_surface_share(surface, NULL, ALL, NULL), HF_ERROR_NULL);
    IS(hf_surface_describe(surface, NULL), HF_ERROR_NULL);
    IS(hf_surface_size(surface, NULL), HF_ERROR_NULL);
    IS(hf_surface_object(surface, NULL), HF_ERROR_NULL);
    IS(hf_surface_access(surface, NULL), HF_ERROR_NULL);
    IS(hf_surface_subresource(surface, 0, NULL), HF_ERROR_NULL);
    IS(hf_surface_map_read(surface, NULL, NULL), HF_ERROR_NULL);
    IS(hf_surface_map_write(surface, NULL, NULL), HF_ERROR_NULL);
    IS(hf_surface_read(surface, 0, NULL, 1), HF_ERROR_NULL);
    IS(hf_surface_read(surface, 0, NULL, 0), 0);
    IS(hf_surface_write(surface, 0, NULL, 1), HF_ERROR_NULL);
    IS(hf_surface_write(surface, 0, NULL, 0), 0);
    IS(hf_surface_read(surface, 0, &desc, SIZE_MAX), HF_ERROR_INVALID);
    hf_surface_destroy(surface);
    IS(hf_fence_create(NULL, 0, &fence), 0);
    IS(hf_event_create(NULL, HF_RESET_AUTO, &event), 0);
    IS(hf_fence_value(fence, NULL), HF_ERROR_NULL);
    IS(hf_fence_reached(fence, 0, NULL), HF_ERROR_NULL);
    IS(hf_fence_set_event_on_completion(fence, 1, NULL), HF_ERROR_NULL);
    IS(hf_fence_set_event_on_completion(NULL, 1, event), HF_ERROR_NULL);
    IS(hf_event_taken(event, NULL), HF_ERROR_NULL);
    IS(hf_fence_share(fence, NULL, ALL, &handle), 0);
    IS(hf_handle_duplicate(handle, NULL), HF_ERROR_NULL);
    IS(hf_handle_duplicate_with(handle, ALL, NULL), HF_ERROR_NULL);
    IS(hf_handle_object(handle, NULL), HF_ERROR_NULL);
    IS(hf_handle_access(handle, NULL), HF_ERROR_NULL);
    IS(hf_handle_set_inheritance(handle, 2), HF_ERROR_INVALID);
    hf_handle_close(handle);
    object.value = 0;
    object.fence = fence;
    object.event = NULL;
    IS(hf_wait_any(&object, 0, -1, NULL), HF_ERROR_INVALID);
    IS(hf_wait_all(&object, 0, -1, NULL), HF_ERROR_INVALID);
    IS(hf_wait_any(NULL, 0, -1, NULL), HF_ERROR_INVALID);
    object.event = event;
    IS(hf_wait_any(&object, 1, -1, NULL), HF_ERROR_INVALID);
    SAYS("object 0 to wait for");
    object.event = NULL;
    object.fence = NULL;
    IS(hf_wait_all(&object, 1, -1, NULL), HF_ERROR_INVALID);
    hf_wait_object twice[2];
    memset(twice, 0, sizeof twice);
    twice[0].event = twice[1].event = event;
    IS(hf_wait_all(twice, 2, -1, NULL), HF_ERROR_INVALID);
    IS(hf_wait_any(twice, 2, 0, NULL), HF_TIMED_OUT);
    hf_fence_destroy(fence);
    hf_event_destroy(event);
}

static void what_cannot_be(void)
{
    struct {
        hf_surface_desc known;
        unsigned char later[16];
    } larger;
    hf_surface_desc desc = picture();
    hf_surface *surface;
    hf_section *section;
    hf_event *event;
    desc.struct_size = 0;
    IS(hf_surface_create(NULL, &desc, &surface), HF_ERROR_INVALID);
    SAYS("sizeof(hf_surface_desc)");
    desc.struct_size = sizeof desc - 1;
    IS(hf_surface_create(NULL, &desc, &surface), HF_ERROR_INVALID);
    desc.struct_size = 4097;
    IS(hf_surface_create(NULL, &desc, &surface), HF_ERROR_INVALID);
    memset(&larger, 0, sizeof larger);
    larger.known = picture();
    larger.known.struct_size = sizeof larger;
    larger.later[15] = 1;
    IS(hf_surface_create(NULL, &larger.known, &surface), HF_ERROR_INVALID);
    larger.later[15] = 0;
    IS(hf_surface_create(NULL, &larger.known, &surface), 0);
    larger.later[0] = 5;
    IS(hf_surface_describe(surface, &larger.known), 0);
    IS(larger.known.struct_size, sizeof larger);
    IS(larger.later[0], 5);
    desc.struct_size = 8;
    IS(hf_surface_describe(surface, &desc), HF_ERROR_INVALID);
    IS(hf_surface_acquire(surface, 0, 0), HF_ERROR_INVALID);
    SAYS("without a keyed mutex");
    IS(hf_surface_release(surface, 0), HF_ERROR_INVALID);
    hf_surface_destroy(surface);

    desc = picture();
    desc.width = 0;
    IS(hf_surface_create(NULL, &desc, &surface), HF_ERROR_PICTURE_INVALID);
    desc = picture();
    desc.format = 22;
    IS(hf_surface_create(NULL, &desc, &surface), HF_ERROR_PICTURE_INVALID);
    desc.format = 0;
    IS(hf_surface_create(NULL, &desc, &surface), HF_ERROR_PICTURE_INVALID);
    SAYS("a texture has a format");
    desc = picture();
    desc.mips = 99;
    IS(hf_surface_create(NULL, &desc, &surface), HF_ERROR_PICTURE_INVALID);
    desc = picture();
    desc.dimension = 5;
    IS(hf_surface_create(NULL, &desc, &surface), HF_ERROR_INVALID);
    SAYS("dimension cannot be 5");
    desc = picture();
    desc.flags = 2;
    IS(hf_surface_create(NULL, &desc, &surface), HF_ERROR_INVALID);
    desc = picture();
    desc.writers = 2;
    IS(hf_surface_create(NULL, &desc, &surface), HF_ERROR_INVALID);
    desc = picture();
    desc.alpha = 4;
    IS(hf_surface_create(NULL, &desc, &surface), HF_ERROR_INVALID);
    desc = picture();
    IS(hf_surface_create("a\\b\\c", &desc, &surface), HF_ERROR_NAME_INVALID);
    IS(hf_surface_create("\xff", &desc, &surface), HF_ERROR_NAME_INVALID);
    IS(hf_surface_open("nobody", READ, &surface), HF_ERROR_NOT_FOUND);
    IS(surface == NULL, 1);
    IS(hf_section_create(NULL, 0, HF_WRITERS_ONE, &section), HF_ERROR_INVALID);
    IS(hf_section_create(NULL, 1, 2, &section), HF_ERROR_INVALID);
    IS(section == NULL, 1);
    IS(hf_event_create(NULL, 2, &event), HF_ERROR_INVALID);
    SAYS("reset cannot be 2");
    IS(hf_event_open("nobody", ALL, &event), HF_ERROR_NOT_FOUND);
}

/* What a surface is, and where its parts lie. */
static void facts(void)
{
    hf_surface_desc desc = picture(), found;
    hf_subresource part;
    hf_surface *surface;
    hf_handle *handle;
    uint64_t id[2], other[2], size;
    uint32_t access;
    desc.width = 33;
    desc.height = 9;
    desc.format = HF_FORMAT_I420;
    desc.layers = 2;
    desc.writers = HF_WRITERS_SEVERAL;
    IS(hf_surface_create(NULL, &desc, &surface), 0);
    memset(&found, 0xA5, sizeof found);
    found.struct_size = sizeof found;
    IS(hf_surface_describe(surface, &found), 0);
    IS(found.struct_size, sizeof found);
    IS(found.dimension, HF_DIMENSION_2D);
    IS(found.width, 33);
    IS(found.height, 9);
    IS(found.depth, 1);
    IS(found.layers, 2);
    IS(found.mips, 1);
    IS(found.format, HF_FORMAT_I420);
    IS(found.flags, 0);
    IS(found.writers, HF_WRITERS_SEVERAL);
    IS(found.alpha, HF_ALPHA_OPAQUE);
    IS(found.color.range, HF_RANGE_LIMITED);
    IS(found.reserved, 0);
    memset(&part, 0xA5, sizeof part);
    IS(hf_surface_subresource(surface, 1, &part), 0);
    IS(part.offset_bytes > 0 && part.offset_bytes % 512 == 0, 1);
    IS(part.width, 33);
    IS(part.height, 9);
    IS(part.depth, 1);
    IS(part.planes, 3);
    IS(part.plane_offset_bytes[0], part.offset_bytes);
    IS(part.plane_offset_bytes[1] - part.plane_offset_bytes[0], 9 * 256);
    IS(part.plane_offset_bytes[2] - part.plane_offset_bytes[1], 5 * 256);
    IS(part.plane_offset_bytes[3], 0);
    IS(part.stride_bytes[1], 256);
    IS(part.row_bytes[0], 33);
    IS(part.row_bytes[1], 17);
    IS(part.rows[0], 9);
    IS(part.rows[2], 5);
    IS(part.rows[3], 0);
    IS(part.size_bytes, 9 * 256 + 5 * 256 + 4 * 256 + 17);
    IS(hf_surface_size(surface, &size), 0);
    IS(size, part.offset_bytes + part.size_bytes);
    IS(hf_surface_subresource(surface, 2, &part), HF_ERROR_INVALID);
    SAYS("2 subresources");

    id[0] = id[1] = 1;
    IS(hf_surface_object(surface, id), 0);
    IS(id[0] == 0 && id[1] == 0, 1);
    IS(hf_surface_share(surface, NULL, READ, &handle), 0);
    IS(hf_surface_object(surface, id), 0);
    IS(id[0] != 0 && id[1] != 0, 1);
    IS(hf_handle_object(handle, other), 0);
    IS(memcmp(id, other, sizeof id), 0);
    IS(hf_handle_kind(handle), HF_KIND_SURFACE);
    IS(hf_handle_access(handle, &access), 0);
    IS(access, HF_ACCESS_READ_CONTROL);
    hf_handle_close(handle);
    IS(hf_surface_access(surface, &access), 0);
    IS(access & HF_ACCESS_SURFACE_WRITE, HF_ACCESS_SURFACE_WRITE);
    hf_surface_destroy(surface);

    memset(&desc, 0, sizeof desc);
    desc.struct_size = sizeof desc;
    desc.dimension = HF_DIMENSION_BUFFER;
    desc.width = 1000;
    desc.height = 1;
    IS(hf_surface_create(NULL, &desc, &surface), 0);
    IS(hf_surface_subresource(surface, 0, &part), 0);
    IS(part.size_bytes, 1000);
    IS(part.planes, 0);
    hf_surface_destroy(surface);
    desc = picture();
    desc.dimension = HF_DIMENSION_3D;
    desc.depth = 4;
    desc.mips = 2;
    desc.color.primaries = 9;
    IS(hf_surface_create(NULL, &desc, &surface), 0);
    found.struct_size = sizeof found;
    IS(hf_surface_describe(surface, &found), 0);
    IS(found.dimension, HF_DIMENSION_3D);
    IS(found.depth, 4);
    IS(found.mips, 2);
    IS(found.color.primaries, 9);
    IS(hf_surface_subresource(surface, 1, &part), 0);
    IS(part.depth, 2);
    IS(part.width, 8);
    hf_surface_destroy(surface);
    desc = picture();
    desc.dimension = HF_DIMENSION_1D;
    desc.height = 1;
    IS(hf_surface_create(NULL, &desc, &surface), 0);
    found.struct_size = sizeof found;
    IS(hf_surface_describe(surface, &found), 0);
    IS(found.dimension, HF_DIMENSION_1D);
    hf_surface_destroy(surface);
}

/* The rights of a mapping, as the kernel has them. */
static const char *rights(const void *address)
{
    static char found[8];
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    strcpy(found, "none");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long long start, end, here = (unsigned long long)(uintptr_t)address;
        char rights[8];
        if (sscanf(line, "%llx-%llx %5s", &start, &end, rights) == 3 && here >= start && here < end)
            strcpy(found, rights);
    }
    if (maps)
        fclose(maps);
    return found;
}

static void surface_of_one_writer(void)
{
    hf_surface_desc desc = picture();
    hf_surface *surface, *reader, *other = NULL;
    uint8_t *pixels;
    const uint8_t *seen;
    unsigned char copy[4] = { 0, 0, 0, 0 };
    size_t size, known;
    uint32_t access;
    IS(hf_surface_create("one", &desc, &surface), 0);
    IS(hf_surface_create("one", &desc, &other), HF_ERROR_NAME_TAKEN);
    IS(other == NULL, 1);
    IS(hf_surface_map_write(surface, &pixels, &size), 0);
    IS(size, 7 * 256 + 64);
    IS(strcmp(rights(pixels), "rw-s"), 0);
    IS(hf_surface_map_read(surface, &seen, NULL), 0);
    IS(seen == pixels, 1);
    IS(pixels[size - 1], 0);
    memset(pixels, 7, size);
    IS(hf_surface_open("one", READ, &reader), 0);
    IS(hf_surface_access(reader, &access), 0);
    IS(access & HF_ACCESS_SURFACE_WRITE, 0);
    IS(hf_surface_map_read(reader, &seen, &known), 0);
    IS(known, size);
    IS(strcmp(rights(seen), "r--s"), 0);
    IS(seen[0] == 7 && seen[size - 1] == 7, 1);
    IS(hf_surface_map_write(reader, &pixels, &known), HF_ERROR_ACCESS_DENIED);
    IS(pixels == NULL, 1);
    IS(hf_surface_write(reader, 0, copy, 4), HF_ERROR_ACCESS_DENIED);
    IS(hf_surface_write(surface, 5, "abcd", 4), 0);
    IS(memcmp(seen + 5, "abcd", 4), 0);
    IS(hf_surface_read(reader, 6, copy, 4), 0);
    IS(memcmp(copy, "bcd\7", 4), 0);
    IS(hf_surface_read(reader, size - 3, copy, 4), HF_ERROR_INVALID);
    IS(hf_surface_write(surface, size - 3, copy, 4), HF_ERROR_INVALID);
    SAYS("beyond the end");
    IS(hf_surface_read(reader, UINT64_MAX, copy, 4), HF_ERROR_INVALID);
    /* Nobody can ever write it: the right is left out of shares, and refused by name. */
    IS(hf_surface_open("one", READ | HF_ACCESS_SURFACE_WRITE, &other), HF_ERROR_ACCESS_DENIED);
    /* The reader's memory outlives the maker. */
    hf_surface_destroy(surface);
    IS(memcmp(seen + 5, "abcd", 4), 0);
    hf_surface_destroy(reader);
    IS(hf_surface_open("one", READ, &surface), HF_ERROR_NOT_FOUND);
}

static void memory_of_several_writers(void)
{
    hf_surface_desc desc = picture();
    hf_surface *surface, *writer, *reader;
    hf_section *section, *opened;
    uint8_t *one, *two;
    const uint8_t *seen;
    unsigned char copy[3] = { 0, 0, 0 };
    uint64_t size, id[2];
    uint32_t access;
    desc.writers = HF_WRITERS_SEVERAL;
    IS(hf_surface_create("several", &desc, &surface), 0);
    IS(hf_surface_open("several", READ | HF_ACCESS_SURFACE_WRITE, &writer), 0);
    IS(hf_surface_open("several", READ, &reader), 0);
    IS(hf_surface_map_write(surface, &one, NULL), 0);
    IS(hf_surface_map_write(writer, &two, NULL), 0);
    one[9] = 5;
    IS(two[9], 5);
    two[10] = 6;
    IS(one[10], 6);
    IS(hf_surface_write(writer, 11, "x", 1), 0);
    IS(hf_surface_read(surface, 9, copy, 3), 0);
    IS(memcmp(copy, "\5\6x", 3), 0);
    IS(hf_surface_map_write(reader, &two, NULL), HF_ERROR_ACCESS_DENIED);
    IS(hf_surface_map_read(reader, &seen, NULL), 0);
    IS(strcmp(rights(seen), "r--s"), 0);
    IS(seen[9], 5);
    hf_surface_destroy(surface);
    hf_surface_destroy(writer);
    hf_surface_destroy(reader);

    IS(hf_section_create("memory", 5000, HF_WRITERS_SEVERAL, &section), 0);
    IS(hf_section_size(section, &size), 0);
    IS(size, 5000);
    IS(hf_section_object(section, id), 0);
    IS(id[1] != 0, 1);
    IS(hf_section_open("memory", HF_ACCESS_SECTION_MAP_READ, &opened), 0);
    IS(hf_section_write(section, 4998, "yz", 2), 0);
    IS(hf_section_read(opened, 4998, copy, 2), 0);
    IS(memcmp(copy, "yz", 2), 0);
    IS(hf_section_read(opened, 4999, copy, 2), HF_ERROR_INVALID);
    IS(hf_section_write(opened, 0, copy, 1), HF_ERROR_ACCESS_DENIED);
    IS(hf_section_map_read(opened, &seen, NULL), 0);
    IS(seen[4999], 'z');
    IS(hf_section_map_write(opened, &one, NULL), HF_ERROR_ACCESS_DENIED);
    IS(hf_section_map_write(section, &one, NULL), 0);
    one[0] = 1;
    IS(seen[0], 1);
    hf_section_destroy(opened);
    IS(hf_section_open("memory", HF_ACCESS_SECTION_QUERY, &opened), 0);
    IS(hf_section_access(opened, &access), 0);
    IS(access, HF_ACCESS_SECTION_QUERY);
    IS(hf_section_map_read(opened, &seen, NULL), HF_ERROR_ACCESS_DENIED);
    IS(hf_section_read(opened, 0, copy, 1), HF_ERROR_ACCESS_DENIED);
    hf_section_destroy(opened);
    hf_section_destroy(section);
    IS(hf_section_create(NULL, 8, HF_WRITERS_ONE, &section), 0);
    IS(hf_section_write(section, 0, "12345678", 8), 0);
    IS(hf_section_write(section, 1, "12345678", 8), HF_ERROR_INVALID);
    hf_section_destroy(section);
}

static void *acquires_5(void *surface)
{
    int r;
    do /* the other thread may be writing just now */
        r = hf_surface_acquire((hf_surface *)surface, 5, -1);
    while (r == HF_ERROR_BUSY);
    IS(r, HF_SIGNALED);
    do
        r = hf_surface_release((hf_surface *)surface, 0);
    while (r == HF_ERROR_BUSY);
    IS(r, 0);
    return NULL;
}

static void keyed_mutex(void)
{
    hf_surface_desc desc = picture();
    hf_surface *surface, *other;
    pthread_t thread;
    uint8_t byte = 1;
    desc.flags = HF_SURFACE_KEYED_MUTEX;
    IS(hf_surface_create("keyed", &desc, &surface), 0);
    desc.struct_size = sizeof desc;
    desc.flags = 0;
    IS(hf_surface_describe(surface, &desc), 0);
    IS(desc.flags, HF_SURFACE_KEYED_MUTEX);
    IS(hf_surface_open("keyed", READ, &other), 0);
    IS(hf_surface_acquire(other, 1, 0), HF_TIMED_OUT);
    IS(hf_surface_release(other, 1), HF_ERROR_MISUSE);
    SAYS("does not own");
    IS(hf_surface_acquire(surface, 0, -1), HF_SIGNALED);
    IS(hf_surface_acquire(surface, 0, 0), HF_ERROR_MISUSE);
    SAYS("owns its keyed mutex already");
    IS(hf_surface_acquire(other, 0, 1), HF_TIMED_OUT);
    /* Another thread waits meanwhile: the library's writes want the surface alone. */
    IS(pthread_create(&thread, NULL, acquires_5, other), 0);
    int r;
    while ((r = hf_surface_write(other, 0, &byte, 1)) == HF_ERROR_ACCESS_DENIED)
        ;
    IS(r, HF_ERROR_BUSY);
    SAYS("another thread");
    IS(hf_surface_release(surface, 5), 0);
    IS(pthread_join(thread, NULL), 0);
    IS(hf_surface_acquire(surface, 0, 0), HF_SIGNALED);
    hf_surface_destroy(surface);
    IS(hf_surface_acquire(other, 0, -1), HF_ABANDONED);
    IS(hf_surface_acquire(other, 9, 0), HF_ABANDONED);
    hf_surface_destroy(other);
}

static int readable(int fd, int timeout_ms)
{
    struct pollfd one;
    one.fd = fd;
    one.events = POLLIN;
    return poll(&one, 1, timeout_ms);
}

static void fences(void)
{
    hf_fence *fence, *other, *less;
    hf_event *event;
    hf_handle *handle;
    hf_reached *reached, *late;
    uint64_t value = 9, id[2];
    uint32_t access;
    IS(hf_fence_create(NULL, 3, &fence), 0);
    IS(hf_fence_value(fence, &value), 0);
    IS(value, 3);
    IS(hf_fence_object(fence, id), 0);
    IS(id[0] | id[1], 0);
    IS(hf_fence_wait(fence, 3, -1), HF_SIGNALED);
    IS(hf_fence_wait(fence, 4, 0), HF_TIMED_OUT);
    IS(hf_fence_wait(fence, 4, 1), HF_TIMED_OUT);
    IS(hf_fence_reached(fence, 5, &reached), 0);
    int fd = hf_reached_fd(reached);
    IS(fd >= 0, 1);
    IS(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    IS(readable(fd, 0), 0);
    IS(hf_reached_outcome(reached), HF_TIMED_OUT);
    IS(hf_event_create(NULL, HF_RESET_MANUAL, &event), 0);
    IS(hf_fence_set_event_on_completion(fence, 5, event), 0);
    IS(hf_event_is_set(event), 0);

    /* What waits goes on while the fence is shared, with a name given to a handle. */
    IS(hf_fence_share(fence, "tick", ALL, &handle), 0);
    IS(hf_fence_open("tick", ALL, &other), 0);
    IS(hf_fence_object(fence, id), 0);
    IS(id[1] != 0, 1);
    IS(hf_fence_signal(other, UINT64_MAX), 0);
    IS(readable(fd, 20000), 1);
    IS(hf_reached_outcome(reached), HF_SIGNALED);
    IS(hf_reached_fd(reached), fd);
    IS(hf_event_wait(event, 20000), HF_SIGNALED);
    IS(hf_fence_value(fence, &value), 0);
    IS(value == UINT64_MAX, 1);
    IS(hf_fence_signal(fence, 2), 0);
    IS(hf_fence_value(other, &value), 0);
    IS(value, 2);
    hf_reached_destroy(reached);
    IS(fcntl(fd, F_GETFD), -1);
    IS(hf_event_reset(event), 1);
    IS(hf_fence_set_event_on_completion(fence, 2, event), 0);
    IS(hf_event_is_set(event), 1);
    hf_event_destroy(event);

    /* Who may signal and not wait, and the other way round. */
    IS(hf_fence_open("tick", HF_ACCESS_FENCE_SIGNAL, &less), 0);
    IS(hf_fence_access(less, &access), 0);
    IS(access, HF_ACCESS_FENCE_SIGNAL);
    IS(hf_fence_signal(less, 6), 0);
    IS(hf_fence_wait(less, 6, 0), HF_ERROR_ACCESS_DENIED);
    IS(hf_fence_reached(less, 6, &late), HF_ERROR_ACCESS_DENIED);
    IS(late == NULL, 1);
    hf_fence_destroy(less);
    if (sizeof(void *) == 4) {
        IS(hf_fence_open("tick", HF_ACCESS_FENCE_WAIT, &less), HF_ERROR_INVALID);
        SAYS("64 bits");
        IS(less == NULL, 1);
    } else {
        IS(hf_fence_open("tick", HF_ACCESS_FENCE_WAIT, &less), 0);
        IS(hf_fence_signal(less, 7), HF_ERROR_ACCESS_DENIED);
        SAYS("signal it");
        IS(hf_fence_wait(less, 6, 0), HF_SIGNALED);
        hf_fence_destroy(less);
    }
    IS(hf_fence_open("tick", 0, &less), HF_ERROR_ACCESS_DENIED);
    IS(hf_fence_open("tick", HF_ACCESS_FENCE_SIGNAL | 0x80, &less), HF_ERROR_ACCESS_DENIED);
    hf_handle *never;
    IS(hf_fence_share(fence, NULL, 0x80, &never), HF_ERROR_INVALID);
    IS(never == NULL, 1);
    hf_surface *surface;
    IS(hf_surface_open("tick", READ, &surface), HF_ERROR_INVALID);
    IS(hf_surface_open_handle(handle, &surface), HF_ERROR_INVALID);

    /* A wait outlives the opening that it began with. */
    IS(hf_fence_reached(other, 8, &reached), 0);
    hf_fence_destroy(other);
    IS(hf_fence_signal(fence, 8), 0);
    IS(readable(hf_reached_fd(reached), 20000), 1);
    hf_reached_destroy(reached);
    IS(hf_fence_reached(fence, 99, &reached), 0);
    hf_fence_destroy(fence);
    hf_handle_close(handle);
    hf_reached_destroy(reached);
    IS(hf_fence_open("tick", ALL, &fence), HF_ERROR_NOT_FOUND);
}

static void events(void)
{
    hf_event *event, *other;
    hf_reached *taken;
    uint64_t id[2];
    uint32_t access;
    IS(hf_event_create("go", HF_RESET_AUTO, &event), 0);
    IS(hf_event_open("go", ALL, &other), 0);
    IS(hf_event_object(other, id), 0);
    IS(id[1] != 0, 1);
    IS(hf_event_is_set(event), 0);
    IS(hf_event_set(event), 0);
    IS(hf_event_set(other), 1);
    IS(hf_event_is_set(other), 1);
    IS(hf_event_wait(other, -1), HF_SIGNALED);
    IS(hf_event_wait(event, 1), HF_TIMED_OUT);
    IS(hf_event_reset(event), 0);
    IS(hf_event_taken(event, &taken), 0);
    IS(hf_reached_outcome(taken), HF_TIMED_OUT);
    IS(hf_event_set(other), 0);
    IS(readable(hf_reached_fd(taken), 20000), 1);
    IS(hf_reached_outcome(taken), HF_SIGNALED);
    IS(hf_event_is_set(event), 0);
    hf_reached_destroy(taken);
    hf_event_destroy(other);
    IS(hf_event_open("go", HF_ACCESS_EVENT_MODIFY, &other), 0);
    IS(hf_event_access(other, &access), 0);
    IS(access, HF_ACCESS_EVENT_MODIFY);
    IS(hf_event_set(other), 0);
    IS(hf_event_wait(other, 0), HF_ERROR_ACCESS_DENIED);
    hf_event_destroy(other);
    hf_event_destroy(event);
    IS(hf_event_create(NULL, HF_RESET_MANUAL, &event), 0);
    IS(hf_event_set(event), 0);
    IS(hf_event_wait(event, 0), HF_SIGNALED);
    IS(hf_event_wait(event, 0), HF_SIGNALED);
    IS(hf_event_reset(event), 1);
    IS(hf_event_wait(event, 0), HF_TIMED_OUT);
    hf_event_destroy(event);
}

static void several_at_once(void)
{
    hf_wait_object objects[3];
    hf_fence *fence;
    hf_event *manual, *automatic;
    size_t index = 9;
    IS(hf_fence_create(NULL, 0, &fence), 0);
    IS(hf_event_create("manual", HF_RESET_MANUAL, &manual), 0);
    IS(hf_event_create(NULL, HF_RESET_AUTO, &automatic), 0);
    memset(objects, 0, sizeof objects);
    objects[0].fence = fence;
    objects[0].value = 2;
    objects[1].event = manual;
    objects[2].event = automatic;
    IS(hf_wait_any(objects, 3, 1, &index), HF_TIMED_OUT);
    IS(index, 0);
    IS(hf_event_set(automatic), 0);
    IS(hf_wait_all(objects, 3, 1, &index), HF_TIMED_OUT);
    IS(hf_event_is_set(automatic), 1);
    IS(hf_wait_any(objects, 3, -1, &index), HF_SIGNALED);
    IS(index, 2);
    IS(hf_event_is_set(automatic), 0);
    IS(hf_fence_signal(fence, 2), 0);
    IS(hf_event_set(manual), 0);
    IS(hf_wait_any(objects + 1, 2, -1, &index), HF_SIGNALED);
    IS(index, 0);
    IS(hf_event_set(automatic), 0);
    IS(hf_wait_all(objects, 3, -1, NULL), HF_SIGNALED);
    IS(hf_event_is_set(automatic), 0);
    IS(hf_event_is_set(manual), 1);
    hf_fence_destroy(fence);
    hf_event_destroy(manual);
    hf_event_destroy(automatic);
}

static void handles(void)
{
    hf_section *section, *opened;
    hf_handle *handle, *second, *third;
    uint64_t id[2], other[2];
    uint32_t access;
    int ends[2];
    IS(hf_section_create(NULL, 64, HF_WRITERS_SEVERAL, &section), 0);
    IS(hf_section_share(section, "held", ALL, &handle), 0);
    IS(hf_handle_kind(handle), HF_KIND_SECTION);
    int fd = hf_handle_fd(handle);
    IS(fd > 2, 1);
    IS(hf_handle_inheritance(handle), 0);
    IS(hf_handle_set_inheritance(handle, 1), 0);
    IS(hf_handle_inheritance(handle), 1);
    IS(fcntl(fd, F_GETFD), 0);
    IS(hf_handle_set_inheritance(handle, 0), 0);
    IS(fcntl(fd, F_GETFD), FD_CLOEXEC);
    IS(hf_handle_duplicate(handle, &second), 0);
    IS(hf_handle_duplicate_with(handle, HF_ACCESS_SECTION_MAP_READ, &third), 0);
    IS(hf_handle_access(third, &access), 0);
    IS(access, HF_ACCESS_SECTION_MAP_READ);
    IS(hf_section_open_handle(third, &opened), 0);
    IS(hf_section_write(opened, 0, "x", 1), HF_ERROR_ACCESS_DENIED);
    IS(hf_section_write(section, 0, "x", 1), 0);
    hf_section_destroy(opened);
    hf_handle_close(third);
    IS(hf_handle_duplicate_with(handle, 0x80, &third), HF_ERROR_ACCESS_DENIED);
    IS(third == NULL, 1);
    IS(hf_handle_object(handle, id), 0);

    /* A descriptor that came from elsewhere. */
    int sent = dup(fd);
    IS(hf_handle_from_fd(sent, &third), 0);
    IS(fcntl(sent, F_GETFD), -1);
    IS(fcntl(hf_handle_fd(third), F_GETFD), FD_CLOEXEC);
    IS(hf_handle_object(third, other), 0);
    IS(memcmp(id, other, sizeof id), 0);
    hf_handle_close(third);
    IS(hf_handle_from_fd(-1, &third), HF_ERROR_HANDLE);
    IS(hf_handle_from_fd(sent, &third), HF_ERROR_HANDLE);
    SAYS("is not open");
    IS(third == NULL, 1);
    IS(pipe(ends), 0);
    IS(hf_handle_from_fd(ends[0], &third), HF_ERROR_HANDLE);
    IS(fcntl(ends[0], F_GETFD), 0);
    close(ends[0]);
    close(ends[1]);

    /* The name lives as long as a handle of its share, whatever becomes of the section. */
    hf_section_destroy(section);
    hf_handle_close(handle);
    IS(hf_section_open("held", READ, &opened), 0);
    hf_section_destroy(opened);
    hf_handle_close(second);
    IS(hf_section_open("held", READ, &opened), HF_ERROR_NOT_FOUND);
}

static void listed(void)
{
    static const uint32_t kinds[] = { HF_KIND_SURFACE, HF_KIND_FENCE, HF_KIND_EVENT,
                                      HF_KIND_SECTION };
    static const uint64_t sizes[] = { 7 * 256 + 64, 0, 0, 64 };
    hf_surface_desc desc = picture();
    hf_surface *surface;
    hf_fence *fence;
    hf_event *event;
    hf_section *section;
    hf_entry **list;
    IS(hf_surface_create("l1", &desc, &surface), 0);
    IS(hf_fence_create("l2", 0, &fence), 0);
    IS(hf_event_create("l3", HF_RESET_AUTO, &event), 0);
    IS(hf_section_create("l4", 64, HF_WRITERS_ONE, &section), 0);
    int count = hf_list(&list);
    IS(count, 4);
    for (int i = 0; i < count && i < 4; i++) {
        IS(list[i]->kind, kinds[i]);
        IS(list[i]->payload_bytes, sizes[i]);
        IS(list[i]->has_sender, 0);
        IS(list[i]->name[1], '1' + i);
        IS(list[i]->pid, getpid());
    }
    hf_list_free(list);
    hf_section_destroy(section);
    hf_event_destroy(event);
    hf_fence_destroy(fence);
    hf_surface_destroy(surface);
}

static void in_the_child(hf_surface *surfaces[2], hf_section *section, hf_fence *fence,
                         hf_event *event, hf_handle *handle, hf_reached *reached,
                         const uint8_t *pixels)
{
    hf_surface_desc desc;
    hf_wait_object object;
    hf_handle *shared;
    hf_reached *begun;
    hf_fence *opened;
    hf_section *made;
    const uint8_t *bytes;
    uint8_t *writable;
    uint64_t value;
    IS(hf_surface_map_read(surfaces[0], &bytes, NULL), HF_ERROR_FORKED);
    IS(hf_surface_map_write(surfaces[0], &writable, NULL), HF_ERROR_FORKED);
    IS(hf_surface_read(surfaces[0], 0, &value, 1), HF_ERROR_FORKED);
    IS(hf_surface_write(surfaces[0], 0, &value, 1), HF_ERROR_FORKED);
    IS(hf_surface_read(surfaces[1], 0, &value, 1), HF_ERROR_FORKED);
    IS(hf_surface_acquire(surfaces[0], 0, -1), HF_ERROR_FORKED);
    IS(hf_surface_release(surfaces[0], 0), HF_ERROR_FORKED);
    IS(hf_surface_share(surfaces[0], NULL, ALL, &shared), HF_ERROR_FORKED);
    IS(strcmp(rights(pixels), "none"), 0);
    memset(&desc, 0, sizeof desc);
    desc.struct_size = sizeof desc;
    IS(hf_surface_describe(surfaces[0], &desc), 0);
    IS(desc.width, 16);
    IS(hf_section_map_write(section, &writable, NULL), HF_ERROR_FORKED);
    IS(hf_section_read(section, 0, &value, 1), HF_ERROR_FORKED);
    IS(hf_section_share(section, NULL, ALL, &shared), HF_ERROR_FORKED);
    IS(hf_fence_signal(fence, 1), HF_ERROR_FORKED);
    IS(hf_fence_value(fence, &value), HF_ERROR_FORKED);
    IS(hf_fence_wait(fence, 1, -1), HF_ERROR_FORKED);
    IS(hf_fence_reached(fence, 1, &begun), HF_ERROR_FORKED);
    IS(hf_fence_set_event_on_completion(fence, 1, event), HF_ERROR_FORKED);
    IS(hf_fence_share(fence, NULL, ALL, &shared), HF_ERROR_FORKED);
    IS(hf_event_set(event), HF_ERROR_FORKED);
    IS(hf_event_reset(event), HF_ERROR_FORKED);
    IS(hf_event_is_set(event), HF_ERROR_FORKED);
    IS(hf_event_wait(event, -1), HF_ERROR_FORKED);
    IS(hf_event_taken(event, &begun), HF_ERROR_FORKED);
    memset(&object, 0, sizeof object);
    object.event = event;
    IS(hf_wait_any(&object, 1, -1, NULL), HF_ERROR_FORKED);
    IS(hf_wait_all(&object, 1, -1, NULL), HF_ERROR_FORKED);
    IS(hf_reached_fd(reached), HF_ERROR_FORKED);
    IS(hf_reached_outcome(reached), HF_ERROR_FORKED);
    SAYS("forked child");
    hf_reached_destroy(reached);
    hf_surface_destroy(surfaces[0]);
    hf_surface_destroy(surfaces[1]);
    hf_section_destroy(section);
    hf_event_destroy(event);
    hf_fence_destroy(fence);
    /* The handle is the child's as well, and so is what it opens and makes itself. */
    IS(hf_fence_open_handle(handle, &opened), 0);
    IS(hf_fence_signal(opened, 4), 0);
    hf_fence_destroy(opened);
    IS(hf_section_create("child's", 8, HF_WRITERS_ONE, &made), 0);
    hf_section_destroy(made);
    hf_handle_close(handle);
}

static void a_forked_child(void)
{
    hf_surface_desc desc = picture();
    hf_surface *surfaces[2];
    hf_section *section;
    hf_fence *fence;
    hf_event *event;
    hf_handle *handle;
    hf_reached *reached;
    uint8_t *pixels;
    int status = -1;
    desc.flags = HF_SURFACE_KEYED_MUTEX;
    IS(hf_surface_create("fork", &desc, &surfaces[0]), 0);
    IS(hf_surface_open("fork", READ, &surfaces[1]), 0);
    IS(hf_surface_acquire(surfaces[0], 0, 0), HF_SIGNALED);
    IS(hf_surface_map_write(surfaces[0], &pixels, NULL), 0);
    IS(hf_section_create("forks", 64, HF_WRITERS_SEVERAL, &section), 0);
    IS(hf_fence_create("forkf", 0, &fence), 0);
    IS(hf_fence_share(fence, NULL, ALL, &handle), 0);
    IS(hf_event_create("forke", HF_RESET_AUTO, &event), 0);
    IS(hf_fence_reached(fence, 5, &reached), 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        failed = 0;
        in_the_child(surfaces, section, fence, event, handle, reached, pixels);
        /* By exec, so that valgrind does not look for what only the lost thread could free. */
        execl("/bin/sh", "sh", "-c", failed ? "exit 1" : "exit 0", (char *)NULL);
        _exit(2);
    }
    IS(waitpid(child, &status, 0), child);
    IS(status, 0);
    /* Nothing of the parent's has changed. */
    IS(hf_fence_wait(fence, 4, 0), HF_SIGNALED);
    pixels[0] = 1;
    IS(hf_surface_release(surfaces[0], 3), 0);
    IS(hf_surface_acquire(surfaces[1], 3, 0), HF_SIGNALED);
    IS(hf_event_set(event), 0);
    IS(hf_fence_signal(fence, 5), 0);
    IS(readable(hf_reached_fd(reached), 20000), 1);
    hf_reached_destroy(reached);
    hf_handle_close(handle);
    hf_event_destroy(event);
    hf_fence_destroy(fence);
    hf_section_destroy(section);
    hf_surface_destroy(surfaces[0]);
    hf_surface_destroy(surfaces[1]);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    nulls();
    null_places();
    what_cannot_be();
    facts();
    surface_of_one_writer();
    memory_of_several_writers();
    keyed_mutex();
    fences();
    events();
    several_at_once();
    handles();
    listed();
    a_forked_child();
    printf("%d failed\n", failed);
    return failed != 0;
}
