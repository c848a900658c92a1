/* GStreamer's side of `benches/rivals`: `send SOCKET WIDTH HEIGHT QUEUED` is shmsink with memory
   for so many frames, `receive SOCKET WIDTH HEIGHT QUEUED` shmsrc. It says "there", then does what a line says: "send COUNT" frames, or "take COUNT" and "all".
   No thread but the elements' own is in the way: frames are pushed into shmsink's pad, and copied
   out in shmsrc's thread. */
#include <gst/gst.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static GMutex lock;
static GCond reached;
static guint64 taken, wanted;
static guint8 *pixels;
static gsize frame_bytes;

static void say(const char *line) {
    puts(line);
    fflush(stdout);
}

static long hear(void) {
    char word[16];
    long count;
    return scanf("%15s %ld", word, &count) == 2 ? count : 0;
}

static void on_frame(GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data) {
    GstMapInfo map;
    (void)sink, (void)pad, (void)data;
    if (!gst_buffer_map(buffer, &map, GST_MAP_READ) || map.size != frame_bytes) exit(3);
    memcpy(pixels, map.data, map.size);
    gst_buffer_unmap(buffer, &map);
    g_mutex_lock(&lock);
    if (++taken == wanted) g_cond_signal(&reached);
    g_mutex_unlock(&lock);
}

static int receive(GstElement *pipeline) {
    GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
    g_signal_connect(sink, "handoff", G_CALLBACK(on_frame), NULL);
    if (gst_element_set_state(pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) return 4;
    say("there");
    for (long count; (count = hear()) > 0;) {
        g_mutex_lock(&lock);
        wanted += (guint64)count;
        while (taken < wanted) g_cond_wait(&reached, &lock);
        g_mutex_unlock(&lock);
        say("all");
    }
    return 0;
}

static int send_frames(GstElement *pipeline, const char *caps) {
    GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
    GstPad *target = gst_element_get_static_pad(sink, "sink");
    GstPad *source = gst_pad_new("source", GST_PAD_SRC);
    GstSegment segment;
    GstBuffer *picture = gst_buffer_new_allocate(NULL, frame_bytes, NULL);
    gst_buffer_memset(picture, 0, 0x5A, frame_bytes);
    if (gst_pad_link(source, target) != GST_PAD_LINK_OK) return 5;
    gst_pad_set_active(source, TRUE);
    if (gst_element_set_state(pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) return 4;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_pad_push_event(source, gst_event_new_stream_start("bench"));
    gst_pad_push_event(source, gst_event_new_caps(gst_caps_from_string(caps)));
    gst_pad_push_event(source, gst_event_new_segment(&segment));
    say("there");
    for (long count; (count = hear()) > 0;)
        for (; count > 0; count--)
            if (gst_pad_push(source, gst_buffer_ref(picture)) != GST_FLOW_OK) return 6;
    return 0;
}

int main(int argc, char **argv) {
    char text[512], caps[128];
    int width, height, sends, status;
    GstElement *pipeline;
    gst_init(&argc, &argv);
    if (argc != 6) return 2;
    sends = !strcmp(argv[1], "send");
    width = atoi(argv[3]), height = atoi(argv[4]);
    frame_bytes = (gsize)width * (gsize)height * 4;
    pixels = malloc(frame_bytes);
    snprintf(caps, sizeof caps, "video/x-raw,format=BGRA,width=%d,height=%d,framerate=0/1", width,
             height);
    if (sends)
        snprintf(text, sizeof text,
                 "shmsink name=sink socket-path=%s shm-size=%zu sync=false async=false "
                 "wait-for-connection=true",
                 argv[2], frame_bytes * (gsize)atoi(argv[5]) + 65536);
    else
        snprintf(text, sizeof text,
                 "shmsrc socket-path=%s ! %s ! fakesink name=sink sync=false async=false "
                 "enable-last-sample=false "
                 "signal-handoffs=true",
                 argv[2], caps);
    pipeline = gst_parse_bin_from_description(text, FALSE, NULL);
    if (!pipeline) return 3;
    status = sends ? send_frames(pipeline, caps) : receive(pipeline);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    return status;
}
