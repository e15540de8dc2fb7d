//! Every call that we make, in one table: its name, its verb and the api-version that it is pinned to.
//!
//! 7.1 is the newest generally available version; everything in 7.2 is a preview. What is still a preview in 7.1 is refused
//! with 400 unless asked for as such (Microsoft, "REST API versioning").

use reqwest::Method;

/// One kind of call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Operation {
    /// Name for spans, logs and metrics; there are only as many as entries in this file.
    pub(super) name: &'static str,
    /// Verb.
    pub(super) method: Method,
    /// Pinned version.
    pub(super) api_version: &'static str,
    /// Media type of the answer.
    pub(super) media_type: &'static str,
    /// Whether it may be sent again when its fate is unknown.
    pub(super) idempotent: bool,
    /// Whether its failure says that the organisation is down, and an organisation that is down is not asked.
    pub(super) vital: bool,
    /// Whether anybody can cause it by showing a made-up token; such calls take turns of their own.
    pub(super) unproved: bool,
}

const fn call(name: &'static str, method: Method, api_version: &'static str, idempotent: bool) -> Operation {
    Operation {
        name,
        method,
        api_version,
        media_type: "application/json",
        idempotent,
        vital: true,
        unproved: false,
    }
}

const fn get(name: &'static str, api_version: &'static str) -> Operation {
    call(name, Method::GET, api_version, true)
}

/// A read that needs a body.
const fn query(name: &'static str) -> Operation {
    call(name, Method::POST, "7.1", true)
}

/// A change. Whoever sends it finds out for themselves whether it was applied.
const fn patch(name: &'static str) -> Operation {
    call(name, Method::PATCH, "7.1", false)
}

impl Operation {
    const fn unproved(mut self) -> Self {
        self.unproved = true;
        self
    }

    const fn svg(mut self) -> Self {
        self.media_type = "image/svg+xml";
        self
    }

    const fn dispensable(mut self) -> Self {
        self.vital = false;
        self
    }
}

/// Who a credential is.
pub(super) static CONNECTION_DATA: Operation = get("connection_data", "7.1-preview.1").unproved();
/// Whether an organisation answers at all; without a credential.
pub(super) static PROBE: Operation = get("probe", "7.1-preview.1");
/// Who a credential is that was proved before.
pub(super) static KNOWN_USER: Operation = get("known_user", "7.1-preview.1");
/// Who has an id.
pub(super) static READ_IDENTITY: Operation = get("read_identity", "7.1");
/// Picture of a person.
pub(super) static READ_AVATAR: Operation = get("read_avatar", "7.1-preview.1").dispensable();
/// One page of projects.
pub(super) static LIST_PROJECTS: Operation = get("list_projects", "7.1");
/// One project by id or name.
pub(super) static READ_PROJECT: Operation = get("read_project", "7.1");
/// One work item.
pub(super) static READ_WORK_ITEM: Operation = get("read_work_item", "7.1");
/// Up to 200 work items.
pub(super) static READ_WORK_ITEMS: Operation = query("read_work_items");
/// A work item as it was.
pub(super) static READ_REVISION: Operation = get("read_revision", "7.1");
/// Hours into a work item.
pub(super) static UPDATE_WORK_ITEM: Operation = patch("update_work_item");
/// A change that is checked and never stored.
pub(super) static VALIDATE_WORK_ITEM: Operation = call("validate_work_item", Method::PATCH, "7.1", true);
/// All revisions of a work item.
pub(super) static LIST_REVISIONS: Operation = get("list_revisions", "7.1");
/// All types of a project.
pub(super) static LIST_TYPES: Operation = get("list_types", "7.1");
/// States of a type of a process.
pub(super) static LIST_PROCESS_STATES: Operation = get("list_process_states", "7.1");
/// Ids of work items that match a query.
pub(super) static QUERY_WORK_ITEMS: Operation = query("query_work_items");
/// Picture of a type.
pub(super) static READ_ICON: Operation = get("read_icon", "7.1").svg().dispensable();
/// Iterations of a team.
pub(super) static LIST_ITERATIONS: Operation = get("list_iterations", "7.1");
/// Work items of an iteration.
pub(super) static LIST_ITERATION_WORK_ITEMS: Operation = get("list_iteration_work_items", "7.1");
/// Areas of a team.
pub(super) static READ_TEAM_AREAS: Operation = get("read_team_areas", "7.1");
/// Teams of a project.
pub(super) static LIST_TEAMS: Operation = get("list_teams", "7.1");
/// Members of a team.
pub(super) static LIST_TEAM_MEMBERS: Operation = get("list_team_members", "7.1");
