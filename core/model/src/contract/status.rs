//! Status codes as the Windows headers number them.

use core::fmt;

/// An `HRESULT`: negative (bit 31 set) means failure.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(pub u32);

impl Status {
    /// `S_OK`.
    pub const S_OK: Self = Self(0);
    /// `E_FAIL`.
    pub const E_FAIL: Self = Self(0x8000_4005);
    /// `E_ACCESSDENIED`.
    pub const E_ACCESSDENIED: Self = Self(0x8007_0005);
    /// `E_HANDLE`: also `HRESULT_FROM_WIN32(ERROR_INVALID_HANDLE)`.
    pub const E_HANDLE: Self = Self(0x8007_0006);
    /// `E_OUTOFMEMORY`.
    pub const E_OUTOFMEMORY: Self = Self(0x8007_000E);
    /// `E_INVALIDARG`.
    pub const E_INVALIDARG: Self = Self(0x8007_0057);
    /// `HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND)`.
    pub const FILE_NOT_FOUND: Self = Self(0x8007_0002);
    /// `DXGI_ERROR_INVALID_CALL`.
    pub const DXGI_ERROR_INVALID_CALL: Self = Self(0x887A_0001);
    /// `DXGI_ERROR_DEVICE_REMOVED`.
    pub const DXGI_ERROR_DEVICE_REMOVED: Self = Self(0x887A_0005);
    /// `DXGI_ERROR_NAME_ALREADY_EXISTS`.
    pub const DXGI_ERROR_NAME_ALREADY_EXISTS: Self = Self(0x887A_002C);

    /// Whether this code means failure.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        self.0 & 0x8000_0000 != 0
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08X}", self.0)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08X}", self.0)
    }
}
