//! Every call that we make, in one table: its name, its verb and the resource of Azure DevOps that it asks
//! for.
//!
//! A second table says where a server lists each resource and whether it is a preview in the wanted version.
//! A preview is refused with 400 unless asked for as such (Microsoft, "REST API versioning").

use reqwest::Method;

use super::versions::ApiVersion;

/// Wanted version: the newest that is generally available. Everything in 7.2 is a preview.
pub(super) const WANTED: ApiVersion = ApiVersion::new(7, 1);
/// Lowest version whose answers we read, that of Azure DevOps Server 2019.1.
pub(super) const LOWEST: ApiVersion = ApiVersion::new(5, 1);

/// Names the resource of a call, as the list of versions of Azure DevOps names it.
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

/// Where a server lists a resource.
#[derive(Debug)]
pub(super) struct Place {
    /// The resource; entries stand in the order of [`Resource`].
    resource: Resource,
    /// Its area.
    pub(super) area: &'static str,
    /// Its name within the area.
    pub(super) name: &'static str,
    /// Its location id, which no rename changes. Some names stand twice in their area.
    pub(super) id: &'static str,
}

impl Place {
    /// Whether it is a preview in the wanted version.
    pub(super) fn is_preview(&self) -> bool {
        matches!(self.resource, Resource::ConnectionData | Resource::Avatars)
    }
}

const fn place(resource: Resource, area: &'static str, name: &'static str, id: &'static str) -> Place {
    Place {
        resource,
        area,
        name,
        id,
    }
}

/// Every resource.
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

/// Address of an organisation that a call is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Host {
    /// Projects, work items, ...
    Api,
    /// People.
    Identity,
}

/// One kind of call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Operation {
    /// Name for spans, logs and metrics; there are only as many as entries in this file.
    pub(super) name: &'static str,
    /// Verb.
    pub(super) method: Method,
    /// Resource of the call; `None` for the call that lists the versions, which has no version itself.
    pub(super) resource: Option<Resource>,
    /// Media type of the answer.
    pub(super) media_type: &'static str,
    /// Whether it may be sent again when its fate is unknown.
    pub(super) idempotent: bool,
    /// Whether its failure says that the organisation is down, and an organisation that is down is not asked.
    pub(super) vital: bool,
    /// `true` if a made-up token can cause the call; such calls take turns of their own.
    pub(super) unproved: bool,
}

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

const fn get(name: &'static str, resource: Resource) -> Operation {
    call(name, Method::GET, Some(resource), true)
}

/// A read that needs a body.
const fn query(name: &'static str, resource: Resource) -> Operation {
    call(name, Method::POST, Some(resource), true)
}

/// A call of a work item's PATCH. The sender of a change finds out whether it was applied.
const fn patch(name: &'static str, idempotent: bool) -> Operation {
    call(name, Method::PATCH, Some(Resource::WorkItems), idempotent)
}

impl Operation {
    /// Whether it reads or changes work items themselves.
    pub(super) fn is_of_work_items(&self) -> bool {
        matches!(
            self.resource,
            Some(Resource::WorkItems | Resource::WorkItemsBatch | Resource::Revisions)
        )
    }

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

/// Versions of every resource of a host. One attempt: the call that caused it waits.
pub(super) static LIST_VERSIONS: Operation =
    call("list_versions", Method::OPTIONS, None, false).dispensable();
/// Identity behind a credential.
pub(super) static CONNECTION_DATA: Operation = get("connection_data", Resource::ConnectionData).unproved();
/// Whether an organisation answers at all; without a credential.
pub(super) static PROBE: Operation = get("probe", Resource::ConnectionData);
/// Identity behind a credential that was proved before.
pub(super) static KNOWN_USER: Operation = get("known_user", Resource::ConnectionData);
/// Identity with an id.
pub(super) static READ_IDENTITY: Operation = get("read_identity", Resource::Identities);
/// Picture of a person.
pub(super) static READ_AVATAR: Operation = get("read_avatar", Resource::Avatars).dispensable();
/// One page of projects.
pub(super) static LIST_PROJECTS: Operation = get("list_projects", Resource::Projects);
/// One project by id or name.
pub(super) static READ_PROJECT: Operation = get("read_project", Resource::Projects);
/// One work item.
pub(super) static READ_WORK_ITEM: Operation = get("read_work_item", Resource::WorkItems);
/// Up to 200 work items.
pub(super) static READ_WORK_ITEMS: Operation = query("read_work_items", Resource::WorkItemsBatch);
/// A work item as it was.
pub(super) static READ_REVISION: Operation = get("read_revision", Resource::Revisions);
/// Hours into a work item.
pub(super) static UPDATE_WORK_ITEM: Operation = patch("update_work_item", false);
/// A change that is checked and never stored.
pub(super) static VALIDATE_WORK_ITEM: Operation = patch("validate_work_item", true);
/// All revisions of a work item.
pub(super) static LIST_REVISIONS: Operation = get("list_revisions", Resource::Revisions);
/// All types of a project.
pub(super) static LIST_TYPES: Operation = get("list_types", Resource::WorkItemTypes);
/// States of a type of a project.
pub(super) static LIST_TYPE_STATES: Operation = get("list_type_states", Resource::WorkItemTypeStates);
/// States of a type of a process.
pub(super) static LIST_PROCESS_STATES: Operation = get("list_process_states", Resource::ProcessStates);
/// Ids of work items that match a query.
pub(super) static QUERY_WORK_ITEMS: Operation = query("query_work_items", Resource::Wiql);
/// Picture of a type.
pub(super) static READ_ICON: Operation = get("read_icon", Resource::WorkItemIcons).svg().dispensable();
/// Iterations of a team.
pub(super) static LIST_ITERATIONS: Operation = get("list_iterations", Resource::Iterations);
/// Work items of an iteration.
pub(super) static LIST_ITERATION_WORK_ITEMS: Operation =
    get("list_iteration_work_items", Resource::IterationWorkItems);
/// Areas of a team.
pub(super) static READ_TEAM_AREAS: Operation = get("read_team_areas", Resource::TeamFieldValues);
/// Teams of a project.
pub(super) static LIST_TEAMS: Operation = get("list_teams", Resource::Teams);
/// Members of a team.
pub(super) static LIST_TEAM_MEMBERS: Operation = get("list_team_members", Resource::Members);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stand_in_the_order_of_resources() {
        for (n, place) in PLACES.iter().enumerate() {
            assert_eq!(place.resource as usize, n, "{}", place.name);
        }
    }
}
