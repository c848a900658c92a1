//! Two ends of shared objects, in C (`end.c`) or in Rust (here), that do what they are told.

use std::io::{self, BufRead as _, Write as _};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use handfast::{
    Access, Event, Fence, Format, Reset, Section, Surface, SurfaceDesc, SurfaceFlags, WaitOutcome,
    Writers, wait_all,
};
use handfast_tests::{Child, Scratch};

use crate::installed::Programs;
use crate::picture::checksum;

/// Tells this program that it is an end, which one, and the name.
const ORDER: &str = "TEST_OTHER_END";

/// An end. Every order is answered by `begun` and by one line more.
#[derive(Debug)]
pub(crate) struct End {
    child: Child,
    stdin: ChildStdin,
}

impl End {
    /// A C program's.
    #[track_caller]
    pub(crate) fn in_c(programs: &Programs, scratch: &Scratch, verb: &str) -> Self {
        let mut command = programs.command("end", &[verb, "it"]);
        Self::start(command.env("HANDFAST_SOCKET", scratch.socket()))
    }

    /// This program's, with the Rust library.
    #[track_caller]
    pub(crate) fn in_rust(programs: &Programs, scratch: &Scratch, verb: &str) -> Self {
        let own = std::env::current_exe().expect("a test is a program");
        let mut command = scratch.command(own);
        let like = programs.command("end", &[]);
        for (name, value) in like.get_envs().filter(|(name, _)| *name == "HANDFAST_BROKER") {
            command.env(name, value.expect("it is set"));
        }
        command.args(["--exact", "other_end::is_an_end_if_told_so", "--nocapture"]);
        Self::start(command.env(ORDER, verb))
    }

    #[track_caller]
    fn start(command: &mut Command) -> Self {
        let mut child = Child::spawn_reading(command, Stdio::piped());
        let stdin = child.stdin().expect("a pipe");
        let mut end = Self { child, stdin };
        assert_eq!(end.hear(), "done");
        end
    }

    /// Gives an order, which is begun when this returns.
    #[track_caller]
    pub(crate) fn tell(&mut self, order: &str) {
        self.stdin.write_all(format!("{order}\n").as_bytes()).expect("it reads");
        assert_eq!(self.hear(), "begun");
    }

    /// The next answer; what the test harness prints is none.
    #[track_caller]
    pub(crate) fn hear(&mut self) -> String {
        loop {
            let line = self.child.line();
            let harness = line.is_empty() || line.starts_with("running ");
            if !harness {
                return line;
            }
        }
    }

    /// Gives an order, and its answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, order: &str) -> String {
        self.tell(order);
        self.hear()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill();
    }

    /// Ends it in good order.
    #[track_caller]
    pub(crate) fn leave(self) {
        drop(self.stdin);
        self.child.finish().success();
    }
}

/// The objects, in Rust.
struct Objects {
    picture: Surface,
    board: Surface,
    fence: Fence,
    event: Event,
    section: Section,
}

impl Objects {
    fn make() -> handfast::Result<Self> {
        let picture = SurfaceDesc::texture_2d(100, 30, Format::Nv12);
        let flags = SurfaceFlags::KEYED_MUTEX;
        let board = SurfaceDesc { flags, ..SurfaceDesc::texture_2d(100, 30, Format::R8) };
        Ok(Self {
            picture: Surface::create("it-p", picture)?,
            board: Surface::with_writers(board, Writers::Several)?.named("it-b")?,
            fence: Fence::create("it-f", 0)?,
            event: Event::create("it-e", Reset::Auto)?,
            section: Section::with_writers(64, Writers::Several)?.named("it-s")?,
        })
    }

    fn open() -> handfast::Result<Self> {
        let both = Access::GENERIC_READ | Access::SURFACE_WRITE;
        Ok(Self {
            picture: Surface::open("it-p")?,
            board: Surface::open_with("it-b", both)?,
            fence: Fence::open("it-f")?,
            event: Event::open("it-e")?,
            section: Section::open_with("it-s", Access::GENERIC_ALL)?,
        })
    }

