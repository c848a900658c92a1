//! The frame record: 256 bytes in which every frame describes itself, version 1.
//!
//! A record is 64 words of 32 bits, so that it can live in a page of shared atomics.
//!
//! | words | content |
//! | --- | --- |
//! | 0 | low half: version, 1; high half: length of the record in bytes, 256 |
//! | 1 | flags; none is defined in version 1, unknown ones are kept |
//! | 2, 3 | sequence number, low word first |
//! | 4, 5 | `time_ns`, low word first |
//! | 6, 7 | `sent_ns`, low word first |
//! | 8, 9 | width, height in pixels |
//! | 10 | number of the format |
//! | 11 | colour, from the low byte up: primaries, transfer, matrix, range (0 limited, 1 full) |
//! | 12 | from the low byte up: alpha mode, planes, damage rectangles, bytes of user data |
//! | 13–24 | four planes of three words: offset, stride in bytes, height in rows |
//! | 25–40 | eight rectangles of two words: x and y, width and height, the first in the low half |
//! | 41–47 | reserved: written as zero, ignored when read |
//! | 48–63 | 64 bytes of the sender's own, the first in the low byte |
//!
//! Whatever lies beyond the counts of word 12 is written as zero and ignored when read.

use core::{fmt, slice};

use super::color::{Alpha, Color, Range};
use super::format::{
    Format, HEIGHT_MAX, Layout, LayoutError, PLANES_MAX, Plane, WIDTH_MAX, check_size,
};

/// The version of the record that this code writes, and the only one that it reads.
pub const VERSION: u16 = 1;
/// The words of a record.
pub const WORDS: usize = 64;
/// The bytes of a record.
pub const RECORD_BYTES: u16 = 256;
/// The word with the low half of the sequence number; the next one has the high half.
pub const SEQUENCE_WORD: usize = 2;
/// The most damage rectangles in a record.
pub const DAMAGE_MAX: usize = 8;
/// The most bytes of the sender's own in a record.
pub const USER_BYTES_MAX: usize = 64;

/// What a frame says about itself. A value that came from [`from_words`](Self::from_words) proves
/// that its planes are those of its format and size and lie inside the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRecord {
    /// Counts the frames of a sender.
    pub sequence: u64,
    /// What moment the picture shows, in `CLOCK_MONOTONIC` nanoseconds.
    pub time_ns: u64,
    /// When it was sent, in `CLOCK_MONOTONIC` nanoseconds.
    pub sent_ns: u64,
    /// Flags; none is defined yet.
    pub flags: u32,
    /// The width in pixels.
    pub width: u32,
    /// The height in pixels.
    pub height: u32,
    /// How the pixels are arranged.
    pub format: Format,
    /// Where the planes lie in the slot.
    pub layout: Layout,
    /// What the values mean.
    pub color: Color,
    /// What the alpha channel means.
    pub alpha: Alpha,
    /// What changed since the frame before.
    pub damage: Damage,
    /// Bytes of the sender's own.
    pub user: UserData,
}

/// A part of a picture, in pixels; row 0 is the top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rect {
    /// The left edge.
    pub x: u16,
    /// The upper edge.
    pub y: u16,
    /// How wide.
    pub width: u16,
    /// How high.
    pub height: u16,
}

/// What changed since the frame before: up to [`DAMAGE_MAX`] rectangles. No rectangle means that
/// anything may have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    rects: [Rect; DAMAGE_MAX],
    count: usize,
}

/// Up to [`USER_BYTES_MAX`] bytes of the sender's own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UserData {
    bytes: [u8; USER_BYTES_MAX],
    count: usize,
}

