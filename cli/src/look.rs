//! What the commands that look at objects have in common: text that is safe to print and fits,
//! and numbers for people.

pub(crate) mod rates;
pub(crate) mod subject;
pub(crate) mod surface;

use std::borrow::Cow;
use std::fmt::Display;
use std::fs;
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use handfast::{
    Client, FenceState, KeyedMutexStatus, Kind, Mode, PictureInfo, Reading, Reset, Writers,
};
use serde::Serialize;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::progress::to_f64;

/// Whether anybody reads what is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Yes,
    /// The reader has closed its end, as `head` does: there is nobody to say more to.
    No,
}

/// Writes to standard output, at once.
pub(crate) fn say(text: &str) -> io::Result<Heard> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(Heard::Yes),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Heard::No),
        Err(error) => Err(error),
    }
}

/// The broker that runs, for something that is looked for by name. None is started.
pub(crate) fn connect(name: &str) -> anyhow::Result<Client> {
    let running = Client::connect_existing()?;
    running.ok_or_else(|| anyhow!("{}: nothing is shared, for no broker runs", clean(name)))
}

/// An error about a name with the command for what bears it, if there is one.
pub(crate) fn advised(name: &str, error: handfast::Error) -> anyhow::Error {
    match error.found_kind() {
        Some(kind @ (Kind::Fence | Kind::Event)) => {
            anyhow!("{error}; to use it:  handfast {kind} {} --help", typed(name))
        }
        Some(Kind::Stream | Kind::Surface | Kind::Section) | None => error.into(),
    }
}

/// Text of others, for a terminal: what would move the cursor, be invisible or turn the direction
/// of writing is escaped.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_tricky) {
        return text.into();
    }
    let mut clean = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_tricky(c) {
            clean.extend(c.escape_unicode());
        } else {
            clean.push(c);
        }
    }
    clean.into()
}

fn is_tricky(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{e0000}'..='\u{e007f}')
}

/// A value as one line of JSON. What [`clean`] escapes is escaped here too, in JSON's own way.
pub(crate) fn json(value: &impl Serialize) -> serde_json::Result<String> {
    let mut line = String::new();
    for c in serde_json::to_string(value)?.chars() {
        if is_tricky(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                line += &format!("\\u{unit:04x}");
            }
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    Ok(line)
}

/// How many columns a text takes.
pub(crate) fn columns_of(text: &str) -> usize {
    text.width()
}

/// A text in at most so many columns, with an ellipsis where it was cut.
pub(crate) fn fit(text: &str, columns: usize) -> Cow<'_, str> {
    if columns_of(text) <= columns {
        return text.into();
    }
    let (mut cut, mut used) = (String::new(), 0);
    for c in text.chars() {
        used += c.width().unwrap_or_default();
        if used >= columns {
            break;
        }
        cut.push(c);
    }
    if columns > 0 {
        cut.push('…');
    }
    cut.into()
}

/// A process for people: `ffmpeg[2214]`.
pub(crate) fn process(program: Option<&str>, pid: i32) -> String {
    format!("{}[{pid}]", clean(program.unwrap_or("process")))
}

/// A process as JSON.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Process<'a> {
    pub(crate) pid: i32,
    pub(crate) program: Option<&'a str>,
}

/// What a fence, an event or a keyed mutex says: `at 88412`, `set`, `free for key 1`.
pub(crate) fn reading(reading: Reading) -> String {
    match reading {
        Reading::Fence { value, state: FenceState::Live } => format!("at {value}"),
        Reading::Fence { value, state } => format!("at {value}, {}", fence_state(state)),
        Reading::Event { is_set: true } => "set".into(),
        Reading::Event { is_set: false } => "not set".into(),
        Reading::KeyedMutex(KeyedMutexStatus::Free { key }) => format!("free for key {key}"),
        Reading::KeyedMutex(KeyedMutexStatus::Owned { opening: 0 }) => "changing hands".into(),
        Reading::KeyedMutex(KeyedMutexStatus::Owned { opening }) => {
            format!("held by owner {opening}")
        }
        Reading::KeyedMutex(KeyedMutexStatus::Abandoned { opening }) => {
            format!("abandoned by owner {opening}, for ever")
        }
    }
}

/// Who is left to signal a fence, in a word.
pub(crate) const fn fence_state(state: FenceState) -> &'static str {
    match state {
        FenceState::Live => "live",
        FenceState::Abandoned => "abandoned",
        FenceState::Lost => "lost",
    }
}

/// What makes an event unset, as it is typed.
pub(crate) const fn reset(reset: Reset) -> &'static str {
    match reset {
        Reset::Manual => "manual",
        Reset::Auto => "auto",
    }
}

/// Who may write, in a word.
pub(crate) const fn writers(writers: Writers) -> &'static str {
    match writers {
        Writers::One => "maker",
        Writers::Several => "several",
    }
}

/// A user's name, or its number where the machine's own list does not have it.
pub(crate) fn user(uid: u32) -> String {
    let list = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = uid.to_string();
    let name = list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == Some(&number)).then(|| clean(name).into_owned())
    });
    name.unwrap_or(number)
}

