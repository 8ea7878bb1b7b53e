//! Device-mapper tables: known lines of other projects, what is refused, and random round trips.

use proptest::prelude::*;
use verity::table::{
    DeviceName, DmModCreate, FecOptions, KeyDescription, OnCorruption, OnError, Table, TableError,
    TableOptions, grub_set,
};
use verity::{Algorithm, BlockSize, FecArea, FecError, HashArea, HashType, Params, RootHash, Salt};

const ROOT: &str = "9de18652fe74edfb9b805aaed72ae2aa48f94333f1ba5c452ac33b1c39325174";
const SALT: &str = "b6b8dc1c9ea57b1a1c2e7d3a7ae8ad33c9b7f4b8e3f4be2ae51ffb1fd1db8a3b";

fn line(options: &str) -> String {
    format!("0 2400 verity 1 /dev/vda1 /dev/vda2 4096 4096 300 1 sha256 {ROOT} {SALT}{options}")
}

fn refused(line: &str) -> TableError {
    line.parse::<Table>().expect_err(line)
}

#[test]
fn bottlerockets_line_is_reproduced_exactly() {
    let params =
        Params::builder().data_blocks(117_760).salt(SALT.parse().unwrap()).build().unwrap();
    let area = HashArea::new(&params, 0, true).unwrap();
    // The words in either order give Bottlerocket's order.
    for words in [
        ["restart_on_corruption", "ignore_zero_blocks"],
        ["ignore_zero_blocks", "restart_on_corruption"],
    ] {
        let table = Table::new(
            params.clone(),
            ROOT.parse().unwrap(),
            DeviceName::new("PARTUUID=$boot_uuid/PARTNROFF=1").unwrap(),
            DeviceName::new("PARTUUID=$boot_uuid/PARTNROFF=2").unwrap(),
            area.hash_start(),
        )
        .and_then(|table| table.with_options(TableOptions::from_words(words)?))
        .unwrap();
        let value = DmModCreate::new("root", table).unwrap();
        let expected = format!(
            "root,,,ro,0 942080 verity 1 PARTUUID=$boot_uuid/PARTNROFF=1 \
             PARTUUID=$boot_uuid/PARTNROFF=2 4096 4096 117760 1 sha256 {ROOT} {SALT} \
             2 restart_on_corruption ignore_zero_blocks"
        );
        assert_eq!(value.to_string(), expected);
        assert_eq!(expected.parse::<DmModCreate>().unwrap(), value);
        assert_eq!(
            grub_set("dm_verity_root", &expected).unwrap(),
            format!("set dm_verity_root=\"{expected}\"")
        );
        assert!(!value.exceeds_command_line());
    }
}

#[test]
fn lines_of_other_projects_survive() {
    let lines = [
        // veritysetup, without and with options
        line(""),
        line(" 1 ignore_corruption"),
        line(" 2 panic_on_corruption panic_on_error"),
        line(
            " 9 ignore_zero_blocks use_fec_from_device /dev/vda3 fec_start 1 fec_blocks 304 \
             fec_roots 2",
        ),
        line(" 2 root_hash_sig_key_desc cryptsetup:root-pkcs7"),
        // the kernel's documentation
        "0 2097152 verity 1 /dev/sda1 /dev/sda2 4096 4096 262144 1 sha256 \
         4392712ba01368efdf14b05c76f9e4df0d53664630b5d48632ed17a137f39076 \
         1234000000000000000000000000000000000000000000000000000000000000"
            .to_owned(),
        // RAUC: data and tree in one file
        format!("0 800 verity 1 7:0 7:0 4096 4096 100 100 sha256 {ROOT} {SALT}"),
        // nydus: unequal block sizes, no salt
        format!("0 300 verity 1 /dev/vda /dev/vdb 512 4096 300 0 sha256 {ROOT} -"),
        // Chrome OS
        format!("0 8 verity 0 ROOT_DEV HASH_DEV 4096 4096 1 1 sha1 {} -", "ab".repeat(20)),
    ];
    for line in lines {
        assert_eq!(line.parse::<Table>().unwrap().to_string(), line);
    }
}

#[test]
fn kata_and_bottlerocket_eif_values_survive() {
    let values = [
        format!("dm-verity,,,ro,{}", line("").replace(" 300 1 ", " 300 0 ")),
        format!("root,,,ro,{}", line(" 2 restart_on_corruption ignore_zero_blocks")),
        format!("a,CRYPT-VERITY-x,7,ro,{};b,,,ro,{}", line(""), line(" 1 ignore_corruption")),
    ];
    for value in values {
        assert_eq!(value.parse::<DmModCreate>().unwrap().to_string(), value);
    }
}

