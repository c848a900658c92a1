/* What a C program can do with values of handles, and what it can do wrong with them. Prints the
 * checks that fail; the exit code is 0 if none did. */
#include "check.h"
#include <handfast/handfast.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALL HF_ACCESS_GENERIC_ALL
#define SAME HF_DUPLICATE_SAME_ACCESS

static int is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void nulls(void)
{
    hf_handle *handle = (hf_handle *)&failed;
    uint32_t value = 7;
    IS(hf_value_of_handle(NULL, &value), HF_ERROR_NULL);
    SAYS("handle is NULL");
    IS(value, 0);
    IS(hf_value_of_event(NULL, &value), HF_ERROR_NULL);
    IS(hf_value_of_fence(NULL, &value), HF_ERROR_NULL);
    IS(hf_value_handle(12, NULL), HF_ERROR_NULL);
    IS(hf_value_event(12, NULL), HF_ERROR_NULL);
    IS(hf_value_fence(12, NULL), HF_ERROR_NULL);
    IS(hf_value_surface(12, NULL), HF_ERROR_NULL);
    IS(hf_value_section(12, NULL), HF_ERROR_NULL);
    IS(hf_value_duplicate(12, 0, SAME, NULL), HF_ERROR_NULL);
    IS(hf_value_deliver(12, getpid(), 0, SAME, NULL), HF_ERROR_NULL);
    IS(hf_value_fetch(getpid(), 12, 0, SAME, NULL), HF_ERROR_NULL);
    IS(hf_value_handle(0, &handle), HF_ERROR_HANDLE);
    IS(handle == NULL, 1);
}

/* Descriptors of others: refused, and open afterwards. */
static void strangers(void)
{
    static const uint32_t never[] = {0, 1, 4, 8, 13, 0x7ffffffcu, 0xc0000042u, 0xffffffffu};
    int ends[2], file = open("/dev/null", O_RDONLY), i;
    hf_event *event;
    uint32_t value = 7;
    IS(pipe(ends), 0);
    int fds[] = {file, ends[0], ends[1]};
    for (i = 0; i < 3; i++) {
        uint32_t stranger = (uint32_t)fds[i] * 4;
        IS(hf_value_close(stranger), HF_ERROR_HANDLE);
        IS(hf_value_event(stranger, &event), HF_ERROR_HANDLE);
        IS(event == NULL, 1);
        IS(hf_value_duplicate(stranger, 0, SAME | HF_DUPLICATE_CLOSE_SOURCE, &value), HF_ERROR_HANDLE);
        IS(value, 0);
        IS(is_open(fds[i]), 1);
        close(fds[i]);
        IS(hf_value_close(stranger), HF_ERROR_HANDLE);
    }
    for (i = 0; i < 8; i++)
        IS(hf_value_close(never[i]), HF_ERROR_HANDLE);
}

static void an_event(void)
{
    hf_event *event, *same;
    hf_fence *fence;
    hf_handle *handle;
    uint32_t value, other, access = 0;
    IS(hf_event_create(NULL, HF_RESET_MANUAL, &event), 0);
    IS(hf_value_of_event(event, &value), 0);
    IS(value % 4, 0);
    IS(is_open((int)(value / 4)), 1);
    IS(hf_value_kind(value), HF_KIND_EVENT);
    IS(hf_value_access(value, &access), 0);
    IS(access, 0x1f0003);
    IS(hf_value_flags(value), 0);
    IS(hf_value_event(value, &same), 0);
    IS(hf_event_set(same), 0);
    IS(hf_event_is_set(event), 1);
    hf_event_destroy(same);
    IS(hf_value_fence(value, &fence), HF_ERROR_INVALID);
    SAYS("it is an event, not a fence");
    IS(hf_value_set_flags(value, 4, 0), HF_ERROR_INVALID);
    IS(hf_value_set_flags(value, HF_FLAG_PROTECT_FROM_CLOSE, HF_FLAG_PROTECT_FROM_CLOSE), 0);
    IS(hf_value_flags(value), HF_FLAG_PROTECT_FROM_CLOSE);
    IS(hf_value_close(value), HF_ERROR_MISUSE);
    SAYS("protected");
    IS(hf_value_duplicate(value, 0, SAME | HF_DUPLICATE_CLOSE_SOURCE, &other), 0);
    IS(other != value, 1);
    IS(hf_value_close(other), 0);
    IS(hf_value_set_flags(value, HF_FLAG_PROTECT_FROM_CLOSE, 0), 0);
    IS(hf_value_duplicate(value, 0, SAME | HF_DUPLICATE_INHERIT | HF_DUPLICATE_CLOSE_SOURCE, &other), 0);
    IS(other, value);
    IS(hf_value_flags(value), HF_FLAG_INHERIT);
    IS(hf_value_duplicate(value, HF_ACCESS_EVENT_QUERY, 0, &other), 0);
    IS(hf_value_access(other, &access), 0);
    IS(access, HF_ACCESS_EVENT_QUERY);
    IS(hf_value_event(other, &same), 0);
    IS(hf_event_set(same), HF_ERROR_ACCESS_DENIED);
    hf_event_destroy(same);
    IS(hf_value_duplicate(value, 0, 0, &other), HF_ERROR_INVALID);
    IS(hf_value_duplicate(value, ALL, 16, &other), HF_ERROR_INVALID);
    IS(hf_value_handle(value, &handle), 0);
    IS(hf_handle_kind(handle), HF_KIND_EVENT);
    hf_event_destroy(event);
    IS(hf_value_close(value), 0);
    IS(is_open((int)(value / 4)), 0);
    IS(hf_value_close(value), HF_ERROR_HANDLE);
    IS(hf_value_of_handle(handle, &value), 0);
    IS(hf_value_kind(value), HF_KIND_EVENT);
    IS(hf_value_close(value), 0);
}

