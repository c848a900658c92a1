//! `handfast broker`: serves in the foreground until a signal or idleness ends it, at a socket of
//! its own or at the one that a service manager passed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use handfast_broker::activation::{self, Activation, State, activate};
use handfast_broker::place::Place;
use handfast_broker::{Config, Listener, Users};
use handfast_image::{KeepError, Process, keep};

use crate::args::BrokerArgs;

pub(crate) fn run(args: &BrokerArgs) -> anyhow::Result<ExitCode> {
    let (listener, config, socket) = match activation::passed()? {
        Some((listener, socket)) => {
            check_agrees(args, &socket)?;
            // The file is the manager's: it stays for the next start.
            let config = config(args, &Place::at(&socket)?, None);
            (listener, config, socket)
        }
        None => listen(args)?,
    };
    let served = keep(listener, &config, || {
        if !args.quiet {
            // Nobody may be there to read it.
            writeln!(std::io::stderr(), "serving {}; Ctrl-C stops it", socket.display()).ok();
        }
        tell(State::Ready);
    });
    match served {
        // It has said why.
        Err(KeepError::Ended { .. }) => return Ok(ExitCode::FAILURE),
        Ok(Process::Broker) => return Ok(ExitCode::SUCCESS),
        Ok(Process::Keeper) | Err(_) => tell(State::Stopping),
    }
    served?;
    Ok(ExitCode::SUCCESS)
}

/// A broker at a socket that it makes itself.
fn listen(args: &BrokerArgs) -> anyhow::Result<(Listener, Config, PathBuf)> {
    let place = match &args.socket {
        Some(path) => Place::at(&std::path::absolute(path)?)?,
        None => Place::find()?,
    };
    let config = config(args, &place, Some(place.socket.clone()));
    match activate(&place, config.users)? {
        Activation::Listening(listener, lock) => {
            // It listens: whoever comes now waits in its queue.
            drop(lock);
            Ok((listener, config, place.socket))
        }
        Activation::Answered(_) => bail!("a broker serves {} already", place.socket.display()),
    }
}

fn config(args: &BrokerArgs, place: &Place, socket: Option<PathBuf>) -> Config {
    let all = args.all_users || place.is_machine();
    let users = if all { Users::All } else { Users::Own };
    Config { socket, idle_exit: args.idle_exit, users }
}

/// Clients would look for it where it is not.
fn check_agrees(args: &BrokerArgs, passed: &Path) -> anyhow::Result<()> {
    let Some(wanted) = &args.socket else { return Ok(()) };
    if std::path::absolute(wanted)? != passed {
        bail!(
            "--socket says {}, and the service manager passed {}: leave --socket out",
            wanted.display(),
            passed.display()
        );
    }
    Ok(())
}

/// Tells the service manager, which may be gone: the broker serves all the same.
fn tell(state: State) {
    if let Err(error) = activation::notify(state) {
        tracing::warn!(%error, ?state, "the service manager was not told");
    }
}
