/* Everything that a C program can do wrong and that can be noticed, and what each call promises.
 * Prints the checks that fail; the exit code is 0 if none did. */
#include "check.h"
#include <handfast/stream.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static hf_sender_options options(void)
{
    hf_sender_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.width = 16;
    options.height = 8;
    options.format = HF_FORMAT_BGRA8;
    return options;
}

static void nulls(void)
{
    hf_frame f;
    hf_sender *sender = (hf_sender *)&f;
    hf_receiver *receiver = (hf_receiver *)&f;
    hf_sender_options o = options();
    memset(&f, 0, sizeof f);
    IS(hf_error_text()[0], 0);
    IS(hf_sender_create(NULL, 16, 8, HF_FORMAT_BGRA8, &sender), HF_ERROR_NULL);
    SAYS("name is NULL");
    IS(sender == NULL, 1);
    IS(hf_sender_create("a", 16, 8, HF_FORMAT_BGRA8, NULL), HF_ERROR_NULL);
    IS(hf_sender_create_with(NULL, &o, &sender), HF_ERROR_NULL);
    IS(hf_sender_create_with("a", NULL, &sender), HF_ERROR_NULL);
    IS(hf_sender_create_with("a", &o, NULL), HF_ERROR_NULL);
    IS(hf_sender_frame(NULL, &f), HF_ERROR_NULL);
    IS(hf_sender_frame_timeout(NULL, &f, 0), HF_ERROR_NULL);
    IS(hf_sender_send(NULL, &f), HF_ERROR_NULL);
    IS(hf_sender_cancel(NULL, &f), HF_ERROR_NULL);
    IS(hf_sender_resize(NULL, 1, 1, HF_FORMAT_R8), HF_ERROR_NULL);
    IS(hf_sender_receivers(NULL), HF_ERROR_NULL);
    IS(hf_sender_wait_for_receivers(NULL, 1, 0), HF_ERROR_NULL);
    IS(hf_sender_finish(NULL, 0), HF_ERROR_NULL);
    hf_sender_destroy(NULL);
    IS(hf_receiver_open(NULL, HF_MODE_LATEST, &receiver), HF_ERROR_NULL);
    IS(receiver == NULL, 1);
    IS(hf_receiver_open("a", HF_MODE_LATEST, NULL), HF_ERROR_NULL);
    IS(hf_receiver_frame(NULL, &f, 0), HF_ERROR_NULL);
    IS(hf_receiver_done(NULL, &f), HF_ERROR_NULL);
    IS(hf_receiver_fd(NULL), HF_ERROR_NULL);
    IS(hf_receiver_text(NULL, NULL, 0), HF_ERROR_NULL);
    hf_receiver_destroy(NULL);
    IS(hf_list(NULL), HF_ERROR_NULL);
    hf_list_free(NULL);
    IS(hf_watch_create(NULL), HF_ERROR_NULL);
    IS(hf_watch_wait(NULL, 0), HF_ERROR_NULL);
    hf_watch_destroy(NULL);
}

