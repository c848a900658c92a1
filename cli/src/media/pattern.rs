//! Test patterns: moving pictures that are a function of (sequence, x, y) and nothing else, so that
//! a frame that is torn, stale or wrong can be told from the right one.

use super::convert::Encoder;
use super::font;
use super::picture::{
    OwnedPicture, Picture, PictureDesc, PictureError, PictureMut, Rgba, to_usize,
};

/// A moving test picture, for any format and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// Colour bars of 75 % as in SMPTE EG 1, with a white line that runs through the picture.
    Bars,
    /// A ball that bounces off the edges.
    Ball,
    /// The sequence number in large digits over colours that differ in each frame.
    Counter,
}

/// The first pixel that is not that of the frame it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("frame {sequence} is torn or not the frame it says it is: wrong from pixel {x},{y} on")]
pub(crate) struct Torn {
    /// The frame that it should be.
    pub(crate) sequence: u64,
    /// From the left.
    pub(crate) x: u32,
    /// From the top.
    pub(crate) y: u32,
}

impl Pattern {
    /// Every pattern.
    pub(crate) const ALL: [Self; 3] = [Self::Bars, Self::Ball, Self::Counter];

    /// Finds a pattern by its name, as typed on a command line.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pattern| pattern.name() == name)
    }

    /// The name, as typed on a command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bars => "bars",
            Self::Ball => "ball",
            Self::Counter => "counter",
        }
    }

    /// Draws a frame; every pixel is written.
    pub(crate) fn draw(self, sequence: u64, picture: &mut PictureMut<'_>) {
        let mut bands = Bands::new(self, sequence, picture.desc());
        for band in 0..bands.encoder.bands() {
            bands.draw(band, band, picture);
        }
    }

    /// Compares a picture with the frame that it should be.
    pub(crate) fn verify(self, sequence: u64, picture: &Picture<'_>) -> Result<(), Torn> {
        let desc = picture.desc();
        let mut found = Ok(());
        self.for_each_row(sequence, desc, |plane, row, wanted| {
            let given = picture.row(plane, row);
            if found.is_ok() && given != wanted {
                let byte = given.iter().zip(wanted).take_while(|(a, b)| a == b).count();
                found = Err(torn_at(sequence, desc, plane, row, byte));
            }
            found.is_ok()
        });
        found
    }

    /// Hands out the rows that a frame has if it is right, until `visit` returns false.
    fn for_each_row(
        self,
        sequence: u64,
        desc: &PictureDesc,
        mut visit: impl FnMut(usize, u32, &[u8]) -> bool,
    ) {
        let mut bands = Bands::new(self, sequence, desc);
        let band_rows = bands.encoder.band_rows();
        let one_band = PictureDesc::tight(desc.width, band_rows, desc.format)
            .map(|one| one.with_color(desc.color).with_alpha(desc.alpha))
            .map_err(PictureError::from)
            .and_then(OwnedPicture::new);
        let Ok(mut one_band) = one_band else { return };
        for band in 0..bands.encoder.bands() {
            bands.draw(band, 0, &mut one_band.as_picture_mut());
            let first = band * band_rows;
            for plane in 0..desc.format.plane_count() {
                let (row, rows) = if plane == 0 {
                    (first, band_rows.min(desc.height - first))
                } else {
                    (band, 1)
                };
                for (at, wanted) in (row..row + rows).zip(one_band.as_picture().rows(plane)) {
                    if !visit(plane, at, wanted) {
                        return;
                    }
                }
            }
        }
    }
}

/// Draws the bands of one frame.
struct Bands {
    painter: Painter,
    encoder: Encoder,
    height: u32,
    top: Vec<Rgba>,
    bottom: Vec<Rgba>,
}

impl Bands {
    fn new(pattern: Pattern, sequence: u64, desc: &PictureDesc) -> Self {
        let top = vec![[0, 0, 0, 255]; to_usize(desc.width)];
        let painter = match pattern {
            Pattern::Bars => Painter::Bars(Bars::new(sequence, desc)),
            Pattern::Ball => Painter::Ball(Ball::new(sequence, desc)),
            Pattern::Counter => Painter::Counter(Counter::new(sequence, desc)),
        };
        Self { painter, encoder: Encoder::new(desc), height: desc.height, bottom: top.clone(), top }
    }

    /// Draws a band of the frame as band `to` of a picture.
    fn draw(&mut self, band: u32, to: u32, picture: &mut PictureMut<'_>) {
        let first = band * self.encoder.band_rows();
        self.painter.paint(first, &mut self.top);
        if self.encoder.band_rows() > 1 {
            self.painter.paint((first + 1).min(self.height - 1), &mut self.bottom);
        }
        self.encoder.encode_band(to, [&self.top, &self.bottom], picture);
    }
}

