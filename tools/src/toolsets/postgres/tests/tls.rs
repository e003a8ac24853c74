//! TLS against a real server with certificates of throw-away authorities, and against somebody in between. `openssl` makes
//! the certificates: PostgreSQL's own package depends on it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::world::{Ground, find};
use crate::contract::{Access, Lease, Secret, ToolError};

/// Two authorities, of which only one is trusted; certificates for `db.example` by both, and one that has expired.
const CERTIFICATES: &str = r"
set -eu; umask 077; cd $1
new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=$1 -keyout $1.key $2; }
for ca in ours theirs; do new $ca '-x509 -days 2 -addext basicConstraints=critical,CA:TRUE' >$ca.crt; done
echo subjectAltName=DNS:db.example >names
sign() { new $1 '' >$1.csr; openssl x509 -req -in $1.csr -CA $2.crt -CAkey $2.key -CAcreateserial -extfile names -days $3 -out $1.crt; }
sign good ours 2; sign foreign theirs 2; sign expired ours -1
chmod a+r ours.crt theirs.crt
";

/// A server of its own with roles that need a password, over TLS or not.
struct Server {
    ground: Ground,
    tls: PathBuf,
}

impl Server {
    fn start() -> Self {
        let ground = Ground::alone();
        let tls = ground.cluster.folder.join("tls");
        // As the server's own user, whose the keys have to be.
        ground.sql(&format!(
            "CREATE ROLE anna LOGIN PASSWORD 's3cret' IN ROLE pg_read_all_data; CREATE ROLE open LOGIN;
             COPY (SELECT '') TO PROGRAM 'mkdir {tls}';
             COPY (SELECT $script${CERTIFICATES}$script$) TO '{tls}/script' (FORMAT csv, QUOTE E'\x01');
             COPY (SELECT '') TO PROGRAM 'bash {tls}/script {tls} 2>{tls}/log; chmod a+rx {tls}';
             COPY (SELECT '') TO PROGRAM 'sed -i \"1i host all anna all scram-sha-256\" pg_hba.conf';",
            tls = tls.display(),
        ));
        Self { ground, tls }
    }

    /// Starts it again with this certificate, or without TLS.
    fn serves(&self, certificate: Option<&str>) {
        let tls = self.tls.display();
        let settings = match certificate {
            None => "ALTER SYSTEM SET ssl = off".to_owned(),
            Some(name) => format!(
                "ALTER SYSTEM SET ssl = on; ALTER SYSTEM SET ssl_cert_file = '{tls}/{name}.crt';
                 ALTER SYSTEM SET ssl_key_file = '{tls}/{name}.key'"
            ),
        };
        self.ground.sql(&settings);
        self.ground.cluster.crash();
        self.ground.cluster.restart();
    }

    /// Asks through a URL of this role with this name for the host. Gives what the server's own view says of the way.
    async fn asks(&self, host: &str, port: u16, query: &str) -> Result<Value, ToolError> {
        let database = &self.ground.database;
        let url = format!("postgresql://anna:s3cret@{host}:{port}/{database}?hostaddr=127.0.0.1&{query}");
        let lease =
            Lease::new(Access::Read, self.ground.target(), Some(Arc::new(Secret::new(url))), self.ground.limits);
        let tool = find("postgres_query");
        let args = json!({ "target": "orders", "sql": "SELECT 'the answer'" });
        let seen = tool.preflight(&args, &lease).await?;
        let outcome = tool.execute(&args, &seen, &lease).await?;
        assert_eq!(outcome.output["rows"], json!([["the answer"]]));
        let way = "SELECT DISTINCT coalesce(s.version, 'clear') FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) \
                   WHERE a.usename = 'anna'";
        let way = self.ground.sql(way).trim().to_owned();
        self.ground.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'anna'");
        Ok(json!(way))
    }

    async fn says(&self, host: &str, query: &str) -> Result<Value, ToolError> {
        self.asks(host, self.ground.cluster.port, query).await
    }

    fn trusting(&self, mode: &str, authority: &str) -> String {
        format!("sslmode={mode}&sslrootcert={}/{authority}.crt", self.tls.display())
    }
}

