//! Iterations of teams and what is planned for them, and the areas of teams.

use serde::Deserialize;
use serde_json::Value;

use super::credential::Credential;
use super::error::Error;
use super::lenient::List;
use super::operation::{Host, LIST_ITERATION_WORK_ITEMS, LIST_ITERATIONS, READ_TEAM_AREAS};
use super::organizacao::{Organizacao, text_at};
use super::queries::{Relation, distinct, ids_of};

/// An iteration. Its dates are days at midnight UTC, kept as they were told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Iteration {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Path.
    #[serde(default)]
    pub path: Option<String>,
    /// When.
    #[serde(default)]
    pub attributes: IterationAttributes,
    /// Its REST address, for display only.
    #[serde(default)]
    pub url: Option<String>,
}

/// When an iteration is.
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

/// By which values of which field work items are a team's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamAreas {
    /// Reference name of the field: the area path, unless the process says otherwise.
    pub field: String,
    /// Its values. A team may have none.
    pub areas: Vec<TeamArea>,
    /// How many values there were besides, which could not be read.
    pub unreadable: usize,
}

/// The field that teams are told apart by unless their process says otherwise.
pub const AREA_PATH: &str = "System.AreaPath";

/// Returns `true` if this is a reference name, which can stand in a query as it is.
fn is_reference_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_');
    (1..=128).contains(&text.len()) && text.bytes().all(allowed)
}

/// What a team calls its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TeamArea {
    /// Path of the area.
    pub value: String,
    /// Whether what is below it counts, too.
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
    /// Iterations of a team; without one of the project's default team.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such project or team.
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

    /// Ids of the work items of an iteration, each once.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such iteration.
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

    /// By which values of which field work items are a team's.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such team, [`Error::Nonsense`] when the field has no name of a
    /// field.
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
