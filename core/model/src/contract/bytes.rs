//! Little-endian bytes, written and read in order. Snapshots and the wire are made of them.

use alloc::vec::Vec;

/// Appends little-endian numbers.
#[derive(Debug, Default)]
pub struct ByteWriter {
    bytes: Vec<u8>,
}

/// The bytes ended before the value did, or a count is beyond its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

macro_rules! number {
    ($write:ident, $read:ident, $type:ty) => {
        impl ByteWriter {
            /// Appends one number.
            pub fn $write(&mut self, value: $type) {
                self.bytes.extend_from_slice(&value.to_le_bytes());
            }
        }
        impl ByteReader<'_> {
            /// Takes one number.
            ///
            /// # Errors
            ///
            /// [`Malformed`] when too few bytes are left.
            pub fn $read(&mut self) -> Result<$type, Malformed> {
                let (head, tail) = self.bytes.split_first_chunk().ok_or(Malformed)?;
                self.bytes = tail;
                Ok(<$type>::from_le_bytes(*head))
            }
        }
    };
}

number!(u8, u8, u8);
number!(u16, u16, u16);
number!(u32, u32, u32);
number!(i32, i32, i32);
number!(u64, u64, u64);

impl ByteWriter {
    /// No bytes yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// No bytes yet, in room that was used before.
    #[must_use]
    pub fn within(mut room: Vec<u8>) -> Self {
        room.clear();
        Self { bytes: room }
    }

    /// So many zeros, to be overwritten by [`Self::finish_behind`], and room for more behind them.
    #[must_use]
    pub fn behind(front_bytes: usize, room_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(front_bytes.saturating_add(room_bytes));
        bytes.resize(front_bytes, 0);
        Self { bytes }
    }

    /// Appends a count of items. More than 2^32 - 1 of anything exceed every limit.
    pub fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Appends bytes behind their count.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends UTF-16 units behind their count.
    pub fn units(&mut self, units: &[u16]) {
        self.count(units.len());
        for unit in units {
            self.u16(*unit);
        }
    }

    /// How many bytes there are, zeros in front included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What was written, with `front` in place of the zeros that it was begun with.
    #[must_use]
    pub fn finish_behind(mut self, front: &[u8]) -> Vec<u8> {
        for (byte, front) in self.bytes.iter_mut().zip(front) {
            *byte = *front;
        }
        self.bytes
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Takes little-endian numbers from the front.
#[derive(Clone, Debug)]
pub struct ByteReader<'a> {
    bytes: &'a [u8],
}

impl<'a> ByteReader<'a> {
    /// Reads `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Takes a count of items that take at least `item_bytes` each.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when so many cannot be in what is left: a count is never trusted for an
    /// allocation.
    pub fn count(&mut self, item_bytes: usize) -> Result<usize, Malformed> {
        let count = usize::try_from(self.u32()?).map_err(|_| Malformed)?;
        let needs = count.checked_mul(item_bytes).ok_or(Malformed)?;
        if needs > self.bytes.len() { Err(Malformed) } else { Ok(count) }
    }

    /// Takes bytes behind their count.
    ///
    /// # Errors
    ///
    /// [`Malformed`] as for the others.
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let count = self.count(1)?;
        let (bytes, tail) = self.bytes.split_at_checked(count).ok_or(Malformed)?;
        self.bytes = tail;
        Ok(bytes)
    }

    /// Takes UTF-16 units behind their count.
    ///
    /// # Errors
    ///
    /// [`Malformed`] as for the others.
    pub fn units(&mut self) -> Result<Vec<u16>, Malformed> {
        let count = self.count(2)?;
        let (units, tail) = self.bytes.split_at_checked(2 * count).ok_or(Malformed)?;
        self.bytes = tail;
        let (units, _) = units.as_chunks();
        Ok(units.iter().map(|unit| u16::from_le_bytes(*unit)).collect())
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when bytes are left.
    pub const fn finish(self) -> Result<(), Malformed> {
        if self.bytes.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = ByteWriter::new();
        writer.u8(1);
        writer.u16(0x0203);
        writer.i32(-4);
        writer.u64(5);
        writer.units(&[6, 7]);
        let bytes = writer.finish();
        assert_eq!(&bytes[..3], &[1, 3, 2]);
        let mut reader = ByteReader::new(&bytes);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(0x0203));
        assert_eq!(reader.i32(), Ok(-4));
        assert_eq!(reader.u64(), Ok(5));
        assert_eq!(reader.units().as_deref(), Ok(&[6, 7][..]));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn a_count_beyond_the_bytes_is_refused_before_anything_is_allocated() {
        let mut reader = ByteReader::new(&[0xFF, 0xFF, 0xFF, 0xFF, 0, 0]);
        assert_eq!(reader.units(), Err(Malformed));
    }
}
