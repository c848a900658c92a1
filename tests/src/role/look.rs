//! Looks at what is shared, connecting anew each time it is told to.

use anyhow::bail;
use handfast::Client;

use crate::{orders, say};

pub(crate) fn run() -> anyhow::Result<()> {
    say("ready")?;
    let mut client = None;
    for order in orders() {
        match order.as_str() {
            "connect" => {
                let connected = client.insert(Client::connect()?);
                say(format!("broker {}", connected.broker().pid))?;
            }
            "list" => {
                let Some(client) = &mut client else { bail!("there is no connection yet") };
                let mut answer = String::from("objects:");
                for object in client.list()? {
                    let receivers = object.stream().map_or(0, |stream| stream.receivers);
                    let names = object.names.join(",");
                    answer += &format!(" {names}/{receivers}");
                }
                say(answer)?;
            }
            "close" => {
                client = None;
                say("closed")?;
            }
            _ => bail!("a client that looks cannot {order:?}"),
        }
    }
    Ok(())
}
