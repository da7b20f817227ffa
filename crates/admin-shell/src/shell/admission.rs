//! Whether somebody may open a shell, by the policy of its component, before anything of it begins.

use std::io::{self, BufRead, IsTerminal, Write};

use session_client::policy::{self, PolicyError};

use crate::{arguments::ShellArgs, builder::Builder, console::Console, engine::ScriptError};

/// How often a person is asked for a reason who gives none.
const ASKED_MAX: usize = 3;

/// What a shell opens with.
pub(super) struct Admission {
    pub(super) reason: Option<String>,
    pub(super) fail_closed: bool,
}

/// Why a shell does not open.
pub(super) enum Denial {
    NoReason { component: String },
    NotAllowed { component: String, known_as: String },
    Policy(Box<PolicyError>),
}

/// Asks the policy and, for a reason that it requires, the person at the terminal.
///
/// # Errors
///
/// Why the shell does not open.
///
/// # Panics
///
/// When the component has no name; such a shell is not run.
pub(super) fn ask(
    builder: &Builder,
    arguments: &ShellArgs,
    console: &Console,
) -> Result<Admission, Denial> {
    let component = builder.component.as_ref().expect("it has been checked");
    let variable = |name: &str| std::env::var_os(name);
    let policy =
        policy::of_shell(component, &variable).map_err(|error| Denial::Policy(Box::new(error)))?;
    if policy.allowed_subjects.is_some() {
        let names = policy::names_of_this_process(&variable);
        if !names.iter().any(|name| policy.allows(name)) {
            return Err(Denial::NotAllowed {
                component: component.to_string(),
                known_as: names.join(", "),
            });
        }
    }
    let mut reason = arguments.reason.clone();
    if policy.lacks_reason(reason.as_deref()) {
        reason = asked(component.as_str(), console);
    }
    if policy.lacks_reason(reason.as_deref()) {
        return Err(Denial::NoReason {
            component: component.to_string(),
        });
    }
    Ok(Admission {
        reason,
        fail_closed: policy.fail_closed,
    })
}

/// Asks for a reason where a person can see the question and answer it. Ctrl-C still ends the process by itself.
fn asked(component: &str, console: &Console) -> Option<String> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return None;
    }
    for _ in 0..ASKED_MAX {
        let mut errors = anstream::stderr();
        write!(errors, "Why do you open {component}? ")
            .and_then(|()| errors.flush())
            .ok()?;
        let mut line = Vec::new();
        // A terminal gives a line at a time, so nothing is taken here that is meant for the prompt.
        if io::stdin().lock().read_until(b'\n', &mut line).ok()? == 0 {
            console.tell("");
            return None;
        }
        let reason = String::from_utf8_lossy(&line).trim().to_owned();
        if !reason.is_empty() {
            return Some(reason);
        }
    }
    None
}

impl Denial {
    /// Gives the exit code: 2 for what is missing on the command line, else `EX_NOPERM` and `EX_CONFIG` of sysexits.h.
    pub(super) const fn code(&self) -> u8 {
        match self {
            Self::NoReason { .. } => 2,
            Self::NotAllowed { .. } => 77,
            Self::Policy(_) => 78,
        }
    }

    pub(super) fn for_people(&self) -> String {
        let (message, hint) = match self {
            Self::NoReason { component } => (
                format!("{component} is opened for a reason only, and none was given"),
                "say it with --reason TEXT",
            ),
            Self::NotAllowed {
                component,
                known_as,
            } => (
                format!("the policy of {component} does not let in {known_as}"),
                "components.NAME.allowed_subjects in config.yaml says whom it lets in",
            ),
            Self::Policy(error) => (
                format!("the policy of this shell cannot be read: {error}"),
                "mend config.yaml in the state folder",
            ),
        };
        ScriptError::new(message, Some(hint.to_owned())).for_people()
    }
}
