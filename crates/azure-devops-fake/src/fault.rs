//! Ways in which an answer goes wrong.

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

/// Lists what happens instead of an answer.
#[derive(Debug, Clone)]
pub enum Fault {
    /// 401 as JSON, TF400813.
    Unauthorized,
    /// 401 with a page that says that the PAT has expired.
    ExpiredPat,
    /// 401 with nothing in it: the scope is missing.
    MissingScope,
    /// 203 with a sign-in page.
    SignIn,
    /// 302 to a sign-in page of another host.
    Redirect,
    /// 200 with an HTML page.
    Html,
    /// 404 with a page of some gateway.
    GatewayPage,
    /// This status (100 to 999) with an error body, and `Retry-After` if given.
    Status(u16, Option<&'static str>),
    /// Success with `Retry-After`.
    RetryAfterOnSuccess(&'static str),
    /// The page names itself as the next page.
    SameContinuation,
    /// No answer at all.
    Hang,
    /// The connection goes away instead of an answer.
    Reset,
    /// A complete body with half a JSON document.
    HalfJson,
    /// The connection goes away in the middle of the body.
    CutOff,
    /// This many bytes of valid JSON, without `Content-Length`.
    Huge(usize),
    /// A few kilobytes that become so many bytes of valid JSON when they are decompressed.
    Bomb(usize),
    /// JSON with a string that is not UTF-8.
    InvalidUtf8,
    /// One byte each 20 ms, without end.
    Trickle,
    /// JSON of another shape.
    WrongShape,
    /// The right JSON under the wrong type.
    WrongContentType,
    /// 204 without a body.
    NoContent,
    /// The request is carried out, but the answer goes wrong.
    Applied(Box<Fault>),
    /// The request waits for this time, even after its client has gone, and then meets this fault. Within
    /// [`Fault::Applied`] only the answer waits.
    Late(Duration, Box<Fault>),
    /// No fault: the end of a [`Fault::Late`] that succeeds.
    Nothing,
    /// Just before, a person sets `CompletedWork` of the work item to this value in the web portal.
    HumanEdit(f64),
    /// Just before, a person adds this value to `CompletedWork`.
    HumanAdds(f64),
    /// Just before, a person closes the work item.
    HumanCloses,
    /// 400: the query selects more than 20,000.
    TooManyResults,
    /// 400: the collection lacks a field, whatever the request asks for.
    NoSuchField,
    /// 400: a rule of the process wants this field filled in.
    RuleViolation(&'static str),
}

/// Lists the ways in which a request ends.
pub(crate) enum Outcome {
    /// This answer.
    Respond(Response<Body>),
    /// The real answer.
    Right,
    /// The real answer with this header changed.
    Changed(&'static str, &'static str),
    /// No answer; the connection stays open.
    NoAnswer,
    /// The connection is reset.
    Broken,
    /// The request is carried out after this time, with this fault.
    Late(Duration, Fault),
    /// The request was carried out; this outcome follows after this time.
    After(Duration, Box<Outcome>),
}

impl Fault {
    /// Returns a fault of the answer to a request that is carried out.
    #[must_use]
    pub fn applied(then: Self) -> Self {
        Self::Applied(Box::new(then))
    }

    /// Returns a fault that a request meets after this time.
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

    /// Returns the answer of a fault that has one, else 204.
    fn answer(&self) -> Response<Body> {
        let sign_in = "<html><title>Azure DevOps Services | Sign In</title></html>";
        match self {
            Self::Unauthorized => plain(
                401,
                "application/json; charset=utf-8; api-version=7.1",
                r#"{"$id":"1","message":"TF400813: not authorized","typeKey":"UnauthorizedRequestException","eventId":3000}"#,
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

/// Returns an answer whose connection breaks within the body.
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

/// Returns an answer of blanks that does not end.
fn trickle() -> Response<Body> {
    let blanks = stream::unfold((), async |()| {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Ok::<_, io::Error>(Bytes::from_static(b" ")), ()))
    });
    json(200, Body::from_stream(blanks))
}

/// Returns a small compressed answer that decompresses to this many bytes.
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

/// Returns a JSON text in which white space makes up the size.
fn huge(bytes: usize) -> Response<Body> {
    const CHUNK: usize = 64 << 10;
    let blanks = Bytes::from(vec![b' '; CHUNK]);
    let mut chunks = vec![blanks; bytes.div_ceil(CHUNK)];
    chunks.push(Bytes::from_static(br#"{"count":0,"value":[]}"#));
    let chunks = chunks.into_iter().map(Ok::<_, io::Error>);
    json(200, Body::from_stream(stream::iter(chunks)))
}
