//! The memory behind a surface or section, by who may do what with it.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::ptr;

use handfast_model::object::{View, Writers};
use handfast_sys::mapping::{self, PixelBytes, ReadMapping, WritableMapping};
use handfast_sys::{memfd, memory};

use crate::error::{Cause, Result};

/// Mapped memory.
#[derive(Debug)]
pub(crate) enum Memory {
    /// Nobody else can write it.
    Sole(PixelBytes),
    /// Others write it too.
    Shared(WritableMapping),
    /// It can be read.
    ReadOnly(ReadMapping),
}

/// The descriptors by which memory is shared.
#[derive(Debug)]
pub(crate) enum Sharing {
    /// One, with every seal.
    Sealed(OwnedFd),
    /// One to write and one to read.
    Pair(OwnedFd, OwnedFd),
}

impl Sharing {
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Self::Sealed(sealed) => vec![sealed.as_fd()],
            Self::Pair(writable, read_only) => vec![writable.as_fd(), read_only.as_fd()],
        }
    }
}

impl Memory {
    /// Makes memory, filled with zeros. No page of it is there before it is touched.
    pub(crate) fn create(
        label: &str,
        size_bytes: u64,
        writers: Writers,
    ) -> Result<(Self, Sharing)> {
        if let Some(available_bytes) = memory::available_bytes()
            && size_bytes > available_bytes
        {
            return Err(Cause::NoRoom { wanted_bytes: size_bytes, available_bytes }.into());
        }
        match writers {
            Writers::One => {
                let (mapping, sealed) = mapping::create_sole(label, size_bytes, 0)?;
                let (_, bytes) = mapping.split();
                Ok((Self::Sole(bytes), Sharing::Sealed(sealed)))
            }
            Writers::Several => {
                let writable = memfd::create(label, size_bytes)?;
                let read_only = memfd::read_only(writable.as_fd())?;
                memfd::seal_shared(writable.as_fd())?;
                let mapping = mapping::map_writable(writable.as_fd(), size_bytes)?;
                Ok((Self::Shared(mapping), Sharing::Pair(writable, read_only)))
            }
        }
    }

    /// Maps what came with an opening.
    pub(crate) fn open(memory: BorrowedFd<'_>, size_bytes: u64, view: View) -> Result<Self> {
        Ok(match view {
            View::Writable => Self::Shared(mapping::map_writable(memory, size_bytes)?),
            View::ReadOnly => Self::ReadOnly(mapping::map_read_only(memory, size_bytes)?),
        })
    }

    pub(crate) fn read(&self, offset_bytes: u64, target: &mut [u8]) -> Result<()> {
        let length = target.len();
        let read = usize::try_from(offset_bytes).is_ok_and(|offset| match self {
            Self::Sole(bytes) => {
                bytes.slot(offset, length).map(|found| target.copy_from_slice(found)).is_some()
            }
            Self::Shared(mapping) => mapping.copy_to(offset, target),
            Self::ReadOnly(mapping) => mapping.copy_to(offset, target),
        });
        if read { Ok(()) } else { Err(self.beyond(offset_bytes, length)) }
    }

    pub(crate) fn write(&mut self, offset_bytes: u64, source: &[u8]) -> Result<()> {
        let length = source.len();
        let offset = usize::try_from(offset_bytes).ok();
        let written = offset.is_some_and(|offset| match self {
            Self::Sole(bytes) => {
                bytes.slot_mut(offset, length).map(|found| found.copy_from_slice(source)).is_some()
            }
            Self::Shared(mapping) => mapping.copy_from(offset, source),
            Self::ReadOnly(_) => false,
        });
        match self {
            Self::ReadOnly(_) => Err(Cause::ReadOnly.into()),
            Self::Sole(_) | Self::Shared(_) if written => Ok(()),
            Self::Sole(_) | Self::Shared(_) => Err(self.beyond(offset_bytes, length)),
        }
    }

    /// All of it, for the one who alone can write it.
    pub(crate) fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        match self {
            Self::Sole(bytes) => {
                let range = bytes.range();
                bytes.slot_mut(range.start, range.len())
            }
            Self::Shared(_) | Self::ReadOnly(_) => None,
        }
    }

    /// Where all of it lies, to be read.
    pub(crate) fn read_pointer(&self) -> Result<*const [u8]> {
        match self {
            Self::Sole(_) | Self::Shared(_) => self.write_pointer().map(<*mut [u8]>::cast_const),
            Self::ReadOnly(mapping) => {
                let first = mapping.address().as_ptr().cast_const();
                Ok(ptr::slice_from_raw_parts(first, mapping.len()))
            }
        }
    }

    /// Where all of it lies, to be read and written.
    pub(crate) fn write_pointer(&self) -> Result<*mut [u8]> {
        let first = match self {
            Self::Sole(bytes) => bytes.address().ok_or(Cause::Unexpected)?,
            Self::Shared(mapping) => mapping.address(),
            Self::ReadOnly(_) => return Err(Cause::ReadOnly.into()),
        };
        Ok(ptr::slice_from_raw_parts_mut(first.as_ptr(), self.len()))
    }

    fn len(&self) -> usize {
        match self {
            Self::Sole(bytes) => bytes.range().len(),
            Self::Shared(mapping) => mapping.len(),
            Self::ReadOnly(mapping) => mapping.len(),
        }
    }

    fn beyond(&self, offset_bytes: u64, length: usize) -> crate::Error {
        Cause::OutOfRange { offset_bytes, length, size_bytes: self.len() }.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(bytes: *const [u8]) -> (usize, usize) {
        (bytes.cast::<u8>().addr(), bytes.len())
    }

    #[test]
    fn pointers_are_where_the_bytes_lie() {
        let (mut memory, _sharing) = Memory::create("memory", 5000, Writers::One).unwrap();
        let bytes = memory.bytes_mut().unwrap();
        let (start, length) = (bytes.as_ptr().addr(), bytes.len());
        assert_eq!(length, 5000);
        assert_eq!(place(memory.read_pointer().unwrap()), (start, length));
        assert_eq!(place(memory.write_pointer().unwrap().cast_const()), (start, length));
    }

    #[test]
    fn there_is_no_pointer_to_write_what_can_only_be_read() {
        let (memory, sharing) = Memory::create("memory", 4096, Writers::Several).unwrap();
        let written = memory.write_pointer().unwrap().cast_const();
        assert_eq!(place(memory.read_pointer().unwrap()), place(written));
        let Sharing::Pair(_, read_only) = sharing else { panic!("{sharing:?}") };
        let reader = Memory::open(read_only.as_fd(), 4096, View::ReadOnly).unwrap();
        assert_eq!(place(reader.read_pointer().unwrap()).1, 4096);
        assert!(reader.write_pointer().is_err());
    }
}
