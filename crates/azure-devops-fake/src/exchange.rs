//! Processing of one request: records it, executes it with its fault, and delivers the outcome.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::sleep;

use crate::fake::Shared;
use crate::fault::{Fault, Outcome};
use crate::path::{RequestPath, percent_decode};
use crate::reply::no_organization;
use crate::responses::{self, Call};
use crate::versions::{self, LIST_VERSIONS};
use crate::world::{Org, Person, Seen, World};

/// Maximum number of recorded requests; the older half is forgotten then.
const MOST_SEEN: usize = 200_000;

/// Counts a request as being handled until dropped.
struct Busy(Arc<Shared>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Handles one request. An error resets the connection.
pub(crate) async fn handle(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Body>, io::Error> {
    shared.busy.fetch_add(1, Ordering::SeqCst);
    let busy = Busy(Arc::clone(&shared));
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let request = Request::from_parts(parts, body);
    let (outcome, held, delay) = {
        let mut world = shared.world();
        let token = token(request.headers());
        let delay = token.and_then(|(_, token)| world.token_delays.get(&token).copied());
        if let Some(name) = version_question(&request) {
            let held = world
                .orgs
                .get(&name)
                .and_then(|org| org.held.get(LIST_VERSIONS))
                .cloned();
            (
                versions::answer_versions(&mut world, &name, &request),
                held,
                delay,
            )
        } else {
            let outcome = answer(&mut world, &request);
            let held = world.seen.last().and_then(|seen| {
                let held = &world.orgs.get(&seen.org)?.held;
                held.get(seen.operation).or_else(|| held.get("*")).cloned()
            });
            (outcome, held, delay)
        }
    };
    if let Some(mut held) = held {
        // The loop ends with an error when the sender is dropped.
        while held.changed().await.is_ok() {}
    }
    if let Some(delay) = delay {
        sleep(delay).await;
    }
    let answered = deliver(shared, request, outcome).await;
    drop(busy);
    answered
}

/// Delivers the outcome as a response, after its delay.
async fn deliver(
    shared: Arc<Shared>,
    request: Request<Bytes>,
    outcome: Outcome,
) -> Result<Response<Body>, io::Error> {
    match outcome {
        Outcome::Respond(response) => Ok(response),
        Outcome::Right | Outcome::Changed(..) => unreachable!("carry_out() has applied it"),
        // Ends when the client disconnects and hyper drops this future.
        Outcome::NoAnswer => std::future::pending().await,
        Outcome::Broken => Err(io::Error::other("reset")),
        Outcome::After(wait, outcome) => {
            sleep(wait).await;
            Box::pin(deliver(shared, request, *outcome)).await
        }
        Outcome::Late(wait, fault) => {
            // A disconnected client does not cancel its request.
            let late = tokio::spawn(carry_out_late(Arc::clone(&shared), request.clone(), wait, fault));
            let outcome = late.await.unwrap_or(Outcome::Broken);
            Box::pin(deliver(shared, request, outcome)).await
        }
    }
}

async fn carry_out_late(
    shared: Arc<Shared>,
    request: Request<Bytes>,
    wait: Duration,
    fault: Fault,
) -> Outcome {
    let path = RequestPath::of(&request);
    let restores = |world: &World| world.orgs.get(&path.org).map(|org| org.restores);
    let before = restores(&shared.world());
    shared.late.fetch_add(1, Ordering::SeqCst);
    sleep(wait).await;
    let mut world = shared.world();
    let outcome = if restores(&world) == before {
        carry_out(&mut world, &path, &request, Some(fault))
    } else {
        Outcome::Broken
    };
    shared.late.fetch_sub(1, Ordering::SeqCst);
    outcome
}

/// Returns the organisation if the request lists the API versions. Returns `None` for any other request.
fn version_question(request: &Request<Bytes>) -> Option<String> {
    let path = request.uri().path().trim_matches('/');
    let path = path.strip_prefix("vssps/").unwrap_or(path);
    let name = path.strip_suffix("/_apis").filter(|name| !name.contains('/'))?;
    (request.method() == Method::OPTIONS).then(|| percent_decode(name))
}

/// Changes the work item that a request is about to write, as a person in the web portal does.
fn people_are_faster(org: &mut Org, fault: &Fault, segments: &[&str]) {
    let id = segments.last().and_then(|id| id.parse().ok());
    let Some(id) = id.filter(|id| org.work_items.contains(*id)) else {
        return;
    };
    match fault {
        Fault::HumanEdit(hours) => org.work_items.set_hours(id, "CompletedWork", *hours),
        Fault::HumanAdds(hours) => {
            let before = org.work_items.hours(id, "CompletedWork").unwrap_or_default();
            org.work_items.set_hours(id, "CompletedWork", before + hours);
        }
        Fault::HumanCloses => org.work_items.edit(id, "System.State", "Done".into()),
        _ => {}
    }
}

/// Records a request and executes it with its fault.
fn answer(world: &mut World, request: &Request<Bytes>) -> Outcome {
    let path = RequestPath::of(request);
    if path.org.is_empty() {
        return Outcome::Respond(no_organization());
    }
    record(world, &path, request);
    let token = token(request.headers());
    let fault = token.as_ref().and_then(|(_, token)| {
        let fault_at = |operation: &str| world.token_faults.get(&(token.clone(), operation.to_owned()));
        fault_at(path.operation).or_else(|| fault_at("*")).cloned()
    });
    let Some(org) = world.orgs.get_mut(&path.org) else {
        return Outcome::Respond(no_organization());
    };
    let fault = fault.or_else(|| take_fault(org, path.operation));
    carry_out(world, &path, request, fault)
}

fn record(world: &mut World, path: &RequestPath, request: &Request<Bytes>) {
    let header = |name: &str| {
        let value = request.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    if world.seen.len() >= MOST_SEEN {
        world.seen.drain(..MOST_SEEN / 2);
    }
    world.seen.push(Seen {
        org: path.org.clone(),
        operation: path.operation,
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        authorization: header("authorization"),
        user_agent: header("user-agent").unwrap_or_default(),
        suppress: header("x-tfs-fedauthredirect").as_deref() == Some("Suppress"),
        traceparent: header("traceparent"),
    });
}

/// Executes the request, unless the fault prevents it.
fn carry_out(
    world: &mut World,
    path: &RequestPath,
    request: &Request<Bytes>,
    fault: Option<Fault>,
) -> Outcome {
    let token = token(request.headers());
    let person = person(world, &path.org, token.as_ref());
    let server = world.server;
    let Some(org) = world.orgs.get_mut(&path.org) else {
        return Outcome::Respond(no_organization());
    };
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    let fault = fault.unwrap_or(Fault::Nothing);
    people_are_faster(org, &fault, &segments);
    let call = Call {
        server,
        person: person.as_ref(),
        operation: path.operation,
        segments: &segments,
        request,
    };
    let mut right = || responses::respond(org, &call);
    match fault {
        Fault::Applied(then) => apply_fault(&then, right()),
        fault => match fault.outcome() {
            Outcome::Right | Outcome::Changed(..) => apply_fault(&fault, right()),
            outcome => outcome,
        },
    }
}

/// Returns the outcome of an executed request, as changed by the fault.
fn apply_fault(fault: &Fault, mut response: Response<Body>) -> Outcome {
    match fault.outcome() {
        Outcome::Right => Outcome::Respond(response),
        Outcome::Changed(header, value) => {
            let headers = response.headers_mut();
            headers.insert(header, HeaderValue::from_static(value));
            Outcome::Respond(response)
        }
        Outcome::Late(wait, then) => Outcome::After(wait, Box::new(apply_fault(&then, response))),
        outcome => outcome,
    }
}

/// Returns the active member of an organisation that owns a token. Returns `None` if there is none.
pub(crate) fn person(world: &World, org: &str, token: Option<&(bool, String)>) -> Option<Person> {
    let ids = match token? {
        (true, token) => vec![world.pats.get(token), world.aliases.get(token)],
        (false, token) => vec![world.access_tokens.get(token)],
    };
    let mut people = world.orgs.get(org)?.people.iter();
    people
        .find(|person| person.active && ids.contains(&Some(&person.id)))
        .cloned()
}

/// Consumes one use of the fault of an operation. Returns `None` if the operation has no fault.
pub(crate) fn take_fault(org: &mut Org, operation: &str) -> Option<Fault> {
    let key = if org.faults.contains_key(operation) {
        operation
    } else {
        "*"
    };
    let (fault, times) = org.faults.get_mut(key)?;
    let fault = fault.clone();
    *times -= 1;
    if *times == 0 {
        org.faults.remove(key);
    }
    Some(fault)
}

/// Returns the token of a request, with `true` if it was sent as a PAT.
pub(crate) fn token(headers: &HeaderMap) -> Option<(bool, String)> {
    let (scheme, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if scheme == "Bearer" {
        return Some((false, rest.to_owned()));
    }
    let decoded = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    Some((true, decoded.split_once(':')?.1.to_owned()))
}
