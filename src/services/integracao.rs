//! Projects: fetched from Azure DevOps and mirrored into the database.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use moka::future::Cache;
use serde_json::json;
use tokio::time::timeout;

use crate::auth::{CurrentUser, Membership};
use crate::azure_devops::projects::{AzureProject, AzureProjects};
use crate::azure_devops::{self, AzureDevOps, Credential, Organizacao};
use crate::db::{Db, Tx};
use crate::error::{Error, Result};
use crate::models::auditoria::{Actor, NewRegistro};
use crate::models::organizacao::{NomeOrganizacao, Scope};
use crate::models::projeto::ProjetoUpstream;
use crate::models::sincronizacao::{OrganizacaoSincronizada, Origem, Sincronizacao};
use crate::models::text::trim;
use crate::repositories::{auditoria, clock, projetos as repo};
use crate::services::auditoria::actor;
use crate::services::projetos::ProjetoService;
use crate::telemetry::request;

/// All pages of one organisation; the others wait for it.
const LIST_BUDGET: Duration = Duration::from_secs(20);

/// Rows a statement.
const BATCH: usize = 1_000;

/// Use cases of `integracao`.
#[derive(Debug, Clone)]
pub struct IntegracaoService {
    db: Db,
    azure: AzureDevOps,
    projetos: ProjetoService,
    /// Whoever asks while a synchronisation runs gets its outcome instead of a second one. Keyed by the caller if their
    /// own credential is used.
    running: Cache<Option<String>, Arc<Sincronizacao>>,
}

/// An organisation to be listed, and how.
#[derive(Debug)]
struct Source {
    organizacao: Organizacao,
    credential: Credential,
    origem: Origem,
}

/// A source and what it gave.
struct Listing {
    source: Source,
    projects: Result<AzureProjects, azure_devops::Error>,
}

impl IntegracaoService {
    /// Mirrors `azure` into `db`.
    #[must_use]
    pub fn new(db: Db, azure: AzureDevOps, projetos: ProjetoService) -> Self {
        let running = Cache::builder().max_capacity(1_000).build();
        Self {
            db,
            azure,
            projetos,
            running,
        }
    }

    /// Mirrors all configured organisations; without any PAT of our own, the caller's default one with the caller's
    /// credential.
    ///
    /// # Errors
    /// When every organisation failed. A single failure is part of the outcome.
    pub async fn sincronizar(&self, user: &CurrentUser) -> Result<Arc<Sincronizacao>> {
        let own = self.own_sources();
        if !own.is_empty() || self.azure.tenants().is_empty() {
            let done = self.join_or_run(None, own, actor(user)).await;
            return done.map_err(|error| for_eyes_of(user, error));
        }
        let membership = user.default_membership()?;
        let source = Source {
            organizacao: membership.organizacao().clone(),
            credential: membership.credential()?.clone(),
            origem: Origem::Caller,
        };
        self.join_or_run(Some(user.id.clone()), vec![source], actor(user))
            .await
    }

    /// Mirrors what the service's own PATs see; for the background.
    ///
    /// # Errors
    /// As for [`sincronizar`](Self::sincronizar).
    pub async fn sincronizar_own(&self) -> Result<Arc<Sincronizacao>> {
        self.join_or_run(None, self.own_sources(), Actor::sistema()).await
    }

    /// All projects of one organisation as Azure DevOps tells them now: with the caller's credential if there is one, else
    /// with ours, since the caller is a member.
    ///
    /// # Errors
    /// [`Error::Upstream`] when Azure DevOps gives no usable answer.
    pub async fn list_azure(&self, membership: &Membership) -> Result<Vec<AzureProject>> {
        let credential = membership.credential()?;
        let listed = membership.organizacao().projects(credential).await;
        let found = listed.map_err(|source| Error::Upstream {
            detail: format!("Erro ao listar projetos do Azure DevOps: {}", describe(&source)),
            source,
        })?;
        Ok(found.projects)
    }

    fn own_sources(&self) -> Vec<Source> {
        let with_pat = |tenant: &azure_devops::Tenant| {
            tenant.pat.clone().map(|credential| Source {
                organizacao: tenant.organizacao.clone(),
                credential,
                origem: tenant.origem,
            })
        };
        self.azure.tenants().iter().filter_map(with_pat).collect()
    }

