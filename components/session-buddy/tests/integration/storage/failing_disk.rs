//! A sync of the disk, or a write to it, fails once, the event comes again, the power goes: there is the event, or no
//! acknowledgement.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use super::{listed, power::Disk, skipped};
use crate::harness::{Home, Server, start};

/// A server under `strace`, which makes calls to the disk fail and writes down all that reaches the database's files.
struct Traced {
    home: Home,
    log: PathBuf,
}

impl Traced {
    /// `None`, with the reason printed, where nothing can be traced.
    fn new(home: &Home, log: &str) -> Option<Self> {
        let mut probe = Command::new("strace");
        probe
            .args(["-o", "/dev/null", "true"])
            .stderr(Stdio::null());
        if !probe.status().is_ok_and(|status| status.success()) {
            skipped("strace is not there, or may not trace here");
            return None;
        }
        Some(Self {
            home: home.clone(),
            log: home.root().join(log),
        })
    }

    /// Starts a server; `failing` says which calls of a thread fail, as strace writes it.
    fn start(&self, failing: Option<&str>) -> Server {
        let log = self.log.display().to_string();
        let inject = failing.map(|failing| format!("inject={failing}"));
        // The server is the child, strace its shadow, so that a kill hits the server.
        let mut wrapper = vec![
            "strace", "-D", "-ff", "-y", "-x", "-ttt", "-s", "10000000", "-o", &log,
        ];
        wrapper.extend([
            "-e",
            "trace=/^(p?writev?2?(64)?|ftruncate|f(data)?sync|unlink(at)?|rename.*)$",
        ]);
        if let Some(inject) = &inject {
            wrapper.extend(["-e", inject]);
        }
        self.home.start_as(self.home.command_through(&wrapper))
    }

    /// Does to `disk` what was done while the server ran.
    fn replay(&self, disk: &mut Disk) {
        let folder = self.home.root();
        let name = self.log.file_name().unwrap().to_str().unwrap();
        let of_this = |path: &PathBuf| {
            let found = path.file_name().unwrap().to_str().unwrap();
            found.starts_with(&format!("{name}."))
        };
        let mut lines: Vec<String> = Vec::new();
        for path in fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            if of_this(&path) {
                lines.extend(fs::read_to_string(path).unwrap().lines().map(str::to_owned));
            }
        }
        // Each begins with its time, at a fixed width.
        lines.sort();
        for line in &lines {
            disk.take(line);
        }
    }
}

/// Sends starts until one is refused; gives its number.
fn until_refused(server: &Server) -> u16 {
    let refused = |number: &u16| {
        let called = server.call("track_session_start", start(*number));
        if called.is_error {
            assert_eq!(called.content["error_code"], "STORAGE_UNAVAILABLE");
        }
        called.is_error
    };
    (1..200).find(refused).expect("a call fails")
}

/// Sends a start until it is acknowledged.
fn insist(server: &Server, number: u16) {
    let taken = |_: &i32| !server.call("track_session_start", start(number)).is_error;
    assert!((0..200).any(|attempt| taken(&attempt)), "it is never taken");
}

/// Cuts the power: the server dies, and of what it wrote only that is left what a sync that succeeded had covered.
fn cut_power(servers: &[&Traced], last: Server) -> Server {
    drop(last.kill());
    let mut disk = Disk::default();
    servers.iter().for_each(|traced| traced.replay(&mut disk));
    assert!(disk.failures > 0, "nothing failed");
    let home = Home::new();
    disk.write_to(home.state());
    home.start()
}

/// What happens between the failed sync and the power cut.
#[derive(Clone, Copy, Debug)]
enum Then {
    Nothing,
    SentAgain,
    /// The page cache survives that, so the new server sees what is not on disk.
    KilledAndSentAgain,
}

#[test]
fn after_a_failing_disk_and_a_power_cut_there_is_the_event_or_no_acknowledgement() {
    // The first ones of a thread open the database; a later one commits, and the next ones find out what is on disk.
    for (failing, then) in [
        ("fsync,fdatasync:error=EIO:when=12", Then::Nothing),
        ("fsync,fdatasync:error=EIO:when=12", Then::SentAgain),
        ("fsync,fdatasync:error=EIO:when=12..15", Then::SentAgain),
        (
            "fsync,fdatasync:error=EIO:when=13",
            Then::KilledAndSentAgain,
        ),
        ("pwrite64:error=EIO:when=200", Then::SentAgain),
        (
            "pwrite64:error=ENOSPC:when=200..205",
            Then::KilledAndSentAgain,
        ),
    ] {
        let home = Home::new();
        let Some(traced) = Traced::new(&home, "first") else {
            return;
        };
        let server = traced.start(Some(failing));
        let refused = until_refused(&server);
        assert!(refused > 1, "nothing was taken before");
        let mut acknowledged: Vec<u16> = (1..refused).collect();
        let server = match then {
            Then::Nothing => cut_power(&[&traced], server),
            Then::SentAgain => {
                insist(&server, refused);
                acknowledged.push(refused);
                cut_power(&[&traced], server)
            }
            Then::KilledAndSentAgain => {
                drop(server.kill());
                let second = Traced::new(&home, "second").unwrap();
                let server = second.start(None);
                insist(&server, refused);
                acknowledged.push(refused);
                cut_power(&[&traced, &second], server)
            }
        };
        let mut found = listed(&server);
        found.retain(|number| acknowledged.contains(number));
        assert_eq!(found, acknowledged, "{failing}, {then:?}");
        server.stop().cli("verify").with_code(0);
    }
}
