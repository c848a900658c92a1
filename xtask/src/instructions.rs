//! `cargo xtask instructions`: how many instructions the hot paths take, beside what was committed.
//!
//! Times on a shared machine say little; counts say the same each time. They are valgrind's, of a
//! release build, and belong to one compiler: after an update of the compiler, or a change that is
//! meant to cost, `--write` writes them down again.

use std::fmt::Write as _;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

/// What is counted, in the order of the file.
const PATHS: [&str; 11] = [
    "fence-signal",
    "fence-signal-private",
    "fence-rewind",
    "fence-value",
    "fence-wait-reached",
    "wait-any-of-8",
    "event-set-and-take",
    "fence-new",
    "keyed-mutex",
    "stream-frame",
    "stream-frame-to-one",
];

/// How many times a path is gone along; the difference is what counts, so that what happens once
/// does not.
const FEW: u64 = 500;
const MANY: u64 = 2500;

/// A count may be so many hundredths above what was committed, and a few instructions besides.
const TOLERANCE_HUNDREDTHS: u64 = 5;
const TOLERANCE_INSTRUCTIONS: u64 = 3;

/// What to do with the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Compare them with what was committed.
    Compare,
    /// Commit them.
    Write,
}

/// Counts, and compares or writes. The table, and whether all is well.
pub(crate) fn run(repository: &Path, then: Then) -> anyhow::Result<(String, bool)> {
    let committed_at = repository.join("bench").join("instructions.txt");
    let program = build(repository)?;
    let counts: Vec<u64> =
        PATHS.iter().map(|path| per_turn(&program, path)).collect::<anyhow::Result<_>>()?;
    let compiler = compiler()?;
    if then == Then::Write {
        let text = file(&compiler, &counts);
        std::fs::write(&committed_at, &text)?;
        return Ok((text, true));
    }
    let committed = std::fs::read_to_string(&committed_at).context("bench/instructions.txt")?;
    let (table, well) = compare(&parse(&committed)?, &counts);
    if !committed.contains(&compiler) {
        return Ok((format!("{table}not compared: these are of {compiler}\n"), true));
    }
    Ok((table, well))
}

fn build(repository: &Path) -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // The paths start the broker that lies beside them, which must not be an older one.
    let arguments =
        ["build", "--release", "--workspace", "--bin", "handfast-paths", "--bin", "handfast"];
    let built = Command::new(cargo).args(arguments).current_dir(repository).status()?;
    if !built.success() {
        bail!("handfast-paths could not be built");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| repository.join("target"), PathBuf::from);
    Ok(target.join("release").join("handfast-paths"))
}

fn per_turn(program: &Path, path: &str) -> anyhow::Result<u64> {
    let (few, many) = (count(program, path, FEW)?, count(program, path, MANY)?);
    Ok(many.saturating_sub(few) / (MANY - FEW))
}

/// Instructions of one run, with a broker of its own.
fn count(program: &Path, path: &str, turns: u64) -> anyhow::Result<u64> {
    let mut private = tempfile::Builder::new();
    let place = private.permissions(Permissions::from_mode(0o700)).tempdir()?;
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([path, &turns.to_string()])
        .env("HANDFAST_SOCKET", place.path().join("socket"))
        .output()
        .context("valgrind")?;
    let said = String::from_utf8_lossy(&run.stderr);
    if !run.status.success() {
        bail!("{path} failed under valgrind: {said}");
    }
    collected(&said).with_context(|| format!("valgrind counted nothing: {said}"))
}

/// `==123== Collected : 4567`.
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.split_once("Collected :"))?;
    line.1.split_whitespace().next()?.parse().ok()
}

/// Counts of different compilers say nothing about each other.
fn compiler() -> anyhow::Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(rustc).arg("--version").output().context("rustc")?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

fn file(compiler: &str, counts: &[u64]) -> String {
    let mut text =
        format!("# Instructions of one turn; cargo xtask instructions --write\n# {compiler}\n");
    for (path, count) in PATHS.iter().zip(counts) {
        text += &format!("{path} {count}\n");
    }
    text
}

fn parse(text: &str) -> anyhow::Result<Vec<(String, u64)>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (path, count) = line.split_once(' ').context("not a path and a count")?;
            Ok((path.to_owned(), count.parse()?))
        })
        .collect()
}

fn compare(committed: &[(String, u64)], counts: &[u64]) -> (String, bool) {
    let mut text = format!("{:<22} {:>9} {:>9}\n", "path", "committed", "now");
    let mut well = committed.len() == counts.len();
    for (path, now) in PATHS.iter().zip(counts) {
        let before = committed.iter().find(|(known, _)| known == path).map(|(_, count)| *count);
        let limit = before
            .map_or(0, |count| count + count * TOLERANCE_HUNDREDTHS / 100 + TOLERANCE_INSTRUCTIONS);
        let verdict = if *now > limit { "  too many" } else { "" };
        well &= *now <= limit;
        let before = before.map_or("-".into(), |count| count.to_string());
        // Writing to a string cannot fail.
        writeln!(text, "{path:<22} {before:>9} {now:>9}{verdict}").ok();
    }
    (text, well)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_what_valgrind_says() {
        assert_eq!(collected("==7== \n==7== Collected : 4567\n==7== x"), Some(4567));
        assert_eq!(collected("==7== nothing"), None);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let counts: Vec<u64> = (0..11).map(|number| number * 10).collect();
        let parsed = parse(&file("rustc 1", &counts)).unwrap();
        assert_eq!(parsed.iter().map(|(_, count)| *count).collect::<Vec<_>>(), counts);
        assert!(compare(&parsed, &counts).1);
    }

    #[test]
    fn more_than_was_committed_is_told_and_less_is_fine() {
        let committed: Vec<_> = PATHS.iter().map(|path| ((*path).to_owned(), 100)).collect();
        let mut counts = vec![108; PATHS.len()];
        assert!(compare(&committed, &counts).1);
        counts[3] = 109;
        let (text, well) = compare(&committed, &counts);
        assert!(
            !well && text.contains("fence-value                  100       109  too many"),
            "{text}"
        );
        assert!(!compare(&committed[1..], &[1; 11]).1, "a path that was never committed");
    }
}