static void names_and_pictures(void)
{
    hf_sender *sender, *other = NULL;
    hf_receiver *receiver;
    hf_frame f;
    IS(hf_sender_create("", 16, 8, HF_FORMAT_BGRA8, &sender), HF_ERROR_NAME_INVALID);
    IS(hf_sender_create("a\\b\\c", 16, 8, HF_FORMAT_BGRA8, &sender), HF_ERROR_NAME_INVALID);
    IS(hf_sender_create("\xff", 16, 8, HF_FORMAT_BGRA8, &sender), HF_ERROR_NAME_INVALID);
    SAYS("UTF-8");
    IS(hf_sender_create("a", 16, 8, 0, &sender), HF_ERROR_PICTURE_INVALID);
    IS(hf_sender_create("a", 16, 8, 22, &sender), HF_ERROR_PICTURE_INVALID);
    SAYS("pixel format number 22");
    IS(hf_sender_create("a", 0, 8, HF_FORMAT_BGRA8, &sender), HF_ERROR_PICTURE_INVALID);
    IS(hf_sender_create("a", 16385, 8, HF_FORMAT_BGRA8, &sender), HF_ERROR_PICTURE_INVALID);
    IS(hf_sender_create("a", UINT32_MAX, UINT32_MAX, HF_FORMAT_BGRA8, &sender),
       HF_ERROR_PICTURE_INVALID);
    IS(hf_sender_create("a", 16384, 16384, HF_FORMAT_RGBA32F, &sender), HF_ERROR_PICTURE_INVALID);
    IS(sender == NULL, 1);
    IS(hf_receiver_open("a", -2, &receiver), HF_ERROR_INVALID);
    SAYS("mode");
    IS(hf_receiver_open("\xff", 0, &receiver), HF_ERROR_NAME_INVALID);
    IS(hf_sender_create("a", 16, 8, HF_FORMAT_BGRA8, &sender), 0);
    IS(hf_sender_create("a", 16, 8, HF_FORMAT_BGRA8, &other), HF_ERROR_NAME_TAKEN);
    SAYS("is taken by");
    IS(other == NULL, 1);
    IS(hf_sender_resize(sender, 0, 1, HF_FORMAT_R8), HF_ERROR_PICTURE_INVALID);
    IS(hf_sender_resize(sender, 1, 1, 99), HF_ERROR_PICTURE_INVALID);
    IS(hf_sender_frame(sender, &f), 0);
    IS(f.width, 16);
    IS(f.format, HF_FORMAT_BGRA8);
    IS(hf_sender_resize(sender, 32, 8, HF_FORMAT_R8), HF_ERROR_FRAME);
    SAYS("frame 1 is out");
    IS(hf_sender_cancel(sender, &f), 0);
    IS(hf_sender_resize(sender, 33, 9, HF_FORMAT_I420), 0);
    IS(hf_sender_frame(sender, &f), 0);
    IS(f.width, 33);
    IS(f.planes, 3);
    IS(f.data[3] == NULL, 1);
    IS(f.rows[1], 5);
    IS(f.row_bytes[1], 17);
    IS(f.stride_bytes[1], 64);
    IS(f.size_bytes[1], 4 * 64 + 17);
    IS(f.data[1] - f.data[0], 9 * 64);
    IS(f.color.range, HF_RANGE_LIMITED);
    IS(f.alpha, HF_ALPHA_OPAQUE);
    hf_sender_destroy(sender);
}

static void options_that_cannot_be(void)
{
    hf_sender *sender;
    struct {
        hf_sender_options known;
        unsigned char later[16];
    } larger;
    hf_sender_options o = options();
    o.struct_size = 0;
    IS(hf_sender_create_with("o", &o, &sender), HF_ERROR_INVALID);
    SAYS("struct_size is 0 bytes");
    o.struct_size = sizeof o - 1;
    IS(hf_sender_create_with("o", &o, &sender), HF_ERROR_INVALID);
    o.struct_size = 4097;
    IS(hf_sender_create_with("o", &o, &sender), HF_ERROR_INVALID);
    memset(&larger, 0, sizeof larger);
    larger.known = options();
    larger.known.struct_size = sizeof larger;
    larger.later[15] = 1;
    IS(hf_sender_create_with("o", &larger.known, &sender), HF_ERROR_INVALID);
    larger.later[15] = 0;
    IS(hf_sender_create_with("o", &larger.known, &sender), 0);
    hf_sender_destroy(sender);
    o = options();
    o.lossless = 2;
    IS(hf_sender_create_with("o", &o, &sender), HF_ERROR_INVALID);
    o = options();
    o.alpha = 4;
    IS(hf_sender_create_with("o", &o, &sender), HF_ERROR_INVALID);
    o = options();
    o.slots = 65;
    IS(hf_sender_create_with("o", &o, &sender), HF_ERROR_INVALID);
    o = options();
    o.align_bytes = 3;
    IS(hf_sender_create_with("o", &o, &sender), HF_ERROR_PICTURE_INVALID);
    o = options();
    o.color.range = 2;
    IS(hf_sender_create_with("o", &o, &sender), HF_ERROR_INVALID);
    o = options();
    o.text = "\xff";
    IS(hf_sender_create_with("o", &o, &sender), HF_ERROR_INVALID);
    SAYS("text is not UTF-8");
}

