/* Sends a moving gradient: send NAME [FRAMES] */
#include <handfast/stream.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void draw(hf_frame *f, unsigned step)
{
    for (uint32_t y = 0; y < f->height; y++) {
        uint8_t *row = f->data[0] + (size_t)y * f->stride_bytes[0];
        for (uint32_t x = 0; x < f->width; x++) {
            row[4 * x] = (uint8_t)(x + step);
            row[4 * x + 1] = (uint8_t)(y + 2 * step);
            row[4 * x + 2] = (uint8_t)(x ^ y);
            row[4 * x + 3] = 255;
        }
    }
}

int main(int argc, char **argv)
{
    hf_sender_options options;
    hf_sender *cam;
    hf_frame f;
    unsigned long frames = argc > 2 ? strtoul(argv[2], NULL, 10) : 600;

    if (argc < 2) {
        fprintf(stderr, "usage: send NAME [FRAMES]\n");
        return 2;
    }
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.width = 640;
    options.height = 360;
    options.format = HF_FORMAT_BGRA8;
    options.lossless = 1; /* wait for receivers that want every frame */
    if (hf_sender_create_with(argv[1], &options, &cam) < 0) {
        fprintf(stderr, "send: %s\n", hf_error_text());
        return 1;
    }
    hf_sender_wait_for_receivers(cam, 1, -1);
    for (unsigned step = 1; step <= frames && hf_sender_frame(cam, &f) == 0; step++) {
        draw(&f, step);
        hf_sender_send(cam, &f);
    }
    printf("%lu frames\n", frames);
    return hf_sender_finish(cam, 5000) < 0;
}
