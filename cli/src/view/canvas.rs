//! Pixels to draw on, and text on them.

use super::layout::Rect;
use crate::media::font;
use crate::media::picture::to_usize;

/// Behind pictures.
pub(super) const PAPER: u32 = 0x0018_1a1e;
/// Of text.
pub(super) const INK: u32 = 0x00e8_eaee;

/// Rows of 0x00RRGGBB, from the top.
#[derive(Debug)]
pub(super) struct Canvas<'a> {
    pixels: &'a mut [u32],
    width: u32,
    height: u32,
}

/// Text to write over a picture. A window writes it with a font of pixels, a terminal with its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) text: String,
    pub(super) area: Rect,
    pub(super) place: Place,
}

/// Where in its area a label stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Middle,
    Bottom,
}

impl<'a> Canvas<'a> {
    /// Looks at pixels as rows; rows that are missing are not drawn.
    pub(super) const fn new(pixels: &'a mut [u32], width: u32, height: u32) -> Self {
        Self { pixels, width, height }
    }

    /// Makes all of it one colour.
    pub(super) fn clear(&mut self, color: u32) {
        self.pixels.fill(color);
    }

    /// Part of a row; empty where there is none.
    pub(super) fn row_mut(&mut self, y: u32, x: u32, width: u32) -> &mut [u32] {
        if y >= self.height {
            return &mut [];
        }
        let start = to_usize(y) * to_usize(self.width);
        let (from, to) = (x.min(self.width), x.saturating_add(width).min(self.width));
        self.pixels.get_mut(start + to_usize(from)..start + to_usize(to)).unwrap_or_default()
    }

    /// Makes part of it darker, to write on.
    pub(super) fn darken(&mut self, area: Rect) {
        for y in area.y..area.y.saturating_add(area.height) {
            for pixel in self.row_mut(y, area.x, area.width) {
                *pixel = *pixel >> 2 & 0x003f_3f3f;
            }
        }
    }

    /// Writes a label with the font of pixels, each so large, or smaller where there is no room.
    pub(super) fn write(&mut self, label: &Label, scale: u32) {
        let Label { text, area, place } = label;
        let scale = scale.min(area.width / (font::text_width(text) + 4)).max(1);
        let width = (font::text_width(text) * scale).min(area.width);
        let height = (font::HEIGHT * scale).min(area.height);
        let border = 2 * scale;
        let x = area.x + (area.width - width) / 2;
        let y = match place {
            Place::Middle => area.y + (area.height - height) / 2,
            Place::Bottom => area.y + area.height.saturating_sub(height + border),
        };
        let (left, top) = (x.saturating_sub(border).max(area.x), y.saturating_sub(border));
        let band = Rect {
            x: left,
            y: top.max(area.y),
            width: (width + 2 * border).min(area.x + area.width - left),
            height: height + 2 * border,
        };
        self.darken(band);
        for line in 0..height {
            let pixels = font::row_pixels(text, to_usize(line / scale));
            let row = self.row_mut(y + line, x, width).chunks_mut(to_usize(scale));
            row.zip(pixels).filter(|(_, is_ink)| *is_ink).for_each(|(px, _)| px.fill(INK));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_inside() {
        let mut pixels = [0; 12];
        let mut canvas = Canvas::new(&mut pixels, 4, 3);
        assert_eq!(canvas.row_mut(2, 1, 99).len(), 3);
        assert_eq!(canvas.row_mut(3, 0, 4).len(), 0);
        assert_eq!(canvas.row_mut(0, 9, 4).len(), 0);
        canvas.row_mut(1, 3, 1).fill(7);
        assert_eq!(pixels, [0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0]);
    }

    #[test]
    fn text_is_cut_to_its_area() {
        for (width, height) in [(1, 1), (5, 3), (30, 9), (300, 200)] {
            for place in [Place::Middle, Place::Bottom] {
                let mut pixels = vec![0x00ff_ffff; to_usize(width * height)];
                let mut canvas = Canvas::new(&mut pixels, width, height);
                let text = "waiting for cam".to_owned();
                let area = Rect::whole(width, height).inset(1);
                canvas.write(&Label { text, area, place }, 3);
                assert!(pixels.iter().all(|px| [0x00ff_ffff, 0x003f_3f3f, INK].contains(px)));
                assert_eq!(pixels.contains(&INK), width > 5, "{width}x{height} {place:?}");
            }
        }
    }
}