#[test]
fn avbs_line_is_read_and_written_in_our_order() {
    let avb = format!(
        "0 8192 verity 1 PARTUUID=$(ANDROID_SYSTEM_PARTUUID) PARTUUID=$(ANDROID_SYSTEM_PARTUUID) \
         4096 4096 1024 1024 sha1 {} {} 10 restart_on_corruption ignore_zero_blocks \
         use_fec_from_device PARTUUID=$(ANDROID_SYSTEM_PARTUUID) fec_roots 2 fec_blocks 1033 \
         fec_start 1033",
        "ab".repeat(20),
        "cd".repeat(20),
    );
    let table: Table = avb.parse().unwrap();
    let fec = table.options().fec.as_ref().unwrap();
    assert_eq!((fec.start, fec.blocks, fec.roots), (1033, 1033, 2));
    let ours = table.to_string();
    assert!(ours.ends_with("fec_start 1033 fec_blocks 1033 fec_roots 2"), "{ours}");
    assert_eq!(ours.parse::<Table>().unwrap(), table);
    // The variable that AVB puts in for a mode is no option.
    let variable = avb.replace("restart_on_corruption", "$(ANDROID_VERITY_MODE)");
    assert!(matches!(refused(&variable), TableError::UnknownOption { .. }));
}

#[test]
fn any_whitespace_and_upper_case_hex_are_read() {
    let table: Table = line("").parse().unwrap();
    let spread = line("").replace(' ', " \t\n").replace(ROOT, &ROOT.to_uppercase());
    assert_eq!(format!("\n {spread} \r\n").parse::<Table>().unwrap(), table);
    assert_eq!(line(" 0").parse::<Table>().unwrap(), table);
}

#[test]
fn start_and_length_must_be_those_of_the_data() {
    assert_eq!(refused(&line("").replacen('0', "8", 1)), TableError::Start { start: 8 });
    for sectors in ["2392", "2401", "0"] {
        let error = refused(&line("").replace("2400", sectors));
        assert!(matches!(error, TableError::Sectors { expected: 2400, .. }), "{error}");
    }
}

#[test]
fn malformed_lines_are_refused() {
    let good = line("");
    for (from, to) in [
        (" verity ", " crypt "),
        (" verity ", " VERITY "),
        (" verity 1 ", " verity 2 "),
        (" verity 1 ", " verity -1 "),
        (" verity 1 ", " verity 4294967297 "),
        ("0 2400", "0x0 2400"),
        ("0 2400", "+0 2400"),
        ("2400", "18446744073709551616"),
        (" 4096 4096 ", " 4096 4095 "),
        (" 4096 4096 ", " 1048576 4096 "),
        (" 300 1 ", " 0 1 "),
        (" 300 1 ", " 18446744073709551615 1 "),
        (" 300 1 ", " 300 18446744073709551615 "),
        (" 300 1 ", " 300 4503599627370495 "),
        (" sha256 ", " sha-256 "),
        (" sha256 ", " SHA256 "),
        (" sha256 ", " sha1 "),
        (ROOT, &ROOT[1..]),
        (ROOT, "-"),
        (SALT, &SALT[1..]),
        (SALT, "0x00"),
        ("/dev/vda1", "/dev/vda\\1"),
        ("/dev/vda1", "/dev/vd\u{e0}"),
    ] {
        let line = good.replacen(from, to, 1);
        assert_ne!(line, good);
        refused(&line);
    }
    let words: Vec<_> = good.split(' ').collect();
    for count in 0..words.len() {
        let error = refused(&words[..count].join(" "));
        assert!(matches!(error, TableError::Missing { .. }), "{count} words: {error}");
    }
    assert!(matches!(refused(&" ".repeat(1 << 17)), TableError::TooLong { .. }));
}

