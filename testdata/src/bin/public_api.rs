//! Holds what a library shows to others against the list of it; for `.ci/public-api`.
//!
//!     public_api [--bless] JSON LIST
//!
//! JSON is what rustdoc tells of the library. LIST has an item a line: what is public, and which
//! traits it has, `Send` and `Sync` among them.

use std::collections::BTreeSet;
use std::error::Error;
use std::process::ExitCode;
use std::{env, fs};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["--bless", json, list] => bless(json, list),
        [json, list] if !json.starts_with('-') => compare(json, list),
        _ => {
            eprintln!("usage: public_api [--bless] JSON LIST");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("public_api: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bless(json: &str, list: &str) -> Result<(), Box<dyn Error>> {
    Ok(fs::write(list, shown(json)?.join("\n") + "\n")?)
}

fn compare(json: &str, list: &str) -> Result<(), Box<dyn Error>> {
    let listed = fs::read_to_string(list).map_err(|error| format!("{list}: {error}"))?;
    let (listed, shown): (BTreeSet<_>, _) =
        (listed.lines().map(str::to_owned).collect(), shown(json)?);
    let shown = BTreeSet::from_iter(shown);
    if listed == shown {
        return Ok(());
    }
    listed.difference(&shown).for_each(|line| eprintln!("-{line}"));
    shown.difference(&listed).for_each(|line| eprintln!("+{line}"));
    Err(format!("{list} is not what the library shows: .ci/public-api --bless, if that is meant")
        .into())
}

/// What a library shows, an item a line.
fn shown(json: &str) -> Result<Vec<String>, Box<dyn Error>> {
    // Methods of derived traits say nothing that the trait does not.
    let items = public_api(json, true)?;
    let items: BTreeSet<&str> = items.iter().map(String::as_str).collect();
    let all = public_api(json, false)?;
    Ok(all.into_iter().filter(|line| items.contains(&**line) || is_trait_of_type(line)).collect())
}

fn public_api(json: &str, omits: bool) -> Result<Vec<String>, Box<dyn Error>> {
    let builder = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(omits)
        .omit_auto_derived_impls(omits);
    Ok(builder.build()?.items().map(ToString::to_string).collect())
}

/// Whether a line says that a type has a trait on which programs count.
fn is_trait_of_type(line: &str) -> bool {
    let is_noise = |name: &&str| line.contains(&format!("{name} for "));
    line.starts_with("impl") && !NOISE.iter().any(|name| is_noise(&name))
}

/// Nobody asks for them, or they come with what is asked for.
const NOISE: [&str; 6] = [
    "core::marker::Freeze",
    "core::marker::StructuralPartialEq",
    "core::marker::Unpin",
    "core::marker::UnsafeUnpin",
    "core::panic::unwind_safe::RefUnwindSafe",
    "core::panic::unwind_safe::UnwindSafe",
];
