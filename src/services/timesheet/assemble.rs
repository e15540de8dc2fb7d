//! Assembly of a sheet from the data that was read; this module contains only arithmetic.
//!
//! Parents carry the sum of their children; totals count each entry and each estimate once (D-50). Work items
//! outside the sheet are ignored as parents, and a cycle of parents is cut at its smallest id.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::NaiveDate;

use crate::models::duracao::Total;
use crate::models::horas::Horas;
use crate::models::timesheet::{DAYS, Folha, Item, Lancamento, No, Semana};
use crate::models::work_item::Scheduling;

/// Maximum depth, above that of any backlog. A deeper work item becomes a root, so that no tree overflows a
/// stack.
const DEEPEST: usize = 64;

/// Assembles a sheet. `lancamentos` retain their order; entries on work items outside the sheet count only in
/// the totals.
#[must_use]
pub fn assemble(semana: Semana, hoje: NaiveDate, items: Vec<Item>, lancamentos: Vec<Lancamento>) -> Folha {
    let mut dias = [Total::default(); DAYS];
    let mut cells: HashMap<i32, [Vec<Lancamento>; DAYS]> = HashMap::new();
    for entry in lancamentos {
        let Some(position) = semana.position(entry.data) else {
            continue;
        };
        if let Some(day) = dias.get_mut(position) {
            day.0 += i64::from(entry.duracao.minutes());
        }
        let cell = cells.entry(entry.work_item_id).or_default();
        if let Some(cell) = cell.get_mut(position) {
            cell.push(entry);
        }
    }
    let items: BTreeMap<i32, Item> = items.into_iter().map(|item| (item.id, item)).collect();
    let count = items.len();
    let parents = parents(&items);
    let mut children_of: HashMap<Option<i32>, Vec<i32>> = HashMap::new();
    for id in items.keys() {
        children_of.entry(parents.get(id).copied()).or_default().push(*id);
    }
    let mut builder = Builder {
        items,
        cells,
        children_of,
        parents,
    };
    Folha {
        semana,
        hoje,
        roots: builder.children(None),
        total: Total(dias.iter().map(|day| day.0).sum()),
        dias,
        count,
        avisos: Vec::new(),
    }
}

/// Returns the parent of each work item, without cycles and without parents outside the sheet.
fn parents(items: &BTreeMap<i32, Item>) -> HashMap<i32, i32> {
    let mut parents: HashMap<i32, i32> = items
        .values()
        .filter_map(|item| Some((item.id, item.parent.filter(|parent| items.contains_key(parent))?)))
        .collect();
    let mut settled: HashSet<i32> = HashSet::new();
    for start in items.keys() {
        let (mut path, mut on_path, mut at) = (Vec::new(), HashSet::new(), *start);
        loop {
            if settled.contains(&at) {
                break;
            }
            if !on_path.insert(at) {
                // The part of the path from here on is a cycle.
                let circle = path.iter().skip_while(|id| **id != at);
                if let Some(smallest) = circle.min() {
                    parents.remove(smallest);
                }
                break;
            }
            path.push(at);
            match parents.get(&at) {
                Some(parent) => at = *parent,
                None => break,
            }
        }
        settled.extend(path);
    }
    cut_deep(items, &mut parents);
    parents
}

/// Cuts chains of parents at `DEEPEST` levels: a new tree begins there.
fn cut_deep(items: &BTreeMap<i32, Item>, parents: &mut HashMap<i32, i32>) {
    let mut depths: HashMap<i32, usize> = HashMap::new();
    for start in items.keys() {
        let (mut path, mut at) = (Vec::new(), *start);
        let mut depth = loop {
            if let Some(depth) = depths.get(&at) {
                break *depth + 1;
            }
            path.push(at);
            match parents.get(&at) {
                Some(parent) => at = *parent,
                None => break 0,
            }
        };
        while let Some(id) = path.pop() {
            if depth > DEEPEST {
                parents.remove(&id);
                depth = 0;
            }
            depths.insert(id, depth);
            depth += 1;
        }
    }
}

