//! Who asks, whether they may, and the trace of it.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, MatchedPath, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::Deserialize;

use super::approval::hold;
use super::pace::Buckets;
use super::{Door, DoorError, Pace, Peer};
use crate::access::{AccessError, Approvals, Claim, Grant, Known, Policy, Register, Rule, Scopes, Trail};
use crate::audit::{Audit, Deed};
use crate::server::http::failure;

/// How often an address may come with what is no token of ours. Each costs the server a slow hash at worst.
const WRONG: Pace = Pace { per_second: 1, burst: 20 };
/// The longest subject in the audit log, bytes.
const SUBJECT_MOST: usize = 2_000;

/// What the door is kept with. Clones are the same guard.
#[derive(Clone)]
pub(in crate::server) struct Guard(Arc<Keeping>);

struct Keeping {
    policy: &'static Policy,
    open_metrics: bool,
    four_eyes: Vec<String>,
    register: Register,
    approvals: Approvals,
    audit: Audit,
    known: Known,
    /// Whether anybody was ever given access.
    closed: AtomicBool,
    paces: Buckets<Asker>,
    wrong: Buckets<IpAddr>,
}

#[derive(PartialEq, Eq, Hash)]
enum Asker {
    Name(String),
    Address(IpAddr),
}

/// What a handler tells of what it did, for the audit log: goes into its response's extensions.
#[derive(Clone, Debug)]
pub struct Told(pub String);

/// What let a request in: an `Extension` of it, for handlers whose answer takes a while.
#[derive(Clone)]
pub struct Pass {
    guard: Guard,
    grant: Grant,
}

impl Pass {
    pub(super) fn of(guard: &Guard, grant: &Grant) -> Self {
        Self { guard: guard.clone(), grant: grant.clone() }
    }

    /// Whether who asked may still see the same as when he asked. Looks into the state file.
    #[must_use]
    pub fn holds(&self) -> bool {
        let held = match self.grant.role {
            Some(_) => self.guard.0.register.holds(&self.grant),
            None => self.guard.is_closed().map(|closed| !closed),
        };
        held.unwrap_or(false)
    }
}

/// Why a request is not let in.
enum Refusal {
    /// It says not who it is, or not rightly.
    Unknown(&'static str),
    /// Too often; seconds until the next.
    Often(u64),
    /// The state file cannot be used.
    Unusable,
}

impl Guard {
    pub(super) fn open(door: &Door, state: &Path) -> Result<Self, DoorError> {
        let register = Register::open(state)?;
        let closed = AtomicBool::new(register.is_in_use().map_err(AccessError::from)?);
        Ok(Self(Arc::new(Keeping {
            policy: door.policy,
            open_metrics: door.open_metrics,
            four_eyes: door.four_eyes.clone(),
            register,
            approvals: Approvals::open(state)?,
            audit: Audit::open(state)?,
            known: Known::default(),
            closed,
            paces: Buckets::new(door.pace),
            wrong: Buckets::new(WRONG),
        })))
    }

    /// The audit log.
    pub(in crate::server) fn audit(&self) -> &Audit {
        &self.0.audit
    }

    pub(super) fn register(&self) -> &Register {
        &self.0.register
    }

    /// The requests that wait for a second person.
    pub(super) fn approvals(&self) -> &Approvals {
        &self.0.approvals
    }

    /// The rule for a method on a mounted path.
    pub(super) fn rule(&self, method: &str, path: &str) -> Option<&'static Rule> {
        self.0.policy.rule(method, path)
    }

    /// Whether a second person must approve of what this one asks.
    fn takes_four_eyes(&self, rule: &Rule, grant: &Grant) -> bool {
        let wanted = |name| self.0.four_eyes.iter().any(|wanted| wanted == name);
        grant.role.is_some() && rule.four_eyes.is_some_and(wanted)
    }

    /// Whether a request needs a token. It never opens again.
    pub(in crate::server) fn is_closed(&self) -> rusqlite::Result<bool> {
        let closed = self.0.closed.load(Ordering::Relaxed) || self.0.register.is_in_use()?;
        self.0.closed.store(closed, Ordering::Relaxed);
        Ok(closed)
    }

