/*
 * Handfast: what processes share besides streams, by name or handle, for C and C++: surfaces,
 * sections, fences, events and keyed mutexes, with the rules of Windows shared handles.
 *
 *     hf_surface *picture;  hf_fence *drawn, *shown;  uint8_t *pixels;
 *     hf_surface_create("picture", &desc, &picture);
 *     hf_surface_map_write(picture, &pixels, NULL);
 *     hf_fence_create("drawn", 0, &drawn);  hf_fence_create("shown", 0, &shown);
 *     for (uint64_t n = 1; ; n++) {
 *         draw(pixels);
 *         hf_fence_signal(drawn, n);
 *         if (hf_fence_wait(shown, n, 10000) != HF_SIGNALED) break;  // nobody looks any more
 *     }
 *
 *     hf_surface *picture;  hf_fence *drawn, *shown;  const uint8_t *pixels;
 *     hf_surface_open("picture", HF_ACCESS_GENERIC_READ, &picture);
 *     hf_surface_map_read(picture, &pixels, NULL);
 *     hf_fence_open("drawn", HF_ACCESS_GENERIC_ALL, &drawn);
 *     hf_fence_open("shown", HF_ACCESS_GENERIC_ALL, &shown);
 *     for (uint64_t n = 1; hf_fence_wait(drawn, n, 10000) == HF_SIGNALED; n++) {
 *         show(pixels);
 *         hf_fence_signal(shown, n);       // without it the next picture is drawn over this one
 *     }
 *
 * A name that may come later is waited for with a watch (stream.h), made before looking:
 *
 *     hf_watch *watch;  hf_surface *picture;  int r;
 *     hf_watch_create(&watch);
 *     while ((r = hf_surface_open("picture", HF_ACCESS_GENERIC_READ, &picture))
 *            == HF_ERROR_NOT_FOUND && hf_watch_wait(watch, -1) == HF_CHANGED) {}
 *     hf_watch_destroy(watch);
 *
 * Every call returns a negative hf_error when it fails; hf_error_text() then says it in words. How
 * a wait ended is no failure: HF_SIGNALED, which is 0, HF_TIMED_OUT, HF_ABANDONED or HF_LOST.
 *
 * Threads: any number of threads may be in calls on one object, destroying it excepted, which is
 * forbidden while another is. Only hf_surface_write and hf_section_write want the object for
 * themselves: HF_ERROR_BUSY for them while another call on it goes on, waiting for the keyed mutex
 * included, and for other calls on it while they go on.
 * The library has threads of its own once a surface has a keyed mutex, or something is waited for
 * without a call (hf_reached, events on completion); they have the signal mask of the thread whose
 * call started them.
 *
 * Processes: an object belongs to the process that made or opened it. In a forked child its calls
 * return HF_ERROR_FORKED, but for those that only tell what it is (describe, size, subresource,
 * object, access); a child destroys it without anybody noticing. Memory that could be written is
 * not there in a child: following a pointer to it ends the child. An hf_handle is a descriptor,
 * and the child's as well: open the object again with it. (In a forked child of a program with
 * threads, only what POSIX allows there before exec is certain.)
 *
 * Ownership: what a call makes is the caller's, to be given to the destroy or close of its kind
 * (once: nobody can tell later what was there); NULL on failure. Objects and handles may go in any
 * order. An object made with a name bears it until it is destroyed; a name given by share lives as
 * long as that handle or a copy of it, in whichever process.
 *
 * Timeouts are in milliseconds: 0 looks once, a negative one has no end. Names are UTF-8. Rights
 * are an hf_access or several. A call with a name, or that shares, opens or duplicates with
 * rights, waits for the broker to answer, and while one is started; no other does, if it does not
 * say so.
 */
#ifndef HANDFAST_OBJECTS_H
#define HANDFAST_OBJECTS_H

#include <handfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Rights: hf_access ---- */

/*
 * What the generic rights stand for (READ_CONTROL is among each):
 *
 *               GENERIC_READ          GENERIC_WRITE            GENERIC_EXECUTE
 *     surface   read                  SURFACE_WRITE, and read  read
 *     fence     FENCE_WAIT            FENCE_SIGNAL             SYNCHRONIZE: wait
 *     event     EVENT_QUERY           EVENT_MODIFY             SYNCHRONIZE: wait
 *     section   SECTION_MAP_READ      SECTION_MAP_WRITE        nothing that it has
 *     stream    receive and query     send                     query
 *
 * GENERIC_ALL is all of a row, DELETE, WRITE_DAC and WRITE_OWNER. A right to write that only the
 * maker can have is refused to who opens with it, GENERIC_ALL of such a surface therefore, too;
 * MAXIMUM_ALLOWED leaves it out.
 */

