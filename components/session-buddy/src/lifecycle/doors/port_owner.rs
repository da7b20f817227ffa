//! Who has a port that the server wants.

use std::{fmt, fs, net::SocketAddr, path::Path};

use session_model::escape::for_line;

use crate::auth::socket_owner;

/// Who listens at a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortOwner {
    uid: u32,
    /// Process and name, where this user may look.
    process: Option<(u32, String)>,
}

impl fmt::Display for PortOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.process {
            Some((pid, name)) => write!(f, "process {pid} ({})", for_line(name)),
            None => write!(f, "a process of user id {}", self.uid),
        }
    }
}

impl PortOwner {
    /// Asks the system; `None` where it does not tell.
    pub(super) fn find(address: SocketAddr) -> Option<Self> {
        let (uid, inode) = socket_owner::listener(address)?;
        let process = process_with(&format!("socket:[{inode}]"));
        Some(Self { uid, process })
    }
}

/// Finds the process that has a socket open, as the links in `/proc/<pid>/fd` tell.
fn process_with(socket: &str) -> Option<(u32, String)> {
    let has_it = |process: &Path| {
        let links = fs::read_dir(process.join("fd")).ok()?.flatten();
        links
            .filter_map(|link| fs::read_link(link.path()).ok())
            .find(|target| target.as_os_str() == socket)
    };
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        has_it(&entry.path())?;
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        Some((pid, name.trim_end().to_owned()))
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn a_listener_of_our_own_is_found_by_name() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let owner = PortOwner::find(listener.local_addr().unwrap()).unwrap();
        assert_eq!(owner.uid, rustix::process::geteuid().as_raw());
        let (pid, name) = owner.process.unwrap();
        assert_eq!(pid, std::process::id());
        assert!(!name.is_empty());
    }
}