    /// In a task of its own: whoever asked may go away or run out of time, the work is done all the same.
    async fn join_or_run(
        &self,
        key: Option<String>,
        sources: Vec<Source>,
        actor: Actor,
    ) -> Result<Arc<Sincronizacao>> {
        let service = self.clone();
        let joined = tokio::spawn(request::inherit(async move {
            let run = async { Ok::<_, Error>(Arc::new(service.run(sources, &actor).await?)) };
            let outcome = service.running.entry(key.clone()).or_try_insert_with(run).await;
            // What is over is not joined any more.
            service.running.invalidate(&key).await;
            outcome
        }));
        match joined.await {
            Ok(Ok(entry)) => Ok(entry.into_value()),
            Ok(Err(error)) => Err(Error::Shared(error)),
            Err(panic) => Err(Error::Internal(Box::new(panic))),
        }
    }

    async fn run(&self, sources: Vec<Source>, actor: &Actor) -> Result<Sincronizacao> {
        // The connection goes back before Azure DevOps is asked.
        let mut tx = self.db.begin(&Scope::Maintenance).await?;
        let at = clock::now(&mut tx).await?;
        tx.commit().await?;
        let listings = join_all(sources.into_iter().map(list)).await;
        log_failures(&listings);
        fail_if_all_failed(&listings)?;
        let done = self.store(&listings, at, actor).await?;
        tracing::info!(
            synced = done.synced,
            created = done.created,
            deleted = done.deleted,
            "projects synchronised"
        );
        Ok(done)
    }

    /// Everything in one transaction, so that nobody sees half an organisation.
    async fn store(&self, listings: &[Listing], at: DateTime<Utc>, actor: &Actor) -> Result<Sincronizacao> {
        let mut done = Sincronizacao {
            at,
            synced: 0,
            created: 0,
            deleted: 0,
            organizacoes: listings.iter().map(summary).collect(),
        };
        let mut tx = self.db.begin(&Scope::Maintenance).await?;
        repo::lock_synchronisation(&mut tx).await?;
        let mut seen = HashSet::new();
        for Listing { source, projects } in listings {
            let Ok(projects) = projects else { continue };
            let nome = source.organizacao.nome();
            let (created_before, deleted_before) = (done.created, done.deleted);
            let rows: Vec<ProjetoUpstream> = projects
                .projects
                .iter()
                .filter_map(|project| row(project, nome))
                // Two names of one organisation: the first one counts.
                .filter(|row| seen.insert(row.external_id))
                .collect();
            for batch in rows.chunks(BATCH) {
                let upserted = repo::upsert(&mut tx, batch, at).await?;
                done.synced += batch.len();
                done.created += usize::try_from(upserted.created).unwrap_or_default();
            }
            // A caller may not see every project; what they do not see has not vanished. Nor has what we could not read.
            if source.origem != Origem::Caller && projects.unreadable == 0 {
                let ids: Vec<_> = projects.projects.iter().map(|project| project.id).collect();
                let flagged = repo::flag_vanished(&mut tx, nome.as_str(), &ids, at).await?;
                done.deleted += usize::try_from(flagged).unwrap_or_default();
            }
            let (created, deleted) = (done.created - created_before, done.deleted - deleted_before);
            record(&mut tx, actor, nome, rows.len(), created, deleted).await?;
        }
        tx.commit().await?;
        self.projetos.forget_names();
        Ok(done)
    }
}

/// Writes a synchronisation of one organisation into the audit trail; that of the background only if it changed the set of
/// projects.
async fn record(
    tx: &mut Tx,
    actor: &Actor,
    organizacao: &NomeOrganizacao,
    listed: usize,
    created: usize,
    deleted: usize,
) -> Result<()> {
    if actor.request_id.is_none() && created + deleted == 0 {
        return Ok(());
    }
    let new = NewRegistro {
        actor,
        organizacao: Some(organizacao.as_str()),
        acao: "sincronizar",
        objeto_tipo: "projetos",
        objeto_id: None,
        antes: None,
        depois: Some(json!({ "listados": listed, "criados": created, "removidos": deleted }).to_string()),
    };
    Ok(auditoria::insert(tx, &new).await?)
}

/// Proves the credential first: an organisation with public projects lists those to anybody, also to an expired PAT.
async fn list(source: Source) -> Listing {
    let listing = timeout(LIST_BUDGET, async {
        source.organizacao.authenticated_user(&source.credential).await?;
        source.organizacao.projects(&source.credential).await
    });
    let projects = listing.await.unwrap_or(Err(azure_devops::Error::Timeout));
    Listing { source, projects }
}