/* A frame, and all that a sender says with it, by a receiver that waits itself or has a thread. */
static void round_trip(int with_descriptor)
{
    hf_sender_options o = options();
    hf_sender *sender;
    hf_receiver *receiver, *other;
    hf_frame f, g, h;
    char text[8];
    o.slots = 3;
    o.align_bytes = 256;
    o.alpha = HF_ALPHA_PREMULTIPLIED;
    o.color.primaries = 9;
    o.color.transfer = 16;
    o.color.matrix = 9;
    o.text = "a camera";
    memset(&f, 0xA5, sizeof f);
    memset(&g, 0xA5, sizeof g);
    IS(hf_sender_create_with("trip", &o, &sender), 0);
    IS(hf_sender_receivers(sender), 0);
    IS(hf_sender_send(sender, &f), HF_ERROR_FRAME);
    IS(hf_sender_cancel(sender, &f), HF_ERROR_FRAME);
    IS(hf_receiver_open("trip", HF_MODE_QUEUE(3), &receiver), 0);
    IS(hf_receiver_open("trip", HF_MODE_LATEST, &other), 0);
    if (with_descriptor)
        IS(hf_receiver_fd(receiver) >= 0, 1);
    IS(hf_sender_wait_for_receivers(sender, 3, 0) <= 2, 1);
    IS(hf_receiver_frame(receiver, &g, 0), HF_TIMED_OUT);
    IS(hf_receiver_frame(other, &g, 0), HF_TIMED_OUT);
    IS(hf_sender_wait_for_receivers(sender, 2, 20000), 2);
    IS(hf_sender_receivers(sender), 2);
    IS(hf_receiver_frame(receiver, NULL, 0), HF_ERROR_NULL);
    IS(hf_receiver_done(receiver, NULL), HF_ERROR_NULL);
    IS(hf_receiver_done(receiver, &g), HF_ERROR_FRAME);
    IS(hf_receiver_text(receiver, text, sizeof text), HF_ERROR_FRAME);

    IS(hf_sender_frame(sender, NULL), HF_ERROR_NULL);
    IS(hf_sender_frame(sender, &f), 0);
    IS(hf_sender_frame(sender, &h), HF_ERROR_FRAME);
    IS(hf_sender_receivers(sender), HF_ERROR_FRAME);
    IS(hf_sender_finish(sender, 0), HF_ERROR_FRAME);
    IS(f.stride_bytes[0], 256);
    IS(f.rows[0], 8);
    IS(f.row_bytes[0], 64);
    IS(f.size_bytes[0], 7 * 256 + 64);
    IS(f.color.transfer, 16);
    IS(f.alpha, HF_ALPHA_PREMULTIPLIED);
    IS(f.time_ns, 0);
    memset(f.data[0], 7, f.size_bytes[0]);
    f.time_ns = 12345;
    f.damage_count = 9;
    IS(hf_sender_send(sender, &f), HF_ERROR_INVALID);
    SAYS("damage_count cannot be 9");
    f.damage_count = 2;
    f.damage[0].x = 1;
    f.damage[0].y = 2;
    f.damage[0].width = 3;
    f.damage[0].height = 4;
    f.damage[1].x = 10;
    f.damage[1].width = 100;
    f.damage[1].height = 1;
    f.user_bytes = 65;
    IS(hf_sender_send(sender, &f), HF_ERROR_INVALID);
    f.user_bytes = 5;
    memcpy(f.user_data, "cue 7", 5);
    f.alpha = 9;
    IS(hf_sender_send(sender, &f), HF_ERROR_INVALID);
    f.alpha = HF_ALPHA_STRAIGHT;
    f.color.range = 7;
    IS(hf_sender_send(sender, &f), HF_ERROR_INVALID);
    f.color.range = HF_RANGE_FULL;
    h = f;
    IS(hf_sender_send(sender, &h), 0);
    IS(h.sequence, 1);
    IS(h.data[0] == NULL, 1);
    IS(hf_sender_send(sender, &h), HF_ERROR_FRAME);
    IS(hf_sender_send(sender, &f), HF_ERROR_FRAME);
    IS(hf_sender_frame(sender, &f), 0);
    IS(hf_sender_send(sender, &h), HF_ERROR_FRAME);
    memset(f.data[0], 8, f.size_bytes[0]);
    memset(&f.color, 0, sizeof f.color);
    f.alpha = 0;
    IS(hf_sender_send(sender, &f), 0);
    IS(f.sequence, 2);

    IS(hf_receiver_frame(receiver, &g, 20000), HF_FRAME);
    IS(hf_receiver_frame(receiver, &h, 0), HF_ERROR_FRAME);
    SAYS("is out");
    IS(g.sequence, 1);
    IS(g.dropped_before, 0);
    IS(g.time_ns, 12345);
    IS(g.sent_ns > 12345, 1);
    IS(g.width, 16);
    IS(g.height, 8);
    IS(g.format, HF_FORMAT_BGRA8);
    IS(g.planes, 1);
    IS(g.stride_bytes[0], 256);
    IS(g.size_bytes[0], 7 * 256 + 64);
    IS(g.data[0][0], 7);
    IS(g.data[0][g.size_bytes[0] - 1], 7);
    IS(g.data[1] == NULL, 1);
    IS(g.color.primaries, 9);
    IS(g.color.transfer, 16);
    IS(g.color.matrix, 9);
    IS(g.color.range, HF_RANGE_FULL);
    IS(g.alpha, HF_ALPHA_STRAIGHT);
    IS(g.damage_count, 2);
    IS(g.damage[0].x, 1);
    IS(g.damage[0].y, 2);
    IS(g.damage[0].width, 3);
    IS(g.damage[0].height, 4);
    IS(g.damage[1].width, 6);
    IS(g.user_bytes, 5);
    IS(memcmp(g.user_data, "cue 7", 6), 0);
    IS(hf_receiver_text(receiver, NULL, 0), 8);
    IS(hf_receiver_text(receiver, NULL, 4), HF_ERROR_NULL);
    IS(hf_receiver_text(receiver, text, 4), 8);
    IS(strcmp(text, "a c"), 0);

    /* A frame goes back once, and to whom it came from. */
    IS(hf_receiver_frame(other, &h, 20000), HF_FRAME);
    IS(h.sequence, 2);
    IS(hf_receiver_done(other, &g), HF_ERROR_FRAME);
    IS(hf_receiver_done(receiver, &h), HF_ERROR_FRAME);
    IS(hf_receiver_done(other, &h), 0);
    IS(hf_receiver_done(other, &h), HF_ERROR_FRAME);
    f = g;
    IS(hf_receiver_done(receiver, &g), 0);
    IS(g.data[0] == NULL, 1);
    IS(hf_receiver_done(receiver, &g), HF_ERROR_FRAME);
    IS(hf_receiver_frame(receiver, &g, 20000), HF_FRAME);
    IS(hf_receiver_done(receiver, &f), HF_ERROR_FRAME);
    IS(g.sequence, 2);
    IS(g.data[0][0], 8);
    IS(g.damage_count, 0);
    IS(g.user_bytes, 0);
    IS(g.color.range, HF_RANGE_LIMITED);
    IS(g.alpha, HF_ALPHA_PREMULTIPLIED);
    IS(g.time_ns == g.sent_ns, 1);

    /* The end of the sender leaves what is held. */
    hf_sender_destroy(sender);
    IS(g.data[0][0], 8);
    IS(hf_receiver_done(receiver, &g), 0);
    IS(hf_receiver_frame(receiver, &g, 20000), HF_ENDED);
    IS(hf_receiver_frame(receiver, &g, 1), HF_NO_SENDER);
    /* The next sender of the name. */
    IS(hf_sender_create("trip", 8, 8, HF_FORMAT_R8, &sender), 0);
    IS(hf_sender_frame(sender, &f), 0);
    IS(hf_sender_send(sender, &f), 0);
    IS(hf_receiver_frame(receiver, &g, 20000), HF_FRAME);
    IS(g.format, HF_FORMAT_R8);
    hf_receiver_destroy(receiver);
    hf_receiver_destroy(other);
    IS(hf_sender_finish(sender, 20000), 0);
}

