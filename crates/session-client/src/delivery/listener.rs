//! Whose server it is that listens on this machine: an event tells who works where, and is for our own server or the
//! machine's.

use std::{fs, net::IpAddr};

use nix::unistd::Uid;
use tokio::{net::TcpStream, time::timeout};

use crate::connection::CONNECT_TIMEOUT;

/// Tells whether somebody listens at an address of this machine, such as `localhost:8678`, who may be given events.
pub(crate) async fn is_there(authority: &str) -> bool {
    // That nobody does is known at once, and the kernel's tables take milliseconds to read.
    let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect(authority));
    is_loopback(authority) && matches!(connected.await, Ok(Ok(_))) && is_trusted(authority)
}

fn is_loopback(authority: &str) -> bool {
    let Some((host, _)) = authority.rsplit_once(':') else {
        return false;
    };
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Tells whether everybody who listens at a port of this machine is our user or root. Where the system does not say, nobody
/// is trusted.
fn is_trusted(authority: &str) -> bool {
    let Some((_, port)) = authority.rsplit_once(':') else {
        return false;
    };
    let Ok(port) = port.parse() else { return false };
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let mut owners = tables
        .iter()
        .flatten()
        .flat_map(|table| listeners(table, port))
        .peekable();
    let ours = Uid::effective().as_raw();
    owners.peek().is_some() && owners.all(|uid| uid == 0 || uid == ours)
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

    #[tokio::test]
    async fn our_own_listener_is_there_and_nobody_is_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_there(&format!("localhost:{port}")).await);
        assert!(is_there(&format!("127.0.0.1:{port}")).await);
        drop(listener);
        assert!(!is_there(&format!("localhost:{port}")).await);
    }

    #[tokio::test]
    async fn another_machine_is_not_asked() {
        let unroutable = "192.0.2.1:8678";
        assert!(
            !timeout(CONNECT_TIMEOUT / 2, is_there(unroutable))
                .await
                .unwrap()
        );
    }
}
