//! Waits of scripts that end without what was waited for.

use thiserror::Error;

/// It was late, or nobody is left: the failure that `handfast fence` and `handfast event` have an
/// exit code of its own for.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct Unreached(String);

impl Unreached {
    /// Nothing but what ended so.
    pub(crate) fn because(words: String) -> anyhow::Error {
        Self(words).into()
    }
}
