//! Many keyed mutexes in one process.

use anyhow::{Context as _, ensure};
use handfast::{Surface, SurfaceDesc, SurfaceFlags, WaitOutcome};

/// They are given back in another order than they were taken, and one of them is dropped.
pub(super) fn many() -> anyhow::Result<()> {
    let desc = SurfaceDesc { flags: SurfaceFlags::KEYED_MUTEX, ..SurfaceDesc::buffer(64) };
    let surfaces: handfast::Result<Vec<Surface>> = (0..100).map(|_| Surface::new(desc)).collect();
    let mut surfaces = surfaces?;
    for surface in &surfaces {
        let mutex = surface.keyed_mutex().context("it has one")?;
        ensure!(mutex.acquire(0)? == WaitOutcome::Signaled, "free");
    }
    surfaces.remove(50);
    let (even, odd): (Vec<_>, Vec<_>) =
        surfaces.iter().enumerate().partition(|(at, _)| at % 2 == 0);
    for (place, surface) in even.iter().chain(odd.iter().rev()) {
        let mutex = surface.keyed_mutex().context("it has one")?;
        mutex.release(7)?;
        ensure!(mutex.acquire(7)? == WaitOutcome::Signaled, "{place}");
        mutex.release(8)?;
        ensure!(mutex.release(8).is_err(), "{place} twice");
    }
    Ok(())
}
