//! Who sits at the shell: a person, or a program that types for one.

use session_model::{Actor, words::ActorKind};

use super::variables::Variables;
use crate::leaving::Door;

/// How an agent shows in the environment of the programs that it starts.
struct Sign {
    variable: &'static str,
    /// The one value that counts; `None` where any does that is not [off](is_off).
    value: Option<&'static str>,
    agent: &'static str,
}

const fn set(variable: &'static str, agent: &'static str) -> Sign {
    Sign {
        variable,
        value: None,
        agent,
    }
}

const fn equal(variable: &'static str, value: &'static str, agent: &'static str) -> Sign {
    Sign {
        variable,
        value: Some(value),
        agent,
    }
}

/// What known agents really set for the commands that they run; the first that is there counts. When agents are nested,
/// the environment does not tell which is the inner one. Each was looked up in its maker's source or threads:
///
/// - Claude Code: `CLAUDECODE=1` since 0.2.47 (anthropics/claude-code#531).
/// - Cursor: `CURSOR_AGENT=1` by its command line, `CURSOR_EXTENSION_HOST_ROLE=agent-exec` in the editor
///   (auth0/auth0-cli#1639, vercel-labs/skills#1549).
/// - Gemini CLI: `GEMINI_CLI=1` (google-gemini/gemini-cli, `packages/core/src/services/shellExecutionService.ts`).
/// - Codex: `CODEX_THREAD_ID` in every command (openai/codex, `codex-rs/config/src/shell_environment.rs`), `CODEX_CI=1`
///   (openai/codex#9366); `CODEX_SANDBOX` only in its sandbox on macOS.
/// - OpenCode: `OPENCODE=1` and `AGENT=1` (sst/opencode#3843; some builds lose both, anomalyco/opencode#32689).
/// - Goose: `GOOSE_TERMINAL=1` and `AGENT=goose` (block/goose#3911, #7017). Amp: `AGENT=amp` (named there).
/// - Crush: `CRUSH=1`, `AGENT=crush`, `AI_AGENT=crush` (charmbracelet/crush#2484).
/// - Cline: `CLINE_ACTIVE=true` in its terminals (cline/cline, `TerminalRegistry.ts`).
/// - Copilot in VS Code: `COPILOT_AGENT=1` (microsoft/vscode#316267), `AI_AGENT=github_copilot_...` (#320129).
/// - Aider sets nothing for that purpose, but `OR_APP_NAME=Aider` in its own environment (Aider-AI/aider,
///   `aider/llm.py`), which its commands inherit.
///
/// Left out is what people set or have too: `CURSOR_TRACE_ID` is in every terminal of that editor (web-infra-dev/rstest#994,
/// vercel-labs/skills#1549), `CODEX_HOME`, `AIDER_*` and `COPILOT_*` else are settings, `REPL_ID` is a place.
const SIGNS: &[Sign] = &[
    set("CLAUDECODE", "claude-code"),
    set("CURSOR_AGENT", "cursor"),
    equal("CURSOR_EXTENSION_HOST_ROLE", "agent-exec", "cursor"),
    set("GEMINI_CLI", "gemini-cli"),
    set("CODEX_THREAD_ID", "codex"),
    set("CODEX_CI", "codex"),
    set("CODEX_SANDBOX", "codex"),
    set("OPENCODE", "opencode"),
    set("GOOSE_TERMINAL", "goose"),
    set("CRUSH", "crush"),
    set("CLINE_ACTIVE", "cline"),
    set("COPILOT_AGENT", "copilot"),
    equal("OR_APP_NAME", "Aider", "aider"),
];

/// Variables that hold an agent's name, or `1`: conventions of several makers (vercel/vercel `packages/detect-agent`,
/// charmbracelet/crush#2484, block/goose#7017).
const NAME_VARIABLES: &[&str] = &["AI_AGENT", "AGENT"];

/// Tells who sits at the shell; `None` for a script by pipe or from cron, which is neither.
pub(super) fn actor(variables: &Variables<'_>, stdin_is_terminal: bool) -> Option<Actor> {
    known_agent(variables)
        .or_else(|| named_agent(variables))
        .or_else(|| {
            stdin_is_terminal.then_some(Actor {
                kind: ActorKind::Human,
                name: None,
            })
        })
}

fn known_agent(variables: &Variables<'_>) -> Option<Actor> {
    let sign = SIGNS.iter().find(|sign| {
        let found = variables.text(sign.variable);
        found.is_some_and(|found| match sign.value {
            Some(value) => found == value,
            None => !is_off(&found),
        })
    })?;
    Some(agent(Some(sign.agent), &variables.door))
}

