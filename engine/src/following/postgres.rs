//! A follower's tables in PostgreSQL: the same as in a file, and owned in the same way.
//!
//! They stand in the first schema of the connection's search path. Deleted rows are gone from answers at once, and from the
//! server's files when it vacuums them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use postgres::config::{Host, SslMode};
use postgres::error::SqlState;
use postgres::types::{FromSql, IsNull, ToSql, Type, private::BytesMut, to_sql_checked};
use postgres::{Client, Config, IsolationLevel, Statement, Transaction};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::sql::{self, Row, Shape, Sql, SqlError, Value};

/// How long a server may take to answer a first time.
const CONNECT_MOST: Duration = Duration::from_secs(5);
/// How long a server that says nothing is taken for alive.
const SILENT_MOST: Duration = Duration::from_secs(30);

/// A PostgreSQL server and what is needed to be let in. Clones are the same server.
#[derive(Clone)]
pub struct Server(Arc<(Config, MakeRustlsConnect)>);

/// A server cannot be named like this.
#[derive(Debug, thiserror::Error)]
pub enum BadServer {
    /// It cannot be read.
    #[error("the database cannot be read: {0}")]
    Unreadable(String),
    /// A password stands where everybody on the machine can read it.
    #[error("the database is named with its password, which everybody on this machine can see")]
    Password,
    /// It is on another machine, and nothing says by whom its certificate is signed.
    #[error("the database is on another machine: its certificate must be checked")]
    NoAuthority,
    /// The authority's certificate cannot be read.
    #[error("the certificates in {0:?} cannot be read: {1}")]
    Authority(PathBuf, String),
}

impl BadServer {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "postgresql://USER@HOST/DATABASE; ?host=/var/run/postgresql for a socket of this machine",
            Self::Password => "leave it out, and put it into a file, or into the environment as PGPASSWORD",
            Self::NoAuthority => "name the authority that signed it",
            Self::Authority(..) => "PEM is expected",
        }
    }
}

impl Server {
    /// Reads a connection URL, which holds no password. What crosses the network is encrypted, and the server's certificate
    /// checked, whatever the URL says.
    ///
    /// # Errors
    /// The URL or the certificates cannot be read, or a server on another machine comes without an authority.
    pub fn read(url: &str, password: Option<&str>, authority: Option<&Path>) -> Result<Self, BadServer> {
        // The reason names the part that is wrong, and not what stands there.
        let mut config: Config = url.parse().map_err(|error: postgres::Error| BadServer::Unreadable(error.to_string()))?;
        if config.get_password().is_some() {
            return Err(BadServer::Password);
        }
        password.map(|password| config.password(password));
        let here = |host: &Host| match host {
            Host::Tcp(name) => name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()),
            Host::Unix(_) => true,
        };
        // A host's address may be given beside its name.
        let all_here = config.get_hosts().iter().all(here) && config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback);
        match authority {
            None if all_here => config.ssl_mode(SslMode::Disable),
            None => return Err(BadServer::NoAuthority),
            Some(_) => config.ssl_mode(SslMode::Require),
        };
        let mut roots = RootCertStore::empty();
        if let Some(path) = authority {
            let wrong = |error: &dyn std::fmt::Display| BadServer::Authority(path.to_owned(), error.to_string());
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
                roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let tls = versions.map_err(|error| BadServer::Unreadable(error.to_string()))?.with_root_certificates(roots).with_no_client_auth();
        if config.get_application_name().is_none() {
            config.application_name("giaolo");
        }
        config.connect_timeout(*config.get_connect_timeout().unwrap_or(&CONNECT_MOST));
        config.tcp_user_timeout(SILENT_MOST).keepalives_idle(SILENT_MOST);
        Ok(Self(Arc::new((config, MakeRustlsConnect::new(tls)))))
    }

    pub(crate) fn connect(&self) -> Result<Session, SqlError> {
        let (config, tls) = &*self.0;
        Ok(Session { client: config.connect(tls.clone())?, statements: RefCell::default() })
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("hosts", &self.0.0.get_hosts()).finish_non_exhaustive()
    }
}

