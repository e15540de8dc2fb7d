//! The program as a user runs it: a child process with its own environment.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Longer than anything that a test waits for.
const PATIENCE: Duration = Duration::from_mins(1);

/// `aponta` with these arguments, in `folder`, with nothing in its environment but a PATH.
pub fn aponta(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aponta"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", folder);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a command to its end.
pub async fn run(mut command: Command) -> (i32, String, String) {
    let output: Output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .expect("it does not end")
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// A command that goes on until it is told to stop.
#[derive(Debug)]
pub struct Running {
    child: Child,
    output: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, output }
    }

    /// The first line of standard output that has `text` in it.
    pub async fn line_with(&mut self, text: &str) -> String {
        let search = async {
            while let Some(line) = self.output.next_line().await.unwrap() {
                if line.contains(text) {
                    return Some(line);
                }
            }
            None
        };
        let found = tokio::time::timeout(PATIENCE, search)
            .await
            .expect("the line does not come");
        match found {
            Some(line) => line,
            None => panic!("ended without a line with {text:?}: {}", self.errors().await),
        }
    }

    async fn errors(&mut self) -> String {
        use tokio::io::AsyncReadExt;
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut text).await.unwrap();
        }
        text
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Sends a signal and waits for the end. Returns the exit code, -1 when a signal ended it.
    pub async fn signal(mut self, name: &str) -> i32 {
        send_signal(self.pid(), name).await;
        let status = tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .expect("it does not stop");
        status.unwrap().code().unwrap_or(-1)
    }
}

/// `kill -NAME PID`.
pub async fn send_signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .status()
        .await
        .unwrap();
    assert!(status.success());
}

/// A folder that the database's user can enter even when we are root.
pub fn open_folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Process id in the `postmaster.pid` of a data folder.
pub fn postmaster(data_dir: &Path) -> Option<u32> {
    let path: PathBuf = data_dir.join("pgdata/postmaster.pid");
    std::fs::read_to_string(path)
        .ok()?
        .lines()
        .next()?
        .trim()
        .parse()
        .ok()
}
