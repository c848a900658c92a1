//! Closes the handle that bears a stream's name, and makes a stream of that name anew.

use anyhow::bail;
use handfast_model::object::{Error, Request};
use handfast_model::wire::BrokerMessage;

use crate::connection::{Connection, create};
use crate::{number, orders, say};

pub(crate) fn run() -> anyhow::Result<()> {
    let mut broker = Connection::open()?;
    broker.ask(create("cam"))?;
    let mut made = broker.created()?;
    say("ready")?;
    let orders = orders();
    while let Ok(order) = orders.recv() {
        let (opening, handle) = made;
        match order.split(' ').collect::<Vec<_>>().as_slice() {
            // The broker comes to the request, which lies there already, before it comes to the
            // news of the close.
            ["ask", "close"] => {
                broker.ask(create("cam"))?;
                drop(handle);
                say("closed")?;
                made = broker.created()?;
            }
            // Or it is busy with so many other questions.
            ["close", "ask", questions] => {
                broker.ask(create("cam"))?;
                let (taken, _) = broker.hear()?;
                if !matches!(taken, BrokerMessage::Failed { error: Error::NameTaken { .. }, .. }) {
                    bail!("{taken:?} while the name is taken");
                }
                let questions = number(questions)?;
                for _ in 0..questions {
                    broker.ask(Request::List { after: 0 })?;
                }
                drop(handle);
                broker.ask(create("cam"))?;
                for _ in 0..questions {
                    broker.hear()?;
                }
                made = broker.created()?;
            }
            _ => bail!("names cannot {order:?}"),
        }
        broker.ask(Request::Drop { opening })?;
        broker.hear()?;
        say("made")?;
    }
    Ok(())
}
