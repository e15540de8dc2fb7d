//! A fake of Azure DevOps on loopback: stateful, with faults on demand and a log of every request. Written from its
//! documented behaviour, bad manners included: what it does not know it answers as the real one does.

mod fault;
mod place;
mod planning;
mod routes;
mod versions;
mod wiql;
mod work_items;
mod world;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

pub use fault::Fault;
pub use versions::Server;
pub use work_items::{Gaps, NewWorkItem, WorkItems};
use world::{Org, World};
pub use world::{Person, Project, Seen};

/// Longer than any test makes a request wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Keeps answers back for as long as it lives.
#[derive(Debug)]
pub struct Hold(#[expect(dead_code, reason = "its end is the signal")] watch::Sender<()>);

/// A running fake; it ends with the value.
#[derive(Debug)]
pub struct FakeAzure {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<Infallible>,
}

/// What the fake's connections share.
#[derive(Debug, Default)]
struct Shared {
    world: Mutex<World>,
    /// Requests that are being answered.
    busy: AtomicUsize,
    /// Requests that wait for their time; their clients may be gone.
    late: AtomicUsize,
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

impl FakeAzure {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            task,
        }
    }

    /// With one organisation, `contoso`.
    pub async fn contoso() -> Self {
        let fake = Self::start().await;
        fake.organizacao("contoso");
        fake
    }

    /// An organisation without people and projects.
    pub fn organizacao(&self, nome: &str) {
        self.shared.world().orgs.insert(nome.to_owned(), Org::default());
    }

    /// From now on the fake is a server of this version.
    pub fn play(&self, server: Server) {
        self.shared.world().server = server;
    }

    /// Tokens of the questions for the versions so far, in order; `None`: without one.
    pub fn version_questions(&self) -> Vec<Option<String>> {
        self.shared.world().version_questions.clone()
    }

    /// An organisation is called otherwise from now on; its old name is free.
    pub fn rename(&self, nome: &str, new: &str) {
        let mut world = self.shared.world();
        let org = world.orgs.remove(nome).expect("no such organisation");
        world.orgs.insert(new.to_owned(), org);
    }

    /// One with public projects answers everybody with 200.
    pub fn make_public(&self, nome: &str) {
        self.with_org(nome, |org| org.public = true);
    }

    /// Somebody who belongs to these organisations.
    pub fn person(&self, nome: &str, orgs: &[&str]) -> Person {
        let person = Person::new(nome);
        for org in orgs {
            self.with_org(org, |org| org.people.push(person.clone()));
        }
        person
    }

    /// The person behind a PAT, as an organisation knows them.
    pub fn person_of(&self, token: &str, org: &str) -> Person {
        let id = self.shared.world().pats[token];
        self.with_org(org, |org| {
            org.people
                .iter()
                .find(|person| person.id == id)
                .expect("a member")
                .clone()
        })
    }

    /// A person becomes a member of an organisation, too.
    pub fn join(&self, person: &Person, org: &str) {
        self.with_org(org, |org| org.people.push(person.clone()));
    }

    /// Changes what the organisations know of somebody.
    pub fn edit_person(&self, id: Uuid, edit: impl Fn(&mut Person)) {
        for org in self.shared.world().orgs.values_mut() {
            org.people
                .iter_mut()
                .filter(|person| person.id == id)
                .for_each(&edit);
        }
    }

    /// A PAT of somebody, good wherever they belong.
    pub fn pat(&self, person: &Person) -> String {
        let token = format!("pat{}AZDO", Uuid::new_v4().simple());
        self.shared.world().pats.insert(token.clone(), person.id);
        token
    }

    /// The PAT is that of this person, too: where they belong.
    pub fn also(&self, token: &str, person: &Person) {
        self.shared.world().aliases.insert(token.to_owned(), person.id);
    }

    /// An access token of somebody; shaped like a JWT.
    pub fn access_token(&self, person: &Person) -> String {
        let token = format!(
            "eyJ0eXAiOiJKV1QifQ.eyJpc3MiOiJlbnRyYSJ9.{}",
            Uuid::new_v4().simple()
        );
        self.shared.world().access_tokens.insert(token.clone(), person.id);
        token
    }

    /// An access token of a person as Azure DevOps itself signs them: RS256, with the `iss` that app tokens
    /// have, too.
    pub fn azure_devops_token(&self, person: &Person) -> String {
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let token = format!(
            "{}.{}.{}",
            part(json!({ "typ": "JWT", "alg": "RS256", "x5t": "oOvcz5M_7p-HjIKlFXz93u_V0Zo" })),
            part(json!({
                "iss": "app.vstoken.visualstudio.com",
                "aud": format!("app.vstoken.visualstudio.com|vso:{}", Uuid::new_v4()),
                "nameid": Uuid::new_v4(), "scp": "vso.work_write"
            })),
            Uuid::new_v4().simple()
        );
        self.accept(&token, person);
        token
    }

    /// The access token, whatever its form, is that of this person.
    pub fn accept(&self, token: &str, person: &Person) {
        let tokens = &mut self.shared.world().access_tokens;
        tokens.insert(token.to_owned(), person.id);
    }

    /// The token is not good any more.
    pub fn revoke(&self, token: &str) {
        let mut world = self.shared.world();
        world.pats.remove(token);
        world.access_tokens.remove(token);
    }

    /// Requests with this token are answered so, wherever they go.
    pub fn answer_token(&self, token: &str, fault: Fault) {
        self.answer_token_at(token, "*", fault);
    }

    /// Requests with this token for this operation are answered so.
    pub fn answer_token_at(&self, token: &str, operation: &str, fault: Fault) {
        let key = (token.to_owned(), operation.to_owned());
        self.shared.world().token_faults.insert(key, fault);
    }

    /// Delays answers to requests with this token; their effect is immediate. Azure DevOps delays an identity
    /// that sends too many requests.
    pub fn delay_token(&self, token: &str, delay: Duration) {
        self.shared.world().token_delays.insert(token.to_owned(), delay);
    }

    /// `count` private projects named `P000`, ...
    pub fn projects(&self, org: &str, count: usize) -> Vec<Project> {
        let projects: Vec<Project> = (0..count).map(|n| Project::new(&format!("P{n:03}"))).collect();
        self.with_org(org, |org| org.projects.extend(projects.iter().cloned()));
        projects
    }

    /// Changes the projects of an organisation.
    pub fn edit_projects(&self, org: &str, edit: impl FnOnce(&mut Vec<Project>)) {
        self.with_org(org, |org| edit(&mut org.projects));
    }

    /// A project is called otherwise from now on, on its work items, too.
    pub fn rename_project(&self, org: &str, id: Uuid, new: &str) {
        self.with_org(org, |org| {
            let project = org.projects.iter_mut().find(|project| project.id == id).unwrap();
            let old = project.json["name"].as_str().unwrap().to_owned();
            project.json["name"] = new.into();
            org.work_items.rename_project(&old, new);
        });
    }

    /// Adds a project of this name.
    pub fn project(&self, org: &str, name: &str) -> Project {
        let project = Project::new(name);
        self.with_org(org, |org| org.projects.push(project.clone()));
        project
    }

    /// Adds a work item; returns its id.
    pub fn work_item(&self, org: &str, new: NewWorkItem) -> i32 {
        self.edit_work_items(org, |work_items| work_items.add(new))
    }

    /// A team of a project, with the work items under `project\\name` as its own.
    pub fn team(&self, org: &str, project: &Project, name: &str, members: &[Uuid]) -> Uuid {
        let id = Uuid::new_v4();
        let team = planning::Team {
            id,
            name: name.to_owned(),
            project: project.id,
            members: members.to_vec(),
            field: "System.AreaPath".to_owned(),
            areas: vec![(
                format!("{}\\{name}", project.json["name"].as_str().unwrap()),
                true,
            )],
        };
        self.with_org(org, |org| org.teams.push(team));
        id
    }

    /// The work items of a team are those whose `field` has one of these values.
    pub fn team_field(&self, org: &str, team: Uuid, field: &str, areas: &[String]) {
        self.with_org(org, |org| {
            let team = org.teams.iter_mut().find(|known| known.id == team).unwrap();
            field.clone_into(&mut team.field);
            let below = field == "System.AreaPath";
            team.areas = areas.iter().map(|area| (area.clone(), below)).collect();
        });
    }

    /// An iteration with these work items.
    pub fn iteration(&self, org: &str, name: &str, time_frame: &'static str, items: &[i32]) -> Uuid {
        let id = Uuid::new_v4();
        let iteration = planning::Iteration {
            id,
            name: name.to_owned(),
            time_frame,
            items: items.to_vec(),
        };
        self.with_org(org, |org| org.iterations.push(iteration));
        id
    }

    /// Changes the work items of an organisation, as people in its web portal do, or looks at them.
    pub fn edit_work_items<T>(&self, org: &str, edit: impl FnOnce(&mut WorkItems) -> T) -> T {
        self.with_org(org, |org| edit(&mut org.work_items))
    }

    /// Restores a work item from a backup: its last `count` revisions never happened, but the first one did. Requests
    /// that wait for their time are gone with the server that had them.
    pub fn restore_backup(&self, org: &str, id: i32, count: usize) {
        self.with_org(org, |org| {
            org.restores += 1;
            let possible = org.work_items.revision_count(id) - 1;
            org.work_items.roll_back(id, count.min(possible));
        });
    }

    /// `CompletedWork` and `RemainingWork` of a work item of contoso.
    pub fn hours(&self, id: i32) -> (Option<f64>, Option<f64>) {
        self.edit_work_items("contoso", |work_items| {
            (
                work_items.hours(id, "CompletedWork"),
                work_items.hours(id, "RemainingWork"),
            )
        })
    }

    /// From now on `operation` (`*`: any) of `org` goes wrong.
    pub fn fault(&self, org: &str, operation: &str, fault: Fault) {
        self.fault_times(org, operation, fault, usize::MAX);
    }

    /// The next `times` times only.
    pub fn fault_times(&self, org: &str, operation: &str, fault: Fault, times: usize) {
        let operation = operation.to_owned();
        self.with_org(org, |org| org.faults.insert(operation, (fault, times)));
    }

    /// How often an operation will still go wrong.
    pub fn faults_left(&self, org: &str, operation: &str) -> usize {
        self.with_org(org, |org| {
            org.faults.get(operation).map_or(0, |(_, times)| *times)
        })
    }

    /// From now on the organisation takes its time: answers come when the returned value goes.
    pub fn hold(&self, org: &str) -> Hold {
        self.hold_operation(org, "*")
    }

    /// The same for one operation. What is asked for is done at once; the answer waits.
    pub fn hold_operation(&self, org: &str, operation: &str) -> Hold {
        let (sender, held) = watch::channel(());
        self.with_org(org, |org| org.held.insert(operation.to_owned(), held));
        Hold(sender)
    }

    /// Everything works again.
    pub fn heal(&self) {
        let mut world = self.shared.world();
        world.token_faults.clear();
        world.token_delays.clear();
        world.orgs.values_mut().for_each(|org| org.faults.clear());
    }

    /// Every request so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.world().seen.clone()
    }

    /// How many requests of this operation there were.
    pub fn count(&self, operation: &str) -> usize {
        self.seen()
            .iter()
            .filter(|seen| seen.operation == operation)
            .count()
    }

    /// Every request since the last call of this, in order; they are forgotten.
    pub fn take_requests(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.world().seen)
    }

    pub fn forget_requests(&self) {
        self.shared.world().seen.clear();
    }

    /// Requests that are being answered right now.
    pub fn busy(&self) -> usize {
        self.shared.busy.load(Ordering::SeqCst)
    }

    /// Returns once no request waits for its time any more.
    pub async fn late_requests_end(&self) {
        let deadline = Instant::now() + LONGEST_WAIT;
        while self.shared.late.load(Ordering::SeqCst) > 0 {
            assert!(Instant::now() < deadline, "requests are late for ever");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The configuration that points at this fake, `default` being the default organisation.
    pub fn variables(&self, default: &str) -> HashMap<&'static str, String> {
        let address = self.address;
        let mut variables = HashMap::from([
            ("AUTH_ENABLED", "true".to_owned()),
            ("AZURE_DEVOPS_ORG_URL", format!("http://{address}/{default}")),
        ]);
        // A server of one's own serves identities itself.
        if self.shared.world().server == Server::Hosted {
            variables.insert("AZURE_DEVOPS_IDENTITY_URL", format!("http://{address}/vssps"));
        }
        variables
    }

    fn with_org<T>(&self, nome: &str, edit: impl FnOnce(&mut Org) -> T) -> T {
        edit(
            self.shared
                .world()
                .orgs
                .get_mut(nome)
                .expect("no such organisation"),
        )
    }
}

impl Drop for FakeAzure {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let (stream, _) = listener.accept().await.unwrap();
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| routes::handle(Arc::clone(&shared), request));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
