/* Draws into a surface that others have open, in step with them: two fences say whose turn it is.
 * produce [NAME] */
#include <handfast/objects.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "picture";
    char drawn_name[256], shown_name[256];
    hf_surface_desc desc;
    hf_surface *picture;
    hf_fence *drawn, *shown;
    uint8_t *pixels;
    size_t size;
    int r = HF_SIGNALED;

    snprintf(drawn_name, sizeof drawn_name, "%s-drawn", name);
    snprintf(shown_name, sizeof shown_name, "%s-shown", name);
    memset(&desc, 0, sizeof desc);
    desc.struct_size = sizeof desc;
    desc.width = 640;
    desc.height = 480;
    desc.format = HF_FORMAT_BGRA8;
    if (hf_surface_create(name, &desc, &picture) < 0
        || hf_surface_map_write(picture, &pixels, &size) < 0
        || hf_fence_create(drawn_name, 0, &drawn) < 0
        || hf_fence_create(shown_name, 0, &shown) < 0) {
        fprintf(stderr, "produce: %s\n", hf_error_text());
        return 1;
    }
    for (int frame = 1; frame <= 100 && r == HF_SIGNALED; frame++) {
        memset(pixels, frame, size);
        hf_fence_signal(drawn, (uint64_t)frame);
        /* A maker counts as one who signals: it is not told that the others died. */
        r = hf_fence_wait(shown, (uint64_t)frame, 10000);
    }
    if (r != HF_SIGNALED)
        printf("nobody looks any more\n");
    hf_fence_destroy(shown);
    hf_fence_destroy(drawn);
    hf_surface_destroy(picture);
    return r < 0;
}
