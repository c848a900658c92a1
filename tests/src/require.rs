//! What a test needs from the machine: skipped aloud where it is missing, or not at all.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Something that not every machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// The program `ffmpeg`.
    Ffmpeg,
    /// The program `python3`.
    Python3,
    /// The program `wine`.
    Wine,
    /// The compiler `clang`.
    Clang,
    /// The compiler `g++`.
    Cxx,
    /// The program `make`.
    Make,
    /// The program `pkg-config`.
    PkgConfig,
    /// The program `valgrind`.
    Valgrind,
    /// What gcc needs to build programs of 32 bits, and Rust's library for them.
    I686,
    /// A Vulkan loader and a driver for it, on the CPU or a GPU.
    Vulkan,
    /// A render node in `/dev/dri`.
    Dri,
    /// A folder of real video clips (`*.mp4`), which `HANDFAST_CLIPS` names.
    Clips,
    /// The program `bwrap` (bubblewrap).
    Bwrap,
    /// The program `systemd-socket-activate`.
    SystemdSocketActivate,
    /// The rights of root: to look into any process, and to be another user.
    Root,
}

const ALL: &[Requirement] = &[
    Requirement::Ffmpeg,
    Requirement::Python3,
    Requirement::Wine,
    Requirement::Clang,
    Requirement::Cxx,
    Requirement::Make,
    Requirement::PkgConfig,
    Requirement::Valgrind,
    Requirement::I686,
    Requirement::Vulkan,
    Requirement::Dri,
    Requirement::Clips,
    Requirement::Bwrap,
    Requirement::SystemdSocketActivate,
    Requirement::Root,
];

/// Gives what was found: the program, the driver's manifest, the device or, for root, `/proc`.
///
/// What is missing is told as `SKIP <test>: <why>` on standard error, past the test harness, and
/// as a line of the file that `HANDFAST_SKIPS` names; the test returns then.
///
/// # Panics
///
/// When it is missing and `HANDFAST_REQUIRE` is `all` or a list with its name, such as
/// `ffmpeg,python3`; and when that list has a name that is none.
#[track_caller]
pub fn require(what: Requirement) -> Option<PathBuf> {
    let found = what.find();
    if found.is_none() {
        let demanded = std::env::var("HANDFAST_REQUIRE").unwrap_or_default();
        assert!(!demands(&demanded, what), "no {what} here, and HANDFAST_REQUIRE={demanded}");
        skip(what).expect("a skip can be told");
    }
    found
}

impl Requirement {
    fn name(self) -> &'static str {
        match self {
            Self::Ffmpeg => "ffmpeg",
            Self::Python3 => "python3",
            Self::Wine => "wine",
            Self::Clang => "clang",
            Self::Cxx => "g++",
            Self::Make => "make",
            Self::PkgConfig => "pkg-config",
            Self::Valgrind => "valgrind",
            Self::I686 => "i686",
            Self::Vulkan => "vulkan",
            Self::Dri => "dri",
            Self::Clips => "clips",
            Self::Bwrap => "bwrap",
            Self::SystemdSocketActivate => "systemd-socket-activate",
            Self::Root => "root",
        }
    }

    fn find(self) -> Option<PathBuf> {
        match self {
            Self::Ffmpeg
            | Self::Python3
            | Self::Wine
            | Self::Bwrap
            | Self::SystemdSocketActivate
            | Self::Clang
            | Self::Cxx
            | Self::Make
            | Self::PkgConfig
            | Self::Valgrind => program(&std::env::var_os("PATH")?, self.name()),
            Self::I686 => {
                let gcc = first(Path::new("/usr/lib/gcc/x86_64-linux-gnu"), |version| {
                    version.join("32/libgcc.a").is_file()
                });
                gcc.and(rust_library("i686-unknown-linux-gnu"))
            }
            Self::Vulkan => {
                let libraries = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(Path::new);
                let is_loader = |path: &Path| path.ends_with("libvulkan.so.1");
                let below = libraries.iter().flat_map(|folder| entries(folder));
                let mut folders = libraries.iter().map(PathBuf::from).chain(below);
                folders.find_map(|folder| first(&folder, is_loader))?;
                let drivers = ["/etc", "/usr/local/share", "/usr/share"].map(Path::new);
                let is_driver = |path: &Path| path.extension() == Some(OsStr::new("json"));
                drivers.iter().find_map(|folder| first(&folder.join("vulkan/icd.d"), is_driver))
            }
            Self::Dri => first(Path::new("/dev/dri"), |path| {
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("renderD"))
            }),
            Self::Clips => {
                let folder = PathBuf::from(std::env::var_os("HANDFAST_CLIPS")?);
                let is_clip = |path: &Path| path.extension() == Some(OsStr::new("mp4"));
                first(&folder, is_clip).map(|_| folder)
            }
            Self::Root => rustix::process::geteuid().is_root().then(|| PathBuf::from("/proc")),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether the value of `HANDFAST_REQUIRE` makes this a must.
fn demands(value: &str, what: Requirement) -> bool {
    let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.fold(false, |demanded, name| {
        let known = name == "all" || ALL.iter().any(|known| known.name() == name);
        assert!(known, "HANDFAST_REQUIRE={value}: there is no {name}");
        demanded || name == "all" || name == what.name()
    })
}

fn skip(what: Requirement) -> io::Result<()> {
    let line = format!("SKIP {}: no {what} here\n", test());
    // Not `eprintln!`: the harness would keep it to itself.
    io::stderr().write_all(line.as_bytes())?;
    if let Some(path) = std::env::var_os("HANDFAST_SKIPS") {
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        file.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// The running test: its thread has its name, or where it runs on the first one the argument has.
fn test() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let file = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = file.rsplit_once('-').map_or(file.as_str(), |(name, _)| name);
    let thread = std::thread::current().name().filter(|name| *name != "main").map(str::to_owned);
    let argument = || std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    match thread.or_else(argument) {
        Some(test) => format!("{file}::{test}"),
        None => file.to_owned(),
    }
}

/// Rust's own library for a target.
fn rust_library(target: &str) -> Option<PathBuf> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output =
        Command::new(compiler).args(["--print", "target-libdir", "--target", target]).output();
    let folder = PathBuf::from(String::from_utf8(output.ok()?.stdout).ok()?.trim_end());
    let is_core = |path: &Path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libcore-"))
    };
    first(&folder, is_core).map(|_| folder)
}

fn program(folders: &OsStr, name: &str) -> Option<PathBuf> {
    std::env::split_paths(folders).map(|folder| folder.join(name)).find(|path| {
        fs::metadata(path)
            .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    })
}

fn first(folder: &Path, is_it: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    entries(folder).into_iter().find(|path| is_it(path))
}

/// What lies in a folder, in order; nothing if it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demand_is_for_all_or_by_name() {
        assert!(demands("all", Requirement::Wine));
        assert!(demands("ffmpeg, wine", Requirement::Wine));
        assert!(!demands("ffmpeg,python3", Requirement::Wine));
        assert!(!demands("", Requirement::Wine));
    }

    #[test]
    #[should_panic(expected = "there is no whine")]
    fn a_demand_for_nothing_known_is_refused() {
        demands("all,whine", Requirement::Wine);
    }

    #[test]
    fn a_program_is_an_executable_file() {
        assert_eq!(program(OsStr::new("/nowhere:/bin"), "sh"), Some(PathBuf::from("/bin/sh")));
        assert_eq!(program(OsStr::new("/etc:/"), "passwd"), None);
        assert_eq!(program(OsStr::new("/"), "bin"), None);
    }
}
