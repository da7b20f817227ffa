//! Homes, disks and variables that are not as they should be: a shell begins, says once what is wrong, and nothing that
//! was spooled is lost.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::Write,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{MetadataExt, PermissionsExt, chown, symlink},
    },
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::json;
use session_client::{
    Emitter, Settings,
    delivery::{adoption::Report, target::Target},
    emitter::Storage,
    settings::Switch,
    spool::look,
};

use crate::harness::*;

/// Folders that cannot be used, and what is said of them.
fn unusable_folders(parent: &Path) -> Vec<(PathBuf, &'static str)> {
    let at = |name: &str| parent.join(name);
    fs::write(at("file"), "mine").unwrap();
    fs::create_dir(at("real")).unwrap();
    symlink(at("real"), at("link")).unwrap();
    fs::create_dir(at("linked-spool")).unwrap();
    symlink(at("real"), at("linked-spool/spool")).unwrap();
    fs::create_dir(at("file-for-spool")).unwrap();
    fs::write(at("file-for-spool/spool"), "mine").unwrap();
    vec![
        (at("file"), "is not a folder"),
        (at("file/state"), "cannot use folder"),
        (
            PathBuf::from("/proc/session-buddy/state"),
            "cannot use folder",
        ),
        (at("link"), "or a symbolic link to one"),
        (at("linked-spool"), "or a symbolic link to one"),
        (at("file-for-spool"), "is not a folder"),
        (at(&"x".repeat(5_000)), "File name too long"),
    ]
}

#[test]
fn a_folder_that_cannot_be_used_is_told_once_and_events_wait_in_memory() {
    let parent = tempfile::tempdir().unwrap();
    for (folder, told) in unusable_folders(parent.path()) {
        let record = Record::default();
        let server = Server::tcp(move |_| Reply::Close);
        let mut home = Home::with_url(server.url());
        home.settings.state_folders = vec![folder.clone()];
        let shell = home.shell();
        waits_in_memory(&shell, told);
        server.wait_requests(1);

        // The server heals before the shell ends.
        server.become_(record.server());
        wait_status(&shell, told, |status| status.acknowledged);
        leave(&shell);
        let session = record.session(shell.session_id().as_str());
        assert_eq!(session.end.unwrap()["exit_reason"], "exit", "{told}");
        assert_eq!(record.sessions().len(), 1);
    }
    let is_empty = |name: &str| {
        fs::read_dir(parent.path().join(name))
            .unwrap()
            .next()
            .is_none()
    };
    assert!(is_empty("real"), "a link was followed");
    assert_eq!(fs::read(parent.path().join("file")).unwrap(), b"mine");
}

fn waits_in_memory(shell: &Emitter, told: &str) {
    let notices = shell.notices();
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert!(notices[0].contains(told), "{notices:?}");
    assert!(notices[0].chars().count() <= 500);
    assert_eq!(
        notices[1],
        "events wait in memory, and are lost if no server takes them in time"
    );
    let Storage::Memory { cause } = shell.status().storage else {
        panic!("{:?}", shell.status());
    };
    assert_eq!(cause, notices[0]);
}

#[test]
fn another_users_folder_is_not_used() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    fs::create_dir(home.state()).unwrap();
    chown(home.state(), Some(STRANGER), None).unwrap();
    let shell = home.begin();
    waits_in_memory(&shell, &format!("belongs to user id {STRANGER}"));
    assert!(fs::read_dir(home.state()).unwrap().next().is_none());
}

/// What is in the second folder is brought by a shell that can use the first one again.
#[test]
fn the_second_folder_stands_in_and_what_is_in_it_arrives_once() {
    let mut home = Home::new();
    let second = home.folder.path().join("runtime");
    home.settings.state_folders.push(second.clone());
    fs::write(home.state(), "in the way").unwrap();
    let shell = home.begin();
    assert_eq!(shell.notices().len(), 1);
    assert!(shell.notices()[0].contains("is not a folder"));
    assert_eq!(shell.status().storage, Storage::Spool(second.join("spool")));
    leave(&shell);
    let id = shell.session_id().to_string();
    drop(shell);

    fs::remove_file(home.state()).unwrap();
    let record = Record::default();
    let server = Server::unix(&home.socket(), record.server());
    home.settings.timing.adoption_delay = Duration::ZERO;
    let next = home.shell();
    assert_eq!(next.notices(), [""; 0]);
    server.wait("the session", |_| {
        record.sessions().get(&id)?.end.clone().map(drop)
    });
    wait_until("an empty spool", || {
        !second.join(format!("spool/{id}.spool")).exists()
    });
    leave(&next);
    assert_eq!(record.session(&id).end.unwrap()["exit_reason"], "exit");
    assert_eq!(record.sessions().len(), 2);
}