fn named_agent(variables: &Variables<'_>) -> Option<Actor> {
    NAME_VARIABLES.iter().find_map(|variable| {
        let value = variables.text(variable)?;
        match value.trim() {
            "1" | "true" => Some(agent(None, &variables.door)),
            name if is_off(name) || !may_be_name(name) => None,
            name => Some(agent(Some(name), &variables.door)),
        }
    })
}

fn agent(name: Option<&str>, door: &Door) -> Actor {
    Actor {
        kind: ActorKind::Agent,
        name: name.map(|name| door.text(name)),
    }
}

fn is_off(value: &str) -> bool {
    matches!(value.trim(), "0" | "false" | "no" | "off")
}

/// Keeps out what `AGENT` may hold for other programs: paths, addresses, options.
fn may_be_name(value: &str) -> bool {
    let in_name = |c: char| c.is_alphanumeric() || " ._-@+".contains(c);
    value.starts_with(char::is_alphanumeric) && value.chars().all(in_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::variables::tests::of;

    fn actor_of(pairs: &[(&str, &str)], stdin_is_terminal: bool) -> Option<Actor> {
        actor(&Variables::new(&of(pairs)), stdin_is_terminal)
    }

    #[test]
    fn the_environment_of_an_agent_names_it() {
        for (variable, value, name) in [
            ("CLAUDECODE", "1", Some("claude-code")),
            ("CURSOR_AGENT", "1", Some("cursor")),
            ("CURSOR_EXTENSION_HOST_ROLE", "agent-exec", Some("cursor")),
            ("GEMINI_CLI", "1", Some("gemini-cli")),
            (
                "CODEX_THREAD_ID",
                "019d1afb-b2c7-72d3-b240-f3ee9d31b2c9",
                Some("codex"),
            ),
            ("CODEX_CI", "1", Some("codex")),
            ("CODEX_SANDBOX", "seatbelt", Some("codex")),
            ("OPENCODE", "1", Some("opencode")),
            ("GOOSE_TERMINAL", "1", Some("goose")),
            ("CRUSH", "1", Some("crush")),
            ("CLINE_ACTIVE", "true", Some("cline")),
            ("COPILOT_AGENT", "1", Some("copilot")),
            ("OR_APP_NAME", "Aider", Some("aider")),
            (
                "AI_AGENT",
                "github_copilot_vscode_agent",
                Some("github_copilot_vscode_agent"),
            ),
            ("AI_AGENT", "devin@1", Some("devin@1")),
            ("AGENT", "amp", Some("amp")),
            ("AGENT", "1", None),
            ("AI_AGENT", "true", None),
        ] {
            // An agent may well give its program a terminal.
            for terminal in [false, true] {
                let found = actor_of(&[(variable, value)], terminal).unwrap();
                assert_eq!(found, agent(name, &Door::default()), "{variable}={value}");
            }
        }
    }

    #[test]
    fn what_people_have_too_makes_no_agent() {
        for (variable, value) in [
            ("CLAUDECODE", ""),
            ("CLAUDECODE", "0"),
            ("GEMINI_CLI", "false"),
            ("CURSOR_TRACE_ID", "abc"),
            ("CURSOR_EXTENSION_HOST_ROLE", "user"),
            ("CODEX_HOME", "/home/alice/.codex"),
            ("AIDER_MODEL", "sonnet"),
            ("OR_APP_NAME", "Another"),
            ("AGENT", "/usr/bin/ssh-agent"),
            ("AGENT", "--verbose"),
            ("AI_AGENT", "off"),
        ] {
            let found = actor_of(&[(variable, value)], true).unwrap();
            assert_eq!(found.kind, ActorKind::Human, "{variable}={value}");
        }
    }

    #[test]
    fn nobody_is_known_without_a_sign_and_a_terminal() {
        assert_eq!(actor_of(&[], false), None);
        let human = actor_of(&[], true).unwrap();
        assert_eq!((human.kind, human.name), (ActorKind::Human, None));
    }

    #[test]
    fn a_sign_of_its_own_is_worth_more_than_a_shared_one() {
        let pairs = [("AGENT", "1"), ("AI_AGENT", "other"), ("OPENCODE", "1")];
        assert_eq!(
            actor_of(&pairs, false),
            Some(agent(Some("opencode"), &Door::default()))
        );
        let pairs = [("AGENT", "1"), ("AI_AGENT", "other")];
        assert_eq!(
            actor_of(&pairs, false),
            Some(agent(Some("other"), &Door::default()))
        );
    }
}
