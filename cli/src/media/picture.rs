//! A picture: bytes, and what is needed to read them.

use std::fmt;

use super::{Alignment, Alpha, Color, Format, FrameRecord, Layout, LayoutError, Plane};

/// One pixel of the picture format that everything here converts from and to.
pub(crate) type Rgba = [u8; 4];

/// What a picture is, apart from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PictureDesc {
    /// In pixels.
    pub(crate) width: u32,
    /// In pixels.
    pub(crate) height: u32,
    /// How pixels are arranged.
    pub(crate) format: Format,
    /// Where the planes lie.
    pub(crate) layout: Layout,
    /// What the values mean.
    pub(crate) color: Color,
    /// What the alpha channel means.
    pub(crate) alpha: Alpha,
}

/// A picture to read. Having one proves that every row lies inside the bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Picture<'a> {
    desc: PictureDesc,
    bytes: &'a [u8],
}

/// A picture to write, for example into a slot. Having one proves that every row lies inside the
/// bytes.
#[derive(Debug)]
pub(crate) struct PictureMut<'a> {
    desc: PictureDesc,
    bytes: &'a mut [u8],
}

/// A picture with memory of its own.
#[derive(Clone, Debug)]
pub(crate) struct OwnedPicture {
    desc: PictureDesc,
    bytes: Vec<u8>,
}

/// The size and format of a picture, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    width: u32,
    height: u32,
    format: Format,
}

/// Why bytes are not the picture that they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PictureError {
    /// The size is impossible or a plane reaches beyond the bytes.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The planes are not those of the format and size.
    #[error("plane {plane} does not have the rows of a picture of {kind}")]
    Plane {
        /// The plane, from 0.
        plane: usize,
        /// What the picture should be.
        kind: Kind,
    },
    /// One picture where another was expected.
    #[error("a picture of {found} where {wanted} is expected")]
    Mismatch {
        /// What came.
        found: Kind,
        /// What was expected.
        wanted: Kind,
    },
    /// The picture does not fit the memory of this process.
    #[error("a picture of {size_bytes} bytes does not fit the memory of this process")]
    Memory {
        /// The bytes that it takes.
        size_bytes: u64,
    },
}

impl PictureDesc {
    /// A picture in its usual colour, straight alpha where the format has alpha.
    pub(crate) fn new(
        width: u32,
        height: u32,
        format: Format,
        alignment: Alignment,
    ) -> Result<Self, LayoutError> {
        let layout = format.layout(width, height, alignment)?;
        let alpha = if format.has_alpha() { Alpha::Straight } else { Alpha::Opaque };
        Ok(Self { width, height, format, layout, color: Color::usual(format), alpha })
    }

    /// The same without any padding, as in files.
    pub(crate) fn tight(width: u32, height: u32, format: Format) -> Result<Self, LayoutError> {
        Self::new(width, height, format, Alignment::TIGHT)
    }

    /// The same picture in another colour.
    pub(crate) fn with_color(self, color: Color) -> Self {
        Self { color, ..self }
    }

    /// The same picture with another alpha mode; a format without alpha stays opaque.
    pub(crate) fn with_alpha(self, alpha: Alpha) -> Self {
        Self { alpha: if self.format.has_alpha() { alpha } else { Alpha::Opaque }, ..self }
    }

    /// The size and format, for comparison and messages.
    pub(crate) fn kind(&self) -> Kind {
        Kind { width: self.width, height: self.height, format: self.format }
    }

    /// The bytes of pixels alone, without padding: what a frame takes in a file.
    pub(crate) fn packed_bytes(&self) -> u64 {
        let plane = |p: &Plane| u64::from(p.row_bytes) * u64::from(p.height);
        self.layout.planes().iter().map(plane).sum()
    }

    /// A plane; one that is not there has no rows.
    fn plane(&self, plane: usize) -> Plane {
        self.layout.planes().get(plane).copied().unwrap_or_default()
    }

    fn check(&self, bytes: usize) -> Result<(), PictureError> {
        let kind = self.kind();
        super::check_size(self.width, self.height)?;
        for plane in 0..self.format.plane_count().max(self.layout.planes().len()) {
            let wanted = self.format.plane_size(self.width, self.height, plane);
            let found = self.layout.planes().get(plane).map(|p| (p.height, p.row_bytes));
            if found != wanted {
                return Err(PictureError::Plane { plane, kind });
            }
        }
        Ok(self.layout.check_within(u64::try_from(bytes).unwrap_or(u64::MAX))?)
    }
}

impl From<&FrameRecord> for PictureDesc {
    fn from(record: &FrameRecord) -> Self {
        let &FrameRecord { width, height, format, layout, color, alpha, .. } = record;
        Self { width, height, format, layout, color, alpha }
    }
}

impl<'a> Picture<'a> {
    /// Looks at bytes as a picture.
    pub(crate) fn new(desc: PictureDesc, bytes: &'a [u8]) -> Result<Self, PictureError> {
        desc.check(bytes.len())?;
        Ok(Self { desc, bytes })
    }

