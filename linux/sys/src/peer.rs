//! Who is at the other end of a socket.

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::poll::poll_one;
use crate::seqpacket::Socket;
use crate::{pidfd, socket_option};

/// The kernel's default for ids that a user namespace does not map.
const OVERFLOW_UID: u32 = 65534;

/// The process that connected, or that listened, as the kernel noted it at that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Its number in our pid namespace, 0 when it has none.
    pub pid: i32,
    /// Its effective user, the overflow uid when our user namespace does not map it.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}

/// Tells who connected to us, or whom we connected to (`SO_PEERCRED`).
///
/// # Errors
/// None on a connected socket.
pub fn peer(socket: &Socket) -> Result<Peer> {
    let [pid, uid, gid] = socket_option::peer_credentials(socket.as_fd())?;
    Ok(Peer { pid: pid.cast_signed(), uid, gid })
}

/// Opens the peer's process, which becomes readable when that process ends.
///
/// Where the kernel cannot tell (before 6.5) it opens the process that has the number `pid` now
/// and then looks at the socket again: a process that ended meanwhile and left its number to
/// another one has hung up, unless a child of it holds the socket.
///
/// # Errors
/// ESRCH, EINVAL or ENODATA (that process is gone, or is none of our pid namespace),
/// [`Error::is_gone`] (the peer hung up meanwhile), and the descriptor limit.
///
/// # Ownership
/// The descriptor is the caller's.
pub fn peer_pidfd(socket: &Socket, pid: i32) -> Result<OwnedFd> {
    if let Some(descriptor) = socket_option::peer_pidfd(socket.as_fd())? {
        return Ok(descriptor);
    }
    let descriptor = pidfd::open(pid)?;
    let events = poll_one(socket.as_fd(), PollFlags::empty(), Some(0))?;
    if events.intersects(PollFlags::HUP | PollFlags::ERR) {
        return Err(Error::new("pidfd_open", Errno::CONNRESET));
    }
    Ok(descriptor)
}

/// The uid that stands for every user that our user namespace does not map.
#[must_use]
pub fn overflow_uid() -> u32 {
    std::fs::read_to_string("/proc/sys/kernel/overflowuid")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(OVERFLOW_UID)
}

/// Whether this process is in a user namespace other than the machine's first.
///
/// Where /proc does not say it is taken for one, since the overflow uid must then be distrusted.
#[must_use]
pub fn in_user_namespace() -> bool {
    std::fs::read_to_string("/proc/self/uid_map").map_or(true, |map| !maps_every_uid(&map))
}

fn maps_every_uid(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use crate::seqpacket::Listener;

    #[test]
    fn both_ends_see_each_others_process_and_user() {
        let scratch = Scratch::new();
        let path = scratch.join("socket");
        let listener = Listener::bind(&path, 1).unwrap();
        let client = Socket::connect(&path).unwrap();
        let server = listener.accept().unwrap().unwrap();
        let own = Peer {
            pid: std::process::id().cast_signed(),
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        };
        assert_eq!(peer(&server).unwrap(), own);
        assert_eq!(peer(&client).unwrap(), own);
    }

    #[test]
    fn the_peers_process_is_opened_and_alive() {
        let (left, _right) = Socket::pair().unwrap();
        let process = peer_pidfd(&left, peer(&left).unwrap().pid).unwrap();
        assert!(!pidfd::has_exited(process.as_fd()));
        assert!(rustix::io::fcntl_getfd(&process).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    }

    #[test]
    fn only_the_whole_identity_map_is_the_first_namespace() {
        assert!(maps_every_uid("         0          0 4294967295\n"));
        assert!(!maps_every_uid("         0       1000          1\n"));
        assert!(!maps_every_uid(""));
    }

    #[test]
    fn the_overflow_uid_is_a_user() {
        assert_ne!(overflow_uid(), 0);
    }
}