    /// Whether everybody may see it.
    fn is_open(&self, path: &str) -> bool {
        path.starts_with("/health/") || (path == "/metrics" && self.0.open_metrics)
    }

    /// Who it is.
    fn grant(&self, bearer: Option<&str>, peer: &Peer) -> Result<Grant, Refusal> {
        let now = Instant::now();
        if !self.is_closed()? {
            self.0.paces.take(Asker::Address(peer.address.ip()), now)?;
            return Ok(Grant::anybody());
        }
        let grant = match bearer {
            Some(token) => self.by_token(token, peer, now)?,
            None => peer.names.iter().find_map(|name| self.0.register.by_certificate(name).transpose()).transpose()?,
        };
        let Some(grant) = grant else {
            self.0.wrong.take(peer.address.ip(), now)?;
            return Err(Refusal::Unknown(match bearer {
                Some(_) => "the token is not valid",
                None if peer.names.is_empty() => "a token is needed",
                None => "a token is needed: nobody was given access by this certificate",
            }));
        };
        self.0.paces.take(Asker::Name(grant.name.clone()), now)?;
        Ok(grant)
    }

    /// Whose token it is. The register is asked every time: what was revoked is no longer found.
    fn by_token(&self, token: &str, peer: &Peer, now: Instant) -> Result<Option<Grant>, Refusal> {
        let Some(claim) = Claim::read(token) else { return Ok(None) };
        let Some((grant, hash)) = self.0.register.by_token(&claim.id)? else { return Ok(None) };
        if self.0.known.contains(&claim, &hash) {
            return Ok(Some(grant));
        }
        self.0.wrong.take(peer.address.ip(), now)?;
        let fits = claim.fits(&hash);
        if fits {
            self.0.known.insert(&claim, hash);
        }
        Ok(fits.then_some(grant))
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        tracing::error!(%error, "the register of access cannot be read");
        Self::Unusable
    }
}

impl From<Duration> for Refusal {
    fn from(wait: Duration) -> Self {
        Self::Often(wait.as_secs() + 1)
    }
}

/// Whether somebody may do what a rule is for; else why not.
pub(super) fn allowed(rule: &Rule, grant: &Grant) -> Result<(), &'static str> {
    let Some(role) = &grant.role else { return Ok(()) };
    if !rule.roles.contains(&role.as_str()) {
        return Err("this role may not do that");
    }
    if rule.whole && grant.scopes != Scopes::All {
        return Err("this concerns all, and the token is bound to some");
    }
    Ok(())
}

/// Why, and for which case: asked of everybody, wanted by some handlers.
#[derive(Clone, Debug, Default, Deserialize)]
struct Purpose {
    reason: Option<String>,
    case: Option<String>,
}

/// What is to be written in the audit log of a request.
#[derive(Clone)]
pub(super) struct Trace {
    guard: Guard,
    grant: Grant,
    what: String,
    subject: String,
    purpose: Purpose,
}

impl Trace {
    /// Of what somebody asked for, with a reason.
    pub(super) fn of(guard: &Guard, grant: Grant, method: &str, path: &str, uri: &str, reason: String) -> Self {
        let (what, subject) = (format!("{method} {path}"), uri.chars().take(SUBJECT_MOST).collect());
        Self { guard: guard.clone(), grant, what, subject, purpose: Purpose { reason: Some(reason), case: None } }
    }

    pub(super) fn who(&self) -> &str {
        &self.grant.name
    }

    /// Writes a row; `false`: it could not be written.
    pub(super) async fn write(&self, outcome: String) -> bool {
        let trace = self.clone();
        let written = tokio::task::spawn_blocking(move || {
            let deed = Deed {
                who: &trace.grant.name,
                role: trace.grant.role.as_deref(),
                what: &trace.what,
                subject: &trace.subject,
                reason: trace.purpose.reason.as_deref(),
                case: trace.purpose.case.as_deref(),
                outcome: &outcome,
            };
            trace.guard.audit().append(&deed)
        });
        match written.await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(%error, "the audit log cannot be written");
                false
            }
            Err(_) => false,
        }
    }
}

