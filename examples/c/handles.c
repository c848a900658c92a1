/* Gives a fence without a name to a child process by a handle that it inherits: handles */
#include <handfast/objects.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int fails(const char *who)
{
    fprintf(stderr, "handles: %s: %s\n", who, hf_error_text());
    return 1;
}

/* The child: `fd` came with it. */
static int signal_it(int fd)
{
    hf_handle *handle;
    hf_fence *fence;

    if (hf_handle_from_fd(fd, &handle) < 0 || hf_fence_open_handle(handle, &fence) < 0
        || hf_fence_signal(fence, 7) < 0)
        return fails("child");
    hf_handle_close(handle);
    hf_fence_destroy(fence);
    return 0;
}

int main(int argc, char **argv)
{
    hf_fence *fence;
    hf_handle *handle;
    uint64_t value = 0;
    char fd[16];
    int status = -1, r;

    if (argc > 1)
        return signal_it(atoi(argv[1]));
    /* The child may signal, and nothing else. */
    if (hf_fence_create(NULL, 0, &fence) < 0
        || hf_fence_share(fence, NULL, HF_ACCESS_FENCE_SIGNAL, &handle) < 0)
        return fails("parent");
    snprintf(fd, sizeof fd, "%d", hf_handle_fd(handle));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        hf_handle_set_inheritance(handle, 1); /* of the child's copy alone */
        execl(argv[0], argv[0], fd, (char *)NULL);
        _exit(127);
    }
    hf_handle_close(handle); /* the child has its own */
    r = hf_fence_wait(fence, 7, -1);
    hf_fence_value(fence, &value);
    printf("%s at %" PRIu64 "\n", r == HF_SIGNALED ? "signalled" : "not signalled", value);
    waitpid(child, &status, 0);
    hf_fence_destroy(fence);
    return r != HF_SIGNALED || status != 0;
}
