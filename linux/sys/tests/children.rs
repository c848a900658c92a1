//! Other processes watched and ended; apart from the tests of handles, of which a process that is
//! just being started holds copies until it runs its program.

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd as _, AsRawFd as _};
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Child, Command, Stdio};

    use handfast_sys::epoll::{Interest, Poller};
    use handfast_sys::process::{Signal, kill, open_descriptors, program_name};
    use handfast_sys::{peer, pidfd, pipe, seqpacket};

    /// A process that lives until its input is closed.
    fn waiting_child() -> Child {
        Command::new("cat").stdin(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn a_process_becomes_readable_when_it_ends_and_before_it_is_reaped() {
        let mut child = waiting_child();
        let process = pidfd::open(child.id().cast_signed()).unwrap();
        assert!(!pidfd::has_exited(process.as_fd()));
        let poller = Poller::new().unwrap();
        poller.add(process.as_fd(), 1, Interest::Readable).unwrap();
        drop(child.stdin.take());
        let mut events = Vec::new();
        poller.wait(&mut events, None).unwrap();
        assert!(events[0].readable);
        assert!(pidfd::has_exited(process.as_fd()));
        child.wait().unwrap();
        assert!(pidfd::has_exited(process.as_fd()));
        assert!(pidfd::open(child.id().cast_signed()).is_err());
    }

    #[test]
    fn a_process_is_ended_by_its_number() {
        for (signal, number) in [(Signal::Terminate, 15), (Signal::Kill, 9)] {
            let mut child = waiting_child();
            let pid = child.id().cast_signed();
            for signal in [Signal::Stop, Signal::Continue, signal] {
                kill(pid, signal).unwrap();
            }
            assert_eq!(child.wait().unwrap().signal(), Some(number));
        }
    }

    #[test]
    fn another_process_has_a_name_and_no_descriptor_of_ours() {
        let (_kept, handle) = pipe::handle_pipe().unwrap();
        let (socket, _other) = seqpacket::Socket::pair().unwrap();
        let process = peer::peer_pidfd(&socket, std::process::id().cast_signed()).unwrap();
        let mut child = waiting_child();
        let pid = child.id().cast_signed();
        // `spawn` returns after the program runs, so what is close-on-exec is closed.
        assert_eq!(program_name(pid).as_deref(), Some("cat"));
        let theirs: Vec<_> = std::fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .map(|entry| std::fs::read_link(entry.unwrap().path()).unwrap())
            .collect();
        assert_eq!(open_descriptors(pid), Some(theirs.len()));
        for ours in [handle.as_fd(), socket.as_fd(), process.as_fd()] {
            let path = format!("/proc/self/fd/{}", ours.as_raw_fd());
            assert!(!theirs.contains(&std::fs::read_link(path).unwrap()));
        }
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(program_name(pid), None);
    }
}
