//! What a sender says of the memory of one generation of its stream.

/// How the memory of one generation is laid out: a table, then equal slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenerationLayout {
    /// 1, 2, 3, …
    pub number: u32,
    /// Slots.
    pub slots: u32,
    /// Offset of the first slot.
    pub table_bytes: u64,
    /// Distance from slot to slot.
    pub slot_bytes: u64,
    /// What is in the slots.
    pub picture: PictureFacts,
}

/// What a sender says that its pictures are, for listings. The model only passes it on; each
/// frame says for itself what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PictureFacts {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Number of the format.
    pub format: u32,
    /// Colour as one word.
    pub color: u32,
    /// Number of the alpha mode.
    pub alpha: u8,
}

impl GenerationLayout {
    /// Bytes of memory that the layout needs, or none if the numbers overflow.
    #[must_use]
    pub fn needs_bytes(&self) -> Option<u64> {
        u64::from(self.slots).checked_mul(self.slot_bytes)?.checked_add(self.table_bytes)
    }
}
