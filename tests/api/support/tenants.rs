//! Two organisations, their people, and an application that serves both.

use azure_devops_fake::{FakeAzure, Server};
use serde_json::json;
use uuid::Uuid;

use super::{Request, TestApp};

/// Base64 of 32 bytes.
pub const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
pub const NEXT_KEY: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

/// `contoso` and `fabrikam`, a vault, and a caller of each kind.
pub struct Tenants {
    pub azure: FakeAzure,
    pub app: TestApp,
    /// PAT of a member of contoso.
    pub member: String,
    /// PAT of an administrator, a member of contoso.
    pub admin: String,
    /// PAT of a member of fabrikam only.
    pub other: String,
    /// PAT of an administrator, a member of fabrikam only.
    pub other_admin: String,
    /// PAT of a member of contoso that administers contoso alone.
    pub bound: String,
    /// PAT of a member of both that administers fabrikam alone.
    pub bound_elsewhere: String,
    /// A project of contoso.
    pub projeto: Uuid,
    /// A project of fabrikam.
    pub foreign: Uuid,
    /// A PAT that works for contoso.
    pub service_pat: String,
}

impl Tenants {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    pub async fn with(variables: &[(&str, &str)]) -> Self {
        Self::on(Server::default(), variables).await
    }

    /// On a server of Azure DevOps of this version.
    pub async fn on(server: Server, variables: &[(&str, &str)]) -> Self {
        let azure = FakeAzure::contoso().await;
        azure.play(server);
        azure.organization("fabrikam");
        let projeto = azure.projects("contoso", 1)[0].id;
        let foreign = azure.projects("fabrikam", 1)[0].id;
        let root = azure.person("Root", &["contoso"]);
        let service_pat = azure.pat(&azure.person("Service", &["contoso", "fabrikam"]));
        let pats = format!("contoso={service_pat},fabrikam={service_pat}");
        let other_root = azure.person("Other", &["fabrikam"]);
        let bound = azure.person("Bound", &["contoso"]);
        let bound_elsewhere = azure.person("Elsewhere", &["contoso", "fabrikam"]);
        let admins = format!(
            "{},{},contoso/{},fabrikam/{}",
            root.id, other_root.id, bound.id, bound_elsewhere.id
        );
        let own = [
            ("AZURE_DEVOPS_ORG_PATS", pats.as_str()),
            ("ADMIN_USERS", admins.as_str()),
            ("PAT_ENCRYPTION_KEYS", KEY),
        ];
        let app = TestApp::over(&azure, own.into_iter().chain(variables.iter().copied())).await;
        let tenants = Self {
            member: azure.pat(&azure.person("Ada Example", &["contoso"])),
            admin: azure.pat(&root),
            other_admin: azure.pat(&other_root),
            bound: azure.pat(&bound),
            bound_elsewhere: azure.pat(&bound_elsewhere),
            other: azure.pat(&azure.person("Bob", &["fabrikam"])),
            azure,
            app,
            projeto,
            foreign,
            service_pat,
        };
        let sync = Request::post("/api/v1/integracao/sincronizar").bearer(&tenants.admin);
        tenants.app.send(sync).await.expect(200);
        tenants
    }

    /// An activity of these projects, made by the mock of the whole installation.
    pub async fn atividade(&self, token: &str, nome: &str, projetos: &[Uuid]) -> Uuid {
        let body = json!({"nome": nome, "ids_projetos": projetos});
        let create = Request::post("/api/v1/atividades").bearer(token).json(&body);
        let created = self.app.send(create).await.expect(201);
        created["id"].as_str().unwrap().parse().unwrap()
    }

    /// A PAT in the vault, for contoso.
    pub async fn stored_pat(&self) -> Uuid {
        self.stored_pat_of("contoso").await
    }

    /// A PAT in the vault, for this organisation.
    pub async fn stored_pat_of(&self, nome: &str) -> Uuid {
        let body = json!({"organization_name": nome, "pat": self.service_pat});
        let create = Request::post("/api/v1/organization-pats")
            .bearer(&self.admin)
            .json(&body);
        let created = self.app.send(create).await.expect(201);
        created["id"].as_str().unwrap().parse().unwrap()
    }
}