#[test]
fn options_are_refused_by_what_is_wrong_with_them() {
    let fec = "use_fec_from_device D fec_start 1 fec_blocks 304 fec_roots 2";
    let unknown = refused(&line(" 1 ignore_zero_block"));
    assert!(unknown.to_string().contains("ignore_zero_blocks, check_at_most_once"), "{unknown}");
    for (options, wanted) in [
        (" 1 ignore_corruption restart_on_corruption", "announced"),
        (" 2 ignore_corruption", "announced"),
        (" x ignore_corruption", "no number of option words"),
        (" ignore_corruption", "no number of option words"),
        (" 2 ignore_corruption restart_on_corruption", "contradict"),
        (" 2 panic_on_error restart_on_error", "contradict"),
        (" 2 panic_on_error panic_on_error", "twice"),
        (" 2 ignore_zero_blocks ignore_zero_blocks", "twice"),
        (" 1 root_hash_sig_key_desc", "needs a value"),
        (" 2 use_fec_from_device D", "fec_start is missing"),
        (" 6 use_fec_from_device D fec_start 1 fec_blocks 304", "fec_roots is missing"),
        (" 2 fec_roots 2", "use_fec_from_device is missing"),
        (&format!(" 8 {}", fec.replace("304", "303")), "have 304"),
        (&format!(" 8 {}", fec.replace("roots 2", "roots 1")), "from 2 to 24"),
        (&format!(" 8 {}", fec.replace("roots 2", "roots 25")), "from 2 to 24"),
        (&format!(" 8 {}", fec.replace("roots 2", "roots 4294967298")), "4294967298"),
        (
            &format!(" 8 {}", fec.replace("fec_start 1", "fec_start 18446744073709551615")),
            "beyond 2^64",
        ),
        (&format!(" 10 {fec} fec_roots 2"), "twice"),
    ] {
        let error = refused(&line(options)).to_string();
        assert!(error.contains(wanted), "{options}: {error}");
    }
    let unequal = line(&format!(" 8 {fec}")).replace(" 4096 4096 ", " 4096 512 ");
    assert!(matches!(refused(&unequal), TableError::Fec(FecError::BlockSizes { .. })));
}

#[test]
fn a_tree_in_the_data_of_one_device_is_refused() {
    let one = |start: &str| {
        line("").replace("/dev/vda2", "/dev/vda1").replace(" 300 1 ", &format!(" 300 {start} "))
    };
    one("300").parse::<Table>().unwrap();
    assert!(matches!(refused(&one("299")), TableError::HashArea(_)));
}

#[test]
fn g04_parity_in_what_it_covers_on_one_device_is_refused() {
    let fec = |device: &str, start: u64, blocks: u64| {
        line(&format!(
            " 8 use_fec_from_device {device} fec_start {start} fec_blocks {blocks} fec_roots 2"
        ))
    };
    // The tree has the hash blocks 1 to 4.
    fec("/dev/vda2", 5, 304).parse::<Table>().unwrap();
    fec("/dev/vda2", 9, 308).parse::<Table>().unwrap();
    fec("/dev/vda1", 300, 304).parse::<Table>().unwrap();
    fec("/dev/vda3", 0, 308).parse::<Table>().unwrap();
    for start in [0, 1, 4] {
        let error = refused(&fec("/dev/vda2", start, 304));
        assert!(matches!(error, TableError::Fec(FecError::OverlapsHashArea { .. })), "{error}");
    }
    let error = refused(&fec("/dev/vda2", 8, 308));
    assert!(matches!(error, TableError::Fec(FecError::CoversItself { .. })), "{error}");
    for start in [0, 299] {
        let error = refused(&fec("/dev/vda1", start, 304));
        assert!(matches!(error, TableError::Fec(FecError::OverlapsData { .. })), "{error}");
    }
}

#[test]
fn parity_of_an_area_becomes_its_words() {
    let table: Table = line("").parse().unwrap();
    let hash_area = HashArea::new(table.params(), 0, true).unwrap();
    let fec_area = FecArea::behind_hash_area(table.params(), &hash_area, 24).unwrap();
    let fec = Some(FecOptions::new(DeviceName::new("/dev/vda2").unwrap(), &fec_area));
    let table = table.with_options(TableOptions { fec, ..TableOptions::default() }).unwrap();
    let words = " 8 use_fec_from_device /dev/vda2 fec_start 5 fec_blocks 304 fec_roots 24";
    assert_eq!(table.to_string(), line(words));
}

/// As pairs every option stands alone: its value is its own, or there is none.
#[test]
fn options_as_pairs_are_those_of_their_words() {
    let pairs = [
        ("restart_on_corruption", None),
        ("use_fec_from_device", Some("/dev/vda3")),
        ("fec_start", Some("0")),
        ("fec_blocks", Some("304")),
        ("fec_roots", Some("2")),
        ("root_hash_sig_key_desc", Some("key")),
    ];
    let words = pairs.iter().flat_map(|(name, value)| [Some(*name), *value]).flatten();
    let options = TableOptions::from_words(words).unwrap();
    assert_eq!(TableOptions::from_pairs(pairs), Ok(options));
    for option in TableOptions::NAMES {
        let takes_value =
            option.starts_with("fec") || option.contains("device") || option.contains("key");
        let error = match takes_value {
            true => TableOptions::from_pairs([(*option, None), ("ignore_zero_blocks", None)]),
            false => TableOptions::from_pairs([(*option, Some("1"))]),
        };
        match (takes_value, error.unwrap_err()) {
            (true, TableError::MissingValue { option: named })
            | (false, TableError::UnexpectedValue { option: named }) => assert_eq!(named, *option),
            (_, error) => panic!("{option}: {error}"),
        }
    }
}

