/*
 * Handfast: all of it, for C and C++: streams of frames, and the objects that they are made like.
 */
#ifndef HANDFAST_HANDFAST_H
#define HANDFAST_HANDFAST_H

#include <handfast/objects.h>
#include <handfast/stream.h>

#endif
