//! Finding the program `handfast` that belongs to the sources.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// What the program is made from, beside the workspace's own manifest and lock file.
const FOLDERS: &[&str] = &["core", "linux", "broker", "handfast", "cli"];

/// The path of the program, built from the sources as they are.
///
/// Cargo builds a program for the tests of its own package only, so the one beside the tests may be
/// missing or old. It is built here then, once, with the profile of the tests.
///
/// # Panics
///
/// When it cannot be built; what Cargo said is in the message.
pub fn handfast() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let tests = std::env::current_exe().expect("a test is a program");
        // target/<profile>/deps/<test>
        let profile = tests.ancestors().nth(2).expect("tests lie in a target folder");
        let program = profile.join("handfast");
        if !is_current(&program) {
            build(profile, &program);
        }
        program
    })
}

/// Builds the program, while no other test does.
fn build(profile: &Path, program: &Path) {
    let lock = File::create(profile.join(".handfast-build")).expect("the target folder is ours");
    lock.lock().expect("the lock file can be locked");
    if is_current(program) {
        return;
    }
    let target = profile.parent().expect("a profile lies in a target folder");
    let profile = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--package", "handfast-cli", "--bin", "handfast", "--profile", profile])
        .arg("--target-dir")
        .arg(target)
        .current_dir(workspace())
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the program cannot be built:\n{said}");
    assert!(program.exists(), "cargo built no {}:\n{said}", program.display());
}

/// Whether the program is there and no source is newer.
fn is_current(program: &Path) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|data| data.modified());
    let Ok(built) = modified(program) else { return false };
    let workspace = workspace();
    let newest = || -> io::Result<SystemTime> {
        let mut newest =
            modified(&workspace.join("Cargo.toml"))?.max(modified(&workspace.join("Cargo.lock"))?);
        for folder in FOLDERS {
            newest = newest.max(newest_source(&workspace.join(folder))?);
        }
        Ok(newest)
    };
    newest().is_ok_and(|newest| newest <= built)
}

/// When the last of the sources in a folder was changed, but for tests and benchmarks.
fn newest_source(folder: &Path) -> io::Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if name != "tests" && name != "benches" && name != "target" {
                newest = newest.max(newest_source(&entry.path())?);
            }
        } else if Path::new(&name).extension().is_some_and(|end| end == "rs" || end == "toml") {
            newest = newest.max(entry.metadata()?.modified()?);
        }
    }
    Ok(newest)
}

/// Where the sources are now: Cargo says so when it runs a test, and takes one that it has built in
/// another copy of the sources for current.
fn workspace() -> PathBuf {
    let said = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let tests = said.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    tests.parent().map_or(PathBuf::from("."), Path::to_owned)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_newest_source_counts_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let make = |path: &str, seconds: u64| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            File::create(path).unwrap().set_modified(time).unwrap();
        };
        let newest = || newest_source(folder.path()).unwrap();
        make("model/Cargo.toml", 1);
        make("model/tests/a.rs", 9);
        make("README.md", 9);
        assert_eq!(newest(), SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        make("model/src/lib.rs", 2);
        assert_eq!(newest(), SystemTime::UNIX_EPOCH + Duration::from_secs(2));
    }
}