/* No copy: a frame lies in memory that is shared, and that a receiver cannot write. */
static const char *rights(const void *address)
{
    static char found[8];
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    strcpy(found, "none");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long long start, end, here = (unsigned long long)(uintptr_t)address;
        char rights[8];
        if (sscanf(line, "%llx-%llx %5s", &start, &end, rights) == 3 && here >= start && here < end
            && strstr(line, "/memfd:"))
            strcpy(found, rights);
    }
    if (maps)
        fclose(maps);
    return found;
}

static void nothing_is_copied(void)
{
    hf_sender *sender;
    hf_receiver *receiver;
    hf_frame f, g;
    IS(hf_sender_create("lies", 16, 8, HF_FORMAT_BGRA8, &sender), 0);
    IS(hf_receiver_open("lies", HF_MODE_LATEST, &receiver), 0);
    IS(hf_sender_frame(sender, &f), 0);
    IS(strcmp(rights(f.data[0]), "rw-s"), 0);
    IS(hf_sender_send(sender, &f), 0);
    IS(hf_receiver_frame(receiver, &g, 20000), HF_FRAME);
    IS(strcmp(rights(g.data[0]), "r--s"), 0);
    hf_receiver_destroy(receiver);
    hf_sender_destroy(sender);
}

static void slots_run_out(void)
{
    hf_sender_options o = options();
    hf_sender *sender;
    hf_receiver *receivers[2];
    hf_frame held[2], f;
    o.slots = 2;
    IS(hf_sender_create_with("full", &o, &sender), 0);
    for (int i = 0; i < 2; i++) {
        IS(hf_receiver_open("full", HF_MODE_LATEST, &receivers[i]), 0);
        IS(hf_receiver_frame(receivers[i], &f, 0), HF_TIMED_OUT);
    }
    IS(hf_sender_wait_for_receivers(sender, 2, 20000), 2);
    for (int i = 0; i < 2; i++) {
        IS(hf_sender_frame(sender, &f), 0);
        IS(hf_sender_send(sender, &f), 0);
        IS(hf_receiver_frame(receivers[i], &held[i], 20000), HF_FRAME);
    }
    IS(hf_sender_frame(sender, &f), 0);
    memset(f.data[0], 9, f.size_bytes[0]);
    IS(hf_sender_send(sender, &f), HF_DROPPED);
    IS(f.sequence, 0);
    IS(hf_sender_frame(sender, &f), 0);
    memset(f.data[0], 9, f.size_bytes[0]);
    IS(hf_receiver_done(receivers[0], &held[0]), 0);
    IS(hf_sender_send(sender, &f), 0);
    IS(f.sequence, 3);
    for (int i = 0; i < 2; i++)
        hf_receiver_destroy(receivers[i]);
    hf_sender_destroy(sender);
}

