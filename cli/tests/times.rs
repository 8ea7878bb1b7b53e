//! Times and versions on the command line.

use crate::common::{Dir, SIGNED_BUILD};
use verity_testdata::oracle;

/// What `date` says of the same text.
fn by_date(dir: &Dir, text: &str) -> u64 {
    let mut date = dir.tool("date");
    oracle::run_ok(date.args(["-u", "+%s", "-d", text])).trim().parse().unwrap()
}

#[test]
fn a_manifest_ends_when_its_date_says() {
    let dir = Dir::with_signed_set(3);
    for (text, same) in [
        ("2099-12-31", "2099-12-31T23:59:59Z"),
        ("2096-02-29", "2096-02-29T23:59:59Z"),
        ("2099-12-31T12:00:00Z", "2099-12-31T12:00:00Z"),
        ("2099-12-31T12:00:00+02:00", "2099-12-31T12:00:00+02:00"),
        ("2099-12-31t12:00:00.25-11:30", "2099-12-31T12:00:00-11:30"),
    ] {
        dir.ok(&format!("{SIGNED_BUILD} --not-after {text}"));
        let end = by_date(&dir, same);
        let check = "check image.raw --certificate rsa2048.cert --json --at";
        let json = dir.run(&format!("{check} {end}")).json();
        assert_eq!(json["not_after"], end, "{text}");
        let run = dir.run(&format!("{check} {}", end + 1));
        assert_eq!(run.code, 5, "{text}: {run:?}");
    }
    dir.ok(&format!("{SIGNED_BUILD} --not-after 2099-12-31"));
    let check = "check image.raw --certificate rsa2048.cert --at";
    dir.ok(&format!("{check} 2099-12-31"));
    let words = "valid until 2099-12-31T23:59:59Z, and it is 2100-01-01T00:00:00Z now";
    dir.fails(&format!("{check} 2100-01-01"), 5, words);
    dir.fails(&format!("{check} 4102444800"), 5, words);
    dir.fails(&format!("{check} @4102444800"), 5, words);
    dir.ok(&format!("{check} @20270131"));
}

#[test]
fn errors_about_times_speak_of_dates() {
    let dir = Dir::with_signed_set(3);
    for (value, words) in [
        ("tomorrow", "not a time: 2027-01-31"),
        ("2027-1-1", "not a time: 2027-01-31"),
        ("2027-02-30", "no such day"),
        ("2027-01-01T25:00:00Z", "no such time of day"),
        ("2027-01-01T12:00:00", "needs its zone"),
        ("1969-12-31", "before 1970"),
        ("20270131", "may be a date: one is written as 2027-01-31"),
        ("31012027", "may be a date"),
        ("2027", "with @ in front"),
        ("20270131120000", "may be a date"),
        ("@2027-01-31", "not a time: 2027-01-31"),
    ] {
        for line in [
            format!("{SIGNED_BUILD} --not-after {value}"),
            format!("check image.raw --certificate rsa2048.cert --at {value}"),
            format!("lint-signature image.roothash.p7s --at {value}"),
        ] {
            dir.fails(&line, 2, words);
        }
    }
    dir.fails(&format!("{SIGNED_BUILD} --image-version 1.2.3"), 2, "not a version: one whole");
    for (option, words) in [
        ("--threads many", "a plain decimal number is needed"),
        ("--fec-roots two", "a plain decimal number is needed"),
        ("--data-blocks 4K", "digits alone, no suffix"),
    ] {
        let run = dir.fails(&format!("{SIGNED_BUILD} {option}"), 2, words);
        assert!(!run.stderr.contains("other things"), "{run:?}");
    }
}

/// Every architecture of the specification has its types, and can be asked for by any of its names.
#[test]
fn partition_types_of_one_architecture() {
    let dir = Dir::with_signed_set(3);
    let types = |line: &str| {
        let json = dir.run(&format!("{SIGNED_BUILD} --systemd {line} --json")).json();
        let types = json["partitions"][2]["types"].as_array().unwrap().clone();
        types.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(types("").len(), 21);
    assert_eq!(types("--architecture riscv64"), ["root-riscv64-verity-sig"]);
    assert_eq!(
        types("--usr --architecture ppc64le --architecture s390x"),
        ["usr-ppc64-le-verity-sig", "usr-s390x-verity-sig"]
    );
    dir.fails(&format!("{SIGNED_BUILD} --systemd --architecture vax"), 2, "loongarch64");
    dir.fails(&format!("{SIGNED_BUILD} --architecture arm64"), 2, "--systemd");
}
