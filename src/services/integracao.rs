//! Synchronisation of projects: fetched from Azure DevOps and mirrored into the database.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use moka::future::Cache;
use serde_json::json;
use tokio::time::timeout;

use crate::auth::{CurrentUser, Membership};
use crate::azure_devops::projects::{AzureProject, AzureProjects};
use crate::azure_devops::{self, Credential, Organizacao};
use crate::db::{Db, Tx};
use crate::error::{Error, Result};
use crate::models::auditoria::{Actor, NewRegistro};
use crate::models::organizacao::{ChaveOrganizacao, NomeOrganizacao, Scope};
use crate::models::projeto::ProjetoUpstream;
use crate::models::sincronizacao::{OrganizacaoSincronizada, Origem, Sincronizacao};
use crate::repositories::{auditoria, clock, projetos as repo};
use crate::services::auditoria::actor;
use crate::services::projetos::{ProjetoService, row};
use crate::telemetry::request;
use crate::tenants::Tenants;

/// Timeout of reading all pages of one organisation while a person waits for the response.
const LIST_BUDGET: Duration = Duration::from_secs(20);
/// Timeout of reading all pages of one organisation in the background, where Azure DevOps may delay each
/// page.
const BACKGROUND_LIST_BUDGET: Duration = Duration::from_mins(3);

/// Maximum number of rows per statement.
const BATCH: usize = 1_000;

/// Use cases of `integracao`.
#[derive(Debug, Clone)]
pub struct IntegracaoService {
    db: Db,
    tenants: Tenants,
    projetos: ProjetoService,
    /// Runs in progress, one per key. Concurrent requests for an organisation share the outcome of its run.
    running: Cache<RunKey, Arc<Run>>,
    /// Held while a run writes: runs that wait for the lock of the database hold one connection together
    /// instead of one each.
    writing: Arc<tokio::sync::Mutex<()>>,
}

/// An organisation to list, and the credential for listing it.
#[derive(Debug)]
struct Source {
    organizacao: Organizacao,
    credential: Credential,
    origem: Origem,
}

/// A source and the result of listing its projects.
struct Listing {
    source: Source,
    projects: Result<Listed, azure_devops::Error>,
}

/// Projects of an organisation whose key is confirmed.
struct Listed {
    chave: ChaveOrganizacao,
    projects: AzureProjects,
}

/// Cache key of a run: organisation, caller if the caller's own credential is used, and patience.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RunKey {
    organizacao: NomeOrganizacao,
    caller: Option<String>,
    /// `true` for the background, which waits longer than a person does.
    is_patient: bool,
}

/// Outcome of a run over one organisation.
#[derive(Debug)]
struct Run {
    at: DateTime<Utc>,
    /// Key of the organisation; `None` if listing it failed.
    chave: Option<ChaveOrganizacao>,
    organizacao: OrganizacaoSincronizada,
    /// Time until a retry, if the failed organisation reported one.
    retry_after: Option<Duration>,
    /// Ids of the people that have an audit entry for this run.
    recorded: Mutex<HashSet<String>>,
}

impl IntegracaoService {
    /// Creates the service, which mirrors the organisations of `tenants` into `db`.
    #[must_use]
    pub fn new(db: Db, tenants: Tenants, projetos: ProjetoService) -> Self {
        let running = Cache::builder().max_capacity(1_000).build();
        Self {
            db,
            tenants,
            projetos,
            running,
            writing: Arc::default(),
        }
    }

    /// Mirrors the organisations with a PAT of the service that the caller belongs to or administers. If
    /// there is none, mirrors the caller's default organisation with the caller's credential.
    ///
    /// # Errors
    /// When every organisation failed. The failure of a single organisation is part of the outcome.
    pub async fn sincronizar(&self, user: &CurrentUser) -> Result<Sincronizacao> {
        let sources = self.sources(|chave| may_synchronise(user, chave));
        if !sources.is_empty() || self.tenants.azure().tenants().is_empty() {
            return self.synchronise(sources, None, actor(user)).await;
        }
        let membership = user.default_membership()?;
        let source = Source {
            organizacao: membership.organizacao().clone(),
            credential: membership.credential()?.clone(),
            origem: Origem::Caller,
        };
        self.synchronise(vec![source], Some(&user.id), actor(user)).await
    }

    /// Mirrors every organisation with a PAT of the service; for the background.
    ///
    /// # Errors
    /// As for [`sincronizar`](Self::sincronizar).
    pub async fn sincronizar_own(&self) -> Result<Sincronizacao> {
        let mut sources = self.sources(|_| true);
        for source in &mut sources {
            source.organizacao = source.organizacao.patient();
        }
        self.synchronise(sources, None, Actor::sistema()).await
    }

    /// Returns all projects of one organisation as Azure DevOps lists them now. Uses the caller's credential
    /// if there is one, otherwise the service's PAT, since the caller is a member.
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

