//! The session that a shell is, and how it looks from inside.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde_json::{Value, json};
use session_client::{
    Beginning, Clock, Emitter, Ending, Settings,
    emitter::{Connection, Status, Storage},
    identity::Identity,
    settings::Switch,
};
use session_model::{SessionId, SessionType};

use crate::{
    arguments::ShellArgs,
    builder::Builder,
    engine::ScriptError,
    helper::Object,
    output::{Record, Reply},
};

/// Whether and how a shell is tracked.
pub(super) struct Tracking {
    state: State,
    notices: Vec<String>,
    component: String,
    state_folder: Option<PathBuf>,
}

enum State {
    On(Emitter),
    /// Switched off, and by what.
    Off(String),
}

impl Tracking {
    /// Begins the session, unless something says that there should be none.
    ///
    /// # Panics
    ///
    /// When the component has no name; such a shell is not run.
    pub(super) fn begin(builder: &Builder, arguments: &ShellArgs, reason: Option<String>) -> Self {
        let component = builder.component.clone().expect("it has been checked");
        let name = component.to_string();
        let variable = |name: &str| std::env::var_os(name);
        let (settings, mut notices) = Settings::from_environment(&component, &variable);
        let off = match settings.switch {
            _ if arguments.no_tracking => Some("--no-tracking".to_owned()),
            _ if !builder.tracked => Some(format!("{name} does not track its shells")),
            Switch::Off { ref by } => Some(by.clone()),
            Switch::On => None,
        };
        let state = match off {
            Some(by) => State::Off(by),
            None => {
                let beginning = Beginning {
                    component,
                    shell_type: builder.shell_type.clone(),
                    session_type: SessionType::default(),
                    reason,
                    metadata: metadata(builder),
                };
                let identity = Identity::of_this_process(&variable);
                let emitter = Emitter::begin(&settings, identity, beginning, Clock::system());
                notices.extend_from_slice(emitter.notices());
                State::On(emitter)
            }
        };
        Self {
            state,
            notices,
            component: name,
            state_folder: settings.state_folders.first().cloned(),
        }
    }

    pub(super) fn emitter(&self) -> Option<&Emitter> {
        match &self.state {
            State::On(emitter) => Some(emitter),
            State::Off(_) => None,
        }
    }

    /// Gives what went wrong at the beginning, to be said once.
    pub(super) fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Gives where the lines of this component's shells are kept.
    pub(super) fn history_file(&self) -> Option<PathBuf> {
        let folder = self.state_folder.as_ref()?.join("history");
        Some(folder.join(format!("{}.txt", self.component)))
    }

    pub(super) fn session_id(&self) -> Option<&SessionId> {
        self.emitter().map(Emitter::session_id)
    }

    pub(super) fn deliver(&self) {
        if let Some(emitter) = self.emitter() {
            emitter.deliver();
        }
    }

    /// Waits until a server has acknowledged the start.
    ///
    /// # Errors
    ///
    /// Why none has, for people.
    pub(super) fn wait_acknowledged(&self, patience: Duration) -> Result<(), ScriptError> {
        let (cause, hint) = match &self.state {
            State::On(emitter) => match emitter.wait_acknowledged(patience) {
                Ok(()) => return Ok(()),
                Err(cause) if emitter.status().refused.is_some() => (cause, None),
                Err(cause) => {
                    let hint = "start the server with `session-buddy mcp start`";
                    (cause, Some(hint.to_owned()))
                }
            },
            State::Off(by) => (format!("tracking is off ({by})"), None),
        };
        let message = format!("this shell must be tracked, and is not: {cause}");
        Err(ScriptError::new(message, hint))
    }

    pub(super) fn count_command(&self) {
        if let Some(emitter) = self.emitter() {
            emitter.count_command();
        }
    }

    pub(super) fn count_error(&self, text: Option<&str>) {
        if let Some(emitter) = self.emitter() {
            emitter.count_error(text);
        }
    }

