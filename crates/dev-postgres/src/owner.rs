//! The user of the server, which must not be root.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use anyhow::{Context, bail};
use tokio::process::Command;

/// User of the server's processes and files.
#[derive(Debug, Clone)]
pub(crate) enum Owner {
    /// The user of this process.
    Ourselves,
    /// Another user, because this process runs as root.
    Other {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
        /// User name, for messages.
        name: String,
    },
}

impl Owner {
    /// Returns the user of this process; for root, `postgres` or else `nobody`.
    pub(crate) fn of_server() -> anyhow::Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Ourselves);
        }
        let users = std::fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| find_user(&users, name))
            .context(
                "PostgreSQL refuses to run as root and this machine has neither a user postgres nor nobody; \
             start aponta as an ordinary user",
            )
    }

    /// Creates a command that runs as this user, in its own process group, with a minimal environment.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("LC_ALL", "C")
            .env("PATH", "/usr/bin:/bin")
            .current_dir("/")
            .process_group(0);
        if let Self::Other { uid, gid, .. } = self {
            command.uid(*uid).gid(*gid);
        }
        command
    }

    /// Changes the owner of a file or folder to this user.
    pub(crate) fn give(&self, path: &Path) -> anyhow::Result<()> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Other { uid, gid, .. } => chown(path, Some(*uid), Some(*gid))
                .with_context(|| format!("cannot chown {}", path.display())),
        }
    }

    /// Returns an error if this user has no access to `folder`, as below `/root`.
    pub(crate) fn check_can_enter(&self, folder: &Path) -> anyhow::Result<()> {
        let Self::Other { uid, name, .. } = self else {
            return Ok(());
        };
        for ancestor in folder.ancestors() {
            let Ok(metadata) = ancestor.metadata() else {
                continue;
            };
            let open = metadata.permissions().mode() & 0o001 != 0 || metadata.uid() == *uid;
            if !open {
                bail!(
                    "PostgreSQL runs as the user {name}, because you are root, and that user cannot enter {}.\n\
                     Choose a folder that all users can enter with --data-dir, or start aponta as an ordinary user.",
                    ancestor.display()
                );
            }
        }
        Ok(())
    }
}

/// Finds a user in `/etc/passwd`, whose lines contain name, password, uid, gid and more.
fn find_user(users: &str, wanted: &str) -> Option<Owner> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| *name == wanted)?;
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Owner::Other {
            uid,
            gid,
            name: name.to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn find_user_by_whole_name_returns_ids() {
        let users = "root:x:0:0:root:/root:/bin/sh\npostgres2:x:7:7::/:\npostgres:x:101:104:PG,,,:/var/lib/postgresql:";
        let Some(Owner::Other { uid, gid, .. }) = find_user(users, "postgres") else {
            panic!("not found")
        };
        assert_eq!((uid, gid), (101, 104));
        assert!(find_user(users, "nobody").is_none());
    }
}
