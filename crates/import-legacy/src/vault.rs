//! The vault of the FastAPI service: each PAT is decrypted with its key and encrypted with ours, or not
//! imported.

use std::collections::HashSet;

use aponta_domain::organizacao::ChaveOrganizacao;
use aponta_domain::organization_pat::OrganizationUrl;
use secrecy::SecretString;

use crate::fernet::Keys;
use crate::report::Tabela;
use crate::source::PatRow;
use crate::target::{NewPat, Outcome, Target};
use crate::{ImportError, Result, Run, map};

impl<T: Target> Run<'_, T> {
    pub(super) async fn vault(&mut self) -> Result<()> {
        let keys = self.options.legacy_key.as_ref().map(Keys::new);
        let mut seen = HashSet::new();
        let cursor = self.source.pats().await.map_err(ImportError::Source)?;
        loop {
            let page: Vec<PatRow> = self.source.page(&cursor).await.map_err(ImportError::Source)?;
            if page.is_empty() {
                return Ok(());
            }
            for row in page {
                let nome = match map::organizacao(&self.names, &row.organization_name) {
                    Ok(nome) => nome,
                    Err(why) => {
                        self.findings.refused(Tabela::Pats, row.id, why);
                        continue;
                    }
                };
                // The FastAPI service distinguished Contoso and contoso.
                if !seen.insert(nome.clone()) {
                    let why = format!("{nome} has another PAT, which comes first");
                    self.findings.refused(Tabela::Pats, row.id, why);
                    continue;
                }
                let known = self.target.pat_outcome(row.id, &nome, row.atualizado_em).await?;
                if let Some(outcome) = known {
                    self.findings.outcome(Tabela::Pats, outcome);
                    continue;
                }
                let stored = match self.opened(&row, keys.as_ref()) {
                    Ok(pat) if self.store(&row, &nome, &pat).await? => Ok(()),
                    Ok(_) => Err("it could not be encrypted"),
                    Err(why) => Err(why),
                };
                match stored {
                    Ok(()) => self.findings.outcome(Tabela::Pats, Outcome::Inserted),
                    Err(why) => {
                        let why = format!("the PAT of {nome}: {why}");
                        self.findings.refused(Tabela::Pats, row.id, why);
                    }
                }
            }
        }
    }

    /// Decrypts the PAT of a row. The error is the reason why the PAT is not imported.
    fn opened(&self, row: &PatRow, keys: Option<&Keys>) -> std::result::Result<SecretString, &'static str> {
        let keys = keys.ok_or("no --legacy-key was given")?;
        if !self.target.has_vault_key() {
            return Err("PAT_ENCRYPTION_KEYS has no key to encrypt it with");
        }
        keys.open(&row.pat_encrypted)
            .map_err(|_| "it does not decrypt with the key that was given")
    }

    async fn store(&mut self, row: &PatRow, nome: &ChaveOrganizacao, pat: &SecretString) -> Result<bool> {
        // The FastAPI service accepted any text.
        let url = row
            .organization_url
            .as_deref()
            .and_then(|url| OrganizationUrl::parse(url).ok());
        let url = url.filter(OrganizationUrl::is_https);
        let new = NewPat {
            id: row.id,
            organizacao: nome,
            organization_url: &url.map_or_else(
                || format!("https://dev.azure.com/{nome}"),
                |url| url.as_str().to_owned(),
            ),
            pat,
            descricao: row.descricao.as_deref(),
            expira_em: row.expira_em,
            ativo: row.ativo,
            criado_por: row.criado_por.as_deref(),
            criado_em: row.criado_em,
            atualizado_em: row.atualizado_em,
        };
        Ok(self.target.store_pat(&new).await?)
    }
}
