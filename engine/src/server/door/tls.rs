//! Connections, with TLS where there is a certificate; and what their other end is known by.
//!
//! Handshakes are made beside the accepting, so that one who never ends his keeps nobody out. There are only so many
//! connections at once, and one on which nothing moves is closed.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// Connections at once; more wait to be accepted.
const CONNECTIONS_MOST: usize = 1_024;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a connection may stand still.
const STILL: Duration = Duration::from_secs(60);

/// A certificate to be known by.
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

/// TLS cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not what it is to be.
    #[error("{path:?} cannot be used as {what}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What it is to be.
        what: &'static str,
        /// Why not.
        reason: String,
    },
    /// They do not go together.
    #[error("the certificate and the key do not go together: {0}")]
    Pair(#[from] rustls::Error),
}

impl Tls {
    /// Reads a certificate with those it rests on, its key, and the authority whose certificates clients may come with, all PEM.
    ///
    /// # Errors
    /// A file cannot be read, is not PEM, or they do not go together.
    pub fn read(certificate: &Path, key: &Path, clients: Option<&Path>) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = certificates(certificate, "a certificate")?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, "a private key", &error))?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let what = "an authority for clients";
                let mut roots = RootCertStore::empty();
                for authority in certificates(path, what)? {
                    roots.add(authority).map_err(|error| wrong(path, what, &error))?;
                }
                // Who comes without a certificate needs a token.
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).allow_unauthenticated();
                builder.with_client_cert_verifier(verifier.build().map_err(|error| wrong(path, what, &error))?)
            }
        };
        let mut config = builder.with_single_cert(chain, private)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

fn certificates(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|error| wrong(path, what, &error))?;
    if read.is_empty() { Err(wrong(path, what, &"there is no certificate in it")) } else { Ok(read) }
}

fn wrong(path: &Path, what: &'static str, reason: &dyn std::fmt::Display) -> TlsError {
    TlsError::File { path: path.to_owned(), what, reason: reason.to_string() }
}

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// From where.
    pub(crate) address: SocketAddr,
    /// The DNS names in its certificate, which an authority that we trust has signed.
    pub(crate) names: Arc<[String]>,
}

/// Accepts connections.
pub(crate) struct Listener {
    address: SocketAddr,
    ready: mpsc::Receiver<(Connection, Peer)>,
}

impl Listener {
    /// Begins to accept.
    pub(crate) async fn bind(address: SocketAddr, tls: Option<Tls>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (accepted, ready) = mpsc::channel(16);
        tokio::spawn(accept(listener, tls.map(|tls| TlsAcceptor::from(tls.0)), accepted));
        Ok(Self { address, ready })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, accepted: mpsc::Sender<(Connection, Peer)>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MOST));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let (stream, address) = tokio::select! {
            () = accepted.closed() => return,
            taken = next(&listener) => taken,
        };
        let (acceptor, accepted) = (acceptor.clone(), accepted.clone());
        tokio::spawn(async move {
            let (io, names): (Box<dyn Stream>, Vec<String>) = match acceptor {
                None => (Box::new(stream), Vec::new()),
                Some(acceptor) => match timeout(HANDSHAKE, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let names = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(names);
                        (Box::new(stream), names.unwrap_or_default())
                    }
                    Ok(Err(error)) => return tracing::debug!(%address, %error, "no TLS"),
                    Err(_) => return tracing::debug!(%address, "no TLS in time"),
                },
            };
            let connection = Connection { io, still: Box::pin(sleep(STILL)), _place: place };
            _ = accepted.send((connection, Peer { address, names: names.into() })).await;
        });
    }
}

/// The DNS names in a certificate. Its common name says nothing any more (RFC 9525).
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let read = webpki::EndEntityCert::try_from(certificate);
    read.map(|read| read.valid_dns_names().map(str::to_owned).collect()).unwrap_or_default()
}

/// The next connection; goes on after errors that pass, such as too many open files.
async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = Peer;

    async fn accept(&mut self) -> (Connection, Peer) {
        match self.ready.recv().await {
            Some(accepted) => accepted,
            // Who accepts ends with us alone.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer { address: self.address, names: Arc::default() })
    }
}

impl Connected<IncomingStream<'_, Listener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        stream.remote_addr().clone()
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection that is closed when it stands still.
pub(crate) struct Connection {
    io: Box<dyn Stream>,
    still: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    /// What came of reading or writing: when nothing moves, how long that may go on.
    fn moved<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.still.as_mut().reset(Instant::now() + STILL);
            return outcome;
        }
        match self.still.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_read(context, buffer);
        self.moved(context, outcome)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(context, bytes);
        self.moved(context, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
