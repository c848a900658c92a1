//! The same operations through Wine's server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use handfast_bench::{Cores, pinned};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/wine/objects.c");
const COMPILER: &str = "x86_64-w64-mingw32-gcc";

const SERVERS: [&str; 3] = ["wineserver", "/usr/lib/wine/wineserver64", "/usr/lib/wine/wineserver"];
/// How long a server may take until it listens.
const PATIENCE: Duration = Duration::from_secs(10);

/// A program in Wine, spoken to in lines. Its server ends with it.
pub(crate) struct Wine {
    child: Child,
    /// In the foreground, so that it is on the core that it is started on.
    server: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    prefix: PathBuf,
}

impl Wine {
    /// Builds and starts it, in a prefix of its own, with the server and the other end of its
    /// round trips on the other core.
    pub(crate) fn start(cores: Cores) -> anyhow::Result<Self> {
        let prefix =
            std::env::temp_dir().join(format!("handfast-bench-wine-{}", std::process::id()));
        std::fs::create_dir_all(&prefix)?;
        let started = Self::start_in(prefix.clone(), cores);
        if started.is_err() {
            drop(std::fs::remove_dir_all(&prefix));
        }
        started
    }

    fn start_in(prefix: PathBuf, cores: Cores) -> anyhow::Result<Self> {
        let program = prefix.join("objects.exe");
        let built = Command::new(COMPILER)
            .args(["-O2", "-Wall", "-Werror", "-o"])
            .arg(&program)
            .arg(Path::new(SOURCE))
            .status()
            .context(COMPILER)?;
        if !built.success() {
            bail!("{COMPILER} could not build {SOURCE}");
        }
        let wine = ["wine64", "/usr/lib/wine/wine64", "wine"].into_iter().find(|name| {
            Command::new(name).arg("--version").output().is_ok_and(|out| out.status.success())
        });
        let wine = wine.context("Wine is not installed")?;
        let server = start_server(&prefix, cores.other())?;
        let mut child = pinned(wine, 0)
            .arg(&program)
            .arg(cores.other().to_string())
            .env("WINEPREFIX", &prefix)
            .env("WINEDEBUG", "-all")
            .env("WINEDLLOVERRIDES", "mscoree,mshtml=")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("taskset")?;
        let to = child.stdin.take().context("no pipe")?;
        let from = BufReader::new(child.stdout.take().context("no pipe")?);
        Ok(Self { child, server, to, from, prefix })
    }

    /// One operation's time in nanoseconds, if it knows the operation.
    pub(crate) fn measure(&mut self, row: &str, count: u32) -> anyhow::Result<Option<f64>> {
        writeln!(self.to, "{row} {count}")?;
        self.to.flush()?;
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            bail!("Wine's program ended");
        }
        let total_ns: f64 = line.trim().parse().context("not a number")?;
        Ok((total_ns > 0.0).then(|| total_ns / f64::from(count)))
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        for server in SERVERS {
            let mut end = Command::new(server);
            if end.arg("-k").env("WINEPREFIX", &self.prefix).status().is_ok() {
                break;
            }
        }
        drop(self.server.kill());
        drop(self.server.wait());
        drop(std::fs::remove_dir_all(&self.prefix));
    }
}

/// Starts the server on one core; programs find it by the prefix.
fn start_server(prefix: &Path, cpu: u32) -> anyhow::Result<Child> {
    let is_there =
        |name: &&str| Command::new(name).arg("--version").stderr(Stdio::null()).status().is_ok();
    let server = SERVERS.into_iter().find(is_there).context("wineserver is not installed")?;
    let mut child = pinned(server, cpu)
        .args(["--foreground", "--persistent"])
        .env("WINEPREFIX", prefix)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("taskset")?;
    let until = Instant::now() + PATIENCE;
    while !listens(child.id())? {
        if Instant::now() > until {
            child.kill()?;
            child.wait()?;
            bail!("{server} does not listen");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(child)
}

/// Whether the process listens on a Unix socket. Where that lies is up to who packaged Wine.
fn listens(pid: u32) -> anyhow::Result<bool> {
    const ACCEPTS: &str = "00010000";
    let mut own = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        // It may be closed again by now.
        own.extend(std::fs::read_link(entry?.path()));
    }
    let sockets = std::fs::read_to_string("/proc/net/unix")?;
    Ok(sockets.lines().any(|line| {
        let mut words = line.split_whitespace().skip(3);
        let (flags, inode) = (words.next(), words.nth(2));
        let inode = inode.map(|inode| PathBuf::from(format!("socket:[{inode}]")));
        flags == Some(ACCEPTS) && inode.is_some_and(|inode| own.contains(&inode))
    }))
}
