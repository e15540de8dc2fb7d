//! Work items: reads with the fields of hours, reads in batches, reads of revisions, and writes. Queries are
//! in [`super::queries`].

use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub use super::assignee::Assignee;
use super::credential::Credential;
use super::error::Error;
use super::lenient::List;
use super::operation::{
    Host, LIST_REVISIONS, READ_REVISION, READ_WORK_ITEM, READ_WORK_ITEMS, UPDATE_WORK_ITEM,
};
use super::organizacao::Organizacao;
use super::response::ApiResponse;
use super::transport::Body;
use aponta_domain::horas::Horas;
use aponta_domain::text::{NAME_MAX, from_upstream};
use aponta_domain::work_item::Scheduling;

/// Maximum number of ids in a batch; larger batches are rejected (VS403474).
const BATCH: usize = 200;
/// Maximum number of pages of revisions. REST stops at 10,000 revisions of a work item; the web portal does
/// not.
const MOST_PAGES: usize = 60;

const PROJECT: &str = "System.TeamProject";
const TYPE: &str = "System.WorkItemType";
const STATE: &str = "System.State";
const TITLE: &str = "System.Title";
const ASSIGNED_TO: &str = "System.AssignedTo";
pub(super) const PARENT: &str = "System.Parent";
const CHANGED_BY: &str = "System.ChangedBy";
const CHANGED_DATE: &str = "System.ChangedDate";
/// Reference name of the original estimate.
pub const ORIGINAL_ESTIMATE: &str = "Microsoft.VSTS.Scheduling.OriginalEstimate";
/// Reference name of the remaining work.
pub const REMAINING_WORK: &str = "Microsoft.VSTS.Scheduling.RemainingWork";
/// Reference name of the completed work.
pub const COMPLETED_WORK: &str = "Microsoft.VSTS.Scheduling.CompletedWork";

/// Fields that a read requests, if the collection has them.
pub(super) const FIELDS: [&str; 10] = [
    PROJECT,
    TYPE,
    STATE,
    TITLE,
    ASSIGNED_TO,
    PARENT,
    CHANGED_BY,
    ORIGINAL_ESTIMATE,
    REMAINING_WORK,
    COMPLETED_WORK,
];

/// JSON Patch requires its own media type; plain JSON is rejected.
const JSON_PATCH: HeaderValue = HeaderValue::from_static("application/json-patch+json");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Work item at one of its revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkItem {
    /// Id, unique in the organisation.
    pub id: i32,
    /// Revision.
    pub rev: i32,
    /// Name of the project.
    pub project: String,
    /// GUID of the project, if the address contains it, as in hosted organisations.
    pub project_id: Option<Uuid>,
    /// Name of the type.
    pub tipo: String,
    /// Name of the state.
    pub state: String,
    /// Title; empty if there is none.
    pub title: String,
    /// Assignee of the work item.
    pub assigned_to: Option<Assignee>,
    /// Id of the parent work item.
    pub parent: Option<i32>,
    /// REST address, for display only: no request is ever sent to it.
    pub url: String,
    /// Hours.
    pub scheduling: Scheduling,
    /// `true` if `CompletedWork` contains an invalid value: a text, a negative or an absurd number.
    /// `scheduling` contains `None` in this case, which must not be treated as an empty field.
    pub completed_is_unreadable: bool,
    /// Identity that created this revision.
    pub changed_by: Option<Uuid>,
}

/// State, assignment and hours of a revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// Number of the revision.
    pub rev: i32,
    /// Time of creation, as received.
    pub changed_date: Option<String>,
    /// State.
    pub state: Option<String>,
    /// Identity of the assignee, as received.
    pub assigned_to: Option<Value>,
    /// Identity that created the revision.
    pub changed_by: Option<Uuid>,
    /// `CompletedWork`.
    pub completed: Option<Horas>,
    /// `RemainingWork`.
    pub remaining: Option<Horas>,
}

