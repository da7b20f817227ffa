//! What a server bears from the network: slow and greedy clients over real sockets, TLS, and proxies.
//!
//! Bounds are set so short that they are reached, and every wait is for an event: a connection that the server closes ends
//! a read.

mod crowds;
mod proxies;
mod rates;
mod slowness;
mod tls;

use std::io::{ErrorKind, Read};

use crate::harness::{Home, Server};

/// A secret, as the documents make one.
const SECRET: &str = "hSc1dQfVQ1oh5EhwEIDgDtGzxuyEbW6TW8I1cW0Zf6Y";

/// Starts a server with these lines in its `config.yaml`.
fn with_config(lines: &str) -> Server {
    let home = Home::new();
    std::fs::write(home.file("config.yaml"), lines).unwrap();
    home.start()
}

/// The same with a secret, so that TCP takes tokens.
fn guarded(lines: &str) -> Server {
    let home = Home::new();
    std::fs::write(home.file("config.yaml"), lines).unwrap();
    let mut command = home.command();
    command.env("SESSION_BUDDY_SECRET", SECRET);
    home.start_as(command)
}

/// Waits until the server has closed a connection, and gives what it said before.
fn until_closed(mut stream: impl Read) -> String {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    String::from_utf8(said).unwrap()
}
