/* Receives a stream and prints a line for each frame: recv NAME [latest|lossless|QUEUE] */
#include "checksum.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int mode(const char *word)
{
    if (strcmp(word, "latest") == 0)
        return HF_MODE_LATEST;
    return strcmp(word, "lossless") == 0 ? HF_MODE_LOSSLESS : HF_MODE_QUEUE(atoi(word));
}

int main(int argc, char **argv)
{
    hf_receiver *cam;
    hf_frame f;
    int r;

    if (argc < 2) {
        fprintf(stderr, "usage: recv NAME [latest|lossless|QUEUE]\n");
        return 2;
    }
    if (hf_receiver_open(argv[1], argc > 2 ? mode(argv[2]) : HF_MODE_LATEST, &cam) < 0) {
        fprintf(stderr, "recv: %s\n", hf_error_text());
        return 1;
    }
    while ((r = hf_receiver_frame(cam, &f, 100)) > 0) {
        if (r != HF_FRAME)
            continue; /* HF_TIMED_OUT or HF_NO_SENDER: wait on */
        printf("%" PRIu64 " %" PRIu32 "x%" PRIu32 " %016" PRIx64 "\n", f.sequence, f.width,
               f.height, checksum(&f));
        hf_receiver_done(cam, &f);
    }
    if (r < 0)
        fprintf(stderr, "recv: %s\n", hf_error_text());
    hf_receiver_destroy(cam);
    return r < 0;
}
