//! Runs the processes of the demo and watches them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use handfast::{Client, monotonic_ns};

use crate::args::{DemoArgs, Role};

use super::report::{Left, Outcome, Row};
use super::words::{Report, Word};

/// Nothing of the demo may take longer than this without a word.
const HANG: Duration = Duration::from_secs(30);
const NAME: &str = "demo";

/// What a process said, or that it ended.
type Heard = (Role, Option<Word>);

/// The processes of one demo; whoever is left is killed with it.
struct Cast<'a> {
    args: &'a DemoArgs,
    socket: PathBuf,
    pictures: PathBuf,
    children: BTreeMap<Role, Child>,
    pids: BTreeMap<Role, u32>,
    heard: Receiver<Heard>,
    tell: Sender<Heard>,
}

pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let scratch = Scratch::make()?;
    let socket = scratch.0.join("socket");
    let out = args.out.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("handfast-demo-{}", std::process::id()))
    });
    fs::create_dir_all(&out).with_context(|| format!("{} cannot be made", out.display()))?;
    let pictures = scratch.0.join("pictures");
    fs::create_dir(&pictures)?;
    let mut broker = Broker::start(&socket)?;
    let mut client = broker.client(&socket)?;
    let before = client.health()?;
    let (tell, heard) = channel();
    let mut cast = Cast {
        args,
        socket: socket.clone(),
        pictures: pictures.clone(),
        children: BTreeMap::new(),
        pids: BTreeMap::new(),
        heard,
        tell,
    };
    let mut outcome = Outcome::new(args, broker.0.id());
    cast.play(&mut client, &mut outcome)?;
    drop(cast);

    // Everybody is gone: what is left is what was leaked.
    let after = settle(&mut client)?;
    outcome.left = Left {
        objects: after.objects,
        descriptors: after.descriptors.saturating_sub(before.descriptors),
        bytes: after.shared_bytes.saturating_sub(before.shared_bytes),
        files: strange_files(&scratch.0)?,
    };
    drop(client);
    broker.stop()?;
    outcome.sheet = Some(outcome.contact_sheet(&pictures, &out.join("contact-sheet.png"))?);
    outcome.elapsed_s = started.elapsed().as_secs_f64();
    outcome.print()
}

