//! What a service manager hands to a program that it starts, and what it is told in return:
//! sd_listen_fds(3) and sd_notify(3).
#![expect(
    unsafe_code,
    reason = "UNSAFETY: variables are removed, and descriptors known by their number become owned"
)]

use core::ops::Range;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::fd::{AsFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::io::{Errno, FdFlags};
use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, getsockname, sendto,
    socket_with,
};

use crate::error::{Error, Result};
use crate::seqpacket::Listener;

/// The first descriptor that a service manager passes.
const FIRST: i32 = 3;
/// All that a service manager says about them.
const VARIABLES: [&str; 4] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"];

/// Why what a service manager passed cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TakeError {
    /// `LISTEN_FDS` is no number.
    #[error("LISTEN_FDS is {text:?}, which is no number of descriptors")]
    Count {
        /// What it is.
        text: String,
    },
    /// Fewer came than it says.
    #[error("LISTEN_FDS says {count}, and descriptor {number} did not come through exec")]
    Missing {
        /// What it says.
        count: i32,
        /// The first that is missing.
        number: i32,
    },
    /// The environment cannot be changed any more.
    #[error("LISTEN_FDS can be taken only before the program starts a thread, and with /proc")]
    Threads,
}

/// A descriptor that a service manager passed.
#[derive(Debug)]
pub struct Passed {
    descriptor: OwnedFd,
    name: String,
}

/// Takes the descriptors that a service manager passed to this process, and removes the variables
/// that told of them. `None` when they were for nobody, or for another process.
///
/// # Errors
/// [`TakeError`]; the variables are gone then too, but for [`TakeError::Threads`].
///
/// # Ownership
/// The descriptors are the caller's, close-on-exec. The manager keeps copies.
pub fn take_passed() -> core::result::Result<Option<Vec<Passed>>, TakeError> {
    let [pid, count, names, _] = VARIABLES.map(env::var_os);
    if VARIABLES.iter().all(|name| env::var_os(name).is_none()) {
        return Ok(None);
    }
    remove(&VARIABLES)?;
    if pid.and_then(|pid| pid.to_str()?.parse().ok()) != Some(std::process::id()) {
        return Ok(None);
    }
    let text = count.unwrap_or_default();
    let parsed = text.to_str().and_then(|text| text.parse().ok());
    let end = parsed.filter(|count| *count >= 0).and_then(|count| FIRST.checked_add(count));
    let Some(end) = end else {
        return Err(TakeError::Count { text: text.to_string_lossy().into_owned() });
    };
    take(FIRST..end, &names.unwrap_or_default()).map(Some)
}

/// Removes variables, while that is safe.
fn remove(names: &[&str]) -> core::result::Result<(), TakeError> {
    let threads = fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    if threads != 1 {
        return Err(TakeError::Threads);
    }
    for name in names {
        // SAFETY: The kernel has just listed this thread as the only one of the process, and only
        // a thread of the process could start another, so nobody else uses the environment.
        unsafe { env::remove_var(name) };
    }
    Ok(())
}

/// Takes descriptors of these numbers, all or none. Called once, when the variables were there.
fn take(numbers: Range<i32>, names: &OsStr) -> core::result::Result<Vec<Passed>, TakeError> {
    let count = numbers.end.saturating_sub(numbers.start);
    let is_inherited = |number: &i32| {
        // SAFETY: F_GETFD takes any number, and only reads the flags of an open descriptor.
        let flags = unsafe { libc::fcntl(*number, libc::F_GETFD) };
        flags >= 0 && flags & libc::FD_CLOEXEC == 0
    };
    if let Some(number) = numbers.clone().find(|number| !is_inherited(number)) {
        return Err(TakeError::Missing { count, number });
    }
    let names = names.to_string_lossy();
    let mut names = names.split(':');
    let passed = numbers.map(|number| {
        // SAFETY: 1. The descriptor is open: the kernel has just told its flags. 2. It came
        // through exec, since all that the standard library and this crate open is close-on-exec,
        // and nothing in the process knew of it. 3. It is taken once: the variable that gave the
        // numbers to this process was removed before.
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        let name = names.next().unwrap_or_default().to_owned();
        // Cannot fail on an open descriptor.
        rustix::io::fcntl_setfd(&descriptor, FdFlags::CLOEXEC).ok();
        Passed { descriptor, name }
    });
    Ok(passed.collect())
}

impl Passed {
    /// What it is, for people to read: `"name", a seqpacket socket that listens at /a/path`.
    #[must_use]
    pub fn describe(&self) -> String {
        let what = describe(self.descriptor.as_fd());
        let name = self.name.replace(char::is_control, "\u{FFFD}");
        if name.is_empty() { what } else { format!("\"{name}\", {what}") }
    }

    /// Makes it a listener, if it is one.
    ///
    /// # Errors
    /// As [`Listener::adopt`].
    pub fn into_listener(self) -> Result<Listener> {
        Listener::adopt(self.descriptor)
    }
}

