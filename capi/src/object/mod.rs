//! The functions of `handfast/objects.h`.

mod bytes;
mod desc;
mod event;
mod fence;
mod handle;
mod opening;
mod reached;
mod section;
mod surface;
mod value;
mod wait;

#[cfg(test)]
pub(crate) use self::desc::{
    HF_DIMENSION_1D, HF_DIMENSION_2D, HF_DIMENSION_3D, HF_DIMENSION_BUFFER, HfSubresource,
    HfSurfaceDesc,
};
#[cfg(test)]
pub(crate) use self::event::{
    HF_RESET_AUTO, HF_RESET_MANUAL, HfEvent, hf_event_access, hf_event_create, hf_event_destroy,
    hf_event_is_set, hf_event_object, hf_event_open, hf_event_open_handle, hf_event_reset,
    hf_event_set, hf_event_share, hf_event_taken, hf_event_wait,
};
#[cfg(test)]
pub(crate) use self::fence::{
    HfFence, hf_fence_access, hf_fence_create, hf_fence_destroy, hf_fence_object, hf_fence_open,
    hf_fence_open_handle, hf_fence_reached, hf_fence_set_event_on_completion, hf_fence_share,
    hf_fence_signal, hf_fence_value, hf_fence_wait,
};
#[cfg(test)]
pub(crate) use self::handle::{
    HfHandle, hf_handle_access, hf_handle_close, hf_handle_duplicate, hf_handle_duplicate_with,
    hf_handle_fd, hf_handle_from_fd, hf_handle_inheritance, hf_handle_kind, hf_handle_object,
    hf_handle_set_inheritance,
};
#[cfg(test)]
pub(crate) use self::reached::{HfReached, hf_reached_destroy, hf_reached_fd, hf_reached_outcome};
#[cfg(test)]
pub(crate) use self::section::{
    HfSection, hf_section_access, hf_section_create, hf_section_destroy, hf_section_map_read,
    hf_section_map_write, hf_section_object, hf_section_open, hf_section_open_handle,
    hf_section_read, hf_section_share, hf_section_size, hf_section_write,
};
#[cfg(test)]
pub(crate) use self::surface::{
    HfSurface, hf_surface_access, hf_surface_acquire, hf_surface_create, hf_surface_describe,
    hf_surface_destroy, hf_surface_map_read, hf_surface_map_write, hf_surface_object,
    hf_surface_open, hf_surface_open_handle, hf_surface_read, hf_surface_release, hf_surface_share,
    hf_surface_size, hf_surface_subresource, hf_surface_write,
};
#[cfg(test)]
pub(crate) use self::value::{
    HF_DUPLICATE_CLOSE_SOURCE, HF_DUPLICATE_INHERIT, HF_DUPLICATE_SAME_ACCESS,
    HF_DUPLICATE_SAME_ATTRIBUTES, HF_FLAG_INHERIT, HF_FLAG_PROTECT_FROM_CLOSE, hf_value_access,
    hf_value_close, hf_value_deliver, hf_value_duplicate, hf_value_event, hf_value_fence,
    hf_value_fetch, hf_value_flags, hf_value_handle, hf_value_kind, hf_value_of_event,
    hf_value_of_fence, hf_value_of_handle, hf_value_section, hf_value_set_flags, hf_value_surface,
};
#[cfg(test)]
pub(crate) use self::wait::{HfWaitObject, hf_wait_all, hf_wait_any};