/* For every kind, as in winnt.h. */
#define HF_ACCESS_DELETE 0x00010000u
#define HF_ACCESS_READ_CONTROL 0x00020000u /* read a surface, look at a fence or event */
#define HF_ACCESS_WRITE_DAC 0x00040000u
#define HF_ACCESS_WRITE_OWNER 0x00080000u
#define HF_ACCESS_SYNCHRONIZE 0x00100000u /* wait for a fence or event */
#define HF_ACCESS_MAXIMUM_ALLOWED 0x02000000u /* whatever the caller may have */
#define HF_ACCESS_GENERIC_ALL 0x10000000u
#define HF_ACCESS_GENERIC_EXECUTE 0x20000000u
#define HF_ACCESS_GENERIC_WRITE 0x40000000u
#define HF_ACCESS_GENERIC_READ 0x80000000u

/* For one kind each: the same bit has different meanings. */
#define HF_ACCESS_STREAM_RECEIVE 0x00000001u
#define HF_ACCESS_STREAM_SEND 0x00000002u
#define HF_ACCESS_STREAM_QUERY 0x00000004u
#define HF_ACCESS_SURFACE_WRITE 0x00000001u
#define HF_ACCESS_FENCE_WAIT 0x00000001u
#define HF_ACCESS_FENCE_SIGNAL 0x00000002u
#define HF_ACCESS_EVENT_QUERY 0x00000001u
#define HF_ACCESS_EVENT_MODIFY 0x00000002u /* set and reset */
#define HF_ACCESS_SECTION_QUERY 0x00000001u
#define HF_ACCESS_SECTION_MAP_WRITE 0x00000002u
#define HF_ACCESS_SECTION_MAP_READ 0x00000004u

/* How many sides a surface has: the numbers of D3D11_RESOURCE_DIMENSION. */
typedef enum hf_dimension {
    HF_DIMENSION_BUFFER = 1, /* bytes */
    HF_DIMENSION_1D = 2,     /* rows of pixels, one in each layer */
    HF_DIMENSION_2D = 3,     /* pictures, one in each layer */
    HF_DIMENSION_3D = 4      /* a stack of pictures */
} hf_dimension;

/* What else a surface has. */
typedef enum hf_surface_flags {
    HF_SURFACE_KEYED_MUTEX = 1
} hf_surface_flags;

/* Who may ever write a surface or section. The kernel enforces it. */
typedef enum hf_writers {
    HF_WRITERS_ONE = 0,    /* its maker, and nobody else */
    HF_WRITERS_SEVERAL = 1 /* whoever opens it with the right to write */
} hf_writers;

/* What makes an event unset again. */
typedef enum hf_reset {
    HF_RESET_MANUAL = 0, /* hf_event_reset */
    HF_RESET_AUTO = 1    /* the first wait that ends by it: each set lets one through */
} hf_reset;

/*
 * What a surface is made of. Set all to zero, then struct_size, width, height, format, and the
 * rest.
 */
typedef struct hf_surface_desc {
    uint32_t struct_size; /* sizeof(hf_surface_desc): later versions have more behind */
    uint32_t dimension;   /* an hf_dimension; 0 = HF_DIMENSION_2D */
    uint64_t width;       /* in pixels, 1 to 16384; of a buffer in bytes */
    uint32_t height;      /* in pixels, 1 to 16384; 1 for HF_DIMENSION_BUFFER and _1D */
    uint32_t depth;       /* in pixels, 1 to 2048; 1 but for HF_DIMENSION_3D; 0 = 1 */
    uint32_t layers;      /* of an array, 1 to 2048; 1 for _BUFFER and _3D; 0 = 1 */
    uint32_t mips;        /* levels, each half as large as the one before; 0 = 1 */
    uint32_t format;      /* an hf_format; 0 for HF_DIMENSION_BUFFER */
    uint32_t flags;       /* hf_surface_flags: HF_SURFACE_KEYED_MUTEX, or 0 */
    uint32_t writers;     /* an hf_writers */
    uint32_t alpha;       /* an hf_alpha; 0 = HF_ALPHA_OPAQUE */
    hf_color color;       /* all zero = what is usual for the format */
    uint32_t reserved;
} hf_surface_desc;

