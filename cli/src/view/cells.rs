//! A canvas as characters: each shows two pixels, the upper as ▀ and the lower as what is behind.

use super::canvas::{INK, Label, Place};
use crate::media::picture::to_usize;

/// The colours that a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Palette {
    /// 24 bits.
    True,
    /// 6x6x6 colours and 24 greys.
    Fixed256,
}

/// What one character shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    upper: u32,
    lower: u32,
    /// Text, which hides the picture's upper pixel.
    glyph: Option<char>,
}

/// What a terminal shows, so that only what changes is written.
#[derive(Debug)]
pub(super) struct Screen {
    palette: Palette,
    columns: u32,
    rows: u32,
    shown: Vec<Option<Cell>>,
}

impl Palette {
    /// What the environment says: `COLORTERM` and `TERM`.
    pub(super) fn of(color_term: &str, term: &str) -> Self {
        let says = |text: &str| color_term == text || term.contains(text);
        if says("truecolor") || says("24bit") || says("direct") {
            Self::True
        } else {
            Self::Fixed256
        }
    }

    /// A colour as it will be seen: all that look alike are one.
    fn color(self, rgb: u32) -> u32 {
        match self {
            Self::True => rgb & 0xff_ffff,
            Self::Fixed256 => nearest(rgb),
        }
    }

    /// Selects a colour of text (38) or behind it (48).
    fn select(self, out: &mut String, what: u32, color: u32) {
        let [b, g, r, _] = color.to_le_bytes();
        out.push_str(&match self {
            Self::True => format!("\x1b[{what};2;{r};{g};{b}m"),
            Self::Fixed256 => format!("\x1b[{what};5;{color}m"),
        });
    }
}

impl Screen {
    /// An empty screen of so many characters.
    pub(super) fn new(palette: Palette, columns: u32, rows: u32) -> Self {
        let shown = vec![None; to_usize(columns) * to_usize(rows)];
        Self { palette, columns, rows, shown }
    }

    /// The size of a canvas for it.
    pub(super) const fn canvas_size(&self) -> (u32, u32) {
        (self.columns, self.rows * 2)
    }

    /// What to write so that the terminal shows these pixels and labels.
    pub(super) fn update(&mut self, pixels: &[u32], labels: &[Label]) -> String {
        let cells = self.cells(pixels, labels);
        let mut out = String::new();
        // The colours selected and the cell that the cursor is in front of.
        let (mut text, mut behind, mut cursor) = (None, None, None);
        for (index, (cell, shown)) in cells.iter().zip(&mut self.shown).enumerate() {
            if shown.replace(*cell) == Some(*cell) {
                continue;
            }
            let columns = to_usize(self.columns);
            let (row, column) = (index / columns, index % columns);
            // At the end of a row terminals differ in where the cursor is.
            if cursor != Some(index) || column == 0 {
                out.push_str(&format!("\x1b[{};{}H", row + 1, column + 1));
            }
            cursor = Some(index + 1);
            if behind.replace(cell.lower) != Some(cell.lower) {
                self.palette.select(&mut out, 48, cell.lower);
            }
            let plain = if cell.upper == cell.lower { ' ' } else { '▀' };
            let glyph = cell.glyph.unwrap_or(plain);
            if glyph != ' ' && text.replace(cell.upper) != Some(cell.upper) {
                self.palette.select(&mut out, 38, cell.upper);
            }
            out.push(glyph);
        }
        if !out.is_empty() {
            out.push_str("\x1b[0m");
        }
        out
    }

    fn cells(&self, pixels: &[u32], labels: &[Label]) -> Vec<Cell> {
        let color = |pixel: &u32| self.palette.color(*pixel);
        let columns = to_usize(self.columns).max(1);
        let mut cells: Vec<_> = pixels
            .chunks_exact(2 * columns)
            .flat_map(|two| {
                let (upper, lower) = two.split_at(columns);
                let pairs = upper.iter().zip(lower);
                pairs.map(|(u, l)| Cell { upper: color(u), lower: color(l), glyph: None })
            })
            .collect();
        for label in labels {
            self.write(label, pixels, &mut cells);
        }
        cells
    }

    /// Text in the middle of its area's width, on what is there made darker.
    fn write(&self, Label { text, area, place }: &Label, pixels: &[u32], cells: &mut [Cell]) {
        let room = to_usize(area.width);
        let glyphs: Vec<_> = text.chars().filter(|c| !c.is_control()).take(room).collect();
        let column = to_usize(area.x) + (room - glyphs.len()) / 2;
        let row = to_usize(match place {
            Place::Middle => (area.y + area.height / 2) / 2,
            Place::Bottom => (area.y + area.height).saturating_sub(1) / 2,
        });
        let columns = to_usize(self.columns);
        let under = pixels.get((2 * row + 1) * columns + column..).unwrap_or_default();
        let cells = cells.get_mut(row * columns + column..).unwrap_or_default();
        for ((cell, under), glyph) in cells.iter_mut().zip(under).zip(glyphs) {
            let dark = *under >> 2 & 0x3f_3f3f;
            let (upper, lower) = (self.palette.color(INK), self.palette.color(dark));
            *cell = Cell { upper, lower, glyph: Some(glyph) };
        }
    }
}