enum Painter {
    Bars(Bars),
    Ball(Ball),
    Counter(Counter),
}

impl Painter {
    /// Writes every pixel of a row, opaque.
    fn paint(&self, y: u32, row: &mut [Rgba]) {
        match self {
            Self::Bars(bars) => bars.paint(y, row),
            Self::Ball(ball) => ball.paint(y, row),
            Self::Counter(counter) => counter.paint(y, row),
        }
    }
}

const BLACK: Rgba = [0, 0, 0, 255];
const WHITE: Rgba = [255; 4];
const GREY: Rgba = [191, 191, 191, 255];
const YELLOW: Rgba = [191, 191, 0, 255];
const CYAN: Rgba = [0, 191, 191, 255];
const GREEN: Rgba = [0, 191, 0, 255];
const MAGENTA: Rgba = [191, 0, 191, 255];
const RED: Rgba = [191, 0, 0, 255];
const BLUE: Rgba = [0, 0, 191, 255];
/// In-phase and quadrature of NTSC, as near as RGB comes.
const MINUS_I: Rgba = [0, 33, 76, 255];
const PLUS_Q: Rgba = [50, 0, 106, 255];
/// A step above black that is just to be seen.
const ABOVE_BLACK: Rgba = [10, 10, 10, 255];

struct Bars {
    width: u32,
    height: u32,
    line_left: u32,
    line_width: u32,
}

impl Bars {
    fn new(sequence: u64, desc: &PictureDesc) -> Self {
        let (width, height) = (desc.width, desc.height);
        let step = u64::from((width / 240).max(1));
        let line_left = remainder(sequence.wrapping_mul(step), width);
        Self { width, height, line_left, line_width: (width / 160).max(1) }
    }

    fn paint(&self, y: u32, row: &mut [Rgba]) {
        let (upper, middle) = (self.height * 2 / 3, self.height * 3 / 4);
        if y < upper {
            self.stripes(&[GREY, YELLOW, CYAN, GREEN, MAGENTA, RED, BLUE], row);
        } else if y < middle {
            self.stripes(&[BLUE, BLACK, MAGENTA, BLACK, CYAN, BLACK, GREY], row);
        } else {
            // 28ths of the width: four wide patches, then the steps near black.
            let wide = [MINUS_I, WHITE, PLUS_Q, BLACK].map(|color| [color; 5]);
            let steps = [BLACK, BLACK, ABOVE_BLACK, BLACK, BLACK, BLACK, BLACK, BLACK];
            self.stripes([wide.as_flattened(), steps.as_slice()].concat().as_slice(), row);
        }
        let line = to_usize(self.line_left)..to_usize(self.line_left + self.line_width);
        let shadow = line.start.saturating_sub(line.len())..line.end + line.len();
        for (range, color) in [(shadow, BLACK), (line, WHITE)] {
            let end = range.end.min(row.len());
            row.get_mut(range.start..end).unwrap_or_default().fill(color);
        }
    }

    /// Fills the row with stripes of one width each.
    fn stripes(&self, colors: &[Rgba], row: &mut [Rgba]) {
        let count = u32::try_from(colors.len()).unwrap_or(1).max(1);
        let edge = |stripe: u32| to_usize(self.width * stripe / count);
        for (stripe, color) in (0..count).zip(colors) {
            row.get_mut(edge(stripe)..edge(stripe + 1)).unwrap_or_default().fill(*color);
        }
    }
}

struct Ball {
    height: u32,
    left: u32,
    radius_px: u32,
    /// The middle.
    x: f32,
    y: f32,
    radius: f32,
}

impl Ball {
    fn new(sequence: u64, desc: &PictureDesc) -> Self {
        let (width, height) = (desc.width, desc.height);
        let radius = (width.min(height) / 8).max(1);
        let step = u64::from((width.max(height) / 160).max(1));
        let distance = sequence.wrapping_mul(step);
        let place = |distance: u64, side: u32| {
            let room = side.saturating_sub(2 * radius);
            // There and back again.
            let at = remainder(distance, 2 * room.max(1));
            at.min((2 * room).saturating_sub(at))
        };
        let (left, top) = (place(distance, width), place(distance.wrapping_mul(3) / 4, height));
        let (x, y) = ((left + radius) as f32, (top + radius) as f32);
        Self { height, left, radius_px: radius, x, y, radius: radius as f32 }
    }