/* Where a subresource lies. Offsets count from the start of the surface's memory. */
typedef struct hf_subresource {
    uint64_t offset_bytes; /* of its first byte */
    uint64_t size_bytes;   /* from there to the end of its last byte */
    uint64_t slice_bytes;  /* from slice to slice; all are laid out alike */
    uint64_t width;        /* in pixels; of a buffer in bytes */
    uint32_t height;       /* in pixels */
    uint32_t depth;        /* slices */
    uint32_t planes;       /* 1 to 3; 0 in a buffer */
    uint32_t reserved;
    /* Of the first row of each, in the first slice: from the start of the memory, not the slice. */
    uint64_t plane_offset_bytes[HF_PLANES_MAX];
    uint32_t stride_bytes[HF_PLANES_MAX];       /* from the start of a row to that of the next */
    uint32_t row_bytes[HF_PLANES_MAX];          /* of a row, that hold pixels */
    uint32_t rows[HF_PLANES_MAX];
    uint32_t reserved_more[4];
} hf_subresource;

typedef struct hf_surface hf_surface;
typedef struct hf_section hf_section;
typedef struct hf_fence hf_fence;
typedef struct hf_event hf_event;
typedef struct hf_handle hf_handle;
typedef struct hf_reached hf_reached;

/* Something to wait for: a value of a fence, or an event. */
typedef struct hf_wait_object {
    uint64_t value;        /* of the fence */
    const hf_fence *fence; /* NULL for an event */
    const hf_event *event; /* NULL for a fence */
} hf_wait_object;

/* ---- Surfaces: pictures, arrays of pictures and buffers in shared memory ---- */

/*
 * Makes a surface, filled with zeros, with a name or, for NULL, with none. By default its maker
 * alone can ever write it. It says nothing about when a picture is whole: that is what a fence, or
 * its own keyed mutex, is for. `desc` is only read during the call.
 *
 * Blocking: with a name or a keyed mutex, while the broker answers.
 * Errors: NULL, PICTURE_INVALID, INVALID for a struct_size that this library does not know or a
 * number that cannot be, OUT_OF_MEMORY, LIMIT_REACHED; with a name those of hf_surface_share.
 */
int hf_surface_create(const char *name, const hf_surface_desc *desc, hf_surface **surface);

/*
 * Opens a surface by name: with HF_ACCESS_GENERIC_READ always, and HF_ACCESS_SURFACE_WRITE besides
 * to write one of several writers.
 *
 * Errors: NULL, NAME_INVALID, NOT_FOUND, ACCESS_DENIED also for rights that surfaces do not have or
 * none that reads, and to write where only the maker can, INVALID for a name of something else,
 * LIMIT_REACHED, BROKER_UNAVAILABLE, VERSION, LOST.
 */
int hf_surface_open(const char *name, uint32_t access, hf_surface **surface);

/*
 * Opens the surface of a handle, with what the handle may do. The handle stays the caller's.
 *
 * Errors: NULL, HANDLE, ACCESS_DENIED, INVALID for a handle of something else, and the broker's of
 * hf_surface_open.
 */
int hf_surface_open_handle(const hf_handle *handle, hf_surface **surface);

/*
 * Shares a surface: a handle, and unless it is NULL a name. It may be called more than once: each
 * call makes a share with its own name. One that was opened can be shared with the rights of the
 * opening, and fewer; the right to write is left out where only the maker can.
 *
 * Errors: NULL, NAME_INVALID, NAME_TAKEN, ACCESS_DENIED, INVALID for rights that surfaces do not
 * have, LIMIT_REACHED, BROKER_UNAVAILABLE, VERSION, LOST, FORKED.
 */
int hf_surface_share(const hf_surface *surface, const char *name, uint32_t access,
                     hf_handle **handle);

/*
 * What it is made of, nothing of it 0 that stands for something else. Set desc->struct_size first:
 * what this library does not know behind that is left as it is.
 *
 * Errors: NULL, BUSY, INVALID for a struct_size that this library does not know.
 */
int hf_surface_describe(const hf_surface *surface, hf_surface_desc *desc);

/* The bytes of its memory. Errors: NULL, BUSY. */
int hf_surface_size(const hf_surface *surface, uint64_t *size_bytes);

/*
 * Its id: the same in every process, never used again for another object; zeros while it has never
 * been shared. Errors: NULL, BUSY.
 */
int hf_surface_object(const hf_surface *surface, uint64_t id[2]);

/* What may be done with it through this opening. Errors: NULL, BUSY. */
int hf_surface_access(const hf_surface *surface, uint32_t *access);

/*
 * Where a subresource lies: mip level `index % mips` of layer `index / mips`. Rows start at
 * multiples of 256 bytes, subresources at multiples of 512.
 *
 * Errors: NULL, BUSY, INVALID when there is no such one.
 */
int hf_surface_subresource(const hf_surface *surface, uint32_t index, hf_subresource *subresource);

