//! Projects of an organisation.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::credential::Credential;
use super::error::Error;
use super::lenient::List;
use super::operation::{Host, LIST_PROJECTS, READ_PROJECT};
use super::organizacao::Organizacao;

/// Projects a page; the service may give fewer.
const PAGE: &str = "200";

/// More pages than any organisation has: Microsoft recommends 1,000 projects at the most.
const MOST_PAGES: usize = 200;

/// A project as Azure DevOps describes it. What we do not use passes through as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AzureProject {
    /// Its GUID.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its description; absent when empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its REST address. For display only: nothing is ever sent there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `wellFormed`, `createPending`, ... or a word that is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// All projects that a credential sees.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AzureProjects {
    /// Those that have an id and a name.
    pub projects: Vec<AzureProject>,
    /// How many there were besides.
    pub unreadable: usize,
}

impl Organizacao {
    /// Every page of projects.
    ///
    /// # Errors
    /// When one page fails: half a list looks like a whole one.
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

    /// One project, by its GUID or its name.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none that this credential sees.
    pub async fn project(&self, credential: &Credential, id_or_name: &str) -> Result<AzureProject, Error> {
        let segments = ["_apis", "projects", id_or_name];
        let answer = self
            .get(&READ_PROJECT, Host::Api, &segments, &[], credential)
            .await?;
        answer.json()
    }
}
