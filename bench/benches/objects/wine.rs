//! The same operations through Wine's server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/wine/objects.c");
const COMPILER: &str = "x86_64-w64-mingw32-gcc";

/// A program in Wine, spoken to in lines. Its server ends with it.
pub(crate) struct Wine {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    prefix: std::path::PathBuf,
}

impl Wine {
    /// Builds and starts it, in a prefix of its own.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let prefix =
            std::env::temp_dir().join(format!("handfast-bench-wine-{}", std::process::id()));
        std::fs::create_dir_all(&prefix)?;
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
        let mut child = Command::new("taskset")
            .args(["-c", "0", wine])
            .arg(&program)
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
        Ok(Self { child, to, from, prefix })
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
        let server = ["wineserver", "/usr/lib/wine/wineserver64", "/usr/lib/wine/wineserver"];
        for server in server {
            let mut end = Command::new(server);
            if end.arg("-k").env("WINEPREFIX", &self.prefix).status().is_ok() {
                break;
            }
        }
        drop(std::fs::remove_dir_all(&self.prefix));
    }
}
