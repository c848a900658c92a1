//! Copies out of and into memory that another process may change meanwhile.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: bytes that others write may not be borrowed, so they are copied by address"
)]

/// Copies bytes of which one side is shared with other processes.
///
/// Another process's stores may be seen in part: each byte is some value that the memory held
/// during the call. The compiler sees neither side as a Rust access, so a race with another
/// process is no undefined behaviour.
///
/// # Safety
/// For the whole call `source` must be readable and `target` writable for `length` bytes, the
/// two must not overlap, and within this process neither range may be borrowed in a way that
/// conflicts (`source` by `&mut`, `target` by any reference but the caller's own).
#[cfg(target_arch = "x86_64")]
pub(crate) unsafe fn copy_shared(source: *const u8, target: *mut u8, length: usize) {
    // SAFETY: 1. The caller guarantees both ranges, so the copy touches nothing else. 2. The
    // direction flag is clear on entry to every `asm!` block by its rules, so it counts upwards.
    // 3. The three registers are declared as changed, and it uses no stack.
    unsafe {
        core::arch::asm!(
            "rep movsb",
            inout("rcx") length => _,
            inout("rsi") source => _,
            inout("rdi") target => _,
            options(nostack, preserves_flags),
        );
    }
}

/// Copies bytes of which one side is shared with other processes, by volatile words.
///
/// # Safety
/// For the whole call `source` must be
/// readable and `target` writable for `length` bytes, the two must not overlap, and within this
/// process neither range may be borrowed in a way that conflicts.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) unsafe fn copy_shared(source: *const u8, target: *mut u8, length: usize) {
    // SAFETY: The caller guarantees what `copy_by_words` asks for.
    unsafe { copy_by_words(source, target, length) };
}

/// The copy for machines without a string instruction.
///
/// # Safety
/// As [`copy_shared`].
#[cfg(any(test, not(target_arch = "x86_64")))]
unsafe fn copy_by_words(source: *const u8, target: *mut u8, length: usize) {
    const WORD_BYTES: usize = size_of::<usize>();
    let mut done = 0;
    while done < length {
        let from = source.wrapping_add(done);
        let to = target.wrapping_add(done);
        let (from_word, to_word) = (from.cast::<usize>(), to.cast::<usize>());
        if length - done >= WORD_BYTES && from_word.is_aligned() && to_word.is_aligned() {
            // SAFETY: The caller guarantees `length` readable bytes, of which a word is left here,
            // and it is aligned.
            let word = unsafe { from_word.read_volatile() };
            // SAFETY: The caller guarantees `length` writable bytes, of which a word is left here,
            // and it is aligned.
            unsafe { to_word.write_volatile(word) };
            done += WORD_BYTES;
        } else {
            // SAFETY: The caller guarantees `length` readable bytes, of which one is left.
            let byte = unsafe { from.read_volatile() };
            // SAFETY: The caller guarantees `length` writable bytes, of which one is left.
            unsafe { to.write_volatile(byte) };
            done += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(copy: unsafe fn(*const u8, *mut u8, usize)) {
        let source: Vec<u8> = (0..=255).collect();
        for (start, end) in (0..9).flat_map(|start| (0..9).map(move |end| (start, end))) {
            for length in [0, 1, 7, 8, 9, 31, 64, 200] {
                let mut target = vec![0xEE; 256];
                let (from, to) = (&source[start..start + length], &mut target[end..end + length]);
                // SAFETY: Both ranges are `length` bytes of two different vectors.
                unsafe { copy(from.as_ptr(), to.as_mut_ptr(), length) };
                assert_eq!(&target[end..end + length], from);
                let around = target[..end].iter().chain(&target[end + length..]);
                assert!(around.into_iter().all(|byte| *byte == 0xEE));
            }
        }
    }

    #[test]
    fn every_length_and_alignment_is_copied_exactly() {
        check(copy_shared);
    }

    #[test]
    fn the_copy_of_other_machines_does_the_same() {
        check(copy_by_words);
    }
}