    fn paint(&self, y: u32, row: &mut [Rgba]) {
        let shade = super::convert::narrow(y.saturating_mul(48) / self.height.max(1));
        row.fill([16, 20 + shade / 2, 40 + shade, 255]);
        let dy = y as f32 + 0.5 - self.y;
        if dy.abs() > self.radius + 1.0 {
            return;
        }
        let (left, across) = (self.left.saturating_sub(1), 2 * self.radius_px + 2);
        for (x, pixel) in (left..left + across).zip(row.iter_mut().skip(to_usize(left))) {
            let dx = x as f32 + 0.5 - self.x;
            let cover = (self.radius + 0.5 - (dx * dx + dy * dy).sqrt()).clamp(0.0, 1.0);
            let (lx, ly) = (dx + self.radius * 0.4, dy + self.radius * 0.4);
            let light = 1.0 - 0.45 * (lx * lx + ly * ly).sqrt() / self.radius;
            let [r, g, b, _] = *pixel;
            let mix = |under: u8, ball: f32| {
                let under = f32::from(under) / 255.0;
                super::convert::unit_to_byte(under + (ball * light - under) * cover)
            };
            *pixel = [mix(r, 1.0), mix(g, 0.6), mix(b, 0.2), 255];
        }
    }
}

/// Red and green run up to the right and downwards and move on by one with each frame; blue holds
/// the higher bits of the sequence number and of the place.
struct Counter {
    first_row: Vec<Rgba>,
    digits: String,
    scale: u32,
    left: u32,
    top: u32,
}

impl Counter {
    fn new(sequence: u64, desc: &PictureDesc) -> Self {
        let [low, high, ..] = sequence.to_le_bytes();
        let (red, green) = (low.wrapping_mul(3), low.wrapping_mul(5));
        let pixel = |x: u32| {
            let [x, above, ..] = x.to_le_bytes();
            let blue = high.wrapping_add(above.wrapping_mul(24));
            [x.wrapping_add(red), green, blue, 255]
        };
        let digits = sequence.to_string();
        let text_width = font::text_width(&digits);
        let scale = (desc.height / 5 / font::HEIGHT).min(desc.width * 9 / 10 / (text_width + 4));
        Self {
            first_row: (0..desc.width).map(pixel).collect(),
            scale,
            left: (desc.width.saturating_sub(text_width * scale)) / 2,
            top: (desc.height.saturating_sub(font::HEIGHT * scale)) / 2,
            digits,
        }
    }

    fn paint(&self, y: u32, row: &mut [Rgba]) {
        let [green, above, ..] = y.to_le_bytes();
        let step = u32::from_le_bytes([0, green, above.wrapping_mul(24), 0]);
        for (out, first) in row.iter_mut().zip(&self.first_row) {
            *out = add_bytes(u32::from_le_bytes(*first), step).to_le_bytes();
        }
        // Without digits, in a small picture, the box is empty.
        let (margin, scale) = (2 * self.scale, to_usize(self.scale));
        let text = self.top..self.top + font::HEIGHT * self.scale;
        if y + margin < text.start || y >= text.end + margin || scale == 0 {
            return;
        }
        let left = to_usize(self.left.saturating_sub(margin));
        let width = to_usize(font::text_width(&self.digits) * self.scale + 2 * margin);
        let end = left.saturating_add(width).min(row.len());
        let dark = row.get_mut(left..end).unwrap_or_default();
        dark.fill(BLACK);
        if text.contains(&y) {
            let columns = dark.get_mut(to_usize(margin)..).unwrap_or_default().chunks_mut(scale);
            let pixels = font::row_pixels(&self.digits, to_usize((y - text.start) / self.scale));
            columns.zip(pixels).filter(|(_, ink)| *ink).for_each(|(px, _)| px.fill(WHITE));
        }
    }
}

/// Adds four bytes to four bytes at once, each on its own.
#[inline]
fn add_bytes(a: u32, b: u32) -> u32 {
    const LOW: u32 = 0x7f7f_7f7f;
    ((a & LOW) + (b & LOW)) ^ ((a ^ b) & !LOW)
}

fn remainder(value: u64, divisor: u32) -> u32 {
    u32::try_from(value % u64::from(divisor.max(1))).unwrap_or(0)
}

fn torn_at(sequence: u64, desc: &PictureDesc, plane: usize, row: u32, byte: usize) -> Torn {
    let (x_shift, y_shift) = match desc.format.chroma() {
        Some(chroma) if plane > 0 => (chroma.horizontal_shift, chroma.vertical_shift),
        _ => (0, 0),
    };
    let one = desc.format.plane_size(1, 1, plane).map_or(1, |(_, bytes)| to_usize(bytes).max(1));
    let x = u32::try_from(byte / one).unwrap_or(0) << x_shift;
    Torn { sequence, x: x.min(desc.width - 1), y: row << y_shift }
}

