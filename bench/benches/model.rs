//! Opening by name in the object model alone, among 10 and among 100,000 objects:
//! `cargo bench -p handfast-bench --bench model`. The cost must not grow with their number.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context as _, bail};
use handfast_bench::Rounds;
use handfast_model::contract::access::AccessMask;
use handfast_model::object::{
    Caller, Came, ClientId, Kind, Manager, RawName, Reply, Request, Reset, Spec,
};
use handfast_model::security::Token;

const FEW: usize = 10;
const MANY: usize = 100_000;
/// A user may have so many objects and no more.
const OBJECTS_OF_A_USER: usize = 8000;
const OPENED: usize = 2000;

fn main() -> anyhow::Result<()> {
    let rounds = if std::env::args().any(|arg| arg == "--quick") { 5 } else { 31 };
    let (mut few, mut many) = (World::of(FEW)?, World::of(MANY)?);
    let (mut among_few, mut among_many) = (Rounds::default(), Rounds::default());
    let mut all_of_many = Rounds::default();
    for _ in 0..rounds {
        among_few.add_ns(few.open(FEW)?);
        among_many.add_ns(many.open(FEW)?);
        all_of_many.add_ns(many.open(OPENED)?);
    }
    let (a, b, c) = (among_few.median(), among_many.median(), all_of_many.median());
    let mut out = std::io::stdout().lock();
    writeln!(out, "open by name and drop, in the model alone (median of {rounds})")?;
    writeln!(out, "  {FEW} names among {FEW}: {a:.0} ns")?;
    writeln!(out, "  {FEW} names among {MANY}: {b:.0} ns, ratio {:.2}", b / a)?;
    writeln!(out, "  {OPENED} names among {MANY}, out of cache: {c:.0} ns, ratio {:.2}", c / a)?;
    Ok(())
}

/// So many named events of several users, and a client that may open them all.
struct World {
    manager: Manager,
    client: ClientId,
    objects: usize,
}

impl World {
    fn of(objects: usize) -> anyhow::Result<Self> {
        let mut manager = Manager::new(1);
        for first in (0..objects).step_by(OBJECTS_OF_A_USER) {
            let uid = u32::try_from(1000 + first)?;
            let maker = manager.client_arrived(Token { uid, gid: uid }, 1)?;
            for number in first..objects.min(first + OBJECTS_OF_A_USER) {
                let made = ask(&mut manager, maker, &create(number))?;
                let Reply::Created { opening, .. } = made else { bail!("{made:?}") };
                // Its handle keeps it.
                ask(&mut manager, maker, &Request::Drop { opening })?;
            }
        }
        let client = manager.client_arrived(Token { uid: 0, gid: 0 }, 2)?;
        Ok(Self { manager, client, objects })
    }

    /// What one opening takes, with what the broker asks before it, in nanoseconds: so many names
    /// in turns, spread over all.
    fn open(&mut self, names: usize) -> anyhow::Result<f64> {
        let step = self.objects / names;
        let names: Vec<_> = (0..OPENED).map(|turn| open(turn % names * step)).collect();
        let started = Instant::now();
        for request in &names {
            black_box(self.manager.handles_to_poll(self.client, request, Came::Nothing));
            let opened = ask(&mut self.manager, self.client, request)?;
            let Reply::Opened { opening, .. } = opened else { bail!("{opened:?}") };
            ask(&mut self.manager, self.client, &Request::Drop { opening })?;
        }
        let turns = u32::try_from(OPENED).context("few")?;
        Ok(started.elapsed().as_secs_f64() * 1e9 / f64::from(turns))
    }
}

fn name(number: usize) -> RawName {
    RawName::from(format!("Global\\object-{number}").as_str())
}

fn create(number: usize) -> Request {
    let spec = Spec::Event { reset: Reset::Auto, signaled: false };
    Request::Create { spec, name: Some(name(number)), access: AccessMask::GENERIC_ALL }
}

fn open(number: usize) -> Request {
    Request::Open { kind: Kind::Event, name: name(number), access: AccessMask::GENERIC_ALL }
}

fn ask(manager: &mut Manager, client: ClientId, request: &Request) -> anyhow::Result<Reply> {
    let caller = Caller { client, time_ns: 0, came: Came::Nothing };
    Ok(manager.apply(&caller, request, &mut Vec::new())?)
}
