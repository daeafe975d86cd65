//! A throw-away PostgreSQL cluster from whatever binaries this machine has. It listens on a
//! Unix socket alone, as another user where the tests run as root, and ends with the process
//! that started it, however that ends: a shell holds a pipe to it and stops the server when
//! the pipe closes.

use sqlx::{
    Connection, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{
    ffi::OsString,
    fs,
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};
use tallygate::store::PostgresLocation;
use tempfile::TempDir;

/// Set where a machine without PostgreSQL must fail the tests, instead of leaving its half out.
const REQUIRED: &str = "TALLYGATE_TEST_POSTGRES";

/// What whoever runs the tests says by the environment.
#[expect(clippy::disallowed_methods, reason = "the tests have no configuration file")]
pub(crate) fn told(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// A running server.
pub(crate) struct Cluster {
    pub(crate) folder: PathBuf,
    programs: PathBuf,
    server: Child,
    /// Closed when the tests end; then the server stops.
    alive: Option<ChildStdin>,
    _own: Option<TempDir>,
}

/// A database of a cluster, new and empty, with its owner and its gateway's user.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) name: String,
    socket: PathBuf,
}

/// The cluster that most tests share; `None` on a machine without PostgreSQL.
pub(crate) fn cluster() -> Option<&'static Cluster> {
    static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
    SHARED.get_or_init(|| Cluster::start(&[])).as_ref()
}

/// Where PostgreSQL's server programs are.
fn programs() -> Option<PathBuf> {
    let has = |folder: &Path| folder.join("initdb").exists() && folder.join("postgres").exists();
    let printed = Command::new("pg_config").arg("--bindir").output().ok();
    let printed =
        printed.map(|printed| PathBuf::from(String::from_utf8_lossy(&printed.stdout).trim()));
    let path = told("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> =
        printed.into_iter().chain(std::env::split_paths(&path)).collect();
    for parent in ["/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt"] {
        let versions = fs::read_dir(parent).into_iter().flatten().flatten();
        let mut versions: Vec<PathBuf> = versions.map(|v| v.path().join("bin")).collect();
        versions.sort();
        folders.extend(versions.into_iter().rev());
    }
    folders.push("/usr/local/pgsql/bin".into());
    let found = folders.into_iter().find(|folder| has(folder));
    let required = told(REQUIRED).is_some();
    assert!(found.is_some() || !required, "{REQUIRED} is set and PostgreSQL is not installed");
    found
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&id.stdout).trim() == "0"
}

/// A program, as a user that PostgreSQL lets run it.
fn as_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}

fn run(mut command: Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&done.stderr));
}

impl Cluster {
    /// Starts a new one with further settings, such as `wal_level=replica`.
    pub(crate) fn start(settings: &[&str]) -> Option<Self> {
        let programs = programs()?;
        let own = folder();
        let data = own.path().join("data");
        let mut initdb = as_user(&programs.join("initdb"));
        initdb.args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync"]);
        initdb.arg("-D").arg(&data);
        run(initdb);
        let mut cluster = Self::serve(programs, own.path().to_owned(), settings);
        cluster._own = Some(own);
        Some(cluster)
    }

    /// Starts a streaming standby of this one.
    pub(crate) fn standby(&self, settings: &[&str]) -> Self {
        let own = folder();
        let mut copy = as_user(&self.programs.join("pg_basebackup"));
        copy.arg("-h")
            .arg(&self.folder)
            .args(["-U", "postgres", "-R", "-X", "stream", "-c", "fast"]);
        copy.arg("-D").arg(own.path().join("data"));
        run(copy);
        let mut standby = Self::serve(self.programs.clone(), own.path().to_owned(), settings);
        standby._own = Some(own);
        standby
    }

    fn serve(programs: PathBuf, folder: PathBuf, settings: &[&str]) -> Self {
        let mut arguments = vec![
            "listen_addresses=".to_owned(),
            format!("unix_socket_directories={}", folder.display()),
            "max_connections=80".to_owned(),
            "shared_buffers=64MB".to_owned(),
            "log_min_messages=fatal".to_owned(),
        ];
        arguments.extend(settings.iter().map(|setting| (*setting).to_owned()));
        let options: Vec<String> = arguments.iter().map(|a| format!("-c '{a}'")).collect();
        let script = format!(
            "start() {{ '{}' -D '{}' {} >'{}' 2>&1 </dev/null & server=$!; }}; start; echo; \
             while read -r _; do wait $server; start; done; \
             kill -INT $server 2>/dev/null; wait $server; rm -rf '{}'",
            programs.join("postgres").display(),
            folder.join("data").display(),
            options.join(" "),
            folder.join("server.log").display(),
            folder.display(),
        );
        let mut shell = as_user(Path::new("/bin/sh"));
        let mut server = shell
            .arg("-c")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Not in the terminal's group: an interrupt reaches the tests alone.
            .process_group(0)
            .spawn()
            .unwrap();
        server.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        let alive = server.stdin.take();
        let cluster = Self { folder, programs, server, alive, _own: None };
        cluster.wait();
        cluster
    }

