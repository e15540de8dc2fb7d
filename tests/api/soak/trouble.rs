//! Switches faults on and off at random: of Azure DevOps, of people that use it meanwhile, of the vault, of
//! the database.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use azure_devops_fake::{FakeAzure, Fault};
use serde_json::json;
use sqlx::PgPool;
use tokio::time::sleep;

use super::service::{Service, TIMEOUT_MS};
use super::{Place, soak_seconds};

const PATCH: &str = "update_work_item";
/// Those that are asked for often stand here more than once.
const OPERATIONS: [&str; 17] = [
    PATCH,
    "read_work_item",
    "read_work_item",
    "read_work_item",
    "read_work_items",
    "read_work_items",
    "read_revision",
    "connection_data",
    "connection_data",
    "query_work_items",
    "list_types",
    "read_type",
    "list_type_states",
    "read_project",
    "query_work_items",
    "list_versions",
    "*",
];
/// Tables that are locked now and then.
const TABLES: [&str; 6] = [
    "apontamentos",
    "write_back",
    "idempotencia",
    "minutos_do_dia",
    "projetos",
    "organization_pats",
];
/// A delay shorter and one longer than the time limit, and that of the long form.
const DELAYS: [Duration; 3] = [
    Duration::from_millis(TIMEOUT_MS / 2),
    Duration::from_millis(TIMEOUT_MS + 200),
    Duration::from_secs(12),
];

/// Time beyond the longest delay after which a patch has arrived.
const MARGIN: Duration = Duration::from_secs(2);

/// What goes wrong, and what was done so far.
pub struct Trouble<'a> {
    pub azure: &'a FakeAzure,
    pub pool: &'a PgPool,
    pub places: &'a [Place],
    pub rng: fastrand::Rng,
    /// How often each kind of trouble came.
    pub caused: BTreeMap<&'static str, usize>,
    /// Most patches of one work item between two steps.
    pub most_patches: usize,
}

