//! What dead shells leave in the spool, written by the client itself, so that its format is the real one.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result};
use session_client::identity::Identity;
use session_client::settings::Settings;
use session_client::{Clock, Emitter, Ending};
use session_model::{ComponentName, ExitReason, Pid};

use crate::tracked::{COMPONENT, beginning};

/// Each session with what its status is once it has been delivered.
pub(crate) type Left = HashMap<String, &'static str>;

/// Leaves the spool files of `sessions` dead shells in the state folder, meant for its own server, or for `endpoint`. Every
/// second one has its end in it; the others died without a word. Each makes two events.
pub(crate) fn leave(state_folder: &Path, endpoint: Option<&str>, sessions: u64) -> Result<Left> {
    let component: ComponentName = COMPONENT.parse().map_err(anyhow::Error::msg)?;
    let variable = |name: &str| match name {
        "SESSION_BUDDY_HOME" => Some(state_folder.into()),
        "SESSION_BUDDY_MCP_ENDPOINT" => endpoint.map(Into::into),
        _ => None,
    };
    let (settings, _) = Settings::from_environment(&component, &variable);
    let identity = Identity::of_this_process(&|name| std::env::var_os(name));
    let mut left = Left::new();
    for number in 0..sessions {
        let emitter = Emitter::begin(
            &settings,
            of_nobody(&identity, number)?,
            beginning(component.clone()),
            Clock::system(),
        );
        anyhow::ensure!(
            emitter.notices().is_empty(),
            "the spool cannot be used: {:?}",
            emitter.notices()
        );
        let ends = number % 2 == 0;
        if ends {
            emitter.end(Ending {
                reason: ExitReason::Exit,
                exit_code: 0,
            });
        }
        let id = emitter.session_id().to_string();
        left.insert(id, if ends { "ended" } else { "lost" });
    }
    Ok(left)
}

/// Makes a process of it that nobody takes for one of this machine.
fn of_nobody(identity: &Identity, number: u64) -> Result<Identity> {
    const PID_MAX: i64 = 4_194_304;
    let pid = PID_MAX - i64::try_from(number % 1_000_000)?;
    Ok(Identity {
        pid: Pid::new(pid).ok().context("a pid is at most 2^22")?,
        process: None,
        ..identity.clone()
    })
}

#[cfg(test)]
mod tests {
    use session_client::spool::{Spool, look};

    use super::*;
    use crate::server::StateFolder;

    #[test]
    fn what_is_left_belongs_to_nobody_and_goes_where_it_is_told() {
        let state = StateFolder::new().unwrap();
        let endpoint = "http://127.0.0.1:1/mcp";
        let left = leave(&state.home(), Some(endpoint), 4).unwrap();
        let spool = Spool::open_existing(&state.home()).unwrap().unwrap();
        let mut found = Left::new();
        for path in spool.files().unwrap() {
            let file = look(&path).unwrap().unwrap();
            assert!(!file.owner_alive);
            let contents = file.contents.unwrap();
            assert_eq!(contents.header.destination, endpoint);
            let status = if contents.has_ended() {
                "ended"
            } else {
                "lost"
            };
            found.insert(contents.header.session_id, status);
        }
        assert_eq!((found.len(), &found), (4, &left));
    }
}
