//! What `linux.rs` reads, on a system that has none of it.

use std::path::PathBuf;

use session_model::ProcessIdentity;

/// Gives nothing: a lease stands in for the process.
pub(super) fn process() -> Option<ProcessIdentity> {
    None
}

/// Gives nothing: there is no login uid.
pub(super) fn login_uid() -> Option<u32> {
    None
}

/// Gives nothing: there is no machine id to be read without a process of its own.
pub(super) fn machine_id() -> Option<String> {
    None
}

/// Gives nothing: there is no `/proc/self/cwd`.
pub(super) fn working_folder() -> Option<PathBuf> {
    None
}

/// There is no boot id.
pub(super) const fn boot_id() -> Option<String> {
    None
}
