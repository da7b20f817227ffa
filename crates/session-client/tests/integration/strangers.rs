//! Servers of other users of this machine, who are told nothing; and sessions inside sessions.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::net::UnixListener,
    path::Path,
};

use session_client::delivery::target::Target;

use crate::harness::*;

#[test]
fn a_listener_of_another_user_does_not_stand_in_for_our_server() {
    if !is_root() {
        return;
    }
    let record = Record::default();
    let server = Server::tcp_of(STRANGER, record.server());
    let mut home = Home::new();
    home.settings.target = Target::Local {
        socket: home.socket(),
        authority: server.authority(),
    };
    let dead = home.dead_shell();
    assert_eq!(home.replay().waiting, 1);
    // A look at whether somebody listens tells nobody anything.
    assert!(server.requests().is_empty());
    assert!(
        home.problem().starts_with("no server answers at unix:"),
        "{}",
        home.problem()
    );

    // Whoever names an address has chosen whom to trust.
    home.settings.target = Target::Url(server.url());
    assert_eq!(home.replay().delivered, 1);
    assert!(record.session(&dead).end.is_some());
}

#[test]
fn a_socket_of_another_user_is_not_spoken_to() {
    const TEST: &str = "strangers::a_socket_of_another_user_is_not_spoken_to";
    if let Some(socket) = role() {
        return listen_as_stranger(Path::new(&socket));
    }
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(folder.path(), Some(STRANGER), None).unwrap();
    let socket = folder.path().join("session-buddy.sock");
    let mut stranger = beside(TEST, as_stranger(), &socket);
    let mut said = BufReader::new(stranger.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("listening")));

    let mut home = Home::new();
    home.settings.target = Target::Local {
        socket: socket.clone(),
        authority: "localhost:0".to_owned(),
    };
    let dead = home.dead_shell();
    assert_eq!(home.replay().waiting, 1);
    let told = format!(
        "the socket unix:{} belongs to user id {STRANGER}, neither yours nor root's",
        socket.display()
    );
    assert_eq!(home.problem(), told);
    assert_eq!(home.waiting(), [dead.as_str()]);

    drop(stranger.stdin.take());
    assert!(
        stranger.wait().unwrap().success(),
        "{:?}",
        said.collect::<Vec<_>>()
    );
}

/// Hears one caller out, who should have nothing to say.
fn listen_as_stranger(socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    println!("listening");
    let (mut caller, _) = listener.accept().unwrap();
    let mut heard = String::new();
    caller.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "");
}

#[test]
fn a_session_that_was_started_in_another_names_it() {
    let home = Home::new();
    let outer = home.begin();
    let (name, value) = outer.for_children();
    assert_eq!(name, "SESSION_BUDDY_PARENT_SESSION_ID");
    let inner = begin_in(&home.settings, &|wanted| {
        (wanted == name).then(|| value.into())
    });
    assert_eq!(
        home.start_of(&inner)["parent_session_id"],
        outer.session_id().as_str()
    );
}
