/*
 * Handfast: what streams (stream.h) and objects (objects.h) share: failures, formats, kinds.
 */
#ifndef HANDFAST_TYPES_H
#define HANDFAST_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What a call brings besides failure.
 *
 * HF_ABANDONED and HF_LOST, of a wait: a fence is abandoned when the last process that signalled
 * it has destroyed it, and lost when that ended without: killed, or by exit(). A keyed mutex is
 * abandoned when an owner has died or destroyed the surface; it is never lost. An event is neither.
 */
typedef enum hf_result {
    HF_ENDED = 0,     /* hf_receiver_frame: the sender has ended the stream */
    HF_SIGNALED = 0,  /* a wait: what was waited for has happened */
    HF_FRAME = 1,     /* hf_receiver_frame: a frame */
    HF_TIMED_OUT = 2, /* the time was up */
    HF_NO_SENDER = 3, /* hf_receiver_frame: the sender died, or none has come yet */
    HF_DROPPED = 4,   /* hf_sender_send: receivers held every slot, nobody gets this frame */
    HF_CHANGED = 5,   /* hf_watch_wait: something came, changed or went */
    HF_ABANDONED = 6, /* a wait: the fence was destroyed, or an owner of the keyed mutex died */
    HF_LOST = 7       /* a wait: the process that would have signalled ended with the fence */
} hf_result;

/* Why a call failed. */
typedef enum hf_error {
    HF_ERROR_FAILED = -1,              /* for a reason that has no number here */
    HF_ERROR_NAME_INVALID = -2,        /* not a name: empty, too long, not UTF-8, a backslash
                                        * but in the prefix Global\ or Local\, or Session\ */
    HF_ERROR_NAME_TAKEN = -3,          /* another object bears the name */
    HF_ERROR_NOT_FOUND = -4,           /* no object bears the name */
    HF_ERROR_ACCESS_DENIED = -5,       /* the rights do not allow it */
    HF_ERROR_LIMIT_REACHED = -6,       /* a limit of the broker, or of the process's descriptors */
    HF_ERROR_OUT_OF_MEMORY = -7,       /* there is not that much memory */
    HF_ERROR_PICTURE_INVALID = -8,     /* no such size or format */
    HF_ERROR_INVALID = -9,             /* an argument does not fit what it was passed for */
    HF_ERROR_BROKER_UNAVAILABLE = -10, /* no broker was found or could be started */
    HF_ERROR_VERSION = -11,            /* the broker speaks no version that this library speaks */
    HF_ERROR_LOST = -12,               /* the broker, or the process behind an object, is gone */
    HF_ERROR_FORKED = -13,             /* this is a forked child of the object's process */
    HF_ERROR_KERNEL = -14,             /* the kernel refused */
    HF_ERROR_NULL = -15,               /* a pointer is NULL that may not be */
    HF_ERROR_FRAME = -16,              /* not the frame that this object has lent, or one is out */
    HF_ERROR_BUSY = -17,               /* another thread is in a call on this object */
    HF_ERROR_PANIC = -18,              /* a defect of Handfast; destroy the object */
    HF_ERROR_MISUSE = -19,             /* the object is in no state for this call */
    HF_ERROR_HANDLE = -20              /* the descriptor is no handle of the broker's, or closed */
} hf_error;

/*
 * How the pixels of a picture lie in memory. Packed formats name their channels in the order of
 * their bytes; values of several bytes are little-endian. An _SRGB format has the bytes of its
 * plain twin. The numbers never change.
 */
typedef enum hf_format {
    HF_FORMAT_RGBA8 = 1,
    HF_FORMAT_RGBA8_SRGB = 2,
    HF_FORMAT_BGRA8 = 3,
    HF_FORMAT_BGRA8_SRGB = 4,
    HF_FORMAT_RGBX8 = 5, /* the fourth byte has no meaning */
    HF_FORMAT_RGBX8_SRGB = 6,
    HF_FORMAT_BGRX8 = 7,
    HF_FORMAT_BGRX8_SRGB = 8,
    HF_FORMAT_R8 = 9,
    HF_FORMAT_RG8 = 10,
    HF_FORMAT_RGB10A2 = 11, /* a 32-bit word: red in the low 10 bits, 2 bits of alpha on top */
    HF_FORMAT_RGBA16F = 12, /* half floats */
    HF_FORMAT_RGBA32F = 13, /* floats */
    HF_FORMAT_NV12 = 14,    /* 4:2:0: a plane of Y, a plane of interleaved Cb and Cr */
    HF_FORMAT_P010 = 15,    /* like NV12, 10 bits in the high bits of 16 */
    HF_FORMAT_I420 = 16,    /* 4:2:0 in three planes: Y, Cb, Cr */
    HF_FORMAT_I422 = 17,    /* 4:2:2 in three planes */
    HF_FORMAT_I444 = 18,    /* 4:4:4 in three planes */
    HF_FORMAT_I420P10 = 19, /* 10 bits in the low bits of 16 */
    HF_FORMAT_I422P10 = 20,
    HF_FORMAT_I444P10 = 21
} hf_format;

/* What the alpha of a picture means. A format without alpha is always opaque. */
typedef enum hf_alpha {
    HF_ALPHA_OPAQUE = 1,       /* none, or to be ignored */
    HF_ALPHA_STRAIGHT = 2,     /* colours do not depend on alpha */
    HF_ALPHA_PREMULTIPLIED = 3 /* colours are already multiplied by alpha */
} hf_alpha;

/* Which numbers stand for black and white. */
typedef enum hf_range {
    HF_RANGE_LIMITED = 0, /* 16 to 235, of 8 bits */
    HF_RANGE_FULL = 1     /* all values */
} hf_range;

/* What kind of object it is. */
typedef enum hf_kind {
    HF_KIND_STREAM = 1,
    HF_KIND_SURFACE = 2,
    HF_KIND_FENCE = 3,
    HF_KIND_EVENT = 4,
    HF_KIND_SECTION = 5
} hf_kind;

#define HF_PLANES_MAX 4

/* What the numbers of a pixel mean: code points of ITU-T H.273. */
typedef struct hf_color {
    uint8_t primaries; /* 1 BT.709 and sRGB, 6 BT.601, 9 BT.2020; 2 unspecified */
    uint8_t transfer;  /* 1 BT.709, 8 linear, 13 sRGB, 16 PQ, 18 HLG; 2 unspecified */
    uint8_t matrix;    /* 0 RGB, 1 BT.709, 6 BT.601, 9 BT.2020; 2 unspecified */
    uint8_t range;     /* an hf_range */
} hf_color;

/*
 * What the last failed call of this thread refused, and what to do about it: one line of UTF-8,
 * "" if none failed. Valid until the next failed call of the thread, or its end. Never NULL.
 */
const char *hf_error_text(void);

/* The library's version, such as "0.1.0". Static. */
const char *hf_version(void);

#ifdef __cplusplus
}
#endif

#endif
