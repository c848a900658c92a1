/* Reads the surface that `produce` draws: consume [NAME] */
#include <handfast/objects.h>
#include <stdio.h>
#include <string.h>

static int is_whole(const uint8_t *pixels, size_t size, int frame)
{
    return pixels[0] == frame && memcmp(pixels, pixels + 1, size - 1) == 0;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "picture";
    char drawn_name[256], shown_name[256];
    hf_surface *picture;
    hf_fence *drawn, *shown;
    const uint8_t *pixels;
    size_t size;
    int frame = 1, r = HF_SIGNALED;

    snprintf(drawn_name, sizeof drawn_name, "%s-drawn", name);
    snprintf(shown_name, sizeof shown_name, "%s-shown", name);
    if (hf_surface_open(name, HF_ACCESS_GENERIC_READ, &picture) < 0
        || hf_surface_map_read(picture, &pixels, &size) < 0
        || hf_fence_open(drawn_name, HF_ACCESS_GENERIC_ALL, &drawn) < 0
        || hf_fence_open(shown_name, HF_ACCESS_GENERIC_ALL, &shown) < 0) {
        fprintf(stderr, "consume: %s\n", hf_error_text());
        return 1;
    }
    for (; frame <= 100; frame++) {
        r = hf_fence_wait(drawn, (uint64_t)frame, -1);
        if (r != HF_SIGNALED)
            break;
        if (!is_whole(pixels, size, frame)) {
            fprintf(stderr, "consume: a torn picture\n");
            return 1;
        }
        hf_fence_signal(shown, (uint64_t)frame);
    }
    if (r == HF_SIGNALED)
        printf("100 whole pictures of %lu bytes\n", (unsigned long)size);
    else
        printf("the other end is gone after %d frames: %s\n", frame - 1,
               r == HF_LOST ? "Lost" : "Abandoned");
    hf_fence_destroy(shown);
    hf_fence_destroy(drawn);
    hf_surface_destroy(picture);
    return r < 0;
}
