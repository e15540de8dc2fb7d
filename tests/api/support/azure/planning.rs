//! Teams and iterations of the fake.

use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use super::routes::with_status;
use super::world::{Org, Person, Project};

/// Rows a page, whatever `$top` asks for.
const PAGE: usize = 200;

/// A team of a project.
#[derive(Debug, Clone)]
pub struct Team {
    pub id: Uuid,
    pub name: String,
    pub project: Uuid,
    pub members: Vec<Uuid>,
    /// Reference name of the field by which work items are the team's.
    pub field: String,
    /// Values of the field, and whether what is below them counts.
    pub areas: Vec<(String, bool)>,
}

/// An iteration of every team.
#[derive(Debug, Clone)]
pub struct Iteration {
    pub id: Uuid,
    pub name: String,
    pub time_frame: &'static str,
    pub items: Vec<i32>,
}

pub fn project_of<'a>(org: &'a Org, id_or_name: &str) -> Option<&'a Project> {
    org.projects.iter().find(|project| {
        let name = project.json["name"].as_str().unwrap();
        name.eq_ignore_ascii_case(id_or_name) || project.id.to_string() == id_or_name.to_lowercase()
    })
}

fn missing() -> Response<Body> {
    with_status(404, &json!({ "typeKey": "ProjectDoesNotExistWithNameException" }))
}

fn team_of<'a>(org: &'a Org, text: &str) -> Option<&'a Team> {
    org.teams
        .iter()
        .find(|team| team.name == text || team.id.to_string() == text.to_lowercase())
}

pub fn project_settings(org: &Org, project: &str) -> Response<Body> {
    let Some(project) = project_of(org, project) else {
        return missing();
    };
    let mut json = project.json.clone();
    if let Some(team) = org.teams.iter().find(|team| team.project == project.id) {
        json["defaultTeam"] = json!({ "id": team.id, "name": team.name });
    }
    json["capabilities"] =
        json!({ "processTemplate": { "templateName": "Agile", "templateTypeId": "agile-id" } });
    with_status(200, &json)
}

pub fn teams(org: &Org, person: &Person, project: &str, mine: bool, skip: usize) -> Response<Body> {
    let Some(project) = project_of(org, project) else {
        return missing();
    };
    let value: Vec<Value> = org
        .teams
        .iter()
        .filter(|team| team.project == project.id && (!mine || team.members.contains(&person.id)))
        .skip(skip)
        .take(PAGE)
        .map(|team| {
            json!({
                "id": team.id, "name": team.name, "url": "u", "description": "", "identityUrl": "i",
                "projectName": project.json["name"], "projectId": project.id
            })
        })
        .collect();
    with_status(200, &json!({ "count": value.len(), "value": value }))
}

pub fn members(org: &Org, team: &str) -> Response<Body> {
    let Some(team) = team_of(org, team) else {
        return missing();
    };
    let value: Vec<Value> = team
        .members
        .iter()
        .map(|id| json!({ "identity": { "id": id, "displayName": "x" } }))
        .collect();
    with_status(200, &json!({ "count": value.len(), "value": value }))
}

/// `[project]` or `[project, team]` must be there.
pub fn knows_place(org: &Org, place: &[&str]) -> bool {
    project_of(org, place[0]).is_some() && place.get(1).is_none_or(|team| team_of(org, team).is_some())
}

pub fn areas(org: &Org, place: &[&str]) -> Response<Body> {
    match place.get(1).and_then(|team| team_of(org, team)) {
        // The one list that is called `values`.
        Some(team) => {
            let value = |(value, below): &(String, bool)| json!({ "value": value, "includeChildren": below });
            let values: Vec<Value> = team.areas.iter().map(value).collect();
            let default = team.areas.first().map(|(value, _)| value);
            let field =
                json!({ "referenceName": team.field, "url": format!("u/_apis/wit/fields/{}", team.field) });
            let body = json!({
                "field": field, "defaultValue": default, "values": values, "url": "u",
                "_links": { "areaPathClassificationNodes": { "href": "u/classificationNodes/Areas" } }
            });
            with_status(200, &body)
        }
        None => missing(),
    }
}

pub fn iterations(org: &Org, place: &[&str]) -> Response<Body> {
    if !knows_place(org, place) {
        return missing();
    }
    let value: Vec<Value> = org
        .iterations
        .iter()
        .map(|iteration| {
            json!({
                "id": iteration.id, "name": iteration.name, "path": format!("P000\\{}", iteration.name), "url": "u",
                "attributes": {
                    "startDate": "2026-01-19T00:00:00Z", "finishDate": "2026-01-30T00:00:00Z",
                    "timeFrame": iteration.time_frame
                }
            })
        })
        .collect();
    with_status(200, &json!({ "count": value.len(), "value": value }))
}

pub fn iteration_items(org: &Org, place: &[&str], id: &str) -> Response<Body> {
    let found = org
        .iterations
        .iter()
        .find(|iteration| iteration.id.to_string() == id);
    let Some(iteration) = found.filter(|_| knows_place(org, place)) else {
        return with_status(404, &json!({ "typeKey": "IterationNotFoundException" }));
    };
    let relations: Vec<Value> = iteration
        .items
        .iter()
        .map(|id| json!({ "rel": null, "source": null, "target": { "id": id, "url": "u" } }))
        .collect();
    with_status(
        200,
        &json!({ "workItemRelations": relations, "url": "u", "_links": {} }),
    )
}
