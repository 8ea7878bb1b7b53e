//! The parsers of device-mapper text: a table line, option words, and the value of
//! `dm-mod.create=`.
//!
//! Invariants under test, each parser on the same input:
//! - no input panics; a refusal is one short printable line;
//! - a value that was accepted and written parses to an equal value, which is written equally;
//! - nothing is added or lost: input and output have the same words, up to leading zeros, the case
//!   of hex digits and the order of options;
//! - what is written is printable ASCII: a line with single spaces, a value of a length that the
//!   kernel takes.

use verity::internals::to_len;
use verity::table::{
    DeviceName, DmModCreate, FecOptions, KeyDescription, OnCorruption, OnError, Table,
    TableOptions, grub_set,
};
use verity::{Algorithm, BlockSize, HashType, Params, RootHash, Salt};

use crate::message;

/// The words of a table before its options: the last two are root hash and salt.
const FIXED_WORDS: usize = 13;

/// Checks the invariants for one input.
///
/// # Panics
/// If one does not hold.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    check_line(text);
    check_options(text);
    check_dm_mod_create(text);
}

fn check_line(text: &str) {
    let table = match text.parse::<Table>() {
        Ok(table) => table,
        Err(error) => return message::check(&error),
    };
    let line = table.to_string();
    assert_eq!(line.parse::<Table>().as_ref(), Ok(&table), "{line:?}");
    assert_eq!(table_words(text), table_words(&line), "words were added or lost");
    check_written(&line);
    assert!(!line.contains("  "), "not single spaces: {line:?}");

    let params = table.params();
    assert_eq!(params.algorithm().digest_size(), table.root_hash().digest().size());
    let sectors = u128::from(params.data_blocks()) * u128::from(params.data_block_size().bytes());
    assert_eq!(u128::from(table.sectors()) * 512, sectors, "{line:?}");
}

fn check_options(text: &str) {
    let options = match TableOptions::from_words(text.split_ascii_whitespace()) {
        Ok(options) => options,
        Err(error) => return message::check(&error),
    };
    let words = options.words();
    let again = TableOptions::from_words(words.iter().map(String::as_str));
    assert_eq!(again.as_ref(), Ok(&options), "{words:?}");
    let given = text.split_ascii_whitespace().map(plain_number);
    assert_eq!(sorted(given), sorted(words.iter().map(|word| plain_number(word))), "{words:?}");
}

fn check_dm_mod_create(text: &str) {
    let value = match text.parse::<DmModCreate>() {
        Ok(value) => value,
        Err(error) => return message::check(&error),
    };
    let written = value.to_string();
    assert_eq!(written.parse::<DmModCreate>().as_ref(), Ok(&value), "{written:?}");
    check_written(&written);
    assert!(written.len() <= DmModCreate::MAX_LEN, "{} bytes", written.len());
    assert!(!written.contains('"'), "it stands between double quotes: {written:?}");
    assert_eq!(text.matches([',', ';']).count(), written.matches([',', ';']).count());
    for (device, text) in value.devices().iter().zip(text.split(';')) {
        check_line(text.splitn(5, ',').last().unwrap_or_default());
        assert_eq!(Some(device.name()), text.split(',').next().map(str::trim_ascii));
    }
    match value.clone().and(value) {
        Ok(twice) => assert_eq!(twice.to_string(), format!("{written};{written}")),
        Err(error) => message::check(&error),
    }
}

fn check_written(text: &str) {
    assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "not printable: {text:?}");
    assert_eq!(text.trim(), text, "spaces at an end");
}

/// The words of a table line in one spelling, its options sorted.
fn table_words(line: &str) -> Vec<String> {
    let one_spelling = |(index, word): (usize, &str)| match index {
        11 | 12 => word.to_ascii_lowercase(),
        _ => plain_number(word),
    };
    let mut words: Vec<_> = line.split_ascii_whitespace().enumerate().map(one_spelling).collect();
    // A count of no options says nothing.
    if words.len() == FIXED_WORDS + 1 && words[FIXED_WORDS] == "0" {
        words.pop();
    }
    let options = words.split_off(words.len().min(FIXED_WORDS));
    words.extend(sorted(options.into_iter()));
    words
}

/// The word without leading zeros, if it is a number.
fn plain_number(word: &str) -> String {
    if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_digit()) {
        return word.to_owned();
    }
    match word.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => digits.to_owned(),
    }
}

fn sorted(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut words: Vec<_> = words.collect();
    words.sort();
    words
}

/// Valid table lines, option words and `dm-mod.create=` values.
///
/// # Panics
/// If what is written down here is refused.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let (plain, bare) = (TableOptions::default(), Salt::empty());
    for &algorithm in Algorithm::ALL {
        seeds.push(table(params(algorithm, bare.clone(), 300), 1, &plain).to_string());
    }
    let salt = Salt::new(&[0xa5; 256]).expect("a short salt");
    seeds.push(table(params(Algorithm::Sha256, salt, 1 << 40), 1 << 30, &plain).to_string());
    for options in all_options() {
        let params = params(Algorithm::Sha256, Salt::new(&[1; 32]).expect("short"), 300);
        let table = table(params, 300, &options);
        seeds.push(table.to_string());
        seeds.push(options.words().join(" "));
        // The key of a signature cannot be there so early.
        if let Ok(value) = DmModCreate::new("root", table) {
            seeds.push(value.clone().and(value.clone()).expect("short").to_string());
            seeds.push(value.to_string());
            grub_set("dm_verity_root", &value.to_string()).expect("plain text");
        }
    }
    seeds.into_iter().map(String::into_bytes).collect()
}

fn params(algorithm: Algorithm, salt: Salt, data_blocks: u64) -> Params {
    let builder = Params::builder().algorithm(algorithm).salt(salt).data_blocks(data_blocks);
    let legacy = algorithm.is_legacy();
    let builder = builder.hash_type(if legacy { HashType::ChromeOs } else { HashType::Normal });
    let builder = if legacy { builder.hash_block_size(BlockSize::MAX) } else { builder };
    builder.build().expect("valid parameters")
}

fn table(params: Params, hash_start: u64, options: &TableOptions) -> Table {
    let digits = "a5".repeat(to_len(params.algorithm().digest_size().into()));
    let root_hash: RootHash = digits.parse().expect("hex of a digest's length");
    let data = device("PARTUUID=$boot_uuid/PARTNROFF=1");
    let hash = device("/dev/vda2");
    let table = Table::new(params, root_hash, data, hash, hash_start);
    table.and_then(|table| table.with_options(options.clone())).expect("a valid table")
}

fn device(name: &str) -> DeviceName {
    DeviceName::new(name).expect("one word")
}

fn all_options() -> [TableOptions; 4] {
    let fec = FecOptions { device: device("8:3"), start: 309, blocks: 309, roots: 24 };
    let first = TableOptions {
        on_corruption: Some(OnCorruption::Restart),
        on_error: Some(OnError::Panic),
        ignore_zero_blocks: true,
        check_at_most_once: true,
        try_verify_in_tasklet: true,
        fec: Some(fec),
        root_hash_sig_key_desc: None,
    };
    let key = KeyDescription::new("verity:root").expect("one word");
    let signed = TableOptions { root_hash_sig_key_desc: Some(key), ..first.clone() };
    let panic =
        TableOptions { on_corruption: Some(OnCorruption::Panic), ..TableOptions::default() };
    [TableOptions::default(), panic, first, signed]
}
