//! Where results go beside the standard output.

use std::fs;
use std::path::Path;

use verity_benches::chart;
use verity_benches::record::Record;

use super::options::{self, Outputs};

const RECORD: &str = "record.json";
const TEXT: &str = "record.md";

impl Outputs {
    /// Finds out before anything is measured whether the files can be written.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.in_tree {
            options::source()
                .ok_or("the source is not here (--in-tree): name a file (--record)")?;
        }
        if let Some(out) = &self.out {
            fs::create_dir_all(out).map_err(|error| format!("{}: {error}", out.display()))?;
        }
        let files = [self.record.clone(), self.out.as_ref().map(|out| out.join(RECORD))];
        for file in files.into_iter().flatten() {
            let parent = file.parent().filter(|it| !it.as_os_str().is_empty());
            if file.exists() {
                return Err(format!("{} is there already: name another", file.display()));
            }
            if parent.is_some_and(|parent| !parent.is_dir()) {
                return Err(format!("{}: there is no such directory", file.display()));
            }
        }
        Ok(())
    }

    /// Writes everything that was asked for; `text` tells people the record.
    pub(crate) fn write(&self, record: &Record, text: &str) -> Result<(), String> {
        if let Some(file) = &self.record {
            record.save_as(file)?;
            told(file);
        }
        if let Some(out) = &self.out {
            record.save_as(&out.join(RECORD))?;
            told(&out.join(RECORD));
            let file = out.join(TEXT);
            fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
            told(&file);
            for file in chart::write(&chart::all(record)?, out)? {
                told(&file);
            }
        }
        if let Some(source) = options::source().filter(|_| self.in_tree) {
            told(&record.save(&source.join("benches/record"), text)?);
        }
        Ok(())
    }
}

fn told(file: &Path) {
    eprintln!("compare: wrote {}", file.display());
}
