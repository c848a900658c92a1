//! What happens where there is no room for another descriptor or opening.

use std::fs::File;

use anyhow::{bail, ensure};
use handfast::{
    Access, Client, ErrorKind, Event, Fence, Handle, Reset, Section, Surface, SurfaceDesc,
    SurfaceFlags, Writers,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{descriptors, until};

/// Enough for the program itself and what it is to have open.
const DESCRIPTORS: u64 = 64;
/// Pages that stay with a client at most.
const SPARE_PAGES: u64 = 16;
/// More than any call needs at a time.
const ROOM: usize = 8;

type Call<'a> = (&'static str, Box<dyn Fn() -> handfast::Result<()> + 'a>);

fn keyed() -> handfast::Result<Surface> {
    let flags = SurfaceFlags::KEYED_MUTEX;
    Surface::with_writers(SurfaceDesc { flags, ..SurfaceDesc::buffer(64) }, Writers::Several)
}

/// Each call with room for so few descriptors, from none to enough: it fails and leaves nothing,
/// here or with the broker, or it works.
pub(super) fn descriptors_of_a_call() -> anyhow::Result<()> {
    let mut client = Client::connect()?;
    let (fence, event) = (Fence::create("fence", 0)?, Event::create("event", Reset::Auto)?);
    let (surface, section) = (keyed()?.named("surface")?, Section::create("section", 64)?);
    let handle = fence.share(None, Access::GENERIC_ALL)?;
    let calls: [Call<'_>; 13] = [
        ("open a fence", Box::new(|| Fence::open("fence").map(drop))),
        ("open an event", Box::new(|| Event::open("event").map(drop))),
        ("open a surface", Box::new(|| Surface::open("surface").map(drop))),
        ("open a section", Box::new(|| Section::open("section").map(drop))),
        ("open a handle", Box::new(|| Fence::open_handle(&handle).map(drop))),
        ("create a fence", Box::new(|| Fence::create("another", 0).map(drop))),
        ("create an event", Box::new(|| Event::create("another", Reset::Auto).map(drop))),
        ("create a surface", Box::new(|| keyed()?.named("another").map(drop))),
        ("create a section", Box::new(|| Section::create("another", 64).map(drop))),
        ("share", Box::new(|| fence.share(Some("another"), Access::GENERIC_ALL).map(drop))),
        ("duplicate", Box::new(|| handle.duplicate().map(drop))),
        ("duplicate with", Box::new(|| handle.duplicate_with(Access::FENCE_WAIT).map(drop))),
        ("reached", Box::new(|| fence.reached(1).map(drop))),
    ];
    let (objects, pages) = (client.health()?.objects, client.health()?.pages);
    let before = descriptors();
    let limits = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), ..limits })?;
    for (what, call) in &calls {
        let mut worked = Vec::new();
        for room in 0..=ROOM {
            let mut fill = Vec::new();
            while let Ok(file) = File::open("/dev/null") {
                fill.push(file);
            }
            fill.truncate(fill.len().saturating_sub(room));
            let told = call();
            drop(fill);
            match told {
                Ok(()) => worked.push(room),
                Err(error) if error.kind() == ErrorKind::LimitReached => {}
                Err(error) => bail!("{what} with room for {room}: {error:?}"),
            }
        }
        // The fence before has left its page, which an event can have.
        let needs_none = ["share", "create an event"].contains(what);
        ensure!(worked.first() > Some(&0) || needs_none, "{what}: {worked:?}");
        ensure!(worked.last() == Some(&ROOM), "{what}: {worked:?}");
    }
    setrlimit(Resource::Nofile, limits)?;
    until("nothing is left here", || descriptors() == before)?;
    let openings =
        [fence.info()?, event.info()?, surface.info()?].map(|info| info.map(|it| it.openings));
    ensure!(openings == [Some(1); 3], "openings are left: {openings:?}");
    let mut health = client.health()?;
    until("nothing is left with the broker", || {
        if let Ok(now) = client.health() {
            health = now;
        }
        // A few pages stay with this client, for what it makes next.
        health.objects == objects && health.pages <= pages + SPARE_PAGES
    })
    .map_err(|error| error.context(format!("{objects} and {pages} before, {health:?}")))?;
    drop(section);
    Ok(())
}

/// As many openings as one client may have, and no more; an opening that is dropped makes room.
pub(super) fn openings() -> anyhow::Result<()> {
    const MOST: usize = 4096;
    let fence = Fence::create("fence", 1)?;
    let mut openings = Vec::new();
    while openings.len() < MOST - 1 {
        openings.push(Fence::open("fence")?);
    }
    for _ in 0..3 {
        match Fence::open("fence") {
            Err(error) if error.kind() == ErrorKind::LimitReached => {
                ensure!(error.to_string().contains("4096"), "{error}");
            }
            other => bail!("one more: {other:?}"),
        }
        match Event::create("event", Reset::Auto) {
            Err(error) if error.kind() == ErrorKind::LimitReached => {}
            other => bail!("another object: {other:?}"),
        }
        drop(openings.pop());
        openings.push(Fence::open("fence")?);
    }
    openings.clear();
    fence.signal(2)?;
    ensure!(Fence::open("fence")?.value()? == 2, "it is as it was");
    // Handles of one share, and shares of one object.
    let first = fence.share(None, Access::GENERIC_ALL)?;
    let narrow = || first.duplicate_with(Access::FENCE_WAIT);
    until_refused(narrow)?;
    until_refused(|| fence.share(None, Access::GENERIC_ALL))?;
    narrow()?;
    Ok(())
}

fn until_refused(make: impl Fn() -> handfast::Result<Handle>) -> anyhow::Result<()> {
    let mut made = Vec::new();
    loop {
        match make() {
            Ok(handle) if made.len() < 64 => made.push(handle),
            Err(error) if error.kind() == ErrorKind::LimitReached => break,
            other => bail!("number {}: {other:?}", made.len()),
        }
    }
    ensure!(made.len() > 50, "only {}", made.len());
    Ok(())
}
