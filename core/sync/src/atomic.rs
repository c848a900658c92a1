//! Shared words and the fence: the processor's own, or the model checker's under `cfg(loom)`.
//!
//! This is the only module that knows about loom.

pub use core::sync::atomic::Ordering;
#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicU32, AtomicU64, fence};

#[cfg(loom)]
pub use self::modelled::{AtomicU32, AtomicU64, Died, die_after, fence, step};

#[cfg(loom)]
mod modelled {
    //! Words whose interleavings loom explores, and threads that die like killed processes.

    extern crate std;

    use core::cell::Cell;
    use core::sync::atomic;
    use std::boxed::Box;

    use super::Ordering;

    #[derive(Debug)]
    enum Word<T, U> {
        Tracked(T),
        Contended(T, loom::sync::atomic::AtomicU32),
        Untracked(U),
    }

    /// What a thread unwinds with when its time has come.
    #[derive(Debug, Clone, Copy)]
    pub struct Died;

    loom::thread_local! {
        static STEPS_LEFT: Cell<Option<u32>> = Cell::new(None);
    }

    macro_rules! modelled {
        ($name:ident, $value:ty) => {
            /// A shared word. Loom explores every access to a tracked one; an untracked one is for
            /// words that are written once before the threads start, or that nothing decides by.
            #[derive(Debug)]
            pub struct $name(Word<loom::sync::atomic::$name, atomic::$name>);

            impl $name {
                /// A tracked word.
                #[must_use]
                pub fn new(value: $value) -> Self {
                    Self(Word::Tracked(loom::sync::atomic::$name::new(value)))
                }

                /// A tracked word for which loom explores every order of its loads, too.
                ///
                /// Loom looks for the races of a change only with the last access before it. A
                /// thread that loads a word and then exchanges it hides, by its own load, the race
                /// with whoever loaded the word before; and nothing of what comes after is
                /// explored. So each load of such a word is preceded by a change of a shadow.
                #[must_use]
                pub fn contended(value: $value) -> Self {
                    let shadow = loom::sync::atomic::AtomicU32::new(0);
                    Self(Word::Contended(loom::sync::atomic::$name::new(value), shadow))
                }

                /// An untracked word.
                #[must_use]
                pub const fn untracked(value: $value) -> Self {
                    Self(Word::Untracked(atomic::$name::new(value)))
                }

                /// Reads the word.
                pub fn load(&self, order: Ordering) -> $value {
                    match &self.0 {
                        Word::Tracked(word) => word.load(order),
                        Word::Contended(word, shadow) => {
                            shadow.fetch_add(0, Ordering::Relaxed);
                            word.load(order)
                        }
                        Word::Untracked(word) => word.load(order),
                    }
                }

                /// Writes the word, unless the thread dies first. Any change of a tracked word
                /// is one step.
                pub fn store(&self, value: $value, order: Ordering) {
                    match &self.0 {
                        Word::Tracked(word) | Word::Contended(word, _) => {
                            step();
                            word.store(value, order);
                        }
                        Word::Untracked(word) => word.store(value, order),
                    }
                }

                /// Writes the word if it holds `current`.
                ///
                /// # Errors
                /// What it holds instead.
                pub fn compare_exchange(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    match &self.0 {
                        Word::Tracked(word) | Word::Contended(word, _) => {
                            step();
                            word.compare_exchange(current, new, success, failure)
                        }
                        Word::Untracked(word) => {
                            word.compare_exchange(current, new, success, failure)
                        }
                    }
                }

                /// Writes the word and gives what it held.
                pub fn swap(&self, value: $value, order: Ordering) -> $value {
                    match &self.0 {
                        Word::Tracked(word) | Word::Contended(word, _) => {
                            step();
                            word.swap(value, order)
                        }
                        Word::Untracked(word) => word.swap(value, order),
                    }
                }

                /// Adds to the word and gives what it held.
                pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                    match &self.0 {
                        Word::Tracked(word) | Word::Contended(word, _) => {
                            step();
                            word.fetch_add(value, order)
                        }
                        Word::Untracked(word) => word.fetch_add(value, order),
                    }
                }

                /// Sets bits of the word and gives what it held.
                pub fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                    match &self.0 {
                        Word::Tracked(word) | Word::Contended(word, _) => {
                            step();
                            word.fetch_or(value, order)
                        }
                        Word::Untracked(word) => word.fetch_or(value, order),
                    }
                }

                /// Keeps bits of the word and gives what it held.
                pub fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                    match &self.0 {
                        Word::Tracked(word) | Word::Contended(word, _) => {
                            step();
                            word.fetch_and(value, order)
                        }
                        Word::Untracked(word) => word.fetch_and(value, order),
                    }
                }
            }
        };
    }

    modelled!(AtomicU32, u32);
    modelled!(AtomicU64, u64);

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
