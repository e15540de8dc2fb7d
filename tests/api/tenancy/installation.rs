//! A schema whose owner is an ordinary login, and rows of tenants in it.

use aponta::schema::migrate;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use crate::support::TestDatabase;
use crate::support::app::config;

/// The organisations that the tests of this module plant rows of.
pub const BOTH: [&str; 2] = ["contoso", "fabrikam"];

/// A schema of its own, whose owner is an ordinary login with CREATEROLE.
pub struct Installation {
    pub database: TestDatabase,
    /// The login's name, which is also the schema's.
    pub name: String,
    /// The superuser, which no wall stops.
    pub admin: PgPool,
    pub login: PgPool,
}

impl Installation {
    pub async fn new() -> Self {
        let database = TestDatabase::new().await;
        let name = format!("dono_{}", &Uuid::new_v4().simple().to_string()[..12]);
        let create = format!(
            "CREATE ROLE {name} LOGIN CREATEROLE PASSWORD 'segredo'; CREATE SCHEMA {name} AUTHORIZATION {name}"
        );
        run(&database.pool().await, &create).await.unwrap();
        let admin = pool(database.url.parse().unwrap(), &name).await;
        let options: PgConnectOptions = database.url.parse().unwrap();
        let login = pool(options.username(&name).password("segredo"), &name).await;
        Self {
            database,
            name,
            admin,
            login,
        }
    }

    pub async fn migrated() -> Self {
        let installation = Self::new().await;
        installation.migrate().await;
        installation
    }

    pub async fn migrate(&self) {
        let (_, rest) = self.database.url.split_once("://").unwrap();
        let place = rest.split_once('@').unwrap().1;
        let url = format!("postgres://{}:segredo@{place}", self.name);
        let config = config(&url, [("DATABASE_SCHEMA", self.name.as_str())]);
        migrate::migrate(&config.database).await.unwrap();
    }

    pub fn app(&self) -> String {
        format!("{}_app", self.name)
    }

    pub fn maintenance(&self) -> String {
        format!("{}_maintenance", self.name)
    }
}

/// One connection with these options.
pub async fn pool(options: PgConnectOptions, schema: &str) -> PgPool {
    PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options.options([("search_path", schema)]))
        .await
        .unwrap()
}

/// Runs statements of ours.
pub async fn run(pool: &PgPool, statements: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))
        .execute(pool)
        .await
        .map(|_| ())
}

/// A row of an organisation in every table of tenants.
pub async fn plant(pool: &PgPool, organizacao: &str) -> Uuid {
    let (projeto, atividade) = (Uuid::new_v4(), Uuid::new_v4());
    let rows = format!(
        "INSERT INTO organizacoes (chave, nome) VALUES ('{organizacao}', '{organizacao}');
         INSERT INTO projetos (id, external_id, nome, organizacao) VALUES ('{projeto}', '{projeto}', 'P',
             '{organizacao}');
         INSERT INTO atividades (id, nome) VALUES ('{atividade}', '{organizacao}');
         INSERT INTO atividade_projeto (id_atividade, id_projeto) VALUES ('{atividade}', '{projeto}');
         INSERT INTO organization_pats (id, organizacao, organization_url, pat_cifrado, chave_id)
         VALUES (gen_random_uuid(), '{organizacao}', '', '', '');
         INSERT INTO auditoria (usuario_id, usuario_nome, organizacao, acao, objeto_tipo)
         VALUES ('a', 'a', '{organizacao}', 'a', 'a');
         INSERT INTO write_back (organizacao, work_item_id, id_projeto) VALUES ('{organizacao}', 1, '{projeto}');
         INSERT INTO apontamentos (id, organizacao, id_projeto, work_item_id, data_apontamento, minutos, id_atividade,
                                   usuario_id, usuario_nome)
         VALUES (gen_random_uuid(), '{organizacao}', '{projeto}', 1, '2026-01-12', 60, '{atividade}', 'a', 'a');
         INSERT INTO idempotencia (organizacao, usuario_id, chave, impressao, resposta) VALUES ('{organizacao}', 'a',
             'k', '', '')"
    );
    run(pool, &rows).await.unwrap();
    projeto
}