#[test]
fn a_folder_that_may_not_be_written_is_told_and_what_is_in_it_arrives_once() {
    const TEST: &str =
        "environment::a_folder_that_may_not_be_written_is_told_and_what_is_in_it_arrives_once";
    let Some(role) = role() else {
        if is_root() {
            // Permissions do not stop root.
            let folder = tempfile::tempdir().unwrap();
            chown(folder.path(), Some(STRANGER), None).unwrap();
            go_on(TEST, as_stranger(), folder.path());
        }
        return;
    };
    let mut home = Home::new();
    home.settings.state_folders = vec![PathBuf::from(role).join("state")];
    let dead = home.dead_shell();
    let spool = home.state().join("spool");
    let close = |mode| fs::set_permissions(&spool, fs::Permissions::from_mode(mode)).unwrap();

    close(0o500);
    let record = Record::default();
    let server = Server::tcp(record.server());
    home.settings.target = Target::Url(server.url());
    let shell = home.shell();
    waits_in_memory(&shell, "Permission denied");
    leave(&shell);
    assert!(record.session(shell.session_id().as_str()).end.is_some());
    // What is delivered and cannot be removed is delivered again, which changes nothing.
    let report = home.replay();
    assert_eq!(
        (report.delivered, report.unusable.len()),
        (1, 1),
        "{report:?}"
    );

    close(0o700);
    assert_eq!(home.replay().delivered, 1);
    assert_eq!(home.waiting(), [""; 0]);
    assert_eq!(record.session(&dead).end.unwrap()["exit_reason"], "lost");
    assert_eq!(record.sessions().len(), 2);
}

/// Runs a test on a file system of 128 KiB of its own, which goes with the process.
fn on_a_small_disk(test: &str) -> Option<PathBuf> {
    if let Some(role) = role() {
        return Some(role.into());
    }
    let folder = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=128k none \"$1\"";
    let mut unshared = Command::new("unshare");
    unshared.args(["--mount", "sh", "-c"]);
    let possible = |command: &mut Command| command.output().is_ok_and(|run| run.status.success());
    let mut attempt = Command::new("unshare");
    attempt
        .args(["--mount", "sh", "-c", mount, "sh"])
        .arg(folder.path());
    if !possible(&mut attempt) {
        println!("skipped: no file system can be mounted here");
        return None;
    }
    unshared
        .arg(format!("{mount} && shift && exec \"$@\""))
        .arg("sh")
        .arg(folder.path())
        .arg(this_program());
    go_on(test, unshared, folder.path());
    None
}

/// Writes until nothing goes any more.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("filler");
    let mut file = File::create(&path).unwrap();
    for size in [4096, 1] {
        while file.write_all(&vec![b'x'; size]).is_ok() {}
    }
    path
}

#[test]
fn a_disk_that_fills_up_costs_no_end_that_had_a_start() {
    const TEST: &str = "environment::a_disk_that_fills_up_costs_no_end_that_had_a_start";
    let Some(disk) = on_a_small_disk(TEST) else {
        return;
    };
    let mut home = Home::new();
    home.settings.state_folders = vec![disk.join("state")];
    // Some of them fill their last block so far that their ends do not fit in it.
    let before: Vec<_> = (0..8)
        .map(|number| begin_with(&home.settings, json!({"notes": "x".repeat(number * 600)})))
        .collect();
    let filler = fill(&disk);
    for shell in &before {
        leave(shell);
    }

    let during = home.begin();
    waits_in_memory(&during, "No space left on device");
    leave(&during);
    let ids: Vec<_> = before.into_iter().map(|shell| home.die(shell)).collect();
    assert_eq!(home.waiting().len(), 8);

    fs::remove_file(filler).unwrap();
    let record = Record::default();
    let server = Server::tcp(record.server());
    home.settings.target = Target::Url(server.url());
    assert_eq!(home.replay().delivered, 8);
    for id in &ids {
        assert_eq!(record.session(id).end.unwrap()["exit_reason"], "exit");
    }
    assert_eq!(home.waiting(), [""; 0]);
    assert_eq!(record.sessions().len(), 8);
}

