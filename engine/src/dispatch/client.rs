//! One attempt: sign, post, and judge what comes back.
//!
//! ```text
//! 2xx ─▶ delivered      410 ─▶ gone      429, 503 ─▶ later, Retry-After      anything else, or nothing in time ─▶ failed
//! ```

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url, redirect};

use super::config::Endpoint;
use super::guard::{Forbidden, Guard, check_url};
use super::outbox::Delivery;
use super::secret::{Secret, signatures};
use super::{DispatchError, Limits};

/// How long connecting may take.
const CONNECT_MOST: Duration = Duration::from_secs(5);
/// How much of an answer is read, so that the connection can be used again; who says more is hung up on.
const ANSWER_MOST: usize = 4 << 10;
/// How long that may take: the verdict is known by then.
const ANSWER_WAIT: Duration = Duration::from_millis(500);

/// What an endpoint made of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has it.
    Delivered,
    /// It is gone for good.
    Gone(String),
    /// It asks to be left alone for so many milliseconds.
    Later(String, u64),
    /// It did not take it.
    Failed(String),
}

/// Posts to one endpoint.
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    secrets: Arc<Vec<Secret>>,
    limits: Limits,
}

impl Client {
    pub(super) fn new<F>(endpoint: &Endpoint<F>) -> Result<Self, DispatchError> {
        let Endpoint { url, secrets, limits, .. } = endpoint;
        // Whoever chose another provider for this process first is welcome to it.
        crate::use_crypto();
        let http = reqwest::Client::builder()
            .user_agent(concat!("giaolo/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .https_only(!limits.allow_http)
            .dns_resolver(Guard { allow_private: limits.allow_private })
            .connect_timeout(CONNECT_MOST)
            .pool_max_idle_per_host(limits.concurrency)
            .retry(reqwest::retry::never())
            .referer(false)
            .build();
        let http = http.map_err(|error| DispatchError::Client(chain(&error)))?;
        Ok(Self { http, url: url.clone(), secrets: Arc::clone(secrets), limits: *limits })
    }

    /// Makes one attempt.
    pub(super) async fn post(&self, delivery: &Delivery, now_ms: u64) -> Verdict {
        if let Err(forbidden) = check_url(&self.url, self.limits.allow_private) {
            return Verdict::Failed(forbidden.to_string());
        }
        let (id, timestamp_s) = (format!("{}.{}", delivery.id, delivery.revision), now_ms / 1_000);
        let signature = signatures(&self.secrets, &id, timestamp_s, &delivery.body);
        // An attempt does not outlive what it says.
        let timeout = self.limits.timeout_ms.min(delivery.deadline_ms.saturating_sub(now_ms)).max(1);
        let request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp_s)
            .header("webhook-signature", signature)
            .timeout(Duration::from_millis(timeout))
            .body(delivery.body.clone());
        match request.send().await {
            Ok(response) => {
                let verdict = judge(response.status(), response.headers(), now_ms);
                _ = tokio::time::timeout(ANSWER_WAIT, drain(response)).await;
                verdict
            }
            Err(error) => Verdict::Failed(explain(&error)),
        }
    }
}

fn judge(status: StatusCode, headers: &HeaderMap, now_ms: u64) -> Verdict {
    let said = format!("it answered {}", status.as_u16());
    match status {
        _ if status.is_success() => Verdict::Delivered,
        StatusCode::GONE => Verdict::Gone("the endpoint said that it is gone (410)".to_owned()),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => match retry_after_ms(headers, now_ms) {
            Some(wait_ms) => Verdict::Later(said, wait_ms),
            None => Verdict::Failed(said),
        },
        _ if status.is_redirection() => Verdict::Failed(format!("{said}; redirects are not followed")),
        _ => Verdict::Failed(said),
    }
}

/// How long an endpoint asks to be left alone: seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after_ms(headers: &HeaderMap, now_ms: u64) -> Option<u64> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(seconds.saturating_mul(1_000));
    }
    let at_ms = jiff::fmt::rfc2822::parse(value).ok()?.timestamp().as_millisecond();
    Some(u64::try_from(at_ms).unwrap_or(0).saturating_sub(now_ms))
}

/// Reads what little of an answer is of use: none of it, but for the connection's sake.
async fn drain(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(part)) = response.chunk().await {
        read += part.len();
        if read > ANSWER_MOST {
            return;
        }
    }
}

/// What went wrong, in words; without the URL, which may hold what is nobody's business.
fn explain(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return if error.is_connect() { "no connection in time".to_owned() } else { "no answer in time".to_owned() };
    }
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(forbidden) = inner.downcast_ref::<Forbidden>() {
            return format!("its name leads to a place that is not allowed: {forbidden}");
        }
        cause = inner.source();
    }
    let what = if error.is_connect() { "no connection" } else { "the connection failed" };
    format!("{what}: {}", error.source().map_or_else(String::new, chain))
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(inner) = last.source() {
        last = inner;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let after = |value: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            retry_after_ms(&headers, 1_445_412_470_000)
        };
        assert_eq!(after("120"), Some(120_000));
        assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(10_000));
        assert_eq!(after("Wed, 21 Oct 2015 07:00:00 GMT"), Some(0));
        assert_eq!(after("soon"), None);
    }
}
