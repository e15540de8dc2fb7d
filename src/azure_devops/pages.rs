//! Lists that are read in pages by `$top` and `$skip`, to their end. Those that go on by a token (projects) do not come here.

use serde::de::DeserializeOwned;

use super::credential::Credential;
use super::error::Error;
use super::lenient::List;
use super::operation::Operation;
use super::organizacao::{Host, Organizacao};

/// Rows a page.
const PAGE: usize = 200;

impl Organizacao {
    /// All that can be read of a list that has no more than `most` pages, in its order. There is no token: a short page is the last.
    ///
    /// # Errors
    /// When one page fails: half a list looks like a whole one. [`Error::Nonsense`] when there is no end to them.
    pub(super) async fn every_page<T: DeserializeOwned>(
        &self,
        operation: &'static Operation,
        segments: &[&str],
        query: &[(&str, &str)],
        most: usize,
        credential: &Credential,
    ) -> Result<Vec<T>, Error> {
        let top = PAGE.to_string();
        let mut all = Vec::new();
        for page in 0..most {
            let skip = (page * PAGE).to_string();
            let query = [&[("$top", &*top), ("$skip", &*skip)], query].concat();
            let answer = self
                .get(operation, Host::Api, segments, &query, credential)
                .await?;
            let found: List<T> = answer.json()?;
            all.extend(found.value.good);
            if found.value.rows < PAGE {
                return Ok(all);
            }
        }
        Err(Error::Nonsense("there is no end to the pages"))
    }
}
