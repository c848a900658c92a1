//! Two processes write one picture by turns, which its keyed mutex says: `cargo run --example
//! turns`. It starts itself as the second one.
#![forbid(unsafe_code)]

use std::env;
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use handfast::{
    Access, Format, KeyedMutex, Surface, SurfaceDesc, SurfaceFlags, WaitOutcome, Writers,
};

type Failure = Box<dyn std::error::Error>;

const PATIENCE: Duration = Duration::from_secs(20);
/// Whose turn it is: the first key of every keyed mutex is 0.
const FIRST: u64 = 0;
const SECOND: u64 = 1;
const ROUNDS: u64 = 100;

fn main() -> Result<(), Failure> {
    let mut arguments = env::args().skip(1);
    match arguments.next() {
        None => first(&format!("turns-{}", std::process::id())),
        Some(name) => second(&name),
    }
}

fn first(name: &str) -> Result<(), Failure> {
    let mut desc = SurfaceDesc::texture_2d(64, 64, Format::R8);
    desc.flags = SurfaceFlags::KEYED_MUTEX;
    let mut picture = Surface::with_writers(desc, Writers::Several)?.named(name)?;
    let mut other = Command::new(env::current_exe()?).arg(name).spawn()?;
    let played = play(&mut picture, FIRST, SECOND);
    // Who waits for the mutex is told that it is abandoned when nobody is left to release it.
    let total = played.and_then(|()| {
        take(turn(&picture)?, FIRST)?;
        read(&picture)
    });
    drop(picture);
    let ended = other.wait()?;
    writeln!(std::io::stdout(), "{} turns, the other end: {ended}", total?)?;
    Ok(())
}

fn second(name: &str) -> Result<(), Failure> {
    let mut picture = Surface::open_with(name, Access::GENERIC_READ | Access::SURFACE_WRITE)?;
    play(&mut picture, SECOND, FIRST)
}

/// Adds one to what the picture holds in every turn of one's own, and lets the other go on.
fn play(picture: &mut Surface, own: u64, next: u64) -> Result<(), Failure> {
    for _ in 0..ROUNDS {
        take(turn(picture)?, own)?;
        let count = read(picture)? + 1;
        picture.write(0, &count.to_le_bytes())?;
        turn(picture)?.release(next)?;
    }
    Ok(())
}

fn turn(picture: &Surface) -> Result<&KeyedMutex, Failure> {
    picture.keyed_mutex().ok_or_else(|| "the picture has no keyed mutex".into())
}

/// Waits for one's turn.
fn take(mutex: &KeyedMutex, key: u64) -> Result<(), Failure> {
    match mutex.acquire_timeout(key, PATIENCE)? {
        WaitOutcome::Signaled => Ok(()),
        WaitOutcome::Abandoned => Err("the other end died in its turn".into()),
        WaitOutcome::TimedOut | WaitOutcome::Lost => Err("the other end is not heard of".into()),
    }
}

fn read(picture: &Surface) -> Result<u64, Failure> {
    let mut bytes = [0; 8];
    picture.read(0, &mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}
