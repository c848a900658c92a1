//! What the broker's process holds: outside the object model, for those who look for leaks.

use crate::contract::bytes::{ByteReader, ByteWriter, Malformed};

/// What the broker's process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Health {
    /// Connections.
    pub clients: u64,
    /// Objects.
    pub objects: u64,
    /// Pages of synchronisation words.
    pub pages: u64,
    /// Open descriptors of its process.
    pub descriptors: u64,
    /// Shared memory that it keeps alive: pages and payloads, in bytes.
    pub shared_bytes: u64,
}

impl Health {
    pub(super) fn encode(&self, w: &mut ByteWriter) {
        let Self { clients, objects, pages, descriptors, shared_bytes } = *self;
        for number in [clients, objects, pages, descriptors, shared_bytes] {
            w.u64(number);
        }
    }

    pub(super) fn decode(r: &mut ByteReader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            clients: r.u64()?,
            objects: r.u64()?,
            pages: r.u64()?,
            descriptors: r.u64()?,
            shared_bytes: r.u64()?,
        })
    }
}