/*
 * Where all its bytes lie, to be read: *size_bytes of them (which may be NULL), from *bytes on,
 * until hf_surface_destroy. No access to them faults, for its size never changes; that nobody
 * writes what is being read is an agreement, by a fence or the keyed mutex, which the writer has
 * to keep. Writing where only the maker can write ends the process.
 *
 * Blocking: never. Errors: NULL, BUSY, FORKED.
 */
int hf_surface_map_read(const hf_surface *surface, const uint8_t **bytes, size_t *size_bytes);

/*
 * As hf_surface_map_read, to read and write: for the maker, and for who opened one of several
 * writers with HF_ACCESS_SURFACE_WRITE. Of one writer the kernel sees to it that nobody else ever
 * writes it, in any process; among several it sees to nothing but rights and size.
 *
 * Blocking: never. Errors: NULL, BUSY, FORKED, ACCESS_DENIED.
 */
int hf_surface_map_write(const hf_surface *surface, uint8_t **bytes, size_t *size_bytes);

/*
 * Copies `size_bytes` bytes from `offset_bytes` on into `target`. What others write meanwhile may
 * arrive old, new or mixed. `target` may be NULL if `size_bytes` is 0, and does not lie in shared
 * memory: between two mappings use memcpy.
 *
 * Blocking: never. Errors: NULL, BUSY, FORKED, INVALID beyond its end.
 */
int hf_surface_read(const hf_surface *surface, uint64_t offset_bytes, void *target,
                    size_t size_bytes);

/*
 * Copies `size_bytes` bytes from `source` to `offset_bytes`. The rights are those of
 * hf_surface_map_write; of one writer, no other thread may be at its bytes. `source` is as the
 * target of hf_surface_read.
 *
 * Blocking: never. Errors: NULL, BUSY, FORKED, ACCESS_DENIED, INVALID beyond its end.
 */
int hf_surface_write(hf_surface *surface, uint64_t offset_bytes, const void *source,
                     size_t size_bytes);

/*
 * Waits until the keyed mutex of a surface that was made with HF_SURFACE_KEYED_MUTEX is free for
 * this key, and takes it: HF_SIGNALED, else HF_TIMED_OUT; HF_ABANDONED, now and for ever, once an
 * owner has died or has destroyed the surface. The first key is 0. The owner is this opening, not
 * a thread.
 *
 * Blocking: at most `timeout_ms`.
 * Errors: NULL, BUSY, FORKED, INVALID without a keyed mutex, MISUSE when this opening owns it
 * already, LIMIT_REACHED when this process owns 2048 of them.
 */
int hf_surface_acquire(const hf_surface *surface, uint64_t key, int timeout_ms);

/*
 * Gives the keyed mutex back: the next to take it must have this key. 0 for success.
 *
 * Blocking: never. Errors: NULL, BUSY, FORKED, INVALID without a keyed mutex, MISUSE when this
 * opening does not own it.
 */
int hf_surface_release(const hf_surface *surface, uint64_t key);

/*
 * Gives the surface up: its pointers lead nowhere then, and a keyed mutex that it owns is
 * abandoned. NULL is ignored. Blocking: never.
 */
void hf_surface_destroy(hf_surface *surface);

/* ---- Sections: plain shared memory ---- */

/*
 * Makes a section of so many bytes, filled with zeros, with a name or, for NULL, with none.
 * `writers` is an hf_writers.
 *
 * Errors: NULL, INVALID for 0 bytes, more than 1 TiB or no such writers, OUT_OF_MEMORY,
 * LIMIT_REACHED; with a name those of hf_surface_share.
 */
int hf_section_create(const char *name, uint64_t size_bytes, uint32_t writers,
                      hf_section **section);

/*
 * Opens a section by name with HF_ACCESS_SECTION_MAP_READ, HF_ACCESS_SECTION_MAP_WRITE or both.
 * Errors: those of hf_surface_open.
 */
int hf_section_open(const char *name, uint32_t access, hf_section **section);

/* As hf_surface_open_handle. */
int hf_section_open_handle(const hf_handle *handle, hf_section **section);

/* As hf_surface_share. */
int hf_section_share(const hf_section *section, const char *name, uint32_t access,
                     hf_handle **handle);

/* Its size. Errors: NULL, BUSY. */
int hf_section_size(const hf_section *section, uint64_t *size_bytes);

/* As hf_surface_object. */
int hf_section_object(const hf_section *section, uint64_t id[2]);

/* What may be done with it through this opening. Errors: NULL, BUSY. */
int hf_section_access(const hf_section *section, uint32_t *access);

/* As hf_surface_map_read; ACCESS_DENIED, too, without one of the two rights to map. */
int hf_section_map_read(const hf_section *section, const uint8_t **bytes, size_t *size_bytes);