/// Why words from elsewhere are not a frame record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Another version, or no record at all.
    #[error(
        "a frame record of version {version} and {size_bytes} bytes: \
         this program reads version 1 of 256 bytes"
    )]
    Version {
        /// The version found.
        version: u16,
        /// The length found.
        size_bytes: u16,
    },
    /// A format that this code does not know.
    #[error("pixel format number {number} is not known to this program")]
    Format {
        /// The number found.
        number: u32,
    },
    /// A range that this code does not know.
    #[error("colour range number {number} is not known to this program")]
    Range {
        /// The number found.
        number: u8,
    },
    /// An alpha mode that this code does not know.
    #[error("alpha mode number {number} is not known to this program")]
    Alpha {
        /// The number found.
        number: u8,
    },
    /// The wrong number of planes for the format.
    #[error("a frame of {format} with {found} planes: it has {wanted}")]
    PlaneCount {
        /// The format.
        format: Format,
        /// The planes found.
        found: usize,
        /// The planes that the format has.
        wanted: usize,
    },
    /// The wrong number of rows in a plane.
    #[error("plane {plane} of {found} rows: for this format and size it has {wanted}")]
    PlaneHeight {
        /// The plane, from 0.
        plane: usize,
        /// The rows found.
        found: u32,
        /// The rows that it should have.
        wanted: u32,
    },
    /// The size is impossible or a plane is not inside the slot.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// More damage rectangles than there is room for.
    #[error("{found} damage rectangles: at most 8 fit a frame record")]
    DamageCount {
        /// The number found.
        found: usize,
    },
    /// A damage rectangle that is empty or reaches beyond the picture.
    #[error("a damage rectangle of {rect} in a picture of {width}x{height}")]
    Damage {
        /// The rectangle.
        rect: Rect,
        /// The width of the picture.
        width: u32,
        /// The height of the picture.
        height: u32,
    },
    /// More bytes of the sender's own than there is room for.
    #[error("{found} bytes of the sender's own: at most 64 fit a frame record")]
    UserBytes {
        /// The number found.
        found: usize,
    },
}

impl FrameRecord {
    /// Makes the record of a picture in its usual colour, straight alpha where the format has
    /// alpha; sequence, times and flags are zero, anything may have changed.
    pub const fn new(width: u32, height: u32, format: Format, layout: Layout) -> Self {
        Self {
            sequence: 0,
            time_ns: 0,
            sent_ns: 0,
            flags: 0,
            width,
            height,
            format,
            layout,
            color: Color::usual(format),
            alpha: if format.has_alpha() { Alpha::Straight } else { Alpha::Opaque },
            damage: Damage::WHOLE,
            user: UserData::EMPTY,
        }
    }

    /// Reads a record that another process wrote, for a slot of `slot_bytes`. Nothing in it is
    /// trusted. A format without an alpha channel is always opaque, whatever the record says.
    ///
    /// # Errors
    /// One variant of [`RecordError`] for each thing that can be wrong, the first one found.
    pub fn from_words(words: &[u32; WORDS], slot_bytes: u64) -> Result<Self, RecordError> {
        let mut words = Reader(words.iter());
        let [version, size_bytes] = words.halves();
        if version != VERSION || size_bytes != RECORD_BYTES {
            return Err(RecordError::Version { version, size_bytes });
        }
        let flags = words.word();
        let (sequence, time_ns, sent_ns) = (words.long(), words.long(), words.long());
        let (width, height) = (words.word(), words.word());
        check_size(width, height)?;
        let number = words.word();
        let format = Format::from_number(number).ok_or(RecordError::Format { number })?;
        let color = words.word();
        let [_, _, _, range] = color.to_le_bytes();
        let color = Color::from_word(color).ok_or(RecordError::Range { number: range })?;
        let [alpha, planes, rects, user] = words.word().to_le_bytes();
        let alpha = Alpha::from_number(alpha).ok_or(RecordError::Alpha { number: alpha })?;
        let alpha = if format.has_alpha() { alpha } else { Alpha::Opaque };
        let layout = words.layout(format, (width, height), usize::from(planes))?;
        layout.check_within(slot_bytes)?;
        let damage = words.damage(usize::from(rects), (width, height))?;
        words.skip(7);
        let user = words.user(usize::from(user))?;
        Ok(Self {
            sequence,
            time_ns,
            sent_ns,
            flags,
            width,
            height,
            format,
            layout,
            color,
            alpha,
            damage,
            user,
        })
    }

