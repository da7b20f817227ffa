//! Where it runs: host, platform, folder, terminal, and the place its user sits at.

use std::{
    ffi::CStr,
    io,
    net::{IpAddr, Ipv6Addr},
    os::fd::AsFd,
    path::PathBuf,
};

use rustix::system::{Uname, uname};
use session_model::{EnvironmentInfo, Text};

use super::{kernel, variables::Variables};
use crate::leaving::Door;

/// Gives the name of the host.
pub(super) fn hostname(door: &Door) -> Text<255> {
    door.text(&lossy(uname().nodename()))
}

/// Tells where this process runs. No part of it is written in Python.
pub(super) fn environment(variables: &Variables<'_>) -> EnvironmentInfo {
    let folder = working_folder(variables);
    EnvironmentInfo {
        python_version: Text::default(),
        platform: variables.door.text(&platform(&uname())),
        cwd: variables.door.trimmed(&folder.to_string_lossy()),
    }
}

/// Gives the name of the terminal that one of the standard streams is.
pub(super) fn tty(door: &Door) -> Option<Text<200>> {
    tty_of(io::stdin(), door)
        .or_else(|| tty_of(io::stdout(), door))
        .or_else(|| tty_of(io::stderr(), door))
}

/// Gives the address that the user is logged in from.
pub(super) fn remote_address(variables: &Variables<'_>) -> Option<Text<200>> {
    ["SSH_CONNECTION", "SSH_CLIENT"]
        .into_iter()
        .filter_map(|name| variables.text(name))
        .find_map(|value| {
            let first = value.split_whitespace().next()?;
            is_address(first).then(|| variables.door.text(first))
        })
}

/// Gives `Linux-6.5.0-x86_64`, the beginning of what Python's `platform.platform()` gives on Linux.
fn platform(uname: &Uname) -> String {
    [uname.sysname(), uname.release(), uname.machine()]
        .map(lossy)
        .join("-")
}

/// Gives the folder that the process is in; empty where nobody knows.
fn working_folder(variables: &Variables<'_>) -> PathBuf {
    std::env::current_dir()
        .ok()
        .or_else(kernel::working_folder)
        .or_else(|| variables.absolute_path("PWD"))
        .unwrap_or_default()
}

fn tty_of(stream: impl AsFd, door: &Door) -> Option<Text<200>> {
    let name = rustix::termios::ttyname(stream, Vec::new()).ok()?;
    Some(door.text(&lossy(&name)))
}

/// Tells whether it is an IP address; one of version 6 may have a zone, as in `fe80::1%eth0`.
fn is_address(text: &str) -> bool {
    match text.split_once('%') {
        None => text.parse::<IpAddr>().is_ok(),
        Some((address, zone)) => {
            let zone_name = !zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_graphic());
            zone_name && address.parse::<Ipv6Addr>().is_ok()
        }
    }
}

fn lossy(text: &CStr) -> String {
    text.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::{fs::File, process::Command};

    use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};

    use super::*;
    use crate::identity::variables::tests::of;

    #[test]
    fn host_and_platform_are_what_uname_says() {
        let say = |option| {
            let output = Command::new("uname").arg(option).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        assert_eq!(*hostname(&Door::default()), say("-n"));
        let expected = format!("{}-{}-{}", say("-s"), say("-r"), say("-m"));
        assert_eq!(platform(&uname()), expected);
    }

    #[test]
    fn an_address_is_the_first_word_that_is_one() {
        let long_zone = format!("fe80::1%{}", "z".repeat(5_000));
        for (connection, client, address) in [
            ("192.0.2.7 50000 10.0.0.1 22", "", Some("192.0.2.7")),
            (
                "2001:db8::7 50000 ::1 22",
                "192.0.2.9 1 22",
                Some("2001:db8::7"),
            ),
            ("fe80::1%eth0 50000 fe80::2 22", "", Some("fe80::1%eth0")),
            (
                "UNKNOWN 65535 UNKNOWN 65535",
                "192.0.2.9 1 22",
                Some("192.0.2.9"),
            ),
            ("", "192.0.2.9 1 22", Some("192.0.2.9")),
            ("192.0.2.7%eth0 1 2 3", "", None),
            ("fe80::1% 1 2 3", "", None),
            ("host.example 1 2 3", "\u{202e}", None),
            (&long_zone, "", Some(&long_zone[..200])),
        ] {
            let pairs = [("SSH_CONNECTION", connection), ("SSH_CLIENT", client)];
            let found = remote_address(&Variables::new(&of(&pairs)));
            assert_eq!(found.as_deref(), address, "{connection:?} {client:?}");
        }
    }

    #[test]
    fn a_terminal_has_a_name_and_a_file_has_none() {
        let host_side = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        unlockpt(&host_side).unwrap();
        let name = ptsname(&host_side, Vec::new()).unwrap();
        let terminal = File::open(name.to_str().unwrap()).unwrap();
        assert_eq!(
            tty_of(terminal, &Door::default()).as_deref(),
            name.to_str().ok()
        );
        assert_eq!(
            tty_of(File::open("/dev/null").unwrap(), &Door::default()),
            None
        );
    }

    /// Runs itself again in a folder that is gone, for a process has only one.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_deleted_folder_is_told_as_deleted() {
        use std::{env, ffi::OsStr};
        const AGAIN: &str = "SESSION_CLIENT_TEST_FOLDER";
        if let Some(folder) = env::var_os(AGAIN) {
            let told = environment(&Variables::new(&|_| None)).cwd;
            assert_eq!(*told, format!("{} (deleted)", folder.to_str().unwrap()));
            return;
        }
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().canonicalize().unwrap().join("gone");
        std::fs::create_dir(&folder).unwrap();
        let name = "identity::place::tests::a_deleted_folder_is_told_as_deleted";
        let script = r#"cd "$1" && rmdir "$1" && exec "$2" --exact "$3""#;
        let output = Command::new("sh")
            .args(["-c", script, "sh"].map(OsStr::new))
            .args([folder.as_os_str(), env::current_exe().unwrap().as_os_str()])
            .arg(name)
            .env(AGAIN, &folder)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}"
        );
    }
}
