//! Responses of each operation to requests without a fault.

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Request, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fault::Fault;
use crate::reply::{FakeResponse, Malformed, error, list, parsed, plain, with_status};
use crate::versions::{Server, no_resource};
use crate::work_items::{query, reads, types, update};
use crate::world::{Org, Person};
use crate::{fault, planning};

/// Maximum number of projects in a page, regardless of `$top`.
const PAGE: usize = 100;
const ANONYMOUS: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";

/// Parts of a request that determine its response.
pub(crate) struct Call<'a> {
    pub(crate) server: Server,
    /// Owner of the token.
    pub(crate) person: Option<&'a Person>,
    pub(crate) operation: &'a str,
    /// Path below the organisation.
    pub(crate) segments: &'a [&'a str],
    pub(crate) request: &'a Request<Bytes>,
}

impl Call<'_> {
    fn parameter(&self, name: &str) -> Option<String> {
        let query = self.request.uri().query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// Returns a number of the query, or 0 if the query lacks it.
    fn number(&self, name: &str) -> Result<usize, Malformed> {
        self.parameter(name).map_or(Ok(0), |text| parsed(&text))
    }

    /// Returns the path segments without the last `count`.
    fn place(&self, count: usize) -> &[&str] {
        &self.segments[..self.segments.len() - count]
    }

    fn by(&self) -> Uuid {
        self.person.map_or(Uuid::nil(), |person| person.id)
    }
}

/// Responds to a request of a member, or to any request to a public organisation.
pub(crate) fn respond(org: &mut Org, call: &Call<'_>) -> Response<Body> {
    let open = org.public && matches!(call.operation, "connection_data" | "list_projects");
    if call.person.is_none() && !open {
        return match Fault::Unauthorized.outcome() {
            fault::Outcome::Respond(response) => response,
            _ => unreachable!("401 is an answer"),
        };
    }
    let version = call.parameter("api-version").unwrap_or_default();
    if let Some(objection) = call.server.objection(call.operation, &version) {
        return objection;
    }
    answer(org, call).unwrap_or_else(Malformed::into_response)
}

fn answer(org: &mut Org, call: &Call<'_>) -> FakeResponse {
    let segments = call.segments;
    Ok(match call.operation {
        "connection_data" => connection_data(org.instance_id, call.person),
        "list_projects" => list_projects(org, call)?,
        "read_project" if call.parameter("includeCapabilities").is_some() => {
            planning::project_settings(org, segments[2])
        }
        "read_project" => planning::project(org, segments[2]),
        "list_teams" => {
            let mine = call.parameter("$mine").as_deref() == Some("true");
            planning::teams(org, call.by(), segments[2], mine, call.number("$skip")?)
        }
        "list_team_members" => planning::members(org, segments[4]),
        "list_iterations" => planning::iterations(org, call.place(4)),
        "list_iteration_work_items" => {
            planning::iteration_items(org, call.place(6), segments[segments.len() - 2])
        }
        "read_team_areas" => planning::areas(org, call.place(4)),
        "read_identity" => read_identity(org, call),
        "read_avatar" => read_avatar(org, segments[3]),
        _ => return work_items(org, call),
    })
}

fn work_items(org: &mut Org, call: &Call<'_>) -> FakeResponse {
    let (by, segments, body) = (call.by(), call.segments, call.request.body());
    match call.operation {
        "query_work_items" => {
            let project = (segments.len() == 4).then(|| segments[0]);
            let top = call.parameter("$top").map(|top| parsed(&top)).transpose()?;
            query::query(org, project, top.unwrap_or(usize::MAX), body)
        }
        "list_revisions" => {
            reads::revisions(org, by, segments[3], call.number("$top")?, call.number("$skip")?)
        }
        "list_types" => Ok(types::list_types(org, segments[0])),
        "read_type" => Ok(types::one_type(org, segments[0], segments[4])),
        "list_type_states" => Ok(types::type_states(org, segments[0], segments[4])),
        "list_process_states" => Ok(types::process_states(org, segments[3], segments[5])),
        "read_icon" => Ok(plain(
            200,
            "image/svg+xml; api-version=7.1",
            icon(segments[3], &call.parameter("color").unwrap_or_default()),
        )),
        "read_work_item" => reads::read(org, by, segments[3], call.parameter("fields").as_deref()),
        "read_work_items" => reads::batch(org, by, body),
        "read_revision" => reads::revision(org, by, segments[3], segments[5]),
        "update_work_item" | "validate_work_item" => {
            let content_type = call.request.headers().get(CONTENT_TYPE);
            let content_type = content_type.and_then(|value| value.to_str().ok());
            let by = call.person.filter(|_| call.operation == "update_work_item");
            update::update(org, by, segments[3], content_type.unwrap_or_default(), body)
        }
        _ => Ok(no_resource()),
    }
}

/// Returns a picture of a type: a rounded square in its colour.
fn icon(id: &str, color: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" id=\"{id}\" viewBox=\"0 0 16 16\">\
         <rect x=\"2\" y=\"2\" width=\"12\" height=\"12\" rx=\"3\" fill=\"#{color}\"/></svg>"
    )
}

fn connection_data(instance_id: Uuid, person: Option<&Person>) -> Response<Body> {
    let identity = person.map_or_else(
        || json!({ "id": ANONYMOUS, "descriptor": "System:PublicAccess;x", "providerDisplayName": "Anonymous" }),
        Person::identity,
    );
    let body = json!({
        "authenticatedUser": identity, "authorizedUser": identity,
        "instanceId": instance_id, "deploymentId": Uuid::nil(), "deploymentType": "hosted",
        "locationServiceData": {
            "serviceOwner": Uuid::nil(), "defaultAccessMappingMoniker": "PublicAccessMapping",
            "lastChangeId": 1, "lastChangeId64": 1
        }
    });
    with_status(200, &body)
}

fn list_projects(org: &Org, call: &Call<'_>) -> FakeResponse {
    let visible: Vec<&Value> = org
        .projects
        .iter()
        .filter(|project| call.person.is_some() || project.public)
        .map(|project| &project.json)
        .collect();
    let start = call.number("continuationToken")?.min(visible.len());
    let end = (start + PAGE).min(visible.len());
    let page = &visible[start..end];
    let mut response = with_status(200, &json!({ "count": page.len(), "value": page }));
    if end < visible.len() {
        let headers = response.headers_mut();
        headers.insert("x-ms-continuationtoken", HeaderValue::from(end));
    }
    Ok(response)
}

/// Responds with the person who has this id in the organisation, or as the id shared by organisations.
fn read_identity(org: &Org, call: &Call<'_>) -> Response<Body> {
    let id = call.parameter("identityIds");
    let id = id.and_then(|id| Uuid::parse_str(&id).ok());
    let found = org
        .people
        .iter()
        .find(|person| id.is_some() && [Some(person.id), person.master_id].contains(&id));
    list(&[found.map_or(Value::Null, Person::full_identity)])
}

fn read_avatar(org: &Org, subject: &str) -> Response<Body> {
    let person = org
        .people
        .iter()
        .find(|person| person.subject_descriptor() == subject);
    match person.and_then(|person| person.avatar.as_ref()) {
        Some(image) => {
            let image = STANDARD.encode(image);
            with_status(200, &json!({ "isAutoGenerated": false, "value": image }))
        }
        None => error(404, "GraphSubjectNotFoundException", "The subject has no avatar"),
    }
}