impl Trouble<'_> {
    /// Causes trouble until `end`.
    pub async fn run(&mut self, service: &Service, end: Instant) {
        while Instant::now() < end {
            let kind = self.step(service).await;
            *self.caused.entry(kind).or_default() += 1;
            self.count_patches();
            self.let_time_pass().await;
            sleep(Duration::from_millis(self.rng.u64(20..400))).await;
        }
    }

    async fn step(&mut self, service: &Service) -> &'static str {
        let place = &self.places[self.rng.usize(..self.places.len())];
        match self.rng.u32(..100) {
            0..40 => self.upstream_fails(place),
            40..48 => self.credential_fails(place),
            48..66 => self.azure.heal(),
            66..69 => {
                self.restored_upstream(place).await;
                return "restore";
            }
            69..78 => {
                self.people_type(place);
                return "edit";
            }
            78..84 => {
                self.item_changes(place);
                return "state or type";
            }
            84..88 => {
                self.rule_refuses(place);
                return "rule";
            }
            88..92 => {
                self.vault_changes(service, place).await;
                return "vault";
            }
            92..96 => {
                self.connections_die().await;
                return "killed connections";
            }
            _ => {
                self.table_is_locked().await;
                return "locked table";
            }
        }
        "upstream"
    }

    fn upstream_fails(&mut self, place: &Place) {
        // Half of the faults meet writes.
        let operation = if self.rng.bool() {
            PATCH
        } else {
            OPERATIONS[self.rng.usize(..OPERATIONS.len())]
        };
        let fault = match operation {
            PATCH if self.rng.bool() => self.lost_answer(),
            _ => self.fault(),
        };
        let times = if self.rng.bool() {
            self.rng.usize(1..8)
        } else {
            usize::MAX
        };
        self.azure.fault_times(place.org, operation, fault, times);
    }

    fn credential_fails(&mut self, place: &Place) {
        let pat = &place.pats[self.rng.usize(..place.pats.len())];
        let operation = OPERATIONS[self.rng.usize(..OPERATIONS.len())];
        let fault = match self.rng.u32(..4) {
            0 => Fault::Status(429, Some("1")),
            1 => Fault::ExpiredPat,
            _ => Fault::late(self.delay(), Fault::Nothing),
        };
        self.azure.answer_token_at(pat, operation, fault);
    }

    /// The delays of this run: the long one is kept for the long form.
    fn delays() -> &'static [Duration] {
        let known = if soak_seconds().is_some() { 3 } else { 2 };
        &DELAYS[..known]
    }

    fn delay(&mut self) -> Duration {
        let known = Self::delays();
        known[self.rng.usize(..known.len())]
    }

    /// A fault that passes by itself and leaves undone what was asked for, but for some of the late ones.
    fn fault(&mut self) -> Fault {
        let delay = self.delay();
        let all = [
            Fault::Unauthorized,
            Fault::ExpiredPat,
            Fault::MissingScope,
            Fault::SignIn,
            Fault::Redirect,
            Fault::Html,
            Fault::GatewayPage,
            Fault::Status(400, None),
            Fault::Status(403, None),
            Fault::Status(409, None),
            Fault::Status(412, None),
            Fault::Status(429, None),
            Fault::Status(429, Some("1")),
            Fault::Status(500, None),
            Fault::Status(502, None),
            Fault::Status(503, Some("1")),
            Fault::RetryAfterOnSuccess("1"),
            Fault::Hang,
            Fault::Reset,
            Fault::HalfJson,
            Fault::CutOff,
            Fault::Huge(9 << 20),
            Fault::Bomb(9 << 20),
            Fault::InvalidUtf8,
            Fault::Trickle,
            Fault::WrongShape,
            Fault::WrongContentType,
            Fault::NoContent,
            Fault::late(delay, Fault::Nothing),
            Fault::late(delay, Fault::Status(503, None)),
            Fault::late(delay, Fault::applied(Fault::Reset)),
        ];
        self.rng.choice(all).unwrap()
    }

    /// A write that is applied and whose answer says nothing of it.
    fn lost_answer(&mut self) -> Fault {
        let delay = self.delay();
        let all = [
            Fault::Hang,
            Fault::Reset,
            Fault::HalfJson,
            Fault::CutOff,
            Fault::Status(500, None),
            Fault::Status(503, Some("1")),
            Fault::Html,
            Fault::SignIn,
            Fault::GatewayPage,
            Fault::NoContent,
            Fault::WrongShape,
            Fault::WrongContentType,
            Fault::InvalidUtf8,
            Fault::late(delay, Fault::Nothing),
            Fault::late(delay, Fault::Reset),
        ];
        Fault::applied(self.rng.choice(all).unwrap())
    }

    /// People type hours of their own, some at the very moment of a write. No write of ours makes the same
    /// figure.
    fn people_type(&mut self, place: &Place) {
        let hours = 0.125 + 0.25 * f64::from(self.rng.u32(..4));
        if self.rng.bool() {
            self.azure
                .fault_times(place.org, PATCH, Fault::HumanAdds(hours), 1);
            return;
        }
        let item = place.items[self.rng.usize(..place.items.len())];
        self.azure.edit_work_items(place.org, |items| {
            let before = items.hours(item, "CompletedWork").unwrap_or_default();
            items.set_hours(item, "CompletedWork", before + hours);
        });
    }

    /// A work item is closed, deleted or gets a type without `CompletedWork`; or all are open tasks again.
    fn item_changes(&mut self, place: &Place) {
        let item = place.items[self.rng.usize(..place.items.len())];
        match self.rng.u32(..4) {
            0 => self.azure.edit_work_items(place.org, |items| {
                items.edit(item, "System.State", json!("Done"));
            }),
            1 => self.azure.edit_work_items(place.org, |items| {
                items.edit(item, "System.WorkItemType", json!("Chore"));
            }),
            2 => self.azure.edit_work_items(place.org, |items| items.delete(item)),
            _ => place.reopen(self.azure),
        }
    }

    /// A rule of the process refuses the next writes. An earlier one may still arrive and be applied.
    fn rule_refuses(&mut self, place: &Place) {
        let field = ["Custom.Area", "Microsoft.VSTS.Scheduling.RemainingWork"][self.rng.usize(..2)];
        let times = self.rng.usize(1..4);
        self.azure
            .fault_times(place.org, PATCH, Fault::RuleViolation(field), times);
    }

    /// A patch that is older than the longest delay has arrived or never will: it counts as ten minutes old.
    async fn let_time_pass(&self) {
        sqlx::query(
            "UPDATE write_back SET intencao_em = intencao_em - interval '10 minutes'
              WHERE intencao_em < clock_timestamp() - make_interval(secs => $1)",
        )
        .bind((DELAYS[Self::delays().len() - 1] + MARGIN).as_secs_f64())
        .execute(self.pool)
        .await
        .unwrap();
    }

    /// The organisation gets a PAT of another account. The one of the environment has none for a while, too;
    /// the other one would not be served any more.
    async fn vault_changes(&mut self, service: &Service, place: &Place) {
        let body = match self.rng.u32(..4) {
            0 if place.org == "contoso" => json!({ "ativo": false }),
            n => json!({ "ativo": true, "pat": place.pats[n as usize % place.pats.len()] }),
        };
        place.change_vault(service, &body).await;
    }

    /// A work item is restored from a backup. The time in which Azure DevOps may only lag is skipped.
    async fn restored_upstream(&mut self, place: &Place) {
        let item = place.items[self.rng.usize(..place.items.len())];
        self.azure.restore_backup(place.org, item, self.rng.usize(1..4));
        sqlx::query("UPDATE write_back SET atras_desde = atras_desde - interval '1 minute'")
            .execute(self.pool)
            .await
            .unwrap();
    }

    async fn connections_die(&mut self) {
        let share = [0.2, 1.0][self.rng.usize(..2)];
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = current_database() AND application_name = 'aponta' AND random() < $1",
        )
        .bind(share)
        .execute(self.pool)
        .await
        .unwrap();
    }

    async fn table_is_locked(&mut self) {
        let table = TABLES[self.rng.usize(..TABLES.len())];
        let mut blocker = self.pool.begin().await.unwrap();
        let lock = format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        sqlx::query(sqlx::AssertSqlSafe(lock))
            .execute(&mut *blocker)
            .await
            .unwrap();
        // The fault itself.
        sleep(Duration::from_millis(self.rng.u64(100..1_000))).await;
        blocker.rollback().await.unwrap();
    }

    fn count_patches(&mut self) {
        let mut patches: BTreeMap<(String, String), usize> = BTreeMap::new();
        for seen in self.azure.take_requests() {
            if seen.operation == PATCH {
                *patches.entry((seen.org, seen.path)).or_default() += 1;
            }
        }
        let most = patches.into_values().max().unwrap_or_default();
        self.most_patches = self.most_patches.max(most);
    }
}