#[test]
fn dm_mod_create_checks_names_fields_and_lengths() {
    let table = || line("").parse::<Table>().unwrap();
    for name in
        ["", ".", "..", "a b", "a,b", "a;b", "a/b", "a\"b", "a\\b", "\u{e0}", &"a".repeat(128)]
    {
        assert!(
            matches!(DmModCreate::new(name, table()), Err(TableError::DmName { .. })),
            "{name}"
        );
    }
    DmModCreate::new(&"a".repeat(127), table()).unwrap();
    for device in ["PARTLABEL=a,b", "PARTLABEL=a;b", "PARTLABEL=\"a"] {
        let table = line("").replace("/dev/vda2", device).parse().unwrap();
        assert!(matches!(DmModCreate::new("a", table), Err(TableError::Character { .. })));
    }
    let signed = line(" 2 root_hash_sig_key_desc k").parse().unwrap();
    assert_eq!(DmModCreate::new("a", signed), Err(TableError::KeyTooEarly));
    for (value, wanted) in [
        (format!("a,,,rw,{}", line("")), "read-only"),
        (format!("a,,,,{}", line("")), "read-only"),
        (format!("a,,x,ro,{}", line("")), "minor number"),
        (format!("a,,1048576,ro,{}", line("")), "minor number"),
        (format!("a,{},,ro,{}", "u".repeat(129), line("")), "too long"),
        (format!("a,,,ro,{},{}", line(""), line("")), "one table"),
        (format!("a,,,ro,{};", line("")), "before its UUID"),
        ("a,,,ro".to_owned(), "before its table"),
        (String::new(), "before its UUID"),
    ] {
        let error = value.parse::<DmModCreate>().expect_err(&value).to_string();
        assert!(error.contains(wanted), "{value}: {error}");
    }
}

#[test]
fn dm_mod_create_is_bounded_as_the_kernel_bounds_it() {
    let fill = |len: usize| {
        let rest = format!("a,,,ro,{}", line("").replace("/dev/vda2", "")).len();
        let line = line("").replace("/dev/vda2", &"d".repeat(len - rest));
        DmModCreate::new("a", line.parse().unwrap())
    };
    assert!(!fill(2031).unwrap().exceeds_command_line());
    assert!(fill(2032).unwrap().exceeds_command_line());
    let longest = fill(4095).unwrap();
    assert_eq!(longest.to_string().parse(), Ok(longest.clone()));
    assert_eq!(fill(4096), Err(TableError::TooLong { len: 4096, max: 4095 }));
    assert!(matches!(longest.clone().and(longest), Err(TableError::TooLong { len: 8191, .. })));
    assert!("x".repeat(4096).parse::<DmModCreate>().is_err());
}

