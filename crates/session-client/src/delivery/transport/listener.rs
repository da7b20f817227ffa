//! Whose server it is that listens on this machine: an event tells who works where, and is for our own server or the
//! machine's.

use std::fs;

use nix::unistd::Uid;

/// Tells whether everybody who listens at `localhost:PORT`, or another loopback address, is our user or root. Where the
/// system does not say, nobody is trusted.
pub(super) fn is_trusted(authority: &str) -> bool {
    let Some((host, port)) = authority.rsplit_once(':') else {
        return false;
    };
    let loopback = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    let Ok(port) = port.parse() else { return false };
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let mut owners = tables
        .iter()
        .flatten()
        .flat_map(|table| listeners(table, port))
        .peekable();
    let ours = Uid::effective().as_raw();
    loopback && owners.peek().is_some() && owners.all(|uid| uid == 0 || uid == ours)
}

/// Gives the owners of the sockets that listen at a port, from the kernel's table (proc(5)): the second column is the
/// local address, the fourth the state, where 0A is LISTEN, the eighth the owner.
fn listeners(table: &str, port: u16) -> impl Iterator<Item = u32> {
    let suffix = format!(":{port:04X}");
    table.lines().skip(1).filter_map(move |line| {
        let mut columns = line.split_ascii_whitespace();
        let (local, state) = (columns.nth(1)?, columns.nth(1)?);
        let uid = columns.nth(3)?.parse().ok()?;
        (local.ends_with(&suffix) && state == "0A").then_some(uid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:21E6 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 123 1 0 100 0 0 10 0
   1: 0100007F:21E6 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1001        0 124 1 0 100 0 0 10 0
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 125 1 0 100 0 0 10 0
";

    #[test]
    fn the_kernel_names_who_listens() {
        assert_eq!(listeners(TABLE, 8678).collect::<Vec<_>>(), [1000]);
        assert_eq!(listeners(TABLE, 22).collect::<Vec<_>>(), [0]);
        assert_eq!(listeners(TABLE, 80).count(), 0);
    }

    #[test]
    fn our_own_listener_is_trusted_and_nobody_is_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_trusted(&format!("localhost:{port}")));
        assert!(is_trusted(&format!("127.0.0.1:{port}")));
        assert!(!is_trusted(&format!("192.0.2.1:{port}")));
        drop(listener);
        assert!(!is_trusted(&format!("localhost:{port}")));
    }
}