    /// What it is.
    pub(crate) fn desc(&self) -> &PictureDesc {
        &self.desc
    }

    /// One row of a plane without its padding; empty where there is none.
    pub(crate) fn row(&self, plane: usize, row: u32) -> &'a [u8] {
        self.bytes.get(row_range(&self.desc, plane, row)).unwrap_or_default()
    }

    /// The rows of a plane without padding, from the top.
    pub(crate) fn rows(&self, plane: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let plane = self.desc.plane(plane);
        self.chunks(plane, to_usize(plane.row_bytes))
    }

    /// The pixels of a plane in as few pieces as its padding allows.
    pub(crate) fn spans(&self, plane: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (plane, span_bytes) = span(self.desc.plane(plane));
        self.chunks(plane, span_bytes)
    }

    /// A number that two pictures with the same pixels share; padding does not count.
    pub(crate) fn checksum(&self) -> u64 {
        let mut sum = Checksum::new(&self.desc);
        for plane in 0..self.desc.format.plane_count() {
            self.rows(plane).for_each(|row| sum.add(plane, row));
        }
        sum.total()
    }

    fn chunks(&self, plane: Plane, used: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let bytes = self.bytes.get(to_usize(plane.offset_bytes)..).unwrap_or_default();
        let rows = bytes.chunks(to_usize(plane.stride_bytes).max(1)).take(to_usize(plane.height));
        rows.map(move |row| row.get(..used).unwrap_or_default())
    }
}

impl<'a> PictureMut<'a> {
    /// Looks at bytes as a picture to write.
    pub(crate) fn new(desc: PictureDesc, bytes: &'a mut [u8]) -> Result<Self, PictureError> {
        desc.check(bytes.len())?;
        Ok(Self { desc, bytes })
    }

    /// One row of a plane without its padding; empty where there is none.
    pub(crate) fn row_mut(&mut self, plane: usize, row: u32) -> &mut [u8] {
        self.bytes.get_mut(row_range(&self.desc, plane, row)).unwrap_or_default()
    }

    /// The rows of a plane without padding, from the top.
    pub(crate) fn rows_mut(&mut self, plane: usize) -> impl Iterator<Item = &mut [u8]> {
        let plane = self.desc.plane(plane);
        self.chunks_mut(plane, to_usize(plane.row_bytes))
    }

    /// The pixels of a plane in as few pieces as its padding allows.
    pub(crate) fn spans_mut(&mut self, plane: usize) -> impl Iterator<Item = &mut [u8]> {
        let (plane, span_bytes) = span(self.desc.plane(plane));
        self.chunks_mut(plane, span_bytes)
    }

    /// Copies the pixels of a picture of the same size and format, whatever the padding of either.
    pub(crate) fn copy_from(&mut self, picture: &Picture<'_>) -> Result<(), PictureError> {
        let (found, wanted) = (picture.desc.kind(), self.desc.kind());
        if found != wanted {
            return Err(PictureError::Mismatch { found, wanted });
        }
        for plane in 0..self.desc.format.plane_count() {
            for (to, from) in self.rows_mut(plane).zip(picture.rows(plane)) {
                to.copy_from_slice(from);
            }
        }
        Ok(())
    }

    /// What it is.
    pub(crate) fn desc(&self) -> &PictureDesc {
        &self.desc
    }

    fn chunks_mut(&mut self, plane: Plane, used: usize) -> impl Iterator<Item = &mut [u8]> {
        let bytes = self.bytes.get_mut(to_usize(plane.offset_bytes)..).unwrap_or_default();
        let rows =
            bytes.chunks_mut(to_usize(plane.stride_bytes).max(1)).take(to_usize(plane.height));
        rows.map(move |row| row.get_mut(..used).unwrap_or_default())
    }
}

impl OwnedPicture {
    /// A picture of zeros.
    pub(crate) fn new(desc: PictureDesc) -> Result<Self, PictureError> {
        let size_bytes = desc.layout.size_bytes;
        let length = usize::try_from(size_bytes)
            .ok()
            .filter(|&length| isize::try_from(length).is_ok())
            .ok_or(PictureError::Memory { size_bytes })?;
        desc.check(length)?;
        Ok(Self { desc, bytes: vec![0; length] })
    }

    /// Makes a picture of bytes.
    pub(crate) fn from_bytes(desc: PictureDesc, bytes: Vec<u8>) -> Result<Self, PictureError> {
        desc.check(bytes.len())?;
        Ok(Self { desc, bytes })
    }

    /// What it is.
    pub(crate) fn desc(&self) -> &PictureDesc {
        &self.desc
    }

    /// The picture to read.
    pub(crate) fn as_picture(&self) -> Picture<'_> {
        Picture { desc: self.desc, bytes: &self.bytes }
    }

    /// The picture to write.
    pub(crate) fn as_picture_mut(&mut self) -> PictureMut<'_> {
        PictureMut { desc: self.desc, bytes: &mut self.bytes }
    }

    /// All its bytes, padding included.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{} {}", self.width, self.height, self.format)
    }
}

