//! What a forked child has of its parent, and what it does not.
#![expect(unsafe_code, reason = "UNSAFETY: these tests fork, and look at addresses in the child")]

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd as _, OwnedFd};
    use std::sync::atomic::{AtomicU32, Ordering};

    use handfast_sys::fork::ForkGuard;
    use handfast_sys::peer::peer;
    use handfast_sys::seqpacket::{Blocking, Incoming, Listener, Socket};
    use handfast_sys::{futex, mapping, memfd, pipe, process};

    const FAILED: i32 = 99;

    /// Runs a function in a forked child and returns what it returned there.
    ///
    /// The child may make system calls and nothing that could need a lock of another thread.
    fn in_child(child: impl FnOnce() -> bool) -> bool {
        // SAFETY: The child of a process with other threads may only do what needs none of their
        // locks: each `child` here makes system calls and atomic accesses, and then `_exit`.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork");
        if pid == 0 {
            let status = if child() { 0 } else { FAILED };
            // SAFETY: `_exit` ends the process without running anything of it.
            unsafe { libc::_exit(status) };
        }
        let mut status = 0;
        // SAFETY: `status` is a place for the answer, and `pid` is our own child.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        assert_eq!(waited, pid, "waitpid");
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }

    fn is_mapped(words: &[AtomicU32]) -> bool {
        is_page(words.as_ptr().cast_mut().cast())
    }

    /// Whether there is a page at the address.
    fn is_page(address: *mut libc::c_void) -> bool {
        // SAFETY: `msync` only asks the kernel about the addresses; it answers ENOMEM for those
        // that are not mapped and touches nothing.
        unsafe { libc::msync(address, 4096, libc::MS_ASYNC) == 0 }
    }

    #[test]
    fn the_guard_tells_parent_from_child() {
        let guard = ForkGuard::new().unwrap();
        assert!(in_child(|| !guard.is_original()));
        assert!(guard.is_original());
    }

    #[test]
    fn a_child_of_a_child_is_not_the_original_either() {
        let guard = ForkGuard::new().unwrap();
        assert!(in_child(|| in_child(|| !guard.is_original())));
    }

    #[test]
    fn a_writable_mapping_is_absent_in_the_child_and_a_readable_one_is_there() {
        let memory = memfd::create("fork", 4096).unwrap();
        let writable = mapping::map_writable(memory.as_fd(), 4096).unwrap();
        let readable = mapping::map_read_only(memory.as_fd(), 4096).unwrap();
        let (sole, _memory) = mapping::create_sole("fork", 4096, 4096).unwrap();
        let (table, _pixels) = sole.split();
        writable.words()[0].store(5, Ordering::Relaxed);
        assert!(in_child(|| {
            !is_mapped(writable.words())
                && !is_mapped(table.words())
                && is_mapped(readable.words())
                && readable.words()[0].load(Ordering::Relaxed) == 5
        }));
    }

    #[test]
    fn dropping_the_parents_mapping_in_the_child_removes_nothing_there() {
        let memory = memfd::create("fork", 4096).unwrap();
        let mut parents = Some(mapping::map_writable(memory.as_fd(), 4096).unwrap());
        let address: *mut libc::c_void =
            parents.as_ref().unwrap().words().as_ptr().cast_mut().cast();
        assert!(in_child(|| {
            // SAFETY: The address is unmapped in the child and the call replaces nothing
            // (`MAP_FIXED_NOREPLACE`); the page is left for the rest of the child's life.
            let page = unsafe {
                libc::mmap(
                    address,
                    4096,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
                    -1,
                    0,
                )
            };
            drop(parents.take());
            page == address && is_page(page)
        }));
    }

    #[test]
    fn a_child_takes_over_a_mapping_that_nobody_could_make_any_more() {
        let memory = memfd::create("fork", 8192).unwrap();
        let mapping = mapping::map_writable_inheritable(memory.as_fd(), 8192).unwrap();
        mapping.words()[0].store(5, Ordering::Relaxed);
        let length = mapping.len();
        let address = mapping.into_address();
        memfd::seal_writer(memory.as_fd()).unwrap();
        assert!(in_child(|| {
            if mapping::map_writable(memory.as_fd(), 8192).is_ok() {
                return false;
            }
            // SAFETY: The parent gave it up at this length before it forked, and this child uses
            // and removes only its own.
            let inherited = unsafe { mapping::adopt_inherited(address, length) };
            let previous = inherited.words()[0].swap(6, Ordering::Relaxed);
            // A child of the child has it, and drops its own only.
            previous == 5
                && in_child(|| {
                    // SAFETY: As above; the copy of `inherited` is not used in here.
                    let inherited = unsafe { mapping::adopt_inherited(address, length) };
                    inherited.copy_from(4096, b"twice")
                })
                && inherited.words()[0].load(Ordering::Relaxed) == 6
        }));
        assert!(mapping::map_writable(memory.as_fd(), 8192).is_err());
        // SAFETY: It was given up at this length, and the children removed only their own.
        let parents = unsafe { mapping::adopt_inherited(address, length) };
        let mut bytes = [0; 5];
        assert!(parents.copy_to(4096, &mut bytes));
        assert_eq!((parents.words()[0].load(Ordering::Relaxed), &bytes), (6, b"twice"));
    }

    #[test]
    fn dropping_an_inheritable_mapping_removes_it_in_its_own_process_only() {
        let memory = memfd::create("fork", 4096).unwrap();
        let mapping = mapping::map_writable_inheritable(memory.as_fd(), 4096).unwrap();
        let mut kept = Some(mapping);
        assert!(in_child(|| {
            let Some(mapping) = kept.take() else { return false };
            let page = mapping.address().as_ptr().cast();
            let was_mapped = is_page(page);
            drop(mapping);
            was_mapped && !is_page(page)
        }));
        assert!(is_mapped(kept.as_ref().unwrap().words()));
    }

    #[test]
    fn a_child_holds_a_handle_until_it_ends() {
        let (kept, handle) = pipe::handle_pipe().unwrap();
        let mut handle: Option<OwnedFd> = Some(handle);
        assert!(in_child(|| pipe::is_read_end_of(&kept, handle.as_ref().unwrap().as_fd())));
        assert!(in_child(|| {
            drop(handle.take());
            !kept.is_closed()
        }));
    }

    #[test]
    fn a_waker_in_another_process_is_heard() {
        let memory = memfd::create("fork", 4096).unwrap();
        let words = mapping::map_read_only(memory.as_fd(), 4096).unwrap();
        assert!(in_child(|| {
            let Ok(own) = mapping::map_writable(memory.as_fd(), 4096) else { return false };
            own.words()[0].store(1, Ordering::Release);
            futex::wake_all((&own.words()[0]).into());
            true
        }));
        while words.words()[0].load(Ordering::Relaxed) == 0 {
            assert_eq!(futex::wait((&words.words()[0]).into(), 0, None), futex::Wake::Woken);
        }
    }

    #[test]
    fn a_packet_names_the_process_that_sent_it_and_not_the_one_that_connected() {
        let (left, right) = Socket::pair().unwrap();
        right.pass_credentials().unwrap();
        assert!(in_child(|| left.send(b"x", &[], Blocking::Wait).is_ok()));
        let incoming = right.receive(&mut [0; 8], Blocking::Wait).unwrap();
        let Incoming::Message(received) = incoming else { panic!("no message") };
        let sender = received.pid.unwrap();
        assert_ne!(sender, peer(&right).unwrap().pid);
        assert_ne!(sender, 0);
    }

    #[test]
    fn clients_of_an_adopted_listener_see_who_adopted_it() {
        let directory = std::env::temp_dir().join(format!("handfast-fork-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let path = directory.join("socket");
        let made = Listener::bind(&path, 4).unwrap();
        let mut inherited = Some(made.as_fd().try_clone_to_owned().unwrap());
        assert!(in_child(|| {
            inherited.take().is_some_and(|listener| Listener::adopt(listener).is_ok())
        }));
        let client = Socket::connect(&path).unwrap();
        assert_ne!(peer(&client).unwrap().pid, std::process::id().cast_signed());
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_child_can_shut_others_out_and_leave_its_session() {
        assert!(in_child(|| {
            let is_private = process::set_not_dumpable().is_ok()
                && rustix::process::dumpable_behavior()
                    == Ok(rustix::process::DumpableBehavior::NotDumpable);
            is_private && process::new_session().is_ok() && process::new_session().is_err()
        }));
    }
}
