//! A PipeWire of its own, without a session manager: the benchmark links the two nodes itself.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use handfast_bench::pinned;

/// How long it may take until it is there, and until nodes have their ports.
const PATIENCE: Duration = Duration::from_secs(10);

/// The daemon, which ends with this.
pub(crate) struct Graph {
    daemon: Child,
    folder: PathBuf,
}

impl Graph {
    /// Starts the daemon on one core, with a folder of its own.
    pub(crate) fn start(folder: PathBuf, cpu: u32) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let mut command = pinned("pipewire", cpu);
        own(&mut command, &folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut graph = Self { daemon: command.spawn().context("taskset")?, folder };
        let until = Instant::now() + PATIENCE;
        while !graph.folder.join("pipewire-0").exists() {
            if graph.daemon.try_wait()?.is_some() {
                bail!("there is no program pipewire, or it does not start");
            }
            pause(until, "pipewire makes no socket")?;
        }
        Ok(graph)
    }

    /// Has a program find this daemon and no other.
    pub(crate) fn belong(&self, command: &mut Command) {
        own(command, &self.folder);
    }

    /// Links the only ports of two nodes, as soon as they are there.
    pub(crate) fn link(&self, source: &str, target: &str) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut link = Command::new("pw-link");
            self.belong(&mut link);
            link.arg(format!("{source}:out_0")).arg(format!("{target}:in_0"));
            link.stdout(Stdio::null()).stderr(Stdio::null());
            if link.status().context("pw-link")?.success() {
                return Ok(());
            }
            pause(until, "pw-link finds no ports")?;
        }
    }
}

fn own(command: &mut Command, folder: &PathBuf) {
    command.env("XDG_RUNTIME_DIR", folder).env("PIPEWIRE_RUNTIME_DIR", folder);
    command.env("XDG_STATE_HOME", folder).env_remove("PIPEWIRE_REMOTE");
    command.env_remove("DBUS_SESSION_BUS_ADDRESS").env_remove("DISPLAY");
}

fn pause(until: Instant, why: &'static str) -> anyhow::Result<()> {
    if Instant::now() > until {
        bail!(why);
    }
    std::thread::sleep(Duration::from_millis(10));
    Ok(())
}

impl Drop for Graph {
    fn drop(&mut self) {
        drop(self.daemon.kill());
        drop(self.daemon.wait());
    }
}
