//! Repeated requests: for a day, the same idempotency key with the same content returns the object that the
//! first request created, in its current state. Key and object are stored in one transaction
//! (draft-ietf-httpapi-idempotency-key-header-07). Refused requests had no effect and are not stored, so that
//! a repetition is processed as a new request.

use std::time::Duration;

use aws_lc_rs::digest;
use uuid::Uuid;

use crate::db::Tx;
use crate::error::{Code, Error, Result};
use crate::models::idempotencia::{Chave, NewObjeto, UsedKey};
use crate::models::organizacao::ChaveOrganizacao;
use crate::repositories::idempotencia::{self as repo, KeyOwner};

/// Lifetime of an idempotency key.
pub(super) const TTL: Duration = Duration::from_hours(24);

/// An object that was created by this request or by an earlier request with the same key.
#[derive(Debug)]
pub struct Created<T> {
    /// Current state of the object.
    pub objeto: T,
    /// `true` if this request changed nothing, because an earlier one created the object.
    pub replayed: bool,
}

impl<T> Created<T> {
    /// Returns an object of this request.
    pub(super) fn now(objeto: T) -> Self {
        Self {
            objeto,
            replayed: false,
        }
    }

    /// Returns an object of an earlier request.
    pub(super) fn earlier(objeto: T) -> Self {
        Self {
            objeto,
            replayed: true,
        }
    }
}

/// Request with an Idempotency-Key, and the fingerprint of its content.
#[derive(Debug)]
pub(super) struct IdempotentRequest<'a> {
    owner: KeyOwner<'a>,
    fingerprint: Vec<u8>,
}

impl<'a> IdempotentRequest<'a> {
    /// Identifies a request by its content. Operations on different kinds of objects must differ in `parts`.
    pub(super) fn new(
        organizacao: &'a ChaveOrganizacao,
        usuario: &'a str,
        chave: &'a Chave,
        parts: &[String],
    ) -> Self {
        let fingerprint = digest::digest(&digest::SHA256, parts.join("\u{1f}").as_bytes());
        Self {
            owner: KeyOwner {
                organizacao,
                usuario,
                chave,
            },
            fingerprint: fingerprint.as_ref().to_vec(),
        }
    }

    /// Returns the id of the object that an earlier request with this key created.
    ///
    /// # Errors
    /// [`Error::Rule`] when the key was used with other content.
    pub(super) async fn find(&self, tx: &mut Tx) -> Result<Option<Uuid>> {
        let used = repo::find(tx, self.owner, TTL).await?;
        used.map(|used| self.objeto_of(&used)).transpose()
    }

    /// Acquires the lock of the key until the transaction ends, and returns `None`. If an earlier request
    /// used the key, returns the id of its object as [`find`](Self::find) does.
    ///
    /// # Errors
    /// As for `find`, and [`Error::Conflict`] while another request with the key is in flight.
    pub(super) async fn acquire(&self, tx: &mut Tx) -> Result<Option<Uuid>> {
        let entered = repo::acquire(tx, self.owner, TTL).await?;
        match entered.used {
            Some(used) => self.objeto_of(&used).map(Some),
            None if entered.locked => Ok(None),
            None => Err(in_flight()),
        }
    }

    fn objeto_of(&self, used: &UsedKey) -> Result<Uuid> {
        if used.fingerprint == self.fingerprint {
            return Ok(used.objeto);
        }
        Err(Error::Rule {
            code: Code::ChaveReutilizada,
            detail: Code::ChaveReutilizada.sentence().to_owned(),
            loc: vec!["header".into(), "Idempotency-Key".into()],
        })
    }

    /// Stores the key with its object, in the transaction of the object.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another request has used the key since [`acquire`](Self::acquire) checked it.
    pub(super) async fn store(&self, tx: &mut Tx, objeto: NewObjeto) -> Result<()> {
        if repo::insert(tx, self.owner, &self.fingerprint, objeto, TTL).await? {
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

/// Returns the error for a repeated request whose object was deleted meanwhile.
pub(super) fn deleted(code: Code) -> Error {
    Error::Conflict {
        code,
        detail: code.sentence().to_owned(),
    }
}

/// Returns an optional value as a part of a request's content: absent differs from empty.
pub(super) fn part(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(String::new, |value| format!("={value}"))
}