/* As hf_surface_map_write, with HF_ACCESS_SECTION_MAP_WRITE. */
int hf_section_map_write(const hf_section *section, uint8_t **bytes, size_t *size_bytes);

/* As hf_surface_read; ACCESS_DENIED, too, without one of the two rights to map. */
int hf_section_read(const hf_section *section, uint64_t offset_bytes, void *target,
                    size_t size_bytes);

/* As hf_surface_write, with HF_ACCESS_SECTION_MAP_WRITE. */
int hf_section_write(hf_section *section, uint64_t offset_bytes, const void *source,
                     size_t size_bytes);

/* As hf_surface_destroy. */
void hf_section_destroy(hf_section *section);

/* ---- Fences: 64-bit values that some signal and others wait for ---- */

/*
 * Makes a fence with this value, and a name or, for NULL, none. One without a name is this
 * process's alone until it is shared, and takes no broker.
 *
 * Errors: NULL, KERNEL, LIMIT_REACHED; with a name those of hf_surface_share.
 */
int hf_fence_create(const char *name, uint64_t value, hf_fence **fence);

/*
 * Opens a fence by name, with HF_ACCESS_FENCE_WAIT, HF_ACCESS_FENCE_SIGNAL or, for both,
 * HF_ACCESS_GENERIC_ALL. Who may only wait gets no memory that it could write.
 *
 * Errors: those of hf_surface_open; INVALID, too, in a program of 32 bits without the right to
 * signal: there a load of 64 bits may have to write.
 */
int hf_fence_open(const char *name, uint32_t access, hf_fence **fence);

/* As hf_surface_open_handle; INVALID, too, as hf_fence_open. */
int hf_fence_open_handle(const hf_handle *handle, hf_fence **fence);

/* As hf_surface_share. Who waits for a fence goes on waiting while it is shared. */
int hf_fence_share(const hf_fence *fence, const char *name, uint32_t access, hf_handle **handle);

/*
 * Sets the value, any value, also a lower one, and wakes who waits for it. 0 for success. No broker
 * takes part. From then on this process counts as one who signals, as the fence's maker does.
 *
 * Blocking: never, but while another thread shares it for the first time.
 * Errors: NULL, FORKED, ACCESS_DENIED without HF_ACCESS_FENCE_SIGNAL.
 */
int hf_fence_signal(const hf_fence *fence, uint64_t value);

/*
 * The value now.
 *
 * Blocking: never.
 * Errors: NULL, FORKED, ACCESS_DENIED without HF_ACCESS_FENCE_WAIT, HF_ACCESS_FENCE_SIGNAL,
 * HF_ACCESS_SYNCHRONIZE or HF_ACCESS_READ_CONTROL.
 */
int hf_fence_value(const hf_fence *fence, uint64_t *value);

/*
 * Waits until the value is, or was since the call began, at least `value`: HF_SIGNALED, else
 * HF_TIMED_OUT. At once HF_ABANDONED when the last process that signals has destroyed the fence,
 * HF_LOST when it has ended without; both until somebody signals again. Its maker is one who
 * signals as long as it has it, and so is not told that others died. No broker takes part, but it
 * is the broker that says HF_LOST: if it was killed, nobody does.
 *
 * Blocking: at most `timeout_ms`, which is better not without an end where nobody might say that
 * who signals is gone.
 * Errors: NULL, FORKED, ACCESS_DENIED without HF_ACCESS_FENCE_WAIT or HF_ACCESS_SYNCHRONIZE.
 */
int hf_fence_wait(const hf_fence *fence, uint64_t value, int timeout_ms);

/*
 * As hf_fence_wait, without waiting: *reached has a descriptor for poll, select or epoll. It needs
 * the fence no longer. One thread of the library waits for all that is waited for like this.
 *
 * Blocking: never. Errors: those of hf_fence_wait, LIMIT_REACHED for descriptors or threads.
 */
int hf_fence_reached(const hf_fence *fence, uint64_t value, hf_reached **reached);

/*
 * Sets the event when the value is reached, or can be reached no more; at once if it is. Neither
 * is needed by the library longer than the call.
 *
 * Blocking: never. Errors: those of hf_fence_reached, and ACCESS_DENIED without
 * HF_ACCESS_EVENT_MODIFY of the event.
 */
int hf_fence_set_event_on_completion(const hf_fence *fence, uint64_t value, const hf_event *event);

/* As hf_surface_object. Never BUSY. */
int hf_fence_object(const hf_fence *fence, uint64_t id[2]);

/* What may be done with it through this opening. Errors: NULL. */
int hf_fence_access(const hf_fence *fence, uint32_t *access);

/* Gives the fence up. NULL is ignored. Blocking: never. */
void hf_fence_destroy(hf_fence *fence);