/// The second folder is on another disk.
#[test]
fn a_full_disk_sends_events_to_the_second_folder() {
    const TEST: &str = "environment::a_full_disk_sends_events_to_the_second_folder";
    let Some(disk) = on_a_small_disk(TEST) else {
        return;
    };
    let mut home = Home::new();
    let elsewhere = home.state().to_owned();
    home.settings.state_folders = vec![disk.join("state"), elsewhere.clone()];
    drop(home.begin());
    fill(&disk);
    let shell = home.begin();
    assert_eq!(shell.notices().len(), 1);
    assert!(
        shell.notices()[0].contains("No space left on device"),
        "{:?}",
        shell.notices()
    );
    assert_eq!(
        shell.status().storage,
        Storage::Spool(elsewhere.join("spool"))
    );
}

#[test]
fn a_disk_that_may_only_be_read_loses_nothing_that_is_on_it() {
    const TEST: &str = "environment::a_disk_that_may_only_be_read_loses_nothing_that_is_on_it";
    let Some(disk) = on_a_small_disk(TEST) else {
        return;
    };
    let remount = |how: &str| {
        let run = Command::new("mount")
            .args(["-o", how])
            .arg(&disk)
            .output()
            .unwrap();
        assert!(run.status.success(), "{run:?}");
    };
    let record = Record::default();
    let server = Server::tcp(|_| Reply::Close);
    let mut home = Home::with_url(server.url());
    home.settings.state_folders = vec![disk.join("state")];
    let dead = home.dead_shell();
    let (folder, state) = (
        disk.join("state"),
        fs::read_dir(disk.join("state/spool")).unwrap(),
    );
    assert_eq!(state.count(), 1);

    remount("remount,ro");
    let shell = home.shell();
    waits_in_memory(&shell, "Read-only file system");
    server.become_(record.server());
    leave(&shell);
    assert!(record.session(shell.session_id().as_str()).end.is_some());

    remount("remount,rw");
    home.settings.state_folders = vec![folder];
    assert_eq!(home.replay().delivered, 1);
    assert_eq!(record.session(&dead).end.unwrap()["exit_reason"], "lost");
    assert_eq!(record.sessions().len(), 2);
    assert_eq!(home.waiting(), [""; 0]);
}

