//! What the fake knows.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use super::fault::Fault;
use super::planning::{Iteration, Team};
use super::versions::Server;
use super::work_items::WorkItems;

#[derive(Debug, Default)]
pub struct World {
    pub orgs: HashMap<String, Org>,
    /// PAT to person.
    pub pats: HashMap<String, Uuid>,
    /// PAT to another id of the same person: organisations give ids of their own.
    pub aliases: HashMap<String, Uuid>,
    /// Access token to person.
    pub access_tokens: HashMap<String, Uuid>,
    /// Token to how long its answers are delayed.
    pub token_delays: HashMap<String, Duration>,
    /// Token and operation (or `*`) to what goes wrong.
    pub token_faults: HashMap<(String, String), Fault>,
    pub seen: Vec<Seen>,
    /// Which server the organisations are on.
    pub server: Server,
    /// Tokens of the questions for the versions.
    pub version_questions: Vec<Option<String>>,
}

#[derive(Debug)]
pub struct Org {
    /// What `connectionData` tells; a rename does not change it.
    pub instance_id: Uuid,
    pub people: Vec<Person>,
    pub projects: Vec<Project>,
    pub work_items: WorkItems,
    pub teams: Vec<Team>,
    pub iterations: Vec<Iteration>,
    /// Answers strangers, as the anonymous identity.
    pub public: bool,
    /// Operation (or `*`) to what goes wrong and how often still.
    pub faults: HashMap<String, (Fault, usize)>,
    /// Operation (or `*`) to a sender; answers wait until it is gone.
    pub held: HashMap<String, watch::Receiver<()>>,
    /// How often its work items were restored from a backup.
    pub restores: usize,
}

impl Default for Org {
    fn default() -> Self {
        Self {
            instance_id: Uuid::new_v4(),
            people: Vec::new(),
            projects: Vec::new(),
            work_items: WorkItems::default(),
            teams: Vec::new(),
            iterations: Vec::new(),
            public: false,
            faults: HashMap::new(),
            held: HashMap::new(),
            restores: 0,
        }
    }
}

/// Somebody with an account.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: Uuid,
    pub nome: String,
    pub email: String,
    pub active: bool,
    /// Id that the organisations share; the identity service finds the person by it, too.
    pub master_id: Option<Uuid>,
    /// Id in Entra; nothing is found by it.
    pub object_id: Option<Uuid>,
    /// Mailbox, where it is not the account. The identity service tells it.
    pub mail: Option<String>,
    /// Whether `connectionData` tells the mailbox, too.
    pub mail_at_sign_in: bool,
    /// Id that revisions name for changes of this person, where it is not `id`.
    pub changes_as: Option<Uuid>,
    /// Domain of the account, on a server of one's own.
    pub domain: Option<String>,
    /// Bytes of the picture.
    pub avatar: Option<Vec<u8>>,
}

impl Person {
    pub fn new(nome: &str) -> Self {
        let first = nome.split(' ').next().unwrap_or(nome).to_lowercase();
        Self {
            id: Uuid::new_v4(),
            nome: nome.to_owned(),
            email: format!("{first}@contoso.example"),
            active: true,
            master_id: None,
            object_id: None,
            mail: None,
            mail_at_sign_in: false,
            changes_as: None,
            domain: None,
            avatar: None,
        }
    }

    pub fn subject_descriptor(&self) -> String {
        format!("aad.{}", self.id.simple())
    }

    /// As the identity service tells it.
    pub fn full_identity(&self) -> Value {
        let mut identity = self.identity();
        if let Some(mail) = &self.mail {
            identity["properties"]["Mail"] = json!({ "$type": "System.String", "$value": mail });
        }
        if let Some(master_id) = self.master_id {
            identity["masterId"] = json!(master_id);
        }
        if let Some(object_id) = self.object_id {
            let name = "http://schemas.microsoft.com/identity/claims/objectidentifier";
            identity["properties"][name] = json!({ "$type": "System.String", "$value": object_id });
        }
        identity
    }

    /// As `connectionData` tells it.
    pub fn identity(&self) -> Value {
        let text = |value: &str| json!({ "$type": "System.String", "$value": value });
        let mut properties = json!({ "Account": text(&self.email) });
        let mail = self.mail.as_ref().filter(|_| self.mail_at_sign_in);
        for (name, value) in [("Mail", mail), ("Domain", self.domain.as_ref())] {
            if let Some(value) = value {
                properties[name] = text(value);
            }
        }
        json!({
            "id": self.id,
            "descriptor": format!("Microsoft.IdentityModel.Claims.ClaimsIdentity;{}\\{}", Uuid::nil(), self.email),
            "subjectDescriptor": self.subject_descriptor(),
            "providerDisplayName": self.nome,
            "isActive": self.active,
            "properties": properties,
            "resourceVersion": 2,
            "metaTypeId": 0
        })
    }
}

/// A project, as the fake will tell it.
#[derive(Debug, Clone)]
pub struct Project {
    pub id: Uuid,
    pub json: Value,
    pub public: bool,
    /// Addresses of work items do not tell the project.
    pub on_own_server: bool,
}

impl Project {
    pub fn new(nome: &str) -> Self {
        let id = Uuid::new_v4();
        let json = json!({
            "id": id,
            "name": nome,
            "url": format!("https://dev.azure.com/contoso/_apis/projects/{id}"),
            "state": "wellFormed",
            "revision": 42,
            "visibility": "private",
            "lastUpdateTime": "0001-01-01T00:00:00"
        });
        Self {
            id,
            json,
            public: false,
            on_own_server: false,
        }
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Seen {
    pub org: String,
    pub operation: &'static str,
    pub path: String,
    pub query: String,
    pub authorization: Option<String>,
    pub user_agent: String,
    pub suppress: bool,
    pub traceparent: Option<String>,
}
