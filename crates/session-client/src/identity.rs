//! What a process can say of itself, its host, its user, and who sits at it: the parts of a start event that no caller
//! has to give.
//!
//! Nothing here fails: what cannot be known is left out, what is too long is cut, what is not UTF-8 is made so with
//! U+FFFD. Every text passes [`crate::leaving`]. It runs on the thread that shows a prompt, so it starts no
//! process and asks no network; the one thing that may lead there is the password database, where the administrator
//! put it on a directory server.

mod actor;
mod place;
mod user;
mod variables;

#[cfg(any(test, not(target_os = "linux")))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

use std::{ffi::OsString, io::IsTerminal};

#[cfg(not(target_os = "linux"))]
use elsewhere as kernel;
#[cfg(target_os = "linux")]
use linux as kernel;
use session_model::{
    Actor, EnvironmentInfo, Pid, ProcessIdentity, SessionId, Text, UserInfo, event::HostId,
};
use sha2::{Digest, Sha256};
use variables::Variables;

/// The environment variable that holds the session in which a process was started.
pub const PARENT_SESSION_ID: &str = "SESSION_BUDDY_PARENT_SESSION_ID";

/// The compiler that built this crate, such as `rust 1.95.0`.
const RUNTIME: &str = env!("SESSION_CLIENT_RUNTIME");

/// What stands before the machine id when a host id is made. `machine-id(5)` asks that the machine id be told to nobody,
/// and be hashed with something of the application instead; the constant makes every Session-Buddy agree.
const HOST_ID_SALT: &str = "session-buddy host id 1:";

/// What a process can say of itself. Each field has the meaning of its namesake in
/// [`SessionStartEvent`](session_model::SessionStartEvent).
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// Its process id.
    pub pid: Pid,
    /// Whose it is: the password database's name of the real uid, for `USER` says what its setter likes; where the
    /// database knows nobody `USER`, else `USERNAME`, else `uid 1000`. The home is `HOME`, if that is absolute, for it is
    /// what the shell works with; else the database's; else empty. `login_name` is who logged in, where that is another
    /// name: by the kernel's login uid, which survives `su` and `sudo`, else by `SUDO_USER`.
    pub user: UserInfo,
    /// Name of its host, as `uname -n`.
    pub hostname: Text<255>,
    /// Where it runs: the platform as `Linux-6.5.0-x86_64`. The folder has ` (deleted)` behind it when it is gone, as the
    /// kernel has it; elsewhere, and where no `/proc` is, it is `PWD` then.
    pub environment: EnvironmentInfo,
    /// Who sits at it: an agent where the environment says so, else a person where standard input is a terminal, else
    /// nobody that is known.
    pub actor: Option<Actor>,
    /// The session that it was started in, from [`PARENT_SESSION_ID`].
    pub parent_session_id: Option<SessionId>,
    /// What tells its pid from the same pid used again; none without `/proc`.
    pub process: Option<ProcessIdentity>,
    /// Salted hash of the machine id; none where the machine has no id.
    pub host_id: Option<HostId>,
    /// Its terminal, such as `/dev/pts/3`: of standard input, else output, else error.
    pub tty: Option<Text<200>>,
    /// Where its user is logged in from over SSH, by `SSH_CONNECTION`, else `SSH_CLIENT`. In a tmux or screen that was
    /// attached again it is the address of the login that started it: stale, but still a place that the user was at.
    pub remote_address: Option<Text<200>>,
    /// What it is written in: `rust` and the version of the compiler.
    pub runtime: Text<200>,
}

impl Identity {
    /// Looks at this process. `variable` looks up an environment variable.
    ///
    /// # Panics
    ///
    /// Never: pids lie within the bounds of [`Pid`].
    pub fn of_this_process(variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let variables = Variables::new(variable);
        Self {
            pid: Pid::new(i64::from(std::process::id()))
                .expect("no kernel that we run on gives a pid above 2^22 or the pid 0"),
            user: user::of_this_process(&variables, kernel::login_uid()),
            hostname: place::hostname(&variables.door),
            environment: place::environment(&variables),
            actor: actor::actor(&variables, std::io::stdin().is_terminal()),
            parent_session_id: parent_session_id(&variables),
            process: kernel::process(),
            host_id: host_id_of_this_machine(),
            tty: place::tty(&variables.door),
            remote_address: place::remote_address(&variables),
            runtime: variables.door.text(RUNTIME),
        }
    }
}

/// Gives the kernel's boot id, which tells one run of a machine from the next; none without `/proc`.
pub fn boot_id() -> Option<String> {
    kernel::boot_id()
}

/// Gives the salted hash of this machine's id; none where the machine has no id.
pub fn host_id_of_this_machine() -> Option<HostId> {
    kernel::machine_id().as_deref().map(host_id)
}

