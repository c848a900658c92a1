/* PipeWire's side of `benches/rivals`: `send NODE WIDTH HEIGHT` is a video source that drives its
   graph, `receive NODE WIDTH HEIGHT` takes what comes. It says "there", then does what a line says:
   "send COUNT" frames, or "take COUNT" and "all". A frame is sent when the one before it has gone
   through the graph, so none is dropped; both work in the thread of the data. */
#include <pipewire/pipewire.h>
#include <spa/param/buffers.h>
#include <spa/param/video/format-utils.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pw_thread_loop *loop;
static struct pw_stream *stream;
static uint32_t width, height, frame_bytes;
static uint8_t *pixels;
static int sends;
/* Frames still to be sent or taken; counted down in the thread of the data. */
static atomic_long left;
/* Whether a frame of ours goes through the graph. */
static atomic_bool in_flight;

static void say(const char *line) {
    puts(line);
    fflush(stdout);
}

static long hear(void) {
    char word[16];
    long count;
    return scanf("%15s %ld", word, &count) == 2 ? count : 0;
}

static void on_param(void *data, uint32_t id, const struct spa_pod *param) {
    uint8_t room[512];
    struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(room, sizeof room);
    const struct spa_pod *params[1];
    (void)data;
    if (!param || id != SPA_PARAM_Format) return;
    params[0] = spa_pod_builder_add_object(
        &builder, SPA_TYPE_OBJECT_ParamBuffers, SPA_PARAM_Buffers, SPA_PARAM_BUFFERS_buffers,
        SPA_POD_CHOICE_RANGE_Int(4, 2, 8), SPA_PARAM_BUFFERS_blocks, SPA_POD_Int(1),
        SPA_PARAM_BUFFERS_size, SPA_POD_Int((int)frame_bytes), SPA_PARAM_BUFFERS_stride,
        SPA_POD_Int((int)width * 4), SPA_PARAM_BUFFERS_dataType,
        SPA_POD_CHOICE_FLAGS_Int(1 << SPA_DATA_MemFd));
    pw_stream_update_params(stream, params, 1);
}

static void on_state(void *data, enum pw_stream_state old, enum pw_stream_state now,
                     const char *error) {
    (void)data, (void)old;
    if (now == PW_STREAM_STATE_ERROR) fprintf(stderr, "pipewire: %s\n", error ? error : "failed");
    pw_thread_loop_signal(loop, false);
}

static void on_process(void *data) {
    struct pw_buffer *buffer = pw_stream_dequeue_buffer(stream);
    struct spa_data *plane;
    (void)data;
    if (!buffer) return;
    plane = &buffer->buffer->datas[0];
    if (sends) {
        memcpy(plane->data, pixels, frame_bytes);
        plane->chunk->offset = 0;
        plane->chunk->size = frame_bytes;
        plane->chunk->stride = (int)width * 4;
        atomic_fetch_sub(&left, 1);
    } else if (plane->chunk->size == frame_bytes) {
        memcpy(pixels, plane->data, frame_bytes);
        if (atomic_fetch_sub(&left, 1) == 1) pw_thread_loop_signal(loop, false);
    }
    pw_stream_queue_buffer(stream, buffer);
}

/* Sends the next frame, unless one is under way or there is none left. */
static void send_next(void) {
    if (atomic_load(&left) > 0 && !atomic_exchange(&in_flight, true))
        pw_stream_trigger_process(stream);
}

static void on_trigger_done(void *data) {
    (void)data;
    atomic_store(&in_flight, false);
    if (sends) send_next();
}

static const struct pw_stream_events events = {
    PW_VERSION_STREAM_EVENTS,
    .state_changed = on_state,
    .param_changed = on_param,
    .process = on_process,
    .trigger_done = on_trigger_done,
};

static int connect_stream(void) {
    uint8_t room[512];
    struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(room, sizeof room);
    struct spa_video_info_raw info = {
        .format = SPA_VIDEO_FORMAT_BGRA,
        .size = SPA_RECTANGLE(width, height),
        .framerate = SPA_FRACTION(0, 1),
    };
    const struct spa_pod *format =
        spa_format_video_raw_build(&builder, SPA_PARAM_EnumFormat, &info);
    enum pw_stream_flags flags = PW_STREAM_FLAG_MAP_BUFFERS | PW_STREAM_FLAG_RT_PROCESS;
    return pw_stream_connect(stream, sends ? PW_DIRECTION_OUTPUT : PW_DIRECTION_INPUT, PW_ID_ANY,
                             sends ? flags | PW_STREAM_FLAG_DRIVER : flags, &format, 1);
}

/* What a line asks for; for a receiver until it is done. */
static void work(long count) {
    pw_thread_loop_lock(loop);
    while (pw_stream_get_state(stream, NULL) != PW_STREAM_STATE_STREAMING)
        pw_thread_loop_wait(loop);
    atomic_fetch_add(&left, count);
    if (sends) {
        send_next();
    } else {
        while (atomic_load(&left) > 0) pw_thread_loop_wait(loop);
    }
    pw_thread_loop_unlock(loop);
    if (!sends) say("all");
}

int main(int argc, char **argv) {
    pw_init(&argc, &argv);
    if (argc != 5) return 2;
    sends = !strcmp(argv[1], "send");
    width = (uint32_t)atoi(argv[3]), height = (uint32_t)atoi(argv[4]);
    frame_bytes = width * height * 4;
    pixels = malloc(frame_bytes);
    memset(pixels, 0x5A, frame_bytes);
    loop = pw_thread_loop_new("bench", NULL);
    stream = pw_stream_new_simple(
        pw_thread_loop_get_loop(loop), argv[2],
        pw_properties_new(PW_KEY_NODE_NAME, argv[2], PW_KEY_MEDIA_TYPE, "Video",
                          PW_KEY_MEDIA_CATEGORY, sends ? "Playback" : "Capture", NULL),
        &events, NULL);
    if (!stream || connect_stream() < 0) return 3;
    pw_thread_loop_start(loop);
    say("there");
    for (long count; (count = hear()) > 0;) work(count);
    pw_thread_loop_stop(loop);
    pw_stream_destroy(stream);
    pw_thread_loop_destroy(loop);
    pw_deinit();
    return 0;
}
