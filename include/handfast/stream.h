/*
 * Handfast: one program draws, any other program gets the frame. Streams, for C and C++.
 *
 *     hf_sender *cam;  hf_frame f;
 *     hf_sender_create("cam", 1920, 1080, HF_FORMAT_BGRA8, &cam);
 *     while (hf_sender_frame(cam, &f) == 0) {
 *         draw(f.data[0], f.stride_bytes[0]);
 *         hf_sender_send(cam, &f);
 *     }
 *
 *     hf_receiver *cam;  hf_frame f;
 *     hf_receiver_open("cam", HF_MODE_LATEST, &cam);
 *     for (int r; (r = hf_receiver_frame(cam, &f, 100)) > 0;)
 *         if (r == HF_FRAME) { show(f.data[0], f.stride_bytes[0]); hf_receiver_done(cam, &f); }
 *     hf_receiver_destroy(cam);
 *
 * Every call returns a negative hf_error when it fails; hf_error_text() then says it in words.
 *
 * Threads: each hf_sender, hf_receiver and hf_watch is for one thread at a time, which need not
 * always be the same. A call that finds another one going on in the same object returns
 * HF_ERROR_BUSY; destroying an object while another thread is in a call on it is forbidden.
 * Different objects are independent. hf_error_text() belongs to the calling thread.
 *
 * Processes: an object belongs to the process that made it. In a forked child its calls return
 * HF_ERROR_FORKED; destroying it there tells nobody, and frees what no thread of the parent had.
 *
 * Times are in nanoseconds of CLOCK_MONOTONIC, timeouts in milliseconds: 0 asks what is there now,
 * a negative one has no end. Names are UTF-8 and follow the rules of Windows object names.
 */
#ifndef HANDFAST_STREAM_H
#define HANDFAST_STREAM_H

#include <handfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which frames a receiver wants. HF_MODE_QUEUE(n): in order; of more than n the oldest go. */
typedef enum hf_mode {
    HF_MODE_LOSSLESS = -1, /* every one, in order; the sender waits, if it allowed that */
    HF_MODE_LATEST = 0     /* the newest; those in between are skipped */
} hf_mode;
#define HF_MODE_QUEUE(n) (n)

#define HF_DAMAGE_MAX 8
#define HF_USER_BYTES_MAX 64
#define HF_TEXT_BYTES_MAX 256

/* A part of a picture, in pixels; row 0 is the top. */
typedef struct hf_rect {
    uint16_t x;
    uint16_t y;
    uint16_t width;
    uint16_t height;
} hf_rect;

/*
 * A frame: filled by hf_sender_frame to be drawn in, or by hf_receiver_frame to be looked at. It
 * needs no initialisation, and may be copied: a copy is the same frame.
 *
 * A sender's memory is its own until it sends. A receiver's is READ-ONLY: writing to it ends the
 * process. It stays readable and as it is until hf_receiver_done or hf_receiver_destroy, also when
 * the sender has died.
 *
 * What is marked (set) a sender may set before it sends; the rest it leaves alone.
 */
typedef struct hf_frame {
    uint64_t sequence;       /* counts the stream's frames from 1; a sender has it after sending */
    uint64_t time_ns;        /* (set) when it was taken or is to be shown; 0 = when it is sent */
    uint64_t sent_ns;        /* when it was sent */
    uint64_t dropped_before; /* frames that this receiver did not get since the one before */
    uint64_t number;         /* the library's */
    uint8_t *data[HF_PLANES_MAX];     /* first row of each plane; NULL from `planes` on */
    size_t size_bytes[HF_PLANES_MAX]; /* from there to the end of the last row's pixels */
    const void *owner;                /* the library's */
    const void *reserved_pointer;
    uint32_t stride_bytes[HF_PLANES_MAX]; /* from the start of a row to that of the next */
    uint32_t row_bytes[HF_PLANES_MAX];    /* of a row, that hold pixels */
    uint32_t rows[HF_PLANES_MAX];
    uint32_t width;        /* in pixels */
    uint32_t height;       /* in pixels */
    uint32_t format;       /* an hf_format */
    uint32_t planes;       /* 1 to 3 */
    hf_color color;        /* (set) all zero = the stream's */
    uint32_t alpha;        /* (set) an hf_alpha; 0 = the stream's */
    uint32_t damage_count; /* (set) 0 = anything may differ from the frame before */
    uint32_t user_bytes;   /* (set) how many of `user_data` are there */
    hf_rect damage[HF_DAMAGE_MAX];        /* (set) what differs; cut to the picture */
    uint8_t user_data[HF_USER_BYTES_MAX]; /* (set) the sender's own */
    uint32_t reserved[8];
} hf_frame;

