//! What a shell can tell its user of the delivery, and when.

use std::{sync::mpsc, thread, time::Duration};

use session_client::emitter::Connection;

use crate::harness::*;

#[test]
fn a_shell_is_told_when_the_delivery_changes() {
    let home = Home::new();
    let shell = home.shell();
    let offline = wait_status(&shell, "offline", |status| {
        matches!(status.connection, Connection::Offline { .. })
    });
    assert!(!offline.acknowledged);

    let record = Record::default();
    let _server = Server::unix(&home.socket(), record.server());
    let connected = wait_status(&shell, "connected", |status| {
        status.connection == Connection::Connected
    });
    assert!(connected.acknowledged);
    assert_eq!(connected.circuit_open_until, None);
    leave(&shell);
}

#[test]
fn nothing_new_is_told_while_nothing_changes() {
    let mut home = Home::new();
    home.settings.timing.cooldown = Duration::from_hours(1);
    let shell = home.shell();
    let open = wait_status(&shell, "an open circuit", |status| {
        status.circuit_open_until.is_some()
    });
    // The thread looks for the server every 10 ms, and has nothing to say.
    assert_eq!(shell.wait_changed(&open, Duration::from_millis(200)), None);
}

/// As a prompt does that prints a line above itself.
#[test]
fn a_thread_of_the_shell_can_wait_for_the_next_change() {
    let home = Home::new();
    let shell = home.begin();
    let (tell, told) = mpsc::channel();
    thread::spawn({
        let (shell, known) = (shell.clone(), shell.status());
        move || drop(tell.send(shell.wait_changed(&known, DEADLINE)))
    });
    let _server = Server::unix(&home.socket(), Record::default().server());
    shell.deliver();
    let status = told.recv_timeout(DEADLINE).unwrap().unwrap();
    assert_eq!(status.connection, Connection::Connected);
    leave(&shell);
}
