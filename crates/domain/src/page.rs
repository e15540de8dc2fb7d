//! Pagination of lists by `skip` and `limit`.

/// Number of rows to skip and to return. The bounds of both are checked where requests are parsed, not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Page {
    /// Number of rows before the first one to return; never negative, possibly beyond the last row.
    pub skip: i64,
    /// Maximum number of rows to return, at least 1; `i64::MAX` stands for all rows.
    pub limit: i64,
}

/// Page of a list, with the number of rows of the whole list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<T> {
    /// Rows of the page. The order of the list has no ties, so that pages of unchanged rows do not overlap.
    pub items: Vec<T>,
    /// Number of rows that match the filter, on all pages together.
    pub total: i64,
}
