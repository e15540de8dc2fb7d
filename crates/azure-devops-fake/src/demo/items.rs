//! Forty work items in two trees, from epics to tasks and bugs.

use chrono::{Days, NaiveDate};
use serde_json::json;

use super::{DemoProject, NOTA_FISCAL, ORGANIZATION, PORTAL, calendar, people};
use crate::FakeAzure;
use crate::work_items::new::NewWorkItem;

/// Describes a work item.
struct Entry {
    id: i32,
    /// Id of the parent, 0 for none.
    parent: i32,
    kind: &'static str,
    title: &'static str,
    state: &'static str,
    /// First part of an account, empty for none.
    assigned: &'static str,
    /// Hours done and hours left; tasks and bugs have them.
    hours: Option<(f64, f64)>,
}

const fn group(id: i32, parent: i32, kind: &'static str, title: &'static str, state: &'static str) -> Entry {
    Entry {
        id,
        parent,
        kind,
        title,
        state,
        assigned: "",
        hours: None,
    }
}

const fn work(
    (id, parent): (i32, i32),
    kind: &'static str,
    title: &'static str,
    state: &'static str,
    assigned: &'static str,
    hours: (f64, f64),
) -> Entry {
    Entry {
        id,
        parent,
        kind,
        title,
        state,
        assigned,
        hours: Some(hours),
    }
}

const STORY: &str = "User Story";
const ITEM: &str = "Product Backlog Item";

/// Work items of the portal. `CompletedWork` counts the sample hours of `aponta dev`.
const OF_PORTAL: [Entry; 25] = [
    group(4701, 0, "Epic", "Atendimento digital ao contribuinte", "Active"),
    group(4702, 4701, "Feature", "Cadastro de contribuintes", "Active"),
    group(
        4703,
        4702,
        STORY,
        "Contribuinte atualiza o próprio endereço",
        "Active",
    ),
    work(
        (4711, 4703),
        "Task",
        "Tela de alteração de endereço",
        "Active",
        "ana",
        (12.0, 6.0),
    ),
    work(
        (4712, 4703),
        "Task",
        "API de endereços",
        "Active",
        "bruno",
        (21.5, 10.5),
    ),
    work(
        (4713, 4703),
        "Task",
        "Testes de aceitação do endereço",
        "New",
        "diego",
        (0.0, 8.0),
    ),
    work(
        (4714, 4703),
        "Bug",
        "CEP com hífen é recusado",
        "Active",
        "ana",
        (1.5, 2.0),
    ),
    group(4704, 4702, STORY, "Contribuinte consulta débitos", "Active"),
    work(
        (4715, 4704),
        "Task",
        "Consulta de débitos por CNPJ",
        "Active",
        "bruno",
        (9.0, 7.0),
    ),
    work((4716, 4704), "Task", "Extrato em PDF", "New", "", (0.0, 12.0)),
    work(
        (4717, 4704),
        "Bug",
        "Total do extrato não soma juros",
        "Resolved",
        "diego",
        (3.0, 0.0),
    ),
    group(4705, 4701, "Feature", "Certidões", "Active"),
    group(4706, 4705, STORY, "Empresa emite certidão negativa", "Active"),
    work(
        (4718, 4706),
        "Task",
        "Modelo da certidão",
        "Closed",
        "carla",
        (16.0, 0.0),
    ),
    work(
        (4719, 4706),
        "Task",
        "Assinatura digital da certidão",
        "Active",
        "ana",
        (5.0, 11.0),
    ),
    work(
        (4720, 4706),
        "Task",
        "Validação pública por QR code",
        "New",
        "bruno",
        (0.0, 10.0),
    ),
    group(4707, 4705, STORY, "Cidadão valida uma certidão", "New"),
    work(
        (4721, 4707),
        "Task",
        "Página de validação",
        "Active",
        "diego",
        (2.0, 6.0),
    ),
    work(
        (4722, 4707),
        "Bug",
        "Certidão vencida aparece como válida",
        "New",
        "",
        (0.0, 4.0),
    ),
    group(4708, 0, "Epic", "Sustentação do portal", "Active"),
    group(4709, 4708, "Feature", "Operação", "Active"),
    group(
        4710,
        4709,
        STORY,
        "Portal responde em menos de um segundo",
        "Active",
    ),
    work(
        (4723, 4710),
        "Task",
        "Índices das consultas lentas",
        "Active",
        "bruno",
        (4.0, 4.0),
    ),
    work(
        (4724, 4710),
        "Task",
        "Painel de tempos de resposta",
        "Closed",
        "carla",
        (8.0, 0.0),
    ),
    work(
        (4725, 4710),
        "Bug",
        "Sessão expira durante o preenchimento",
        "Active",
        "ana",
        (2.5, 5.0),
    ),
];