/// What the broker holds once it has noticed that everybody is gone.
fn settle(client: &mut Client) -> anyhow::Result<handfast::Health> {
    let until = Instant::now() + HANG;
    loop {
        let health = client.health()?;
        if health.clients <= 1 && health.objects == 0 {
            return client.health().map_err(Into::into);
        }
        if Instant::now() > until {
            return Ok(health);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn strange_files(directory: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "socket" && name != "pictures" {
            names.push(name);
        }
    }
    Ok(names)
}

impl Cast<'_> {
    /// The play, from the first process to the last word.
    fn play(&mut self, client: &mut Client, outcome: &mut Outcome) -> anyhow::Result<()> {
        for role in [Role::Checker, Role::Slow, Role::Victim, Role::Sender] {
            self.start(role)?;
        }
        // The late one comes at a third, the victim dies at a half, the sender when all is sent.
        let third = self.args.frames / 3;
        let (mut at_the_end, mut sent, mut killed_ns) = (0, false, None);
        while outcome.rows.len() < 4 {
            let (role, word) = self.next_word()?;
            match (role, word) {
                (Role::Checker, Some(Word::At { sequence })) if sequence == third => {
                    self.start(Role::Late)?;
                }
                (_, Some(Word::At { sequence })) if sequence == self.args.frames => {
                    at_the_end += i32::from(role != Role::Slow);
                }
                (Role::Victim, Some(Word::Holding(report))) => {
                    outcome.rows.push(self.kill_victim(client, report)?);
                }
                (Role::Sender, Some(Word::Sent { frames, dropped, waited_ns })) => {
                    (outcome.frames_sent, outcome.sender_dropped) = (frames, dropped);
                    outcome.sender_waited_ms = waited_ns / 1_000_000;
                    sent = true;
                }
                (role, Some(Word::Done(report))) => {
                    let told_ms = killed_ns.map(|at: u64| report.told_ns.saturating_sub(at));
                    let told_ms = told_ms.map(|ns| ns / 1_000_000);
                    outcome.rows.push(Row::of(role, self.pid(role), report, told_ms));
                }
                (_, Some(_)) => {}
                (role, None) => self.check_end(role)?,
            }
            let victim_gone = !self.children.contains_key(&Role::Victim);
            if sent && at_the_end == 2 && victim_gone && killed_ns.is_none() {
                outcome.sender_pid = self.pid(Role::Sender);
                killed_ns = Some(monotonic_ns());
                self.kill(Role::Sender)?;
            }
        }
        for role in [Role::Checker, Role::Slow, Role::Late] {
            if let Some(mut child) = self.children.remove(&role) {
                child.wait()?;
            }
        }
        Ok(())
    }

    fn start(&mut self, role: Role) -> anyhow::Result<()> {
        let args = self.args;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["demo-role", role.name(), NAME]).arg(&self.pictures);
        command.args(["--frames", &args.frames.to_string(), "--rate", &args.rate.to_string()]);
        command.args(["--size", &format!("{}x{}", args.size.0, args.size.1)]);
        if let Some(input) = &args.input {
            command.arg("--input").arg(input);
        }
        command.env("HANDFAST_SOCKET", &self.socket);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().context("a process of the demo cannot be started")?;
        let out = child.stdout.take().ok_or_else(|| anyhow!("no pipe"))?;
        let tell = self.tell.clone();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Ok(word) = serde_json::from_str(&line) {
                    drop(tell.send((role, Some(word))));
                }
            }
            drop(tell.send((role, None)));
        });
        self.pids.insert(role, child.id());
        self.children.insert(role, child);
        Ok(())
    }

    fn pid(&self, role: Role) -> u32 {
        self.pids.get(&role).copied().unwrap_or_default()
    }

    fn next_word(&self) -> anyhow::Result<Heard> {
        match self.heard.recv_timeout(HANG) {
            Ok(heard) => Ok(heard),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                bail!("the demo hangs: nobody said anything for {} s", HANG.as_secs())
            }
        }
    }

    /// A process has closed its output: by itself only if it did all it should.
    fn check_end(&mut self, role: Role) -> anyhow::Result<()> {
        let Some(child) = self.children.get_mut(&role) else { return Ok(()) };
        let status = child.wait()?;
        if status.success() {
            return Ok(());
        }
        bail!("the {} of the demo failed: {status}", role.name());
    }

    fn kill(&mut self, role: Role) -> anyhow::Result<()> {
        let Some(mut child) = self.children.remove(&role) else { return Ok(()) };
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Kills the victim while it holds a frame, and sees how long its slot stays taken.
    fn kill_victim(&mut self, client: &mut Client, report: Report) -> anyhow::Result<Row> {
        let observed = client.observe(NAME)?;
        let mut receivers = || -> anyhow::Result<u32> {
            let facts = client.facts(&observed)?;
            Ok(facts.stream().map_or(0, |stream| stream.receivers))
        };
        let before = receivers()?;
        let pid = self.pid(Role::Victim);
        let killed = Instant::now();
        self.kill(Role::Victim)?;
        while receivers()? >= before {
            if killed.elapsed() > HANG {
                bail!("the victim's slot did not come back");
            }
        }
        let back_ms = u64::try_from(killed.elapsed().as_millis()).unwrap_or(u64::MAX);
        client.forget(observed)?;
        Ok(Row::of_victim(pid, report, back_ms))
    }
}

impl Drop for Cast<'_> {
    fn drop(&mut self) {
        for child in self.children.values_mut() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// The demo's own broker.
struct Broker(Child);

impl Broker {
    fn start(socket: &Path) -> anyhow::Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(["broker", "--quiet", "--socket"])
            .arg(socket)
            .stdin(Stdio::null())
            .spawn()
            .context("the broker cannot be started")?;
        Ok(Self(child))
    }

    /// A connection, as soon as it answers.
    fn client(&mut self, socket: &Path) -> anyhow::Result<Client> {
        let until = Instant::now() + HANG;
        loop {
            if let Some(client) = Client::connect_to(socket)? {
                return Ok(client);
            }
            if let Some(status) = self.0.try_wait()? {
                bail!("the broker ended at once: {status}");
            }
            if Instant::now() > until {
                bail!("the broker does not answer");
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.stop());
    }
}

/// A directory of the demo's own, which goes with it.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> anyhow::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = std::env::temp_dir().join(format!("handfast-demo-{}.d", std::process::id()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
