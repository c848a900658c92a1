//! The shared word and the fence: the processor's own, or the model checker's under `cfg(loom)`.
//!
//! This is the only module that knows about loom.

pub use core::sync::atomic::Ordering;
#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicU32, fence};

#[cfg(loom)]
pub use self::modelled::{AtomicU32, Died, die_after, fence, step};

#[cfg(loom)]
mod modelled {
    //! Words whose interleavings loom explores, and threads that die like killed processes.

    extern crate std;

    use core::cell::Cell;
    use core::sync::atomic;
    use std::boxed::Box;

    use super::Ordering;

    /// A shared word. Loom explores every access to a tracked one; an untracked one is for words
    /// that are written once before the threads start, or that nothing decides by.
    #[derive(Debug)]
    pub struct AtomicU32(Word);

    #[derive(Debug)]
    enum Word {
        Tracked(loom::sync::atomic::AtomicU32),
        Untracked(atomic::AtomicU32),
    }

    /// What a thread unwinds with when its time has come.
    #[derive(Debug, Clone, Copy)]
    pub struct Died;

    loom::thread_local! {
        static STEPS_LEFT: Cell<Option<u32>> = Cell::new(None);
    }

    impl AtomicU32 {
        /// A tracked word.
        #[must_use]
        pub fn new(value: u32) -> Self {
            Self(Word::Tracked(loom::sync::atomic::AtomicU32::new(value)))
        }

        /// An untracked word.
        #[must_use]
        pub const fn untracked(value: u32) -> Self {
            Self(Word::Untracked(atomic::AtomicU32::new(value)))
        }

        /// Reads the word.
        pub fn load(&self, order: Ordering) -> u32 {
            match &self.0 {
                Word::Tracked(word) => word.load(order),
                Word::Untracked(word) => word.load(order),
            }
        }

        /// Writes the word, unless the thread dies first. A store to a tracked word is one step.
        pub fn store(&self, value: u32, order: Ordering) {
            match &self.0 {
                Word::Tracked(word) => {
                    step();
                    word.store(value, order);
                }
                Word::Untracked(word) => word.store(value, order),
            }
        }
    }

    /// A fence, as loom models it.
    pub fn fence(order: Ordering) {
        loom::sync::atomic::fence(order);
    }

    /// Lets the current thread take so many steps and die before the next one.
    pub fn die_after(steps: u32) {
        STEPS_LEFT.with(|left| left.set(Some(steps)));
    }

    /// Takes one step of the current thread's life: a store, a wake, a touch of pixels.
    ///
    /// The dead thread unwinds with [`Died`], so that nothing of its program runs on; no type of
    /// this crate writes shared words when dropped.
    pub fn step() {
        STEPS_LEFT.with(|left| match left.get() {
            Some(0) => std::panic::resume_unwind(Box::new(Died)),
            Some(steps) => left.set(Some(steps - 1)),
            None => {}
        });
    }
}
