//! What all answers share, and who answers what.

use super::access::Access;
use super::links::Links;
use super::refusal::Refusal;
use super::{Asked, api, body, resolve};
use crate::door::Wire;
use crate::fault::{Faults, Harm, Stage};
use crate::log::{Entry, Host, Log};
use crate::repo::Stored;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// All that is known, on both hosts.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) hub_url: String,
    pub(crate) cdn_url: String,
    pub(crate) repos: Mutex<BTreeMap<String, Stored>>,
    pub(crate) access: Access,
    pub(crate) links: Links,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
    /// Changes when what stalls is to go on.
    pub(crate) stalls: watch::Sender<u64>,
}

impl Site {
    pub(crate) fn new([hub_port, cdn_port]: [u16; 2]) -> Self {
        Self {
            hub_url: format!("http://127.0.0.1:{hub_port}"),
            cdn_url: format!("http://localhost:{cdn_port}"),
            repos: Mutex::default(),
            access: Access::default(),
            links: Links::default(),
            faults: Faults::default(),
            log: Log::new(),
            stalls: watch::Sender::new(0),
        }
    }
}

/// A request on its way to an answer.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) site: Arc<Site>,
    pub(crate) asked: Arc<Asked>,
    pub(crate) entry: Entry,
    pub(crate) wire: Wire,
    /// Also knows of releases since the request came, before it stalled.
    pub(crate) stalls: watch::Receiver<u64>,
}

/// The answers of one host.
pub(crate) fn router(host: Host, site: Arc<Site>) -> Router {
    Router::new().fallback(answer).with_state((host, site))
}

async fn answer(
    State((host, site)): State<(Host, Arc<Site>)>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let asked = Arc::new(Asked::read(host, &parts));
    let stalls = site.stalls.subscribe();
    let entry = site.log.open(asked.seen());
    let call = Call {
        site,
        asked,
        entry,
        wire,
        stalls,
    };
    let response = match call.harmed().await {
        Some(response) => response,
        None => call
            .answer(body)
            .await
            .unwrap_or_else(Refusal::into_response),
    };
    call.entry.answered(response.status().as_u16());
    response
}

impl Call {
    async fn answer(&self, body: Body) -> Result<Response, Refusal> {
        match (self.asked.host, &self.asked.segments()[..]) {
            (Host::Cdn, ["lfs", ..]) => self.linked_file(),
            (Host::Cdn, _) => Err(Refusal::no_page()),
            (Host::Hub, ["api", rest @ ..]) => api::answer(self, rest, body).await,
            (Host::Hub, segments) => resolve::answer(self, segments),
        }
    }

    /// Where a link leads, while it is valid.
    fn linked_file(&self) -> Result<Response, Refusal> {
        let file = self.site.links.follow(&self.asked)?;
        let name = self.asked.path.rsplit('/').next().unwrap_or_default();
        let disposition = format!("inline; filename*=UTF-8''{name}; filename=\"{name}\";");
        let headers = [
            (header::ETAG, format!("\"{}\"", file.etag())),
            (header::CONTENT_DISPOSITION, disposition),
        ];
        Ok((headers, body::content(self, &file)).into_response())
    }

    /// What was ordered to happen instead of an answer.
    async fn harmed(&self) -> Option<Response> {
        let harm = self.take(Stage::Arrival).into_iter().next()?;
        Some(match harm {
            Harm::Status(status) => {
                let status = StatusCode::from_u16(status);
                let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                (status, "something went wrong here").into_response()
            }
            Harm::RateLimited(retry_after) => Refusal::rate_limited(retry_after).into_response(),
            Harm::Rubbish(text) => {
                ([(header::CONTENT_TYPE, "application/json")], text).into_response()
            }
            Harm::Expired => Refusal::expired().into_response(),
            Harm::Silence => {
                self.stalled().await;
                return None;
            }
            _ => {
                self.wire.tear();
                StatusCode::OK.into_response()
            }
        })
    }

    /// Until stalls are released, or for ever.
    pub(crate) async fn stalled(&self) {
        // The sender lives in the site.
        let _ = self.stalls.clone().changed().await;
    }

    /// The faults of a stage that has no body.
    pub(crate) fn take(&self, stage: Stage) -> Vec<Harm> {
        self.site.faults.take(stage, &self.asked, None)
    }
}
