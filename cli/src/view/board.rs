//! What is shown: the pictures of one or all streams with what is to be said of them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::canvas::{Canvas, Label, PAPER, Place};
use super::feed::{Feed, Names, Shot, Status, Waker};
use super::layout::{self, Rect};
use super::scale;
use crate::media::png;

/// How long a notice is to be read.
const NOTICE: Duration = Duration::from_secs(3);
/// The shape that cells are made for.
const CELL_SHAPE: (u32, u32) = (16, 9);

/// All that is shown.
#[derive(Debug)]
pub(super) struct Board {
    tiles: Vec<Tile>,
    /// Where the tiles come from, if not from one name.
    names: Option<Names>,
    /// Whether the end of the stream is the end.
    once: bool,
    frames_left: Option<u64>,
    notice: Option<(String, Instant)>,
    waker: Waker,
}

/// Why there is no more to show.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Over {
    Done,
    Failed(String),
}

#[derive(Debug)]
struct Tile {
    feed: Feed,
    shot: Option<Shot>,
    status: Status,
    /// Frames per second.
    rate: f64,
}

impl Board {
    /// Shows one stream.
    pub(super) fn single(feed: Feed, once: bool, frames: Option<u64>, waker: Waker) -> Self {
        let tiles = vec![Tile::new(feed)];
        Self { tiles, names: None, once, frames_left: frames, notice: None, waker }
    }

    /// Shows all streams.
    pub(super) fn grid(names: Names, frames: Option<u64>, waker: Waker) -> Self {
        let (tiles, names) = (Vec::new(), Some(names));
        Self { tiles, names, once: false, frames_left: frames, notice: None, waker }
    }

    /// Looks at what has changed; why there is no more to show, if so.
    pub(super) fn refresh(&mut self) -> Option<Over> {
        self.waker.rearm();
        for tile in &mut self.tiles {
            (tile.status, tile.rate) = tile.feed.status();
        }
        if let Some(names) = &self.names {
            let names = names.now();
            // Without a broker there are no names, and frames go on coming.
            let goes_on = |tile: &Tile| tile.status == Status::Live;
            self.tiles.retain(|tile| goes_on(tile) || names.contains(&tile.feed.name));
            for name in names {
                if !self.tiles.iter().any(|tile| tile.feed.name == name) {
                    self.tiles.push(Tile::new(Feed::start(&name, None, &self.waker)));
                }
            }
            return None;
        }
        match self.tiles.first().map(|tile| &tile.status) {
            Some(Status::Failed(error)) => Some(Over::Failed(error.clone())),
            Some(Status::Trouble(error)) if self.once => Some(Over::Failed(error.clone())),
            Some(Status::Ended | Status::Lost) if self.once => Some(Over::Done),
            _ => None,
        }
    }

    /// Takes the newest pictures and draws them; the labels are for the caller to write.
    pub(super) fn draw(&mut self, canvas: &mut Canvas<'_>, area: Rect) -> Vec<Label> {
        let mut is_new = false;
        for tile in &mut self.tiles {
            is_new |= tile.feed.take(&mut tile.shot);
        }
        if let Some(left) = self.frames_left.as_mut().filter(|_| is_new) {
            *left = left.saturating_sub(1);
        }
        canvas.clear(PAPER);
        let mut labels = Vec::new();
        let mut label = |text: String, area, place| labels.push(Label { text, area, place });
        let count = u32::try_from(self.tiles.len()).unwrap_or(u32::MAX);
        let cells = layout::grid(count, CELL_SHAPE, area);
        for (tile, cell) in self.tiles.iter().zip(cells) {
            let cell = if self.names.is_some() { cell.inset(1) } else { cell };
            let mut seen = cell;
            if let Some(Ok(picture)) = tile.shot.as_ref().map(Shot::picture) {
                let desc = picture.desc();
                seen = layout::fit((desc.width, desc.height), cell);
                scale::draw(&picture, seen, canvas);
            }
            if let Some(message) = tile.message() {
                canvas.darken(seen);
                label(message, cell, Place::Middle);
            }
            if self.names.is_some() {
                let below = Rect { x: cell.x, width: cell.width, ..seen };
                label(tile.title(), below, Place::Bottom);
            }
        }
        if self.names.is_some() && self.tiles.is_empty() {
            label("no stream yet: handfast send cam --pattern bars".into(), area, Place::Middle);
        }
        if let Some((notice, _)) = &self.notice {
            label(notice.clone(), area, Place::Bottom);
        }
        labels
    }