/* ---- Events: set or not ---- */

/*
 * Makes an event that is not set, with a name or, for NULL, none. `reset` is an hf_reset. One
 * without a name is this process's alone until it is shared, and takes no broker.
 *
 * Errors: NULL, KERNEL, LIMIT_REACHED, INVALID for no such reset; with a name those of
 * hf_surface_share.
 */
int hf_event_create(const char *name, uint32_t reset, hf_event **event);

/*
 * Opens an event by name: HF_ACCESS_EVENT_MODIFY to set and reset, HF_ACCESS_SYNCHRONIZE to wait
 * (which HF_ACCESS_GENERIC_READ may not), HF_ACCESS_EVENT_QUERY to look, HF_ACCESS_GENERIC_ALL for
 * all of it.
 *
 * Errors: those of hf_surface_open; INVALID, too, in a program of 32 bits with rights by which
 * nothing could be changed, as hf_fence_open.
 */
int hf_event_open(const char *name, uint32_t access, hf_event **event);

/* As hf_surface_open_handle; INVALID, too, as hf_event_open. */
int hf_event_open_handle(const hf_handle *handle, hf_event **event);

/* As hf_surface_share. Who waits for an event goes on waiting while it is shared. */
int hf_event_share(const hf_event *event, const char *name, uint32_t access, hf_handle **handle);

/*
 * Sets it and wakes who waits: 1 if it was set already, else 0.
 *
 * Blocking: never, but while another thread shares it for the first time.
 * Errors: NULL, FORKED, ACCESS_DENIED without HF_ACCESS_EVENT_MODIFY.
 */
int hf_event_set(const hf_event *event);

/* Resets it: 1 if it was set, else 0. Blocking and errors: as hf_event_set. */
int hf_event_reset(const hf_event *event);

/*
 * 1 if it is set, else 0. Nothing is changed.
 *
 * Blocking: never.
 * Errors: NULL, FORKED, ACCESS_DENIED without HF_ACCESS_EVENT_QUERY, HF_ACCESS_EVENT_MODIFY,
 * HF_ACCESS_SYNCHRONIZE or HF_ACCESS_READ_CONTROL.
 */
int hf_event_is_set(const hf_event *event);

/*
 * Waits until it is set, and takes that of one with HF_RESET_AUTO: HF_SIGNALED, else HF_TIMED_OUT.
 * An event has no owner who could be missed.
 *
 * Blocking: at most `timeout_ms`.
 * Errors: NULL, FORKED, ACCESS_DENIED without HF_ACCESS_SYNCHRONIZE.
 */
int hf_event_wait(const hf_event *event, int timeout_ms);

/*
 * As hf_event_wait, without waiting, as hf_fence_reached: when it ends, one with HF_RESET_AUTO is
 * taken.
 */
int hf_event_taken(const hf_event *event, hf_reached **reached);

/* As hf_surface_object. Never BUSY. */
int hf_event_object(const hf_event *event, uint64_t id[2]);

/* What may be done with it through this opening. Errors: NULL. */
int hf_event_access(const hf_event *event, uint32_t *access);

/* Gives the event up. NULL is ignored. Blocking: never. */
void hf_event_destroy(hf_event *event);

/* ---- Waiting for several ---- */

/*
 * Waits until one of `count` objects can be taken, and takes it alone: how, as hf_fence_wait and
 * hf_event_wait say it, and in *index (which may be NULL) the first that could; HF_TIMED_OUT, and
 * *index 0, if none could. `objects` is only read during the call.
 *
 * Blocking: at most `timeout_ms`.
 * Errors: those of hf_fence_wait and hf_event_wait; INVALID for no objects, or one that is both a
 * fence and an event.
 */
int hf_wait_any(const hf_wait_object *objects, size_t count, int timeout_ms, size_t *index);

/*
 * Waits until all objects can be taken together, and takes them: HF_SIGNALED; HF_ABANDONED or
 * HF_LOST, and in *index (which may be NULL) the one that is; else HF_TIMED_OUT. Nothing is changed
 * before everything can be. A fence counts as reached from the moment in the wait at which it was.
 *
 * Blocking: at most `timeout_ms`.
 * Errors: those of hf_wait_any; INVALID, too, when an event with HF_RESET_AUTO is there twice.
 */
int hf_wait_all(const hf_wait_object *objects, size_t count, int timeout_ms, size_t *index);

/*
 * The descriptor of a wait: readable once it has ended. It is the wait's: do not read it, and do
 * not close it. Close-on-exec, always the same.
 *
 * Blocking: never. Errors: NULL, FORKED.
 */
int hf_reached_fd(const hf_reached *reached);

