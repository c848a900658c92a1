//! Names in the object model alone, among 10 and among 100,000 objects:
//! `cargo bench -p handfast-bench --bench model`. What they cost must not grow with their number.
//!
//! Ten names in turns tell what the look-up costs. Names that are spread over all tell what it
//! costs to fetch records that no cache holds; beside it stands what one such fetch takes at least.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context as _, bail};
use handfast_bench::Rounds;
use handfast_model::contract::access::AccessMask;
use handfast_model::contract::format::Format;
use handfast_model::contract::surface::SurfaceDesc;
use handfast_model::object::{
    Caller, Came, ClientId, HandleForm, Kind, Manager, RawName, ReceivedPayload, Reply, Request,
    Reset, Spec, Takes, Writers,
};
use handfast_model::security::Token;

const FEW: usize = 10;
const MANY: usize = 100_000;
/// A user may have so many objects and no more.
const OBJECTS_OF_A_USER: usize = 8000;
const TURNS: usize = 2000;
/// From one name to the next where they are spread: it has no divisor in common with [`MANY`].
const STRIDE: usize = 38_197;
/// Memory that no cache holds.
const LARGE_BYTES: usize = 1 << 27;

const EVENT: Spec = Spec::Event { reset: Reset::Auto, signaled: false };

fn main() -> anyhow::Result<()> {
    let rounds = if std::env::args().any(|arg| arg == "--quick") { 5 } else { 31 };
    let surface = SurfaceDesc::texture_2d(64, 64, Format::Bgra8);
    let surface = Spec::Surface { desc: surface, writers: Writers::One };

    // The first stays, so that the second cannot be made of what it leaves.
    let (mut many, event_bytes) = World::weighed(EVENT)?;
    let (_, surface_bytes) = World::weighed(surface)?;
    let mut few = World::of(FEW, EVENT)?;
    let mut chain = Chain::new();
    let mut open = [Rounds::default(), Rounds::default()];
    let mut create = [Rounds::default(), Rounds::default()];
    let (mut spread, mut fetch) = (Rounds::default(), Rounds::default());
    for _ in 0..rounds {
        for (world, (open, create)) in
            [&mut few, &mut many].into_iter().zip(open.iter_mut().zip(&mut create))
        {
            open.add_ns(world.open_the_same()?);
            create.add_ns(world.create()?);
        }
        spread.add_ns(many.open_all_in_turn()?);
        fetch.add_ns(chain.fetch()?);
    }

    let mut out = std::io::stdout().lock();
    writeln!(out, "named events in the model alone (medians of {rounds})")?;
    for (what, [few, many]) in
        [("10 names opened and dropped", &open), ("a name created and closed", &create)]
    {
        let (few, many) = (few.median(), many.median());
        let ratio = many / few;
        writeln!(out, "  {what}: among {FEW} {few:.0} ns, among {MANY} {many:.0} ns: {ratio:.2}")?;
    }
    let (spread, fetch) = (spread.median(), fetch.median());
    let [few, _] = open;
    let fetches = (spread - few.median()) / fetch;
    writeln!(out, "  every name in turn: among {MANY} {spread:.0} ns")?;
    writeln!(out, "    that is {fetches:.1} fetches from memory ({fetch:.0} ns each) more")?;
    writeln!(out, "  memory: {event_bytes:.0} bytes a named event, {surface_bytes:.0} a surface")?;
    Ok(())
}

fn resident_bytes() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no RssAnon")?;
    Ok(kib.parse::<u64>()? * 1024)
}

/// So many named objects of several users, and a client that may open them all.
struct World {
    manager: Manager,
    client: ClientId,
    objects: usize,
    /// The last name that was opened where they are spread.
    last: usize,
    created: usize,
}

impl World {
    fn of(objects: usize, spec: Spec) -> anyhow::Result<Self> {
        let mut manager = Manager::new(1);
        for first in (0..objects).step_by(OBJECTS_OF_A_USER) {
            let uid = u32::try_from(1000 + first)?;
            let maker = manager.client_arrived(Token { uid, gid: uid }, 1)?;
            for number in first..objects.min(first + OBJECTS_OF_A_USER) {
                let made = ask(&mut manager, maker, &create(spec, name(number)))?;
                let Reply::Created { opening, .. } = made else { bail!("{made:?}") };
                // Its handle keeps it.
                ask(&mut manager, maker, &Request::Drop { opening })?;
            }
        }
        let client = manager.client_arrived(Token { uid: 0, gid: 0 }, 2)?;
        Ok(Self { manager, client, objects, last: 0, created: 0 })
    }

