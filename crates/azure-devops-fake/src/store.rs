//! Changes of work items in a file, so that hours outlive the process.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde_json::Value;

use crate::FakeAzure;
use crate::work_items::Fields;
use crate::world::Org;

/// Revisions of each work item after the first one, by id.
type Stored = BTreeMap<i32, Vec<Fields>>;

/// Field that follows the calendar, not the change.
const ITERATION: &str = "System.IterationPath";

impl FakeAzure {
    /// Applies the changes in the file to the work items, and writes later changes of callers into it.
    ///
    /// # Errors
    /// When the file exists and is not such a file, or cannot be read.
    pub fn store_work_items(&self, org: &str, path: &Path) -> io::Result<()> {
        let stored: Stored = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Stored::new(),
            Err(error) => return Err(error),
        };
        self.with_org(org, |org| {
            for (id, revisions) in stored {
                org.work_items.continue_with(id, revisions);
            }
            org.store = Some(path.to_owned());
        });
        Ok(())
    }
}

/// Writes the changes of an organisation's work items into its file, if it has one. A failure is reported at
/// the terminal.
pub(crate) fn write(org: &Org) {
    let Some(path) = &org.store else { return };
    let replace = || {
        let new = path.with_extension("new");
        fs::write(&new, serde_json::to_vec(&org.work_items.changes())?)?;
        fs::rename(&new, path)
    };
    if let Err(error) = replace() {
        let _ = writeln!(
            io::stderr(),
            "azure-devops-fake: cannot write {}: {error}",
            path.display()
        );
    }
}

/// Gives revisions the iteration of the first one.
pub(crate) fn move_to_iteration(revisions: &mut [Fields], first: &Fields) {
    let iteration = first.get(ITERATION).cloned().unwrap_or(Value::Null);
    for fields in revisions {
        fields.insert(ITERATION.to_owned(), iteration.clone());
    }
}
