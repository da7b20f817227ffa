//! The metrics.

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use session_model::ErrorCode;
use tokio::task::spawn_blocking;

use super::{App, Problem, api::internal};
use crate::metrics::{Known, TEXT_FORMAT};

impl App {
    /// Gives all metrics as they are now, in text format 0.0.4.
    ///
    /// # Errors
    ///
    /// When there shall be none.
    pub(super) async fn metrics_text(&self) -> Result<String, Problem> {
        if self.endpoint.is_none() {
            return Err(Problem::new(
                ErrorCode::NotFound,
                "there are no metrics here: PROMETHEUS_METRICS_ENABLED is false",
            ));
        }
        // With many components it takes milliseconds, in which nobody else should wait for this thread.
        let app = self.clone();
        let text = spawn_blocking(move || app.metrics.text(&app.known())).await;
        text.map_err(|_| internal("the metrics could not be written; the log says why"))
    }

    fn known(&self) -> Known {
        let (watched, leases) = self.tracker.liveness().counts();
        let store = self.tracker.health();
        Known {
            accepting_events: self.health.accepts(&store),
            queued: store.queued,
            watched,
            leases,
            streams: self.traffic.open_streams(),
            refusals: self.gate.refusals().counts(),
            traffic: self.traffic.counters().counts(),
        }
    }
}

/// `GET /metrics`, or where else they are to be had.
pub(super) async fn show(State(app): State<App>) -> Result<Response, Problem> {
    let text = app.metrics_text().await?;
    let format = HeaderValue::from_static(TEXT_FORMAT);
    Ok(([(header::CONTENT_TYPE, format)], text).into_response())
}
