//! Which sessions live, with real processes.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Instant,
};

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use session_client::identity;

use crate::harness::{
    Answer, DEADLINE, Home, Server, call_body, end, request, run, start, start_ticks, with,
};

/// A process that lives until it is told otherwise. Ended when dropped.
struct Process(Child);

impl Process {
    fn start() -> Self {
        Self::through(&["cat"])
    }

    fn through(words: &[&str]) -> Self {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a process says of itself, as our client does.
fn of(pid: Pid) -> Value {
    let own = serde_json::to_value(identity::Identity::of_this_process(&|_| None).process).unwrap();
    json!({
        "pid": pid.as_raw_nonzero(),
        "host_id": identity::host_id_of_this_machine().map(|id| id.as_str().to_owned()),
        "process": {
            "boot_id": own["boot_id"],
            "pid_namespace": own["pid_namespace"],
            "start_ticks": start_ticks(pid).unwrap(),
            "pidfd_inode": inode(pid),
        },
    })
}

/// Only told where all pidfds do not share one.
fn inode(pid: Pid) -> Option<u64> {
    let inode = |pid| {
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty());
        rustix::fs::fstat(pidfd.unwrap()).unwrap().st_ino
    };
    let own = inode(rustix::process::getpid());
    Some(inode(pid)).filter(|found| *found != own)
}

/// Asks again and again until the answer is right, with [`DEADLINE`].
#[track_caller]
fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        thread::yield_now();
    }
}

impl Server {
    #[track_caller]
    fn wait_for_liveness(&self, id: &str, liveness: &str) {
        wait_for(liveness, || {
            (self.show(id)["liveness"] == liveness).then_some(())
        });
    }

    #[track_caller]
    fn wait_for_end(&self, id: &str) -> Value {
        wait_for("an end", || {
            Some(self.show(id)).filter(|record| record["status"] != "active")
        })
    }

    /// Waits until the server has swept so often, by the life of sessions that it must find: processes that have ended.
    fn wait_for_closures(&self, numbers: std::ops::Range<u16>) {
        for number in numbers {
            let mut process = Process::start();
            let id = self.begin(with(start(number), of(process.pid())));
            self.wait_for_liveness(&id, "live");
            process.kill();
            assert_eq!(self.wait_for_end(&id)["end_known_by"], "process_gone");
        }
    }
}

#[test]
fn a_process_that_is_killed_closes_its_session_and_one_that_lives_stays() {
    let server = Server::start();
    let (mut dies, lives) = (Process::start(), Process::start());
    let dying = server.begin(with(start(1), of(dies.pid())));
    let living = server.begin(with(start(2), of(lives.pid())));
    server.wait_for_liveness(&dying, "live");
    server.wait_for_liveness(&living, "live");
    dies.kill();
    let lost = server.wait_for_end(&dying);
    assert_eq!(
        (
            &lost["status"],
            &lost["end_known_by"],
            &lost["end_estimated"]
        ),
        (&json!("lost"), &json!("process_gone"), &json!(true))
    );
    let time = |name: &str| lost[name].as_str().unwrap().to_owned();
    assert!(time("end_earliest") <= time("end_time"), "{lost}");
    assert!(time("end_time") < time("end_latest"), "{lost}");
    assert_eq!(server.show(&living)["liveness"], "live");
    let shown = server.cli(&format!("show-session {dying}")).with_code(0);
    assert!(
        shown.stdout.contains("End Known By: process_gone"),
        "{}",
        shown.stdout
    );
    let closing = server.call("end_session", json!({"session_id": living}));
    assert_eq!(
        closing.content["error_code"], "SESSION_ALIVE",
        "{closing:?}"
    );
    server.cli("verify").with_code(0);
}

/// Its own end may come behind the end of its process, and says more.
#[test]
fn the_own_end_of_a_session_is_worth_more_than_that_of_its_process() {
    let server = Server::start();
    let mut process = Process::start();
    let id = server.begin(with(start(1), of(process.pid())));
    server.wait_for_liveness(&id, "live");
    process.kill();
    server.wait_for_liveness(&id, "unknown");
    let called = server.call("track_session_end", end(&id));
    assert_eq!(called.content["status"], "ended");
    server.wait_for_closures(2..4);
    assert_eq!(server.show(&id)["end_known_by"], "reported");
}

