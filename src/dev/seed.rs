//! Sample data for new developers, inserted once.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context;
use azure_devops_fake::demo;
use chrono::{Days, NaiveDate};
use import_legacy::Written;
use secrecy::SecretString;
use uuid::Uuid;

use crate::config::VaultConfig;
use crate::db::{Db, Tx};
use crate::models::apontamento::{ApontamentoRow, Pessoa};
use crate::models::atividade::{NewAtividade, NomeAtividade};
use crate::models::duracao::Duracao;
use crate::models::horas::Horas;
use crate::models::ids::{ApontamentoId, AtividadeId, OrganizationPatId, ProjetoId};
use crate::models::organizacao::{ChaveOrganizacao, NomeOrganizacao, Scope};
use crate::models::projeto::ProjetoUpstream;
use crate::repositories::legacy::entries as legacy;
use crate::repositories::{apontamentos, atividades, organization_pats, projetos};
use crate::services::organization_pats::seal;

/// Ids are fixed: the examples of the OpenAPI document and of the README name them.
pub(super) const PORTAL: Uuid = demo::PORTAL.id;
const NOTA_FISCAL: Uuid = demo::NOTA_FISCAL.id;
/// Id of the first activity; the others follow.
pub(super) const FIRST_ATIVIDADE: u128 = 0x0193_2b5c_7c00_7000_8000_0000_0000_0001;
/// Id of the first entry; the others follow.
const FIRST_APONTAMENTO: u128 = 0x0193_2b5c_7c00_7000_8000_0000_0000_00a1;

/// Id of the stored PAT.
const PAT: u128 = 0x0193_2b5c_7c00_7000_8000_0000_0000_0003;

/// Columns: name, description, whether active, projects.
const ATIVIDADES: [(&str, &str, bool, &[Uuid]); 8] = [
    (
        "Codificação",
        "Implementação de histórias e correções",
        true,
        &[PORTAL, NOTA_FISCAL],
    ),
    (
        "Análise de requisitos",
        "Levantamento e refinamento com a área de negócio",
        true,
        &[PORTAL, NOTA_FISCAL],
    ),
    (
        "Documentação",
        "Manuais, decisões de arquitetura e notas de versão",
        true,
        &[PORTAL],
    ),
    (
        "Implantação",
        "Publicação de versões e acompanhamento",
        true,
        &[NOTA_FISCAL],
    ),
    (
        "Reunião",
        "Cerimônias do time e alinhamentos",
        true,
        &[PORTAL, NOTA_FISCAL],
    ),
    (
        "Revisão de código",
        "Leitura de pull requests",
        true,
        &[PORTAL, NOTA_FISCAL],
    ),
    (
        "Suporte ao usuário",
        "Atendimento de chamados de segundo nível",
        true,
        &[PORTAL],
    ),
    (
        "Testes manuais",
        "Substituída por testes automatizados",
        false,
        &[PORTAL],
    ),
];

