//! What of a session counts.

use session_model::{SessionRecord, SessionStatus, Timestamp};

/// What of a session's record counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// When it began, by the sender's clock.
    pub start_time: Timestamp,
    /// Its component.
    pub component_name: String,
    /// Its kind.
    pub session_type: String,
    /// Its account name.
    pub username: String,
    /// How it stands.
    pub status: SessionStatus,
    /// How long it ran; `None` while active.
    pub seconds: Option<i64>,
    /// Its quality; `None` while active.
    pub quality: Option<f64>,
    /// Whether anything failed.
    pub failed: bool,
    /// Its last error.
    pub error: Option<String>,
}

impl Facts {
    /// Takes them from a record.
    pub fn of(record: &SessionRecord) -> Self {
        let closed = record.status != SessionStatus::Active;
        Self {
            start_time: record.start_time,
            component_name: record.component_name.clone(),
            session_type: record.session_type.clone(),
            username: record.username.clone(),
            status: record.status,
            seconds: record.duration_seconds.filter(|_| closed),
            quality: record.quality_score.map(|quality| quality.get()),
            failed: record.error_occurred,
            error: record.error_message.clone(),
        }
    }
}
