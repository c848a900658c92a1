//! Surfaces: pictures, arrays of pictures and buffers in memory that processes share.

use handfast_model::contract::access::AccessMask;
use handfast_model::contract::surface::{Subresource, SurfaceDesc, SurfaceFlags};
use handfast_model::object::{Kind, ObjectId, Spec, Writers};

use crate::client::ObjectInfo;
use crate::error::{Cause, Result};
use crate::handle::Handle;
use crate::held::OwnHandle;
use crate::keyed_mutex::KeyedMutex;
use crate::memory::{Memory, Sharing};
use crate::opened::{Came, NewHandle, Opened, Registration};

/// A surface: what a Direct3D resource is that was made to be shared, in CPU memory.
///
/// Its maker draws in it, others open it by name or handle. By default nobody but its maker can
/// ever write it, which the kernel enforces for every user; [`Writers::Several`] gives that up. It
/// says nothing about when a picture is whole: that is what a [`crate::Fence`] or the surface's own
/// keyed mutex is for.
///
/// ```no_run
/// # fn draw(_: u32, _: &mut [u8]) {}
/// # fn main() -> Result<(), handfast::Error> {
/// use std::time::Duration;
/// use handfast::{Fence, Format, Surface, SurfaceDesc};
/// let mut picture = Surface::create("picture", SurfaceDesc::texture_2d(640, 480, Format::Bgra8))?;
/// let (drawn, shown) = (Fence::create("drawn", 0)?, Fence::create("shown", 0)?);
/// for y in 0..480 {
///     draw(y, picture.row_mut(0, 0, y)?); // of subresource 0, plane 0
/// }
/// drawn.signal(1)?;
/// shown.wait_timeout(1, Duration::from_secs(20))?; // before drawing the second picture
///
/// let (drawn, shown) = (Fence::open("drawn")?, Fence::open("shown")?); // in another process
/// let picture = Surface::open("picture")?;
/// drawn.wait(1)?;
/// let mut bytes = Vec::new();
/// picture.copy_subresource(0, &mut bytes)?;
/// shown.signal(1)?;
/// # Ok(())
/// # }
/// ```
///
/// With a keyed mutex instead of fences, and for others to write:
///
/// ```no_run
/// # fn main() -> Result<(), handfast::Error> {
/// use handfast::{Access, Format, Surface, SurfaceDesc, SurfaceFlags, Writers};
/// let mut desc = SurfaceDesc::texture_2d(640, 480, Format::Bgra8);
/// desc.flags = SurfaceFlags::KEYED_MUTEX;
/// let picture = Surface::with_writers(desc, Writers::Several)?.named("picture")?;
/// if let Some(turn) = picture.keyed_mutex() {
///     turn.acquire(0)?;
///     turn.release(1)?; // the next is who asks for key 1
/// }
///
/// let all = Access::GENERIC_READ | Access::SURFACE_WRITE; // in another process
/// let picture = Surface::open_with("picture", all)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Surface {
    desc: SurfaceDesc,
    size_bytes: u64,
    writers: Writers,
    memory: Memory,
    sharing: Option<Sharing>,
    mutex: Option<KeyedMutex>,
    /// Dropped before the opening, so that nothing of the object is left when that goes.
    handle: Option<OwnHandle>,
    registration: Registration,
}

impl Surface {
    /// Makes a surface without a name, filled with zeros, that this process alone can write.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::PictureInvalid`], [`crate::ErrorKind::OutOfMemory`],
    /// [`crate::ErrorKind::LimitReached`]; for one with a keyed mutex, which the broker makes,
    /// also [`crate::ErrorKind::BrokerUnavailable`].
    pub fn new(desc: SurfaceDesc) -> Result<Self> {
        Self::with_writers(desc, Writers::One)
    }