/// Id, name and e-mail of an author.
type Author = (&'static str, &'static str, Option<&'static str>);

/// Authors of the sample hours: the mock user and two colleagues.
const DEV_USER: Author = ("dev-user-001", "Dev User", Some("dev@localhost"));
const ANA: Author = (
    "3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d",
    "Ana Lima",
    Some("ana@contoso.com"),
);
const BRUNO: Author = (
    "3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5e",
    "Bruno Souza",
    Some("bruno@contoso.com"),
);

/// Columns: days before today, author, work item, project, activity, minutes, comment.
type Entry = (u64, Author, i32, Uuid, &'static str, i64, Option<&'static str>);

/// Time entries of one week.
const APONTAMENTOS: [Entry; 14] = [
    (
        0,
        DEV_USER,
        4711,
        PORTAL,
        "Codificação",
        90,
        Some("Máscara do CEP"),
    ),
    (0, ANA, 4714, PORTAL, "Codificação", 45, Some("CEP com hífen")),
    (0, DEV_USER, 4719, PORTAL, "Reunião", 30, None),
    (1, DEV_USER, 4712, PORTAL, "Documentação", 95, None),
    (
        1,
        DEV_USER,
        4712,
        PORTAL,
        "Codificação",
        220,
        Some("Ajustes da revisão"),
    ),
    (
        1,
        ANA,
        4719,
        PORTAL,
        "Codificação",
        240,
        Some("Certificado de teste"),
    ),
    (2, BRUNO, 4712, PORTAL, "Codificação", 480, None),
    (3, DEV_USER, 4723, PORTAL, "Codificação", 45, None),
    (
        3,
        DEV_USER,
        4725,
        PORTAL,
        "Suporte ao usuário",
        125,
        Some("Chamado da segunda linha"),
    ),
    (
        4,
        ANA,
        4734,
        NOTA_FISCAL,
        "Análise de requisitos",
        120,
        Some("Prazo de cancelamento"),
    ),
    (4, DEV_USER, 4711, PORTAL, "Reunião", 60, Some("Planejamento")),
    (5, BRUNO, 4715, PORTAL, "Revisão de código", 90, None),
    (
        5,
        DEV_USER,
        4712,
        PORTAL,
        "Codificação",
        400,
        Some("Cadastro de contribuintes"),
    ),
    (
        6,
        DEV_USER,
        4711,
        PORTAL,
        "Análise de requisitos",
        180,
        Some("Entrevista com a área de negócio"),
    ),
];

/// Inserts the data atomically, unless there are projects; since projects cannot be deleted, deleted sample
/// data are not inserted again. The week ends with `today`. Returns `true` if data were inserted.
///
/// # Errors
/// When the database refuses.
pub async fn plant(db: &Db, today: NaiveDate, pat: Option<&PlantedPat<'_>>) -> anyhow::Result<bool> {
    let mut tx = db.begin(&Scope::Maintenance).await?;
    if !projetos::is_empty(&mut tx).await? {
        return Ok(false);
    }
    #[expect(clippy::disallowed_methods, reason = "sample data are as old as they are")]
    let now = chrono::Utc::now();
    let contoso = NomeOrganizacao::parse("contoso").map_err(anyhow::Error::msg)?;
    let contoso = ChaveOrganizacao::first_of(&contoso);
    let rows = [&demo::PORTAL, &demo::NOTA_FISCAL]
        .map(|of| projeto(of.id, of.name, of.description, contoso.clone()));
    projetos::upsert(&mut tx, &rows, now).await?;
    let mut by_name = HashMap::new();
    for ((nome, descricao, ativo, ids), id) in ATIVIDADES.into_iter().zip(FIRST_ATIVIDADE..) {
        let new = NewAtividade {
            nome: NomeAtividade::parse(nome).context("invalid name in the sample data")?,
            descricao: Some(descricao.to_owned()),
            ativo,
            projetos: ids.to_vec(),
            criado_por: "seed".to_owned(),
        };
        let id = AtividadeId(Uuid::from_u128(id));
        by_name.insert(nome, id);
        atividades::insert(&mut tx, id, &new).await?;
        let ids: Vec<ProjetoId> = ids.iter().copied().map(ProjetoId).collect();
        atividades::link_projetos(&mut tx, id, &ids).await?;
    }
    for (entry, id) in APONTAMENTOS.into_iter().zip(FIRST_APONTAMENTO..) {
        let id = ApontamentoId(Uuid::from_u128(id));
        log(&mut tx, &contoso, &by_name, today, id, entry).await?;
    }
    legacy::adopt_written(&mut tx, &written(&contoso)?).await?;
    if let Some(pat) = pat {
        pat.insert(&mut tx).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// Returns the hours of the sample entries by work item: `CompletedWork` of the organisation that comes along
/// contains them.
fn written(organizacao: &ChaveOrganizacao) -> anyhow::Result<Vec<Written>> {
    let mut minutes = BTreeMap::new();
    for (_, _, work_item_id, projeto, _, length, _) in APONTAMENTOS {
        *minutes.entry((work_item_id, projeto)).or_insert(0) += length;
    }
    let written = minutes.into_iter().map(|((work_item_id, id_projeto), minutes)| {
        let duracao = Duracao::from_minutes(minutes).context("a length of the sample data is not valid")?;
        Ok(Written {
            organizacao: organizacao.as_str().to_owned(),
            work_item_id,
            id_projeto,
            horas: Horas::of(duracao.total()).millionths(),
        })
    });
    written.collect()
}

/// Removes the PAT of the sample data: with another organisation it would be sent to a real host.
///
/// # Errors
/// When the database refuses.
pub async fn remove_pat(db: &Db) -> anyhow::Result<()> {
    let mut tx = db.begin(&Scope::Maintenance).await?;
    let id = OrganizationPatId(Uuid::from_u128(PAT));
    if organization_pats::find(&mut tx, id).await?.is_some() {
        organization_pats::delete(&mut tx, id).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Returns `true` if the activity of the examples is there: folders of earlier releases have other ids.
///
/// # Errors
/// When the database refuses.
pub async fn has_examples(db: &Db) -> anyhow::Result<bool> {
    let mut tx = db.begin_read(&Scope::Maintenance).await?;
    let id = AtividadeId(Uuid::from_u128(FIRST_ATIVIDADE));
    Ok(atividades::find(&mut tx, id).await?.is_some())
}

/// Describes a PAT to store in the vault.
#[derive(Debug)]
pub struct PlantedPat<'a> {
    /// Organisation.
    pub organizacao: &'a str,
    /// The PAT.
    pub pat: &'a SecretString,
    /// Keys of the vault.
    pub vault: &'a VaultConfig,
}

impl PlantedPat<'_> {
    async fn insert(&self, tx: &mut Tx) -> anyhow::Result<()> {
        let nome = NomeOrganizacao::parse(self.organizacao).map_err(anyhow::Error::msg)?;
        let organizacao = ChaveOrganizacao::first_of(&nome);
        let id = OrganizationPatId(Uuid::from_u128(PAT));
        let Some((bytes, chave_id)) = seal(self.vault, &organizacao, id, self.pat) else {
            return Ok(());
        };
        let row = organization_pats::NewRow {
            id,
            organizacao: &organizacao,
            organization_url: &format!("https://dev.azure.com/{nome}"),
            pat_cifrado: &bytes,
            chave_id: &chave_id,
            descricao: Some("Segunda organização"),
            expira_em: None,
            ativo: true,
            validated: true,
            criado_por: "seed",
        };
        organization_pats::insert(tx, &row).await?;
        Ok(())
    }
}

async fn log(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    by_name: &HashMap<&str, AtividadeId>,
    today: NaiveDate,
    id: ApontamentoId,
    entry: Entry,
) -> anyhow::Result<()> {
    let (days_ago, (usuario_id, nome, email), work_item_id, projeto, atividade, minutes, comentario) = entry;
    let row = ApontamentoRow {
        id,
        organizacao,
        projeto: ProjetoId(projeto),
        work_item_id,
        work_item_titulo: None,
        data: today - Days::new(days_ago),
        duracao: Duracao::from_minutes(minutes).context("invalid duration in the sample data")?,
        atividade: *by_name
            .get(atividade)
            .context("unknown activity in the sample data")?,
        comentario,
        usuario: &Pessoa {
            id: usuario_id.to_owned(),
            nome: nome.to_owned(),
            email: email.map(str::to_owned),
        },
        registrado_por: None,
        // As for entries of another service: the figures of the work item contain them.
        versao_escrita: Some(0),
    };
    apontamentos::insert(tx, &row).await?;
    Ok(())
}

fn projeto(id: Uuid, nome: &str, descricao: &str, organizacao: ChaveOrganizacao) -> ProjetoUpstream {
    ProjetoUpstream {
        external_id: id,
        nome: nome.to_owned(),
        descricao: Some(descricao.to_owned()),
        url: Some(format!("https://dev.azure.com/contoso/_apis/projects/{id}")),
        estado: Some("wellFormed".to_owned()),
        organizacao,
    }
}
