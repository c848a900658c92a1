/* Holds a frame until a line comes: hold NAME call|thread. Prints what it sees before and after. */
#include "checksum.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    hf_receiver *cam;
    hf_frame f;
    char line[16];
    int r;

    if (argc < 3 || hf_receiver_open(argv[1], HF_MODE_LATEST, &cam) < 0)
        return 2;
    if (strcmp(argv[2], "thread") == 0 && hf_receiver_fd(cam) < 0)
        return 3;
    while ((r = hf_receiver_frame(cam, &f, -1)) != HF_FRAME)
        if (r <= 0)
            return 4;
    printf("%016" PRIx64 "\n", checksum(&f));
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        return 5;
    printf("%016" PRIx64 "\n", checksum(&f));
    if (hf_receiver_done(cam, &f) != 0)
        return 6;
    /* What was sent before the sender died may still come. */
    while ((r = hf_receiver_frame(cam, &f, -1)) == HF_FRAME)
        hf_receiver_done(cam, &f);
    printf("%s\n", r == HF_NO_SENDER ? "no sender" : "something else");
    hf_receiver_destroy(cam);
    return 0;
}
