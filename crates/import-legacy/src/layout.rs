//! Tables and columns of a database of the FastAPI service, and the statements that read them. The SQL
//! consists of our own identifiers and a quoted schema, never of values.

use std::collections::HashMap;

/// Type of a column with time zone; other columns of the FastAPI service store instants without one.
const WITH_ZONE: &str = "timestamp with time zone";
/// Time zone of the values that `datetime.utcnow` wrote.
const UTC: &str = "UTC";

/// Tables and columns of a schema.
#[derive(Debug)]
pub(super) struct Layout {
    /// Quoted name.
    schema: String,
    /// Type by table and column.
    columns: HashMap<String, HashMap<String, String>>,
}

/// Reason why a schema cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotLegacy {
    /// The schema lacks a table or column that every revision has.
    #[error(
        "has no {0} (is it the schema of the FastAPI service, with its migrations applied, and may this login read it?)"
    )]
    Lacks(&'static str),
    /// The schema belongs to this service.
    #[error("is a schema of this service, not of the FastAPI service")]
    Ours,
}

/// Columns of every revision: table, column and description for the error.
const REQUIRED: [(&str, &str, &str); 7] = [
    ("projetos", "id", "table projetos"),
    ("projetos", "external_id", "column projetos.external_id"),
    ("projetos", "nome", "column projetos.nome"),
    ("atividades", "id", "table atividades"),
    ("atividades", "nome", "column atividades.nome"),
    ("atividades", "criado_em", "column atividades.criado_em"),
    ("atividades", "atualizado_em", "column atividades.atualizado_em"),
];

impl Layout {
    /// Creates the layout from the rows (table, column, type) of `information_schema.columns`.
    ///
    /// # Errors
    /// Returns an error if the schema is not one of the FastAPI service.
    pub(super) fn new(
        schema: &str,
        rows: impl IntoIterator<Item = (String, String, String)>,
    ) -> Result<Self, NotLegacy> {
        let mut columns: HashMap<String, HashMap<String, String>> = HashMap::new();
        for (table, column, of_type) in rows {
            columns.entry(table).or_default().insert(column, of_type);
        }
        let schema = quoted(schema);
        let layout = Self { schema, columns };
        if layout.has_table("_sqlx_migrations") {
            return Err(NotLegacy::Ours);
        }
        let lacking = REQUIRED
            .iter()
            .find(|(table, column, _)| !layout.has(table, column));
        lacking.map_or(Ok(layout), |(.., what)| Err(NotLegacy::Lacks(what)))
    }

    fn has_table(&self, table: &str) -> bool {
        self.columns.contains_key(table)
    }

    fn has(&self, table: &str, column: &str) -> bool {
        self.columns
            .get(table)
            .is_some_and(|columns| columns.contains_key(column))
    }

    /// Returns the expression for a column cast to another type, or for null if the table lacks the column.
    fn column(&self, alias: &str, table: &str, column: &str, of_type: &str) -> String {
        if self.has(table, column) {
            format!("{alias}.{column}::{of_type} AS {column}")
        } else {
            format!("NULL::{of_type} AS {column}")
        }
    }

    /// Returns the expression for an instant, or for null if the table lacks the column. Instants without
    /// time zone are interpreted in `zone`.
    fn instant(&self, alias: &str, table: &str, column: &str, zone: &str) -> String {
        match self.columns.get(table).and_then(|columns| columns.get(column)) {
            None => "NULL::timestamptz".to_owned(),
            Some(of_type) if of_type == WITH_ZONE => format!("{alias}.{column}"),
            Some(_) => format!("({alias}.{column} AT TIME ZONE '{zone}')"),
        }
    }

    /// Returns the statement that reads `projetos`, by key.
    pub(super) fn projetos(&self) -> String {
        let of = |column, of_type| self.column("p", "projetos", column, of_type);
        let at = |column| self.instant("p", "projetos", column, UTC);
        let (created, updated, seen) = (at("created_at"), at("updated_at"), at("last_sync_at"));
        format!(
            "SELECT p.id::uuid AS id, p.external_id::uuid AS external_id, p.nome::text AS nome, {}, {}, {}, {},
                    {seen} AS last_sync_at,
                    coalesce({created}, {updated}, {seen}, now()) AS created_at,
                    coalesce({updated}, {created}, {seen}, now()) AS updated_at
               FROM {}.projetos p ORDER BY p.id",
            of("descricao", "text"),
            of("url", "text"),
            of("estado", "text"),
            of("organizacao", "text"),
            self.schema
        )
    }

    /// Returns the statement that reads `atividades`, by key.
    pub(super) fn atividades(&self) -> String {
        let of = |column, of_type| self.column("a", "atividades", column, of_type);
        let at = |column| self.instant("a", "atividades", column, UTC);
        format!(
            "SELECT a.id::uuid AS id, a.nome::text AS nome, {}, coalesce(a.ativo, true) AS ativo, {},
                    {} AS criado_em, {} AS atualizado_em
               FROM {}.atividades a ORDER BY a.id",
            of("descricao", "text"),
            of("criado_por", "text"),
            at("criado_em"),
            at("atualizado_em"),
            self.schema
        )
    }

