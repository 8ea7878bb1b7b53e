//! Images on servers that speak TLS: whom they may be, and where they may send a client.

use std::path::Path;

use verity_testdata::files;
use verity_testdata::nginx::{Nginx, Site};
use verity_testdata::server_authority::{EXPIRED, ServerAuthority, VALID};

use crate::common::Dir;

/// The name by which tests reach a server.
const HERE: &str = "IP:127.0.0.1";

/// An image, its tree and its root hash.
fn image() -> (Dir, String) {
    let dir = Dir::with_data(300);
    let root = dir.format("--salt 00");
    (dir, root)
}

/// A server with the image.
fn serve(dir: &Dir, site: Site) -> Option<Nginx> {
    let nginx = Nginx::start_site(site)?;
    for name in ["data", "hash"] {
        files::write(&nginx.file(name), &dir.read(name));
    }
    Some(nginx)
}

fn secure(dir: &Dir, authority: &ServerAuthority, name: &str, dates: [&str; 2]) -> Option<Nginx> {
    let tls = Some(authority.issue(name, dates));
    serve(dir, Site { tls, ..Site::default() })
}

fn option(authority: &Path) -> String {
    format!("--cacert {}", authority.display())
}

#[test]
fn an_image_is_read_over_tls_if_its_server_is_the_one_that_is_named() {
    let Some(authority) = ServerAuthority::new() else { return };
    let (dir, root) = image();
    let Some(nginx) = secure(&dir, &authority, HERE, VALID) else { return };
    let (data, hash) = (nginx.url("data"), nginx.url("hash"));
    assert!(data.starts_with("https://"));
    let trusting = option(&authority.certificate());
    let line = format!("read {data} {hash} {root}");
    let (code, bytes, said) = dir.run_bytes(&format!("{line} {trusting}"));
    assert!(code == 0 && bytes == dir.read("data"), "{said}");
    // A URL in capitals, and the authority as one of the system's.
    let line = line.replace("https://", "HTTPS://");
    let mut command = dir.command();
    command.args(line.split(' ')).env("SSL_CERT_FILE", authority.certificate());
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stdout == dir.read("data"), "{output:?}");
    // The option comes first.
    command.args(["--cacert", "hash"]);
    assert_eq!(command.output().unwrap().status.code(), Some(5));
    dir.ok(&format!("verify {data} {hash} {root} {trusting}"));
}

#[test]
fn u16_a_server_that_is_not_the_one_that_is_named_is_asked_for_nothing() {
    let (Some(authority), Some(other)) = (ServerAuthority::new(), ServerAuthority::new()) else {
        return;
    };
    let (dir, root) = image();
    let refused = |nginx: &Nginx, authority: &ServerAuthority, words: &str| {
        let line = format!("read {} hash {root} --output out", nginx.url("data"));
        let trusting = option(&authority.certificate());
        let run = dir.fails(&format!("{line} {trusting}"), 4, "no secure connection to the server");
        assert!(run.stderr.contains(words) && run.stderr.contains("--cacert"), "{words}: {run:?}");
        assert!(!dir.exists("out"));
        assert!(nginx.requests(0).is_empty());
    };
    let Some(nginx) = secure(&dir, &authority, HERE, VALID) else { return };
    // An authority of the same name.
    refused(&nginx, &other, "BadSignature");
    // Nor is it one that the system knows.
    let line = format!("read {} hash {root}", nginx.url("data"));
    dir.fails(&line, 4, "no secure connection to the server");
    let nginx = secure(&dir, &authority, HERE, EXPIRED).unwrap();
    refused(&nginx, &authority, "expired");
    let nginx = secure(&dir, &authority, "DNS:example.org", VALID).unwrap();
    refused(&nginx, &authority, "not valid for name");
    // No TLS at all.
    let nginx = serve(&dir, Site::default()).unwrap();
    let url = nginx.url("data").replace("http:", "https:");
    let trusting = option(&authority.certificate());
    dir.fails(&format!("read {url} hash {root} {trusting}"), 4, "no secure connection");
}