/* How a wait ended; HF_TIMED_OUT while it goes on. Blocking: never. Errors: NULL, FORKED. */
int hf_reached_outcome(const hf_reached *reached);

/* Ends a wait. NULL is ignored. Blocking: never. */
void hf_reached_destroy(hf_reached *reached);

/* ---- Handles: descriptors that name an object ---- */

/*
 * A handle of the object whose handle `fd` is: a descriptor that was inherited or sent
 * (SCM_RIGHTS).
 *
 * Ownership: on success `fd` is closed, and the handle has another descriptor, close-on-exec; on
 * failure it stays the caller's.
 * Blocking: while the broker answers.
 * Errors: NULL, HANDLE for no handle of this user's broker or a closed descriptor, LIMIT_REACHED,
 * BROKER_UNAVAILABLE, VERSION, LOST.
 */
int hf_handle_from_fd(int fd, hf_handle **handle);

/*
 * The descriptor, to be sent or inherited. It is the handle's: a copy of it by dup is a handle,
 * too. Blocking: never. Errors: NULL.
 */
int hf_handle_fd(const hf_handle *handle);

/*
 * Another handle of the same share with the same rights.
 *
 * Blocking: never. Errors: NULL, LIMIT_REACHED.
 */
int hf_handle_duplicate(const hf_handle *handle, hf_handle **duplicate);

/*
 * Another handle of the same share with other rights. Fewer are never refused; more are checked as
 * hf_surface_open is.
 *
 * Errors: NULL, ACCESS_DENIED also for rights that the kind does not have, HANDLE, LIMIT_REACHED,
 * BROKER_UNAVAILABLE, LOST.
 */
int hf_handle_duplicate_with(const hf_handle *handle, uint32_t access, hf_handle **duplicate);

/*
 * Says whether programs that this process starts get it, under the same number: `children` is 1 or
 * 0. Every program started meanwhile, by any thread, gets it; in a forked child it says so of the
 * child alone.
 *
 * Blocking: never. Errors: NULL, KERNEL, INVALID for another number.
 */
int hf_handle_set_inheritance(const hf_handle *handle, int children);

/* 1 if programs that this process starts get it, else 0. Blocking: never. Errors: NULL, KERNEL. */
int hf_handle_inheritance(const hf_handle *handle);

/* The kind of object that it names: an hf_kind. Blocking: never. Errors: NULL. */
int hf_handle_kind(const hf_handle *handle);

/* The id of the object that it names. Blocking: never. Errors: NULL. */
int hf_handle_object(const hf_handle *handle, uint64_t id[2]);

/* What it may do. Blocking: never. Errors: NULL. */
int hf_handle_access(const hf_handle *handle, uint32_t *access);

/* Closes it. NULL is ignored. Blocking: never. */
void hf_handle_close(hf_handle *handle);

/* ---- Values: handles as numbers, which a program can pass to others ---- */

/*
 * A value is the number of a descriptor times four, so a program that inherits the descriptor finds
 * the handle under the same value; or a ticket, under which another process has delivered a handle.
 * A process has one table of its values: what is in it belongs to the table, and is closed by
 * hf_value_close alone. Never close the number. Where that was done all the same, the value is
 * HF_ERROR_HANDLE, and whatever has the number by now stays open.
 *
 * A value that is not in the table yet is looked up among the process's descriptors by every call
 * here. If its number is a handle, the table takes it: use values of handles that were inherited or
 * made by these calls, not of an hf_handle's descriptor.
 *
 * As a text a value is "0x10" ("0x%" PRIx32): read it with strtoul(text, NULL, 0). atoi says 0.
 *
 * A call that gives a value leaves 0, which is no value, where it should be on failure.
 *
 * In a forked child the table is empty; it finds the handles that it has copies of by their values.
 */

/* Bits of hf_value_duplicate, hf_value_deliver and hf_value_fetch: hf_duplicate. */
#define HF_DUPLICATE_CLOSE_SOURCE 0x00000001u    /* the source is closed, also on failure */
#define HF_DUPLICATE_SAME_ACCESS 0x00000002u     /* the source's rights; `access` is ignored */
#define HF_DUPLICATE_SAME_ATTRIBUTES 0x00000004u /* the source's flags; INHERIT is ignored */
#define HF_DUPLICATE_INHERIT 0x00000008u         /* programs that are started get the duplicate */

/* What a handle has besides its rights: hf_flag. */
#define HF_FLAG_INHERIT 0x00000001u
#define HF_FLAG_PROTECT_FROM_CLOSE 0x00000002u

