//! `sslmode=verify-full` against a PostgreSQL that speaks TLS with a certificate of the test's own.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dev_postgres::{Durability, EmbeddedPostgres, ProgramFolders, Progress};
use secrecy::ExposeSecret;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::process::Child;

use crate::support::eventually;
use crate::support::process::{Running, aponta, open_folder, postmaster, run};

/// What `openssl` needs to know of a certificate authority and of a server named `localhost`.
const OPENSSL_CONFIG: &str = "\
[req]
distinguished_name = name
x509_extensions = authority
prompt = no
[name]
CN = localhost
[authority]
basicConstraints = critical,CA:TRUE
[server]
subjectAltName = DNS:localhost
";

/// Runs `openssl` in `folder` with arguments that hold no blank.
fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("openssl is not installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}: {said}");
}

/// `root.pem`, the certificate that it signed for `localhost` (`server.pem`, `server.key`), and `other.pem`,
/// which signed none.
fn make_certificates(folder: &Path) {
    fs::write(folder.join("openssl.cnf"), OPENSSL_CONFIG).unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -config openssl.cnf";
    for root in ["root", "other"] {
        openssl(
            folder,
            &format!("req -x509 {key} -subj /CN={root} -keyout {root}.key -out {root}.pem -days 2"),
        );
    }
    openssl(
        folder,
        &format!("req -new {key} -keyout server.key -out server.csr"),
    );
    openssl(
        folder,
        "x509 -req -in server.csr -CA root.pem -CAkey root.key -CAcreateserial -days 2 \
         -extfile openssl.cnf -extensions server -out server.pem",
    );
}

/// A PostgreSQL on a port of loopback that takes TLS and nothing else. It ends with the value.
struct TlsServer {
    port: u16,
    password: String,
    certificates: PathBuf,
    _process: Child,
}

impl TlsServer {
    /// Makes the data with the server of `aponta dev`, which listens on no port, and starts another one over
    /// them.
    async fn start(folder: &Path) -> Self {
        make_certificates(folder);
        let (durability, quiet) = (Durability::Disposable, Progress::quiet());
        let first = EmbeddedPostgres::start(folder, durability, &ProgramFolders::default(), quiet)
            .await
            .unwrap();
        let url: url::Url = first.url("postgres").expose_secret().parse().unwrap();
        let program = fs::read_link(format!("/proc/{}/exe", postmaster(folder).unwrap())).unwrap();
        first.stop().await.unwrap();

        let data = folder.join("pgdata");
        let hba = "hostssl all all 127.0.0.1/32 scram-sha-256\nhostssl all all ::1/128 scram-sha-256\n";
        fs::write(data.join("pg_hba.conf"), hba).unwrap();
        let owner = fs::metadata(&data).unwrap();
        let key = folder.join("server.key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&key, Some(owner.uid()), Some(owner.gid())).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut command = tokio::process::Command::new(program);
        command.arg("-D").arg(&data).current_dir("/").env_clear();
        for setting in [
            "listen_addresses=localhost".to_owned(),
            format!("port={port}"),
            "unix_socket_directories=".to_owned(),
            "fsync=off".to_owned(),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", folder.join("server.pem").display()),
            format!("ssl_key_file={}", key.display()),
        ] {
            command.args(["-c", &setting]);
        }
        if rustix::process::geteuid().is_root() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let log = fs::File::create(folder.join("tls.log")).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let process = command.kill_on_drop(true).spawn().unwrap();
        let server = Self {
            port,
            password: url.password().unwrap().to_owned(),
            certificates: folder.to_owned(),
            _process: process,
        };
        eventually("the server with TLS is there", async || {
            server.connect().await.is_ok()
        })
        .await;
        server
    }

    /// Its address under this name, for a client that believes this root.
    fn url(&self, host: &str, root: &str) -> String {
        let root = self.certificates.join(root);
        format!(
            "postgres://aponta:{}@{host}:{}/postgres?sslmode=verify-full&sslrootcert={}",
            self.password,
            self.port,
            root.display()
        )
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let url = self.url("localhost", "root.pem");
        let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
        options.connect().await
    }

    /// Connections of the service, by whether they are encrypted.
    async fn connections(&self) -> Vec<(bool, i64)> {
        let mut connection = self.connect().await.unwrap();
        let counted = sqlx::query_as(
            "SELECT s.ssl, count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
             WHERE a.application_name = 'aponta' GROUP BY s.ssl",
        );
        let counted = counted.fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        counted
    }
}

#[tokio::test]
async fn verify_full_connects_only_with_right_root_and_name() {
    let folder = open_folder();
    let server = TlsServer::start(folder.path()).await;
    let home = tempfile::tempdir().unwrap();
    let serve = |host: &str, root: &str| {
        let mut serve = aponta(home.path(), &["serve"]);
        serve
            .env("DATABASE_URL", server.url(host, root))
            .env("AZURE_DEVOPS_ORG_URL", "http://127.0.0.1:1/contoso")
            .env("API_HOST", "127.0.0.1")
            .env("API_PORT", "0")
            .env("METRICS_ADDR", "off")
            .env("SHUTDOWN_DELAY_SECONDS", "0");
        serve
    };
    let mut running = Running::start(serve("localhost", "root.pem"));
    running.line_with("serving").await;
    let connections = server.connections().await;
    assert!(matches!(connections[..], [(true, 1..)]), "{connections:?}");
    assert_eq!(running.signal("TERM").await, 0);

    for (host, root, told) in [
        (
            "localhost",
            "other.pem",
            "invalid peer certificate: UnknownIssuer",
        ),
        (
            "127.0.0.1",
            "root.pem",
            "certificate not valid for name \"127.0.0.1\"",
        ),
    ] {
        let (code, out, err) = run(serve(host, root)).await;
        assert_eq!(code, 1, "{out}{err}");
        let place = format!(
            "the database does not answer: {host}:{}: TLS failed: ",
            server.port
        );
        assert!(err.contains(&place) && err.contains(told), "{err}");
        // No waiting mends a certificate.
        assert!(!out.contains("waiting for the database"), "{out}");
        assert!(!format!("{out}{err}").contains(&server.password));
    }
}
