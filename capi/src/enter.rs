//! The way into what a C object holds, which nobody ever waits for.

use std::sync::{
    Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError, TryLockResult,
};

use crate::error::Failure;

/// What an object for one thread at a time holds, unless another is in a call on it.
pub(crate) fn enter<T>(object: &Mutex<T>) -> Result<MutexGuard<'_, T>, Failure> {
    entered(object.try_lock())
}

/// What an object holds, beside other threads, unless one wants it for itself.
pub(crate) fn enter_shared<T>(object: &RwLock<T>) -> Result<RwLockReadGuard<'_, T>, Failure> {
    entered(object.try_read())
}

/// What an object holds, unless another thread is in a call on it.
pub(crate) fn enter_alone<T>(object: &RwLock<T>) -> Result<RwLockWriteGuard<'_, T>, Failure> {
    entered(object.try_write())
}

fn entered<G>(attempt: TryLockResult<G>) -> Result<G, Failure> {
    attempt.map_err(|refusal| match refusal {
        TryLockError::WouldBlock => Failure::Busy,
        TryLockError::Poisoned(_) => {
            Failure::Panic("an earlier call on this object failed badly".to_owned())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_calls_at_a_time_are_refused() {
        let object = Mutex::new(());
        let first = enter(&object).unwrap();
        assert!(matches!(enter(&object), Err(Failure::Busy)));
        drop(first);
        assert!(enter(&object).is_ok());
    }

    #[test]
    fn many_look_and_one_changes() {
        let object = RwLock::new(());
        let first = enter_shared(&object).unwrap();
        let second = enter_shared(&object).unwrap();
        assert!(matches!(enter_alone(&object), Err(Failure::Busy)));
        drop((first, second));
        let alone = enter_alone(&object).unwrap();
        assert!(matches!(enter_shared(&object), Err(Failure::Busy)));
        drop(alone);
        assert!(enter_shared(&object).is_ok());
    }
}