fn describe(descriptor: BorrowedFd<'_>) -> String {
    let Ok(domain) = socket_domain(descriptor) else { return "no socket".into() };
    if domain != AddressFamily::UNIX {
        return format!("a socket of address family {}", domain.as_raw());
    }
    let kind = match socket_type(descriptor) {
        Ok(SocketType::STREAM) => "stream",
        Ok(SocketType::DGRAM) => "datagram",
        Ok(SocketType::SEQPACKET) => "seqpacket",
        Ok(_) | Err(_) => "unknown",
    };
    if !socket_acceptconn(descriptor).unwrap_or(false) {
        return format!("a {kind} socket that does not listen");
    }
    let address = getsockname(descriptor).ok().and_then(|any| SocketAddrUnix::try_from(any).ok());
    let path = address.as_ref().and_then(SocketAddrUnix::path_bytes);
    let place = path.map_or("no path".into(), |path| String::from_utf8_lossy(path));
    format!("a {kind} socket that listens at {place}")
}

/// What a service manager is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The service serves from now on.
    Ready,
    /// It is leaving.
    Stopping,
}

/// Tells the service manager, if this process has one (`NOTIFY_SOCKET`).
///
/// # Errors
/// EAFNOSUPPORT (an address that is neither a path nor abstract), ENOENT, ECONNREFUSED, EACCES and
/// the descriptor limit.
///
/// # Blocking
/// While the manager's queue is full.
pub fn notify(state: State) -> Result<()> {
    match env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty()) {
        Some(address) => notify_at(&address, state),
        None => Ok(()),
    }
}

fn notify_at(address: &OsStr, state: State) -> Result<()> {
    let address = match address.as_bytes() {
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name),
        [b'/', ..] => SocketAddrUnix::new(Path::new(address)),
        _ => Err(Errno::AFNOSUPPORT),
    };
    let address = address.map_err(Error::of("NOTIFY_SOCKET"))?;
    let text: &[u8] = match state {
        State::Ready => b"READY=1",
        State::Stopping => b"STOPPING=1",
    };
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(Error::of("socket"))?;
    rustix::io::retry_on_intr(|| sendto(&socket, text, SendFlags::NOSIGNAL, &address))
        .map(|_| ())
        .map_err(Error::of("sendto(NOTIFY_SOCKET)"))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn what_was_passed_is_described_by_its_kind_and_its_place() {
        let scratch = Scratch::new();
        let path = scratch.join("socket");
        let listener = Listener::bind(&path, 1).unwrap();
        let expected = format!("a seqpacket socket that listens at {}", path.display());
        assert_eq!(describe(listener.as_fd()), expected);
        let (pair, _peer) = crate::seqpacket::Socket::pair().unwrap();
        assert_eq!(describe(pair.as_fd()), "a seqpacket socket that does not listen");
        let stream = UnixListener::bind(scratch.join("stream")).unwrap();
        assert!(describe(stream.as_fd()).starts_with("a stream socket that listens at /"));
        let (pipe, _end) = rustix::pipe::pipe().unwrap();
        let passed = Passed { descriptor: pipe, name: "a\nb".into() };
        assert_eq!(passed.describe(), "\"a\u{FFFD}b\", no socket");
        let inet = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(describe(inet.as_fd()), "a socket of address family 2");
    }

    #[test]
    fn the_environment_is_not_touched_beside_other_threads() {
        std::thread::scope(|scope| {
            let (stop, stopped) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || stopped.recv());
            assert_eq!(remove(&["HANDFAST_NO_SUCH_VARIABLE"]), Err(TakeError::Threads));
            drop(stop);
        });
    }

    #[test]
    fn what_this_process_opened_itself_is_not_taken() {
        let own = fs::File::open("/dev/null").unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&own);
        let refused = take(number..number + 1, OsStr::new("")).unwrap_err();
        assert_eq!(refused, TakeError::Missing { count: 1, number });
    }

    #[test]
    fn the_manager_is_told_at_a_path_and_at_an_abstract_address() {
        let scratch = Scratch::new();
        let path = scratch.join("notify");
        let name = format!("handfast-sys-notify-{}", std::process::id());
        let abstract_address = SocketAddr::from_abstract_name(&name).unwrap();
        let managers: [(_, OsString); 2] = [
            (UnixDatagram::bind(&path).unwrap(), path.into_os_string()),
            (UnixDatagram::bind_addr(&abstract_address).unwrap(), format!("@{name}").into()),
        ];
        for (manager, address) in managers {
            for (state, text) in [(State::Ready, "READY=1"), (State::Stopping, "STOPPING=1")] {
                notify_at(&address, state).unwrap();
                let mut buffer = [0; 64];
                let length = manager.recv(&mut buffer).unwrap();
                assert_eq!(&buffer[..length], text.as_bytes());
            }
        }
    }

    #[test]
    fn an_address_of_another_kind_is_refused() {
        let refused = notify_at(OsStr::new("vsock:2:1"), State::Ready).unwrap_err();
        assert_eq!(refused.errno(), Errno::AFNOSUPPORT);
    }
}