/// Takes the variable only as it is: a cut id would be another session's.
fn parent_session_id(variables: &Variables<'_>) -> Option<SessionId> {
    let value = variables.raw(PARENT_SESSION_ID)?;
    value.to_str()?.parse().ok()
}

fn host_id(machine_id: &str) -> HostId {
    let hash = Sha256::new()
        .chain_update(HOST_ID_SALT)
        .chain_update(machine_id)
        .finalize();
    HostId::of_digest(&hash.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use serde_json::json;
    use session_model::{Field, SessionStartEvent, words::ActorKind};

    use super::{variables::tests::of, *};
    use crate::leaving::redaction::VARIABLE;

    /// Makes the start event of an identity, as the emitter does, and reads it as the server does.
    fn event_of(identity: Identity) -> SessionStartEvent {
        let event = SessionStartEvent {
            event_version: Default::default(),
            event_id: Field::from_json(&json!("550e8400-e29b-41d4-a716-446655440000")).unwrap(),
            event_type: Default::default(),
            component_name: "mahavishnu".parse().unwrap(),
            shell_type: crate::leaving::Door::default().text("MahavishnuShell"),
            timestamp: "2026-02-06T22:04:58Z".parse().unwrap(),
            pid: identity.pid,
            user: identity.user,
            hostname: identity.hostname,
            environment: identity.environment,
            metadata: Default::default(),
            session_type: Default::default(),
            reason: None,
            actor: identity.actor,
            parent_session_id: identity.parent_session_id,
            heartbeat_interval_seconds: None,
            process: identity.process,
            host_id: identity.host_id,
            tty: identity.tty,
            remote_address: identity.remote_address,
            runtime: Some(identity.runtime),
            emitter_id: None,
            sequence: None,
        };
        let read = SessionStartEvent::from_json(&serde_json::to_value(&event).unwrap()).unwrap();
        assert_eq!(read, event);
        read
    }

    #[test]
    fn the_parts_make_a_start_event() {
        let event = event_of(Identity::of_this_process(&|name| std::env::var_os(name)));
        assert_eq!(event.pid.get(), i64::from(std::process::id()));
        assert!(event.runtime.unwrap().starts_with("rust 1."));
        assert_eq!(&*event.environment.python_version, "");
        assert!(!event.user.username.is_empty() && !event.hostname.is_empty());
    }

    #[test]
    fn an_empty_environment_is_enough() {
        let identity = Identity::of_this_process(&|_| None);
        assert_eq!(identity.parent_session_id, None);
        assert_eq!(identity.remote_address, None);
        event_of(identity);
    }

    /// Every variable that is read holds 5,000 characters with NUL, or is not UTF-8.
    #[test]
    fn no_environment_is_too_bad() {
        let long = "/\0🦀".repeat(1_667);
        let values = [
            OsString::from(long),
            OsString::from_vec(vec![b'/', 0xff, 0xfe]),
        ];
        for value in values {
            let variable = |name: &str| (name != VARIABLE).then(|| value.clone());
            let event = event_of(Identity::of_this_process(&variable));
            assert_eq!(event.actor.unwrap().kind, ActorKind::Agent);
            assert_eq!(event.parent_session_id, None);
            assert!(event.user.home.starts_with('/'));
        }
    }

    #[test]
    fn a_parent_is_a_whole_session_id() {
        let parent =
            |value: &str| parent_session_id(&Variables::new(&of(&[(PARENT_SESSION_ID, value)])));
        let id = "mahavishnu-20260206-220458-z3ucgb7g";
        assert_eq!(parent(id).unwrap().as_str(), id);
        for bad in [String::new(), "a\0".to_owned(), "x".repeat(201)] {
            assert_eq!(parent(&bad), None, "{bad:?}");
        }
        let not_text = |_: &str| Some(OsString::from_vec(vec![0xff]));
        assert_eq!(parent_session_id(&Variables::new(&not_text)), None);
    }

    /// Computed with `printf 'session-buddy host id 1:%s' 3d1219c7c4c5404aaa1f6d2a48adfda4 | sha256sum`.
    #[test]
    fn a_host_id_is_the_salted_hash_of_the_machine_id() {
        assert_eq!(
            host_id("3d1219c7c4c5404aaa1f6d2a48adfda4").as_str(),
            "069e238057579b553a93b7833be7df17559114a88022a8edffa41fe776766f6b"
        );
    }

    #[test]
    fn a_kernel_without_proc_leaves_out_what_only_it_knows() {
        assert_eq!(elsewhere::process(), None);
        assert_eq!(elsewhere::login_uid(), None);
        assert_eq!(elsewhere::machine_id(), None);
        assert_eq!(elsewhere::working_folder(), None);
        assert_eq!(elsewhere::boot_id(), None);
    }
}