    fn wait(&self) {
        for _ in 0..300 {
            if self.is_ready() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let log = fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
        panic!("PostgreSQL did not start:\n{log}");
    }

    /// Makes a standby the primary.
    pub(crate) fn promote(&self) {
        let mut promote = as_user(&self.programs.join("pg_ctl"));
        promote.args(["promote", "-w", "-D"]).arg(self.folder.join("data"));
        run(promote);
    }

    /// Ends the server at once, as a power cut would.
    pub(crate) fn kill(&self) {
        let mut stop = as_user(&self.programs.join("pg_ctl"));
        stop.args(["stop", "-m", "immediate", "-w", "-D"]).arg(self.folder.join("data"));
        run(stop);
    }

    /// Ends the server and all its processes at once (SIGKILL), and starts it again; its own
    /// recovery is all that helps.
    pub(crate) fn crash(&self) {
        let pid = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap().to_owned();
        // Its processes go with it by themselves, where the system does not tell who they are.
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let mut kill = Command::new("kill");
        kill.args(["-KILL", &pid]).args(children.unwrap_or_default().split_whitespace());
        // One that has ended meanwhile is no failure.
        kill.output().unwrap();
        self.start_again();
    }

    /// Starts a server again that has ended, as soon as nothing of the old one is left.
    pub(crate) fn start_again(&self) {
        let log = self.folder.join("server.log");
        let mut shell = self.alive.as_ref().unwrap();
        shell.write_all(b"again\n").unwrap();
        for _ in 0..600 {
            std::thread::sleep(std::time::Duration::from_millis(100));
            if self.is_ready() {
                return;
            }
            let said = fs::read_to_string(&log).unwrap_or_default();
            if said.contains("pre-existing") || said.contains("lock file") {
                fs::write(&log, "").unwrap();
                shell.write_all(b"again\n").unwrap();
            }
        }
        panic!("PostgreSQL did not start again:\n{}", fs::read_to_string(log).unwrap_or_default());
    }

    /// Whether it takes connections.
    pub(crate) fn is_ready(&self) -> bool {
        let mut ready = Command::new(self.programs.join("pg_isready"));
        ready
            .arg("-h")
            .arg(&self.folder)
            .args(["-U", "postgres"])
            .output()
            .unwrap()
            .status
            .success()
    }

    /// A copy of a database that nobody uses.
    pub(crate) async fn copy_of(&self, database: &Database) -> Database {
        let name = Database::new_name();
        let copy = format!("CREATE DATABASE {name} TEMPLATE {} OWNER owner", database.name);
        self.administer(copy).await;
        let url = database.url.replace(&database.name, &name);
        Database { url, name, socket: self.folder.clone() }
    }

    /// Does away with a database.
    pub(crate) async fn drop_database(&self, database: &Database) {
        self.administer(format!("DROP DATABASE {} WITH (FORCE)", database.name)).await;
    }

    async fn administer(&self, sql: String) {
        let mut admin = PgConnection::connect_with(&self.options("postgres")).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
        admin.close().await.unwrap();
    }

    /// A new database; on this server, and through a URL that lists a second one too.
    pub(crate) async fn database(&self, second: Option<&Self>) -> Database {
        let name = Database::new_name();
        let mut admin = PgConnection::connect_with(&self.options("postgres")).await.unwrap();
        for sql in [
            "DO $$ BEGIN CREATE ROLE owner LOGIN CREATEROLE; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$".to_owned(),
            "DO $$ BEGIN CREATE ROLE gateway LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$".to_owned(),
            format!("CREATE DATABASE {name} OWNER owner"),
        ] {
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
        }
        admin.close().await.unwrap();
        let server = |cluster: &Self| cluster.folder.to_str().unwrap().replace('/', "%2F");
        let mut servers = server(self);
        if let Some(second) = second {
            servers = format!("{servers},{}", server(second));
        }
        let url = format!("postgres://gateway@{servers}/{name}");
        Database { url, name, socket: self.folder.clone() }
    }

    /// From now on a commit waits for the standby.
    pub(crate) async fn wait_for_standby(&self) {
        let mut admin = PgConnection::connect_with(&self.options("postgres")).await.unwrap();
        for sql in ["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"] {
            sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
        }
        admin.close().await.unwrap();
    }

    fn options(&self, database: &str) -> PgConnectOptions {
        options(&self.folder, "postgres", database)
    }
}

fn options(socket: &Path, user: &str, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass().socket(socket).username(user).database(database)
}

impl Database {
    fn new_name() -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        format!("test_{}_", NUMBER.fetch_add(1, Ordering::Relaxed))
    }

    /// Where its server's socket is.
    pub(crate) fn socket_file(&self) -> PathBuf {
        self.socket.join(".s.PGSQL.5432")
    }

    /// Where it is, as a user.
    pub(crate) fn location(&self, user: &str) -> PostgresLocation {
        PostgresLocation::parse(&self.url.replace("gateway@", &format!("{user}@")), None).unwrap()
    }

    /// The same database on the server that took over.
    pub(crate) fn on(&self, cluster: &Cluster) -> Self {
        Self { socket: cluster.folder.clone(), ..self.clone() }
    }

    /// Lets the owner take every step of a scrub.
    pub(crate) async fn may_scrub(&self) {
        let admin = self.pool("postgres").await;
        for sql in [
            "GRANT pg_checkpoint TO owner",
            "GRANT EXECUTE ON FUNCTION pg_switch_wal(), pg_ls_waldir() TO owner",
        ] {
            sqlx::raw_sql(sql).execute(&admin).await.unwrap();
        }
    }

    /// Connections as a user, for what no gateway does.
    pub(crate) async fn pool(&self, user: &str) -> sqlx::PgPool {
        let options = options(&self.socket, user, &self.name);
        PgPoolOptions::new().max_connections(2).connect_with(options).await.unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The pipe closes, the shell stops the server, and only then may the folder go.
        drop(self.alive.take());
        let _ = self.server.wait();
    }
}

/// A folder that the server's user owns, with a name short enough for a socket's path.
fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("tg").tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    if is_root() {
        let mut chown = Command::new("chown");
        chown.arg("postgres").arg(folder.path());
        run(chown);
    }
    folder
}
