//! What only Linux tells: mostly files of `/proc`.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf};

use rustix::process::{PidfdFlags, getpid, pidfd_open};
use session_model::{ProcessIdentity, event::Count};

use crate::leaving::Door;

/// What `/proc/self/loginuid` holds when nobody logged in: -1 as an unsigned number.
const NO_LOGIN: u32 = u32::MAX;
/// What a user namespace shows for a uid that it has no number for (`/proc/sys/kernel/overflowuid`): nobody in
/// particular, though the password database has a name for it.
const OVERFLOW_UID: u32 = 65_534;
/// What `statfs` says of a pidfd on kernels with pidfs (6.9 and later; `linux/magic.h`).
const PID_FS_MAGIC: u64 = 0x5049_4446;

/// Gives what tells this process from another with the same pid; `None` where `/proc` is not there.
pub(super) fn process() -> Option<ProcessIdentity> {
    let boot_id = boot_id()?;
    let pid_namespace = fs::metadata("/proc/self/ns/pid").ok()?.ino();
    // The name of a program need not be UTF-8.
    let start_ticks = start_ticks(&fs::read("/proc/self/stat").ok()?)?;
    Some(ProcessIdentity {
        boot_id: Door::default().text(&boot_id),
        pid_namespace: count(pid_namespace)?,
        start_ticks: count(start_ticks)?,
        pidfd_inode: pidfd_inode().and_then(count),
    })
}

/// Gives the kernel's boot id.
pub(super) fn boot_id() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

/// Gives the uid of who logged in, through whatever `su` and `sudo` came after.
pub(super) fn login_uid() -> Option<u32> {
    let text = fs::read_to_string("/proc/self/loginuid").ok()?;
    real_login(&text)
}

/// Gives the machine id, if the machine has one: 32 hexadecimal digits, not all zero (`machine-id(5)`).
pub(super) fn machine_id() -> Option<String> {
    let text = fs::read_to_string("/etc/machine-id").ok()?;
    valid_machine_id(&text)
}

/// Gives the working folder as the kernel has it, with ` (deleted)` behind it when it is gone.
pub(super) fn working_folder() -> Option<PathBuf> {
    fs::read_link("/proc/self/cwd").ok()
}

fn real_login(text: &str) -> Option<u32> {
    let uid = text.trim().parse().ok()?;
    (uid != NO_LOGIN && uid != OVERFLOW_UID).then_some(uid)
}

fn valid_machine_id(text: &str) -> Option<String> {
    let id = text.trim();
    let hexadecimal = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hexadecimal && id.bytes().any(|byte| byte != b'0')).then(|| id.to_ascii_lowercase())
}

/// Reads field 22 of a stat line: the 20th behind the program's name, which stands in parentheses and may hold any.
fn start_ticks(stat: &[u8]) -> Option<u64> {
    let end_of_name = stat.iter().rposition(|&byte| byte == b')')?;
    let fields = str::from_utf8(&stat[end_of_name + 1..]).ok()?;
    fields.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Gives the inode of a pidfd of this process, which no other process of this boot ever has. Without pidfs all pidfds
/// share one inode, which would tell nothing, so there is none.
fn pidfd_inode() -> Option<u64> {
    let pidfd = pidfd_open(getpid(), PidfdFlags::empty()).ok()?;
    let filesystem = rustix::fs::fstatfs(&pidfd).ok()?.f_type;
    let pidfs = u64::try_from(filesystem) == Ok(PID_FS_MAGIC);
    pidfs
        .then(|| rustix::fs::fstat(&pidfd).ok())?
        .map(|stat| stat.st_ino)
}

fn count(number: u64) -> Option<Count> {
    Count::new(i64::try_from(number).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_tells_itself_the_same_each_time() {
        let process = process().unwrap();
        assert_eq!(process.boot_id.len(), 36);
        assert!(process.pid_namespace.get() > 0 && process.start_ticks.get() > 0);
        assert_eq!(super::process(), Some(process));
    }

    /// The kernel says which of the two it is: pidfs came with 6.9.
    #[test]
    fn a_pidfd_inode_is_told_only_by_a_kernel_with_pidfs() {
        let release = rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned();
        let mut numbers = release.split('.').map(|number| number.parse().unwrap_or(0));
        let version: (u32, u32) = (numbers.next().unwrap(), numbers.next().unwrap());
        assert_eq!(pidfd_inode().is_some(), version >= (6, 9), "{release}");
    }

    #[test]
    fn the_name_in_a_stat_line_may_hold_anything() {
        let rest = " S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 10 11";
        for name in ["bash", "a b", ") S 1 (", "(sd-pam)", "42 (x) R 1", ""] {
            let line = format!("42 ({name}){rest}\n");
            assert_eq!(start_ticks(line.as_bytes()), Some(987_654), "{name:?}");
        }
        let not_text = [b"42 (\xff\xfe)", rest.as_bytes()].concat();
        assert_eq!(start_ticks(&not_text), Some(987_654));
        for torn in [
            "",
            "42 (bash",
            "42 (bash) S 1 1",
            "42 (x) S 1 1 1 0 -1 1 1 1 1 1 1 1 1 1 1 1 1 1 x",
        ] {
            assert_eq!(start_ticks(torn.as_bytes()), None, "{torn:?}");
        }
    }

    #[test]
    fn a_login_uid_is_of_somebody() {
        for (text, uid) in [
            ("1000\n", Some(1_000)),
            ("0", Some(0)),
            ("4294967295", None),
            ("65534", None),
            ("", None),
            ("alice", None),
        ] {
            assert_eq!(real_login(text), uid, "{text:?}");
        }
    }

    #[test]
    fn a_machine_id_is_32_digits() {
        let id = "3d1219c7c4c5404aaa1f6d2a48adfda4";
        for (text, valid) in [
            (format!("{id}\n"), Some(id)),
            (id.to_ascii_uppercase(), Some(id)),
            (String::new(), None),
            ("uninitialized\n".to_owned(), None),
            ("0".repeat(32), None),
            (format!("{id}0"), None),
        ] {
            assert_eq!(valid_machine_id(&text).as_deref(), valid, "{text:?}");
        }
    }
}
