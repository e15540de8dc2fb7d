//! Tables of all calls to Azure DevOps and of all resources that they use.
//!
//! The first table, [`PLACES`], states where the version list of a server has each resource. A resource may
//! be a preview in the wanted version: Azure DevOps rejects it with 400 unless it is requested as one
//! (Microsoft, "REST API versioning"). The second table consists of one `static` per call.

use reqwest::Method;

use super::versions::ApiVersion;

/// Wanted version of the REST API: the newest that is generally available. Everything in 7.2 is a preview.
pub(super) const WANTED: ApiVersion = ApiVersion::new(7, 1);
/// Lowest supported version, that of Azure DevOps Server 2019.1; calls to older servers fail.
pub(super) const LOWEST: ApiVersion = ApiVersion::new(5, 1);

/// Resource of Azure DevOps, which has its own range of versions on each server. The order of the variants is
/// that of [`PLACES`], because their number is the index in that table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resource {
    ConnectionData,
    Identities,
    Avatars,
    Projects,
    Teams,
    Members,
    WorkItems,
    WorkItemsBatch,
    Revisions,
    WorkItemTypes,
    WorkItemTypeStates,
    WorkItemIcons,
    Wiql,
    ProcessStates,
    Iterations,
    IterationWorkItems,
    TeamFieldValues,
}

/// Place of a resource in the version list of a server (`OPTIONS {base}/_apis`).
#[derive(Debug)]
pub(super) struct Place {
    /// Resource at this place.
    resource: Resource,
    /// Area, the group of resources to which this one belongs.
    pub(super) area: &'static str,
    /// Name within the area; some names occur twice in their area.
    pub(super) name: &'static str,
    /// Location id: a GUID that no rename changes. Area and name count only where the list lacks the id.
    pub(super) id: &'static str,
}

impl Place {
    /// Returns `true` if the resource is a preview in the wanted version. Used where the server does not list
    /// the resource, and so does not report this itself.
    pub(super) fn is_preview(&self) -> bool {
        matches!(self.resource, Resource::ConnectionData | Resource::Avatars)
    }
}

/// Creates an entry of [`PLACES`].
const fn place(resource: Resource, area: &'static str, name: &'static str, id: &'static str) -> Place {
    Place {
        resource,
        area,
        name,
        id,
    }
}

/// Places of all resources, in the order of [`Resource`].
#[rustfmt::skip]
pub(super) static PLACES: [Place; 17] = [
    place(Resource::ConnectionData, "Location", "ConnectionData", "00d9565f-ed9c-4a06-9a50-00e7896ccab4"),
    place(Resource::Identities, "IMS", "Identities", "28010c54-d0c0-4c89-a5b0-1c9e188b9fb7"),
    place(Resource::Avatars, "Graph", "Avatars", "801eaf9c-0585-4be8-9cdb-b0efa074de91"),
    place(Resource::Projects, "core", "projects", "603fe2ac-9723-48b9-88ad-09305aa6c6e1"),
    place(Resource::Teams, "core", "teams", "d30a3dd1-f8ba-442a-b86a-bd0c0c383e59"),
    place(Resource::Members, "core", "members", "294c494c-2600-4d7e-b76c-3dd50c3c95be"),
    place(Resource::WorkItems, "wit", "workItems", "72c7ddf8-2cdc-4f60-90cd-ab71c14a399b"),
    place(Resource::WorkItemsBatch, "wit", "workItemsBatch", "908509b6-4248-4475-a1cd-829139ba419f"),
    place(Resource::Revisions, "wit", "revisions", "a00c85a5-80fa-4565-99c3-bcd2181434bb"),
    place(Resource::WorkItemTypes, "wit", "workItemTypes", "7c8d7a76-4a09-43e8-b5df-bd792f4ac6aa"),
    place(Resource::WorkItemTypeStates, "wit", "states", "7c9d7a76-4a09-43e8-b5df-bd792f4ac6aa"),
    place(Resource::WorkItemIcons, "wit", "workItemIcons", "4e1eb4a5-1970-4228-a682-ec48eb2dca30"),
    place(Resource::Wiql, "wit", "wiql", "1a9c53f7-f243-4447-b110-35ef023636e4"),
    place(Resource::ProcessStates, "processes", "states", "31015d57-2dff-4a46-adb3-2fb4ee3dcec9"),
    place(Resource::Iterations, "work", "iterations", "c9175577-28a1-4b06-9197-8636af9f64ad"),
    place(Resource::IterationWorkItems, "work", "workitems", "5b3ef1a6-d3ab-44cd-bafd-c7f45db850fa"),
    place(Resource::TeamFieldValues, "work", "teamfieldvalues", "07ced576-58ed-49e6-9c1e-5cb53ab8bf2a"),
];

/// Host of an organisation to which a call is sent. On Azure DevOps Server both have the same address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Host {
    /// Host of projects, work items, ...
    Api,
    /// Host of identities and their pictures.
    Identity,
}

/// Kind of call to Azure DevOps.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Operation {
    /// Name in spans, logs and metrics; one per call of this file, so that the number of metrics is limited.
    pub(super) name: &'static str,
    /// HTTP method.
    pub(super) method: Method,
    /// Resource of the call; `None` for [`LIST_VERSIONS`], which needs no version itself.
    pub(super) resource: Option<Resource>,
    /// Media type that the response must have.
    pub(super) media_type: &'static str,
    /// `true` if a failed call may be retried, because a second execution changes nothing. `retry.rs` decides
    /// which failures are retried.
    pub(super) idempotent: bool,
    /// `true` if circuit breakers count failures of the call and reject the call while they are open; `false`
    /// for calls whose result is dispensable.
    pub(super) vital: bool,
    /// `true` if a made-up token can cause the call. Such calls have their own permits and circuit breaker,
    /// so that they neither delay nor stop calls for proved callers.
    pub(super) unproved: bool,
}

