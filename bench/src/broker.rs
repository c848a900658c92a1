//! A broker that only a benchmark uses, on a core that the benchmark chooses.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use handfast::Client;

use crate::{PART, Part, hear, pinned, say};

/// What [`keep_broker`] plays.
pub const BROKER: &str = "broker";

/// A broker with a socket of its own. It leaves some seconds after its last client.
#[derive(Debug)]
pub struct OwnBroker {
    _keeper: Part,
    folder: PathBuf,
}

impl OwnBroker {
    /// Starts it on one core, in the name of a part that runs [`keep_broker`].
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start_on(cpu: u32) -> anyhow::Result<Self> {
        let folder =
            std::env::temp_dir().join(format!("handfast-bench-{}-{cpu}", std::process::id()));
        // A broker's folder lets nobody else in.
        DirBuilder::new().mode(0o700).recursive(true).create(&folder)?;
        let mut keeper = client(&folder, BROKER, cpu)?;
        keeper.hear()?;
        Ok(Self { _keeper: keeper, folder })
    }

    /// Starts a part that uses it.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn part(&self, part: &str, cpu: u32) -> anyhow::Result<Part> {
        client(&self.folder, part, cpu)
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn client(folder: &Path, part: &str, cpu: u32) -> anyhow::Result<Part> {
    let mut command = pinned(std::env::current_exe()?, cpu);
    command.env(PART, part).env("HANDFAST_SOCKET", folder.join("broker"));
    Part::start_command(command)
}

/// The part that starts a broker, which then runs on the same core, and stays its client.
///
/// # Errors
///
/// When there is none.
pub fn keep_broker() -> anyhow::Result<()> {
    let _client = Client::connect()?;
    say("there")?;
    hear()?;
    Ok(())
}
