//! Looks for calls in the kernels of a built program.
//!
//!     kernel_calls SOURCES OBJDUMP PROGRAM
//!
//! SOURCES is the folder of the kernels for the program's architecture (verity/src/hash/x86_64):
//! each kernel that is declared there must stand in the program as a function, and call nothing
//! but panics, and memcpy where no rounds are.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, fs};

use verity_testdata::disassembly::{Function, functions};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [sources, objdump, program] = &arguments[..] else {
        eprintln!("usage: kernel_calls SOURCES OBJDUMP PROGRAM");
        return ExitCode::from(2);
    };
    match look(Path::new(sources), objdump, program) {
        Ok(words) => {
            println!("{words}");
            ExitCode::SUCCESS
        }
        Err(words) => {
            eprintln!("kernel_calls: {program}: {words}");
            ExitCode::FAILURE
        }
    }
}

fn look(sources: &Path, objdump: &str, program: &str) -> Result<String, String> {
    let kernels = declared(sources).map_err(|error| format!("{}: {error}", sources.display()))?;
    if kernels.is_empty() {
        return Err(format!("no kernel is declared in {}", sources.display()));
    }
    let functions = functions(&disassembled(objdump, program)?);
    let (mut harmless, mut faults) = (0, Vec::new());
    for (file, kernel) in &kernels {
        let bodies: Vec<_> =
            functions.iter().filter(|function| is_of(function, file, kernel)).collect();
        if bodies.is_empty() {
            faults.push(format!("{file}::{kernel} is not a function of the program"));
        }
        if bodies.iter().any(|body| !body.has_rounds()) {
            faults.push(format!("{file}::{kernel} has no loop with rounds that could be found"));
        }
        for call in bodies.iter().flat_map(|body| body.calls()) {
            match call.is_harmless() {
                true => harmless += 1,
                false => faults.push(format!(
                    "{file}::{kernel} calls {} at {:x}{}",
                    call.to,
                    call.address,
                    if call.among_rounds { ", among its rounds" } else { "" },
                )),
            }
        }
    }
    match faults.is_empty() {
        true => Ok(format!(
            "{} kernels, none of which calls anything but panics, and memcpy where no rounds are \
             ({harmless} such calls)",
            kernels.len()
        )),
        false => Err(faults.join("\n  ")),
    }
}

/// The kernels of a folder: file and function.
fn declared(sources: &Path) -> std::io::Result<Vec<(String, String)>> {
    let mut kernels = Vec::new();
    for entry in fs::read_dir(sources)? {
        let path = entry?.path();
        let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path)?;
        for (before, line) in std::iter::once("").chain(text.lines()).zip(text.lines()) {
            // In `entries!`, and in `compress!`.
            let entry = line.trim().strip_prefix("pub(in crate::hash) fn ");
            let entry = entry.and_then(|rest| rest.split_once("(group: "));
            let by_hand =
                line.trim().split_once(": u").filter(|(_, rest)| rest.ends_with("lanes;"));
            let Some((name, _)) = entry.or(by_hand) else { continue };
            // Twins of a kernel are in no program.
            if !name.contains(' ') && !before.contains("cfg(test)") {
                kernels.push((file.clone(), name.to_owned()));
            }
        }
    }
    kernels.sort();
    Ok(kernels)
}

fn is_of(function: &Function, file: &str, kernel: &str) -> bool {
    let name = &function.name;
    let is_kernel =
        name.ends_with(&format!("::{kernel}::entered")) || name.ends_with(&format!("::{kernel}"));
    name.contains(&format!("::{file}::")) && name.contains("hash::") && is_kernel
}

fn disassembled(objdump: &str, program: &str) -> Result<String, String> {
    let command = Command::new(objdump).args(["-d", "-C", "--no-show-raw-insn", program]).output();
    let output = command.map_err(|error| format!("{objdump}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{objdump}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
