//! TLS: certificates made at run time, and the handshake inside pre-login packets.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion};
use tokio_rustls::server::TlsStream;

use super::packet::{HEADER_BYTES, kinds};

/// Gives each authority a name of its own, by which clients tell them apart.
static N_AUTHORITIES: AtomicU32 = AtomicU32::new(1);

/// Which certificate a server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateKind {
    /// By the authority, for `localhost` and 127.0.0.1, valid.
    Good,
    /// By the authority, for `localhost`, expired.
    Expired,
    /// By the authority, for `elsewhere.example`.
    OtherHost,
    /// By itself, for `localhost`.
    SelfSigned,
}

/// A certificate authority of one test.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A server's certificate and its key.
#[derive(Debug)]
pub struct Certificate {
    der: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl Clone for Certificate {
    fn clone(&self) -> Self {
        Self { der: self.der.clone(), key: self.key.clone_key() }
    }
}

impl Authority {
    /// A new authority with a key of its own.
    ///
    /// # Errors
    ///
    /// Where no key can be made.
    pub fn new() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let number = N_AUTHORITIES.fetch_add(1, Ordering::Relaxed);
        let name = format!("speedfit test authority {number}");
        params.distinguished_name.push(DnType::CommonName, name);
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// The authority's own certificate as PEM, for a client to trust.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a server.
    ///
    /// # Errors
    ///
    /// Where no key or certificate can be made.
    pub fn certificate(&self, kind: CertificateKind) -> Result<Certificate, rcgen::Error> {
        let names: &[&str] = match kind {
            CertificateKind::OtherHost => &["elsewhere.example"],
            _ => &["localhost", "127.0.0.1"],
        };
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "speedfit test server");
        if kind == CertificateKind::Expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate()?;
        let certificate = match kind {
            CertificateKind::SelfSigned => params.self_signed(&key)?,
            _ => params.signed_by(&key, &self.issuer)?,
        };
        Ok(Certificate {
            der: certificate.der().clone(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()),
        })
    }
}

/// What accepts TLS: version 1.2 inside pre-login packets, 1.3 too and with the name of the
/// protocol in strict TDS 8.
pub(super) fn acceptor(certificate: &Certificate, strict: bool) -> io::Result<TlsAcceptor> {
    let versions: &[&SupportedProtocolVersion] = if strict { &[&TLS13, &TLS12] } else { &[&TLS12] };
    let Certificate { der, key } = certificate.clone();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .and_then(|builder| {
            builder.with_no_client_auth().with_single_cert(vec![der], PrivateKeyDer::Pkcs8(key))
        })
        .map_err(io::Error::other)?;
    if strict {
        config.alpn_protocols.push(b"tds/8.0".to_vec());
    }
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A TLS stream over a connection.
pub(super) type Encrypted = TlsStream<Wrapped>;

/// Accepts TLS on a connection; with `in_packets`, the handshake travels in pre-login packets.
pub(super) async fn accept(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    in_packets: bool,
) -> io::Result<Encrypted> {
    let wrapped = Wrapped {
        stream,
        in_packets,
        header: [0; HEADER_BYTES],
        n_header: 0,
        unread: 0,
        out: Vec::new(),
    };
    let mut encrypted = acceptor.accept(wrapped).await?;
    encrypted.get_mut().0.in_packets = false;
    Ok(encrypted)
}

/// A connection whose bytes travel in pre-login packets, as long as the handshake lasts.
#[derive(Debug)]
pub(super) struct Wrapped {
    stream: TcpStream,
    in_packets: bool,
    header: [u8; HEADER_BYTES],
    n_header: usize,
    /// Bytes of the current packet not yet read.
    unread: usize,
    /// What is to be written with the next flush.
    out: Vec<u8>,
}

impl Wrapped {
    pub(super) fn into_inner(self) -> TcpStream {
        self.stream
    }

    /// Reads headers until there are bytes of a packet to read; false at the end of the stream.
    fn poll_header(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while self.unread == 0 {
            let mut buffer = ReadBuf::new(&mut self.header[self.n_header..]);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            let n_read = buffer.filled().len();
            if n_read == 0 {
                return Poll::Ready(Ok(false));
            }
            self.n_header += n_read;
            if self.n_header == HEADER_BYTES {
                let length = usize::from(u16::from_be_bytes([self.header[2], self.header[3]]));
                self.unread = length.saturating_sub(HEADER_BYTES);
                self.n_header = 0;
            }
        }
        Poll::Ready(Ok(true))
    }
}

impl AsyncRead for Wrapped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.in_packets {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        if !ready!(self.poll_header(cx))? {
            return Poll::Ready(Ok(()));
        }
        let n_wanted = self.unread.min(buffer.remaining());
        let mut piece = ReadBuf::new(buffer.initialize_unfilled_to(n_wanted));
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece))?;
        let n_read = piece.filled().len();
        buffer.advance(n_read);
        self.unread -= n_read;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wrapped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.in_packets {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        }
        if self.out.is_empty() {
            self.out.extend([kinds::PRELOGIN, 1, 0, 0, 0, 0, 0, 0]);
        }
        self.out.extend(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.out.first() == Some(&kinds::PRELOGIN) && this.out.get(2..4) == Some(&[0, 0]) {
            let length = (this.out.len() as u16).to_be_bytes();
            this.out[2..4].copy_from_slice(&length);
        }
        while !this.out.is_empty() {
            let n_written = ready!(Pin::new(&mut this.stream).poll_write(cx, &this.out))?;
            this.out.drain(..n_written);
        }
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
