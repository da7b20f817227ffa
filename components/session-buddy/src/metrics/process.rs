//! What the kernel says of this process.

/// Gives how much of its memory is in RAM; `None` where the kernel does not say it as Linux does.
pub(super) fn resident_bytes() -> Option<usize> {
    // proc(5): the second field, in pages.
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = statm.split(' ').nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size())
}
