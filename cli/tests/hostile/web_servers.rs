//! Web servers that claim anything, and answer with anything.

#![cfg(feature = "http")]

use std::sync::Arc;

use verity_testdata::pattern::Prng;

use super::case::{Case, run_all, seed, some_of};
use super::image::Image;
use super::line::Line;
use super::superblocks::{lines, packed};
use super::web::{ANSWERS, Answer, Published, Web};

/// What the superblock on the server states, and how long the files there are.
const CLAIMS: [(u64, u64); 6] = [
    (300, 1 << 20),
    (1 << 20, 1 << 32),
    (1 << 44, 1 << 56),
    (1 << 49, 1 << 61),
    ((1 << 50) - 1, (1 << 62) - 4096),
    (1 << 51, (1 << 63) - 1),
];

/// A case about files on a server; the server must live as long as the case runs.
fn case(name: String, image: &Image, web: &Web) -> Case {
    let remote = |line: Line| {
        let words = line.words.split(' ').map(|word| match word {
            "data" | "hash" | "fec" => web.url(word),
            word => word.to_owned(),
        });
        Line { words: words.collect::<Vec<_>>().join(" "), ..line }
    };
    Case {
        name,
        files: vec![("small", image.data[..16 * 4096].to_vec().into())],
        lines: lines(&image.root).into_iter().map(remote).collect(),
        data: Arc::clone(&image.data),
        ..Case::default()
    }
}

/// A case about a server by the book.
fn honest(image: &Image, web: &Web) -> Case {
    Case { is_honest: true, ..case("honest server".to_owned(), image, web) }
}

/// What that server has.
fn honest_server(image: &Image) -> Web {
    let mut files = site(image, 300, 0);
    let bytes = image.parity(2);
    let size = bytes.len().try_into().unwrap();
    files[2].1 = Published { bytes: Arc::new(bytes), size };
    Web::new(files, |_| Answer::Good)
}

fn site(image: &Image, data_blocks: u64, size: u64) -> Vec<(&'static str, Published)> {
    let mut hash = image.hash.clone();
    hash[72..80].copy_from_slice(&data_blocks.to_le_bytes());
    let published = |bytes: &[u8]| {
        let size = size.max(bytes.len().try_into().unwrap());
        Published { bytes: Arc::new(bytes.to_vec()), size }
    };
    vec![
        ("data", published(&image.data)),
        ("hash", published(&hash)),
        ("fec", published(&[7; 4096])),
    ]
}

#[test]
fn r07_servers_that_claim_huge_files_end_every_command_soon() {
    let image = Image::new();
    let good = honest_server(&image);
    let webs = CLAIMS.map(|(blocks, size)| Web::new(site(&image, blocks, size), |_| Answer::Good));
    let cases = webs.iter().zip(CLAIMS).map(|(web, claim)| case(format!("{claim:?}"), &image, web));
    run_all(&[honest(&image, &good)].into_iter().chain(cases).collect::<Vec<_>>());
}

#[test]
fn r07_servers_that_answer_anything_end_every_command_soon() {
    let image = Image::new();
    let good = honest_server(&image);
    let mut webs = Vec::new();
    // What is said of a failure looks at the start of this data once more.
    let gzip = Image { data: Arc::new(packed(&image, 0, b"\x1f\x8b\x08")), ..image.clone() };
    for bad in ANSWERS {
        // From the start, after some answers, and now and then.
        for (words, from, every) in [("always", 0, 1), ("later", 5, 1), ("now and then", 1, 3)] {
            let mood = move |number| match number >= from && number % every == 0 {
                true => bad,
                false => Answer::Good,
            };
            webs.push((format!("{bad:?} {words}"), Web::new(site(&image, 300, 0), mood)));
            let name = format!("{bad:?} {words}, packed data");
            webs.push((name, Web::new(site(&gzip, 300, 0), mood)));
        }
    }
    for number in 0..20 {
        let seed = seed() ^ number;
        let mood = move |number| *Prng::new(seed.wrapping_add(number << 32)).pick(&ANSWERS);
        webs.push((format!("random server {number}"), Web::new(site(&image, 300, 0), mood)));
    }
    let cases = webs.iter().map(|(name, web)| case(name.clone(), &image, web));
    let cases = some_of(cases.collect());
    run_all(&[honest(&image, &good)].into_iter().chain(cases).collect::<Vec<_>>());
}
