//! Pictures in a window, on X11 and Wayland.

use std::num::NonZeroU32;
use std::panic;
use std::rc::Rc;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use softbuffer::{Context, SoftBufferError, Surface};
use winit::application::ApplicationHandler;
use winit::dpi::PhysicalSize;
use winit::event::{ElementState, KeyEvent, StartCause, WindowEvent};
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoop};
use winit::keyboard::{Key, NamedKey};
use winit::monitor::MonitorHandle;
use winit::window::{Fullscreen, Window, WindowId};

use super::board::{Board, Over};
use super::canvas::Canvas;
use super::feed::Waker;
use super::layout::{self, Rect};
use super::on_signals;

/// The size of a window whose picture is not there yet.
const USUAL_SIZE: (u32, u32) = (960, 540);
/// How long a window waits for its picture, to open in its size.
const FIRST: Duration = Duration::from_millis(300);

/// What other threads tell the window's.
#[derive(Debug)]
enum Event {
    Look,
    Quit,
}

/// Shows a board until it is over or somebody quits.
pub(super) fn run(make_board: impl FnOnce(Waker) -> anyhow::Result<Board>) -> anyhow::Result<()> {
    let event_loop = connect()?;
    event_loop.set_control_flow(ControlFlow::Wait);
    let (wakes, signals) = (event_loop.create_proxy(), event_loop.create_proxy());
    // The loop may be over when a thread tells it something.
    let wakes = Mutex::new(wakes);
    let wake = move || drop(wakes.lock().map(|wakes| wakes.send_event(Event::Look)));
    let board = make_board(Waker::new(wake))?;
    on_signals(&[], move |_| drop(signals.send_event(Event::Quit)), || {})?;
    let mut app = App { board, shown: None, outcome: Ok(()) };
    event_loop.run_app(&mut app).context("the window")?;
    app.outcome
}

/// Connects to the display. A library of it that is missing makes winit panic, which becomes an
/// error like the others here.
fn connect() -> anyhow::Result<EventLoop<Event>> {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let built = panic::catch_unwind(|| EventLoop::with_user_event().build());
    panic::set_hook(usual);
    let text = match built {
        Ok(Ok(event_loop)) => return Ok(event_loop),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => panic.downcast_ref::<String>().cloned().unwrap_or_default(),
    };
    // What comes before is a place in winit's source.
    let why = text.rsplit(": ").next().unwrap_or_default().trim_end_matches('.');
    bail!("no window can be opened: {why}. --terminal shows the stream in the terminal")
}

struct App {
    board: Board,
    shown: Option<Shown>,
    outcome: anyhow::Result<()>,
}

/// A window that is open.
struct Shown {
    size: PhysicalSize<u32>,
    window: Rc<Window>,
    surface: Surface<Rc<Window>, Rc<Window>>,
    title: String,
    /// The size to give up for the first picture's.
    provisional: Option<PhysicalSize<u32>>,
}