/// Lets a request in, or not.
pub(in crate::server) async fn guard(
    State(guard): State<Guard>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    if guard.is_open(request.uri().path()) {
        return next.run(request).await;
    }
    let bearer = request.headers().get(header::AUTHORIZATION).map(|value| bearer(value).to_owned());
    let asked = guard.clone();
    let granted = tokio::task::spawn_blocking(move || asked.grant(bearer.as_deref(), &peer)).await;
    let grant = match granted.unwrap_or(Err(Refusal::Unusable)) {
        Ok(grant) => grant,
        Err(refusal) => return refuse(&refusal),
    };
    let Some(path) = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()) else {
        return next.run(request).await;
    };
    let method = request.method().as_str().to_owned();
    let trace = Trace {
        guard: guard.clone(),
        grant: grant.clone(),
        what: format!("{method} {path}"),
        subject: subject(request.uri()),
        purpose: Query::try_from_uri(request.uri()).map(|Query(purpose)| purpose).unwrap_or_default(),
    };
    let policy = guard.0.policy;
    let Some(rule) = policy.rule(&method, &path) else {
        let methods = policy.methods(&path);
        if !methods.is_empty() {
            let mut response = failure(StatusCode::METHOD_NOT_ALLOWED, "this cannot be done here", Some("/v1/openapi.json tells what can"));
            if let Ok(methods) = HeaderValue::from_str(&methods.join(", ")) {
                response.headers_mut().insert(header::ALLOW, methods);
            }
            return response;
        }
        return denied(&trace, "no role may do that").await;
    };
    if let Err(why) = allowed(rule, &grant) {
        return denied(&trace, why).await;
    }
    if guard.takes_four_eyes(rule, &grant) {
        return hold(&guard, &trace, rule, path, request).await;
    }
    if rule.trail == Trail::Change && !trace.write("asked".to_owned()).await {
        return untraced();
    }
    request.extensions_mut().insert(Pass::of(&guard, &grant));
    request.extensions_mut().insert(grant);
    let response = next.run(request).await;
    let outcome = outcome_of(&response);
    match rule.trail {
        Trail::Nothing => response,
        Trail::Look if trace.write(outcome.clone()).await => response,
        Trail::Look => untraced(),
        Trail::Change => {
            // It is done, and that it was asked for is written: who asked is told what came of it.
            trace.write(outcome).await;
            response
        }
    }
}

/// What came of a request, for the audit log.
pub(super) fn outcome_of(response: &Response) -> String {
    let told = response.extensions().get::<Told>().map(|told| format!(" {}", told.0)).unwrap_or_default();
    format!("{}{told}", response.status().as_u16())
}

/// The token in a header; the whole of it, which is none, where it is of another kind.
fn bearer(value: &HeaderValue) -> &str {
    let text = value.to_str().unwrap_or_default();
    let (scheme, token) = text.split_once(' ').unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") { token.trim() } else { "" }
}

fn subject(uri: &Uri) -> String {
    let text = uri.path_and_query().map_or(uri.path(), |text| text.as_str());
    text.chars().take(SUBJECT_MOST).collect()
}

fn refuse(refusal: &Refusal) -> Response {
    match refusal {
        Refusal::Unknown(why) => {
            let mut response = failure(
                StatusCode::UNAUTHORIZED,
                why,
                Some("`giaolo access add` makes a token; it goes into GIAOLO_TOKEN, or into the header `authorization: Bearer TOKEN`"),
            );
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
        Refusal::Often(seconds) => {
            let mut response = failure(StatusCode::TOO_MANY_REQUESTS, "too many requests", Some("ask again after the time in Retry-After"));
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
            response
        }
        Refusal::Unusable => failure(StatusCode::SERVICE_UNAVAILABLE, "the state file cannot be used now", None),
    }
}

async fn denied(trace: &Trace, why: &str) -> Response {
    if !trace.write(format!("403 {why}")).await {
        return untraced();
    }
    failure(StatusCode::FORBIDDEN, why, Some("`giaolo access list` shows who has which role, and where"))
}

/// What cannot be written down is not done.
pub(super) fn untraced() -> Response {
    failure(StatusCode::SERVICE_UNAVAILABLE, "the audit log cannot be written, so this is refused", Some("is the disk full?"))
}
