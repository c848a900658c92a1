//! Packets with descriptors between processes: `SOCK_SEQPACKET` sockets of the Unix domain.

use core::mem::MaybeUninit;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, Mode, OFlags, chmodat, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, FdFlags, fcntl_setfd, ioctl_fionread};
use rustix::net::sockopt::{set_socket_passcred, socket_acceptconn, socket_domain, socket_type};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, accept_with, bind, connect, getsockname, listen, sendmsg, socket_with,
    socketpair,
};

use crate::clock::timespec;
use crate::error::{Error, Result};
use crate::poll::poll_one;
use crate::recvmsg::{CONTROL_WORDS, recvmsg};
use crate::socket_option::set_pass_rights;

/// The most descriptors that one packet carries (the kernel's `SCM_MAX_FD`).
pub const DESCRIPTORS_MAX: usize = 253;

/// The longest packet that [`Socket::send`] sends.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// The queue of an adopted listener; the kernel lowers it to `net.core.somaxconn`.
const ADOPTED_BACKLOG: i32 = 4096;

const SEND_SPACE: usize = rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX));

/// Whether a call may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocking {
    /// Until there is a packet, or room for one.
    Wait,
    /// Never: the call then fails with an error that [`Error::is_would_block`].
    Never,
}

/// One packet.
#[derive(Debug)]
pub struct Received {
    /// How many bytes of the caller's buffer it filled.
    pub length: usize,
    /// The descriptors that came with it, close-on-exec; what they are is unchecked.
    pub descriptors: Vec<OwnedFd>,
    /// The process that sent it, if [`Socket::pass_credentials`] was called before; 0 when it
    /// has no number in our pid namespace.
    pub pid: Option<i32>,
}

/// What [`Socket::receive`] found.
#[derive(Debug)]
pub enum Incoming {
    /// A packet.
    Message(Received),
    /// The peer closed its end and nothing it sent is left, or it sent an empty packet, which no
    /// well-behaved peer does.
    HangUp,
    /// A packet that did not fit the buffer, or descriptors that this process had no room for.
    /// The descriptors are those that did arrive; closing one may block at its sender's will.
    Truncated(Received),
}

/// What [`Socket::wait_readable`] saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// A packet is there.
    Ready,
    /// The peer hung up and nothing it sent is left.
    HangUp,
    /// Neither within the time.
    TimedOut,
}

/// Whether the kernel has a facility.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supported {
    /// It has, and the call took effect.
    Yes,
    /// It has not, and nothing happened.
    No,
}

/// One end of a connection.
///
/// # Ownership
/// Dropping it closes the descriptor; the peer then sees a hang-up, unless a forked child or a
/// duplicate still holds it.
#[derive(Debug)]
pub struct Socket(OwnedFd);

impl Socket {
    /// Connects to the listener at a path.
    ///
    /// # Errors
    /// ENOENT (no such socket), ECONNREFUSED (nobody listens there), EACCES, ENAMETOOLONG (more
    /// than 107 bytes), and the descriptor limit.
    ///
    /// # Blocking
    /// While the listener's queue is full, until it accepts.
    pub fn connect(path: &Path) -> Result<Self> {
        let address = SocketAddrUnix::new(path).map_err(Error::of("connect"))?;
        let socket = new_socket(SocketFlags::CLOEXEC)?;
        rustix::io::retry_on_intr(|| connect(&socket, &address)).map_err(Error::of("connect"))?;
        Ok(Self(socket))
    }

    /// Makes two ends that are connected to each other.
    ///
    /// # Errors
    /// The descriptor limit and ENOMEM.
    pub fn pair() -> Result<(Self, Self)> {
        let (left, right) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(Error::of("socketpair"))?;
        Ok((Self(left), Self(right)))
    }

