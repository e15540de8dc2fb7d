//! Target of a request to the fake.

use axum::body::Bytes;
use axum::http::{Method, Request};

/// Organisation and operation of a request.
pub(crate) struct RequestPath {
    pub(crate) org: String,
    pub(crate) operation: &'static str,
    /// Path below the organisation.
    pub(crate) segments: Vec<String>,
}

impl RequestPath {
    pub(crate) fn of(request: &Request<Bytes>) -> Self {
        let decoded = percent_decode(request.uri().path());
        let all: Vec<&str> = decoded.split('/').filter(|s| !s.is_empty()).collect();
        let (identity_host, rest) = match all.as_slice() {
            ["vssps", rest @ ..] => (true, rest),
            all => (false, all),
        };
        let (org, segments) = rest.split_first().map_or(("", rest), |(org, rest)| (*org, rest));
        let query = request.uri().query().unwrap_or_default();
        Self {
            org: org.to_owned(),
            operation: operation(identity_host, segments, request.method(), query),
            segments: segments.iter().map(|&segment| segment.to_owned()).collect(),
        }
    }
}

fn operation(identity_host: bool, segments: &[&str], method: &Method, query: &str) -> &'static str {
    match (identity_host, segments) {
        (false, ["_apis", "connectionData"]) => "connection_data",
        (false, ["_apis", "projects"]) => "list_projects",
        (false, ["_apis", "projects", _]) => "read_project",
        (false, ["_apis", "wit", "workitems", _]) if method == Method::PATCH => {
            if query.contains("validateOnly=true") {
                "validate_work_item"
            } else {
                "update_work_item"
            }
        }
        (false, ["_apis", "wit", "workitems", _]) => "read_work_item",
        (false, ["_apis", "wit", "workitemsbatch"]) => "read_work_items",
        (false, ["_apis", "wit", "workItems", _, "revisions", _]) => "read_revision",
        (false, ["_apis", "wit", "workItems", _, "revisions"]) => "list_revisions",
        (false, ["_apis", "wit", "wiql"] | [_, "_apis", "wit", "wiql"]) => "query_work_items",
        (false, ["_apis", "wit", "workitemicons", _]) => "read_icon",
        (false, ["_apis", "work", "processes", _, "workItemTypes", _, "states"]) => "list_process_states",
        (false, ["_apis", "projects", _, "teams"]) => "list_teams",
        (false, ["_apis", "projects", _, "teams", _, "members"]) => "list_team_members",
        (false, [_, "_apis", "wit", "workitemtypes"]) => "list_types",
        (false, [_, "_apis", "wit", "workitemtypes", _]) => "read_type",
        (false, [_, "_apis", "wit", "workitemtypes", _, "states"]) => "list_type_states",
        (false, [.., "_apis", "work", "teamsettings", "iterations"]) => "list_iterations",
        (false, [.., "_apis", "work", "teamsettings", "iterations", _, "workitems"]) => {
            "list_iteration_work_items"
        }
        (false, [.., "_apis", "work", "teamsettings", "teamfieldvalues"]) => "read_team_areas",
        (_, ["_apis", "identities"]) => "read_identity",
        (_, ["_apis", "graph", "Subjects", _, "avatars"]) => "read_avatar",
        _ => "unknown",
    }
}

/// Decodes a path. A plus sign becomes a blank, because no name in the fake contains one.
pub(crate) fn percent_decode(path: &str) -> String {
    let pair = format!("p={path}");
    let mut pairs = form_urlencoded::parse(pair.as_bytes());
    pairs
        .next()
        .map(|(_, path)| path.into_owned())
        .unwrap_or_default()
}