    /// Whether as many frames were drawn as were asked for.
    pub(super) fn is_enough(&self) -> bool {
        self.frames_left == Some(0)
    }

    /// The size of the picture, if there is one only.
    pub(super) fn picture_size(&self) -> Option<(u32, u32)> {
        let [Tile { shot: Some(shot), .. }] = self.tiles.as_slice() else { return None };
        Some((shot.desc.width, shot.desc.height)).filter(|_| self.names.is_none())
    }

    /// As [`Self::picture_size`], waiting a little for the first picture.
    pub(super) fn first_size(&self, timeout: Duration) -> Option<(u32, u32)> {
        let [tile] = self.tiles.as_slice() else { return None };
        tile.feed.first_size(timeout)
    }

    /// Writes what is seen into PNG files in the present folder, at full size.
    pub(super) fn save(&mut self) {
        let shots = self.tiles.iter().filter_map(|tile| Some((tile.shot.as_ref()?, &tile.feed)));
        let saved: anyhow::Result<Vec<_>> =
            shots.map(|(shot, feed)| save(shot, &feed.name)).collect();
        let text = match saved {
            Ok(paths) => match paths.as_slice() {
                [] => "nothing to save yet".into(),
                [path] => format!("saved {}", path.display()),
                [path, rest @ ..] => format!("saved {} and {} more", path.display(), rest.len()),
            },
            Err(error) => format!("{error:#}"),
        };
        self.notice = Some((text, Instant::now() + NOTICE));
    }

    /// Forgets a notice that has been there long enough; until when there is one.
    pub(super) fn notice_until(&mut self) -> Option<Instant> {
        self.notice.take_if(|(_, until)| *until <= Instant::now());
        self.notice.as_ref().map(|(_, until)| *until)
    }

    /// One line about it.
    pub(super) fn title(&self) -> String {
        match self.tiles.as_slice() {
            [tile] => tile.title(),
            tiles => format!("{} streams", tiles.len()),
        }
    }
}

impl Tile {
    fn new(feed: Feed) -> Self {
        Self { feed, shot: None, status: Status::Waiting, rate: 0.0 }
    }

    /// Name, size, format and rate.
    fn title(&self) -> String {
        let name = &self.feed.name;
        let Some(shot) = &self.shot else { return name.clone() };
        let (kind, rate) = (shot.desc.kind(), self.rate);
        match self.status {
            Status::Live => format!("{name}  {kind}  {rate:.1}/s"),
            Status::Ended => format!("{name}  {kind}  ended"),
            Status::Waiting
            | Status::Silent
            | Status::Lost
            | Status::Trouble(_)
            | Status::Failed(_) => format!("{name}  {kind}"),
        }
    }

    /// What to say in the picture.
    fn message(&self) -> Option<String> {
        let name = &self.feed.name;
        match &self.status {
            Status::Live => None,
            Status::Waiting => Some(format!("waiting for {name}")),
            Status::Silent => Some(format!("{name} is there, no frame yet")),
            Status::Ended => Some(format!("{name} has ended")),
            Status::Lost => Some("the sender died; waiting for another".into()),
            Status::Trouble(error) | Status::Failed(error) => Some(error.clone()),
        }
    }
}

fn save(shot: &Shot, name: &str) -> anyhow::Result<PathBuf> {
    let path = free_path(Path::new(""), name, shot.sequence);
    png::write_file(&path, &shot.picture()?)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(path)
}

/// A file that is not there yet, called after a stream and the number of its frame.
fn free_path(folder: &Path, name: &str, sequence: u64) -> PathBuf {
    let is_plain = |c: char| c.is_alphanumeric() || "._-".contains(c);
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '-' }).collect();
    let plain = plain.trim_start_matches(['.', '-']);
    let mut path = folder.join(format!("{plain}-{sequence}.png"));
    let mut again = 2;
    while path.exists() {
        path = folder.join(format!("{plain}-{sequence}-{again}.png"));
        again += 1;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_after_streams_and_stay_in_the_folder() {
        let check = |name, wanted: &str| {
            assert_eq!(free_path(Path::new("none"), name, 7), Path::new("none").join(wanted));
        };
        check("cam", "cam-7.png");
        check("Global\\wall 2", "Global-wall-2-7.png");
        check("../../etc/passwd", "etc-passwd-7.png");
        check("küche", "küche-7.png");
    }
}
