//! The text for the kernel.

use std::ffi::{c_char, c_int};

use verity::table::{DeviceName, FecOptions, Table, TableOptions};

use crate::failure::{Failure, verity_error};
use crate::guard::guarded;
use crate::library::{hand_out_bytes, verity_blob};
use crate::pointers::{get, optional_text, text};
use crate::trust::verity_trusted;

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_table(
    trusted: *const verity_trusted,
    data_name: *const c_char,
    hash_name: *const c_char,
    fec_name: *const c_char,
    options: *const c_char,
    out: *mut verity_blob,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        let (trusted, data, hash, fec, options) = unsafe {
            (
                get(trusted, "trusted")?,
                text(data_name, "data_name")?,
                text(hash_name, "hash_name")?,
                optional_text(fec_name, "fec_name")?,
                optional_text(options, "options")?,
            )
        };
        let line = table([data, hash], fec, options.unwrap_or(""), trusted)?;
        // SAFETY: NULL, or room for bytes.
        unsafe { hand_out_bytes(out, line.into_bytes()) }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

fn table(
    [data, hash]: [&str; 2],
    fec: Option<&str>,
    options: &str,
    trusted: &verity_trusted,
) -> Result<String, Failure> {
    let params = &trusted.trusted;
    let mut options = TableOptions::from_words(options.split_ascii_whitespace())?;
    if let Some(device) = fec {
        let area = trusted.fec_area()?;
        options.fec = Some(FecOptions {
            device: DeviceName::new(device)?,
            start: area.start(),
            blocks: area.blocks(),
            roots: area.roots(),
        });
    }
    let table = Table::new(
        params.params().clone(),
        params.root_hash(),
        DeviceName::new(data)?,
        DeviceName::new(hash)?,
        params.hash_area().hash_start(),
    )?;
    Ok(table.with_options(options)?.to_string())
}
