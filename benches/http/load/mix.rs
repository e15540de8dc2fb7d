//! The requests: grid 40 %, entries of a work item 20 %, new entries 20 %, changes 10 %, sums 10 %. The list
//! of activities stands for the grid, since Azure DevOps' time is not ours.

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

const MIX: [&str; 10] = [
    "grid", "item", "create", "grid", "update", "grid", "item", "create", "grid", "sum",
];
/// What the report lists.
pub(crate) const OPERATIONS: [&str; 5] = ["grid", "item", "create", "update", "sum"];
/// People; at 1,500 requests/s each of them five times a second, below every limit.
const PERSONS: usize = 300;

/// Where to ask, and what is there.
pub(crate) struct Mix {
    pub(crate) base: String,
    /// `mix_data` of `common.sh`.
    pub(crate) data: Value,
    /// Makes the keys of this run its own.
    pub(crate) run: String,
    /// Whether requests name the client, as an edge of Cloudflare does.
    pub(crate) name_persons: bool,
}

impl Mix {
    /// Request `n`: its operation, and how to send it. Each may be sent again: a new entry bears a key.
    pub(crate) fn request(&self, client: &Client, n: usize) -> (&'static str, RequestBuilder) {
        let operation = MIX[n % MIX.len()];
        let entries = format!("{}/api/v1/apontamentos", self.base);
        let item = 1 + n * 7 % 400;
        let of_item = |tail: &str| {
            let projeto = self.text("projeto");
            format!("{entries}/work-item/{item}{tail}?organization_name=org00&project_id={projeto}")
        };
        let built = match operation {
            "grid" => client.get(format!("{}/api/v1/atividades?limit=20", self.base)),
            "item" => client.get(of_item("")),
            "sum" => client.get(of_item("/resumo")),
            "update" => {
                let minutes = 20 + n / 10 % 30;
                let entry = self.pick("entries", n / 10);
                let body = json!({"duracao": format!("00:{minutes}")});
                client.put(format!("{entries}/{entry}")).json(&body)
            }
            _ => {
                // Every fifth request is one; the days fill up evenly, each takes 1,440 of these.
                let body = json!({
                    "data_apontamento": self.pick("days", n / 5), "duracao": "00:01", "work_item_id": item,
                    "id_atividade": self.text("atividade"), "project_id": self.text("projeto_2"),
                    "organization_name": "org02"
                });
                let key = format!("{}-{n}", self.run);
                client.post(entries).header("idempotency-key", key).json(&body)
            }
        };
        if !self.name_persons {
            return (operation, built);
        }
        let person = n % PERSONS;
        let address = format!("198.18.{}.{}", person / 250, person % 250 + 1);
        (operation, built.header("cf-connecting-ip", address))
    }

    fn text(&self, key: &str) -> &str {
        self.data[key].as_str().unwrap_or_default()
    }

    fn pick(&self, key: &str, n: usize) -> &str {
        let all = self.data[key].as_array();
        all.and_then(|all| all[n % all.len()].as_str())
            .unwrap_or_default()
    }
}
