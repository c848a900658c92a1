//! Sends the broker a descriptor that nobody asked for, and whose `close()` takes as long as its
//! other end likes.
//!
//! A process of its own does it: whoever forks beside it would have to close that descriptor, too.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::time::Duration;

use handfast_model::object::Request;
use rustix::net::sockopt::set_socket_linger;

use crate::connection::{Connection, create};
use crate::{orders, say};

const FOR_EVER: Duration = Duration::from_secs(3600);

pub(crate) fn run() -> anyhow::Result<()> {
    // Whoever has a stream may send memory, so the kernel lets descriptors through.
    let mut broker = Connection::open()?;
    broker.ask(create("linger"))?;
    let _stream = broker.created()?;
    let (socket, other_end) = lingering()?;
    say("ready")?;
    let orders = orders();
    if orders.recv().is_ok() {
        broker.ask_with(Request::List { after: 0 }, &[socket.as_fd()])?;
        // The copy that is on its way is the last now, and the broker's to close.
        drop(socket);
        say("sent")?;
    }
    drop(orders.recv());
    drop(other_end);
    Ok(())
}

/// A socket with unsent bytes, which its `close()` waits for, and its other end.
fn lingering() -> anyhow::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut socket = TcpStream::connect(listener.local_addr()?)?;
    let (other_end, _) = listener.accept()?;
    set_socket_linger(&socket, Some(FOR_EVER))?;
    socket.set_nonblocking(true)?;
    let rest = vec![0; 1 << 16];
    while socket.write(&rest).is_ok() {}
    socket.set_nonblocking(false)?;
    Ok((socket, other_end))
}