struct Builder {
    items: BTreeMap<i32, Item>,
    cells: HashMap<i32, [Vec<Lancamento>; DAYS]>,
    children_of: HashMap<Option<i32>, Vec<i32>>,
    parents: HashMap<i32, i32>,
}

impl Builder {
    /// Returns the children of a work item (`None`: the roots), ordered by level and id.
    fn children(&mut self, of: Option<i32>) -> Vec<No> {
        let ids = self.children_of.remove(&of).unwrap_or_default();
        let mut nodes: Vec<No> = ids.into_iter().filter_map(|id| self.node(id)).collect();
        nodes.sort_by_key(|node| (level(&node.item.tipo), node.item.id));
        nodes
    }

    fn node(&mut self, id: i32) -> Option<No> {
        let item = self.items.remove(&id)?;
        let children = self.children(Some(id));
        let lancamentos = self.cells.remove(&id).unwrap_or_default();
        let own = |cell: &Vec<Lancamento>| cell.iter().map(|e| i64::from(e.duracao.minutes())).sum::<i64>();
        let mut dias = lancamentos.each_ref().map(|cell| Total(own(cell)));
        for child in &children {
            for (day, more) in dias.iter_mut().zip(child.dias) {
                day.0 += more.0;
            }
        }
        Some(No {
            scheduling: rolled_up(item.scheduling, &children),
            total: Total(dias.iter().map(|day| day.0).sum()),
            parent: self.parents.get(&id).copied(),
            item,
            lancamentos,
            dias,
            children,
        })
    }
}

/// Returns the sum of the children for each figure that they have, or else the work item's own figure. A
/// parent that repeats the sum of its children is not counted twice.
fn rolled_up(own: Scheduling, children: &[No]) -> Scheduling {
    let sum = |of: fn(&Scheduling) -> Option<Horas>| {
        let known = children.iter().filter_map(|child| of(&child.scheduling));
        known.reduce(|a, b| a + b).or(of(&own))
    };
    Scheduling {
        original_estimate: sum(|s| s.original_estimate),
        remaining_work: sum(|s| s.remaining_work),
        completed_work: sum(|s| s.completed_work),
    }
}

