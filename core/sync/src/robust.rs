//! The kernel's list of the locks that a process holds, so that it can mark them when it dies.
//!
//! A list belongs to one thread, whose number the locks hold while they are held. The thread does
//! nothing but be there until the process ends, so its end is the process's end.

use alloc::sync::Arc;

/// Why the list cannot be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has as many entries as the kernel looks at.
    #[error("this process holds as many keyed mutexes as its kernel would release")]
    Full,
    /// It is another process's: this one was forked from it and has no thread that holds the list.
    #[error("a keyed mutex of another process")]
    Forked,
    /// The thread whose list it is has given it up.
    #[error("the thread that held the keyed mutexes of this process has ended")]
    Ended,
}

/// One lock's entry in the list.
pub trait Robust {
    /// The right to change the list.
    type Change<'a>: Change
    where
        Self: 'a;

    /// Begins a change. At most one is under way in a process at a time.
    ///
    /// # Errors
    /// [`Refused::Forked`] and [`Refused::Ended`].
    ///
    /// # Blocking
    /// While another thread of this process is between here and [`Change::end`], which is a few
    /// steps that wait for nobody.
    fn begin(&self) -> Result<Self::Change<'_>, Refused>;
}

/// A change of the list that is under way.
///
/// A process that dies before [`end`](Self::end) leaves it as it is at that moment; then the kernel
/// looks at the locks of all entries and at the announced one. Each that holds the list's thread it
/// marks, and wakes one sleeper there if any is said to sleep.
pub trait Change {
    /// The number of the list's thread, as the kernel compares it.
    fn tid(&self) -> u32;

    /// Whether the entry is in the list.
    fn is_linked(&self) -> bool;

    /// Announces the entry, so that the kernel looks at its lock whether or not it is in the list.
    /// Whoever sees the lock changed after this must see the announcement.
    ///
    /// # Errors
    /// [`Refused::Full`]: the entry is not in the list and has no room there.
    fn announce(&mut self) -> Result<(), Refused>;

    /// Puts the entry, which is announced, into the list.
    fn link(&mut self);

    /// Takes the entry out of the list.
    fn unlink(&mut self);

    /// Takes the announcement back and ends the change.
    fn end(self);
}

impl<R: Robust + ?Sized> Robust for &R {
    type Change<'a>
        = R::Change<'a>
    where
        Self: 'a;

    fn begin(&self) -> Result<Self::Change<'_>, Refused> {
        (**self).begin()
    }
}

impl<R: Robust + ?Sized> Robust for Arc<R> {
    type Change<'a>
        = R::Change<'a>
    where
        Self: 'a;

    fn begin(&self) -> Result<Self::Change<'_>, Refused> {
        (**self).begin()
    }
}
