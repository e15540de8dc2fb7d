//! Projects of an organisation.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::credential::Credential;
use super::error::Error;
use super::lenient::{List, name, optional_name, optional_text};
use super::operation::{Host, LIST_PROJECTS, READ_PROJECT};
use super::organizacao::Organizacao;

/// Number of projects per page; the service may return fewer.
const PAGE: &str = "200";

/// Maximum number of pages, more than any organisation has: Microsoft recommends at most 1,000 projects.
const MOST_PAGES: usize = 200;

/// Project as Azure DevOps describes it, with clean texts. Unused values are passed on unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AzureProject {
    /// GUID.
    pub id: Uuid,
    /// Name.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// Description; absent if empty.
    #[serde(
        default,
        deserialize_with = "optional_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub description: Option<String>,
    /// REST address, for display only: no request is ever sent to it.
    #[serde(
        default,
        deserialize_with = "optional_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub url: Option<String>,
    /// `wellFormed`, `createPending`, ... or an unknown word.
    #[serde(
        default,
        deserialize_with = "optional_name",
        skip_serializing_if = "Option::is_none"
    )]
    pub state: Option<String>,
    /// All other values.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// All projects that a credential can see.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AzureProjects {
    /// Projects with an id and a name.
    pub projects: Vec<AzureProject>,
    /// Number of further projects that could not be parsed.
    pub unreadable: usize,
}

impl Organizacao {
    /// Returns the projects of all pages.
    ///
    /// # Errors
    /// Returns an error if a page fails, because half a list looks like a complete one.
    pub async fn projects(&self, credential: &Credential) -> Result<AzureProjects, Error> {
        let mut all = AzureProjects::default();
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut query = vec![("$top", PAGE)];
            query.extend(token.as_deref().map(|token| ("continuationToken", token)));
            let answer = self
                .get(
                    &LIST_PROJECTS,
                    Host::Api,
                    &["_apis", "projects"],
                    &query,
                    credential,
                )
                .await?;
            let page: List<AzureProject> = answer.json()?;
            all.projects.extend(page.value.good);
            all.unreadable += page.value.unreadable;
            if answer.continuation.is_none() {
                return Ok(all);
            }
            if answer.continuation == token {
                return Err(Error::Nonsense("the same continuation token again"));
            }
            token = answer.continuation;
        }
        Err(Error::Nonsense("there is no end to the pages"))
    }

    /// Returns a project by its GUID or its name.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the credential can see no such project.
    pub async fn project(&self, credential: &Credential, id_or_name: &str) -> Result<AzureProject, Error> {
        let segments = ["_apis", "projects", id_or_name];
        let answer = self
            .get(&READ_PROJECT, Host::Api, &segments, &[], credential)
            .await?;
        answer.json()
    }
}
