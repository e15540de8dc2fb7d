//! What each role may do with each table. Replicas of the release before go on running for a while: a right
//! is taken away a release after the code that used it. What changes here comes with a migration, so that a
//! replica that restarts knows whether its own grants are the newest.

use sqlx::{AssertSqlSafe, PgConnection};

use super::Roles;
use crate::config::Identifier;

/// Tables whose rows belong to no tenant: they need no row-level security.
pub(super) const TENANTLESS: &[&str] = &["_sqlx_migrations", "atividades_versao"];

/// What the role of callers may do. A table that is not named here is closed to it, and so is a column: what
/// only synchronisation, vault and write-back may write is granted to [`super::MAINTENANCE`] alone. A row
/// lock takes UPDATE of any one column.
const APP: &[(&str, &str)] = &[
    (
        "apontamentos",
        "SELECT, DELETE,
         INSERT (id, organizacao, id_projeto, work_item_id, data_apontamento, minutos, id_atividade, comentario, usuario_id,
                 usuario_nome, usuario_email, registrado_por_id, registrado_por_nome, versao_escrita),
         UPDATE (data_apontamento, minutos, id_atividade, comentario, versao_escrita)",
    ),
    (
        "atividade_projeto",
        "SELECT, INSERT (id_atividade, id_projeto, posicao), DELETE",
    ),
    (
        "atividades",
        "SELECT, INSERT (id, nome, descricao, ativo, criado_por), UPDATE (nome, descricao, ativo, atualizado_em), DELETE",
    ),
    // Written by a trigger.
    ("atividades_versao", "SELECT, UPDATE (versao)"),
    (
        "auditoria",
        "SELECT, INSERT (usuario_id, usuario_nome, organizacao, acao, objeto_tipo, objeto_id, antes, depois, request_id)",
    ),
    (
        "idempotencia",
        "SELECT, INSERT (organizacao, usuario_id, chave, impressao, resposta, provisoria_ate, apontamento_id),
         UPDATE (impressao, resposta, provisoria_ate, criado_em, apontamento_id)",
    ),
    // Written by a trigger of apontamentos.
    (
        "minutos_do_dia",
        "SELECT, INSERT (organizacao, usuario_id, data, minutos), UPDATE (minutos)",
    ),
    ("organizacoes", "SELECT"),
    // The vault is read and written by the service, not on behalf of a caller.
    ("organization_pats", ""),
    ("projetos", "SELECT"),
    (
        "write_back",
        "SELECT, INSERT (organizacao, work_item_id, id_projeto, proxima_em),
         UPDATE (versao, id_projeto, estado, motivo, tentativas, pendente_desde, proxima_em)",
    ),
];

/// What the role of synchronisation, vault, write-back and sample data may do where it may do less than read
/// and write all columns.
const MAINTENANCE: &[(&str, &str)] = &[
    ("_sqlx_migrations", "SELECT"),
    (
        "auditoria",
        "SELECT, INSERT (usuario_id, usuario_nome, organizacao, acao, objeto_tipo, objeto_id, antes, depois, request_id)",
    ),
];

/// Grants the roles what the tables above say, and takes away whatever else they had.
pub(in crate::db) async fn grant(conn: &mut PgConnection, schema: &Identifier) -> Result<(), sqlx::Error> {
    let Roles { app, maintenance, .. } = Roles::of(schema);
    // Sent as one message, this is one transaction: requests see the rights of before or those of after.
    let mut statements = vec![
        format!("GRANT USAGE ON SCHEMA {schema} TO {app}, {maintenance}"),
        format!("REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {app}, {maintenance}"),
        format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {maintenance}"),
    ];
    statements.extend(
        APP.iter()
            .filter_map(|(table, rights)| on_table(table, rights, &app)),
    );
    for (table, rights) in MAINTENANCE {
        statements.push(format!("REVOKE ALL ON {table} FROM {maintenance}"));
        statements.extend(on_table(table, rights, &maintenance));
    }
    let statement = AssertSqlSafe(statements.join(";\n"));
    sqlx::raw_sql(statement).execute(conn).await?;
    Ok(())
}

fn on_table(table: &str, rights: &str, role: &str) -> Option<String> {
    (!rights.is_empty()).then(|| format!("GRANT {rights} ON {table} TO {role}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::migrate::MIGRATOR;

    /// A table that is not named would be closed to the application's role by oversight.
    #[test]
    fn every_table_of_the_migrations_is_named() {
        let made = MIGRATOR.iter().flat_map(|migration| {
            let tables = migration.sql.as_str().split("CREATE TABLE ").skip(1);
            let names = tables.filter_map(|rest| rest.split_whitespace().next().map(str::to_owned));
            names.collect::<Vec<_>>()
        });
        let mut made: Vec<String> = made.collect();
        made.sort();
        let named: Vec<&str> = APP.iter().map(|(table, _)| *table).collect();
        assert_eq!(made, named, "in the order of the alphabet");
    }
}