/// The tables of a view cannot be kept in a database.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// They are someone else's.
    #[error("the database holds other tables in this schema, or those of another version of this program")]
    NotOurs,
    /// Another process uses them now.
    #[error("another process has taken over the tables in the database")]
    TakenOver,
    /// The server cannot do it now.
    #[error("the database cannot be used: {0}")]
    State(#[from] SqlError),
}

impl PostgresError {
    /// What to do about it, if we can tell.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotOurs => Some("name another database, or a schema of its own in the URL: ?options=-csearch_path%3DNAME"),
            Self::TakenOver => Some("one process works with one set of tables; stop the other, or use another schema"),
            Self::State(_) => None,
        }
    }
}

/// What a server says of an error: its code and sentence, and not the detail, which quotes values.
pub(super) fn told(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("{} ({})", error.message(), error.code().code()),
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}

/// A connection, and what was prepared on it.
pub(crate) struct Session {
    client: Client,
    statements: RefCell<HashMap<String, Statement>>,
}

impl Session {
    /// Whether the server still answers on it.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.client.is_valid(CONNECT_MOST).is_ok()
    }

    /// Answers a question from one snapshot.
    pub(crate) fn ask<R>(&mut self, question: impl FnOnce(&dyn Sql) -> Result<R, SqlError>) -> Result<R, SqlError> {
        let begun = self.client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start()?;
        question(&Work { transaction: RefCell::new(begun), statements: &self.statements })
    }

    /// Makes changes in one transaction.
    fn change<T, E: From<SqlError>>(&mut self, changes: impl FnOnce(&dyn Sql) -> Result<T, E>) -> Result<T, E> {
        let begun = self.client.transaction().map_err(SqlError::from)?;
        let work = Work { transaction: RefCell::new(begun), statements: &self.statements };
        let result = changes(&work)?;
        work.transaction.into_inner().commit().map_err(SqlError::from)?;
        Ok(result)
    }
}

struct Work<'a> {
    transaction: RefCell<Transaction<'a>>,
    statements: &'a RefCell<HashMap<String, Statement>>,
}

impl Work<'_> {
    fn prepared(&self, sql: &str) -> Result<Statement, SqlError> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.transaction.borrow_mut().prepare(&sql.replace('?', "$"))?;
        self.statements.borrow_mut().insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

fn bound(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

impl Sql for Work<'_> {
    fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, SqlError> {
        let statement = self.prepared(sql)?;
        let rows = self.transaction.borrow_mut().query(&statement, &bound(values))?;
        let read = |row: postgres::Row| (0..row.len()).map(|column| Ok(row.try_get(column)?)).collect::<Result<_, SqlError>>().map(Row);
        rows.into_iter().map(read).collect()
    }

    fn execute(&self, sql: &str, values: &[Value]) -> Result<u64, SqlError> {
        let statement = self.prepared(sql)?;
        Ok(self.transaction.borrow_mut().execute(&statement, &bound(values))?)
    }
}

type Refusal = Box<dyn std::error::Error + Sync + Send>;

