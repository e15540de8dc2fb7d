//! Faults of the fake: errors in the handling of a request or in its response.

use std::io::{self, Read, Write};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, LOCATION, RETRY_AFTER};
use axum::http::{HeaderValue, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;

use crate::reply::{bare, plain};
use crate::work_items::update::rule_violation;

/// Fault that replaces or changes the handling of a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// 401 as JSON, TF400813.
    Unauthorized,
    /// 401 with a page that reports an expired PAT.
    ExpiredPat,
    /// 401 with an empty body, for a missing scope.
    MissingScope,
    /// 203 with a sign-in page.
    SignIn,
    /// 302 to a sign-in page of another host.
    Redirect,
    /// 200 with an HTML page.
    Html,
    /// 404 with the page of a gateway.
    GatewayPage,
    /// This status (100 to 999) with an error body, and with `Retry-After` if given.
    Status(u16, Option<&'static str>),
    /// Success with `Retry-After`.
    RetryAfterOnSuccess(&'static str),
    /// The continuation token of the page refers to the page itself.
    SameContinuation,
    /// No response; the connection stays open.
    Hang,
    /// The connection is reset instead of a response.
    Reset,
    /// A complete body with a truncated JSON document.
    HalfJson,
    /// The connection is closed in the middle of the body.
    CutOff,
    /// This many bytes of valid JSON, without `Content-Length`.
    Huge(usize),
    /// A few kilobytes that decompress to this many bytes of valid JSON.
    Bomb(usize),
    /// JSON with a string that is not UTF-8.
    InvalidUtf8,
    /// One byte every 20 ms, without end.
    Trickle,
    /// JSON of an unexpected shape.
    WrongShape,
    /// The correct JSON with the wrong content type.
    WrongContentType,
    /// 204 without a body.
    NoContent,
    /// The request is executed, but its response has this fault.
    Applied(Box<Fault>),
    /// The request waits for this time, even if its client disconnects, and then gets this fault. Within
    /// [`Fault::Applied`] only the response waits.
    Late(Duration, Box<Fault>),
    /// No fault; for a [`Fault::Late`] that succeeds.
    Nothing,
    /// Before the request, a person sets `CompletedWork` of the work item to this value in the web portal.
    HumanEdit(f64),
    /// Before the request, a person adds this value to `CompletedWork`.
    HumanAdds(f64),
    /// Before the request, a person closes the work item.
    HumanCloses,
    /// 400: the query selects more than 20,000 work items.
    TooManyResults,
    /// 400: the collection lacks a field, whichever fields the request names.
    NoSuchField,
    /// 400: a rule of the process requires this field.
    RuleViolation(&'static str),
}

/// Outcome of a request.
pub(crate) enum Outcome {
    /// This response.
    Respond(Response<Body>),
    /// The regular response.
    Right,
    /// The regular response with this header changed.
    Changed(&'static str, &'static str),
    /// No response; the connection stays open.
    NoAnswer,
    /// The connection is reset.
    Broken,
    /// The request is executed after this time, with this fault.
    Late(Duration, Fault),
    /// The request was executed; this outcome follows after this time.
    After(Duration, Box<Outcome>),
}

impl Fault {
    /// Creates a fault in the response to a request that is executed.
    #[must_use]
    pub fn applied(then: Self) -> Self {
        Self::Applied(Box::new(then))
    }

    /// Creates a fault after a delay of the request.
    #[must_use]
    pub fn late(wait: Duration, then: Self) -> Self {
        Self::Late(wait, Box::new(then))
    }

    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::RetryAfterOnSuccess(wait) => Outcome::Changed("retry-after", wait),
            Self::SameContinuation => Outcome::Changed("x-ms-continuationtoken", "0"),
            Self::WrongContentType => Outcome::Changed("content-type", "text/plain"),
            Self::Late(wait, then) => Outcome::Late(*wait, Fault::clone(then)),
            Self::Hang => Outcome::NoAnswer,
            Self::Reset => Outcome::Broken,
            Self::Applied(then) => then.outcome(),
            Self::Nothing | Self::HumanEdit(_) | Self::HumanAdds(_) | Self::HumanCloses => Outcome::Right,
            answered => Outcome::Respond(answered.answer()),
        }
    }

    /// Returns the response of a fault that has one, else 204.
    fn answer(&self) -> Response<Body> {
        let sign_in = "<html><title>Azure DevOps Services | Sign In</title></html>";
        match self {
            Self::Unauthorized => plain(
                401,
                "application/json; charset=utf-8; api-version=7.1",
                r#"{"$id":"1","message":"TF400813: not authorized",
               "typeKey":"UnauthorizedRequestException","eventId":3000}"#,
            ),
            Self::ExpiredPat => plain(
                401,
                "text/html",
                "<title>Access Denied: the PAT has expired</title>",
            ),
            Self::MissingScope => bare(401, Body::empty()),
            Self::SignIn => plain(203, "text/html; charset=utf-8", sign_in),
            Self::Redirect => {
                let mut response = plain(302, "text/html", "<h2>Object moved</h2>");
                let target = "https://spsprodeus.vssps.visualstudio.com/_signin?realm=dev.azure.com";
                let headers = response.headers_mut();
                headers.insert(LOCATION, HeaderValue::from_static(target));
                response
            }
            Self::Html => plain(200, "text/html", sign_in),
            Self::GatewayPage => plain(404, "text/html", "<h1>404 Not Found</h1><hr>gateway"),
            Self::Status(status, retry_after) => {
                let mut response = json(*status, r#"{"message":"TF400733: no","typeKey":"SomeException"}"#);
                if let Some(wait) = retry_after {
                    let headers = response.headers_mut();
                    headers.insert(RETRY_AFTER, HeaderValue::from_static(wait));
                }
                response
            }
            Self::HalfJson => json(200, r#"{"count":1,"value":[{"id":"#),
            Self::CutOff => cut_off(),
            Self::Huge(bytes) => huge(*bytes),
            Self::Bomb(bytes) => bomb(*bytes),
            Self::InvalidUtf8 => json(200, &b"{\"value\":\"\xff\"}"[..]),
            Self::Trickle => trickle(),
            Self::WrongShape => json(200, r#"{"value":7,"authenticatedUser":[]}"#),
            Self::TooManyResults => json(
                400,
                r#"{"message":"VS402337","typeKey":"WorkItemTrackingQueryResultSizeLimitExceededException"}"#,
            ),
            Self::NoSuchField => json(
                400,
                r#"{"message":"TF51535","typeKey":"WorkItemTrackingFieldDefinitionNotFoundException"}"#,
            ),
            Self::RuleViolation(field) => rule_violation(field, "required, invalidEmpty"),
            _ => bare(204, Body::empty()),
        }
    }
}

fn json(status: u16, body: impl Into<Body>) -> Response<Body> {
    plain(status, "application/json", body)
}

/// Returns a response whose connection breaks within the body.
fn cut_off() -> Response<Body> {
    let chunks = [
        Ok(Bytes::from_static(b"{\"count\":")),
        Err(io::Error::other("cut off")),
    ];
    let mut response = json(200, Body::from_stream(stream::iter(chunks)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("1000"));
    response
}

/// Returns an endless response of blanks.
fn trickle() -> Response<Body> {
    let blanks = stream::unfold((), async |()| {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Ok::<_, io::Error>(Bytes::from_static(b" ")), ()))
    });
    json(200, Body::from_stream(blanks))
}

/// Returns a small compressed response that decompresses to this many bytes.
#[expect(clippy::expect_used, reason = "a Vec takes every byte")]
fn bomb(bytes: usize) -> Response<Body> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    io::copy(&mut io::repeat(b' ').take(bytes as u64), &mut gzip).expect("memory");
    gzip.write_all(br#"{"count":0,"value":[]}"#).expect("memory");
    let mut response = json(200, gzip.finish().expect("memory"));
    let headers = response.headers_mut();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

/// Returns JSON that white space enlarges to this size.
fn huge(bytes: usize) -> Response<Body> {
    const CHUNK: usize = 64 << 10;
    let blanks = Bytes::from(vec![b' '; CHUNK]);
    let mut chunks = vec![blanks; bytes.div_ceil(CHUNK)];
    chunks.push(Bytes::from_static(br#"{"count":0,"value":[]}"#));
    let chunks = chunks.into_iter().map(Ok::<_, io::Error>);
    json(200, Body::from_stream(stream::iter(chunks)))
}
