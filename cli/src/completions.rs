//! `handfast completions` and `handfast man`: what shells and `man` know of this program.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser};
use clap_complete::Shell;

use crate::args::Args;
use crate::look;

/// `handfast completions`.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  handfast completions bash > ~/.local/share/bash-completion/completions/handfast
  handfast completions zsh  > ~/.zfunc/_handfast
  handfast completions fish > ~/.config/fish/completions/handfast.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// `handfast man`.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  handfast man | man -l -
  handfast man --out ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Write the pages of all commands here; else the first page goes to standard output
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "handfast", &mut text);
    look::say(&String::from_utf8_lossy(&text))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn run_man(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let command = Args::command();
    match &args.out {
        Some(folder) => {
            let refused = || folder.display().to_string();
            fs::create_dir_all(folder).with_context(refused)?;
            clap_mangen::generate_to(command, folder).with_context(refused)?;
        }
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(command).render(&mut text)?;
            look::say(&String::from_utf8_lossy(&text))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