/// The right number with another start or another inode is what a pid looks like that was used again.
#[test]
fn a_start_that_names_another_process_with_its_pid_is_neither_kept_alive_nor_closed() {
    let home = Home::new();
    let server = home.start();
    let mut process = Process::start();
    let truth = of(process.pid());
    let mut forged = vec![json!({"process": {"start_ticks": 1}})];
    if !truth["process"]["pidfd_inode"].is_null() {
        forged.push(json!({"process": {"pidfd_inode": 1}}));
    }
    let ids: Vec<_> = forged
        .into_iter()
        .zip(1..)
        .map(|(forged, number)| server.begin(with(with(start(number), truth.clone()), forged)))
        .collect();
    process.kill();
    server.wait_for_closures(10..12);
    let open = |server: &Server| {
        for id in &ids {
            let record = server.show(id);
            assert_eq!(
                (&record["status"], &record["liveness"]),
                (&json!("active"), &json!("unknown"))
            );
        }
    };
    open(&server);
    // Nor does the next server take their word for it.
    server.stop();
    let server = home.start();
    server.wait_for_closures(20..22);
    open(&server);
}

#[test]
fn the_same_pid_in_another_pid_namespace_is_another_process() {
    let probe = Command::new("unshare")
        .args(["-fp", "--mount-proc", "true"])
        .output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        println!("skipped: this user may not make a pid namespace");
        return;
    }
    let server = Server::start();
    // Inside, the shell says who it is; outside, a process has the number that it says.
    let script =
        "echo $$ $(stat -Lc %i /proc/self/ns/pid) $(cut -d' ' -f22 /proc/$$/stat); exec cat";
    let mut inside = Process::through(&["unshare", "-fp", "--mount-proc", "sh", "-c", script]);
    let mut said = String::new();
    BufReader::new(inside.0.stdout.as_mut().unwrap())
        .read_line(&mut said)
        .unwrap();
    let numbers: Vec<u64> = said
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    let &[pid, pid_namespace, ticks] = numbers.as_slice() else {
        panic!("{said:?}")
    };
    let claim = json!({
        "pid": pid,
        "process": {"pid_namespace": pid_namespace, "start_ticks": ticks, "pidfd_inode": null},
    });
    let foreign = server.begin(with(with(start(1), of(inside.pid())), claim));
    // The same claim about an outer process that has the number, and is not meant.
    let outer = Process::start();
    let number = json!({"process": {"pid_namespace": pid_namespace}});
    let meant = server.begin(with(with(start(2), of(outer.pid())), number));
    server.wait_for_closures(10..12);
    for id in [&foreign, &meant] {
        assert_eq!(server.show(id)["liveness"], "unknown");
    }
    inside.kill();
    drop(outer);
    server.wait_for_closures(12..14);
    assert_eq!(server.show(&foreign)["status"], "active");
    assert_eq!(server.show(&meant)["status"], "active");
}

/// Its heartbeats stop too; what is watched needs none.
#[test]
fn a_process_that_is_stopped_lives_beyond_its_lease() {
    let server = Server::start();
    let process = Process::start();
    let promise = json!({"heartbeat_interval_seconds": 1});
    let stopped = server.begin(with(with(start(1), of(process.pid())), promise.clone()));
    // The same promise of a sender elsewhere, whose lease of five seconds shows when it is over.
    let elsewhere = server.begin(with(start(2), promise));
    server.wait_for_liveness(&stopped, "live");
    process.signal(Signal::STOP);
    let lost = server.wait_for_end(&elsewhere);
    assert_eq!(lost["end_known_by"], "lease_expired");
    assert_eq!(server.show(&stopped)["liveness"], "live");
    process.signal(Signal::CONT);
    // The presumption is undone by the next sign of life.
    let heartbeat = json!({"session_id": elsewhere, "timestamp": "2026-02-06T10:10:00Z"});
    let called = server.call("track_session_heartbeat", heartbeat);
    assert_eq!(
        (&called.content["status"], &called.content["lease_seconds"]),
        (&json!("alive"), &json!(5))
    );
    let revived = server.show(&elsewhere);
    assert_eq!(
        (
            &revived["status"],
            &revived["liveness"],
            revived["gaps"].as_array().unwrap().len()
        ),
        (&json!("active"), &json!("live"), 1)
    );
}

