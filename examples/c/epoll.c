/* Waits for frames of several streams at once: epoll NAME.. ; ends when all have ended. */
#include <handfast/stream.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#define STREAMS_MAX 16

int main(int argc, char **argv)
{
    hf_receiver *cams[STREAMS_MAX];
    int open = argc - 1, waiter = epoll_create1(EPOLL_CLOEXEC);

    if (open < 1 || open > STREAMS_MAX || waiter < 0) {
        fprintf(stderr, "usage: epoll NAME..\n");
        return 2;
    }
    for (int i = 0; i < open; i++) {
        struct epoll_event interest;
        memset(&interest, 0, sizeof interest);
        interest.events = EPOLLIN;
        interest.data.u32 = (uint32_t)i;
        if (hf_receiver_open(argv[i + 1], HF_MODE_LATEST, &cams[i]) < 0
            || epoll_ctl(waiter, EPOLL_CTL_ADD, hf_receiver_fd(cams[i]), &interest) < 0) {
            fprintf(stderr, "epoll: %s: %s\n", argv[i + 1], hf_error_text());
            return 1;
        }
    }
    while (open > 0) {
        struct epoll_event event;
        if (epoll_wait(waiter, &event, 1, -1) != 1)
            continue;
        uint32_t i = event.data.u32;
        hf_frame f;
        int r = hf_receiver_frame(cams[i], &f, 0);
        if (r == HF_FRAME) {
            printf("%s %" PRIu64 "\n", argv[i + 1], f.sequence);
            hf_receiver_done(cams[i], &f);
        } else if (r <= 0) { /* ended, or failed */
            printf("%s %s\n", argv[i + 1], r == 0 ? "ended" : hf_error_text());
            hf_receiver_destroy(cams[i]); /* its descriptor leaves the epoll, too */
            open--;
        }
    }
    return 0;
}
