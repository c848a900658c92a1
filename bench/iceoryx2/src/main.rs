//! iceoryx2's side of `cargo bench -p handfast-bench --bench rivals`, which builds and starts it.
//!
//! It plays one part: `ping NAME` and `echo NAME` go round through two event services;
//! `publish NAME BYTES QUEUED` and `subscribe NAME BYTES QUEUED` send frames through a
//! publish-subscribe service whose subscriber sleeps on an event, with so many frames waiting for
//! it at most. Each says `there`, then does what a line says, as often as the line says.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::io::{BufRead as _, Write as _};
use std::time::Instant;

use anyhow::{Context as _, bail};
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::prelude::*;

type Node = iceoryx2::node::Node<ipc::Service>;
type Frames =
    iceoryx2::service::port_factory::publish_subscribe::PortFactory<ipc::Service, [u8], ()>;

fn main() -> anyhow::Result<()> {
    set_log_level(LogLevel::Error);
    let words: Vec<String> = std::env::args().skip(1).collect();
    let node = NodeBuilder::new().create::<ipc::Service>()?;
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["ping", name] => ping(&node, name),
        ["echo", name] => echo(&node, name),
        ["publish", name, bytes, queued] => publish(&node, name, bytes.parse()?, queued.parse()?),
        ["subscribe", name, bytes, queued] => {
            subscribe(&node, name, bytes.parse()?, queued.parse()?)
        }
        _ => bail!("ping | echo NAME, publish | subscribe NAME BYTES QUEUED"),
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// The number at the end of the next line; None when nobody asks any more.
fn hear() -> anyhow::Result<Option<u64>> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let Some(count) = line.split_whitespace().last() else { return Ok(None) };
    Ok(Some(count.parse().context("not a number")?))
}

fn notifier(node: &Node, name: &str) -> anyhow::Result<Notifier<ipc::Service>> {
    let service = node.service_builder(&name.try_into()?).event().open_or_create()?;
    Ok(service.notifier_builder().create()?)
}

fn listener(node: &Node, name: &str) -> anyhow::Result<Listener<ipc::Service>> {
    let service = node.service_builder(&name.try_into()?).event().open_or_create()?;
    Ok(service.listener_builder().create()?)
}

/// Sleeps until the event was triggered.
fn sleep(listener: &Listener<ipc::Service>) -> anyhow::Result<()> {
    let mut triggered = false;
    while !triggered {
        listener.blocking_wait(|_| triggered = true)?;
    }
    Ok(())
}

/// Started after `echo`, whose listener has to be there.
fn ping(node: &Node, name: &str) -> anyhow::Result<()> {
    let pong = listener(node, &format!("{name}-pong"))?;
    let ping = notifier(node, &format!("{name}-ping"))?;
    say("there")?;
    while let Some(count) = hear()? {
        let started = Instant::now();
        for _ in 0..count {
            ping.notify()?;
            sleep(&pong)?;
        }
        say(&started.elapsed().as_nanos().to_string())?;
    }
    Ok(())
}

fn echo(node: &Node, name: &str) -> anyhow::Result<()> {
    let ping = listener(node, &format!("{name}-ping"))?;
    let pong = notifier(node, &format!("{name}-pong"))?;
    say("there")?;
    while let Some(count) = hear()? {
        for _ in 0..count {
            sleep(&ping)?;
            pong.notify()?;
        }
    }
    Ok(())
}

fn frames(node: &Node, name: &str, queued: usize) -> anyhow::Result<Frames> {
    Ok(node
        .service_builder(&name.try_into()?)
        .publish_subscribe::<[u8]>()
        .enable_safe_overflow(false)
        .subscriber_max_buffer_size(queued)
        .subscriber_max_borrowed_samples(1)
        .max_subscribers(1)
        .open_or_create()?)
}

fn publish(node: &Node, name: &str, bytes: usize, queued: usize) -> anyhow::Result<()> {
    let publisher = frames(node, name, queued)?
        .publisher_builder()
        .initial_max_slice_len(bytes)
        .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
        .create()?;
    let sent = notifier(node, &format!("{name}-sent"))?;
    let picture = vec![0x5A; bytes];
    say("there")?;
    while let Some(count) = hear()? {
        for _ in 0..count {
            publisher.loan_slice_uninit(bytes)?.write_from_slice(&picture).send()?;
            sent.notify()?;
        }
    }
    Ok(())
}

fn subscribe(node: &Node, name: &str, bytes: usize, queued: usize) -> anyhow::Result<()> {
    let subscriber = frames(node, name, queued)?.subscriber_builder().create()?;
    let sent = listener(node, &format!("{name}-sent"))?;
    let mut pixels = vec![0; bytes];
    say("there")?;
    while let Some(count) = hear()? {
        let mut frames = 0;
        while frames < count {
            while let Some(frame) = subscriber.receive()? {
                pixels.copy_from_slice(frame.payload());
                black_box(&mut pixels);
                frames += 1;
            }
            if frames < count {
                sleep(&sent)?;
            }
        }
        say("all")?;
    }
    Ok(())
}
