//! Records, against bytes that a kernel answered with: Linux 6.12.117 on x86-64, device-mapper
//! 4.48, verity 1.10, in `answers/`. Zeros at the end are left out there.

use verity::table::{OnCorruption, OnError, Table, TableOptions};
use verity_dm::Health;
use verity_dm::record::{
    Answer, Command, DeviceNumber, Flags, LOOP_AUTOCLEAR, LOOP_READ_ONLY, LogRecord, LoopInfo,
    Request, TargetVersion, VerityLine, encode_target, loop_config, parse_devices, parse_targets,
    parse_versions,
};

const ROOT: DeviceNumber = DeviceNumber { major: 253, minor: 0 };

/// The bytes of an answer, with the zeros at its end.
fn answer(text: &str, size: usize) -> Vec<u8> {
    let mut bytes = hex::decode(text.split_whitespace().collect::<String>()).unwrap();
    assert!(bytes.len() <= size);
    bytes.resize(size, 0);
    bytes
}

#[test]
#[cfg(target_endian = "little")]
fn a_device_is_read() {
    let bytes = answer(include_str!("answers/device.hex"), 16 << 10);
    let answer = Answer::parse(&bytes).unwrap();
    assert_eq!(answer.version, [4, 48, 0]);
    assert_eq!((answer.number, &*answer.name), (ROOT, "root"));
    assert_eq!(answer.uuid, "CRYPT-VERITY-a60c98d2ae9b4865bfcbb4e3ace11033-root");
    assert_eq!((answer.open_count, answer.target_count), (0, 1));
    assert!(answer.flags.has(Flags::READ_ONLY | Flags::ACTIVE_PRESENT));
    for absent in [Flags::SUSPENDED, Flags::DEFERRED_REMOVE, Flags::INACTIVE_PRESENT] {
        assert!(!answer.flags.has(absent));
    }
    assert_eq!(answer.payload, [0; 0]);
}

#[test]
#[cfg(target_endian = "little")]
fn a_table_and_its_status_are_read() {
    let bytes = answer(include_str!("answers/table.hex"), 16 << 10);
    let answered = Answer::parse(&bytes).unwrap();
    let targets = parse_targets(answered.payload, answered.target_count).unwrap();
    let [target] = &targets[..] else { panic!("{targets:?}") };
    assert_eq!((target.start, target.sectors, &*target.kind), (0, 512, "verity"));
    let line = VerityLine::parse(&target.text).unwrap();
    assert_eq!(line.data_number(), Some(DeviceNumber { major: 7, minor: 1 }));
    assert_eq!(line.hash_number(), Some(DeviceNumber { major: 7, minor: 0 }));
    assert_eq!((line.data_blocks, line.hash_start, line.hash_type), (64, 1, 1));
    assert!(line.is_signed() && line.fec_number().is_none());
    assert_eq!((line.root_hash.len(), line.salt.len()), (64, 64));

    let bytes = answer(include_str!("answers/status.hex"), 16 << 10);
    let answered = Answer::parse(&bytes).unwrap();
    let targets = parse_targets(answered.payload, answered.target_count).unwrap();
    assert_eq!(targets[0].text, "V");
    assert!(Health::parse(&targets[0].text).is_uncorrupted());
}

#[test]
#[cfg(target_endian = "little")]
fn lists_are_read() {
    let bytes = answer(include_str!("answers/versions.hex"), 16 << 10);
    let versions = parse_versions(Answer::parse(&bytes).unwrap().payload).unwrap();
    let verity = TargetVersion { kind: "verity".to_owned(), version: [1, 10, 0] };
    assert_eq!(versions[0], verity);
    let kinds: Vec<_> = versions.iter().map(|target| &*target.kind).collect();
    assert_eq!(kinds, ["verity", "striped", "linear", "error"]);
    let bytes = answer(include_str!("answers/no-devices.hex"), 16 << 10);
    assert_eq!(parse_devices(Answer::parse(&bytes).unwrap().payload), Ok(vec![]));
}

#[test]
#[cfg(target_endian = "little")]
fn a_loop_device_is_read() {
    let bytes = answer(include_str!("answers/loop.hex"), LoopInfo::SIZE);
    let info = LoopInfo::parse(bytes.first_chunk().unwrap());
    assert_eq!(info.device, DeviceNumber { major: 0, minor: 24 });
    assert_eq!((info.inode, info.offset, info.size_limit), (4, 0, 0));
    assert_eq!(info.name, "/tmp/image-1/hash");
    assert!(info.has(LOOP_AUTOCLEAR | LOOP_READ_ONLY));
    let long = LoopInfo::parse(&LoopInfo::encode(LOOP_AUTOCLEAR, &[b'x'; 100], 512, 1024));
    assert_eq!((long.name.len(), long.flags), (63, LOOP_AUTOCLEAR));
}