    pub(super) fn end(&self, ending: Ending) {
        if let Some(emitter) = self.emitter() {
            emitter.end(ending);
        }
    }

    /// Says in a line how it stands, with what a short look can know.
    pub(super) fn headline(&self, patience: Duration) -> String {
        let emitter = match &self.state {
            State::On(emitter) => emitter,
            State::Off(by) => return format!("✗ Disabled ({by})"),
        };
        let status = emitter.status();
        let connection = match status.connection {
            Connection::Connecting => emitter.probe(patience),
            known @ (Connection::Connected | Connection::Offline { .. }) => known,
        };
        match (connection, status.storage) {
            (Connection::Connected, _) => "✓ Enabled (Session-Buddy connected)".to_owned(),
            (Connection::Connecting, _) => "✓ Enabled (connecting)".to_owned(),
            (Connection::Offline { .. }, Storage::Spool(_)) => {
                "✓ Enabled (offline, buffered)".to_owned()
            }
            (Connection::Offline { .. }, Storage::Memory { .. }) => {
                "✓ Enabled (offline, kept in memory only)".to_owned()
            }
        }
    }

    /// Gives how the tracking goes, as `%status` shows it.
    pub(super) fn report(&self) -> Record {
        let record = Record::new().field("component", "Component", self.component.clone());
        let emitter = match &self.state {
            State::On(emitter) => emitter,
            State::Off(by) => {
                return record.field("tracking", "Tracking", format!("off: {by}"));
            }
        };
        let status = emitter.status();
        let server = match &status.connection {
            Connection::Connected => "connected".to_owned(),
            Connection::Connecting => "connecting".to_owned(),
            Connection::Offline { cause } => format!("offline: {cause}"),
        };
        let waits = match &status.storage {
            Storage::Spool(folder) => folder.display().to_string(),
            Storage::Memory { cause } => format!("memory: {cause}"),
        };
        record
            .field("tracking", "Tracking", "on")
            .field("session_id", "Session ID", emitter.session_id().as_str())
            .field("destination", "Destination", status.destination)
            .field("server", "Server", server)
            .field("acknowledged", "Start acknowledged", status.acknowledged)
            .field("refused", "Refused", json!(status.refused))
            .field(
                "circuit_open_until",
                "Left alone until",
                time(&status.circuit_open_until),
            )
            .field("spool", "Events wait in", waits)
    }
}

fn time(at: &Option<session_model::Timestamp>) -> Value {
    at.map_or(Value::Null, |at| at.to_string().into())
}

fn metadata(builder: &Builder) -> serde_json::Map<String, Value> {
    let mut metadata = builder.metadata.clone();
    metadata.insert(
        "component_version".to_owned(),
        builder.version.clone().into(),
    );
    metadata.insert("adapters".to_owned(), json!(builder.adapters));
    metadata
}

/// Makes the object `shell`: `shell.session_id`, `shell.session_tracker.available`.
pub(super) fn object(tracking: &Arc<Tracking>, version: &str) -> Object {
    let (tracking, version) = (Arc::clone(tracking), version.to_owned());
    let value = move || {
        let status = tracking.emitter().map(Emitter::status);
        let connected = |status: &Status| status.connection == Connection::Connected;
        let until = status
            .as_ref()
            .map_or(Value::Null, |status| time(&status.circuit_open_until));
        let tracker = json!({
            "available": status.as_ref().is_some_and(connected),
            "circuit_open_until": until,
            "_circuit_open_until": until,
            "destination": status.as_ref().map(|status| status.destination.clone()),
        });
        Reply::Record(
            Record::new()
                .field("component", "Component", tracking.component.clone())
                .field("version", "Version", version.clone())
                .field(
                    "session_id",
                    "Session ID",
                    json!(tracking.session_id().map(SessionId::as_str)),
                )
                .field("session_tracker", "Session tracker", tracker),
        )
    };
    Object {
        name: "shell".to_owned(),
        summary: "this shell: session_id, session_tracker".to_owned(),
        value: Arc::new(value),
    }
}
