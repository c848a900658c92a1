//! `handfast ls`.

use std::io::Write as _;
use std::process::ExitCode;

use handfast::Client;

use crate::args::LsArgs;

pub(crate) fn run(args: &LsArgs) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    let Some(mut client) = Client::connect_existing()? else {
        if !args.json {
            writeln!(out, "Nothing is shared: no broker runs.")?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    for object in client.list()? {
        writeln!(out, "{object:?}")?;
    }
    Ok(ExitCode::SUCCESS)
}
