//! A contact sheet: thumbnails in rows, each row and each picture with a label.

use super::convert::{narrow, to_rgba8};
use super::font;
use super::picture::{OwnedPicture, Picture, PictureDesc, PictureError, Rgba, to_usize};
use super::{Alpha, Format};

const PAPER: Rgba = [24, 26, 30, 255];
const FRAME: Rgba = [58, 62, 70, 255];
const INK: Rgba = [232, 234, 238, 255];
const FAINT: Rgba = [150, 156, 166, 255];
/// Two greys behind pictures that let something through.
const CHECKS: [u8; 2] = [102, 153];
const MARGIN: u32 = 16;
const GAP: u32 = 8;
/// Heights of lines of text, with the room around them.
const TITLE_HEIGHT: u32 = 3 * font::HEIGHT + MARGIN;
const LABEL_HEIGHT: u32 = 2 * font::HEIGHT + 10;
const CAPTION_HEIGHT: u32 = font::HEIGHT + 6;

/// A sheet that is being laid out.
#[derive(Debug)]
pub(crate) struct ContactSheet {
    title: String,
    cell_width: u32,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    label: String,
    remark: String,
    cells: Vec<(String, OwnedPicture)>,
}

impl ContactSheet {
    /// An empty sheet with thumbnails at most this wide and high.
    pub(crate) fn new(title: &str, cell_width: u32) -> Self {
        Self { title: title.to_owned(), cell_width: cell_width.clamp(16, 1024), rows: Vec::new() }
    }

    /// Starts a row: whose pictures these are, and a remark in fainter ink.
    pub(crate) fn row(&mut self, label: &str, remark: &str) {
        let (label, remark) = (label.to_owned(), remark.to_owned());
        self.rows.push(Row { label, remark, cells: Vec::new() });
    }

    /// Adds a picture to the last row. Only its thumbnail is kept.
    pub(crate) fn cell(
        &mut self,
        caption: &str,
        picture: &Picture<'_>,
    ) -> Result<(), PictureError> {
        if self.rows.is_empty() {
            self.row("", "");
        }
        let thumbnail = thumbnail(picture, self.cell_width)?;
        if let Some(row) = self.rows.last_mut() {
            row.cells.push((caption.to_owned(), thumbnail));
        }
        Ok(())
    }

    /// Draws the sheet as RGBA8. Rows and columns beyond the largest picture are left out.
    pub(crate) fn compose(&self) -> Result<OwnedPicture, PictureError> {
        let texts = self.rows.iter().map(|row| 2 * font::text_width(&row.heading()));
        let pictures = self.rows.iter().map(|row| {
            let cells = u32::try_from(row.cells.len()).unwrap_or(u32::MAX);
            cells.saturating_mul(self.cell_width + GAP)
        });
        let widest = texts.chain(pictures).chain([3 * font::text_width(&self.title)]).max();
        let width = widest.unwrap_or(0).saturating_add(2 * MARGIN).min(8192);
        let heights = self.rows.iter().map(Row::height);
        let height = heights.fold(TITLE_HEIGHT + 2 * MARGIN, u32::saturating_add).min(8192);
        let desc = PictureDesc::tight(width, height, Format::Rgba8)?.with_alpha(Alpha::Opaque);
        let mut sheet = OwnedPicture::new(desc)?;
        fill(&mut sheet, (0, 0), (width, height), PAPER);
        font::draw_text(&mut sheet, (MARGIN, MARGIN), 3, INK, &self.title);
        let mut top = MARGIN + TITLE_HEIGHT;
        for row in &self.rows {
            row.draw(&mut sheet, top, self.cell_width);
            top = top.saturating_add(row.height());
        }
        Ok(sheet)
    }
}

impl Row {
    fn heading(&self) -> String {
        format!("{}  {}", self.label, self.remark)
    }

    fn picture_height(&self) -> u32 {
        self.cells.iter().map(|(_, picture)| picture.desc().height).max().unwrap_or(0)
    }

    fn height(&self) -> u32 {
        LABEL_HEIGHT + self.picture_height() + CAPTION_HEIGHT + MARGIN
    }

    fn draw(&self, sheet: &mut OwnedPicture, top: u32, cell_width: u32) {
        font::draw_text(sheet, (MARGIN, top), 2, INK, &self.label);
        let after = 2 * font::ADVANCE * u32::try_from(self.label.chars().count() + 2).unwrap_or(0);
        font::draw_text(sheet, (MARGIN + after, top), 2, FAINT, &self.remark);
        let top = top + LABEL_HEIGHT;
        let mut left = MARGIN;
        for (caption, picture) in &self.cells {
            let &PictureDesc { width, height, .. } = picture.desc();
            fill(sheet, (left - 1, top - 1), (width + 2, height + 2), FRAME);
            paste(sheet, (left, top), picture);
            let below = top + self.picture_height() + CAPTION_HEIGHT - font::HEIGHT;
            // A caption ends before the next one starts.
            let room = to_usize((cell_width / font::ADVANCE).max(1));
            let caption: String = caption.chars().take(room).collect();
            font::draw_text(sheet, (left, below), 1, FAINT, &caption);
            left = left.saturating_add(cell_width + GAP);
        }
    }
}

fn fill(sheet: &mut OwnedPicture, (left, top): (u32, u32), (width, height): (u32, u32), ink: Rgba) {
    let mut sheet = sheet.as_picture_mut();
    for y in top..top.saturating_add(height).min(sheet.desc().height) {
        let row = sheet.row_mut(0, y).as_chunks_mut().0.iter_mut();
        row.skip(to_usize(left)).take(to_usize(width)).for_each(|px| *px = ink);
    }
}