/*
 * The value of a handle.
 *
 * Ownership: the handle is the table's, and must not be used any more; on failure, too, unless
 * `value` is NULL. Blocking: never. Errors: NULL, LIMIT_REACHED, FORKED.
 */
int hf_value_of_handle(hf_handle *handle, uint32_t *value);

/*
 * A value of an event or fence, which may do what the object may. One that was never shared is not
 * shared by that: its value is a number that is a handle to nobody until it is made inheritable,
 * delivered, duplicated with other rights, or asked for by hf_value_handle.
 *
 * Ownership: the object is the caller's; the value keeps another of it.
 * Blocking: while the broker answers, for an object that was shared.
 * Errors: NULL, LIMIT_REACHED, FORKED; of an object that was shared those of hf_event_share.
 */
int hf_value_of_event(const hf_event *event, uint32_t *value);
int hf_value_of_fence(const hf_fence *fence, uint32_t *value);

/*
 * A handle of the caller's own with the rights of a value.
 *
 * Ownership: the handle is the caller's. Blocking: while the broker answers, the first time.
 * Errors: NULL, HANDLE, LIMIT_REACHED, BROKER_UNAVAILABLE, LOST.
 */
int hf_value_handle(uint32_t value, hf_handle **handle);

/*
 * What a value is of, with the rights of the value. An event or fence is opened once: later calls
 * give the same again, and do not look whether somebody has closed the number meanwhile. A surface
 * or section is opened by each call.
 *
 * Ownership: the object is the caller's, and stays open when the value is closed.
 * Blocking: while the broker answers; of an event or fence the first time.
 * Errors: NULL, HANDLE, INVALID for another kind, ACCESS_DENIED, LIMIT_REACHED,
 * BROKER_UNAVAILABLE, LOST.
 */
int hf_value_event(uint32_t value, hf_event **event);
int hf_value_fence(uint32_t value, hf_fence **fence);
int hf_value_surface(uint32_t value, hf_surface **surface);
int hf_value_section(uint32_t value, hf_section **section);

/* The kind of object: an hf_kind. Blocking: the first time. Errors: HANDLE. */
int hf_value_kind(uint32_t value);

/* What it may do. Blocking: the first time. Errors: NULL, HANDLE. */
int hf_value_access(uint32_t value, uint32_t *access);

/* Its flags: an hf_flag or several, or 0. Blocking: the first time. Errors: HANDLE. */
int hf_value_flags(uint32_t value);

/*
 * Sets those flags that are among `changed`. Every program that is started meanwhile, by any
 * thread, gets a handle that is inheritable.
 *
 * Blocking: the first time; for an object that was never shared, while the broker answers.
 * Errors: HANDLE, INVALID for other bits, LIMIT_REACHED, BROKER_UNAVAILABLE.
 */
int hf_value_set_flags(uint32_t value, uint32_t changed, uint32_t flags);

/*
 * Another value of the same share in this process. With CLOSE_SOURCE the same value comes back,
 * with the rights and flags that were asked for, unless it is protected: then it stays, and the
 * duplicate has another.
 *
 * Blocking: while the broker answers, for other rights.
 * Errors: NULL, HANDLE, ACCESS_DENIED, INVALID for no rights or other bits, LIMIT_REACHED.
 */
int hf_value_duplicate(uint32_t value, uint32_t access, uint32_t options, uint32_t *duplicate);

/*
 * Makes a handle for another process of the same user, and gives its value there, which that
 * process has to be told: a ticket. It uses the ticket like any value, whether it was connected
 * before or not. Of the options, CLOSE_SOURCE and SAME_ACCESS apply.
 *
 * What is delivered keeps object, broker and a name given by share until the process closes it or
 * ends, also if it never uses the ticket. It cannot be taken back: see to it that `pid` is who is
 * meant.
 *
 * Blocking: while the broker answers.
 * Errors: NULL, HANDLE, LOST for a process that has ended, ACCESS_DENIED for another user's and for
 * rights that it may not have, INVALID also for no number of a process, LIMIT_REACHED.
 */
int hf_value_deliver(uint32_t value, int pid, uint32_t access, uint32_t options, uint32_t *ticket);

/*
 * Makes a handle of what another process of the same user has under a value of its own. The process
 * is not asked. Of the options, SAME_ACCESS and INHERIT apply.
 *
 * Blocking: while the broker answers.
 * Errors: as hf_value_deliver; HANDLE when it is no handle there.
 */
int hf_value_fetch(int pid, uint32_t value, uint32_t access, uint32_t options, uint32_t *fetched);

/*
 * Closes it. Blocking: the first time. Errors: HANDLE; MISUSE for one that is protected, which
 * stays.
 */
int hf_value_close(uint32_t value);

#ifdef __cplusplus
}
#endif

#endif
