//! Calculation of the figures to write into a work item. This module contains only arithmetic.

use crate::models::duracao::Total;
use crate::models::horas::Horas;
use crate::models::outbox::{Mode, Share};
use crate::models::work_item::Scheduling;

/// Holds all input of the calculation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation {
    /// Write-back mode; never [`Mode::Off`].
    pub(super) mode: Mode,
    /// Sum of the entries.
    pub(super) total: Total,
    /// Our share of the figures.
    pub(super) ours: Share,
    /// Figures in Azure DevOps.
    pub(super) upstream: Scheduling,
    /// `true` if the type has `CompletedWork`.
    pub(super) has_completed: bool,
    /// `true` if `RemainingWork` may be written: the type has the field and the work item is not closed (many
    /// processes demand an empty field then).
    pub(super) may_write_remaining: bool,
}

/// Figures to write, `None` where unchanged, and our share of the figures afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) completed: Option<Horas>,
    pub(super) remaining: Option<Horas>,
    pub(super) after: Share,
}

impl Plan {
    /// Returns `true` if there is a figure to send.
    pub(super) fn changes_something(&self) -> bool {
        self.completed.is_some() || self.remaining.is_some()
    }
}

impl Situation {
    /// Calculates the figures to write and our share afterwards.
    pub(super) fn plan(&self) -> Plan {
        let target = Horas::of(self.total);
        let before = self.upstream.completed_work.unwrap_or_default();
        let exact = match self.mode {
            Mode::Absolute => target,
            Mode::Delta | Mode::Off => before - self.ours.contributed + target,
        };
        let completed = exact.at_least_zero();
        let remaining = match self.mode {
            Mode::Absolute => self
                .remaining_of_estimate(target)
                .map(|left| (left, self.ours.deducted)),
            Mode::Delta | Mode::Off => self.remaining_by_delta(target, completed),
        };
        let remaining = remaining.filter(|_| self.may_write_remaining);
        let changed = |new: Horas, old: Option<Horas>| (Some(new) != old).then_some(new);
        Plan {
            // An empty field counts as zero: no zero is written into it.
            completed: changed(completed, Some(before)).filter(|_| self.has_completed),
            remaining: remaining.and_then(|(left, _)| changed(left, self.upstream.remaining_work)),
            after: Share {
                // A figure that was lowered so far that it would turn negative holds nothing of our share any
                // more.
                contributed: match self.has_completed {
                    // The field holds its value while the type does not show it.
                    false => self.ours.contributed,
                    true if exact >= Horas::ZERO => target,
                    true => Horas::ZERO,
                },
                accounted: target,
                deducted: remaining.map_or(self.ours.deducted, |(_, taken)| taken),
            },
        }
    }

    /// Returns the estimate minus the completed hours, at least zero; `None` without an estimate (D-28).
    fn remaining_of_estimate(&self, completed: Horas) -> Option<Horas> {
        let estimate = self.upstream.original_estimate?;
        Some((estimate - completed).at_least_zero())
    }

