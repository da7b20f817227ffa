//! A test that goes on in another process, for what a process cannot do to itself without harm to others.

use std::{
    env,
    ffi::OsString,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use nix::unistd::Uid;

/// A user that nobody is.
pub(crate) const STRANGER: u32 = 54_321;

/// Tells a test that it is the other process.
const ROLE: &str = "SESSION_CLIENT_TEST_ROLE";

/// Gives what the other process was told, in the other process.
pub(crate) fn role() -> Option<OsString> {
    env::var_os(ROLE)
}

/// Tells whether this process may do what only root may; says so where it may not.
pub(crate) fn is_root() -> bool {
    let is_root = Uid::effective().is_root();
    if !is_root {
        println!("skipped: only root can make what this test needs");
    }
    is_root
}

/// Runs a test of this binary once more, by what `through` says: a command to which the program and its arguments are
/// added, and which tells the role.
pub(crate) fn go_on(test: &str, mut through: Command, role: impl Into<OsString>) {
    let run = through
        .args(["--exact", test, "--nocapture"])
        .env(ROLE, role.into())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (output, errors) = (text(&run.stdout), text(&run.stderr));
    // Where no test of that name ran, nothing was tested.
    assert!(
        run.status.success() && output.contains("1 passed"),
        "{output}\n{errors}"
    );
}

/// Gives this program.
pub(crate) fn this_program() -> PathBuf {
    env::current_exe().unwrap()
}

/// This program, as another user.
pub(crate) fn as_stranger() -> Command {
    let mut program = Command::new(this_program());
    program.uid(STRANGER).gid(STRANGER);
    program
}

/// Runs a test of this binary once more, beside this one, which may talk to it.
pub(crate) fn beside(test: &str, mut program: Command, role: impl Into<OsString>) -> Child {
    program
        .args(["--exact", test, "--nocapture"])
        .env(ROLE, role.into())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}
