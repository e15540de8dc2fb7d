//! Types of the processes Agile and Scrum (Microsoft: "Agile process work item types", "Scrum process work
//! item types").

use std::collections::HashMap;

use crate::work_items::types::Type;

/// Name and category of a state.
type State = (&'static str, &'static str);

/// Returns the types of the process Agile.
pub(super) fn agile() -> HashMap<String, Type> {
    const BACKLOG: &[State] = &[
        ("New", "Proposed"),
        ("Active", "InProgress"),
        ("Resolved", "Resolved"),
        ("Closed", "Completed"),
        ("Removed", "Removed"),
    ];
    const TASK: &[State] = &[
        ("New", "Proposed"),
        ("Active", "InProgress"),
        ("Closed", "Completed"),
        ("Removed", "Removed"),
    ];
    const BUG: &[State] = &[
        ("New", "Proposed"),
        ("Active", "InProgress"),
        ("Resolved", "Resolved"),
        ("Closed", "Completed"),
    ];
    const HOURS: &[&str] = &["OriginalEstimate", "RemainingWork", "CompletedWork"];
    HashMap::from([
        of("Epic", "Epic", "E06C00", "icon_crown", BACKLOG, &[]),
        of("Feature", "Feature", "773B93", "icon_trophy", BACKLOG, &[]),
        of("User Story", "UserStory", "0098C7", "icon_book", BACKLOG, &[]),
        of("Task", "Task", "F2CB1D", "icon_clipboard", TASK, HOURS),
        of("Bug", "Bug", "CC293D", "icon_insect", BUG, HOURS),
    ])
}

/// Returns the types of the process Scrum: its tasks and bugs have no `CompletedWork`.
pub(super) fn scrum() -> HashMap<String, Type> {
    const BACKLOG: &[State] = &[
        ("New", "Proposed"),
        ("In Progress", "InProgress"),
        ("Done", "Completed"),
        ("Removed", "Removed"),
    ];
    const ITEM: &[State] = &[
        ("New", "Proposed"),
        ("Approved", "Proposed"),
        ("Committed", "InProgress"),
        ("Done", "Completed"),
        ("Removed", "Removed"),
    ];
    const TASK: &[State] = &[
        ("To Do", "Proposed"),
        ("In Progress", "InProgress"),
        ("Done", "Completed"),
        ("Removed", "Removed"),
    ];
    HashMap::from([
        of("Epic", "Epic", "E06C00", "icon_crown", BACKLOG, &[]),
        of("Feature", "Feature", "773B93", "icon_trophy", BACKLOG, &[]),
        of(
            "Product Backlog Item",
            "ProductBacklogItem",
            "0098C7",
            "icon_list",
            ITEM,
            &[],
        ),
        of(
            "Task",
            "Task",
            "F2CB1D",
            "icon_clipboard",
            TASK,
            &["RemainingWork"],
        ),
        of("Bug", "Bug", "CC293D", "icon_insect", ITEM, &["RemainingWork"]),
    ])
}

fn of(
    name: &str,
    reference: &str,
    color: &'static str,
    icon: &str,
    states: &[State],
    hours: &[&str],
) -> (String, Type) {
    let reference = format!("Microsoft.VSTS.WorkItemTypes.{reference}");
    (name.to_owned(), Type::new(&reference, color, icon, states, hours))
}