#[cfg(test)]
mod tests {
    use super::super::{Alignment, Format};
    use super::*;

    fn drawn(pattern: Pattern, sequence: u64, desc: PictureDesc) -> OwnedPicture {
        let mut picture = OwnedPicture::new(desc).unwrap();
        pattern.draw(sequence, &mut picture.as_picture_mut());
        picture
    }

    #[test]
    fn a_frame_is_itself_and_no_other() {
        for pattern in Pattern::ALL {
            for format in Format::ALL {
                let desc = PictureDesc::new(161, 91, format, Alignment::DEFAULT).unwrap();
                let picture = drawn(pattern, 7, desc);
                assert_eq!(pattern.verify(7, &picture.as_picture()), Ok(()), "{format}");
                for other in [6, 8, 7 + 256] {
                    let is_other = pattern.verify(other, &picture.as_picture()).is_err();
                    assert!(is_other || pattern != Pattern::Counter, "{format} {other}");
                }
            }
        }
    }

    #[test]
    fn every_row_of_the_counter_tells_neighbouring_frames_apart() {
        for format in [Format::Bgra8, Format::I420, Format::Nv12] {
            let desc = PictureDesc::tight(320, 240, format).unwrap();
            for (a, b) in [(0, 1), (255, 256), (10, 14), (0, 256)] {
                let (a, b) = (drawn(Pattern::Counter, a, desc), drawn(Pattern::Counter, b, desc));
                let (a, b) = (a.as_picture(), b.as_picture());
                assert!(a.rows(0).zip(b.rows(0)).all(|(a, b)| a != b));
            }
        }
    }

    #[test]
    fn a_torn_frame_is_found_where_it_is_torn() {
        let desc = PictureDesc::new(64, 48, Format::Bgra8, Alignment::DEFAULT).unwrap();
        let mut picture = drawn(Pattern::Counter, 1000, desc);
        let newer = drawn(Pattern::Counter, 1004, desc);
        for y in 30..48 {
            let row = newer.as_picture().row(0, y);
            picture.as_picture_mut().row_mut(0, y).copy_from_slice(row);
        }
        let torn = Pattern::Counter.verify(1000, &picture.as_picture());
        assert_eq!(torn, Err(Torn { sequence: 1000, x: 0, y: 30 }));
        let mut picture =
            drawn(Pattern::Counter, 5, PictureDesc::tight(64, 48, Format::I420).unwrap());
        picture.as_picture_mut().row_mut(2, 3)[9] ^= 1;
        let torn = Pattern::Counter.verify(5, &picture.as_picture());
        assert_eq!(torn, Err(Torn { sequence: 5, x: 18, y: 6 }));
    }

    #[test]
    fn any_size_can_be_drawn() {
        for (width, height) in [(1, 1), (1, 99), (99, 1), (2, 3), (17, 5), (16384, 2)] {
            for pattern in Pattern::ALL {
                for format in [Format::Bgra8, Format::I420] {
                    let desc = PictureDesc::tight(width, height, format).unwrap();
                    for sequence in [0, 1, u64::MAX] {
                        let picture = drawn(pattern, sequence, desc);
                        assert_eq!(pattern.verify(sequence, &picture.as_picture()), Ok(()));
                    }
                }
            }
        }
    }

    #[test]
    fn bars_have_the_known_colours() {
        let desc = PictureDesc::tight(700, 300, Format::Rgba8).unwrap();
        let picture = drawn(Pattern::Bars, 0, desc);
        let at = |x: usize| picture.as_picture().row(0, 100)[x * 4..][..4].to_vec();
        assert_eq!([at(50), at(550), at(650)], [GREY, RED, BLUE].map(|c| c.to_vec()));
        let desc = PictureDesc::tight(700, 300, Format::I444).unwrap();
        let picture = drawn(Pattern::Bars, 0, desc);
        let at = |x: usize| [0, 1, 2].map(|plane| picture.as_picture().row(plane, 100)[x]);
        // BT.709, limited, 75 %: white, yellow, cyan, green, magenta, red, blue.
        let wanted = [
            [180, 128, 128],
            [168, 44, 136],
            [145, 147, 44],
            [133, 63, 52],
            [63, 193, 204],
            [51, 109, 212],
            [28, 212, 120],
        ];
        assert_eq!([50, 150, 250, 350, 450, 550, 650].map(at), wanted);
    }
}
