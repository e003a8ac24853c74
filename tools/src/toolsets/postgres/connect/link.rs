//! One connection: opened over TCP or a socket file, with TLS as the URL asks, and metered, so that no answer of the
//! server can fill the gateway's memory.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::AbortHandle;
use tokio_postgres::config::Host;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{CancelToken, Client};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Server;
use super::address::{Address, Roots, Verify};
use super::metered::{Meter, Metered, Stream};
use super::unreachable::{self, ROOTS, Unreachable};

/// How long one address may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An open connection.
pub(crate) struct Connection {
    /// The client's side.
    pub client: Client,
    /// What stops a statement that runs on it.
    pub cancel: Cancel,
    /// Which database answered, once that was asked.
    pub server: Option<Server>,
    /// What it has read.
    pub meter: Meter,
    driver: AbortHandle,
}

impl Connection {
    /// Connects to the first host that answers.
    ///
    /// # Errors
    /// Why none did.
    pub(crate) async fn open(address: &Address) -> Result<Self, Unreachable> {
        let config = client_config(&address.verify).map_err(|reason| Unreachable::told(reason, ROOTS))?;
        let tls = MakeRustlsConnect::new(config);
        let mut last = Unreachable::from("no host is configured".to_owned());
        for place in places(address) {
            match tokio::time::timeout(TIMEOUT, Self::open_at(address, place.clone(), tls.clone())).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => last = error,
                Err(_) => last = format!("no answer within {TIMEOUT:?}").into(),
            }
        }
        Err(last)
    }

    async fn open_at(address: &Address, place: Place, tls: MakeRustlsConnect) -> Result<Self, Unreachable> {
        let meter = Meter::default();
        let stream = Metered::over(place.stream().await.map_err(|error| error.to_string())?, meter.clone());
        let session = connector(tls.clone(), &place);
        let (client, connection) =
            address.config.connect_raw(stream, session).await.map_err(|error| unreachable::explain(&error))?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to PostgreSQL ended");
            }
        });
        let cancel = Cancel { token: client.cancel_token(), place, tls };
        Ok(Self { client, cancel, server: None, meter, driver: driver.abort_handle() })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn connector(mut tls: MakeRustlsConnect, place: &Place) -> <MakeRustlsConnect as MakeTlsConnect<Metered>>::TlsConnect {
    let Ok(session) = MakeTlsConnect::<Metered>::make_tls_connect(&mut tls, &place.name);
    session
}

/// What stops a statement that runs on a connection.
#[derive(Clone)]
pub(crate) struct Cancel {
    token: CancelToken,
    place: Place,
    tls: MakeRustlsConnect,
}

impl Cancel {
    /// Asks the server to stop, in the background and for a bounded time: nobody waits for it.
    pub(crate) fn send(self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(tokio::time::timeout(TIMEOUT, async move {
            if let Ok(stream) = self.place.stream().await {
                let stream = Metered::over(stream, Meter::default());
                let session = connector(self.tls, &self.place);
                let _asked = self.token.cancel_query_raw(stream, session).await;
            }
        }));
    }
}

/// One place a server may listen at.
#[derive(Clone, Debug)]
struct Place {
    /// The name TLS verifies.
    name: String,
    at: At,
}

#[derive(Clone, Debug)]
enum At {
    Tcp(String, u16),
    Socket(std::path::PathBuf),
}

impl Place {
    async fn stream(&self) -> io::Result<Stream> {
        match &self.at {
            At::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            At::Socket(path) => Ok(Stream::Unix(UnixStream::connect(path).await?)),
        }
    }
}

/// The hosts of a URL with their ports; an address given beside a host replaces it, and its name is still verified.
fn places(address: &Address) -> Vec<Place> {
    let config = &address.config;
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    (0..hosts.len().max(addresses.len()))
        .map(|at| {
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            let name = match hosts.get(at) {
                Some(Host::Tcp(name)) => name.clone(),
                Some(Host::Unix(folder)) => {
                    let socket = folder.join(format!(".s.PGSQL.{port}"));
                    return Place { name: String::new(), at: At::Socket(socket) };
                }
                None => addresses.get(at).map(ToString::to_string).unwrap_or_default(),
            };
            let host = addresses.get(at).map_or_else(|| name.clone(), ToString::to_string);
            Place { name, at: At::Tcp(host, port) }
        })
        .collect()
}

/// Where a URL leads, without who goes there: host, port and database, or the socket's file.
pub(crate) fn addresses(address: &Address) -> Vec<String> {
    let config = &address.config;
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    let place = |place: Place| match place.at {
        At::Tcp(host, port) => format!("{}:{port}/{database}", host.trim_end_matches('.').to_ascii_lowercase()),
        At::Socket(path) => format!("{}/{database}", path.display()),
    };
    places(address).into_iter().map(place).collect()
}

fn client_config(verify: &Verify) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let verifier: Arc<dyn ServerCertVerifier> = match verify {
        Verify::Full(roots) => webpki(roots, &provider)?,
        Verify::Authority(roots) => Arc::new(Mild { authority: Some(webpki(roots, &provider)?), provider }),
        Verify::Nothing => Arc::new(Mild { authority: None, provider }),
    };
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn webpki(roots: &Roots, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::System => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Roots::File(path) => {
            let broken = |error: &dyn std::fmt::Display| format!("`sslrootcert` {}: {error}", path.display());
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| broken(&error))? {
                let certificate = certificate.map_err(|error| broken(&error))?;
                store.add(certificate).map_err(|error| broken(&error))?;
            }
        }
    }
    if store.is_empty() {
        return Err("there is no certificate authority to verify the server with".into());
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
        .build()
        .map_err(|error| error.to_string())
}

/// What is milder than `verify-full`. `verify-ca`: signed by a trusted authority, for whatever host. `require` and below, with
/// no authority: encrypted to whoever answers, as libpq does it; `targets check` says so.
#[derive(Debug)]
struct Mild {
    authority: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Mild {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
        let Some(authority) = &self.authority else { return Ok(ServerCertVerified::assertion()) };
        match authority.verify_server_cert(certificate, between, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