    /// As [`Self::new`], with a say in who may write it.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn with_writers(desc: SurfaceDesc, writers: Writers) -> Result<Self> {
        let size_bytes = desc.size_bytes()?;
        let (memory, sharing) = Memory::create("handfast surface", size_bytes, writers)?;
        let mut surface = Self {
            desc,
            size_bytes,
            writers,
            memory,
            sharing: Some(sharing),
            mutex: None,
            registration: Registration::none()?,
            handle: None,
        };
        if desc.flags.contains(SurfaceFlags::KEYED_MUTEX) {
            surface.register()?;
        }
        Ok(surface)
    }

    /// Makes a surface with a name, which it bears until it is dropped, or this process ends.
    ///
    /// # Errors
    ///
    /// As [`Self::new`] and [`Self::share`].
    ///
    /// # Blocking
    ///
    /// While the broker answers, or is started.
    pub fn create(name: &str, desc: SurfaceDesc) -> Result<Self> {
        Self::new(desc)?.named(name)
    }

    /// Gives a surface a name, which it bears until it is dropped, or this process ends.
    ///
    /// # Errors
    ///
    /// As [`Self::share`].
    pub fn named(mut self, name: &str) -> Result<Self> {
        self.handle = Some(self.share_as(Some(name), AccessMask::GENERIC_ALL)?);
        Ok(self)
    }

    /// Opens a surface by name, to read it.
    ///
    /// A name that may come later is waited for with a [`crate::Client`]:
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use handfast::{Client, ErrorKind, Surface};
    /// # fn open() -> Result<Surface, handfast::Error> {
    /// let mut client = Client::connect()?;
    /// loop {
    ///     client.watch()?; // before looking, so that nothing is missed
    ///     match Surface::open("picture") {
    ///         Err(error) if error.kind() == ErrorKind::NotFound => {}
    ///         opened => return opened,
    ///     }
    ///     while !client.wait_for_change(Duration::from_secs(60))? {}
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Self::open_with`].
    pub fn open(name: &str) -> Result<Self> {
        Self::open_with(name, AccessMask::GENERIC_READ)
    }

    /// Opens a surface by name with the rights that are asked for: `GENERIC_READ` (or
    /// `READ_CONTROL`) always, and [`crate::Access::SURFACE_WRITE`] besides to write one with
    /// several writers.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`]; [`crate::ErrorKind::AccessDenied`], also for the right to
    /// write where only the maker can, for rights that surfaces do not have and for none that
    /// reads; [`crate::ErrorKind::NameInvalid`]; [`crate::ErrorKind::Invalid`] when the name is of
    /// something else.
    ///
    /// # Blocking
    ///
    /// While the broker answers, or is started.
    pub fn open_with(name: &str, access: AccessMask) -> Result<Self> {
        Opened::open(Kind::Surface, name, access).and_then(Self::of)
    }

    /// Opens the surface of a handle, with what the handle may do.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::HandleInvalid`], [`crate::ErrorKind::AccessDenied`],
    /// [`crate::ErrorKind::Invalid`] when the handle is of something else.
    pub fn open_handle(handle: &Handle) -> Result<Self> {
        Opened::open_handle(Kind::Surface, handle).and_then(Self::of)
    }

    fn of((opened, spec, mut came): (Opened, Spec, Came)) -> Result<Self> {
        let Spec::Surface { desc, writers } = spec else {
            return Err(Cause::Unexpected.into());
        };
        let size_bytes = desc.size_bytes()?;
        let mutex = KeyedMutex::open(&mut came)?;
        let memory = came.memory(size_bytes)?.ok_or(Cause::Unexpected)?;
        let registration = Registration::of(opened)?;
        let sharing = None;
        Ok(Self { desc, size_bytes, writers, memory, sharing, mutex, registration, handle: None })
    }

    /// Has the broker make the keyed mutex. The opening keeps the surface; the handle that comes
    /// with it is not needed.
    fn register(&mut self) -> Result<()> {
        let sharing = self.sharing.as_ref().ok_or(Cause::Unexpected)?;
        let spec = Spec::Surface { desc: self.desc, writers: self.writers };
        let access = AccessMask::GENERIC_ALL;
        let (opened, handle, mut came) =
            Opened::create::<OwnHandle>(spec, None, access, &sharing.descriptors())?;
        drop(handle);
        self.mutex = KeyedMutex::open(&mut came)?;
        self.registration = Registration::of(opened)?;
        Ok(())
    }

    /// Shares it: a handle, and a name that lives as long as that handle or a copy of it.
    ///
    /// # Contract
    ///
    /// `IDXGIResource1::CreateSharedHandle`. It may be called more than once: each call makes a
    /// share with its own name.
    ///
    /// # Access
    ///
    /// A surface that was opened can be shared with the rights of the opening, and fewer. The
    /// right to write is left out where only the maker can.
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
    /// The handle is the caller's; the surface does not keep it.
    pub fn share(&self, name: Option<&str>, access: AccessMask) -> Result<Handle> {
        self.share_as(name, access)
    }

    fn share_as<H: NewHandle>(&self, name: Option<&str>, access: AccessMask) -> Result<H> {
        self.registration.share(name, access, || {
            let sharing = self.sharing.as_ref().ok_or(Cause::Unexpected)?;
            let spec = Spec::Surface { desc: self.desc, writers: self.writers };
            let (opened, handle, _) = Opened::create(spec, name, access, &sharing.descriptors())?;
            Ok((opened, handle))
        })
    }

    /// What it is made of.
    #[must_use]
    pub const fn desc(&self) -> &SurfaceDesc {
        &self.desc
    }

    /// Bytes of its memory.
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
        self.registration.access(Kind::Surface)
    }

    /// What the broker knows of it; None while it has not been shared.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Lost`].
    pub fn info(&self) -> Result<Option<ObjectInfo>> {
        self.registration.opened().map(Opened::info).transpose()
    }

    /// Its keyed mutex, if it was made with one.
    #[must_use]
    pub const fn keyed_mutex(&self) -> Option<&KeyedMutex> {
        self.mutex.as_ref()
    }

    /// Where a subresource lies: mip level `index % mips` of layer `index / mips`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Invalid`] when it has no such one.
    pub fn subresource(&self, index: u32) -> Result<Subresource> {
        let subresources = self.desc.subresources();
        let found = self.desc.subresource(index);
        found.ok_or_else(|| Cause::NoSubresource { index, subresources }.into())
    }

    /// Copies bytes out of its memory. What others write meanwhile may arrive old, new or mixed.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Invalid`] beyond its end, [`crate::ErrorKind::Forked`].
    pub fn read(&self, offset_bytes: u64, target: &mut [u8]) -> Result<()> {
        self.registration.check_process()?;
        self.memory.read(offset_bytes, target)
    }

    /// Copies bytes into its memory.
    ///
    /// # Access
    ///
    /// [`crate::Access::SURFACE_WRITE`], and either the maker's own surface or one with several
    /// writers.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Invalid`] beyond its end, [`crate::ErrorKind::AccessDenied`],
    /// [`crate::ErrorKind::Forked`].
    pub fn write(&mut self, offset_bytes: u64, source: &[u8]) -> Result<()> {
        self.registration.check_process()?;
        self.memory.write(offset_bytes, source)
    }

    /// Copies a subresource out: its rows one after the other as they lie in memory, padding
    /// included. What others write meanwhile may arrive old, new or mixed.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Invalid`] when there is no such one, [`crate::ErrorKind::Forked`].
    pub fn copy_subresource(&self, index: u32, target: &mut Vec<u8>) -> Result<Subresource> {
        let found = self.subresource(index)?;
        let size = usize::try_from(found.size_bytes).map_err(|_| Cause::Unexpected)?;
        target.resize(size, 0);
        self.read(found.offset_bytes, target)?;
        Ok(found)
    }

    /// All its bytes, for its maker if nobody else can write it; None for everybody else.
    #[must_use]
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        self.registration.check_process().ok()?;
        self.memory.bytes_mut()
    }

    /// Where all its bytes lie in this process, for code that Rust does not check. It stays there
    /// until the surface is dropped; a forked child has it only where the memory cannot be written.
    ///
    /// # Access
    ///
    /// Any opening has it: none is without the right to read.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Forked`].
    ///
    /// # Safety
    ///
    /// Calling this is safe. Whoever follows the pointer sees to it that nobody writes what he
    /// reads: others may, unless a fence or a keyed mutex says whose turn it is and they keep to
    /// it. Writing through it ends the process with SIGSEGV where the memory is read-only.
    pub fn read_pointer(&self) -> Result<*const [u8]> {
        self.registration.check_process()?;
        self.memory.read_pointer()
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
        self.memory.write_pointer()
    }

    /// One row of pixels of one plane of a subresource's first slice, for its maker if nobody else
    /// can write it. Of a picture with one layer, one mip level and a packed format there is
    /// subresource 0 and plane 0 alone; row 0 is the top.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Invalid`] when there is no such row,
    /// [`crate::ErrorKind::AccessDenied`] when others may write it too: use [`Self::write`];
    /// [`crate::ErrorKind::Forked`].
    pub fn row_mut(&mut self, subresource: u32, plane: usize, row: u32) -> Result<&mut [u8]> {
        self.registration.check_process()?;
        let found = self.subresource(subresource)?;
        let layout = found.layout.as_ref();
        let place = layout.and_then(|layout| layout.planes().get(plane).copied());
        let place = place.and_then(|plane| Some((plane.row_offset(row)?, plane.row_bytes)));
        let (offset, row_bytes) = place.ok_or(Cause::NoRow { plane, row })?;
        let range = found.offset_bytes.checked_add(offset).and_then(|start| {
            let start = usize::try_from(start).ok()?;
            Some(start..start.checked_add(usize::try_from(row_bytes).ok()?)?)
        });
        let refusal = match self.writers {
            Writers::One => Cause::MakersAlone,
            Writers::Several => Cause::SharedBytes,
        };
        let bytes = self.bytes_mut().ok_or(refusal)?;
        let row_of = range.and_then(|range| bytes.get_mut(range));
        row_of.ok_or_else(|| Cause::NoRow { plane, row }.into())
    }
}
