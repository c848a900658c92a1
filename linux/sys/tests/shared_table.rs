//! Processes of one thread that share a table of descriptors, or count what is in it.
#![expect(unsafe_code, reason = "UNSAFETY: these tests fork and own descriptors by number")]

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd as _, AsRawFd as _, IntoRawFd as _};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use handfast_sys::child::{Child, Ending, fork_sharing_descriptors};
    use handfast_sys::epoll::{Interest, Poller};
    use handfast_sys::inherited::{adopt, open_numbers};
    use handfast_sys::seqpacket::{Blocking, Incoming, Received, Socket};
    use handfast_sys::{descriptor, memfd, pidfd, process};
    use rustix::io::Errno;

    const PANICKED: i32 = 101;

    /// Runs a test in a forked process, which has one thread, whatever the harness has.
    fn alone(test: impl FnOnce()) {
        // SAFETY: The C library puts its allocator in order in the child, which takes no other lock
        // that a thread of the harness could hold, and ends below.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork");
        if pid == 0 {
            end(|| {
                test();
                0
            });
        }
        let mut status = 0;
        // SAFETY: `status` is a place for the answer, and `pid` is our own child.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        assert_eq!(waited, pid, "waitpid");
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "status {status:#x}");
    }

    /// Ends this process with the function's status, and nothing of the caller is dropped.
    fn end(main: impl FnOnce() -> i32) -> ! {
        let status = catch_unwind(AssertUnwindSafe(main)).unwrap_or(PANICKED);
        // SAFETY: `_exit` ends the process without running anything of it.
        unsafe { libc::_exit(status) };
    }

    /// Starts a child that runs the function, which may borrow descriptors and own new ones.
    fn start(main: impl FnOnce() -> i32) -> Child {
        // SAFETY: 1. Each test that calls this is `alone`. 2. The child ends in `end`, before it
        // returns to frames that own descriptors. 3. It takes no mutex of the C library.
        match unsafe { fork_sharing_descriptors() }.unwrap() {
            Some(child) => child,
            None => end(main),
        }
    }

    /// Until a packet comes: a few bytes.
    fn hear(socket: &Socket) -> Vec<u8> {
        let mut buffer = [0; 64];
        let incoming = socket.receive(&mut buffer, Blocking::Wait).unwrap();
        let Incoming::Message(received) = incoming else { panic!("{incoming:?}") };
        buffer[..received.length].to_vec()
    }

    fn say(socket: &Socket, bytes: &[u8]) {
        socket.send(bytes, &[], Blocking::Wait).unwrap();
    }

    fn number(bytes: &[u8]) -> i32 {
        i32::from_ne_bytes(bytes.try_into().unwrap())
    }

    fn is_open(number: i32) -> bool {
        // SAFETY: The call asks for the flags of a number, open or not.
        unsafe { libc::fcntl(number, libc::F_GETFD) != -1 }
    }

    #[test]
    fn endings_are_told_as_often_as_one_asks() {
        alone(|| {
            let (own, theirs) = Socket::pair().unwrap();
            let mut child = start(|| i32::from(hear(&theirs)[0]));
            assert_eq!(child.ended(), Ok(None));
            child.signal(0).unwrap();
            assert_eq!(child.signal(-1).unwrap_err().errno(), Errno::INVAL);
            say(&own, &[7]);
            assert_eq!(child.wait(), Ok(Ending::Exited(7)));
            for _ in 0..2 {
                assert_eq!(child.ended(), Ok(Some(Ending::Exited(7))));
                assert_eq!(child.signal(libc::SIGKILL).unwrap_err().errno(), Errno::SRCH);
            }
            assert_eq!(pidfd::open(child.pid()).unwrap_err().errno(), Errno::SRCH);
        });
    }

    #[test]
    fn one_that_has_ended_may_be_signalled_until_it_was_asked_for() {
        alone(|| {
            let mut child = start(|| 3);
            let process = pidfd::open(child.pid()).unwrap();
            let poller = Poller::new().unwrap();
            poller.add(process.as_fd(), 1, Interest::Readable).unwrap();
            poller.wait(&mut Vec::new(), None).unwrap();
            child.signal(libc::SIGKILL).unwrap();
            assert_eq!(child.ended(), Ok(Some(Ending::Exited(3))));
        });
    }

    #[test]
    fn an_ending_that_nobody_keeps_is_lost_for_good() {
        alone(|| {
            // SAFETY: To ignore a signal takes no handler.
            unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
            let mut child = start(|| 0);
            assert_eq!(child.wait().unwrap_err().errno(), Errno::CHILD);
            assert_eq!(child.ended().unwrap_err().errno(), Errno::CHILD);
            assert_eq!(child.signal(libc::SIGKILL).unwrap_err().errno(), Errno::SRCH);
        });
    }

    #[test]
    fn what_a_killed_child_opened_stays_open_under_its_number() {
        alone(|| {
            let (own, theirs) = Socket::pair().unwrap();
            let before = open_numbers().unwrap();
            let mut child = start(|| {
                let memory = memfd::create("left behind", 4096).unwrap();
                say(&theirs, &memory.as_raw_fd().to_ne_bytes());
                hear(&theirs);
                0
            });
            let left = number(&hear(&own));
            child.signal(libc::SIGKILL).unwrap();
            assert_eq!(child.wait(), Ok(Ending::Killed(libc::SIGKILL)));
            let mut after = open_numbers().unwrap();
            after.retain(|number| before.binary_search(number).is_err());
            assert_eq!(after, [left]);
            // SAFETY: It is open, and its owner has ended.
            let memory = unsafe { adopt(left) };
            assert_eq!(memfd::check_size_sealed(memory.as_fd()).unwrap().size_bytes, 4096);
            drop(memory);
            assert_eq!(open_numbers().unwrap(), before);
        });
    }

    #[test]
    fn a_successor_has_its_predecessors_connections_and_what_waits_in_them() {
        alone(|| {
            let (own, theirs) = Socket::pair().unwrap();
            let (silent, _nobody) = Socket::pair().unwrap();
            let broker = || {
                loop {
                    // A request is answered and then taken out of the queue; `!` never is.
                    let mut buffer = [0; 8];
                    theirs.wait_readable(None).unwrap();
                    let Incoming::Message(received) = theirs.peek(&mut buffer).unwrap() else {
                        return 1;
                    };
                    say(&theirs, &std::process::id().to_ne_bytes());
                    if buffer[0] == b'!' {
                        hear(&silent);
                    }
                    assert_eq!(received.length, 1);
                    theirs.discard().unwrap();
                }
            };
            let mut first = start(broker);
            say(&own, b"?");
            assert_eq!(number(&hear(&own)), first.pid());
            say(&own, b"!");
            assert_eq!(number(&hear(&own)), first.pid());
            first.signal(libc::SIGKILL).unwrap();
            assert_eq!(first.wait(), Ok(Ending::Killed(libc::SIGKILL)));
            let mut second = start(broker);
            assert_eq!(number(&hear(&own)), second.pid(), "the same request once more");
            second.signal(libc::SIGKILL).unwrap();
            assert_eq!(second.wait(), Ok(Ending::Killed(libc::SIGKILL)));
        });
    }

    #[test]
    fn what_one_closes_or_opens_is_closed_or_open_for_the_other() {
        alone(|| {
            let (own, theirs) = Socket::pair().unwrap();
            let closed = descriptor::placeholder().unwrap().into_raw_fd();
            let mut child = start(|| {
                let opened = number(&hear(&theirs));
                i32::from(is_open(closed) || !is_open(opened))
            });
            let held = descriptor::placeholder().unwrap();
            let opened = descriptor::duplicate(held.as_fd()).unwrap();
            // SAFETY: It is open, and was given up above.
            drop(unsafe { adopt(closed) });
            say(&own, &opened.as_raw_fd().to_ne_bytes());
            assert_eq!(child.wait(), Ok(Ending::Exited(0)));
            assert!(is_open(opened.as_raw_fd()), "its exit closed nothing");
        });
    }

    #[test]
    fn memory_is_copied() {
        alone(|| {
            let mut value = 1;
            let mut child = start(|| {
                value += 1;
                value
            });
            assert_eq!(child.wait(), Ok(Ending::Exited(2)));
            assert_eq!(value, 1);
        });
    }

    #[test]
    fn a_child_starts_threads_programs_and_children_as_any_process() {
        alone(|| {
            let before = open_numbers().unwrap();
            let mut child = start(|| {
                let thread = std::thread::spawn(|| vec![1; 100_000].len());
                let sum = thread.join().unwrap();
                let ran = std::process::Command::new("true").status().unwrap();
                let mut grandchild = start(|| 5);
                assert_eq!(grandchild.wait(), Ok(Ending::Exited(5)));
                i32::from(sum != 100_000 || !ran.success())
            });
            assert_eq!(child.wait(), Ok(Ending::Exited(0)));
            assert_eq!(open_numbers().unwrap(), before, "a program's end closes only its own");
            let mut child = start(|| std::process::abort());
            assert_eq!(child.wait(), Ok(Ending::Killed(libc::SIGABRT)));
        });
    }

    #[test]
    fn open_numbers_are_all_that_are_open_also_of_a_process_that_hides() {
        alone(|| {
            process::set_not_dumpable().unwrap();
            let held: Vec<_> = (0..40).map(|_| descriptor::placeholder().unwrap()).collect();
            // Holes among them: the number that is used to look is one of these.
            let mut held: Vec<_> = held.into_iter().map(Some).collect();
            held.iter_mut().step_by(3).for_each(|one| drop(one.take()));
            let numbers = open_numbers().unwrap();
            let (limit, _) = process::descriptor_limit();
            let limit = i32::try_from(limit.min(4096)).unwrap();
            let expected: Vec<i32> = (0..limit).filter(|number| is_open(*number)).collect();
            assert_eq!(numbers, expected);
        });
    }

    #[test]
    fn peeking_and_discarding_leave_nothing_open_but_what_was_peeked() {
        alone(|| {
            let (left, right) = Socket::pair().unwrap();
            let before = open_numbers().unwrap();
            let count = before.len();
            let (read, write) = rustix::pipe::pipe().unwrap();
            left.send(b"x", &[read.as_fd(), write.as_fd()], Blocking::Never).unwrap();
            drop((read, write));
            let peek = || -> Received {
                let incoming = right.peek(&mut [0; 8]).unwrap();
                let Incoming::Message(received) = incoming else { panic!("{incoming:?}") };
                received
            };
            let (first, second) = (peek(), peek());
            assert_eq!(open_numbers().unwrap().len(), count + 4);
            drop(first);
            right.discard().unwrap();
            assert_eq!(open_numbers().unwrap().len(), count + 2);
            rustix::io::write(&second.descriptors[1], b"x").unwrap();
            assert_eq!(rustix::io::read(&second.descriptors[0], &mut [0; 2]), Ok(1));
            drop(second);
            assert_eq!(open_numbers().unwrap(), before);
        });
    }
}
