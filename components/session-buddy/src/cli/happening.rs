//! One event for people, on one line.

use admin_shell::{View, output::length};
use session_model::{EndKnownBy, SessionRecord, Timestamp};

use super::glyphs::Glyphs;

/// Below this width nothing stands below each other but what comes first.
const WIDE: usize = 110;

/// One event: when, what, whose, which, and how.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) kind: String,
    when: String,
    component: String,
    who: String,
    id: String,
    how: String,
}

impl Told {
    /// Takes what an event says. The time is the sender's, as everywhere.
    pub(super) fn of(kind: &str, session: &SessionRecord, view: &View, glyphs: Glyphs) -> Self {
        let at = match kind {
            "start" => session.start_time,
            "revived" => session.gaps.last().map_or(session.last_seen, |gap| gap.to),
            _ => session.end_time.unwrap_or(session.last_seen),
        };
        let who = format!("{}@{}", session.username, session.hostname);
        Self {
            kind: glyphs.text(kind),
            when: view.time(at),
            component: glyphs.text(&session.component_name),
            who: glyphs.text(&who),
            id: glyphs.text(&session.session_id),
            how: glyphs.text(&how(kind, session)),
        }
    }

    /// Writes it before and after its kind, which may be coloured; cut to a width where there is one.
    pub(super) fn around_kind(&self, width: Option<usize>, glyphs: Glyphs) -> (String, String) {
        let before = format!("{}  ", self.when);
        let Some(width) = width else {
            return (before, self.wide(glyphs));
        };
        let after = if width < WIDE {
            self.narrow()
        } else {
            self.wide(glyphs)
        };
        let used = admin_shell::output::width(&before) + KIND;
        let after = glyphs.cut(&after, width.saturating_sub(used).max(1));
        (before, after)
    }

    fn wide(&self, glyphs: Glyphs) -> String {
        let (component, who) = (
            glyphs.column(&self.component, 12),
            glyphs.column(&self.who, 20),
        );
        let line = format!("{component}  {who}  {}  {}", self.id, self.how);
        line.trim_end().to_owned()
    }

    /// The last part of the id is enough to name a session by.
    fn narrow(&self) -> String {
        let id = self.id.rsplit('-').next().unwrap_or_default();
        let line = format!("{id}  {}  {}  {}", self.component, self.who, self.how);
        line.trim_end().to_owned()
    }

    /// Writes it on one line.
    pub(super) fn line(&self, width: usize, glyphs: Glyphs) -> String {
        let (before, after) = self.around_kind(Some(width), glyphs);
        glyphs.cut(&format!("{before}{:<KIND$}{after}", self.kind), width)
    }
}

/// The columns of a kind, with what stands between it and the next one.
pub(super) const KIND: usize = 9;

fn how(kind: &str, session: &SessionRecord) -> String {
    let lasted = session.duration_seconds.unwrap_or_default();
    let after = format!("after {}", length(lasted));
    match (kind, session.end_known_by) {
        ("start", _) => {
            let actor = session.actor_name.iter().map(|name| format!("by {name}"));
            let reason = session
                .reason
                .iter()
                .map(|reason| format!("for {reason:?}"));
            actor.chain(reason).collect::<Vec<_>>().join(", ")
        }
        ("revived", _) => session.gaps.last().map_or_else(String::new, |gap| {
            format!("was silent for {}", between(gap.from, gap.to))
        }),
        (_, Some(EndKnownBy::ByHand)) => {
            let by = session.closed_by.as_deref().unwrap_or("somebody");
            format!("by {by}, {after}")
        }
        (_, Some(EndKnownBy::ProcessGone)) => format!("lost {after}: its process is gone"),
        (_, Some(EndKnownBy::HostRestarted)) => format!("lost {after}: its host restarted"),
        (_, Some(EndKnownBy::LeaseExpired)) => format!("lost {after}: it is not heard of"),
        (_, Some(EndKnownBy::Reported) | None) => reported(session, after),
    }
}

fn reported(session: &SessionRecord, after: String) -> String {
    let counted = |count: Option<i64>, what: &str| {
        let count = count.filter(|count| *count > 0)?;
        Some(format!(
            "{count} {what}{}",
            if count == 1 { "" } else { "s" }
        ))
    };
    let reason = session.exit_reason.map(|reason| reason.to_string());
    let code = session.exit_code.filter(|code| *code != 0);
    let code = code.map(|code| format!("code {code}"));
    let commands = counted(session.command_count, "command");
    let errors = counted(session.error_count, "error");
    let parts = [Some(after), reason, code, commands, errors];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    let parts = parts.join(", ");
    match &session.error_message {
        Some(message) => format!("{parts}: {message}"),
        None => parts,
    }
}

fn between(from: Timestamp, to: Timestamp) -> String {
    length(to.micros_since(from).max(0) / 1_000_000)
}
