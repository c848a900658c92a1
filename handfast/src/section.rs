//! Sections: plain memory that processes share.

use handfast_model::contract::access::AccessMask;
use handfast_model::object::{Kind, ObjectId, Spec, Writers};

use crate::error::{Cause, Result};
use crate::handle::Handle;
use crate::held::OwnHandle;
use crate::memory::{Memory, Sharing};
use crate::opened::{Came, NewHandle, Opened, Registration};

/// Memory that processes share: a file mapping backed by the paging file, in Windows' words.
///
/// It is its maker's alone until it is shared. By default nobody else can ever write it, which the
/// kernel enforces for every user; [`Writers::Several`] gives that up.
///
/// ```no_run
/// # fn main() -> Result<(), handfast::Error> {
/// use handfast::{Access, Section};
/// let mut numbers = Section::create("numbers", 4096)?;
/// numbers.write(0, &7_u32.to_le_bytes())?;
///
/// let numbers = Section::open("numbers")?; // in another process
/// let mut seven = [0; 4];
/// numbers.read(0, &mut seven)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Section {
    /// Dropped before the opening, so that nothing of the object is left when that goes.
    handle: Option<OwnHandle>,
    size_bytes: u64,
    writers: Writers,
    memory: Option<Memory>,
    sharing: Option<Sharing>,
    registration: Registration,
}

impl Section {
    /// Makes a section without a name, filled with zeros, that this process alone can write.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Invalid`] for 0 bytes or more than 1 TiB,
    /// [`crate::ErrorKind::OutOfMemory`], [`crate::ErrorKind::LimitReached`].
    pub fn new(size_bytes: u64) -> Result<Self> {
        Self::with_writers(size_bytes, Writers::One)
    }