    /// Returns the served organisations that have a PAT and that `wanted` accepts.
    fn sources(&self, wanted: impl Fn(&ChaveOrganizacao) -> bool) -> Vec<Source> {
        let with_pat = |(chave, tenant): (ChaveOrganizacao, azure_devops::Tenant)| {
            wanted(&chave).then_some(())?;
            Some(Source {
                organizacao: tenant.organizacao,
                credential: tenant.pat?,
                origem: tenant.origem,
            })
        };
        self.tenants.served().into_iter().filter_map(with_pat).collect()
    }

    /// Runs over `sources` concurrently, in a separate task that continues if the caller disconnects.
    async fn synchronise(
        &self,
        sources: Vec<Source>,
        caller: Option<&str>,
        actor: Actor,
    ) -> Result<Sincronizacao> {
        if sources.is_empty() {
            let at = self.now().await?;
            return Ok(Sincronizacao {
                at,
                organizacoes: Vec::new(),
            });
        }
        let (service, caller) = (self.clone(), caller.map(str::to_owned));
        let joined = tokio::spawn(request::inherit(async move {
            let one = |source| service.join_or_run(source, caller.clone(), &actor);
            join_all(sources.into_iter().map(one)).await
        }));
        let runs = joined.await.map_err(|panic| Error::Internal(Box::new(panic)))?;
        let runs = runs.into_iter().collect::<Result<Vec<Arc<Run>>>>()?;
        fail_if_all_failed(&runs)?;
        Ok(Sincronizacao {
            at: runs.iter().map(|run| run.at).min().unwrap_or_default(),
            organizacoes: runs.iter().map(|run| run.organizacao.clone()).collect(),
        })
    }

    /// Returns the outcome of the run in progress, or else of a new one. Writes the caller's audit entry if
    /// it is missing.
    async fn join_or_run(&self, source: Source, caller: Option<String>, actor: &Actor) -> Result<Arc<Run>> {
        let key = RunKey {
            organizacao: source.organizacao.nome().clone(),
            caller,
            is_patient: source.organizacao.is_patient(),
        };
        let run = async { Ok::<_, Error>(Arc::new(self.run(source, actor).await?)) };
        let outcome = self.running.entry(key.clone()).or_try_insert_with(run).await;
        // A finished run is not joined any more.
        self.running.invalidate(&key).await;
        let run = outcome.map_err(Error::Shared)?.into_value();
        self.record_joined(&run, actor).await?;
        Ok(run)
    }

    async fn run(&self, source: Source, actor: &Actor) -> Result<Run> {
        // The connection is released before Azure DevOps is called.
        let at = self.now().await?;
        let listing = self.list(source).await;
        log_trouble(&listing);
        let mut run = Run {
            at,
            chave: listing.projects.as_ref().ok().map(|listed| listed.chave.clone()),
            organizacao: summary(&listing),
            retry_after: None,
            recorded: Mutex::default(),
        };
        match &listing.projects {
            Ok(listed) => self.store(&mut run, listed, actor).await?,
            Err(error) => run.retry_after = error.retry_after(),
        }
        Ok(run)
    }

    async fn now(&self) -> Result<DateTime<Utc>> {
        let mut tx = self.db.begin(&Scope::Maintenance).await?;
        let at = clock::now(&mut tx).await?;
        tx.commit().await?;
        Ok(at)
    }

    /// Lists the projects of an organisation after proving the credential: an organisation with public
    /// projects returns these to every caller, even with an expired PAT.
    async fn list(&self, source: Source) -> Listing {
        let budget = if source.organizacao.is_patient() {
            BACKGROUND_LIST_BUDGET
        } else {
            LIST_BUDGET
        };
        let listing = timeout(budget, async {
            let Source {
                organizacao,
                credential,
                ..
            } = &source;
            let proof = organizacao.known_user(credential).await?;
            let chave = self
                .tenants
                .confirm(organizacao.nome(), proof.instance_id)
                .await?;
            let projects = organizacao.projects(credential).await?;
            Ok(Listed { chave, projects })
        });
        let projects = listing.await.unwrap_or(Err(azure_devops::Error::Timeout));
        Listing { source, projects }
    }

