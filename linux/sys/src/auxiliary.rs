//! The vector of facts that the kernel gives a program when it starts it.
#![expect(unsafe_code, reason = "UNSAFETY: getauxval is a C function; rustix keeps AT_SECURE")]

/// Whether this program runs with more rights than its caller (set-user-id, set-group-id,
/// capabilities of the file).
pub(crate) fn is_secure_exec() -> bool {
    // SAFETY: `getauxval` has no precondition: it takes a number, reads a vector that the kernel
    // wrote before `main` and nobody changes, and answers 0 for what it does not know.
    let secure = unsafe { libc::getauxval(libc::AT_SECURE) };
    secure != 0
}