/// The server is stopped for longer than a lease, and goes on.
#[test]
fn a_server_that_was_stopped_closes_nobody_for_that() {
    let server = Server::start();
    let process = Process::start();
    let promise = json!({"heartbeat_interval_seconds": 1});
    let leased = server.begin(with(start(1), promise));
    let watched = server.begin(with(start(2), of(process.pid())));
    server.wait_for_liveness(&watched, "live");
    server.signal(Signal::STOP);
    // As long as a process takes to count that far: six seconds of its own clock.
    let slept = run(
        {
            let mut command = Command::new("sleep");
            command.arg("6");
            command
        },
        "",
    );
    assert_eq!(slept.code, Some(0));
    server.signal(Signal::CONT);
    server.wait_for_closures(10..11);
    let record = server.show(&leased);
    assert_eq!(
        (&record["status"], &record["liveness"]),
        (&json!("active"), &json!("live"))
    );
    assert_eq!(server.show(&watched)["liveness"], "live");
    assert_eq!(
        server.wait_for_end(&leased)["end_known_by"],
        "lease_expired"
    );
}

#[test]
fn a_restarted_server_finds_the_processes_again_and_those_that_are_gone_are_lost() {
    let home = Home::new();
    let server = home.start();
    let (lives, mut dies) = (Process::start(), Process::start());
    let living = server.begin(with(start(1), of(lives.pid())));
    let dying = server.begin(with(start(2), of(dies.pid())));
    server.wait_for_liveness(&living, "live");
    server.wait_for_liveness(&dying, "live");
    wait_for_notes(&home, 2);
    server.kill();
    dies.kill();
    let server = home.start();
    let lost = server.wait_for_end(&dying);
    assert_eq!(lost["end_known_by"], "process_gone");
    server.wait_for_liveness(&living, "live");
    drop(lives);
    assert_eq!(server.wait_for_end(&living)["end_known_by"], "process_gone");
    wait_for_notes(&home, 0);
    server.cli("verify").with_code(0);
}

/// Waits until the database names so many processes that are watched.
fn wait_for_notes(home: &Home, count: u32) {
    let database = Connection::open(home.database()).unwrap();
    wait_for("notes", || {
        let sql = "SELECT count(*) FROM watched";
        let found: u32 = database.query_row(sql, [], |row| row.get(0)).unwrap();
        (found == count).then_some(())
    });
}

#[test]
fn only_what_was_watched_on_this_host_is_lost_when_it_restarts() {
    let home = Home::new();
    let server = home.start();
    let process = Process::start();
    let watched = server.begin(with(start(1), of(process.pid())));
    server.wait_for_liveness(&watched, "live");
    // From elsewhere: another boot, and a host id that is not its own.
    let boot = json!({"process": {"boot_id": "00000000-0000-4000-8000-000000000000"}});
    let forged = server.begin(with(with(start(2), of(process.pid())), boot));
    wait_for_notes(&home, 1);
    server.stop();
    let database = Connection::open(home.database()).unwrap();
    database
        .execute(
            "UPDATE watched SET boot_id = '11111111-1111-4111-8111-111111111111'",
            [],
        )
        .unwrap();
    drop(database);
    let server = home.start();
    let lost = server.wait_for_end(&watched);
    assert_eq!(
        (&lost["end_known_by"], &lost["end_time"]),
        (&json!("host_restarted"), &lost["end_earliest"])
    );
    assert_eq!(server.show(&forged)["status"], "active");
    server.stop();
    // The database was carried to another machine: nobody can tell there.
    let server = home.start();
    let watched = server.begin(with(start(3), of(process.pid())));
    server.wait_for_liveness(&watched, "live");
    wait_for_notes(&home, 1);
    server.stop();
    let database = Connection::open(home.database()).unwrap();
    database
        .execute(
            "UPDATE watched SET boot_id = 'elsewhere', host_id = 'elsewhere'",
            [],
        )
        .unwrap();
    drop(database);
    let server = home.start();
    server.wait_for_closures(10..12);
    assert_eq!(server.show(&watched)["liveness"], "unknown");
}

/// Bytes of a request that begins a session of a process which says nothing of itself but its pid.
fn plain_start(number: u16, pid: Pid) -> Vec<u8> {
    let event = with(start(number), json!({"pid": pid.as_raw_nonzero()}));
    let body = call_body("track_session_start", event);
    request("POST", "/mcp", &[("Connection", "keep-alive")], &body)
}

/// A sender in a process of its own: it connects, sends what it is given, and holds the connection.
fn sender(server: &Server, unix: bool) -> Process {
    let connect = if unix {
        format!(
            "import socket; s = socket.socket(socket.AF_UNIX); s.connect({:?})",
            server.socket()
        )
    } else {
        format!(
            "import socket; s = socket.create_connection(('127.0.0.1', {}))",
            server.address().port()
        )
    };
    let script = format!(
        "{connect}\nimport sys\nn = int(sys.stdin.buffer.readline())\ns.sendall(sys.stdin.buffer.read(n))\n\
         print(s.recv(65536).decode().replace('\\r\\n', ' '), flush=True)\nsys.stdin.read()"
    );
    Process::through(&["python3", "-uc", &script])
}