/// Returns the level of a type in a backlog, 0 for the highest; custom types are on the level of tasks.
#[must_use]
pub fn level(tipo: &str) -> u8 {
    match tipo {
        "Epic" => 0,
        "Feature" => 1,
        "User Story" | "Product Backlog Item" | "Requirement" => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::models::apontamento::AtividadeRef;
    use crate::models::duracao::Duracao;
    use crate::models::ids::{ApontamentoId, AtividadeId};
    use crate::models::work_item::Categoria;

    fn item(id: i32, tipo: &str, parent: Option<i32>, estimate: Option<f64>) -> Item {
        Item {
            id,
            title: format!("#{id}"),
            tipo: tipo.to_owned(),
            state: "Doing".to_owned(),
            categoria: Categoria::InProgress,
            icon: "".into(),
            assigned_to: None,
            scheduling: Scheduling {
                original_estimate: estimate.and_then(Horas::from_f64),
                ..Scheduling::default()
            },
            parent,
            pode_editar: true,
            pode_excluir: true,
        }
    }

    fn monday() -> NaiveDate {
        "2026-01-12".parse().unwrap()
    }

    fn entry(work_item_id: i32, day: u64, minutes: i64) -> Lancamento {
        Lancamento {
            id: ApontamentoId(Uuid::nil()),
            work_item_id,
            data: monday() + chrono::Days::new(day),
            duracao: Duracao::from_minutes(minutes).unwrap(),
            atividade: AtividadeRef {
                id: AtividadeId(Uuid::nil()),
                nome: "A".to_owned(),
            },
            comentario: None,
        }
    }

    fn sheet(items: Vec<Item>, entries: Vec<Lancamento>) -> Folha {
        assemble(Semana::of(monday()), monday(), items, entries)
    }

    fn ids(nodes: &[No]) -> Vec<i32> {
        nodes.iter().map(|node| node.item.id).collect()
    }

    #[test]
    fn d_50_parents_carry_sums_and_totals_count_once() {
        let folha = sheet(
            vec![
                item(7, "Bug", None, Some(1.0)),
                item(5, "Task", Some(3), Some(2.0)),
                item(4, "Task", Some(3), Some(3.0)),
                item(3, "User Story", Some(1), Some(99.0)),
                item(1, "Epic", None, None),
                item(2, "Feature", Some(1), Some(8.0)),
            ],
            vec![
                entry(4, 0, 100),
                entry(5, 0, 20),
                entry(5, 6, 40),
                entry(3, 1, 5),
                entry(99, 2, 60),
            ],
        );
        assert_eq!(ids(&folha.roots), [1, 7]);
        let epic = &folha.roots[0];
        assert_eq!(ids(&epic.children), [2, 3]);
        let story = &epic.children[1];
        assert_eq!(ids(&story.children), [4, 5]);
        let estimate = |node: &No| node.scheduling.original_estimate.unwrap().to_f64();
        // The sum of its tasks replaces the story's own estimate; the epic's is the story's plus the
        // feature's.
        assert_eq!(
            [estimate(story), estimate(epic)].map(|h| format!("{h}")),
            ["5", "13"]
        );
        assert_eq!((story.total, epic.total), (Total(165), Total(165)));
        assert_eq!(story.dias[0], Total(120));
        assert_eq!(story.lancamentos[1].len(), 1);
        // The entry on a work item outside the sheet counts once, in the totals.
        assert_eq!(folha.total, Total(225));
        assert_eq!(folha.dias[2], Total(60));
        assert_eq!(folha.count, 6);
    }

    #[test]
    fn missing_parents_are_ignored_and_cycles_cut() {
        let folha = sheet(
            vec![
                item(10, "Task", Some(999), None),
                item(3, "Task", Some(2), None),
                item(2, "Task", Some(4), None),
                item(4, "Task", Some(3), None),
                item(5, "Task", Some(5), None),
                item(6, "Task", Some(3), None),
            ],
            Vec::new(),
        );
        assert_eq!(ids(&folha.roots), [2, 5, 10]);
        assert_eq!(ids(&folha.roots[0].children), [3]);
        assert_eq!(ids(&folha.roots[0].children[0].children), [4, 6]);
        assert_eq!(folha.roots[2].parent, None);
    }

    #[test]
    fn chain_of_any_length_is_assembled() {
        let items = (1..=20_000).map(|id| item(id, "Task", Some(id - 1).filter(|id| *id > 0), None));
        let folha = sheet(items.collect(), Vec::new());
        assert_eq!(folha.count, 20_000);
        assert_eq!(folha.roots.len(), 20_000_usize.div_ceil(DEEPEST + 1));
    }

    fn or_in_progress(nodes: &[No]) -> usize {
        nodes.iter().map(|node| 1 + or_in_progress(&node.children)).sum()
    }

    proptest! {
        #[test]
        fn every_item_is_shown_once_and_roots_add_up(
            parents in prop::collection::vec(prop::option::of(0_i32..40), 0..40),
            entries in prop::collection::vec((0_i32..40, 0_u64..7, 1_i64..600), 0..60),
        ) {
            let items: Vec<Item> = parents
                .iter()
                .enumerate()
                .map(|(id, parent)| item(i32::try_from(id).unwrap(), "Task", *parent, Some(1.0)))
                .collect();
            let count = items.len();
            let known = |id: i32| usize::try_from(id).unwrap() < count;
            let of_known: i64 = entries.iter().filter(|(id, ..)| known(*id)).map(|(_, _, m)| m).sum();
            let all: i64 = entries.iter().map(|(_, _, m)| m).sum();
            let entries = entries.into_iter().map(|(id, day, minutes)| entry(id, day, minutes));
            let folha = sheet(items, entries.collect());
            prop_assert_eq!(or_in_progress(&folha.roots), count);
            prop_assert_eq!(folha.roots.iter().map(|root| root.total.0).sum::<i64>(), of_known);
            prop_assert_eq!(folha.total, Total(all));
        }
    }
}