/// The nearest of the 240 colours that terminals agree on.
fn nearest(rgb: u32) -> u32 {
    let [b, g, r, _] = rgb.to_le_bytes().map(i32::from);
    // The cube's steps are 0, 95, 135, 175, 215, 255.
    let step = |value: i32| if value < 48 { 0 } else { ((value - 35) / 40).max(1) };
    let level = |step: i32| if step == 0 { 0 } else { 55 + 40 * step };
    let (cube_r, cube_g, cube_b) = (step(r), step(g), step(b));
    // Greys are 8, 18, .. 238.
    let grey = (((r + g + b) / 3 - 3) / 10).clamp(0, 23);
    let distance = |to: [i32; 3]| {
        let [r, g, b] = [to[0] - r, to[1] - g, to[2] - b];
        r * r + g * g + b * b
    };
    let cube = distance([level(cube_r), level(cube_g), level(cube_b)]);
    let number = if distance([8 + 10 * grey; 3]) < cube {
        232 + grey
    } else {
        16 + 36 * cube_r + 6 * cube_g + cube_b
    };
    number.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::super::layout::Rect;
    use super::*;

    const RED: u32 = 0xff_0000;
    const BLUE: u32 = 0x00_00ff;

    fn check(screen: &mut Screen, pixels: &[u32], labels: &[Label], wanted: &str) {
        let found = screen.update(pixels, labels).replace('\x1b', "^");
        assert_eq!(found, wanted);
    }

    #[test]
    fn two_pixels_are_a_character() {
        let mut screen = Screen::new(Palette::True, 2, 1);
        assert_eq!(screen.canvas_size(), (2, 2));
        let wanted = "^[1;1H^[48;2;0;0;255m^[38;2;255;0;0m▀ ^[0m";
        check(&mut screen, &[RED, BLUE, BLUE, BLUE], &[], wanted);
    }

    #[test]
    fn only_what_changes_is_written() {
        let mut screen = Screen::new(Palette::True, 3, 2);
        let mut pixels = [RED; 12];
        check(&mut screen, &pixels, &[], "^[1;1H^[48;2;255;0;0m   ^[2;1H   ^[0m");
        check(&mut screen, &pixels, &[], "");
        pixels[7] = BLUE;
        check(&mut screen, &pixels, &[], "^[2;2H^[48;2;255;0;0m^[38;2;0;0;255m▀^[0m");
    }

    #[test]
    fn text_stands_on_the_picture() {
        let mut screen = Screen::new(Palette::True, 4, 1);
        let area = Rect::whole(4, 2);
        let label = Label { text: "a\x1bb".into(), area, place: Place::Middle };
        let wanted = "^[1;1H^[48;2;255;0;0m ^[48;2;63;0;0m^[38;2;232;234;238mab\
                      ^[48;2;255;0;0m ^[0m";
        check(&mut screen, &[RED; 8], &[label], wanted);
    }

    #[test]
    fn text_is_cut_where_there_is_no_room() {
        let mut screen = Screen::new(Palette::Fixed256, 3, 1);
        let area = Rect { x: 1, y: 0, width: 2, height: 2 };
        let label = Label { text: "waiting".into(), area, place: Place::Bottom };
        check(&mut screen, &[0; 6], &[label], "^[1;1H^[48;5;16m ^[38;5;255mwa^[0m");
        let beyond = Rect { x: 9, y: 9, width: 9, height: 9 };
        let label = Label { text: "nowhere".into(), area: beyond, place: Place::Middle };
        check(&mut screen, &[0; 6], &[label], "^[1;2H^[48;5;16m  ^[0m");
    }

    #[test]
    fn colors_are_the_nearest_of_256() {
        for (rgb, wanted) in [
            (0, 16),
            (0xff_ffff, 231),
            (RED, 196),
            (BLUE, 21),
            (0x80_8080, 244),
            (0x08_0808, 232),
            (0x5f_8700, 64),
        ] {
            assert_eq!(nearest(rgb), wanted, "{rgb:06x}");
        }
    }

    #[test]
    fn the_environment_says_the_palette() {
        assert_eq!(Palette::of("truecolor", "xterm"), Palette::True);
        assert_eq!(Palette::of("24bit", ""), Palette::True);
        assert_eq!(Palette::of("", "xterm-direct"), Palette::True);
        assert_eq!(Palette::of("", "xterm-256color"), Palette::Fixed256);
        assert_eq!(Palette::of("yes", "linux"), Palette::Fixed256);
    }
}
