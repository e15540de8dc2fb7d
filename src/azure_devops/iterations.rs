//! Iterations of teams and what is planned for them, and the areas of teams.

use serde::Deserialize;

use super::credential::Credential;
use super::error::Error;
use super::lenient::List;
use super::operation::{LIST_ITERATION_WORK_ITEMS, LIST_ITERATIONS, READ_TEAM_AREAS};
use super::organizacao::{Host, Organizacao};
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

    /// Areas of a team.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such team.
    pub async fn team_areas(
        &self,
        credential: &Credential,
        project: &str,
        team: &str,
    ) -> Result<Vec<TeamArea>, Error> {
        let segments = settings(project, Some(team), &["teamfieldvalues"]);
        let answer = self
            .get(&READ_TEAM_AREAS, Host::Api, &segments, &[], credential)
            .await?;
        let found: List<TeamArea> = answer.json()?;
        Ok(found.value.good)
    }
}

fn settings<'a>(project: &'a str, team: Option<&'a str>, rest: &[&'a str]) -> Vec<&'a str> {
    let place = std::iter::once(project).chain(team);
    let settings = ["_apis", "work", "teamsettings"];
    place.chain(settings).chain(rest.iter().copied()).collect()
}