/// Revisions of a work item, the oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Revisions {
    /// Revisions that were read.
    pub revisions: Vec<Revision>,
    /// `true` if there may be later revisions that were not read.
    pub truncado: bool,
}

/// Change of hours; `None` leaves a field unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoursPatch {
    /// Revision that the work item must have; otherwise the change is rejected.
    pub rev: i32,
    /// New `CompletedWork`.
    pub completed: Option<Horas>,
    /// New `RemainingWork`.
    pub remaining: Option<Horas>,
}

/// Work item as received; empty fields are absent.
#[derive(Debug, Deserialize)]
struct Raw {
    id: i32,
    rev: i32,
    fields: Map<String, Value>,
    #[serde(default)]
    url: String,
}

/// Returns a field of hours. Returns `None` if it is empty or contains an invalid value.
fn hours(fields: &Map<String, Value>, name: &str) -> Option<Horas> {
    let hours = Horas::from_f64(fields.get(name)?.as_f64()?)?;
    (hours >= Horas::ZERO).then_some(hours)
}

fn changed_by(fields: &Map<String, Value>) -> Option<Uuid> {
    let id = fields.get(CHANGED_BY)?.get("id")?;
    Uuid::parse_str(id.as_str()?).ok()
}

/// Returns the GUID before `_apis` in the address of a work item.
fn project_in(url: &str) -> Option<Uuid> {
    let (before, _) = url.split_once("/_apis/")?;
    let (_, segment) = before.rsplit_once('/')?;
    Uuid::parse_str(segment).ok()
}

impl Raw {
    /// Converts the work item. Returns `None` without project, type or state, which every decision needs.
    fn read(self) -> Option<WorkItem> {
        let text = |name: &str| Some(self.fields.get(name)?.as_str()?.to_owned());
        let display = |name: &str| Some(from_upstream(self.fields.get(name)?.as_str()?, NAME_MAX));
        let hours = |name: &str| hours(&self.fields, name);
        let is_reported = self
            .fields
            .get(COMPLETED_WORK)
            .is_some_and(|value| !value.is_null());
        Some(WorkItem {
            id: self.id,
            rev: self.rev,
            project: display(PROJECT)?,
            project_id: project_in(&self.url),
            tipo: text(TYPE)?,
            state: text(STATE)?,
            title: display(TITLE).unwrap_or_default(),
            assigned_to: self.fields.get(ASSIGNED_TO).and_then(Assignee::read),
            parent: self
                .fields
                .get(PARENT)
                .and_then(Value::as_i64)
                .and_then(|id| i32::try_from(id).ok()),
            scheduling: Scheduling {
                original_estimate: hours(ORIGINAL_ESTIMATE),
                remaining_work: hours(REMAINING_WORK),
                completed_work: hours(COMPLETED_WORK),
            },
            completed_is_unreadable: is_reported && hours(COMPLETED_WORK).is_none(),
            changed_by: changed_by(&self.fields),
            url: self.url,
        })
    }
}

#[derive(Debug, Deserialize)]
struct RawRevision {
    rev: i32,
    #[serde(default)]
    fields: Map<String, Value>,
}

impl RawRevision {
    fn read(mut self) -> Revision {
        let text = |name: &str| Some(self.fields.get(name)?.as_str()?.to_owned());
        Revision {
            rev: self.rev,
            changed_date: text(CHANGED_DATE),
            state: text(STATE),
            changed_by: changed_by(&self.fields),
            completed: hours(&self.fields, COMPLETED_WORK),
            remaining: hours(&self.fields, REMAINING_WORK),
            assigned_to: self.fields.remove(ASSIGNED_TO).filter(|person| !person.is_null()),
        }
    }
}

fn one(answer: &ApiResponse) -> Result<WorkItem, Error> {
    let raw: Raw = answer.json()?;
    raw.read()
        .ok_or(Error::Nonsense("the work item lacks project, type or state"))
}

