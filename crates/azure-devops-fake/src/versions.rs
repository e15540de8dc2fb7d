//! API versions: the simulated server, the versions that it lists and those that it rejects.

use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use serde_json::{Value, json};

use crate::exchange::{person, take_fault, token};
use crate::fault::{Fault, Outcome};
use crate::reply::{error, list, no_organization};
use crate::world::World;

/// Name of the operation that lists the versions, for faults.
pub(crate) const LIST_VERSIONS: &str = "list_versions";

/// Server versions that the fake can simulate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Server {
    /// Team Foundation Server 2018: API 4.1.
    V2018,
    /// Azure DevOps Server 2019.1: API 5.1.
    V2019,
    /// Azure DevOps Server 2020: API 6.0, 6.1 is a preview.
    V2020,
    /// Azure DevOps Server 2022: API 7.0.
    V2022,
    /// Azure DevOps Server 2022.2: API 7.1.
    V2022Update2,
    /// Azure DevOps Services: API 7.1, 7.2 is a preview.
    #[default]
    Hosted,
}

/// Major and minor version; `(7, 1)` is 7.1.
type Version = (u32, u32);

/// Operations with the area, name and id of their resource.
const PLACES: [(&[&str], &str, &str, &str); 17] = [
    (
        &["connection_data"],
        "Location",
        "ConnectionData",
        "00D9565F-ED9C-4A06-9A50-00E7896CCAB4",
    ),
    (
        &["read_identity"],
        "IMS",
        "Identities",
        "28010c54-d0c0-4c89-a5b0-1c9e188b9fb7",
    ),
    (
        &["read_avatar"],
        "Graph",
        "Avatars",
        "801eaf9c-0585-4be8-9cdb-b0efa074de91",
    ),
    (
        &["list_projects", "read_project"],
        "core",
        "projects",
        "603fe2ac-9723-48b9-88ad-09305aa6c6e1",
    ),
    (
        &["list_teams"],
        "core",
        "teams",
        "d30a3dd1-f8ba-442a-b86a-bd0c0c383e59",
    ),
    (
        &["list_team_members"],
        "core",
        "members",
        "294c494c-2600-4d7e-b76c-3dd50c3c95be",
    ),
    (
        &["read_work_item", "update_work_item", "validate_work_item"],
        "wit",
        "workItems",
        "72c7ddf8-2cdc-4f60-90cd-ab71c14a399b",
    ),
    (
        &["read_work_items"],
        "wit",
        "workItemsBatch",
        "908509b6-4248-4475-a1cd-829139ba419f",
    ),
    (
        &["read_revision", "list_revisions"],
        "wit",
        "revisions",
        "a00c85a5-80fa-4565-99c3-bcd2181434bb",
    ),
    (
        &["list_types", "read_type"],
        "wit",
        "workItemTypes",
        "7c8d7a76-4a09-43e8-b5df-bd792f4ac6aa",
    ),
    (
        &["list_type_states"],
        "wit",
        "states",
        "7c9d7a76-4a09-43e8-b5df-bd792f4ac6aa",
    ),
    (
        &["read_icon"],
        "wit",
        "workItemIcons",
        "4e1eb4a5-1970-4228-a682-ec48eb2dca30",
    ),
    (
        &["query_work_items"],
        "wit",
        "wiql",
        "1a9c53f7-f243-4447-b110-35ef023636e4",
    ),
    (
        &["list_process_states"],
        "processes",
        "states",
        "31015d57-2dff-4a46-adb3-2fb4ee3dcec9",
    ),
    (
        &["list_iterations"],
        "work",
        "iterations",
        "c9175577-28a1-4b06-9197-8636af9f64ad",
    ),
    (
        &["list_iteration_work_items"],
        "work",
        "workitems",
        "5b3ef1a6-d3ab-44cd-bafd-c7f45db850fa",
    ),
    (
        &["read_team_areas"],
        "work",
        "teamfieldvalues",
        "07ced576-58ed-49e6-9c1e-5cb53ab8bf2a",
    ),
];

impl Server {
    fn released(self) -> Version {
        match self {
            Self::V2018 => (4, 1),
            Self::V2019 => (5, 1),
            Self::V2020 => (6, 0),
            Self::V2022 => (7, 0),
            Self::V2022Update2 | Self::Hosted => (7, 1),
        }
    }

