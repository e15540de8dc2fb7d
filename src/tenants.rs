//! Identity of organisations: names are resolved by the table `organizacoes`, and the `instanceId` that Azure
//! DevOps returns with each proof is compared with the pinned one.
//!
//! A rename does not change the key and the rows of an organisation. Another organisation under a known name
//! proves no membership until an operator adopts it (`aponta adopt-organization`). Details:
//! `docs/tenants.md`.

mod decision;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use moka::future::Cache;
use serde_json::json;
use uuid::Uuid;

use crate::azure_devops::{AzureDevOps, Credential, Error as AzureError, Organizacao, Tenant};
use crate::db::{Db, DbError, Tx};
use crate::models::auditoria::{Actor, NewRegistro};
use crate::models::organizacao::{ChaveOrganizacao, Names, NomeOrganizacao, Scope};
use crate::repositories::{auditoria, organizacoes as repo};
use crate::telemetry::metrics;
use decision::Decision;

/// Lifetime of a confirmed `instanceId` before the table or Azure DevOps is queried again.
const CONFIRMED_TTL: Duration = Duration::from_mins(1);

/// Lifetime of the cached result that a name belongs to another organisation; an adoption is noticed after at
/// most this time.
const REPLACED_TTL: Duration = Duration::from_secs(10);
const MOST_VERIFIED: u64 = 10_000;

/// The served organisations and their names. Clones share the caches.
#[derive(Clone)]
pub struct Tenants(Arc<Inner>);

struct Inner {
    db: Db,
    azure: AzureDevOps,
    names: RwLock<Arc<Names>>,
    confirmed: Mutex<HashMap<NomeOrganizacao, Confirmed>>,
    /// Held while the table is queried: requests that wait for this lock share one connection instead of
    /// holding one each.
    recording: tokio::sync::Mutex<()>,
    /// Keys of organisations that reported their identity within the last minute; concurrent queries are
    /// coalesced. Separate entries for background work (`true`), for which no person waits.
    verified: Cache<(NomeOrganizacao, bool), ChaveOrganizacao>,
    /// Organisations that recently answered under a name that belongs to another one.
    replaced: Cache<(NomeOrganizacao, Uuid), ()>,
}

/// Last confirmation of a name.
#[derive(Debug, Clone)]
struct Confirmed {
    instance_id: Uuid,
    chave: ChaveOrganizacao,
    at: Instant,
}

impl Confirmed {
    fn is_fresh(&self) -> bool {
        self.at.elapsed() < CONFIRMED_TTL
    }
}

