//! The programs that are compared: how each is built and started.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use handfast_bench::{Cores, OwnBroker, PART, Part, pinned};

use crate::Side;
use crate::line::{Line, Picture};
use crate::pipewire::Graph;

const HERE: &str = env!("CARGO_MANIFEST_DIR");
/// Where cargo lets benchmarks keep what they build.
const KEPT: &str = env!("CARGO_TARGET_TMPDIR");

/// A program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rival {
    /// Ourselves.
    Handfast,
    Iceoryx2,
    GStreamer,
    PipeWire,
    /// Nobody: both copies in one process, which is the least that a frame can take.
    Copies,
}

impl Rival {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Handfast => "Handfast",
            Self::Iceoryx2 => "iceoryx2",
            Self::GStreamer => "GStreamer",
            Self::PipeWire => "PipeWire",
            Self::Copies => "(copies)",
        }
    }
}

/// What was found and built on this machine, and a folder that goes with this.
pub(crate) struct Rivals {
    folder: PathBuf,
    iceoryx2: anyhow::Result<PathBuf>,
    gstreamer: anyhow::Result<PathBuf>,
    pipewire: anyhow::Result<PathBuf>,
}

impl Rivals {
    /// Builds what can be built.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let name = format!("handfast-bench-rivals-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder)?;
        let iceoryx2 = build_iceoryx2();
        let gstreamer = build_c("gstreamer", "gstreamer-1.0", &folder);
        let pipewire = build_c("pipewire", "libpipewire-0.3", &folder);
        Ok(Self { folder, iceoryx2, gstreamer, pipewire })
    }

    /// Round trips, of those that have them.
    pub(crate) fn pairs(&self, cores: Cores) -> anyhow::Result<Vec<Side>> {
        Ok(vec![
            (Rival::Handfast, Ok(self.our_line(cores, None)?)),
            (Rival::Iceoryx2, self.iceoryx2_line(cores, None)),
        ])
    }

    /// Streams.
    pub(crate) fn lines(&self, picture: Picture, cores: Cores) -> anyhow::Result<Vec<Side>> {
        let mut sides = vec![
            (Rival::Handfast, Ok(self.our_line(cores, Some(picture))?)),
            (Rival::Iceoryx2, self.iceoryx2_line(cores, Some(picture))),
            (Rival::GStreamer, self.gstreamer_line(cores, picture)),
            (Rival::PipeWire, self.pipewire_line(cores, picture)),
        ];
        if cores == Cores::One {
            sides.push((Rival::Copies, copies_line(picture)));
        }
        Ok(sides)
    }

    fn our_line(&self, cores: Cores, picture: Option<Picture>) -> anyhow::Result<Line> {
        let broker = OwnBroker::start_on(cores.other())?;
        let part = |words: &str, cpu| broker.part(words, cpu);
        let line = match picture {
            None => {
                let echo = part("echo trip", cores.other())?;
                Line::begin(echo, || part("ping trip", 0))?.turned()
            }
            Some(picture) => {
                let ((width, height), room, name) = (picture.size, picture.room, picture.name());
                let sender = part(&format!("send {name} {width} {height} {room}"), 0)?;
                Line::begin(sender, || part(&format!("receive {name}"), cores.other()))?
            }
        };
        Ok(line.with(picture).beside(broker))
    }

    fn iceoryx2_line(&self, cores: Cores, picture: Option<Picture>) -> anyhow::Result<Line> {
        let program = found(&self.iceoryx2)?;
        let part = |words: &[&str], cpu| {
            let mut command = pinned(program, cpu);
            command.args(words);
            Part::start_command(command)
        };
        let name = format!("handfast-bench-{}-{}", std::process::id(), cores.other());
        let Some(picture) = picture else {
            let echo = part(&["echo", &name], cores.other())?;
            return Ok(Line::begin(echo, || part(&["ping", &name], 0))?.turned());
        };
        let name = format!("{name}-{}", picture.name());
        // One more is in the subscriber's hands, and one in the publisher's.
        let (bytes, queued) = (picture.bytes().to_string(), (picture.room - 1).to_string());
        let of = |word, cpu| part(&[word, &name, &bytes, &queued], cpu);
        let line = Line::begin(of("publish", 0)?, || of("subscribe", cores.other()))?;
        Ok(line.with(Some(picture)))
    }

    fn gstreamer_line(&self, cores: Cores, picture: Picture) -> anyhow::Result<Line> {
        let program = found(&self.gstreamer)?;
        let socket = self.folder.join(format!("shm-{}-{}", picture.name(), cores.other()));
        let (width, height) = picture.size;
        let part = |word, cpu| {
            let mut command = pinned(program, cpu);
            command.arg(word).arg(&socket).arg(width.to_string()).arg(height.to_string());
            command.arg(picture.room.to_string());
            Part::start_command(command)
        };
        let line = Line::begin(part("send", 0)?, || part("receive", cores.other()))?;
        Ok(line.with(Some(picture)))
    }

    fn pipewire_line(&self, cores: Cores, picture: Picture) -> anyhow::Result<Line> {
        let program = found(&self.pipewire)?;
        let folder = self.folder.join(format!("pipewire-{}-{}", picture.name(), cores.other()));
        let graph = Graph::start(folder, cores.other())?;
        let (width, height) = picture.size;
        let part = |word, cpu| {
            let mut command = pinned(program, cpu);
            graph.belong(&mut command);
            command.args([word, word]).arg(width.to_string()).arg(height.to_string());
            Part::start_command(command)
        };
        let line = Line::begin(part("send", 0)?, || part("receive", cores.other()))?;
        graph.link("send", "receive")?;
        Ok(line.with(Some(picture)).within(graph))
    }
}

impl Drop for Rivals {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// One that has nothing to do, and one that copies in and out.
fn copies_line(picture: Picture) -> anyhow::Result<Line> {
    let part = |words: &str| {
        let mut command = pinned(std::env::current_exe()?, 0);
        command.env(PART, words);
        Part::start_command(command)
    };
    let copies = format!("copies {} {}", picture.bytes(), picture.room);
    Ok(Line::begin(part("idle")?, || part(&copies))?.with(Some(picture)))
}

fn found(program: &anyhow::Result<PathBuf>) -> anyhow::Result<&Path> {
    match program {
        Ok(path) => Ok(path),
        Err(why) => bail!("{why:#}"),
    }
}

/// Its own folder and lock file: no other command of this repository compiles iceoryx2.
fn build_iceoryx2() -> anyhow::Result<PathBuf> {
    let target = Path::new(KEPT).join("iceoryx2");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--quiet", "--manifest-path"])
        .arg(format!("{HERE}/iceoryx2/Cargo.toml"))
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .context("cargo")?;
    if !built.success() {
        bail!("cargo could not build bench/iceoryx2");
    }
    Ok(target.join("release/handfast-bench-iceoryx2"))
}

/// A program of one C file, with the flags of the library it is for.
fn build_c(name: &str, package: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    let mut ask = Command::new("pkg-config");
    let flags = ask.args(["--cflags", "--libs", package]).output().context("pkg-config")?;
    if !flags.status.success() {
        bail!("there is no {package} (pkg-config)");
    }
    let program = folder.join(name);
    let built = Command::new("cc")
        .args(["-O2", "-Wall", "-o"])
        .arg(&program)
        .arg(format!("{HERE}/rivals/{name}.c"))
        .args(String::from_utf8(flags.stdout)?.split_whitespace())
        .status()
        .context("cc")?;
    if !built.success() {
        bail!("cc could not build bench/rivals/{name}.c");
    }
    Ok(program)
}
