//! An end of a stream and the frame that is out, side by side: C gives a frame back by a call of
//! its own, so the borrow cannot be one that the compiler sees.
#![expect(unsafe_code, reason = "UNSAFETY: an end is kept beside the frame that borrows it")]

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// Something that lends itself, and the loan.
///
/// Invariant: `end` came from `Box::leak` and is freed by nobody but this; while `loan` is there,
/// nothing but the loan reaches the end.
#[derive(Debug)]
pub(super) struct Lender<E, L> {
    loan: Option<L>,
    end: NonNull<E>,
}

// SAFETY: It owns the end and the loan, and nobody else has a pointer to the end.
unsafe impl<E: Send, L: Send> Send for Lender<E, L> {}

impl<E: 'static, L> Lender<E, L> {
    pub(super) fn new(end: E) -> Self {
        Self { loan: None, end: NonNull::from(Box::leak(Box::new(end))) }
    }

    /// The end, while nothing is lent.
    pub(super) fn end(&mut self) -> Option<&mut E> {
        if self.loan.is_some() {
            return None;
        }
        // SAFETY: By the invariant the end is alive, and without a loan nobody else reaches it for
        // as long as `self` is borrowed.
        Some(unsafe { self.end.as_mut() })
    }

    /// Borrows the end for good; None when it is lent already.
    ///
    /// # Safety
    ///
    /// What `borrow` keeps of the reference is in the loan that it returns, and only there.
    pub(super) unsafe fn lend<R>(
        &mut self,
        borrow: impl FnOnce(&'static mut E) -> (Option<L>, R),
    ) -> Option<R> {
        if self.loan.is_some() {
            return None;
        }
        // SAFETY: By the invariant the end is alive until `self` is dropped or given up, which
        // drop the loan first; the caller sees to it that nothing else has the reference.
        let end: &'static mut E = unsafe { self.end.as_mut() };
        let (loan, outcome) = borrow(end);
        self.loan = loan;
        Some(outcome)
    }

    /// The loan, if there is one.
    pub(super) const fn loan_mut(&mut self) -> Option<&mut L> {
        self.loan.as_mut()
    }

    /// The loan, if there is one.
    pub(super) const fn loan(&self) -> Option<&L> {
        self.loan.as_ref()
    }

    /// Takes the loan back by `settle`; None when nothing is lent.
    ///
    /// # Safety
    ///
    /// The loan is gone when `settle` returns or panics.
    pub(super) unsafe fn settle<R>(&mut self, settle: impl FnOnce(L) -> R) -> Option<R> {
        self.loan.take().map(settle)
    }

    /// Gives the end up, and drops the loan first.
    pub(super) fn into_end(self) -> E {
        let mut this = ManuallyDrop::new(self);
        this.loan = None;
        // SAFETY: By the invariant it came from a box, which nobody frees: `self` is not dropped.
        *unsafe { Box::from_raw(this.end.as_ptr()) }
    }
}

impl<E, L> Drop for Lender<E, L> {
    fn drop(&mut self) {
        self.loan = None;
        // SAFETY: By the invariant it came from a box, which nobody else frees; the loan is gone.
        drop(unsafe { Box::from_raw(self.end.as_ptr()) });
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    type Log = Rc<RefCell<Vec<&'static str>>>;

    struct End(Log);

    struct Loan(&'static mut End);

    impl Drop for End {
        fn drop(&mut self) {
            self.0.borrow_mut().push("end");
        }
    }

    impl Drop for Loan {
        fn drop(&mut self) {
            self.0.0.borrow_mut().push("loan");
        }
    }

    fn lent() -> (Lender<End, Loan>, Log) {
        let log = Log::default();
        let mut lender = Lender::new(End(Rc::clone(&log)));
        assert!(lender.end().is_some() && lender.loan().is_none());
        // SAFETY: The reference is in the loan.
        let lent = unsafe { lender.lend(|end| (Some(Loan(end)), 7)) };
        assert_eq!(lent, Some(7));
        (lender, log)
    }

    #[test]
    fn what_is_lent_is_lent_once_and_comes_back() {
        let (mut lender, log) = lent();
        assert!(lender.end().is_none() && lender.loan_mut().is_some());
        // SAFETY: Nothing is kept.
        assert_eq!(unsafe { lender.lend(|_| (None, 8)) }, None);
        // SAFETY: The loan is dropped.
        assert_eq!(unsafe { lender.settle(drop) }, Some(()));
        assert!(lender.end().is_some());
        drop(lender.into_end());
        assert_eq!(*log.borrow(), ["loan", "end"]);
    }

    #[test]
    fn the_loan_goes_before_the_end() {
        let (lender, log) = lent();
        drop(lender);
        assert_eq!(*log.borrow(), ["loan", "end"]);
        let (lender, log) = lent();
        drop(lender.into_end());
        assert_eq!(*log.borrow(), ["loan", "end"]);
    }
}
