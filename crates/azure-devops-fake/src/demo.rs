//! The organisation `contoso` of `aponta dev`: the same at each start, with dates around a given day.

mod calendar;
mod items;
mod people;
mod processes;

use chrono::NaiveDate;
use serde_json::json;
use uuid::Uuid;

use crate::FakeAzure;
use crate::planning::Team;
use crate::world::{Process, Project};

/// Name of the organisation.
pub const ORGANIZATION: &str = "contoso";
/// PAT of the service's own account.
pub const SERVICE_PAT: &str = "demo-pat-servico-aponta";
/// Name of a second organisation, without projects: the vault of `aponta dev` has a PAT for it.
pub const SECOND_ORGANIZATION: &str = "fabrikam";
/// PAT of the service's account in the second organisation.
pub const SECOND_PAT: &str = "demo-pat-fabrikam";
/// Account of the administrator.
pub const ADMINISTRATOR: &str = "carla@contoso.com";

/// Ids of the process templates `Agile` and `Scrum` (Microsoft: "Processes - List").
const AGILE: Process = Process {
    id: "adcc42ab-9882-485e-a3ed-7678f01f66bc",
    name: "Agile",
};
const SCRUM: Process = Process {
    id: "6b724908-ef14-45cf-84f8-768b5384da45",
    name: "Scrum",
};

/// Fixed, because databases remember it.
const SECOND_INSTANCE_ID: Uuid = Uuid::from_u128(0x1f3d_2c4b_5a69_4788_96a5_b4c3_d2e1_f002);
const INSTANCE_ID: Uuid = Uuid::from_u128(0x1f3d_2c4b_5a69_4788_96a5_b4c3_d2e1_f001);

/// Describes a project of the organisation.
#[derive(Debug)]
pub struct DemoProject {
    /// Id.
    pub id: Uuid,
    /// Name.
    pub name: &'static str,
    /// Description.
    pub description: &'static str,
    process: Process,
    team: (Uuid, &'static str),
    /// Accounts of the team's members.
    members: &'static [&'static str],
}

/// A portal in the process Agile: tasks and bugs have `CompletedWork`.
pub const PORTAL: DemoProject = DemoProject {
    id: Uuid::from_u128(0x6b1c_1f5e_2d4c_4a9e_9d26_1f0d_9be1_a001),
    name: "Portal do Contribuinte",
    description: "Serviços digitais ao cidadão e às empresas",
    process: AGILE,
    team: (
        Uuid::from_u128(0x8d8d_8d8d_8888_4b2b_9c3c_6060_6060_6060),
        "Time Contribuinte",
    ),
    members: &[
        "ana@contoso.com",
        "bruno@contoso.com",
        "carla@contoso.com",
        "diego@contoso.com",
    ],
};
/// Invoices in the process Scrum: tasks have only `RemainingWork`.
pub const NOTA_FISCAL: DemoProject = DemoProject {
    id: Uuid::from_u128(0x6b1c_1f5e_2d4c_4a9e_9d26_1f0d_9be1_a002),
    name: "Nota Fiscal Eletrônica",
    description: "Emissão e autorização de documentos fiscais",
    process: SCRUM,
    team: (
        Uuid::from_u128(0x8d8d_8d8d_8888_4b2b_9c3c_6060_6060_6061),
        "Time Nota Fiscal",
    ),
    members: &["ana@contoso.com", "elisa@contoso.com", "fabio@contoso.com"],
};

/// Describes a person who can sign in.
#[derive(Debug, Clone)]
pub struct Login {
    /// Display name.
    pub name: &'static str,
    /// Account, in the form of an e-mail address.
    pub account: &'static str,
    /// PAT.
    pub pat: &'static str,
}

/// Adds the organisation to a fake, with sprints around `today`. Returns the people with their PATs.
pub fn plant(fake: &FakeAzure, today: NaiveDate) -> Vec<Login> {
    fake.organization(ORGANIZATION);
    fake.set_instance_id(ORGANIZATION, INSTANCE_ID);
    fake.organization(SECOND_ORGANIZATION);
    fake.set_instance_id(SECOND_ORGANIZATION, SECOND_INSTANCE_ID);
    let people = people::plant(fake);
    for demo in [&PORTAL, &NOTA_FISCAL] {
        let mut project = Project::new(demo.name);
        project.id = demo.id;
        project.process = demo.process;
        project.json["id"] = json!(demo.id);
        project.json["description"] = json!(demo.description);
        project.json["url"] = json!(format!(
            "https://dev.azure.com/contoso/_apis/projects/{}",
            demo.id
        ));
        fake.edit_projects(ORGANIZATION, |projects| projects.push(project));
        let members = demo
            .members
            .iter()
            .map(|account| people::id_of(account))
            .collect();
        fake.add_team(
            ORGANIZATION,
            Team {
                id: demo.team.0,
                name: demo.team.1.to_owned(),
                project: demo.id,
                members,
                field: "System.AreaPath".to_owned(),
                areas: vec![(demo.name.to_owned(), true)],
            },
        );
        let types = match demo.process.name {
            "Scrum" => processes::scrum(),
            _ => processes::agile(),
        };
        fake.edit_work_items(ORGANIZATION, |work_items| work_items.set_types(demo.name, types));
        items::plant(fake, demo, today);
        calendar::plant(fake, demo, today);
    }
    people
}