impl ApplicationHandler<Event> for App {
    fn new_events(&mut self, _: &ActiveEventLoop, cause: StartCause) {
        if matches!(cause, StartCause::ResumeTimeReached { .. }) {
            self.redraw();
        }
    }

    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        if self.shown.is_none() {
            match Shown::open(&self.board, event_loop) {
                Ok(shown) => self.shown = Some(shown),
                Err(error) => self.end(event_loop, Err(error)),
            }
        }
    }

    fn user_event(&mut self, event_loop: &ActiveEventLoop, event: Event) {
        match event {
            Event::Quit => event_loop.exit(),
            Event::Look => match self.board.refresh() {
                None => self.redraw(),
                Some(Over::Done) => event_loop.exit(),
                Some(Over::Failed(error)) => self.end(event_loop, Err(anyhow!(error))),
            },
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a window tells much that is of no use")]
    fn window_event(&mut self, event_loop: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        match event {
            WindowEvent::CloseRequested => event_loop.exit(),
            WindowEvent::Destroyed => {
                self.shown = None;
                event_loop.exit();
            }
            WindowEvent::Resized(size) => {
                if let Some(shown) = &mut self.shown {
                    shown.size = size;
                    shown.window.request_redraw();
                }
            }
            WindowEvent::ScaleFactorChanged { .. } => self.redraw(),
            WindowEvent::KeyboardInput { event, .. } => self.press(event_loop, &event),
            WindowEvent::RedrawRequested => {
                let Some(shown) = &mut self.shown else { return };
                let drawn = shown.draw(&mut self.board);
                if drawn.is_err() || self.board.is_enough() {
                    self.end(event_loop, drawn);
                }
            }
            _ => {}
        }
    }

    fn about_to_wait(&mut self, event_loop: &ActiveEventLoop) {
        let until = self.board.notice_until();
        event_loop.set_control_flow(until.map_or(ControlFlow::Wait, ControlFlow::WaitUntil));
    }
}

impl App {
    fn press(&mut self, event_loop: &ActiveEventLoop, event: &KeyEvent) {
        if event.state != ElementState::Pressed || event.repeat {
            return;
        }
        let key = if let Key::Character(text) = &event.logical_key {
            text.to_lowercase()
        } else if event.logical_key == Key::Named(NamedKey::Escape) {
            "q".into()
        } else {
            return;
        };
        match key.as_str() {
            "q" => event_loop.exit(),
            "f" => {
                let Some(Shown { window, .. }) = &self.shown else { return };
                let other = window.fullscreen().is_none().then_some(Fullscreen::Borderless(None));
                window.set_fullscreen(other);
            }
            "s" => {
                self.board.save();
                self.redraw();
            }
            _ => {}
        }
    }

    fn redraw(&self) {
        if let Some(Shown { window, .. }) = &self.shown {
            window.request_redraw();
        }
    }

    fn end(&mut self, event_loop: &ActiveEventLoop, outcome: anyhow::Result<()>) {
        self.outcome = outcome;
        event_loop.exit();
    }
}

impl Shown {
    fn open(board: &Board, event_loop: &ActiveEventLoop) -> anyhow::Result<Self> {
        let first = board.first_size(FIRST);
        let (width, height) = room(event_loop, first.unwrap_or(USUAL_SIZE));
        let size = PhysicalSize::new(width, height);
        let title = title(board);
        let attributes = Window::default_attributes().with_title(&title).with_inner_size(size);
        let window = Rc::new(event_loop.create_window(attributes).context("the window")?);
        let context = Context::new(Rc::clone(&window)).map_err(unsent)?;
        let surface = Surface::new(&context, Rc::clone(&window)).map_err(unsent)?;
        // From now on it is told by events; asking takes a round trip.
        let size = window.inner_size();
        let provisional = first.is_none().then_some(size);
        window.request_redraw();
        Ok(Self { size, window, surface, title, provisional })
    }

    fn draw(&mut self, board: &mut Board) -> anyhow::Result<()> {
        let PhysicalSize { width, height } = self.size;
        let sides = (NonZeroU32::new(width), NonZeroU32::new(height));
        let (Some(columns), Some(rows)) = sides else { return Ok(()) };
        self.surface.resize(columns, rows).map_err(unsent)?;
        let mut buffer = self.surface.buffer_mut().map_err(unsent)?;
        let mut canvas = Canvas::new(&mut buffer, width, height);
        let font_scale = font_scale(self.window.scale_factor());
        for label in board.draw(&mut canvas, Rect::whole(width, height)) {
            canvas.write(&label, font_scale);
        }
        self.window.pre_present_notify();
        buffer.present().map_err(unsent)?;
        self.follow(board);
        Ok(())
    }

    /// Takes the title, and the first picture's size if the window still has none of its own.
    fn follow(&mut self, board: &Board) {
        let title = title(board);
        if self.title != title {
            self.window.set_title(&title);
            self.title = title;
        }
        let Some((provisional, size)) = self.provisional.zip(board.picture_size()) else { return };
        self.provisional = None;
        if self.size == provisional {
            let (width, height) = room_on(self.window.current_monitor(), size);
            // The size comes with an event, or not at all where windows are tiled.
            let size = PhysicalSize::new(width, height);
            if let Some(size) = self.window.request_inner_size(size) {
                self.size = size;
                self.window.request_redraw();
            }
        }
    }
}

fn title(board: &Board) -> String {
    format!("{} - handfast", board.title())
}

/// The size that a window for a picture may have.
fn room(event_loop: &ActiveEventLoop, size: (u32, u32)) -> (u32, u32) {
    let monitor = event_loop.primary_monitor().or_else(|| event_loop.available_monitors().next());
    room_on(monitor, size)
}

/// The picture's own size, or less where the monitor would be full of it.
fn room_on(monitor: Option<MonitorHandle>, (width, height): (u32, u32)) -> (u32, u32) {
    let Some(monitor) = monitor.map(|monitor| monitor.size()) else { return (width, height) };
    let most = Rect::whole(monitor.width / 10 * 9, monitor.height / 10 * 9);
    if most.width == 0 || most.height == 0 || width <= most.width && height <= most.height {
        return (width, height);
    }
    let fitted = layout::fit((width, height), most);
    (fitted.width, fitted.height)
}

/// Font pixels are two pixels large, and more where the display is dense.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut to 2..=16")]
fn font_scale(display_scale: f64) -> u32 {
    (display_scale * 2.0).round().clamp(2.0, 16.0) as u32
}

/// Its error cannot leave the thread, but what it says can.
fn unsent(error: SoftBufferError) -> anyhow::Error {
    anyhow!("the window's pixels: {error}")
}
