//! The state of the fake.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use crate::fault::Fault;
use crate::planning::{Iteration, Team};
use crate::versions::Server;
use crate::work_items::WorkItems;

/// Holds all organisations, and the tokens that they share.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) orgs: HashMap<String, Org>,
    /// PAT to person.
    pub(crate) pats: HashMap<String, Uuid>,
    /// PAT to another id of the same person: organisations give ids of their own.
    pub(crate) aliases: HashMap<String, Uuid>,
    /// Access token to person.
    pub(crate) access_tokens: HashMap<String, Uuid>,
    /// Token to the delay of its answers.
    pub(crate) token_delays: HashMap<String, Duration>,
    /// Token and operation (or `*`) to its fault.
    pub(crate) token_faults: HashMap<(String, String), Fault>,
    /// Requests so far, in order.
    pub(crate) seen: Vec<Seen>,
    /// Server of the organisations.
    pub(crate) server: Server,
    /// Tokens of the questions for the versions.
    pub(crate) version_questions: Vec<Option<String>>,
}

/// Holds one organisation.
#[derive(Debug)]
pub(crate) struct Org {
    /// `instanceId` of `connectionData`; a rename does not change it.
    pub(crate) instance_id: Uuid,
    pub(crate) people: Vec<Person>,
    pub(crate) projects: Vec<Project>,
    pub(crate) work_items: WorkItems,
    pub(crate) teams: Vec<Team>,
    pub(crate) iterations: Vec<Iteration>,
    /// Answers requests without a member's token, as the anonymous identity.
    pub(crate) public: bool,
    /// Operation (or `*`) to its fault, and how many requests will still meet it.
    pub(crate) faults: HashMap<String, (Fault, usize)>,
    /// Operation (or `*`) to a sender; answers wait until it is dropped.
    pub(crate) held: HashMap<String, watch::Receiver<()>>,
    /// Number of restores of its work items from a backup.
    pub(crate) restores: usize,
    /// File that outlives the process with the changes of its work items.
    pub(crate) store: Option<PathBuf>,
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
            store: None,
        }
    }
}

/// Describes a person with an account.
#[derive(Debug, Clone)]
pub struct Person {
    /// Id in the organisation.
    pub id: Uuid,
    /// Display name.
    pub name: String,
    /// Account, in the form of an e-mail address.
    pub email: String,
    /// States that the account is in use; an inactive one is no member.
    pub active: bool,
    /// Id that the organisations share; the identity service finds the person by it, too.
    pub master_id: Option<Uuid>,
    /// Id in Entra; nothing is found by it.
    pub object_id: Option<Uuid>,
    /// Mailbox, where it is not the account; the identity service has it.
    pub mail: Option<String>,
    /// States that `connectionData` has the mailbox, too.
    pub mail_at_sign_in: bool,
    /// Id that revisions name for changes of this person, where it is not `id`.
    pub changes_as: Option<Uuid>,
    /// Domain of the account, on a server that is not hosted.
    pub domain: Option<String>,
    /// Bytes of the picture.
    pub avatar: Option<Vec<u8>>,
}

impl Person {
    /// Returns an active person whose account is the first name at `contoso.example`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let first = name.split(' ').next().unwrap_or(name).to_lowercase();
        Self {
            id: Uuid::new_v4(),
            name: name.to_owned(),
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

    /// Returns the descriptor of the person in the Graph.
    #[must_use]
    pub fn subject_descriptor(&self) -> String {
        format!("aad.{}", self.id.simple())
    }

    /// Returns the identity that the identity service gives.
    pub(crate) fn full_identity(&self) -> Value {
        let mut identity = self.identity();
        for list in ["members", "memberOf", "memberIds"] {
            identity[list] = json!([]);
        }
        for (name, value) in [
            ("SchemaClassName", "User"),
            ("Description", ""),
            ("DN", ""),
            ("SpecialType", "Generic"),
        ] {
            identity["properties"][name] = json!({ "$type": "System.String", "$value": value });
        }
        identity["properties"]["ComplianceValidated"] =
            json!({ "$type": "System.DateTime", "$value": "2026-04-01T00:00:00Z" });
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

    /// Returns the reference that work items have of the person, with this id.
    pub(crate) fn reference(&self, id: Uuid) -> Value {
        let (name, account) = (&self.name, &self.email);
        json!({
            "id": id, "displayName": name, "uniqueName": account, "url": "u", "imageUrl": "u",
            "descriptor": self.subject_descriptor(), "_links": { "avatar": { "href": "u" } }
        })
    }

    /// Returns the identity that `connectionData` gives.
    pub(crate) fn identity(&self) -> Value {
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
            "providerDisplayName": self.name,
            "isActive": self.active,
            "properties": properties,
            "resourceVersion": 2,
            "metaTypeId": 0
        })
    }
}

/// Describes a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Id, `templateTypeId` of a project's capabilities.
    pub id: &'static str,
    /// Name, such as `Scrum`.
    pub name: &'static str,
}

/// Describes a project.
#[derive(Debug, Clone)]
pub struct Project {
    /// Id of the project.
    pub id: Uuid,
    /// Answer of the list of projects.
    pub json: Value,
    /// Process of the project.
    pub process: Process,
    /// States that requests without a member's token see the project.
    pub public: bool,
    /// States that addresses of work items lack the project, as on a server that is not hosted.
    pub on_own_server: bool,
}

impl Project {
    /// Returns a private project.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let id = Uuid::new_v4();
        let json = json!({
            "id": id,
            "name": name,
            "url": format!("https://dev.azure.com/contoso/_apis/projects/{id}"),
            "state": "wellFormed",
            "revision": 42,
            "visibility": "private",
            "lastUpdateTime": "0001-01-01T00:00:00"
        });
        Self {
            id,
            json,
            process: Process {
                id: "agile-id",
                name: "Agile",
            },
            public: false,
            on_own_server: false,
        }
    }

    /// Returns the name in the project's answer.
    #[must_use]
    pub fn name(&self) -> &str {
        self.json["name"].as_str().unwrap_or_default()
    }
}

/// Describes a request that the fake received.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Organisation of the path.
    pub org: String,
    /// Name of the operation, `unknown` if the fake does not have it.
    pub operation: &'static str,
    /// Path, as it was sent.
    pub path: String,
    /// Query, as it was sent.
    pub query: String,
    /// Header `Authorization`.
    pub authorization: Option<String>,
    /// Header `User-Agent`.
    pub user_agent: String,
    /// States that `X-TFS-FedAuthRedirect` is `Suppress`.
    pub suppress: bool,
    /// Header `traceparent`.
    pub traceparent: Option<String>,
}
