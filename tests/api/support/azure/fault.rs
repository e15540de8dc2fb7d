//! Ways in which an answer goes wrong.

use std::io::{self, Read, Write};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;

use super::work_items::rule_violation;

/// What happens instead of an answer.
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
    /// This status with an error body, and `Retry-After` if given.
    Status(u16, Option<&'static str>),
    /// Success, but asked to slow down.
    RetryAfterOnSuccess(&'static str),
    /// The page says that the next one is the one just asked for.
    SameContinuation,
    /// No answer at all.
    Hang,
    /// The connection goes away instead of an answer.
    Reset,
    /// A well-framed body that is no whole JSON.
    HalfJson,
    /// The connection goes away in the middle of the body.
    CutOff,
    /// A body without end in sight: this many bytes of valid JSON, not announced.
    Huge(usize),
    /// A few kilobytes that become so many bytes of valid JSON when they are decompressed.
    Bomb(usize),
    /// JSON but for a string that is no UTF-8.
    InvalidUtf8,
    /// One byte now and then, for ever.
    Trickle,
    /// JSON of another shape.
    WrongShape,
    /// The right JSON under the wrong type.
    WrongContentType,
    /// Nothing, successfully.
    NoContent,
    /// What was asked for is done, but the answer goes wrong.
    Applied(Box<Fault>),
    /// The request waits for so long, whether or not its client does, and then meets this fault. Within
    /// [`Fault::Applied`] only the answer waits.
    Late(Duration, Box<Fault>),
    /// All is well; what [`Fault::Late`] ends in.
    Nothing,
    /// A moment before, somebody sets `CompletedWork` of the work item to this in the web portal.
    HumanEdit(f64),
    /// A moment before, somebody adds so much to `CompletedWork`.
    HumanAdds(f64),
    /// A moment before, a person closes the work item.
    HumanCloses,
    /// 400: the query selects more than 20,000.
    TooManyResults,
    /// 400: the collection does not have a field, whichever are asked for.
    NoSuchField,
    /// 400: a rule of the process wants this field filled in.
    RuleViolation(&'static str),
}

/// What a fault makes of a request.
pub enum Outcome {
    Answer(Response<Body>),
    /// The real answer.
    Right,
    /// The real answer with these headers changed.
    Changed(&'static str, &'static str),
    NoAnswer,
    Broken,
    /// The request is carried out so much later, with this fault.
    Late(Duration, Fault),
    /// The request was carried out; this outcome comes so much later.
    After(Duration, Box<Outcome>),
}

impl Fault {
    /// What was asked for is done, but the answer goes wrong so.
    pub fn applied(then: Self) -> Self {
        Self::Applied(Box::new(then))
    }

    /// The request waits for so long and then meets this fault.
    pub fn late(wait: Duration, then: Self) -> Self {
        Self::Late(wait, Box::new(then))
    }

    pub fn outcome(&self) -> Outcome {
        let sign_in = "<html><title>Azure DevOps Services | Sign In</title></html>";
        Outcome::Answer(match self {
            Self::Unauthorized => answer(
                401,
                "application/json; charset=utf-8; api-version=7.1",
                r#"{"$id":"1","message":"TF400813: not authorized","typeKey":"UnauthorizedRequestException","eventId":3000}"#,
            ),
            Self::ExpiredPat => answer(
                401,
                "text/html",
                "<title>Access Denied: the PAT has expired</title>",
            ),
            Self::MissingScope => bare(401).body(Body::empty()).unwrap(),
            Self::SignIn => answer(203, "text/html; charset=utf-8", sign_in),
            Self::Redirect => bare(302)
                .header(
                    "location",
                    "https://spsprodeus.vssps.visualstudio.com/_signin?realm=dev.azure.com",
                )
                .header("content-type", "text/html")
                .body("<h2>Object moved</h2>".into())
                .unwrap(),
            Self::Html => answer(200, "text/html", sign_in),
            Self::GatewayPage => answer(404, "text/html", "<h1>404 Not Found</h1><hr>gateway"),
            Self::Status(status, retry_after) => {
                let mut response = answer(
                    *status,
                    "application/json",
                    r#"{"message":"TF400733: no","typeKey":"SomeException"}"#,
                );
                if let Some(wait) = retry_after {
                    response
                        .headers_mut()
                        .insert("retry-after", wait.parse().unwrap());
                }
                response
            }
            Self::RetryAfterOnSuccess(wait) => return Outcome::Changed("retry-after", wait),
            Self::SameContinuation => return Outcome::Changed("x-ms-continuationtoken", "0"),
            Self::WrongContentType => return Outcome::Changed("content-type", "text/plain"),
            Self::Late(wait, then) => return Outcome::Late(*wait, Fault::clone(then)),
            Self::Hang => return Outcome::NoAnswer,
            Self::Reset => return Outcome::Broken,
            Self::HalfJson => answer(200, "application/json", r#"{"count":1,"value":[{"id":"#),
            Self::CutOff => bare(200)
                .header("content-type", "application/json")
                .header("content-length", "1000")
                .body(Body::from_stream(stream::iter([
                    Ok(Bytes::from_static(b"{\"count\":")),
                    Err(io::Error::other("cut off")),
                ])))
                .unwrap(),
            Self::Huge(bytes) => huge(*bytes),
            Self::Bomb(bytes) => bomb(*bytes),
            Self::InvalidUtf8 => bare(200)
                .header("content-type", "application/json")
                .body(Body::from(&b"{\"value\":\"\xff\"}"[..]))
                .unwrap(),
            Self::Trickle => bare(200)
                .header("content-type", "application/json")
                .body(Body::from_stream(stream::unfold((), async |()| {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Some((Ok::<_, io::Error>(Bytes::from_static(b" ")), ()))
                })))
                .unwrap(),
            Self::WrongShape => answer(200, "application/json", r#"{"value":7,"authenticatedUser":[]}"#),
            Self::NoContent => bare(204).body(Body::empty()).unwrap(),
            Self::TooManyResults => answer(
                400,
                "application/json",
                r#"{"message":"VS402337","typeKey":"WorkItemTrackingQueryResultSizeLimitExceededException"}"#,
            ),
            Self::NoSuchField => answer(
                400,
                "application/json",
                r#"{"message":"TF51535","typeKey":"WorkItemTrackingFieldDefinitionNotFoundException"}"#,
            ),
            Self::RuleViolation(field) => rule_violation(field, "required, invalidEmpty"),
            Self::Applied(then) => return then.outcome(),
            Self::Nothing | Self::HumanEdit(_) | Self::HumanAdds(_) | Self::HumanCloses => {
                return Outcome::Right;
            }
        })
    }
}

fn bare(status: u16) -> axum::http::response::Builder {
    Response::builder().status(StatusCode::from_u16(status).unwrap())
}

fn answer(status: u16, content_type: &str, body: &'static str) -> Response<Body> {
    bare(status)
        .header("content-type", content_type)
        .body(body.into())
        .unwrap()
}

fn bomb(bytes: usize) -> Response<Body> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    io::copy(&mut io::repeat(b' ').take(bytes as u64), &mut gzip).unwrap();
    gzip.write_all(br#"{"count":0,"value":[]}"#).unwrap();
    bare(200)
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body(gzip.finish().unwrap().into())
        .unwrap()
}

/// A JSON text in which white space makes up the size.
fn huge(bytes: usize) -> Response<Body> {
    const CHUNK: usize = 64 << 10;
    let blanks = Bytes::from(vec![b' '; CHUNK]);
    let mut chunks = vec![blanks; bytes.div_ceil(CHUNK)];
    chunks.push(Bytes::from_static(br#"{"count":0,"value":[]}"#));
    bare(200)
        .header("content-type", "application/json")
        .body(Body::from_stream(stream::iter(
            chunks.into_iter().map(Ok::<_, io::Error>),
        )))
        .unwrap()
}