/// Lays a picture over checks.
fn paste(sheet: &mut OwnedPicture, (left, top): (u32, u32), picture: &OwnedPicture) {
    let mut sheet = sheet.as_picture_mut();
    for (y, from) in (top..).zip(picture.as_picture().rows(0)) {
        let row = sheet.row_mut(0, y).as_chunks_mut().0.iter_mut().skip(to_usize(left));
        for (x, (out, &[r, g, b, a])) in row.zip(from.as_chunks().0).enumerate() {
            let [dark, light] = CHECKS;
            let under =
                if (x / 8 + to_usize((y - top) / 8)).is_multiple_of(2) { dark } else { light };
            let alpha = u32::from(a);
            let over = |value: u8| {
                narrow((u32::from(value) * alpha + u32::from(under) * (255 - alpha) + 127) / 255)
            };
            *out = [over(r), over(g), over(b), 255];
        }
    }
}

/// Shrinks a picture to fit a square, each pixel the average of those that it stands for; a smaller
/// one keeps its size.
fn thumbnail(picture: &Picture<'_>, side_max: u32) -> Result<OwnedPicture, PictureError> {
    let full = to_rgba8(picture)?;
    let PictureDesc { width, height, alpha, .. } = *full.desc();
    let long = width.max(height);
    if long <= side_max {
        return Ok(full);
    }
    let scaled = |side: u32| (side * side_max / long).max(1);
    let (small_width, small_height) = (scaled(width), scaled(height));
    let desc = PictureDesc::tight(small_width, small_height, Format::Rgba8)?.with_alpha(alpha);
    let mut small = OwnedPicture::new(desc)?;
    let mut out = small.as_picture_mut();
    let full = full.as_picture();
    for y in 0..small_height {
        let rows = y * height / small_height..((y + 1) * height / small_height);
        let mut sums = vec![[0u64; 5]; to_usize(small_width)];
        for row in rows {
            let pixels = full.row(0, row).as_chunks().0;
            for (x, sum) in (0..).zip(&mut sums) {
                let range =
                    to_usize(x * width / small_width)..to_usize((x + 1) * width / small_width);
                pixels.get(range).unwrap_or_default().iter().for_each(|px| add(sum, *px));
            }
        }
        for (px, sum) in out.row_mut(0, y).as_chunks_mut().0.iter_mut().zip(sums) {
            *px = average(sum);
        }
    }
    Ok(small)
}

/// Colour counts as much as it covers.
fn add([red, green, blue, alpha, count]: &mut [u64; 5], [r, g, b, a]: Rgba) {
    let a = u64::from(a);
    *red += u64::from(r) * a;
    *green += u64::from(g) * a;
    *blue += u64::from(b) * a;
    *alpha += a;
    *count += 1;
}

fn average([red, green, blue, alpha, count]: [u64; 5]) -> Rgba {
    let byte = |sum: u64, by: u64| {
        let value = (sum + by / 2).checked_div(by).unwrap_or(0);
        u8::try_from(value).unwrap_or(255)
    };
    [byte(red, alpha), byte(green, alpha), byte(blue, alpha), byte(alpha, count)]
}

#[cfg(test)]
mod tests {
    use super::super::pattern::Pattern;
    use super::*;

    fn picture(width: u32, height: u32, format: Format) -> OwnedPicture {
        let desc = PictureDesc::tight(width, height, format).unwrap();
        let mut picture = OwnedPicture::new(desc).unwrap();
        Pattern::Bars.draw(0, &mut picture.as_picture_mut());
        picture
    }

    #[test]
    fn thumbnails_fit_and_keep_their_shape() {
        for (width, height, wanted) in
            [(400, 200, (100, 50)), (200, 400, (50, 100)), (30, 20, (30, 20)), (9999, 1, (100, 1))]
        {
            let small = thumbnail(&picture(width, height, Format::I420).as_picture(), 100).unwrap();
            assert_eq!((small.desc().width, small.desc().height), wanted);
        }
    }

    #[test]
    fn averages_weigh_by_alpha() {
        let desc = PictureDesc::tight(32, 1, Format::Rgba8).unwrap();
        let bytes = [[200, 0, 0, 255], [0, 99, 99, 0]].repeat(16).concat();
        let picture = OwnedPicture::from_bytes(desc, bytes).unwrap();
        let small = thumbnail(&picture.as_picture(), 16).unwrap();
        assert_eq!(small.bytes(), [200, 0, 0, 128].repeat(16));
    }

    #[test]
    fn a_sheet_holds_all_rows() {
        let mut sheet = ContactSheet::new("demo", 64);
        assert_eq!(sheet.compose().unwrap().desc().width, 3 * 23 + 2 * MARGIN);
        sheet.cell("no row yet", &picture(64, 64, Format::Nv12).as_picture()).unwrap();
        sheet.row("checker", "lossless, 600 frames");
        for number in 0..4 {
            let caption = format!("frame {number} and more than fits");
            sheet.cell(&caption, &picture(64, 48, Format::Bgra8).as_picture()).unwrap();
        }
        let drawn = sheet.compose().unwrap();
        let rows = 2 * (LABEL_HEIGHT + CAPTION_HEIGHT + MARGIN) + 64 + 48;
        assert_eq!(drawn.desc().height, TITLE_HEIGHT + 2 * MARGIN + rows);
        assert!(drawn.bytes().iter().skip(3).step_by(4).all(|&alpha| alpha == 255));
    }
}