/// Reason why an organisation was not adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// No PAT is configured for the query.
    #[error("{0} is not configured, or has no PAT")]
    NoPat(NomeOrganizacao),
    /// Azure DevOps does not report the organisation's identity.
    #[error("Azure DevOps does not report the instanceId of {0}")]
    Upstream(NomeOrganizacao, #[source] AzureError),
    /// The table could not be written.
    #[error("cannot record the organisation")]
    Database(#[from] DbError),
}

impl Tenants {
    /// Creates the registry of `azure`'s organisations in `db`; without names before the first
    /// [`refresh`](Self::refresh).
    #[must_use]
    pub fn new(db: Db, azure: AzureDevOps) -> Self {
        Self(Arc::new(Inner {
            db,
            azure,
            names: RwLock::default(),
            confirmed: Mutex::default(),
            recording: tokio::sync::Mutex::default(),
            verified: Cache::builder()
                .max_capacity(MOST_VERIFIED)
                .time_to_live(CONFIRMED_TTL)
                .build(),
            replaced: Cache::builder()
                .max_capacity(MOST_VERIFIED)
                .time_to_live(REPLACED_TTL)
                .build(),
        }))
    }

    /// Returns the client of Azure DevOps.
    #[must_use]
    pub fn azure(&self) -> &AzureDevOps {
        &self.0.azure
    }

    /// Returns the names as last read from the table.
    #[must_use]
    pub fn names(&self) -> Arc<Names> {
        Arc::clone(&self.0.names.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the table again; another process may have recorded a rename.
    ///
    /// # Errors
    /// When the database does not answer; the previous names remain.
    pub async fn refresh(&self) -> Result<(), DbError> {
        let mut tx = self.0.db.begin_read(&Scope::Maintenance).await?;
        let known = repo::list(&mut tx).await?;
        self.set_names(Names::new(known));
        Ok(())
    }

    /// Returns the key of a served organisation. Returns `None` if another organisation took over its name.
    #[must_use]
    pub fn chave_of(&self, tenant: &Tenant) -> Option<ChaveOrganizacao> {
        let nome = tenant.organizacao.nome();
        let confirmed = self.lock_confirmed().get(nome).map(|c| c.chave.clone());
        confirmed.or_else(|| self.names().chave_of(nome))
    }

    /// Returns every served organisation once, in configured order. If two configured names denote one
    /// organisation, its present name counts, else the first one.
    #[must_use]
    pub fn served(&self) -> Vec<(ChaveOrganizacao, Tenant)> {
        let names = self.names();
        let mut served: Vec<(ChaveOrganizacao, Tenant)> = Vec::new();
        for tenant in self.0.azure.tenants().iter() {
            let Some(chave) = self.chave_of(tenant) else {
                continue;
            };
            let is_present = names.nome_of(&chave) == Some(tenant.organizacao.nome());
            match served.iter_mut().find(|(known, _)| *known == chave) {
                Some(known) if is_present => known.1 = tenant.clone(),
                Some(_) => {}
                None => served.push((chave, tenant.clone())),
            }
        }
        served
    }

    /// Returns the key of the default organisation.
    #[must_use]
    pub fn default_chave(&self) -> Option<ChaveOrganizacao> {
        self.names().chave_of(&self.0.azure.default_organizacao()?)
    }

    /// Returns the served organisation with this key.
    #[must_use]
    pub fn tenant(&self, chave: &ChaveOrganizacao) -> Option<Tenant> {
        let found = self.served().into_iter().find(|(known, _)| known == chave);
        found.map(|(_, tenant)| tenant)
    }

    /// Returns the key of the organisation that answered with `instance_id` under `nome`. The first proof
    /// pins the `instanceId`; the same `instanceId` under a new name renames the organisation.
    ///
    /// # Errors
    /// [`AzureError::Replaced`] when the name belongs to another organisation; [`AzureError::Unavailable`]
    /// when the table cannot be queried.
    pub async fn confirm(
        &self,
        nome: &NomeOrganizacao,
        instance_id: Uuid,
    ) -> Result<ChaveOrganizacao, AzureError> {
        if self.0.replaced.contains_key(&(nome.clone(), instance_id)) {
            return Err(AzureError::Replaced);
        }
        let known = self.confirmed(nome, instance_id);
        if let Some(known) = known.as_ref().filter(|known| known.is_fresh()) {
            return Ok(known.chave.clone());
        }
        let _turn = match (&known, self.0.recording.try_lock()) {
            (_, Ok(turn)) => turn,
            // Another request already queries the table; until it is done, the stale result is used.
            (Some(known), Err(_)) => return Ok(known.chave.clone()),
            (None, Err(_)) => self.0.recording.lock().await,
        };
        if let Some(known) = self.confirmed(nome, instance_id).filter(Confirmed::is_fresh) {
            return Ok(known.chave);
        }
        let chave = match (self.record(nome, instance_id, false).await, known) {
            (Ok(chave), _) => chave,
            (Err(error), Some(known)) => {
                tracing::warn!(organizacao = %nome, %error,
                    "cannot re-read the organisation: using its last known key");
                return Ok(known.chave);
            }
            (Err(error), None) => {
                tracing::error!(organizacao = %nome, %error, "cannot record the organisation");
                return Err(AzureError::unrecorded());
            }
        };
        let Some(chave) = chave else {
            // The cached results for the name are invalid: the next request with this name queries again.
            self.lock_confirmed().remove(nome);
            for is_patient in [false, true] {
                self.0.verified.invalidate(&(nome.clone(), is_patient)).await;
            }
            self.0.replaced.insert((nome.clone(), instance_id), ()).await;
            metrics::organization_replaced();
            tracing::error!(organizacao = %nome, %instance_id,
                "organisation replaced: instanceId differs from the pinned one");
            return Err(AzureError::Replaced);
        };
        let confirmed = Confirmed {
            instance_id,
            chave: chave.clone(),
            at: Instant::now(),
        };
        self.lock_confirmed().insert(nome.clone(), confirmed);
        Ok(chave)
    }

    /// Returns the key of an organisation. The organisation is queried for its identity with `credential`
    /// unless it was queried within the last minute.
    ///
    /// # Errors
    /// As for [`confirm`](Self::confirm), and those of the call.
    pub async fn verify(
        &self,
        organizacao: &Organizacao,
        credential: &Credential,
    ) -> Result<ChaveOrganizacao, AzureError> {
        let nome = organizacao.nome();
        let confirmed = self.lock_confirmed().get(nome).cloned();
        if let Some(confirmed) = confirmed.filter(Confirmed::is_fresh) {
            return Ok(confirmed.chave);
        }
        let ask = async {
            let proof = organizacao.known_user(credential).await?;
            self.confirm(nome, proof.instance_id).await
        };
        let key = (nome.clone(), organizacao.is_patient());
        let verified = self.0.verified.try_get_with(key, ask).await;
        verified.map_err(|error: Arc<AzureError>| AzureError::clone(&error))
    }

    /// Verifies the identity of every organisation with a PAT, so that a rename is known before its first
    /// caller. Errors are logged.
    pub async fn verify_all(&self) {
        let tenants = self.0.azure.tenants();
        let with_pat = tenants
            .iter()
            .filter_map(|tenant| Some((tenant, tenant.pat.as_ref()?)));
        let checks = with_pat.map(|(tenant, pat)| async {
            let organizacao = tenant.organizacao.patient();
            self.verify(&organizacao, pat).await
        });
        for outcome in join_all(checks).await {
            if let Err(error) = outcome {
                tracing::debug!(%error, "organisation does not report its instanceId");
            }
        }
    }

    /// Assigns the name to the organisation that answers under `nome`, and a new key unless the organisation
    /// has one. The previous owner of the name loses the name and retains its rows.
    ///
    /// # Errors
    /// See [`AdoptError`].
    pub async fn adopt(&self, nome: &NomeOrganizacao) -> Result<ChaveOrganizacao, AdoptError> {
        let tenants = self.0.azure.tenants();
        let tenant = tenants.iter().find(|tenant| tenant.organizacao.nome() == nome);
        let (organizacao, pat) = tenant
            .and_then(|tenant| Some((&tenant.organizacao, tenant.pat.as_ref()?)))
            .ok_or_else(|| AdoptError::NoPat(nome.clone()))?;
        let proof = organizacao.known_user(pat).await;
        let proof = proof.map_err(|error| AdoptError::Upstream(nome.clone(), error))?;
        let chave = self.record(nome, proof.instance_id, true).await?;
        self.0.replaced.invalidate_all();
        chave.ok_or_else(|| AdoptError::Upstream(nome.clone(), AzureError::Replaced))
    }

    /// Decides and records in one transaction the meaning of an answer. Returns `None` if the name belongs to
    /// another organisation.
    async fn record(
        &self,
        nome: &NomeOrganizacao,
        instance_id: Uuid,
        adopt: bool,
    ) -> Result<Option<ChaveOrganizacao>, DbError> {
        let mut tx = self.0.db.begin(&Scope::Maintenance).await?;
        // Processes that see a new organisation concurrently must not pin it twice.
        repo::lock(&mut tx).await?;
        let known = repo::list(&mut tx).await?;
        let decision = decision::decide(&known, nome, instance_id, adopt);
        let chave = apply(&mut tx, &decision, nome, instance_id, adopt).await?;
        let known = repo::list(&mut tx).await?;
        tx.commit().await?;
        self.set_names(Names::new(known));
        Ok(chave)
    }

    fn set_names(&self, names: Names) {
        *self.0.names.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(names);
    }

    /// Returns the last confirmation of this organisation under this name.
    fn confirmed(&self, nome: &NomeOrganizacao, instance_id: Uuid) -> Option<Confirmed> {
        let confirmed = self.lock_confirmed();
        let found = confirmed.get(nome).filter(|c| c.instance_id == instance_id);
        found.cloned()
    }

    fn lock_confirmed(&self) -> std::sync::MutexGuard<'_, HashMap<NomeOrganizacao, Confirmed>> {
        self.0.confirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenants")
            .field("names", &self.names())
            .finish_non_exhaustive()
    }
}

/// Writes a decision to the table.
async fn apply(
    tx: &mut Tx,
    decision: &Decision,
    nome: &NomeOrganizacao,
    instance_id: Uuid,
    adopt: bool,
) -> Result<Option<ChaveOrganizacao>, DbError> {
    let renamed = if adopt { "adotar" } else { "renomear" };
    match decision {
        Decision::Seen(chave) => {
            repo::mark_seen(tx, chave, nome).await?;
            Ok(Some(chave.clone()))
        }
        Decision::Pin(chave) => {
            repo::pin(tx, chave, instance_id).await?;
            tracing::info!(organizacao = %nome, %chave, %instance_id, "organisation pinned");
            Ok(Some(chave.clone()))
        }
        Decision::Insert { chave, from } => {
            free_name(tx, from.as_ref(), nome).await?;
            repo::insert(tx, chave, nome, instance_id).await?;
            tracing::info!(organizacao = %nome, %chave, %instance_id, "organisation pinned");
            if adopt {
                record(tx, renamed, chave, None, nome, instance_id).await?;
            }
            Ok(Some(chave.clone()))
        }
        Decision::Rename { chave, before, from } => {
            free_name(tx, from.as_ref(), nome).await?;
            repo::rename(tx, chave, nome).await?;
            tracing::warn!(%chave, before = before.as_ref().map(tracing::field::display), nome = %nome,
                "organisation renamed");
            record(tx, renamed, chave, before.as_ref(), nome, instance_id).await?;
            Ok(Some(chave.clone()))
        }
        Decision::Replaced => Ok(None),
    }
}

/// Removes the name from its previous owner.
async fn free_name(
    tx: &mut Tx,
    from: Option<&ChaveOrganizacao>,
    nome: &NomeOrganizacao,
) -> Result<(), DbError> {
    let Some(from) = from else { return Ok(()) };
    repo::free_name(tx, from, nome).await?;
    tracing::warn!(chave = %from, %nome, "organisation name released: another organisation has it now");
    Ok(())
}

/// Records a change of a name in the audit trail.
async fn record(
    tx: &mut Tx,
    acao: &'static str,
    chave: &ChaveOrganizacao,
    before: Option<&NomeOrganizacao>,
    nome: &NomeOrganizacao,
    instance_id: Uuid,
) -> Result<(), DbError> {
    let new = NewRegistro {
        actor: &Actor::sistema(),
        organizacao: Some(chave),
        acao,
        objeto_tipo: "organizacao",
        objeto_id: Some(chave.to_string()),
        antes: before.map(|before| json!({ "nome": before }).to_string()),
        depois: Some(json!({ "nome": nome, "instance_id": instance_id }).to_string()),
    };
    auditoria::insert(tx, &new).await
}
