//! Iterations of teams with their work items, and the areas of teams.

use serde::Deserialize;
use serde_json::Value;

use super::credential::Credential;
use super::error::Error;
use super::lenient::{List, name, optional_text};
use super::operation::{Host, LIST_ITERATION_WORK_ITEMS, LIST_ITERATIONS, READ_TEAM_AREAS};
use super::organizacao::{Organizacao, text_at};
use super::queries::{Relation, distinct, ids_of};

/// Iteration. Its dates are days at midnight UTC, stored as received.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Iteration {
    /// Id.
    pub id: String,
    /// Name.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// Path.
    #[serde(default, deserialize_with = "optional_text")]
    pub path: Option<String>,
    /// Dates.
    #[serde(default)]
    pub attributes: IterationAttributes,
    /// REST address, for display only.
    #[serde(default)]
    pub url: Option<String>,
}

/// Dates of an iteration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IterationAttributes {
    /// First day.
    pub start_date: Option<String>,
    /// Last day.
    pub finish_date: Option<String>,
    /// `past`, `current` or `future`.
    pub time_frame: Option<String>,
}

/// Field and values that assign work items to a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamAreas {
    /// Reference name of the field: the area path unless the process defines another one.
    pub field: String,
    /// Values of the field; may be empty.
    pub areas: Vec<TeamArea>,
    /// Number of further values that could not be parsed.
    pub unreadable: usize,
}

/// Field that assigns work items to teams unless the process defines another one.
pub const AREA_PATH: &str = "System.AreaPath";

/// Returns `true` if `text` is a reference name, which needs no escaping in a query.
fn is_reference_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_');
    (1..=128).contains(&text.len()) && text.bytes().all(allowed)
}

/// Value of the field that assigns work items to a team.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TeamArea {
    /// Path of the area.
    pub value: String,
    /// `true` if the descendants of the area are included.
    #[serde(default)]
    pub include_children: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IterationWorkItems {
    #[serde(default)]
    work_item_relations: Vec<Relation>,
}

impl Organizacao {
    /// Returns the iterations of a team; `team: None` stands for the default team of the project.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the project or team does not exist.
    pub async fn iterations(
        &self,
        credential: &Credential,
        project: &str,
        team: Option<&str>,
    ) -> Result<Vec<Iteration>, Error> {
        let segments = settings(project, team, &["iterations"]);
        let answer = self
            .get(&LIST_ITERATIONS, Host::Api, &segments, &[], credential)
            .await?;
        let found: List<Iteration> = answer.json()?;
        Ok(found.value.good)
    }

    /// Returns the ids of the work items of an iteration, each once.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the iteration does not exist.
    pub async fn iteration_work_items(
        &self,
        credential: &Credential,
        project: &str,
        team: Option<&str>,
        iteration: &str,
    ) -> Result<Vec<i32>, Error> {
        let segments = settings(project, team, &["iterations", iteration, "workitems"]);
        let answer = self
            .get(&LIST_ITERATION_WORK_ITEMS, Host::Api, &segments, &[], credential)
            .await?;
        let found: IterationWorkItems = answer.json()?;
        Ok(distinct(ids_of(found.work_item_relations)))
    }

    /// Returns the field and the values that assign work items to the team.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the team does not exist, [`Error::Nonsense`] if the field has no valid
    /// reference name.
    pub async fn team_areas(
        &self,
        credential: &Credential,
        project: &str,
        team: &str,
    ) -> Result<TeamAreas, Error> {
        let segments = settings(project, Some(team), &["teamfieldvalues"]);
        let answer = self
            .get(&READ_TEAM_AREAS, Host::Api, &segments, &[], credential)
            .await?;
        let found: List<TeamArea> = answer.json()?;
        let whole: Value = answer.json()?;
        let field = text_at(&whole, "/field/referenceName").unwrap_or_else(|| AREA_PATH.to_owned());
        if !is_reference_name(&field) {
            return Err(Error::Nonsense("the field of a team has no reference name"));
        }
        Ok(TeamAreas {
            field,
            areas: found.value.good,
            unreadable: found.value.unreadable,
        })
    }
}

fn settings<'a>(project: &'a str, team: Option<&'a str>, rest: &[&'a str]) -> Vec<&'a str> {
    let place = std::iter::once(project).chain(team);
    let settings = ["_apis", "work", "teamsettings"];
    place.chain(settings).chain(rest.iter().copied()).collect()
}
