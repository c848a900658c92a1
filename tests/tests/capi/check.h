/* Checks that are counted and printed when they fail. */
#ifndef CHECK_H
#define CHECK_H

#include <handfast/types.h>
#include <stdio.h>
#include <string.h>

static int failed;

#define IS(what, wanted)                                                                          \
    do {                                                                                          \
        long long is = (long long)(what);                                                         \
        if (is != (long long)(wanted)) {                                                          \
            printf("line %d: %s is %lld and not %s (%s)\n", __LINE__, #what, is, #wanted,         \
                   hf_error_text());                                                              \
            failed++;                                                                             \
        }                                                                                         \
    } while (0)
#define SAYS(words) IS(strstr(hf_error_text(), words) != NULL, 1)

#endif