static void lossless_waits(void)
{
    hf_sender_options o = options();
    hf_sender *sender;
    hf_receiver *receiver;
    hf_frame f;
    o.lossless = 1;
    o.slots = 2;
    IS(hf_sender_create_with("all", &o, &sender), 0);
    IS(hf_receiver_open("all", HF_MODE_LOSSLESS, &receiver), 0);
    IS(hf_receiver_frame(receiver, &f, 0), HF_TIMED_OUT);
    IS(hf_sender_wait_for_receivers(sender, 1, 20000), 1);
    int r, sent = 0;
    while ((r = hf_sender_frame_timeout(sender, &f, 1)) == 0 && sent < 9) {
        IS(hf_sender_send(sender, &f), 0);
        sent++;
    }
    IS(r, HF_TIMED_OUT);
    IS(sent <= 2, 1);
    for (int i = 1; i <= sent; i++) {
        IS(hf_receiver_frame(receiver, &f, 20000), HF_FRAME);
        IS(f.sequence, i);
        IS(hf_receiver_done(receiver, &f), 0);
    }
    hf_receiver_destroy(receiver);
    hf_sender_destroy(sender);
}

static void *takes_late(void *receiver)
{
    hf_entry **list;
    hf_frame f;
    int r, last = 0;
    /* By now the sender would have gone, if it did not wait. */
    for (int i = 0; i < 20; i++) {
        IS(hf_list(&list) > 0, 1);
        hf_list_free(list);
    }
    while ((r = hf_receiver_frame((hf_receiver *)receiver, &f, 20000)) == HF_FRAME) {
        last = (int)f.sequence;
        IS(hf_receiver_done((hf_receiver *)receiver, &f), 0);
    }
    IS(r, HF_ENDED);
    IS(last, 1);
    return NULL;
}

