//! A client without the library's rules that offers pages and drops handles which are not its own,
//! and one that writes anything into a page of its own before it makes an object of it.

use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use handfast::{Client, Fence, WaitOutcome};
use handfast_model::contract::access::AccessMask;
use handfast_model::object::{
    Error, HandleForm, HandleId, OpeningId, PageId, RawName, Reply, Request, Spec,
};
use handfast_model::wire::BrokerMessage;

use super::Dice;
use crate::connection::Connection;

const PAGE_BYTES: u64 = 4096;

/// A fence that was made.
struct Made {
    handle: HandleId,
    opening: OpeningId,
    page: PageId,
    /// None where the offered page was taken.
    sent: Option<OwnedFd>,
}

fn make(
    broker: &mut Connection,
    name: &str,
    value: u64,
    spare: Option<PageId>,
) -> anyhow::Result<Made> {
    let (name, access, form) =
        (Some(RawName::from(name)), AccessMask::GENERIC_ALL, HandleForm::Held);
    broker.ask(Request::Create { spec: Spec::Fence { value }, name, access, form, spare })?;
    let (message, descriptors) = broker.hear()?;
    let BrokerMessage::Reply { reply: Reply::Created { handle, opening, parts, .. }, .. } = message
    else {
        bail!("{message:?} instead of a fence");
    };
    let page = parts.spare.or(parts.page.map(|(page, _)| page)).context("a fence has a page")?;
    ensure!(descriptors.len() == usize::from(parts.spare.is_none()), "{parts:?}");
    Ok(Made { handle, opening, page, sent: descriptors.into_iter().next() })
}

fn drop_handle(broker: &mut Connection, handle: HandleId) -> anyhow::Result<BrokerMessage> {
    broker.ask(Request::DropHandle { handle })?;
    Ok(broker.hear()?.0)
}

/// Drops it; its page stays with this client.
fn give_up(broker: &mut Connection, made: &Made) -> anyhow::Result<()> {
    drop_handle(broker, made.handle)?;
    broker.ask(Request::Drop { opening: made.opening })?;
    broker.hear()?;
    Ok(())
}

/// What is another's stays another's.
pub(super) fn strangers() -> anyhow::Result<()> {
    // Starts the broker.
    Client::connect()?;
    let (mut owner, mut stranger) = (Connection::open()?, Connection::open()?);
    let used = make(&mut owner, "used", 5, None)?;
    let check = || -> anyhow::Result<()> {
        ensure!(Fence::open("used")?.value()? == 5, "another's fence has changed");
        Ok(())
    };
    check()?;
    let answer = drop_handle(&mut stranger, used.handle)?;
    let error = Error::HandleNotHeld { handle: used.handle };
    let refused = BrokerMessage::Failed { number: 1, error };
    ensure!(answer == refused, "another's handle: {answer:?}");
    check()?;
    let kept = make(&mut owner, "kept", 6, None)?;
    give_up(&mut owner, &kept)?;
    for (page, what) in [
        (used.page, "a page in use"),
        (kept.page, "another's spare page"),
        (PageId(u64::MAX), "no page"),
    ] {
        let made = make(&mut stranger, "offered", 9, Some(page))?;
        ensure!(made.page != page && made.sent.is_some(), "{what} was taken");
        ensure!(Fence::open("offered")?.value()? == 9, "{what}");
        drop_handle(&mut stranger, made.handle)?;
        check()?;
    }
    // Nor is its own while it is used, nor one that was given to others.
    let own = make(&mut stranger, "own", 1, None)?;
    let second = make(&mut stranger, "second", 2, Some(own.page))?;
    ensure!(second.page != own.page, "its own page in use was taken");
    let opened = Fence::open("own")?;
    give_up(&mut stranger, &own)?;
    drop(opened);
    let third = make(&mut stranger, "third", 3, Some(own.page))?;
    ensure!(third.page != own.page, "a page that others may have was taken");
    let again = make(&mut owner, "again", 7, Some(kept.page))?;
    ensure!(again.page == kept.page && again.sent.is_none(), "its own was not taken");
    give_up(&mut owner, &again)?;
    drop(owner);
    let late = make(&mut stranger, "late", 8, Some(kept.page))?;
    ensure!(late.page != kept.page && late.sent.is_some(), "a dead client's page was taken");
    Ok(())
}

/// Whatever was in a page, what is made of it is well formed for everybody else.
pub(super) fn scribbled(seed: u64) -> anyhow::Result<()> {
    // Starts the broker.
    Client::connect()?;
    let mut broker = Connection::open()?;
    let mut dice = Dice::new(seed);
    for round in 0..50 {
        let first = make(&mut broker, "first", 1, None)?;
        let page = first.sent.as_ref().context("a new page is sent")?;
        give_up(&mut broker, &first)?;
        for place in (0..PAGE_BYTES).step_by(8) {
            let word = match dice.roll(3) {
                0 => 0,
                1 => u64::MAX,
                _ => dice.roll(1 << 32) << dice.roll(32),
            };
            rustix::io::pwrite(page, &word.to_le_bytes(), place)?;
        }
        let again = make(&mut broker, "again", round, Some(first.page))?;
        ensure!(again.page == first.page && again.sent.is_none(), "it was not taken");
        let fence = Fence::open("again")?;
        ensure!(fence.value()? == round, "{} in round {round}", fence.value()?);
        let late = fence.wait_timeout(round + 1, Duration::ZERO)?;
        ensure!(late == WaitOutcome::TimedOut, "{late:?} in round {round}");
        fence.signal(round + 1)?;
        ensure!(fence.wait(round + 1)? == WaitOutcome::Signaled, "round {round}");
        give_up(&mut broker, &again)?;
    }
    Ok(())
}
