/* Lists the streams: list [--watch] */
#include <handfast/stream.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int show(void)
{
    hf_entry **list;
    int count = hf_list(&list);
    for (int i = 0; i < count; i++) {
        const hf_entry *one = list[i];
        printf("%s  %" PRIu32 "x%" PRIu32 "  %s[%" PRId32 "]  %" PRIu32 " receivers\n", one->name,
               one->width, one->height, one->program ? one->program : "?", one->pid,
               one->receivers);
    }
    printf("%d names\n", count);
    fflush(stdout);
    if (count >= 0)
        hf_list_free(list);
    return count;
}

int main(int argc, char **argv)
{
    hf_watch *watch = NULL;
    int r = 0;

    if (argc > 1 && strcmp(argv[1], "--watch") == 0)
        r = hf_watch_create(&watch);
    while (r >= 0 && (r = show()) >= 0 && watch)
        r = hf_watch_wait(watch, -1);
    if (r < 0)
        fprintf(stderr, "list: %s\n", hf_error_text());
    hf_watch_destroy(watch);
    return r < 0;
}
