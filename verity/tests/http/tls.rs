//! `https` sources: who a server may be is said by the caller, and by nobody else.

use verity::io::ReadAt;
use verity::io::http::{HttpError, HttpSource};
use verity_testdata::files;
use verity_testdata::nginx::{Nginx, Site};
use verity_testdata::oracle;
use verity_testdata::pattern::sha256_stream;
use verity_testdata::server_authority::{EXPIRED, ServerAuthority, VALID};

use std::process::Command;

fn der(authority: &ServerAuthority) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command.args(["x509", "-outform", "DER", "-in"]).arg(authority.certificate());
    oracle::run(&mut command).stdout
}

fn serve(authority: &ServerAuthority, name: &str, dates: [&str; 2]) -> Option<Nginx> {
    let tls = Some(authority.issue(name, dates));
    let redirects = vec![
        ("/loop".to_owned(), "https://127.0.0.1:PORT/loop".to_owned()),
        ("/moved".to_owned(), "/file".to_owned()),
        ("/plain".to_owned(), "http://127.0.0.1:PORT/file".to_owned()),
    ];
    let nginx = Nginx::start_site(Site { tls, redirects })?;
    files::write(&nginx.file("file"), &sha256_stream(10_000));
    Some(nginx)
}

#[test]
fn a_server_is_read_that_a_trusted_authority_vouches_for() {
    let Some(authority) = ServerAuthority::new() else { return };
    let Some(nginx) = serve(&authority, "IP:127.0.0.1", VALID) else { return };
    let trusting = HttpSource::options().authorities([der(&authority)]).retries(0);
    for path in ["file", "moved"] {
        let source = trusting.open(&nginx.url(path)).unwrap();
        assert_eq!(source.url(), nginx.url("file"));
        let mut bytes = vec![0; 10_000];
        source.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes == sha256_stream(10_000));
    }
    let refused = trusting.open(&nginx.url("loop")).unwrap_err();
    assert!(matches!(refused, HttpError::ManyRedirects { limit: 5 }), "{refused}");
    let refused = trusting.open(&nginx.url("plain")).unwrap_err();
    assert!(matches!(refused, HttpError::InsecureRedirect { .. }), "{refused}");
}

#[test]
fn u16_nobody_is_trusted_unless_the_caller_says_so() {
    let (Some(authority), Some(other)) = (ServerAuthority::new(), ServerAuthority::new()) else {
        return;
    };
    let Some(nginx) = serve(&authority, "IP:127.0.0.1", VALID) else { return };
    let options = HttpSource::options;
    let expired = serve(&authority, "IP:127.0.0.1", EXPIRED).unwrap();
    let elsewhere = serve(&authority, "DNS:example.org", VALID).unwrap();
    for (options, nginx) in [
        (options(), &nginx),
        (options().authorities([b"nothing"]), &nginx),
        (options().authorities([der(&other)]), &nginx),
        (options().authorities([der(&authority)]), &expired),
        (options().authorities([der(&authority)]), &elsewhere),
    ] {
        let refused = options.open(&nginx.url("file")).unwrap_err();
        assert!(matches!(refused, HttpError::Tls { .. }), "{refused:?}");
    }
}
