//! The library as `cargo xtask install` leaves it, and C programs that use it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

use handfast_tests::{Scratch, handfast};

/// What is installed is made from this, beside the workspace's manifest and lock file.
const SOURCES: &[&str] =
    &["core", "linux", "broker", "handfast", "cli", "capi", "include", "xtask"];
/// Programs that are not examples.
pub(crate) const PROGRAMS: &[&str] = &["hold", "misuse", "objects", "end", "layout", "numbers"];
pub(crate) const EXAMPLES: &[&str] =
    &["send", "recv", "epoll", "list", "produce", "consume", "handles", "values"];
pub(crate) const WARNINGS: &[&str] = &["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// The folder of the workspace: Cargo says so when it runs a test.
pub(crate) fn workspace() -> PathBuf {
    let said = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let tests = said.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    tests.parent().expect("tests lie in the workspace").to_owned()
}

/// The folder in which Cargo leaves what it builds like the tests.
pub(crate) fn profile() -> PathBuf {
    let tests = std::env::current_exe().expect("a test is a program");
    tests.ancestors().nth(2).expect("tests lie in a target folder").to_owned()
}

pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let target = profile().parent().expect("a profile lies in a target folder").to_owned();
    command.current_dir(workspace()).env("CARGO_TARGET_DIR", target);
    command
}

/// Cargo's name of the tests' profile.
pub(crate) fn profile_name() -> String {
    match profile().file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev".to_owned(),
        Some(name) => name.to_owned(),
    }
}

/// Runs it and gives its standard output.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The prefix in which library, header and program are installed, as the sources are now.
pub(crate) fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = profile().join("capi-prefix");
        let lock = File::create(profile().join(".capi-prefix")).expect("the folder is ours");
        lock.lock().expect("the lock file can be locked");
        // Written last.
        if !is_newer(&prefix.join("lib/pkgconfig/handfast.pc")) {
            let mut install = cargo();
            install.args(["run", "--quiet", "--package", "xtask", "--", "install", "--profile"]);
            run(install.arg(profile_name()).arg("--prefix").arg(&prefix).env_remove("DESTDIR"));
        }
        prefix
    })
}

fn is_newer(made: &Path) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|data| data.modified());
    let Ok(made) = modified(made) else { return false };
    let folders = SOURCES.iter().map(|folder| newest(&workspace().join(folder)));
    let files = ["Cargo.toml", "Cargo.lock"].map(|file| modified(&workspace().join(file)));
    folders.chain(files).all(|time| time.is_ok_and(|time| time < made))
}

/// When the last file of a folder was changed.
fn newest(folder: &Path) -> io::Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let time = if entry.file_type()?.is_dir() {
            self::newest(&entry.path())?
        } else {
            entry.metadata()?.modified()?
        };
        newest = newest.max(time);
    }
    Ok(newest)
}

/// The C source of an example or of a program of the tests.
pub(crate) fn source(program: &str) -> PathBuf {
    let folder = if EXAMPLES.contains(&program) { "examples/c" } else { "tests/tests/capi" };
    workspace().join(folder).join(program).with_extension("c")
}

/// C programs in a scratch, built against a library.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) scratch: Scratch,
    library: PathBuf,
}

impl Programs {
    /// Builds these programs with gcc against the installed library.
    #[track_caller]
    pub(crate) fn build(names: &[&str]) -> Self {
        Self::build_with(names, &[], &prefix().join("lib"))
    }

    /// As [`Self::build`], with options of gcc's and a library from elsewhere.
    #[track_caller]
    pub(crate) fn build_with(names: &[&str], options: &[&str], library: &Path) -> Self {
        let scratch = Scratch::new();
        for name in names {
            let mut gcc = Command::new("gcc");
            gcc.args(options).args(["-std=c99", "-g", "-O1", "-D_GNU_SOURCE", "-pthread"]);
            gcc.args(WARNINGS).arg("-I").arg(workspace().join("include"));
            gcc.arg("-I").arg(workspace().join("examples/c")).arg("-o");
            gcc.arg(scratch.path().join(name)).arg(source(name));
            run(gcc.arg("-L").arg(library).arg("-lhandfast"));
        }
        Self { scratch, library: library.to_owned() }
    }

    /// One of the programs, with the library and the broker that belong to the sources.
    pub(crate) fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = self.scratch.command(self.scratch.path().join(name));
        command.env("LD_LIBRARY_PATH", &self.library).env("HANDFAST_BROKER", handfast());
        command.args(arguments);
        command
    }
}
