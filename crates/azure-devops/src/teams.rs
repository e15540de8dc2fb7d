//! Teams of a project and their members.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::credential::Credential;
use super::error::Error;
use super::operation::{Host, LIST_TEAM_MEMBERS, LIST_TEAMS, READ_PROJECT};
use super::organizacao::{Organizacao, text_at};
use aponta_domain::ids::person_id;

/// More pages than any project has teams, or any team has members: 5,000 teams are the limit.
const MOST_PAGES: usize = 50;

/// A team.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Team {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    #[serde(default)]
    pub description: Option<String>,
    /// REST address, for display only.
    #[serde(default)]
    pub url: Option<String>,
    /// REST address of its identity, for display only.
    #[serde(default)]
    pub identity_url: Option<String>,
    /// GUID of its project.
    #[serde(default)]
    pub project_id: Option<String>,
    /// Name of its project.
    #[serde(default)]
    pub project_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Member {
    identity: MemberIdentity,
}

#[derive(Debug, Deserialize)]
struct MemberIdentity {
    id: String,
}

impl Organizacao {
    /// Teams of a project: those of the credential's owner, or all.
    ///
    /// # Errors
    /// When one page fails.
    pub async fn teams(
        &self,
        credential: &Credential,
        project: &str,
        mine: bool,
    ) -> Result<Vec<Team>, Error> {
        let segments = ["_apis", "projects", project, "teams"];
        let query: &[_] = if mine { &[("$mine", "true")] } else { &[] };
        self.every_page(&LIST_TEAMS, &segments, query, MOST_PAGES, credential)
            .await
    }

    /// Ids of the members of a team.
    ///
    /// # Errors
    /// When one page fails.
    pub async fn team_members(
        &self,
        credential: &Credential,
        project: &str,
        team: &str,
    ) -> Result<Vec<Uuid>, Error> {
        let segments = ["_apis", "projects", project, "teams", team, "members"];
        let members: Vec<Member> = self
            .every_page(&LIST_TEAM_MEMBERS, &segments, &[], MOST_PAGES, credential)
            .await?;
        let ids = members.iter().map(|member| person_id(&member.identity.id));
        Ok(ids.flatten().collect())
    }

    /// What a project says of itself: its default team and its process.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none that this credential sees.
    pub async fn project_settings(
        &self,
        credential: &Credential,
        project: &str,
    ) -> Result<ProjectSettings, Error> {
        let segments = ["_apis", "projects", project];
        let query = [("includeCapabilities", "true")];
        let answer = self
            .get(&READ_PROJECT, Host::Api, &segments, &query, credential)
            .await?;
        let found: Value = answer.json()?;
        Ok(ProjectSettings {
            default_team: text_at(&found, "/defaultTeam/id"),
            process: text_at(&found, "/capabilities/processTemplate/templateTypeId"),
        })
    }
}

/// Settings of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectSettings {
    /// Id of the default team.
    pub default_team: Option<String>,
    /// Id of the process.
    pub process: Option<String>,
}
