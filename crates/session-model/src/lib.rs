//! The vocabulary of Session-Buddy. Client and server meet here and nowhere else.
//!
//! Everything is pure: no I/O, no clock, no runtime. In reading order:
//!
//! - [`event`]: what a shell says: [`SessionStartEvent`], [`SessionHeartbeatEvent`], [`SessionEndEvent`].
//! - [`result`]: what it is answered.
//! - [`fold`]: what a session *is*: the fold of its accepted [`Fact`]s into a [`Session`].
//! - [`record`]: how a session is shown: [`SessionRecord`].
//! - [`act`]: what administrators did: [`Act`].
//! - [`filter`]: which sessions are meant: [`SessionFilter`].
//! - [`report`]: how many sessions are shown: [`AnalyticsReport`].
//! - [`schema`]: the JSON Schemas of the eleven public models, and validation by name.
//! - [`field`], [`words`], [`text`], [`id`], [`timestamp`]: the values these are made of. Each is read from
//!   JSON by [`Field::read`], which collects every problem instead of stopping at the first.
//! - [`escape`]: how text that came from a session is shown.
//!
//! ```
//! use serde_json::json;
//! use session_model::{Field, SessionEndEvent};
//!
//! let errors = SessionEndEvent::from_json(&json!({"session_id": 7, "timestamp": "yesterday"})).unwrap_err();
//! assert_eq!(
//!     errors.to_string(),
//!     "session_id: expected a string, found a number; \
//!      timestamp: expected an RFC 3339 time such as 2026-02-06T10:30:00Z, found \"yesterday\"",
//! );
//! ```

pub mod act;
pub mod escape;
pub mod event;
pub mod field;
pub mod filter;
pub mod fold;
pub mod id;
pub mod policy;
pub mod record;
pub mod report;
pub mod result;
pub mod schema;
pub mod search;
pub mod text;
pub mod timestamp;
pub mod words;

pub use act::{Act, ActRecord, Deed};
pub use event::{
    Actor, EnvironmentInfo, ProcessIdentity, SessionEndEvent, SessionHeartbeatEvent,
    SessionStartEvent, UserInfo,
};
pub use field::{Field, FieldError, FieldErrors, Keyed};
pub use filter::SessionFilter;
pub use fold::{
    ByHand, Counters, Fact, Imported, Loss, Origin, Report, Revival, Session, SessionState, Started,
};
pub use id::{ComponentName, EventId, SessionId};
pub use policy::{Policy, Violation};
pub use record::{Gap, SessionRecord};
pub use report::AnalyticsReport;
pub use result::{ErrorResponse, SessionEndResult, SessionHeartbeatResult, SessionStartResult};
pub use search::{Search, Searched};
pub use text::{Integer, Metadata, Number, Pid, SessionType, Text, Trimmed};
pub use timestamp::Timestamp;
pub use words::{
    ActName, EndKnownBy, ErrorCode, ExitReason, Liveness, LossCause, SessionStatus, Transport,
    Violated,
};