/// A time span with one unit.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86400),
    }
}

/// ` after 500 ms`, for a wait that was given up; nothing for one that only looked.
pub(crate) fn after(timeout: Option<Duration>) -> String {
    let timeout = timeout.unwrap_or_default();
    match timeout.as_millis() {
        0 if timeout.is_zero() => String::new(),
        milliseconds if milliseconds % 1000 == 0 => format!(" after {} s", timeout.as_secs()),
        milliseconds => format!(" after {milliseconds} ms"),
    }
}

/// How long ago that was, of a time in nanoseconds since 1970.
pub(crate) fn since(then_ns: u64) -> Duration {
    let then = SystemTime::UNIX_EPOCH + Duration::from_nanos(then_ns);
    SystemTime::now().duration_since(then).unwrap_or_default()
}

/// How long ago that was, of a time in nanoseconds of `CLOCK_MONOTONIC`.
pub(crate) fn since_monotonic(then_ns: u64) -> Duration {
    Duration::from_nanos(handfast::monotonic_ns().saturating_sub(then_ns))
}

/// A size with one digit: `8.3 MB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = to_f64(bytes) / 1000.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while value >= 999.95
        && let Some(next) = units.next()
    {
        value /= 1000.0;
        unit = Some(next);
    }
    format!("{value:.1} {}", unit.unwrap_or(&"TB"))
}

/// `1 object`, `2 objects`.
pub(crate) fn counted<N: Display + PartialEq + From<u8>>(count: N, word: &str) -> String {
    let plural = if count == N::from(1) { "" } else { "s" };
    format!("{count} {word}{plural}")
}

/// Milliseconds with at most three digits behind the point, for JSON.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// A mode as it is typed.
pub(crate) fn mode(mode: Mode) -> String {
    match mode {
        Mode::Latest => "latest".into(),
        Mode::Queue(depth) => format!("queue:{depth}"),
        Mode::Lossless => "lossless".into(),
    }
}

/// A picture in a few words: `1920x1080 BGRA8, sRGB, straight`.
pub(crate) fn picture(picture: &PictureInfo) -> String {
    let &PictureInfo { width, height, format, color, alpha } = picture;
    let color = color.to_string();
    // What is full range says so only where it could be otherwise.
    let color = if format.is_yuv() { &color } else { color.trim_end_matches(" full") };
    let alpha = if format.has_alpha() { format!(", {alpha}") } else { String::new() };
    format!("{width}x{height} {format}, {color}{alpha}")
}

/// A word of a command to type, quoted where a shell would take it apart.
pub(crate) fn typed(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,+@%=".contains(c);
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with('-') {
        return word.into();
    }
    format!("'{}'", clean(word).replace('\'', r"'\''")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_moves_no_cursor_and_turns_nothing() {
        assert_eq!(clean("cam"), "cam");
        assert_eq!(clean("Grüße 日本"), "Grüße 日本");
        assert_eq!(clean("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\u{a}");
        assert_eq!(clean("a\u{202e}b\u{2066}\u{200f}"), "a\\u{202e}b\\u{2066}\\u{200f}");
    }

    #[test]
    fn json_says_the_same_and_turns_nothing() {
        let text = "a\x1b\u{202e}b\u{e0041}\u{85}";
        let line = json(&text).unwrap();
        assert_eq!(line, "\"a\\u001b\\u202eb\\udb40\\udc41\\u0085\"\n");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }

    #[test]
    fn what_is_too_long_is_cut_by_columns_not_characters() {
        assert_eq!(fit("camera", 6), "camera");
        assert_eq!(fit("camera", 5), "came…");
        assert_eq!(fit("日本日本", 6), "日本…");
        assert_eq!(fit("日本日本", 4), "日…");
        assert_eq!(fit("camera", 1), "…");
        assert_eq!(fit("camera", 0), "");
    }

    #[test]
    fn numbers_have_one_unit() {
        let spans = [0, 1_999, 2_000, 119_999, 120_000, 7_200_000, 172_800_000];
        let words: Vec<_> = spans.map(|ms| span(Duration::from_millis(ms))).into();
        assert_eq!(words, ["0 ms", "1 s", "2 s", "119 s", "2 min", "2 h", "2 days"]);
        let sizes = [0, 999, 1000, 8_294_400, 999_960_000, u64::MAX];
        let words: Vec<_> = sizes.map(size).into();
        assert_eq!(words, ["0 B", "999 B", "1.0 kB", "8.3 MB", "1.0 GB", "18446744.1 TB"]);
    }

    #[test]
    fn what_is_counted_has_a_singular() {
        let words = [0, 1, 2].map(|count: u64| counted(count, "object"));
        assert_eq!(words, ["0 objects", "1 object", "2 objects"]);
    }

    #[test]
    fn words_of_commands_are_quoted_where_needed() {
        assert_eq!(typed("cam"), "cam");
        assert_eq!(typed(r"Global\wall"), r"'Global\wall'");
        assert_eq!(typed("it's"), r"'it'\''s'");
    }
}