#[test]
fn requests_are_laid_out_as_the_kernel_wants_them() {
    let payload = encode_target("verity", 2048, "1 7:0").unwrap();
    assert_eq!(payload.len(), 48);
    let number =
        |bytes: &[u8], at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(
        (number(&payload, 20), &payload[24..30], &payload[40..46]),
        (48, &b"verity"[..], &b"1 7:0\0"[..])
    );
    let request = Request {
        name: "root",
        flags: Flags::READ_ONLY,
        event: 0x0060_1234,
        target_count: 1,
        payload: &payload,
        ..Request::default()
    };
    let bytes = request.encode(1000).unwrap();
    assert_eq!(bytes.len(), 1000);
    let fields = [0, 4, 8, 12, 16, 20, 24, 28, 32].map(|at| number(&bytes, at));
    assert_eq!(fields, [4, 0, 0, 1000, 312, 1, 0, 1, 0x0060_1234]);
    assert_eq!((&bytes[48..53], &bytes[312..360]), (&b"root\0"[..], &payload[..]));
    assert_eq!(request.encode(0).unwrap().len(), 360);
    assert!(Request { name: &"x".repeat(128), ..request }.encode(0).is_err());
    assert!(encode_target("a-type-of-16-chr", 8, "").is_err());
    let error = encode_target("verity", 8, "a\0b").unwrap_err().to_string();
    assert!(error.starts_with("the kernel cannot be asked: "), "{error}");
    let config = loop_config(5, 4096, &[7; LoopInfo::SIZE]);
    assert_eq!([number(&config, 0), number(&config, 4)], [5, 4096]);
    assert_eq!((config[8], config[239], config[240]), (7, 7, 0));
    assert_eq!((Command::Load.number(), Command::TargetVersion.number()), (9, 17));
}

#[test]
fn answers_that_do_not_hold_together_are_refused() {
    let with = |payload: &[u8], change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes =
            Request { payload, target_count: 2, ..Request::default() }.encode(0).unwrap();
        change(&mut bytes);
        Answer::parse(&bytes).map(|answer| parse_targets(answer.payload, answer.target_count))
    };
    let record = encode_target("verity", 8, "V").unwrap();
    let put = |at: usize, value: u32| {
        move |bytes: &mut Vec<u8>| bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes())
    };
    assert!(with(&record, &|bytes| bytes.truncate(311)).is_err());
    // Data beyond the end, and before the header's end.
    assert!(with(&record, &put(12, 5000)).is_err());
    assert!(with(&record, &put(16, 300)).is_err());
    // Two targets are announced, and one is there; the way to the second leads nowhere or back.
    for next in [0, 39, 48, 4096, u32::MAX] {
        assert!(with(&record, &put(312 + 20, next)).unwrap().is_err(), "{next}");
    }
    let both = [&record[..], &record].concat();
    assert_eq!(with(&both, &|_| {}).unwrap().unwrap().len(), 2);
    assert!(parse_devices(&[0; 11]).is_err());
    assert!(parse_versions(&[1, 0, 0, 0]).is_err());
    for list in [[7_u8; 24], [0xff; 24]] {
        assert!(parse_devices(&list).is_err() && parse_versions(&list).is_err());
    }
}

