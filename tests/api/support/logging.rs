//! An application in which hours can be logged: two organisations, an activity and a work item of contoso.

use azure_devops_fake::{FakeAzure, NewWorkItem, Server};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Reply, Request, Tenants};

pub const APONTAMENTOS: &str = "/api/v1/apontamentos";

/// The project that [`Tenants`] makes.
pub const PROJECT: &str = "P000";

pub struct Logging {
    pub tenants: Tenants,
    pub atividade: Uuid,
    /// An open task of contoso: 10 hours estimated, 6.5 left, 3.5 done by people.
    pub item: i32,
}

impl Logging {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// Patient with slow machines, unless a test says otherwise.
    pub async fn with(variables: &[(&str, &str)]) -> Self {
        Self::on(Server::default(), variables).await
    }

    /// On a server of Azure DevOps of this version.
    pub async fn on(server: Server, variables: &[(&str, &str)]) -> Self {
        let mut all = vec![("WRITEBACK_BUDGET", "5")];
        all.extend_from_slice(variables);
        // On the heap: every test waits for this.
        let tenants = Box::pin(Tenants::on(server, &all)).await;
        let atividade = tenants
            .atividade(&tenants.member, "Codificação", &[tenants.projeto])
            .await;
        let item = NewWorkItem::task(PROJECT)
            .estimate(10.0)
            .remaining(6.5)
            .completed(3.5);
        let item = tenants.azure.work_item("contoso", item);
        Self {
            tenants,
            atividade,
            item,
        }
    }

    pub fn azure(&self) -> &FakeAzure {
        &self.tenants.azure
    }

    /// Today, as the service sees it.
    pub fn today() -> String {
        day(0)
    }

    /// A valid body: one hour today.
    pub fn body(&self) -> Value {
        json!({
            "data_apontamento": Self::today(), "duracao": "01:00", "id_atividade": self.atividade,
            "work_item_id": self.item, "project_id": self.tenants.projeto, "organization_name": "contoso"
        })
    }

    /// The valid body with these keys changed.
    pub fn body_with(&self, changes: &Value) -> Value {
        let mut body = self.body();
        for (key, value) in changes.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    }

    /// `POST` as the member.
    pub async fn post(&self, body: &Value) -> Reply {
        self.post_as(&self.tenants.member, body).await
    }

    pub async fn post_as(&self, token: &str, body: &Value) -> Reply {
        let request = Request::post(APONTAMENTOS).bearer(token).json(body);
        self.tenants.app.send(request).await
    }

    /// Logs hours on the item as the member; returns the entry.
    pub async fn log(&self, duracao: &str) -> Value {
        self.post(&self.body_with(&json!({"duracao": duracao})))
            .await
            .expect(201)
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.tenants.app.get_as(&self.tenants.member, path).await
    }

    pub async fn put(&self, entry: &Value, changes: &Value) -> Reply {
        let request = Request::put(&path(entry))
            .bearer(&self.tenants.member)
            .json(changes);
        self.tenants.app.send(request).await
    }

    pub async fn delete(&self, entry: &Value) -> Reply {
        let request = Request::delete(&path(entry)).bearer(&self.tenants.member);
        self.tenants.app.send(request).await
    }

    /// `sincronizacao` of an entry now.
    pub async fn situation(&self, entry: &Value) -> Value {
        self.get(&path(entry)).await.expect(200)["sincronizacao"].clone()
    }

    /// The address of the item's entries, with this under it.
    pub fn of_item(&self, under: &str) -> String {
        let (item, projeto) = (self.item, self.tenants.projeto);
        format!("{APONTAMENTOS}/work-item/{item}{under}?organization_name=contoso&project_id={projeto}")
    }

    /// What the background does, once; whatever waits for its time is due now.
    pub async fn write_due(&self) -> usize {
        sqlx::query("UPDATE write_back SET proxima_em = now() - interval '1 second'")
            .execute(&self.tenants.app.pool)
            .await
            .unwrap();
        self.tenants.app.app.outbox.write_due().await.unwrap()
    }

    /// Lets this time pass since Azure DevOps first showed an old revision, and since a patch got no clear
    /// answer.
    pub async fn time_passes(&self, interval: &str) {
        sqlx::query(
            "UPDATE write_back SET atras_desde = atras_desde - $1::text::interval,
             intencao_em = intencao_em - $1::text::interval",
        )
        .bind(interval)
        .execute(&self.tenants.app.pool)
        .await
        .unwrap();
    }

    /// Compares the item with Azure DevOps as the administrator; returns the report.
    pub async fn reconcile_item(&self) -> Value {
        let request = Request::post("/api/v1/integracao/reconciliar")
            .bearer(&self.tenants.admin)
            .json(&json!({"organization_name": "contoso", "work_item_id": self.item}));
        self.tenants.app.send(request).await.expect(200)
    }

    /// How many entries there are.
    pub async fn count(&self) -> i64 {
        super::data::count(&self.tenants.app.pool, "apontamentos").await
    }
}

/// The day so many days after today in `America/Fortaleza`, which is UTC-3 all year.
pub fn day(offset: i64) -> String {
    let now = std::time::SystemTime::now();
    let now: chrono::DateTime<chrono::Utc> = now.into();
    let local = now - chrono::TimeDelta::hours(3) + chrono::TimeDelta::days(offset);
    local.format("%Y-%m-%d").to_string()
}

/// The address of an entry.
pub fn path(entry: &Value) -> String {
    format!("{APONTAMENTOS}/{}", entry["id"].as_str().unwrap())
}
