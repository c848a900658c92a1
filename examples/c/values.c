/* Tells a child process the value of a handle, as programs for Windows do: values */
#include <handfast/objects.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int fails(const char *who)
{
    fprintf(stderr, "values: %s: %s\n", who, hf_error_text());
    return 1;
}

/* The child: it was told `value`, and has the handle under that. */
static int signal_it(uint32_t value)
{
    hf_fence *fence;

    if (hf_value_fence(value, &fence) < 0 || hf_fence_signal(fence, 7) < 0
        || hf_value_close(value) < 0)
        return fails("child");
    hf_fence_destroy(fence);
    return 0;
}

int main(int argc, char **argv)
{
    hf_fence *fence;
    uint32_t value;
    uint64_t reached = 0;
    char text[16];
    int status = -1, r;

    if (argc > 1)
        return signal_it((uint32_t)strtoul(argv[1], NULL, 0));
    if (hf_fence_create(NULL, 0, &fence) < 0 || hf_value_of_fence(fence, &value) < 0
        || hf_value_set_flags(value, HF_FLAG_INHERIT, HF_FLAG_INHERIT) < 0)
        return fails("parent");
    snprintf(text, sizeof text, "0x%" PRIx32, value);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        execl(argv[0], argv[0], text, (char *)NULL);
        _exit(127);
    }
    hf_value_close(value); /* the child has its own */
    r = hf_fence_wait(fence, 7, -1);
    hf_fence_value(fence, &reached);
    printf("%s at %" PRIu64 "\n", r == HF_SIGNALED ? "signalled" : "not signalled", reached);
    waitpid(child, &status, 0);
    hf_fence_destroy(fence);
    return r != HF_SIGNALED || status != 0;
}
