//! Whose end of a local TCP connection it is, and who listens at a port. Linux tells in `/proc/net/tcp`; elsewhere nobody
//! is proved to be anybody.

use std::net::SocketAddr;

/// Finds the user id that owns the established connection from `from` to `to`.
pub(super) fn find(from: SocketAddr, to: SocketAddr) -> Option<u32> {
    established(from, to).map(|(uid, _)| uid)
}

/// Finds who has the established connection from `from` to `to`: the user id, and the inode of the socket.
#[cfg(target_os = "linux")]
pub(crate) fn established(from: SocketAddr, to: SocketAddr) -> Option<(u32, u64)> {
    // A client that connects to an IPv4 listener over a dual-stack socket stands in the other table.
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .find_map(|table| {
            let table = std::fs::read_to_string(table).ok()?;
            linux::owner(&table, from, to)
        })
}

/// Finds who listens at an address, or at its port on every address: the user id, and the inode of the socket.
#[cfg(target_os = "linux")]
pub(crate) fn listener(at: SocketAddr) -> Option<(u32, u64)> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .find_map(|table| linux::listener(&std::fs::read_to_string(table).ok()?, at))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn listener(_: SocketAddr) -> Option<(u32, u64)> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn established(_: SocketAddr, _: SocketAddr) -> Option<(u32, u64)> {
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

    /// State of an established connection (`TCP_ESTABLISHED`, include/net/tcp_states.h).
    const ESTABLISHED: &str = "01";

    /// State of a socket that listens (`TCP_LISTEN`).
    const LISTEN: &str = "0A";

    /// A row of a table of `/proc/net`: `sl local rem st tx:rx tr:tm retrnsmt uid timeout inode`.
    struct Row<'a> {
        local: (IpAddr, u16),
        remote: (IpAddr, u16),
        state: &'a str,
        uid: u32,
        inode: u64,
    }

    fn rows(table: &str) -> impl Iterator<Item = Row<'_>> {
        table.lines().skip(1).filter_map(|line| {
            let mut columns = line.split_ascii_whitespace().skip(1);
            let (local, remote, state) = (columns.next()?, columns.next()?, columns.next()?);
            let (uid, inode) = (columns.nth(3)?, columns.nth(1)?);
            Some(Row {
                local: address(local)?,
                remote: address(remote)?,
                state,
                uid: uid.parse().ok()?,
                inode: inode.parse().ok()?,
            })
        })
    }

    /// Finds who listens there.
    pub(super) fn listener(table: &str, at: SocketAddr) -> Option<(u32, u64)> {
        let (ip, port) = canonical(at);
        let there = |row: &Row<'_>| {
            row.state == LISTEN
                && row.local.1 == port
                && (row.local.0 == ip || row.local.0.is_unspecified())
        };
        rows(table).find(there).map(|row| (row.uid, row.inode))
    }

    /// Finds the owner of a connection. A row without an inode belongs to nobody any more.
    pub(super) fn owner(table: &str, from: SocketAddr, to: SocketAddr) -> Option<(u32, u64)> {
        let wanted = (canonical(from), canonical(to));
        rows(table)
            .find(|row| {
                row.state == ESTABLISHED && row.inode != 0 && (row.local, row.remote) == wanted
            })
            .map(|row| (row.uid, row.inode))
    }

    fn canonical(address: SocketAddr) -> (IpAddr, u16) {
        (address.ip().to_canonical(), address.port())
    }

    /// Reads `0100007F:21E6`: the address in words of the machine's byte order, the port in plain hexadecimal.
    fn address(text: &str) -> Option<(IpAddr, u16)> {
        let (address, port) = text.split_once(':')?;
        let words = address
            .as_bytes()
            .chunks(8)
            .map(|word| {
                u32::from_str_radix(std::str::from_utf8(word).ok()?, 16)
                    .ok()
                    .map(u32::to_ne_bytes)
            })
            .collect::<Option<Vec<_>>>()?;
        let address = match <[u8; 4]>::try_from(words.concat().as_slice()) {
            Ok(octets) => IpAddr::from(Ipv4Addr::from(octets)),
            Err(_) => IpAddr::from(Ipv6Addr::from(
                <[u8; 16]>::try_from(words.concat().as_slice()).ok()?,
            )),
        };
        Some((address.to_canonical(), u16::from_str_radix(port, 16).ok()?))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// As a little-endian kernel writes it.
        #[cfg(target_endian = "little")]
        const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:21E6 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 31337 1 0 100 0 0 10 0
   1: 0100007F:9C40 0100007F:21E6 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0
   2: 0100007F:9C41 0100007F:21E6 01 00000000:00000000 00:00000000 00000000  1001        0 31338 1 0 20 4 30 10 -1
";

        #[test]
        #[cfg(target_endian = "little")]
        fn only_an_established_row_with_an_inode_counts() {
            let server = "127.0.0.1:8678".parse().unwrap();
            assert_eq!(
                owner(TABLE, "127.0.0.1:40001".parse().unwrap(), server),
                Some((1001, 31338))
            );
            assert_eq!(
                owner(TABLE, "[::ffff:127.0.0.1]:40001".parse().unwrap(), server),
                Some((1001, 31338))
            );
            assert_eq!(
                owner(TABLE, "127.0.0.1:40000".parse().unwrap(), server),
                None
            );
            assert_eq!(
                owner(TABLE, "127.0.0.1:40002".parse().unwrap(), server),
                None
            );
        }

        #[test]
        #[cfg(target_endian = "little")]
        fn who_listens_is_found_by_its_port() {
            let found = |at: &str| listener(TABLE, at.parse().unwrap());
            assert_eq!(found("127.0.0.1:8678"), Some((1000, 31337)));
            assert_eq!(found("127.0.0.2:8678"), None);
            assert_eq!(found("127.0.0.1:40001"), None);
        }
    }
}