/// Things that lie in a spool and are none of our files.
fn litter(spool: &Path, outside: &Path) -> Vec<(&'static str, &'static str)> {
    let at = |name: &str| spool.join(name);
    fs::write(at("garbage.spool"), "this is no spool file").unwrap();
    fs::create_dir(at("folder.spool")).unwrap();
    symlink(outside, at("link.spool")).unwrap();
    symlink("/nonexistent", at("dangling.spool")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(at("pipe.spool"))
            .status()
            .unwrap()
            .success()
    );
    File::create(at("huge.spool"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    vec![
        ("garbage", "it does not begin like a spool file"),
        ("folder", "it is no regular file"),
        ("link", "it is no regular file"),
        ("dangling", "it is no regular file"),
        ("pipe", "it is no regular file"),
        ("huge", "it is over 16777216 bytes"),
    ]
}

#[test]
fn what_is_no_spool_file_is_told_left_alone_and_holds_up_nothing() {
    let mut home = Home::new();
    let dead = home.dead_shell();
    let spool = home.spool().path().to_owned();
    // A link to a whole spool file elsewhere, which must not be taken.
    let elsewhere = Home::new();
    let other = elsewhere.dead_shell();
    let outside = elsewhere.spool().path().join(format!("{other}.spool"));
    let litter = litter(&spool, &outside);
    let look_at = |name: &str| {
        let found = fs::symlink_metadata(spool.join(format!("{name}.spool"))).unwrap();
        (found.ino(), found.len(), found.mtime_nsec())
    };
    let before: Vec<_> = litter.iter().map(|(name, _)| look_at(name)).collect();

    let record = Record::default();
    let _server = Server::unix(&home.socket(), record.server());
    home.settings.timing.adoption_delay = Duration::ZERO;
    let shell = home.shell();
    let status = wait_status(&shell, "the litter", |status| !status.unusable.is_empty());
    let mut expected: Vec<_> = litter
        .iter()
        .map(|(name, why)| format!("{}: {why}", spool.join(format!("{name}.spool")).display()))
        .collect();
    expected.sort();
    assert_eq!(status.unusable, expected);
    leave(&shell);

    assert!(record.session(&dead).end.is_some());
    assert_eq!(record.sessions().len(), 2);
    let after: Vec<_> = litter.iter().map(|(name, _)| look_at(name)).collect();
    assert_eq!(after, before);
    assert_eq!(elsewhere.waiting(), [other.as_str()]);
}

#[test]
fn a_file_of_somebody_else_or_with_two_names_waits_until_it_is_ours_alone() {
    let home = Home::new();
    let dead = home.dead_shell();
    let path = home.spool().path().join(format!("{dead}.spool"));
    let record = Record::default();
    let _server = Server::unix(&home.socket(), record.server());

    let second_name = home.folder.path().join("second");
    fs::hard_link(&path, &second_name).unwrap();
    assert_eq!(
        home.replay().unusable,
        [(path.clone(), "it has a second name".to_owned())]
    );
    fs::remove_file(second_name).unwrap();
    if is_root() {
        chown(&path, Some(STRANGER), None).unwrap();
        let why = format!("it belongs to user id {STRANGER}");
        assert_eq!(home.replay().unusable, [(path.clone(), why)]);
        chown(&path, Some(0), None).unwrap();
    }
    assert_eq!(record.sessions().len(), 0);

    assert_eq!(
        home.replay(),
        Report {
            delivered: 1,
            ..Report::default()
        }
    );
    assert!(record.session(&dead).end.is_some());
}

#[test]
fn a_torn_or_flipped_end_costs_the_end_and_nothing_else() {
    for damage in [
        |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 3),
        |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1,
    ] {
        let home = Home::new();
        let shell = home.begin();
        leave(&shell);
        let id = home.die(shell);
        let path = home.spool().path().join(format!("{id}.spool"));
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes);
        fs::write(&path, bytes).unwrap();

        let record = Record::default();
        let _server = Server::unix(&home.socket(), record.server());
        assert_eq!(
            home.replay(),
            Report {
                delivered: 1,
                ..Report::default()
            }
        );
        assert_eq!(record.session(&id).end.unwrap()["exit_reason"], "lost");
        assert_eq!(home.waiting(), [""; 0]);
    }
}

/// Without its start nobody can take it: it is kept where a person finds it.
#[test]
fn a_flipped_start_is_set_aside_with_its_reason() {
    let home = Home::new();
    let dead = home.dead_shell();
    let path = home.spool().path().join(format!("{dead}.spool"));
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    // A record behind it, so that it is no torn tail.
    bytes.extend(b"\xa5\x5b");
    fs::write(&path, bytes).unwrap();
    let neighbour = home.dead_shell();

    let record = Record::default();
    let _server = Server::unix(&home.socket(), record.server());
    assert_eq!(
        home.replay(),
        Report {
            delivered: 1,
            refused: 1,
            ..Report::default()
        }
    );
    assert!(record.session(&neighbour).end.is_some());
    assert_eq!(home.set_aside(), [dead.as_str()]);
    let path = home.spool().refused().unwrap().remove(0);
    let refused = look(&path)
        .unwrap()
        .unwrap()
        .contents
        .unwrap()
        .refused
        .unwrap();
    assert_eq!(
        refused.error,
        "the server does not know the session, and its start is damaged here"
    );
}

#[test]
fn a_user_without_home_and_name_is_tracked_in_memory() {
    const TEST: &str = "environment::a_user_without_home_and_name_is_tracked_in_memory";
    if role().is_none() {
        if is_root() {
            let mut nobody = as_stranger();
            nobody.env_clear();
            go_on(TEST, nobody, "");
        }
        return;
    }
    let record = Record::default();
    let server = Server::tcp(record.server());
    let port = server.authority().split_once(':').unwrap().1.to_owned();
    let variable = |name: &str| (name == "SESSION_BUDDY_PORT").then(|| OsString::from(&port));
    let (mut settings, notices) =
        Settings::from_environment(&"billing".parse().unwrap(), &variable);
    let told =
        "no home folder is known for user id 54321; set SESSION_BUDDY_HOME to an absolute path";
    assert_eq!(notices, [told]);
    assert_eq!(settings.state_folders, [""; 0].map(PathBuf::from));
    settings.timing = timing();
    let shell = begin_in(&settings, &variable);
    assert_eq!(
        shell.notices(),
        ["events wait in memory, and are lost if no server takes them in time"]
    );
    shell.deliver();
    leave(&shell);
    let session = record.session(shell.session_id().as_str());
    assert_eq!(session.start["user"]["username"], "uid 54321");
    assert_eq!(session.start["user"]["home"], "");
    assert!(session.end.is_some());
}

