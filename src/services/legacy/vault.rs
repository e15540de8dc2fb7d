//! The vault of the FastAPI service: each PAT is decrypted with its key and encrypted with ours, or stays where it is.

use std::collections::HashSet;

use secrecy::SecretString;

use super::fernet::Keys;
use super::report::Tabela;
use super::{ImportError, Result, Run, map};
use crate::config::VaultConfig;
use crate::models::ids::OrganizationPatId;
use crate::models::organizacao::ChaveOrganizacao;
use crate::models::organization_pat::OrganizationUrl;
use crate::repositories::legacy::source::PatRow;
use crate::repositories::legacy::target::{self, NewPat, Outcome};
use crate::services::organization_pats::cipher::{Cipher, Sealed};
use crate::services::organization_pats::context;

impl Run<'_> {
    pub(super) async fn vault(&mut self, config: &VaultConfig) -> Result<()> {
        let keys = self.options.legacy_key.as_ref().map(Keys::new);
        let cipher = Cipher::new(config);
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
                // The FastAPI service told Contoso from contoso.
                if !seen.insert(nome.clone()) {
                    let why = format!("{nome} has another PAT, which comes first");
                    self.findings.refused(Tabela::Pats, row.id, why);
                    continue;
                }
                let standing =
                    target::pat_standing(&mut self.tx, row.id, nome.as_str(), row.atualizado_em).await?;
                if let Some(outcome) = standing {
                    self.findings.outcome(Tabela::Pats, outcome);
                    continue;
                }
                match seal_anew(&row, &nome, keys.as_ref(), cipher.as_ref()) {
                    Ok(sealed) => {
                        self.store(&row, &nome, &sealed).await?;
                        self.findings.outcome(Tabela::Pats, Outcome::Inserted);
                    }
                    Err(why) => {
                        let why = format!("the PAT of {nome}: {why}");
                        self.findings.refused(Tabela::Pats, row.id, why);
                    }
                }
            }
        }
    }

    async fn store(&mut self, row: &PatRow, nome: &ChaveOrganizacao, sealed: &Sealed) -> Result<()> {
        // The FastAPI service took any text.
        let url = row
            .organization_url
            .as_deref()
            .and_then(|url| OrganizationUrl::parse(url).ok());
        let url = url.filter(OrganizationUrl::is_https);
        let new = NewPat {
            id: row.id,
            organizacao: nome.as_str(),
            organization_url: &url.map_or_else(
                || format!("https://dev.azure.com/{nome}"),
                |url| url.as_str().to_owned(),
            ),
            pat_cifrado: &sealed.bytes,
            chave_id: &sealed.chave_id,
            descricao: row.descricao.as_deref(),
            expira_em: row.expira_em,
            ativo: row.ativo,
            criado_por: row.criado_por.as_deref(),
            criado_em: row.criado_em,
            atualizado_em: row.atualizado_em,
        };
        Ok(target::insert_pat(&mut self.tx, &new).await?)
    }
}

fn seal_anew(
    row: &PatRow,
    nome: &ChaveOrganizacao,
    keys: Option<&Keys>,
    cipher: Option<&Cipher>,
) -> std::result::Result<Sealed, &'static str> {
    let keys = keys.ok_or("no --legacy-key was given")?;
    let cipher = cipher.ok_or("PAT_ENCRYPTION_KEYS has no key to encrypt it with")?;
    let pat: SecretString = keys
        .open(&row.pat_encrypted)
        .map_err(|_| "it does not decrypt with the key that was given")?;
    let place = context(nome, OrganizationPatId(row.id));
    cipher.seal(&pat, &place).map_err(|_| "it could not be encrypted")
}