/* How a stream is made. Set all to zero, then struct_size, width, height, format, and the rest. */
typedef struct hf_sender_options {
    uint32_t struct_size; /* sizeof(hf_sender_options): later versions have more behind */
    uint32_t width;       /* in pixels, 1 to 16384 */
    uint32_t height;      /* in pixels, 1 to 16384 */
    uint32_t format;      /* an hf_format */
    uint32_t slots;       /* frames that there is memory for, 2 to 64; 0 = 5 */
    uint32_t align_bytes; /* of rows and planes, a power of two; 0 = 64 */
    uint32_t lossless;    /* 1: wait for receivers in mode lossless; 0: wait for nobody */
    uint32_t alpha;       /* an hf_alpha; 0 = straight where the format has alpha */
    hf_color color;       /* all zero = what is usual for the format */
    uint32_t reserved;
    const char *text;     /* UTF-8 about the stream, the first 256 bytes count; NULL = none */
} hf_sender_options;

/* One name, and the object that bears it. */
typedef struct hf_entry {
    uint64_t id[2];         /* never used again for another object */
    uint64_t made_ns;       /* in nanoseconds since 1970 */
    uint64_t payload_bytes; /* shared memory behind it */
    const char *name;
    const char *program;    /* of `pid`; NULL if it cannot be seen */
    int32_t pid;            /* the sender's while it is there, else the maker's */
    uint32_t uid;           /* user that made it */
    uint32_t kind;          /* an hf_kind */
    uint32_t has_sender;    /* 0 or 1; without a sender, width to alpha are zero */
    uint32_t receivers;
    uint32_t width;
    uint32_t height;
    uint32_t format;        /* an hf_format */
    hf_color color;
    uint32_t alpha;         /* an hf_alpha */
} hf_entry;

typedef struct hf_sender hf_sender;
typedef struct hf_receiver hf_receiver;
typedef struct hf_watch hf_watch;

/* ---- Sending ---- */

/*
 * Makes a stream called `name` of this size in pixels and format (an hf_format), with five slots.
 *
 * Ownership: *sender is the caller's, to be given to hf_sender_destroy; NULL on failure.
 * Blocking: while a broker is started, and while the kernel clears the slots' memory.
 * Errors: NULL, NAME_INVALID, NAME_TAKEN, PICTURE_INVALID, OUT_OF_MEMORY, LIMIT_REACHED,
 * BROKER_UNAVAILABLE, VERSION.
 */
int hf_sender_create(const char *name, uint32_t width, uint32_t height, uint32_t format,
                     hf_sender **sender);

/*
 * As hf_sender_create, with options. `options` is only read during the call.
 *
 * Errors: also INVALID, for a struct_size that this library does not know or an option that cannot
 * be.
 */
int hf_sender_create_with(const char *name, const hf_sender_options *options, hf_sender **sender);