/// Sums up the rows of each plane, from the top. It is quick and not cryptographic, and the same on
/// every machine.
#[derive(Debug)]
pub(crate) struct Checksum {
    planes: [u64; 4],
    start: u64,
}

impl Checksum {
    /// Starts with the size and format of a picture.
    pub(crate) fn new(desc: &PictureDesc) -> Self {
        let size = u64::from(desc.width) << 32 | u64::from(desc.height);
        let start = mixed(mixed(1, size), u64::from(desc.format.number()));
        Self { planes: [0; 4], start }
    }

    /// Adds the next row of a plane.
    pub(crate) fn add(&mut self, plane: usize, row: &[u8]) {
        let Some(place) = self.planes.get_mut(plane) else { return };
        let (words, rest) = row.as_chunks::<8>();
        let sum = words.iter().fold(*place, |sum, word| mixed(sum, u64::from_le_bytes(*word)));
        *place = rest.iter().fold(sum, |sum, &byte| mixed(sum, u64::from(byte) | 0x100));
    }

    /// The checksum of all rows.
    pub(crate) fn total(&self) -> u64 {
        self.planes.iter().fold(self.start, |sum, &plane| mixed(sum, plane))
    }
}

fn mixed(sum: u64, word: u64) -> u64 {
    (sum.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A plane without padding is one long row.
fn span(plane: Plane) -> (Plane, usize) {
    if plane.height == 0 || plane.stride_bytes != plane.row_bytes {
        return (plane, to_usize(plane.row_bytes));
    }
    match plane.stride_bytes.checked_mul(plane.height) {
        Some(bytes) => (Plane { stride_bytes: bytes, height: 1, ..plane }, to_usize(bytes)),
        None => (plane, to_usize(plane.row_bytes)),
    }
}

fn row_range(desc: &PictureDesc, plane: usize, row: u32) -> std::ops::Range<usize> {
    let plane = desc.plane(plane);
    let start = plane.row_offset(row).and_then(|offset| usize::try_from(offset).ok());
    start.map_or(0..0, |start| start..start.saturating_add(to_usize(plane.row_bytes)))
}

/// Widens; on every machine that runs this a `usize` has at least 32 bits.
pub(crate) fn to_usize(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_between_layouts() {
        for format in Format::ALL {
            let tight = PictureDesc::tight(7, 5, format).unwrap();
            let padded = PictureDesc::new(7, 5, format, Alignment::DEFAULT).unwrap();
            let size = usize::try_from(tight.packed_bytes()).unwrap();
            let bytes: Vec<u8> = (0..=255).cycle().take(size).collect();
            let original = OwnedPicture::from_bytes(tight, bytes).unwrap();
            let mut slot = OwnedPicture::new(padded).unwrap();
            slot.as_picture_mut().copy_from(&original.as_picture()).unwrap();
            let mut back = OwnedPicture::new(tight).unwrap();
            back.as_picture_mut().copy_from(&slot.as_picture()).unwrap();
            assert_eq!(back.bytes(), original.bytes(), "{format}");
            assert_eq!(slot.as_picture().checksum(), original.as_picture().checksum());
        }
    }

    #[test]
    fn spans_join_what_has_no_padding() {
        let tight = OwnedPicture::new(PictureDesc::tight(64, 4, Format::I420).unwrap()).unwrap();
        assert_eq!(tight.as_picture().spans(0).map(<[u8]>::len).collect::<Vec<_>>(), [256]);
        let desc = PictureDesc::new(64, 4, Format::I420, Alignment::DEFAULT).unwrap();
        let padded = OwnedPicture::new(desc).unwrap();
        assert_eq!(padded.as_picture().spans(1).map(<[u8]>::len).collect::<Vec<_>>(), [32, 32]);
        assert_eq!(padded.as_picture().spans(3).count(), 0);
    }

    #[test]
    fn bytes_that_are_too_few_are_refused() {
        let desc = PictureDesc::tight(4, 4, Format::Bgra8).unwrap();
        let refused = Picture::new(desc, &[0; 63]).unwrap_err().to_string();
        assert_eq!(refused, "plane 0 ends at byte 64 of 63");
        let other = PictureDesc { height: 5, ..desc };
        let refused = Picture::new(other, &[0; 99]).unwrap_err().to_string();
        assert_eq!(refused, "plane 0 does not have the rows of a picture of 4x5 BGRA8");
    }

    #[test]
    fn a_checksum_sees_order_and_single_bytes() {
        let desc = PictureDesc::tight(3, 3, Format::R8).unwrap();
        let sum = |bytes: &[u8]| Picture::new(desc, bytes).unwrap().checksum();
        let mut seen = vec![sum(&[0; 9])];
        for at in 0..9 {
            let mut bytes = [0; 9];
            bytes[at] = 1;
            seen.push(sum(&bytes));
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 10);
    }
}