    /// Sends one packet, never SIGPIPE.
    ///
    /// # Errors
    /// - EINVAL: no bytes (an empty packet reads as a hang-up), or too many descriptors.
    /// - EMSGSIZE: more than [`MESSAGE_BYTES_MAX`] bytes.
    /// - EAGAIN ([`Error::is_would_block`]): the peer reads too slowly, and `Blocking::Never`.
    /// - [`Error::is_gone`]: the peer closed its end.
    /// - ETOOMANYREFS: too many descriptors are in flight for this user.
    /// - EPERM: the peer refuses descriptors ([`Socket::refuse_descriptors`]).
    ///
    /// # Blocking
    /// With `Blocking::Wait` while the peer's queue is full.
    ///
    /// # Ownership
    /// The descriptors stay the caller's; the kernel duplicates them on success.
    pub fn send(
        &self,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
        blocking: Blocking,
    ) -> Result<()> {
        if bytes.is_empty() {
            return Err(Error::new("sendmsg", Errno::INVAL));
        }
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(Error::new("sendmsg", Errno::MSGSIZE));
        }
        if descriptors.is_empty() {
            return self.send_with(bytes, &mut SendAncillaryBuffer::default(), blocking);
        }
        let mut space = [MaybeUninit::uninit(); SEND_SPACE];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(Error::new("sendmsg", Errno::INVAL));
        }
        self.send_with(bytes, &mut control, blocking)
    }

    /// Receives one packet into the buffer, with room for 253 descriptors.
    ///
    /// What a peer sent before it died arrives before the hang-up, also when the kernel reports a
    /// reset first.
    ///
    /// # Errors
    /// EAGAIN ([`Error::is_would_block`]) with `Blocking::Never`, and ENOMEM.
    ///
    /// # Blocking
    /// With `Blocking::Wait` until a packet or a hang-up.
    ///
    /// # Ownership
    /// The descriptors in the result are the caller's, also those of a truncated packet.
    pub fn receive(&self, buffer: &mut [u8], blocking: Blocking) -> Result<Incoming> {
        self.receive_with(buffer, &mut [0; CONTROL_WORDS], blocking, 0)
    }

    /// Looks at the next packet and leaves it in the queue: what [`Socket::receive`] would return
    /// now, as often as one asks.
    ///
    /// The descriptors are copies, new ones each time; the packet keeps its own. A packet that is
    /// reported as truncated is still whole for who has more room.
    ///
    /// # Errors
    /// EAGAIN ([`Error::is_would_block`]): there is none; and ENOMEM.
    ///
    /// # Blocking
    /// Never.
    ///
    /// # Ownership
    /// The descriptors in the result are the caller's, also those of a truncated packet.
    pub fn peek(&self, buffer: &mut [u8]) -> Result<Incoming> {
        self.receive_with(buffer, &mut [0; CONTROL_WORDS], Blocking::Never, libc::MSG_PEEK)
    }

    /// Takes the next packet out of the queue and drops it; its descriptors never get a number
    /// here. That there is none, or a hang-up instead, is fine.
    ///
    /// # Errors
    /// ENOMEM.
    ///
    /// # Blocking
    /// Never for a packet; closing the last copy of one of its descriptors may block at its
    /// sender's will.
    pub fn discard(&self) -> Result<()> {
        match self.receive_with(&mut [], &mut [], Blocking::Never, 0) {
            Ok(_) => Ok(()),
            Err(error) if error.is_would_block() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Waits until there is a packet or a hang-up; `None` waits without limit.
    ///
    /// # Errors
    /// ENOMEM.
    ///
    /// # Blocking
    /// At most `timeout_ns`; signals neither end nor stretch it.
    pub fn wait_readable(&self, timeout_ns: Option<u64>) -> Result<Readiness> {
        let events = poll_one(self.as_fd(), PollFlags::IN, timeout_ns)?;
        if events.is_empty() {
            return Ok(Readiness::TimedOut);
        }
        let hung_up = events.intersects(PollFlags::HUP | PollFlags::ERR);
        // A hang-up makes the socket readable too: only the queue tells whether a packet is left.
        if hung_up && ioctl_fionread(self).map_err(Error::of("ioctl(FIONREAD)"))? == 0 {
            return Ok(Readiness::HangUp);
        }
        Ok(Readiness::Ready)
    }

    /// Whether the other end is closed, be there packets left or not.
    ///
    /// # Blocking
    /// Never.
    #[must_use]
    pub fn has_hung_up(&self) -> bool {
        let gone = PollFlags::HUP | PollFlags::ERR;
        poll_one(self.as_fd(), PollFlags::empty(), Some(0))
            .is_ok_and(|events| events.intersects(gone))
    }

    /// Whether there is no packet, no hang-up, and `process`, a pidfd of whoever is at the other
    /// end, has not exited: all that in one question. A kernel that refuses to look is taken for a
    /// no.
    ///
    /// # Blocking
    /// Never.
    #[must_use]
    pub fn is_quiet(&self, process: BorrowedFd<'_>) -> bool {
        let both = [self.as_fd(), process];
        let mut entries = both.map(|end| PollFd::from_borrowed_fd(end, PollFlags::IN));
        poll(&mut entries, Some(&timespec(0))) == Ok(0)
    }

    /// Makes the kernel add the sender's process to every packet sent from now on.
    ///
    /// # Errors
    /// None on a connected socket.
    pub fn pass_credentials(&self) -> Result<()> {
        set_socket_passcred(self, true).map_err(Error::of("setsockopt(SO_PASSCRED)"))
    }

    /// Makes the kernel refuse packets with descriptors where their sender sends them
    /// (Linux 6.16).
    ///
    /// # Errors
    /// None on a connected socket.
    pub fn refuse_descriptors(&self) -> Result<Supported> {
        self.set_descriptors(0)
    }

    /// Lets packets with descriptors in again.
    ///
    /// # Errors
    /// None on a connected socket.
    pub fn accept_descriptors(&self) -> Result<Supported> {
        self.set_descriptors(1)
    }

    fn set_descriptors(&self, value: u32) -> Result<Supported> {
        let known = set_pass_rights(self.as_fd(), value)?;
        Ok(if known { Supported::Yes } else { Supported::No })
    }

    fn send_with(
        &self,
        bytes: &[u8],
        control: &mut SendAncillaryBuffer<'_, '_, '_>,
        blocking: Blocking,
    ) -> Result<()> {
        let flags = match blocking {
            Blocking::Wait => SendFlags::NOSIGNAL,
            Blocking::Never => SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
        };
        loop {
            match sendmsg(self, &[IoSlice::new(bytes)], control, flags) {
                // A packet is sent whole or not at all.
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if blocking == Blocking::Wait => {
                    poll_one(self.as_fd(), PollFlags::OUT, None)?;
                }
                Err(errno) => return Err(Error::new("sendmsg", errno)),
            }
        }
    }

    fn receive_with(
        &self,
        buffer: &mut [u8],
        control: &mut [u64],
        blocking: Blocking,
        flags: libc::c_int,
    ) -> Result<Incoming> {
        let flags = match blocking {
            Blocking::Wait => flags,
            Blocking::Never => flags | libc::MSG_DONTWAIT,
        };
        let mut resets = 0;
        loop {
            let packet = match recvmsg(self.as_fd(), buffer, control, flags) {
                Ok(packet) => packet,
                Err(error) if error.errno() == Errno::INTR => continue,
                // A peer that closes with unread packets leaves one reset, which the kernel
                // reports before the packets that the peer had sent itself.
                Err(error) if error.errno() == Errno::CONNRESET && resets == 0 => {
                    resets += 1;
                    continue;
                }
                Err(error) if error.is_gone() => return Ok(Incoming::HangUp),
                Err(error) if error.is_would_block() && blocking == Blocking::Wait => {
                    poll_one(self.as_fd(), PollFlags::IN, None)?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let (length, descriptors) = (packet.length, packet.descriptors);
            let received = Received { length, descriptors, pid: packet.pid };
            return Ok(if packet.truncated {
                Incoming::Truncated(received)
            } else if length == 0 && received.descriptors.is_empty() {
                Incoming::HangUp
            } else {
                Incoming::Message(received)
            });
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Socket {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl From<Socket> for OwnedFd {
    fn from(socket: Socket) -> Self {
        socket.0
    }
}

/// A socket that clients connect to.
///
/// # Ownership
/// Dropping it closes the descriptor and leaves the path, which then refuses connections.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl Listener {
    /// Makes a socket at a path, with mode 0600, and listens on it.
    ///
    /// Between its birth and the change of mode the directory is what protects it
    /// ([`crate::runtime_dir::ensure_private`]).
    ///
    /// # Errors
    /// EADDRINUSE (the path exists, be it a dead socket), ENOENT, EACCES, ENAMETOOLONG (more than
    /// 107 bytes), and the descriptor limit.
    ///
    /// # Ownership
    /// On failure after the path was made, the path stays.
    pub fn bind(path: &Path, backlog: i32) -> Result<Self> {
        let address = SocketAddrUnix::new(path).map_err(Error::of("bind"))?;
        let socket = new_socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
        bind(&socket, &address).map_err(Error::of("bind"))?;
        // Nobody can connect before `listen`, so the mode is right from the first client on.
        chmodat(CWD, path, Mode::RUSR | Mode::WUSR, rustix::fs::AtFlags::empty())
            .map_err(Error::of("fchmodat"))?;
        pass_credentials_to(&socket)?;
        listen(&socket, backlog).map_err(Error::of("listen"))?;
        Ok(Self(socket))
    }

    /// Takes over a listener that another process made, a service manager for instance.
    ///
    /// It listens again, so that clients see this process and not its maker as their peer.
    ///
    /// # Errors
    /// ENOTSOCK (not a socket), EPROTOTYPE (not a Unix seqpacket socket), EINVAL (not listening).
    ///
    /// # Ownership
    /// On failure the descriptor is closed.
    pub fn adopt(descriptor: OwnedFd) -> Result<Self> {
        let domain = socket_domain(&descriptor).map_err(Error::of("getsockopt(SO_DOMAIN)"))?;
        let kind = socket_type(&descriptor).map_err(Error::of("getsockopt(SO_TYPE)"))?;
        if domain != AddressFamily::UNIX || kind != SocketType::SEQPACKET {
            return Err(Error::new("adopt a listener", Errno::PROTOTYPE));
        }
        if !socket_acceptconn(&descriptor).map_err(Error::of("getsockopt(SO_ACCEPTCONN)"))? {
            return Err(Error::new("adopt a listener", Errno::INVAL));
        }
        fcntl_setfd(&descriptor, FdFlags::CLOEXEC).map_err(Error::of("fcntl(F_SETFD)"))?;
        let flags = fcntl_getfl(&descriptor).map_err(Error::of("fcntl(F_GETFL)"))?;
        fcntl_setfl(&descriptor, flags | OFlags::NONBLOCK).map_err(Error::of("fcntl(F_SETFL)"))?;
        pass_credentials_to(&descriptor)?;
        listen(&descriptor, ADOPTED_BACKLOG).map_err(Error::of("listen"))?;
        Ok(Self(descriptor))
    }

    /// Takes the next client, `None` when there is none now.
    ///
    /// # Errors
    /// The descriptor limit and ENOMEM; the client then stays in the queue.
    ///
    /// # Blocking
    /// Never.
    pub fn accept(&self) -> Result<Option<Socket>> {
        match accept_with(self, SocketFlags::CLOEXEC) {
            Ok(socket) => Ok(Some(Socket(socket))),
            Err(Errno::AGAIN | Errno::CONNABORTED | Errno::INTR) => Ok(None),
            Err(errno) => Err(Error::new("accept4", errno)),
        }
    }

    /// The path it was bound to, `None` for an abstract or unnamed socket.
    ///
    /// # Errors
    /// None on a socket.
    pub fn path(&self) -> Result<Option<PathBuf>> {
        let address = getsockname(self).map_err(Error::of("getsockname"))?;
        let address = SocketAddrUnix::try_from(address).map_err(Error::of("getsockname"))?;
        Ok(address.path().map(|path| PathBuf::from(std::ffi::OsStr::from_bytes(path.to_bytes()))))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> Self {
        listener.0
    }
}

/// Connections inherit it from their listener. Set on a connection alone it comes too late for what
/// a client says between `accept` and then: that packet would arrive without its sender.
fn pass_credentials_to(listener: &OwnedFd) -> Result<()> {
    set_socket_passcred(listener, true).map_err(Error::of("setsockopt(SO_PASSCRED)"))
}

fn new_socket(flags: SocketFlags) -> Result<OwnedFd> {
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
        .map_err(Error::of("socket"))
}

#[cfg(test)]
mod tests {
    use rustix::fs::fstat;

    use super::*;
    use crate::scratch::Scratch;

    fn message(incoming: Incoming) -> Received {
        match incoming {
            Incoming::Message(received) => received,
            Incoming::HangUp | Incoming::Truncated(_) => panic!("no message: {incoming:?}"),
        }
    }

    #[test]
    fn a_packet_arrives_whole_with_its_descriptors_close_on_exec() {
        let (left, right) = Socket::pair().unwrap();
        let (kept, end) = rustix::pipe::pipe().unwrap();
        left.send(b"hello", &[kept.as_fd(), end.as_fd()], Blocking::Wait).unwrap();
        let mut buffer = [0; 64];
        let received = message(right.receive(&mut buffer, Blocking::Never).unwrap());
        assert_eq!(&buffer[..received.length], b"hello");
        assert_eq!(received.pid, None);
        assert_eq!(received.descriptors.len(), 2);
        for (sent, came) in [&kept, &end].into_iter().zip(&received.descriptors) {
            assert_eq!(fstat(sent).unwrap().st_ino, fstat(came).unwrap().st_ino);
            assert!(rustix::io::fcntl_getfd(came).unwrap().contains(FdFlags::CLOEXEC));
        }
    }

    #[test]
    fn as_many_descriptors_as_the_kernel_takes_arrive_with_credentials() {
        let (left, right) = Socket::pair().unwrap();
        right.pass_credentials().unwrap();
        let all = vec![left.as_fd(); DESCRIPTORS_MAX];
        left.send(b"x", &all, Blocking::Never).unwrap();
        let received = message(right.receive(&mut [0; 8], Blocking::Never).unwrap());
        assert_eq!(received.descriptors.len(), DESCRIPTORS_MAX);
        assert_eq!(received.pid, Some(std::process::id().cast_signed()));
        let over = vec![left.as_fd(); DESCRIPTORS_MAX + 1];
        let refused = left.send(b"x", &over, Blocking::Never).unwrap_err();
        assert_eq!(refused.errno(), Errno::INVAL);
    }

    #[test]
    fn descriptors_without_room_are_reported_as_truncated_and_those_that_came_are_owned() {
        let (left, right) = Socket::pair().unwrap();
        left.send(b"x", &[left.as_fd(); 9], Blocking::Never).unwrap();
        // Room for 16 bytes of header and two numbers.
        let incoming = right.receive_with(&mut [0; 8], &mut [0; 3], Blocking::Never, 0).unwrap();
        assert!(matches!(incoming, Incoming::Truncated(came) if came.descriptors.len() == 2));
    }

    #[test]
    fn a_packet_longer_than_the_buffer_is_truncated_and_gives_its_descriptors_up() {
        let (left, right) = Socket::pair().unwrap();
        left.send(&[7; 100], &[left.as_fd()], Blocking::Never).unwrap();
        let incoming = right.receive(&mut [0; 99], Blocking::Never).unwrap();
        assert!(matches!(incoming, Incoming::Truncated(came) if came.descriptors.len() == 1));
    }

    /// The write end of a pipe whose only read end is in the packet `x`, left in the queue.
    fn send_pipe(left: &Socket) -> OwnedFd {
        let (read, write) = rustix::pipe::pipe().unwrap();
        left.send(b"x", &[read.as_fd(), left.as_fd()], Blocking::Never).unwrap();
        write
    }

    /// Whether no copy of the read end is left, here or in a queue.
    fn is_closed(write: &OwnedFd) -> bool {
        poll_one(write.as_fd(), PollFlags::empty(), Some(0)).unwrap().intersects(PollFlags::ERR)
    }

    #[test]
    fn a_packet_is_peeked_as_often_as_one_likes_and_then_received() {
        let (left, right) = Socket::pair().unwrap();
        right.pass_credentials().unwrap();
        let write = send_pipe(&left);
        let mut came = Vec::new();
        for blocking in [None, None, Some(Blocking::Never)] {
            let mut buffer = [0; 8];
            let received = message(match blocking {
                None => right.peek(&mut buffer).unwrap(),
                Some(blocking) => right.receive(&mut buffer, blocking).unwrap(),
            });
            assert_eq!(&buffer[..received.length], b"x");
            assert_eq!(received.pid, Some(std::process::id().cast_signed()));
            assert_eq!(received.descriptors.len(), 2);
            for descriptor in &received.descriptors {
                assert!(rustix::io::fcntl_getfd(descriptor).unwrap().contains(FdFlags::CLOEXEC));
            }
            came.push(received.descriptors);
        }
        assert!(right.peek(&mut [0; 8]).unwrap_err().is_would_block());
        for (count, copies) in came.into_iter().enumerate() {
            assert!(!is_closed(&write));
            rustix::io::write(&write, &[7]).unwrap();
            assert_eq!(rustix::io::read(&copies[0], &mut [0; 2]), Ok(1), "copy {count}");
        }
        assert!(is_closed(&write), "the copies were all there was");
    }

    #[test]
    fn one_packet_is_discarded_and_what_was_peeked_of_it_stays() {
        let (left, right) = Socket::pair().unwrap();
        let write = send_pipe(&left);
        left.send(b"second", &[], Blocking::Never).unwrap();
        let peeked = message(right.peek(&mut [0; 8]).unwrap());
        right.discard().unwrap();
        rustix::io::write(&write, &[7]).unwrap();
        assert_eq!(rustix::io::read(&peeked.descriptors[0], &mut [0; 2]), Ok(1));
        assert!(!is_closed(&write));
        drop(peeked);
        assert!(is_closed(&write));
        assert_eq!(message(right.peek(&mut [0; 8]).unwrap()).length, 6);
        right.discard().unwrap();
        assert!(right.peek(&mut [0; 8]).unwrap_err().is_would_block());
        right.discard().unwrap();
        let write = send_pipe(&left);
        right.discard().unwrap();
        assert!(is_closed(&write), "nobody has seen it");
    }

    #[test]
    fn a_packet_that_was_peeked_with_too_little_room_is_still_whole() {
        let (left, right) = Socket::pair().unwrap();
        left.send(&[7; 100], &[left.as_fd()], Blocking::Never).unwrap();
        let incoming = right.peek(&mut [0; 99]).unwrap();
        assert!(matches!(incoming, Incoming::Truncated(came) if came.descriptors.len() == 1));
        let received = message(right.peek(&mut [0; 100]).unwrap());
        assert_eq!((received.length, received.descriptors.len()), (100, 1));
    }

    #[test]
    fn a_hang_up_is_peeked_after_the_packets_and_discarding_it_is_fine() {
        let (left, right) = Socket::pair().unwrap();
        right.send(b"never read", &[], Blocking::Never).unwrap();
        left.send(b"last", &[], Blocking::Never).unwrap();
        drop(left);
        // The kernel reports the reset first, once; each of the calls may be the one that sees it.
        assert_eq!(message(right.peek(&mut [0; 8]).unwrap()).length, 4);
        assert_eq!(message(right.peek(&mut [0; 8]).unwrap()).length, 4);
        right.discard().unwrap();
        for _ in 0..2 {
            assert!(matches!(right.peek(&mut [0; 8]).unwrap(), Incoming::HangUp));
            right.discard().unwrap();
        }
        assert!(matches!(right.receive(&mut [0; 8], Blocking::Wait).unwrap(), Incoming::HangUp));
    }

    #[test]
    fn a_reset_in_front_of_a_packet_does_not_keep_it_from_being_discarded() {
        let (left, right) = Socket::pair().unwrap();
        right.send(b"never read", &[], Blocking::Never).unwrap();
        left.send(b"last", &[], Blocking::Never).unwrap();
        drop(left);
        right.discard().unwrap();
        assert!(matches!(right.peek(&mut [0; 8]).unwrap(), Incoming::HangUp));
    }

    #[test]
    fn lengths_out_of_bounds_are_refused_before_the_kernel_sees_them() {
        let (left, _right) = Socket::pair().unwrap();
        let empty = left.send(&[], &[], Blocking::Never).unwrap_err();
        assert_eq!(empty.errno(), Errno::INVAL);
        let long = vec![0; MESSAGE_BYTES_MAX + 1];
        let long = left.send(&long, &[], Blocking::Never).unwrap_err();
        assert_eq!(long.errno(), Errno::MSGSIZE);
    }

    #[test]
    fn the_longest_packet_arrives() {
        let (left, right) = Socket::pair().unwrap();
        left.send(&vec![3; MESSAGE_BYTES_MAX], &[], Blocking::Never).unwrap();
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        let received = message(right.receive(&mut buffer, Blocking::Never).unwrap());
        assert_eq!(received.length, MESSAGE_BYTES_MAX);
    }

    #[test]
    fn never_blocking_says_so() {
        let (left, right) = Socket::pair().unwrap();
        assert!(right.receive(&mut [0; 8], Blocking::Never).unwrap_err().is_would_block());
        let full = loop {
            if let Err(error) = left.send(&[0; 4096], &[], Blocking::Never) {
                break error;
            }
        };
        assert!(full.is_would_block());
    }

    #[test]
    fn waiting_works_on_a_descriptor_that_somebody_made_non_blocking() {
        let (left, right) = Socket::pair().unwrap();
        fcntl_setfl(&right, OFlags::NONBLOCK).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| right.receive(&mut [0; 8], Blocking::Wait));
            left.send(b"late", &[], Blocking::Wait).unwrap();
            assert_eq!(message(reader.join().unwrap().unwrap()).length, 4);
        });
    }

    #[test]
    fn what_a_peer_sent_before_it_died_with_unread_packets_arrives_before_the_hang_up() {
        let (left, right) = Socket::pair().unwrap();
        right.send(b"never read", &[], Blocking::Wait).unwrap();
        left.send(b"last words", &[], Blocking::Wait).unwrap();
        drop(left);
        assert_eq!(right.wait_readable(Some(0)).unwrap(), Readiness::Ready);
        assert_eq!(message(right.receive(&mut [0; 64], Blocking::Wait).unwrap()).length, 10);
        assert_eq!(right.wait_readable(None).unwrap(), Readiness::HangUp);
        assert!(matches!(right.receive(&mut [0; 64], Blocking::Wait).unwrap(), Incoming::HangUp));
        assert!(right.send(b"?", &[], Blocking::Never).unwrap_err().is_gone());
    }

    #[test]
    fn waiting_tells_a_packet_from_a_timeout() {
        let (left, right) = Socket::pair().unwrap();
        assert_eq!(right.wait_readable(Some(0)).unwrap(), Readiness::TimedOut);
        left.send(b"x", &[], Blocking::Never).unwrap();
        assert_eq!(right.wait_readable(Some(0)).unwrap(), Readiness::Ready);
    }

    #[test]
    fn refused_descriptors_fail_at_their_sender_where_the_kernel_can() {
        let (left, right) = Socket::pair().unwrap();
        if right.refuse_descriptors().unwrap() == Supported::No {
            println!("skipped: this kernel has no SO_PASSRIGHTS");
            return;
        }
        let refused = left.send(b"x", &[left.as_fd()], Blocking::Never).unwrap_err();
        assert_eq!(refused.errno(), Errno::PERM);
        left.send(b"x", &[], Blocking::Never).unwrap();
        right.accept_descriptors().unwrap();
        left.send(b"x", &[left.as_fd()], Blocking::Never).unwrap();
    }

    #[test]
    fn a_listener_gives_out_its_clients_and_never_waits() {
        let scratch = Scratch::new();
        let path = scratch.join("socket");
        let listener = Listener::bind(&path, 8).unwrap();
        assert_eq!(rustix::fs::stat(&path).unwrap().st_mode & 0o777, 0o600);
        assert_eq!(listener.path().unwrap(), Some(path.clone()));
        assert!(listener.accept().unwrap().is_none());
        let client = Socket::connect(&path).unwrap();
        let server = listener.accept().unwrap().unwrap();
        client.send(b"hello", &[], Blocking::Wait).unwrap();
        assert_eq!(message(server.receive(&mut [0; 8], Blocking::Wait).unwrap()).length, 5);
        let taken = Listener::bind(&path, 8).unwrap_err();
        assert_eq!(taken.errno(), Errno::ADDRINUSE);
    }

    #[test]
    fn what_a_client_says_at_once_comes_with_its_sender() {
        let scratch = Scratch::new();
        let path = scratch.join("socket");
        let own = Listener::bind(&path, 8).unwrap();
        let copy = own.as_fd().try_clone_to_owned().unwrap();
        for listener in [own, Listener::adopt(copy).unwrap()] {
            let client = Socket::connect(&path).unwrap();
            let server = listener.accept().unwrap().unwrap();
            client.send(b"hello", &[], Blocking::Wait).unwrap();
            let received = message(server.receive(&mut [0; 8], Blocking::Wait).unwrap());
            assert_eq!(received.pid, Some(std::process::id().cast_signed()));
        }
    }

    #[test]
    fn a_listener_of_another_maker_is_adopted_if_it_is_one() {
        let scratch = Scratch::new();
        let path = scratch.join("socket");
        let foreign = new_socket(SocketFlags::empty()).unwrap();
        bind(&foreign, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        let idle = Listener::adopt(foreign.try_clone().unwrap()).unwrap_err();
        assert_eq!(idle.errno(), Errno::INVAL);
        listen(&foreign, 1).unwrap();
        let listener = Listener::adopt(foreign).unwrap();
        assert!(listener.accept().unwrap().is_none());
        assert!(rustix::io::fcntl_getfd(&listener).unwrap().contains(FdFlags::CLOEXEC));
        let (pipe, _end) = rustix::pipe::pipe().unwrap();
        assert_eq!(Listener::adopt(pipe).unwrap_err().errno(), Errno::NOTSOCK);
        let stream = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        assert_eq!(Listener::adopt(stream).unwrap_err().errno(), Errno::PROTOTYPE);
    }

    #[test]
    fn a_path_that_is_too_long_is_refused() {
        let long = Path::new("/").join("x".repeat(200));
        assert_eq!(Socket::connect(&long).unwrap_err().errno(), Errno::NAMETOOLONG);
    }
}
