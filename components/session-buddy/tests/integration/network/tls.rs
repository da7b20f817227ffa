//! https at the TCP door.
//!
//! The certificates beside this were made with `openssl`, as `docs/LIMITS.md` says; the first two are good for a century.

use std::{fs, io::Write, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc};

use rustix::process::Signal;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use super::{SECRET, until_closed};
use crate::harness::{Answer, Home, Server, request, run, start};

type Pair = (&'static str, &'static str);

const FIRST: Pair = (
    include_str!("tls/first.pem"),
    include_str!("tls/first-key.pem"),
);
const SECOND: Pair = (
    include_str!("tls/second.pem"),
    include_str!("tls/second-key.pem"),
);
const EXPIRED: Pair = (
    include_str!("tls/expired.pem"),
    include_str!("tls/expired-key.pem"),
);

/// Puts certificate and key where the configuration of a home says.
fn put(home: &Home, (certificate, key): Pair) {
    fs::write(home.file("cert.pem"), certificate).unwrap();
    fs::write(home.file("key.pem"), key).unwrap();
    fs::set_permissions(home.file("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
}

fn home(pair: Pair) -> Home {
    let home = Home::new();
    put(&home, pair);
    let config = "tls_certificate: cert.pem\ntls_key: key.pem\nheader_timeout: 1s\n";
    fs::write(home.file("config.yaml"), config).unwrap();
    home
}

/// Asks over TLS, with belief in this certificate alone.
fn get(server: &Server, believed: Pair, path: &str) -> Result<Answer, String> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(believed.0.as_bytes()).unwrap())
        .unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, server.tcp());
    stream
        .write_all(&request("GET", path, &[], ""))
        .map_err(|error| error.to_string())?;
    let answer = Answer::read(&mut stream);
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    Ok(answer)
}

#[test]
fn tcp_is_https_and_the_socket_stays_plain() {
    let server = home(FIRST).start();
    assert_eq!(get(&server, FIRST, "/health").unwrap().status, 200);
    let by_socket = server.raw_unix(&request("GET", "/health", &[], ""));
    assert_eq!(by_socket.status, 200);
    let status = server.cli("mcp status --format json").with_code(0).json();
    assert_eq!(status["url"], format!("https://{}", server.address()));
    let refused = get(&server, SECOND, "/health").unwrap_err();
    assert!(refused.contains("certificate"), "{refused}");
    // Plain text is no handshake, and silence is none that ends.
    let mut plain = server.tcp();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut said = Vec::new();
    let _ = std::io::Read::read_to_end(&mut plain, &mut said);
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
    assert_eq!(until_closed(server.tcp()), "");
}

#[test]
fn the_command_line_and_shells_speak_https() {
    let home = home(FIRST);
    let mut command = home.command();
    command.env("SESSION_BUDDY_SECRET", SECRET);
    let server = home.start_as(command);
    let url = format!("https://localhost:{}", server.address().port());
    let believing = |arguments: &[&str], authorities: PathBuf| {
        let mut command = server.command();
        command
            .args(arguments)
            .env("SESSION_BUDDY_SECRET", SECRET)
            .env("SSL_CERT_FILE", authorities)
            .env("SESSION_BUDDY_MCP_ENDPOINT", format!("{url}/mcp"));
        run(command, "")
    };
    believing(&["shell", "-c", "1"], server.file("cert.pem")).with_code(0);
    // What a shell had no time for is brought by whoever looks next.
    believing(&["event-buffer", "replay"], server.file("cert.pem")).with_code(0);
    let list = ["list-sessions", "--server", &url, "--format", "json"];
    let listed = believing(&list, server.file("cert.pem"))
        .with_code(0)
        .json();
    assert_eq!(listed[0]["origin_transport"], "tcp", "{listed}");
    assert_eq!(listed[0]["end_known_by"], "reported", "{listed}");
    let other = server.file("other.pem");
    fs::write(&other, SECOND.0).unwrap();
    believing(&list, other).with_code(1).saying("certificate");
}

#[test]
fn a_hangup_changes_the_certificate_and_a_bad_one_changes_nothing() {
    let server = home(FIRST).start();
    put(&server, SECOND);
    server.signal(Signal::HUP);
    server.wait_for_log("Read certificate, names and bounds anew");
    assert_eq!(get(&server, SECOND, "/health").unwrap().status, 200);
    assert!(get(&server, FIRST, "/health").is_err());

    put(&server, (FIRST.0, SECOND.1));
    server.signal(Signal::HUP);
    let said = server.wait_for_log("Nothing is changed by SIGHUP");
    assert!(said.contains("do not go together"), "{said}");
    assert_eq!(get(&server, SECOND, "/health").unwrap().status, 200);
}

#[test]
fn a_hangup_changes_bounds_and_names() {
    let home = Home::new();
    let server = home.start();
    let public = [("Host", "buddy.example.org")];
    server
        .send("GET", "/health", &public, "")
        .problem(403, "HOST_REFUSED");
    let config = "allowed_hosts: buddy.example.org\nheaders_max: 16\n";
    fs::write(home.file("config.yaml"), config).unwrap();
    server.signal(Signal::HUP);
    server.wait_for_log("Read certificate, names and bounds anew");
    // Known now, and from elsewhere, whom a server without a secret does not serve.
    server
        .send("GET", "/health", &public, "")
        .problem(403, "FORBIDDEN");
    let many: String = (0..20).map(|number| format!("X-{number}: y\r\n")).collect();
    let bytes = format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{many}\r\n");
    assert_eq!(server.raw(bytes.as_bytes()).status, 431);
    fs::write(home.file("config.yaml"), "headers_max: many\n").unwrap();
    server.signal(Signal::HUP);
    let said = server.wait_for_log("Nothing is changed by SIGHUP");
    assert!(
        said.contains("headers_max: expected an integer from 16 to 1000"),
        "{said}"
    );
    server.assert_serves(1);
}

#[test]
fn what_cannot_be_used_is_refused_by_its_file() {
    let home = home(FIRST);
    fs::set_permissions(home.file("key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    let open = home.refused("").with_code(5);
    assert!(open.stderr.contains("key.pem has mode 0644"), "{open:?}");

    put(&home, (FIRST.0, SECOND.1));
    home.refused("").with_code(5).saying("do not go together");

    put(&home, ("nothing", FIRST.1));
    home.refused("")
        .with_code(5)
        .saying("there is no certificate in");

    put(&home, (FIRST.0, "nothing"));
    home.refused("")
        .with_code(5)
        .saying("there is no private key in");

    fs::remove_file(home.file("cert.pem")).unwrap();
    home.refused("").with_code(5).saying("cert.pem");

    fs::write(home.file("config.yaml"), "tls_key: key.pem\n").unwrap();
    home.refused("")
        .with_code(5)
        .saying("tls_certificate beside it");
}

#[test]
fn an_expired_certificate_is_a_warning() {
    let server = home(EXPIRED).start();
    server.wait_for_log("has expired");
    let refused = get(&server, EXPIRED, "/health").unwrap_err();
    assert!(refused.contains("expired"), "{refused}");
    let by_socket = request(
        "POST",
        "/mcp",
        &[],
        &crate::harness::call_body("track_session_start", start(1)),
    );
    assert_eq!(server.raw_unix(&by_socket).status, 200);
}
