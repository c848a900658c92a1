//! One packet received with its control messages, which the kernel may have cut short.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: rustix takes the sender's pid for non-zero, which it is not when the \
              sender is outside our pid namespace; and received numbers become descriptors here"
)]

use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use rustix::io::Errno;

use crate::error::{Error, Result};

/// Room for 253 descriptors (1,032 bytes), credentials (32) and a security label.
pub(crate) const CONTROL_WORDS: usize = 192;

/// What the kernel handed over.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) length: usize,
    pub(crate) descriptors: Vec<OwnedFd>,
    pub(crate) pid: Option<i32>,
    /// Bytes or descriptors did not fit and are lost.
    pub(crate) truncated: bool,
}

/// Receives one packet; every descriptor in it is owned by the result and close-on-exec.
pub(crate) fn recvmsg(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    control: &mut [u64],
    flags: libc::c_int,
) -> Result<Packet> {
    let mut vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: All fields of `msghdr` are integers and pointers, for which zero is a value.
    let mut header: libc::msghdr = unsafe { core::mem::zeroed() };
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(control) as _;
    // SAFETY: 1. The descriptor is borrowed, so it stays open during the call. 2. `header` names
    // one vector that spans the exclusively borrowed `buffer`, and the exclusively borrowed
    // `control` with its size in bytes; the kernel writes only inside these. 3. Every bit
    // pattern is a `u8` or a `u64`.
    let length = unsafe {
        libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags | libc::MSG_CMSG_CLOEXEC)
    };
    let Ok(length) = usize::try_from(length) else {
        let errno = Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO);
        return Err(Error::new("recvmsg", errno));
    };
    let used_bytes = bytes_used(header.msg_controllen);
    let used_words = used_bytes.div_ceil(size_of::<u64>());
    let bytes: Vec<u8> =
        control.iter().take(used_words).flat_map(|word| word.to_ne_bytes()).collect();
    let mut packet = Packet {
        length: length.min(buffer.len()),
        descriptors: Vec::new(),
        pid: None,
        truncated: header.msg_flags & (libc::MSG_CTRUNC | libc::MSG_TRUNC) != 0,
    };
    // SAFETY: `bytes` is what the kernel wrote in the call above (it set `msg_controllen` to the
    // bytes it used), it is parsed this once, and nobody else knows of the numbers in it.
    unsafe { take_control(bytes.get(..used_bytes).unwrap_or(&bytes), &mut packet) };
    Ok(packet)
}

/// The C libraries differ in the type of this field.
fn bytes_used(control_length: impl TryInto<usize>) -> usize {
    control_length.try_into().unwrap_or(0)
}

/// Reads the kernel's control messages: each is {length: usize, level: i32, type: i32}, then its
/// data, the next one starting at the next multiple of a `usize`.
///
/// # Safety
/// `control` must be what the kernel wrote for a `recvmsg` of this process, taken once: its
/// descriptors get their owner here.
unsafe fn take_control(mut control: &[u8], packet: &mut Packet) {
    const HEADER: usize = size_of::<usize>() + 2 * size_of::<i32>();
    while let Some((length, rest)) = control.split_first_chunk() {
        let length = usize::from_ne_bytes(*length);
        let Some((level, rest)) = rest.split_first_chunk() else { return };
        let Some((kind, _)) = rest.split_first_chunk() else { return };
        let Some(data) = control.get(HEADER..length) else { return };
        match (i32::from_ne_bytes(*level), i32::from_ne_bytes(*kind)) {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                for number in data.as_chunks().0 {
                    let number = i32::from_ne_bytes(*number);
                    // SAFETY: The caller guarantees that the kernel wrote this number in an
                    // SCM_RIGHTS message, for which it opened a new descriptor in this process
                    // that has no other owner.
                    packet.descriptors.push(unsafe { OwnedFd::from_raw_fd(number) });
                }
            }
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => {
                packet.pid = data.first_chunk().map(|pid| i32::from_ne_bytes(*pid));
            }
            _ => {}
        }
        let next = length.next_multiple_of(size_of::<usize>());
        control = control.get(next..).unwrap_or(&[]);
    }
}
