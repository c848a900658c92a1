//! `hf_list`: what is there.
#![expect(unsafe_code, reason = "UNSAFETY: functions are exported to C and follow its pointers")]

use std::ffi::{CString, c_char, c_int};
use std::mem::{offset_of, size_of};
use std::ptr;

use handfast::{Client, Details, ObjectInfo};

use crate::argument::HfColor;
use crate::error::Failure;
use crate::guard::{guard, guard_quiet};
use crate::pointer;
use crate::result::count;

/// `hf_entry`.
///
/// Invariant: `name` and `program` came from [`CString::into_raw`], or are NULL, and are freed by
/// `Drop` alone.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct HfEntry {
    pub(crate) id: [u64; 2],
    pub(crate) made_ns: u64,
    pub(crate) payload_bytes: u64,
    pub(crate) name: *mut c_char,
    pub(crate) program: *mut c_char,
    pub(crate) pid: i32,
    pub(crate) uid: u32,
    pub(crate) kind: u32,
    pub(crate) has_sender: u32,
    pub(crate) receivers: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) format: u32,
    pub(crate) color: HfColor,
    pub(crate) alpha: u32,
}

const _: () = {
    let pointers = 32 + 2 * size_of::<usize>();
    assert!(offset_of!(HfEntry, name) == 32);
    assert!(offset_of!(HfEntry, pid) == pointers);
    assert!(offset_of!(HfEntry, color) == pointers + 32);
    assert!(size_of::<HfEntry>() == pointers + 40, "no padding");
};

impl HfEntry {
    fn new(name: &str, info: &ObjectInfo) -> Self {
        let stream = info.stream();
        let picture = stream.and_then(|stream| stream.picture);
        Self {
            id: [info.id.instance, info.id.counter],
            made_ns: info.made_ns,
            payload_bytes: payload_bytes(&info.details),
            name: text(name).into_raw(),
            program: info.program.as_deref().map_or(ptr::null_mut(), |name| text(name).into_raw()),
            pid: info.pid,
            uid: info.uid,
            kind: info.kind.rules().number.into(),
            has_sender: stream.is_some_and(|stream| stream.has_sender).into(),
            receivers: stream.map_or(0, |stream| stream.receivers),
            width: picture.map_or(0, |picture| picture.width),
            height: picture.map_or(0, |picture| picture.height),
            format: picture.map_or(0, |picture| picture.format.number()),
            color: picture.map(|picture| picture.color.into()).unwrap_or_default(),
            alpha: picture.map_or(0, |picture| picture.alpha.number().into()),
        }
    }
}

fn payload_bytes(details: &Details) -> u64 {
    match details {
        Details::Stream(stream) => stream.payload_bytes,
        Details::Surface { desc, .. } => desc.size_bytes().unwrap_or_default(),
        Details::Section { size_bytes, .. } => *size_bytes,
        Details::Fence | Details::Event { .. } => 0,
    }
}

impl Drop for HfEntry {
    fn drop(&mut self) {
        for text in [self.name, self.program] {
            if !text.is_null() {
                // SAFETY: By the invariant it came from `into_raw` and is freed here alone.
                drop(unsafe { CString::from_raw(text) });
            }
        }
    }
}

fn text(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{FFFD}")).unwrap_or_default()
}

/// Every name with its object, if a broker runs.
fn entries() -> Result<Vec<HfEntry>, Failure> {
    let Some(mut client) = Client::connect_existing()? else { return Ok(Vec::new()) };
    let objects = client.list()?;
    let entries =
        objects.iter().flat_map(|info| info.names.iter().map(|name| HfEntry::new(name, info)));
    Ok(entries.collect())
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_list(list: *mut *mut *mut HfEntry) -> c_int {
    guard(|| {
        let place = pointer::present(list, "list")?;
        // SAFETY: C guarantees that it is a place for a pointer.
        unsafe { pointer::put(place, ptr::null_mut()) };
        let entries = entries()?;
        let number = count(entries.len());
        let pointers = entries.into_iter().map(|entry| Box::into_raw(Box::new(entry)));
        let pointers: Box<[_]> = pointers.chain([ptr::null_mut()]).collect();
        // SAFETY: As above.
        unsafe { pointer::put(place, Box::into_raw(pointers).cast()) };
        Ok(number)
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_list_free(list: *mut *mut HfEntry) {
    guard_quiet(|| {
        if list.is_null() {
            return;
        }
        let mut length = 0;
        loop {
            let place = list.wrapping_add(length);
            // SAFETY: C guarantees that the list came from `hf_list`: a NULL is its last pointer,
            // and none is looked at behind that.
            let entry = unsafe { place.read() };
            length += 1;
            // SAFETY: It is NULL or came from `Box::into_raw` in `hf_list`; C gives it up.
            if unsafe { pointer::own(entry) }.is_none() {
                break;
            }
        }
        // SAFETY: `hf_list` made it of a box of so many pointers, and C gives it up.
        drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(list, length)) });
    });
}