    /// Writes the record as version 1.
    pub fn to_words(&self) -> [u32; WORDS] {
        let mut words = [0; WORDS];
        let mut out = Writer(words.iter_mut());
        out.halves(VERSION, RECORD_BYTES);
        out.word(self.flags);
        out.long(self.sequence);
        out.long(self.time_ns);
        out.long(self.sent_ns);
        out.word(self.width);
        out.word(self.height);
        out.word(self.format.number());
        out.word(self.color.to_word());
        let counts = [self.layout.planes().len(), self.damage.count, self.user.count];
        let [planes, rects, user] = counts.map(|count| u8::try_from(count).unwrap_or(u8::MAX));
        out.word(u32::from_le_bytes([self.alpha.number(), planes, rects, user]));
        let unused = Plane::default();
        for index in 0..PLANES_MAX {
            let plane = self.layout.planes().get(index).unwrap_or(&unused);
            out.word(plane.offset_bytes);
            out.word(plane.stride_bytes);
            out.word(plane.height);
        }
        for rect in self.damage.rects {
            out.halves(rect.x, rect.y);
            out.halves(rect.width, rect.height);
        }
        out.skip(7);
        for bytes in self.user.bytes.as_chunks().0 {
            out.word(u32::from_le_bytes(*bytes));
        }
        words
    }
}

impl Rect {
    /// The part of it that lies inside a picture; `None` when nothing does.
    pub fn clipped(self, width: u32, height: u32) -> Option<Self> {
        let within = |start: u16, length: u16, limit: u32| {
            let room = limit.saturating_sub(u32::from(start));
            u16::try_from(room.min(u32::from(length))).ok().filter(|&length| length > 0)
        };
        let (width, height) =
            (within(self.x, self.width, width)?, within(self.y, self.height, height)?);
        Some(Self { width, height, ..self })
    }

    /// The smallest rectangle around both.
    pub fn union(self, other: Self) -> Self {
        let around = |(a, a_length): (u16, u16), (b, b_length): (u16, u16)| {
            let (start, end) =
                (a.min(b), a.saturating_add(a_length).max(b.saturating_add(b_length)));
            (start, end - start)
        };
        let (x, width) = around((self.x, self.width), (other.x, other.width));
        let (y, height) = around((self.y, self.height), (other.y, other.height));
        Self { x, y, width, height }
    }
}

impl fmt::Display for Rect {
    /// Writes `WIDTHxHEIGHT+X+Y`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}+{}+{}", self.width, self.height, self.x, self.y)
    }
}

impl Damage {
    /// Anything may have changed.
    pub const WHOLE: Self =
        Self { rects: [Rect { x: 0, y: 0, width: 0, height: 0 }; DAMAGE_MAX], count: 0 };

    /// Adds a rectangle. Empty ones are left out; when there is no more room the last place grows
    /// around both.
    pub fn add(&mut self, rect: Rect) {
        if rect.width == 0 || rect.height == 0 {
            return;
        }
        if let Some(place) = self.rects.get_mut(self.count) {
            *place = rect;
            self.count += 1;
        } else if let Some(last) = self.rects.last_mut() {
            *last = last.union(rect);
        }
    }

    /// The rectangles; none means that anything may have changed.
    pub fn rects(&self) -> &[Rect] {
        self.rects.get(..self.count).unwrap_or(&self.rects)
    }

    /// The same damage with every rectangle cut to the picture.
    pub fn clipped(&self, width: u32, height: u32) -> Self {
        let mut damage = Self::WHOLE;
        self.rects().iter().filter_map(|r| r.clipped(width, height)).for_each(|r| damage.add(r));
        damage
    }
}