    /// Many, and what this process grows by for each of them, in bytes.
    fn weighed(spec: Spec) -> anyhow::Result<(Self, f64)> {
        let before = resident_bytes()?;
        let world = Self::of(MANY, spec)?;
        let grown = resident_bytes()?.saturating_sub(before);
        Ok((world, f64::from(u32::try_from(grown)?) / f64::from(u32::try_from(MANY)?)))
    }

    /// What one opening takes, with what the broker asks before it and its drop, in nanoseconds.
    fn open_the_same(&mut self) -> anyhow::Result<f64> {
        let step = self.objects / FEW;
        let names = (0..TURNS).map(|turn| open(turn % FEW * step)).collect();
        self.open(names)
    }

    fn open_all_in_turn(&mut self) -> anyhow::Result<f64> {
        let names = (0..TURNS).map(|_| {
            self.last = (self.last + STRIDE) % self.objects;
            open(self.last)
        });
        let names = names.collect();
        self.open(names)
    }

    fn open(&mut self, names: Vec<Request>) -> anyhow::Result<f64> {
        timed(|| {
            for request in &names {
                black_box(self.manager.concerned(self.client, request, Came::Nothing));
                let opened = ask(&mut self.manager, self.client, request)?;
                let Reply::Opened { opening, .. } = opened else { bail!("{opened:?}") };
                ask(&mut self.manager, self.client, &Request::Drop { opening })?;
            }
            Ok(())
        })
    }

    /// What it takes to create a named object, drop its opening and close its handle.
    fn create(&mut self) -> anyhow::Result<f64> {
        let first = MANY + self.created;
        self.created += TURNS;
        let names: Vec<_> = (0..TURNS).map(|turn| create(EVENT, name(first + turn))).collect();
        timed(|| {
            for request in &names {
                black_box(self.manager.concerned(self.client, request, Came::Nothing));
                let made = ask(&mut self.manager, self.client, request)?;
                let Reply::Created { opening, handle, .. } = made else { bail!("{made:?}") };
                ask(&mut self.manager, self.client, &Request::Drop { opening })?;
                self.manager.handles_gone(&[handle], &mut Vec::new());
            }
            Ok(())
        })
    }
}

/// What each of the turns took, in nanoseconds.
fn timed(turns: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let started = Instant::now();
    turns()?;
    Ok(started.elapsed().as_secs_f64() * 1e9 / f64::from(u32::try_from(TURNS)?))
}

/// Places in a large memory, each of which says which is next.
struct Chain {
    next: Vec<u64>,
    last: u64,
}

impl Chain {
    fn new() -> Self {
        let places = LARGE_BYTES / size_of::<u64>();
        let mask = u64::try_from(places - 1).unwrap_or_default();
        // All places in one circle (Hull and Dobell), each far from the one before.
        let next = (0..=mask).map(|place| {
            place.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
                & mask
        });
        Self { next: next.collect(), last: 0 }
    }

    /// What it takes to read one of them, in nanoseconds.
    fn fetch(&mut self) -> anyhow::Result<f64> {
        timed(|| {
            for _ in 0..TURNS {
                let next = self.next.get(usize::try_from(self.last)?);
                self.last = *next.context("outside")?;
            }
            Ok(())
        })
    }
}

fn name(number: usize) -> RawName {
    RawName::from(format!("Global\\object-{number}").as_str())
}

fn create(spec: Spec, name: RawName) -> Request {
    let (name, access, form) = (Some(name), AccessMask::GENERIC_ALL, HandleForm::Descriptor);
    Request::Create { spec, name, access, form, spare: None }
}

fn open(number: usize) -> Request {
    Request::Open {
        kind: Kind::Event,
        name: name(number),
        access: AccessMask::GENERIC_ALL,
        known: None,
    }
}

fn ask(manager: &mut Manager, client: ClientId, request: &Request) -> anyhow::Result<Reply> {
    let came = match request.takes() {
        Takes::Memory(writers) => Came::Memory(ReceivedPayload { size_bytes: 1 << 14, writers }),
        Takes::Nothing
        | Takes::Handle
        | Takes::HandleAndProcess
        | Takes::Process
        | Takes::OwnProcess => Came::Nothing,
    };
    let caller = Caller { client, time_ns: 0, came };
    Ok(manager.apply(&caller, request, &mut Vec::new())?)
}
