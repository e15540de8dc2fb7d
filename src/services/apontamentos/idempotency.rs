//! Repeated requests: for a day, the same idempotency key with the same content returns the entry that the
//! first request created, in its current state. Key and entry are stored in one transaction
//! (draft-ietf-httpapi-idempotency-key-header-07). Refused requests had no effect and are not stored, so that
//! a repetition is processed as a new request.

use std::time::Duration;

use aws_lc_rs::digest;

use crate::db::Tx;
use crate::error::{Code, Error, Result};
use crate::models::apontamento::{Apontamento, NewApontamento, ProjetoNomeado};
use crate::models::idempotencia::{Chave, UsedKey};
use crate::models::ids::ApontamentoId;
use crate::models::organizacao::ChaveOrganizacao;
use crate::repositories::apontamentos as entries;
use crate::repositories::idempotencia::{self as repo, KeyOwner};

/// Lifetime of an idempotency key.
pub(super) const TTL: Duration = Duration::from_hours(24);

/// Request with an Idempotency-Key, and the fingerprint of its content.
#[derive(Debug)]
pub(super) struct IdempotentRequest<'a> {
    pub(super) organizacao: &'a ChaveOrganizacao,
    pub(super) usuario: &'a str,
    pub(super) chave: &'a Chave,
    pub(super) fingerprint: Vec<u8>,
}

impl<'a> IdempotentRequest<'a> {
    pub(super) fn new(
        new: &NewApontamento,
        organizacao: &'a ChaveOrganizacao,
        usuario: &'a str,
        chave: &'a Chave,
    ) -> Self {
        Self {
            organizacao,
            usuario,
            chave,
            fingerprint: fingerprint(new, organizacao),
        }
    }

    fn key(&self) -> KeyOwner<'_> {
        KeyOwner {
            organizacao: self.organizacao,
            usuario: self.usuario,
            chave: self.chave,
        }
    }

    /// Returns the entry that an earlier request with this key created, in its current state.
    ///
    /// # Errors
    /// [`Error::Rule`] when the key was used with other content, [`Error::Conflict`] when the entry has been
    /// deleted since.
    pub(super) async fn find(&self, tx: &mut Tx) -> Result<Option<Apontamento>> {
        match repo::find(tx, self.key(), TTL).await? {
            Some(used) => self.entry_of(tx, &used).await.map(Some),
            None => Ok(None),
        }
    }

    /// Acquires the lock of the key until the transaction ends, and returns `None`. If an earlier request
    /// used the key, returns its entry as [`find`](Self::find) does.
    ///
    /// # Errors
    /// As for `find`, and [`Error::Conflict`] while another request with the key is in flight.
    pub(super) async fn acquire(&self, tx: &mut Tx) -> Result<Option<Apontamento>> {
        let entered = repo::acquire(tx, self.key(), TTL).await?;
        match entered.used {
            Some(used) => self.entry_of(tx, &used).await.map(Some),
            None if entered.locked => Ok(None),
            None => Err(in_flight()),
        }
    }

    async fn entry_of(&self, tx: &mut Tx, used: &UsedKey) -> Result<Apontamento> {
        if used.fingerprint != self.fingerprint {
            return Err(Error::Rule {
                code: Code::ChaveReutilizada,
                detail: Code::ChaveReutilizada.sentence().to_owned(),
                loc: vec!["header".into(), "Idempotency-Key".into()],
            });
        }
        let found = entries::find(tx, used.apontamento).await?;
        found.ok_or_else(|| Error::Conflict {
            code: Code::ApontamentoExcluido,
            detail: Code::ApontamentoExcluido.sentence().to_owned(),
        })
    }

    /// Stores the key with its entry, in the transaction of the entry.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another request has used the key since [`acquire`](Self::acquire) checked it.
    pub(super) async fn store(&self, tx: &mut Tx, apontamento: ApontamentoId) -> Result<()> {
        let used = UsedKey {
            fingerprint: self.fingerprint.clone(),
            apontamento,
        };
        if repo::insert(tx, self.key(), &used, TTL).await? {
            return Ok(());
        }
        Err(in_flight())
    }
}

/// Returns the error for a request whose key is used by another one in flight.
#[must_use]
pub fn in_flight() -> Error {
    Error::Conflict {
        code: Code::RequisicaoEmAndamento,
        detail: Code::RequisicaoEmAndamento.sentence().to_owned(),
    }
}

/// Returns a hash of the request. Different spellings of dates, durations, GUIDs and organisations give the
/// same hash; the name and the GUID of a project give two different ones, since Azure DevOps is not called
/// here.
fn fingerprint(new: &NewApontamento, organizacao: &ChaveOrganizacao) -> Vec<u8> {
    let projeto = match &new.projeto {
        ProjetoNomeado::Id(id) => id.to_string(),
        ProjetoNomeado::Nome(nome) => nome.to_lowercase(),
    };
    let optional = |text: &Option<String>| text.as_ref().map_or_else(String::new, |text| format!("={text}"));
    let parts = [
        organizacao.to_string(),
        projeto,
        new.work_item_id.to_string(),
        new.data.to_string(),
        new.duracao.to_string(),
        new.atividade.to_string(),
        optional(&new.comentario),
        optional(&new.usuario.id).to_lowercase(),
    ];
    digest::digest(&digest::SHA256, parts.join("\u{1f}").as_bytes())
        .as_ref()
        .to_vec()
}