/*
 * Fills *frame with a frame to draw in; 0 for success. At first it has the pixels of some older
 * frame, or zeros: draw all of it. When receivers hold every slot it is drawn aside, and sent if a
 * slot has come free by then.
 *
 * Ownership: the memory is the sender's; the frame is out until hf_sender_send, hf_sender_cancel
 * or hf_sender_destroy.
 * Blocking: never, unless lossless receivers are allowed and one is behind: until it has caught up
 * or gone.
 * Errors: NULL, FORKED, FRAME if one is out already.
 */
int hf_sender_frame(hf_sender *sender, hf_frame *frame);

/* As hf_sender_frame, but waits at most `timeout_ms`; HF_TIMED_OUT after that. */
int hf_sender_frame_timeout(hf_sender *sender, hf_frame *frame, int timeout_ms);

/*
 * Sends the frame that is out: receivers see all of it or nothing. 0, with its number in
 * frame->sequence, or HF_DROPPED. The frame's pointers are NULL then.
 *
 * Blocking: never.
 * Errors: NULL, FRAME if it is not the frame that is out, INVALID for a field that cannot be: the
 * frame is still out then.
 */
int hf_sender_send(hf_sender *sender, hf_frame *frame);

/*
 * Gives the frame that is out back unsent. 0, and the frame's pointers are NULL then.
 *
 * Blocking: never. Errors: NULL, FRAME.
 */
int hf_sender_cancel(hf_sender *sender, hf_frame *frame);

/*
 * Changes size and format from the next frame on; 0 for success. Receivers keep what they hold,
 * and learn of it from the next frame itself. With another format, colour and alpha are what is
 * usual for it.
 *
 * Blocking: while the kernel clears the new slots' memory, and while lossless receivers, if
 * allowed, have not yet come to the present size.
 * Errors: as hf_sender_create, and FRAME while one is out; the stream goes on as it was then.
 */
int hf_sender_resize(hf_sender *sender, uint32_t width, uint32_t height, uint32_t format);

/*
 * How many receivers there are; one counts from its first hf_receiver_frame on.
 *
 * Blocking: never. Errors: NULL, FRAME while a frame is out.
 */
int hf_sender_receivers(hf_sender *sender);

/*
 * Waits until there are so many receivers; how many there are.
 *
 * Blocking: at most `timeout_ms`. Errors: NULL, FORKED, FRAME while a frame is out.
 */
int hf_sender_wait_for_receivers(hf_sender *sender, uint32_t count, int timeout_ms);

/*
 * Waits until every lossless receiver has all it needs to take the last frame, then ends the
 * stream. 0 for success.
 *
 * Ownership: the sender is gone after this, as after hf_sender_destroy, also when it fails; only
 * NULL, BUSY and FRAME (one is out) leave it.
 * Blocking: at most `timeout_ms`.
 */
int hf_sender_finish(hf_sender *sender, int timeout_ms);

/* Ends the stream and frees its name. A frame that is out is not sent. NULL is ignored. */
void hf_sender_destroy(hf_sender *sender);

/* ---- Receiving ---- */

/*
 * Receives the stream called `name`, whether it is there already or not, and the next one that
 * comes with that name. `mode` is an hf_mode or HF_MODE_QUEUE(n).
 *
 * Ownership: *receiver is the caller's, to be given to hf_receiver_destroy; NULL on failure.
 * Blocking: while a broker is started.
 * Errors: NULL, NAME_INVALID, ACCESS_DENIED, LIMIT_REACHED, BROKER_UNAVAILABLE, VERSION, INVALID
 * for a mode that cannot be or a name of something that is not a stream.
 */
int hf_receiver_open(const char *name, int mode, hf_receiver **receiver);

