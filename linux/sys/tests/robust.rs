//! Locks of processes that end: in each way, at each moment, and with the list in each state.
//!
//! The process that ends is this program again, running the one test that is a part for it.
#![expect(unsafe_code, reason = "UNSAFETY: one of the processes forks")]

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _};
    use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, ChildStdout, Command, Stdio};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, mpsc};
    use std::thread;

    use handfast_sys::mapping::{self, TableWords};
    use handfast_sys::robust::{LINKED_MAX, Refusal, Registered, RobustList, RobustMapping};
    use handfast_sys::{futex, memfd, process};

    const PAGE: u64 = 4096;
    const LOCK: usize = 16;
    const WAITERS: u32 = 0x8000_0000;
    const OWNER_DIED: u32 = 0x4000_0000;

    const PART: &str = "HANDFAST_ROBUST_PART";
    const MEMORY: &str = "HANDFAST_ROBUST_MEMORY";

    /// A list on a thread that is there as long as the process.
    fn list() -> Arc<RobustList> {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let registered = Registered::on_this_thread(LOCK * 4).unwrap();
            sender.send(registered.list()).unwrap();
            registered.park();
        });
        receiver.recv().unwrap()
    }

    fn map(list: &Arc<RobustList>, memory: &OwnedFd) -> RobustMapping {
        RobustMapping::map(list, memory.as_fd(), PAGE).unwrap()
    }

    fn lock(words: &[AtomicU32]) -> &AtomicU32 {
        &words[LOCK]
    }

    /// Takes a free lock.
    fn take(mapping: &RobustMapping) {
        let mut change = mapping.change().unwrap();
        change.announce().unwrap();
        set(mapping, 0, change.tid());
        change.link();
        change.end();
    }

    fn give(mapping: &RobustMapping) {
        let mut change = mapping.change().unwrap();
        change.announce().unwrap();
        change.unlink();
        lock(mapping.words()).fetch_and(WAITERS, Ordering::AcqRel);
        change.end();
    }

    fn set(mapping: &RobustMapping, from: u32, to: u32) {
        let lock = lock(mapping.words());
        assert_eq!(lock.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed), Ok(from));
    }

    /// What the other process does, up to the moment at which it waits for its end.
    fn play(part: &str, memory: &[OwnedFd]) {
        let list = list();
        let all: Vec<_> = memory.iter().map(|memory| map(&list, memory)).collect();
        match part {
            "thread" => thread::scope(|scope| {
                scope.spawn(|| take(&all[0])).join().unwrap();
            }),
            "taking" => {
                let mut change = all[0].change().unwrap();
                change.announce().unwrap();
                set(&all[0], 0, change.tid());
                say_and_wait();
            }
            "giving" => {
                take(&all[0]);
                let mut change = all[0].change().unwrap();
                change.announce().unwrap();
                change.unlink();
                say_and_wait();
            }
            "ended" => {
                take(&all[0]);
                give(&all[0]);
                set(&all[0], 0, list.tid());
            }
            "exit" => {
                take(&all[0]);
                std::process::exit(0);
            }
            "exec" => {
                take(&all[0]);
                let error = Command::new("sh").args(["-c", "echo ready; exec cat"]).exec();
                panic!("{error}");
            }
            "fork" => {
                take(&all[0]);
                fork_and_try(&list, &all[0], &memory[0]);
            }
            "dropped" => {
                take(&all[0]);
                drop(all);
                say_and_wait();
            }
            "many" => {
                let others: Vec<_> = (1..LINKED_MAX).map(|_| free(&list)).collect();
                others.iter().for_each(take);
                take(&all[0]);
                let over = free(&list);
                assert_eq!(over.change().unwrap().announce(), Err(Refusal::Full));
                all[0].change().unwrap().announce().unwrap();
                say_and_wait();
            }
            // Each letter takes the lock of its place, or gives it back if it is taken.
            order => {
                for letter in order.bytes() {
                    let mapping = &all[usize::from(letter - b'a')];
                    let is_linked = mapping.change().unwrap().is_linked();
                    if is_linked { give(mapping) } else { take(mapping) }
                }
            }
        }
        say_and_wait();
    }

    /// A lock of its own that nobody holds.
    fn free(list: &Arc<RobustList>) -> RobustMapping {
        map(list, &memfd::create("other", PAGE).unwrap())
    }

    fn is_mapped(words: &[AtomicU32]) -> bool {
        // SAFETY: `msync` only asks the kernel about the addresses; it answers ENOMEM for those
        // that are not mapped and touches nothing.
        let status = unsafe {
            libc::msync(words.as_ptr().cast_mut().cast(), size_of_val(words), libc::MS_ASYNC)
        };
        status == 0
    }

    /// A forked child has neither mapping nor list, and takes nothing with it when it ends.
    fn fork_and_try(list: &Arc<RobustList>, mapping: &RobustMapping, memory: &OwnedFd) {
        // SAFETY: The child makes system calls and atomic accesses and then `_exit`.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork");
        if pid == 0 {
            let is_refused = !is_mapped(mapping.words())
                && mapping.change().err() == Some(Refusal::Forked)
                && RobustMapping::map(list, memory.as_fd(), PAGE).is_err();
            // SAFETY: `_exit` ends the process without running anything of it.
            unsafe { libc::_exit(i32::from(!is_refused)) };
        }
        let mut status = 1;
        // SAFETY: `status` is a place for the answer, and `pid` is our own child.
        unsafe { libc::waitpid(pid, &raw mut status, 0) };
        assert_eq!(status, 0, "the child was refused");
    }

    /// Says that all is done and lives until it is killed, or whoever started it is gone.
    fn say_and_wait() {
        println!("\nready");
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        std::process::exit(1);
    }

    #[test]
    fn part_of_another_process() {
        let (Ok(part), Ok(paths)) = (std::env::var(PART), std::env::var(MEMORY)) else { return };
        let open = |path| std::fs::File::options().read(true).write(true).open(path).unwrap();
        let memory: Vec<OwnedFd> = paths.split(' ').map(|path| open(path).into()).collect();
        play(&part, &memory);
    }

    /// Another process, and the locks that it was given.
    struct Other {
        child: Child,
        output: BufReader<ChildStdout>,
        words: Vec<Arc<TableWords>>,
    }

    impl Other {
        fn start(part: &str, locks: usize) -> Self {
            let memory: Vec<_> = (0..locks).map(|_| memfd::create("lock", PAGE).unwrap()).collect();
            let path = |it: &OwnedFd| format!("/proc/{}/fd/{}", std::process::id(), it.as_raw_fd());
            let paths: Vec<_> = memory.iter().map(path).collect();
            let words = memory.iter().map(|it| mapping::map_writable(it.as_fd(), PAGE).unwrap());
            let words = words.map(mapping::WritableMapping::into_words).collect();
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "tests::part_of_another_process", "--nocapture"])
                .envs([(PART, part), (MEMORY, &paths.join(" "))])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut output = BufReader::new(child.stdout.take().unwrap());
            let mut line = String::new();
            while line != "ready\n" {
                line.clear();
                let is_over = output.read_line(&mut line).unwrap() == 0;
                if is_over {
                    assert_eq!(part, "exit", "the other process has failed");
                    break;
                }
            }
            drop(memory);
            Self { child, output, words }
        }

        fn lock(&self, place: usize) -> &AtomicU32 {
            lock(self.words[place].words())
        }

        fn holds(&self, place: usize) -> u32 {
            self.lock(place).load(Ordering::Acquire)
        }

        fn is_held(&self, place: usize) -> bool {
            let lock = self.holds(place);
            lock != 0 && lock & OWNER_DIED == 0
        }

        /// Ends it by SIGKILL, unless it has ended, and waits for it, and for nothing else.
        fn end(&mut self) {
            process::kill(self.child.id().cast_signed(), process::Signal::Kill).unwrap();
            self.child.wait().unwrap();
        }
    }

    #[test]
    fn a_lock_outlives_the_thread_that_took_it_and_not_the_process() {
        let mut other = Other::start("thread", 1);
        assert!(other.is_held(0));
        other.end();
        assert_eq!(other.holds(0), OWNER_DIED);
    }

    #[test]
    fn a_process_that_dies_between_lock_and_list_is_noticed() {
        for part in ["taking", "giving"] {
            let mut other = Other::start(part, 1);
            assert!(other.is_held(0));
            other.end();
            assert_eq!(other.holds(0), OWNER_DIED, "{part}");
        }
    }

    #[test]
    fn a_change_that_has_ended_is_announced_no_more() {
        let mut other = Other::start("ended", 1);
        other.end();
        assert!(other.is_held(0), "it is not in the list, whatever it holds");
    }

    #[test]
    fn a_process_that_exits_is_noticed() {
        let mut other = Other::start("exit", 1);
        other.child.wait().unwrap();
        assert_eq!(other.holds(0), OWNER_DIED);
    }

    #[test]
    fn a_process_that_runs_another_program_is_noticed() {
        let mut other = Other::start("exec", 1);
        assert_eq!(other.holds(0), OWNER_DIED);
        drop(other.child.stdin.take());
        let mut rest = Vec::new();
        other.output.read_to_end(&mut rest).unwrap();
        assert!(other.child.wait().unwrap().success(), "the other program was there");
    }

    #[test]
    fn a_forked_child_of_an_owner_changes_nothing() {
        let mut other = Other::start("fork", 1);
        assert!(other.is_held(0));
        other.end();
        assert_eq!(other.holds(0), OWNER_DIED);
    }

    #[test]
    fn what_is_dropped_while_it_is_held_is_marked_in_the_end() {
        let mut other = Other::start("dropped", 1);
        assert!(other.is_held(0));
        other.end();
        assert_eq!(other.holds(0), OWNER_DIED);
    }

    #[test]
    fn all_that_are_in_the_list_are_marked_and_no_others() {
        for (order, marked) in [
            ("abc", [true, true, true]),
            ("abca", [false, true, true]),
            ("abcb", [true, false, true]),
            ("abcc", [true, true, false]),
            ("abcba", [false, false, true]),
            ("abcbab", [false, true, true]),
            ("abccbacab", [true, true, true]),
            ("aab", [false, true, false]),
            ("aa", [false, false, false]),
        ] {
            let mut other = Other::start(order, 3);
            other.end();
            let found = [0, 1, 2].map(|place| other.holds(place));
            let expected = marked.map(|it| if it { OWNER_DIED } else { 0 });
            assert_eq!(found, expected, "{order}");
        }
    }

    #[test]
    fn as_many_as_the_kernel_goes_through_are_marked_and_more_are_refused() {
        let mut other = Other::start("many", 1);
        assert!(other.is_held(0));
        other.end();
        assert_eq!(other.holds(0), OWNER_DIED);
    }

    #[test]
    fn one_of_two_sleepers_is_told_and_tells_the_other() {
        let mut other = Other::start("thread", 1);
        let words = Arc::clone(&other.words[0]);
        let held = lock(words.words()).fetch_or(WAITERS, Ordering::AcqRel) | WAITERS;
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let lock = lock(words.words());
                    while lock.load(Ordering::Acquire) == held {
                        assert_eq!(futex::wait(lock.into(), held, None), futex::Wake::Woken);
                    }
                    futex::wake_all(lock.into());
                });
            }
            other.end();
            if other.holds(0) == held {
                other.lock(0).store(0, Ordering::Release);
                futex::wake_all(other.lock(0).into());
            }
        });
        assert_eq!(other.holds(0), OWNER_DIED | WAITERS);
    }

    #[test]
    fn threads_change_the_list_one_after_the_other() {
        let list = list();
        let all: Vec<_> = (0..4).map(|_| free(&list)).collect();
        thread::scope(|scope| {
            for mapping in &all {
                scope.spawn(|| {
                    for _ in 0..500 {
                        take(mapping);
                        give(mapping);
                    }
                });
            }
        });
        assert!(all.iter().all(|mapping| !mapping.change().unwrap().is_linked()));
        all.iter().for_each(take);
        assert!(all.iter().all(|mapping| mapping.change().unwrap().is_linked()));
        all.iter().for_each(give);
    }

    #[test]
    fn a_list_whose_thread_has_left_it_is_changed_no_more() {
        let registered = Registered::on_this_thread(LOCK * 4).unwrap();
        let list = registered.list();
        let mapping = free(&list);
        take(&mapping);
        assert_eq!(mapping.change().unwrap().tid(), list.tid());
        drop(registered);
        assert_eq!(mapping.change().err(), Some(Refusal::Ended));
    }

    #[test]
    fn what_cannot_hold_a_lock_is_refused() {
        for offset in [1, 2, 1 << 20] {
            assert!(Registered::on_this_thread(offset).is_err(), "{offset}");
        }
        let list = list();
        let small = memfd::create("small", 64).unwrap();
        assert!(RobustMapping::map(&list, small.as_fd(), 64).is_err());
        assert!(RobustMapping::map(&list, small.as_fd(), 4096).is_err());
        assert!(RobustMapping::map(&list, small.as_fd(), 0).is_err());
        let (pipe, _end) = rustix::pipe::pipe().unwrap();
        assert!(RobustMapping::map(&list, pipe.as_fd(), 4096).is_err());
        let readable = memfd::read_only(memfd::create("read", PAGE).unwrap().as_fd()).unwrap();
        assert!(RobustMapping::map(&list, readable.as_fd(), PAGE).is_err());
    }
}