    /// Returns the statement that reads the projects of the activities: from the table of pairs, or from the
    /// older column. Returns `None` if the schema has neither. `zone` is the time zone of the sessions of
    /// that database, whose clock set the times of the pairs.
    pub(super) fn vinculos(&self, zone: &str) -> Option<String> {
        let schema = &self.schema;
        let changed = self.instant("a", "atividades", "atualizado_em", UTC);
        if self.has_table("atividade_projeto") {
            let made = self.instant("ap", "atividade_projeto", "criado_em", zone);
            return Some(format!(
                "SELECT ap.id::uuid AS id, ap.id_atividade::uuid AS id_atividade, ap.id_projeto::uuid AS id_projeto,
                        (row_number() OVER (PARTITION BY ap.id_atividade ORDER BY {made}, ap.id))::integer AS posicao,
                        coalesce({made}, now()) AS criado_em, {changed} AS atividade_atualizada_em
                   FROM {schema}.atividade_projeto ap LEFT JOIN {schema}.atividades a ON a.id = ap.id_atividade
                  ORDER BY ap.id_atividade, 4"
            ));
        }
        let made = self.instant("a", "atividades", "criado_em", UTC);
        self.has("atividades", "id_projeto").then(|| {
            format!(
                "SELECT NULL::uuid AS id, a.id::uuid AS id_atividade, a.id_projeto::uuid AS id_projeto, 1 AS posicao,
                        {made} AS criado_em, {changed} AS atividade_atualizada_em
                   FROM {schema}.atividades a WHERE a.id_projeto IS NOT NULL ORDER BY a.id"
            )
        })
    }

    /// Returns the statement that reads `apontamentos`, the oldest day first. Returns `None` if the revision
    /// has no time entries.
    pub(super) fn apontamentos(&self) -> Option<String> {
        const TABLE: &str = "apontamentos";
        if !self.has_table(TABLE) {
            return None;
        }
        let of = |column, of_type| self.column("e", TABLE, column, of_type);
        let at = |column| self.instant("e", TABLE, column, UTC);
        Some(format!(
            "SELECT e.id::uuid AS id, e.work_item_id::bigint AS work_item_id, e.project_id::text AS project_id,
                    e.organization_name::text AS organization_name, e.data_apontamento::date AS data_apontamento,
                    e.id_atividade::uuid AS id_atividade, {}, {}, {}, {}, e.usuario_id::text AS usuario_id,
                    e.usuario_nome::text AS usuario_nome, {}, {} AS criado_em, {} AS atualizado_em
               FROM {}.apontamentos e ORDER BY e.data_apontamento, e.id",
            of("duracao", "text"),
            of("horas", "bigint"),
            of("minutos", "bigint"),
            of("comentario", "text"),
            of("usuario_email", "text"),
            at("criado_em"),
            at("atualizado_em"),
            self.schema
        ))
    }

    /// Returns the statement that reads `organization_pats`. Of several spellings of one organisation the
    /// active PAT comes first, then the newest. `zone` is the time zone of the sessions of that database, in
    /// which the day of expiry was stored (D-34).
    pub(super) fn pats(&self, zone: &str) -> Option<String> {
        const TABLE: &str = "organization_pats";
        if !self.has_table(TABLE) {
            return None;
        }
        let of = |column, of_type| self.column("v", TABLE, column, of_type);
        let at = |column| self.instant("v", TABLE, column, UTC);
        Some(format!(
            "SELECT v.id::uuid AS id, v.organization_name::text AS organization_name, {},
                    v.pat_encrypted::text AS pat_encrypted, {}, {} AS expira_em, v.ativo AS ativo, {},
                    {} AS criado_em, {} AS atualizado_em
               FROM {}.organization_pats v ORDER BY v.ativo DESC, v.atualizado_em DESC, v.id",
            of("organization_url", "text"),
            of("descricao", "text"),
            self.instant("v", TABLE, "expira_em", zone),
            of("criado_por", "text"),
            at("criado_em"),
            at("atualizado_em"),
            self.schema
        ))
    }
}

/// Quotes a name as an SQL identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(columns: &[(&str, &str, &str)]) -> Result<Layout, NotLegacy> {
        let owned = |(table, column, of_type): &(&str, &str, &str)| {
            ((*table).to_owned(), (*column).to_owned(), (*of_type).to_owned())
        };
        Layout::new("legado", columns.iter().map(owned))
    }

    #[test]
    fn schema_without_the_tables_is_refused_by_name() {
        let problem = layout(&[("alembic_version", "version_num", "character varying")]).unwrap_err();
        assert_eq!(problem, NotLegacy::Lacks("table projetos"));
        let problem = layout(&[("_sqlx_migrations", "version", "bigint")]).unwrap_err();
        assert_eq!(problem, NotLegacy::Ours);
    }

    #[test]
    fn zone_is_added_only_to_naive_columns() {
        let naive = "timestamp without time zone";
        let mut columns: Vec<_> = REQUIRED
            .iter()
            .map(|(table, column, _)| (*table, *column, naive))
            .collect();
        columns.push(("projetos", "created_at", WITH_ZONE));
        let layout = layout(&columns).unwrap();
        let at = |table, column| layout.instant("x", table, column, "America/Fortaleza");
        assert_eq!(at("projetos", "created_at"), "x.created_at");
        assert_eq!(
            at("atividades", "criado_em"),
            "(x.criado_em AT TIME ZONE 'America/Fortaleza')"
        );
        assert_eq!(at("projetos", "updated_at"), "NULL::timestamptz");
        assert_eq!((layout.apontamentos(), layout.vinculos("UTC")), (None, None));
        assert!(layout.projetos().contains("FROM \"legado\".projetos p"));
        assert_eq!(quoted("a\"; DROP"), "\"a\"\"; DROP\"");
    }
}