impl UserData {
    /// No bytes.
    pub const EMPTY: Self = Self { bytes: [0; USER_BYTES_MAX], count: 0 };

    /// Takes bytes of the sender's own.
    ///
    /// # Errors
    /// [`RecordError::UserBytes`] when there are more than [`USER_BYTES_MAX`].
    pub fn new(data: &[u8]) -> Result<Self, RecordError> {
        let mut user = Self { count: data.len(), ..Self::EMPTY };
        let place = user.bytes.get_mut(..data.len());
        place.ok_or(RecordError::UserBytes { found: data.len() })?.copy_from_slice(data);
        Ok(user)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.count).unwrap_or(&self.bytes)
    }
}

impl Default for UserData {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl fmt::Debug for UserData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UserData").field(&self.as_bytes()).finish()
    }
}

/// Takes words off the front; beyond the end they are zero, which the layout above rules out.
struct Reader<'a>(slice::Iter<'a, u32>);

impl Reader<'_> {
    fn word(&mut self) -> u32 {
        self.0.next().copied().unwrap_or(0)
    }

    fn long(&mut self) -> u64 {
        u64::from(self.word()) | u64::from(self.word()) << 32
    }

    fn halves(&mut self) -> [u16; 2] {
        let [a, b, c, d] = self.word().to_le_bytes();
        [u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])]
    }

    fn skip(&mut self, words: usize) {
        for _ in 0..words {
            self.word();
        }
    }

    fn layout(
        &mut self,
        format: Format,
        (width, height): (u32, u32),
        found: usize,
    ) -> Result<Layout, RecordError> {
        let wanted = format.plane_count();
        if found != wanted {
            return Err(RecordError::PlaneCount { format, found, wanted });
        }
        let mut planes = [Plane::default(); PLANES_MAX];
        for (index, plane) in planes.iter_mut().enumerate() {
            let (offset_bytes, stride_bytes, found) = (self.word(), self.word(), self.word());
            let Some((wanted, row_bytes)) = format.plane_size(width, height, index) else {
                continue;
            };
            if found != wanted {
                return Err(RecordError::PlaneHeight { plane: index, found, wanted });
            }
            *plane = Plane { offset_bytes, stride_bytes, height: found, row_bytes };
        }
        Ok(Layout::from_planes(planes.into_iter().take(wanted)))
    }

    fn damage(&mut self, found: usize, size: (u32, u32)) -> Result<Damage, RecordError> {
        if found > DAMAGE_MAX {
            return Err(RecordError::DamageCount { found });
        }
        let (picture_width, picture_height) = size;
        let mut damage = Damage::WHOLE;
        for index in 0..DAMAGE_MAX {
            let ([x, y], [width, height]) = (self.halves(), self.halves());
            let rect = Rect { x, y, width, height };
            if index >= found {
                continue;
            }
            if rect.clipped(picture_width, picture_height) != Some(rect) {
                return Err(RecordError::Damage {
                    rect,
                    width: picture_width,
                    height: picture_height,
                });
            }
            damage.add(rect);
        }
        Ok(damage)
    }

    fn user(&mut self, found: usize) -> Result<UserData, RecordError> {
        let mut bytes = [0; USER_BYTES_MAX];
        for four in bytes.as_chunks_mut().0 {
            *four = self.word().to_le_bytes();
        }
        UserData::new(bytes.get(..found).ok_or(RecordError::UserBytes { found })?)
    }
}

/// Writes words one after the other.
struct Writer<'a>(slice::IterMut<'a, u32>);

impl Writer<'_> {
    fn word(&mut self, word: u32) {
        if let Some(place) = self.0.next() {
            *place = word;
        }
    }

    fn long(&mut self, long: u64) {
        let [a, b, c, d, e, f, g, h] = long.to_le_bytes();
        self.word(u32::from_le_bytes([a, b, c, d]));
        self.word(u32::from_le_bytes([e, f, g, h]));
    }

    fn halves(&mut self, low: u16, high: u16) {
        self.word(u32::from(low) | u32::from(high) << 16);
    }

    fn skip(&mut self, words: usize) {
        for _ in 0..words {
            self.word(0);
        }
    }
}