#[test]
fn what_a_table_says_is_what_the_line_says() {
    let fixed = format!("1 8:1 8:2 4096 4096 300 1 sha256 {} -", "ab".repeat(32));
    for options in [
        "",
        " 1 ignore_zero_blocks",
        " 3 restart_on_corruption panic_on_error check_at_most_once",
        " 8 use_fec_from_device 8:3 fec_blocks 304 fec_start 0 fec_roots 2",
        " 2 root_hash_sig_key_desc verity:root",
    ] {
        let table: Table = format!("0 2400 verity {fixed}{options}").parse().unwrap();
        let line = VerityLine::parse(&format!("{fixed}{options}")).unwrap();
        assert_eq!(&line.options.known, table.options());
        assert_eq!(line.salt, "");
        assert!(line.has_params(table.params(), 1) && !line.has_params(table.params(), 2));
        assert!(line.has_root_hash(table.root_hash()));
        let other = "cd".repeat(32).parse().unwrap();
        assert!(!line.has_root_hash(other));
        let fec = table.options().fec.as_ref();
        assert_eq!(line.parity(), fec.map(|fec| (fec.start, fec.blocks, fec.roots)));
    }
    // What a newer kernel may have, or another program's words.
    let line = VerityLine::parse(&format!(
        "{} 5 what_is_new panic_on_corruption restart_on_error fec_roots x",
        fixed.replace("sha256", "whirlpool")
    ));
    let line = line.unwrap();
    assert_eq!(line.algorithm, "whirlpool");
    assert_eq!(
        line.options.known,
        TableOptions {
            on_corruption: Some(OnCorruption::Panic),
            on_error: Some(OnError::Restart),
            ..TableOptions::default()
        }
    );
    assert_eq!(line.options.unknown, ["what_is_new", "fec_roots", "x"]);
    assert_eq!(line.options.flag_words(), ["panic_on_corruption", "restart_on_error"]);
    // Parity that is not understood is no missing parity.
    for words in [
        "use_fec_from_device 8:3 fec_blocks 304 fec_start 0 fec_roots -2",
        "use_fec_from_device 8:3 fec_blocks 304 fec_start 0",
        "use_fec_from_device \u{e4} fec_blocks 304 fec_start 0 fec_roots 2",
    ] {
        let line = VerityLine::parse(&format!("{fixed} 8 {words} ignore_zero_blocks")).unwrap();
        assert_eq!(line.parity(), None);
        assert_eq!(line.options.unknown.join(" "), words);
        assert_eq!(line.options.flag_words(), ["ignore_zero_blocks"]);
    }
    // Any word describes a key, also one that no table of ours can have.
    for key in ["cryptsetup:a60c-\u{e9}", "a\\b", "ignore_corruption"] {
        let line = VerityLine::parse(&format!("{fixed} 2 root_hash_sig_key_desc {key}")).unwrap();
        assert!(line.is_signed(), "{key}");
        assert_eq!(line.options.key_description.as_deref(), Some(key));
        assert!(line.options.flag_words().is_empty() && line.options.unknown.is_empty());
    }
    let without = VerityLine::parse(&format!("{fixed} 1 root_hash_sig_key_desc")).unwrap();
    assert!(!without.is_signed());
    assert!(VerityLine::parse("1 8:1 8:2 4096").is_err());
    assert!(VerityLine::parse("").is_err());
}

#[test]
fn a_status_is_a_letter_and_then_perhaps_a_number() {
    for (text, letter, repaired) in [
        ("V", 'V', None),
        ("C", 'C', None),
        ("V 3", 'V', Some(3)),
        ("V -", 'V', None),
        ("C 7 more", 'C', Some(7)),
        ("", '?', None),
    ] {
        let health = Health::parse(text);
        assert_eq!(health, Health { letter, repaired }, "{text}");
        assert_eq!(health.is_uncorrupted(), letter == 'V');
    }
}

#[test]
fn lines_of_the_log_are_those_about_the_device() {
    let record = |text: &str| LogRecord::parse(text.as_bytes());
    let line = "3,1234,5678,-;device-mapper: table: 253:0: verity: Invalid fec_roots (-EINVAL)\n \
                SUBSYSTEM=block\n";
    let found = record(line).unwrap();
    assert_eq!(found.sequence, 1234);
    assert!(found.is_about(ROOT));
    assert_eq!(found.refusal(), "Invalid fec_roots (-EINVAL)");
    for number in [DeviceNumber { major: 253, minor: 1 }, DeviceNumber { major: 53, minor: 0 }] {
        assert!(!found.is_about(number));
    }
    for other in [
        "3,1,2,-;device-mapper: ioctl: error adding target to table",
        "3,1,2,-;device-mapper: table: 253:01: verity: x",
        "3,1,2,-;other: 253:0: verity: x",
    ] {
        assert!(!record(other).unwrap().is_about(ROOT), "{other}");
    }
    for broken in ["", "x", "3,1,2,-", "3,x,2,-;text"] {
        assert_eq!(record(broken), None);
    }
    let hostile = format!("3,1,2,-;device-mapper: 253:0: \u{1b}[31m{}\n", "\u{e4}".repeat(5000));
    let text = record(&hostile).unwrap().text;
    assert!(text.len() <= 512 && !text.contains('\u{1b}'));
}