    /// As [`Self::new`], with a say in who may write it.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn with_writers(size_bytes: u64, writers: Writers) -> Result<Self> {
        let spec = Spec::Section { size_bytes, writers };
        spec.needs_bytes().map_err(|error| crate::Error::refused(None, error))?;
        let (memory, sharing) = Memory::create("handfast section", size_bytes, writers)?;
        Ok(Self {
            size_bytes,
            writers,
            memory: Some(memory),
            sharing: Some(sharing),
            registration: Registration::none()?,
            handle: None,
        })
    }

    /// Makes a section with a name, which it bears until it is dropped, or this process ends.
    ///
    /// # Errors
    ///
    /// As [`Self::new`] and [`Self::share`].
    ///
    /// # Blocking
    ///
    /// While the broker answers, or is started.
    pub fn create(name: &str, size_bytes: u64) -> Result<Self> {
        Self::new(size_bytes)?.named(name)
    }

    /// Gives a section a name, which it bears until it is dropped, or this process ends.
    ///
    /// # Errors
    ///
    /// As [`Self::share`].
    pub fn named(mut self, name: &str) -> Result<Self> {
        self.handle = Some(self.share_as(Some(name), AccessMask::GENERIC_ALL)?);
        Ok(self)
    }

    /// Opens a section by name, to read it.
    ///
    /// # Errors
    ///
    /// As [`Self::open_with`].
    pub fn open(name: &str) -> Result<Self> {
        Self::open_with(name, AccessMask::SECTION_MAP_READ)
    }

    /// Opens a section by name with the rights that are asked for:
    /// [`crate::Access::SECTION_MAP_READ`] or `GENERIC_READ` to read it,
    /// [`crate::Access::SECTION_MAP_WRITE`] to write one with several writers.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`], [`crate::ErrorKind::AccessDenied`],
    /// [`crate::ErrorKind::NameInvalid`], [`crate::ErrorKind::Invalid`] when the name is of
    /// something else.
    ///
    /// # Blocking
    ///
    /// While the broker answers, or is started.
    pub fn open_with(name: &str, access: AccessMask) -> Result<Self> {
        Opened::open(Kind::Section, name, access).and_then(Self::of)
    }

    /// Opens the section of a handle, with what the handle may do.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::HandleInvalid`], [`crate::ErrorKind::Invalid`] when the handle is of
    /// something else.
    pub fn open_handle(handle: &Handle) -> Result<Self> {
        Opened::open_handle(Kind::Section, handle).and_then(Self::of)
    }

    fn of((opened, spec, mut came): (Opened, Spec, Came)) -> Result<Self> {
        let Spec::Section { size_bytes, writers } = spec else {
            return Err(Cause::Unexpected.into());
        };
        let memory = came.memory(size_bytes)?;
        Ok(Self {
            size_bytes,
            writers,
            memory,
            sharing: None,
            registration: Registration::of(opened)?,
            handle: None,
        })
    }

    /// Shares it: a handle, and a name that lives as long as that handle or a copy of it.
    ///
    /// # Access
    ///
    /// A section that was opened can be shared with the rights of the opening, and fewer.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NameTaken`], [`crate::ErrorKind::NameInvalid`],
    /// [`crate::ErrorKind::AccessDenied`], [`crate::ErrorKind::LimitReached`],
    /// [`crate::ErrorKind::BrokerUnavailable`].
    ///
    /// # Blocking
    ///
    /// While the broker answers, or is started.
    ///
    /// # Ownership
    ///
    /// The handle is the caller's; the section does not keep it.
    pub fn share(&self, name: Option<&str>, access: AccessMask) -> Result<Handle> {
        self.share_as(name, access)
    }

    fn share_as<H: NewHandle>(&self, name: Option<&str>, access: AccessMask) -> Result<H> {
        self.registration.share(name, access, || {
            let sharing = self.sharing.as_ref().ok_or(Cause::Unexpected)?;
            let spec = Spec::Section { size_bytes: self.size_bytes, writers: self.writers };
            let (opened, handle, _) = Opened::create(spec, name, access, &sharing.descriptors())?;
            Ok((opened, handle))
        })
    }

    /// Its size.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Who may write it.
    #[must_use]
    pub const fn writers(&self) -> Writers {
        self.writers
    }

    /// Its id, once it has been shared: the same in every process.
    #[must_use]
    pub fn object(&self) -> Option<ObjectId> {
        self.registration.opened().map(Opened::object)
    }

    /// What may be done with it through this opening.
    #[must_use]
    pub fn access(&self) -> AccessMask {
        self.registration.access(Kind::Section)
    }

    /// Copies bytes out of it. What others write meanwhile may arrive old, new or mixed.
    ///
    /// # Access
    ///
    /// `SECTION_MAP_READ` or `SECTION_MAP_WRITE`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Invalid`] beyond its end, [`crate::ErrorKind::AccessDenied`],
    /// [`crate::ErrorKind::Forked`].
    pub fn read(&self, offset_bytes: u64, target: &mut [u8]) -> Result<()> {
        self.registration.check_process()?;
        self.memory.as_ref().ok_or(Cause::NotMapped)?.read(offset_bytes, target)
    }

    /// Copies bytes into it.
    ///
    /// # Access
    ///
    /// `SECTION_MAP_WRITE`, and either the maker's own section or one with several writers.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Invalid`] beyond its end, [`crate::ErrorKind::AccessDenied`],
    /// [`crate::ErrorKind::Forked`].
    pub fn write(&mut self, offset_bytes: u64, source: &[u8]) -> Result<()> {
        self.registration.check_process()?;
        self.memory.as_mut().ok_or(Cause::NotMapped)?.write(offset_bytes, source)
    }

    /// All its bytes, for its maker if nobody else can write it; None for everybody else.
    #[must_use]
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        self.registration.check_process().ok()?;
        self.memory.as_mut()?.bytes_mut()
    }

    /// Where all its bytes lie in this process, for code that Rust does not check. It stays there
    /// until the section is dropped; a forked child has it only where the memory cannot be written.
    ///
    /// # Access
    ///
    /// `SECTION_MAP_READ` or `SECTION_MAP_WRITE`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::AccessDenied`], [`crate::ErrorKind::Forked`].
    ///
    /// # Safety
    ///
    /// Calling this is safe. Whoever follows the pointer sees to it that nobody writes what he
    /// reads: others may, unless a fence or a keyed mutex says whose turn it is and they keep to
    /// it. Writing through it ends the process with SIGSEGV where the memory is read-only.
    pub fn read_pointer(&self) -> Result<*const [u8]> {
        self.registration.check_process()?;
        self.memory.as_ref().ok_or(Cause::NotMapped)?.read_pointer()
    }

    /// As [`Self::read_pointer`], to write as well.
    ///
    /// # Access
    ///
    /// As [`Self::write`].
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::AccessDenied`], [`crate::ErrorKind::Forked`].
    ///
    /// # Safety
    ///
    /// Calling this is safe. Whoever follows the pointer does so while nothing of
    /// [`Self::bytes_mut`] is borrowed, and agrees with others who read or write the same bytes.
    pub fn write_pointer(&self) -> Result<*mut [u8]> {
        self.registration.check_process()?;
        self.memory.as_ref().ok_or(Cause::NotMapped)?.write_pointer()
    }
}
