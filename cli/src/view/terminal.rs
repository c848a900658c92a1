//! Pictures in a terminal, or as the same characters in a file.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use crossterm::terminal;
use signal_hook::consts::SIGWINCH;

use super::board::{Board, Over};
use super::canvas::{Canvas, Label, Place};
use super::cells::{Palette, Screen};
use super::feed::Waker;
use super::layout::Rect;
use super::on_signals;
use crate::media::picture::to_usize;

/// Terminals draw slowly; what is written faster is only seen later.
const BETWEEN: Duration = Duration::from_millis(33);
/// The size of what is no terminal, unless `COLUMNS` and `LINES` say another.
const USUAL_SIZE: (u32, u32) = (80, 24);
const SIDE_MAX: u32 = 1000;
/// The alternate screen, without cursor and without going on in the next row.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const CLEAR: &str = "\x1b[0m\x1b[2J";
const LEAVE: &str = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";
/// What is between these is shown at once, where the terminal knows them.
const TOGETHER: (&str, &str) = ("\x1b[?2026h", "\x1b[?2026l");

/// The exit code of a program that panicked.
const PANICKED: i32 = 101;

/// Whether the terminal has to be put back.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// What the loop waits for.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Look,
    Resized,
    Save,
    Quit,
}

/// Shows a board until it is over or somebody quits.
pub(super) fn run(make_board: impl FnOnce(Waker) -> anyhow::Result<Board>) -> anyhow::Result<()> {
    let (sender, events) = mpsc::channel();
    let (wakes, signals) = (sender.clone(), sender.clone());
    let mut board = make_board(Waker::new(move || drop(wakes.send(Event::Look))))?;
    let told = move |signal| {
        drop(signals.send(if signal == SIGWINCH { Event::Resized } else { Event::Quit }));
    };
    on_signals(&[SIGWINCH], told, leave)?;
    let is_terminal = io::stdout().is_terminal();
    let guard = if is_terminal { Some(Guard::enter(sender)?) } else { None };
    let outcome = show(&mut board, &events, is_terminal);
    drop(guard);
    outcome
}

fn show(
    board: &mut Board,
    events: &mpsc::Receiver<Event>,
    is_terminal: bool,
) -> anyhow::Result<()> {
    let palette = Palette::of(&variable("COLORTERM"), &variable("TERM"));
    let mut screen = new_screen(palette, is_terminal);
    // When to draw, if there is something to draw.
    let (mut due, mut last) = (Some(Instant::now()), Instant::now());
    loop {
        match board.refresh() {
            None => {}
            Some(Over::Done) => return Ok(()),
            Some(Over::Failed(error)) => bail!(error),
        }
        if due.is_some_and(|due| due <= Instant::now()) {
            (due, last) = (None, Instant::now());
            draw(board, &mut screen, is_terminal).context("standard output")?;
            if board.is_enough() {
                return Ok(());
            }
        }
        let until = [due, board.notice_until()].into_iter().flatten().min();
        let event = match until {
            Some(until) => events.recv_timeout(until.saturating_duration_since(Instant::now())),
            None => events.recv().map_err(RecvTimeoutError::from),
        };
        match event {
            Ok(Event::Look) => due = due.or(Some(last + BETWEEN)),
            Ok(Event::Resized) => {
                screen = new_screen(palette, is_terminal);
                write(CLEAR).context("standard output")?;
                due = Some(Instant::now());
            }
            Ok(Event::Save) => {
                board.save();
                due = Some(Instant::now());
            }
            Err(RecvTimeoutError::Timeout) => due = due.or(Some(Instant::now())),
            Ok(Event::Quit) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

fn draw(board: &mut Board, screen: &mut Screen, is_terminal: bool) -> io::Result<()> {
    let (width, height) = screen.canvas_size();
    let mut pixels = vec![0; to_usize(width) * to_usize(height)];
    let whole = Rect::whole(width, height);
    // The last row is for the title.
    let area = Rect { height: height.saturating_sub(2), ..whole };
    let mut labels = board.draw(&mut Canvas::new(&mut pixels, width, height), area);
    let keys = if is_terminal { "   q quits, s saves" } else { "" };
    let text = format!("{}{keys}", board.title());
    labels.push(Label { text, area: whole, place: Place::Bottom });
    let (begin, end) = TOGETHER;
    let update = screen.update(&pixels, &labels);
    if update.is_empty() {
        return Ok(());
    }
    write(&[begin, &update, end].concat())
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn new_screen(palette: Palette, is_terminal: bool) -> Screen {
    let size = if is_terminal { terminal::size().ok() } else { None };
    let (columns, rows) = size.map_or_else(
        || {
            let (columns, rows) = USUAL_SIZE;
            let number = |name, usual| variable(name).parse().unwrap_or(usual);
            (number("COLUMNS", columns), number("LINES", rows))
        },
        |(columns, rows)| (columns.into(), rows.into()),
    );
    Screen::new(palette, columns.clamp(1, SIDE_MAX), rows.clamp(1, SIDE_MAX))
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Has the terminal to itself; dropping it puts the terminal back.
#[derive(Debug)]
struct Guard;

impl Guard {
    fn enter(events: Sender<Event>) -> anyhow::Result<Self> {
        terminal::enable_raw_mode().context("the terminal")?;
        ENTERED.store(true, Ordering::SeqCst);
        let guard = Self;
        // What a panic says would go to the other screen; and one of any thread is the end.
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            leave();
            usual(panic);
            std::process::exit(PANICKED);
        }));
        write(ENTER).context("standard output")?;
        // Keys are read from the terminal also when standard input is something else.
        let mut keys: Box<dyn Read + Send> = if io::stdin().is_terminal() {
            Box::new(io::stdin())
        } else {
            Box::new(File::open("/dev/tty").context("the terminal's keys")?)
        };
        thread::Builder::new().name("keys".into()).spawn(move || {
            let mut bytes = [0; 64];
            while let Ok(count @ 1..) = keys.read(&mut bytes) {
                let pressed = bytes.get(..count).and_then(event_of);
                if pressed.is_some_and(|event| events.send(event).is_err()) {
                    return;
                }
            }
        })?;
        Ok(guard)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        leave();
    }
}

/// Puts the terminal back, once. The mode first: a terminal that was stopped takes no text.
fn leave() {
    if ENTERED.swap(false, Ordering::SeqCst) {
        // There is nothing else to do for a terminal that is gone.
        drop(terminal::disable_raw_mode());
        drop(write(LEAVE));
    }
}

/// What keys mean that came together. Escape alone is the key, with more it begins another.
fn event_of(bytes: &[u8]) -> Option<Event> {
    const INTERRUPT: u8 = 3;
    const ESCAPE: u8 = 0x1b;
    match bytes {
        [ESCAPE] => Some(Event::Quit),
        [ESCAPE, ..] => None,
        keys => keys.iter().find_map(|key| match key {
            b'q' | b'Q' | &INTERRUPT => Some(Event::Quit),
            b's' | b'S' => Some(Event::Save),
            _ => None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known() {
        for (bytes, wanted) in [
            (b"q".as_slice(), Some(Event::Quit)),
            (b"\x1b", Some(Event::Quit)),
            (b"\x03", Some(Event::Quit)),
            (b"xs", Some(Event::Save)),
            (b"\x1b[A", None),
            (b"\x1bq", None),
            (b"x", None),
        ] {
            assert_eq!(event_of(bytes), wanted, "{bytes:?}");
        }
    }
}
