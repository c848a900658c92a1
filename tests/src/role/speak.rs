//! Uses the connection of another process, which lies on standard input: it asks for a listing.

use handfast_model::object::Request;
use handfast_model::wire::ClientMessage;
use rustix::net::{SendFlags, send};

use crate::say;

pub(crate) fn run() -> anyhow::Result<()> {
    let message = ClientMessage::Request { number: 1, request: Request::List { after: 0 } };
    send(std::io::stdin(), &message.encode(), SendFlags::NOSIGNAL)?;
    Ok(say("sent")?)
}