impl ToSql for Value {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Refusal> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) if *of == Type::INT4 => i32::try_from(*number)?.to_sql(of, out),
            Self::Integer(number) => number.to_sql(of, out),
            // The one character that its text cannot hold.
            Self::Text(text) if text.contains('\0') => text.replace('\0', "\u{fffd}").to_sql(of, out),
            Self::Text(text) => text.to_sql(of, out),
        }
    }

    fn accepts(of: &Type) -> bool {
        matches!(*of, Type::INT4 | Type::INT8 | Type::TEXT | Type::VARCHAR)
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(of: &Type, raw: &'a [u8]) -> Result<Self, Refusal> {
        Ok(match *of {
            Type::BOOL => Self::Integer(bool::from_sql(of, raw)?.into()),
            Type::INT4 => Self::Integer(i32::from_sql(of, raw)?.into()),
            Type::INT8 => Self::Integer(i64::from_sql(of, raw)?),
            _ => Self::Text(String::from_sql(of, raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Refusal> {
        Ok(Self::Null)
    }

    fn accepts(of: &Type) -> bool {
        matches!(*of, Type::BOOL | Type::INT4 | Type::INT8 | Type::TEXT | Type::VARCHAR)
    }
}

/// Tables in a database, and our right to change them.
pub(crate) struct Owned {
    server: Server,
    shape: Shape,
    /// None before the first and after a failure.
    session: Option<Session>,
    /// None before we came to own them.
    generation: Option<i64>,
}

impl Owned {
    /// Opens the tables, making them if there are none, as their one owner. A server that is away is waited for by who makes
    /// changes: whatever does not need it begins.
    pub(crate) fn own(server: &Server, shape: &Shape) -> Result<Self, PostgresError> {
        let mut owned = Self { server: server.clone(), shape: *shape, session: None, generation: None };
        match owned.open() {
            Ok((session, generation)) => (owned.session, owned.generation) = (Some(session), Some(generation)),
            Err(PostgresError::State(SqlError::Postgres(error))) if is_away(&error) => {
                tracing::warn!(error = told(&error), "the database cannot be reached yet");
            }
            Err(error) => return Err(error),
        }
        Ok(owned)
    }

    fn open(&self) -> Result<(Session, i64), PostgresError> {
        let mut session = self.server.connect()?;
        let generation = match self.generation {
            Some(generation) => generation,
            None => session.change(|sql| {
                make_tables(sql, &self.shape)?;
                Ok::<_, PostgresError>(sql.one("UPDATE owner SET generation = generation + 1 RETURNING generation", &[])?)
            })?,
        };
        Ok((session, generation))
    }

    /// Makes changes in one transaction, as long as the tables are still ours. Where it fails nobody knows whether they were
    /// made: who goes on reads its positions anew.
    pub(crate) fn change<T>(&mut self, changes: impl FnOnce(&dyn Sql) -> Result<T, SqlError>) -> Result<T, PostgresError> {
        let (mut session, ours) = match (self.session.take(), self.generation) {
            (Some(session), Some(generation)) => (session, generation),
            _ => self.open()?,
        };
        self.generation = Some(ours);
        let result = session.change(|sql| {
            // Who takes over waits until we have committed.
            let current: i64 = sql.one("SELECT generation FROM owner FOR UPDATE", &[])?;
            if current != ours {
                return Err(PostgresError::TakenOver);
            }
            Ok(changes(sql)?)
        })?;
        self.session = Some(session);
        Ok(result)
    }
}

/// Whether a server may be there later that cannot be reached now.
fn is_away(error: &postgres::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, NotFound, TimedOut};
    let kind = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    let passing = [ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, NotFound, TimedOut];
    error.code() == Some(&SqlState::CANNOT_CONNECT_NOW) || kind.is_some_and(|kind| passing.contains(&kind))
}

fn make_tables(sql: &dyn Sql, shape: &Shape) -> Result<(), PostgresError> {
    // Two that begin at once begin one after the other.
    sql.query("SELECT 1 FROM pg_advisory_xact_lock(?1)", &[i64::from(shape.application).into()])?;
    let here = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'follower'";
    if sql.one::<i64>(here, &[])? == 0 {
        let all = ["CREATE TABLE follower (application INTEGER NOT NULL, version INTEGER NOT NULL)", sql::TABLES, shape.tables].join(";");
        for statement in all.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
            sql.execute(&in_its_words(statement), &[]).map_err(|error| match &error {
                SqlError::Postgres(why) if why.code() == Some(&SqlState::DUPLICATE_TABLE) => PostgresError::NotOurs,
                _ => error.into(),
            })?;
        }
        sql.execute("INSERT INTO follower VALUES (?1, ?2)", &[i64::from(shape.application).into(), i64::from(shape.version).into()])?;
    }
    let marks = sql.first("SELECT application, version FROM follower", &[])?.ok_or(PostgresError::NotOurs)?;
    match (marks.get::<i64>(0)?, marks.get::<i64>(1)?) {
        marks if marks == (shape.application.into(), shape.version.into()) => Ok(()),
        _ => Err(PostgresError::NotOurs),
    }
}

/// Tables that are written for SQLite, as PostgreSQL calls the same things.
fn in_its_words(statement: &str) -> String {
    [
        ("lower(hex(randomblob(8)))", "md5(random()::text || clock_timestamp()::text)"),
        (" INTEGER PRIMARY KEY", " BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"),
        (" INTEGER", " BIGINT"),
        (") STRICT, WITHOUT ROWID", ")"),
        (") STRICT", ")"),
    ]
    .iter()
    .fold(statement.to_owned(), |text, (here, there)| text.replace(here, there))
}
