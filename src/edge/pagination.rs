//! `skip` and `limit`, with the limits that every list shares.

use serde::Deserialize;
use utoipa::IntoParams;
use validator::Validate;

use super::fields::Field;
use crate::fields;
use crate::models::page::Page;

/// Rows of a page when the caller does not say.
const DEFAULT_LIMIT: i64 = 100;

/// Which part of a list to return.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// Items to leave out.
    #[validate(range(min = 0))]
    #[param(value_type = Option<i64>, nullable = false, minimum = 0, default = 0, example = 0)]
    #[serde(default)]
    skip: Field<i64>,
    /// Items to return at the most.
    #[validate(range(min = 1, max = 1000))]
    #[param(value_type = Option<i64>, nullable = false, minimum = 1, maximum = 1000, default = 100, example = 100)]
    #[serde(default)]
    limit: Field<i64>,
}
fields!(PageParams { skip, limit });

impl From<PageParams> for Page {
    fn from(params: PageParams) -> Self {
        Self {
            skip: params.skip.value().unwrap_or(0),
            limit: params.limit.value().unwrap_or(DEFAULT_LIMIT),
        }
    }
}

/// As [`PageParams`], for lists that old clients expect whole: without any parameter, everything.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OptionalPageParams {
    /// Items to leave out.
    #[validate(range(min = 0))]
    #[param(value_type = Option<i64>, nullable = false, minimum = 0, default = 0, example = 0)]
    #[serde(default)]
    skip: Field<i64>,
    /// Items to return at the most; all without it.
    #[validate(range(min = 1, max = 1000))]
    #[param(value_type = Option<i64>, nullable = false, minimum = 1, maximum = 1000, example = 100)]
    #[serde(default)]
    limit: Field<i64>,
}
fields!(OptionalPageParams { skip, limit });

impl OptionalPageParams {
    /// The page asked for, if one was.
    #[must_use]
    pub fn page(self) -> Option<Page> {
        match (self.skip.value(), self.limit.value()) {
            (None, None) => None,
            (skip, limit) => Some(Page {
                skip: skip.unwrap_or(0),
                limit: limit.unwrap_or(i64::MAX),
            }),
        }
    }
}
