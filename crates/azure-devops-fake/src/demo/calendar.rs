//! Sprints of two weeks around today.

use chrono::{Datelike, Days, NaiveDate};
use uuid::Uuid;

use super::{DemoProject, ORGANIZATION, PORTAL, items};
use crate::FakeAzure;
use crate::planning::Iteration;

/// Length of a sprint in days.
const SPRINT: u64 = 14;
/// A Monday on which a sprint began.
const FIRST_MONDAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 1, 5).unwrap();

/// Returns the id of a sprint: `offset` is 0 for the current one, negative for past ones.
fn id(demo: &DemoProject, offset: i64) -> Uuid {
    let current: u128 = match demo.id {
        id if id == PORTAL.id => 0xa4a4_a4a4_9999_4c3c_8d4d_7070_7070_7070,
        _ => 0xa4a4_a4a4_9999_4c3c_8d4d_7070_7070_7080,
    };
    Uuid::from_u128(current.wrapping_add_signed(i128::from(offset)))
}

/// Returns the number of the sprint that holds `day`, counted from 1, and its first day.
pub(super) fn sprint_of(day: NaiveDate) -> (i64, NaiveDate) {
    let sprints = (day - FIRST_MONDAY).num_days().div_euclid(SPRINT.cast_signed());
    let monday = i64::from(FIRST_MONDAY.num_days_from_ce()) + sprints * SPRINT.cast_signed();
    let first = i32::try_from(monday)
        .ok()
        .and_then(NaiveDate::from_num_days_from_ce_opt);
    (sprints + 1, first.unwrap_or(day))
}

/// Returns the name of a sprint.
pub(super) fn name(number: i64) -> String {
    format!("Sprint {number}")
}

/// Adds two past sprints, the current one with all open work items, and the next one.
pub(super) fn plant(fake: &FakeAzure, demo: &DemoProject, today: NaiveDate) {
    let (number, first) = sprint_of(today);
    for offset in -2..=1_i64 {
        let (time_frame, items) = match offset {
            0 => ("current", items::ids(demo)),
            1 => ("future", Vec::new()),
            _ => ("past", Vec::new()),
        };
        let first = match offset {
            ..0 => first - Days::new(SPRINT * offset.unsigned_abs()),
            _ => first + Days::new(SPRINT * offset.unsigned_abs()),
        };
        // A sprint ends on the Friday of its second week.
        let last = first + Days::new(SPRINT - 3);
        fake.add_iteration(
            ORGANIZATION,
            Iteration {
                id: id(demo, offset),
                name: name(number + offset),
                time_frame,
                days: (first.to_string(), last.to_string()),
                project: Some(demo.id),
                items,
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::NOTA_FISCAL;
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn sprint_of_any_day_begins_on_a_monday_before_it() {
        assert_eq!(sprint_of(day("2026-01-05")), (1, day("2026-01-05")));
        assert_eq!(sprint_of(day("2026-01-18")), (1, day("2026-01-05")));
        assert_eq!(sprint_of(day("2026-11-30")), (24, day("2026-11-23")));
        assert_eq!(sprint_of(day("2025-12-31")), (0, day("2025-12-22")));
    }

    #[test]
    fn ids_of_sprints_differ_between_projects() {
        let all: std::collections::HashSet<Uuid> = [&PORTAL, &NOTA_FISCAL]
            .iter()
            .flat_map(|demo| (-2..=1).map(|offset| id(demo, offset)))
            .collect();
        assert_eq!(all.len(), 8);
    }
}