    /// Subtracts the new hours from `RemainingWork`, never below zero; deleted hours give back at most the
    /// amount that was subtracted. Returns the new `RemainingWork` and all hours that we have subtracted, or
    /// `None` if `RemainingWork` does not change.
    fn remaining_by_delta(&self, target: Horas, completed: Horas) -> Option<(Horas, Horas)> {
        let (accounted, taken) = (self.ours.accounted, self.ours.deducted);
        let delta = target - accounted;
        if delta == Horas::ZERO {
            return None;
        }
        let Some(left) = self.upstream.remaining_work else {
            let left = self.remaining_of_estimate(completed)?;
            // Hours that people entered are subtracted first.
            let without_us = self.remaining_of_estimate((completed - target).at_least_zero())?;
            return Some((left, without_us - left));
        };
        if delta > Horas::ZERO {
            let take = delta.min(left.at_least_zero());
            return Some(((left - delta).at_least_zero(), taken + take));
        }
        // Hours logged when nothing was left to subtract are removed first.
        let untaken = (accounted - taken).at_least_zero();
        let give = (-delta - untaken).at_least_zero().min(taken.at_least_zero());
        Some((left + give, taken - give))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hours(hours: f64) -> Horas {
        Horas::from_f64(hours).unwrap()
    }

    /// Returns an open task that has all fields: estimate, remaining, completed; our share of it is zero.
    fn task(estimate: Option<f64>, remaining: Option<f64>, completed: Option<f64>) -> Situation {
        Situation {
            mode: Mode::Delta,
            total: Total(0),
            ours: Share::default(),
            upstream: Scheduling {
                original_estimate: estimate.map(hours),
                remaining_work: remaining.map(hours),
                completed_work: completed.map(hours),
            },
            has_completed: true,
            may_write_remaining: true,
        }
    }

    /// Applies a plan as Azure DevOps would.
    fn apply(situation: &mut Situation, minutes: i64) -> (f64, Option<f64>) {
        situation.total = Total(minutes);
        let plan = situation.plan();
        situation.ours = plan.after;
        let upstream = &mut situation.upstream;
        upstream.completed_work = plan.completed.or(upstream.completed_work);
        upstream.remaining_work = plan.remaining.or(upstream.remaining_work);
        (
            upstream.completed_work.unwrap_or_default().to_f64(),
            upstream.remaining_work.map(Horas::to_f64),
        )
    }

    #[test]
    fn hours_that_people_typed_survive() {
        let mut item = task(Some(10.0), Some(6.5), Some(3.5));
        assert_eq!(apply(&mut item, 90), (5.0, Some(5.0)));
        // A person enters two more hours and a new `RemainingWork`.
        item.upstream.completed_work = Some(hours(7.0));
        item.upstream.remaining_work = Some(hours(4.0));
        assert_eq!(apply(&mut item, 150), (8.0, Some(3.0)));
        // All entries are deleted: hours that people entered stay.
        assert_eq!(apply(&mut item, 0), (5.5, Some(5.5)));
    }

    #[test]
    fn remaining_stays_positive_and_is_restored() {
        let mut item = task(Some(8.0), Some(3.0), None);
        assert_eq!(apply(&mut item, 300), (5.0, Some(0.0)));
        assert_eq!(apply(&mut item, 360), (6.0, Some(0.0)));
        assert_eq!(apply(&mut item, 240), (4.0, Some(0.0)));
        assert_eq!(apply(&mut item, 120), (2.0, Some(1.0)));
        assert_eq!(apply(&mut item, 0), (0.0, Some(3.0)));
    }

    #[test]
    fn d_28_without_estimate_remaining_is_unchanged() {
        assert_eq!(apply(&mut task(None, None, Some(1.0)), 60), (2.0, None));
        let mut absolute = task(None, Some(4.0), Some(1.0));
        absolute.mode = Mode::Absolute;
        assert_eq!(apply(&mut absolute, 60), (1.0, Some(4.0)));
        assert_eq!(apply(&mut absolute, 120), (2.0, Some(4.0)));
    }

    #[test]
    fn estimate_fills_an_empty_remaining() {
        let mut item = task(Some(4.0), None, None);
        assert_eq!(apply(&mut item, 60), (1.0, Some(3.0)));
        assert_eq!(apply(&mut item, 0), (0.0, Some(4.0)));
    }

    #[test]
    fn absolute_mode_writes_like_fastapi_service() {
        let mut item = task(Some(8.0), Some(8.0), Some(5.0));
        item.mode = Mode::Absolute;
        assert_eq!(apply(&mut item, 90), (1.5, Some(6.5)));
        assert_eq!(apply(&mut item, 600), (10.0, Some(0.0)));
    }

    #[test]
    fn plan_omits_absent_fields_and_unchanged_figures() {
        let mut scrum = task(None, Some(5.0), None);
        scrum.has_completed = false;
        scrum.total = Total(60);
        let plan = scrum.plan();
        assert_eq!((plan.completed, plan.remaining), (None, Some(hours(4.0))));

        let mut closed = task(Some(8.0), Some(5.0), Some(1.0));
        closed.may_write_remaining = false;
        assert_eq!(apply(&mut closed, 60), (2.0, Some(5.0)));
        // Nothing was subtracted, so nothing is given back once the work item is open again.
        closed.may_write_remaining = true;
        assert_eq!(apply(&mut closed, 0), (1.0, Some(5.0)));

        let nothing = task(Some(8.0), Some(5.0), None).plan();
        assert!(!nothing.changes_something());
    }

    #[test]
    fn figure_lowered_by_people_stays_positive() {
        let mut item = task(None, None, Some(0.0));
        apply(&mut item, 300);
        item.upstream.completed_work = Some(hours(2.0));
        assert_eq!(apply(&mut item, 360), (3.0, None));
        assert_eq!(apply(&mut item, 0), (0.0, None));
    }

    #[test]
    fn field_added_to_a_type_later_restores_nothing() {
        let mut item = task(None, None, None);
        item.has_completed = false;
        apply(&mut item, 300);
        item.has_completed = true;
        item.upstream.completed_work = Some(hours(8.0));
        // Hours logged before are added and removed again, and hours that people entered stay.
        assert_eq!(apply(&mut item, 300), (13.0, None));
        assert_eq!(apply(&mut item, 0), (8.0, None));
    }

    #[test]
    fn field_that_a_type_loses_and_gets_back_counts_hours_once() {
        let mut item = task(None, None, Some(1.0));
        assert_eq!(apply(&mut item, 120), (3.0, None));
        item.has_completed = false;
        apply(&mut item, 180);
        item.has_completed = true;
        assert_eq!(apply(&mut item, 180), (4.0, None));
        assert_eq!(apply(&mut item, 0), (1.0, None));
    }

    #[test]
    fn hours_of_people_are_not_deducted_as_ours() {
        let mut item = task(Some(10.0), None, Some(3.5));
        assert_eq!(apply(&mut item, 60), (4.5, Some(5.5)));
        assert_eq!(apply(&mut item, 0), (3.5, Some(6.5)));
        item.upstream.remaining_work = Some(hours(0.0));
        assert_eq!(apply(&mut item, 120), (5.5, Some(0.0)));
        assert_eq!(apply(&mut item, 0), (3.5, Some(0.0)));
    }

    proptest! {
        #[test]
        fn typed_hours_between_changes_move_by_our_delta(
            steps in prop::collection::vec((0_i64..5_000, prop::option::of(0_u32..400)), 1..40),
        ) {
            let mut item = task(None, None, Some(5.0));
            let mut before = Total(0);
            for (total, typed) in steps {
                if let Some(typed) = typed {
                    item.upstream.completed_work = Some(hours(f64::from(typed) / 4.0));
                }
                let stood = item.upstream.completed_work.unwrap();
                let held = item.ours.contributed;
                apply(&mut item, total);
                let moved = item.upstream.completed_work.unwrap() - stood;
                let expected = Horas::of(Total(total)) - held;
                // The figure changes by as much as the entries, unless less was left to subtract.
                prop_assert!(moved == expected || (moved > expected && moved == -stood));
                prop_assert!(held == Horas::of(before) || held == Horas::ZERO);
                before = Total(total);
            }
        }

        #[test]
        fn deleted_entries_restore_completed_and_remaining(
            left in 0_u32..1_000, typed in 0_u32..1_000, totals in prop::collection::vec(0_i64..10_000, 0..40),
        ) {
            let (left, typed) = (f64::from(left) / 4.0, f64::from(typed) / 4.0);
            let mut item = task(Some(100.0), Some(left), Some(typed));
            for total in totals {
                let (done, now_left) = apply(&mut item, total);
                prop_assert_eq!(hours(done) - hours(typed), Horas::of(Total(total)));
                prop_assert!((0.0..=left).contains(&now_left.unwrap()));
            }
            prop_assert_eq!(apply(&mut item, 0), (typed, Some(left)));
        }
    }
}
