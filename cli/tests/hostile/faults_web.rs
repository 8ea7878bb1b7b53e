//! Jobs over files on a server that fails.

#![cfg(feature = "http")]

use std::path::Path;
use std::sync::Arc;

use verity_testdata::files;
use verity_testdata::pattern::Prng;

use super::faults::{Bench, Job, runs};
use super::limits;
use super::serving;
use super::web::{ANSWERS, Answer, Published, Web};

/// A server that now and then gives one of some answers.
fn server(place: &Path, prng: &mut Prng) -> Web {
    let seed = prng.next_u64();
    let rarity = *prng.pick(&[2, 5, 20, 100]);
    let kinds: Vec<Answer> = (0..=prng.below(3)).map(|_| *prng.pick(&ANSWERS)).collect();
    let mood = move |number: u64| {
        let mut prng = Prng::new(seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        if prng.one_in(rarity) { *prng.pick(&kinds) } else { Answer::Good }
    };
    Web::new(published(place), mood)
}

fn honest_server(place: &Path) -> Web {
    Web::new(published(place), |_| Answer::Good)
}

fn published(place: &Path) -> Vec<(&'static str, Published)> {
    let publish = |name: &'static str| {
        let bytes = files::read(&place.join(name));
        (name, Published { size: bytes.len().try_into().unwrap(), bytes: Arc::new(bytes) })
    };
    ["data", "broken", "hash", "fec"].map(publish).to_vec()
}

/// A command line with files on the server in place of some of those that lie here.
fn remote(line: &str, web: &Web, prng: &mut Prng) -> String {
    let words = line.split(' ').map(|word| match word {
        "data" | "broken" | "hash" | "fec" if !prng.one_in(4) => web.url(word),
        word => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Whether all that a job reads may lie on a server.
fn is_over_web(job: &Job) -> bool {
    let verbs = ["verify ", "read ", "repair "];
    verbs.iter().any(|verb| job.line.starts_with(verb)) && !job.line.contains("--in-place")
}

#[test]
fn i09_servers_that_fail_lose_nothing() {
    let bench = Bench::new();
    let jobs: Vec<_> = bench.jobs.iter().filter(|job| is_over_web(job)).collect();
    runs(15, |prng| {
        if prng.one_in(4) {
            return serves(&bench, prng);
        }
        let job = *prng.pick(&jobs);
        let place = bench.place().with_old_outputs(job);
        let web = server(place.path(), prng);
        let line = remote(&job.line, &web, prng);
        let ended = limits::run(place.path(), &line);
        bench.fault(&place, job, &ended).map(|fault| format!("{line}: {fault}: {ended:?}"))
    });
}

/// Serves what is on a server that fails.
fn serves(bench: &Bench, prng: &mut Prng) -> Option<String> {
    let place = bench.place();
    let web = server(place.path(), prng);
    let line = remote(prng.pick::<String>(&bench.servers), &web, prng);
    let fault = serving::serve(place.path(), &line, &bench.data, false);
    fault.or_else(|| bench.changed_input(&place)).map(|fault| format!("{line}: {fault}"))
}

#[test]
fn i09_jobs_over_a_server_end_as_they_should_where_nothing_fails() {
    let bench = Bench::new();
    let mut prng = Prng::new(1);
    for job in bench.jobs.iter().filter(|job| is_over_web(job)) {
        let place = bench.place().with_old_outputs(job);
        let web = honest_server(place.path());
        let line = remote(&job.line, &web, &mut prng);
        let ended = limits::run(place.path(), &line);
        assert_eq!(ended.code, Some(job.code), "{line}: {ended:?}");
        assert_eq!(bench.fault(&place, job, &ended), None, "{line}");
    }
    for line in &bench.servers {
        let place = bench.place();
        let web = honest_server(place.path());
        let line = remote(line, &web, &mut prng);
        assert_eq!(serving::serve(place.path(), &line, &bench.data, true), None, "{line}");
    }
}
