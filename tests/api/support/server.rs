//! The application behind a real port, as `aponta serve` runs it.

use std::net::SocketAddr;

use aponta::app::App;
use aponta::db::Db;
use aponta::lifecycle::Draining;
use aponta::server::ServerOptions;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::app::config;

/// A server that can be told to stop.
#[derive(Debug)]
pub struct RunningServer {
    pub address: SocketAddr,
    pub db: Db,
    pub draining: Draining,
    stop: CancellationToken,
    task: JoinHandle<usize>,
}

impl RunningServer {
    pub async fn start<'a>(url: &str, variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let config = config(url, variables);
        let app = App::new(&config).unwrap();
        let listener = TcpListener::bind(config.http.address()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let options = ServerOptions::from(&config.http);
        let (db, draining) = (app.db.clone(), app.draining.clone());
        let task = tokio::spawn(app.run(listener, None, options, stop.clone()));
        Self {
            address,
            db,
            draining,
            stop,
            task,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Begins the shutdown without waiting for it.
    pub fn begin_stop(&self) {
        self.stop.cancel();
    }

    /// Stops; returns how many connections were cut.
    pub async fn stop(self) -> usize {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}
