//! Jobs over files on a server that fails.

#![cfg(feature = "http")]

use std::fs;
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
    let publish = |name: &'static str| {
        let bytes = files::read(&place.join(name));
        (name, Published { size: bytes.len().try_into().unwrap(), bytes: Arc::new(bytes) })
    };
    let seed = prng.next_u64();
    let rarity = *prng.pick(&[2, 5, 20, 100]);
    let kinds: Vec<Answer> = (0..=prng.below(3)).map(|_| *prng.pick(&ANSWERS)).collect();
    let mood = move |number: u64| {
        let mut prng = Prng::new(seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        if prng.one_in(rarity) { *prng.pick(&kinds) } else { Answer::Good }
    };
    Web::new(["data", "broken", "hash", "fec"].map(publish).to_vec(), mood)
}

/// The job with files on the server in place of some of those that lie here.
fn remote(job: &Job, web: &Web, prng: &mut Prng) -> String {
    let words = job.line.split(' ').map(|word| match word {
        "data" | "broken" | "hash" | "fec" if !prng.one_in(4) => web.url(word),
        word => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn i09_servers_that_fail_lose_nothing() {
    let bench = Bench::new();
    let reads = |job: &&Job| job.line.starts_with(['v', 'r']) && !job.line.contains("--in-place");
    let jobs: Vec<_> = bench.jobs.iter().filter(reads).collect();
    runs(15, |prng| {
        let job = *prng.pick(&jobs);
        let place = bench.place().with_old_outputs(job);
        let web = server(place.0.path(), prng);
        let line = remote(job, &web, prng);
        if line.starts_with("read") && prng.one_in(2) {
            let (served, _) = line.split_once(" --output").unwrap();
            let served = served.replacen("read", "serve", 1);
            let fault = serving::serve(place.0.path(), &served, &bench.data);
            let _ = fs::remove_file(place.0.path().join("s"));
            return fault.map(|fault| format!("{served}: {fault}"));
        }
        let ended = limits::run(place.0.path(), &line);
        bench.fault(&place, job, &ended).map(|fault| format!("{line}: {fault}: {ended:?}"))
    });
}
