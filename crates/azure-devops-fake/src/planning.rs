//! Teams and iterations of the fake.

use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::reply::{error, list, no_project, with_status};
use crate::world::{Org, Project};

/// Maximum number of teams in a page, regardless of `$top`.
const PAGE: usize = 200;

/// Team of a project.
#[derive(Debug, Clone)]
pub(crate) struct Team {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) project: Uuid,
    pub(crate) members: Vec<Uuid>,
    /// Reference name of the field that assigns work items to the team.
    pub(crate) field: String,
    /// Values of the field, each with `true` if descendants of the value are included.
    pub(crate) areas: Vec<(String, bool)>,
}

/// Describes an iteration of all teams of a project.
#[derive(Debug, Clone)]
pub(crate) struct Iteration {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) time_frame: &'static str,
    /// First and last day, `yyyy-mm-dd`.
    pub(crate) days: (String, String),
    /// Project that has the iteration; `None`: each has.
    pub(crate) project: Option<Uuid>,
    pub(crate) items: Vec<i32>,
}

/// Finds a project by id or name, without regard to case. Returns `None` if it does not exist.
pub(crate) fn project_of<'a>(org: &'a Org, id_or_name: &str) -> Option<&'a Project> {
    org.projects.iter().find(|project| {
        project.name().eq_ignore_ascii_case(id_or_name) || project.id.to_string() == id_or_name.to_lowercase()
    })
}

fn team_of<'a>(org: &'a Org, text: &str) -> Option<&'a Team> {
    org.teams
        .iter()
        .find(|team| team.name == text || team.id.to_string() == text.to_lowercase())
}

/// Responds with a project and its capabilities.
pub(crate) fn project_settings(org: &Org, project: &str) -> Response<Body> {
    let Some(project) = project_of(org, project) else {
        return no_project();
    };
    let mut json = with_team(org, project);
    json["capabilities"] = json!({
        "processTemplate": {
            "templateName": project.process.name, "templateTypeId": project.process.id
        },
        "versioncontrol": { "sourceControlType": "Git", "gitEnabled": "True", "tfvcEnabled": "False" }
    });
    with_status(200, &json)
}

/// Responds with one project.
pub(crate) fn project(org: &Org, project: &str) -> Response<Body> {
    project_of(org, project).map_or_else(no_project, |project| with_status(200, &with_team(org, project)))
}

/// Returns a project with its default team and its links, which the list of projects lacks.
fn with_team(org: &Org, project: &Project) -> Value {
    let mut json = project.json.clone();
    let url = json["url"].clone();
    if let Some(team) = org.teams.iter().find(|team| team.project == project.id) {
        json["defaultTeam"] = json!({ "id": team.id, "name": team.name, "url": "u" });
    }
    json["_links"] = json!({
        "self": { "href": url }, "collection": { "href": "u" }, "web": { "href": "u" }
    });
    json
}

/// Responds with a page of teams.
pub(crate) fn teams(org: &Org, by: Uuid, project: &str, mine: bool, skip: usize) -> Response<Body> {
    let Some(project) = project_of(org, project) else {
        return no_project();
    };
    let value: Vec<Value> = org
        .teams
        .iter()
        .filter(|team| team.project == project.id && (!mine || team.members.contains(&by)))
        .skip(skip)
        .take(PAGE)
        .map(|team| {
            json!({
                "id": team.id, "name": team.name, "url": "u", "description": "", "identityUrl": "i",
                "projectName": project.json["name"], "projectId": project.id
            })
        })
        .collect();
    list(&value)
}

/// Responds with the members of a team.
pub(crate) fn members(org: &Org, team: &str) -> Response<Body> {
    let Some(team) = team_of(org, team) else {
        return no_project();
    };
    let value: Vec<Value> = team
        .members
        .iter()
        .map(|id| {
            let person = org.people.iter().find(|person| person.id == *id);
            let (name, account) =
                person.map_or(("x", "x@contoso.example"), |person| (&person.name, &person.email));
            let identity = json!({
                "id": id, "displayName": name, "uniqueName": account, "url": "u", "imageUrl": "u"
            });
            json!({ "isTeamAdmin": false, "identity": identity })
        })
        .collect();
    list(&value)
}

/// Returns `true` if `[project]` or `[project, team]` exists.
fn knows_place(org: &Org, place: &[&str]) -> bool {
    place
        .first()
        .is_some_and(|project| project_of(org, project).is_some())
        && place.get(1).is_none_or(|team| team_of(org, team).is_some())
}

/// Responds with the area paths of a team.
pub(crate) fn areas(org: &Org, place: &[&str]) -> Response<Body> {
    match place.get(1).and_then(|team| team_of(org, team)) {
        // The only list with the key `values`.
        Some(team) => {
            let value = |(value, below): &(String, bool)| json!({ "value": value, "includeChildren": below });
            let values: Vec<Value> = team.areas.iter().map(value).collect();
            let default = team.areas.first().map(|(value, _)| value);
            let field =
                json!({ "referenceName": team.field, "url": format!("u/_apis/wit/fields/{}", team.field) });
            let body = json!({
                "field": field, "defaultValue": default, "values": values, "url": "u",
                "_links": {
                    "self": { "href": "u" }, "project": { "href": "u" }, "team": { "href": "u" },
                    "teamSettings": { "href": "u" },
                    "areaPathClassificationNodes": { "href": "u/classificationNodes/Areas" }
                }
            });
            with_status(200, &body)
        }
        None => no_project(),
    }
}

/// Responds with all iterations.
pub(crate) fn iterations(org: &Org, place: &[&str]) -> Response<Body> {
    let project = place.first().and_then(|project| project_of(org, project));
    let Some(project) = project.filter(|_| knows_place(org, place)) else {
        return no_project();
    };
    let value: Vec<Value> = org
        .iterations
        .iter()
        .filter(|iteration| iteration.project.is_none_or(|id| id == project.id))
        .map(|iteration| {
            let (first, last) = &iteration.days;
            json!({
                "id": iteration.id, "name": iteration.name, "url": "u",
                "path": format!("{}\\{}", project.name(), iteration.name),
                "attributes": {
                    "startDate": format!("{first}T00:00:00Z"), "finishDate": format!("{last}T00:00:00Z"),
                    "timeFrame": iteration.time_frame
                }
            })
        })
        .collect();
    list(&value)
}

/// Responds with the work items of an iteration.
pub(crate) fn iteration_items(org: &Org, place: &[&str], id: &str) -> Response<Body> {
    let found = org
        .iterations
        .iter()
        .find(|iteration| iteration.id.to_string() == id);
    let Some(iteration) = found.filter(|_| knows_place(org, place)) else {
        return error(404, "IterationNotFoundException", "The iteration does not exist");
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
