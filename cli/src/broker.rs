//! `handfast broker`: serves in the foreground until a signal or idleness ends it.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use handfast_broker::activation::{Activation, activate};
use handfast_broker::place::Place;
use handfast_broker::{Broker, Config, Users};

use crate::args::BrokerArgs;

pub(crate) fn run(args: &BrokerArgs) -> anyhow::Result<ExitCode> {
    let place = match &args.socket {
        Some(path) => Place::at(&std::path::absolute(path)?)?,
        None => Place::find()?,
    };
    let all = args.all_users || place.is_machine();
    let users = if all { Users::All } else { Users::Own };
    let (listener, lock) = match activate(&place, users)? {
        Activation::Listening(listener, lock) => (listener, lock),
        Activation::Answered(_) => {
            bail!("a broker serves {} already", place.socket.display());
        }
    };
    let socket = place.socket.clone();
    let config = Config { socket: Some(place.socket), idle_exit: args.idle_exit, users };
    let broker = Broker::new(listener, config)?;
    drop(lock);
    if !args.quiet {
        writeln!(std::io::stderr(), "serving {}; Ctrl-C stops it", socket.display())?;
    }
    broker.serve()?;
    Ok(ExitCode::SUCCESS)
}