#[test]
fn grub_values_keep_dollars_and_nothing_that_quotes() {
    assert_eq!(grub_set("_a1", "$b ${c} `d` 'e'").unwrap(), r#"set _a1="$b ${c} `d` 'e'""#);
    for value in ["a\"b", "a\\b", "a\nb", "a\tb", "\u{e0}", "\0"] {
        assert!(matches!(grub_set("v", value), Err(TableError::GrubValue { .. })), "{value:?}");
    }
    for variable in ["", "1a", "a-b", "a b", "a=b", "$a", "\u{e0}"] {
        assert!(matches!(grub_set(variable, ""), Err(TableError::GrubVariable { .. })));
    }
}

fn params() -> impl Strategy<Value = Params> {
    let block_size = || (9_u32..=19).prop_map(|power| BlockSize::new(1 << power).unwrap());
    (
        prop::sample::select(Algorithm::ALL),
        prop::sample::select(vec![HashType::ChromeOs, HashType::Normal]),
        block_size(),
        block_size(),
        prop_oneof![1_u64..5, 1_u64..1 << 20, 1_u64..1 << 44],
        prop::collection::vec(any::<u8>(), 0..=256),
    )
        .prop_map(
            |(algorithm, hash_type, data_block_size, hash_block_size, data_blocks, salt)| {
                Params::builder()
                    .algorithm(algorithm)
                    .hash_type(hash_type)
                    .data_block_size(data_block_size)
                    .hash_block_size(hash_block_size)
                    .data_blocks(data_blocks)
                    .salt(Salt::new(&salt).unwrap())
                    .build()
                    .unwrap()
            },
        )
}

fn options(params: Params) -> impl Strategy<Value = TableOptions> {
    let fec_fits = params.data_block_size() == params.hash_block_size();
    let least = params.data_blocks() + params.geometry().hash_blocks();
    let fec = (device(), 0..1_u64 << 40, least..=least + (1 << 40), 2_u32..=24)
        .prop_map(|(device, start, blocks, roots)| FecOptions { device, start, blocks, roots });
    (
        prop::option::of(prop::sample::select(vec![
            OnCorruption::Ignore,
            OnCorruption::Restart,
            OnCorruption::Panic,
        ])),
        prop::option::of(prop::sample::select(vec![OnError::Restart, OnError::Panic])),
        any::<[bool; 3]>(),
        prop::option::of(fec),
        prop::option::of("[!-\\[\\]-~]{1,40}"),
    )
        .prop_map(move |(on_corruption, on_error, flags, fec, key)| TableOptions {
            on_corruption,
            on_error,
            ignore_zero_blocks: flags[0],
            check_at_most_once: flags[1],
            try_verify_in_tasklet: flags[2],
            fec: fec.filter(|_| fec_fits),
            root_hash_sig_key_desc: key.map(|key| KeyDescription::new(key).unwrap()),
        })
}

fn device() -> impl Strategy<Value = DeviceName> {
    "[!-\\[\\]-~]{1,60}".prop_map(|name| DeviceName::new(name).unwrap())
}

fn table() -> impl Strategy<Value = Table> {
    params()
        .prop_flat_map(|params| {
            let size = usize::try_from(params.algorithm().digest_size()).unwrap();
            let root_hash = prop::collection::vec(any::<u8>(), size);
            let hash_start = 0_u64..1 << 40;
            (Just(params.clone()), root_hash, device(), device(), hash_start, options(params))
        })
        .prop_filter_map("one device", |(params, root, data, hash, hash_start, options)| {
            let root_hash = RootHash::new(verity::Digest::new(&root).unwrap());
            Table::new(params, root_hash, data, hash, hash_start)
                .and_then(|table| table.with_options(options))
                .ok()
        })
}

/// Words that take the parser past its first checks.
fn salad() -> impl Strategy<Value = String> {
    let words =
        ["0", "8", "1", "verity", "/dev/a", "4096", "512", "sha256", ROOT, "-", "a,,,ro,0", ";"];
    let words: Vec<_> = words.iter().chain(TableOptions::NAMES).copied().collect();
    prop::collection::vec(prop::sample::select(words), 0..40).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn tables_round_trip(table in table()) {
        let line = table.to_string();
        prop_assert!(!line.contains("  ") && line.trim() == line);
        prop_assert_eq!(line.parse::<Table>().unwrap(), table);
    }

    #[test]
    fn dm_mod_create_round_trips(tables in prop::collection::vec(table(), 1..4)) {
        let devices = tables.into_iter().filter_map(|table| DmModCreate::new("x", table).ok());
        if let Some(value) = devices.reduce(|all, one| all.clone().and(one).unwrap_or(all)) {
            prop_assert_eq!(value.to_string().parse::<DmModCreate>().unwrap(), value);
        }
    }

    #[test]
    fn nothing_that_is_read_is_written_differently_the_second_time(
        table in table(),
        at in any::<prop::sample::Index>(),
        by in any::<char>(),
        cut in any::<bool>(),
    ) {
        let mut line: Vec<char> = table.to_string().chars().collect();
        let at = at.index(line.len());
        if cut { line.truncate(at) } else { line[at] = by }
        let line: String = line.into_iter().collect();
        if let Ok(read) = line.parse::<Table>() {
            prop_assert_eq!(read.to_string().parse::<Table>().unwrap(), read);
        }
        let _ = format!("a,,,ro,{line}").parse::<DmModCreate>();
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in prop_oneof![any::<String>(), salad()]) {
        let _ = text.parse::<Table>();
        let _ = text.parse::<DmModCreate>();
        let _ = grub_set(&text, &text);
    }
}

#[test]
fn numbers_beyond_their_type_are_refused_as_they_were_written() {
    let words = "use_fec_from_device /dev/sda fec_start 1 fec_blocks 9 fec_roots 4294967296";
    let error = TableOptions::from_words(words.split(' ')).unwrap_err();
    assert!(error.to_string().contains("4294967296"), "{error}");
}
