//! The checks and generators of the repository: `cargo xtask tidy`, `cargo xtask
//! install`, `cargo xtask instructions`.
//!
//! It is no part of the product, and no crate of the product may depend on it.
#![forbid(unsafe_code)]

mod install;
mod instructions;
mod tidy;

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use install::Install;
use instructions::Then;

const USAGE: &str = "\
usage: cargo xtask tidy
       cargo xtask install [--prefix DIR] [--profile release]
       cargo xtask instructions [--write]";

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => tidy(),
        ["instructions"] => instructions(Then::Compare),
        ["instructions", "--write"] => instructions(Then::Write),
        ["install", rest @ ..] => match Install::parse(rest) {
            Ok(install) => install.run(&repository()).map(|()| ExitCode::SUCCESS),
            Err(misuse) => refuse(&misuse),
        },
        _ => refuse(&USAGE),
    }
}

fn refuse(why: &impl Display) -> anyhow::Result<ExitCode> {
    writeln!(std::io::stderr(), "{why}")?;
    Ok(ExitCode::from(2))
}

/// Prints the counts; the exit code is 1 if one is too high.
fn instructions(then: Then) -> anyhow::Result<ExitCode> {
    let (table, well) = instructions::run(&repository(), then)?;
    write!(std::io::stdout(), "{table}")?;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what tidy found; the exit code is 1 if that was anything.
fn tidy() -> anyhow::Result<ExitCode> {
    let findings = tidy::findings(&repository())?;
    let mut out = std::io::stdout().lock();
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    match findings.len() {
        0 => Ok(ExitCode::SUCCESS),
        count => {
            writeln!(out, "tidy: {count} to mend")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The folder that holds `xtask`, as Cargo says: it takes a program that it has built in another
/// copy of the repository for current.
fn repository() -> PathBuf {
    let said = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let xtask = said.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    xtask.parent().map_or(PathBuf::from("."), Path::to_owned)
}