const _: () = {
    assert!(WORDS * 4 == RECORD_BYTES as usize, "the words of a record are its bytes");
    assert!(WIDTH_MAX <= u16::MAX as u32 && HEIGHT_MAX <= u16::MAX as u32, "a Rect reaches all");
    assert!(Range::Full.number() == 1, "word 11 of the table");
};

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;
    use std::vec::Vec;

    use super::super::format::Alignment;
    use super::*;

    /// A record with every field in use: 6x4 NV12 in a slot of 4096 bytes.
    fn full() -> FrameRecord {
        let layout = Format::Nv12.layout(6, 4, Alignment::DEFAULT).unwrap();
        let mut damage = Damage::WHOLE;
        damage.add(Rect { x: 1, y: 2, width: 3, height: 1 });
        damage.add(Rect { x: 0, y: 0, width: 6, height: 4 });
        FrameRecord {
            sequence: 0x1122_3344_5566_7788,
            time_ns: 0x99aa_bbcc_ddee_ff00,
            sent_ns: 7,
            flags: 0x8000_0001,
            damage,
            user: UserData::new(b"hello").unwrap(),
            ..FrameRecord::new(6, 4, Format::Nv12, layout)
        }
    }

    #[track_caller]
    fn check_refused(word: usize, value: u32, message: &str) {
        let mut words = full().to_words();
        words[word] = value;
        assert_eq!(FrameRecord::from_words(&words, 4096).unwrap_err().to_string(), message);
    }

    #[test]
    fn golden_words() {
        let mut wanted = [0; WORDS];
        wanted[..13].copy_from_slice(&[
            0x0100_0001,
            0x8000_0001,
            0x5566_7788,
            0x1122_3344,
            0xddee_ff00,
            0x99aa_bbcc,
            7,
            0,
            6,
            4,
            14,
            0x0001_0101,
            0x0502_0201,
        ]);
        wanted[13..19].copy_from_slice(&[0, 64, 4, 256, 64, 2]);
        wanted[25..29].copy_from_slice(&[0x0002_0001, 0x0001_0003, 0, 0x0004_0006]);
        wanted[48..50].copy_from_slice(&[0x6c6c_6568, 0x6f]);
        assert_eq!(full().to_words(), wanted);
        assert_eq!(wanted[SEQUENCE_WORD], 0x5566_7788);
    }

    #[test]
    fn round_trip_of_every_format_and_mode() {
        for format in Format::ALL {
            for alpha in Alpha::ALL {
                let layout = format.layout(33, 17, Alignment::DEFAULT).unwrap();
                let record = FrameRecord { alpha, ..FrameRecord::new(33, 17, format, layout) };
                let read = FrameRecord::from_words(&record.to_words(), layout.size_bytes).unwrap();
                let alpha = if format.has_alpha() { alpha } else { Alpha::Opaque };
                assert_eq!(read, FrameRecord { alpha, ..record });
            }
        }
        assert_eq!(FrameRecord::from_words(&full().to_words(), 4096), Ok(full()));
    }

    #[test]
    fn refusals_say_the_numbers() {
        let version = "this program reads version 1 of 256 bytes";
        check_refused(0, 0, &std::format!("a frame record of version 0 and 0 bytes: {version}"));
        check_refused(
            0,
            0x0200_0002,
            &std::format!("a frame record of version 2 and 512 bytes: {version}"),
        );
        check_refused(8, 0, "a picture of 0x4: each side is 1 to 16384 pixels");
        check_refused(9, 16385, "a picture of 6x16385: each side is 1 to 16384 pixels");
        check_refused(10, 99, "pixel format number 99 is not known to this program");
        check_refused(11, 0x0200_0000, "colour range number 2 is not known to this program");
        check_refused(12, 0x0000_0200, "alpha mode number 0 is not known to this program");
        check_refused(12, 0x0000_0301, "a frame of NV12 with 3 planes: it has 2");
        check_refused(12, 0x0009_0201, "9 damage rectangles: at most 8 fit a frame record");
        check_refused(
            12,
            0x4100_0201,
            "65 bytes of the sender's own: at most 64 fit a frame record",
        );
        check_refused(13, u32::MAX, "plane 0 ends at byte 4294967493 of 4096");
        check_refused(14, 5, "plane 0: a stride of 5 bytes for rows of 6 bytes");
        check_refused(14, u32::MAX, "plane 0 ends at byte 12884901891 of 4096");
        check_refused(15, 5, "plane 0 of 5 rows: for this format and size it has 4");
        check_refused(18, 1, "plane 1 of 1 rows: for this format and size it has 2");
        check_refused(26, 0x0001_0006, "a damage rectangle of 6x1+1+2 in a picture of 6x4");
        check_refused(28, 0x0000_0001, "a damage rectangle of 1x0+0+0 in a picture of 6x4");
    }

    #[test]
    fn the_last_byte_counts() {
        let record = full();
        let words = record.to_words();
        let size_bytes = record.layout.size_bytes;
        assert_eq!(size_bytes, 256 + 64 + 6);
        assert!(FrameRecord::from_words(&words, size_bytes).is_ok());
        for slot_bytes in 0..size_bytes {
            let refused = FrameRecord::from_words(&words, slot_bytes);
            assert!(matches!(refused, Err(RecordError::Layout(LayoutError::OutOfBounds { .. }))));
        }
    }

    /// What has been read keeps its promises, whatever single word a sender spoilt and how.
    #[test]
    fn any_spoilt_word_is_refused_or_harmless() {
        let bits = (0..32).map(|bit| 1 << bit);
        let values: Vec<u32> =
            bits.chain([0, u32::MAX, 0x7fff_ffff, 0xffff_0000, 0x0101]).collect();
        for word in 0..WORDS {
            for &value in &values {
                for value in [value, full().to_words()[word] ^ value] {
                    let mut words = full().to_words();
                    words[word] = value;
                    if let Ok(record) = FrameRecord::from_words(&words, 4096) {
                        record.layout.check_within(4096).unwrap();
                        assert_eq!(record.layout.planes().len(), record.format.plane_count());
                        assert_eq!(
                            record.damage.clipped(record.width, record.height),
                            record.damage
                        );
                        assert_eq!(FrameRecord::from_words(&record.to_words(), 4096), Ok(record));
                    }
                }
            }
        }
    }

    #[test]
    fn damage_merges_when_full_and_clips() {
        let mut damage = Damage::WHOLE;
        damage.add(Rect::default());
        assert_eq!(damage, Damage::WHOLE);
        for x in 0..10 {
            damage.add(Rect { x, y: 0, width: 1, height: 1 });
        }
        assert_eq!(damage.rects().len(), DAMAGE_MAX);
        assert_eq!(damage.rects()[7], Rect { x: 7, y: 0, width: 3, height: 1 });
        assert_eq!(damage.clipped(5, 5).rects().len(), 5);
        let far = Rect { x: u16::MAX, y: 1, width: u16::MAX, height: 9 };
        assert_eq!(far.clipped(10, 10), None);
        assert_eq!(far.union(Rect::default()), Rect { x: 0, y: 0, width: u16::MAX, height: 10 });
    }

    #[test]
    fn user_data_has_room_for_64_bytes() {
        assert_eq!(UserData::new(&[7; 64]).unwrap().as_bytes(), [7; 64]);
        assert_eq!(UserData::new(&[7; 65]), Err(RecordError::UserBytes { found: 65 }));
    }
}
