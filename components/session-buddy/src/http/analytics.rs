//! REST over many sessions at once.

use axum::{
    Json,
    extract::{RawQuery, State},
};
use session_model::{AnalyticsReport, ErrorCode};

use super::{App, Problem, api::form_pairs};
use crate::analytics::{
    request::{REPORT_NAMES, ReportRequest, ViewName, ViewRequest},
    views::View,
};

/// `GET /api/analytics`
pub(super) async fn report(
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Result<Json<AnalyticsReport>, Problem> {
    let pairs = form_pairs(&query.unwrap_or_default());
    let read = ReportRequest::from_pairs(&pairs);
    let request = read.map_err(|errors| Problem::fields(ErrorCode::InvalidParameter, &errors))?;
    let unknown = pairs
        .iter()
        .find(|(name, _)| !REPORT_NAMES.contains(&name.as_str()));
    if let Some((name, _)) = unknown {
        let names = REPORT_NAMES.join(", ");
        return Err(Problem::parameter(
            name,
            format!("unknown; known are {names}"),
        ));
    }
    Ok(Json(app.tracker.report(&request).await?))
}

/// `GET /api/analytics/sessions`
pub(super) async fn sessions(app: State<App>, query: RawQuery) -> Result<Json<View>, Problem> {
    view(app, query, ViewName::Sessions).await
}

/// `GET /api/analytics/duration`
pub(super) async fn duration(app: State<App>, query: RawQuery) -> Result<Json<View>, Problem> {
    view(app, query, ViewName::Duration).await
}

/// `GET /api/analytics/components`
pub(super) async fn components(app: State<App>, query: RawQuery) -> Result<Json<View>, Problem> {
    view(app, query, ViewName::Components).await
}

/// `GET /api/analytics/errors`
pub(super) async fn errors(app: State<App>, query: RawQuery) -> Result<Json<View>, Problem> {
    view(app, query, ViewName::Errors).await
}

/// `GET /api/analytics/active`
pub(super) async fn active(app: State<App>, query: RawQuery) -> Result<Json<View>, Problem> {
    view(app, query, ViewName::Active).await
}

async fn view(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    name: ViewName,
) -> Result<Json<View>, Problem> {
    let pairs = form_pairs(&query.unwrap_or_default());
    let read = ViewRequest::from_pairs(name, &pairs);
    let request = read.map_err(|errors| Problem::fields(ErrorCode::InvalidParameter, &errors))?;
    Ok(Json(app.tracker.view(&request).await?))
}