/// A refusal says what is wrong and what helps, and nothing of the password.
fn refused(answer: Result<Value, ToolError>, what: &str) {
    let error = answer.unwrap_err();
    let ToolError::Untouched { reason, next: Some(next), .. } = &error else { panic!("{error:?}") };
    assert!(reason.contains(what) && !format!("{reason}{next}").contains("s3cret"), "{reason}; {next}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_is_verified_as_far_as_the_url_says() {
    let server = Server::start();
    let tls = json!("TLSv1.3");
    server.serves(Some("good"));
    let port = server.ground.cluster.port;
    assert_eq!(server.says("db.example", &server.trusting("verify-full", "ours")).await.unwrap(), tls);
    assert_eq!(server.says("other.example", &server.trusting("verify-ca", "ours")).await.unwrap(), tls);
    assert_eq!(server.says("other.example", "sslmode=require").await.unwrap(), tls);
    assert_eq!(server.says("other.example", "sslmode=prefer").await.unwrap(), tls);
    assert_eq!(server.says("other.example", "sslmode=disable").await.unwrap(), json!("clear"));
    refused(server.says("other.example", &server.trusting("verify-full", "ours")).await, "another host");
    refused(server.says("127.0.0.1", &server.trusting("verify-full", "ours")).await, "another host");
    for mode in ["verify-full", "verify-ca", "require"] {
        refused(server.says("db.example", &server.trusting(mode, "theirs")).await, "no authority that is trusted");
    }
    refused(server.says("db.example", "sslmode=verify-full").await, "no authority that is trusted");
    refused(server.says("db.example", &server.trusting("verify-full", "missing")).await, "sslrootcert");

    // Somebody in between sees neither the password nor the question, and a cancel request goes by TLS as well.
    let between = Between::of(port);
    let through = server.asks("db.example", between.port, &server.trusting("verify-full", "ours")).await;
    assert_eq!(through.unwrap(), tls);
    assert!(between.heard().iter().all(|heard| heard.starts_with(SSL_REQUEST) && heard[8..10] == [0x16, 0x03]));
    for word in ["anna", "s3cret", "the answer"] {
        assert!(between.heard().iter().all(|heard| !contains(heard, word)), "{word}");
    }

    for (certificate, what) in [("foreign", "no authority that is trusted"), ("expired", "expired")] {
        server.serves(Some(certificate));
        for mode in ["verify-full", "verify-ca", "require"] {
            refused(server.says("db.example", &server.trusting(mode, "ours")).await, what);
        }
        assert_eq!(server.says("db.example", "sslmode=require").await.unwrap(), tls);
    }

    server.serves(None);
    for query in ["require", "verify-ca", "verify-full"].map(|mode| server.trusting(mode, "ours")) {
        refused(server.says("db.example", &query).await, "offers no TLS");
    }
    refused(server.says("db.example", "sslmode=require").await, "offers no TLS");
    assert_eq!(server.says("db.example", "sslmode=prefer").await.unwrap(), json!("clear"));
    assert_eq!(server.says("db.example", "sslmode=allow").await.unwrap(), json!("clear"));
    let between = Between::of(port);
    refused(server.asks("db.example", between.port, "sslmode=require").await, "offers no TLS");
    assert!(between.heard().iter().all(|heard| heard == SSL_REQUEST), "{:?}", between.heard());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_is_stopped_over_tls() {
    let server = Server::start();
    server.serves(Some("good"));
    let between = Between::of(server.ground.cluster.port);
    let (port, database) = (between.port, &server.ground.database);
    let query = server.trusting("verify-full", "ours");
    let url = format!("postgresql://anna:s3cret@db.example:{port}/{database}?hostaddr=127.0.0.1&{query}");
    let lease =
        Lease::new(Access::Read, server.ground.target(), Some(Arc::new(Secret::new(url))), server.ground.limits);
    let tool = find("postgres_query");
    let sql = "SELECT count(*) FROM generate_series(1, 1000000000000) a";
    let args = json!({ "target": "orders", "sql": sql });
    let seen = tool.preflight(&args, &lease).await.unwrap();
    let running = format!("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = '{sql}'");
    let (cluster, database) = (server.ground.cluster, database.clone());
    let runs = tokio::task::spawn_blocking(move || while cluster.sql(&database, &running).trim() != "1" {});
    tokio::select! {
        ended = tool.execute(&args, &seen, &lease) => panic!("it was to be given up half way: {ended:?}"),
        runs = runs => runs.unwrap(),
    }
    let log = format!("SELECT pg_read_file('{}/log')", server.ground.cluster.folder.display());
    let mut told = String::new();
    while !told.contains("canceling statement due to") {
        told = server.ground.sql(&log);
    }
    assert!(told.contains("due to user request"), "{told}");
    let heard = between.heard();
    assert!(heard.iter().all(|heard| heard.starts_with(SSL_REQUEST) && heard[8..10] == [0x16, 0x03]), "{heard:?}");
}

/// What a client sends that asks for TLS: a length of 8, and 80877103.
const SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Somebody between a client and the server who writes down what each client says.
struct Between {
    port: u16,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Between {
    fn of(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&heard);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
                let at = {
                    let mut notes = notes.lock().unwrap();
                    notes.push(Vec::new());
                    notes.len() - 1
                };
                let (there, back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let notes = Arc::clone(&notes);
                std::thread::spawn(move || pass(client, there, |bytes| notes.lock().unwrap()[at].extend(bytes)));
                std::thread::spawn(move || pass(server, back, |_| {}));
            }
        });
        Self { port, heard }
    }

    fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().unwrap().clone()
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, note: impl Fn(&[u8])) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        note(&bytes[..count]);
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _closed = to.shutdown(Shutdown::Write);
}
