//! What the example `send` draws, and the checksum that `recv` prints of it.

/// FNV-1a, as in `examples/c/checksum.h`.
pub(crate) fn checksum(pixels: &[u8]) -> String {
    let sum = pixels.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{sum:016x}")
}

/// The pixels of frame `step` of `examples/c/send.c`, without padding.
pub(crate) fn gradient(step: u32) -> Vec<u8> {
    let low = |value: u32| value.to_le_bytes()[0];
    let pixel = |x: u32, y: u32| [low(x + step), low(y + 2 * step), low(x ^ y), 255];
    (0..360).flat_map(|y| (0..640).flat_map(move |x| pixel(x, y))).collect()
}

/// The line that `examples/c/recv.c` prints of it.
pub(crate) fn gradient_line(step: u32) -> String {
    format!("{step} 640x360 {}", checksum(&gradient(step)))
}
