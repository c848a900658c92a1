/* Where the fields of the headers' structs lie, on machines of 32 and of 64 bits. */
#include <handfast/handfast.h>

#ifdef __cplusplus
#define IS(what) static_assert(what, #what)
#else
#define IS(what) _Static_assert(what, #what)
#endif

#define POINTERS (40 + 10 * sizeof(void *))

IS(sizeof(hf_color) == 4);
IS(offsetof(hf_color, primaries) == 0);
IS(offsetof(hf_color, transfer) == 1);
IS(offsetof(hf_color, matrix) == 2);
IS(offsetof(hf_color, range) == 3);

IS(sizeof(hf_rect) == 8);
IS(offsetof(hf_rect, x) == 0);
IS(offsetof(hf_rect, y) == 2);
IS(offsetof(hf_rect, width) == 4);
IS(offsetof(hf_rect, height) == 6);

IS(sizeof(hf_frame) == POINTERS + 240);
IS(offsetof(hf_frame, sequence) == 0);
IS(offsetof(hf_frame, time_ns) == 8);
IS(offsetof(hf_frame, sent_ns) == 16);
IS(offsetof(hf_frame, dropped_before) == 24);
IS(offsetof(hf_frame, number) == 32);
IS(offsetof(hf_frame, data) == 40);
IS(offsetof(hf_frame, size_bytes) == 40 + 4 * sizeof(void *));
IS(offsetof(hf_frame, owner) == 40 + 8 * sizeof(void *));
IS(offsetof(hf_frame, stride_bytes) == POINTERS);
IS(offsetof(hf_frame, row_bytes) == POINTERS + 16);
IS(offsetof(hf_frame, rows) == POINTERS + 32);
IS(offsetof(hf_frame, width) == POINTERS + 48);
IS(offsetof(hf_frame, height) == POINTERS + 52);
IS(offsetof(hf_frame, format) == POINTERS + 56);
IS(offsetof(hf_frame, planes) == POINTERS + 60);
IS(offsetof(hf_frame, color) == POINTERS + 64);
IS(offsetof(hf_frame, alpha) == POINTERS + 68);
IS(offsetof(hf_frame, damage_count) == POINTERS + 72);
IS(offsetof(hf_frame, user_bytes) == POINTERS + 76);
IS(offsetof(hf_frame, damage) == POINTERS + 80);
IS(offsetof(hf_frame, user_data) == POINTERS + 144);
IS(offsetof(hf_frame, reserved) == POINTERS + 208);

IS(sizeof(hf_sender_options) == 40 + sizeof(void *));
IS(offsetof(hf_sender_options, struct_size) == 0);
IS(offsetof(hf_sender_options, format) == 12);
IS(offsetof(hf_sender_options, alpha) == 28);
IS(offsetof(hf_sender_options, color) == 32);
IS(offsetof(hf_sender_options, text) == 40);

IS(sizeof(hf_entry) == 72 + 2 * sizeof(void *));
IS(offsetof(hf_entry, name) == 32);
IS(offsetof(hf_entry, pid) == 32 + 2 * sizeof(void *));
IS(offsetof(hf_entry, color) == 64 + 2 * sizeof(void *));

IS(sizeof(hf_surface_desc) == 56);
IS(offsetof(hf_surface_desc, struct_size) == 0);
IS(offsetof(hf_surface_desc, dimension) == 4);
IS(offsetof(hf_surface_desc, width) == 8);
IS(offsetof(hf_surface_desc, height) == 16);
IS(offsetof(hf_surface_desc, mips) == 28);
IS(offsetof(hf_surface_desc, format) == 32);
IS(offsetof(hf_surface_desc, flags) == 36);
IS(offsetof(hf_surface_desc, writers) == 40);
IS(offsetof(hf_surface_desc, alpha) == 44);
IS(offsetof(hf_surface_desc, color) == 48);

IS(sizeof(hf_subresource) == 144);
IS(offsetof(hf_subresource, offset_bytes) == 0);
IS(offsetof(hf_subresource, size_bytes) == 8);
IS(offsetof(hf_subresource, slice_bytes) == 16);
IS(offsetof(hf_subresource, width) == 24);
IS(offsetof(hf_subresource, height) == 32);
IS(offsetof(hf_subresource, planes) == 40);
IS(offsetof(hf_subresource, plane_offset_bytes) == 48);
IS(offsetof(hf_subresource, stride_bytes) == 80);
IS(offsetof(hf_subresource, row_bytes) == 96);
IS(offsetof(hf_subresource, rows) == 112);
IS(offsetof(hf_subresource, reserved_more) == 128);

IS(sizeof(hf_wait_object) == 8 + 2 * sizeof(void *));
IS(offsetof(hf_wait_object, value) == 0);
IS(offsetof(hf_wait_object, fence) == 8);
IS(offsetof(hf_wait_object, event) == 8 + sizeof(void *));

int main(void)
{
    return 0;
}