    fn highest(self) -> Version {
        match self {
            Self::V2020 => (6, 1),
            Self::Hosted => (7, 2),
            _ => self.released(),
        }
    }

    /// Returns the highest released version of an operation. Returns `None` if all its versions are previews.
    fn released_of(self, operation: &str) -> Option<Version> {
        let always_preview = matches!(operation, "connection_data" | "read_avatar");
        let preview_below_7 = matches!(
            operation,
            "list_iteration_work_items" | "list_process_states" | "list_type_states"
        );
        let released = self.released();
        let preview = always_preview || preview_below_7 && released < (7, 0);
        (!preview).then_some(released)
    }

    /// Returns `true` for Azure DevOps Server, which has no Graph and lists its versions only to members.
    fn is_own(self) -> bool {
        self != Self::Hosted
    }

    fn has(self, operation: &str) -> bool {
        !(self.is_own() && operation == "read_avatar")
    }

    /// Returns the error response for the version of a request. Returns `None` if the server accepts the
    /// version.
    pub(crate) fn objection(self, operation: &str, version: &str) -> Option<Response<Body>> {
        if !self.has(operation) {
            return Some(no_resource());
        }
        let (number, preview) = match version.split_once("-preview") {
            Some((number, _)) => (number, true),
            None => (version, false),
        };
        let Some(requested) = parse(number) else {
            // Azure DevOps accepts a read without a version; the fake requires one in every call.
            return Some(refusal("VssVersionNotSpecifiedException", version, self));
        };
        if requested > self.highest() {
            return Some(refusal("VssVersionOutOfRangeException", number, self));
        }
        let released = self
            .released_of(operation)
            .is_some_and(|released| requested <= released);
        (released == preview).then(|| refusal("VssInvalidPreviewVersionException", version, self))
    }

    /// Returns the response to `OPTIONS _apis`.
    fn locations(self) -> Response<Body> {
        let known = PLACES.iter().filter(|(operations, ..)| self.has(operations[0]));
        let value: Vec<Value> = known
            .map(|(operations, area, name, id)| {
                json!({
                    "id": id, "area": area, "resourceName": name,
                    "routeTemplate": "{project}/_apis/{area}/{resource}", "resourceVersion": 1,
                    "minVersion": "1.0", "maxVersion": text(self.highest()),
                    "releasedVersion": text(self.released_of(operations[0]).unwrap_or_default())
                })
            })
            // Another, older resource with the same area and name.
            .chain([json!({
                "id": "62d3d110-0047-428c-ad3c-4fe872c91c74", "area": "wit", "resourceName": "workItems",
                "routeTemplate": "{project}/_apis/{area}/{resource}/${type}", "resourceVersion": 3,
                "minVersion": "1.0", "maxVersion": "1.0", "releasedVersion": "1.0"
            })])
            .collect();
        list(&value)
    }
}

/// Responds with the list of API versions. The request is not recorded with the other requests.
pub(crate) fn answer_versions(world: &mut World, org: &str, request: &Request<Bytes>) -> Outcome {
    let token = token(request.headers());
    world
        .version_questions
        .push(token.as_ref().map(|(_, token)| token.clone()));
    let server = world.server;
    let fault = world.orgs.get_mut(org).and_then(|org| {
        let known = org.faults.contains_key(LIST_VERSIONS);
        known.then(|| take_fault(org, LIST_VERSIONS)).flatten()
    });
    if let Some(fault) = fault {
        return fault.outcome();
    }
    if !world.orgs.contains_key(org) {
        return Outcome::Respond(no_organization());
    }
    if server.is_own() && person(world, org, token.as_ref()).is_none() {
        return Fault::Unauthorized.outcome();
    }
    Outcome::Respond(server.locations())
}

/// Returns the response for a resource that the server does not have.
pub(crate) fn no_resource() -> Response<Body> {
    error(404, "VssResourceNotFoundException", "The resource does not exist")
}

fn refusal(type_key: &str, version: &str, server: Server) -> Response<Body> {
    let latest = text(server.highest());
    let message = format!(
        "The requested REST API version of {version} is out of range for this server. \
         The latest REST API version this server supports is {latest}."
    );
    error(400, type_key, &message)
}

fn parse(text: &str) -> Option<Version> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn text((major, minor): Version) -> String {
    format!("{major}.{minor}")
}
