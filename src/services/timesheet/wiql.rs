//! Queries that find the work items of a sheet.

use crate::azure_devops::iterations::{AREA_PATH, TeamArea, TeamAreas};
use crate::azure_devops::queries::{LONGEST_QUERY, Literal, Literals};
use crate::error::Result;
use crate::services::upstream::too_many;
use crate::services::work_items::Types;

/// Returns queries for work items that meet all `conditions` and are in one of the areas, with all their
/// ancestors. A team may have more areas than one query holds; each query then covers some of them.
///
/// # Errors
/// `consulta_grande_demais` when a query has no room for even one area.
pub(super) fn queries(conditions: &[String], areas: Option<&TeamAreas>) -> Result<Vec<String>> {
    let Some(areas) = areas else {
        return Ok(vec![query(conditions, None)]);
    };
    let room = LONGEST_QUERY.checked_sub(query(conditions, Some("")).len());
    let room = room.ok_or_else(too_many)?;
    let mut groups: Vec<String> = Vec::new();
    for area in &areas.areas {
        let clause = in_area(&areas.field, area);
        if clause.len() > room {
            return Err(too_many());
        }
        match groups.last_mut() {
            Some(group) if group.len() + OR.len() + clause.len() <= room => {
                group.push_str(OR);
                group.push_str(&clause);
            }
            _ => groups.push(clause),
        }
    }
    Ok(groups
        .iter()
        .map(|group| query(conditions, Some(group)))
        .collect())
}

const OR: &str = " OR ";

fn query(conditions: &[String], areas: Option<&str>) -> String {
    let mut target = conditions.join(" AND ");
    if let Some(areas) = areas {
        target = format!("{target} AND ({areas})");
    }
    format!(
        "SELECT [System.Id] FROM WorkItemLinks WHERE ([Source].[System.TeamProject] = @project) AND \
         ([System.Links.LinkType] = 'System.LinkTypes.Hierarchy-Forward') AND ({target}) \
         MODE (Recursive, ReturnMatchingChildren)"
    )
}

/// Returns the condition for one area. Only the area path is a tree, in which values lie below others.
fn in_area(field: &str, area: &TeamArea) -> String {
    let is_tree = field.eq_ignore_ascii_case(AREA_PATH);
    let operator = if is_tree && area.include_children {
        "UNDER"
    } else {
        "="
    };
    format!("[Target].[{field}] {operator} {}", Literal(&area.value))
}

/// Returns the condition that a state is not closed in its own type; the same name may be open in another
/// type.
pub(super) fn is_open(types: &Types) -> String {
    let groups = types.by_closed_states();
    let all: Vec<String> = groups.values().flatten().cloned().collect();
    let mut clauses: Vec<String> = groups
        .iter()
        .map(|(closed, types)| {
            let of_type = format!("[Target].[System.WorkItemType] IN {}", Literals(types));
            if closed.is_empty() {
                of_type
            } else {
                format!(
                    "({of_type} AND [Target].[System.State] NOT IN {})",
                    Literals(closed)
                )
            }
        })
        .collect();
    if all.is_empty() {
        clauses.push("[Target].[System.Id] > 0".to_owned());
    } else {
        clauses.push(format!(
            "[Target].[System.WorkItemType] NOT IN {}",
            Literals(&all)
        ));
    }
    clauses.join(" OR ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn areas(count: usize, length: usize) -> TeamAreas {
        let area = |n: usize| TeamArea {
            value: format!("P\\{n:0length$}"),
            include_children: true,
        };
        TeamAreas {
            field: AREA_PATH.to_owned(),
            areas: (0..count).map(area).collect(),
            unreadable: 0,
        }
    }

    #[test]
    fn queries_many_areas_are_split_without_loss() {
        let conditions = ["[Target].[System.Id] > 0".to_owned()];
        let found = queries(&conditions, Some(&areas(300, 200))).unwrap();
        assert!(found.len() > 1 && found.iter().all(|query| query.len() <= LONGEST_QUERY));
        let all = found.concat();
        for area in areas(300, 200).areas {
            assert_eq!(all.matches(&format!("'{}'", area.value)).count(), 1);
        }
        assert_eq!(queries(&conditions, Some(&areas(3, 10))).unwrap().len(), 1);
        assert_eq!(queries(&conditions, None).unwrap().len(), 1);
    }

    #[test]
    fn queries_unsplittable_condition_is_refused() {
        let long = ["x".repeat(LONGEST_QUERY)];
        assert!(queries(&long, Some(&areas(1, 1))).is_err());
        assert!(queries(&[], Some(&areas(1, LONGEST_QUERY))).is_err());
    }
}