/// Creates a vital call that expects JSON.
const fn call(name: &'static str, method: Method, resource: Option<Resource>, idempotent: bool) -> Operation {
    Operation {
        name,
        method,
        resource,
        media_type: "application/json",
        idempotent,
        vital: true,
        unproved: false,
    }
}

/// Creates a read without a body.
const fn get(name: &'static str, resource: Resource) -> Operation {
    call(name, Method::GET, Some(resource), true)
}

/// Creates a read that needs a body: a POST that changes nothing.
const fn query(name: &'static str, resource: Resource) -> Operation {
    call(name, Method::POST, Some(resource), true)
}

/// Creates a PATCH of a work item. One that stores a change is not idempotent: after an unknown outcome the
/// outbox reads the next revision to learn whether the change was applied.
const fn patch(name: &'static str, idempotent: bool) -> Operation {
    call(name, Method::PATCH, Some(Resource::WorkItems), idempotent)
}

impl Operation {
    /// Returns `true` if the call reads or changes work items themselves. For these calls a 404 counts as
    /// "does not exist" only if its body is an error of Azure DevOps, not a page of a gateway.
    pub(super) fn is_of_work_items(&self) -> bool {
        matches!(
            self.resource,
            Some(Resource::WorkItems | Resource::WorkItemsBatch | Resource::Revisions)
        )
    }

    /// Marks the call as one that a made-up token can cause.
    const fn unproved(mut self) -> Self {
        self.unproved = true;
        self
    }

    /// Makes the call expect an SVG picture instead of JSON.
    const fn svg(mut self) -> Self {
        self.media_type = "image/svg+xml";
        self
    }

    /// Marks the call as not vital.
    const fn dispensable(mut self) -> Self {
        self.vital = false;
        self
    }
}

/// Lists the versions of all resources of a host. It has one attempt, because other calls wait for it;
/// without a result the known versions are used, else the wanted one.
pub(super) static LIST_VERSIONS: Operation =
    call("list_versions", Method::OPTIONS, None, false).dispensable();
/// Reads the identity behind a credential that was not proved before.
pub(super) static CONNECTION_DATA: Operation = get("connection_data", Resource::ConnectionData).unproved();
/// Checks without a credential whether an organisation responds; a refusal is a response, too.
pub(super) static PROBE: Operation = get("probe", Resource::ConnectionData);
/// Reads the identity behind a credential that was proved before.
pub(super) static KNOWN_USER: Operation = get("known_user", Resource::ConnectionData);
/// Reads the identity of a person by its id.
pub(super) static READ_IDENTITY: Operation = get("read_identity", Resource::Identities);
/// Reads the picture of a person.
pub(super) static READ_AVATAR: Operation = get("read_avatar", Resource::Avatars).dispensable();
/// Reads one page of projects.
pub(super) static LIST_PROJECTS: Operation = get("list_projects", Resource::Projects);
/// Reads a project by id or name, also for its default team and its process.
pub(super) static READ_PROJECT: Operation = get("read_project", Resource::Projects);
/// Reads a work item.
pub(super) static READ_WORK_ITEM: Operation = get("read_work_item", Resource::WorkItems);
/// Reads up to 200 work items; those that cannot be read are left out.
pub(super) static READ_WORK_ITEMS: Operation = query("read_work_items", Resource::WorkItemsBatch);
/// Reads a work item at a revision.
pub(super) static READ_REVISION: Operation = get("read_revision", Resource::Revisions);
/// Writes hours into a work item, provided that its revision is the expected one.
pub(super) static UPDATE_WORK_ITEM: Operation = patch("update_work_item", false);
/// Validates a change of a work item without storing it, to test whether a PAT may write.
pub(super) static VALIDATE_WORK_ITEM: Operation = patch("validate_work_item", true);
/// Lists all revisions of a work item.
pub(super) static LIST_REVISIONS: Operation = get("list_revisions", Resource::Revisions);
/// Lists all types of work items of a project, or reads one of them.
pub(super) static LIST_TYPES: Operation = get("list_types", Resource::WorkItemTypes);
/// Lists the states of one type of a project.
pub(super) static LIST_TYPE_STATES: Operation = get("list_type_states", Resource::WorkItemTypeStates);
/// Lists the states of one type of a process, the template of projects.
pub(super) static LIST_PROCESS_STATES: Operation = get("list_process_states", Resource::ProcessStates);
/// Lists the ids of the work items that match a WIQL query.
pub(super) static QUERY_WORK_ITEMS: Operation = query("query_work_items", Resource::Wiql);
/// Reads the icon of a type of work items.
pub(super) static READ_ICON: Operation = get("read_icon", Resource::WorkItemIcons).svg().dispensable();
/// Lists the iterations of a team.
pub(super) static LIST_ITERATIONS: Operation = get("list_iterations", Resource::Iterations);
/// Lists the ids of the work items of an iteration.
pub(super) static LIST_ITERATION_WORK_ITEMS: Operation =
    get("list_iteration_work_items", Resource::IterationWorkItems);
/// Reads the areas of a team: the field and the values that assign work items to it.
pub(super) static READ_TEAM_AREAS: Operation = get("read_team_areas", Resource::TeamFieldValues);
/// Lists the teams of a project.
pub(super) static LIST_TEAMS: Operation = get("list_teams", Resource::Teams);
/// Lists the ids of the members of a team.
pub(super) static LIST_TEAM_MEMBERS: Operation = get("list_team_members", Resource::Members);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_order_of_resources() {
        for (n, place) in PLACES.iter().enumerate() {
            assert_eq!(place.resource as usize, n, "{}", place.name);
        }
    }
}
