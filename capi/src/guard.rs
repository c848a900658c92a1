//! No panic leaves a function that C calls.

use std::any::Any;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::Failure;

/// The outcome as a number; a failure's text is kept for the thread, and a panic is a failure.
///
/// What the body has borrowed may be half changed after a panic: it lies behind a `Mutex`, which
/// is poisoned then, or nobody sees it again.
pub(crate) fn guard(body: impl FnOnce() -> Result<c_int, Failure>) -> c_int {
    caught(body).unwrap_or_else(|failure| failure.tell())
}

/// As [`guard`], for a function that returns nothing.
pub(crate) fn guard_quiet(body: impl FnOnce()) {
    guard(|| {
        body();
        Ok(0)
    });
}

/// The outcome of the body, a panic among its failures.
pub(crate) fn caught<T>(body: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        let text = words(payload.as_ref()).to_owned();
        // Its destructor might panic in turn.
        drop(catch_unwind(AssertUnwindSafe(|| drop(payload))));
        Err(Failure::Panic(text))
    })
}

fn words(payload: &(dyn Any + Send)) -> &str {
    let literal = payload.downcast_ref::<&str>().copied();
    literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{HF_ERROR_BUSY, HF_ERROR_PANIC};

    #[test]
    fn a_panic_is_a_failure_and_the_rest_passes() {
        assert_eq!(guard(|| "no number".parse().map(Ok).unwrap()), HF_ERROR_PANIC);
        assert_eq!(guard(|| Err(Failure::Busy)), HF_ERROR_BUSY);
        assert_eq!(guard(|| Ok(3)), 3);
        guard_quiet(|| panic!("{}", "with words"));
        let failure = caught(|| -> Result<(), Failure> { panic!("with words {}", 2) });
        assert!(matches!(failure, Err(Failure::Panic(text)) if text == "with words 2"));
    }
}