/*
 * Fills *frame with the next frame: HF_FRAME. Else what happened instead: HF_TIMED_OUT;
 * HF_NO_SENDER at once when the sender has died, and after `timeout_ms` when none has come;
 * HF_ENDED, which is 0, when the sender has ended the stream. The next call then waits for another
 * sender of the name.
 *
 * Ownership: the memory is the receiver's; the frame is out until hf_receiver_done or
 * hf_receiver_destroy. Meanwhile the sender draws elsewhere and waits for nobody, unless the
 * receiver is lossless and it allowed that.
 * Blocking: at most `timeout_ms`.
 * Errors: NULL, FORKED, FRAME if one is out already, LOST when sender and broker are both gone,
 * INVALID for a frame whose description is not to be believed, those of hf_receiver_open.
 */
int hf_receiver_frame(hf_receiver *receiver, hf_frame *frame, int timeout_ms);

/*
 * Gives the frame that is out back. 0, and the frame's pointers are NULL then.
 *
 * Blocking: never. Errors: NULL, FRAME if it is not the frame that is out.
 */
int hf_receiver_done(hf_receiver *receiver, hf_frame *frame);

/*
 * A descriptor for poll, select or epoll: readable while hf_receiver_frame has something other
 * than HF_TIMED_OUT to tell. The frame that makes it readable is taken for the receiver then: after
 * a pause, call hf_receiver_frame until HF_TIMED_OUT to come to the newest one.
 *
 * From the first call on, a thread of the library waits in the receiver's place, with all signals
 * blocked, and hf_receiver_frame with timeout 0 tells what that thread has seen: a frame that is
 * sent in that moment makes the descriptor readable a moment later.
 *
 * Ownership: the descriptor is the receiver's: do not read it, and do not close it. It is
 * close-on-exec and always the same.
 * Blocking: never. Errors: NULL, FORKED, LIMIT_REACHED, KERNEL.
 */
int hf_receiver_fd(hf_receiver *receiver);

/*
 * Writes what the sender says of the stream (UTF-8) and a NUL into `buffer`, cut to `size_bytes`;
 * how many bytes there are without the NUL. `buffer` may be NULL if `size_bytes` is 0.
 *
 * Blocking: never. Errors: NULL, FRAME unless a frame is out.
 */
int hf_receiver_text(hf_receiver *receiver, char *buffer, size_t size_bytes);

/*
 * Leaves the stream. A frame that is out is given back: its memory is gone. NULL is ignored.
 *
 * Blocking: after hf_receiver_fd, until its thread has ended: a tenth of a second, longer only
 * while a broker does not answer.
 */
void hf_receiver_destroy(hf_receiver *receiver);

/* ---- Looking ---- */

/*
 * Every name that this user may see, in the order the objects were made: how many there are. *list
 * is an array of that many pointers and a NULL behind. Nothing is there when no broker runs; none
 * is started.
 *
 * Ownership: *list is the caller's, to be given to hf_list_free; NULL on failure.
 * Blocking: while the broker answers. Threads: any. Errors: NULL, BROKER_UNAVAILABLE, VERSION,
 * LIMIT_REACHED, LOST.
 */
int hf_list(hf_entry ***list);

/* Frees what hf_list gave. NULL is ignored. */
void hf_list_free(hf_entry **list);

/*
 * Watches what hf_list shows, names of every kind, from now on. Make it before the listing, or
 * before opening what may not be there yet (objects.h shows it), and no change is missed.
 *
 * Ownership: *watch is the caller's, to be given to hf_watch_destroy; NULL on failure.
 * Blocking: while a broker is started. Errors: NULL, BROKER_UNAVAILABLE, VERSION, LIMIT_REACHED.
 */
int hf_watch_create(hf_watch **watch);

/*
 * Waits for a change since the watch was made or this last returned HF_CHANGED: HF_CHANGED, or
 * HF_TIMED_OUT.
 *
 * Blocking: at most `timeout_ms`. Errors: NULL, FORKED, LOST when the broker is gone: make another.
 */
int hf_watch_wait(hf_watch *watch, int timeout_ms);

/* Ends the watch. NULL is ignored. */
void hf_watch_destroy(hf_watch *watch);

#ifdef __cplusplus
}
#endif

#endif
