//! A real web server on the loopback interface, with a directory to serve and a log of what it
//! sent.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::files::{self, TempDir};
use crate::oracle;

/// How long it may take until the server is there, or has written its log.
const PATIENCE: Duration = Duration::from_secs(60);

/// nginx, which ends when the value is dropped.
#[derive(Debug)]
pub struct Nginx {
    path: PathBuf,
    dir: TempDir,
    site: Site,
    port: u16,
    child: Option<Child>,
}

/// What is special about a server.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The certificate and the key by which it speaks TLS, PEM files both.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Paths, such as `/old`, and where clients are sent that ask for them. In a target, `PORT` is
    /// the port of the server.
    pub redirects: Vec<(String, String)>,
}

/// A request as the server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What was asked for, such as `/data`.
    pub uri: String,
    /// The status of the answer.
    pub status: u16,
    /// How many bytes of a body were sent.
    pub bytes: u64,
}

impl Nginx {
    /// Starts a server with an empty directory, by the rule of [`oracle::require`].
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> Option<Nginx> {
        Nginx::start_site(Site::default())
    }

    /// Starts a server that speaks TLS, or redirects.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_site(site: Site) -> Option<Nginx> {
        let path = oracle::require("nginx")?;
        let dir = files::tempdir();
        std::fs::create_dir(dir.path().join("files")).expect("a directory to serve");
        let mut nginx = Nginx { path, dir, site, port: 0, child: None };
        // Another process may take the port before the server has it.
        let started = (0..10).any(|_| {
            nginx.port = free_port();
            nginx.try_start()
        });
        assert!(started, "nginx does not start: {}", nginx.errors());
        Some(nginx)
    }

    /// Starts the server again on its port.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self) {
        assert!(self.try_start(), "nginx does not start: {}", self.errors());
    }

    /// Kills the server.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // These fail only if it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Where a served file lies.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("files").join(name)
    }

    /// The URL of a served file.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        let scheme = if self.site.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/{name}", self.port)
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The first `count` requests, once that many are in the log.
    ///
    /// # Panics
    /// If they do not come, or more have come.
    #[must_use]
    pub fn requests(&self, count: usize) -> Vec<Request> {
        let begun = Instant::now();
        loop {
            let requests = self.so_far();
            if requests.len() >= count {
                assert_eq!(requests.len(), count, "{requests:?}");
                return requests;
            }
            assert!(begun.elapsed() < PATIENCE, "{requests:?} instead of {count}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The requests that are in the log by now.
    ///
    /// # Panics
    /// If the log is not what the server was told to write.
    #[must_use]
    pub fn so_far(&self) -> Vec<Request> {
        let log = std::fs::read_to_string(self.dir.path().join("access.log")).unwrap_or_default();
        // The last line may not be whole.
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        whole.lines().map(Request::parse).collect()
    }

    fn try_start(&mut self) -> bool {
        let config = self.dir.path().join("nginx.conf");
        files::write(&config, self.config().as_bytes());
        let child = Command::new(&self.path)
            .args([Path::new("-p"), self.dir.path(), Path::new("-c"), &config])
            .args(["-e", "error.log"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.expect("start nginx");
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let ended = child.try_wait().expect("look after nginx").is_some();
            if ended {
                return false;
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                self.child = Some(child);
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.child = Some(child);
        false
    }

    fn config(&self) -> String {
        format!(
            "daemon off; master_process off; pid nginx.pid;
             events {{ worker_connections 256; }}
             http {{
                 log_format sent '$uri $status $body_bytes_sent';
                 access_log access.log sent;
                 client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp;
                 uwsgi_temp_path temp; scgi_temp_path temp;
                 keepalive_requests 1000000;
                 server {{ listen 127.0.0.1:{}{} root files; {} }}
             }}",
            self.port,
            self.tls(),
            self.redirects()
        )
    }

    /// The end of the line that says where it listens, and how it speaks TLS.
    fn tls(&self) -> String {
        let Some((certificate, key)) = &self.site.tls else { return ";".to_owned() };
        let (certificate, key) = (certificate.display(), key.display());
        format!(" ssl; ssl_certificate {certificate}; ssl_certificate_key {key};")
    }

    fn redirects(&self) -> String {
        let redirect = |(path, target): &(String, String)| {
            let target = target.replace("PORT", &self.port.to_string());
            format!("location = {path} {{ return 302 {target}; }} ")
        };
        self.site.redirects.iter().map(redirect).collect()
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("error.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Request {
    fn parse(line: &str) -> Request {
        let mut words = line.split(' ');
        let mut next = || words.next().expect("uri, status, bytes");
        let uri = next().to_owned();
        let number = |word: &str| word.parse().expect("a number");
        Request { uri, status: next().parse().expect("a status"), bytes: number(next()) }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}