    fn draw(&mut self, step: u64) -> handfast::Result<()> {
        let layout = self.picture.subresource(0)?.layout.expect("a picture has one");
        for (plane, rows) in layout.planes().iter().map(|plane| plane.height).enumerate() {
            for y in 0..rows {
                let fixed = u64::from(y) * 31 + plane as u64 * 101 + step * 13;
                for (byte, x) in self.picture.row_mut(0, plane, y)?.iter_mut().zip(0_u64..) {
                    *byte = (x * 7 + fixed).to_le_bytes()[0];
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, times: u64) -> handfast::Result<WaitOutcome> {
        for _ in 0..times {
            let mutex = self.board.keyed_mutex().expect("it has one");
            let outcome = mutex.acquire(0)?;
            if outcome != WaitOutcome::Signaled {
                return Ok(outcome);
            }
            let mut count = [0; 4];
            self.board.read(0, &mut count)?;
            let count = u32::from_le_bytes(count) + 1;
            self.board.write(0, &count.to_le_bytes())?;
            self.board.keyed_mutex().expect("it has one").release(0)?;
        }
        Ok(WaitOutcome::Signaled)
    }

    fn obey(&mut self, order: &str, n: u64, limit: Option<Duration>) -> handfast::Result<String> {
        let done = |()| "done".to_owned();
        let mutex = self.board.keyed_mutex().expect("it has one");
        let mut four = [0; 4];
        let mut eight = [0; 8];
        let outcome = match (order, limit) {
            ("draw", _) => return self.draw(n).map(done),
            ("sum", _) => {
                let size = usize::try_from(self.picture.size_bytes()).expect("it is small");
                let mut bytes = vec![0; size];
                self.picture.read(0, &mut bytes)?;
                return Ok(checksum(&bytes));
            }
            ("signal", _) => return self.fence.signal(n).map(done),
            ("release", _) => return mutex.release(n).map(done),
            ("set", _) => return self.event.set().map(|_| "done".to_owned()),
            ("poke", _) => return self.section.write(8, &n.to_le_bytes()).map(done),
            ("value", _) => return self.fence.value().map(|value| value.to_string()),
            ("count", _) => {
                self.board.read(0, &mut four)?;
                return Ok(u32::from_le_bytes(four).to_string());
            }
            ("peek", _) => {
                self.section.read(8, &mut eight)?;
                return Ok(u64::from_le_bytes(eight).to_string());
            }
            ("add", _) => match self.add(n)? {
                WaitOutcome::Signaled => return Ok(done(())),
                other @ (WaitOutcome::TimedOut | WaitOutcome::Abandoned | WaitOutcome::Lost) => {
                    other
                }
            },
            ("wait", None) => self.fence.wait(n)?,
            ("wait", Some(limit)) => self.fence.wait_timeout(n, limit)?,
            ("acquire", None) => mutex.acquire(n)?,
            ("acquire", Some(limit)) => mutex.acquire_timeout(n, limit)?,
            ("take", None) => self.event.wait()?,
            ("take", Some(limit)) => self.event.wait_timeout(limit)?,
            ("both", limit) => {
                let objects = [self.fence.at(n), (&self.event).into()];
                wait_all(&objects, limit)?.1
            }
            _ => return Fence::open_with("it-f", Access::FENCE_WAIT).map(|_| done(())),
        };
        Ok(match outcome {
            WaitOutcome::Signaled => "signaled",
            WaitOutcome::TimedOut => "timed out",
            WaitOutcome::Abandoned => "abandoned",
            WaitOutcome::Lost => "lost",
        }
        .to_owned())
    }
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("somebody listens");
}

/// No test by itself: what [`End::in_rust`] starts.
#[test]
fn is_an_end_if_told_so() {
    let Ok(verb) = std::env::var(ORDER) else { return };
    // The harness has begun a line of its own.
    say("");
    let objects = if verb == "make" { Objects::make() } else { Objects::open() };
    let mut objects = objects.expect("the other end is there");
    say("done");
    for line in io::stdin().lock().lines() {
        let line = line.expect("words");
        let mut words = line.split(' ');
        let order = words.next().unwrap_or_default();
        let number = words.next().map_or(0, |word| word.parse().expect("a number"));
        let limit = words.next().map(|word| Duration::from_millis(word.parse().expect("a number")));
        say("begun");
        match objects.obey(order, number, limit) {
            Ok(answer) => say(&answer),
            Err(error) => say(&format!("error {:?}: {error}", error.kind())),
        }
    }
}