fn send(sender: &mut Process, bytes: &[u8]) -> String {
    let input = sender.0.stdin.as_mut().unwrap();
    writeln!(input, "{}", bytes.len()).unwrap();
    input.write_all(bytes).unwrap();
    input.flush().unwrap();
    let mut answer = String::new();
    BufReader::new(sender.0.stdout.as_mut().unwrap())
        .read_line(&mut answer)
        .unwrap();
    answer
}

#[test]
fn a_sender_that_only_says_its_pid_is_watched_if_its_connection_is_its_own() {
    for unix in [true, false] {
        let server = Server::start();
        let mut honest = sender(&server, unix);
        let bytes = plain_start(1, honest.pid());
        assert!(send(&mut honest, &bytes).contains("tracked"));
        let id = id_of(&server, 1);
        server.wait_for_liveness(&id, "live");
        // Another one names this process, which never said a word.
        let mut liar = sender(&server, unix);
        let silent = Process::start();
        let bytes = plain_start(2, silent.pid());
        assert!(send(&mut liar, &bytes).contains("tracked"));
        honest.kill();
        assert_eq!(server.wait_for_end(&id)["end_known_by"], "process_gone");
        drop(silent);
        server.wait_for_closures(10..12);
        let record = server.show(&id_of(&server, 2));
        assert_eq!(
            (&record["status"], &record["liveness"]),
            (&json!("active"), &json!("unknown"))
        );
    }
}

fn id_of(server: &Server, number: u16) -> String {
    let sessions = server.get("/api/sessions").json();
    let event_id = start(number)["event_id"].clone();
    let found = sessions
        .as_array()
        .unwrap()
        .iter()
        .find(|session| session["event_id"] == event_id);
    found.unwrap()["session_id"].as_str().unwrap().to_owned()
}

/// Carries one connection to a server, as `ssh -L` and `socat` do; gives where.
fn forward(to: std::net::SocketAddr) -> std::net::SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let here = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let server = TcpStream::connect(to).unwrap();
        let (mut from, mut into) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let sending = thread::spawn(move || {
            let _ = io::copy(&mut from, &mut into);
            let _ = into.shutdown(Shutdown::Write);
        });
        let (mut from, mut into) = (server, client);
        let _ = io::copy(&mut from, &mut into);
        let _ = into.shutdown(Shutdown::Write);
        sending.join().unwrap();
    });
    here
}

/// The connection belongs to what forwards, which is this process here; the sender is another one.
#[test]
fn a_sender_behind_a_port_forward_is_not_watched() {
    let server = Server::start();
    let process = Process::start();
    let mut stream = TcpStream::connect(forward(server.address())).unwrap();
    let event = with(start(1), json!({"pid": process.pid().as_raw_nonzero()}));
    let body = call_body("track_session_start", event);
    stream
        .write_all(&request("POST", "/mcp", &[], &body))
        .unwrap();
    let answer = Answer::read(&stream);
    assert!(answer.text().contains("tracked"), "{}", answer.text());
    let id = id_of(&server, 1);
    drop(process);
    server.wait_for_closures(10..12);
    let record = server.show(&id);
    assert_eq!(
        (&record["status"], &record["liveness"]),
        (&json!("active"), &json!("unknown"))
    );
}

/// Most files that a server may have open here are taken by itself, so most processes are looked at every two seconds.
#[test]
fn more_processes_than_files_are_watched_all_the_same() {
    let home = Home::new();
    let server = home.start_as(home.command_through(&["prlimit", "--nofile=60:60"]));
    let mut processes: Vec<_> = (0..60).map(|_| Process::start()).collect();
    let ids: Vec<_> = (1..)
        .zip(&processes)
        .map(|(number, process)| server.begin(with(start(number), of(process.pid()))))
        .collect();
    for id in &ids {
        server.wait_for_liveness(id, "live");
    }
    for process in &mut processes[..50] {
        process.kill();
    }
    for id in &ids[..50] {
        assert_eq!(server.wait_for_end(id)["end_known_by"], "process_gone");
    }
    for id in &ids[50..] {
        assert_eq!(server.show(id)["liveness"], "live");
    }
}
