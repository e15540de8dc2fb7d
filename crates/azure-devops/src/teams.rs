//! Teams of a project and their members.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::credential::Credential;
use super::error::Error;
use super::lenient::{name, optional_name, optional_text};
use super::operation::{Host, LIST_TEAM_MEMBERS, LIST_TEAMS, READ_PROJECT};
use super::organizacao::{Organizacao, text_at};
use aponta_domain::ids::person_id;

/// Maximum number of pages, more than any project has teams or any team has members: the limit is 5,000
/// teams.
const MOST_PAGES: usize = 50;

/// Team.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Team {
    /// Id.
    pub id: String,
    /// Name.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// Description.
    #[serde(default, deserialize_with = "optional_text")]
    pub description: Option<String>,
    /// REST address, for display only.
    #[serde(default)]
    pub url: Option<String>,
    /// REST address of the identity of the team, for display only.
    #[serde(default)]
    pub identity_url: Option<String>,
    /// GUID of the project.
    #[serde(default)]
    pub project_id: Option<String>,
    /// Name of the project.
    #[serde(default, deserialize_with = "optional_name")]
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
    /// Returns the teams of a project; with `mine` only those of the owner of the credential.
    ///
    /// # Errors
    /// Returns an error if a page fails.
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

    /// Returns the ids of the members of a team.
    ///
    /// # Errors
    /// Returns an error if a page fails.
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

    /// Returns the default team and the process of a project.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the credential can see no such project.
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
