//! The identity a client acts with.

/// Who a client is, as the kernel told the broker when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
}

impl Token {
    /// Whether this is the system: user id 0 (SYSTEM and Administrators in Windows' words).
    #[must_use]
    pub const fn is_system(&self) -> bool {
        self.uid == 0
    }
}