fn row(project: &AzureProject, organizacao: &NomeOrganizacao) -> Option<ProjetoUpstream> {
    // PostgreSQL cannot store U+0000 in a text.
    let clean = |text: &str| trim(&text.replace('\0', "")).to_owned();
    let optional = |text: &Option<String>| text.as_deref().map(clean);
    let nome = clean(&project.name);
    (!nome.is_empty()).then(|| ProjetoUpstream {
        external_id: project.id,
        nome,
        descricao: optional(&project.description),
        url: optional(&project.url),
        estado: optional(&project.state),
        organizacao: organizacao.clone(),
    })
}

/// The answer tells people as much as they need; this tells the operator the rest.
fn log_failures(listings: &[Listing]) {
    for listing in listings {
        let organizacao = listing.source.organizacao.nome();
        match &listing.projects {
            Ok(projects) if projects.unreadable > 0 => {
                let unreadable = projects.unreadable;
                tracing::warn!(%organizacao, unreadable, "projects without id or name were skipped");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%organizacao, %error, "cannot list the projects"),
        }
    }
}

fn summary(listing: &Listing) -> OrganizacaoSincronizada {
    let listados = match &listing.projects {
        Ok(projects) => Ok(projects.projects.len() + projects.unreadable),
        Err(error) => Err(describe(error)),
    };
    OrganizacaoSincronizada {
        nome: listing.source.organizacao.nome().clone(),
        origem: listing.source.origem,
        listados,
    }
}

fn fail_if_all_failed(listings: &[Listing]) -> Result<()> {
    let failures: Vec<(&NomeOrganizacao, &azure_devops::Error)> = listings
        .iter()
        .filter_map(|listing| {
            Some((
                listing.source.organizacao.nome(),
                listing.projects.as_ref().err()?,
            ))
        })
        .collect();
    if failures.is_empty() || failures.len() < listings.len() {
        return Ok(());
    }
    Err(Error::AllUpstreamsFailed {
        failures: failures
            .iter()
            .map(|(nome, error)| ((*nome).clone(), describe(error)))
            .collect(),
        retry_after: failures.iter().filter_map(|(_, error)| error.retry_after()).min(),
    })
}

/// Leaves out what concerns organisations that are not the caller's.
fn for_eyes_of(user: &CurrentUser, error: Error) -> Error {
    let Error::Shared(shared) = &error else {
        return error;
    };
    let Error::AllUpstreamsFailed {
        failures,
        retry_after,
    } = &**shared
    else {
        return error;
    };
    let own = failures
        .iter()
        .filter(|(nome, _)| user.may_see(nome).is_ok() || user.administers(nome));
    Error::AllUpstreamsFailed {
        failures: own.cloned().collect(),
        retry_after: *retry_after,
    }
}

/// The proof that the caller belongs to an organisation that can be asked.
///
/// # Errors
/// As for [`CurrentUser::member_of`]; while authentication is off, [`Error::NotConfigured`] for one that is not served.
pub fn membership_of<'u>(user: &'u CurrentUser, nome: &NomeOrganizacao) -> Result<&'u Membership> {
    match user.member_of(nome) {
        Err(_) if user.is_everybody() => Err(not_configured()),
        found => found,
    }
}

/// What a caller learns where no organisation is configured.
#[must_use]
pub fn not_configured() -> Error {
    Error::NotConfigured {
        code: "azure_devops_nao_configurado",
        detail: "AZURE_DEVOPS_ORG_URL não configurada no servidor",
    }
}

/// What happened, for the person who pressed the button.
fn describe(error: &azure_devops::Error) -> String {
    use azure_devops::{Error as E, Unavailability};
    match error {
        E::InvalidCredential { status } => format!("credencial recusada (status {status})"),
        E::Forbidden => "sem permissão (status 403)".to_owned(),
        E::NotFound => "não encontrado (status 404)".to_owned(),
        E::Throttled { .. } => "limite de requisições atingido (status 429)".to_owned(),
        E::Unavailable {
            reason: Unavailability::Status(status),
            ..
        } => format!("indisponível (status {status})"),
        E::Unavailable { .. } => "indisponível".to_owned(),
        E::Timeout => "não respondeu a tempo".to_owned(),
        E::Nonsense(_) => "resposta inesperada".to_owned(),
        E::Rejected { status, .. } => format!("requisição recusada (status {status})"),
    }
}