#[test]
fn files_without_certificates_are_no_authorities() {
    let (dir, root) = image();
    let line = format!("read https://127.0.0.1:1/x hash {root} --cacert");
    dir.fails(&format!("{line} data"), 5, "there is no certificate (PEM) here");
    dir.fails(&format!("{line} missing"), 4, "missing");
    dir.fails(&format!("{line} -"), 2, "cannot be standard input");
    dir.write("broken", b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    dir.fails(&format!("{line} broken"), 5, "no certificates (PEM)");
    // It is read where a server is asked, and is an input then.
    dir.ok(&format!("verify data hash {root} --cacert missing"));
}

/// The paths of redirects: `/0` leads to the file by one, `/1` by two, and so on.
fn chain(target: &str, length: usize) -> Vec<(String, String)> {
    let link = |number: usize| {
        let next = match number {
            0 => target.to_owned(),
            _ => format!("/{}", number - 1),
        };
        (format!("/{number}"), next)
    };
    (0..length).map(link).chain([("/loop".to_owned(), "/loop".to_owned())]).collect()
}

#[test]
fn redirects_are_followed_up_to_their_bound() {
    let (dir, root) = image();
    let site = Site { redirects: chain("/data", 7), ..Site::default() };
    let Some(nginx) = serve(&dir, site) else { return };
    for number in 0..5 {
        let line =
            format!("read {} hash {root} --json --output out", nginx.url(&number.to_string()));
        dir.ok(&line);
        assert!(dir.read("out") == dir.read("data"), "{number}");
    }
    for path in ["5", "6", "loop"] {
        let line = format!("read {} hash {root}", nginx.url(path));
        dir.fails(&line, 4, "there are more than 5 redirects");
    }
}

#[test]
fn u16_a_redirect_leads_from_http_to_https_and_never_back() {
    let Some(authority) = ServerAuthority::new() else { return };
    let (dir, root) = image();
    let Some(plain) = serve(&dir, Site::default()) else { return };
    let tls = Some(authority.issue(HERE, VALID));
    let mut redirects = chain(&plain.url("data"), 3);
    redirects.push(("/good".to_owned(), "/data".to_owned()));
    let secure = serve(&dir, Site { tls, redirects }).unwrap();
    let trusting = option(&authority.certificate());
    for path in ["0", "1", "2"] {
        let line = format!("read {} hash {root} {trusting}", secure.url(path));
        let run = dir.fails(&line, 4, "redirects from https to");
        assert!(run.stderr.contains(&plain.url("data")), "{run:?}");
    }
    // From http to https, and from there back: the last is not asked.
    let to = |path: &str| (format!("/{path}"), secure.url(path));
    let redirects = vec![to("good"), to("0"), to("1")];
    let first = serve(&dir, Site { redirects, ..Site::default() }).unwrap();
    let line = |path: &str| format!("read {} hash {root} --output out", first.url(path));
    dir.ok(&format!("{} {trusting}", line("good")));
    assert!(dir.read("out") == dir.read("data"));
    for path in ["0", "1"] {
        dir.fails(&format!("{} {trusting}", line(path)), 4, "redirects from https to");
    }
    dir.fails(&line("good"), 4, "no secure connection to the server");
    assert!(plain.requests(0).is_empty());
}

/// A release of an `https` server, into a slot.
#[test]
fn a_release_is_installed_over_tls() {
    let Some(authority) = ServerAuthority::new() else { return };
    let dir = Dir::with_signed_set(300);
    let tls = Some(authority.issue(HERE, VALID));
    let Some(nginx) = Nginx::start_site(Site { tls, ..Site::default() }) else { return };
    for part in ["raw", "verity", "manifest.json", "manifest.json.p7s"] {
        let name = format!("image.{part}");
        files::write(&nginx.file(&name), &dir.read(&name));
    }
    dir.write("slot", &[0xa5; 310 * 4096]);
    dir.write("tree", &[0xa5; 10 * 4096]);
    let line = format!(
        "install {} --certificate rsa2048.cert --data-device slot --hash-device tree",
        nginx.url("image.raw")
    );
    dir.fails(&line, 4, "no secure connection to the server");
    dir.ok(&format!("{line} {}", option(&authority.certificate())));
    assert!(dir.read("slot").starts_with(&dir.read("image.raw")));
    assert!(dir.read("tree").starts_with(&dir.read("image.verity")));
}