    /// Stores the listed projects in one transaction, so that no reader sees a partial result.
    async fn store(&self, run: &mut Run, listed: &Listed, actor: &Actor) -> Result<()> {
        let Listed { chave, projects } = listed;
        let (at, done) = (run.at, &mut run.organizacao);
        let mut seen = HashSet::new();
        let rows: Vec<ProjetoUpstream> = projects
            .projects
            .iter()
            .filter_map(|project| row(project, chave))
            .filter(|row| seen.insert(row.external_id))
            .collect();
        let _turn = self.writing.lock().await;
        let mut tx = self.db.begin(&Scope::Maintenance).await?;
        repo::lock_synchronisation(&mut tx).await?;
        for batch in rows.chunks(BATCH) {
            let upserted = repo::upsert(&mut tx, batch, at).await?;
            if upserted.foreign > 0 {
                let foreign = upserted.foreign;
                tracing::warn!(%chave, foreign, "project sync: skipped projects that belong to another organisation");
            }
            done.created += usize::try_from(upserted.created).unwrap_or_default();
        }
        done.synced = rows.len();
        // Missing projects are flagged only if the listing is complete: a project that the caller may not
        // see, or that could not be read, has not vanished.
        if done.origem != Origem::Caller && projects.unreadable == 0 {
            let ids: Vec<_> = projects.projects.iter().map(|project| project.id).collect();
            let flagged = repo::flag_vanished(&mut tx, chave, &ids, at).await?;
            done.deleted = usize::try_from(flagged).unwrap_or_default();
        }
        // The background writes an audit entry only if it changed the set of projects.
        if actor.request_id.is_some() || done.created + done.deleted > 0 {
            record(&mut tx, actor, chave, done).await?;
        }
        tx.commit().await?;
        run.is_new_person(actor);
        self.projetos.invalidate();
        tracing::info!(
            organizacao = %run.organizacao.nome,
            synced = run.organizacao.synced,
            created = run.organizacao.created,
            deleted = run.organizacao.deleted,
            "project sync: finished"
        );
        Ok(())
    }

    /// Writes the audit entry of a person that joined a run of another person or of the background, unless
    /// that entry exists.
    async fn record_joined(&self, run: &Run, actor: &Actor) -> Result<()> {
        let Some(chave) = run.chave.as_ref().filter(|_| actor.request_id.is_some()) else {
            return Ok(());
        };
        if !run.is_new_person(actor) {
            return Ok(());
        }
        let mut tx = self.db.begin(&Scope::Maintenance).await?;
        record(&mut tx, actor, chave, &run.organizacao).await?;
        Ok(tx.commit().await?)
    }
}

impl Run {
    /// Records the person. Returns `true` if the person was not recorded for this run before.
    fn is_new_person(&self, actor: &Actor) -> bool {
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        recorded.insert(actor.id.clone())
    }
}

/// Returns `true` if the caller belongs to the organisation or administers it.
fn may_synchronise(user: &CurrentUser, chave: &ChaveOrganizacao) -> bool {
    user.administers(chave) || user.membership_in(chave).is_some()
}

/// Writes a synchronisation to the audit trail of its organisation.
async fn record(
    tx: &mut Tx,
    actor: &Actor,
    chave: &ChaveOrganizacao,
    done: &OrganizacaoSincronizada,
) -> Result<()> {
    let depois = json!({ "listados": done.synced, "criados": done.created, "removidos": done.deleted });
    let new = NewRegistro {
        actor,
        organizacao: Some(chave),
        acao: "sincronizar",
        objeto_tipo: "projetos",
        objeto_id: None,
        antes: None,
        depois: Some(depois.to_string()),
    };
    Ok(auditoria::insert(tx, &new).await?)
}

/// Logs the details of a failed or incomplete listing for the operator. The response holds only a short
/// description.
fn log_trouble(listing: &Listing) {
    let organizacao = listing.source.organizacao.nome();
    match &listing.projects {
        Ok(Listed { projects, .. }) if projects.unreadable > 0 => {
            let unreadable = projects.unreadable;
            tracing::warn!(%organizacao, unreadable, "project sync: skipped projects without id or name");
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%organizacao, %error, "project sync: cannot list projects"),
    }
}

/// Returns the summary of a listing before anything is stored.
fn summary(listing: &Listing) -> OrganizacaoSincronizada {
    let listados = match &listing.projects {
        Ok(Listed { projects, .. }) => Ok(projects.projects.len() + projects.unreadable),
        Err(error) => Err(describe(error)),
    };
    OrganizacaoSincronizada {
        nome: listing.source.organizacao.nome().clone(),
        origem: listing.source.origem,
        listados,
        synced: 0,
        created: 0,
        deleted: 0,
    }
}

fn fail_if_all_failed(runs: &[Arc<Run>]) -> Result<()> {
    let failure = |run: &Arc<Run>| {
        let why = run.organizacao.listados.as_ref().err()?;
        Some((run.organizacao.nome.clone(), why.clone()))
    };
    let failures: Vec<_> = runs.iter().filter_map(failure).collect();
    if failures.len() < runs.len() {
        return Ok(());
    }
    Err(Error::AllUpstreamsFailed {
        failures,
        retry_after: runs.iter().filter_map(|run| run.retry_after).min(),
    })
}

/// Returns the error as a sentence for the caller.
fn describe(error: &azure_devops::Error) -> String {
    use azure_devops::{Error as E, Unavailability};
    match error {
        E::InvalidCredential { status } => format!("credencial recusada (status {status})"),
        E::Forbidden => "sem permissão (status 403)".to_owned(),
        E::Replaced => "outra organização responde por este nome".to_owned(),
        E::OutdatedServer => "servidor anterior ao Azure DevOps Server 2019.1".to_owned(),
        E::NotOffered => "recurso ausente nesta versão do servidor".to_owned(),
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
