//! What the fake answers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, Request, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use super::Shared;
use super::fault::{Fault, Outcome};
use super::place::{Place, percent_decode};
use super::versions::{self, LIST_VERSIONS, Server};
use super::world::{Org, Person, Seen, World};
use super::{planning, work_items};

/// Projects a page at the most, whatever `$top` asks for.
const PAGE: usize = 100;
const ANONYMOUS: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";

/// Counts a request as long as it is being answered.
struct Busy(Arc<Shared>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

pub async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, io::Error> {
    shared.busy.fetch_add(1, Ordering::SeqCst);
    let busy = Busy(Arc::clone(&shared));
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let request = Request::from_parts(parts, body);
    let (outcome, held, delay) = {
        let mut world = shared.world();
        let token = token(request.headers());
        let delay = token.and_then(|(_, token)| world.token_delays.get(&token).copied());
        if let Some(nome) = version_question(&request) {
            let held = world
                .orgs
                .get(&nome)
                .and_then(|org| org.held.get(LIST_VERSIONS))
                .cloned();
            (versions::tell(&mut world, &nome, &request), held, delay)
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
        // Ends with an error when the sender goes.
        while held.changed().await.is_ok() {}
    }
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
    let answered = deliver(shared, request, outcome).await;
    drop(busy);
    answered
}

/// Answers as the outcome says, and no sooner.
async fn deliver(
    shared: Arc<Shared>,
    request: Request<Bytes>,
    outcome: Outcome,
) -> Result<Response<Body>, io::Error> {
    match outcome {
        Outcome::Answer(response) => Ok(response),
        Outcome::Right | Outcome::Changed(..) => unreachable!("carry_out() has applied it"),
        // Ends when the client goes away and hyper drops this.
        Outcome::NoAnswer => std::future::pending().await,
        Outcome::Broken => Err(io::Error::other("reset")),
        Outcome::After(wait, outcome) => {
            sleep(wait).await;
            Box::pin(deliver(shared, request, *outcome)).await
        }
        Outcome::Late(wait, fault) => {
            // A client that goes away meanwhile does not take its request back.
            let late = tokio::spawn(carry_out_late(Arc::clone(&shared), request.clone(), wait, fault));
            let outcome = late.await.unwrap();
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
    let place = Place::of(&request);
    let restores = |world: &World| world.orgs.get(&place.org).map(|org| org.restores);
    let before = restores(&shared.world());
    shared.late.fetch_add(1, Ordering::SeqCst);
    sleep(wait).await;
    let mut world = shared.world();
    let outcome = if restores(&world) == before {
        carry_out(&mut world, &place, &request, Some(fault))
    } else {
        Outcome::Broken
    };
    shared.late.fetch_sub(1, Ordering::SeqCst);
    outcome
}

/// The organisation that is asked for its versions.
fn version_question(request: &Request<Bytes>) -> Option<String> {
    let path = request.uri().path().trim_matches('/');
    let path = path.strip_prefix("vssps/").unwrap_or(path);
    let nome = path.strip_suffix("/_apis").filter(|nome| !nome.contains('/'))?;
    (request.method() == Method::OPTIONS).then(|| percent_decode(nome))
}

/// Changes the work item that a request is about to write, as people do in the web portal.
fn people_are_faster(org: &mut Org, fault: &Fault, segments: &[&str]) {
    let Some(id) = segments.last().and_then(|id| id.parse().ok()) else {
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

/// Notes a request and carries it out, with the fault that it meets.
fn answer(world: &mut World, request: &Request<Bytes>) -> Outcome {
    let place = Place::of(request);
    if place.org.is_empty() {
        return not_found();
    }
    note(world, &place, request);
    let token = token(request.headers());
    let fault = token.as_ref().and_then(|(_, token)| {
        let fault_at = |operation: &str| world.token_faults.get(&(token.clone(), operation.to_owned()));
        fault_at(place.operation).or_else(|| fault_at("*")).cloned()
    });
    let Some(org) = world.orgs.get_mut(&place.org) else {
        return not_found();
    };
    let fault = fault.or_else(|| take_fault(org, place.operation));
    carry_out(world, &place, request, fault)
}

fn note(world: &mut World, place: &Place, request: &Request<Bytes>) {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .map(|v| v.to_str().unwrap().to_owned())
    };
    world.seen.push(Seen {
        org: place.org.clone(),
        operation: place.operation,
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        authorization: header("authorization"),
        user_agent: header("user-agent").unwrap_or_default(),
        suppress: header("x-tfs-fedauthredirect").as_deref() == Some("Suppress"),
        traceparent: header("traceparent"),
    });
}

/// Carries out the request, unless the fault prevents it.
fn carry_out(world: &mut World, place: &Place, request: &Request<Bytes>, fault: Option<Fault>) -> Outcome {
    let token = token(request.headers());
    let person = person(world, &place.org, token.as_ref());
    let server = world.server;
    let Some(org) = world.orgs.get_mut(&place.org) else {
        return not_found();
    };
    let segments: Vec<&str> = place.segments.iter().map(String::as_str).collect();
    let fault = fault.unwrap_or(Fault::Nothing);
    people_are_faster(org, &fault, &segments);
    let query = request.uri().query().unwrap_or_default();
    let mut right = || {
        respond(
            server,
            org,
            person.as_ref(),
            place.operation,
            &segments,
            query,
            request,
        )
    };
    match fault {
        Fault::Applied(then) => told_as(&then, right()),
        fault => match fault.outcome() {
            Outcome::Right | Outcome::Changed(..) => told_as(&fault, right()),
            outcome => outcome,
        },
    }
}

/// The answer to what was done, as the fault lets it through.
fn told_as(fault: &Fault, mut response: Response<Body>) -> Outcome {
    match fault.outcome() {
        Outcome::Right => Outcome::Answer(response),
        Outcome::Changed(header, value) => {
            response.headers_mut().insert(header, value.parse().unwrap());
            Outcome::Answer(response)
        }
        Outcome::Late(wait, then) => Outcome::After(wait, Box::new(told_as(&then, response))),
        outcome => outcome,
    }
}

/// The active member of an organisation behind a token.
pub fn person(world: &World, nome: &str, token: Option<&(bool, String)>) -> Option<Person> {
    let ids = match token? {
        (true, token) => vec![world.pats.get(token), world.aliases.get(token)],
        (false, token) => vec![world.access_tokens.get(token)],
    };
    let mut people = world.orgs.get(nome)?.people.iter();
    people
        .find(|person| person.active && ids.contains(&Some(&person.id)))
        .cloned()
}

pub fn take_fault(org: &mut Org, operation: &str) -> Option<Fault> {
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

/// Whether it came as a PAT, and the token.
pub fn token(headers: &HeaderMap) -> Option<(bool, String)> {
    let (scheme, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if scheme == "Bearer" {
        return Some((false, rest.to_owned()));
    }
    let decoded = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    Some((true, decoded.split_once(':')?.1.to_owned()))
}

fn respond(
    server: Server,
    org: &mut Org,
    person: Option<&Person>,
    operation: &str,
    segments: &[&str],
    query: &str,
    request: &Request<Bytes>,
) -> Response<Body> {
    let parameter = |name: &str| {
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    if person.is_none() && !(org.public && matches!(operation, "connection_data" | "list_projects")) {
        return match Fault::Unauthorized.outcome() {
            Outcome::Answer(response) => response,
            _ => unreachable!(),
        };
    }
    let version = parameter("api-version").unwrap_or_default();
    if let Some(objection) = server.objection(operation, request.method(), &version) {
        return objection;
    }
    let by = person.map_or(Uuid::nil(), |person| person.id);
    match operation {
        "connection_data" => connection_data(org.instance_id, person),
        "list_projects" => list_projects(org, person, parameter("continuationToken")),
        "read_project" if parameter("includeCapabilities").is_some() => {
            planning::project_settings(org, segments[2])
        }
        "read_project" => read_project(org, segments[2]),
        "list_teams" => {
            let skip = parameter("$skip").map_or(0, |skip| skip.parse().unwrap());
            let mine = parameter("$mine").as_deref() == Some("true");
            planning::teams(org, person.unwrap(), segments[2], mine, skip)
        }
        "list_team_members" => planning::members(org, segments[4]),
        "list_iterations" => planning::iterations(org, &segments[..segments.len() - 4]),
        "list_iteration_work_items" => {
            let place = &segments[..segments.len() - 6];
            planning::iteration_items(org, place, segments[segments.len() - 2])
        }
        "read_team_areas" => planning::areas(org, &segments[..segments.len() - 4]),
        "query_work_items" => {
            let project = (segments.len() == 4).then(|| segments[0]);
            work_items::query(org, project, parameter("$top"), request.body())
        }
        "list_revisions" => {
            let number = |name: &str| parameter(name).map_or(0, |text| text.parse().unwrap());
            work_items::revisions(org, by, segments[3], number("$top"), number("$skip"))
        }
        "list_types" => work_items::types(org),
        "read_type" => work_items::one_type(org, segments[4]),
        "list_type_states" => work_items::type_states(org, segments[4]),
        "list_process_states" => work_items::process_states(org, segments[3], segments[5]),
        "read_icon" => Response::builder()
            .header("content-type", "image/svg+xml; api-version=7.1")
            .body(Body::from(format!("<svg id=\"{}\"/>", segments[3])))
            .unwrap(),
        "read_work_item" => work_items::read(org, by, segments[3], parameter("fields").as_deref()),
        "read_work_items" => work_items::batch(org, by, request.body()),
        "read_revision" => work_items::revision(org, by, segments[3], segments[5]),
        "update_work_item" | "validate_work_item" => {
            let content_type = request.headers().get("content-type").unwrap().to_str().unwrap();
            let by = person.filter(|_| operation == "update_work_item");
            work_items::update(org, by, segments[3], content_type, request.body())
        }
        "read_identity" => {
            let id = parameter("identityIds").and_then(|id| Uuid::parse_str(&id).ok());
            let found = org
                .people
                .iter()
                .find(|person| id.is_some() && [Some(person.id), person.master_id].contains(&id));
            let found = found.map_or(Value::Null, Person::full_identity);
            with_status(200, &json!({ "count": 1, "value": [found] }))
        }
        "read_avatar" => {
            let subject = segments[3];
            let person = org
                .people
                .iter()
                .find(|person| person.subject_descriptor() == subject);
            match person.and_then(|person| person.avatar.as_ref()) {
                Some(image) => with_status(
                    200,
                    &json!({ "isAutoGenerated": false, "value": STANDARD.encode(image) }),
                ),
                None => with_status(404, &json!({ "typeKey": "GraphSubjectNotFoundException" })),
            }
        }
        _ => with_status(404, &json!({ "typeKey": "VssResourceNotFoundException" })),
    }
}

fn connection_data(instance_id: Uuid, person: Option<&Person>) -> Response<Body> {
    let identity = person.map_or_else(
        || json!({ "id": ANONYMOUS, "descriptor": "System:PublicAccess;x", "providerDisplayName": "Anonymous" }),
        Person::identity,
    );
    let body = json!({
        "authenticatedUser": identity, "authorizedUser": identity,
        "instanceId": instance_id, "deploymentType": "hosted"
    });
    with_status(200, &body)
}

fn list_projects(org: &Org, person: Option<&Person>, token: Option<String>) -> Response<Body> {
    let visible: Vec<&Value> = org
        .projects
        .iter()
        .filter(|project| person.is_some() || project.public)
        .map(|project| &project.json)
        .collect();
    let start: usize = token.map_or(0, |token| token.parse().unwrap());
    let end = (start + PAGE).min(visible.len());
    let page = &visible[start..end];
    let mut response = with_status(200, &json!({ "count": page.len(), "value": page }));
    if end < visible.len() {
        let next = end.to_string().parse().unwrap();
        response.headers_mut().insert("x-ms-continuationtoken", next);
    }
    response
}

fn read_project(org: &Org, id_or_name: &str) -> Response<Body> {
    match planning::project_of(org, id_or_name) {
        Some(project) => with_status(200, &project.json),
        None => with_status(404, &json!({ "typeKey": "ProjectDoesNotExistWithNameException" })),
    }
}

pub fn not_found() -> Outcome {
    Outcome::Answer(with_status(
        404,
        &json!({ "message": "The organisation does not exist" }),
    ))
}

/// JSON as the service writes it: with its version in the type, and a byte order mark for good measure.
pub fn with_status(status: u16, body: &Value) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json; charset=utf-8; api-version=7.1")
        .body(Body::from(format!("\u{feff}{body}")))
        .unwrap()
}
