//! State of the fake.

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

/// All organisations, and the tokens that they share.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) orgs: HashMap<String, Org>,
    /// Id of the person by PAT.
    pub(crate) pats: HashMap<String, Uuid>,
    /// Further id of the same person by PAT, because each organisation assigns its own ids.
    pub(crate) aliases: HashMap<String, Uuid>,
    /// Id of the person by access token.
    pub(crate) access_tokens: HashMap<String, Uuid>,
    /// Delay of the responses by token.
    pub(crate) token_delays: HashMap<String, Duration>,
    /// Fault by token and operation (or `*`).
    pub(crate) token_faults: HashMap<(String, String), Fault>,
    /// Requests so far, in order.
    pub(crate) seen: Vec<Seen>,
    /// Server that all organisations run on.
    pub(crate) server: Server,
    /// Tokens of the requests for the API versions, in order.
    pub(crate) version_questions: Vec<Option<String>>,
}

/// Organisation with its people and objects.
#[derive(Debug)]
pub(crate) struct Org {
    /// `instanceId` of `connectionData`, which a rename does not change.
    pub(crate) instance_id: Uuid,
    pub(crate) people: Vec<Person>,
    pub(crate) projects: Vec<Project>,
    pub(crate) work_items: WorkItems,
    pub(crate) teams: Vec<Team>,
    pub(crate) iterations: Vec<Iteration>,
    /// `true` if requests without a member's token get responses, as the anonymous identity.
    pub(crate) public: bool,
    /// Fault by operation (or `*`), and the number of requests that it still affects.
    pub(crate) faults: HashMap<String, (Fault, usize)>,
    /// Receiver by operation (or `*`); responses wait until its sender is dropped.
    pub(crate) held: HashMap<String, watch::Receiver<()>>,
    /// Number of restores of work items from a backup.
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

/// Person with an account.
#[derive(Debug, Clone)]
pub struct Person {
    /// Id in the organisation.
    pub id: Uuid,
    /// Display name.
    pub name: String,
    /// Account, in the form of an e-mail address.
    pub email: String,
    /// `true` if the account is in use; an inactive person is no member.
    pub active: bool,
    /// Id shared by organisations; the identity service also finds the person by it.
    pub master_id: Option<Uuid>,
    /// Id in Entra; no lookup uses it.
    pub object_id: Option<Uuid>,
    /// Mailbox, if it differs from the account; returned by the identity service.
    pub mail: Option<String>,
    /// `true` if `connectionData` also returns the mailbox.
    pub mail_at_sign_in: bool,
    /// Id in revisions that this person creates, if it differs from `id`.
    pub changes_as: Option<Uuid>,
    /// Domain of the account, on Azure DevOps Server.
    pub domain: Option<String>,
    /// Bytes of the picture.
    pub avatar: Option<Vec<u8>>,
}

impl Person {
    /// Creates an active person whose account is the first name at `contoso.example`.
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

    /// Returns the identity in the form of the identity service.
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

    /// Returns the reference to the person in work items, with this id.
    pub(crate) fn reference(&self, id: Uuid) -> Value {
        let (name, account) = (&self.name, &self.email);
        json!({
            "id": id, "displayName": name, "uniqueName": account, "url": "u", "imageUrl": "u",
            "descriptor": self.subject_descriptor(), "_links": { "avatar": { "href": "u" } }
        })
    }

    /// Returns the identity in the form of `connectionData`.
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

/// Project of an organisation.
#[derive(Debug, Clone)]
pub struct Project {
    /// Id of the project.
    pub id: Uuid,
    /// Element of the list of projects.
    pub json: Value,
    /// Process of the project.
    pub process: Process,
    /// `true` if requests without a member's token can see the project.
    pub public: bool,
    /// `true` if addresses of work items lack the project, as on Azure DevOps Server.
    pub on_own_server: bool,
}

impl Project {
    /// Creates a private project.
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

    /// Returns the name in the JSON of the project.
    #[must_use]
    pub fn name(&self) -> &str {
        self.json["name"].as_str().unwrap_or_default()
    }
}

/// Request that the fake received.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Organisation in the path.
    pub org: String,
    /// Name of the operation; `unknown` if the fake does not implement it.
    pub operation: &'static str,
    /// Path, as received.
    pub path: String,
    /// Query, as received.
    pub query: String,
    /// Header `Authorization`.
    pub authorization: Option<String>,
    /// Header `User-Agent`.
    pub user_agent: String,
    /// `true` if `X-TFS-FedAuthRedirect` is `Suppress`.
    pub suppress: bool,
    /// Header `traceparent`.
    pub traceparent: Option<String>,
}
