//! Scopes of a PAT. Azure DevOps does not report them, so each scope is tried by a call that changes nothing.

use std::time::Duration;

use futures_util::future::join4;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::credential::Credential;
use super::error::Error;
use super::identities::Identity;
use super::operation::{Host, LIST_TEAMS, VALIDATE_WORK_ITEM};
use super::organizacao::Organizacao;
use super::projects::AzureProjects;
use super::transport::Body;
use aponta_domain::organization_pat::{PatScope, ScopeState, ScopeTry};

/// Timeout of the listing of the projects.
const LIST_BUDGET: Duration = Duration::from_secs(15);
/// Timeout of the other scope checks, which run concurrently with the listing.
const TRY_BUDGET: Duration = Duration::from_secs(8);

/// WIQL for the newest work item that the PAT can read.
const NEWEST: &str = "SELECT [System.Id] FROM WorkItems WHERE [System.Id] >= 1 ORDER BY [System.Id] DESC";

/// Capabilities of a PAT.
#[derive(Debug)]
pub struct ScopeProbe {
    /// Projects that the PAT can see.
    pub projects: Result<AzureProjects, Error>,
    /// Each scope once.
    pub scopes: Vec<ScopeTry>,
}

impl Organizacao {
    /// Tries all scopes that the service uses, concurrently. `owner` is the identity that the PAT proves.
    pub async fn probe_scopes(&self, credential: &Credential, owner: &Identity) -> ScopeProbe {
        let deadline = Instant::now() + TRY_BUDGET;
        // Boxed, because the futures together have 20 kB, which each caller would have to hold.
        let ((projects, project_scope), identity, (read, write), graph) = join4(
            Box::pin(self.try_projects(credential, deadline)),
            Box::pin(within(deadline, self.identity(credential, owner.id))),
            Box::pin(self.try_work_items(credential, deadline)),
            Box::pin(self.try_graph(credential, owner, deadline)),
        )
        .await;
        let scopes = [
            (PatScope::ProjectRead, project_scope),
            (PatScope::IdentityRead, state(&identity)),
            (PatScope::WorkItemsRead, read),
            (PatScope::WorkItemsWrite, write),
            (PatScope::GraphRead, graph),
        ];
        ScopeProbe {
            projects,
            scopes: scopes.map(|(scope, state)| ScopeTry { scope, state }).to_vec(),
        }
    }

    /// Tries the scope that covers both projects and teams.
    async fn try_projects(
        &self,
        credential: &Credential,
        deadline: Instant,
    ) -> (Result<AzureProjects, Error>, ScopeState) {
        let list_deadline = Instant::now() + LIST_BUDGET;
        let projects = within(list_deadline, self.projects(credential)).await;
        let first = projects.as_ref().ok().and_then(|found| found.projects.first());
        let teams = match first {
            Some(project) => state(&within(deadline, self.try_teams(credential, project.id)).await),
            None => ScopeState::Granted,
        };
        let scope = state(&projects).and(teams);
        (projects, scope)
    }

    async fn try_teams(&self, credential: &Credential, project: Uuid) -> Result<(), Error> {
        let project = project.to_string();
        let segments = ["_apis", "projects", &project, "teams"];
        let answer = self
            .get(&LIST_TEAMS, Host::Api, &segments, &[("$top", "1")], credential)
            .await?;
        answer.json::<Value>().map(drop)
    }

    /// Tries reading and writing. Writing stays untested if no work item can be read.
    async fn try_work_items(&self, credential: &Credential, deadline: Instant) -> (ScopeState, ScopeState) {
        let query = self.query_work_items(credential, None, NEWEST, Some(1));
        let found = within(deadline, query).await;
        let read = state(&found);
        let write = match (read, found.unwrap_or_default().first()) {
            // Azure DevOps has no scope that allows writing without reading.
            (ScopeState::Missing, _) => ScopeState::Missing,
            (_, Some(id)) => self.try_write(credential, *id, deadline).await,
            (_, None) => ScopeState::Untested,
        };
        (read, write)
    }

    async fn try_write(&self, credential: &Credential, id: i32, deadline: Instant) -> ScopeState {
        let Ok(item) = within(deadline, self.work_item(credential, id)).await else {
            return ScopeState::Untested;
        };
        state(&within(deadline, self.check_write(credential, id, item.rev)).await)
    }

    /// Requests the validation of a patch that changes nothing and is not stored.
    async fn check_write(&self, credential: &Credential, id: i32, rev: i32) -> Result<(), Error> {
        let body = Body::new(
            HeaderValue::from_static("application/json-patch+json"),
            &json!([{ "op": "test", "path": "/rev", "value": rev }]),
        );
        let id = id.to_string();
        let segments = ["_apis", "wit", "workitems", &id];
        let query = [("validateOnly", "true")];
        let answer = self
            .send_query(
                &VALIDATE_WORK_ITEM,
                Host::Api,
                &segments,
                &query,
                body,
                credential,
            )
            .await?;
        answer.json::<Value>().map(drop)
    }

    async fn try_graph(&self, credential: &Credential, owner: &Identity, deadline: Instant) -> ScopeState {
        match &owner.subject_descriptor {
            Some(subject) => state(&within(deadline, self.avatar(credential, subject)).await),
            None => ScopeState::Untested,
        }
    }
}

async fn within<T>(deadline: Instant, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout_at(deadline, call).await.unwrap_or(Err(Error::Timeout))
}

/// Returns the state of a scope from the outcome of its call, after `connectionData` has accepted the PAT.
fn state<T>(outcome: &Result<T, Error>) -> ScopeState {
    match outcome {
        Ok(_) => ScopeState::Granted,
        // Most organisations respond with 401 to a PAT without the scope, some with 403.
        Err(Error::InvalidCredential { status: 401 } | Error::Forbidden) => ScopeState::Missing,
        Err(error) if error.is_stale() || is_too_large(error) => ScopeState::Granted,
        Err(_) => ScopeState::Untested,
    }
}

/// Returns `true` if the query was permitted and selected too many work items.
fn is_too_large(error: &Error) -> bool {
    matches!(error, Error::Rejected { type_key, .. } if type_key.contains("ResultSizeLimitExceeded"))
}

#[cfg(test)]
mod tests {
    use super::super::error::Unavailability;
    use super::*;

    #[test]
    fn scope_is_missing_only_after_a_refusal() {
        let of = |error| state(&Err::<(), _>(error));
        let rejected = |status, type_key: &str| Error::Rejected {
            status,
            type_key: type_key.to_owned(),
            fields: Vec::new(),
        };
        assert_eq!(state(&Ok(())), ScopeState::Granted);
        for refusal in [Error::InvalidCredential { status: 401 }, Error::Forbidden] {
            assert_eq!(of(refusal), ScopeState::Missing);
        }
        let too_large = "WorkItemTrackingQueryResultSizeLimitExceededException";
        for permitted in [rejected(412, ""), rejected(409, ""), rejected(400, too_large)] {
            assert_eq!(of(permitted), ScopeState::Granted);
        }
        for trouble in [
            Error::Timeout,
            Error::NotFound,
            Error::Nonsense(""),
            Error::Throttled { retry_after: None },
            Error::unavailable(Unavailability::Status(503), None),
            Error::InvalidCredential { status: 302 },
            rejected(400, "VssVersionOutOfRangeException"),
        ] {
            assert_eq!(of(trouble.clone()), ScopeState::Untested, "{trouble}");
        }
    }
}
