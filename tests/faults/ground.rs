//! Where a round takes place: a copy of a finished demo, on a SQLite file or on a PostgreSQL
//! database of its own, reached over proxies.

use super::disk::Disk;
use crate::{
    gateways::{self, Node},
    kills,
    support::{
        copy,
        postgres::{Cluster, Database},
        proxy::{Proxy, Server},
    },
};
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
};

/// What all rounds copy from.
pub(super) struct Ground {
    /// A demo on PostgreSQL and its server; none on a machine without it.
    pub(super) postgres: Option<(gateways::Ground, Database, Cluster)>,
}

impl Ground {
    pub(super) async fn lay(cluster: Option<Cluster>) -> Self {
        let Some(cluster) = cluster else { return Self { postgres: None } };
        let database = cluster.database(None).await;
        let own = database.clone();
        let demo = move || gateways::Ground::demo(&own, "0.005");
        let demo = tokio::task::spawn_blocking(demo).await.unwrap();
        Self { postgres: Some((demo, database, cluster)) }
    }
}

/// One round's gateways and data.
pub(super) struct Scene {
    /// Its folder, with keys, profiles, tiles.
    pub(super) path: PathBuf,
    pub(super) data: Data,
    pub(super) nodes: Vec<Node>,
    /// Between callers and each gateway.
    pub(super) fronts: Vec<Proxy>,
    /// Between the gateways and PostgreSQL.
    pub(super) back: Option<Proxy>,
    pub(super) disk: Option<Disk>,
    _folder: tempfile::TempDir,
}

/// Where the records are.
pub(super) enum Data {
    Sqlite(PathBuf),
    Postgres(Database),
}

impl Scene {
    /// One gateway on a SQLite file, perhaps on a disk that can be full.
    pub(super) async fn sqlite(small: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway");
        fs::create_dir(&path).unwrap();
        let disk = small.then(|| Disk::mount(&path)).flatten();
        let node = tokio::task::block_in_place(|| kills::node(&path));
        let front = Proxy::start(Server::Tcp(node.address.clone())).await;
        let data = Data::Sqlite(path.join("gateway.db"));
        let (nodes, fronts) = (vec![node], vec![front]);
        Self { path, data, nodes, fronts, back: None, disk, _folder: folder }
    }

    /// Two gateways on a PostgreSQL database.
    pub(super) async fn postgres(ground: &gateways::Ground, database: Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway");
        copy(&ground.path(""), &path);
        let back = Proxy::start(Server::Unix(database.socket_file())).await;
        let url = format!("postgres://gateway@{}/{}", back.address, database.name);
        let (mut nodes, mut fronts) = (Vec::new(), Vec::new());
        for name in ["one", "two"] {
            let node = configured(&path, name, &url);
            fronts.push(Proxy::start(Server::Tcp(node.address.clone())).await);
            nodes.push(node);
        }
        let data = Data::Postgres(database);
        Self { path, data, nodes, fronts, back: Some(back), disk: None, _folder: folder }
    }

    /// Where callers turn to; both are one where there is one gateway.
    pub(super) fn addresses(&self) -> [String; 2] {
        [&self.fronts[0], &self.fronts[self.fronts.len() - 1]].map(|front| front.address.clone())
    }

    /// The configuration by which the log is verified, past all proxies.
    pub(super) fn config(&self) -> &'static str {
        match &self.data {
            Data::Sqlite(_) => "gateway.toml",
            Data::Postgres(_) => "gateway-check.toml",
        }
    }

    pub(super) fn profiles(&self) -> PathBuf {
        self.path.join("profiles")
    }
}

/// A gateway of a copied folder, with an address, tiles and a way to the database of its own.
fn configured(path: &Path, name: &str, url: &str) -> Node {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    copy(&path.join("tiles"), &path.join(format!("tiles-{name}")));
    let text = fs::read_to_string(path.join("gateway.toml")).unwrap();
    let (mut one, mut check, mut at) = (String::new(), String::new(), address.as_str());
    for line in text.lines() {
        if line == "[web]" {
            at = "127.0.0.1:0";
        }
        let (mine, checks) = match line {
            _ if line.starts_with("listen") => (format!("listen = \"{at}\""), line.to_owned()),
            _ if line.starts_with("tiles") => {
                (format!("tiles = \"tiles-{name}\""), line.to_owned())
            }
            _ if line.starts_with("postgres") => {
                let database = url.rsplit('/').next().unwrap();
                let (before, _) = line.rsplit_once('/').unwrap();
                (format!("postgres = \"{url}\""), format!("{before}/{database}\""))
            }
            _ => (line.to_owned(), line.to_owned()),
        };
        one += &(mine + "\n");
        check += &(checks + "\n");
    }
    let config = path.join(format!("gateway-{name}.toml"));
    fs::write(&config, one).unwrap();
    fs::write(path.join("gateway-check.toml"), check).unwrap();
    Node::new(config, address, path.join("profiles"))
}