static void finishing_waits(void)
{
    hf_sender_options o = options();
    hf_sender *sender;
    hf_receiver *receiver;
    hf_frame f;
    pthread_t thread;
    o.lossless = 1;
    IS(hf_sender_create_with("last", &o, &sender), 0);
    IS(hf_receiver_open("last", HF_MODE_LOSSLESS, &receiver), 0);
    IS(hf_receiver_frame(receiver, &f, 0), HF_TIMED_OUT);
    IS(hf_sender_wait_for_receivers(sender, 1, 20000), 1);
    IS(hf_sender_resize(sender, 32, 8, HF_FORMAT_BGRA8), 0);
    IS(hf_sender_frame(sender, &f), 0);
    IS(hf_sender_send(sender, &f), 0);
    IS(pthread_create(&thread, NULL, takes_late, receiver), 0);
    IS(hf_sender_finish(sender, 20000), 0);
    IS(pthread_join(thread, NULL), 0);
    hf_receiver_destroy(receiver);
}

static int readable(int fd, int timeout_ms)
{
    struct pollfd one;
    one.fd = fd;
    one.events = POLLIN;
    return poll(&one, 1, timeout_ms);
}

static void descriptor(void)
{
    hf_sender *sender;
    hf_receiver *receiver;
    hf_frame f, g;
    IS(hf_receiver_open("poll", HF_MODE_LATEST, &receiver), 0);
    int fd = hf_receiver_fd(receiver);
    IS(fd >= 0, 1);
    IS(hf_receiver_fd(receiver), fd);
    IS(hf_receiver_frame(receiver, &f, 0), HF_NO_SENDER);
    IS(readable(fd, 0), 0);
    IS(hf_sender_create("poll", 16, 8, HF_FORMAT_BGRA8, &sender), 0);
    for (int i = 1; i <= 3; i++) {
        IS(hf_sender_frame(sender, &f), 0);
        IS(hf_sender_send(sender, &f), 0);
        IS(readable(fd, 20000), 1);
        IS(hf_receiver_frame(receiver, &g, 0), HF_FRAME);
        IS(g.sequence, i);
        IS(readable(fd, 0), 0);
        IS(hf_receiver_done(receiver, &g), 0);
        IS(hf_receiver_frame(receiver, &g, 0), HF_TIMED_OUT);
    }
    IS(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    /* A receiver that has a frame out when it is asked for its descriptor. */
    hf_receiver *late;
    IS(hf_receiver_open("poll", HF_MODE_LATEST, &late), 0);
    IS(hf_sender_frame(sender, &f), 0);
    IS(hf_sender_send(sender, &f), 0);
    IS(hf_receiver_frame(late, &g, 20000), HF_FRAME);
    int other = hf_receiver_fd(late);
    IS(readable(other, 0), 0);
    IS(hf_receiver_done(late, &g), 0);
    IS(hf_sender_frame(sender, &f), 0);
    IS(hf_sender_send(sender, &f), 0);
    IS(readable(other, 20000), 1);
    IS(hf_receiver_frame(late, &g, 0), HF_FRAME);
    hf_receiver_destroy(late);
    /* To the newest frame after a pause. */
    int r, newest = 0;
    IS(readable(fd, 20000), 1);
    while ((r = hf_receiver_frame(receiver, &g, 0)) == HF_FRAME) {
        newest = (int)g.sequence;
        IS(hf_receiver_done(receiver, &g), 0);
    }
    IS(r, HF_TIMED_OUT);
    IS(newest, 5);
    hf_sender_destroy(sender);
    IS(readable(fd, 20000), 1);
    IS(hf_receiver_frame(receiver, &g, 0), HF_ENDED);
    IS(readable(fd, 0), 0);
    hf_receiver_destroy(receiver);
    IS(fcntl(fd, F_GETFD), -1);
}

/* The thread behind a descriptor never gets a signal of the program's. */
static void signals_are_left_alone(void)
{
    hf_receiver *receiver;
    hf_frame f;
    char line[256], path[64];
    int found = 0;
    IS(hf_receiver_open("signals", HF_MODE_LATEST, &receiver), 0);
    IS(hf_receiver_fd(receiver) >= 0, 1);
    IS(hf_receiver_frame(receiver, &f, 0), HF_NO_SENDER);
    snprintf(path, sizeof path, "ls /proc/%d/task", (int)getpid());
    FILE *tasks = popen(path, "r");
    while (tasks && fgets(line, sizeof line, tasks)) {
        int task = atoi(line);
        snprintf(path, sizeof path, "/proc/self/task/%d/status", task);
        FILE *status = fopen(path, "r");
        unsigned long long blocked = 0;
        int named = 0;
        while (status && fgets(line, sizeof line, status)) {
            named |= strcmp(line, "Name:\thandfast\n") == 0;
            sscanf(line, "SigBlk: %llx", &blocked);
        }
        if (status)
            fclose(status);
        /* All but KILL and STOP, which cannot be, and the two that the C library keeps. */
        if (named) {
            found++;
            IS((blocked | 0x180040100ull) == ~0ull, 1);
        }
    }
    if (tasks)
        pclose(tasks);
    IS(found, 1);
    hf_receiver_destroy(receiver);
}

static void *waits(void *receiver)
{
    hf_frame f;
    int r;
    do /* the other thread may be in a call just now */
        r = hf_receiver_frame((hf_receiver *)receiver, &f, -1);
    while (r == HF_ERROR_BUSY);
    IS(r, HF_ENDED);
    return NULL;
}

static void two_threads(void)
{
    hf_sender *sender;
    hf_receiver *receiver;
    hf_frame f;
    pthread_t thread;
    int r;
    IS(hf_sender_create("busy", 16, 8, HF_FORMAT_BGRA8, &sender), 0);
    IS(hf_receiver_open("busy", HF_MODE_LATEST, &receiver), 0);
    IS(pthread_create(&thread, NULL, waits, receiver), 0);
    while ((r = hf_receiver_done(receiver, &f)) == HF_ERROR_FRAME)
        sched_yield();
    IS(r, HF_ERROR_BUSY);
    SAYS("another thread");
    hf_sender_destroy(sender);
    IS(pthread_join(thread, NULL), 0);
    hf_receiver_destroy(receiver);
}

static void a_forked_child(void)
{
    hf_sender *sender;
    hf_receiver *receivers[2];
    hf_watch *watch;
    hf_frame f;
    int status = -1;
    IS(hf_sender_create("fork", 16, 8, HF_FORMAT_BGRA8, &sender), 0);
    for (int i = 0; i < 2; i++)
        IS(hf_receiver_open("fork", HF_MODE_LATEST, &receivers[i]), 0);
    IS(hf_receiver_fd(receivers[1]) >= 0, 1);
    IS(hf_watch_create(&watch), 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        failed = 0;
        IS(hf_sender_frame(sender, &f), HF_ERROR_FORKED);
        IS(hf_sender_resize(sender, 1, 1, HF_FORMAT_R8), HF_ERROR_FORKED);
        IS(hf_receiver_frame(receivers[0], &f, -1), HF_ERROR_FORKED);
        IS(hf_receiver_frame(receivers[1], &f, -1), HF_ERROR_FORKED);
        IS(hf_receiver_fd(receivers[1]), HF_ERROR_FORKED);
        IS(hf_watch_wait(watch, -1), HF_ERROR_FORKED);
        hf_sender_destroy(sender);
        hf_receiver_destroy(receivers[0]);
        hf_receiver_destroy(receivers[1]);
        hf_watch_destroy(watch);
        /* By exec, so that valgrind does not look for what only the lost thread could free. */
        execl("/bin/sh", "sh", "-c", failed ? "exit 1" : "exit 0", (char *)NULL);
        _exit(2);
    }
    IS(waitpid(child, &status, 0), child);
    IS(status, 0);
    IS(hf_sender_frame(sender, &f), 0);
    memset(f.data[0], 3, f.size_bytes[0]);
    IS(hf_sender_send(sender, &f), 0);
    for (int i = 0; i < 2; i++) {
        IS(hf_receiver_frame(receivers[i], &f, 20000), HF_FRAME);
        IS(f.data[0][0], 3);
        hf_receiver_destroy(receivers[i]);
    }
    hf_watch_destroy(watch);
    hf_sender_destroy(sender);
}

static void looking(void)
{
    hf_watch *watch;
    hf_sender *sender;
    hf_entry **list;
    int count = hf_list(&list);
    hf_list_free(list);
    IS(hf_watch_create(&watch), 0);
    IS(hf_watch_wait(watch, 0), HF_TIMED_OUT);
    IS(hf_sender_create("look", 16, 8, HF_FORMAT_NV12, &sender), 0);
    IS(hf_watch_wait(watch, 20000), HF_CHANGED);
    IS(hf_list(&list), count + 1);
    const hf_entry *last = list[count];
    IS(strcmp(last->name, "look"), 0);
    IS(last->pid, getpid());
    IS(last->uid, getuid());
    IS(last->kind, HF_KIND_STREAM);
    IS(last->has_sender, 1);
    IS(last->receivers, 0);
    IS(last->width, 16);
    IS(last->height, 8);
    IS(last->format, HF_FORMAT_NV12);
    IS(last->color.range, HF_RANGE_LIMITED);
    IS(last->alpha, HF_ALPHA_OPAQUE);
    IS(last->payload_bytes > 5 * 16 * 12, 1);
    IS(last->id[0] != 0 && last->id[1] != 0 && last->made_ns != 0, 1);
    IS(list[count + 1] == NULL, 1);
    hf_list_free(list);
    hf_sender_destroy(sender);
    int r;
    do {
        r = hf_watch_wait(watch, 20000);
        IS(r, HF_CHANGED);
        count = hf_list(&list);
        hf_list_free(list);
    } while (r == HF_CHANGED && count > 0);
    hf_watch_destroy(watch);
}

int main(int argc, char **argv)
{
    int valgrind = argc > 1 && strcmp(argv[1], "valgrind") == 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    nulls();
    names_and_pictures();
    options_that_cannot_be();
    round_trip(0);
    round_trip(1);
    nothing_is_copied();
    slots_run_out();
    lossless_waits();
    finishing_waits();
    descriptor();
    if (!valgrind) /* which has signals of its own */
        signals_are_left_alone();
    two_threads();
    a_forked_child();
    looking();
    IS(strlen(hf_version()) >= 5, 1);
    printf("%d failed\n", failed);
    return failed != 0;
}