impl Organizacao {
    /// Reads a work item.
    ///
    /// # Errors
    /// [`Error::NotFound`] also if the work item is deleted or hidden.
    pub async fn work_item(&self, credential: &Credential, id: i32) -> Result<WorkItem, Error> {
        let id = &id.to_string();
        let ask = |fields: Vec<&'static str>| async move {
            let fields = fields.join(",");
            let segments = ["_apis", "wit", "workitems", id];
            let query = [("fields", fields.as_str())];
            self.get(&READ_WORK_ITEM, Host::Api, &segments, &query, credential)
                .await
        };
        one(&self.with_present_fields(ask).await?)
    }

    /// Returns those of `ids` that exist and can be read, in any order.
    ///
    /// # Errors
    /// Returns an error if a batch of 200 fails.
    pub async fn work_items(&self, credential: &Credential, ids: &[i32]) -> Result<Vec<WorkItem>, Error> {
        let mut all = Vec::with_capacity(ids.len());
        for ids in ids.chunks(BATCH) {
            let ask = |fields: Vec<&'static str>| async move {
                let body = json!({ "ids": ids, "fields": fields, "errorPolicy": "omit" });
                let segments = ["_apis", "wit", "workitemsbatch"];
                self.send_body(&READ_WORK_ITEMS, &segments, Body::new(JSON, &body), credential)
                    .await
            };
            let page: List<Raw> = self.with_present_fields(ask).await?.json()?;
            all.extend(page.value.good.into_iter().filter_map(Raw::read));
        }
        Ok(all)
    }

    /// Returns the first 12,000 revisions of a work item, the oldest first.
    ///
    /// # Errors
    /// Returns the errors of [`work_item`](Self::work_item).
    pub async fn revisions(&self, credential: &Credential, id: i32) -> Result<Revisions, Error> {
        let id = id.to_string();
        let segments = ["_apis", "wit", "workItems", &id, "revisions"];
        let found = self
            .first_pages(&LIST_REVISIONS, &segments, &[], MOST_PAGES, credential)
            .await?;
        Ok(Revisions {
            revisions: found.rows.into_iter().map(RawRevision::read).collect(),
            truncado: found.more,
        })
    }

    /// Returns a work item at a revision.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the revision does not exist.
    pub async fn revision(&self, credential: &Credential, id: i32, rev: i32) -> Result<WorkItem, Error> {
        let (id, rev) = (id.to_string(), rev.to_string());
        let segments = ["_apis", "wit", "workItems", &id, "revisions", &rev];
        let answer = self
            .get(&READ_REVISION, Host::Api, &segments, &[], credential)
            .await?;
        one(&answer)
    }

    /// Writes hours, all or nothing, and returns the new revision.
    ///
    /// # Errors
    /// [`Error::Rejected`] with 412 (or 409, if two writers passed the test at once) for another revision,
    /// with 400 if a rule of the process rejects the change. The call is never repeated: after a transport
    /// error the revision shows whether the change was applied.
    pub async fn update_hours(
        &self,
        credential: &Credential,
        id: i32,
        patch: &HoursPatch,
    ) -> Result<WorkItem, Error> {
        // `add` sets a field whether or not it has a value.
        let add = |name: &str, hours: Option<Horas>| {
            hours.map(
                |hours| json!({ "op": "add", "path": format!("/fields/{name}"), "value": hours.to_f64() }),
            )
        };
        let test = json!({ "op": "test", "path": "/rev", "value": patch.rev });
        let changes = [
            add(COMPLETED_WORK, patch.completed),
            add(REMAINING_WORK, patch.remaining),
        ];
        let document: Vec<Value> = std::iter::once(test)
            .chain(changes.into_iter().flatten())
            .collect();
        let id = id.to_string();
        let segments = ["_apis", "wit", "workitems", &id];
        let body = Body::new(JSON_PATCH, &Value::from(document));
        let answer = self
            .send_body(&UPDATE_WORK_ITEM, &segments, body, credential)
            .await?;
        one(&answer)
    }
}