#[test]
fn a_deleted_working_folder_is_told_as_that() {
    const TEST: &str = "environment::a_deleted_working_folder_is_told_as_that";
    let Some(role) = role() else {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(this_program());
        child.current_dir(folder.path());
        return go_on(TEST, child, folder.path());
    };
    fs::remove_dir(&role).unwrap();
    let home = Home::new();
    let record = Record::default();
    let _server = Server::unix(&home.socket(), record.server());
    let shell = home.shell();
    assert_eq!(shell.notices(), [""; 0]);
    leave(&shell);
    let session = record.session(shell.session_id().as_str());
    let expected = format!("{} (deleted)", Path::new(&role).display());
    assert_eq!(session.start["environment"]["cwd"], expected);
    assert!(session.end.is_some());
}

#[test]
fn names_that_are_no_text_are_names() {
    let parent = tempfile::tempdir().unwrap();
    let state = parent.path().join(OsStr::from_bytes(b"st\xffte"));
    let variable = |name: &str| match name {
        "SESSION_BUDDY_HOME" => Some(state.clone().into_os_string()),
        "HOME" | "SSH_CONNECTION" => Some(OsString::from_vec(b"/h\xffme".to_vec())),
        _ => None,
    };
    let (mut settings, notices) =
        Settings::from_environment(&"billing".parse().unwrap(), &variable);
    assert_eq!(notices, [""; 0]);
    settings.timing = timing();
    let record = Record::default();
    let _server = Server::unix(&state.join("session-buddy.sock"), record.server());
    let shell = begin_in(&settings, &variable);
    shell.deliver();
    leave(&shell);
    let session = record.session(shell.session_id().as_str());
    assert_eq!(session.start["user"]["home"], "/h\u{fffd}me");
    assert!(session.end.is_some());
    assert_eq!(fs::read_dir(state.join("spool")).unwrap().count(), 0);
}

#[test]
fn values_of_any_length_are_cut_and_arrive() {
    let long = |name: &str| match name {
        "SESSION_BUDDY_HOME" => None,
        _ => Some(OsString::from("/é".repeat(2_500))),
    };
    let home = Home::new();
    let record = Record::default();
    let _server = Server::unix(&home.socket(), record.server());
    let shell = begin_in(&home.settings, &long);
    shell.deliver();
    shell.count_error(Some(&"e".repeat(5_000)));
    leave(&shell);
    let session = record.session(shell.session_id().as_str());
    assert_eq!(session.start["user"]["home"], "/é".repeat(250));
    assert_eq!(session.end.unwrap()["last_error"], "e".repeat(500));
}

#[test]
fn what_is_said_of_values_of_any_length_is_short_and_moves_nothing() {
    let value = format!("\u{1b}[2J{}", "x".repeat(5_000));
    let variable = |name: &str| match name {
        "HOME" => None,
        _ => Some(OsString::from(&value)),
    };
    let (settings, notices) = Settings::from_environment(&"billing".parse().unwrap(), &variable);
    assert_eq!(settings.switch, Switch::On);
    let named = [
        "BILLING_SESSION_ENABLED is ",
        "MAHAVISHNU_SESSION_ENABLED is ",
        "SESSION_BUDDY_HOME is ",
        "ONEIRIC_EVENT_BUFFER_ENABLED is ",
        "ONEIRIC_EVENT_BUFFER_MAX_SIZE is ",
        "ONEIRIC_EVENT_BUFFER_MAX_AGE_DAYS is ",
        "SESSION_BUDDY_MCP_ENDPOINT is ",
        "SESSION_BUDDY_PATH is ",
        "SESSION_BUDDY_PORT is ",
        "SESSION_BUDDY_TOKEN and SESSION_BUDDY_TOKEN_FILE are both set",
        "SESSION_BUDDY_REDACT: rule 1 ",
    ];
    assert_eq!(notices.len(), named.len(), "{notices:#?}");
    for (notice, named) in notices.iter().zip(named) {
        assert!(notice.starts_with(named), "{notice}");
        assert!(
            notice.chars().count() <= 500 && !notice.contains(char::is_control),
            "{notice}"
        );
        assert!(!notice.ends_with('x'), "what to do is told: {notice}");
    }
}