/// Work items of the invoices: the process Scrum has no hours done.
const OF_NOTA_FISCAL: [Entry; 15] = [
    group(4726, 0, "Epic", "Nota fiscal de serviço nacional", "In Progress"),
    group(4727, 4726, "Feature", "Emissão", "In Progress"),
    group(4728, 4727, ITEM, "Prestador emite nota pelo celular", "Committed"),
    work(
        (4731, 4728),
        "Task",
        "Formulário de emissão",
        "In Progress",
        "elisa",
        (0.0, 9.0),
    ),
    work(
        (4732, 4728),
        "Task",
        "Envio do XML assinado",
        "In Progress",
        "fabio",
        (0.0, 14.0),
    ),
    work(
        (4733, 4728),
        "Task",
        "Fila de contingência",
        "To Do",
        "ana",
        (0.0, 16.0),
    ),
    group(4729, 4727, ITEM, "Prestador cancela uma nota", "Approved"),
    work(
        (4734, 4729),
        "Task",
        "Regra do prazo de cancelamento",
        "In Progress",
        "ana",
        (0.0, 5.0),
    ),
    work(
        (4735, 4729),
        "Task",
        "Comprovante de cancelamento",
        "To Do",
        "elisa",
        (0.0, 6.0),
    ),
    work(
        (4736, 4729),
        "Bug",
        "Cancelamento duplicado gera erro",
        "Committed",
        "fabio",
        (0.0, 3.0),
    ),
    group(4730, 4726, "Feature", "Integração contábil", "New"),
    group(4737, 4730, ITEM, "Contador exporta notas do mês", "Approved"),
    work(
        (4738, 4737),
        "Task",
        "Exportação em lote",
        "Done",
        "fabio",
        (0.0, 0.0),
    ),
    work(
        (4739, 4737),
        "Task",
        "Layout do arquivo",
        "In Progress",
        "elisa",
        (0.0, 4.0),
    ),
    work(
        (4740, 4737),
        "Bug",
        "Data de competência em UTC",
        "New",
        "",
        (0.0, 2.0),
    ),
];

fn entries(demo: &DemoProject) -> &'static [Entry] {
    if demo.id == PORTAL.id {
        &OF_PORTAL
    } else {
        &OF_NOTA_FISCAL
    }
}

/// Returns the ids of a project's tasks and bugs.
pub(super) fn ids(demo: &DemoProject) -> Vec<i32> {
    entries(demo)
        .iter()
        .filter(|entry| entry.hours.is_some())
        .map(|entry| entry.id)
        .collect()
}

/// Adds the work items of a project, created some weeks before `today`.
pub(super) fn plant(fake: &FakeAzure, demo: &DemoProject, today: NaiveDate) {
    let created = format!("{}T12:00:00Z", today - Days::new(30));
    let changed = format!("{}T12:00:00Z", today - Days::new(7));
    let sprint = calendar::name(calendar::sprint_of(today).0);
    for entry in entries(demo) {
        let mut new = NewWorkItem::task(demo.name)
            .of_type(entry.kind)
            .titled(entry.title)
            .state(entry.state)
            .area(demo.name)
            .with("System.CreatedDate", json!(created))
            .with("System.ChangedDate", json!(changed))
            .with("System.IterationPath", json!(format!("{}\\{sprint}", demo.name)));
        if entry.parent != 0 {
            new = new.under(entry.parent);
        }
        if !entry.assigned.is_empty() {
            new = new.of(&people::by_account(&format!("{}@contoso.com", entry.assigned)));
        }
        if let Some((done, left)) = entry.hours {
            new = new.remaining(left);
            if demo.id != NOTA_FISCAL.id {
                new = new.completed(done).estimate(done + left);
            }
        }
        fake.edit_work_items(ORGANIZATION, |work_items| work_items.add_as(entry.id, new));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn entries_of_both_projects_are_forty_with_known_parents() {
        let all: Vec<&Entry> = OF_PORTAL.iter().chain(&OF_NOTA_FISCAL).collect();
        let ids: HashSet<i32> = all.iter().map(|entry| entry.id).collect();
        assert_eq!(ids.len(), 40);
        for entry in all {
            assert!(
                entry.parent == 0 || ids.contains(&entry.parent),
                "{}",
                entry.title
            );
        }
    }
}