/* A descriptor that nobody has told the table of. */
static void a_number(void)
{
    hf_section *section, *opened;
    hf_handle *handle;
    uint32_t word = 0x12345678, found = 0, value;
    int fd;
    IS(hf_section_create("numbers", 4096, HF_WRITERS_SEVERAL, &section), 0);
    IS(hf_section_write(section, 0, &word, sizeof word), 0);
    IS(hf_section_share(section, NULL, ALL, &handle), 0);
    fd = dup(hf_handle_fd(handle));
    hf_handle_close(handle);
    value = (uint32_t)fd * 4;
    IS(hf_value_section(value, &opened), 0);
    IS(hf_section_read(opened, 0, &found, sizeof found), 0);
    IS(found, word);
    hf_section_destroy(opened);
    IS(hf_value_flags(value), HF_FLAG_INHERIT); /* as dup leaves it */
    IS(hf_value_close(value), 0);
    IS(is_open(fd), 0);
    hf_section_destroy(section);
}

static void a_surface(void)
{
    hf_surface_desc desc;
    hf_surface *surface, *opened;
    hf_handle *handle;
    uint8_t byte = 9, found = 0;
    uint32_t value;
    memset(&desc, 0, sizeof desc);
    desc.struct_size = sizeof desc;
    desc.width = 16;
    desc.height = 8;
    desc.format = HF_FORMAT_BGRA8;
    IS(hf_surface_create(NULL, &desc, &surface), 0);
    IS(hf_surface_write(surface, 0, &byte, 1), 0);
    IS(hf_surface_share(surface, NULL, HF_ACCESS_GENERIC_READ, &handle), 0);
    IS(hf_value_of_handle(handle, &value), 0);
    IS(hf_value_surface(value, &opened), 0);
    IS(hf_surface_read(opened, 0, &found, 1), 0);
    IS(found, 9);
    hf_surface_destroy(opened);
    hf_surface_destroy(surface);
    IS(hf_value_close(value), 0);
}

static void between_processes(void)
{
    hf_fence *fence, *opened;
    uint32_t value, ticket, fetched;
    uint64_t reached = 0;
    int told[2], status = -1;
    IS(hf_fence_create(NULL, 3, &fence), 0);
    IS(hf_value_of_fence(fence, &value), 0);
    IS(pipe(told), 0);
    pid_t child = fork();
    if (child == 0) {
        uint32_t mine;
        failed = 0;
        IS(hf_value_close(value), HF_ERROR_HANDLE); /* a number alone, and the parent's */
        IS(read(told[0], &mine, sizeof mine), sizeof mine);
        IS(hf_value_fence(mine, &opened), 0);
        IS(hf_fence_signal(opened, 4), 0);
        IS(hf_value_close(mine), 0);
        IS(hf_value_close(mine), HF_ERROR_HANDLE);
        _exit(failed);
    }
    IS(hf_value_deliver(value, child, 0, SAME | HF_DUPLICATE_INHERIT, &ticket), HF_ERROR_INVALID);
    IS(hf_value_deliver(value, 0, 0, SAME, &ticket), HF_ERROR_INVALID);
    SAYS("0 is no number of a process");
    IS(hf_value_deliver(value, child, 0, SAME, &ticket), 0);
    IS(ticket & 0xe0000003u, 0x20000000u);
    IS(hf_value_close(ticket), HF_ERROR_HANDLE); /* it is the child's */
    IS(write(told[1], &ticket, sizeof ticket), sizeof ticket);
    IS(hf_fence_wait(fence, 4, 20000), HF_SIGNALED);
    IS(waitpid(child, &status, 0), child);
    IS(status, 0);
    IS(hf_value_deliver(value, child, 0, SAME, &ticket), HF_ERROR_LOST);
    IS(ticket, 0);
    IS(hf_value_fetch(child, value, 0, SAME, &fetched), HF_ERROR_LOST);
    IS(hf_value_fetch(getpid(), value, HF_ACCESS_FENCE_WAIT, HF_DUPLICATE_INHERIT, &fetched), 0);
    IS(hf_value_flags(fetched), HF_FLAG_INHERIT);
    IS(hf_value_fence(fetched, &opened), 0);
    IS(hf_fence_value(opened, &reached), 0);
    IS(reached, 4);
    IS(hf_fence_signal(opened, 5), HF_ERROR_ACCESS_DENIED);
    hf_fence_destroy(opened);
    IS(hf_value_close(fetched), 0);
    IS(hf_value_close(value), 0);
    hf_fence_destroy(fence);
    close(told[0]);
    close(told[1]);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    nulls();
    strangers();
    an_event();
    a_number();
    a_surface();
    between_processes();
    printf("%d failed\n", failed);
    return failed != 0;
}
