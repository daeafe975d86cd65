//! A caller over HTTP/1.1, with a certificate or without.

use super::*;

/// An answer over HTTP/1.1.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        Self {
            status: status.unwrap_or(0),
            headers: lines.filter_map(header).collect(),
            body: bytes.get(end + 4..).unwrap_or_default().to_vec(),
        }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The reason of a refusal, and whether its receipt is there.
    pub(super) fn refusal(&self) -> (String, bool) {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let reason = body["reason"].as_str().unwrap_or_default().to_owned();
        (reason, body["receipt"]["leaf_index"].is_u64())
    }
}

/// Somebody who connects to the web listener, with or without a certificate.
pub(super) struct Visitor {
    pub(super) address: std::net::SocketAddr,
    pub(super) config: ClientConfig,
    pub(super) token: Option<String>,
}

impl Visitor {
    /// With certificate and key in PEM.
    pub(super) fn new(gateway: &Copy, certificate: Option<(&[u8], &[u8])>) -> Self {
        let mut roots = RootCertStore::empty();
        let pem = fs::read(gateway.path("ca.pem")).unwrap();
        for authority in CertificateDer::pem_slice_iter(&pem) {
            roots.add(authority.unwrap()).unwrap();
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let config = match certificate {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = CertificateDer::pem_slice_iter(chain).map(Result::unwrap).collect();
                let key = PrivateKeyDer::from_pem_slice(key).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        Self { address: gateway.running.web_address().unwrap(), config, token: None }
    }

    /// With a partner's certificate, and no token.
    pub(super) fn partner(gateway: &Copy, partner: &str) -> Self {
        let read = |ending: &str| {
            fs::read(gateway.path(&format!("certificates/{partner}.{ending}"))).unwrap()
        };
        Self::new(gateway, Some((&read("pem"), &read("key"))))
    }

    /// With the certificate and a token as a profile says.
    pub(super) async fn profile(gateway: &Copy, name: &str, file: ProfileFile) -> Self {
        let profile = Profile::load(file, gateway.path("profiles")).unwrap();
        let rng = Box::new(StdRng::seed_from_u64(31));
        let connection = Gateway::connect(&profile, Arc::new(SystemClock), rng).await.unwrap();
        let token = connection.tokens().authorization().unwrap();
        let token = Some(token.to_str().unwrap().to_owned());
        Self { token, ..Self::partner(gateway, name) }
    }

    pub(super) async fn connect(&self, alpn: &[&[u8]]) -> TlsStream<TcpStream> {
        let mut config = self.config.clone();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
    }

    /// Sends bytes as they are and hears the answer out.
    pub(super) async fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect(&[b"http/1.1"]).await;
        let _ = stream.write_all(request).await;
        let mut bytes = Vec::new();
        let mut chunk = [0; 8192];
        while let Ok(read @ 1..) = stream.read(&mut chunk).await {
            bytes.extend_from_slice(&chunk[..read]);
        }
        Answer::parse(&bytes)
    }

    pub(super) async fn ask(&self, method: &str, path: &str) -> Answer {
        let token = self.token.iter().map(|token| format!("authorization: {token}\r\n"));
        let token: String = token.collect();
        let end = "host: localhost\r\nconnection: close\r\n\r\n";
        self.raw(format!("{method} {path} HTTP/1.1\r\n{token}{end}").as_bytes()).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).await
    }
}
