//! Organisations of the fake, with their projects, teams, iterations and work items.

use uuid::Uuid;

use super::FakeAzure;
use crate::planning::{Iteration, Team};
use crate::versions::Server;
use crate::work_items::WorkItems;
use crate::work_items::new::NewWorkItem;
use crate::world::{Org, Project};

impl FakeAzure {
    /// Adds an organisation without people and projects.
    pub fn organization(&self, name: &str) {
        self.shared.world().orgs.insert(name.to_owned(), Org::default());
    }

    /// Renames an organisation; its old name becomes free.
    ///
    /// # Panics
    /// Panics if no organisation has the old name.
    pub fn rename(&self, name: &str, new: &str) {
        let mut world = self.shared.world();
        let Some(org) = world.orgs.remove(name) else {
            panic!("no organisation is called {name}")
        };
        world.orgs.insert(new.to_owned(), org);
    }

    /// Makes an organisation public, so that requests without a member's token get 200.
    pub fn make_public(&self, name: &str) {
        self.with_org(name, |org| org.public = true);
    }

    /// Sets the server version that the fake simulates.
    pub fn play(&self, server: Server) {
        self.shared.world().server = server;
    }

    /// Adds a private project.
    pub fn project(&self, org: &str, name: &str) -> Project {
        let project = Project::new(name);
        self.with_org(org, |org| org.projects.push(project.clone()));
        project
    }

    /// Adds `count` private projects named `P000`, `P001` and so on.
    pub fn projects(&self, org: &str, count: usize) -> Vec<Project> {
        let projects: Vec<Project> = (0..count).map(|n| Project::new(&format!("P{n:03}"))).collect();
        self.with_org(org, |org| org.projects.extend(projects.iter().cloned()));
        projects
    }

    /// Changes the projects of an organisation.
    pub fn edit_projects(&self, org: &str, edit: impl FnOnce(&mut Vec<Project>)) {
        self.with_org(org, |org| edit(&mut org.projects));
    }

    /// Renames a project, also in its work items.
    ///
    /// # Panics
    /// Panics if no project has this id.
    pub fn rename_project(&self, org: &str, id: Uuid, new: &str) {
        self.with_org(org, |org| {
            let Some(project) = org.projects.iter_mut().find(|project| project.id == id) else {
                panic!("no project has the id {id}")
            };
            let old = project.name().to_owned();
            project.json["name"] = new.into();
            org.work_items.rename_project(&old, new);
        });
    }

    /// Adds a team of a project, with the work items below the area `project\\name`. Returns its id.
    pub fn team(&self, org: &str, project: &Project, name: &str, members: &[Uuid]) -> Uuid {
        let id = Uuid::new_v4();
        let team = Team {
            id,
            name: name.to_owned(),
            project: project.id,
            members: members.to_vec(),
            field: "System.AreaPath".to_owned(),
            areas: vec![(format!("{}\\{name}", project.name()), true)],
        };
        self.with_org(org, |org| org.teams.push(team));
        id
    }

    /// Assigns a team the work items whose `field` has one of these values.
    ///
    /// # Panics
    /// Panics if no team has this id.
    pub fn team_field(&self, org: &str, team: Uuid, field: &str, areas: &[String]) {
        self.with_org(org, |org| {
            let Some(team) = org.teams.iter_mut().find(|known| known.id == team) else {
                panic!("no team has the id {team}")
            };
            field.clone_into(&mut team.field);
            let below = field == "System.AreaPath";
            team.areas = areas.iter().map(|area| (area.clone(), below)).collect();
        });
    }

    /// Gives an organisation its `instanceId`.
    pub(crate) fn set_instance_id(&self, org: &str, id: Uuid) {
        self.with_org(org, |org| org.instance_id = id);
    }

    /// Adds a team.
    pub(crate) fn add_team(&self, org: &str, team: Team) {
        self.with_org(org, |org| org.teams.push(team));
    }

    /// Adds an iteration.
    pub(crate) fn add_iteration(&self, org: &str, iteration: Iteration) {
        self.with_org(org, |org| org.iterations.push(iteration));
    }

    /// Adds an iteration of all projects with these work items. Returns its id.
    pub fn iteration(&self, org: &str, name: &str, time_frame: &'static str, items: &[i32]) -> Uuid {
        let id = Uuid::new_v4();
        let iteration = Iteration {
            id,
            name: name.to_owned(),
            time_frame,
            days: ("2026-01-19".to_owned(), "2026-01-30".to_owned()),
            project: None,
            items: items.to_vec(),
        };
        self.with_org(org, |org| org.iterations.push(iteration));
        id
    }

    /// Adds a work item. Returns its id.
    pub fn work_item(&self, org: &str, new: NewWorkItem) -> i32 {
        self.edit_work_items(org, |work_items| work_items.add(new))
    }

    /// Changes or reads the work items of an organisation; changes count as made in the web portal.
    pub fn edit_work_items<T>(&self, org: &str, edit: impl FnOnce(&mut WorkItems) -> T) -> T {
        self.with_org(org, |org| edit(&mut org.work_items))
    }

    /// Restores a work item from a backup: its last `count` revisions are lost, except the first revision.
    /// Delayed requests are lost, too, because the server that held them is gone.
    pub fn restore_backup(&self, org: &str, id: i32, count: usize) {
        self.with_org(org, |org| {
            org.restores += 1;
            let possible = org.work_items.revision_count(id) - 1;
            org.work_items.roll_back(id, count.min(possible));
        });
    }

    /// Returns `CompletedWork` and `RemainingWork` of a work item of `contoso`.
    #[must_use]
    pub fn hours(&self, id: i32) -> (Option<f64>, Option<f64>) {
        self.edit_work_items("contoso", |work_items| {
            (
                work_items.hours(id, "CompletedWork"),
                work_items.hours(id, "RemainingWork"),
            )
        })
    }
}
